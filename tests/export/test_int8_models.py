"""INT8 graphs of real weights: calibrated on videos, judged by photos that they have never seen."""

import numpy as np
import onnx
import pytest
import torch

from edge_pose.export.evidence import evidence_from
from edge_pose.export.int8 import check_placement
from edge_pose.export.product import Product, save_checked
from edge_pose.export.quantise import Settings, Workshop, tensorrt_int8
from edge_pose.export.source import Wanted, float_graph
from tests.export.support import onnx_answers, seeded

MODELS = {
    "movenet-lightning": "movenet_lightning_int8.tflite",
    "yolov8n-pose": "yolov8n-pose.onnx",
    "pp-tinypose": "pp_tinypose_256x192.onnx",
}


def quiet(line: str) -> None:
    """Nobody is told."""


def floating(name, weights, folder) -> Product:
    source = float_graph(Wanted(name, weights))
    path = folder / f"{name}.onnx"
    save_checked(source.model, path)
    return Product(path, source.model, source.spec)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnxruntime", "openvino", "tensorrt"])
def test_every_kind_of_graph_of_real_weights(kind, asset, tmp_path):
    """Without the gate: nearly the poses of the float model, and what the engine takes."""
    if kind == "openvino":
        pytest.importorskip("openvino")
    base = floating("movenet-lightning", asset("models/movenet_lightning_int8.tflite"), tmp_path)
    with evidence_from(asset("images/coco_mini"), base.path, base.spec) as evidence:
        shop = Workshop(base, evidence, Settings("percentile", gate=False), quiet)
        made = shop.best(kind)
        assert made.agreement.people >= 5
        assert made.agreement.mean_oks > 0.8
        product = shop.written(made, tmp_path / "int8.onnx", "")
    if kind != "tensorrt":  # which quantises weights itself
        assert product.path.stat().st_size < 0.4 * base.path.stat().st_size
    if kind != "onnxruntime":
        check_placement(onnx.load(product.path))  # among others: no INT32 bias


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODELS)
def test_the_graph_for_tensorrt_loses_at_most_a_point_of_ap(name, asset, tmp_path):
    photos = asset("images/coco_mini") / "annotations.json"
    base = floating(name, asset(f"models/{MODELS[name]}"), tmp_path)
    detector = str(asset("models/yolov5n.onnx")) if base.spec.task == "pose-from-box" else None
    with evidence_from(asset("videos"), base.path, base.spec, photos, detector) as evidence:
        product = tensorrt_int8(base, tmp_path / "int8.onnx", evidence, Settings(), quiet)
    agreement = product.spec.agreement
    assert agreement["ap_float"] > 0.25
    assert agreement["ap_other"] >= agreement["ap_float"] - 0.01
    check_placement(onnx.load(product.path))


@pytest.mark.exhaustive
def test_hrnet_with_seeded_weights_gives_the_same_maps(asset, tmp_path):
    """Its poses mean nothing, so that its maps are compared: error against their spread."""
    weights = tmp_path / "seeded.pth"
    torch.save(seeded("hrnet-w32").state_dict(), weights)
    base = floating("hrnet-w32", weights, tmp_path)
    with evidence_from(asset("images/coco_mini"), base.path, base.spec) as evidence:
        shop = Workshop(base, evidence, Settings("minmax", gate=False), quiet)
        batch = next(iter(evidence.feeds()))
        (wanted,) = onnx_answers(base.model, batch)
        for kind in ("onnxruntime", "tensorrt"):
            (got,) = onnx_answers(shop.search.build(kind, "minmax"), batch)
            assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.98

"""torch -> ONNX: one file for any batch, with the network's own numbers on real photos, that says what it is."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edge_pose.errors import ExportError
from edge_pose.export import graphs
from edge_pose.export.metadata import read_spec
from edge_pose.export.onnx_from_torch import difference, onnx_from_torch
from edge_pose.models.catalog import MODELS
from edge_pose.models.checkpoints import load_checkpoint, load_into
from edge_pose.spec import HeatmapDecode, InputSpec, ModelSpec
from tests.export.support import fed, onnx_answers, photos, seeded, torch_answers

# One of each way to build a graph, small enough for every run; the rest is behind `make test-all`.
FEW = [
    "movenet-lightning",
    "yolov5n",
    "yolov8n-pose",
    "yolo26n-pose",
    "simplebaseline-50-simdr-upfree",
    pytest.param("hrnet-w32", marks=pytest.mark.slow),
]
SMALL = (96, 64)


def shape_of(value) -> list:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def check_form(model: onnx.ModelProto, spec: ModelSpec) -> None:
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    onnx.checker.check_model(model, full_check=True)
    size = [3, *spec.input.hw] if spec.input.layout == "NCHW" else [*spec.input.hw, 3]
    assert [shape_of(value) for value in model.graph.input] == [["N", *size]]
    assert all(shape_of(value)[0] == "N" and all(shape_of(value)[1:]) for value in model.graph.output)
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Identity", "Constant", "BatchNormalization"})


def check_exported(name: str, net: nn.Module, asset, spec: ModelSpec) -> onnx.ModelProto:
    """Form, self-description, and the network's numbers on photos: one row and five."""
    model = onnx_from_torch(net, spec)
    check_form(model, spec)
    described = read_spec(model)
    assert replace(described, outputs=()) == spec
    assert list(described.outputs) == [value.name for value in model.graph.output]
    batch = fed(photos(asset, 5), spec)
    for rows in (batch[:1], batch):
        wanted = torch_answers(net, rows)
        got = onnx_answers(model, rows)
        assert [a.shape for a in got] == [a.shape for a in wanted]
        assert all(difference(a, b, spec) <= 1e-3 for a, b in zip(got, wanted, strict=True)), name
    return model


@pytest.mark.parametrize("name", FEW)
def test_seeded_networks_on_photos(name, asset):
    check_exported(name, seeded(name, input_hw=SMALL), asset, MODELS[name].spec(input_hw=SMALL))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_on_photos(name, asset):
    check_exported(name, seeded(name, input_hw=SMALL), asset, MODELS[name].spec(input_hw=SMALL))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("movenet-lightning", {"decode": "outside", "layout": "nchw"}),
        ("edge-pose-nano", {"decode": "outside", "layout": "nchw"}),
        ("yolo26n-pose", {"end_to_end": False}),
        ("yolov8n", {"classes": 3}),
        ("simplebaseline-50", {"head": "rle", "joints": 5}),
    ],
)
def test_options_reach_graph_and_specification(name, options, asset):
    spec = MODELS[name].spec(input_hw=SMALL, **options)
    check_exported(name, seeded(name, input_hw=SMALL, **options), asset, spec)


@pytest.mark.parametrize(
    ("name", "weights"), [("movenet-lightning", "movenet_lightning_int8.tflite"), ("yolov5n", "yolov5n.pt")]
)
def test_real_weights_at_full_size(name, weights, asset):
    net = MODELS[name].build()
    load_into(net, load_checkpoint(asset(f"models/{weights}")))
    spec = MODELS[name].spec()
    model = onnx_from_torch(net, spec)
    batch = fed(photos(asset, 5), spec)
    for rows in (batch[:1], batch):
        (got,), (wanted,) = onnx_answers(model, rows), torch_answers(net, rows)
        # Boxes are up to 1500 pixels wide; there float32 itself has steps of 1e-4.
        np.testing.assert_allclose(got, wanted, atol=1e-3, rtol=1e-5)


def test_bytes_are_cast_first(asset):
    """TensorRT takes bytes only into a cast."""
    spec = MODELS["movenet-lightning"].spec(input_hw=SMALL)
    net = seeded("movenet-lightning", input_hw=SMALL)
    model = onnx_from_torch(net, replace(spec, input=replace(spec.input, dtype="uint8")))
    users = [node for node in model.graph.node if model.graph.input[0].name in node.input]
    assert [node.op_type for node in users] == ["Cast"]
    batch = fed(photos(asset, 2), spec).round()
    (got,) = onnx_answers(model, batch.astype(np.uint8))
    np.testing.assert_allclose(got, torch_answers(net, batch)[0], atol=1e-3)


TINY = ModelSpec("tiny", "pose-from-box", InputSpec(32, 32), "classic", HeatmapDecode())


class Tiny(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.conv = nn.Conv2d(3, 17, 3, padding=1)
        self.change = change

    def forward(self, x):
        return self.change(self.conv(x / 255))


def test_a_graph_that_gives_other_numbers_is_refused():
    """What is decided in Python while the tracer looks on is not in the graph."""
    with pytest.raises(ExportError, match=r"'heatmaps' is off by 1\b.* with 1 rows"):
        onnx_from_torch(Tiny(lambda x: x if torch.jit.is_tracing() else x + 1).eval(), TINY)


def test_a_batch_that_became_a_constant_is_refused():
    with pytest.raises(ExportError, match="with 1 rows"):
        shape = (2, 17, 32, 32)
        onnx_from_torch(Tiny(lambda x: x.reshape(shape if torch.jit.is_tracing() else x.shape)).eval(), TINY)


def test_outputs_must_be_as_many_as_the_family_has():
    with pytest.raises(ExportError, match="must give heatmaps, the network gives 2 outputs"):
        onnx_from_torch(Tiny(lambda x: (x, x)).eval(), TINY)


def test_another_opset_is_refused():
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "empty", [], []), opset_imports=[onnx.helper.make_opsetid("", 18)]
    )
    with pytest.raises(ExportError, match="opset 17, got 18"):
        graphs.checked(model)

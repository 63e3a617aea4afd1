"""The networks as ONNX: one file for any batch, the same numbers, and no arithmetic on shapes left in the graph."""

import io
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edge_pose.models.yolo import build_yolo11, build_yolo26, build_yolov5, build_yolov8
from tests.golden_weights import load_into

POSE = {"classes": 1, "keypoints": 17}
# The gains are those of the reference vectors: outputs that are neither flat nor saturated.
NETS = [
    pytest.param((lambda: build_yolov5("n"), 1.0), id="v5"),
    pytest.param((lambda: build_yolov8("n", **POSE), 1.0), id="v8-pose"),
    pytest.param((lambda: build_yolo11("n", **POSE), 0.97), id="11-pose"),
    pytest.param((lambda: build_yolo26("n", end_to_end=False, **POSE), 0.95), id="26-one2many"),
    pytest.param((lambda: build_yolo26("n", **POSE), 0.95), id="26-pose"),
    pytest.param((lambda: build_yolo26("n"), 0.95), id="26"),
]


def exported(net: torch.nn.Module, hw: tuple[int, int]) -> onnx.ModelProto:
    """The file that is written for a size; warnings about the network itself are errors."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, *hw),),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["output"],
            dynamic_axes={"images": {0: "batch"}, "output": {0: "batch"}},
        )
    return onnx.load_from_string(file.getvalue())


@pytest.fixture(scope="module", params=NETS)
def case(request):
    """A network and its file for pictures of 96 x 64."""
    build, gain = request.param
    net = build()
    # YOLOv5's anchors are constants, not weights.
    anchors = {key: value.tolist() for key, value in net.state_dict().items() if key.endswith(".anchors")}
    load_into(net, seed=3, gain=gain, constants=anchors)
    return net, exported(net, (96, 64))


def test_onnx_runtime_agrees_for_every_batch(case):
    net, model = case
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 3, 0):
        pictures = np.random.default_rng(batch).standard_normal((batch, 3, 96, 64)).astype(np.float32)
        (got,) = session.run(None, {"images": pictures})
        with torch.inference_mode():
            want = net(torch.from_numpy(pictures)).numpy()
        assert got.shape == want.shape
        if not getattr(net.head, "end_to_end", False):
            # Pixels and probabilities; a wrong constant in the graph is off by whole cells.
            np.testing.assert_allclose(got, want, atol=0.05)
            continue
        for rows, expected in zip(got, want, strict=True):
            # Rows of nearly equal scores may trade places.
            close = np.abs(rows[:, None] - expected[None]).max(2) <= 0.05
            assert close.any(0).all()
            assert close.any(1).all()
            np.testing.assert_allclose(rows[:, 4], expected[:, 4], atol=1e-4)


def test_the_graph_computes_no_shapes_before_the_choice_of_rows(case):
    """What TensorRT and quantisers stumble over is not there; only the choice of rows sees the batch."""
    net, model = case
    kinds = {node.op_type for node in model.graph.node}
    assert kinds.isdisjoint({"If", "Loop", "NonZero", "Range", "Mod", "Gather", "Where", "ScatterND"})
    if not getattr(net.head, "end_to_end", False):
        assert "Shape" not in kinds

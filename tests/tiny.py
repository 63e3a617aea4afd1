"""Networks of a few bytes whose answers are known, so that estimators can be tested on any machine."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_pose import ModelSpec
from edge_pose.spec import HeatmapDecode, InputSpec, MovenetDecode, YoloDecode

RGB01 = {"std": (255.0, 255.0, 255.0)}


def save(path: Path, nodes, inputs, outputs, constants=(), spec: ModelSpec | None = None) -> Path:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, list(constants))
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    if spec is not None:
        helper.set_model_props(model, {"edge_pose": spec.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def constant_network(path: Path, spec: ModelSpec, answer: np.ndarray, batch: int | str = 1) -> Path:
    """Ignores the picture and always answers the same, row by row."""
    hw = spec.input.hw
    shape = [batch, 3, *hw] if spec.input.layout == "NCHW" else [batch, *hw, 3]
    dtype = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}[spec.input.dtype]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "rank"], ["flat"]),
        helper.make_node("Add", ["flat", "answer"], ["out"]),
    ]
    rank = np.array([-1, *([1] * (answer.ndim - 1))], np.int64)
    constants = [
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(rank, "rank"),
        numpy_helper.from_array(answer.astype(np.float32), "answer"),
    ]
    rows = [batch, *answer.shape[1:]]
    return save(
        path,
        nodes,
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, rows)],
        constants,
        spec,
    )


YOLO = ModelSpec("tiny-yolo", "pose", InputSpec(64, 64, **RGB01), "letterbox", YoloDecode())
MOVENET = ModelSpec(
    "tiny-movenet", "single-pose", InputSpec(32, 32, "NHWC", dtype="uint8"), "square-pad", MovenetDecode()
)
HEATMAP = ModelSpec("tiny-heatmap", "pose-from-box", InputSpec(64, 48, **RGB01), "classic", HeatmapDecode("none"))


def yolo_answer(people: list[tuple[float, float, float, float, float]]) -> np.ndarray:
    """(1, 56, 16): people as (centre x, centre y, width, height, score) in input pixels, all joints at the centre."""
    answer = np.zeros((1, 56, 16), np.float32)
    for column, (x, y, width, height, score) in enumerate(people):
        joints = np.tile([x, y, 0.9], 17)
        answer[0, :, column] = [x, y, width, height, score, *joints]
    return answer


def heatmap_answer(x: int, y: int) -> np.ndarray:
    """(1, 17, 16, 12): every joint's peak, 0.8, in one cell."""
    maps = np.zeros((1, 17, 16, 12), np.float32)
    maps[:, :, y, x] = 0.8
    return maps


def movenet_answer(score: float) -> np.ndarray:
    """(1, 1, 17, 3): all joints in the middle of the input."""
    return np.tile(np.array([0.5, 0.5, score], np.float32), (1, 1, 17, 1))

"""Small networks with real layers, pictures for them, and one whose layers INT8 ruins."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_pose.export import graphs, samples
from edge_pose.export.metadata import write_spec
from tests.tiny import HEATMAP

LOUD = 4000.0  # by so much one channel drowns the others that it shares a tensor with


def pictures(folder: Path, count: int = 12, hw=(120, 90)) -> Path:
    """A folder with pictures of dark noise and one bright spot, which is what the networks find."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[: hw[0], : hw[1]]
    for number, picture in enumerate(samples.pictures(count, hw)):
        at = np.random.default_rng(number).uniform(0.2, 0.8, 2) * hw
        spot = 180 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 6.0**2))
        shown = np.clip(picture * 0.2 + spot[..., None], 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:02d}.png"), shown)
    return folder


def _weights(seed: int, *shape: int) -> np.ndarray:
    """Positive, so that what is bright stays the brightest."""
    fan = int(np.prod(shape[1:]))
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32) / fan


def graph(nodes, constants, path: Path | None = None, spec=HEATMAP) -> onnx.ModelProto:
    """A graph from "image" (N,3,64,48) to "maps" (N,17,16,12) with a specification, as an export writes it."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, *spec.input.hw])
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", 17, 16, 12])
    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [image], [maps], values),
        ir_version=graphs.IR_VERSION,
        opset_imports=[helper.make_opsetid("", graphs.OPSET)],
    )
    write_spec(model, spec)
    onnx.checker.check_model(model, full_check=True)
    if path is not None:
        onnx.save(model, path)
    return model


def conv(name: str, source: str, target: str, stride: int = 1, **attributes) -> onnx.NodeProto:
    """3x3 with weights and bias of its own name."""
    return helper.make_node(
        "Conv",
        [source, f"{name}.w", f"{name}.b"],
        [target],
        name=name,
        strides=[stride] * 2,
        pads=[1] * 4,
        **attributes,
    )


def plain(path: Path | None = None) -> onnx.ModelProto:
    """Three convolutions with nothing that INT8 would mind."""
    nodes = [
        conv("stem", "image", "a", 2),
        helper.make_node("Relu", ["a"], ["b"], name="act"),
        conv("body", "b", "c", 2),
        helper.make_node("Relu", ["c"], ["d"], name="act2"),
        conv("head", "d", "maps"),
    ]
    constants = {
        "stem.w": _weights(0, 8, 3, 3, 3),
        "body.w": _weights(1, 16, 8, 3, 3),
        "head.w": _weights(2, 17, 16, 3, 3),
    }
    constants |= {f"{key[:-2]}.b": np.full(len(value), 0.05, np.float32) for key, value in constants.items()}
    return graph(nodes, constants, path)


def hostile(path: Path | None = None, *, stem: bool = True) -> onnx.ModelProto:
    """ "left" and "right" read a tensor in which one channel is 4000 times as loud as those that they need.

    Quantised, they see nothing, and answer the same whatever the picture shows. stem: whether a layer comes before that
    may be int8; without it, all there is must be float.
    """
    wide = np.zeros((9, 8, 3, 3), np.float32)
    wide[range(8), range(8), 1, 1] = 1
    wide[8, :, 1, 1] = LOUD
    constants = {"loud": np.array([1] * 3 + [LOUD], np.float32).reshape(1, 4, 1, 1)}
    if stem:
        nodes = [
            conv("stem", "image", "a"),
            helper.make_node("Relu", ["a"], ["b"], name="act"),
            conv("middle", "b", "b2"),
            helper.make_node("Tanh", ["b2"], ["b3"], name="act2"),
            conv("mix", "b3", "wide", 2),
        ]
        constants = {"stem.w": _weights(0, 8, 3, 3, 3), "middle.w": _weights(5, 8, 8, 3, 3), "mix.w": wide}
        channels = 9
    else:
        nodes = [
            helper.make_node("ReduceMean", ["image"], ["mean"], name="grey", axes=[1], keepdims=1),
            helper.make_node("Concat", ["image", "mean"], ["four"], name="join", axis=1),
            helper.make_node("Mul", ["four", "loud"], ["louder"], name="raise"),
            helper.make_node("MaxPool", ["louder"], ["wide"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        ]
        channels = 4
    for number, name in enumerate(("left", "right")):
        weights = _weights(10 + number, 17, channels, 3, 3)
        weights[:, -1] = 0
        constants[f"{name}.w"] = weights
        nodes.append(conv(name, "wide", name, 2))
    nodes.append(helper.make_node("Add", ["left", "right"], ["maps"], name="sum"))
    constants |= {
        f"{key[:-2]}.b": np.zeros(len(value), np.float32) for key, value in constants.items() if key.endswith(".w")
    }
    return graph(nodes, constants, path)

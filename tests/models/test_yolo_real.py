"""Real weights, taken out of the vendor's ONNX files (BatchNorm folded): our networks give what those files give."""

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

from edge_pose.models.yolo import build_yolov5, build_yolov8
from edge_pose.models.yolo.blocks import BN_EPS, ConvBn


def folded_convolutions(path):
    """(weight, bias or None) of each convolution in the order of the file; a bias may be an addition behind it."""
    graph = onnx.load(str(path)).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    added = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    convolutions = []
    for node in graph.node:
        if node.op_type == "Conv":
            bias = constants.get(node.input[2]) if len(node.input) > 2 else None
            if bias is None and node.output[0] in added:
                bias = constants[added[node.output[0]].input[1]]
            convolutions.append((node.name, constants[node.input[1]], None if bias is None else bias.reshape(-1)))
    return convolutions


def give(layer, weight, bias):
    """Put a folded convolution into a plain one, or into one whose BatchNorm then adds the bias and nothing else."""
    conv = layer.conv if isinstance(layer, ConvBn) else layer
    assert tuple(conv.weight.shape) == weight.shape
    conv.weight.data = torch.from_numpy(weight.copy())
    if isinstance(layer, ConvBn):
        layer.bn.running_var.fill_(1 - BN_EPS)
        layer.bn.bias.data = torch.from_numpy(bias.copy())
    elif bias is not None:
        conv.bias.data = torch.from_numpy(bias.copy())


def leaves(module):
    """ConvBn blocks and plain convolutions of a module in the order of their keys."""
    found = []
    for child in module.children():
        found += [child] if isinstance(child, ConvBn | nn.Conv2d) else leaves(child)
    return found


def chw(path, side):
    """A letterboxed photo as the networks want it: (1, 3, side, side) RGB in 0..1."""
    image = cv2.imread(str(path))
    scale = side / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale)
    canvas = np.full((side, side, 3), 114, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return np.ascontiguousarray(canvas[None, :, :, ::-1].transpose(0, 3, 1, 2)).astype(np.float32) / 255


def run_both(net, path, picture):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"images": picture})
    with torch.inference_mode():
        got = net(torch.from_numpy(picture)).numpy()
    assert got.shape == want.shape
    return got[0], want[0]


def test_yolov8n_pose_sees_what_the_vendors_file_sees(asset):
    path = asset("models/yolov8n-pose.onnx")
    net = build_yolov8("n", classes=1, keypoints=17)
    head = net.head
    order = []
    for index, layer in enumerate(net.model[:-1]):
        order += [layer] if isinstance(layer, ConvBn) else in_graph_order(layer)
        # The file has a box branch right behind its map.
        if index in (15, 18, 21):
            order += leaves(head.cv2[(index - 15) // 3])
    order += [head.dfl.conv, *leaves(head.cv3), *leaves(head.cv4)]
    for layer, (_, weight, bias) in zip(order, folded_convolutions(path), strict=True):
        give(layer, weight, bias)
    got, want = run_both(net, path, chw(asset("images/bus.jpg"), 640))
    assert (want[4] > 0.5).sum() >= 3  # the people of the photo: this compares more than background
    pixels = np.ones(56, bool)
    pixels[[4, *range(7, 56, 3)]] = False
    sure = want[4] > 0.05
    assert np.abs(got - want)[pixels][:, sure].max() <= 0.05
    assert np.abs(got - want)[~pixels].max() <= 1e-4


def in_graph_order(block):
    """cv1, the chain, then cv2 (C2f and SPPF): the order in which a block runs, not that of its keys."""
    parts = dict(block.named_children())
    if "cv1" not in parts:
        return []
    return [*leaves_of(parts, "cv1"), *leaves_of(parts, "m"), *leaves_of(parts, "cv2")]


def leaves_of(parts, name):
    part = parts[name]
    return [part] if isinstance(part, ConvBn) else leaves(part)


def test_yolov5n_sees_what_the_vendors_file_sees(asset):
    path = asset("models/yolov5n.onnx")
    net = build_yolov5("n")
    modules = dict(net.named_modules())
    for name, weight, bias in folded_convolutions(path):
        # "/model.2/m/m.0/cv1/conv/Conv" -> "model.2.m.0.cv1": a list's name is told twice.
        parts = name.strip("/").split("/")[:-1]
        key = "".join(
            f"{part}." for part, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(f"{part}.")
        )
        give(modules[key.removesuffix(".").removesuffix(".conv")], weight, bias)
    assert not any(p.isnan().any() for p in net.parameters())
    got, want = run_both(net, path, chw(asset("images/bus.jpg"), 640))
    scores = want[:, 4:5] * want[:, 5:]
    assert (scores.max(1) > 0.5).sum() >= 3
    sure = scores.max(1) > 0.01
    assert np.abs(got - want)[sure, :4].max() <= 0.05
    assert np.abs(got - want)[:, 4:].max() <= 1e-4

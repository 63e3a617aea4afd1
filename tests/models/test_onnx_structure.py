"""Weights whose names were lost find their place in a network by the graph."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edge_pose.errors import CheckpointError
from edge_pose.models.catalog import build
from edge_pose.models.checkpoints import load_checkpoint, load_into, load_nameless_onnx


@pytest.fixture(scope="module")
def yolov8n_pose(asset):
    """The network with the weights of a file whose weights are called c1, c7, c13."""
    net = build("yolov8n-pose")
    checkpoint = load_nameless_onnx(asset("models/yolov8n-pose.onnx"), net, torch.zeros(1, 3, 64, 64))
    report = load_into(net, checkpoint)
    assert (report.folded, report.missing, report.left_over) == (63, (), ())
    return net


def test_the_ordinary_way_points_to_this_one(asset):
    with pytest.raises(CheckpointError, match="read with load_nameless_onnx"):
        load_into(build("yolov8n-pose"), load_checkpoint(asset("models/yolov8n-pose.onnx")))


@pytest.mark.parametrize("photo", ["images/bus.jpg", "images/zidane.jpg"])
def test_yolov8n_pose_gives_what_the_file_gives(asset, yolov8n_pose, photo):
    picture = cv2.resize(cv2.imread(str(asset(photo))), (640, 640))[:, :, ::-1].transpose(2, 0, 1)[None]
    picture = np.ascontiguousarray(picture, np.float32) / 255
    (wanted,) = onnxruntime.InferenceSession(str(asset("models/yolov8n-pose.onnx"))).run(None, {"images": picture})
    with torch.no_grad():
        got = yolov8n_pose(torch.from_numpy(picture)).numpy()
    assert got.shape == wanted.shape
    assert wanted[:, 4].max() > 0.8
    np.testing.assert_allclose(got, wanted, atol=5e-3)
    np.testing.assert_allclose(got[:, 4], wanted[:, 4], atol=1e-4)


def test_the_same_comes_out_where_the_names_are_known(asset):
    one, other = build("yolov5n"), build("yolov5n")
    anchors = torch.zeros(1, 3, 64, 64)
    load_into(one, load_nameless_onnx(asset("models/yolov5n.onnx"), one, anchors), strict=False)
    load_into(other, load_checkpoint(asset("models/yolov5n.onnx")), strict=False)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


class Twins(nn.Module):
    """Two convolutions of the same kind in the same place, or after different ones."""

    def __init__(self, kernels=(1, 3), swapped=False):
        super().__init__()
        self.first = nn.ModuleList([nn.Conv2d(3, 4, k, padding=k // 2) for k in kernels])
        self.second = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, bias=False)])
        self.swapped = swapped

    def forward(self, x):
        parts = [second(first(x)) for first, second in zip(self.first, self.second, strict=True)]
        return parts[1] + parts[0] if self.swapped else parts[0] + parts[1]


def nameless(net, path):
    """Export, then take all names away."""
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(net.eval(), (torch.zeros(1, 3, 4, 4),), str(path), dynamo=False)
    model = onnx.load(path)
    renamed = {tensor.name: f"c{i}" for i, tensor in enumerate(model.graph.initializer)}
    for tensor in model.graph.initializer:
        tensor.name = renamed[tensor.name]
    for node in model.graph.node:
        node.name = ""
        node.input[:] = [renamed.get(name, name) for name in node.input]
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("swapped", [False, True])
def test_what_comes_before_tells_equal_convolutions_apart(tmp_path, swapped):
    torch.manual_seed(0)
    source, target = Twins(swapped=swapped), Twins()
    load_into(target, load_nameless_onnx(nameless(source, tmp_path / "w.onnx"), target, torch.zeros(1, 3, 4, 4)))
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name


def test_true_twins_are_not_guessed(tmp_path):
    net = Twins(kernels=(1, 1))
    with pytest.raises(CheckpointError, match="cannot tell apart"):
        load_nameless_onnx(nameless(net, tmp_path / "w.onnx"), net, torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("other", [Twins(kernels=(3, 5)), nn.Conv2d(3, 4, 1)])
def test_another_network_is_refused_by_name(tmp_path, other):
    path = nameless(Twins(), tmp_path / "w.onnx")
    with pytest.raises(CheckpointError, match=r"w\.onnx is another network: it has 4 convolutions"):
        load_nameless_onnx(path, other, torch.zeros(1, 3, 4, 4))

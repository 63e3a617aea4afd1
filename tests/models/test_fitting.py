"""Weights go into a network whole or not at all, and a message says which network they belong to."""

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from edge_pose.errors import CheckpointError
from edge_pose.models.catalog import build
from edge_pose.models.checkpoints import Checkpoint, load_checkpoint, load_into


class Net(nn.Module):
    def __init__(self, out=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, out, 3, bias=False), nn.BatchNorm2d(out), nn.ReLU())
        self.up = nn.ConvTranspose2d(out, 2, 2)
        self.norm = nn.BatchNorm2d(2, eps=1e-3)
        self.register_buffer("table", torch.zeros(3), persistent=False)

    def forward(self, x):
        return self.norm(self.up(self.body(x)))


def trained(seed=0):
    """A network whose every weight and statistic differs from its start."""
    torch.manual_seed(seed)
    net = Net().train()
    for _ in range(3):
        net(torch.randn(4, 3, 6, 6) * 2 + 1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += torch.randn_like(parameter) * 0.3
    return net.eval()


def checkpoint(tensors, kind="torch-zip"):
    return Checkpoint(dict(tensors), kind)


def same_outputs(one, other, atol=0.0):
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(one(x), other(x), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        (lambda name: name, ""),
        (lambda name: f"module.{name}", "-module."),
        (lambda name: f"model.{name}", "-model."),
        (lambda name: f"module.model.{name}", "-module., -model."),
        (lambda name: f"_orig_mod.{name}", "-_orig_mod."),
        (lambda name: f"ema.module.{name}", "-ema., -module."),
        (lambda name: ("backbone." if name.startswith("body") else "head.") + name, "mmpose's names"),
    ],
)
def test_wrappers_are_seen_through_and_reported(rename, words):
    source, target = trained(), Net().eval()
    report = load_into(target, checkpoint({rename(name): value for name, value in source.state_dict().items()}))
    assert (report.renamed, report.missing, report.left_over, report.folded) == (words, (), (), 0)
    assert report.loaded == len(source.state_dict())
    same_outputs(source, target)


def test_a_prefix_that_the_network_itself_has_stays():
    source = nn.ModuleDict({"model": trained()})
    target = nn.ModuleDict({"model": Net()})
    assert load_into(target, checkpoint(source.state_dict())).renamed == ""
    bare = checkpoint(source["model"].state_dict())
    assert load_into(target, bare).renamed == "+model."
    assert (
        load_into(target, checkpoint({f"module.{k}": v for k, v in bare.tensors.items()})).renamed
        == "-module., +model."
    )


def test_half_precision_becomes_the_network_s_own():
    source, target = trained().half(), Net()
    load_into(target, checkpoint(source.state_dict()))
    assert {p.dtype for p in target.parameters()} == {torch.float32}
    assert torch.equal(target.body[0].weight, source.body[0].weight.float())


def test_normalisation_that_was_folded_in_becomes_the_identity():
    source, target = trained(), Net().eval()
    fused = nn.utils.fusion.fuse_conv_bn_eval(source.body[0], source.body[1])
    transposed = nn.utils.fusion.fuse_conv_bn_eval(source.up, source.norm, transpose=True)
    tensors = {f"body.0.{name}": value for name, value in fused.state_dict().items()}
    tensors |= {f"up.{name}": value for name, value in transposed.state_dict().items()}
    report = load_into(target, checkpoint({**tensors, "constant": torch.ones(2)}, "onnx"))
    assert (report.folded, report.missing, report.left_over) == (2, (), ("constant",))
    same_outputs(source, target, atol=2e-5)


def test_tables_outside_the_state_dict_may_be_brought():
    target = Net()
    report = load_into(target, checkpoint({**trained().state_dict(), "table": torch.ones(3)}))
    assert report.left_over == ()
    assert target.table.tolist() == [1, 1, 1]


def without(name):
    return {key: value for key, value in trained().state_dict().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (without("up.bias"), r"do not fit Net: 1 missing \(up\.bias\)"),
        (trained().state_dict() | {"up.more": torch.ones(1)}, r"1 left over \(up\.more\)"),
        (
            trained().state_dict() | {"up.bias": torch.ones(3)},
            r"1 of another shape \(up\.bias \(3,\) instead of \(2,\)\)",
        ),
        (
            trained().state_dict() | {"up.bias": torch.ones(2, dtype=torch.int8)},
            r"1 of another type \(up\.bias torch\.int8",
        ),
        (trained().state_dict() | {"up.bias": torch.tensor([1, torch.nan])}, r"1 not finite \(up\.bias\)"),
        ({}, r"11 missing \(body\.0\.weight, .*, \.\.\.\)"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(tensors, message):
    target = Net()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_into(target, checkpoint(tensors))
    for name, value in target.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_counters_and_leftovers_of_training_do_not_matter():
    tensors = without("body.1.num_batches_tracked") | {
        "body.total_ops": torch.ones(1),
        "head.anchor_grid": torch.ones(1),
    }
    assert load_into(Net(), checkpoint(tensors)).missing == ()


def test_not_strict_takes_what_fits_and_says_what_it_left():
    tensors = without("up.bias") | {"other": torch.ones(1)}
    report = load_into(Net(), checkpoint(tensors), strict=False)
    assert (report.missing, report.left_over) == (("up.bias",), ("other",))
    with pytest.raises(CheckpointError, match="of another shape"):
        load_into(Net(out=5), checkpoint(tensors), strict=False)
    with pytest.raises(CheckpointError, match="none of its 1 names is one of the network's"):
        load_into(Net(), checkpoint({"other": torch.ones(1)}), strict=False)


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_the_network_that_would_fit_is_named(wrapper):
    state = build("hrnet-w48").state_dict()
    with pytest.raises(CheckpointError, match=r"of another shape .* look like hrnet-w48") as caught:
        load_into(
            build("hrnet-w32", init=True), checkpoint({f"{wrapper}{name}": value for name, value in state.items()})
        )
    assert len(str(caught.value)) < 2000


@pytest.fixture(scope="module")
def letterbox(asset):
    """Photos as YOLOv5 wants them: (1, 3, 640, 640) RGB in 0..1, grey bars."""

    def load(name):
        image = cv2.imread(str(asset(name)))
        height, width = image.shape[:2]
        scale = 640 / max(height, width)
        image = cv2.resize(image, (round(width * scale), round(height * scale)))
        canvas = np.full((640, 640, 3), 114, np.uint8)
        canvas[: image.shape[0], : image.shape[1]] = image
        return np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None]).astype(np.float32) / 255

    return load


@pytest.mark.parametrize(("file", "strict"), [("yolov5n.pt", True), ("yolov5n.onnx", False)])
@pytest.mark.parametrize("photo", ["images/bus.jpg", "images/zidane.jpg"])
def test_yolov5n_of_the_original_pickle_and_of_onnx_gives_the_reference_outputs(asset, letterbox, file, strict, photo):
    """The anchors are constants of the ONNX graph, so that it has no weight of that name."""
    net = build("yolov5n")
    report = load_into(net, load_checkpoint(asset(f"models/{file}")), strict=strict)
    assert report.missing == (() if strict else ("model.24.anchors",))
    picture = letterbox(photo)
    (wanted,) = onnxruntime.InferenceSession(str(asset("models/yolov5n.onnx"))).run(None, {"images": picture})
    with torch.no_grad():
        got = net(torch.from_numpy(picture)).numpy()
    # Boxes in pixels of the input, up to 640: both sides are off by that much from 64-bit arithmetic.
    np.testing.assert_allclose(got[..., :4], wanted[..., :4], atol=5e-3)
    np.testing.assert_allclose(got[..., 4:], wanted[..., 4:], atol=1e-4)


def test_a_network_that_lacks_two_of_many_weights_does_not_agree_wholly():
    state = {name: value for name, value in build("hrnet-w32").state_dict().items() if "final_layer" not in name}
    with pytest.raises(CheckpointError, match=r"2 missing \(final_layer.*look like hrnet-w32 \(99% of the names"):
        load_into(build("hrnet-w32", init=True), checkpoint({f"backbone.{k}": v for k, v in state.items()}))

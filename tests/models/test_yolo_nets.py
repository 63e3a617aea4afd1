"""What holds for every version and size, with no reference at hand."""

import pytest
import torch

from edge_pose.errors import ShapeError, SpecError
from edge_pose.models.count import cost_of
from edge_pose.models.yolo import build_yolo11, build_yolo26, build_yolov5, build_yolov8
from edge_pose.models.yolo.grid import Dfl

POSE = {"classes": 1, "keypoints": 17}
ALL = [
    pytest.param(lambda **more: build_yolov5("n", **more), 63, id="v5"),
    pytest.param(lambda **more: build_yolov8("n", **POSE, **more), 21, id="v8-pose"),
    pytest.param(lambda **more: build_yolo11("n", **POSE, **more), 21, id="11-pose"),
    pytest.param(lambda **more: build_yolo26("n", end_to_end=False, **POSE, **more), 21, id="26-one2many"),
]
# Millions of parameters with BatchNorm folded and, for YOLO26, without the one-to-many branch, as the vendor's tables
# at docs.ultralytics.com say (models/yolov5, models/yolov8, tasks/pose, tasks/detect).
PUBLISHED = {
    "yolov5{}": (1.9, 7.2, 21.2, 46.5, 86.7),
    "yolov8{}": (3.2, 11.2, 25.9, 43.7, 68.2),
    "yolo11{}": (2.6, 9.4, 20.1, 25.3, 56.9),
    "yolo11{}-pose": (2.9, 9.9, 20.9, 26.1, 58.8),
    "yolo26{}": (2.4, 9.5, 20.4, 24.8, 55.7),
    "yolo26{}-pose": (2.9, 10.4, 21.5, 25.9, 57.6),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("name", "millions"),
    [(family.format(size), m) for family, row in PUBLISHED.items() for size, m in zip("nsmlx", row, strict=True)],
)
def test_published_parameter_counts(name, millions):
    assert round(cost_of(name).deployed / 1e6, 1) == millions


@pytest.mark.parametrize(("size", "millions"), list(zip("nsmlx", (3.3, 11.6, 26.4, 44.4, 69.4), strict=True)))
def test_published_parameter_counts_of_yolov8_pose(size, millions):
    """The table rounds l and x (44.466 and 69.462) down, n (3.290) up."""
    assert cost_of(f"yolov8{size}-pose").deployed / 1e6 == pytest.approx(millions, abs=0.07)


@pytest.mark.parametrize(("build", "rows"), ALL)
@pytest.mark.parametrize("hw", [(32, 32), (64, 160), (96, 64)])
def test_any_size_that_is_a_multiple_of_32(build, rows, hw):
    net = build(init=True)
    with torch.inference_mode():
        out = net(torch.rand(2, 3, *hw))
    count = hw[0] * hw[1] * rows // 1024
    assert out.shape == ((2, count, 85) if rows == 63 else (2, 56, count))
    assert out.isfinite().all()


@pytest.mark.parametrize(("build", "_rows"), ALL)
def test_boxes_lie_around_the_cells_of_the_input(build, _rows):
    """Near-zero logits: every box stays at its own cell, x over the width, y over the height."""
    net = build(init=True)
    with torch.inference_mode():
        out = net(torch.zeros(1, 3, 64, 256))
    centers = out[0, :, :2] if out.shape[2] == 85 else out[0, :2].T
    assert centers[:, 0].max() > 240
    assert centers[:, 0].min() >= 0
    assert centers[:, 1].min() >= 0
    assert 56 < centers[:, 1].max() < 64


@pytest.mark.parametrize(("build", "_rows"), ALL)
@pytest.mark.parametrize(
    "shape", [(1, 3, 64, 100), (1, 3, 33, 64), (1, 1, 64, 64), (3, 64, 64)], ids=["width", "height", "grey", "no-batch"]
)
def test_another_size_is_refused_by_name_of_the_multiple(build, _rows, shape):
    with pytest.raises(ShapeError, match="multiples of 32"):
        build(init=True)(torch.zeros(shape))


@pytest.mark.parametrize(("build", "_rows"), ALL)
def test_a_batch_gives_what_its_rows_give(build, _rows):
    net, x = build(init=True), torch.rand(3, 3, 64, 32)
    with torch.inference_mode():
        together, alone = net(x), torch.cat([net(row[None]) for row in x])
        nobody = net(x[:0])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert nobody.shape == (0, *together.shape[1:])


def test_end_to_end_rows_are_the_best_first_and_at_most_300():
    with torch.inference_mode():
        small = build_yolo26("n", init=True)(torch.rand(2, 3, 64, 64))
        large = build_yolo26("n", **POSE, init=True)(torch.rand(0, 3, 160, 128))
    assert small.shape == (2, 84, 6)
    assert large.shape == (0, 300, 57)
    assert (small[:, :, 4].diff(dim=1) <= 0).all()


def test_a_cell_may_win_once_for_each_class():
    """Two classes that are sure of the same cell give two rows with the same box."""
    net = build_yolo26("n", classes=3, init=True)
    raw_boxes = torch.rand(1, 4, 21) + 1
    logits = torch.full((1, 3, 21), -9.0)
    logits[0, 2, 7], logits[0, 0, 7], logits[0, 1, 4] = 5.0, 4.0, 3.0
    maps = [torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1)]
    rows = net.head.rows(
        net.head.raw([*map(_widen, maps, (64, 128, 256))])._replace(boxes=raw_boxes, scores=logits), maps
    )
    assert rows[0, :3, 5].tolist() == [2, 0, 1]
    torch.testing.assert_close(rows[0, :3, 4], torch.tensor([5.0, 4.0, 3.0]).sigmoid())
    assert torch.equal(rows[0, 0, :4], rows[0, 1, :4])
    left, top, right, bottom = raw_boxes[0, :, 7]
    center = torch.tensor([3.5, 1.5])  # cell 7 of a map 4 wide
    torch.testing.assert_close(
        rows[0, 0, :4], torch.cat((center - torch.stack((left, top)), center + torch.stack((right, bottom)))) * 8
    )


def _widen(x, channels):
    return x.expand(-1, channels, -1, -1)


def test_weights_are_drawn_only_when_asked_for():
    net = build_yolov8("n", **POSE)
    assert net.model[0].conv.weight.isnan().all()
    assert not any(module.training for module in net.modules())
    for init in (False, True):
        for layer in build_yolov8("n", init=init).modules():
            if isinstance(layer, Dfl):
                assert layer.conv.weight.flatten().tolist() == list(range(16))


def test_classes_and_keypoints_of_ones_own():
    with torch.inference_mode():
        assert build_yolov8("n", classes=3, keypoints=5, init=True)(torch.rand(1, 3, 32, 32)).shape == (1, 22, 21)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: build_yolov8("q"), "size must be one of n, s, m, l, x, got 'q'"),
        (lambda: build_yolov5("n", classes=0), "classes must be 1 or more, got 0"),
        (lambda: build_yolo11("n", keypoints=-1), "keypoints must be 0"),
    ],
)
def test_what_does_not_exist_is_refused(wrong, message):
    with pytest.raises(SpecError, match=message):
        wrong()


def test_raw_tensors_without_keypoints_are_not_decoded_as_a_pose():
    net = build_yolov8("n", **POSE, init=True)
    maps = net.maps(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ShapeError, match=r"raw\.keypoints"):
        net.head.decode(net.head.raw(maps)._replace(keypoints=None), maps)


def test_files_of_older_releases_of_yolov5_load_strictly():
    state = build_yolov5("n", init=True).state_dict()
    state["model.24.anchor_grid"] = torch.zeros(3, 1, 3, 1, 1, 2)
    net = build_yolov5("n")
    net.load_state_dict(state, assign=True)
    assert torch.equal(net.state_dict()["model.24.anchors"], state["model.24.anchors"])
    assert "model.24.anchor_grid" in state  # the caller's dict stays as it was

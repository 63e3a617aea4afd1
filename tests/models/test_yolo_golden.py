"""The n sizes with the seeded weights of the reference vectors: every stage, raw head and decoded output."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edge_pose.models.yolo import build_yolo11, build_yolo26, build_yolov5, build_yolov8
from tests.models.support import (
    TOLERANCE,
    check_stages,
    error_in_stds,
    layout,
    load_seeded,
    recorded,
    seeded_input,
    spec_layout,
)

POSE = {"classes": 1, "keypoints": 17}
NETS = {
    "net_yolov5n": lambda: build_yolov5("n"),
    "net_yolov8n": lambda: build_yolov8("n"),
    "net_yolov8n_pose": lambda: build_yolov8("n", **POSE),
    "net_yolo11n": lambda: build_yolo11("n"),
    "net_yolo11n_pose": lambda: build_yolo11("n", **POSE),
    "net_yolo26n": lambda: build_yolo26("n"),
    "net_yolo26n_pose": lambda: build_yolo26("n", **POSE),
}
HEADS = {"boxes": "boxes", "scores": "scores", "kpts": "keypoints"}  # the reference's names -> ours
PIXELS, SCORES = 0.05, 1e-4  # tolerances of the reference vectors

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The references were made with one thread; more of them add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=NETS)
def case(request, golden, golden_json, one_thread):
    """A network with the reference's weights, its maps, and what the reference made of the same input."""
    spec = golden_json(request.param)
    net = NETS[request.param]()
    ours = layout(net)
    load_seeded(net, spec)
    with torch.inference_mode(), recorded(net, {stage: stage for stage in spec["stage_stats"]}) as stages:
        maps = net.maps(seeded_input(spec))
    return SimpleNamespace(
        name=request.param, spec=spec, want=golden(request.param), layout=ours, stages=stages, net=net, maps=maps
    )


def test_keys_and_shapes_are_the_vendors_in_their_order(case):
    assert case.layout == spec_layout(case.spec)


def test_no_stage_differs(case):
    check_stages(case.stages, case.spec["stage_stats"])


def test_raw_heads(case):
    """Both branches of YOLO26; YOLOv5's file holds decoded rows only."""
    compared = []
    for prefix, branch in (("out_1_", "one2many"), ("one2one_", "one2one")):
        for theirs, ours in HEADS.items():
            if prefix + theirs in case.want:
                more = (branch,) if branch == "one2one" else ()
                with torch.inference_mode():
                    raw = case.net.head.raw(case.maps, *more)
                error = error_in_stds(getattr(raw, ours).numpy(), case.want[prefix + theirs])
                assert error <= TOLERANCE, f"{prefix}{theirs} differs by {error:.1e} of its std"
                compared.append(prefix + theirs)
    assert compared == [name for name in case.want if name.startswith(("out_1_", "one2one_"))]


def test_decoded_output(case):
    """Boxes and keypoints in input pixels, probabilities in 0..1."""
    if "26" in case.name:
        case.net.head.end_to_end = False
    with torch.inference_mode():
        got = case.net.head(case.maps).numpy()
    if "v5" in case.name:
        got, want = got.transpose(0, 2, 1), case.want["out"].transpose(0, 2, 1)
    else:
        want = case.want["out_0"]
    assert got.shape == want.shape
    error = np.abs(got - want)[0].max(1)
    classes = 1 if "pose" in case.name else 80
    pixels = np.zeros(len(error), bool)
    pixels[:4] = True
    if "pose" in case.name:
        pixels[4 + classes :] = np.arange(51) % 3 < 2
    assert error[pixels].max() <= PIXELS
    assert error[~pixels].max() <= SCORES


def test_end_to_end_rows(case):
    """The best hundred rows of the one-to-one branch: x1, y1, x2, y2, score, class, keypoints."""
    if "26" not in case.name:
        assert not any("end2end" in name for name in case.want)
        return
    case.net.head.end_to_end = True
    with torch.inference_mode():
        rows = case.net.head(case.maps).numpy()[0]
    want = case.want["out_end2end_xyxy_score_cls_extra"][0]
    assert rows.shape == (300, want.shape[1])
    assert (np.diff(rows[:, 4]) <= 0).all()
    np.testing.assert_allclose(rows[: len(want), 4], want[:, 4], atol=SCORES)
    pixels = np.ones(want.shape[1], bool)
    pixels[[4, 5]] = False
    pixels[8::3] = False
    for reference in want:
        # Rows of nearly equal scores may trade places on another machine: look the row up by its content.
        error = np.abs(rows - reference)
        fits = (error[:, pixels].max(1) <= PIXELS) & (error[:, ~pixels].max(1) <= SCORES)
        assert fits.any(), f"no row like {reference[:6]}"

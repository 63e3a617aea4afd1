"""OKS and the suppressions on it: worked examples, reference vectors, the NumPy twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose.errors import ShapeError
from edge_pose.kernels import coco_oks, nearby_joints_nms, oks_matrix, oks_nms, soft_oks_nms
from tests.kernels.scenes import SIGMAS, people
from tests.oracle import pose_nms as oracle

F32 = np.float32


ONE = np.arange(34, dtype=F32).reshape(1, 17, 2) * 5


@pytest.mark.parametrize(
    ("shifts", "scores", "kept"),
    [
        ([], [], []),  # nobody
        ([0], [0.2], [0]),
        ([0, 0], [0.5, 0.5], [0]),  # identical: the first one wins
        ([0, 1], [0.5, 0.6], [1]),
        ([0, 500], [0.5, 0.6], [1, 0]),
        ([0, 500, 0], [np.nan, 0.1, 0.2], [2, 1]),  # NaN scores sort last
        ([0, np.nan, np.nan], [0.9, 0.8, 0.7], [0, 1, 2]),  # NaN joints are like nobody's
    ],
)
def test_worked_examples(shifts, scores, kept):
    xy = np.repeat(ONE, len(shifts), 0) + np.array(shifts, F32).reshape(-1, 1, 1)
    arguments = (xy, np.array(scores, F32), np.full(len(xy), 9000, F32), SIGMAS)
    np.testing.assert_array_equal(oks_nms(*arguments, threshold=0.5), kept)
    rows, lowered = soft_oks_nms(*arguments, threshold=0.5)
    assert sorted(rows) == list(range(len(xy))) and len(lowered) == len(xy)


def test_an_area_of_zero_does_not_divide():
    xy, none = np.repeat(ONE, 2, 0), np.zeros(2, F32)
    np.testing.assert_array_equal(oks_matrix(xy, none, xy + F32([[[0]], [[1]]]), none, SIGMAS), [[1, 0], [1, 0]])


def test_visibility_has_two_readings():
    xy, areas = np.repeat(ONE[:, :2], 2, 0), np.full(2, 100, F32)
    xy[1, 1] += 1000
    seen = np.array([[1, 0], [1, 1]], F32)
    common = (xy[:1], areas[:1], xy[1:], areas[1:], SIGMAS[:2])
    for visibility, wanted in (("both", 1.0), ("candidate", 0.5)):
        got = oks_matrix(*common, a_joint_scores=seen[:1], b_joint_scores=seen[1:], visible=0.5, visibility=visibility)
        np.testing.assert_array_equal(got, [[wanted]])
    assert oks_matrix(*common, b_joint_scores=seen[1:], visible=0.5, visibility="candidate") == 0.5
    assert oks_matrix(*common, b_joint_scores=seen[1:], visible=2, visibility="candidate") == 0  # no joint counts


def test_out_is_filled():
    out = np.empty((1, 1))
    assert oks_matrix(ONE, F32([9]), ONE, F32([9]), SIGMAS, out=out) is out
    assert out[0, 0] == 1
    memory = ONE.astype(F32)
    with pytest.raises(ShapeError, match="share memory"):
        oks_matrix(memory, F32([9]), ONE, F32([9]), SIGMAS, out=memory.view(np.float64)[0, :1, :1])


def test_soft_keeps_at_most_max_det_and_says_the_lowered_scores():
    xy = np.repeat(ONE, 3, 0)
    xy[2] += 1000
    arguments = (xy, F32([0.9, 0.8, 0.5]), np.full(3, 9000, F32), SIGMAS)
    rows, lowered = soft_oks_nms(*arguments, threshold=0.5)
    np.testing.assert_array_equal(rows, [0, 2, 1])
    np.testing.assert_allclose(lowered, [0.9, 0.5, 0.8 * np.exp(-2)], rtol=1e-6)
    np.testing.assert_array_equal(soft_oks_nms(*arguments, threshold=0.5, max_det=2)[0], [0, 2])
    assert len(soft_oks_nms(*arguments, threshold=0.5, max_det=0)[0]) == 0


def test_nearby_counts_joints():
    xy = np.repeat(ONE, 3, 0)
    xy[1, 8:] += 1000  # eight joints in common: not more than half
    xy[2, 9:] += 2000  # nine
    np.testing.assert_array_equal(nearby_joints_nms(xy, F32([0.9, 0.8, 0.7])), [0, 1])
    np.testing.assert_array_equal(nearby_joints_nms(xy, F32([0.9, 0.8, 0.7]), min_joints=9), [0, 1, 2])
    np.testing.assert_array_equal(nearby_joints_nms(xy, F32([0.7, 0.8, 0.9]), max_det=1), [2])
    np.testing.assert_array_equal(nearby_joints_nms(np.zeros((2, 17, 2), F32), F32([0.1, 0.2])), [1, 0])
    assert len(nearby_joints_nms(np.zeros((0, 17, 2), F32), np.zeros(0, F32))) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"xy": np.zeros((2, 17, 3), F32)}, r"xy must be float32 of shape \(any, any, 2\)"),
        ({"xy": np.zeros((2, 0, 2), F32)}, "at least one joint"),
        ({"scores": np.zeros((2, 1), F32)}, "scores must be"),
        ({"areas": np.zeros(2)}, "areas must be float32"),
        ({"sigmas": SIGMAS[:16]}, "sigmas must be float64"),
        ({"sigmas": SIGMAS.astype(F32)}, "sigmas must be float64"),
        ({"areas": np.array([1, -1], F32)}, "areas must not be negative"),
        ({"sigmas": 0 * SIGMAS}, "sigmas must be positive"),
        ({"visible": 0.2}, "joint_scores"),
        ({"visibility": "none"}, "both"),
        ({"threshold": float("nan")}, "threshold"),
        ({"joint_scores": np.zeros((2, 16), F32)}, "joint_scores must be"),
    ],
)
@pytest.mark.parametrize("function", [oks_nms, soft_oks_nms])
def test_refusals(function, arguments, text):
    good = {"xy": np.zeros((2, 17, 2), F32), "scores": np.zeros(2, F32), "areas": np.zeros(2, F32), "sigmas": SIGMAS}
    with pytest.raises(ShapeError, match=text):
        function(**(good | {"threshold": 0.5} | arguments))


CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "n": st.sampled_from([0, 1, 2, 9, 40, 120]),
    "k": st.sampled_from([1, 5, 16, 17, 23]),
    "visible": st.sampled_from([None, 0.0, 0.3, 0.9]),
    "visibility": st.sampled_from(["both", "candidate"]),
    "threshold": st.sampled_from([0.05, 0.3, 0.5, 0.9, 1.0]),
    "bad": st.booleans(),
}


@settings(max_examples=120, deadline=None)
@given(**CASES)
def test_equals_the_twin(seed, n, k, visible, visibility, threshold, bad):
    xy, scores, areas, joint_scores = people(seed, n, k)
    if bad and n:
        xy[0, 0, 0], xy[n // 2, 0, 1] = np.nan, np.inf
    sigmas = np.random.default_rng(seed).uniform(0.02, 0.12, k)
    options = {"visible": visible, "visibility": visibility}
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = oracle.oks_matrix(
            xy, areas, xy, areas, sigmas, a_joint_scores=joint_scores, b_joint_scores=joint_scores, **options
        )
        hard = oracle.oks_nms(xy, scores, areas, sigmas, threshold=threshold, joint_scores=joint_scores, **options)
        soft = oracle.soft_oks_nms(xy, scores, areas, sigmas, threshold=threshold, joint_scores=joint_scores, **options)
        near = oracle.nearby_joints_nms(xy, scores, distance=0.1, max_det=7)
    got = oks_matrix(xy, areas, xy, areas, sigmas, a_joint_scores=joint_scores, b_joint_scores=joint_scores, **options)
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
    kept = oks_nms(xy, scores, areas, sigmas, threshold=threshold, joint_scores=joint_scores, **options)
    np.testing.assert_array_equal(kept, hard)
    rows, lowered = soft_oks_nms(xy, scores, areas, sigmas, threshold=threshold, joint_scores=joint_scores, **options)
    np.testing.assert_allclose(lowered, soft[1], rtol=1e-6)
    np.testing.assert_array_equal(rows, soft[0])
    np.testing.assert_array_equal(nearby_joints_nms(xy, scores, distance=0.1, max_det=7), near)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), d=st.sampled_from([0, 1, 7]), g=st.sampled_from([0, 1, 5]))
def test_coco_equals_the_twin(seed, d, g):
    rng = np.random.default_rng(seed)
    dt, gt = rng.uniform(0, 100, (d, 17, 2)), rng.uniform(0, 100, (g, 17, 2))
    labelled = rng.random((g, 17)) < rng.choice([0.0, 0.1, 0.8], (g, 1))
    areas, boxes = rng.uniform(0, 3000, g), rng.uniform(0, 60, (g, 4))
    wanted = oracle.coco_oks(dt, gt, labelled, areas, boxes, SIGMAS)
    np.testing.assert_allclose(coco_oks(dt, gt, labelled, areas, boxes, SIGMAS), wanted, rtol=1e-12, atol=1e-300)


@pytest.mark.golden
def test_golden(golden):
    arrays = golden("nms_box_oks")
    cases = sorted({name.split("_")[0] for name in arrays if name.startswith("o")})
    checked = {f"{case}_{name}" for case in cases for name in ("keypoints", "scores", "areas")}
    for case in cases:
        keypoints, scores, areas = (arrays[f"{case}_{name}"] for name in ("keypoints", "scores", "areas"))
        xy, joint_scores = np.ascontiguousarray(keypoints[..., :2]), np.ascontiguousarray(keypoints[..., 2])
        readings = {
            "": {},
            "_vis0.2_lx": {"visible": 0.2, "visibility": "candidate"},
            "_vis0.2_mm": {"visible": 0.2, "visibility": "both"},
        }
        for suffix, options in readings.items():
            for percent in (30, 50, 90):
                name = f"{case}_oks_nms_{percent}{suffix}"
                kept = oks_nms(xy, scores, areas, SIGMAS, threshold=percent / 100, joint_scores=joint_scores, **options)
                np.testing.assert_array_equal(kept, arrays[name], err_msg=name)
                checked.add(name)
            if (name := f"{case}_oks_vs_first{suffix}") in arrays:
                row = oks_matrix(
                    xy[:1], areas[:1], xy, areas, SIGMAS,
                    a_joint_scores=joint_scores[:1], b_joint_scores=joint_scores, **options,
                )  # fmt: skip
                np.testing.assert_allclose(row[0], arrays[name], rtol=0, atol=1e-6)
                checked.add(name)
        for percent in (30, 50, 90):
            name = f"{case}_soft_oks_nms_{percent}"
            rows, _ = soft_oks_nms(xy, scores, areas, SIGMAS, threshold=percent / 100)
            np.testing.assert_array_equal(rows, arrays[name], err_msg=name)
            checked.add(name)
        if (name := f"{case}_nearby_joints_nms") in arrays:
            np.testing.assert_array_equal(nearby_joints_nms(xy, scores), arrays[name], err_msg=name)
            checked.add(name)
    assert checked == {name for name in arrays if name.startswith("o")}


@pytest.mark.golden
def test_golden_coco(golden):
    arrays = golden("oks_coco")
    dt, gt = arrays["dt_keypoints_unsorted"][arrays["dt_order"]], arrays["gt_keypoints"]
    got = coco_oks(
        np.ascontiguousarray(dt[..., :2]), np.ascontiguousarray(gt[..., :2]), gt[..., 2] > 0, arrays["gt_area"],
        arrays["gt_bbox_xywh"], arrays["sigmas"],
    )  # fmt: skip
    np.testing.assert_allclose(got, arrays["oks_dt_sorted_by_gt"], rtol=1e-9, atol=1e-12)

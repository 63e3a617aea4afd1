"""pose_nms: worked examples, reference vectors, the NumPy twin."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose.errors import ShapeError
from edge_pose.kernels import pose_nms
from tests.oracle import pose_nms as oracle

F32 = np.float32


def clusters(merged):
    rows, offsets = merged
    return [rows[a:b].tolist() for a, b in pairwise(offsets)]


def candidates(shifts, scores=None):
    """Copies of one person of 100 x 160 px, each moved to the right by its shift; scores a joint."""
    n = len(shifts)
    one = np.stack([np.linspace(10, 110, 17), np.linspace(20, 180, 17)], 1)
    xy = (one + np.stack([np.array(shifts, float), np.zeros(n)], 1).reshape(n, 1, 2)).astype(F32)
    joint_scores = np.repeat(np.array([0.5] * n if scores is None else scores, F32).reshape(n, 1), 17, 1)
    boxes = np.concatenate([xy.min(1), xy.max(1)], 1) if n else np.empty((0, 4), F32)
    return boxes, np.linspace(0.9, 0.8, n, dtype=F32), xy, joint_scores


def test_nobody():
    boxes, box_scores, xy, scores, picked, (rows, offsets) = pose_nms(*candidates([]))
    assert boxes.shape == (0, 4) and xy.shape == (0, 17, 2) and scores.shape == (0, 17)
    assert box_scores.shape == picked.shape == rows.shape == (0,)
    np.testing.assert_array_equal(offsets, [0])


@pytest.mark.parametrize(
    ("shifts", "scores", "groups"),
    [
        ([0], [0.5], [[0]]),
        ([0, 0], [0.5, 0.5], [[0, 1]]),  # identical
        ([0, 6.9], [0.5, 0.5], [[0, 1]]),  # within 7 px: they match
        ([0, 7.1], [0.5, 0.5], [[0], [1]]),  # outside
        ([0, 6, 12], [0.9, 0.8, 0.7], [[0, 1], [2]]),  # who leaves does not chain
        ([0, 6, 12], [0.8, 0.9, 0.7], [[0, 1, 2]]),
        ([0, 500], [0.5, 0.6], [[1], [0]]),  # best first
        ([0, 0, 500], [0.29, 0.28, 0.9], [[2]]),  # too weak to be anybody
        ([0, 500], [0.0, 0.9], [[1]]),  # invisible
        ([0, 0], [np.nan, 0.9], [[0, 1]]),  # a NaN score is chosen last
        ([0, 500], [np.nan, 0.9], [[1]]),  # and dropped
        ([np.nan, 500], [0.95, 0.9], [[0], [1]]),  # NaN joints are near to none
    ],
)
def test_who_is_whom(shifts, scores, groups):
    assert clusters(pose_nms(*candidates(shifts, scores))[5]) == groups


def test_a_cluster_is_averaged_by_score():
    boxes, box_scores, xy, scores, picked, _ = pose_nms(*candidates([0, 4], [0.6, 0.2]))
    source = candidates([0, 4], [0.6, 0.2])
    np.testing.assert_array_equal(picked, [0])
    np.testing.assert_array_equal(boxes, source[0][:1])
    np.testing.assert_array_equal(box_scores, source[1][:1])
    np.testing.assert_allclose(xy[0] - source[2][0], np.tile([1, 0], (17, 1)), atol=1e-4)
    np.testing.assert_allclose(scores, np.full((1, 17), (0.36 + 0.04) / 0.8), rtol=1e-6)


def test_small_extents_are_dropped():
    area = 1.5 * 100 * 1.5 * 160
    assert len(pose_nms(*candidates([0]), area_threshold=area * 0.999)[4]) == 1
    assert len(pose_nms(*candidates([0]), area_threshold=area * 1.001)[4]) == 0


def test_inputs_are_not_modified():
    given_ = candidates([0, 1], [0.0, 0.5])
    copies = [array.copy() for array in given_]
    pose_nms(*given_)
    for array, copy in zip(given_, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"boxes": np.zeros((1, 4), F32)}, r"boxes must be float32 of shape \(2, 4\)"),
        ({"box_scores": np.zeros((2, 1), F32)}, "box_scores"),
        ({"xy": np.zeros((2, 17, 2))}, "xy must be float32"),
        ({"joint_scores": np.zeros((2, 16), F32)}, "joint_scores"),
        ({"delta2": 0}, "delta1 and delta2"),
        ({"match_threshold": -1}, "match_threshold"),
    ],
)
def test_refusals(arguments, text):
    good = dict(zip(("boxes", "box_scores", "xy", "joint_scores"), candidates([0, 1]), strict=True))
    with pytest.raises(ShapeError, match=text):
        pose_nms(**(good | arguments))


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([0, 1, 2, 9, 40, 120]),
    k=st.sampled_from([5, 16, 17, 26]),
    size=st.sampled_from([8, 60, 300]),  # small boxes match within few pixels: the similarity decides
    options=st.sampled_from([
        {}, {"gamma": 5.0}, {"match_threshold": 9, "area_threshold": 3000}, {"delta1": 0.5, "mu": 3.0, "delta2": 9.0},
        {"alpha": 0.3, "match_cap": 20, "merge_cap": 4}, {"score_radius": 5.0, "gamma": 18.0, "score_threshold": 0.8},
    ]),
)  # fmt: skip
def test_equals_the_twin(seed, n, k, size, options):
    rng = np.random.default_rng(seed)
    groups = rng.uniform(0, 300, (max(1, n // 3), 1, 2)) + rng.uniform(-size / 2, size / 2, (max(1, n // 3), k, 2))
    noise = rng.choice([0.0, 0.5, 2, 8], n)[:, None, None] * rng.normal(size=(n, k, 2))
    xy = (groups[rng.integers(0, len(groups), n)] + noise).astype(F32)
    scores = rng.uniform(0.02, 1, (n, k)).astype(F32)
    scores[rng.random((n, k)) < 0.05] = 0
    boxes = np.concatenate([xy.min(1), xy.max(1)], 1) if n else np.empty((0, 4), F32)
    wanted = oracle.pose_nms(boxes, scores[:, 0], xy, scores, **options)
    got_boxes, got_box_scores, got_xy, got_scores, picked, merged = pose_nms(
        boxes, scores[:, 0].copy(), xy, scores, **options
    )
    assert picked.tolist() == wanted[0]
    assert clusters(merged) == wanted[1]
    np.testing.assert_allclose(got_xy, wanted[2], rtol=0, atol=1e-4)
    np.testing.assert_allclose(got_scores, wanted[3], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(got_boxes, boxes[picked])
    np.testing.assert_array_equal(got_box_scores, scores[picked, 0])


@pytest.mark.golden
def test_golden(golden, golden_json):
    arrays, meta = golden("nms_alphapose"), golden_json("nms_alphapose")
    p = meta["params"]
    for name, case in meta["cases"].items():
        boxes, box_scores, xy, scores, picked, merged = pose_nms(
            arrays[f"{name}_bboxes"],
            np.ascontiguousarray(arrays[f"{name}_bbox_scores"][:, 0]),
            arrays[f"{name}_pose_preds"],
            np.ascontiguousarray(arrays[f"{name}_pose_scores"][..., 0]),
            area_threshold=float(arrays[f"{name}_areaThres"]),
            delta1=p["delta1"], mu=p["mu"], delta2=p["delta2"], gamma=p["gamma"], score_threshold=p["scoreThreds"],
            match_threshold=p["matchThreds"], alpha=p["alpha"], score_radius=p["score_dist_pixel_radius"],
            match_cap=p["match_ref_dist_cap"], merge_cap=p["merge_ref_dist_cap"],
        )  # fmt: skip
        assert picked.tolist() == case["pick"] == arrays[f"{name}_res_pick_ids"].tolist(), name
        assert clusters(merged) == case["merged_ids"], name
        np.testing.assert_array_equal(boxes, arrays[f"{name}_res_bboxes"])
        np.testing.assert_allclose(box_scores, arrays[f"{name}_res_bbox_scores"][:, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(xy, arrays[f"{name}_res_pose_preds"], rtol=0, atol=1e-3)
        np.testing.assert_allclose(scores, arrays[f"{name}_res_pose_scores"][..., 0], rtol=0, atol=1e-5)

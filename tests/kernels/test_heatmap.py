"""decode_heatmap and decode_udp_offset: worked examples, NumPy twins, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.errors import ShapeError
from tests.oracle import heatmap as oracle
from tests.oracle.keypoints import identity

REFINES = ["none", "quarter", "none-mmpose", "quarter-mmpose", "dark", "dark-udp", "dark-udp-rtmlib"]
MATRIX = np.array([[[2.0, -0.5, 30.0], [0.25, 3.0, -7.0]]])


def one_map(cells: dict[tuple[int, int], float], h: int = 8, w: int = 6, rest: float = 0.0) -> np.ndarray:
    """(1, 1, h, w) with value cells[x, y] at column x, row y."""
    maps = np.full((1, 1, h, w), rest, np.float32)
    for (x, y), value in cells.items():
        maps[0, 0, y, x] = value
    return maps


def bump(cx: float, cy: float, sigma: float, top: float, h: int = 20, w: int = 16) -> np.ndarray:
    """(1, 1, h, w) Gaussian."""
    y, x = np.mgrid[:h, :w]
    return (top * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))).astype(np.float32)[None, None]


@pytest.mark.parametrize(
    ("cells", "refine", "xy", "score"),
    [
        ({(3, 4): 1, (4, 4): 0.5, (3, 3): 0.5}, "quarter", (3.25, 3.75), 1),  # towards the higher neighbours
        ({(3, 4): 1}, "quarter", (3, 4), 1),                                  # equal neighbours: no move
        ({(1, 4): 1, (2, 4): 0.5}, "quarter", (1, 4), 1),                     # column 1 rests
        ({(4, 4): 1, (3, 4): 0.5}, "quarter", (3.75, 4), 1),                  # column W-2 moves
        ({(5, 4): 1, (5, 5): 0.5}, "quarter", (5, 4), 1),                     # both axes or none
        ({(5, 4): 1, (5, 5): 0.5}, "quarter-mmpose", (5, 4.25), 1),           # each axis by itself: x = W-1 moves y
        ({(0, 4): 1, (0, 5): 0.5}, "quarter-mmpose", (0, 4), 1),              # but x = 0 does not
        ({(2, 1): 1, (1, 5): 1, (4, 5): 1}, "none", (2, 1), 1),               # ties: first row
        ({(4, 5): 1, (1, 5): 1}, "none", (1, 5), 1),                          # then first column
        ({}, "none", (0, 0), 0),                                              # nothing there
        ({}, "quarter", (0, 0), 0),
        ({}, "none-mmpose", (-1, -1), 0),
        ({}, "dark", (-1, -1), 0),
        ({}, "dark-udp", (-1, -1), 0),                                        # finite, where MMPose gives NaN
        ({}, "dark-udp-rtmlib", (-1, -1), 0),
        ({(2, 3): np.nan, (1, 2): 0.5}, "none", (1, 2), 0.5),                 # NaN is never a peak
        ({(3, 4): 1, (4, 4): np.nan}, "quarter", (3, 4), 1),
    ],
)  # fmt: skip
def test_worked_examples(cells, refine, xy, score):
    joints, scores = kernels.decode_heatmap(one_map(cells), identity(1), refine=refine)
    assert_allclose(joints[0, 0], xy)
    assert scores[0, 0] == score


@pytest.mark.parametrize("refine", REFINES)
@pytest.mark.parametrize("rest", [-1.0, -np.inf, np.nan])
def test_no_positive_cell_is_not_found_and_finite(refine, rest):
    joints, scores = kernels.decode_heatmap(one_map({}, rest=rest), identity(1), refine=refine)
    missing = 0 if refine in ("none", "quarter") else -1
    assert_array_equal(joints, np.full((1, 1, 2), missing))
    assert scores[0, 0] == (rest if np.isfinite(rest) else 0)


@pytest.mark.parametrize("refine", ["dark", "dark-udp", "dark-udp-rtmlib"])
def test_dark_finds_the_top_of_a_gaussian(refine):
    joints, _ = kernels.decode_heatmap(bump(7.3, 9.8, 2, 0.9), identity(1), refine=refine, blur=3)
    assert_allclose(joints[0, 0], (7.3, 9.8), atol=2e-2)


def test_the_matrix_carries_joints_home():
    joints, _ = kernels.decode_heatmap(one_map({(3, 4): 1}), MATRIX, refine="none")
    assert_allclose(joints[0, 0], (2 * 3 - 0.5 * 4 + 30, 0.25 * 3 + 3 * 4 - 7))


@settings(deadline=None, max_examples=60)
@given(
    maps=arrays(
        np.float32,
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 40)),
        elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, float("nan")]),
    ),
    refine=st.sampled_from(REFINES[:4]),
)
def test_peaks_and_quarters_equal_the_twin(maps, refine):
    matrices = np.repeat(MATRIX, len(maps), axis=0)
    for got, wanted in zip(
        kernels.decode_heatmap(maps, matrices, refine=refine),
        oracle.decode_heatmap(maps, matrices, refine),
        strict=True,
    ):
        assert_array_equal(got, wanted)


@settings(deadline=None, max_examples=60)
@given(
    cx=st.floats(-1, 16),
    cy=st.floats(-1, 20),
    sigma=st.floats(1, 3),
    top=st.sampled_from([9e-4, 4e-3, 0.02, 0.3, 1.0, 70.0]),  # below the floor, near it, ordinary, above the ceiling
    floor=st.sampled_from([-0.1, 0.0, 1e-4]),
    refine=st.sampled_from(REFINES[4:]),
    blur=st.sampled_from([1, 3, 5, 7, 9, 11, 17]),
)
def test_dark_equals_the_twin(cx, cy, sigma, top, floor, refine, blur):
    maps = np.maximum(bump(cx, cy, sigma, top), np.float32(floor * top))
    maps[maps < 1e-6 * top] = floor * top
    joints, scores = kernels.decode_heatmap(maps, identity(1), refine=refine, blur=blur)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted, wanted_scores = oracle.decode_heatmap(maps, identity(1), refine, blur)
    assert_array_equal(scores, wanted_scores)
    assert_allclose(joints, wanted, atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(
    maps=arrays(np.float32, (2, 3, 7, 6), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
    refine=st.sampled_from(REFINES),
)
def test_any_map_gives_places_that_are_numbers(maps, refine):
    before = maps.copy()
    joints, scores = kernels.decode_heatmap(maps, identity(2), refine=refine)
    assert np.isfinite(joints).all()
    assert not np.isnan(scores).any()
    assert_array_equal(maps, before)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), blur=st.integers(1, 13), h=st.integers(2, 24), w=st.integers(2, 24))
def test_udp_offset_equals_the_twin(seed, blur, h, w):
    maps = np.random.default_rng(seed).normal(size=(2, 6, h, w)).astype(np.float32)
    joints, scores = kernels.decode_udp_offset(maps, identity(2), blur=blur)
    wanted, wanted_scores = oracle.decode_udp_offset(maps, identity(2), blur)
    assert_allclose(scores, wanted_scores, atol=1e-5)
    # Where two blurred cells are as good as equal, rounding picks one: compare only clear peaks.
    heat = [[oracle.gaussian_blur(maps[i, 3 * j], 2 * blur + 1, "reflect") for j in range(2)] for i in range(2)]
    top = np.sort(np.reshape(heat, (2, 2, -1)), axis=-1)
    clear = (top[..., -1] - top[..., -2] > 1e-5) & (np.abs(top[..., -1]) > 1e-5)
    assert_allclose(joints[clear], wanted[clear], atol=1e-3)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_batch_gives_what_single_calls_give(n):
    maps = np.random.default_rng(n).random((n, 4, 16, 12), dtype=np.float32)
    matrices = np.random.default_rng(n).normal(size=(n, 2, 3))
    for refine in REFINES:
        joints, scores = kernels.decode_heatmap(maps, matrices, refine=refine)
        assert joints.shape == (n, 4, 2)
        assert scores.shape == (n, 4)
        for i in range(n):
            one, one_scores = kernels.decode_heatmap(maps[i : i + 1], matrices[i : i + 1], refine=refine)
            assert_array_equal(joints[i], one[0])
            assert_array_equal(scores[i], one_scores[0])


@settings(deadline=None, max_examples=40)
@given(
    maps=arrays(
        np.float16,
        st.tuples(st.integers(0, 2), st.just(2), st.integers(1, 20), st.integers(1, 20)),
        elements=st.floats(width=16, allow_nan=True, allow_infinity=True),
        fill=st.sampled_from([-0.0, 0.0, 0.25]),
    ),
    refine=st.sampled_from(REFINES),
)
def test_float16_maps_give_what_their_values_give_as_float32(maps, refine):
    got = kernels.decode_heatmap(maps, identity(len(maps)), refine=refine)
    wanted = kernels.decode_heatmap(maps.astype(np.float32), identity(len(maps)), refine=refine)
    assert_array_equal(got[0], wanted[0])
    assert_array_equal(got[1], wanted[1])


def test_out_is_written_and_returned():
    out = np.empty((1, 1, 2), np.float32), np.empty((1, 1), np.float32)
    joints, scores = kernels.decode_heatmap(one_map({(3, 4): 1}), identity(1), out=out)
    assert joints is out[0]
    assert scores is out[1]
    assert_array_equal(out[0], [[[3, 4]]])


def test_udp_offset_places_a_joint_by_its_offsets():
    maps = np.zeros((1, 3, 16, 12), np.float32)
    maps[0, 0, 5, 4] = 1
    maps[0, 1, 5, 4], maps[0, 2, 5, 4] = 0.25, -0.5
    joints, scores = kernels.decode_udp_offset(maps, identity(1), blur=1, radius=0.125)
    assert_allclose(joints[0, 0], (4 + 0.25 * 0.125 * 16, 5 - 0.5 * 0.125 * 16))
    assert scores[0, 0] == 0.25  # the middle tap, squared
    assert_array_equal(kernels.decode_udp_offset(np.zeros((1, 3, 4, 4), np.float32), identity(1))[0], [[[-1, -1]]])


MAPS = np.zeros((2, 3, 8, 6), np.float32)
INSIDE = (MAPS.ravel()[:12].reshape(2, 3, 2), np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.decode_heatmap(MAPS[0], identity(2)), "maps must be float32 of shape"),
        (lambda: kernels.decode_heatmap(MAPS.astype(float), identity(2)), "got float64"),
        (lambda: kernels.decode_heatmap(MAPS[..., ::2], identity(2)), "ascontiguousarray"),
        (lambda: kernels.decode_heatmap(MAPS.astype(np.float16)[0], identity(2)), "maps must be float16 of shape"),
        (lambda: kernels.decode_heatmap(MAPS.astype(">f2"), identity(2)), "maps must be float16 of shape"),
        (lambda: kernels.decode_heatmap(MAPS[:, :, :0], identity(2)), "rows and columns"),
        (lambda: kernels.decode_heatmap(MAPS, identity(1)), "frame_from_map must be float64 of shape"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), refine="darkest"), "refine must be one of"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), blur=10), "blur must be odd"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), blur=129), "blur must be odd and 1 to 127"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), out=(MAPS, MAPS)), r"out\[0\] must be float32"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), out=MAPS), "out must be a tuple"),
        (lambda: kernels.decode_heatmap(MAPS, identity(2), out=INSIDE), "must not share memory"),
        (lambda: kernels.decode_udp_offset(MAPS[:, :2].copy(), identity(2)), "3 channels a joint"),
        (lambda: kernels.decode_udp_offset(MAPS, identity(2), blur=64), "blur must be 1 to 63"),
    ],
)  # fmt: skip
def test_refusals_say_what_was_wanted(call, message):
    with pytest.raises(ShapeError, match=message):
        call()

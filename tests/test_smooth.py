"""Steadier joints: the One-Euro filter against its references, jitter, lag, and joints that come and go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Poses
from edge_pose.smooth import OneEuro, SmoothConfig, Smoother
from tests.oracle.one_euro import OneEuroNumber
from tests.people import frame, together

FPS = 30.0


@pytest.mark.golden
@pytest.mark.parametrize("times", ["regular", "irregular"])
@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_one_euro_is_the_original(golden, golden_json, times, case):
    reference, parameters = golden("one_euro"), golden_json("one_euro")["jaantollander"][case]
    one_euro = OneEuro(**parameters)
    given = zip(reference[f"{times}_x"], reference[f"{times}_t"], strict=True)
    got = [float(one_euro.update(x, t)) for x, t in given]
    np.testing.assert_allclose(got, reference[f"{times}_jaantollander_{case}"], rtol=1e-9, atol=1e-12)


@given(
    hnp.arrays(np.float64, (6, 2, 3), elements=st.floats(-1e4, 1e4)),
    st.lists(st.floats(1e-3, 5), min_size=6, max_size=6),
    st.floats(0.01, 20), st.floats(0, 50), st.floats(0.01, 20),
)  # fmt: skip
def test_one_euro_on_arrays_is_one_euro_on_numbers(values, steps, min_cutoff, beta, d_cutoff):
    times = np.cumsum(steps)
    one_euro = OneEuro(min_cutoff, beta, d_cutoff)
    got = np.array([one_euro.update(x, t) for x, t in zip(values, times, strict=True)])
    for place in np.ndindex(values.shape[1:]):
        number = OneEuroNumber(min_cutoff, beta, d_cutoff)
        expected = [number(x, t) for x, t in zip(values[(slice(None), *place)], times, strict=True)]
        np.testing.assert_allclose(got[(slice(None), *place)], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.05, 2.0))
def test_joints_in_sight_are_filtered_by_one_euro_in_body_sizes(seed, scale):
    rng, config = np.random.default_rng(seed), SmoothConfig(jump=100)
    smoother = Smoother(config)
    numbers = [OneEuroNumber(config.min_cutoff, config.beta, config.d_cutoff) for _ in range(34)]
    box = np.array([[0, 0, 80, 120]]) * scale
    time_s = 0.0
    for _ in range(8):
        time_s += rng.uniform(0.01, 0.1)
        xy = rng.uniform(0, 100, (1, 17, 2)).astype(np.float32) * np.float32(scale)
        got = smoother.update(Poses(xy, np.ones((1, 17)), box, [1.0], [7]), time_s).xy
        expected = [
            f(v / (100 * scale), time_s) * 100 * scale for f, v in zip(numbers, xy.ravel().tolist(), strict=True)
        ]
        np.testing.assert_allclose(got.ravel(), expected, rtol=1e-4, atol=1e-3)


def known(poses, ids=(1,)):
    return replace(poses, ids=np.array(ids))


def smoothed(frames, smoother=None, fps=FPS, start=0.0):
    smoother = smoother or Smoother()
    return [smoother.update(poses, start + i / fps) for i, poses in enumerate(frames)]


def still(rng, jitter, count=150):
    """Somebody 200 px tall who stands still, seen by a network that jitters by so many pixels."""
    return [known(frame((300, 200), noise=jitter, rng=rng)) for _ in range(count)]


@pytest.mark.parametrize("jitter", [0.3, 1.0, 2.0])
def test_a_still_person_jitters_at_least_three_times_less(jitter):
    frames = still(np.random.default_rng(0), jitter)

    def deviation(poses):
        return np.diff([p.xy for p in poses[15:]], axis=0).std()

    assert deviation(frames) > 3 * deviation(smoothed(frames))


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.0, 3.0])
def test_a_moving_joint_lags_less_than_40_ms(speed):
    """Waving at a number of body sizes a second: the delay that fits the output best."""
    size = 0.5 * sum(known(frame((0, 0))).boxes[0, 2:] - known(frame((0, 0))).boxes[0, :2])
    times = np.arange(0, 4, 1 / FPS)
    ways = speed * size * (0.5 - np.abs(times % 1 - 0.5))
    rng = np.random.default_rng(1)
    out = smoothed([known(frame((300 + way, 200), noise=0.5, rng=rng)) for way in ways])
    seen = np.array([p.xy[0, :, 0] for p in out]) - known(frame((300, 200))).xy[0, :, 0]
    delays = np.arange(0, 0.2, 0.002)
    errors = [np.square(np.interp(times[20:] - d, times, ways)[:, None] - seen[20:]).mean() for d in delays]
    assert delays[np.argmin(errors)] < 0.040


def test_the_size_of_the_picture_makes_no_difference():
    rng = np.random.default_rng(3)
    frames = [known(frame((300 + 3 * i, 200), noise=1.0, rng=rng)) for i in range(40)]
    larger = [replace(p, xy=p.xy * 3, boxes=p.boxes * 3) for p in frames]
    for small, large in zip(smoothed(frames), smoothed(larger), strict=True):
        np.testing.assert_allclose(small.xy * 3, large.xy, rtol=1e-5)


def without(poses, joint, score=0.05, at=(0, 0)):
    xy, scores = poses.xy.copy(), poses.scores.copy()
    xy[0, joint], scores[0, joint] = at, score
    return replace(poses, xy=xy, scores=scores)


def test_a_joint_that_vanishes_stays_and_fades():
    person = known(frame((300, 200)))
    out = smoothed([*[person] * 10, *[without(person, 9)] * 15])
    scores = [float(p.scores[0, 9]) for p in out]
    fading = scores[10:19]
    assert fading == sorted(fading, reverse=True) and fading[0] < 0.9
    assert scores[19:] == pytest.approx([0.05] * 6)  # 0.3 s later the network's word counts again
    np.testing.assert_allclose([p.xy[0, 9] for p in out[10:19]], [person.xy[0, 9]] * 9, atol=1e-3)
    np.testing.assert_allclose(out[-1].xy[0, 9], [0, 0])
    np.testing.assert_allclose(out[-1].xy[0, :9], person.xy[0, :9], atol=1e-3)


def test_a_joint_that_vanishes_goes_with_the_body():
    walk = [known(frame((300 + 4 * i, 200))) for i in range(30)]
    out = smoothed([*walk[:25], *[without(p, 9) for p in walk[25:]]])
    np.testing.assert_allclose(out[-1].xy[0, 9], walk[-1].xy[0, 9], atol=6)


@pytest.mark.parametrize("gap", [0, 3, 20])
def test_a_joint_that_reappears_far_away_does_not_sweep_across(gap):
    person = known(frame((300, 200)))
    far = without(person, 9, score=0.9, at=(600, 50))
    out = smoothed([*[person] * 10, *[without(person, 9)] * gap, far])
    np.testing.assert_allclose(out[-1].xy[0, 9], [600, 50])
    assert out[-1].scores[0, 9] == pytest.approx(0.9)


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_joints_that_are_not_finite_count_as_not_seen(spoil):
    person = known(frame((300, 200)))
    out = smoothed([person, without(person, 9, score=0.9, at=(spoil, spoil)), person])
    np.testing.assert_allclose(out[1].xy[0, 9], person.xy[0, 9])
    np.testing.assert_allclose(out[2].xy, person.xy, rtol=1e-6)
    first = smoothed([without(person, 9, score=np.nan, at=(spoil, spoil)), person])
    assert not np.isfinite(first[0].xy[0, 9]).any()  # never seen: nothing is made up
    np.testing.assert_allclose(first[1].xy, person.xy)


def test_rows_without_an_id_pass_through():
    rng = np.random.default_rng(5)
    smoother = Smoother()
    for i in range(5):
        poses = known(frame((100, 200), (400, 200), (700, 200), noise=2.0, rng=rng), (-1, 4, -1))
        out = smoother.update(poses, i / FPS)
        np.testing.assert_array_equal(out.xy[[0, 2]], poses.xy[[0, 2]])
        assert (out.xy[1] == poses.xy[1]).all() == (i == 0)
    nobody = known(frame((100, 200)), (-1,))
    assert smoother.update(nobody, 1.0) is nobody
    assert len(smoother.update(Poses.empty(), 2.0)) == 0


def test_what_was_given_is_not_changed():
    person = known(frame((300, 200), noise=2.0, rng=np.random.default_rng(6)))
    smoother = Smoother()
    smoother.update(person, 0.0)
    moved = without(replace(person, xy=person.xy + 5), 3)
    before = moved.xy.copy(), moved.scores.copy()
    out = smoother.update(moved, 0.1)
    np.testing.assert_array_equal(moved.xy, before[0])
    np.testing.assert_array_equal(moved.scores, before[1])
    assert out.boxes is moved.boxes and out.ids is moved.ids
    assert (out.xy.dtype, out.scores.dtype) == (np.float32, np.float32)


def test_people_are_told_apart_by_id_whatever_their_row():
    rng = np.random.default_rng(7)
    ones = [known(frame((100, 200), noise=2.0, rng=rng), (1,)) for _ in range(20)]
    others = [known(frame((150, 250), noise=2.0, rng=rng), (2,)) for _ in range(20)]
    alone = smoothed(ones), smoothed(others)
    mixed = smoothed(
        [together(*((a, b) if i % 3 else (b, a))) for i, (a, b) in enumerate(zip(ones, others, strict=True))]
    )
    for i, poses in enumerate(mixed):
        for part, expected in zip(alone, (1, 2), strict=True):
            np.testing.assert_array_equal(poses.xy[poses.ids == expected], part[i].xy)


def test_who_comes_back_within_memory_starts_anew_where_they_are():
    smoother = Smoother()
    smoothed([known(frame((100, 200)))] * 5, smoother)
    for later, place in ((1.0, (130, 200)), (20.0, (500, 200))):
        back = known(frame(place))
        np.testing.assert_allclose(smoother.update(back, later).xy, back.xy)


def test_memory_does_not_grow_with_people_who_left():
    smoother = Smoother()
    for i in range(500):
        smoother.update(known(frame((100, 200)), (i,)), i * 0.1)
    assert len(smoother._ids) <= 21 + 1


def test_the_skeleton_may_change():
    from edge_pose.skeleton import Skeleton

    two = Skeleton("two", ("head", "foot"), ((0, 1),), (), (0.05, 0.1))
    poses = Poses(np.array([[[5, 0], [5, 90]]]), np.ones((1, 2)), [[0, 0, 10, 90]], [0.9], [1], skeleton=two)
    smoother = Smoother()
    smoother.update(known(frame((100, 200))), 0.0)
    np.testing.assert_allclose(smoother.update(poses, 0.1).xy, poses.xy)


def test_errors_change_nothing():
    smoother = Smoother()
    person = known(frame((100, 200)))
    smoother.update(person, 1.0)
    with pytest.raises(TimeError, match=r"got 1\.0 after 1\.0"):
        smoother.update(person, 1.0)
    with pytest.raises(ShapeError, match=r"ids of one frame must differ, got \[3, 3\]"):
        smoother.update(known(frame((100, 200), (300, 200)), (3, 3)), 1.5)
    np.testing.assert_allclose(smoother.update(person, 1.2).xy, person.xy)
    smoother.reset()
    np.testing.assert_allclose(smoother.update(known(frame((105, 200))), 0.0).xy, known(frame((105, 200))).xy)
    with pytest.raises(TimeError):
        OneEuro().update(1.0, float("nan"))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"min_cutoff": 0}, "min_cutoff must be a number above 0, got 0"),
        ({"beta": -1}, "beta must be a number from 0 on, got -1"),
        ({"fade_s": float("inf")}, "fade_s must be a number above 0, got inf"),
        ({"visible": None}, "visible must be a number from 0 on, got None"),
    ],
)
def test_settings_are_checked(settings_, message):
    with pytest.raises(ShapeError, match=message):
        SmoothConfig(**settings_)


@pytest.mark.parametrize("seed", range(4))
def test_one_person_alone_is_steadied_as_in_a_crowd(seed, monkeypatch):
    """The short way for one person in full sight gives the same bytes, whatever comes between its frames."""
    rng, at, time_s, taken = np.random.default_rng(seed), np.full(2, 200.0), 0.0, 0
    quick, slow = Smoother(), Smoother()
    monkeypatch.setattr(slow, "_move_on", lambda *given: None)
    for i in range(250):
        time_s += float(rng.choice([0.01, 0.033, 0.2, 0.5]))
        at += rng.normal(0, 3, 2)
        xy = (at + rng.normal(0, 30, (1, 17, 2))).astype(np.float32)
        scores = np.where(rng.random((1, 17)) < rng.choice([0.3, 0], p=[0.2, 0.8]), 0.1, 0.9)
        xy[0, 3] = rng.choice([200, 900, np.nan], p=[0.9, 0.05, 0.05])
        box = np.full((1, 4), np.nan) if rng.random() < 0.03 else [[at[0] - 40, at[1] - 90, at[0] + 40, at[1] + 90]]
        poses = Poses(xy, scores, box, [0.9], [1 + i // 80 if rng.random() < 0.95 else -1])
        if rng.random() < 0.05:
            poses = poses[:0]
        elif rng.random() < 0.05:
            two = [np.concatenate([a, a]) for a in (poses.xy, poses.scores, poses.boxes, poses.box_scores)]
            poses = Poses(*two, [1 + i // 80, 50])
        one, two = quick.update(poses, time_s), slow.update(poses, time_s)
        assert one.xy.tobytes() == two.xy.tobytes()
        assert one.scores.tobytes() == two.scores.tobytes()
        assert one.ids.tolist() == poses.ids.tolist()
        taken += bool(quick._whole)
    assert taken > 40

"""What holds of a tracker whatever it is shown."""

import threading
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose.poses import Poses
from edge_pose.track import Tracker
from tests.people import STANDING, frame


@st.composite
def streams(draw):
    """Frames of up to six walkers who come, go and cross; scores differ, so that the best is one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    count, frames = draw(st.integers(0, 6)), draw(st.integers(1, 15))
    starts, speeds = rng.uniform(0, 600, (count, 2)), rng.uniform(-300, 300, (count, 2))
    out, time_s = [], 0.0
    for _ in range(frames):
        time_s += float(rng.uniform(0.01, 0.3))
        shown = np.flatnonzero(rng.random(count) > 0.2)
        places = [tuple(starts[i] + speeds[i] * time_s) for i in shown]
        scores = rng.uniform(0.05, 1.0, len(shown))
        joints = rng.uniform(0, 1, (len(shown), 17))
        poses = frame(*places, scores=scores, noise=3.0, rng=rng)
        out.append((replace(poses, scores=joints), time_s))
    return out


@settings(deadline=None)
@given(streams())
def test_ids_are_unique_in_a_frame_and_never_come_back_after_they_died(stream):
    tracker, last = Tracker(), {}
    for poses, time_s in stream:
        ids = tracker.update(poses, time_s).ids
        named = ids[ids >= 0].tolist()
        assert len(set(named)) == len(named) and all(1 <= i <= tracker.births for i in named)
        for identity in named:
            assert time_s - last.get(identity, time_s) <= 1.0 + 1e-6
            last[identity] = time_s
        assert 0 <= tracker.deaths <= tracker.births
        assert np.isfinite(tracker.predicted(time_s + 0.1).xyxy).all()


@settings(deadline=None)
@given(streams(), st.integers(0, 2**31))
def test_the_order_of_rows_decides_nothing(stream, seed):
    rng = np.random.default_rng(seed)
    one, other = Tracker(), Tracker()
    for poses, time_s in stream:
        order = rng.permutation(len(poses))
        ids = one.update(poses, time_s).ids
        assert other.update(poses[order], time_s).ids.tolist() == ids[order].tolist()


@settings(deadline=None)
@given(streams(), streams())
def test_trackers_share_nothing_and_repeat_themselves(stream, other):
    alone = Tracker()
    expected = [alone.update(*frame_).ids.tolist() for frame_ in stream]
    one, two = Tracker(), Tracker()
    got = []
    for i, frame_ in enumerate(stream):
        got.append(one.update(*frame_).ids.tolist())
        if i < len(other):
            two.update(*other[i])
    assert got == expected


@settings(deadline=None)
@given(streams(), st.floats(0.1, 10))
def test_the_size_of_the_picture_decides_nothing(stream, scale):
    one, other = Tracker(), Tracker()
    for poses, time_s in stream:
        larger = replace(poses, xy=poses.xy * scale, boxes=poses.boxes * scale)
        assert other.update(larger, time_s).ids.tolist() == one.update(poses, time_s).ids.tolist()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31))
def test_no_numbers_break_it(seed):
    rng = np.random.default_rng(seed)
    odd = np.array([0, -0.0, 1, -1, 1e30, -1e30, 3e38, 1e-40, np.nan, np.inf, -np.inf], np.float32)
    tracker = Tracker()
    for i in range(6):
        n = int(rng.integers(0, 5))
        poses = Poses(*(rng.choice(odd, (n, *shape)) for shape in ((17, 2), (17,), (4,), ())))
        mixed = poses if rng.random() < 0.5 else replace(poses, box_scores=np.full(n, 0.9))
        assert tracker.update(mixed, i / 10).ids.shape == (n,)


def test_trackers_in_threads_do_what_they_do_alone():
    def work(seed, out):
        rng, tracker = np.random.default_rng(seed), Tracker()
        walk = [frame((100 + 5 * i, 200), (400 - 5 * i, 210), noise=3.0, rng=rng) for i in range(60)]
        out[seed] = [tracker.update(poses, i / 30).ids.tolist() for i, poses in enumerate(walk)]

    alone, together = {}, {}
    for seed in range(4):
        work(seed, alone)
    threads = [threading.Thread(target=work, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert len(STANDING) == 17

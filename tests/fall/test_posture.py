"""What is read off one frame, also where joints are missing."""

import numpy as np
import pytest

from edge_pose.fall.posture import posture
from edge_pose.poses import Poses
from tests.fall.figure import BACK, CROUCH, SIT, STAND, TIE, Camera, joints

CAMERA = Camera(height=1.2, away=4.0, down=3.0)


def seen(key, yaw=90.0, hidden=(), camera=CAMERA):
    """A pose as a network would give it, without any error."""
    points = joints(key.array()[None])[0]
    w = np.deg2rad(yaw)
    x, y = points[:, 0].copy(), points[:, 1].copy()
    points[:, 0], points[:, 1] = x * np.cos(w) - y * np.sin(w), x * np.sin(w) + y * np.cos(w)
    xy = camera.project(points).astype(np.float32)
    scores = np.full(17, 0.9, np.float32)
    scores[list(hidden)] = 0.05
    box = np.concatenate([xy.min(0), xy.max(0)])
    return Poses(xy[None], scores[None], box[None], np.array([0.9], np.float32))[0]


def read(key, before=None, **options):
    return posture(seen(key, **options), 1.0, CAMERA.hw, 0.2, before)


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [(STAND, 0, 8), (SIT, 0, 15), (BACK, 80, 100), (TIE, 50, 80)],
)
def test_the_torso_leans_as_the_body_does(key, low, high):
    angle, _ = read(key).torso
    assert low <= angle <= high


def test_stature_of_somebody_who_stands_is_the_height_in_pixels():
    head, feet = CAMERA.project(np.array([[0, 0, 1.7], [0, 0, 0.0]]))
    assert read(STAND).stature() == pytest.approx(feet[1] - head[1], rel=0.07)


@pytest.mark.parametrize("hidden", [(15, 16), (0, 1, 2, 3, 4), (5, 6), (11, 12), (13, 14)])
def test_stature_does_without_one_part_of_the_body(hidden):
    assert read(STAND, hidden=hidden).stature() == pytest.approx(read(STAND).stature(), rel=0.1)


def test_the_longest_parts_speak_for_the_stature_of_somebody_who_lies():
    assert read(BACK).longest() == pytest.approx(read(STAND).stature(), rel=0.15)


def test_a_pair_of_which_one_joint_is_hidden_keeps_its_middle():
    whole = read(STAND, yaw=180)  # from the front
    half = read(STAND, yaw=180, hidden=(6, 12), before=whole)
    assert half.shoulders == pytest.approx(whole.shoulders, abs=0.5)
    assert half.hips == pytest.approx(whole.hips, abs=0.5)
    alone = read(STAND, yaw=180, hidden=(6, 12))
    assert abs(alone.shoulders[0] - whole.shoulders[0]) > 5


@pytest.mark.parametrize(("key", "squats"), [(CROUCH, True), (TIE, True), (BACK, False), (STAND, False)])
@pytest.mark.parametrize("yaw", [0, 60, 90, 135])
def test_who_squats_is_over_the_feet(key, squats, yaw):
    tall = read(STAND).stature()
    assert read(key, yaw=yaw).on_feet(tall) == squats


def test_nobody_can_be_read_without_joints():
    empty = read(STAND, hidden=range(17))
    assert empty.seen == 0
    assert empty.score == 0
    assert empty.torso is None
    assert empty.stature() is None
    assert empty.longest() is None
    assert not empty.on_feet(300.0)
    x1, y1, x2, y2 = empty.box
    assert empty.centre == ((x1 + x2) / 2, (y1 + y2) / 2)


def test_joints_that_are_not_finite_are_not_seen():
    pose = seen(STAND)
    pose.xy[5] = np.nan
    pose.xy[6] = np.inf
    assert posture(pose, 1.0, CAMERA.hw, 0.2).shoulders is None


@pytest.mark.parametrize(
    ("box", "side", "below"),
    [
        ([50, 50, 90, 200], False, 280),
        ([50, 50, 90, 479], False, 1),
        ([1, 50, 90, 200], True, 280),
        ([50, 50, 640, 200], True, 280),
    ],
)
def test_bodies_are_cut_off_at_the_frames_edge(box, side, below):
    pose = seen(STAND)
    pose.box[:] = box
    now = posture(pose, 1.0, CAMERA.hw, 0.2)
    assert (now.cut_side, now.below_px) == (side, below)

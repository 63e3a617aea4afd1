"""A person who was lost while low is looked for in a turned crop: there, rarely, and at the right place."""

import numpy as np
import pytest

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.fall import FallConfig, FallDetector
from edge_pose.fall.second_look import SecondLook, turned_back
from edge_pose.poses import Poses
from edge_pose.skeleton import COCO17
from tests.fall.figure import BACK, STAND, Camera, Flaws, Motion, film, steps

CAMERA = Camera()


class Eye(Estimator):
    """Gives what it was told for whole frames; in crops it finds the one bright pixel, as every joint."""

    skeleton = COCO17
    timings_ms = {"network": 1.0}  # noqa: RUF012

    def __init__(self, hw):
        self.hw, self.poses, self.crops = hw, Poses.empty(), []

    def __call__(self, image):
        if image.shape[:2] == self.hw:
            return self.poses
        self.crops.append(image.shape[:2])
        ys, xs = np.nonzero(image[..., 0])
        if not len(ys):
            return Poses.empty()
        at = np.array([xs[0] + 0.5, ys[0] + 0.5], np.float32)
        box = np.concatenate([at - 0.5, at + 0.5])
        return Poses(np.tile(at, (1, 17, 1)), np.full((1, 17), 0.9), box[None], np.array([0.8]))

    def close(self):
        pass


@pytest.mark.parametrize("turn", [1, -1])
def test_turning_back_is_the_way_home(turn):
    crop = np.arange(6 * 9).reshape(6, 9)
    turned = np.rot90(crop, turn)
    ys, xs = np.mgrid[: turned.shape[0], : turned.shape[1]]
    points = np.stack([xs + 0.5, ys + 0.5], -1).astype(np.float32)
    back = turned_back(points, turn, crop.shape)
    assert np.array_equal(crop[back[..., 1].astype(int), back[..., 0].astype(int)], turned)


def fallen(seen_until_s):
    """A detector that lost somebody on the way down, and the frames it was lost in."""
    motion = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (6, BACK)))
    detector = FallDetector(FallConfig(lost_s=30.0))
    rows = film(motion, CAMERA, 10.0, np.random.default_rng(1), Flaws(0, 0, 0), 70)
    for time_s, poses in rows:
        if time_s >= seen_until_s:
            break
        detector.update(poses, time_s, CAMERA.hw)
    return detector, [time_s for time_s, _ in rows if time_s >= seen_until_s]


def test_it_looks_again_where_somebody_was_lost_and_only_now_and_then():
    detector, times = fallen(2.3)
    eye = Eye(CAMERA.hw)
    look = SecondLook(eye, detector)
    image = np.zeros((*CAMERA.hw, 3), np.uint8)
    x, y = detector.people[0].machine.body.last.centre
    image[int(y) + 20, int(x) - 30] = 255
    found = []
    for time_s in times:
        poses = look(image, eye.poses, {})
        found += [p.xy[0] for p in poses]
        detector.update(Poses.empty(), time_s, CAMERA.hw)
    assert found
    assert all(p == pytest.approx([int(x) - 30 + 0.5, int(y) + 20 + 0.5]) for p in found)
    config = detector.config
    assert look.looks == look.found == len(found)
    assert len(found) <= config.look_for_s / config.look_every_s + 1
    assert times[-1] - times[0] > config.look_for_s  # it gave up before the end


def test_who_is_found_comes_last_and_keeps_nothing_of_the_others():
    detector, times = fallen(2.3)
    detector.update(Poses.empty(), times[0], CAMERA.hw)
    eye = Eye(CAMERA.hw)
    far = np.array([[5.0, 5.0, 40.0, 90.0]], np.float32)
    eye.poses = Poses(np.full((1, 17, 2), 9.0), np.full((1, 17), 0.5), far, np.array([0.9]))
    image = np.zeros((*CAMERA.hw, 3), np.uint8)
    x, y = detector.people[0].machine.body.last.centre
    image[int(y), int(x)] = 255
    look = SecondLook(eye, detector)
    timings = {"network": 1.0}
    poses = look(image, eye.poses, timings)
    assert len(poses) == 2
    assert poses.boxes[0].tolist() == far[0].tolist()
    assert poses.xy[1, 0].tolist() == [int(x) + 0.5, int(y) + 0.5]
    assert set(timings) == {"network", "second_look"}


@pytest.mark.parametrize("seen_until_s", [1.0, 0.0])
def test_nobody_is_looked_for_who_was_not_on_the_way_down(seen_until_s):
    detector, times = fallen(seen_until_s)
    look = SecondLook(Eye(CAMERA.hw), detector)
    for time_s in times:
        look(np.full((*CAMERA.hw, 3), 255, np.uint8), Poses.empty(), {})
        detector.update(Poses.empty(), time_s, CAMERA.hw)
    assert look.looks == 0


def test_nobody_is_looked_for_who_is_found_anyway():
    detector, times = fallen(2.3)
    detector.update(Poses.empty(), times[0], CAMERA.hw)
    eye = Eye(CAMERA.hw)
    x, y = detector.people[0].machine.body.last.centre
    here = np.array([[x - 40, y - 20, x + 40, y + 20]])
    eye.poses = Poses(np.full((1, 17, 2), 9.0), np.full((1, 17), 0.5), here, np.array([0.9]))
    look = SecondLook(eye, detector)
    assert len(look(np.zeros((*CAMERA.hw, 3), np.uint8), eye.poses, {})) == 1
    assert look.looks == 0


def test_no_other_picture_comes_between_for_who_follows_somebody():
    eye = Eye(CAMERA.hw)
    eye.follows = True
    with pytest.raises(PipelineError, match="this one follows"):
        SecondLook(eye, FallDetector())

"""The calibration doctor: each flaw is found where it is, not where it is not, and --strict refuses."""

import cv2
import numpy as np
import pytest

from edge_pose.errors import ExportError
from edge_pose.export import samples
from edge_pose.export.calibration import Frames, frames_from
from edge_pose.export.lint import examine, judge, saturation
from edge_pose.poses import Poses
from edge_pose.skeleton import COCO17, Skeleton

SHOULDERS, HIPS = (5, 6), (11, 12)


def person(rng, lean_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Joints scattered in a box, with a torso that leans so far."""
    xy = rng.uniform(0, 100, (17, 2))
    along = np.array([np.sin(np.radians(lean_deg)), np.cos(np.radians(lean_deg))]) * 50
    xy[list(SHOULDERS)] = (50, 50)
    xy[list(HIPS)] = along + 50
    return xy.astype(np.float32), np.full(17, 0.9, np.float32)


def poses(rng, lean_deg=0.0, count=1) -> Poses:
    people = [person(rng, lean_deg) for _ in range(count)]
    xy, scores = (np.array([p[i] for p in people]).reshape(count, 17, *tail) for i, tail in ((0, (2,)), (1, ())))
    boxes = np.tile(np.float32([0, 0, 100, 100]), (count, 1))
    return Poses(xy.astype(np.float32), scores.astype(np.float32), boxes, np.ones(count, np.float32), skeleton=COCO17)


def codes(images, found) -> set[str]:
    return {finding.code for finding in examine(Frames.of(images), found)}


@pytest.fixture
def good():
    """Forty different pictures, each with one person, every fourth of whom lies."""
    rng = np.random.default_rng(0)
    return samples.pictures(40, (48, 64)), [poses(rng, 90.0 if i % 4 == 0 else 0.0) for i in range(40)]


def test_good_pictures_have_no_flaw(good):
    assert codes(*good) == set()


def test_too_few(good):
    images, found = good
    assert codes(images[:31], found[:31]) == {"few"}
    assert codes(images[:32], found[:32]) == set()


def test_duplicates(good):
    images, found = good
    assert "duplicates" in codes(images[:25] + images[:15], found)
    assert codes(images[:35] + images[:5], found) == set()  # a few may repeat
    brighter = [np.minimum(image.astype(int) + 3, 255).astype(np.uint8) for image in images[:15]]
    assert codes(images[:25] + brighter, found) == set()  # another light is another picture


def test_nobody(good):
    images, found = good
    empty = Poses.empty(COCO17)
    assert codes(images, [empty] * 40) == {"nobody"}
    assert codes(images, found[:20] + [empty] * 20) == set()  # half of them show somebody


def test_only_upright_people(good):
    rng = np.random.default_rng(0)
    assert codes(good[0], [poses(rng, 20.0) for _ in range(40)]) == {"upright"}


def test_people_without_a_visible_torso_are_not_upright(good):
    images, found = good
    for many in found:
        many.scores[:, list(SHOULDERS)] = 0.1
    assert codes(images, found) == set()


def test_always_the_same_pose(good):
    images, _ = good
    same = poses(np.random.default_rng(0), 90.0)
    assert codes(images, [same] * 40) == {"alike"}


def test_a_skeleton_without_a_torso_can_be_examined(good):
    corners = Skeleton("corners", ("a", "b"), ((0, 1),), (), (0.1, 0.1))
    rng = np.random.default_rng(0)
    found = [
        Poses(rng.uniform(0, 9, (1, 2, 2)).astype(np.float32), np.ones((1, 2), np.float32),
              np.float32([[0, 0, 9, 9]]), np.ones(1, np.float32), skeleton=corners)
        for _ in range(40)
    ]  # fmt: skip
    assert "upright" not in codes(good[0], found)


def test_saturated_activations():
    limits = {f"t{i}": (0.0, 1.0) for i in range(10)}
    inside = dict(limits, t0=(0.0, 5.0), t1=(-0.09, 1.09))  # one of ten, and one by less than a tenth
    beyond = dict(limits, t0=(0.0, 1.2), t1=(-0.2, 1.0), t2=(0.0, 9.0))
    assert saturation(limits, inside) is None
    flaw = saturation(limits, beyond)
    assert flaw.code == "saturated"
    assert "3 of 10" in str(flaw)
    assert saturation({}, {}) is None


def test_a_warning_names_the_risk_and_strict_refuses(good, caplog):
    images, found = good
    flaws = examine(Frames.of(images[:3]), found[:3])
    judge(flaws, strict=False)
    assert "joints are lost in others" in caplog.text
    assert "give at least 32" in caplog.text
    with pytest.raises(ExportError, match=r"--strict refuses .*only 3 pictures"):
        judge(flaws, strict=True)
    judge([], strict=True)  # nothing to refuse


@pytest.mark.parametrize(("broken", "said"), [(4, False), (5, False), (6, True)])
def test_unreadable_files_are_a_share_of_all_files(broken, said, good, tmp_path):
    """Not of those that were drawn: a few bad ones among very many are no flaw of the set."""
    images, found = good
    for number in range(100 - broken):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), images[number % 40])
    for number in range(broken):
        (tmp_path / f"x{number}.jpg").write_bytes(b"\xff\xd8\xff")
    frames, _ = frames_from(tmp_path, count=40)
    assert ("unreadable" in {finding.code for finding in examine(frames, found)}) == said

"""The renderer: the same seed, the same picture; joints where the body is drawn; nothing behind a wall is seen."""

from math import pi

import numpy as np
import pytest

from edge_pose.skeleton import COCO17
from tools.render import Body, Camera, Person, Pose, Scene, render, sample_scene
from tools.render.body import assemble
from tools.render.moves import FLAT_BACK, FLAT_FRONT, FLAT_SIDE, sample_pose
from tools.render.pose import between, limited, mirrored
from tools.render.raster import Light
from tools.render.room import Cuboid, Room

NOSE, LEFT_EYE, RIGHT_EYE = 0, 1, 2
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6


def scene(pose=Pose(yaw=pi), furniture=(), size=(160, 160)):  # noqa: B008 - a frozen value
    """Somebody two metres and a half in front of a level camera, in an empty room."""
    room = Room(np.array([-3.0, 0, -5]), np.array([3.0, 3, 3]), np.full((6, 3), 0.9), 0, furniture=tuple(furniture))
    eye = np.array([0.0, 1.0, -2.6])
    camera = Camera.looking(eye, np.array([0, 0.9, 0.0]), fov=0.95, width=size[1], height=size[0])
    light = Light(np.array([1.0, 2.8, -2.0]))
    return Scene((Person(Body(), pose, (0.0, 0.0)),), room, light, camera)


def test_the_same_seed_gives_the_same_picture():
    one, two, other = render(sample_scene(7)), render(sample_scene(7)), render(sample_scene(8))
    assert one.image.shape == (192, 192, 3) and one.image.dtype == np.uint8
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.keypoints, two.keypoints)
    assert (one.image != other.image).any()


def test_somebody_who_faces_the_camera_is_a_mirror_image():
    picture = render(scene())
    xy, seen = picture.keypoints[0], picture.visibility[0]
    assert xy[LEFT_SHOULDER, 0] > xy[RIGHT_SHOULDER, 0] and xy[LEFT_EYE, 0] > xy[RIGHT_EYE, 0]
    assert (xy[5:7, 1] < xy[11:13, 1]).all() and (xy[11:13, 1] < xy[15:17, 1]).all()
    assert (seen[[NOSE, LEFT_EYE, RIGHT_EYE]] == 2).all()


def test_a_back_hides_the_face():
    picture = render(scene(Pose(yaw=0.0)))
    assert (picture.visibility[0, :3] == 1).all()
    assert picture.keypoints[0, LEFT_SHOULDER, 0] < picture.keypoints[0, RIGHT_SHOULDER, 0]
    assert (picture.visibility[0, 5:7] == 2).all()


def test_what_stands_in_front_hides_the_legs_and_what_is_outside_is_not_there():
    table = Cuboid(np.array([0.0, 0.35, -0.8]), np.array([0.8, 0.35, 0.05]), 0.0, np.full(3, 0.5))
    hidden = render(scene(furniture=[table]))
    assert (hidden.visibility[0, 13:17] == 1).all() and (hidden.visibility[0, 5:7] == 2).all()
    near = scene()
    camera = Camera.looking(np.array([0, 1.5, -1.0]), np.array([0, 1.4, 0.0]), fov=0.8, width=96, height=96)
    cut = render(Scene(near.people, near.room, near.light, camera))
    assert (cut.visibility[0, 15:17] == 0).all() and cut.keypoints[0, 15, 1] > 96


def test_keypoints_lie_on_the_body_that_is_drawn():
    for seed in range(12):
        picture = render(sample_scene(seed, people=1))
        seen = picture.visibility[0] == 2
        x0, y0, x1, y1 = picture.boxes[0]
        xy = picture.keypoints[0, seen]
        assert (xy >= [x0 - 1, y0 - 1]).all() and (xy <= [x1 + 1, y1 + 1]).all()


@pytest.mark.parametrize("pose", [Pose(), FLAT_BACK, FLAT_FRONT, FLAT_SIDE])
def test_bodies_rest_on_the_floor(pose):
    joints, parts = assemble(Body(), pose, (0.3, -0.2))
    assert min(min(p.a[1] - p.ra, p.b[1] - p.rb) for p in parts) == pytest.approx(0, abs=1e-9)
    height = joints[:, 1].max()
    assert height < 0.6 if pose != Pose() else 1.4 < height < 1.8


def test_bones_keep_their_length_in_every_pose():
    rng = np.random.default_rng(0)
    bones = [(5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16)]
    assert set(bones) <= {tuple(edge) for edge in COCO17.edges} | {edge[::-1] for edge in COCO17.edges}
    lengths = []
    for _ in range(20):
        joints, _ = assemble(Body(), sample_pose(rng), (0, 0))
        lengths.append([np.linalg.norm(joints[a] - joints[b]) for a, b in bones])
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], np.shape(lengths)), atol=1e-9)


def test_a_mirrored_pose_is_the_mirrored_body():
    pose = sample_pose(np.random.default_rng(3))
    ours, _ = assemble(Body(), pose, (0, 0))
    theirs, _ = assemble(Body(), mirrored(pose), (0, 0))
    pairs = np.arange(17)
    for a, b in COCO17.flip_pairs:
        pairs[[a, b]] = b, a
    np.testing.assert_allclose(theirs[pairs] * [-1, 1, 1], ours, atol=1e-9)


def test_poses_between_and_limits():
    assert between(Pose(), FLAT_BACK, 0) == Pose() and between(Pose(), FLAT_BACK, 1) == FLAT_BACK
    assert limited(Pose(l_knee=-1.0, r_elbow=9.0)) == Pose(l_knee=0.0, r_elbow=2.5)


def test_nobody_in_the_room_is_an_ordinary_picture():
    empty = scene()
    picture = render(Scene((), empty.room, empty.light, empty.camera))
    assert picture.keypoints.shape == (0, 17, 2) and picture.boxes.shape == (0, 4) and picture.image.any()


def test_nobody_stands_behind_a_wall():
    for seed in range(200):
        made = sample_scene(seed, width=32, height=32)
        for person in made.people:
            x, z = person.place
            assert made.room.low[0] < x < made.room.high[0] and made.room.low[2] < z < made.room.high[2]


def test_a_room_may_be_empty():
    with_people, without = (render(sample_scene(19, people=count)) for count in (None, 0))
    assert len(with_people.keypoints) >= 1 and len(without.keypoints) == len(without.boxes) == 0
    assert (with_people.image != without.image).any()

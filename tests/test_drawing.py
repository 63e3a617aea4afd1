import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edge_pose
from edge_pose.drawing import LEFT, MIDDLE, PERSONS, RIGHT, draw
from edge_pose.errors import ImageError, ShapeError
from edge_pose.poses import Poses
from edge_pose.skeleton import COCO17, Skeleton

GREY = 90


def plain(height=240, width=320):
    return np.full((height, width, 3), GREY, np.uint8)


def person(joints, box=(20, 20, 220, 220), identity=-1, score=0.5):
    """Somebody with these joints: {name: (x, y)}, all others unseen."""
    xy, scores = np.zeros((1, 17, 2)), np.zeros((1, 17))
    for name, point in joints.items():
        xy[0, COCO17.index(name)], scores[0, COCO17.index(name)] = point, 0.9
    return Poses(xy, scores, [box], [score], [identity])


def together(*poses):
    columns = ("xy", "scores", "boxes", "box_scores", "ids")
    return Poses(*(np.concatenate([getattr(p, c) for p in poses]) for c in columns))


def changed(before, after):
    """(top, left, bottom, right) of what differs, or None."""
    ys, xs = np.nonzero((before != after).any(axis=2))
    return (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1) if len(ys) else None


def test_a_public_name_even_where_the_module_was_imported_first():
    assert edge_pose.draw is draw


def test_nobody_gives_the_copy_alone():
    image = plain()
    drawn = draw(image, Poses.empty())
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_the_image_stays_as_it_is():
    image = plain()
    drawn = draw(image, person({"nose": (100, 100)}))
    assert (image == GREY).all()
    assert changed(image, drawn)


@pytest.mark.parametrize(
    "view", [lambda i: i[::-1], lambda i: i[:, ::-1], lambda i: i[:, :, ::-1], lambda i: i[::2, 5:]]
)
def test_views_are_fine(view):
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    poses = person({"nose": (30.5, 30.5), "left_eye": (60, 20)})
    np.testing.assert_array_equal(draw(view(image), poses), draw(view(image).copy(), poses))


def test_out_is_drawn_into():
    image, poses = plain(), person({"nose": (100, 100)}, identity=3)
    expected = draw(image, poses)
    other = np.zeros_like(image)
    assert draw(image, poses, out=other) is other
    np.testing.assert_array_equal(other, expected)
    assert draw(image, poses, out=image) is image
    np.testing.assert_array_equal(image, expected)


def read_only():
    image = plain()
    image.flags.writeable = False
    return image


@pytest.mark.parametrize(
    "out",
    [plain(10, 10), plain().astype(np.float32), plain()[:, ::-1], read_only(), [[0]]],
    ids=["shape", "type", "stride", "read-only", "list"],
)
def test_out_that_does_not_fit(out):
    with pytest.raises(ShapeError, match=r"out must be writeable, contiguous uint8 of shape \(240, 320, 3\), got"):
        draw(plain(), Poses.empty(), out=out)


@pytest.mark.parametrize("image", [plain().astype(np.float32), plain()[:, :, 0], "bus.jpg"])
def test_what_is_no_image(image):
    with pytest.raises(ImageError):
        draw(image, Poses.empty())


@pytest.mark.parametrize(("x", "y"), [(100.5, 60.5), (100.0, 60.0), (33.25, 77.75)])
def test_a_joint_is_drawn_where_it_is(x, y):
    """Coordinates have a pixel's centre at +0.5, so weights of pixels at index + 0.5 must balance there."""
    image = plain()
    drawn = draw(image, person({"nose": (x, y)}), labels=False)
    weight = np.abs(drawn.astype(float) - GREY).sum(axis=2)
    rows, columns = np.mgrid[:240, :320] + 0.5
    assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=0.2)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=0.2)


def test_joints_below_the_threshold_are_left_out_with_their_limbs():
    image = plain()
    both = person({"left_wrist": (60, 60), "left_elbow": (160, 60)})
    scores = both.scores.copy()
    scores[0, COCO17.index("left_elbow")] = 0.29
    one = Poses(both.xy, scores, both.boxes, both.box_scores)
    only_wrist = person({"left_wrist": (60, 60)})
    np.testing.assert_array_equal(draw(image, one, labels=False), draw(image, only_wrist, labels=False))
    np.testing.assert_array_equal(draw(image, one, threshold=0.29, labels=False), draw(image, both, labels=False))
    np.testing.assert_array_equal(draw(image, one, threshold=0.95), image)  # and no label without a joint


@pytest.mark.parametrize(
    ("a", "b", "color"),
    [
        ("left_shoulder", "left_elbow", LEFT),
        ("right_hip", "right_knee", RIGHT),
        ("left_shoulder", "right_shoulder", MIDDLE),
        ("nose", "left_eye", LEFT),
        ("nose", "right_eye", RIGHT),
    ],
)
def test_sides_have_their_colours(a, b, color):
    poses = person({a: (60.5, 100.5), b: (160.5, 100.5)}, box=(0, 0, 400, 400))
    drawn = draw(plain(480, 640), poses, labels=False)
    assert tuple(drawn[100, 110]) == color
    column = drawn[:, 110].max(axis=1)
    assert column[:100].min() < GREY - 20  # a dark edge on either side
    assert column[101:].min() < GREY - 20


def test_limbs_grow_with_the_person_within_what_the_picture_bears():
    def thickness(box, image):
        poses = person({"left_hip": (40, 100), "left_knee": (200, 100)}, box=box)
        drawn = draw(image, poses, labels=False)
        return int((drawn[:, 120] != GREY).any(axis=1).sum())

    image = plain(1080, 1920)
    widths = [thickness((0, 0, 10, side), image) for side in (20, 200, 500, 1000, 5000)]
    assert widths == sorted(widths)
    assert widths[0] < widths[2] < widths[3] <= widths[4] <= 24
    assert thickness((0, 0, 10, 5000), plain()) <= 10


@pytest.mark.parametrize("at", [(160, 120), (0, 0), (319, 0), (0, 239), (319, 239), (-500, 100), (160, 900)])
def test_a_label_is_always_whole(at):
    image = plain()
    x, y = at
    poses = person({"nose": at}, box=(x - 10, y - 10, x + 10, y + 10), identity=12, score=0.87)
    top, left, bottom, right = changed(draw(image, poses, labels=False), draw(image, poses))
    middle = person({"nose": (160, 120)}, box=(150, 110, 170, 130), identity=12, score=0.87)
    y1, x1, y2, x2 = changed(draw(image, middle, labels=False), draw(image, middle))
    assert abs((bottom - top) - (y2 - y1)) <= 1
    assert abs((right - left) - (x2 - x1)) <= 1
    assert (y2 - y1) * (x2 - x1) > 300


def test_labels_of_people_at_one_place_do_not_hide_each_other():
    image = plain()
    crowd = [person({"nose": (160, 120)}, box=(60, 60, 260, 200), identity=i) for i in range(5)]
    drawn = draw(image, together(*crowd))
    plates = [int((drawn == color).all(axis=2).sum()) for color in PERSONS]
    alone = [int((draw(image, one) == PERSONS[i]).all(axis=2).sum()) for i, one in enumerate(crowd)]
    assert all(plate > 0.7 * area for plate, area in zip(plates, alone, strict=True))


def test_ids_keep_their_colour_in_any_row():
    image = plain()
    a = person({"nose": (80, 100)}, box=(60, 80, 100, 200), identity=7)
    b = person({"nose": (240, 100)}, box=(220, 80, 260, 200), identity=8)
    np.testing.assert_array_equal(draw(image, together(a, b)), draw(image, together(b, a)))
    half = draw(image, together(a, b))[:, :160].reshape(-1, 3)
    assert (half == PERSONS[7 % len(PERSONS)]).all(axis=1).any()


def test_untracked_people_have_a_label_without_id():
    image = plain()
    shapes = []
    for identity in (-1, 3):
        poses = person({"nose": (160, 120)}, identity=identity)
        _, left, _, right = changed(draw(image, poses, labels=False), draw(image, poses))
        shapes.append(right - left)
    assert shapes[0] < shapes[1]


def test_the_nearest_are_on_top():
    far = person({"left_hip": (100, 50), "left_knee": (100, 150)}, box=(90, 50, 110, 150))
    near = person({"right_hip": (50, 100), "right_knee": (150, 100)}, box=(0, 0, 200, 200))
    for order in ((far, near), (near, far)):
        assert tuple(draw(plain(), together(*order), labels=False)[99, 99]) == RIGHT


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (5, 5), (12, 12)])
def test_pictures_too_small_for_a_label(size):
    image = plain(*size)
    poses = person({"nose": (0.5, 0.5), "left_eye": (2, 2)}, identity=1, box=(0, 0, 3, 3))
    drawn = draw(image, poses)
    assert drawn.shape == image.shape
    assert changed(image, drawn)


def test_joints_that_are_nowhere_are_left_out():
    image = plain()
    near = {"nose": (100, 100)}
    nowhere = {"left_eye": (np.nan, 3), "left_wrist": (np.inf, 4), "left_elbow": (-1e9, 1e9)}
    np.testing.assert_array_equal(draw(image, person({**near, **nowhere})), draw(image, person(near)))
    np.testing.assert_array_equal(draw(image, person(nowhere)), image)


def test_a_skeleton_without_limbs_shows_its_joints():
    dots = Skeleton("dots", ("a", "b"), (), (), (0.1, 0.1))
    poses = Poses([[[50, 50], [150, 50]]], [[0.9, 0.9]], [[40, 40, 60, 160]], [0.9], skeleton=dots)
    drawn = draw(plain(), poses, labels=False)
    assert (drawn[50, 50] != GREY).all()
    assert (drawn[50, 150] != GREY).all()
    assert (drawn[50, 100] == GREY).all()


WILD = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(
    xy=hnp.arrays(np.float32, (3, 17, 2), elements=WILD),
    boxes=hnp.arrays(np.float32, (3, 4), elements=WILD),
    scores=hnp.arrays(np.float32, (3, 17), elements=st.floats(0, 1, width=32)),
    ids=hnp.arrays(np.int64, 3),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_no_numbers_make_it_fail(xy, boxes, scores, ids, size):
    image = plain(*size)
    assert draw(image, Poses(xy, scores, boxes, [0.5, np.nan, 1], ids)).shape == image.shape
    assert (image == GREY).all()


def test_a_real_picture_keeps_what_is_not_drawn_on(asset):
    import cv2

    image = cv2.imread(str(asset("images/bus.jpg")))
    drawn = draw(image, person({"nose": (400, 300), "left_eye": (410, 290)}, box=(380, 250, 480, 600)))
    top, left, bottom, right = changed(image, drawn)
    assert top > 200
    assert bottom < 330
    assert left > 340
    assert right < 460

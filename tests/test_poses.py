"""Boxes and Poses: checked once, selected by rows, nobody is (0, ...)."""

import numpy as np
import pytest

from edge_pose import COCO17, Boxes, Poses, Skeleton
from edge_pose.errors import ImageError, ShapeError, SpecError
from edge_pose.frames import check_image


def some(n=3):
    random = np.random.default_rng(n)
    xy, scores = random.uniform(0, 100, (n, 17, 2)), random.uniform(0, 1, (n, 17))
    return Poses(xy, scores, random.uniform(0, 100, (n, 4)), random.uniform(0, 1, n), ids=np.arange(n))


def test_types_are_fixed():
    poses = some()
    assert [a.dtype for a in (poses.xy, poses.scores, poses.boxes, poses.box_scores)] == [np.float32] * 4
    assert poses.ids.dtype == np.int64
    assert Poses(poses.xy, poses.scores, poses.boxes, poses.box_scores).ids.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_unchecked_is_the_same_for_arrays_that_fit(n):
    poses = some(n)
    fields = ("xy", "scores", "boxes", "box_scores")
    quick = Poses.unchecked(*(getattr(poses, name) for name in fields), COCO17)
    for name in fields:
        assert getattr(quick, name) is getattr(poses, name)
    assert quick.ids.tolist() == [-1] * n
    assert quick.ids.dtype == np.int64
    assert quick.skeleton is COCO17


def test_nobody():
    nobody = Poses.empty()
    assert (nobody.xy.shape, nobody.scores.shape, nobody.boxes.shape) == ((0, 17, 2), (0, 17), (0, 4))
    assert len(nobody) == 0
    assert list(nobody) == []
    assert nobody.to_coco(1) == []
    assert len(nobody[[]]) == 0
    assert len(Boxes.empty()) == 0
    assert len(Boxes([], [])) == 0


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        ([2, 0], [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([False, False, False], []),
    ],
)
def test_rows_move_together(rows, kept):
    poses = some()
    picked = poses[rows]
    assert picked.ids.tolist() == kept
    np.testing.assert_array_equal(picked.xy, poses.xy[kept])
    np.testing.assert_array_equal(picked.box_scores, poses.box_scores[kept])


def test_one_person():
    poses = some()
    assert [p.id for p in poses] == [0, 1, 2]
    assert poses[-1].id == 2
    assert poses[0].xy.shape == (17, 2)
    with pytest.raises(IndexError):
        poses[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros((3, 16))}, r"scores must be float32 of shape \(3, 17\), got float64 of shape \(3, 16\)"),
        ({"boxes": np.zeros((2, 4))}, r"boxes must be float32 of shape \(3, 4\), got .* \(2, 4\)"),
        ({"ids": np.zeros(2)}, r"ids must be int64 of shape \(3\), got"),
        ({"xy": np.full((3, 17, 2), "a")}, "xy must be float32"),
    ],
)
def test_arrays_that_do_not_belong_together(change, message):
    poses = some()
    arrays = {"xy": poses.xy, "scores": poses.scores, "boxes": poses.boxes, "box_scores": poses.box_scores}
    with pytest.raises(ShapeError, match=message):
        Poses(**{**arrays, **change})


def test_nobody_with_rows_is_an_error():
    with pytest.raises(ShapeError, match="xy has no rows"):
        Poses(np.empty((0, 17, 2)), np.zeros((1, 17)), np.empty((0, 4)), [])


def test_coco_results():
    poses = some(1)
    (row,) = poses.to_coco(42)
    assert (row["image_id"], row["category_id"], len(row["keypoints"])) == (42, 1, 51)
    x1, y1, x2, y2 = poses.boxes[0]
    np.testing.assert_allclose(row["bbox"], [x1, y1, x2 - x1, y2 - y1], atol=2e-3)
    np.testing.assert_allclose(row["keypoints"][3:5], poses.xy[0, 1], atol=1e-3)


def test_whole_image_is_asked_for():
    boxes = Boxes.whole(np.zeros((20, 30, 3), np.uint8))
    assert boxes.xyxy.tolist() == [[0, 0, 30, 20]]


def test_skeleton():
    assert len(COCO17) == 17
    assert COCO17.index("left_hip") == 11
    assert COCO17.flip_order[[0, 5, 6]].tolist() == [0, 6, 5]
    with pytest.raises(SpecError, match="coco17 has no joint 'tail'"):
        COCO17.index("tail")
    with pytest.raises(SpecError, match="sigmas must have 1 values"):
        Skeleton("x", ("a",), (), (), ())
    with pytest.raises(SpecError, match=r"edges has \(0, 1\), joints go from 0 to 0"):
        Skeleton("x", ("a",), ((0, 1),), (), (0.1,))


@pytest.mark.golden
def test_sigmas_are_those_of_the_coco_evaluation(golden):
    np.testing.assert_allclose(COCO17.sigmas, golden("oks_coco")["sigmas"], atol=1e-12)


@pytest.mark.golden
def test_mirrored_joints_are_the_reference_s(golden):
    assert COCO17.flip_order.tolist() == golden("decode_mmpose")["flip_indices"].tolist()
    pairs = golden("decode_leoxiaobin")["flip_pairs"]
    assert sorted(map(sorted, COCO17.flip_pairs)) == sorted(map(sorted, pairs.tolist()))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), "greyscale"),
        (np.zeros((4, 4, 1), np.uint8), "greyscale"),
        (np.zeros((4, 4, 4), np.uint8), "4 channels"),
        (np.zeros((4, 4, 3), np.uint16), "uint16; 16-bit"),
        (np.zeros((4, 4, 3), np.float32), "float32; 0..1"),
        (np.zeros((0, 4, 3), np.uint8), "H, W >= 1"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
        ([[1, 2, 3]], "got list"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_image(image, message):
    with pytest.raises(ImageError, match=message):
        check_image(image)


def test_views_are_images():
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert check_image(image) is image
    assert check_image(image[::-1]).strides[0] < 0  # rows may run backwards
    for view in (image[:, ::-1], image[:, :, ::-1], image[:, ::2], image.transpose(1, 0, 2)):
        np.testing.assert_array_equal(check_image(view), view)

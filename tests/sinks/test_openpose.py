import json

import numpy as np
import pytest

from edge_pose.errors import OutputError
from edge_pose.poses import Poses
from edge_pose.sinks import OpenposeSink
from edge_pose.skeleton import COCO17, Skeleton
from tests.sinks.conftest import frame, people

# Where each of OpenPose's 18 joints comes from; None is the neck.
FROM_COCO17 = [0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]


def read(path):
    return json.loads(path.read_text())


def test_a_file_a_frame_in_openposes_order(tmp_path, nobody):
    poses = people(2, ids=[3, -1])
    with OpenposeSink(tmp_path / "out") as sink:
        sink.write(frame(0, "x/clip.mp4"), poses, {})
        sink.write(frame(1, "x/clip.mp4"), nobody, {})
    names = ["clip_000000000000_keypoints.json", "clip_000000000001_keypoints.json"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    assert read(tmp_path / "out" / names[1]) == {"version": 1.3, "people": []}
    first = read(tmp_path / "out" / names[0])
    assert first["version"] == 1.3
    assert [p["person_id"] for p in first["people"]] == [[3], [-1]]
    for person, xy, scores in zip(first["people"], poses.xy, poses.scores, strict=True):
        joints = np.array(person["pose_keypoints_2d"]).reshape(18, 3)
        for row, origin in zip(joints, FROM_COCO17, strict=True):
            if origin is not None:
                np.testing.assert_allclose(row, [*xy[origin], scores[origin]], atol=6e-4)
        np.testing.assert_allclose(joints[1], [*(xy[5] + xy[6]) / 2, min(scores[5], scores[6])], atol=6e-4)
        assert person["hand_left_keypoints_2d"] == []


def test_joints_that_were_not_found_are_zero(tmp_path):
    poses = people(1)
    xy, scores = poses.xy.copy(), poses.scores.copy()
    scores[0, COCO17.index("left_shoulder")] = 0
    xy[0, COCO17.index("nose"), 1] = np.nan
    with OpenposeSink(tmp_path) as sink:
        sink.write(frame(), Poses(xy, scores, poses.boxes, poses.box_scores), {})
    (path,) = tmp_path.iterdir()
    joints = np.array(read(path)["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    assert np.flatnonzero(~joints.any(axis=1)).tolist() == [0, 1, 5]  # nose, neck, left shoulder


def test_pictures_give_their_names_and_no_two_share_one(tmp_path, nobody):
    with OpenposeSink(tmp_path, stills=True) as sink:
        for i, name in enumerate(["a.jpg", "b.jpg", "a.png", "x/a.jpg"]):
            sink.write(frame(i, name), nobody, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a_000000000002_keypoints.json",
        "a_000000000003_keypoints.json",
        "a_keypoints.json",
        "b_keypoints.json",
    ]


def test_a_file_name_is_refused(tmp_path):
    with pytest.raises(OutputError, match="one file a frame; give the name of a folder"):
        OpenposeSink(tmp_path / "out.json")


def test_skeletons_without_the_joints_are_refused(tmp_path):
    dot = Skeleton("dot", ("nose",), (), (), (0.1,))
    with (
        pytest.raises(OutputError, match="needs the joints of COCO; dot lacks right_shoulder"),
        OpenposeSink(tmp_path) as s,
    ):
        s.write(frame(), Poses([[[1, 2]]], [[0.5]], [[0, 0, 1, 1]], [0.5], skeleton=dot), {})
    assert list(tmp_path.iterdir()) == []

import json

import numpy as np
import pytest

from edge_pose.errors import OutputError
from edge_pose.poses import Poses
from edge_pose.sinks import CocoSink
from tests.sinks.conftest import frame, people


def written(path, frames, **options):
    with CocoSink(path, **options) as sink:
        for one, poses in frames:
            sink.write(one, poses, {})
    return json.loads(path.read_text())


def test_one_array_of_everybody(tmp_path, nobody):
    two, one = people(2), people(1, seed=1)
    got = written(tmp_path / "r.json", [(frame(0), nobody), (frame(1), two), (frame(2), nobody), (frame(3), one)])
    assert got == two.to_coco(1) + one.to_coco(3)


@pytest.mark.parametrize("frames", [0, 2])
def test_nobody_at_all_is_an_empty_array(tmp_path, nobody, frames):
    assert written(tmp_path / "r.json", [(frame(i), nobody) for i in range(frames)]) == []


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["000000000139.jpg", "x/785.png"], [139, 785]),  # numbers, as COCO names its files
        (["a.jpg", "b.jpg"], [0, 1]),
        (["a/7.jpg", "b/7.jpg", "c/7.jpg"], [7, 8, 9]),  # two folders: no two pictures share an id
        (["1.jpg", "b.jpg"], [1, 2]),  # the index of b is taken
        (["12345678901234567890.jpg", "²3.jpg"], [0, 1]),  # no number that a reader could hold
    ],
)
def test_image_ids_of_pictures(tmp_path, sources, ids):
    got = written(tmp_path / "r.json", [(frame(i, s), people(1)) for i, s in enumerate(sources)], stills=True)
    assert [entry["image_id"] for entry in got] == ids
    assert [entry["file_name"] for entry in got] == sources


def test_frames_of_a_video_named_by_a_number_have_their_own_ids(tmp_path):
    got = written(tmp_path / "r.json", [(frame(i, "7.mp4"), people(1)) for i in range(3)])
    assert [entry["image_id"] for entry in got] == [0, 1, 2]


def test_the_evaluation_library_reads_it(tmp_path):
    from pycocotools.coco import COCO

    got = written(tmp_path / "r.json", [(frame(0, "139.jpg"), people(2))], stills=True)
    truth = COCO()
    truth.dataset = {"images": [{"id": 139}], "annotations": [], "categories": [{"id": 1}]}
    truth.createIndex()
    loaded = truth.loadRes(str(tmp_path / "r.json"))
    assert len(loaded.getAnnIds(imgIds=[139])) == len(got) == 2


def test_what_is_not_finite_is_zero(tmp_path):
    poses = people(1)
    xy, scores = poses.xy.copy(), poses.scores.copy()
    xy[0, 0, 0], scores[0, 1] = np.nan, np.inf
    (entry,) = written(tmp_path / "r.json", [(frame(), Poses(xy, scores, poses.boxes, poses.box_scores))])
    assert entry["keypoints"][:6] == [0, 0, 0, 0, 0, 0]
    assert entry["keypoints"][6:9] == pytest.approx([*poses.xy[0, 2], poses.scores[0, 2]], abs=1e-3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_keeps_what_is_there(tmp_path, error):
    with pytest.raises(error), CocoSink(tmp_path / "r.json") as sink:
        sink.write(frame(), people(2), {})
        raise error
    assert len(json.loads((tmp_path / "r.json").read_text())) == 2


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "r.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="broken"), CocoSink(path) as sink:
        sink.write(frame(), people(2), {})
        raise ValueError("broken")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path):
    with CocoSink(tmp_path / "r.json") as sink:
        sink.write(frame(), people(1), {})
        assert not (tmp_path / "r.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_closing_twice_and_writing_afterwards(tmp_path):
    sink = CocoSink(tmp_path / "r.json")
    sink.write(frame(), people(1), {})
    sink.close()
    sink.close()
    assert len(json.loads((tmp_path / "r.json").read_text())) == 1
    with pytest.raises(OutputError, match="it is closed"):
        sink.write(frame(1), people(1), {})

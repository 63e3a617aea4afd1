import csv

import numpy as np
import pytest

from edge_pose.poses import Poses
from edge_pose.sinks import CsvSink
from edge_pose.skeleton import COCO17, Skeleton
from tests.sinks.conftest import frame, people


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_a_person(tmp_path, nobody):
    two = people(2, ids=[4, 9])
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(0), nobody, {})
        sink.write(frame(1), two, {})
        sink.write(frame(2), people(1), {})
    rows = table(tmp_path / "t.csv")
    assert [(r["frame"], r["time_s"], r["person"], r["id"]) for r in rows] == [
        ("1", "0.1", "0", "4"),
        ("1", "0.1", "1", "9"),
        ("2", "0.2", "0", "-1"),
    ]
    for i, row in enumerate(rows[:2]):
        points = [[float(row[f"{joint}_{axis}"]) for axis in "xys"] for joint in COCO17.joints]
        np.testing.assert_allclose(points, np.column_stack([two.xy[i], two.scores[i]]), atol=6e-4)
        box = [float(row[c]) for c in ("x1", "y1", "x2", "y2")]
        np.testing.assert_allclose(box, two.boxes[i], atol=6e-4)
        assert float(row["score"]) == pytest.approx(two.box_scores[i], abs=6e-4)


def test_the_header(tmp_path, nobody):
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(), nobody, {})
    header = (tmp_path / "t.csv").read_text()
    assert header.startswith("frame,time_s,file,person,id,score,x1,y1,x2,y2,nose_x,nose_y,nose_s,left_eye_x,")
    assert header.endswith("right_ankle_x,right_ankle_y,right_ankle_s\n")
    assert header.count("\n") == 1


def test_other_skeletons_name_their_own_joints(tmp_path):
    dot = Skeleton("dot", ("centre",), (), (), (0.1,))
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(), Poses([[[1, 2]]], [[0.5]], [[0, 0, 1, 1]], [0.5], skeleton=dot), {})
    (row,) = table(tmp_path / "t.csv")
    assert (row["centre_x"], row["centre_y"], row["centre_s"]) == ("1.0", "2.0", "0.5")


@pytest.mark.parametrize("name", ['a,"b".jpg', "zeile\numbruch.jpg", "ü.jpg"])
def test_names_that_need_quotes(tmp_path, name):
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(0, name), people(1), {})
    assert table(tmp_path / "t.csv")[0]["file"] == name


def test_a_name_that_is_no_unicode_does_not_stop_the_run(tmp_path):
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(0, "\udcff.jpg"), people(1), {})
    assert table(tmp_path / "t.csv")[0]["file"] == "?.jpg"


def test_what_is_not_finite_is_empty(tmp_path):
    with CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(), Poses(np.full((1, 17, 2), np.nan), np.zeros((1, 17)), [[0, 0, 1, 1]], [0.5]), {})
    (row,) = table(tmp_path / "t.csv")
    assert (row["nose_x"], row["nose_s"]) == ("", "0.0")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_rows_are_kept_when_the_run_ends_early(tmp_path, error):
    with pytest.raises(error), CsvSink(tmp_path / "t.csv") as sink:
        sink.write(frame(), people(2), {})
        raise error
    assert len(table(tmp_path / "t.csv")) == 2

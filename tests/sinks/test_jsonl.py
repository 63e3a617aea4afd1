import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_pose.errors import OutputError
from edge_pose.poses import Poses
from edge_pose.sinks import JsonlSink
from tests.sinks.conftest import frame, people


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_what_the_manual_says(tmp_path):
    xy = np.zeros((1, 17, 2), np.float32)
    xy[0, 0] = 1.23456, 2
    poses = Poses(xy, np.full((1, 17), 0.5), [[1, 2, 30.00049, 40]], [0.9], [7])
    with JsonlSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame(3, time_s=0.10004), poses, {"pose": 12.34567})
    text = (tmp_path / "out.jsonl").read_text()
    rest = ",".join(["[0.0,0.0,0.5]"] * 16)
    assert text == (
        '{"frame":3,"time_s":0.1,"people":[{"id":7,"score":0.9,"box":[1.0,2.0,30.0,40.0],'
        f'"keypoints":[[1.235,2.0,0.5],{rest}]}}],"timings_ms":{{"pose":12.346}}}}\n'
    )


def test_nobody_and_the_untracked(tmp_path, nobody):
    with JsonlSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame(0), nobody, {})
        sink.write(frame(1), people(2), {})
    empty, two = lines(tmp_path / "out.jsonl")
    assert empty == {"frame": 0, "time_s": 0.0, "people": [], "timings_ms": {}}
    assert [p["id"] for p in two["people"]] == [-1, -1]


def test_numbers_come_back_within_half_a_thousandth(tmp_path):
    poses = people(3, ids=[5, 6, 9])
    with JsonlSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame(), poses, {})
    (line,) = lines(tmp_path / "out.jsonl")
    back = np.array([p["keypoints"] for p in line["people"]])
    np.testing.assert_allclose(back[..., :2], poses.xy, atol=6e-4)
    np.testing.assert_allclose(back[..., 2], poses.scores, atol=6e-4)
    np.testing.assert_allclose([p["box"] for p in line["people"]], poses.boxes, atol=6e-4)
    np.testing.assert_allclose([p["score"] for p in line["people"]], poses.box_scores, atol=6e-4)
    assert [p["id"] for p in line["people"]] == [5, 6, 9]


def test_stills_name_their_file(tmp_path, nobody):
    with JsonlSink(tmp_path / "out.jsonl", stills=True) as sink:
        sink.write(frame(0, "photos/ä b.jpg"), nobody, {})
    assert lines(tmp_path / "out.jsonl")[0]["file"] == "photos/ä b.jpg"


def test_what_is_not_finite_is_null(tmp_path):
    xy = np.full((1, 17, 2), np.nan)
    xy[0, 1] = np.inf, 3
    with JsonlSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame(), Poses(xy, np.zeros((1, 17)), [[0, 0, np.inf, 1]], [0.5]), {})
    (person,) = lines(tmp_path / "out.jsonl")[0]["people"]
    assert person["keypoints"][:2] == [[None, None, 0.0], [None, 3.0, 0.0]]
    assert person["box"] == [0.0, 0.0, None, 1.0]


def test_every_line_is_on_disk_at_once(tmp_path, nobody):
    sink = JsonlSink(tmp_path / "out.jsonl")
    for i in range(3):
        sink.write(frame(i), nobody, {})
        assert len(lines(tmp_path / "out.jsonl")) == i + 1
    sink.close()
    sink.close()
    with pytest.raises(OutputError, match="it is closed"):
        sink.write(frame(3), nobody, {})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_lines_are_kept_when_the_run_fails_or_is_interrupted(tmp_path, nobody, error):
    with pytest.raises(error), JsonlSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame(), nobody, {})
        raise error
    assert len(lines(tmp_path / "out.jsonl")) == 1


def test_a_run_that_fails_before_its_first_frame_changes_nothing(tmp_path):
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text("yesterday's\n")
    for path in (old, new):
        with pytest.raises(ValueError, match="no model"), JsonlSink(path):
            raise ValueError("no model")
    assert old.read_text() == "yesterday's\n"
    assert not new.exists()


def test_a_run_without_frames_leaves_an_empty_file(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("yesterday's\n")
    JsonlSink(path).close()
    assert path.read_text() == ""


def test_the_input_is_never_overwritten(tmp_path, nobody):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="it is the input"), JsonlSink(path) as sink:
        sink.write(frame(0, str(path)), nobody, {})
    assert path.read_bytes() == b"precious"


def test_a_kill_leaves_whole_lines(tmp_path):
    path = tmp_path / "out.jsonl"
    code = (
        "import sys, pathlib; from edge_pose.sinks import JsonlSink; from tests.sinks.conftest import frame, people\n"
        "sink = JsonlSink(pathlib.Path(sys.argv[1])); poses = people(5)\n"
        "for i in range(10**9):\n"
        "    sink.write(frame(i), poses, {})\n"
        "    if i == 20: sys.stdout.write('go\\n'); sys.stdout.flush()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as run:
        assert run.stdout.readline() == b"go\n"
        run.send_signal(signal.SIGKILL)
    text = path.read_text()
    assert text.endswith("\n")
    assert [line["frame"] for line in lines(path)] == list(range(text.count("\n")))

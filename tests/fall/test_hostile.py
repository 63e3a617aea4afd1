"""Whoever wants to break the watch: broken joints, ids, times, frames, recordings, manifests; a stop at any moment."""

import json
import re
import shutil
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from edge_pose.cli import main
from edge_pose.errors import ShapeError, TimeError
from edge_pose.fall import FallDetector, FallEvent
from edge_pose.poses import Poses
from edge_pose.recording import Recorder, read_recording
from edge_pose.skeleton import Skeleton
from edge_pose.track import Tracker
from tests import tiny
from tests.cli.test_run_live import LIVE, started
from tests.conftest import missing
from tests.fall.figure import BACK, STAND, Camera, Flaws, Motion, film, steps

CAMERA = Camera()
FALL = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (2, BACK)))
ROWS = film(FALL, CAMERA, 12.0, np.random.default_rng(1), Flaws(0, 0, 0), 70)


def spoilt(name, rows, value):
    """Poses in which a field has been overwritten in part."""

    def spoil(poses):
        values = getattr(poses, name).copy()
        values[(slice(None), *rows)] = value
        return replace(poses, **{name: values})

    return spoil


def watch(detector, rows, change=lambda poses: poses):
    tracker = Tracker()
    return [
        e.event
        for time_s, poses in rows
        for e in detector.update(tracker.update(change(poses), time_s), time_s, CAMERA.hw)
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("xy", ()),
        ("xy", (slice(0, 17, 2),)),
        ("scores", (slice(0, 5),)),
        ("boxes", ()),
        ("boxes", (0,)),
        ("box_scores", ()),
    ],
)
def test_numbers_that_are_none(name, rows, value):
    """Nothing is raised or warned of; half of the joints are enough to see a fall by."""
    told = watch(FallDetector(), ROWS, spoilt(name, rows, value))
    assert set(told) <= {"fall.confirmed"}
    if name in ("scores", "xy") and rows:
        assert told == ["fall.confirmed"]


def test_every_other_frame_is_broken():
    odd = iter(range(10_000))
    broken = spoilt("xy", (), np.nan)
    assert watch(FallDetector(), ROWS, lambda poses: broken(poses) if next(odd) % 2 else poses) == ["fall.confirmed"]


@pytest.mark.parametrize("hw", [(0, 0), (480, 0), (-480, 640)])
def test_a_frame_without_pixels(hw):
    with pytest.raises(ShapeError, match="frame_hw must be height and width in pixels"):
        FallDetector().update(Poses.empty(), 0.0, hw)


def test_an_id_given_twice():
    poses = ROWS[0][1]
    two = Poses(*(np.concatenate([a, a]) for a in (poses.xy, poses.scores, poses.boxes, poses.box_scores)), [7, 7])
    with pytest.raises(ShapeError, match=r"ids of one frame must differ, got \[7, 7\]"):
        FallDetector().update(two, 0.0, CAMERA.hw)


def test_time_that_jumps_backwards_changes_nothing():
    detector, tracker, told = FallDetector(), Tracker(), []
    for time_s, poses in ROWS:
        tracked = tracker.update(poses, time_s)
        told += detector.update(tracked, time_s, CAMERA.hw)
        for wrong_s in (time_s, time_s - 5, float("nan"), float("inf")):
            with pytest.raises(TimeError, match="must grow"):
                detector.update(tracked, wrong_s, CAMERA.hw)
    assert [e.event for e in told] == ["fall.confirmed"]


def test_the_end_may_be_told_twice_and_not_be_the_end():
    """A candidate is told once; when the stream goes on it is confirmed, and a later fall is told again."""
    detector, tracker = FallDetector(), Tracker()
    end = next(i for i, (time_s, _) in enumerate(ROWS) if time_s > 2.4)

    def go(rows):
        return [e for time_s, poses in rows for e in detector.update(tracker.update(poses, time_s), time_s, CAMERA.hw)]

    assert go(ROWS[:end]) == []
    at_s = ROWS[end - 1][0]
    for wrong_s in (at_s - 0.1, float("nan"), float("inf")):
        with pytest.raises(TimeError, match="must not be before the last frame"):
            detector.finish(wrong_s)
    assert [e.event for e in detector.finish(at_s)] == ["fall.candidate"]
    assert detector.finish(at_s) == ()
    assert [e.event for e in go(ROWS[end:])] == ["fall.confirmed"]
    assert detector.finish(ROWS[-1][0]) == ()


def test_a_second_thread_gets_an_error_at_most():
    detector, told = FallDetector(), []

    def work(offset_s):
        for i in range(200):
            try:
                detector.update(ROWS[i % len(ROWS)][1].with_ids(np.array([1])), i + offset_s, CAMERA.hw)
            except TimeError:
                told.append(offset_s)

    threads = [threading.Thread(target=work, args=(offset_s,)) for offset_s in (0.0, 0.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) < 400
    assert detector.update(Poses.empty(), 1000.0, CAMERA.hw) == ()


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Recordings that something is wrong with."""
    monkeypatch.chdir(tmp_path)
    with Recorder("good.jsonl") as recorder:
        for i, (time_s, poses) in enumerate(ROWS):
            recorder.write(i, time_s, CAMERA.hw, poses)
    lines = (tmp_path / "good.jsonl").read_text().splitlines()
    (tmp_path / "back.jsonl").write_text("\n".join([lines[0], *lines[10:20], *lines[1:10]]) + "\n")
    (tmp_path / "torn.jsonl").write_text("\n".join(lines)[: -len(lines[-1]) - 50])
    (tmp_path / "nobody.jsonl").write_text(lines[0] + "\n")
    (tmp_path / "foreign.jsonl").write_text('{"a": 1}\n')
    two = Skeleton("two", ("a", "b"), edges=((0, 1),), flip_pairs=(), sigmas=(0.1, 0.1))
    with Recorder("two.jsonl", skeleton=two) as recorder:
        recorder.write(
            0, 0.0, (9, 9), Poses(np.zeros((1, 2, 2)), np.ones((1, 2)), np.zeros((1, 4)), [1.0], skeleton=two)
        )
    return tmp_path


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("good", 0, ""),
        ("torn", 0, "ends in the middle of line"),  # what is whole is watched
        ("back", 1, "back.jsonl: frame 0: time must grow, got 0.0 after"),
        ("nobody", 1, "there is not one frame to watch"),
        ("foreign", 1, "it is no recording"),
        ("two", 1, "falls are judged by COCO's 17 joints, got poses of 2"),
    ],
)
def test_recordings_that_something_is_wrong_with(name, code, says, recordings, capsys):
    assert main(["fall", "--replay", f"{name}.jsonl"]) == code
    out, err = capsys.readouterr()
    assert says in err
    assert "Traceback" not in err
    assert ("fall.confirmed" in out) == (code == 0)


def test_one_bad_clip_does_not_spoil_the_others(recordings, capsys):
    names = ["good", "back", "nobody", "foreign", "two", "gone"]
    rows = [f"{name}.mp4,fall,1.5" for name in names] + ["sub/good.mp4,fall,99", "../good.mp4,fall,1.5"]
    (recordings / "m.csv").write_text("file,label,fall_start_s\n" + "\n".join(rows) + "\n")
    for name in names[:-1]:
        shutil.copy(recordings / f"{name}.jsonl", recordings / f"{name}.jsonl.gz")
    (recordings / "sub").mkdir()
    shutil.copy(recordings / "good.jsonl", recordings / "sub" / "good.jsonl.gz")
    assert main(["fall", "eval", "m.csv", "--replay", ".", "--json", "f.json"]) == 1
    out = capsys.readouterr().out
    assert len(re.findall("^not judged: ", out, re.MULTILINE)) == 6
    assert "sub/good.mp4: the fall starts at 99 s, and the clip ends at 4." in out
    found = json.loads((recordings / "f.json").read_text())
    assert [(c["file"], c["outcome"]) for c in found["clips"]] == [("good.mp4", "hit"), ("../good.mp4", "hit")]
    assert main(["fall", "tune", "m.csv", "--replay", "."]) == 1
    assert "back.mp4: time_s must grow" in capsys.readouterr().err


def test_two_clips_never_share_a_recording(tmp_path, capsys):
    (tmp_path / "m.csv").write_text("file,label\na.mp4,adl\n../a.avi,adl\n")
    model = tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer([(40, 32, 10, 20, 0.9)]))
    words = ["fall", "eval", str(tmp_path / "m.csv"), "--model", str(model), "--record", str(tmp_path / "rec")]
    assert main(words) == 1
    assert "a.mp4 and ../a.avi would both be recorded" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_it_watches(how, tmp_path, monkeypatch):
    """Events and recording are whole, the stop is told, and what was about to be confirmed would be too."""
    if shutil.which("gst-launch-1.0") is None:
        missing("gst-launch-1.0 (gstreamer1.0-tools)")
    monkeypatch.chdir(tmp_path)
    tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer([(40, 32, 10, 20, 0.9)]))
    program = started("fall", LIVE, "--model", "m.onnx", "--events", "e.jsonl", "--record", "r.jsonl")
    deadline = time.monotonic() + 60
    while not (tmp_path / "r.jsonl").exists() or (tmp_path / "r.jsonl").stat().st_size < 3000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    program.send_signal(how)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 128 + how, err
    assert err.splitlines()[-1] == "edge-pose: interrupted"
    frames, events = re.search(r"interrupted after (\d+) frames, (\d+) event", out).groups()
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    assert len([FallEvent.from_json(line) for line in lines]) == int(events)
    recording = read_recording("r.jsonl")
    assert abs(len(list(recording)) - int(frames)) <= 4  # results that nobody had taken yet
    assert recording.complete

"""`edge-pose fall` as a person meets it."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_pose.cli import main
from edge_pose.fall import FallEvent
from edge_pose.recording import Recorder
from tests import tiny
from tests.fall import motions
from tests.fall.figure import BACK, STAND, Camera, Motion, film, steps

CAMERA = Camera()
FALL = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (2, BACK)))
SHORT = Motion("short", True, steps((1.5, STAND), (0.7, BACK, True), (0.3, BACK)))


def record(path, motion):
    with Recorder(path) as recorder:
        for i, (time_s, poses) in enumerate(film(motion, CAMERA, 12.0, np.random.default_rng(1), yaw=70)):
            recorder.write(i, time_s, CAMERA.hw, replace(poses, ids=np.full(len(poses), -1)))
    return path


@pytest.fixture
def clips(tmp_path):
    """A manifest of three clips and their recordings."""
    sit = motions.NEGATIVES[1](np.random.default_rng(1))
    rows = [("a.mp4", "fall", "1.5", "2.2", "Falling; Standing"), ("sub/b.mp4", "adl", "", "", "Sitting")]
    rows += [("c.mp4", "fall", "1.5", "2.2", "Falling")]
    for row, motion in zip(rows, (FALL, sit, SHORT), strict=True):
        record(tmp_path / "rec" / row[0].replace(".mp4", ".jsonl.gz"), motion)
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "fall_start_s", "fall_end_s", "activities"), *rows])
    return tmp_path


def fails(capsys, *words):
    """Exit code and the one line on stderr."""
    code = main(["fall", *map(str, words)])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("edge-pose: ")]
    return code, lines[-1] if lines else err


def test_eval_on_recordings(clips, capsys):
    words = ["fall", "eval", str(clips / "m.csv"), "--replay", str(clips / "rec"), "--json", str(clips / "f.json")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "sensitivity 0.500, with candidates 1.000" in out
    assert "specificity 1.000" in out
    assert "c.mp4: candidate: the clip ended before it was confirmed" in out
    found = json.loads((clips / "f.json").read_text())
    assert [c["outcome"] for c in found["clips"]] == ["hit", "silent", "candidate"]
    assert found["false_alarms_per_hour"] == 0
    assert 0.7 < found["delay_s"]["p50"] < 2


def test_thresholds_and_zones_come_from_files(clips, capsys):
    (clips / "fall.toml").write_text(
        "plunge = 3\nplunge_low = 3\nplunge_seat = 3\nplunge_raised = 3\nplunge_lost = 3\n"
    )
    eval_words = ["fall", "eval", str(clips / "m.csv"), "--replay", str(clips / "rec")]
    assert main([*eval_words, "--config", str(clips / "fall.toml")]) == 0
    assert "sensitivity 0.000" in capsys.readouterr().out
    everywhere = [{"name": "all", "kind": "ignore", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}]
    (clips / "zones.json").write_text(json.dumps(everywhere))
    assert main([*eval_words, "--zones", str(clips / "zones.json")]) == 0
    assert "sensitivity 0.000" in capsys.readouterr().out


def test_a_clip_without_a_recording_is_named_and_the_others_are_judged(clips, capsys):
    (clips / "rec" / "a.jsonl.gz").unlink()
    code = main(["fall", "eval", str(clips / "m.csv"), "--replay", str(clips / "rec"), "--json", str(clips / "f.json")])
    done = capsys.readouterr()
    assert code == 1
    assert "not judged: a.mp4: there is no recording" in done.out
    assert "1 of 3 clips could not be judged" in done.err
    assert len(json.loads((clips / "f.json").read_text())["clips"]) == 2


def test_eval_runs_the_network_and_keeps_what_it_saw(tmp_path, capsys):
    model = tiny.constant_network(tmp_path / "yolo.onnx", tiny.YOLO, tiny.yolo_answer([(40, 32, 10, 20, 0.9)]))
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 15, (160, 120))
    for i in range(20):
        writer.write(np.full((120, 160, 3), i * 10, np.uint8))
    writer.release()
    (tmp_path / "m.csv").write_text("file,label\nv.mp4,adl\n")
    words = ["fall", "eval", str(tmp_path / "m.csv"), "--model", str(model), "--record", str(tmp_path / "rec")]
    assert main(words) == 0
    assert "specificity 1.000" in capsys.readouterr().out
    assert main(["fall", "eval", str(tmp_path / "m.csv"), "--replay", str(tmp_path / "rec")]) == 0
    assert "specificity 1.000" in capsys.readouterr().out


def test_tune_draws_a_picture(clips, capsys, monkeypatch):
    monkeypatch.setattr("edge_pose.fall.tuning.FACTORS", (1.0, 4.0))
    monkeypatch.setattr("edge_pose.fall.tuning.DWELLS_S", (0.7,))
    words = ["fall", "tune", str(clips / "m.csv"), "--replay", str(clips / "rec"), "-o", str(clips / "t.png")]
    assert main([*words, "--json", str(clips / "t.json")]) == 0
    assert "2 settings on 3 clips" in capsys.readouterr().out
    assert cv2.imread(str(clips / "t.png")) is not None
    rows = json.loads((clips / "t.json").read_text())
    assert [r["sensitivity_with_candidates"] for r in rows] == [1.0, 0.0]


def test_watching_a_recording_tells_and_explains(tmp_path, capsys):
    path = record(tmp_path / "r.jsonl.gz", FALL)
    assert main(["fall", "--replay", str(path), "--events", str(tmp_path / "e.jsonl")]) == 0
    out = capsys.readouterr().out
    assert "fall.confirmed  person 1" in out
    assert out.endswith("1 event\n")
    (line,) = (tmp_path / "e.jsonl").read_text().splitlines()
    event = FallEvent.from_json(line)
    assert event.event == "fall.confirmed"
    assert main(["fall", "explain", str(tmp_path / "e.jsonl"), "-o", str(tmp_path / "why")]) == 0
    assert cv2.imread(str(tmp_path / "why" / f"{event.id}.png")) is not None


def test_a_fall_at_the_end_of_a_recording_is_a_candidate(tmp_path, capsys):
    path = record(tmp_path / "r.jsonl.gz", SHORT)
    assert main(["fall", "--replay", str(path), "--events", str(tmp_path / "e.jsonl")]) == 0
    assert "fall.candidate" in (tmp_path / "e.jsonl").read_text()
    assert "fall.candidate" in capsys.readouterr().out


def test_watching_records_what_it_saw_and_a_replay_is_exact(tmp_path, capsys):
    path = record(tmp_path / "r.jsonl.gz", FALL)
    again = tmp_path / "again.jsonl.gz"
    assert main(["fall", "--replay", str(path), "--record", str(again)]) == 0
    first = capsys.readouterr().out
    assert main(["fall", "--replay", str(again)]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.slow
def test_a_real_fall(asset, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EDGE_POSE_MODELS", str(asset("models")))
    video = asset("videos/s4_fall_03.mp4")
    assert main(["fall", str(video), "--events", str(tmp_path / "e.jsonl"), "--threads", "1"]) == 0
    (event,) = [FallEvent.from_json(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert event.event == "fall.confirmed"
    assert 1.7 < event.time_s < 4.0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "what to watch"),
        (["watch"], 2, "what to watch"),
        (["x.mp4", "--replay", "y"], 2, "one of both"),
        (["x.mp4", "--keep-video"], 2, "--keep-video needs --clips"),
        (["no.mp4"], 1, "no.mp4"),
        (["no.mp4", "--zones", "no.json"], 1, "cannot read the zones no.json"),
        (["no.mp4", "--config", "no.toml"], 1, "cannot read the configuration no.toml"),
        (["no.mp4", "--mqtt", "http://broker"], 2, "the MQTT address must begin with"),
        (["no.mp4", "--webhook", "http://example.com/x"], 2, "the webhook address must begin with https://"),
        (["no.mp4", "--mqtt", "mqtt://me:geheim@broker"], 2, "must not hold a password"),
        (["no.mp4", "--web=[::1"], 2, "must be HOST:PORT"),
        (["no.mp4", "--events", "here/"], 1, "cannot write here: it is a folder"),
        (["no.mp4", "--outbox", "here"], 1, "cannot write here: it is a folder"),
        (["no.mp4", "--clips", "text"], 1, "cannot write text: it is no folder"),
        (["no.mp4", "--events", "text/e.jsonl"], 1, "cannot write text/e.jsonl:"),
        (["no.mp4", "--config", "text"], 1, "text: no valid TOML"),
        (["no.mp4", "--zones", "text"], 1, "text: zones must be JSON"),
        (["no.mp4", "--zones", "text", "--web", ":0"], 1, "text: zones must be JSON"),
        (["--replay", "no.jsonl"], 1, "no.jsonl"),
        (["--replay", "text"], 1, "its first line does not end"),
        (["eval", "no.csv"], 1, "cannot read no.csv"),
        (["eval", "no.csv", "--replay", "a", "--record", "b"], 2, "one of both"),
        (["tune", "no.csv", "--replay", "a"], 1, "cannot read no.csv"),
        (["explain", "no.jsonl"], 1, "cannot read no.jsonl"),
    ],
)
def test_what_goes_wrong_is_one_line(words, code, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "text").write_text("this is = no document")
    if not words:
        words = ["--model", "x"]
    got, line = fails(capsys, *words)
    assert got == code
    assert says in " ".join(line.replace("│", " ").split())
    assert "geheim" not in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "text"]


def test_events_that_are_none_are_named_by_line(tmp_path, capsys):
    (tmp_path / "e.jsonl").write_text("{}\n")
    code, line = fails(capsys, "explain", tmp_path / "e.jsonl")
    assert code == 1
    assert "line 1" in line


@pytest.mark.parametrize(
    ("name", "text"),
    [("EDGE_POSE_MQTT_PASSWORD_FILE", "cannot read none"), ("EDGE_POSE_CA_FILE", "cannot read certificates from none")],
)
def test_secrets_are_read_before_anything_is_opened(name, text, capsys, monkeypatch):
    monkeypatch.setenv(name, "none")
    monkeypatch.setenv("EDGE_POSE_MQTT_USER", "me")
    code, line = fails(capsys, "no.mp4", "--mqtt", "mqtts://broker")
    assert code == 1
    assert text in line


def test_help_shows_what_watching_takes(capsys):
    assert main(["fall", "--help"]) == 0
    shown = capsys.readouterr().out
    for word in ("--mqtt", "--zones", "SOURCE", "eval", "tune", "explain"):
        assert word in shown
    assert main(["--help"]) == 0
    assert "Watch for falls: edge-pose fall SOURCE" in " ".join(capsys.readouterr().out.replace("│", " ").split())

"""`run` on streams: recordings, replays, the page, signals, a full disk."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest

from edge_pose.cli import _completed, main
from edge_pose.recording import read_recording
from tests import tiny
from tests.conftest import missing

LIVE = "gst:videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1"
PROGRAM = "import sys; from edge_pose.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """m.onnx sees two people in whatever picture; v.mp4 is a clip of 30 frames."""
    people = [(40, 32, 10, 20, 0.9), (20, 30, 10, 20, 0.8)]
    tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer(people))
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120))
    for i in range(30):
        writer.write(np.full((120, 160, 3), i * 8, np.uint8))
    writer.release()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def launcher():
    if shutil.which("gst-launch-1.0") is None:
        missing("gst-launch-1.0 (gstreamer1.0-tools)")


def started(*words):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def people(path):
    return [json.loads(line)["people"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("recording", ["r.jsonl", "r.jsonl.gz"])
def test_a_recording_gives_the_same_again(recording, folder, capsys):
    flags = ["--track", "--smooth"]
    assert main(["run", "m.onnx", "v.mp4", *flags, "--json", "a.jsonl", "--record", recording]) == 0
    assert f"written: a.jsonl, {recording}" in capsys.readouterr().out
    assert main(["run", "--replay", recording, *flags, "--json", "b.jsonl", "--video", "b.mp4"]) == 0
    assert people(folder / "a.jsonl") == people(folder / "b.jsonl")
    assert {p["id"] for frame in people(folder / "b.jsonl") for p in frame} == {1, 2}
    assert cv2.VideoCapture("b.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 30
    assert main(["run", "--replay", recording, "--json", "c.jsonl", "--max-frames", "7"]) == 0
    untracked = people(folder / "c.jsonl")
    assert len(untracked) == 7
    assert {p["id"] for frame in untracked for p in frame} == {-1}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "m.onnx"], 2, "SOURCE is missing"),
        (["run"], 2, "MODEL is missing"),
        (["run", "m.onnx", "v.mp4", "--replay", "r.jsonl"], 2, "leave them out"),
        (["run", "--replay", "none.jsonl"], 1, r"cannot read none\.jsonl"),
        (["run", "--replay", "v.mp4"], 1, r"v\.mp4.* no "),
        (["run", "m.onnx", "v.mp4", "--size", "1280"], 2, "WIDTHxHEIGHT such as 1280x720"),
        (["run", "m.onnx", "v.mp4", "--size", "640x480"], 1, "size, fps and pixel_format are for cameras"),
        (["run", "m.onnx", "v.mp4", "--detect-every", "2"], 1, "needs a detector"),
        (["run", "m.onnx", "v.mp4", "--budget-ms", "0"], 1, "budget_ms must be more than 0"),
        (["run", "m.onnx", "v.mp4", "--show"], 1, "cannot show a window: this machine has no display"),
        (["run", "m.onnx", "/dev/video9"], 1, r"/dev/video9 does not exist; "),
        (["run", "m.onnx", "rtsp://me:geheim@127.0.0.1:1/x"], 1, r"rtsp://\*\*\*@127\.0\.0\.1:1/x cannot .*refused"),
        (["run", "m.onnx", "v.mp4", "--web", "0.0.0.0:0"], 1, "token"),
        (["run", "m.onnx", "v.mp4", "--web=" + "9" * 5000], 2, "from 0 to 65535"),
        (["run", "m.onnx", "v.mp4", "--zones", "z.json"], 2, "give --web too"),
        (["run", "m.onnx", "v.mp4", "--web", ":0", "--zones", "m.onnx"], 1, "cannot write m.onnx: it is the input"),
        (["run", "m.onnx", "v.mp4", "--json", "a", "--record", "./a"], 1, "are one file"),
        (["run", "--replay", "r.jsonl", "--confidence", "0.9", "--fps", "3"], 2, "leave out --confidence, --fps"),
    ],
)  # fmt: skip
def test_what_cannot_be_had(words, code, message, folder, capsys, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(words) == code
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert "Traceback" not in err
    assert "geheim" not in err


@pytest.mark.parametrize(
    ("words", "full"),
    [
        (["run", "m", "s", "--web"], ["run", "m", "s", "--web", "127.0.0.1:8000"]),
        (["run", "--web", "m", "s"], ["run", "--web", "127.0.0.1:8000", "m", "s"]),
        (["run", "m", "s", "--web", "--track"], ["run", "m", "s", "--web", "127.0.0.1:8000", "--track"]),
        (["run", "m", "s", "--web", "[::1]:80"], ["run", "m", "s", "--web", "[::1]:80"]),
        (["run", "m", "s", "--web", ":9000", "--track"], ["run", "m", "s", "--web", ":9000", "--track"]),
        (["run", "m", "s", "--web=h:1"], ["run", "m", "s", "--web=h:1"]),
        ([], []),
    ],
)
def test_the_page_may_be_asked_for_without_an_address(words, full):
    assert _completed(words) == full


def test_a_live_stream_with_a_page(folder, launcher):
    program = started("run", "m.onnx", LIVE, "--track", "--web", "127.0.0.1:0", "--json", "a.jsonl")
    url = program.stdout.readline().split()[-1]
    deadline = time.monotonic() + 30
    while not (folder / "a.jsonl").exists() or (folder / "a.jsonl").stat().st_size < 5000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with urllib.request.urlopen(url + "metrics", timeout=10) as answer:
        assert "edge_pose" in answer.read().decode()
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 130, err
    frames = people(folder / "a.jsonl")
    assert f"interrupted after {len(frames)} frames; what was written is complete up to there" in out
    assert err.splitlines()[-1] == "edge-pose: interrupted"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_it_runs(how, folder, launcher):
    program = started("run", "m.onnx", LIVE, "--json", "a.jsonl", "--record", "r.jsonl", "--video", "a.mp4")
    deadline = time.monotonic() + 30
    while not (folder / "a.jsonl").exists() or (folder / "a.jsonl").stat().st_size < 5000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.send_signal(how)
    _, err = program.communicate(timeout=30)
    assert program.returncode == 128 + how, err
    assert "Traceback" not in err
    frames = people(folder / "a.jsonl")
    assert cv2.VideoCapture("a.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == len(frames)
    assert err.splitlines()[-1] == "edge-pose: interrupted"
    recording = read_recording(folder / "r.jsonl")
    assert len(list(recording)) >= len(frames) - 1
    assert recording.complete  # it was ended, not cut off


def test_a_signal_that_gets_lost_is_heard_all_the_same(folder):
    """What is raised inside a destructor is dropped by the interpreter; the loop asks again."""
    code = (
        "import os, signal, sys\n"
        "import edge_pose.cli.run as run\n"
        "from edge_pose.cli import main\n"
        "class Late:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.SIGTERM); sum(range(1000))\n"
        "real = run._drive\n"
        "def drive(*a):\n"
        "    late = Late(); del late\n"
        "    return real(*a)\n"
        "run._drive = drive\n"
        "sys.unraisablehook = lambda *a: None\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "m.onnx", "v.mp4", "--json", "a.jsonl"], capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 143, done.stderr
    assert len(people(folder / "a.jsonl")) < 30


@pytest.mark.parametrize("target", ["json", "record"])
def test_a_full_disk(target, folder, launcher, capsys):
    """/dev/full takes nothing: the run ends with one line, and does not hang on the camera."""
    assert main(["run", "m.onnx", LIVE, f"--{target}", "/dev/full"]) == 1
    err = capsys.readouterr().err
    assert "No space left" in err
    assert "Traceback" not in err


def test_a_stream_that_dies_is_counted(folder, launcher, capsys):
    mortal = "gst:videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=160,height=120,framerate=30/1"
    assert main(["run", "m.onnx", mortal, "--json", "a.jsonl", "--max-frames", "30"]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"\d+ frames, .* \d+ dropped, 1 reconnects, \d gaps, 1 problem", out), out
    assert "it ended; trying again in" in err


def test_environment_holds_no_page_secret_on_the_command_line(folder, monkeypatch, capsys):
    monkeypatch.setenv("EDGE_POSE_WEB_TOKEN", "x" * 24)
    assert main(["run", "m.onnx", "v.mp4", "--web", "0.0.0.0:0", "--max-frames", "30"]) == 0
    assert "x" * 24 not in capsys.readouterr().out
    assert os.environ["EDGE_POSE_WEB_TOKEN"]


@pytest.mark.parametrize("target", ["v.mp4", "m.onnx", "r.jsonl", "link.jsonl"])
@pytest.mark.parametrize("command", ["run", "fall"])
def test_a_recording_never_replaces_what_is_read(command, target, folder, capsys):
    assert main(["run", "m.onnx", "v.mp4", "--record", "r.jsonl"]) == 0
    (folder / "link.jsonl").symlink_to("r.jsonl")
    before = (folder / target).read_bytes()
    words = ["m.onnx", "v.mp4"] if command == "run" else ["v.mp4", "--model", "m.onnx"]
    words = ["--replay", "r.jsonl"] if target.endswith("jsonl") else words
    assert main([command, *words, "--record", target]) == 1
    assert "it is the input" in capsys.readouterr().err
    assert (folder / target).read_bytes() == before


def test_zones_are_drawn_on_the_page(folder, launcher):
    bed = [{"name": "bed", "kind": "bed", "polygon": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}]
    program = started("run", "m.onnx", LIVE, "--web", "127.0.0.1:0", "--zones", "z.json")
    url = program.stdout.readline().split()[-1]
    request = urllib.request.Request(url + "zones", json.dumps(bed).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == bed
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=30)
    assert json.loads((folder / "z.json").read_text()) == bed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["run", "fall"])
def test_the_page_stays_after_the_end_of_a_clip(command, how, folder):
    words = ["run", "m.onnx", "v.mp4", "--json", "a.jsonl"]
    if command == "fall":
        words = ["fall", "v.mp4", "--model", "m.onnx", "--events", "a.jsonl"]
    program = started(*words, "--web", "127.0.0.1:0")
    url = program.stdout.readline().split()[-1]
    assert program.stdout.readline().startswith("30 frames")
    lines = [program.stdout.readline()] if command == "fall" else [program.stdout.readline() for _ in range(2)]
    assert lines[-1] == f"that was all; the page stays until Ctrl-C: {url}\n"
    with urllib.request.urlopen(url + "metrics", timeout=10) as answer:
        assert "edge_pose" in answer.read().decode()
    assert (folder / "a.jsonl").exists()
    program.send_signal(how)
    out, err = program.communicate(timeout=30)
    assert (program.returncode, out) == (0, ""), err
    assert "interrupted" not in err


def test_weak_people_keep_ids_and_are_not_shown(folder, capsys):
    """The tracker hears of everybody from 0.1 on; results and replays show those whom the model alone would."""
    people_ = [(40, 32, 10, 20, 0.9), (20, 30, 10, 20, 0.15), (90, 30, 10, 20, 0.05)]
    tiny.constant_network(folder / "w.onnx", tiny.YOLO, tiny.yolo_answer(people_))
    assert main(["run", "w.onnx", "v.mp4", "--track", "--json", "a.jsonl", "--record", "r.jsonl"]) == 0
    assert main(["run", "--replay", "r.jsonl", "--track", "--json", "b.jsonl"]) == 0
    assert main(["run", "w.onnx", "v.mp4", "--json", "c.jsonl", "--record", "plain.jsonl"]) == 0
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        assert {len(frame) for frame in people(folder / name)} == {1}
    assert people(folder / "a.jsonl") == people(folder / "b.jsonl")
    assert {len(row.poses) for row in read_recording(folder / "r.jsonl")} == {2}
    assert {len(row.poses) for row in read_recording(folder / "plain.jsonl")} == {1}
    assert main(["run", "w.onnx", "v.mp4", "--track", "--confidence", "0.01", "--json", "d.jsonl"]) == 0
    assert {len(frame) for frame in people(folder / "d.jsonl")} == {3}

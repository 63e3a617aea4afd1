"""`edge-pose demo`: the whole of it with what is in the package, without a network, without torch."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest

from edge_pose.cli import main
from tools.render.clip import Story

# As on a machine where only the package is: no torch, no model folder, and no network.
PROGRAM = """
import socket, sys
for name in ("torch", "openvino"):
    sys.modules[name] = None
def connect(self, address):
    raise OSError(f"the demo wanted to reach {address}")
socket.socket.connect = connect
from edge_pose.cli import main
sys.exit(main())
"""


def alone():
    return {k: v for k, v in os.environ.items() if not k.startswith("EDGE_POSE_")} | {"EDGE_POSE_OFFLINE": "1"}


def seen(path):
    film = cv2.VideoCapture(str(path))
    return int(film.get(cv2.CAP_PROP_FRAME_COUNT)), cv2.imread(str(path.with_suffix(".jpg")))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "not there yet"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "demo", "--output", str(folder)],
        env=alone(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, ran


def test_one_fall_is_told_and_that_the_person_is_up_again(done):
    folder, ran = done
    told = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in told] == ["fall.confirmed", "fall.recovered"]
    story = Story()
    fallen = story.fall_start_s + story.fall_s
    assert fallen - 0.5 < told[0]["time_s"] < fallen + story.lie_s
    assert fallen + story.lie_s < told[1]["time_s"] < story.length_s
    assert all(event["event"] in ran.stdout for event in told)


def test_it_leaves_a_model_a_video_a_picture_and_the_poses(done):
    folder, ran = done
    frames, picture = seen(folder / "fall.mp4")
    story = Story()
    assert frames == round(story.length_s * story.fps) == len((folder / "poses.jsonl").read_text().splitlines())
    assert picture.shape == (360, 480, 3)
    assert (np.abs(picture[3, 120:460].astype(int) - (40, 40, 230)) < 30).all()  # the red frame of the alarm
    report = json.loads((folder / "edge-pose-nano-int8.report.json").read_text())
    assert report["precision_asked"] == "int8" and report["agreement"]["gated"]
    assert str(folder) in ran.stdout


def test_it_says_how_long_things_take_and_where_better_models_are(done):
    _, ran = done
    table = dict(re.findall(r"^(\w+) +([\d.]+) +[\d.]+$", ran.stdout, re.MULTILINE))
    assert {"network", "fall", "total"} <= set(table) and float(table["total"]) >= float(table["network"]) > 0
    assert ran.stderr.count("edge-pose models fetch movenet-lightning") == 1
    assert int(re.search(r"done in (\d+) s", ran.stdout)[1]) >= 1


def test_the_page_shows_the_clip_until_it_is_stopped(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from edge_pose.cli import main; sys.exit(main())", "demo", "--output",
         str(tmp_path), "--web", f"127.0.0.1:{port}"],
        env=alone(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("page: "):
                break
        assert str(port) in line

        def shown():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                return float(re.search(r"^edge_pose_frames_total\S* (\S+)", page.read().decode(), re.MULTILINE)[1])

        first, end = shown(), time.monotonic() + 30
        while shown() <= first + 3 and time.monotonic() < end:
            time.sleep(0.1)
        assert shown() > first + 3
        process.send_signal(signal.SIGINT)
        _, says = process.communicate(timeout=30)
        assert process.returncode == 130 and "Traceback" not in says
    finally:
        process.kill()


def test_what_cannot_work_is_told_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--output", str(tmp_path / "file")]) == 1
    assert "cannot write" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--output", str(tmp_path / "out"), "--web", f"127.0.0.1:{port}"]) == 1
    assert str(port) in capsys.readouterr().err and not (tmp_path / "out").exists()

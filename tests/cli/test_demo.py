"""`edge-pose demo`: the whole of it with what is in the package, without a network, without torch."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest

from edge_pose import zoo
from edge_pose.cli import demo, main, one_line
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
    folder = tmp_path_factory.mktemp("demo") / "not\n there é"
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
    (found,) = folder.glob("*.report.json")
    report = json.loads(found.read_text())
    made = report["files"].get("model") or report["files"]["float model"]
    assert report["precision_asked"] == "int8" and (folder / made).is_file()
    # What this machine does not run faster in INT8 stays float, and no gate is needed.
    assert report["agreement"].get("gated") or "int8 is not faster" in " ".join(report["notes"])
    assert f"in {one_line(str(folder))}: fall.mp4, fall.jpg, poses.jsonl, events.jsonl, edge-pose-nano" in ran.stdout


def test_it_says_how_long_things_take_and_where_better_models_are(done):
    _, ran = done
    table = dict(re.findall(r"^(\w+) +([\d.]+) +[\d.]+$", ran.stdout, re.MULTILINE))
    assert {"network", "fall", "total"} <= set(table) and float(table["total"]) >= float(table["network"]) > 0
    assert ran.stderr.count("edge-pose models fetch movenet-lightning") == 1
    assert int(re.search(r"done in (\d+) s", ran.stdout)[1]) >= 1


# The demo without its longest part, the export.
QUICK = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
from edge_pose.cli import demo, main
demo._exported = lambda network, output: network
sys.exit(main())
"""


def started(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-c", QUICK, "demo", "--output", str(folder), *words],
        env=alone(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_page_shows_the_clip_until_it_is_stopped(tmp_path):
    process = started(tmp_path, "--web", "127.0.0.1:0")
    try:
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("page: ")).removeprefix("page: ").strip()
        assert url in next(line for line in lines if line.startswith("the clip goes on"))

        def shown():
            with urllib.request.urlopen(f"{url}metrics", timeout=5) as page:
                return float(re.search(r"^edge_pose_frames_total\S* (\S+)", page.read().decode(), re.MULTILINE)[1])

        first, end = shown(), time.monotonic() + 30
        while shown() <= first + 3 and time.monotonic() < end:
            time.sleep(0.1)
        assert shown() > first + 3
        process.send_signal(signal.SIGINT)
        _, says = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in says, "interrupted" in says) == (0, False, False)  # it was the end
    finally:
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_clip_it_leaves_what_belongs_together(how, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "poses.jsonl").symlink_to(tmp_path / "elsewhere" / "p.jsonl")
    for name in demo.KEPT:
        (tmp_path / name).write_text("of an earlier demo\n")
    process = started(tmp_path)
    try:
        while not process.stderr.readline().startswith("fall.mp4: 21/"):
            assert process.poll() is None
        process.send_signal(how)
        _, says = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, says.splitlines()[-1]) == (128 + how, "edge-pose: interrupted")
    told = [json.loads(line)["frame"] for line in (tmp_path / "poses.jsonl").read_text().splitlines()]
    assert told == list(range(len(told))) and len(told) >= 20
    assert abs(seen(tmp_path / "fall.mp4")[0] - len(told)) <= 1
    assert {path.name for path in tmp_path.iterdir()} == {"fall.mp4", "poses.jsonl", "elsewhere"}  # no fall yet


def test_stopped_before_the_first_frame_nothing_of_an_earlier_demo_is_taken_for_its_own(tmp_path):
    for name in demo.KEPT:
        (tmp_path / name).write_text("of an earlier demo\n")
    with pytest.raises(KeyboardInterrupt), demo._Kept(tmp_path, 15.0):
        raise KeyboardInterrupt
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"poses.jsonl": ""}


@pytest.fixture
def idle(monkeypatch):
    """What is refused is refused before the work: there must be none."""

    def exported(network, output):
        raise AssertionError("the work began")

    monkeypatch.setattr(demo, "_exported", exported)


@pytest.mark.parametrize("name", [*demo.KEPT, *demo.MADE])
def test_a_folder_of_a_name_that_it_needs(idle, name, tmp_path, capsys):
    (tmp_path / name).mkdir()
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert f"{name}: it is a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == [name]


def test_what_cannot_work_is_told_before_the_work(idle, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--output", str(tmp_path / "file")]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert main(["demo", "--output", os.fsdecode(bytes(tmp_path) + b"/\xff")]) == 1
    assert "UTF-8" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--output", str(tmp_path / "out"), "--web", f"127.0.0.1:{port}"]) == 1
    assert str(port) in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_two_demos_do_not_write_into_each_other(idle, tmp_path, capsys):
    with demo._alone(tmp_path, ()):
        assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "another demo is at work" in capsys.readouterr().err
    with demo._alone(tmp_path, ()):
        pass


def test_what_it_is_made_from_is_never_replaced(idle, tmp_path, monkeypatch, capsys):
    for name in ("fall.mp4", "edge-pose-nano.onnx"):
        shutil.copy(zoo.BUNDLED / name, tmp_path)
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "it is the input" in capsys.readouterr().err

"""The examples, run as they are on a clip."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import tiny

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def material(tmp_path):
    """A model that always sees one person in the middle, and a clip of two seconds."""
    model = tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer([(32, 32, 12, 24, 0.9)]))
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 20, (160, 120))
    for i in range(40):
        writer.write(np.full((120, 160, 3), i * 5, np.uint8))
    writer.release()
    return str(model), str(tmp_path / "clip.mp4")


def example(name, *words):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_robot(material):
    model, clip = material
    *lines, last = example("robot.py", "--model", model, "--source", clip, "--seconds", "30")
    assert last.startswith("asking took at most ")
    assert re.fullmatch(r" *\d+\.\d\d s  people \[1\]  drive at 0\.\d\d", lines[-1])


def test_camera_app(material):
    model, clip = material
    *lines, last = example("camera_app.py", "--model", model, "--source", clip, "--no-window", "--frames", "25")
    assert [line.partition(":")[0] for line in lines] == [f"frame {i}" for i in range(25)]
    assert all("1 people" in line for line in lines)
    assert last == "25 frames, 25 results, 0 dropped"


def test_push_frames(material):
    model, clip = material
    *lines, last = example("push_frames.py", clip, "--model", model)
    assert re.fullmatch(r"40 frames pushed, \d+ given up for newer ones", last)
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 1
    assert lines[-1].endswith("people [1]")

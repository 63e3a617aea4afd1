"""The command line as a person meets it: what it writes, and one clear line with an exit code for what goes wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from edge_pose.cli import main
from tests import tiny


@pytest.fixture
def yolo(tmp_path):
    people = [(40, 32, 10, 20, 0.9), (20, 30, 10, 20, 0.6)]
    return str(tiny.constant_network(tmp_path / "yolo.onnx", tiny.YOLO, tiny.yolo_answer(people)))


@pytest.fixture
def picture(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((120, 160, 3), np.uint8))
    return str(tmp_path / "a.png")


@pytest.fixture
def video(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120))
    for i in range(60):
        writer.write(np.full((120, 160, 3), i * 4, np.uint8))
    writer.release()
    return str(tmp_path / "v.mp4")


def fails(capsys, *words):
    """Exit code and the one line that went to stderr."""
    code = main(list(words))
    err = capsys.readouterr().err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("edge-pose: ")]
    assert len(lines) == 1, err
    return code, lines[0]


def test_run_writes_what_was_asked_for(yolo, picture, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["run", yolo, picture, "--json", f"{out}/p.jsonl", "--video", f"{out}/p.jpg"]) == 0
    (line,) = (out / "p.jsonl").read_text().splitlines()
    frame = json.loads(line)
    assert [p["score"] for p in frame["people"]] == [0.9, 0.6]
    assert frame["people"][0]["keypoints"][0] == [100.0, 60.0, 0.9]
    assert {"preprocess", "network", "decode", "total", "queue", "latency", "source"} <= set(frame["timings_ms"])
    assert cv2.imread(str(out / "p.jpg")).shape == (120, 160, 3)
    assert "1 frame, 2 poses" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["jsonl", "coco", "csv"])
def test_formats(yolo, video, tmp_path, format):
    target = tmp_path / f"out.{format}"
    assert main(["run", yolo, video, "--json", str(target), "--format", format, "--max-frames", "5"]) == 0
    text = target.read_text()
    if format == "coco":
        assert len(json.loads(text)) == 10
    else:
        assert len(text.splitlines()) == (5 if format == "jsonl" else 11)


def test_openpose_is_a_folder(yolo, picture, tmp_path):
    assert main(["run", yolo, picture, "--json", str(tmp_path / "op"), "--format", "openpose"]) == 0
    (file,) = (tmp_path / "op").iterdir()
    assert len(json.loads(file.read_text())["people"]) == 2


def test_video_in_video_out(yolo, video, tmp_path):
    assert main(["run", yolo, video, "--video", str(tmp_path / "o.mp4")]) == 0
    capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 60
    assert capture.get(cv2.CAP_PROP_FPS) == 30


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "MODEL", "none.jpg"], 1, r"none\.jpg"),
        (["run", "nonesuch", "PICTURE"], 1, "nonesuch"),
        (["run", "yolov8-pose", "PICTURE"], 1, "did you mean 'yolov8n-pose'"),
        (["run", "none.onnx", "PICTURE"], 1, r"none\.onnx"),
        (["run", "MODEL", "PICTURE", "--detector", "MODEL"], 1, "finds people by itself"),
        (["run", "MODEL", "PICTURE", "--device", "gpu"], 1, "device 'gpu' is unknown"),
        (["run", "MODEL", "PICTURE", "--spec", "none.toml"], 1, r"cannot read the specification none\.toml"),
        (["run", "MODEL", "PICTURE", "--json", "a.png/x.jsonl"], 1, "it is a file, not a folder"),
        (["eval", "MODEL", "--images", ".", "--annotations", "none.json"], 1, r"none\.json: no such file"),
        (["eval", "MODEL", "--images", ".", "--annotations", "a.png"], 1, "no JSON document"),
        (["models", "fetch", "nonesuch"], 1, "nonesuch"),
        (["models", "inspect", "none.pt"], 1, r"none\.pt"),
        (["doctor", "--json", "no/such/folder.json"], 1, "there is no folder no/such"),
    ],
)
def test_one_clear_line(words, code, message, yolo, picture, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [{"MODEL": yolo, "PICTURE": picture}.get(word, word) for word in words]
    got, line = fails(capsys, *words)
    assert got == code
    assert re.search(message, line), line


@pytest.mark.parametrize(
    "words", [["run"], ["nonesuch"], ["run", "a", "b", "--nonesuch"], ["run", "a", "b", "--max-frames", "0"], []]
)
def test_usage_errors_are_2(words, capsys):
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_text_named_jpg(yolo, tmp_path, capsys):
    (tmp_path / "t.jpg").write_text("hello")
    code, line = fails(capsys, "run", yolo, str(tmp_path / "t.jpg"), "--json", str(tmp_path / "o.jsonl"))
    assert code == 1
    assert "t.jpg" in line
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x07" * 50])
def test_damaged_models(content, picture, tmp_path, capsys):
    (tmp_path / "m.onnx").write_bytes(content)
    code, line = fails(capsys, "run", str(tmp_path / "m.onnx"), picture)
    assert code == 1
    assert "m.onnx" in line


def test_foreign_model_with_wrong_spec(yolo, picture, tmp_path, capsys):
    (tmp_path / "s.toml").write_text(tiny.YOLO.to_toml().replace("confidence", "confidense"))
    code, line = fails(capsys, "run", yolo, picture, "--spec", str(tmp_path / "s.toml"))
    assert code == 1
    assert "did you mean 'confidence'" in line


def test_debug_lets_the_traceback_through(capsys):
    from edge_pose.errors import EdgePoseError

    with pytest.raises(EdgePoseError):
        main(["run", "nonesuch", "x.jpg", "--debug"])


def test_unexpected_errors_are_one_line_too(monkeypatch, capsys, yolo, picture):
    import edge_pose.pipeline.work

    monkeypatch.setattr(edge_pose.pipeline.work.Work, "_infer", lambda self: 1 / 0)
    code, line = fails(capsys, "run", yolo, picture)
    assert code == 1
    assert "unexpected ZeroDivisionError" in line
    assert "--debug" in line


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_a_video(how, yolo, video, tmp_path):
    """Files are closed and valid, whatever frame it was."""
    slow = (
        "import sys, time, edge_pose.pipeline.work as p; real = p.Work._result\n"
        "def result(*a): time.sleep(0.1); return real(*a)\n"
        "p.Work._result = result\n"
        "from edge_pose.cli import main; sys.exit(main())"
    )
    words = ["run", yolo, video, "--json", f"{tmp_path}/o.jsonl", "--video", f"{tmp_path}/o.mp4"]
    child = subprocess.Popen([sys.executable, "-c", slow, *words], stderr=subprocess.PIPE, text=True)
    lines = tmp_path / "o.jsonl"
    deadline = time.monotonic() + 60
    while not (lines.is_file() and lines.stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(how)
    _, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    assert child.returncode == 128 + how
    frames = [json.loads(line) for line in lines.read_text().splitlines()]
    assert 0 < len(frames) < 60
    capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) >= len(frames) - 1


def test_doctor(tmp_path, capsys):
    assert main(["doctor", "--geometry", "--json", str(tmp_path / "d.json")]) == 0
    document = json.loads((tmp_path / "d.json").read_text())
    assert document["healthy"] is True
    assert {f["name"]: f["state"] for f in document["findings"]}["geometry"] == "ok"
    out = capsys.readouterr().out
    assert "pip install 'edge-pose[" in out or "edge-pose eval" in out


def test_models_list(capsys):
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("movenet-lightning", "yolov8n-pose", "rtmpose-s", "AGPL-3.0"):
        assert name in out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("edge-pose 0.")


def test_nothing_heavy_for_help():
    code = (
        "import sys; from edge_pose.cli import main; main(['--help']); "
        "assert not {'numpy', 'cv2', 'onnxruntime', 'torch'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout

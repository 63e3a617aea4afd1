"""The command line among pipes, devices, closed streams, odd names and signals."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_pose.cli import main
from tests import tiny


@pytest.fixture
def folder(tmp_path):
    """m.onnx sees one person in whatever picture; a.png is one."""
    tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer([(40, 32, 10, 20, 0.9)]))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((120, 160, 3), np.uint8))
    return tmp_path


def shell(folder, command):
    """Run a line of shell in the folder, `edge-pose` being this one; returns exit code, stdout and stderr."""
    program = "import sys; from edge_pose.cli import main; sys.exit(main())"
    line = f"call() {{ '{sys.executable}' -c '{program}' \"$@\"; }}\n{command.replace('edge-pose', 'call')}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=folder, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(folder, closed):
    code, _, err = shell(folder, f"edge-pose run m.onnx a.png --json o.jsonl {closed}")
    assert (code, "Traceback" in err, "unexpected" in err) == (0, False, False), err
    assert len((folder / "o.jsonl").read_text().splitlines()) == 1
    assert cv2.imread(str(folder / "a.png")).shape == (120, 160, 3)


@pytest.mark.parametrize("format", ["jsonl", "coco", "csv"])
@pytest.mark.parametrize("way", ["| cat", "> kept.txt; cat kept.txt"])
def test_results_on_stdout_are_nothing_but_results(folder, format, way):
    code, out, err = shell(folder, f"edge-pose run m.onnx a.png --json /dev/stdout --format {format} {way}")
    assert code == 0, err
    assert "1 frame, 1 pose" in err
    if format == "csv":
        assert len(out.splitlines()) == 2
    else:
        document = json.loads(out)
        assert len(document if format == "coco" else document["people"]) == 1


def test_results_into_a_process(folder):
    code, out, err = shell(folder, "edge-pose run m.onnx a.png --json >(wc -l >lines) && sleep 0.5 && cat lines")
    assert code == 0, err
    assert out.split()[-1] == "1"


def test_a_document_never_replaces_a_device(folder, capsys):
    target = folder / "pipe"
    os.mkfifo(target)
    reader = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["doctor", "--json", str(target)]) == 0
    assert stat.S_ISFIFO(target.stat().st_mode)
    assert "healthy" in json.loads(os.read(reader, 1 << 20))
    os.close(reader)
    assert main(["doctor", "--json", "/dev/full"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("name", ["new\nline.jpg", "\x1b[31mred.jpg", "[red]a.jpg"])
def test_names_cannot_break_lines_or_steer_the_terminal(folder, name, capsys):
    (folder / name).write_text("text")
    assert main(["run", str(folder / "m.onnx"), str(folder / name)]) == 1
    assert main(["run", str(folder / "m.onnx"), str(folder)]) == 0  # it is skipped, and said so
    first, *more = capsys.readouterr().err.splitlines()
    assert "is no image" in first
    for line in (first, *more):
        assert line.startswith(("edge-pose: ", str(folder)))
        assert line.isprintable()


def test_names_that_are_not_utf_8(folder):
    code, out, err = shell(folder, "edge-pose run m.onnx a.png --json $'o\\xff.jsonl'")
    assert code == 0, err
    assert "written: o" in out


def test_full_disk_on_stdout(folder):
    code, _, err = shell(folder, "edge-pose run m.onnx a.png > /dev/full")
    assert code == 1
    assert "Traceback" not in err
    assert "No space left" in err


# What Ctrl-C and SIGTERM look like when they come in the middle of an import, also of a compiled module.
COMPILED = """
try:
    raise {error}
except BaseException as err:
    raise ImportError("initialization failed") from err
"""
IMPORTS = {"plain": "raise {error}", "compiled": COMPILED}


@pytest.mark.parametrize("kind", IMPORTS)
@pytest.mark.parametrize(("error", "code"), [("KeyboardInterrupt", 130), ("SystemExit(143)", 143)])
@pytest.mark.parametrize("module", ["typer", "cv2", "onnxruntime"])
def test_interrupted_while_it_loads(folder, kind, error, code, module):
    (folder / "stubs").mkdir()
    (folder / "stubs" / f"{module}.py").write_text(IMPORTS[kind].format(error=error))
    got, _, err = shell(folder, "PYTHONPATH=stubs edge-pose run m.onnx a.png")
    assert got == code, err
    assert "Traceback" not in err
    assert err == ("edge-pose: interrupted\n" if code == 130 else "")


@pytest.mark.parametrize("module", ["cv2", "onnxruntime"])
@pytest.mark.parametrize("error", ["ImportError('libGL.so.1: no such file')", "OSError('libfoo.so: no such file')"])
def test_what_is_installed_but_broken_has_a_mend(folder, module, error):
    (folder / "stubs").mkdir()
    (folder / "stubs" / f"{module}.py").write_text(f"raise {error}")
    code, _, err = shell(folder, "PYTHONPATH=stubs edge-pose run m.onnx a.png")
    assert code == 1
    assert f"{module} is installed, but cannot be loaded (lib" in err
    assert "pip install" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signals_at_any_moment_of_the_start(folder, how):
    program = "import sys; from edge_pose.cli import main; print(flush=True); sys.exit(main())"
    for delay_s in (0.0, 0.02, 0.1, 0.25):
        child = subprocess.Popen(
            [sys.executable, "-c", program, "run", "m.onnx", "a.png"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # also in background jobs
        )
        assert child.stdout.readline() == "\n"
        time.sleep(delay_s)
        child.send_signal(how)
        _, err = child.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert "unexpected" not in err, err
        assert child.returncode in (0, 128 + how, -how)

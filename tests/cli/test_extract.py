"""`edge-pose extract` as people meet it: killed, interrupted, with failures."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from edge_pose.cli import main
from tests import extract_folder as sets
from tests.extract_folder import lines, tree

PROGRAM = "import sys; from edge_pose.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path):
    return sets.small_set(tmp_path / "in")


def words(tmp_path, *more):
    return [
        "extract",
        str(tmp_path / "in"),
        "--output",
        str(tmp_path / "out"),
        "--model",
        str(tmp_path / "m.onnx"),
        *more,
    ]


def start(tmp_path, *more):
    command = [sys.executable, "-c", PROGRAM, *words(tmp_path, *more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.01)


def wait_until_done(ledger, least, process):
    def is_so():
        rows = ledger.read_bytes().splitlines() if ledger.exists() else []
        return sum(b'"done"' in row for row in rows) >= least or process.poll() is not None

    wait_for(is_so)


def test_it_says_what_it_did(folder, tmp_path, capsys):
    sets.model(tmp_path)
    assert main(words(tmp_path, "--workers", "1")) == 0
    assert capsys.readouterr().out.startswith("5 files, 27 frames, 54 poses in 0:00:0")
    assert main(words(tmp_path, "--workers", "1")) == 0
    assert "0 files, 0 frames, 0 poses" in (out := capsys.readouterr().out)
    assert "5 done before" in out


def test_failures_are_listed_and_are_the_exit_code(folder, tmp_path, capsys):
    sets.model(tmp_path)
    (folder / "bad\x1b[31m.mp4").write_bytes(bytes(100))
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    assert main(words(tmp_path, "--workers", "1")) == 1
    told = capsys.readouterr()
    assert "problem: images/: skipped:" in told.out
    assert "failed: bad\\x1b[31m.mp4: " in told.out
    assert told.err.splitlines()[-1] == "edge-pose: 1 file of 6 could not be extracted (listed above)"
    assert "\x1b" not in told.out + told.err


def test_another_model_is_one_line(folder, tmp_path, capsys):
    sets.model(tmp_path)
    assert main(words(tmp_path, "--workers", "1")) == 0
    assert main(words(tmp_path, "--workers", "1", "--track")) == 1
    assert "was extracted with track False, not True; give another --output" in capsys.readouterr().err
    assert main(words(tmp_path, "--workers", "1", "--track", "--overwrite")) == 0


@pytest.mark.parametrize("more", [["--workers", "0"], ["--format", "xml"], ["--threads", "0"]])
def test_usage(folder, tmp_path, more):
    assert main(words(tmp_path, *more)) == 2


def test_killed_at_any_moment_nothing_is_lost_or_there_twice(tmp_path):
    sets.model(tmp_path)
    for i in range(12):
        sets.video(tmp_path / f"in/{i // 4}/clip{i}.avi", 300 + i)
    ledger = tmp_path / "out/.extract/ledger.jsonl"
    for least in (1, 4, 8):
        with start(tmp_path, "--workers", "2") as process:
            wait_until_done(ledger, least, process)
            process.kill()
        for name in tree(tmp_path / "out"):
            assert len(lines(tmp_path / "out" / name)) >= 300, "half a file under its final name"
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in tree(tmp_path / "out")}
    process = start(tmp_path, "--workers", "2")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    rows = [json.loads(line) for line in ledger.read_bytes().splitlines()[1:]]
    finished = [row["done"] for row in rows if "done" in row]
    assert sorted(finished) == sorted(set(finished))  # nothing that was done was done again
    assert len(finished) == 12
    for i in range(12):
        frames = lines(tmp_path / f"out/{i // 4}/clip{i}.jsonl")
        assert [frame["frame"] for frame in frames] == list(range(300 + i))
    kept = [name for name, at in before.items() if (tmp_path / "out" / name).stat().st_mtime_ns == at]
    assert len(kept) >= len(before) - 2  # but for those whose line was not written yet
    assert not list((tmp_path / "out").rglob("*.part*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_its_workers_and_says_so(tmp_path, number):
    sets.model(tmp_path)
    sets.video(tmp_path / "in/long.avi", 20_000), sets.video(tmp_path / "in/short.avi", 3)
    process = start(tmp_path, "--workers", "2")
    ledger = tmp_path / "out/.extract/ledger.jsonl"
    wait_for(lambda: ledger.exists() and b'"done"' in ledger.read_bytes())
    process.send_signal(number)
    begun = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 20
    assert process.returncode in (130, 143)
    assert re.fullmatch("interrupted; done: (0 files|1 file); run the same again to go on", out.strip())
    assert "Traceback" not in err
    assert tree(tmp_path / "out") == ["short.jsonl"]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"{tmp_path}" not in running
    assert not (tmp_path / "out/.extract/work").exists()


def test_when_it_is_gone_its_workers_go(tmp_path):
    sets.model(tmp_path)
    sets.video(tmp_path / "in/long.avi", 20_000)
    process = start(tmp_path, "--workers", "1")
    part = tmp_path / "out/.extract/work"
    wait_for(lambda: part.exists() and any(part.iterdir()))
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    process.kill()
    process.communicate()
    (worker,) = map(int, children.split())

    def is_gone():
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(is_gone)
    assert tree(tmp_path / "out") == []

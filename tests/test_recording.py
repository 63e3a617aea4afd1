"""Recordings: bit for bit what was written, whatever happened to the file."""

import dataclasses
import gzip
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_pose.errors import OutputError, RecordingError, ShapeError, SourceError
from edge_pose.poses import Poses
from edge_pose.recording import Recorder, plain, read_recording
from edge_pose.skeleton import COCO17, Skeleton
from tests.people import frame

SUFFIXES = [".jsonl", ".jsonl.gz"]
FIELDS = ("xy", "scores", "boxes", "box_scores")
NONE = Skeleton("two", ("a", "b"), ((0, 1),), ((0, 1),), (0.1, 0.2))


def record(path, poses, *, decisions=None, **header):
    with Recorder(path, **header) as recorder:
        for i, p in enumerate(poses):
            recorder.write(i, i / 30, (480, 640), p, decisions)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bits=hnp.arrays(np.uint32, st.tuples(st.integers(0, 3), st.just(17 * 3 + 5))),
    time_s=st.floats(0, 1e9),
    decision=st.floats(allow_nan=False),
)
def test_every_float32_and_time_comes_back_bit_for_bit(tmp_path, suffix, bits, time_s, decision):
    values, n = bits.view(np.float32), len(bits)
    poses = Poses(values[:, :34].reshape(n, 17, 2), values[:, 34:51], values[:, 51:55], values[:, 55])
    path = tmp_path / f"r{suffix}"
    with Recorder(path) as recorder:
        recorder.write(5, time_s, (1080, 1920), poses, {"x": decision})
    recording = read_recording(path)
    [row] = recording
    assert (row.index, row.time_s, row.frame_hw, row.decisions) == (5, time_s, (1080, 1920), {"x": decision})
    for field in FIELDS:
        assert getattr(row.poses, field).tobytes() == getattr(poses, field).tobytes()
        assert getattr(row.poses, field).dtype == np.float32
    assert row.poses.ids.tolist() == [-1] * n
    assert recording.complete and not recording.torn


def test_the_header_says_what_was_recorded(tmp_path):
    from edge_pose import __version__

    path = record(
        tmp_path / "deep" / "r.jsonl", [], skeleton=NONE, model="m.onnx", spec_sha256="ab" * 32,
        source="rtsp://admin:secret@cam.local:554/live?token=42", settings={"track": {"hits": 3}},
    )  # fmt: skip
    header = read_recording(path).header
    assert (header.model, header.spec_sha256, header.source) == ("m.onnx", "ab" * 32, "rtsp://cam.local:554/live")
    assert header.skeleton == NONE and header.settings == {"track": {"hits": 3}}
    assert header.versions["edge_pose"] == __version__ and header.versions["numpy"] == np.__version__
    assert header.created.endswith("+00:00")
    assert b"secret" not in path.read_bytes()
    assert read_recording(record(tmp_path / "c.jsonl", [])).header.skeleton is COCO17


def test_credentials_are_left_out(tmp_path):
    with Recorder(tmp_path / "r.jsonl", skeleton=COCO17, source="rtsp://user:pa/s@s@host/1?auth=1"):
        pass
    assert read_recording(tmp_path / "r.jsonl").header.source == "rtsp://host/1"
    assert "pa/s" not in (tmp_path / "r.jsonl").read_text()


@dataclasses.dataclass(frozen=True)
class Event:
    kind: str
    time_s: float
    at: tuple


def test_decisions_come_back_as_plain_values(tmp_path):
    decided = {
        "ids": np.array([3, -1]), "gave_up": ["detector"], "x": np.float32(0.1),
        "events": (Event("fall", 1 / 3, (1, 2)),), "none": None,
    }  # fmt: skip
    path = tmp_path / "r.jsonl"
    with Recorder(path) as recorder:
        recorder.write(0, 0.0, (1, 1), Poses.empty(), decided)
        recorder.close({"events": [Event("late", 2.5, ())]})
    recording = read_recording(path)
    [row] = recording
    assert row.decisions == plain(decided)
    assert row.decisions["events"] == [{"kind": "fall", "time_s": 1 / 3, "at": [1, 2]}]
    assert np.float32(row.decisions["x"]) == np.float32(0.1)
    assert recording.finish == {"events": [{"kind": "late", "time_s": 2.5, "at": []}]}


@pytest.mark.parametrize("bad", [object(), {1, 2}, {"a": b"bytes"}])
def test_decisions_that_json_cannot_say(tmp_path, bad):
    with Recorder(tmp_path / "r.jsonl") as recorder:
        with pytest.raises(ShapeError, match="decisions must be what JSON can say"):
            recorder.write(0, 0.0, (1, 1), Poses.empty(), {"x": bad})
        recorder.write(0, 0.0, (1, 1), Poses.empty())
    assert len(list(read_recording(tmp_path / "r.jsonl"))) == 1


def test_frames_of_other_sizes(tmp_path):
    with Recorder(tmp_path / "r.jsonl") as recorder:
        for i, size in enumerate([(480, 640), (720, 1280)]):
            recorder.write(i, float(i), size, frame((100, 200)))
    assert [row.frame_hw for row in read_recording(tmp_path / "r.jsonl")] == [(480, 640), (720, 1280)]


def test_another_skeleton_is_refused(tmp_path):
    with (
        Recorder(tmp_path / "r.jsonl", skeleton=NONE) as recorder,
        pytest.raises(ShapeError, match=r"skeleton two \(2 j"),
    ):
        recorder.write(0, 0.0, (1, 1), frame((100, 200)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recording_is_read_as_often_as_one_likes(tmp_path, suffix):
    recording = read_recording(record(tmp_path / f"r{suffix}", [frame((100, 200))] * 3))
    assert [row.index for row in recording] == [row.index for row in recording] == [0, 1, 2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wherever_it_is_cut_the_frames_before_are_whole(tmp_path, suffix, caplog):
    rng = np.random.default_rng(0)
    poses = [frame((100, 200), noise=1.0, rng=rng) for _ in range(4)]
    data = record(tmp_path / f"whole{suffix}", poses).read_bytes()
    rows = list(read_recording(tmp_path / f"whole{suffix}"))
    start = data.index(b"\n") + 1 if suffix == ".jsonl" else 1
    cut = tmp_path / f"cut{suffix}"
    for size in range(start, len(data) - 1, 37):
        cut.write_bytes(data[:size])
        try:
            recording = read_recording(cut)
        except RecordingError as err:  # compressed so well that the header is not out yet
            assert "its first line does not end" in str(err) and suffix == ".jsonl.gz"
            continue
        found = list(recording)
        assert not recording.complete or len(found) == 4
        for row, before in zip(found, rows, strict=False):
            assert row.poses.xy.tobytes() == before.poses.xy.tobytes()
    assert "ends in the middle of line" in caplog.text


def test_a_cut_between_lines_is_told_as_well(tmp_path, caplog):
    data = record(tmp_path / "r.jsonl", [Poses.empty()] * 2).read_bytes().splitlines(keepends=True)
    (tmp_path / "r.jsonl").write_bytes(b"".join(data[:-1]))
    recording = read_recording(tmp_path / "r.jsonl")
    with caplog.at_level(logging.WARNING):
        assert len(list(recording)) == 2
    assert not recording.complete and not recording.torn
    assert "has no end line" in caplog.text


def header_line(**changes):
    line = {"edge_pose_recording": 1, "header": {}}
    return json.dumps({**line, **changes})


ROW = {"i": 0, "t": 0.0, "hw": [4, 6], "n": 0, "f32": ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "its first line does not end"),
        (["{}"], "no edge_pose_recording"),
        (["[1]"], "a line must be a table, got list"),
        (["nonsense"], "line 1: no valid JSON"),
        ([header_line(edge_pose_recording=2)], "it has format 2, this version reads 1"),
        ([header_line(header=[])], "its header must be a table"),
        ([header_line(header={"colour": 1})], "its header must be a table of created"),
        ([header_line(header={"model": 3})], "header field model is a int"),
        ([header_line(header={"skeleton": {"name": "x"}})], "its skeleton cannot be read"),
        ([header_line(header={"skeleton": {"joints": ["a"] * 2000}})], "its skeleton has 2000 joints"),
        ([header_line(), "{"], "line 2: no valid JSON"),
        ([header_line(), "[" * 100_000], "line 2: no valid JSON"),
        ([header_line(), json.dumps({**ROW, "i": -1})], "line 2: i must be a frame index, got -1"),
        ([header_line(), json.dumps({**ROW, "i": True})], "i must be a frame index, got True"),
        ([header_line(), json.dumps({**ROW, "t": float("nan")})], "t must be seconds, got nan"),
        ([header_line(), json.dumps({**ROW, "t": None})], "t must be seconds, got None"),
        ([header_line(), json.dumps({**ROW, "t": 10**400})], "t must be seconds, got 1000"),
        ([header_line(), '{"i": 0, "t": ' + "9" * 5000 + "}"], "line 2: no valid JSON|t must be seconds"),
        ([header_line(), json.dumps({**ROW, "hw": [1]})], r"hw must be height and width in pixels, got \[1\]"),
        ([header_line(), json.dumps({**ROW, "n": 10**6})], "n must be a number of people up to 10000"),
        ([header_line(), json.dumps({**ROW, "n": 1})], "must have 224 bytes for 1 people of 17 joints, got 0"),
        ([header_line(), json.dumps({**ROW, "f32": "***"})], "f32 must be bytes in base64"),
        ([header_line(), json.dumps({**ROW, "f32": 7})], "f32 must be bytes in base64"),
        ([header_line(), json.dumps({**ROW, "d": 7})], "d must be a table of decisions, got int"),
        ([header_line(), json.dumps({"end": 3})], "its end line counts 3 frames, it has 0"),
        ([header_line(), json.dumps({"end": 0}), json.dumps(ROW)], "line 3: it goes on after its end line"),
    ],
)
def test_what_is_no_recording(tmp_path, lines, message):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(RecordingError, match=message):
        list(read_recording(path))
    path.write_bytes(gzip.compress(path.read_bytes()))  # what it is shows in its bytes, not in its name
    with pytest.raises(RecordingError, match=message):
        list(read_recording(path))


def test_files_that_are_not_there_or_broken(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read .*none\.jsonl: No such file"):
        read_recording(tmp_path / "none.jsonl")
    with pytest.raises(SourceError, match="Is a directory"):
        read_recording(tmp_path)
    (tmp_path / "r.gz").write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    with pytest.raises(RecordingError, match="compressed data are broken"):
        read_recording(tmp_path / "r.gz")


def test_a_bomb_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(b"{" + b" " * (64 << 20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecordingError, match="a line of more than 16777216 bytes"):
        read_recording(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_a_typed_error_or_rows(tmp_path, data):
    path = tmp_path / "r.jsonl"
    path.write_bytes(header_line().encode() + b"\n" + data)
    try:
        assert all(len(row.poses) == 0 for row in read_recording(path))
    except RecordingError as err:
        assert str(path) in str(err)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_a_readable_file(tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    code = (
        "import resource, signal, sys\n"
        "from edge_pose.errors import OutputError\n"
        "from edge_pose.recording import Recorder\n"
        "from tests.people import frame\n"
        "import numpy as np\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"  # then writing fails with EFBIG
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "rng = np.random.default_rng(0)\n"
        "recorder = Recorder(sys.argv[1], flush_s=0)\n"
        "for i in range(100):\n"
        "    try:\n"
        "        recorder.write(i, i / 30, (480, 640), frame((100, 200), noise=1.0, rng=rng))\n"
        "    except OutputError as err:\n"
        "        print(i, err)\n"
        "        break\n"
        "try:\n"
        "    recorder.write(i, i / 30, (480, 640), frame((100, 200)))\n"
        "except OutputError as err:\n"
        "    print(err)\n"
        "recorder.close()\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert f"cannot write {path}: File too large" in first and "it is closed" in second
    recording = read_recording(path)
    assert len(list(recording)) == int(first.split()[0]) > 3
    assert not recording.torn and not recording.complete


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_kill_costs_what_was_not_flushed(tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    code = (
        "import sys, time\n"
        "from edge_pose.poses import Poses\n"
        "from edge_pose.recording import Recorder\n"
        "recorder = Recorder(sys.argv[1], flush_s=0)\n"
        "for i in range(50):\n"
        "    recorder.write(i, i / 30, (480, 640), Poses.empty())\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    recording = read_recording(path)
    assert len(list(recording)) == 50 and not recording.complete


def test_frames_are_flushed_in_time(tmp_path):
    path = tmp_path / "r.jsonl"
    recorder = Recorder(path, flush_s=0.05)
    recorder.write(0, 0.0, (1, 1), Poses.empty())
    assert len(list(read_recording(path))) == 0
    time.sleep(0.06)
    recorder.write(1, 0.1, (1, 1), Poses.empty())
    assert len(list(read_recording(path))) == 2
    recorder.close()
    recorder.close()
    assert read_recording(path).path == path


def test_an_error_in_between_leaves_it_incomplete(tmp_path):
    with pytest.raises(KeyError), Recorder(tmp_path / "r.jsonl") as recorder:
        recorder.write(0, 0.0, (1, 1), Poses.empty())
        raise KeyError("x")
    recording = read_recording(tmp_path / "r.jsonl")
    assert len(list(recording)) == 1 and not recording.complete


def test_places_that_take_no_file(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match=r"cannot write .*: Is a directory"):
        Recorder(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        Recorder(tmp_path / "file" / "r.jsonl")
    with pytest.raises(OutputError, match="cannot write"):
        Recorder("a\0b")
    if os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        with pytest.raises(OutputError, match="No space left on device"):
            Recorder("/dev/full")

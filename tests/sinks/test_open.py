import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_pose.errors import OutputError
from edge_pose.sinks import (
    CocoSink,
    CsvSink,
    ImagesSink,
    JsonlSink,
    OpenposeSink,
    Sink,
    Sinks,
    VideoSink,
    open_sinks,
)
from tests.sinks.conftest import frame, people
from tests.sinks.test_pictures import pictures


@pytest.mark.parametrize(
    ("format", "name", "kind"),
    [
        ("jsonl", "a.jsonl", JsonlSink),
        ("coco", "a.json", CocoSink),
        ("openpose", "a", OpenposeSink),
        ("csv", "a", CsvSink),
    ],
)
def test_formats(tmp_path, format, name, kind):
    (sink,) = open_sinks(json_path=tmp_path / name, format=format).sinks
    assert type(sink) is kind


@pytest.mark.parametrize(
    ("name", "count", "stills", "kind"),
    [
        ("a.jpg", 1, True, ImagesSink),
        ("a.PNG", 1, False, ImagesSink),  # the first frame of a video
        ("folder", 5, True, ImagesSink),
        ("folder", None, False, ImagesSink),
        ("with.dots", 5, False, ImagesSink),  # it is there and is a folder
        ("a.mp4", 5, False, VideoSink),
        ("a.avi", 5, True, VideoSink),
    ],
)
def test_pictures_or_video(tmp_path, name, count, stills, kind):
    (tmp_path / "with.dots").mkdir()
    (sink,) = open_sinks(video_path=tmp_path / name, count=count, stills=stills, fps=10).sinks
    assert type(sink) is kind


def test_nothing_asked_for():
    with open_sinks() as sinks:
        sinks.write(frame(), people(1), {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"json_path": Path("a"), "format": "xml"}, "format must be one of jsonl, coco, openpose, csv, got 'xml'"),
        ({"video_path": Path("a.txt")}, r"its name must end in one of \.mp4, .*\.jpg, .* or in nothing for a folder"),
        ({"video_path": Path("a.jpg"), "count": 36}, "cannot write 36 frames to the picture a.jpg; give a folder or"),
        ({"video_path": Path("a.jpg")}, "cannot write many frames"),
        ({"video_path": Path("a.mp4"), "json_path": Path("./a.mp4")}, "cannot both be written to a.mp4"),
    ],
)
def test_what_cannot_be_meant(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=words):
        open_sinks(**options)
    assert list(tmp_path.iterdir()) == []


EVERY = [
    {"json_path": "x.jsonl"},
    {"json_path": "x.json", "format": "coco"},
    {"json_path": "x", "format": "openpose"},
    {"json_path": "x.csv", "format": "csv"},
    {"video_path": "x.mp4"},
    {"video_path": "x.jpg", "count": 1},
    {"video_path": "x"},
]


def opened(folder, options):
    return open_sinks(**{k: folder / v if k.endswith("path") else v for k, v in options.items()})


@pytest.mark.parametrize("options", EVERY)
def test_missing_folders_are_made(tmp_path, options):
    with opened(tmp_path / "a" / "b", options) as sinks:
        sinks.write(frame(0, "in.jpg"), people(1), {})
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


@pytest.mark.parametrize("options", EVERY)
def test_opening_alone_changes_nothing(tmp_path, options):
    opened(tmp_path, options).discard()
    assert not [p for p in tmp_path.iterdir() if p.is_file()]


@pytest.mark.parametrize("options", EVERY)
@pytest.mark.parametrize("deep", ["", "a/b"])
def test_a_file_where_a_folder_must_be(tmp_path, options, deep):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match=r"(is a file, not a folder|Not a directory)"):
        opened(tmp_path / "file" / deep, options)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody can create files")
@pytest.mark.parametrize("options", EVERY)
def test_a_folder_that_takes_no_files(options):
    with pytest.raises(OutputError, match="cannot write /proc"):
        opened(Path("/proc"), options)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("options", EVERY)
def test_a_folder_without_permission(tmp_path, options):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        opened(tmp_path, options)
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "x.jsonl"
    path.touch(0o400)
    with pytest.raises(OutputError, match="Permission denied"):
        open_sinks(json_path=path)


@pytest.mark.parametrize("options", [e for e in EVERY if e not in (EVERY[2], EVERY[6])])
def test_a_folder_where_a_file_must_be(tmp_path, options):
    name = next(v for k, v in options.items() if k.endswith("path"))
    (tmp_path / name).mkdir()
    if "video_path" in options:  # a folder that is there is meant as one
        opened(tmp_path, options)
    else:
        with pytest.raises(OutputError, match="it is a folder; give the name of a file"):
            opened(tmp_path, options)


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real" / "r.json")
    with open_sinks(json_path=link, format="coco") as sinks:
        sinks.write(frame(), people(1), {})
    assert link.is_symlink()
    assert len(json.loads((tmp_path / "real" / "r.json").read_text())) == 1


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="cannot write"):
        open_sinks(json_path=tmp_path / "a")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["jsonl", "coco", "csv"])
def test_a_full_device(format):
    with (
        pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"),
        open_sinks(json_path=Path("/dev/full"), format=format) as sinks,
    ):
        sinks.write(frame(), people(1), {})
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("format", ["jsonl", "coco", "csv"])
def test_a_pipe_takes_everything(tmp_path, format):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_sinks(json_path=pipe, format=format) as sinks:
            for i in range(2):
                sinks.write(frame(i), people(1), {})
        text = os.read(reader, 1 << 16).decode()
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    if format == "coco":
        assert len(json.loads(text)) == 2
    else:
        assert text.count("\n") == (2 if format == "jsonl" else 3)


FILL = """
import resource, sys
from pathlib import Path
from edge_pose.errors import OutputError
from tests.sinks.conftest import frame, people
from tests.sinks.test_open import opened
import json, numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
try:
    with opened(Path(sys.argv[1]), json.loads(sys.argv[2])) as sinks:
        for i in range(200):
            one = frame(i)
            object.__setattr__(one, "image", noise)
            sinks.write(one, people(20), {})
except OutputError as err:
    sys.exit(f"OutputError: {err}")
"""


@pytest.mark.parametrize("options", [e for e in EVERY if e != EVERY[2]])
def test_a_file_that_can_grow_no_more(tmp_path, options):
    """As on a full disk: one clear error, whole records kept, nothing half-written under the final name."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"OutputError: cannot write {tmp_path}/x"), done.stderr
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    if options.get("json_path", "").endswith(("jsonl", "csv")):
        text = left[0].read_text()
        assert text.endswith("\n")
        assert text.count("\n") > 1
        assert len({line.count(",") for line in text.splitlines()}) <= 2  # no line is cut
    else:
        assert left == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 60_000


class Broken(Sink):
    def __init__(self, log, name):
        self.log, self.name = log, name

    def write(self, frame, poses, timings_ms):
        self.log.append(("write", self.name))

    def close(self):
        self.log.append(("close", self.name))
        raise OutputError(f"{self.name} failed")


def test_all_sinks_are_closed_even_when_one_fails():
    log = []
    with pytest.raises(OutputError, match="a failed"), Sinks([Broken(log, "a"), Broken(log, "b")]) as sinks:
        sinks.write(frame(), people(0), {})
    assert log == [("write", "a"), ("write", "b"), ("close", "a"), ("close", "b")]


def test_the_error_that_ended_the_run_is_the_one_that_is_told():
    log = []
    with pytest.raises(ValueError, match="the run"), Sinks([Broken(log, "a"), Broken(log, "b")]):
        raise ValueError("the run")
    assert log == [("close", "a"), ("close", "b")]


FOREVER = """
import sys
from pathlib import Path
from edge_pose.sinks import open_sinks
from tests.sinks.conftest import frame, people
folder = Path(sys.argv[1])
with (
    open_sinks(json_path=folder / "a.jsonl", video_path=folder / "a.mp4", fps=10) as first,
    open_sinks(json_path=folder / "a.json", format="coco", video_path=folder / "a.avi", fps=10) as second,
    open_sinks(json_path=folder / "a.csv", format="csv") as third,
):
    for i in range(10**9):
        for sinks in (first, second, third):
            sinks.write(frame(i), people(3), {"pose": 1.0})
        if i == 20:
            sys.stdout.write("go\\n")
            sys.stdout.flush()
"""


def test_ctrl_c_at_any_moment_leaves_whole_files(tmp_path):
    command = [sys.executable, "-c", FOREVER, tmp_path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as run:
        assert run.stdout.readline() == b"go\n"
        run.send_signal(signal.SIGINT)
        assert run.stderr.read().splitlines()[-1].startswith(b"KeyboardInterrupt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.avi", "a.csv", "a.json", "a.jsonl", "a.mp4"]
    frames = [json.loads(line)["frame"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert frames == list(range(len(frames)))
    assert len(frames) > 20
    assert len(json.loads((tmp_path / "a.json").read_text())) in (3 * len(frames), 3 * len(frames) - 3)
    assert (tmp_path / "a.csv").read_text().endswith("\n")
    for name in ("a.mp4", "a.avi"):
        assert len(pictures(tmp_path / name)[0]) in (len(frames), len(frames) - 1)

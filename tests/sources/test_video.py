import os
import random
import struct

import cv2
import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.sources import VideoSource, open_source
from edge_pose.sources.containers import Container, inspect
from tests.sources.conftest import boxes, record


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_every_frame_once_and_in_order(tmp_path, suffix):
    path = record(tmp_path / f"a{suffix}", frames=20, fps=10.0)
    with open_source(path) as source:
        assert (source.count, source.stills, source.live) == (20, False, False)
        assert source.fps == pytest.approx(10)
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(20) / 10, atol=1e-3)
    np.testing.assert_allclose([f.image.mean() for f in frames], 10 * np.arange(20), atol=4)
    assert {f.image.shape for f in frames} == {(48, 64, 3)}
    assert {f.source for f in frames} == {str(path)}
    assert source.problems == []


def test_frames_stay_as_they_are_when_the_next_one_is_read(video):
    with open_source(video) as source:
        first = next(source)
        before = first.image.copy()
        list(source)
    np.testing.assert_array_equal(first.image, before)


def test_real_clips_are_whole_and_their_time_increases(asset):
    path = asset("videos/s2_fall_13.mp4")
    with open_source(path) as source:
        times = [f.time_s for f in source]
    assert len(times) == source.count == 133
    assert source.problems == []
    steps = np.diff(times)
    assert steps.min() > 0
    assert np.ptp(steps) > 0.01  # the container's own stamps, and not a grid of 1/fps


def test_max_frames_is_no_damage(video):
    with open_source(video, max_frames=5) as source:
        assert source.count == 5
        assert len(list(source)) == 5
    assert source.problems == []


class Stamps:
    """An OpenCV capture with time stamps of our choice, in milliseconds."""

    def __init__(self, stamps):
        self.stamps, self.at = stamps, -1

    def read(self):
        self.at += 1
        return self.at < len(self.stamps), np.zeros((2, 2, 3), np.uint8)

    def get(self, _):
        return self.stamps[self.at]

    def isOpened(self):
        return True

    def release(self):
        pass


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([0.0, 50.0, 300.0], [0.0, 0.05, 0.3]),
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),  # none in the container
        ([0.0, 50.0, 40.0, 60.0], [0.0, 0.05, 0.15, 0.25]),  # backwards
        ([float("nan"), 50.0, float("inf")], [0.0, 0.05, 0.15]),
        ([-20.0, 50.0], [0.0, 0.05]),
        ([40.0, 80.0], [0.04, 0.08]),
    ],
)
def test_time_always_increases(video, stamps, times):
    with VideoSource("clip", video) as source:
        source._capture.release()
        source._capture, source._first, source.declared = Stamps(stamps), None, None
        np.testing.assert_allclose([f.time_s for f in source], times)


@pytest.mark.parametrize("clip", ["s2_fall_13.mp4", "s3_fall_16.mp4"])  # the index is in front
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_cut_video_gives_the_frames_before_the_cut(asset, tmp_path, capfd, clip, part):
    data = asset(f"videos/{clip}").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * part)])
    with open_source(path) as source:
        frames = list(source)
    assert 0 < len(frames) < source.count
    (problem,) = source.problems
    lost = len(data) - int(len(data) * part)
    assert problem == (
        f"{path}: decoding stopped after frame {len(frames)} of {source.count} (declared): "
        f"the file is cut off, {lost} bytes are missing"
    )
    assert part - 0.15 < len(frames) / source.count <= part
    assert "h264" not in capfd.readouterr().err


def test_frames_before_a_cut_are_those_of_the_whole_video(asset, tmp_path):
    whole = asset("videos/s2_fall_13.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 4])
    with open_source(whole) as a, open_source(cut) as b:
        # The last one before the cut may be concealed by the decoder.
        kept = list(b)[:-1]
        for left, right in zip(kept, a, strict=False):
            np.testing.assert_array_equal(left.image, right.image)
    assert len(kept) > 10


def test_a_cut_video_with_its_index_behind_cannot_be_read(asset, tmp_path, capfd):
    data = asset("videos/s4_fall_02.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"cut\.mp4 is no video .* cut off, \d+ bytes are missing .* index \(moov\)"):
        open_source(path)
    assert capfd.readouterr().err == ""


def test_a_recording_that_was_not_finished(video):
    data = video.read_bytes()
    kind, start, _ = boxes(data)[-1]
    assert kind == "moov"
    video.write_bytes(data[:start])
    with pytest.raises(SourceError, match=r"it has no index \(moov\), so its recording was not finished"):
        open_source(video)


def test_damage_in_the_middle_is_reported(asset, tmp_path):
    data = bytearray(asset("videos/s2_fall_13.mp4").read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = random.Random(0).randbytes(third)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with open_source(path) as source:
        got = len(list(source))
    assert 0 < got < source.count
    assert len(source.problems) == 1
    assert f"{got} of {source.count} (declared)" in source.problems[0]


def test_a_cut_avi_is_reported(tmp_path):
    path = record(tmp_path / "a.avi", frames=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_source(path) as source:
        got = len(list(source))
    assert 0 < got < 40
    assert "cut off" in source.problems[0]


def test_a_cut_matroska_file_is_reported(tmp_path):
    path = record(tmp_path / "a.mkv", frames=100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_source(path) as source:
        got = len(list(source))
    assert 0 < got < 100
    assert source.problems == [
        f"{path}: decoding stopped after frame {got} of 100 (declared): the rest is damaged or missing"
    ]


@pytest.mark.parametrize(
    ("declared", "missing", "exact", "last_s", "reported"),
    [
        (100, 0, True, 9.9, False),  # all there
        (102, 0, True, 9.9, False),  # an edit list hides two
        (104, 0, True, 9.9, True),  # four are too many
        (101, 5, True, 9.9, True),  # bytes are missing: one is enough
        (100, 5, True, 9.9, False),  # bytes are missing that were no frames
        (109, 0, False, 9.9, False),  # an estimate, and less than a second short: sound that lasts longer
        (125, 0, False, 9.9, True),
        (500, 0, False, 49.9, False),  # an estimate, but time says that the end was reached
        (None, 9, False, 9.9, False),  # nothing was declared
    ],
)
def test_when_missing_frames_are_a_problem(video, declared, missing, exact, last_s, reported):
    with VideoSource("clip", video) as source:
        source.declared, source.fps, source.taken, source._last_s = declared, 10.0, 100, last_s
        source._container = Container(exact=exact, missing=missing)
        source._compare()
        assert bool(source.problems) == reported


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), cv2.ROTATE_90_CLOCKWISE),
        ((-1, 0, 0, -1), cv2.ROTATE_180),
        ((0, -1, 1, 0), cv2.ROTATE_90_COUNTERCLOCKWISE),
    ],
)
def test_rotation_marks_of_phones_are_applied(tmp_path, matrix, turn):
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 250  # top left
    path = tmp_path / "phone.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    writer.write(stored)
    writer.release()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix comes after 40 bytes
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with open_source(path) as source:
        np.testing.assert_allclose(next(source).image, cv2.rotate(stored, turn), atol=40)


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "shot_001.mp4", "50%.mp4", "пример.mp4", "a b'c.mp4", "no_suffix", "wrong.jpg"]
)
def test_names_of_any_kind(tmp_path, video, name):
    path = video.rename(tmp_path / name)
    with open_source(path) as source:
        assert len(list(source)) == 20


def test_relative_names_with_a_colon_are_no_protocol(tmp_path, video, monkeypatch):
    video.rename(tmp_path / "a:b.mp4")
    monkeypatch.chdir(tmp_path)
    with open_source("a:b.mp4") as source:
        assert len(list(source)) == 20


def test_a_name_that_is_no_unicode_is_refused(tmp_path, video):
    path = video.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    with pytest.raises(SourceError, match="valid UTF-8; rename it"):
        open_source(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"this is a text\n" * 100, "is a text file"),  # FFmpeg plays .txt as a terminal
        (random.Random(1).randbytes(5000), "is no video that OpenCV can decode"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_what_is_no_video(tmp_path, capfd, content, words, suffix):
    path = tmp_path / f"fake{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"fake{suffix}.*{words}"):
        open_source(path)
    assert capfd.readouterr().err == ""


def test_a_text_file_is_no_video_whatever_its_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 100)
    with pytest.raises(SourceError, match="is no image or video that OpenCV can decode: it is a text file"):
        open_source(path)


def test_closing_ends_the_frames(video):
    source = open_source(video)
    next(source)
    source.close()
    assert list(source) == []
    assert source.problems == []
    source.close()


def test_outermost_lengths(tmp_path, video):
    data = video.read_bytes()
    assert inspect(video) == Container(exact=True, index=True, missing=0)
    path = tmp_path / "x.mp4"
    for content, expected in [
        (data[:-1], Container(exact=True, index=False, missing=1)),
        (b"\0\0\0\x08ftyp\0\0\0\x01mdat" + struct.pack(">Q", 100), Container(exact=True, index=False, missing=84)),
        (b"\0\0\0\x08ftyp\0\0\0\x08moof", Container(exact=False, index=False, missing=0)),
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\0mdat123", Container(exact=True, index=True, missing=0)),
        (b"RIFF\x0a\0\0\0AVI LIST", Container(exact=True, index=True, missing=2)),
        (b"\x1a\x45\xdf\xa3whatever", Container()),
        (b"", Container()),
    ]:
        path.write_bytes(content)
        assert inspect(path) == expected, content

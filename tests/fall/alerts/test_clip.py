"""Clips show figures and nothing of the room, unless that was asked for."""

import time

import numpy as np
import pytest

from edge_pose.errors import OutputError
from edge_pose.fall.alerts.clip import ClipConfig, ClipRecorder
from edge_pose.poses import Poses
from tests.fall.alerts.conftest import an_event

cv2 = pytest.importorskip("cv2")
PINK = np.full((240, 320, 3), (203, 20, 255), np.uint8)


def person(x=160.0, y=120.0):
    spread = np.stack([np.linspace(-15, 15, 17), np.linspace(-60, 60, 17)], 1)[None].astype(np.float32)
    xy = spread + np.array([x, y], np.float32)
    box = np.array([[x - 20, y - 65, x + 20, y + 65]], np.float32)
    return Poses(xy, np.ones((1, 17), np.float32), box, np.ones(1, np.float32), np.array([7]))


def frames(path):
    capture = cv2.VideoCapture(str(path))
    found = []
    while (got := capture.read())[0]:
        found.append(got[1])
    capture.release()
    return found


def record(folder, *, event_at=10.0, until=20.0, fps=15.0, image=PINK, config=None):
    recorder = ClipRecorder(folder, config or ClipConfig())
    event, name = an_event(n=event_at), ""
    for n in range(round(until * fps)):
        now = n / fps
        recorder.observe(now, person(x=100 + now * 5), (240, 320), image)
        if not name and now >= event_at:
            name = recorder.begin(event)
    recorder.close()
    return recorder, event, name


def test_the_seconds_around_an_event(tmp_path):
    _, event, name = record(tmp_path)
    assert name == f"{event.id}.mp4"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    found = frames(tmp_path / name)
    assert 148 <= len(found) <= 152  # 6 s before and 4 s after, 15 a second
    assert found[0].shape == (240, 320, 3)


def test_no_pixel_of_the_room(tmp_path):
    _, _, name = record(tmp_path)
    for frame in frames(tmp_path / name):
        pink = (np.abs(frame.astype(int) - PINK[0, 0]).max(axis=2) < 60).mean()
        assert pink == 0
        assert (np.abs(frame.astype(int) - 56).max(axis=2) < 20).mean() > 0.7  # the grey that it is drawn on
        assert frame.std() > 5  # and somebody on it


def test_the_room_only_when_it_is_asked_for(tmp_path):
    _, event, _ = record(tmp_path, config=ClipConfig(keep_video=True))
    assert {path.name for path in tmp_path.iterdir()} == {f"{event.id}.mp4", f"{event.id}.room.mp4"}
    room = frames(tmp_path / f"{event.id}.room.mp4")
    assert len(room) == len(frames(tmp_path / f"{event.id}.mp4"))
    assert np.median(np.abs(room[50].astype(int) - PINK[0, 0])) < 30


def test_an_end_before_its_time(tmp_path):
    _, _, name = record(tmp_path, until=11.0)
    assert 100 <= len(frames(tmp_path / name)) <= 107


def test_slow_and_irregular_frames_keep_their_time(tmp_path):
    _, _, name = record(tmp_path, fps=3.0)
    assert 140 <= len(frames(tmp_path / name)) <= 152


def test_fast_frames_are_thinned(tmp_path):
    recorder, _, name = record(tmp_path, fps=60.0)
    assert 140 <= len(frames(tmp_path / name)) <= 152
    assert len(recorder._ring) <= 110


def test_hours_without_a_frame(tmp_path):
    recorder = ClipRecorder(tmp_path)
    recorder.observe(0.0, person(), (240, 320))
    name = recorder.begin(an_event())
    recorder.observe(36_000.0, person(), (240, 320))
    recorder.close()
    assert len(frames(tmp_path / name)) <= 152


def test_memory_is_bounded(tmp_path):
    config = ClipConfig(keep_video=True, max_memory_bytes=30_000, before_s=100)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    recorder = ClipRecorder(tmp_path, config)
    for n in range(100):
        recorder.observe(n / 15, person(), (240, 320), noise)
    assert recorder._bytes <= 60_000 and len(recorder._ring) < 4
    recorder.close()


def test_old_clips_make_room(tmp_path):
    (tmp_path / "holiday.mp4").write_bytes(bytes(5000))
    for _ in range(3):
        record(tmp_path, config=ClipConfig(max_folder_bytes=1), until=11)
        time.sleep(0.01)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2 and "holiday.mp4" in names


def test_not_too_many_at_once(tmp_path):
    recorder = ClipRecorder(tmp_path)
    recorder.observe(0.0, person(), (240, 320))
    names = [recorder.begin(an_event(n=n)) for n in range(6)]
    recorder.close()
    assert [bool(name) for name in names] == [True] * 4 + [False] * 2
    assert recorder.written == 4


def test_large_frames_are_made_smaller_and_nobody_is_fine(tmp_path):
    recorder = ClipRecorder(tmp_path)
    for n in range(20):
        recorder.observe(n / 15, Poses.empty(), (1081, 1921))
    name = recorder.begin(an_event())
    recorder.close()
    assert frames(tmp_path / name)[0].shape == (360, 640, 3)


def test_a_clip_that_cannot_be_written_is_an_error_in_the_log(tmp_path, caplog, monkeypatch):
    recorder = ClipRecorder(tmp_path / "clips")
    recorder.observe(0.0, person(), (240, 320))
    event = an_event()
    recorder.begin(event)
    (tmp_path / "clips").rmdir()
    (tmp_path / "clips").write_text("a file")
    recorder.close()
    assert recorder.failed == 1 and f"no clip of event {event.id}" in caplog.text


def test_before_any_frame(tmp_path, caplog):
    recorder = ClipRecorder(tmp_path)
    recorder.begin(an_event())
    recorder.close()
    assert recorder.failed == 1 and "no frame" in caplog.text


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="cannot write clips"):
        ClipRecorder(tmp_path / "f" / "clips")

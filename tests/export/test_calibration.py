"""Which frames are calibrated with, which are held out, and what a network is fed."""

import cv2
import numpy as np
import pytest

from edge_pose.errors import ExportError
from edge_pose.export.calibration import Frames, Shot, feeds, frames_from
from edge_pose.export.footage import find_footage
from edge_pose.poses import Boxes
from tests.tiny import HEATMAP, MOVENET, YOLO


def picture(path, grey):
    assert cv2.imwrite(str(path), np.full((40, 60, 3), grey, np.uint8))


def clip(path, frames, start=0):
    """Frame i is grey of level start + i."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for i in range(frames):
        video.write(np.full((48, 64, 3), start + i, np.uint8))
    video.release()


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        picture(tmp_path / f"{i}.png", 10 * i)
    for i in range(3):
        clip(tmp_path / f"clip{i}.avi", 60)
    (tmp_path / "list.csv").write_text("a,b\n")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing else")
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    return tmp_path


def files(frames):
    return {name.split("#")[0] for name in frames.names}


def test_no_file_gives_to_both_sides(folder):
    ours, held = frames_from(folder, count=20, held_out=10)
    assert files(ours) and files(held)
    assert not files(ours) & files(held)
    assert len(files(held)) == 3  # a third of the nine files


def test_what_cannot_be_read_is_listed_and_what_is_no_picture_is_not(folder):
    footage, problems = find_footage(folder)
    assert len(footage) == 9
    assert len(problems) == 2
    assert any("broken.jpg" in line for line in problems)
    assert any("broken.mp4" in line for line in problems)


def test_the_same_seed_chooses_the_same_frames_and_another_one_others(folder):
    first, again, other = (frames_from(folder, count=20, seed=seed)[0] for seed in (1, 1, 2))
    assert first.names == again.names != other.names
    assert first.digest == again.digest != other.digest


def test_frames_can_be_gone_through_twice(folder):
    ours, _ = frames_from(folder, count=20)
    once, twice = ([(shot.name, int(shot.image.mean())) for shot in ours] for _ in range(2))
    assert once == twice
    assert tuple(name for name, _ in once) == ours.names


def test_frames_of_a_clip_are_the_ones_named_and_evenly_spaced(tmp_path):
    clip(tmp_path / "a.avi", 100)
    clip(tmp_path / "b.avi", 100)
    ours, _ = frames_from(tmp_path, count=8)
    shown = [(int(shot.name.split("#")[1]), shot.image.mean()) for shot in ours]
    assert len(shown) == 8
    assert all(abs(index - grey) <= 2 for index, grey in shown)  # MJPEG is near enough to tell frames apart
    gaps = np.diff([index for index, _ in shown])
    assert gaps.max() - gaps.min() <= 1


def test_the_count_is_a_cap(folder):
    assert len(frames_from(folder, count=5, held_out=2)[0]) == 5
    assert len(frames_from(folder, count=5, held_out=2)[1]) == 2
    assert len(frames_from(folder, count=10_000)[0]) < 60  # frames nearer than 5 show the same


def test_files_of_one_name_in_two_folders_are_two(tmp_path):
    for grey, name in enumerate("abcdef"):
        (tmp_path / name).mkdir()
        picture(tmp_path / name / "1.png", 40 * grey)
    ours, held = frames_from(tmp_path / "*" / "1.png", count=20, held_out=10)
    shown = [int(shot.image.mean()) for shot in (*ours, *held)]
    assert sorted(shown) == [0, 40, 80, 120, 160, 200]
    assert len({*ours.names, *held.names}) == 6
    assert len(ours.first(3)) == 3


def test_one_video_is_cut_in_time(tmp_path, caplog):
    clip(tmp_path / "only.avi", 90)
    ours, held = frames_from(tmp_path / "only.avi", count=10, held_out=5)
    last = max(int(name.split("#")[1]) for name in ours.names)
    assert last < min(int(name.split("#")[1]) for name in held.names)
    assert "look alike" in caplog.text


@pytest.mark.parametrize("where", ["nowhere", "nowhere/*.jpg"])
def test_a_folder_that_is_not_there(tmp_path, where):
    with pytest.raises(ExportError, match="does not exist"):
        frames_from(tmp_path / where)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ExportError, match=r"no pictures or videos that can be read \(of 1 files\); .*broken.jpg"):
        frames_from(tmp_path)


def test_a_file_that_vanishes_is_noted_and_the_others_come(folder):
    ours, _ = frames_from(folder, count=20)
    gone = ours.takes[0].footage.path
    gone.unlink()
    assert len(list(ours)) == len(ours) - len(ours.takes[0].indices)
    assert any(gone.name in line for line in ours.problems)


def test_first_spreads_over_all_shots():
    frames = Frames.of([np.full((4, 4, 3), i, np.uint8) for i in range(10)])
    assert [shot.image[0, 0, 0] for shot in frames.first(3)] == [0, 4, 9]


def test_feeds_are_what_the_estimators_see():
    shot = Shot("a", np.full((48, 64, 3), 51, np.uint8))
    (batch,) = feeds([shot], YOLO)
    assert batch.shape == (1, 3, 64, 64)
    assert batch[0, 0, 32, 32] == pytest.approx(51 / 255)
    assert batch[0, 0, 0, 0] == pytest.approx(114 / 255)  # the letterbox margin


def test_feeds_of_people():
    shot = Shot("a", np.full((48, 64, 3), 51, np.uint8))
    two = Boxes(np.array([[0, 0, 10, 20], [20, 0, 30, 20]], np.float32), np.ones(2, np.float32))
    assert [row.shape for row in feeds([shot], HEATMAP, lambda _: two)] == [(1, 3, 64, 48)] * 2
    assert list(feeds([shot], HEATMAP, lambda _: Boxes.empty())) == []  # nobody is nobody
    assert len(list(feeds([shot], HEATMAP))) == 1  # the whole picture
    assert [row.dtype for row in feeds([shot], MOVENET, lambda _: two)] == [np.uint8] * 3

import pytest

import edge_pose
from edge_pose.errors import SourceError
from edge_pose.sources import open_source
from tests.sources.conftest import picture, record, save


def names(source):
    with source:
        return [frame.source.rpartition("/")[2] for frame in source]


def test_a_public_name():
    assert edge_pose.open_source is open_source


@pytest.mark.parametrize("form", [str, lambda path: path])
def test_one_picture(photo, form):
    with open_source(form(photo)) as source:
        assert (source.count, source.name) == (1, str(photo))
        (frame,) = source
    assert frame.image.shape == (48, 64, 3)


def test_a_folder_in_natural_order(tmp_path):
    for name in ("img10.png", "img9.png", "Img1.png", "b.jpg"):
        save(tmp_path / name)
    assert names(open_source(tmp_path)) == ["b.jpg", "Img1.png", "img9.png", "img10.png"]


def test_a_folder_gives_its_pictures_only(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png").rename(tmp_path / "picture_without_suffix")
    save(tmp_path / "c.png").rename(tmp_path / ".hidden.png")
    (tmp_path / "deeper").mkdir()
    save(tmp_path / "deeper" / "d.png")
    (tmp_path / "annotations.json").write_text("{}")
    (tmp_path / "empty.dat").touch()
    source = open_source(str(tmp_path))
    assert names(source) == ["a.png", "picture_without_suffix"]
    assert source.problems == []


def test_videos_in_a_folder_are_named_as_left_out(tmp_path, caplog):
    save(tmp_path / "a.png")
    for i in range(5):
        (tmp_path / f"{i}.mp4").write_bytes(b"never opened")
    source = open_source(tmp_path)
    assert names(source) == ["a.png"]
    assert source.problems == [
        f"skipped: 5 video(s) in {tmp_path} (0.mp4, 1.mp4, 2.mp4, ...); give a video by its own name"
    ]
    assert caplog.messages == source.problems


def test_a_folder_of_videos(tmp_path):
    record(tmp_path / "a.mp4")
    with pytest.raises(
        SourceError, match=r"has no pictures among its 1 files; it has 1 video\(s\) \(a\.mp4\): give one"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize("files", [0, 2])
def test_a_folder_without_pictures(tmp_path, files):
    for i in range(files):
        (tmp_path / f"{i}.json").write_text("{}")
    with pytest.raises(SourceError, match=f"has no pictures among its {files} files; give a picture, a folder"):
        open_source(tmp_path)


def test_patterns(tmp_path):
    for i in (1, 2, 10):
        save(tmp_path / f"{i}.jpg")
    (tmp_path / "b").mkdir()
    save(tmp_path / "b" / "3.jpg")
    save(tmp_path / "4.png")
    assert names(open_source(f"{tmp_path}/*.jpg")) == ["1.jpg", "2.jpg", "10.jpg"]
    assert names(open_source(f"{tmp_path}/?.*")) == ["1.jpg", "2.jpg", "4.png"]
    assert names(open_source(f"{tmp_path}/**/[34].*")) == ["4.png", "3.jpg"]
    with pytest.raises(SourceError, match="has no pictures among its 0 files"):
        open_source(f"{tmp_path}/*.bmp")


def test_a_relative_pattern(tmp_path, monkeypatch):
    save(tmp_path / "a.jpg")
    monkeypatch.chdir(tmp_path)
    with open_source("*.jpg") as source:
        assert [frame.source for frame in source] == ["a.jpg"]


def test_a_file_that_is_there_is_no_pattern(tmp_path):
    save(tmp_path / "a[1].jpg")
    save(tmp_path / "a1.jpg")
    assert names(open_source(f"{tmp_path}/a[1].jpg")) == ["a[1].jpg"]


def test_a_bad_picture_in_a_folder(tmp_path):
    save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("text")
    source = open_source(tmp_path)
    assert names(source) == ["a.jpg"]
    assert len(source.problems) == 1


@pytest.mark.parametrize("address", ["ftp://me:secret@host/a.mp4", "file:///a.mp4", "nonsense://1"])
def test_other_schemes_are_refused_with_what_works(address):
    with pytest.raises(SourceError, match=r"is none of the streams that can be read; give a picture") as caught:
        open_source(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("nothing", ["", None, 1.5, b"a.jpg"])
def test_what_is_no_address(nothing):
    with pytest.raises(SourceError, match="the source must be a picture"):
        open_source(nothing)


def test_a_missing_file_and_what_was_meant(tmp_path):
    save(tmp_path / "zidane.jpg", picture())
    save(tmp_path / "bus.jpg", picture())
    with pytest.raises(SourceError, match=r"bux\.jpg does not exist; did you mean .*/bus\.jpg\?$"):
        open_source(tmp_path / "bux.jpg")
    with pytest.raises(SourceError, match=r"something\.else does not exist$"):
        open_source(tmp_path / "something.else")


def test_a_missing_folder(tmp_path):
    with pytest.raises(SourceError, match=f"there is no folder {tmp_path}/nowhere$"):
        open_source(f"{tmp_path}/nowhere/bus.jpg")


@pytest.mark.parametrize("name", ["/dev/null", "x" * 5000])
def test_what_cannot_be_opened_at_all(name):
    with pytest.raises(SourceError, match=r"is no ordinary file|cannot read xxx"):
        open_source(name)


def test_opencv_logs_again_afterwards(photo, video):
    import cv2

    control = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    before = control.getLogLevel()
    assert before > 0
    for path in (photo, video):
        with open_source(path) as source:
            list(source)
    assert control.getLogLevel() == before

import struct
import zlib

import cv2
import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.sources import ImageSource, open_source, read_image
from tests.sources.conftest import picture, save


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_lossless_pictures_come_out_as_they_went_in(tmp_path, suffix):
    image = read_image(save(tmp_path / f"a{suffix}"))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, picture())


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_pictures_come_out_nearly_so(tmp_path, suffix):
    image = read_image(save(tmp_path / f"a{suffix}"))
    assert np.abs(image.astype(int) - picture()).mean() < 5


def test_content_decides_and_not_the_suffix(tmp_path):
    png = save(tmp_path / "a.png").rename(tmp_path / "a.dat")
    with open_source(png) as source:
        np.testing.assert_array_equal(next(source).image, picture())


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (picture()[:, :, 0], np.repeat(picture()[:, :, :1], 3, axis=2)),  # greyscale: three equal channels
        (picture().astype(np.uint16) * 257, picture()),  # 16 bit
        (np.dstack([picture(), np.zeros((48, 64), np.uint8)]), picture()),  # transparent: its colours
        (picture(1, 1), picture(1, 1)),
        (picture(1, 4000), picture(1, 4000)),
    ],
)
def test_every_png_becomes_8_bit_bgr(tmp_path, stored, expected):
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", stored)), expected)


def test_exif_orientation_is_applied(photo):
    data = photo.read_bytes()
    turn = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x112, 3, 1, 6, 0, 0)  # 6: turn clockwise to see it upright
    exif = b"Exif\0\0" + turn
    photo.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    upright = cv2.rotate(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.ROTATE_90_CLOCKWISE)
    np.testing.assert_array_equal(read_image(photo), upright)


@pytest.mark.parametrize("name", ["ünï çødé 人.png", "100%_%03d.png", "[1].png"])
def test_names_of_any_kind(tmp_path, name):
    path = save(tmp_path / name)
    with open_source(str(path)) as source:
        assert [f.source for f in source] == [str(path)]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.98])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, capfd, suffix, part):
    path = save(tmp_path / f"a{suffix}", picture(200, 300))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(SourceError, match=f"a{suffix} is no image that OpenCV can decode"):
        read_image(path)
    if suffix in (".jpg", ".png"):  # the two that are on every disk: nobody else says anything about them
        assert capfd.readouterr().err == ""


def test_bytes_behind_a_picture_do_no_harm(photo, tmp_path):
    png = save(tmp_path / "a.png")
    for path in (photo, png):
        before = read_image(path)
        path.write_bytes(path.read_bytes() + b"maker's notes" * 10)
        np.testing.assert_array_equal(read_image(path), before)


def png_of(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (2_000_000, 10), (10, 2_000_000)])
def test_a_huge_picture_is_refused_in_words(tmp_path, capfd, width, height):
    path = tmp_path / "huge.png"
    path.write_bytes(png_of(width, height))
    with pytest.raises(SourceError, match=f"{width} x {height} pixels are more than OpenCV's limit"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_a_huge_picture_of_another_kind_is_refused_too(tmp_path):
    path = tmp_path / "huge.bmp"
    path.write_bytes(save(tmp_path / "small.bmp").read_bytes().replace(struct.pack("<ii", 64, 48), b"\0\0\1\0\0\0\1\0"))
    with pytest.raises(SourceError, match=r"huge\.bmp (cannot be decoded|is no image)"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"not a picture\n", "it is a text file, it begins with b'not a picture"),
        (bytes(range(256)), "is no image that OpenCV can decode"),
    ],
)
def test_what_is_no_picture(tmp_path, capfd, content, words):
    path = tmp_path / "fake.jpg"
    path.write_bytes(content)
    for read in (read_image, open_source):
        with pytest.raises(SourceError, match=f"fake.jpg.*{words}"):
            read(path)
    assert capfd.readouterr().err == ""


def test_stills_count_and_their_seconds(tmp_path):
    paths = [save(tmp_path / f"{i}.png", picture(seed=i)) for i in range(3)]
    with ImageSource("three", paths) as source:
        assert (source.count, source.fps, source.stills, source.live, source.name) == (3, 1.0, True, False, "three")
        frames = list(source)
    assert [(f.index, f.time_s, f.source) for f in frames] == [(i, float(i), str(p)) for i, p in enumerate(paths)]
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(seed=i))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_bad_picture_among_good_ones_is_reported_and_left_out(tmp_path, caplog, bad):
    paths = [save(tmp_path / f"{i}.jpg") for i in range(3)]
    paths[bad].write_text("text")
    with ImageSource("three", paths) as source:
        frames = list(source)
    assert [f.index for f in frames] == [0, 1]
    assert [f.source for f in frames] == [str(p) for i, p in enumerate(paths) if i != bad]
    (problem,) = source.problems
    assert problem.startswith(f"skipped: {paths[bad]} is no image")
    assert caplog.messages == [problem]


def test_only_bad_pictures_are_an_error(tmp_path):
    paths = [tmp_path / f"{i}.jpg" for i in range(3)]
    for path in paths:
        path.write_text("text")
    with pytest.raises(SourceError, match=r"none of the 3 images of three can be read; skipped: .*0\.jpg"):
        ImageSource("three", paths)


@pytest.mark.parametrize(("most", "count"), [(1, 1), (2, 2), (9, 3)])
def test_max_frames(tmp_path, most, count):
    paths = [save(tmp_path / f"{i}.jpg") for i in range(3)]
    with ImageSource("three", paths, max_frames=most) as source:
        assert source.count == count
        assert len(list(source)) == count


def test_max_frames_must_be_positive(photo):
    with pytest.raises(SourceError, match="max_frames must be at least 1, got 0"):
        open_source(photo, max_frames=0)


def test_closing_ends_the_frames(tmp_path):
    source = ImageSource("two", [save(tmp_path / "a.jpg"), save(tmp_path / "b.jpg")])
    source.close()
    assert list(source) == []
    source.close()

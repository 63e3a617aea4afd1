import cv2
import numpy as np
import pytest

from edge_pose.drawing import draw
from edge_pose.errors import OutputError
from edge_pose.sinks import ImagesSink, VideoSink
from edge_pose.sinks.video import fitted
from tests.sinks.conftest import frame, people


def pictures(path):
    capture = cv2.VideoCapture(str(path))
    found = []
    while (got := capture.read())[0]:
        found.append(got[1])
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return found, fps


def test_one_picture_under_the_given_name(tmp_path):
    poses = people(1)
    with ImagesSink(tmp_path / "out.png") as sink:
        sink.write(frame(0, "photo.jpg"), poses, {})
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out.png")), draw(frame().image, poses))


def test_the_threshold_of_drawing(tmp_path):
    poses = people(1)
    with ImagesSink(tmp_path / "out.png", threshold=1.1) as sink:
        sink.write(frame(), poses, {})
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out.png")), frame().image)


def test_a_second_picture_for_one_file(tmp_path, nobody):
    with pytest.raises(OutputError, match="cannot write a second picture"), ImagesSink(tmp_path / "out.jpg") as sink:
        sink.write(frame(0), nobody, {})
        sink.write(frame(1), nobody, {})


def test_a_folder_of_pictures_keeps_names(tmp_path, nobody):
    with ImagesSink(tmp_path / "deep" / "out") as sink:
        for i, name in enumerate(["a.jpg", "b.PNG", "c.gif", "x/a.jpg", "d"]):
            sink.write(frame(i, name), nobody, {})
    folder = tmp_path / "deep" / "out"
    names = ["a.jpg", "a_000000000003.jpg", "b.PNG", "c.png", "d.png"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert all(cv2.imread(str(folder / name)).shape == (48, 64, 3) for name in names)


def test_a_folder_of_frames(tmp_path, nobody):
    with ImagesSink(tmp_path / "out", stills=False) as sink:
        for i in range(2):
            sink.write(frame(i), nobody, {})
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip_000000000000.jpg", "clip_000000000001.jpg"]


def test_the_input_is_never_overwritten(tmp_path, nobody):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"precious")
    with pytest.raises(OutputError, match="it is the input"), ImagesSink(photo) as sink:
        sink.write(frame(0, str(photo)), nobody, {})
    (tmp_path / "photo.gif").write_bytes(b"a picture whose drawing would be photo.png")
    with pytest.raises(OutputError, match="the input is there; choose another"), ImagesSink(tmp_path) as sink:
        sink.write(frame(0, str(tmp_path / "photo.gif")), nobody, {})
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"precious")
    with pytest.raises(OutputError, match="it is the input"), VideoSink(clip, fps=10) as sink:
        sink.write(frame(0, str(clip)), nobody, {})
    assert photo.read_bytes() == clip.read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_picture_too_large_for_its_kind(tmp_path, nobody):
    with pytest.raises(OutputError, match=r"cannot write .*out\.webp"), ImagesSink(tmp_path / "out.webp") as sink:
        sink.write(frame(size=(1, 20000)), nobody, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".avi", ".MP4"])
@pytest.mark.parametrize("count", [1, 30])
def test_a_video_has_all_frames_at_the_rate_of_the_source(tmp_path, nobody, suffix, count):
    path = tmp_path / f"out{suffix}"
    with VideoSink(path, fps=14.95) as sink:
        for i in range(count):
            sink.write(frame(i, grey=8 * i), nobody, {})
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]
    found, fps = pictures(path)
    np.testing.assert_allclose([image.mean() for image in found], 8 * np.arange(count), atol=4)
    assert fps == pytest.approx(14.95, abs=0.01)


def test_people_are_drawn_into_the_video_and_not_into_the_frame(tmp_path):
    one = frame()
    with VideoSink(tmp_path / "out.avi", fps=10) as sink:
        sink.write(one, people(1), {})
    ((image,), _) = pictures(tmp_path / "out.avi")
    expected = draw(one.image, people(1))
    assert np.abs(image.astype(int) - expected).mean() < 9
    assert np.abs(expected.astype(int) - one.image).mean() > 20
    assert (one.image == 100).all()


@pytest.mark.parametrize("size", [(31, 21), (1, 1), (1, 400), (400, 1), (47, 64)])
def test_odd_sizes_get_a_black_row_or_column(tmp_path, nobody, size):
    with VideoSink(tmp_path / "out.avi", fps=10) as sink:
        sink.write(frame(size=size), nobody, {})
    ((image,), _) = pictures(tmp_path / "out.avi")
    assert image.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    if min(size) > 8:  # Motion JPEG smears narrower ones
        assert abs(int(image[0, 0, 0]) - 100) < 20


def test_a_change_of_size_is_fitted_into_the_first(tmp_path, nobody):
    with VideoSink(tmp_path / "out.avi", fps=10) as sink:
        for i, size in enumerate([(48, 64), (96, 64), (10, 10), (48, 64)]):
            sink.write(frame(i, size=size, grey=200), nobody, {})
    found, _ = pictures(tmp_path / "out.avi")
    assert [image.shape for image in found] == [(48, 64, 3)] * 4
    widths = [int((image[24, :, 0] > 100).sum()) for image in found]
    assert widths == pytest.approx([64, 32, 48, 64], abs=2)


@pytest.mark.parametrize(
    ("size", "inside"),
    [
        ((48, 64), (slice(0, 48), slice(0, 64))),
        ((47, 63), (slice(0, 47), slice(0, 63))),  # one pixel short: not scaled
        ((24, 64), (slice(12, 36), slice(0, 64))),
        ((480, 64), (slice(0, 48), slice(29, 35))),
        ((1, 6400), (slice(23, 24), slice(0, 64))),  # never thinner than a pixel
    ],
)
def test_fitting(size, inside):
    canvas = fitted(np.full((*size, 3), 255, np.uint8), np.full((48, 64, 3), 7, np.uint8))
    expected = np.zeros((48, 64, 3), np.uint8)
    expected[inside] = 255
    np.testing.assert_array_equal(canvas, expected)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_keeps_the_video_so_far(tmp_path, nobody, error):
    path = tmp_path / "out.mp4"
    with pytest.raises(error), VideoSink(path, fps=10) as sink:
        for i in range(5):
            sink.write(frame(i), nobody, {})
        raise error
    assert len(pictures(path)[0]) == 5


def test_a_failure_leaves_the_old_video_and_nothing_else(tmp_path, nobody):
    path = tmp_path / "out.mp4"
    path.write_text("old")
    with pytest.raises(ValueError, match="broken"), VideoSink(path, fps=10) as sink:
        sink.write(frame(), nobody, {})
        raise ValueError("broken")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_frames_is_no_file(tmp_path):
    VideoSink(tmp_path / "out.mp4", fps=10).close()
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_and_writing_afterwards(tmp_path, nobody):
    sink = VideoSink(tmp_path / "out.mp4", fps=10)
    sink.write(frame(), nobody, {})
    sink.close()
    sink.close()
    with pytest.raises(OutputError, match="it is closed"):
        sink.write(frame(1), nobody, {})


def test_sizes_that_the_encoder_refuses(tmp_path, nobody, capfd):
    with (
        pytest.raises(OutputError, match=r"cannot encode 9000 x 10 pixels in \.mp4; try \.avi"),
        VideoSink(tmp_path / "out.mp4", fps=10) as sink,
    ):
        sink.write(frame(size=(10, 9000)), nobody, {})
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 90000])
def test_rates_that_make_no_sense(tmp_path, fps):
    with pytest.raises(OutputError, match="fps must be between 0 and 1000, got"):
        VideoSink(tmp_path / "out.mp4", fps=fps)


def test_names_that_opencv_cannot_take(tmp_path):
    with pytest.raises(OutputError, match="valid UTF-8"):
        VideoSink(tmp_path / "\udcff.mp4", fps=10)
    with pytest.raises(OutputError, match=r"must end in one of \.mp4"):
        VideoSink(tmp_path / "out.txt", fps=10)

"""From what a user writes to a source. Addresses with secrets in them never get into a message as they are."""

from __future__ import annotations

import difflib
import glob
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from edge_pose.errors import SourceError
from edge_pose.redact import redacted
from edge_pose.sources.base import Source
from edge_pose.sources.camera import CameraFeed, Wish, device_of
from edge_pose.sources.gstreamer import GstFeed, csi_pipeline
from edge_pose.sources.images import ImageSource
from edge_pose.sources.kinds import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    first_bytes,
    is_picture,
    is_text,
    natural_key,
)
from edge_pose.sources.live import LiveSource
from edge_pose.sources.network import SCHEMES, NetworkFeed, Timeouts
from edge_pose.sources.video import VideoSource

FORMS = (
    "a picture, a folder of pictures, a pattern such as 'frames/*.jpg', a video file, a camera (0, /dev/video0, "
    "csi://0), rtsp://... or http://..., or gst:PIPELINE"
)


def open_source(
    text: str | Path | int,
    *,
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    pixel_format: str | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    give_up_s: float | None = None,
) -> Source:
    """Open what the user wrote: a picture, a folder, a pattern, a video file, a camera or a stream.

    What a file is, its content decides. Folders and patterns give their pictures in natural order (9 before 10),
    without subfolders, hidden files and whatever is neither picture nor video; a problem names the videos among them.
    Cameras: 0, /dev/video0, v4l2:///dev/video0, csi://0; streams: rtsp://, http://, gst:PIPELINE (as `gst-launch-1.0`
    takes it, up to raw video).
    max_frames: stop after so many. size (width, height), fps, pixel_format: asked of a camera. timeouts: of rtsp and
    http. give_up_s: how long a live source that broke off is tried again; None: for ever.
    Raises SourceError when there is nothing to read; credentials in an address are in none of its messages.
    """
    wish = Wish(size, fps, pixel_format)
    live = _live(str(text), wish, timeouts, max_frames, give_up_s) if isinstance(text, (str, int)) else None
    if live is not None:
        return live
    if not str(text) or not isinstance(text, (str, Path)):
        raise SourceError(f"the source must be {FORMS}, got {text!r}")
    if not wish.empty:
        raise SourceError(f"{text}: size, fps and pixel_format are for cameras")
    path = Path(text)
    try:
        if path.is_dir():
            return _pictures(str(text), path.iterdir(), max_frames)
        if path.exists():
            return _file(str(text), path, max_frames)
        if any(sign in str(text) for sign in "*?["):
            found = glob.glob(str(text), recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
            return _pictures(str(text), map(Path, found), max_frames)
        near = _similar(path)
    except OSError as err:
        if isinstance(err, SourceError):
            raise
        raise SourceError(f"cannot read {text}: {err.strerror or err}") from err
    raise SourceError(f"{text} does not exist{near}")


def _live(
    text: str, wish: Wish, timeouts: Timeouts, max_frames: int | None, give_up_s: float | None
) -> LiveSource | None:
    """Return the camera or stream that an address means; None for a file's name."""
    name = redacted(text)
    device = device_of(text)
    if device is not None:
        return LiveSource(name, lambda: CameraFeed(device, wish), max_frames=max_frames, give_up_s=give_up_s)
    if text.startswith("csi://"):
        sensor = text.removeprefix("csi://") or "0"
        if not re.fullmatch(r"[0-9]{1,2}", sensor):
            raise SourceError(f"{name}: a CSI camera is csi:// and its number, such as csi://0")
        pipeline = csi_pipeline(int(sensor), wish)
    elif not wish.empty and (text.startswith("gst:") or "://" in text):
        raise SourceError(f"{name}: size, fps and pixel_format are for cameras (0, /dev/video0, csi://0)")
    elif text.startswith("gst:"):
        pipeline = text.removeprefix("gst:").strip()
        if not pipeline:
            raise SourceError("gst: needs a pipeline behind it, such as gst:videotestsrc")
    elif "://" in text:
        scheme = text.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise SourceError(f"{name}: {redacted(scheme)}:// is none of the streams that can be read; give {FORMS}")
        url = scheme + text[len(scheme) :]  # FFmpeg knows them in lower case only
        return LiveSource(name, lambda: NetworkFeed(url, timeouts), max_frames=max_frames, give_up_s=give_up_s)
    else:
        return None
    return LiveSource(name, lambda: GstFeed(name, pipeline), max_frames=max_frames, give_up_s=give_up_s)


def _file(name: str, path: Path, max_frames: int | None) -> Source:
    if not path.is_file():
        raise SourceError(f"{name} is no ordinary file; give {FORMS}")
    head = first_bytes(path)
    suffix = path.suffix.lower()
    if is_picture(head):
        return ImageSource(name, [path], max_frames=max_frames)
    kind = "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else "image or video"
    if is_text(head):
        raise SourceError(
            f"{name} is no {kind} that OpenCV can decode: it is a text file, it begins with {head[:20]!r}"
        )
    try:
        return VideoSource(name, path, max_frames=max_frames)
    except SourceError as err:
        if kind == "video":
            raise
        raise SourceError(f"{name} is no {kind} that OpenCV can decode: it begins with {head[:8]!r}") from err


def _pictures(name: str, found: Iterable[Path], max_frames: int | None) -> Source:
    paths = sorted((p for p in found if not p.name.startswith(".") and p.is_file()), key=natural_key)
    videos = [p for p in paths if p.suffix.lower() in VIDEO_SUFFIXES]
    images = [p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES or (p not in videos and _holds_picture(p))]
    listed = ", ".join(p.name for p in videos[:3]) + (", ..." if len(videos) > 3 else "")
    if not images:
        others = f"it has {len(videos)} video(s) ({listed}): give one of them by name" if videos else f"give {FORMS}"
        raise SourceError(f"{name} has no pictures among its {len(paths)} files; {others}")
    source = ImageSource(name, images, max_frames=max_frames)
    if videos:
        source.report(f"skipped: {len(videos)} video(s) in {name} ({listed}); give a video by its own name")
    return source


def _holds_picture(path: Path) -> bool:
    """Look into a file whose suffix says nothing; one that cannot be read is no picture."""
    try:
        return is_picture(first_bytes(path))
    except SourceError:
        return False


def _similar(path: Path) -> str:
    """Name what the user may have meant."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    names = [p.name for p in islice(path.parent.iterdir(), 5000)]  # comparing is slow
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return "; did you mean " + " or ".join(str(path.with_name(n)) for n in near) + "?" if near else ""

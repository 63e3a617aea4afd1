"""What a file is, judged by its first bytes; suffixes only where opening every file would be too slow."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from edge_pose.errors import SourceError

HEAD = 512  # bytes that are looked at
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".bmp", ".dib", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
# An animated GIF is a video: OpenCV 4 has no other way to read one.
VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".3gp", ".gif")
)
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM|RIFF....WEBP|II[*+]\0|MM\0[*+]"  # JPEG, PNG, BMP, WebP, TIFF
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|....ftyp(avi[fs]|hei[cfsx]|mif1|msf1)"  # JPEG 2000, AVIF and HEIF
    rb"|P[1-6]\s|#\?RADIANCE|\x76\x2f\x31\x01",  # PNM, Radiance, OpenEXR
    re.DOTALL,
)


def first_bytes(path: Path) -> bytes:
    """Return up to 512 bytes. Raises SourceError when the file cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as err:
        raise SourceError(f"cannot read {path}: {err.strerror or err}") from err
    if not head:
        raise SourceError(f"{path} is empty (0 bytes)")
    return head


def is_picture(head: bytes) -> bool:
    """Say whether a file that begins so is meant to be a still picture."""
    return _PICTURE.match(head) is not None


def is_text(head: bytes) -> bool:
    """Say whether a file begins like text. FFmpeg would play some text files as videos of a terminal."""
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a last character that is cut in two is no error here
    except UnicodeDecodeError:
        return False
    return True


def natural_key(path: Path) -> tuple[tuple[tuple[int, str], ...], str]:
    """Sort key that puts frame9.jpg before frame10.jpg, folder by folder."""
    pieces = re.split(r"([0-9]+)", path.as_posix().casefold())  # text and digits in turn
    return tuple((int(p), "") if i % 2 else (0, p) for i, p in enumerate(pieces)), path.as_posix()

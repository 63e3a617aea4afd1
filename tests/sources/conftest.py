"""Pictures and videos made on the spot."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest


def picture(height=48, width=64, seed=0):
    """Smooth noise: compresses without looking like anything."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height))


def save(path: Path, image=None) -> Path:
    fine, data = cv2.imencode(path.suffix, picture() if image is None else image)
    assert fine
    path.write_bytes(data.tobytes())
    return path


def record(path: Path, frames=20, fps=10.0, size=(64, 48)) -> Path:
    """A video whose frame i is uniformly grey: 10 * i, up to 250."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), min(10 * i, 250), np.uint8))
    writer.release()
    return path


def boxes(data: bytes):
    """The outermost boxes of an MP4 file: [(kind, start, length)]."""
    at, found = 0, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind.decode(), at, length))
        at += length
    return found


@pytest.fixture
def photo(tmp_path):
    return save(tmp_path / "photo.jpg")


@pytest.fixture
def video(tmp_path):
    return record(tmp_path / "clip.mp4")

"""Folders to extract from, and what must come of them."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np

from tests import tiny

PEOPLE = [(40, 32, 10, 20, 0.9), (20, 30, 10, 20, 0.6)]


def model(folder: Path, name: str = "m.onnx", people=PEOPLE) -> str:
    return str(tiny.constant_network(folder / name, tiny.YOLO, tiny.yolo_answer(people)))


def video(path: Path, frames: int = 12, size: tuple[int, int] = (160, 120)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), i % 256, np.uint8))
    writer.release()
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((120, 160, 3), np.uint8))
    return path


def small_set(folder: Path) -> Path:
    """Five items: a.avi, sub/a.avi, sub/b.avi, the pictures of both folders; a broken video and others beside."""
    video(folder / "a.avi"), video(folder / "sub/a.avi", 7), video(folder / "sub/b.avi", 5)
    for name in ("9.png", "10.png", "sub/deep one.jpg"):
        picture(folder / name)
    (folder / "notes.txt").write_text("no")
    (folder / ".hidden.avi").write_text("no")
    return folder


def lines(path: Path) -> list[dict]:
    """The frames of a file, without what differs from run to run."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        assert set(row.pop("timings_ms")) >= {"network", "total"}
    return rows


def tree(folder: Path) -> list[str]:
    """Names of all files, hidden ones left out."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(name) for name in names if not any(part.startswith(".") for part in name.parts))


def shut(monkeypatch, *names: str) -> None:
    """Let nobody read folders of these names; root, who runs tests in containers, could read any."""
    scan = os.scandir

    def refused(path):
        if str(path).rpartition("/")[2] in names:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)

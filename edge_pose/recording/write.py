"""`Recorder`: writes a recording that a kill, a full disk or a cut cable leaves readable."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import platform
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_pose.errors import OutputError, ShapeError
from edge_pose.poses import Poses
from edge_pose.recording.layout import Header, Row, line_of_frame, line_of_header, text
from edge_pose.skeleton import COCO17, Skeleton

WAITING = 1 << 20  # bytes that are written at once even if no time has passed


class Recorder:
    """Writes a recording; a context manager. The file is there, with its header, from the start.

    flush_s: what a kill may cost, in seconds; 0 hands over every frame at once. sync: also wait until the disk has
    it, for machines whose power is cut. For the other arguments see Header; credentials in `source` are left out.
    Raises OutputError; when the disk fills up, what was cut is taken back, so that the file stays readable, and every
    later write raises too. Belongs to one thread.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        skeleton: Skeleton = COCO17,
        model: str = "",
        spec_sha256: str = "",
        source: str = "",
        settings: Mapping[str, Any] | None = None,
        flush_s: float = 2.0,
        sync: bool = False,
    ) -> None:
        self.path, self.frames, self._skeleton = Path(path), 0, skeleton
        self._flush_s, self._sync = flush_s, sync
        self._waiting, self._size, self._due = bytearray(), 0, 0.0
        self._pack = zlib.compressobj(6, zlib.DEFLATED, 31) if self.path.suffix == ".gz" else None
        header = Header(skeleton, model, spec_sha256, source, settings or {}, _versions(), _now())
        first = line_of_header(header)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except (OSError, ValueError) as err:  # ValueError: a NUL in the name
            raise self._failed(err) from err
        self._append(first)
        self.flush()

    def write(
        self,
        index: int,
        time_s: float,
        frame_hw: tuple[int, int],
        poses: Poses,
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep one frame: what the network gave, and what was decided on it (ids, events, what was given up)."""
        if self._file.closed:
            raise OutputError(f"cannot write {self.path}: it is closed")
        if poses.skeleton != self._skeleton:
            wanted, got = self._skeleton, poses.skeleton
            raise ShapeError(
                f"poses must be of the recording's skeleton {wanted.name} ({len(wanted)} joints), "
                f"got {got.name} ({len(got)} joints)"
            )
        self._append(line_of_frame(Row(index, time_s, frame_hw, poses, decisions or {})))
        self.frames += 1
        if len(self._waiting) > WAITING or time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Hand everything written so far to the system."""
        if self._pack:
            self._waiting += self._pack.flush(zlib.Z_SYNC_FLUSH)
        self._spill()
        self._due = time.monotonic() + self._flush_s

    def close(self, decisions: Mapping[str, Any] | None = None) -> None:
        """Write the end line, with what was decided after the last frame, and close. Closing twice is fine."""
        if self._file.closed:
            return
        try:
            self._append(text({"end": self.frames, "d": decisions or {}}))
            if self._pack:
                self._waiting += self._pack.flush(zlib.Z_FINISH)
            self._spill()
        finally:
            self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None or not issubclass(kind, Exception):  # to be stopped (Ctrl-C) is no accident
            self.close()
        elif not self._file.closed:  # no end line: the reader is told that more was to come
            with contextlib.suppress(OutputError):  # another error is on its way
                self.flush()
            self._file.close()

    def _append(self, line: str) -> None:
        data = line.encode("utf-8") + b"\n"
        self._waiting += self._pack.compress(data) if self._pack else data

    def _spill(self) -> None:
        try:
            left = memoryview(bytes(self._waiting))
            while left:  # a disk that fills up takes a part first, and says why the rest does not go with the next try
                written = self._file.write(left)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                left = left[written:]
            self._size += len(self._waiting)
            self._waiting.clear()
            if self._sync:
                os.fsync(self._file.fileno())
        except OSError as err:
            with contextlib.suppress(OSError):  # a pipe takes nothing back; the first error is the one to tell
                self._file.truncate(self._size)
            self._file.close()
            raise self._failed(err) from err

    def _failed(self, err: Exception) -> OutputError:
        return OutputError(f"cannot write {self.path}: {getattr(err, 'strerror', None) or err}")


def _versions() -> dict[str, str]:
    from edge_pose import __version__

    return {"edge_pose": __version__, "numpy": np.__version__, "python": platform.python_version()}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

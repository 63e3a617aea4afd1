"""Events as JSON lines that survive a kill, a power cut and a year."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from edge_pose.errors import OutputError

log = logging.getLogger(__name__)


class EventLog:
    """Appends lines to a file, synced to the disk before `append` returns.

    When the file would grow beyond max_bytes it becomes path.1, path.1 becomes path.2, and so on up to path.{keep};
    the oldest is removed. keep=0 never rotates. A file that others moved or removed is begun anew. A last line that was
    cut off by a power failure is taken away at the start, and told in the log; a whole one without its line end gets
    it. Raises OutputError with the path.
    """

    def __init__(self, path: Path, *, max_bytes: int = 10 << 20, keep: int = 5) -> None:
        self.path, self._max_bytes, self._keep = path, max_bytes, keep
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; give the name of a file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
            self._repair()
        except OSError as err:
            raise _failed(path, err) from err

    def append(self, lines: Sequence[str]) -> None:
        """Write lines (without their ends) and wait until they are on the disk. A full disk leaves none of them."""
        data = b"".join(line.encode() + b"\n" for line in lines)
        try:
            if self._regular and not self._there():
                self._file.close()
                self._file = self._open()
            if self._keep and self._regular and self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            written = self._file.write(data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._regular:
                os.fsync(self._file.fileno())
            self._size += written
        except OSError as err:
            self._take_back()
            raise _failed(self.path, err) from err

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()

    def _there(self) -> bool:
        """Whether the file still has its name: what is written into a removed one is nowhere."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> BinaryIO:
        file = self.path.open("ab", buffering=0)
        self._regular = self.path.is_file()  # a pipe or terminal has no size, no past and no disk under it
        self._size = file.tell() if self._regular else 0
        if self._regular:
            _sync_folder(self.path.parent)
        return file

    def _repair(self) -> None:
        if not (self._regular and self._size):
            return
        with self.path.open("rb") as file:
            start = max(0, self._size - (1 << 20))
            file.seek(start)
            tail = file.read()
        if tail.endswith(b"\n"):
            return
        cut = tail.rpartition(b"\n")[2]
        if cut.startswith(b"{") and cut.endswith(b"}"):
            self.append([""])
            return
        log.warning("%s ended in a line that was cut off (%d bytes), which is removed", self.path, len(cut))
        self._size -= len(cut)
        self._file.truncate(self._size)
        os.fsync(self._file.fileno())

    def _take_back(self) -> None:
        if not self._regular:
            return
        try:
            self._file.truncate(self._size)
        except OSError as err:
            log.error("cannot take back half a line of %s: %s", self.path, err.strerror or err)

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file.close()
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path if number == 0 else self.path.with_name(f"{self.path.name}.{number}")


def _sync_folder(folder: Path) -> None:
    """Make names of files last; some file systems cannot, and need not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as err:
        if err.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _failed(path: Path, err: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {err.strerror or err}")

"""Files that are whole or not there, and that are never the input."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from edge_pose.errors import OutputError


def prepare_folder(folder: Path) -> Path:
    """Create the folder if need be, and try without leaving a trace whether it takes files. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except FileExistsError as err:
        raise OutputError(f"cannot write into {folder}: it is a file, not a folder") from err
    except OSError as err:
        raise failed(folder, err) from err


def prepare_file(path: Path, *, whole: bool = False) -> Path:
    """Check that a file can be written at a path, without changing one that is there; returns where links lead to.

    whole: it is to be replaced by a finished one, so it is the folder that must be writeable.
    """
    try:
        if path.is_file() or not path.exists():  # links of /proc to pipes (`--json /dev/stdout | jq`) lead nowhere
            path = path.resolve()
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; give the name of a file")
        if not path.exists() or (whole and path.is_file()):
            prepare_folder(path.parent)
        elif path.is_file():
            path.open("ab").close()  # does not truncate
        elif not os.access(path, os.W_OK):  # a device or pipe: opening it could wait for a reader
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OutputError:
        raise
    except (OSError, RuntimeError) as err:  # RuntimeError: links in a circle, before Python 3.13
        raise failed(path, err) from err
    return path


def part_of(path: Path) -> Path:
    """Return the hidden name under which a file grows. The suffix stays, because OpenCV picks the format by it."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


def refuse_input(path: Path, source: str) -> None:
    """Raise OutputError where writing would overwrite the very file that is being read."""
    if path.exists() and source and os.path.exists(source) and path.samefile(source):  # noqa: PTH110 - any string
        raise OutputError(f"cannot write {path}: it is the input; choose another name")


def failed(path: Path, err: BaseException) -> OutputError:
    """Return an OutputError that names the file and the reason."""
    reason = (err.strerror if isinstance(err, OSError) else None) or str(err) or type(err).__name__
    return OutputError(f"cannot write {path}: {reason}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and then rename it, so that it is never seen half-written."""
    part = part_of(path)
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as err:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            part.unlink(missing_ok=True)
        raise failed(path, err) from err


class Records:
    """A file that grows by whole records, each in one system call, so that a kill cannot cut one in two.

    The file is created by the first record: what was there before stays until then. whole: grow under a temporary name
    and appear only at commit(). Raises OutputError; when the disk is full, the cut record is taken back first.
    """

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self.path = prepare_file(path, whole=whole)
        replaces = whole and (self.path.is_file() or not self.path.exists())  # a device is never replaced by a file
        self._grows_at = part_of(self.path) if replaces else self.path
        self._file: BinaryIO | None = None
        self._size = 0
        self.closed = False

    @property
    def started(self) -> bool:
        """Whether there is a file of ours yet."""
        return self._file is not None

    @property
    def size(self) -> int:
        """Bytes written. Asked from the file, because Ctrl-C may come between writing and counting."""
        if self._file is None or self._file.closed:
            return self._size
        return os.fstat(self._file.fileno()).st_size or self._size  # a pipe has no size

    def append(self, record: bytes) -> None:
        """Write one record."""
        if self.closed:
            raise OutputError(f"cannot write {self.path}: it is closed")
        try:
            if self._file is None:
                self._file = self._grows_at.open("wb", buffering=0)
            written = self._file.write(record)
            if written != len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += written
        except OSError as err:
            if self._file is not None:
                with contextlib.suppress(
                    OSError
                ):  # a pipe cannot take anything back; the first error is the one to tell
                    self._file.truncate(self._size)
                    self._file.seek(self._size)
            raise failed(self.path, err) from err

    def commit(self) -> None:
        """Finish: the file has its final name."""
        self.closed = True
        if self._file is None or self._file.closed:
            return
        try:
            self._file.close()
            if self._grows_at != self.path:
                self._grows_at.replace(self.path)
        except OSError as err:
            raise failed(self.path, err) from err

    def discard(self) -> None:
        """Close; a file that grew under a temporary name is removed."""
        self.closed = True
        if self._file is None or self._file.closed:
            return
        with contextlib.suppress(OSError):  # called while another error is on its way
            self._file.close()
            if self._grows_at != self.path:
                self._grows_at.unlink(missing_ok=True)

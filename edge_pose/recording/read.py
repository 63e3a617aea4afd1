"""`read_recording`: a recording's header and frames. The file is untrusted: lines are capped, nothing is unpickled."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from edge_pose.errors import RecordingError, SourceError
from edge_pose.recording.layout import MAX_LINE, Header, Row, header_of, row_of

CHUNK = 1 << 16
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Recording:
    """A recording that was opened: its header, and its frames by iteration, as often as one likes.

    complete: the last iteration came to an end line; without one the recorder was killed, and what it flushed is here.
    torn: the last line or the end of the compressed data was cut; the frames before it are whole. finish: what was
    decided after the last frame. Iteration raises SourceError where the file cannot be read, RecordingError naming
    the line where it is no recording.
    """

    path: Path
    header: Header
    complete: bool = field(default=False, init=False)
    torn: bool = field(default=False, init=False)
    finish: Mapping[str, Any] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[Row]:
        self.complete, self.torn, self.finish = False, False, {}
        lines = _lines(self.path)
        next(lines, None)  # the header
        frames = 0
        for number, (line, whole) in enumerate(lines, 2):
            if not whole:
                self.torn = True
                log.warning("%s ends in the middle of line %d: %d whole frames before it", self.path, number, frames)
                return
            with _at(self.path, number):
                if self.complete:
                    raise RecordingError("it goes on after its end line")
                table = _table(line)
                if "end" in table:
                    self._end(table, frames)
                    continue
                row = row_of(table, self.header.skeleton)
            frames += 1
            yield row
        if not self.complete:
            log.warning("%s has no end line, its recorder was stopped: %d frames", self.path, frames)

    def _end(self, table: Mapping[str, Any], frames: int) -> None:
        if table["end"] != frames:
            raise RecordingError(f"its end line counts {table['end']!r} frames, it has {frames}")
        decisions = table.get("d", {})
        if not isinstance(decisions, dict):
            raise RecordingError(f"d must be a table of decisions, got {type(decisions).__name__}")
        self.complete, self.finish = True, decisions


class _at:
    """Says in a RecordingError which line of which file it is about."""

    def __init__(self, path: Path, number: int) -> None:
        self.where = f"{path}, line {number}"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecordingError):
            raise RecordingError(f"{self.where}: {error}") from error


def read_recording(path: str | Path) -> Recording:
    """Open a recording and read its header. Raises SourceError, RecordingError."""
    path = Path(path)
    with _at(path, 1):
        line, whole = next(_lines(path), (b"", False))
        if not whole:
            raise RecordingError("it is no recording: its first line does not end")
        return Recording(path, header_of(_table(line)))


def _table(line: bytes) -> dict[str, Any]:
    try:
        table = json.loads(line)
    except (ValueError, RecursionError) as err:  # ValueError: no JSON, no UTF-8, or a number of thousands of digits
        raise RecordingError(f"no valid JSON: {err}") from err
    if not isinstance(table, dict):
        raise RecordingError(f"a line must be a table, got {type(table).__name__}")
    return table


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, and whether they had one."""
    rest = b""
    try:
        with path.open("rb") as file:
            for data in _unpacked(file):
                *whole, rest = (rest + data).split(b"\n")
                yield from ((line, True) for line in whole)
                if len(rest) > MAX_LINE:
                    raise RecordingError(f"{path} has a line of more than {MAX_LINE} bytes: it is no recording")
    except OSError as err:
        raise SourceError(f"cannot read {path}: {err.strerror or err}") from err
    if rest:
        yield rest, False


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Chunks of a plain or gzip file. Cut compressed data end where they are cut; broken data raise RecordingError."""
    first = file.read(CHUNK)
    if first[:2] != b"\x1f\x8b":
        while first:
            yield first
            first = file.read(CHUNK)
        return
    unpack = zlib.decompressobj(31)
    try:
        while first and not unpack.eof:
            yield unpack.decompress(first, CHUNK)
            first = unpack.unconsumed_tail or file.read(CHUNK)
    except zlib.error as err:
        raise RecordingError(f"its compressed data are broken: {err}") from err

"""How complete a video file is, told from the lengths that the file itself declares."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_pose.errors import SourceError

MAX_BOXES = 100_000  # a fragmented recording of a day has fewer; a hostile file may have more


@dataclass(frozen=True, slots=True)
class Container:
    """exact: the declared number of frames is a count, not duration x rate. index: decoders find what they need.

    missing: bytes that the file declares and does not have.
    """

    exact: bool = False
    index: bool = True
    missing: int = 0


def inspect(path: Path) -> Container:
    """Look at the outermost lengths of an MP4, QuickTime or AVI file; anything else is Container().

    Raises SourceError when the file cannot be read. Source: ISO/IEC 14496-12 section 4.2 (boxes); RIFF.
    """
    try:
        with path.open("rb") as file:
            return _inspect(file, path.stat().st_size)
    except OSError as err:
        raise SourceError(f"cannot read {path}: {err.strerror or err}") from err


def _inspect(file: BinaryIO, size: int) -> Container:
    head = file.read(16)
    if head[:4] == b"RIFF" and len(head) >= 8:
        return Container(exact=True, missing=max(0, struct.unpack_from("<I", head, 4)[0] + 8 - size))
    if head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free"):
        return Container()
    ends: dict[bytes, int] = {}  # where the last box of each kind ends
    at = 0
    for _ in range(MAX_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        if length == 0:  # to the end of the file, wherever that is
            length = size - at
        if length < 8:
            break
        at += length
        ends[kind] = at
    return Container(exact=b"moof" not in ends, index=ends.get(b"moov", size + 1) <= size, missing=max(0, at - size))


def why_nothing(container: Container) -> str:
    """Say why nothing of the file can be decoded, as far as its lengths tell; else ""."""
    cut = f"the file is cut off, {container.missing} bytes are missing at its end"
    if container.index:
        return cut if container.missing else ""
    if container.missing:
        return f"{cut} and with them the index (moov)"
    return "it has no index (moov), so its recording was not finished"

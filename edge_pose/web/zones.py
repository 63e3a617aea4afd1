"""Zones of the room that people draw on the page: checked, and kept in a file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edge_pose.errors import SpecError, WebError
from edge_pose.sinks.files import prepare_file, write_whole
from edge_pose.strict import read

Kind = Literal["bed", "sofa", "ignore"]
KINDS: tuple[str, ...] = get_args(Kind)
Point = tuple[float, float]
MOST_ZONES, MOST_POINTS, LONGEST_NAME = 32, 64, 60
MOST_BYTES = 128 << 10


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the picture. polygon: at least three corners, x before y, in fractions of the frame (0 to 1)."""

    name: str
    kind: Kind
    polygon: tuple[Point, ...]

    def __post_init__(self) -> None:
        name = self.name.strip()
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise SpecError(f"name must have 1 to {LONGEST_NAME} printable characters, got {self.name!r}")
        object.__setattr__(self, "name", name)
        if not 3 <= len(self.polygon) <= MOST_POINTS:
            raise SpecError(f"polygon of {name!r} must have 3 to {MOST_POINTS} corners, got {len(self.polygon)}")
        for point in self.polygon:
            if not all(math.isfinite(value) and 0 <= value <= 1 for value in point):
                raise SpecError(f"polygon of {name!r} must be in fractions of the frame, 0 to 1, got {list(point)}")


@dataclass(frozen=True, slots=True)
class _Document:
    zones: tuple[Zone, ...]


def zones_of(document: Any) -> tuple[Zone, ...]:
    """Check a list of zones, or `{"zones": [...]}`. Raises SpecError naming the field that is wrong."""
    table = {"zones": document} if isinstance(document, list) else document
    zones = read(_Document, table).zones
    if len(zones) > MOST_ZONES:
        raise SpecError(f"there may be {MOST_ZONES} zones, got {len(zones)}")
    return zones


def zones_from(data: bytes) -> tuple[Zone, ...]:
    """Read JSON of a stranger. Raises SpecError."""
    if len(data) > MOST_BYTES:
        raise SpecError(f"zones may take {MOST_BYTES} bytes, got more")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise SpecError(f"zones must be JSON: {err}") from err
    return zones_of(document)


def plain(zones: tuple[Zone, ...]) -> list[dict[str, Any]]:
    """Return zones as JSON values."""
    return [asdict(zone) for zone in zones]


class ZoneFile:
    """The file of the zones. It is read once, and written as a whole whenever the page saves.

    A file that is not there yet stands for no zones. Raises WebError when it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.zones = zones_from(file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            self.zones = ()
            prepare_file(path, whole=True)
        except OSError as err:
            raise WebError(f"cannot read the zones in {path}: {err.strerror or err}") from err
        except SpecError as err:
            raise WebError(f"the zones in {path} are wrong: {err}") from err

    def save(self, zones: tuple[Zone, ...]) -> None:
        """Write the file and take the zones over. Raises OutputError, and nothing has changed."""
        rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in plain(zones))
        text = f"[\n  {rows}\n]\n" if rows else "[]\n"
        write_whole(self.path.resolve(), text.encode())
        self.zones = zones

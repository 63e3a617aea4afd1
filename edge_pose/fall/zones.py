"""Zones: polygons in the picture, as over a bed, where more is asked for before an alarm, or none is raised."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_pose.errors import SpecError
from edge_pose.strict import from_file, read

Kind = Literal["bed", "sofa", "ignore"]
Effect = Literal["raise", "mute"]
EFFECTS: dict[Kind, Effect] = {"bed": "raise", "sofa": "raise", "ignore": "mute"}
MAX_BYTES, MAX_ZONES, MAX_CORNERS = 1 << 20, 200, 200


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon (x, y) in parts of the frame's width and height, so that it fits every size of the same picture.

    kind: on a "bed" or a "sofa" more is asked for before an alarm, and "ignore" raises none. Corners a little outside
    the frame are fine. Raises SpecError, also for a zone of which nothing is in the frame.
    """

    name: str
    kind: Kind
    polygon: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.polygon) <= MAX_CORNERS:
            raise SpecError(f"a zone must have 3 to {MAX_CORNERS} corners, got {len(self.polygon)}")
        if not all(math.isfinite(v) and -0.5 <= v <= 1.5 for corner in self.polygon for v in corner):
            raise SpecError(
                f"zone {self.name!r}: corners are parts of width and height, from 0 to 1; is this in pixels?"
            )
        if any(max(side) <= 0 or min(side) >= 1 for side in zip(*self.polygon, strict=True)):
            raise SpecError(f"zone {self.name!r} lies outside the frame, whose corners are (0, 0) and (1, 1)")

    def holds(self, x: float, y: float) -> bool:
        """Whether a point, in parts of the frame, is inside (even-odd rule)."""
        inside = False
        for (x1, y1), (x2, y2) in zip(self.polygon, self.polygon[1:] + self.polygon[:1], strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
        return inside


@dataclass(frozen=True, slots=True)
class _Document:
    zones: tuple[Zone, ...]


def zones_from_json(text: str) -> tuple[Zone, ...]:
    """Read `[{"name": "bed", "kind": "bed", "polygon": [[0.1, 0.5], …]}, …]`, as the page of --web writes it.

    The list may also stand in a table, as `{"zones": [...]}`. Raises SpecError.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise SpecError(f"zones must be JSON: {err}") from err
    if isinstance(values, list):
        values = {"zones": values}
    if not isinstance(values, dict) or "zones" not in values:
        raise SpecError('zones must be a list, or a table {"zones": [...]}')
    zones = read(_Document, values).zones
    if len(zones) > MAX_ZONES:
        raise SpecError(f"there must be at most {MAX_ZONES} zones, got {len(zones)}")
    return zones


def zones_from_file(path: Path) -> tuple[Zone, ...]:
    """Read a zones file. Raises SpecError that names it."""
    return from_file(path, "zones", zones_from_json, MAX_BYTES)


def effect_at(zones: Sequence[Zone], x: float, y: float, frame_hw: tuple[int, int]) -> Effect | None:
    """Return the strongest effect at a point in pixels: mute before raise, None outside all zones."""
    found = {EFFECTS[zone.kind] for zone in zones if zone.holds(x / frame_hw[1], y / frame_hw[0])}
    return "mute" if "mute" in found else "raise" if found else None

"""The file of the zones that people draw on the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_pose.errors import SpecError, WebError
from edge_pose.fall.zones import MAX_BYTES, Zone, zones_from_file, zones_from_json
from edge_pose.sinks.files import prepare_file, write_whole

__all__ = ["MAX_BYTES", "Zone", "ZoneFile", "drawn_zones", "plain"]
LONGEST_NAME = 60


def drawn_zones(data: bytes) -> tuple[Zone, ...]:
    """Read what a browser sends: zones as in their file, each with a name that can be shown. Raises SpecError."""
    try:
        zones = zones_from_json(data.decode())
    except UnicodeDecodeError as err:
        raise SpecError(f"zones must be UTF-8: {err}") from err
    for zone in zones:
        if not (zone.name.strip() and zone.name.isprintable() and len(zone.name) <= LONGEST_NAME):
            raise SpecError(f"a zone's name must have 1 to {LONGEST_NAME} printable characters, got {zone.name!r}")
    return zones


def plain(zones: tuple[Zone, ...]) -> list[dict[str, Any]]:
    """Return zones as JSON values."""
    return [asdict(zone) for zone in zones]


class ZoneFile:
    """Zones in a file that is read once, and written as a whole whenever the page saves.

    A file that is not there yet stands for no zones. Raises WebError when it cannot be read, OutputError when it could
    not be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = prepare_file(path, whole=True)
        self.zones: tuple[Zone, ...] = ()
        if path.exists():
            try:
                self.zones = zones_from_file(path)
            except SpecError as err:
                raise WebError(f"the zones cannot be used: {err}") from err

    def save(self, zones: tuple[Zone, ...]) -> None:
        """Write the file and take the zones over. Raises OutputError, and nothing has changed."""
        rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in plain(zones))
        write_whole(self.path, (f"[\n  {rows}\n]\n" if rows else "[]\n").encode())
        self.zones = zones

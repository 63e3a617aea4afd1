"""What the files of a folder of results are called."""

from __future__ import annotations

from pathlib import Path

from edge_pose.frames import Frame


class Names:
    """Gives every frame a name of its own: a picture's own stem, a video's stem and the frame's number in 12 digits.

    Pictures of the same stem (a.jpg beside a.png, or from two folders) get the number as well, from the second on.
    """

    def __init__(self, *, stills: bool) -> None:
        self._stills = stills
        self._taken: set[str] = set()

    def of(self, frame: Frame) -> str:
        """Return the name, without suffix."""
        stem = Path(frame.source).stem or "frame"
        name = stem if self._stills else f"{stem}_{frame.index:012d}"
        if name in self._taken:
            name = f"{stem}_{frame.index:012d}"
        self._taken.add(name)
        return name

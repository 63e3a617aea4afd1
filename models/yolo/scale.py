"""The sizes n, s, m, l, x of one version: how much deeper and wider than its plan each is."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_pose.errors import SpecError


@dataclass(frozen=True)
class Scale:
    """Multipliers of the plan's depths and widths; its widths are cut at `limit` first. light: with simpler blocks."""

    depth: float
    width: float
    limit: int = 1024
    light: bool = False

    def channels(self, planned: int) -> int:
        """Return the width of a layer: a multiple of 8, rounded up."""
        return -(-int(min(planned, self.limit) * self.width) // 8) * 8

    def repeats(self, planned: int) -> int:
        """Return how often a block is repeated, at least once."""
        return max(round(planned * self.depth), 1)


def scale_of(scales: Mapping[str, Scale], size: str) -> Scale:
    """Return the scale of that name; raises SpecError naming those there are."""
    if size not in scales:
        raise SpecError(f"size must be one of {', '.join(scales)}, got {size!r}")
    return scales[size]


def check_counts(classes: int, keypoints: int = 0) -> None:
    """Raise SpecError unless there is a class to find and no negative number of keypoints."""
    if classes < 1:
        raise SpecError(f"classes must be 1 or more, got {classes}")
    if keypoints < 0:
        raise SpecError(f"keypoints must be 0 (detection) or more, got {keypoints}")

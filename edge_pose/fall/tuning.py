"""What other thresholds would have told: sensitivity against false alarms, from recordings alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from edge_pose.fall.config import FallConfig
from edge_pose.fall.detector import FallDetector
from edge_pose.fall.evaluation import Clip, Figures, figures, judge
from edge_pose.fall.event import FallEvent
from edge_pose.fall.watch import Moment
from edge_pose.fall.zones import Zone
from edge_pose.track import Tracker

PLUNGES = ("plunge", "plunge_low", "plunge_seat", "plunge_raised", "plunge_lost")
FACTORS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)
DWELLS_S = (0.3, 0.7, 1.5)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting and what it gave: all plunges times factor, confirm_s as it says."""

    factor: float
    confirm_s: float
    figures: Figures


def tracked(rows: Iterable[Moment]) -> list[Moment]:
    """Give a recording's people their ids, once for all settings."""
    tracker = Tracker()
    return [(time_s, hw, tracker.update(poses, time_s)) for time_s, hw, poses in rows]


def sweep(
    clips: Sequence[tuple[Clip, Sequence[Moment]]],
    config: FallConfig = FallConfig(),  # noqa: B008 - frozen
    zones: Sequence[Zone] = (),
    *,
    factors: Sequence[float] = FACTORS,
    dwells_s: Sequence[float] = DWELLS_S,
    advance: Callable[[], None] = lambda: None,
) -> list[Point]:
    """Return the figures of every setting over clips with tracked recordings; advance is called after each setting."""
    points = []
    for confirm_s in dwells_s:
        for factor in factors:
            changed = {name: getattr(config, name) * factor for name in PLUNGES}
            tried = replace(config, confirm_s=confirm_s, **changed)
            verdicts = [judge(clip, _events(rows, tried, zones), rows[-1][0]) for clip, rows in clips]
            points.append(Point(factor, confirm_s, figures(verdicts)))
            advance()
    return points


def _events(rows: Sequence[Moment], config: FallConfig, zones: Sequence[Zone]) -> list[FallEvent]:
    detector = FallDetector(config, zones)
    events = [event for time_s, hw, poses in rows for event in detector.update(poses, time_s, hw)]
    return [*events, *detector.finish(rows[-1][0])]

"""Pictures of why an alarm was raised and of what other thresholds would have done; with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_pose.errors import EventError, MissingDependencyError, OutputError
from edge_pose.fall.event import FallEvent

if TYPE_CHECKING:
    from edge_pose.fall.tuning import Point

# Okabe and Ito's palette, which colour-blind people can tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
DPI = 110


def evidence_plot(event: FallEvent, path: Path) -> None:
    """Draw the seconds before an event: heights, descent and lean with their thresholds, into a PNG file.

    Raises EventError for an event without a feature series, OutputError, MissingDependencyError.
    """
    evidence = event.evidence
    series, limits = evidence.get("series"), evidence.get("thresholds")
    names = ("time_s", "shoulders", "hips", "head", "plunge", "hip_plunge", "lean")
    if not isinstance(series, dict) or not isinstance(limits, dict) or any(name not in series for name in names):
        raise EventError(f"the event {event.id} carries no feature series to draw")
    rows = {name: [float("nan") if v is None else float(v) for v in series[name]] for name in names}
    at = [t - event.time_s for t in rows["time_s"]]
    figure, (top, middle, low) = _subplots(3, (8.5, 7.5))
    for name, color in (("head", GREY), ("shoulders", BLUE), ("hips", ORANGE)):
        top.plot(at, rows[name], color=color, marker=".", markersize=3, label=name)
    _limit(top, limits["low_shoulders"], BLUE, "shoulders: low")
    _limit(top, limits["low_hips"], ORANGE, "hips: low")
    top.set_ylabel("height above the foot line\n(standing heights)")
    top.set_ylim(-0.3, 1.1)
    for name, color in (("plunge", BLUE), ("hip_plunge", ORANGE)):
        middle.plot(at, rows[name], color=color, marker=".", markersize=3, label=name.replace("_", " "))
    _limit(middle, limits["plunge"], BLUE, "quick descent")
    _limit(middle, limits["hip_drop"], ORANGE, "hips came down")
    middle.set_ylabel(f"came down within {limits['window_s']:g} s\n(standing heights)")
    low.plot(at, rows["lean"], color=GREEN, marker=".", markersize=3, label="torso from upright")
    _limit(low, limits["lean_deg"], GREEN, "level")
    low.set_ylabel("degrees")
    low.set_ylim(0, 180)
    low.set_xlabel("seconds before the event")
    descent = evidence.get("descent")
    for axes in (top, middle, low):
        axes.axvline(0, color=RED, linewidth=1.5)
        if isinstance(descent, dict):
            axes.axvline(descent["since_s"] - event.time_s, color=GREY, linestyle=":")
        axes.grid(alpha=0.25)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    who = f"person {event.track_id}, " if event.track_id >= 0 else ""
    figure.suptitle(
        f"{event.event} at {event.time_s:.2f} s: {evidence.get('rule', '')}\n"
        f"{who}confidence {event.confidence:.2f}{', ' + event.source if event.source else ''}",
        fontsize=11,
    )
    _save(figure, path)


def tuning_plot(points: Sequence[Point], path: Path, *, clips: int) -> None:
    """Draw sensitivity (candidates counted) against false alarms per hour, one line a dwell, into a PNG file."""
    figure, (axes,) = _subplots(1, (8.5, 5.2))
    dwells = sorted({p.confirm_s for p in points})
    for confirm_s, color, marker in zip(dwells, (BLUE, ORANGE, GREEN, RED, GREY), "osD^v", strict=False):
        line = [p for p in points if p.confirm_s == confirm_s]
        x = [p.figures.false_alarms_per_hour or 0.0 for p in line]
        y = [p.figures.sensitivity_with_candidates or 0.0 for p in line]
        axes.plot(x, y, color=color, marker=marker, markersize=5, label=f"confirmed after {confirm_s:g} s")
        placed: set[tuple[float, float]] = set()
        for p, a, b in zip(line, x, y, strict=True):
            if (a, b) not in placed and confirm_s == dwells[len(dwells) // 2]:
                placed.add((a, b))
                axes.annotate(f"×{p.factor:g}", (a, b), textcoords="offset points", xytext=(5, -11), fontsize=8)
    axes.set_xlabel("false alarms per hour of daily life")
    axes.set_ylabel("sensitivity, candidates counted")
    axes.set_ylim(-0.03, 1.05)
    axes.set_title(f"All plunge thresholds times the factor at the points; {clips} clips", fontsize=11)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def _limit(axes: Any, value: float, color: str, label: str) -> None:
    axes.axhline(value, color=color, linestyle="--", linewidth=1, alpha=0.7, label=f"{label} ({value:g})")


def _subplots(rows: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """Return a figure that belongs to no window system, and its axes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        if err.name != "matplotlib":
            raise
        raise MissingDependencyError("matplotlib is not installed; run: pip install 'edge-pose[fall]'") from err
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 1, squeeze=False, sharex=rows > 1)[:, 0]


def _save(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as err:
        raise OutputError(f"cannot write {path}: {err.strerror or err}") from err

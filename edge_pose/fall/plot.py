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
    """Draw sensitivity (candidates counted) against false alarms per hour, and both by factor, into a PNG file."""
    figure, (trade, by_factor) = _subplots(1, (11.0, 5.0), columns=2)
    dwells = sorted({p.confirm_s for p in points})
    for confirm_s, color, marker in zip(dwells, (BLUE, ORANGE, GREEN, RED, GREY), "osD^v", strict=False):
        line = [p for p in points if p.confirm_s == confirm_s]
        alarms = [p.figures.false_alarms_per_hour or 0.0 for p in line]
        found = [p.figures.sensitivity_with_candidates or 0.0 for p in line]
        quiet = [p.figures.specificity_with_candidates or 0.0 for p in line]
        style = {"color": color, "marker": marker, "markersize": 4}
        trade.plot(alarms, found, label=f"confirmed after {confirm_s:g} s", **style)
        by_factor.plot([p.factor for p in line], found, label=f"sensitivity, {confirm_s:g} s", **style)
        by_factor.plot([p.factor for p in line], quiet, linestyle=":", label=f"specificity, {confirm_s:g} s", **style)
        if confirm_s == dwells[len(dwells) // 2]:
            for (x, y), factors in _together(line, alarms, found).items():
                text = f"×{factors[0]:g}" + (f" to {factors[-1]:g}" if len(factors) > 1 else "")
                trade.annotate(text, (x, y), textcoords="offset points", xytext=(6, -11), fontsize=8)
    most = max([p.figures.false_alarms_per_hour or 0.0 for p in points], default=0.0)
    trade.set_xlim(-0.05 * max(most, 1.0), 1.15 * max(most, 1.0))
    trade.set_xlabel("false alarms per hour of daily life")
    trade.set_ylabel("sensitivity, candidates counted")
    by_factor.set_xlabel("factor on all plunge thresholds")
    by_factor.axvline(1.0, color=GREY, linewidth=1)
    for axes in (trade, by_factor):
        axes.set_ylim(-0.03, 1.05)
        axes.grid(alpha=0.25)
        axes.legend(loc="lower right" if axes is trade else "lower left", frameon=False, fontsize=8)
    figure.suptitle(f"Plunge thresholds times a factor, {clips} clips", fontsize=11)
    _save(figure, path)


def _together(
    line: Sequence[Point], alarms: Sequence[float], found: Sequence[float]
) -> dict[tuple[float, float], list[float]]:
    """Return which factors share a place in the plot."""
    places: dict[tuple[float, float], list[float]] = {}
    for point, x, y in zip(line, alarms, found, strict=True):
        places.setdefault((x, y), []).append(point.factor)
    return places


def _limit(axes: Any, value: float, color: str, label: str) -> None:
    axes.axhline(value, color=color, linestyle="--", linewidth=1, alpha=0.7, label=f"{label} ({value:g})")


def _subplots(rows: int, size: tuple[float, float], columns: int = 1) -> tuple[Any, Any]:
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
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=rows > 1).ravel()


def _save(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as err:
        raise OutputError(f"cannot write {path}: {err.strerror or err}") from err

"""How good a fall detector is: a manifest of clips, what was told about each, and the figures of all together.

A manifest is a CSV file: file, label ("fall" or "adl", daily life), and, where they are known, fall_start_s,
fall_end_s and activities such as "Sitting[0 to 2]; Falling (BW)[2 to 4]". Files are relative to the manifest.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_pose.errors import SpecError
from edge_pose.fall.event import FallEvent
from edge_pose.strict import nearest

LABELS = {"fall": True, "adl": False}
MAX_CLIPS = 100_000
CONFIRMED, CANDIDATE = "fall.confirmed", "fall.candidate"


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a manifest. fall_start_s, fall_end_s: None where they are not known, or nobody falls."""

    file: str
    path: Path
    fall: bool
    fall_start_s: float | None = None
    fall_end_s: float | None = None
    activities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a clip.

    outcome: "hit" (confirmed, in time), "candidate" (told when the clip ended), "missed", "early" (an alarm before
    the fall, which is an error whatever follows), "silent" (daily life, rightly), "false alarm", "false candidate".
    why: a line for what failed. delay_s, delay_after_end_s: from start and end of the fall to the confirmation.
    alarms: seconds of all confirmed falls; wrong_alarms: how many of them are errors; daily_s: seconds of daily life.
    """

    file: str
    label: str
    outcome: str
    why: str
    delay_s: float | None
    delay_after_end_s: float | None
    alarms: tuple[float, ...]
    rules: tuple[str, ...]
    wrong_alarms: int
    daily_s: float
    duration_s: float
    activities: tuple[str, ...]


def read_manifest(path: Path) -> tuple[Clip, ...]:
    """Read a manifest. Raises SpecError that names the line and the column."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in rows.fieldnames or ()]
            for needed in ("file", "label"):
                if needed not in names:
                    raise SpecError(f"{path}: there is no column {needed!r}; the first line has {', '.join(names)}")
            rows.fieldnames = names
            clips = tuple(_clip(path, rows.line_num, row) for row in rows)
    except OSError as err:
        raise SpecError(f"cannot read {path}: {err.strerror or err}") from err
    except (csv.Error, UnicodeDecodeError) as err:
        raise SpecError(f"{path} is no CSV file: {err}") from err
    if not 0 < len(clips) <= MAX_CLIPS:
        raise SpecError(f"{path} must name 1 to {MAX_CLIPS} clips, got {len(clips)}")
    return clips


def _clip(manifest: Path, line: int, row: dict[str, Any]) -> Clip:
    where = f"{manifest}, line {line}"
    file, label = (row["file"] or "").strip(), (row["label"] or "").strip().lower()
    if not file:
        raise SpecError(f"{where}: the file has no name")
    if label not in LABELS:
        raise SpecError(f"{where}: label {label!r} is unknown; {nearest(label, LABELS)}")
    fall = LABELS[label]
    start, end = (_seconds(where, name, row.get(name)) if fall else None for name in ("fall_start_s", "fall_end_s"))
    if start is not None and end is not None and end < start:
        raise SpecError(f"{where}: the fall ends at {end} s, before it starts at {start} s")
    names = (part.strip() for part in re.sub(r"\[.*?\]", "", row.get("activities") or "").split(";"))
    return Clip(file, manifest.parent / file, fall, start, end, tuple(dict.fromkeys(name for name in names if name)))


def _seconds(where: str, name: str, text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e7:
        raise SpecError(f"{where}: {name} must be seconds, got {text!r}")
    return value


def judge(clip: Clip, events: Iterable[FallEvent], duration_s: float) -> Verdict:
    """Compare what was told about a clip with what happened in it.

    Raises SpecError where the fall is said to start after the clip's end: the times are those of another film.
    """
    if clip.fall_start_s is not None and clip.fall_start_s > duration_s:
        raise SpecError(f"the fall starts at {clip.fall_start_s:g} s, and the clip ends at {duration_s:.2f} s")
    told = [e for e in events if e.event in (CONFIRMED, CANDIDATE)]
    alarms = tuple(e.time_s for e in told if e.event == CONFIRMED)
    candidates = tuple(e.time_s for e in told if e.event == CANDIDATE)
    start = clip.fall_start_s if clip.fall_start_s is not None else 0.0
    delay = after_end = None
    if not clip.fall:
        wrong, daily_s = len(alarms), duration_s
        outcome = "false alarm" if alarms else "false candidate" if candidates else "silent"
        why = f"told at {(alarms or candidates)[0]:.2f} s" if told else ""
    else:
        wrong, daily_s = sum(at < start for at in alarms), min(start, duration_s)
        right = [at for at in alarms if at >= start]
        if wrong:
            outcome, why = "early", f"alarm at {alarms[0]:.2f} s, before the fall at {start:g} s"
        elif right:
            outcome, why = "hit", ""
            if clip.fall_start_s is not None:
                delay = right[0] - clip.fall_start_s
            if clip.fall_end_s is not None:
                after_end = right[0] - clip.fall_end_s
        elif any(at >= start for at in candidates):
            outcome, why = "candidate", "the clip ended before it was confirmed"
        else:
            outcome, why = "missed", "nothing was told"
    rules = tuple(str(e.evidence.get("rule", "")) for e in told)
    if outcome not in ("hit", "silent") and rules:
        why += f" ({rules[0]})"
    return Verdict(
        clip.file,
        "fall" if clip.fall else "adl",
        outcome,
        why,
        delay,
        after_end,
        alarms,
        rules,
        wrong,
        daily_s,
        duration_s,
        clip.activities,
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all clips; None where there is nothing to divide by. Quantiles are of confirmed falls with known times."""

    sensitivity: float | None
    sensitivity_with_candidates: float | None
    specificity: float | None
    specificity_with_candidates: float | None
    false_alarms_per_hour: float | None
    delay_s: dict[str, float | None]
    delay_after_end_s: dict[str, float | None]
    clips: tuple[Verdict, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `fall eval --json`."""
        table = asdict(self)
        del table["delay_after_end_s"]
        return table


def figures(verdicts: Sequence[Verdict]) -> Figures:
    """Sum up. Falls before which there was an alarm count as missed."""
    falls = [v.outcome for v in verdicts if v.label == "fall"]
    daily = [v.outcome for v in verdicts if v.label == "adl"]
    hours = sum(v.daily_s for v in verdicts) / 3600
    return Figures(
        _share(falls, ("hit",)),
        _share(falls, ("hit", "candidate")),
        _share(daily, ("silent", "false candidate")),
        _share(daily, ("silent",)),
        sum(v.wrong_alarms for v in verdicts) / hours if hours else None,
        _quantiles([v.delay_s for v in verdicts]),
        _quantiles([v.delay_after_end_s for v in verdicts]),
        tuple(verdicts),
    )


def _share(outcomes: list[str], good: tuple[str, ...]) -> float | None:
    return sum(o in good for o in outcomes) / len(outcomes) if outcomes else None


def _quantiles(values: Sequence[float | None]) -> dict[str, float | None]:
    known = sorted(v for v in values if v is not None)
    return {name: _quantile(known, part) for name, part in (("p50", 0.5), ("p95", 0.95))}


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """Linear between the neighbours, as numpy does it; None of nothing."""
    if not ordered:
        return None
    at = part * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def confusion(verdicts: Sequence[Verdict]) -> list[tuple[str, int, int, int, int]]:
    """Return rows (activity, falls told, falls not told, daily life silent, daily life told), most frequent first.

    A clip counts for each activity in it; told is with candidates.
    """
    rows: dict[str, list[int]] = {}
    for v in verdicts:
        told = v.outcome in ("hit", "candidate", "false alarm", "false candidate")
        column = (0 if told else 1) if v.label == "fall" else (3 if told else 2)
        for name in v.activities or (v.label,):
            rows.setdefault(name, [0, 0, 0, 0])[column] += 1
    ordered = sorted(rows.items(), key=lambda item: (-sum(item[1]), item[0]))
    return [(name, *counts) for name, counts in ordered]  # type: ignore[misc]  # four of them

"""`edge-pose fall eval | tune | explain`: how good the watch is, what other thresholds would give, and why it told."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_pose.cli import check_interrupted, one_line
from edge_pose.cli.common import (
    Device,
    Engine,
    JsonFile,
    Spec,
    Threads,
    check_writable,
    progress,
    say,
    show_warnings,
    write_json,
)
from edge_pose.cli.fall import DEFAULT_MODEL, Confidence, ConfigFile, Model, ZonesFile, app, settings_of
from edge_pose.cli.stream import Detector
from edge_pose.errors import EventError, OutputError, RecordingError, ShapeError, SourceError, SpecError, TimeError

if TYPE_CHECKING:
    from edge_pose.estimators import Estimator
    from edge_pose.fall import FallDetector, FallEvent
    from edge_pose.fall.evaluation import Clip, Figures
    from edge_pose.fall.watch import Moment
    from edge_pose.recording import Recorder
    from edge_pose.sources import Source
    from edge_pose.track import TrackConfig

    Told = tuple[list[FallEvent], float]  # what was told, and when the clip ended

CLIP_ERRORS = (SourceError, RecordingError, TimeError, ShapeError, SpecError)  # about one clip; the others are judged
__all__ = ["app", "recording_of"]  # the group of fall.py, with the commands of this file in it

Manifest = Annotated[Path, typer.Argument(help="CSV: file, label (fall or adl), fall_start_s, fall_end_s, activities.")]
ReplayDir = Annotated[Path | None, typer.Option("--replay", help="Folder with recordings, instead of the network.")]


@app.command("eval")
def evaluate(
    manifest: Manifest,
    model: Model = DEFAULT_MODEL,
    detector: Detector = None,
    replay: ReplayDir = None,
    record: Annotated[Path | None, typer.Option(help="Keep recordings in this folder, for --replay.")] = None,
    json: JsonFile = None,
    zones: ZonesFile = None,
    config: ConfigFile = None,
    confidence: Confidence = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Measure sensitivity, specificity, false alarms per hour and delays on the clips of MANIFEST."""
    show_warnings()
    check_writable(json)
    if replay is not None and record is not None:
        raise typer.BadParameter("--replay reads recordings and --record makes them: one of both")
    from edge_pose.estimators import load
    from edge_pose.fall import FallDetector
    from edge_pose.fall.evaluation import figures, judge, read_manifest
    from edge_pose.fall.watch import CONFIDENCE, tracks_of

    settings, places = settings_of(config, zones)
    clips, tracks = read_manifest(manifest), tracks_of(confidence)
    if record is not None:
        _apart(clips, record)
    options: dict[str, Any] = {"detector": detector, "device": device, "engine": engine, "threads": threads}
    options |= {"spec": spec, "confidence": CONFIDENCE if confidence is None else confidence}
    estimator: Any = None if replay is not None else load(model, **options)
    verdicts, broken = [], []
    try:
        with progress(manifest.name, len(clips)) as bar:
            for clip in clips:
                try:
                    watcher = FallDetector(settings, places, clip.file)
                    told = (
                        _replayed(clip, replay, watcher, tracks)
                        if replay is not None
                        else _run(clip, estimator, watcher, tracks, record, model)
                    )
                    verdicts.append(judge(clip, *told))
                except CLIP_ERRORS as err:
                    broken.append(f"{clip.file}: {err}")
                bar.advance()
    finally:
        if estimator is not None:
            estimator.close()
    result = figures(verdicts)
    if json is not None and verdicts:
        write_json(json, result.to_dict())
    _report(result)
    for line in broken:
        say(one_line(f"not judged: {line}"))
    if broken:
        raise SourceError(f"{len(broken)} of {len(clips)} clips could not be judged: {broken[0]}")


@app.command("tune")
def tune(
    manifest: Manifest,
    replay: Annotated[Path, typer.Option("--replay", help="Folder with recordings (fall eval --record).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture (PNG).")] = Path("fall-tuning.png"),
    json: JsonFile = None,
    zones: ZonesFile = None,
    config: ConfigFile = None,
) -> None:
    """Plot sensitivity against false alarms per hour for other thresholds, from recordings."""
    show_warnings()
    check_writable(json)
    check_writable(output)
    from edge_pose.fall.evaluation import read_manifest
    from edge_pose.fall.plot import tuning_plot
    from edge_pose.fall.tuning import DWELLS_S, FACTORS, sweep, tracked

    settings, places = settings_of(config, zones)
    clips = []
    for clip in read_manifest(manifest):
        try:
            clips.append((clip, tracked(_recorded(clip, replay))))
        except (TimeError, ShapeError) as err:
            raise RecordingError(f"{clip.file}: {err}") from err
    with progress("settings", len(FACTORS) * len(DWELLS_S)) as bar:
        points = sweep(clips, settings, places, factors=FACTORS, dwells_s=DWELLS_S, advance=bar.advance)
    tuning_plot(points, output, clips=len(clips))
    rows = [
        {"factor": p.factor, "confirm_s": p.confirm_s, **{k: v for k, v in p.figures.to_dict().items() if k != "clips"}}
        for p in points
    ]
    if json is not None:
        write_json(json, rows)
    say(one_line(f"{len(points)} settings on {len(clips)} clips, drawn in {output}"))


@app.command("explain")
def explain(
    events: Annotated[Path, typer.Argument(help="Events as --events writes them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path(),
) -> None:
    """Draw why each fall was told: heights, descent and thresholds over time, a PNG an event."""
    from edge_pose.fall.event import FALLS, FallEvent
    from edge_pose.fall.plot import evidence_plot

    try:
        lines = events.read_bytes().splitlines()
    except OSError as err:
        raise SourceError(f"cannot read {events}: {err.strerror or err}") from err
    drawn = 0
    for number, line in enumerate(lines, 1):
        try:
            event = FallEvent.from_json(line)
        except EventError as err:
            raise EventError(f"{events}, line {number}: {err}") from err
        if event.event in FALLS:
            evidence_plot(event, output / f"{event.id}.png")
            drawn += 1
    say(one_line(f"{drawn} picture{'s' if drawn != 1 else ''} in {output}"))


def _run(
    clip: Clip, estimator: Estimator, watcher: FallDetector, tracks: TrackConfig, record: Path | None, model: str
) -> Told:
    """Run the network over a clip, and keep the poses if that was asked for."""
    from edge_pose.recording import Recorder
    from edge_pose.sources import open_source

    estimator.reset()
    with contextlib.ExitStack() as stack:
        frames = stack.enter_context(open_source(str(clip.path)))
        recorder = None
        if record is not None:
            recorder = stack.enter_context(Recorder(recording_of(clip, record), model=model, source=clip.file))
        return _watched(frames, estimator, watcher, tracks, recorder)


def _replayed(clip: Clip, folder: Path, watcher: FallDetector, tracks: TrackConfig) -> Told:
    """Run all but the network over a clip."""
    from edge_pose.pipeline import open_replay

    frames, estimator = open_replay(_recording(clip, folder))
    return _watched(frames, estimator, watcher, tracks)


def _watched(
    frames: Source,
    estimator: Estimator,
    watcher: FallDetector,
    tracks: TrackConfig,
    recorder: Recorder | None = None,
) -> Told:
    """Watch as `edge-pose fall` does."""
    from edge_pose.pipeline import Pipeline

    events: list[FallEvent] = []
    last_s: float | None = None
    with Pipeline(estimator, frames, track=tracks, fall=watcher, record=recorder) as stream:
        for result in stream:
            check_interrupted()
            events += result.events
            last_s = result.frame.time_s
        events += stream.ending
    if last_s is None:
        raise SourceError("there is not one frame to watch")
    return events, last_s


def recording_of(clip: Clip, folder: Path) -> Path:
    """Return where a clip's recording is kept: by its name without the ending, folders in it as they are."""
    name = Path(clip.file).with_suffix(".jsonl.gz")
    return folder.joinpath(*(part for part in name.parts if part not in ("..", name.anchor)))


def _apart(clips: Sequence[Clip], folder: Path) -> None:
    """Raise OutputError where two films would have one recording."""
    kept: dict[Path, Clip] = {}
    for clip in clips:
        other = kept.setdefault(recording_of(clip, folder), clip)
        if other.path != clip.path:
            raise OutputError(
                f"{other.file} and {clip.file} would both be recorded as {recording_of(clip, folder)}: rename one"
            )


def _recording(clip: Clip, folder: Path) -> Path:
    path = recording_of(clip, folder)
    if not path.is_file():
        raise SourceError(f"there is no recording {path}; make it with fall eval --record {folder}")
    return path


def _recorded(clip: Clip, folder: Path) -> list[Moment]:
    from edge_pose.recording import read_recording

    path = _recording(clip, folder)
    rows = [(row.time_s, row.frame_hw, row.poses) for row in read_recording(path)]
    if not rows:
        raise SourceError(f"{path} has not one frame")
    return rows


def _report(result: Figures) -> None:
    from edge_pose.fall.evaluation import confusion

    def part(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f} s"

    falls = sum(v.label == "fall" for v in result.clips)
    say(f"{len(result.clips)} clips, {falls} with a fall")
    say(f"sensitivity {part(result.sensitivity)}, with candidates {part(result.sensitivity_with_candidates)}")
    say(f"specificity {part(result.specificity)}, with candidates {part(result.specificity_with_candidates)}")
    rate = result.false_alarms_per_hour
    say(f"false alarms per hour of daily life: {'-' if rate is None else f'{rate:.1f}'}")
    for name, delays in (("start", result.delay_s), ("end", result.delay_after_end_s)):
        say(f"from the {name} of the fall: median {seconds(delays['p50'])}, p95 {seconds(delays['p95'])}")
    if result.clips:
        rows = confusion(result.clips)
        width = max(len(row[0]) for row in rows)
        say(f"{'activity':<{width}}  fall: told missed   daily life: silent told")
        for name, told, missed, silent, wrong in rows:
            say(one_line(f"{name:<{width}}       {told:5d} {missed:6d}               {silent:6d} {wrong:4d}"))
    for v in result.clips:
        if v.outcome not in ("hit", "silent"):
            say(one_line(f"{v.file}: {v.outcome}: {v.why}"))

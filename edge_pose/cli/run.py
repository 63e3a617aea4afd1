"""`edge-pose run`: everybody's joints in a picture, a folder or a video, on screen and in files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge_pose.cli import one_line
from edge_pose.cli.common import Device, Engine, Spec, Threads, is_stdout, progress, say, show_warnings

if TYPE_CHECKING:
    from edge_pose.pipeline import Summary

Format = Literal["jsonl", "coco", "openpose", "csv"]


def run(
    model: Annotated[str, typer.Argument(help="Name (edge-pose models list) or path of a model.")],
    source: Annotated[str, typer.Argument(help="A picture, a folder, a pattern like '*.jpg', or a video.")],
    detector: Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")] = None,
    video: Annotated[Path | None, typer.Option(help="Write the annotated video, picture or folder here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the poses here.")] = None,
    format: Annotated[Format, typer.Option(help="Of --json.")] = "jsonl",
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    max_people: Annotated[int | None, typer.Option(min=1, help="The best so many per frame.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a person.")] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Find everybody's joints in SOURCE with MODEL."""
    show_warnings()
    from edge_pose.estimators import load
    from edge_pose.pipeline import Summary
    from edge_pose.pipeline import run as run_frames
    from edge_pose.sinks import open_sinks
    from edge_pose.sources import open_source

    summary = Summary()
    with contextlib.ExitStack() as stack:
        frames = stack.enter_context(open_source(source, max_frames=max_frames))
        estimator = stack.enter_context(
            load(
                model,
                detector=detector,
                device=device,  # type: ignore[arg-type]  # checked by load
                engine=engine,
                threads=threads,
                spec=spec,
                confidence=confidence,
                max_people=max_people,
            )
        )
        sinks = stack.enter_context(
            open_sinks(
                json_path=json,
                format=format,
                video_path=video,
                fps=frames.fps,
                count=frames.count,
                stills=frames.stills,
            )
        )
        bar = stack.enter_context(progress(frames.name, frames.count))
        try:
            for result in run_frames(frames, estimator, sinks):
                summary.add(result)
                bar.advance()
        except KeyboardInterrupt:
            done = f"interrupted after {_count(summary.frames, 'frame')}; what was written is complete up to there"
            say(done, aside=is_stdout(json))
            raise
        problems = len(frames.problems)
    report(summary, problems, [path for path in (json, video) if path is not None], aside=is_stdout(json))


def report(summary: Summary, problems: int, written: list[Path], *, aside: bool = False) -> None:
    """Say what was done, in one or two lines; aside: on stderr."""
    times = sorted(summary.total_ms)
    middle = f", {times[len(times) // 2]:.1f} ms a frame (median)" if times else ""
    trouble = f", {problems} problem{'s' if problems != 1 else ''} (see above)" if problems else ""
    say(f"{_count(summary.frames, 'frame')}, {_count(summary.people, 'pose')}{middle}{trouble}", aside=aside)
    if written:
        say(one_line(f"written: {', '.join(map(str, written))}"), aside=aside)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

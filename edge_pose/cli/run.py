"""`edge-pose run`: everybody's joints in pictures, a video or a live stream, on screen, in files and on a page."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge_pose.cli import check_interrupted, one_line
from edge_pose.cli.common import Device, Engine, Spec, Threads, is_stdout, progress, say, show_warnings

if TYPE_CHECKING:
    from edge_pose.pipeline import Summary

Format = Literal["jsonl", "coco", "openpose", "csv"]
TURN_S = 0.5  # how long to wait for a result before looking whether somebody wants to stop


def run(
    model: Annotated[str, typer.Argument(help="Name (edge-pose models list) or path of a model.")],
    source: Annotated[str, typer.Argument(help="A picture, a folder, a pattern like '*.jpg', or a video.")],
    detector: Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Give people ids that stay theirs.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the joints; also tracks.")] = False,
    video: Annotated[Path | None, typer.Option(help="Write the annotated video, picture or folder here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the poses here.")] = None,
    format: Annotated[Format, typer.Option(help="Of --json.")] = "jsonl",
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    max_people: Annotated[int | None, typer.Option(min=1, help="The best so many per frame.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a person.")] = None,
    budget_ms: Annotated[float | None, typer.Option(help="What a frame may take; less is done to keep it.")] = None,
    detect_every: Annotated[int, typer.Option(min=1, help="Frames between two detections; needs --track.")] = 1,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Find everybody's joints in SOURCE with MODEL."""
    show_warnings()
    from edge_pose.estimators import load
    from edge_pose.pipeline import Pipeline, Summary
    from edge_pose.sinks import open_sinks
    from edge_pose.sources import open_source

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
        stream = stack.enter_context(
            Pipeline(
                estimator,
                frames,
                track=track,
                smooth=smooth,
                sinks=sinks.sinks,
                budget_ms=budget_ms,
                detect_every=detect_every,
            )
        )
        bar = stack.enter_context(progress(frames.name, frames.count))
        summary = Summary()
        try:
            while not stream.ended:
                result = stream.poll(TURN_S)
                check_interrupted()
                if result is not None:
                    summary.add(result)
                    bar.advance()
        except KeyboardInterrupt:
            stream.close()
            done = stream.counters["written"] if sinks.sinks else summary.frames
            say(
                f"interrupted after {_count(done, 'frame')}; what was written is complete up to there",
                aside=is_stdout(json),
            )
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

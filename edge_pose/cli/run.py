"""`edge-pose run`: everybody's joints in pictures, a video or a live stream, on screen, in files and on a page."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_pose.cli import one_line
from edge_pose.cli.common import (
    Device,
    Engine,
    Spec,
    Threads,
    advise,
    is_stdout,
    keep_inputs,
    progress,
    say,
    show_warnings,
)
from edge_pose.cli.stream import (
    Detector,
    MaxFrames,
    Page,
    Record,
    Web,
    WebPrivacy,
    WebToken,
    counted,
    opened,
    turns,
)

if TYPE_CHECKING:
    from edge_pose.cli.common import Bar
    from edge_pose.pipeline import Pipeline, Summary
    from edge_pose.sinks import WindowSink

Format = Literal["jsonl", "coco", "openpose", "csv"]
SOURCES = "A picture, folder, pattern like '*.jpg', video, camera (0, csi://0), rtsp://..., http://... or gst:PIPELINE."


def run(
    model: Annotated[str | None, typer.Argument(help="Name (edge-pose models list) or path of a model.")] = None,
    source: Annotated[str | None, typer.Argument(help=SOURCES)] = None,
    detector: Detector = None,
    track: Annotated[bool, typer.Option("--track", help="Give people ids that stay theirs.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the joints; tracks as well.")] = False,
    video: Annotated[Path | None, typer.Option(help="Write the annotated video, picture or folder here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the poses here.")] = None,
    format: Annotated[Format, typer.Option(help="Of --json.")] = "jsonl",
    show: Annotated[bool, typer.Option("--show", help="Show a window; q closes it.")] = False,
    web: Web = None,
    web_token: WebToken = None,
    web_privacy: WebPrivacy = False,
    zones: Annotated[Path | None, typer.Option(help="The page draws zones into this file (JSON); needs --web.")] = None,
    record: Record = None,
    replay: Annotated[Path | None, typer.Option(help="Run such a recording again, without MODEL and SOURCE.")] = None,
    max_frames: MaxFrames = None,
    max_people: Annotated[int | None, typer.Option(min=1, help="The best so many per frame.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a person.")] = None,
    budget_ms: Annotated[float | None, typer.Option(help="What a frame may take; less is done to keep it.")] = None,
    detect_every: Annotated[int, typer.Option(min=1, help="Frames between detections; needs --track.")] = 1,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of a camera.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second of a camera.")] = None,
    pixel_format: Annotated[str | None, typer.Option(help="MJPG, YUYV, ... of a camera.")] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Find everybody's joints in SOURCE with MODEL."""
    show_warnings()
    if zones is not None and web is None:
        raise typer.BadParameter("--zones is drawn on the page: give --web too")
    page = Page(web, web_token, web_privacy, zones)
    wish = {"size": _size(size), "fps": fps, "pixel_format": pixel_format}
    loading: dict[str, Any] = {"detector": detector, "device": device, "engine": engine, "threads": threads}
    loading |= {"spec": spec, "confidence": confidence, "max_people": max_people}
    _check_words(model, source, replay, loading | wish)
    aside = is_stdout(json)
    keep_inputs((json, video, record, zones), (source, replay, model, detector, spec))
    with contextlib.ExitStack() as pages:
        with contextlib.ExitStack() as stack:
            frames, estimator = opened(stack, source, replay, max_frames, wish)
            page.open(pages, frames, aside=aside)
            if estimator is None:
                from edge_pose.estimators import load

                estimator = stack.enter_context(load(model or "", **loading))
                advise(model)
            from edge_pose.pipeline import Pipeline, Summary
            from edge_pose.sinks import WindowSink, open_sinks

            sinks = open_sinks(
                json_path=json, format=format, video_path=video, fps=frames.fps, count=frames.count,
                stills=frames.stills,
            )  # fmt: skip
            stack.enter_context(sinks)
            window = None
            if show:
                window = WindowSink(frames.name)
                stack.callback(window.close)
            recorder = None
            if record is not None:
                from edge_pose.recording import Recorder

                settings: dict[str, Any] = {"track": track, "smooth": smooth, "detect_every": detect_every}
                settings |= {"budget_ms": budget_ms, "confidence": estimator.confidence}
                recorder = stack.enter_context(
                    Recorder(
                        record, skeleton=estimator.skeleton, model=model or "", source=frames.name, settings=settings
                    )
                )
            stream = Pipeline(
                estimator, frames, track=track, smooth=smooth, sinks=sinks.sinks, viewers=page.viewers,
                record=recorder, budget_ms=budget_ms, detect_every=detect_every,
            )  # fmt: skip
            stack.enter_context(stream)
            bar = stack.enter_context(progress(frames.name, frames.count))
            summary = Summary()
            try:
                _drive(stream, summary, bar, window)
            except (KeyboardInterrupt, SystemExit):
                stream.close()
                done = stream.counters["written"] if sinks.sinks else summary.frames
                text = f"interrupted after {counted(done, 'frame')}; what was written is complete up to there"
                say(text, aside=aside)
                raise
            watched = window is None or not window.closed  # to the end
            stream.close()
            counters = stream.counters if frames.live else {}
            problems = len(frames.problems)
        written = [path for path in (json, video, record) if path is not None]
        report(summary, problems, written, counters=counters, aside=aside)
        if watched:
            page.stay(aside=aside)


def _check_words(model: str | None, source: str | None, replay: Path | None, wish: dict[str, Any]) -> None:
    """Fail as usage where there is too little to run, or too much for a replay."""
    if replay is not None:
        if model is not None or source is not None:
            raise typer.BadParameter("--replay takes the place of MODEL and SOURCE: leave them out")
        unused = [name for name, value in wish.items() if value not in (None, "auto")]
        if unused:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
            raise typer.BadParameter(f"--replay runs no network and opens no camera: leave out {names}")
    elif model is None or source is None:
        raise typer.BadParameter(f"{'MODEL' if model is None else 'SOURCE'} is missing; see: edge-pose run --help")


def _drive(stream: Pipeline, summary: Summary, bar: Bar, window: WindowSink | None) -> None:
    """Take results until there are no more, or somebody closes the window."""
    for result in filter(None, turns(stream)):
        summary.add(result)
        bar.advance()
        if window is not None:
            window.write(result.frame, result.poses, result.timings_ms)
            if window.closed:
                return


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None:
        raise typer.BadParameter(f"--size must be WIDTHxHEIGHT such as 1280x720, got {text!r}")
    return int(found[1]), int(found[2])


def report(
    summary: Summary,
    problems: int,
    written: list[Path],
    *,
    counters: dict[str, int] | None = None,
    aside: bool = False,
) -> None:
    """Say what was done, in one or two lines; counters: of a live stream; aside: on stderr."""
    times = sorted(summary.total_ms)
    middle = f", {times[len(times) // 2]:.1f} ms a frame (median)" if times else ""
    names = ("dropped", "reconnects", "gaps") if counters else ()
    lost = "".join(f", {counters[name]} {name}" for name in names if counters and name in counters)
    trouble = f", {problems} problem{'s' if problems != 1 else ''} (see above)" if problems else ""
    say(f"{counted(summary.frames, 'frame')}, {counted(summary.people, 'pose')}{middle}{lost}{trouble}", aside=aside)
    if written:
        say(one_line(f"written: {', '.join(map(str, written))}"), aside=aside)

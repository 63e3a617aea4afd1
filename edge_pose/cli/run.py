"""`edge-pose run`: everybody's joints in pictures, a video or a live stream, on screen, in files and on a page."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_pose.cli import WEB_ADDRESS, check_interrupted, one_line
from edge_pose.cli.common import Device, Engine, Spec, Threads, is_stdout, keep_inputs, progress, say, show_warnings

if TYPE_CHECKING:
    from edge_pose.cli.common import Bar
    from edge_pose.estimators import Estimator
    from edge_pose.pipeline import Pipeline, Summary
    from edge_pose.sinks import WindowSink
    from edge_pose.sources import Source

Format = Literal["jsonl", "coco", "openpose", "csv"]
TURN_S = 0.5  # how long to wait for a result before looking whether somebody wants to stop
SOURCES = "A picture, folder, pattern like '*.jpg', video, camera (0, csi://0), rtsp://..., http://... or gst:PIPELINE."


def run(
    model: Annotated[str | None, typer.Argument(help="Name (edge-pose models list) or path of a model.")] = None,
    source: Annotated[str | None, typer.Argument(help=SOURCES)] = None,
    detector: Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Give people ids that stay theirs.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="Steady the joints; tracks as well.")] = False,
    video: Annotated[Path | None, typer.Option(help="Write the annotated video, picture or folder here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the poses here.")] = None,
    format: Annotated[Format, typer.Option(help="Of --json.")] = "jsonl",
    show: Annotated[bool, typer.Option("--show", help="Show a window; q closes it.")] = False,
    web: Annotated[str | None, typer.Option(help=f"Serve a live page, [HOST:PORT]; by default {WEB_ADDRESS}.")] = None,
    web_token: Annotated[str | None, typer.Option(envvar="EDGE_POSE_WEB_TOKEN", help="Who has it may look.")] = None,
    web_privacy: Annotated[bool, typer.Option("--web-privacy", help="The page shows figures, no picture.")] = False,
    zones: Annotated[Path | None, typer.Option(help="The page draws zones into this file (JSON); needs --web.")] = None,
    record: Annotated[Path | None, typer.Option(help="Keep what the network saw here (.jsonl.gz), no pixels.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Run such a recording again, without MODEL and SOURCE.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
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
    wish = {"size": _size(size), "fps": fps, "pixel_format": pixel_format}
    loading: dict[str, Any] = {
        "detector": detector,
        "device": device,
        "engine": engine,
        "threads": threads,
        "spec": spec,
    }
    loading |= {"confidence": confidence, "max_people": max_people}
    aside = is_stdout(json)
    keep_inputs((json, video, record, zones), (source, replay, model, detector, spec))
    with contextlib.ExitStack() as stack:
        frames, estimator = _opened(stack, model, source, replay, max_frames, wish, loading)
        from edge_pose.pipeline import Pipeline, Summary
        from edge_pose.sinks import WindowSink, open_sinks

        sinks = open_sinks(
            json_path=json, format=format, video_path=video, fps=frames.fps, count=frames.count, stills=frames.stills
        )
        stack.enter_context(sinks)
        window = None
        if show:
            window = WindowSink(frames.name)
            stack.callback(window.close)
        viewers = []
        if web is not None:
            from edge_pose.web import WebPage

            page = stack.enter_context(
                WebPage(web, token=web_token, privacy=web_privacy, zones_path=zones, title=frames.name)
            )
            say(f"page: {page.url}", aside=aside)
            viewers.append(page)
        recorder = None
        if record is not None:
            from edge_pose.recording import Recorder

            settings: dict[str, Any] = {"track": track, "smooth": smooth, "detect_every": detect_every, "budget_ms": budget_ms}
            settings["confidence"] = estimator.confidence
            recorder = stack.enter_context(
                Recorder(record, skeleton=estimator.skeleton, model=model or "", source=frames.name, settings=settings)
            )
        stream = Pipeline(
            estimator, frames, track=track, smooth=smooth, sinks=sinks.sinks, viewers=viewers, record=recorder,
            budget_ms=budget_ms, detect_every=detect_every,
        )  # fmt: skip
        stack.enter_context(stream)
        bar = stack.enter_context(progress(frames.name, frames.count))
        summary = Summary()
        try:
            _drive(stream, summary, bar, window)
        except KeyboardInterrupt:
            stream.close()
            done = stream.counters["written"] if sinks.sinks else summary.frames
            say(f"interrupted after {_count(done, 'frame')}; what was written is complete up to there", aside=aside)
            raise
        stream.close()
        counters = stream.counters if frames.live else {}
        problems = len(frames.problems)
    written = [path for path in (json, video, record) if path is not None]
    report(summary, problems, written, counters=counters, aside=aside)


def _opened(
    stack: contextlib.ExitStack,
    model: str | None,
    source: str | None,
    replay: Path | None,
    max_frames: int | None,
    wish: dict[str, Any],
    loading: dict[str, Any],
) -> tuple[Source, Estimator]:
    """Open what frames come from and who looks at them: a source and a model, or a recording of both."""
    if replay is not None:
        if model is not None or source is not None:
            raise typer.BadParameter("--replay takes the place of MODEL and SOURCE: leave them out")
        unused = [name for name, value in (loading | wish).items() if value not in (None, "auto")]
        if unused:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
            raise typer.BadParameter(f"--replay runs no network and opens no camera: leave out {names}")
        from edge_pose.pipeline import open_replay

        frames, estimator = open_replay(replay, max_frames=max_frames)
        return stack.enter_context(frames), estimator
    if model is None or source is None:
        raise typer.BadParameter(f"{'MODEL' if model is None else 'SOURCE'} is missing; see: edge-pose run --help")
    from edge_pose.estimators import load
    from edge_pose.sources import open_source

    opened = stack.enter_context(open_source(source, max_frames=max_frames, **wish))
    return opened, stack.enter_context(load(model, **loading))


def _drive(stream: Pipeline, summary: Summary, bar: Bar, window: WindowSink | None) -> None:
    """Take results until there are no more, or somebody closes the window."""
    while not stream.ended:
        result = stream.poll(TURN_S)
        check_interrupted()
        if result is None:
            continue
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
    say(f"{_count(summary.frames, 'frame')}, {_count(summary.people, 'pose')}{middle}{lost}{trouble}", aside=aside)
    if written:
        say(one_line(f"written: {', '.join(map(str, written))}"), aside=aside)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""`edge-pose demo`: the whole thing on this machine, offline: export to INT8, poses, a fall, its alarm, the times."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_pose.cli.common import Threads, advise, progress, say, show_warnings
from edge_pose.cli.stream import Web, WebToken, check_page, turns
from edge_pose.errors import EdgePoseError, PipelineError

if TYPE_CHECKING:
    from edge_pose.estimators import Estimator
    from edge_pose.fall import FallEvent
    from edge_pose.frames import Frame, Image
    from edge_pose.pipeline import Pipeline, Result

MODEL = "edge-pose-nano"
STAGES = ("preprocess", "network", "decode", "track", "smooth", "fall", "total")
RED = (40, 40, 230)


def demo(
    output: Annotated[Path, typer.Option(help="Folder for what is made.")] = Path("edge-pose-demo"),
    web: Web = None,
    web_token: WebToken = None,
    threads: Threads = None,
) -> None:
    """Show all of it, offline, with a model and a clip that are in the package."""
    show_warnings()
    check_page(web)
    start = time.monotonic()
    from edge_pose import zoo
    from edge_pose.estimators import load

    page = _page(web, web_token)
    with contextlib.ExitStack() as stack:
        if page is not None:
            stack.enter_context(page)
        model = _exported(output)
        clip = zoo.BUNDLED / "fall.mp4"
        with load(model, threads=threads) as estimator:
            events, times, count = _watched(estimator, clip, output)
        say(f"\n{clip.name}: {count} frames")
        for event in events:
            say(f"{event.time_s:9.2f} s  {event.event}  person {event.track_id}  {event.confidence:.2f}")
        _table(times)
        names = ("fall.mp4", "fall.jpg", "poses.jsonl", "events.jsonl", model.name)
        say(f"\nin {output}: {', '.join(name for name in names if (output / name).exists())}")
        say(f"done in {time.monotonic() - start:.0f} s")
        if [e.event for e in events].count("fall.confirmed") != 1:
            raise EdgePoseError("the demo's one fall was not told once: this installation does not work as it should")
        advise(MODEL)
        if page is not None:
            say(f"page: {page.url}   (Ctrl-C ends it)")
            with load(model, threads=threads) as estimator:
                _served(estimator, clip, page)


def _exported(output: Path) -> Path:
    """Export the bundled model to INT8, calibrated and judged with bundled pictures; returns what is to be run."""
    from rich.console import Console

    from edge_pose import zoo
    from edge_pose.export.run import Job, run
    from edge_pose.export.source import Wanted

    job = Job(
        wanted=Wanted(MODEL, zoo.BUNDLED / f"{MODEL}.onnx"),
        output=output,
        precision="int8",
        calib=zoo.BUNDLED / "pictures",
        calibrator="entropy",
        frames=(48, 32),
    )
    report = run(job, lambda line: say(f"{line} ...", aside=True))
    Console().print(report.table())
    return Path(report.files.get("model", report.files["float model"]))


def _watched(estimator: Estimator, clip: Path, output: Path) -> tuple[list[FallEvent], dict[str, list[float]], int]:
    """Run the clip through everything; returns the events, each stage's milliseconds, and how many frames there were.

    Writes fall.mp4 with skeletons, fall.jpg (the frame of the alarm), poses.jsonl and events.jsonl.
    """
    from edge_pose.fall import FallConfig
    from edge_pose.pipeline import Pipeline
    from edge_pose.sinks import open_sinks
    from edge_pose.sources import open_source

    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    alarm = _Alarm(output / "fall.jpg")
    with open_source(str(clip)) as frames:
        sinks = open_sinks(
            json_path=output / "poses.jsonl", video_path=output / "fall.mp4", fps=frames.fps, count=frames.count
        )
        with (
            sinks,
            Pipeline(estimator, frames, smooth=True, fall=FallConfig()) as stream,
            progress(clip.name, frames.count) as bar,
        ):
            for result in filter(None, turns(stream)):
                for stage in STAGES:
                    times[stage].append(result.timings_ms.get(stage, 0.0))
                shown = alarm.shown(result)
                sinks.write(shown, result.poses, result.timings_ms)
                bar.advance()
            alarm.events.extend(stream.ending)
    lines = "".join(event.to_json() + "\n" for event in alarm.events)
    (output / "events.jsonl").write_text(lines, encoding="utf-8")
    return alarm.events, times, len(times["total"])


class _Alarm:
    """Keeps the events, and writes them on the frames while somebody is down."""

    def __init__(self, picture: Path) -> None:
        self.picture = picture
        picture.unlink(missing_ok=True)  # of an earlier run
        self.events: list[FallEvent] = []
        self.down = False

    def shown(self, result: Result) -> Frame:
        """Return the frame as it goes into the video; the one of the alarm is kept as a picture."""
        self.events.extend(result.events)
        told = [event.event for event in result.events]
        self.down = (self.down or "fall.confirmed" in told) and "fall.recovered" not in told
        if not self.down:
            return result.frame
        frame = replace(result.frame, image=_framed(result.frame.image, "FALL"))
        if "fall.confirmed" in told:
            import cv2

            from edge_pose.drawing import draw

            cv2.imwrite(str(self.picture), draw(frame.image, result.poses))
        return frame


def _framed(image: Image, word: str) -> Image:
    """Return a copy with a red border and a word in a corner."""
    import cv2

    drawn: Image = image.copy()
    height, width = drawn.shape[:2]
    cv2.rectangle(drawn, (2, 2), (width - 3, height - 3), RED, 4)
    cv2.rectangle(drawn, (2, 2), (104, 38), RED, -1)
    cv2.putText(drawn, word, (12, 31), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2, cv2.LINE_AA)
    return drawn


def _table(times: dict[str, list[float]]) -> None:
    """Print each stage's median and slow tenth."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="milliseconds a frame", title_justify="left")
    for name in ("stage", "median", "p95"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, values in times.items():
        ordered = sorted(values) or [0.0]
        slow = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        table.add_row(stage, f"{statistics.median(ordered):.2f}", f"{slow:.2f}")
    Console().print(table)


def _page(web: str | None, token: str | None) -> Any:
    """Open the page before the work, so that an address that cannot be had is told at once."""
    if web is None:
        return None
    from edge_pose.web import WebPage

    return WebPage(web, token=token, title="demo")


def _served(estimator: Estimator, clip: Path, page: Any) -> None:
    """Show the clip on the page again and again, at its own pace, until Ctrl-C."""
    from edge_pose.fall import FallConfig
    from edge_pose.pipeline import Pipeline
    from edge_pose.sources import open_source

    with open_source(str(clip)) as frames:
        images = [frame.image for frame in frames]
        step = 1 / (frames.fps or 15.0)
    over = threading.Event()
    with Pipeline(estimator, smooth=True, fall=FallConfig(), viewers=(page,)) as stream:
        player = threading.Thread(target=_play, args=(stream, images, step, over), name="demo-player", daemon=True)
        player.start()
        try:
            for _ in turns(stream):
                pass
        finally:
            over.set()
            player.join()


def _play(stream: Pipeline, images: Sequence[Image], step: float, over: threading.Event) -> None:
    """Push the frames as a camera would, from the first one again after the last."""
    start, number = time.monotonic(), 0
    with contextlib.suppress(PipelineError):  # it is closed, or what went wrong is raised where results are taken
        while not over.wait(max(0.0, start + number * step - time.monotonic())):
            stream.push(images[number % len(images)], number * step)
            number += 1

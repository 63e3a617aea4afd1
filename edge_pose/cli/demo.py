"""`edge-pose demo`: the whole thing on this machine, offline: export to INT8, poses, a fall, its alarm, the times."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_pose.cli import check_interrupted, one_line, until_stopped
from edge_pose.cli.common import Threads, advise, check_writable, keep_inputs, progress, say, show_warnings
from edge_pose.cli.stream import Page, Web, WebToken, turns
from edge_pose.errors import EdgePoseError, OutputError

if TYPE_CHECKING:
    from edge_pose.estimators import Estimator
    from edge_pose.fall import FallEvent
    from edge_pose.frames import Image
    from edge_pose.pipeline import Result
    from edge_pose.sources import Source
    from edge_pose.web import WebPage

MODEL = "edge-pose-nano"
KEPT = ("fall.mp4", "fall.jpg", "poses.jsonl", "events.jsonl")  # of the clip
MADE = tuple(f"{MODEL}{precision}{end}" for precision in ("", "-int8") for end in (".onnx", ".report.json"))
STAGES = ("preprocess", "network", "decode", "track", "smooth", "fall", "total")
RED = (40, 40, 230)

Output = Annotated[Path, typer.Option(help="Folder for what is made; takes the place of an earlier demo's.")]


def demo(
    output: Output = Path("edge-pose-demo"), web: Web = None, web_token: WebToken = None, threads: Threads = None
) -> None:
    """Show all of it, offline, with a model and a clip that are in the package."""
    show_warnings()
    page = Page(web, web_token, False, None)
    start = time.monotonic()
    from edge_pose import zoo
    from edge_pose.estimators import load
    from edge_pose.sources import open_source

    clip, network = zoo.BUNDLED / "fall.mp4", zoo.BUNDLED / f"{MODEL}.onnx"
    with contextlib.ExitStack() as stack:
        frames = stack.enter_context(open_source(str(clip)))
        page.open(stack, frames, title="demo")
        stack.enter_context(_alone(output, (clip, network)))
        kept = _Kept(output, frames.fps)
        model = _exported(network, output)
        estimator = stack.enter_context(load(model, threads=threads))
        times = _watched(estimator, frames, kept)
        say(f"\n{clip.name}: {len(times['total'])} frames")
        for event in kept.events:
            say(f"{event.time_s:9.2f} s  {event.event}  person {event.track_id}  {event.confidence:.2f}")
        _table(times)
        names = [name for name in (*KEPT, model.name) if (output / name).exists()]
        say("\n" + one_line(f"in {output}: {', '.join(names)}"))
        say(f"done in {time.monotonic() - start:.0f} s")
        if [event.event for event in kept.events].count("fall.confirmed") != 1:
            raise EdgePoseError("the demo's one fall was not told once: this installation does not work as it should")
        advise(MODEL)
        if page.shown is not None:
            say(f"the clip goes on, until Ctrl-C: {page.shown.url}")
            with until_stopped():
                _served(estimator, clip, page.shown)


@contextlib.contextmanager
def _alone(folder: Path, inputs: Sequence[Path]) -> Iterator[None]:
    """Make the folder and keep other demos out of it; tell before the work what could not be written after it."""
    from edge_pose.sinks.files import prepare_folder

    prepare_folder(folder)
    paths = [folder / name for name in (*KEPT, *MADE)]
    keep_inputs(paths, inputs)
    for path in paths:
        check_writable(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise OutputError(f"another demo is at work in {folder}: wait for it, or name another --output") from err
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _exported(network: Path, output: Path) -> Path:
    """Export the bundled model to INT8, calibrated and judged with bundled pictures; returns what is to be run."""
    from rich.console import Console

    from edge_pose.export.run import Job, run
    from edge_pose.export.source import Wanted

    job = Job(
        wanted=Wanted(MODEL, network),
        output=output,
        precision="int8",
        calib=network.with_name("pictures"),
        calibrator="entropy",
        frames=(48, 32),
    )
    report = run(job, lambda line: say(f"{line} ...", aside=True))
    Console().print(report.table())
    return Path(report.files.get("model", report.files["float model"]))


def _watched(estimator: Estimator, frames: Source, kept: _Kept) -> dict[str, list[float]]:
    """Run the clip through everything; returns each stage's milliseconds, frame by frame."""
    from edge_pose.fall import FallConfig
    from edge_pose.pipeline import Pipeline

    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with (
        kept,
        Pipeline(estimator, frames, smooth=True, fall=FallConfig()) as stream,
        progress("fall.mp4", frames.count) as bar,
    ):
        for result in filter(None, turns(stream)):
            for stage in STAGES:
                times[stage].append(result.timings_ms.get(stage, 0.0))
            kept.write(result)
            bar.advance()
        kept.tell(stream.ending)
    return times


class _Kept:
    """What is kept of the clip in a folder: fall.mp4 with skeletons, fall.jpg (the alarm's frame), poses and events.

    Whether that can be written is known at once. What an earlier demo kept goes first, so that what is there belongs
    together, wherever this one ends. Raises OutputError.
    """

    def __init__(self, folder: Path, fps: float) -> None:
        from edge_pose.sinks import JsonlSink, VideoSink
        from edge_pose.sinks.files import Records, prepare_file
        from edge_pose.sinks.open import Sinks

        self._paths = [folder / name for name in KEPT]
        video, picture, poses, events = self._paths
        self._sinks = Sinks((VideoSink(video, fps=fps), JsonlSink(poses)))
        self._picture = prepare_file(picture, whole=True)
        self._lines = Records(events)
        self._down = False
        self.events: list[FallEvent] = []

    def __enter__(self) -> _Kept:
        from edge_pose.sinks.files import failed

        for path in filter(Path.is_file, self._paths):
            try:
                path.resolve().unlink()  # where a link leads: there the next one goes, too
            except OSError as err:
                raise failed(path, err) from err
        self._sinks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._sinks.__exit__(*error)
        finally:
            self._lines.commit()

    def write(self, result: Result) -> None:
        """Add a frame, framed in red while somebody is down; the one of the alarm is also kept as a picture."""
        self.tell(result.events)
        told = [event.event for event in result.events]
        self._down = (self._down or "fall.confirmed" in told) and "fall.recovered" not in told
        frame = replace(result.frame, image=_framed(result.frame.image)) if self._down else result.frame
        if "fall.confirmed" in told:
            from edge_pose.drawing import draw
            from edge_pose.sinks.files import write_whole
            from edge_pose.sinks.images import encoded

            write_whole(self._picture, encoded(self._picture, draw(frame.image, result.poses)))
        self._sinks.write(frame, result.poses, result.timings_ms)

    def tell(self, events: Sequence[FallEvent]) -> None:
        """Add events."""
        for event in events:
            self.events.append(event)
            self._lines.append(event.to_json().encode() + b"\n")


def _framed(image: Image) -> Image:
    """Return a copy with a red border and a word in a corner."""
    import cv2

    drawn: Image = image.copy()
    height, width = drawn.shape[:2]
    cv2.rectangle(drawn, (2, 2), (width - 3, height - 3), RED, 4)
    cv2.rectangle(drawn, (2, 2), (104, 38), RED, -1)
    cv2.putText(drawn, "FALL", (12, 31), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2, cv2.LINE_AA)
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


def _served(estimator: Estimator, clip: Path, page: WebPage) -> None:
    """Show the clip on the page again and again, at its own pace, as a camera would."""
    from edge_pose.fall import FallConfig
    from edge_pose.pipeline import Pipeline
    from edge_pose.sources import open_source

    estimator.reset()
    start, number = time.monotonic(), itertools.count()
    with Pipeline(estimator, smooth=True, fall=FallConfig(), viewers=(page,)) as stream:
        while True:
            with open_source(str(clip)) as frames:
                for frame in frames:
                    check_interrupted()
                    due_s = next(number) / frames.fps
                    time.sleep(max(0.0, start + due_s - time.monotonic()))
                    stream.push(frame.image, due_s)

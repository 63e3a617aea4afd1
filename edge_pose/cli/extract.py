"""`edge-pose extract`: folders of videos and pictures to joints, for training sets."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_pose.cli import one_line
from edge_pose.cli.common import Device, Engine, Spec, say, show_warnings

if TYPE_CHECKING:
    from edge_pose.extract import Report

Format = Literal["jsonl", "coco", "parquet"]
LINE_S = 5.0  # between two lines where there is no terminal
DEFAULT_MODEL = "yolov8n-pose"
LISTED = 20  # problems that are told one by one


def extract(
    folder: Annotated[Path, typer.Argument(help="Videos and pictures, in subfolders too.")],
    output: Annotated[Path, typer.Option(help="Folder for the results; it gets the same subfolders.")],
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = DEFAULT_MODEL,
    detector: Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")] = None,
    format: Annotated[
        Format, typer.Option(help="One file of it a video, and one for the pictures of a folder.")
    ] = "jsonl",
    track: Annotated[bool, typer.Option("--track", help="Give the people of a video ids.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Processes; by default one a core.")] = None,
    ray: Annotated[str | None, typer.Option(help="Work on this Ray cluster: auto, ray://HOST:10001, local.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew, whatever is in --output.")] = False,
    max_people: Annotated[int | None, typer.Option(min=1, help="The best so many per frame.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a person.")] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of each worker's engine.")] = 1,
    spec: Spec = None,
) -> None:
    """Find everybody's joints in all videos and pictures of FOLDER. Run again to go on where it was stopped."""
    show_warnings()
    from edge_pose.errors import ExtractionError
    from edge_pose.extract import Options
    from edge_pose.extract import extract as extract_folder

    options = Options(
        model=model,
        detector=detector,
        format=format,
        track=track,
        confidence=confidence,
        max_people=max_people,
        device=device,
        engine=engine,
        threads=threads,
        spec=str(spec) if spec is not None else None,
    )
    latest: list[Report] = []
    with shown_progress() as show:

        def progress(report: Report) -> None:
            latest[:] = [report]
            show(report)

        try:
            report = extract_folder(
                folder,
                output,
                options,
                workers=workers,
                ray=ray,
                overwrite=overwrite,
                progress=progress,
                note=lambda text: say(one_line(f"edge-pose: {text}"), aside=True),
            )
        except (KeyboardInterrupt, SystemExit):
            for told in latest:
                say(f"interrupted; done: {_files(told.done)}; run the same again to go on")
            raise
    tell(report, output)
    if report.failures:
        what = f"{_files(len(report.failures))} of {report.items} could not be extracted (listed above)"
        left = report.items - report.done - len(report.failures)
        raise ExtractionError(f"stopped: {report.stopped}; {_files(left)} not tried" if report.stopped else what)


def tell(report: Report, output: Path) -> None:
    """Say what was done, and what was not, line by line."""
    seconds = report.seconds
    rate = f" ({report.frames / seconds:.1f} frames/s)" if seconds > 0 else ""
    before = f"; {report.before} done before" if report.before else ""
    what = f"{_files(report.done)}, {report.frames} frames, {report.people} poses in {_clock(seconds)}{rate}{before}"
    say(one_line(f"{what}; written to {output}"))
    for kind, lines in (
        ("problem", report.problems),
        ("failed", [f"{failure.key}: {failure.why}" for failure in report.failures]),
    ):
        for line in lines[:LISTED]:
            say(one_line(f"{kind}: {line}"))
        if len(lines) > LISTED:
            say(f"{kind}: and {len(lines) - LISTED} more")


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _left(report: Report) -> str:
    share = report.share
    return f"{_clock(report.seconds * (1 - share) / share)} left" if share > 0.001 and report.frames_now else "? left"


def _rate(report: Report) -> str:
    return f"{report.frames_now / max(report.seconds, 1e-6):.1f} frames/s"


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[Report], None]]:
    """Show how far it is: one bar on a terminal, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        due = time.monotonic() + LINE_S

        def line(report: Report) -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + LINE_S
                say(f"{_state(report)}, {_rate(report)}, {_left(report)}", aside=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    text = TextColumn("{task.description}", markup=False)
    with Progress(BarColumn(), TaskProgressColumn(), text, console=Console(stderr=True), transient=True) as bar:
        task: Any = bar.add_task("beginning", total=1.0)
        yield lambda report: bar.update(
            task, completed=report.share, description=f"{_state(report)}  {_rate(report)}  {_left(report)}"
        )


def _state(report: Report) -> str:
    return f"{report.done + len(report.failures)} of {_files(report.items)}, {report.frames_now} frames"

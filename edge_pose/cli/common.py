"""Options and helpers that several subcommands share."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_pose.cli import one_line
from edge_pose.errors import OutputError

Device = Annotated[str, typer.Option(help="auto, cpu or cuda; cuda fails where it cannot be had.")]
Engine = Annotated[str, typer.Option(help="auto, onnxruntime or tensorrt.")]
Threads = Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the engine; by default one a core.")]
Spec = Annotated[Path | None, typer.Option(help="Specification (TOML) of an ONNX file that carries none.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON.")]


def say(text: str = "", *, aside: bool = False) -> None:
    """Write a line for people; aside: to stderr, because stdout is for something else."""
    stream = sys.stderr if aside else sys.stdout
    stream.write(text + "\n")
    stream.flush()  # into a pipe or a log it would wait until the end, which a live stream may not have


def advise(model: str | None) -> None:
    """Say what who uses a model of the zoo should know, where there is something."""
    from edge_pose import zoo

    entry = zoo.get(model) if model is not None else None
    if entry is not None and entry.advice:
        say(entry.advice, aside=True)


def is_stdout(path: Path | None) -> bool:
    """Whether what is written to the path ends up in our stdout: /dev/stdout, or the file that it was led into."""
    try:
        return path is not None and os.path.samestat(path.stat(), os.fstat(1))
    except OSError:  # there is no such file, or no stdout
        return False


def show_warnings() -> None:
    """Let the library's warnings reach the terminal, one line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("edge-pose: %(message)s"))
    logger = logging.getLogger("edge_pose")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def write_json(path: Path, document: Any) -> None:
    """Write a document whole or not at all. Raises OutputError."""
    from edge_pose.sinks.files import Records

    records = Records(path, whole=True)  # which never puts a file in the place of a device
    try:
        records.append(json.dumps(document, indent=2).encode() + b"\n")
    except OutputError:
        records.discard()
        raise
    records.commit()


def check_writable(path: Path | None) -> None:
    """Fail before the work rather than after it. Raises OutputError."""
    if path is None:
        return
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.exists() and not path.is_file():  # a device or a pipe
        folder = path
    elif not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {path}: no permission to write into {folder}")


def keep_inputs(outputs: Iterable[Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Fail where an output would replace a file that is read, or two outputs are one file. Raises OutputError."""
    from edge_pose.sinks.files import failed, refuse_input

    read = [str(given) for given in inputs if given is not None]
    seen: dict[Path, Path] = {}
    for path in outputs:
        if path is None:
            continue
        try:
            if path.exists() and not path.is_file():  # devices take several; folders are asked later
                continue
            for given in read:
                refuse_input(path, given)
            place = path.resolve()
        except (OSError, RuntimeError) as err:  # RuntimeError: links in a circle, before Python 3.13
            raise failed(path, err) from err
        if place in seen:
            raise OutputError(f"{seen[place]} and {path} are one file, and each wants it for itself")
        seen[place] = path


class Bar:
    """Progress: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done = one_line(what), total, 0

    def advance(self) -> None:
        """Count one more."""
        self.done += 1


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Bar]:
    """Show how far the work is: a bar on a terminal, elsewhere a line for every tenth of it."""
    if not sys.stderr.isatty():
        yield _Lines(what, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield _Rich(what, total, shown)


class _Lines(Bar):
    def advance(self) -> None:
        super().advance()
        step = max(1, (self.total or 1000) // 10)
        if self.done % step == 0:
            sys.stderr.write(f"{self.what}: {self.done}{f'/{self.total}' if self.total else ''}\n")


class _Rich(Bar):
    def __init__(self, what: str, total: int | None, shown: Any) -> None:
        super().__init__(what, total)
        self._shown, self._task = shown, shown.add_task(what, total=total)

    def advance(self) -> None:
        super().advance()
        self._shown.update(self._task, completed=self.done)


@contextmanager
def byte_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a download: a bar on a terminal, elsewhere a line for every tenth of it."""
    if not sys.stderr.isatty():
        tenths = -1

        def line(there: int, total: int | None) -> None:
            nonlocal tenths
            tenth = there * 10 // total if total else there // 10_000_000
            if tenth > tenths:
                tenths = tenth
                sys.stderr.write(f"{what}: {there / 1e6:.1f}{f' of {total / 1e6:.1f}' if total else ''} MB\n")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda there, total: shown.update(task, completed=there, total=total)

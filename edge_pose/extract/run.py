"""An extraction from beginning to end: find the items, leave out what is done, have the rest worked off, tell."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_pose.errors import ExtractionError
from edge_pose.extract.crew import Order, work_here
from edge_pose.extract.items import Item, find_items
from edge_pose.extract.job import Options, Task
from edge_pose.extract.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be extracted, and why."""

    key: str
    why: str


@dataclass(slots=True)
class Report:
    """How far an extraction is, or what came of it. Sizes are bytes of the files that were read.

    items, size: all that was to be done now; a subfolder that cannot be read is an item, and a failure. before: items
    that were done in earlier runs. done, frames, people: of this run. moving: frames and share (0 to 1) of items that
    are being worked on. problems: what could not be read of items that are done all the same. stopped: why not
    everything was tried.
    """

    items: int
    size: int
    before: int
    done: int = 0
    frames: int = 0
    people: int = 0
    done_size: int = 0
    moving: dict[str, tuple[int, float, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stopped: str = ""
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self.begun_s

    @property
    def frames_now(self) -> int:
        """Frames so far, with those of items that are not done yet."""
        return self.frames + sum(frames for frames, _, _ in self.moving.values())

    @property
    def share(self) -> float:
        """How much of the bytes is worked off, from 0 to 1."""
        moved = sum(share * size for _, share, size in self.moving.values())
        return min(1.0, (self.done_size + moved) / self.size) if self.size else 1.0


def extract(
    folder: str | Path,
    output: str | Path,
    options: Options,
    *,
    workers: int | None = None,
    ray: str | None = None,
    overwrite: bool = False,
    progress: Callable[[Report], None] = lambda report: None,
    note: Callable[[str], None] = lambda text: None,
) -> Report:
    """Write the joints of everybody in a folder's videos and pictures to files of the same names below `output`.

    What earlier runs have finished is left as it is, if its files are the same; an item that was being worked on is
    begun again. Every file appears whole or not at all. workers: processes, by default one a core. ray: address of a
    Ray cluster to work on instead. overwrite: begin anew, whatever was extracted there, by whichever model.
    progress is called with the same report whenever it changes; note with what people should know at once.
    Failures of single items are in the report. Raises ExtractionError (another model's output, workers that cannot
    begin), OutputError, SourceError, ModelNotFoundError.
    """
    folder, output = Path(folder), Path(output)
    if workers is not None and workers < 1:
        raise ExtractionError(f"workers must be at least 1, got {workers}")
    find_items(folder, apart=output)  # before anything is created
    settings = options.settings()
    with Ledger(output, options.suffix, settings, overwrite=overwrite) as ledger:
        unread: dict[str, str] = {}
        items = find_items(folder, apart=output, known=ledger.begun, unread=unread)
        ledger.drop_portions(items)
        left = [item for item in items if not ledger.is_done(item)]
        report = Report(len(left), sum(item.size for item in left), len(items) - len(left))
        report.items += len(unread)
        report.failures += [Failure(key, why) for key, why in unread.items()]
        clerk = _Clerk(ledger, report, progress, note)
        free = clerk.without_strangers(left)
        tasks = [_task(item, ledger) for item in sorted(free, key=lambda item: -item.size)]
        progress(report)
        order = Order(str(folder.absolute()), options.absolute(), settings)
        if tasks and ray is not None:
            from edge_pose.extract.cluster import work_on_ray

            work_on_ray(tasks, order, workers, clerk, ray)
        elif tasks:
            work_here(tasks, order, workers or len(os.sched_getaffinity(0)), clerk)
    return report


def _task(item: Item, ledger: Ledger) -> Task:
    name = hashlib.sha256(item.key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    part = ledger.work / f"{name}-{os.getpid()}{ledger.suffix}"
    return Task(item, str(part.absolute()), str(ledger.target(item).absolute()))


class _Clerk:
    """Writes down what the workers tell: into the ledger, and into the report."""

    def __init__(
        self,
        ledger: Ledger,
        report: Report,
        progress: Callable[[Report], None],
        note: Callable[[str], None],
    ) -> None:
        self._ledger, self._report = ledger, report
        self._progress, self._note = progress, note

    def without_strangers(self, items: list[Item]) -> list[Item]:
        """Leave out, as failures, items whose output cannot be, or would replace what no extraction has written."""
        free = []
        for item in items:
            path = self._ledger.target(item)
            try:
                path.stat()
                there = item.key not in self._ledger.begun
                why = f"{path} is there and was not written by an extraction; move it away" if there else ""
            except (FileNotFoundError, NotADirectoryError):
                why = ""
            except OSError as err:  # a name that is too long with our suffix: better told now than after the work
                why = f"cannot write {path}: {err.strerror or err}"
            if why:
                self.ended(item, {"failed": why})
            else:
                free.append(item)
        return free

    def begun(self, item: Item) -> None:
        if self._ledger.begun.get(item.key) != item.stem or item.key in self._ledger.done:
            self._ledger.begin(item)
        self._report.moving[item.key] = (0, 0.0, item.size)
        self._progress(self._report)

    def moved(self, item: Item, frames: int, share: float) -> None:
        self._report.moving[item.key] = (frames, share, item.size)
        self._progress(self._report)

    def ended(self, item: Item, outcome: dict[str, Any]) -> bool:
        report = self._report
        report.moving.pop(item.key, None)
        report.done_size += item.size
        if "failed" in outcome:
            report.failures.append(Failure(item.key, outcome["failed"]))
            report.stopped = outcome["failed"] if outcome.get("stop") else ""
        else:
            self._ledger.finish(item, {k: outcome[k] for k in ("frames", "people", "problems", "size")})
            report.done += 1
            report.frames += outcome["frames"]
            report.people += outcome["people"]
            report.problems += [f"{item.key}: {problem}" for problem in outcome["problems"]]
        self._progress(report)
        return not report.stopped

    def died(self, item: Item, why: str) -> None:
        self._report.moving.pop(item.key, None)
        self._note(f"{item.key}: {why}; it is tried once more")

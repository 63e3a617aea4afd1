"""Minutes of building are not silent: a fraction from TensorRT's own monitor, else the time; and a way to stop."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

# what is being done, and how much of it is: 0 to 1, None where the version does not say
Progress: TypeAlias = Callable[[str, "float | None"], None]
POLL_S = 0.2
GRACE_S = 5.0  # for a build that was told to stop
LINE_EVERY_S = 15.0


@dataclass(slots=True)
class Phase:
    """One phase of the build: it has so many steps, and phases of its own."""

    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """The tree of phases that TensorRT reports, as one number. Written by its threads, read by ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Phase] = {}
        self._best = 0.0
        self.current = ""

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._open[name] = Phase(parent, max(steps, 1))
            self.current = name

    def step(self, name: str, step: int) -> None:
        """A step of it is done; they count from 0."""
        with self._lock:
            if name in self._open:
                self._open[name].done = step + 1

    def finish(self, name: str) -> None:
        """A phase is done, or given up."""
        with self._lock:
            self._open.pop(name, None)

    @property
    def fraction(self) -> float:
        """How much of all is done, 0 to 1; it never goes back."""
        with self._lock:
            roots = [name for name, phase in self._open.items() if phase.parent not in self._open]
            now = max((self._part(name, 0) for name in roots), default=self._best)
            self._best = max(self._best, min(now, 1.0))
            return self._best

    def _part(self, name: str, depth: int) -> float:
        phase = self._open[name]
        inside = [key for key, other in self._open.items() if other.parent == name] if depth < 8 else []
        begun = max((self._part(key, depth + 1) for key in inside), default=0.0)
        return min((phase.done + begun) / phase.steps, 1.0)


def make_monitor(trt: Any, phases: Phases, stop: threading.Event) -> Any:
    """Return a progress monitor, which ends the build when `stop` is set; None before TensorRT 10."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            """Take the start of a phase."""
            phases.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            """Take a step; False ends the build."""
            phases.step(name, step)
            return not stop.is_set()

        def phase_finish(self, name: str) -> None:
            """Take the end of a phase."""
            phases.finish(name)

    return Monitor()


def in_background(work: Callable[[], Any], stop: threading.Event, tell: Callable[[], None]) -> Any:
    """Run `work` in a thread of its own and return what it returns, calling `tell` now and then.

    So Ctrl-C reaches this thread while TensorRT, which holds no Python lock, goes on: `stop` is set, and the
    KeyboardInterrupt goes up. A version that cannot be stopped is left to itself; its result is thrown away.
    """
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as err:  # handed to the thread that waits
            failure.append(err)

    thread = threading.Thread(target=run, name="tensorrt-build", daemon=True)
    thread.start()
    try:
        running = True
        while running:
            thread.join(POLL_S)
            running = thread.is_alive()
            tell()
    except BaseException:
        stop.set()
        thread.join(GRACE_S)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


@contextmanager
def on_terminal(what: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)

        def tell(phase: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            shown.update(task, description=f"{what}: {phase}", total=total, completed=fraction or 0.0)

        yield tell


class _Lines:
    def __init__(self, what: str) -> None:
        self._what, self._start, self._last = what, time.monotonic(), 0.0

    def __call__(self, phase: str, fraction: float | None) -> None:
        passed = time.monotonic() - self._start
        if passed - self._last < LINE_EVERY_S:
            return
        self._last = passed
        share = "" if fraction is None else f" {fraction:.0%}"
        sys.stderr.write(f"{self._what}:{share} {phase} ({passed:.0f} s)\n")
        sys.stderr.flush()

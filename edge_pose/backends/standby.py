"""One engine serves while a better one is being built; it takes over once it has given the same answer."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edge_pose.backends.answers import choice_of, difference
from edge_pose.backends.base import Backend, TensorInfo
from edge_pose.errors import EdgePoseError
from edge_pose.spec import ModelSpec

STOP_S = 10.0
METADATA_KEY = "edge_pose"  # where a backend's metadata has the specification

log = logging.getLogger("edge_pose")


class Standby:
    """The backend of the meantime, and a thread that waits for the builder. `run` is called from one thread only."""

    def __init__(
        self,
        name: str,
        meanwhile: Backend,
        command: Sequence[str],
        opened: Callable[[str], Backend],
        batch: tuple[int, int, int] | None = None,
    ) -> None:
        """Start the builder. opened: from what the command printed to the engine. batch: rows the engine takes."""
        self.name = name
        self.inputs, self.outputs, self.metadata = meanwhile.inputs, meanwhile.outputs, meanwhile.metadata
        if batch and batch[0] == batch[2] and self.inputs[0].shape[:1] == (None,):
            # Buffers are made now for what the engine takes later.
            self.inputs = (replace(self.inputs[0], shape=(batch[0], *self.inputs[0].shape[1:])),)
        self._now = meanwhile
        self.engine, self.device = meanwhile.engine, meanwhile.device  # of what serves now
        self._opened = opened
        self._ready: Backend | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._wait, name=f"build-{name}", daemon=True)
        self._thread.start()

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run whichever engine serves now; see Backend.run."""
        if self._ready is not None:
            return self._take_over(batch)
        return self._now.run(batch)

    def close(self) -> None:
        """End the builder, which leaves nothing half-written, and give the memory back."""
        with self._lock:
            self._closed = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:  # deep inside a version that cannot be stopped
                self._process.kill()
        self._thread.join()
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        self._now.close()

    def _wait(self) -> None:
        """Pass on what the builder says; open what it built."""
        start, last = time.monotonic(), ""
        assert self._process.stdout is not None and self._process.stderr is not None
        for line in self._process.stderr:
            last = line.strip().removeprefix("edge-pose: ")
            log.info("%s", last)
        printed = self._process.stdout.read()
        self._process.stderr.close()
        self._process.stdout.close()
        if self._process.wait() != 0:
            if not self._closed:
                reason = last or f"exit code {self._process.returncode}"
                log.error("building the engine of %s failed, %s goes on: %s", self.name, self._now.engine, reason)
            return
        try:
            built = self._opened(printed)
        except (EdgePoseError, IndexError) as err:  # IndexError: it printed nothing
            log.error("the engine of %s was built, but cannot be opened; %s goes on: %s", self.name, self.engine, err)
            return
        with self._lock:
            if not self._closed:
                log.info("the engine of %s is ready after %.0f s", self.name, time.monotonic() - start)
                self._ready = built
                return
        built.close()

    def _take_over(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run both on this batch; from the next one on the new engine serves, if it gave the same answer."""
        new, self._ready = self._ready, None
        assert new is not None
        wanted = self._now.run(batch)
        try:
            ordered = InOrder(new, self.outputs)
            described = self.metadata.get(METADATA_KEY)
            choice = choice_of(ModelSpec.from_json(described) if described else None)
            why = difference(self.outputs, ordered.run(batch), wanted, choice)
        except EdgePoseError as err:
            why = str(err)
        if why:
            log.error("the engine of %s is not used, %s goes on: %s", self.name, self._now.engine, why)
            new.close()
            return wanted
        wanted = [values.copy() for values in wanted]  # they are the old engine's memory
        log.warning("%s: %s on %s serves from now on", self.name, new.engine, new.device)
        self._now.close()
        self._now = ordered
        self.engine, self.device = ordered.engine, ordered.device
        return wanted


class InOrder:
    """A backend whose outputs come in the order that another one had."""

    def __init__(self, backend: Backend, outputs: Sequence[TensorInfo]) -> None:
        names = [info.name for info in backend.outputs]
        missing = [info.name for info in outputs if info.name not in names]
        if missing:
            raise EdgePoseError(f"it has no output {missing[0]!r}, only {', '.join(names)}")
        self._backend, self._order = backend, [names.index(info.name) for info in outputs]
        self.engine, self.device = backend.engine, backend.device
        self.inputs, self.outputs = backend.inputs, tuple(outputs)
        self.metadata: Mapping[str, str] = backend.metadata

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """See Backend.run."""
        found = self._backend.run(batch)
        return [found[index] for index in self._order]

    def close(self) -> None:
        """See Backend.close."""
        self._backend.close()

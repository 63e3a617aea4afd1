"""Rows of a batch shared among the cores: each core runs a few whole rows instead of a part of every layer.

Pose networks for boxes are made of small layers, and after each of them the threads of an engine have to meet. Whole
rows need to meet once a batch. Measured with PP-TinyPose on 2 cores: 3.7 ms a person instead of 4.4 (batch of 4).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends.base import Backend, TensorInfo
from edge_pose.backends.rebatch import files_of
from edge_pose.backends.standby import Standby
from edge_pose.errors import BackendError

ROWS = 2  # a lane's share that is quickest a row: one costs 8.1 ms, two 7.4 each, four 7.6, eight 8.4
MAX_LANES = 16
# Larger networks keep all threads busy in every layer, and each copy of their weights counts.
MAX_BYTES = 64 << 20
CLOSED = "this model has been closed: load it again"

Outputs = list[NDArray[Any]]


class Lanes:
    """Two copies of a network: `whole` with all threads for one row, `single` with one thread, run by several at once.

    Takes any number of rows, whether or not the file does; `rows` is what keeps all lanes busy.
    """

    def __init__(self, whole: Backend, single: Backend, lanes: int) -> None:
        self.engine, self.device, self.metadata = whole.engine, whole.device, whole.metadata
        self.outputs = whole.outputs
        first = whole.inputs[0]
        self.inputs: tuple[TensorInfo, ...] = (replace(first, shape=(None, *first.shape[1:])),)
        self._whole, self._single, self._lanes = whole, single, lanes
        self.rows = ROWS * lanes
        self._closed = False
        self._one_by_one = first.shape[0] is not None
        self._hire()

    def _hire(self) -> None:
        self._threads = ThreadPoolExecutor(self._lanes - 1, thread_name_prefix="edge-pose-lane")
        self._process = os.getpid()

    def run(self, batch: NDArray[Any]) -> Outputs:
        """Run the network; see Backend.run."""
        if self._closed:
            raise BackendError(CLOSED)
        rows = len(batch)
        if rows < 2:
            return self._whole.run(batch)
        if self._process != os.getpid():  # a forked child has none of its parent's threads
            self._hire()
        # A row that would be alone in its turn is quicker with all threads.
        alone = int(rows % self._lanes == 1 and rows > self._lanes)
        lanes = min(self._lanes, rows)
        cuts = [(rows - alone) * i // lanes for i in range(lanes + 1)]
        shares = [batch[start:end] for start, end in pairwise(cuts)]
        waiting: list[Future[Outputs]] = []
        try:
            for share in shares[1:]:
                waiting.append(self._submit(share))
            parts = [self._share(shares[0])]
        finally:  # the batch is the caller's again when this returns or raises: nobody reads it any more
            for future in waiting:
                future.exception()
        parts += [future.result() for future in waiting]
        if alone:
            parts.append(self._whole.run(batch[-1:]))
        return _joined(parts)

    def _submit(self, rows: NDArray[Any]) -> Future[Outputs]:
        try:
            return self._threads.submit(self._share, rows)
        except RuntimeError as err:  # closed by another thread since this batch began
            raise BackendError(CLOSED) from err

    def _share(self, rows: NDArray[Any]) -> Outputs:
        if not self._one_by_one:
            return self._single.run(rows)
        return _joined([self._single.run(rows[i : i + 1]) for i in range(len(rows))])

    def close(self) -> None:
        """End the threads and give the memory back."""
        self._closed = True
        self._threads.shutdown()
        self._whole.close()
        self._single.close()


def in_lanes(whole: Backend, path: Path, threads: int, opened: Callable[[], Backend]) -> Lanes | None:
    """Return the network in lanes, one a thread; None where that is nothing for this file, engine or thread count.

    opened: opens the file again with one thread.
    """
    suits = whole.engine == "onnxruntime" and whole.device == "cpu" and len(whole.inputs) == 1
    suits = suits and whole.inputs[0].shape[:1] in ((None,), (1,))
    suits = suits and not isinstance(whole, Standby)  # its engine on the GPU takes over soon
    if threads < 2 or not suits or path.stat().st_size > MAX_BYTES:
        return None
    if sum(file.stat().st_size for file in files_of(path)) > MAX_BYTES:
        return None
    return Lanes(whole, opened(), min(threads, MAX_LANES))


def _joined(parts: list[Outputs]) -> Outputs:
    return parts[0] if len(parts) == 1 else [np.concatenate(values) for values in zip(*parts, strict=True)]

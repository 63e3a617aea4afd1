"""The same workers as actors of an existing Ray cluster."""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from edge_pose.errors import EdgePoseError, ExtractionError, MissingDependencyError
from edge_pose.extract.crew import TRIES, Observer, Order
from edge_pose.extract.job import Task, Worker

PASSED = ("EDGE_POSE_MODELS", "EDGE_POSE_CACHE", "EDGE_POSE_OFFLINE")


def work_on_ray(tasks: Sequence[Task], order: Order, workers: int | None, observer: Observer, address: str) -> None:
    """Work all tasks off on a Ray cluster: address "auto", "ray://HOST:10001", or "local" to start one here.

    Every node needs edge-pose, and the folders of input, output and models under the same paths. workers: None for one
    a CPU of the cluster. A program that has connected to Ray already keeps its connection.
    Raises MissingDependencyError, ExtractionError.
    """
    ray = _ray()
    begun_here = not ray.is_initialized()
    if begun_here:
        _connect(ray, address)
    try:
        known = {name: os.environ[name] for name in PASSED if name in os.environ}
        actor = ray.remote(num_cpus=order.options.threads, runtime_env={"env_vars": known})(Hand)
        cpus = int(ray.cluster_resources().get("CPU", 1)) // order.options.threads
        _work(ray, actor, deque(tasks), order, max(1, min(workers or cpus, cpus, len(tasks))), observer)
    finally:
        if begun_here:
            ray.shutdown()


class Hand:
    """A worker on any node: told its order first, then task after task."""

    def begin(self, order: Order) -> str:
        """Open the models; returns why not, or nothing."""
        try:
            self._worker = Worker(order.folder, order.options, order.settings)
        except EdgePoseError as err:
            return str(err)
        return ""

    def run(self, task: Task) -> dict[str, Any]:
        """Work a task off."""
        return self._worker.run(task)


def _work(ray: Any, actor: Any, waiting: deque[Task], order: Order, count: int, observer: Observer) -> None:
    tries = Counter[str]()
    free: list[Any] = []
    busy: dict[Any, tuple[Any, Task | None]] = {}  # by what they will answer; without a task they are beginning

    def hire() -> None:
        hand = actor.remote()
        busy[hand.begin.remote(order)] = hand, None

    for _ in range(count):
        hire()
    try:
        while waiting or any(task for _, task in busy.values()):
            while waiting and free:
                hand, task = free.pop(), waiting.popleft()
                observer.begun(task.item)
                busy[hand.run.remote(task)] = hand, task
            (answer, *_), _ = ray.wait(list(busy), num_returns=1)
            hand, job = busy.pop(answer)
            try:
                outcome = ray.get(answer)
            except ray.exceptions.RayActorError as err:
                if job is None:
                    raise ExtractionError(f"workers cannot begin: {type(err).__name__}") from err
                tries[job.item.key] += 1
                if tries[job.item.key] >= TRIES:
                    observer.ended(job.item, {"failed": f"its worker died ({type(err).__name__}), twice"})
                else:
                    observer.died(job.item, f"its worker died ({type(err).__name__})")
                    waiting.appendleft(job)
                hire()
                continue
            if job is None and outcome:
                raise ExtractionError(outcome)
            free.append(hand)
            if job is not None and not observer.ended(job.item, outcome):
                return
    finally:
        for hand in [*free, *(hand for hand, _ in busy.values())]:
            ray.kill(hand)


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as err:
        if err.name != "ray":
            raise
        raise MissingDependencyError("ray is not installed; run: pip install 'edge-pose[ray]'") from err
    return ray


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as err:
        reason = str(err).strip().splitlines()[0]
        raise ExtractionError(
            f"no Ray cluster at {address!r} can be reached from {socket.gethostname()}: {reason}"
        ) from err

"""The same workers as actors of an existing Ray cluster."""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from edge_pose.errors import ExtractionError, MissingDependencyError
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
        actor = ray.remote(num_cpus=order.options.threads, runtime_env={"env_vars": known})(Worker)
        cpus = int(ray.cluster_resources().get("CPU", 1)) // order.options.threads
        _work(ray, actor, deque(tasks), order, max(1, min(workers or cpus, cpus, len(tasks))), observer)
    finally:
        if begun_here:
            ray.shutdown()


def _work(ray: Any, actor: Any, waiting: deque[Task], order: Order, count: int, observer: Observer) -> None:
    def hire() -> Any:
        return actor.remote(order.folder, order.options, order.settings)

    tries = Counter[str]()
    free = [hire() for _ in range(count)]
    busy: dict[Any, tuple[Any, Task]] = {}
    try:
        while waiting or busy:
            while waiting and free:
                hand, task = free.pop(), waiting.popleft()
                observer.begun(task.item)
                busy[hand.run.remote(task)] = hand, task
            (answer, *_), _ = ray.wait(list(busy), num_returns=1)
            hand, task = busy.pop(answer)
            try:
                outcome = ray.get(answer)
            except ray.exceptions.RayActorError as err:
                tries[task.item.key] += 1
                why = str(err).strip().splitlines()[-1] if getattr(err, "error_msg", "") else type(err).__name__
                if isinstance(err.__cause__, ExtractionError):  # while it was made
                    raise ExtractionError(str(err.__cause__)) from err
                if tries[task.item.key] >= TRIES:
                    observer.ended(task.item, {"failed": f"its worker died twice: {why}"})
                else:
                    observer.died(task.item, f"its worker died: {why}")
                    waiting.appendleft(task)
                free.append(hire())
                continue
            free.append(hand)
            if not observer.ended(task.item, outcome):
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
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=None)
    except (ConnectionError, ValueError, RuntimeError) as err:
        reason = str(err).strip().splitlines()[0]
        raise ExtractionError(
            f"no Ray cluster at {address!r} can be reached from {socket.gethostname()}: {reason}"
        ) from err

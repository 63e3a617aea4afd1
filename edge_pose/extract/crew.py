"""Workers in processes of their own on this machine: given tasks one by one, replaced when they die."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from edge_pose.errors import ExtractionError
from edge_pose.extract.items import Item
from edge_pose.extract.job import Options, Task

TRIES = 2  # a worker may die of something else than its task: its task gets a second one
HUNG_S = 900.0  # without a word from a worker that has a task


class Observer(Protocol):
    """Whom a crew tells what happens, in the thread that runs it."""

    def begun(self, item: Item) -> None:
        """A worker is about to get an item."""

    def moved(self, item: Item, frames: int, share: float) -> None:
        """Work on an item has come so far."""

    def ended(self, item: Item, outcome: dict[str, Any]) -> bool:
        """An item is done or has failed; whether to go on."""

    def died(self, item: Item, why: str) -> None:
        """A worker died of an item, which is tried once more."""


@dataclass(frozen=True, slots=True)
class Order:
    """What every worker of an extraction is told first."""

    folder: str
    options: Options
    settings: dict[str, Any]


def work_here(tasks: Sequence[Task], order: Order, workers: int, observer: Observer) -> None:
    """Work all tasks off in up to so many processes. Raises ExtractionError when workers cannot begin."""
    waiting, tries = deque(tasks), Counter[str]()
    hands: list[Hand] = []
    try:
        while waiting or any(hand.task for hand in hands):
            while len(hands) < min(workers, len(waiting) + sum(hand.task is not None for hand in hands)):
                hands.append(Hand(order))
            for hand in hands:
                if hand.ready and hand.task is None and waiting:
                    observer.begun(waiting[0].item)
                    hand.give(waiting.popleft())
            wait([hand.pipe for hand in hands], timeout=1.0)
            for hand in list(hands):
                if not _listen(hand, observer, waiting):
                    return
                if hand.is_dead:
                    hands.remove(hand)
                    _bury(hand, observer, waiting, tries)
    finally:
        for hand in hands:
            hand.end()


def _listen(hand: Hand, observer: Observer, waiting: deque[Task]) -> bool:
    """Hear what a worker has to say; False when the extraction must stop."""
    for word in hand.words():
        if "fatal" in word:
            raise ExtractionError(word["fatal"])
        if hand.task is None:
            hand.ready = True
        elif "share" in word:
            observer.moved(hand.task.item, word["frames"], word["share"])
        else:
            item, hand.task = hand.task.item, None
            if not observer.ended(item, word):
                waiting.clear()
                return False
    return True


def _bury(hand: Hand, observer: Observer, waiting: deque[Task], tries: Counter[str]) -> None:
    why = hand.end()
    if hand.task is None:
        if not hand.ready:
            raise ExtractionError(f"workers cannot begin: {why}")
        return
    item = hand.task.item
    tries[item.key] += 1
    if tries[item.key] < TRIES:
        observer.died(item, why)
        waiting.appendleft(hand.task)
    else:
        observer.ended(item, {"failed": f"{why}, twice"})


class Hand:
    """One worker process and the pipe to it. It ends by itself when this process is gone."""

    def __init__(self, order: Order) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "edge_pose.extract.worker", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which then ends its workers
            )
        self.pipe = Connection(ours.detach())
        self.task: Task | None = None
        self.ready = self.is_dead = False
        self._heard_s = time.monotonic()
        self._why = ""
        self._say(asdict(order) | {"path": sys.path})

    def give(self, task: Task) -> None:
        """Hand a task over."""
        self.task = task
        self._heard_s = time.monotonic()
        self._say(asdict(task))

    def _say(self, word: dict[str, Any]) -> None:
        try:
            self.pipe.send_bytes(json.dumps(word).encode())
        except OSError:  # it has died meanwhile, which its end of the pipe tells
            self.is_dead = True

    def words(self) -> list[dict[str, Any]]:
        """Return what it has said since; finds out whether it is dead, or as good as."""
        heard = []
        try:
            while self.pipe.poll():
                heard.append(json.loads(self.pipe.recv_bytes()))
                self._heard_s = time.monotonic()
        except (EOFError, OSError):
            self.is_dead = True
        if self.task is not None and time.monotonic() - self._heard_s > HUNG_S:
            self.is_dead, self._why = True, f"its worker said nothing for {HUNG_S:.0f} s"
        return heard

    def end(self) -> str:
        """End the process; returns what it died of."""
        self.pipe.close()
        try:
            code = self._process.wait(0.2 if self.is_dead and not self._why else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._why:
            return self._why
        memory = " (is there enough memory?)" if code == -9 else ""
        return f"its worker died of signal {-code}{memory}" if code < 0 else f"its worker ended with code {code}"

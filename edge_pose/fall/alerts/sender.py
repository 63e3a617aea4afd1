"""A thread that gets events out of the outbox to one destination, and never gives up."""

from __future__ import annotations

import logging
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from edge_pose.fall.alerts.outbox import Item, Outbox

log = logging.getLogger(__name__)


class Unreachable(Exception):
    """The destination cannot be had now; try again later. wait_s: what it asked for, if it did."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Backoff:
    """Pauses that double from first_s to most_s, each shortened by chance so that many devices do not come at once."""

    def __init__(self, first_s: float = 1.0, most_s: float = 300.0) -> None:
        self._first_s, self._most_s, self._tries = first_s, most_s, 0

    def next_s(self) -> float:
        """Return the next pause."""
        self._tries += 1
        full: float = min(self._most_s, self._first_s * 2.0 ** min(self._tries - 1, 30))
        return full * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest."""
        self._tries = 0


class Sender(ABC):
    """One destination of the outbox. `session` does the work; every failure of it is told once, and tried again."""

    def __init__(
        self, name: str, outbox: Outbox, on_rejected: Callable[[str, Item, str], None], backoff: Backoff
    ) -> None:
        self.name, self.outbox, self._on_rejected, self._backoff = name, outbox, on_rejected, backoff
        self.sent = self.refused = self.failures = 0
        self.trouble = ""  # why nothing gets through at the moment, or ""
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"edge-pose {name}", daemon=True)

    @abstractmethod
    def session(self) -> None:
        """Deliver what is pending and what comes, until `stopping`. Raises Unreachable, or OSError."""

    @property
    def stopping(self) -> bool:
        """Whether to leave."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new in the outbox."""
        self._woken.set()

    def wait(self, timeout_s: float) -> None:
        """Return at a wake or after the timeout."""
        self._woken.wait(timeout_s)
        self._woken.clear()

    def stop(self) -> None:
        """Ask to leave."""
        self._stopping.set()
        self.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait until it has left; False: it has not, in that time."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def well(self) -> None:
        """Note that the destination answers."""
        self._backoff.reset()
        if self.trouble:
            log.warning("%s: works again", self.name)
            self.trouble = ""

    def rejected(self, item: Item, why: str, *, dead: bool) -> None:
        """Note that an event was refused."""
        self.refused += 1
        self.outbox.refused(self.name, item.seq, why, dead=dead)
        if dead:
            log.error("%s refused event %s for good (%s); it is kept as a dead letter", self.name, item.id, why)
            self._on_rejected(self.name, item, why)

    def _run(self) -> None:
        while not self.stopping:
            wait_s = 0.0
            try:
                self.session()
                continue
            except Unreachable as err:
                why, wait_s = str(err), err.wait_s
            except OSError as err:
                why = err.strerror or str(err) or type(err).__name__
            except Exception as err:  # an alarm must outlive a mistake of ours; the trace says where it is
                log.exception("%s: an unexpected error", self.name)
                why = type(err).__name__
            if self.stopping:
                return
            self.failures += 1
            if why != self.trouble:
                log.warning("%s: %s; trying again until it works, nothing is lost", self.name, why)
                self.trouble = why
            until = time.monotonic() + max(wait_s, self._backoff.next_s())
            while not self.stopping and (left := until - time.monotonic()) > 0:
                self._stopping.wait(left)

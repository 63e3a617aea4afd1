"""Sources, estimators and sinks that do as they are told."""

import threading
import time

import numpy as np

from edge_pose.errors import OutputError, SourceError
from edge_pose.estimators import Estimator
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks import Sink
from edge_pose.skeleton import COCO17
from edge_pose.sources import Source

IMAGE = np.zeros((48, 64, 3), np.uint8)


def people(*centers, score=0.9):
    """One person 20 pixels wide and 40 high around each centre."""
    xy = np.zeros((len(centers), 17, 2), np.float32)
    for row, (x, y) in enumerate(centers):
        xy[row, :, 0] = x + np.linspace(-8, 8, 17)
        xy[row, :, 1] = y + np.linspace(-18, 18, 17)
    boxes = np.array([[x - 10, y - 20, x + 10, y + 20] for x, y in centers], np.float32).reshape(-1, 4)
    return Poses(xy, np.full((len(centers), 17), score), boxes, np.full(len(centers), score))


class Numbers(Source):
    """Frames whose first pixel is their number. live: every `pace_s`. breaks_at: raises there. hangs_at: blocks."""

    def __init__(self, count, *, live=False, pace_s=0.0, breaks_at=None, hangs_at=None, stills=False):
        super().__init__("numbers", fps=30.0, count=count)
        self.live, self.stills = live, stills
        self.total, self.pace_s, self.breaks_at, self.hangs_at = count, pace_s, breaks_at, hangs_at
        self.closed_in, self.release = None, threading.Event()

    def _read(self):
        if self.taken == self.breaks_at:
            raise SourceError("the camera fell off")
        if self.taken == self.hangs_at:
            self.release.wait(20)
            return None
        if self.total is not None and self.taken >= self.total:
            return None
        if self.pace_s:
            time.sleep(self.pace_s)
        image = IMAGE.copy()
        image.reshape(-1)[:4] = np.frombuffer(np.int32(self.taken).tobytes(), np.uint8)
        return Frame(image, self.taken / 30, self.taken, self.name)

    def close(self):
        self.closed_in = threading.current_thread().name


def number_of(image):
    return int(np.frombuffer(image.reshape(-1)[:4].tobytes(), np.int32)[0])


class Seeing(Estimator):
    """Finds one person whose place tells which frame it was. slow_s: takes so long. breaks_at: raises there."""

    skeleton = COCO17

    def __init__(self, *, slow_s=0.0, breaks_at=None):
        self.slow_s, self.breaks_at, self.calls, self.resets = slow_s, breaks_at, 0, 0

    def __call__(self, image):
        self.calls += 1
        if number_of(image) == self.breaks_at:
            raise ZeroDivisionError("inside the network")
        if self.slow_s:
            time.sleep(self.slow_s)
        return people((number_of(image), 24))

    @property
    def timings_ms(self):
        return {"network": 1.0}

    def reset(self):
        self.resets += 1

    def close(self):
        pass


class Keeping(Sink):
    """Keeps the numbers of what it was given. full_after: then the disk is full. gate: waits for it at every write."""

    def __init__(self, *, full_after=None, gate=None):
        self.indices, self.full_after, self.gate = [], full_after, gate

    def write(self, frame, poses, timings_ms):
        if self.gate is not None:
            self.gate.wait(20)
        if len(self.indices) == self.full_after:
            raise OutputError("cannot write results.jsonl: No space left on device")
        self.indices.append(frame.index)

    def close(self):
        pass

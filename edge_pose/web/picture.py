"""What a frame looks like on its way to browsers, made once for all of them and off the pipeline's thread."""

from __future__ import annotations

import json
import logging
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_pose.frames import Image
from edge_pose.opencv import opencv
from edge_pose.sinks.jsonl import people
from edge_pose.web.board import Board, Snapshot

LONGEST_PX, QUALITY = 960, 75
MOST_FPS = 25.0  # what viewers get at most; a file may be read at hundreds
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """One message to the viewers: 4 bytes length (little endian), so many bytes of JSON, and a JPEG or nothing."""

    seq: int
    data: bytes


def encoded(snapshot: Snapshot) -> Picture:
    """Return the message of one result. Coordinates are pixels of the frame, whatever size the JPEG has."""
    head = {
        "frame": snapshot.index,
        "time_s": round(snapshot.time_s, 3),
        "size": snapshot.size_wh,
        "people": people(snapshot.poses),
        "timings_ms": {name: round(ms, 2) for name, ms in snapshot.timings_ms.items()},
        "fps": round(snapshot.fps, 1),
        "counters": snapshot.counters,
        "given_up": snapshot.given_up,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    jpeg = b"" if snapshot.image is None else jpeg_of(snapshot.image)
    return Picture(snapshot.seq, struct.pack("<I", len(text)) + text + jpeg)


def jpeg_of(image: Image) -> bytes:
    """Return a JPEG of a (H, W, 3) BGR image, its longest side at most 960 px."""
    cv2 = opencv()
    height, width = image.shape[:2]
    scale = LONGEST_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    fine, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not fine:
        raise ValueError(f"OpenCV cannot encode {width} x {height} pixels as JPEG")
    return bytes(data)


class Painter:
    """A thread that encodes the newest result, only while somebody is ready for it, and hands it to `deliver`."""

    def __init__(self, board: Board, deliver: Callable[[Picture], Any]) -> None:
        self._board, self._deliver = board, deliver
        self._thread = threading.Thread(target=self._work, name="edge-pose-web-picture", daemon=True)
        self._closing = threading.Event()
        self.encoded = 0  # how many pictures were made

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; the board must be closed before."""
        self._closing.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        last, due, told = 0, 0.0, False
        while not self._closing.wait(max(0.0, due - time.monotonic())):
            snapshot = self._board.wait(last)
            if snapshot is None:
                return
            last, due = snapshot.seq, time.monotonic() + 1 / MOST_FPS
            try:
                picture = encoded(snapshot)
            except Exception:  # one odd frame must not end the page; the cause is told once
                if not told:
                    log.exception("frame %d cannot be shown on the web page", snapshot.index)
                told = True
                continue
            self.encoded += 1
            self._deliver(picture)

"""Evidence clips: the seconds around an event as figures on grey, without a pixel of the room."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_pose.errors import EdgePoseError, OutputError
from edge_pose.fall.event import FallEvent
from edge_pose.frames import Frame, Image
from edge_pose.opencv import opencv
from edge_pose.poses import Poses
from edge_pose.sinks.video import VideoSink

log = logging.getLogger(__name__)
GREY = 56
MOST_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """before_s, after_s: seconds around the event. fps: of the clip; the side of its longer edge in pixels.

    keep_video: also keep pictures of the room and write them as a second clip. max_memory_bytes: of those pictures
    (JPEG), oldest first out. max_folder_bytes: of all clips; the oldest are removed for new ones.
    """

    before_s: float = 6.0
    after_s: float = 4.0
    fps: float = 15.0
    side: int = 640
    keep_video: bool = False
    max_memory_bytes: int = 64 << 20
    max_folder_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame as it is remembered: who was where, and a JPEG or nothing."""

    time_s: float
    poses: Poses
    size_hw: tuple[int, int]
    jpeg: bytes = b""


@dataclass(slots=True, eq=False)
class _Open:
    """A clip whose end is still to come."""

    event: FallEvent
    moments: list[Moment] = field(default_factory=list)


class ClipRecorder:
    """Remembers the last seconds and writes `{event id}.mp4` into a folder for each event that is begun.

    `observe` takes every frame: about 20 us, and 2 ms where it keeps a picture. Clips are written by a thread of its
    own, some seconds after the event; a clip that cannot be written is an error in the log and loses nothing else.
    Raises OutputError when the folder takes no files.
    """

    def __init__(self, folder: Path, config: ClipConfig = ClipConfig()) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise OutputError(f"cannot write clips into {folder}: {err.strerror or err}") from err
        self.folder, self.config = folder, config
        self.written = self.failed = 0
        self._ring: deque[Moment] = deque()
        self._bytes = 0
        self._open: list[_Open] = []
        self._guard = threading.Lock()
        self._jobs: queue.SimpleQueue[_Open | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="edge-pose clips", daemon=True)
        self._thread.start()

    def observe(self, time_s: float, poses: Poses, size_hw: tuple[int, int], image: Image | None = None) -> None:
        """Remember a frame. image: only kept with keep_video. More frames a second than fps are left out."""
        with self._guard:
            if self._ring and 0 <= time_s - self._ring[-1].time_s < 0.9 / self.config.fps:
                return
            jpeg = self._jpeg(image) if self.config.keep_video and image is not None else b""
            moment = Moment(time_s, poses, size_hw, jpeg)
            if self._ring and time_s < self._ring[-1].time_s:  # another clip began
                self._finish_all()
                self._ring.clear()
                self._bytes = 0
            self._ring.append(moment)
            self._bytes += len(jpeg)
            oldest_s = time_s - self.config.before_s
            while len(self._ring) > 1 and (
                self._bytes > self.config.max_memory_bytes or self._ring[0].time_s < oldest_s
            ):
                self._bytes -= len(self._ring.popleft().jpeg)
            for clip in self._open[:]:
                clip.moments.append(moment)
                if time_s >= clip.event.time_s + self.config.after_s:
                    self._open.remove(clip)
                    self._jobs.put(clip)

    def begin(self, event: FallEvent) -> str:
        """Have a clip made of the seconds around now; returns the name its file will have, "" when too many are."""
        with self._guard:
            if len(self._open) >= MOST_AT_ONCE:
                return ""
            self._open.append(_Open(event, list(self._ring)))
            return f"{event.id}.mp4"

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what has begun, as far as it got."""
        with self._guard:
            self._finish_all()
            self._jobs.put(None)
        self._thread.join(timeout_s)

    def _finish_all(self) -> None:
        for clip in self._open:
            self._jobs.put(clip)
        self._open.clear()

    def _jpeg(self, image: Image) -> bytes:
        cv2 = opencv()
        height, width = _fitted(image.shape[:2], self.config.side)
        if (height, width) != image.shape[:2]:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 75])[1])

    def _run(self) -> None:
        while (clip := self._jobs.get()) is not None:
            try:
                self._write(clip)
                self.written += 1
            except (EdgePoseError, OSError) as err:
                self.failed += 1
                log.error("no clip of event %s: %s", clip.event.id, err)

    def _write(self, clip: _Open) -> None:
        if not clip.moments:
            raise OutputError("no frame was seen around it")
        self._make_room()
        longest_s = self.config.before_s + self.config.after_s  # frames may have stayed away for hours
        for name, pixels in ((clip.event.id, False), (f"{clip.event.id}.room", True)):
            if pixels and not any(moment.jpeg for moment in clip.moments):
                continue
            with VideoSink(self.folder / f"{name}.mp4", fps=self.config.fps) as sink:
                for index, moment in enumerate(_even(clip.moments, self.config.fps, longest_s)):
                    canvas, poses = self._picture(moment, clip.event, pixels)
                    sink.write(Frame(canvas, index / self.config.fps, index), poses, {})

    def _picture(self, moment: Moment, event: FallEvent, pixels: bool) -> tuple[Image, Poses]:
        cv2 = opencv()
        height, width = _fitted(moment.size_hw, self.config.side)
        canvas: Image = np.full((height, width, 3), GREY, np.uint8)
        if pixels and moment.jpeg:
            canvas = cv2.imdecode(np.frombuffer(moment.jpeg, np.uint8), cv2.IMREAD_COLOR)
            height, width = canvas.shape[:2]
        by = np.array([width / moment.size_hw[1], height / moment.size_hw[0]], np.float32)
        p = moment.poses
        poses = Poses(p.xy * by, p.scores, p.boxes * np.tile(by, 2), p.box_scores, p.ids, p.skeleton)
        after_s = moment.time_s - event.time_s
        text, color = f"{event.event} {after_s:+.1f} s", (60, 60, 235) if after_s >= 0 else (200, 200, 200)
        cv2.putText(canvas, text, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
        return canvas, poses

    def _make_room(self) -> None:
        clips = sorted(self.folder.glob("????????-????-????-????-????????????*.mp4"), key=lambda p: p.stat().st_mtime)
        sizes = [path.stat().st_size for path in clips]
        spare = sum(sizes) - self.config.max_folder_bytes
        for path, size in zip(clips, sizes, strict=True):
            if spare <= 0:
                break
            path.unlink()
            spare -= size


def _fitted(size_hw: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return even sides, at most `side`, of the same shape; small pictures stay as they are."""
    by = min(1.0, side / max(size_hw))
    return max(2, round(size_hw[0] * by / 2) * 2), max(2, round(size_hw[1] * by / 2) * 2)


def _even(moments: list[Moment], fps: float, longest_s: float) -> list[Moment]:
    """Return moments at an even pace: the last one that was there at each time."""
    times = np.array([moment.time_s for moment in moments])
    seconds = min(times[-1] - times[0], longest_s)
    steps = times[0] + np.arange(int(seconds * fps) + 1) / fps
    return [moments[i] for i in np.searchsorted(times, steps + 1e-6, side="right") - 1]

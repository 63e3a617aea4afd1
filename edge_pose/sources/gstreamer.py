"""`gst:PIPELINE` and `csi://0`: a `gst-launch-1.0` child writes pictures into a pipe. OpenCV needs no GStreamer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections import deque

from edge_pose.errors import SourceError
from edge_pose.frames import Image
from edge_pose.redact import redacted
from edge_pose.sources.camera import Wish
from edge_pose.sources.gdp import Reader

LAUNCH, INSPECT = "gst-launch-1.0", "gst-inspect-1.0"
TOOLS = "sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-bad"
PIPE_BYTES = 1 << 20  # the most that a user may ask for without being root
SILENT_S = 15.0  # without a picture for longer, the child is taken for dead
TAIL = "videoconvert ! video/x-raw,format=BGR ! gdppay ! fdsink sync=false fd="


class GstFeed:
    """One child. It ends when its pipe is closed, so none is left behind when this process is killed."""

    def __init__(self, name: str, pipeline: str, *, silent_s: float = SILENT_S) -> None:
        self._name, self._silent_s = name, silent_s
        self.fps, self.finite = 0.0, False
        self._words: deque[str] = deque(maxlen=30)
        self._live, self._told = False, threading.Event()
        self._flaw = ""
        launch = shutil.which(LAUNCH)
        if launch is None:
            raise SourceError(f"{name} needs {LAUNCH}; run: {TOOLS}")
        self._pipe, child_end = os.pipe()
        with contextlib.suppress(OSError):  # the limit of this machine may be lower
            fcntl.fcntl(child_end, 1031, PIPE_BYTES)  # F_SETPIPE_SZ, which Python 3.10 has by name only on some
        try:
            parts = shlex.split(pipeline)
            self._child = subprocess.Popen(
                [launch, *parts, "!", *shlex.split(TAIL + str(child_end))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[child_end],
                env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
                start_new_session=True,  # Ctrl-C is for this process, which then ends the child
            )
        except (OSError, ValueError) as err:
            os.close(self._pipe)
            raise SourceError(f"{name} cannot be started: {redacted(str(err))}") from None
        finally:
            os.close(child_end)
        self._listener = threading.Thread(target=self._listen, name="edge-pose gst-launch", daemon=True)
        self._listener.start()
        self._reader = Reader(self._fill)
        self._first = self._take()
        if self._first is not None:
            self.fps = self._reader.caps.fps if self._reader.caps is not None else 0.0
            self._told.wait(1.0)  # it was written before the first picture, and may still be on its way
            self.finite = not self._live

    def _listen(self) -> None:
        """Keep the last lines that the child writes; one of them tells whether it plays a recording."""
        assert self._child.stdout is not None  # it was asked for
        for line in self._child.stdout:
            words = line.decode("utf-8", errors="replace").strip()
            if words.startswith("Pipeline is "):  # "live and does not need PREROLL", or "PREROLLING"
                self._live = self._live or words.startswith("Pipeline is live")
                self._told.set()
            self._words.append(words)
        self._told.set()

    def _fill(self, buffer: memoryview) -> bool:
        at, size = 0, len(buffer)
        while at < size:
            got = os.readv(self._pipe, [buffer[at:]])
            if got == 0:
                return False
            at += got
        return True

    def _take(self) -> tuple[Image, float | None] | None:
        watchdog = threading.Timer(self._silent_s, self._too_long)
        watchdog.daemon = True
        watchdog.start()
        try:
            return self._reader.read()
        except SourceError as err:
            self._flaw = str(err)
            return None
        finally:
            watchdog.cancel()

    def _too_long(self) -> None:
        self._flaw = f"no picture for {self._silent_s:g} s"
        self.stop()

    def read(self) -> tuple[Image, float | None] | None:
        """Return the next picture."""
        first, self._first = self._first, None
        return first if first is not None else self._take()

    def why(self) -> str:
        """Say what the child said before it died, or how it died."""
        if self._flaw:
            return self._flaw
        code = self._wait(2.0)
        self._listener.join(1.0)
        if code == 0:
            return ""
        if code is not None and code < 0:
            return f"{LAUNCH} was killed (signal {-code})"
        return f"{LAUNCH}: {_reason(list(self._words)) or f'exit code {code}'}"

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the child, and with it a read that is under way."""
        with contextlib.suppress(OSError):  # it has ended already
            self._child.kill()

    def close(self) -> None:
        """End the child, and wait until it is gone."""
        self.stop()
        self._child.wait()
        self._listener.join(1.0)
        if self._child.stdout is not None and not self._listener.is_alive():
            self._child.stdout.close()
        pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)


def _reason(lines: list[str]) -> str:
    """Pick what went wrong out of a child's last lines, as one line without secrets."""
    known = [
        re.sub(r"^(ERROR|WARNING): ", "", line) for line in lines if line.startswith(("ERROR", "WARNING: erroneous"))
    ]
    from_element = [re.sub(r"^from element \S+: ", "", line) for line in known]
    text = "; ".join(dict.fromkeys(line for line in from_element if line))
    mend = f" (run: {TOOLS})" if "no element" in text else ""
    return redacted(text)[:300] + mend


def csi_pipeline(sensor: int, wish: Wish) -> str:
    """Return the pipeline of a CSI camera: NVIDIA's on a Jetson, libcamera's elsewhere. Raises SourceError."""
    width, height = wish.size or (1280, 720)
    fps = f"{round(1000 * (wish.fps or 30))}/1000" if wish.fps and wish.fps % 1 else f"{round(wish.fps or 30)}/1"
    size = f"width={width},height={height},framerate={fps}"
    if has_element("nvarguscamerasrc"):
        raw = "video/x-raw(memory:NVMM),format=NV12"
        return f"nvarguscamerasrc sensor-id={sensor} ! '{raw},{size}' ! nvvidconv ! video/x-raw,format=BGRx"
    if has_element("libcamerasrc"):
        if sensor:
            raise SourceError(f"csi://{sensor}: with libcamera, give gst:'libcamerasrc camera-name=... ! ...'")
        return f"libcamerasrc ! video/x-raw,{size}"
    raise SourceError(
        f"csi://{sensor} needs GStreamer's nvarguscamerasrc (comes with JetPack) or libcamerasrc "
        "(gstreamer1.0-libcamera): this machine has neither"
    )


def has_element(name: str) -> bool:
    """Say whether this machine's GStreamer has an element."""
    inspect = shutil.which(INSPECT)
    if inspect is None:
        return False
    return subprocess.run([inspect, "--exists", name], capture_output=True, check=False).returncode == 0

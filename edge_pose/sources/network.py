"""RTSP and HTTP streams, through the FFmpeg inside OpenCV."""

from __future__ import annotations

import math
import socket
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_pose.errors import SourceError
from edge_pose.frames import Image
from edge_pose.opencv import opencv, quiet
from edge_pose.redact import redacted

SCHEMES = ("rtsp", "rtsps", "http", "https")
PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
MAX_FPS = 480.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a server must have answered, and until the next picture must be there."""

    open_s: float = 10.0
    read_s: float = 10.0


class NetworkFeed:
    """One connection. RTSP goes over TCP: pictures that lost packets over UDP are worse than a late one.

    Pictures are decoded in one thread, because each further thread keeps one picture back.
    """

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        cv2 = opencv()
        self._name, self._timeouts = redacted(url), timeouts
        self._stopped = threading.Event()
        wanted = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(timeouts.open_s * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(timeouts.read_s * 1000),
        ]  # fmt: skip
        if hasattr(cv2, "CAP_PROP_N_THREADS"):
            wanted += [cv2.CAP_PROP_N_THREADS, 1]
        if cv2.CAP_FFMPEG not in cv2.videoio_registry.getStreamBackends():
            raise SourceError(f"{self._name}: this OpenCV has no FFmpeg; run: pip install opencv-python")
        try:
            url.encode()  # OpenCV crashes on what this refuses
            with quiet:
                self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, wanted)
        except (UnicodeEncodeError, cv2.error) as err:
            raise SourceError(f"{self._name} cannot be opened: {redacted(str(err).splitlines()[0])}") from None
        if not self._capture.isOpened():
            raise SourceError(f"{self._name} cannot be opened: {why_not(url, timeouts.open_s)}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= MAX_FPS else 0.0
        # A camera's stream has no length. RTSP servers that play a file in a loop claim one nevertheless.
        self._length, self._read = self._capture.get(cv2.CAP_PROP_FRAME_COUNT), 0
        self.finite = urlsplit(url).scheme.startswith("http") and math.isfinite(self._length) and self._length > 1

    def read(self) -> tuple[Image, float | None] | None:
        """Return the next picture."""
        try:
            with quiet:
                fine, image = self._capture.read()
        except opencv().error:  # a stream that changes into something else
            return None
        if not fine or image is None or image.ndim != 3 or not image.size:
            return None
        self._read += 1
        return image, self._capture.get(opencv().CAP_PROP_POS_MSEC) / 1000

    def why(self) -> str:
        """Say what can be known: FFmpeg's own reasons do not come through OpenCV."""
        if not self.finite:
            return f"the stream ended, or sent no picture for {self._timeouts.read_s:g} s"
        whole = self._read >= 0.95 * self._length - 1  # some containers only know their duration
        return "" if whole else f"{self._length:.0f} were declared; the connection broke, or the rest is damaged"

    def stop(self) -> None:
        """Nothing can be done: the read ends by itself, with a picture or by its timeout."""

    def close(self) -> None:
        """Hang up."""
        self._capture.release()


def why_not(url: str, timeout_s: float) -> str:
    """Ask the server once, by hand, why a stream cannot be opened: in words for people, without secrets."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as err:  # a port that is none
        return f"no valid address: {redacted(str(err))}"
    if not host:
        return "the address has no host"
    try:
        with socket.create_connection((host, port), timeout=min(timeout_s, 3.0)) as server:
            if scheme not in ("rtsp", "http"):
                return "the server answers, but gives no video that can be decoded"
            server.sendall(_question(scheme, host, port, parts.path, parts.query))
            return _meaning(server.recv(64), scheme)
    except TimeoutError:
        return f"no answer from {host}:{port}"
    except (OSError, UnicodeError) as err:
        return f"{host}:{port}: {getattr(err, 'strerror', None) or err}"


def _question(scheme: str, host: str, port: int, path: str, query: str) -> bytes:
    target = path + (f"?{query}" if query else "")
    if scheme == "rtsp":
        return f"DESCRIBE rtsp://{host}:{port}{target} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    return f"GET {target or '/'} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()


def _meaning(answer: bytes, scheme: str) -> str:
    words = answer.split(None, 2)
    if len(words) < 2 or not words[0].startswith((b"RTSP/", b"HTTP/")) or not words[1].isdigit():
        return f"what answers is no {scheme.upper()} server"
    code = int(words[1])
    if code in (401, 403):
        return f"the server refuses user name and password ({code})"
    if code == 404:
        return "the server has no stream of that name (404)"
    if code >= 400:
        return f"the server answers with error {code}"
    return "the server answers, but gives no video that can be decoded"


__all__ = ["SCHEMES", "NetworkFeed", "Timeouts", "why_not"]

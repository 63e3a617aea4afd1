"""Bytes from an HTTP server into an open file: continued where they were cut, never longer than allowed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import logging
import os
import random
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_pose.errors import DownloadError, EdgePoseError, OutputError

Progress = Callable[[int, int | None], None]  # (bytes there, bytes in all or None); starts over when the file does
CHUNK = 1 << 17
BACKOFF_S = 0.5  # before the first retry; doubles with each fruitless one
LONGEST_WAIT_S = 30.0
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # HTTP answers that a later try may better
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Transfer:
    """One file on its way.

    file: where the bytes go; what it holds already is continued. target: its final name, for messages and for the free
    space. checked: a sum will tell later whether old and new bytes belong together; without one, bytes are continued
    only while the server's ETag or date vouches for them. pieced: the file was put together from several answers.
    """

    file: io.FileIO
    target: Path
    checked: bool
    progress: Progress | None
    timeout_s: float
    retries: int
    max_bytes: int
    pieced: bool = False
    validator: str = ""  # the ETag or date under which the server knows the bytes that are there

    def receive(self, url: str) -> None:
        """Fill the file, trying again as long as tries bring bytes, and `retries` times in a row when they do not.

        Raises DownloadError, or OutputError when the disk is full.
        """
        opener = urllib.request.build_opener(_Redirects)
        furthest, fruitless = self.size, 0
        self.validator = ""
        while True:
            if not (self.validator or self.checked):
                self.restart()
            try:
                return self._try(opener, url)
            except _TryAgain as err:
                reached = self.size
                fruitless = 0 if reached > furthest else fruitless + 1
                furthest = max(furthest, reached)
                if fruitless > self.retries:
                    kept = f"; {reached} bytes are kept for the next attempt" if reached else ""
                    raise DownloadError(f"{shown(url)}: {err}, given up after {fruitless} tries{kept}") from err
                wait_s = max(err.wait_s, BACKOFF_S * 2**fruitless * random.uniform(0.5, 1.0))
                log.info("%s: %s, trying again at byte %d", shown(url), err, reached)
                time.sleep(min(wait_s, LONGEST_WAIT_S))

    def restart(self) -> None:
        """Empty the file."""
        self.file.truncate(0)
        self.file.seek(0)
        self.validator, self.pieced = "", False

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self.file.fileno()).st_size

    def _try(self, opener: urllib.request.OpenerDirector, url: str) -> None:
        offset = self.size
        request = _request(url, offset, self.validator)
        try:
            with self._network(url):
                response = opener.open(request, timeout=self.timeout_s)
        except urllib.error.HTTPError as err:
            with err:
                return self._refused(url, err, offset)
        with response:
            self._store(url, response, offset)

    @contextlib.contextmanager
    def _network(self, url: str) -> Iterator[None]:
        """Turn what the network may raise into _TryAgain, or into DownloadError where trying again is no use."""
        try:
            yield
        except (EdgePoseError, urllib.error.HTTPError):
            raise
        except (OSError, http.client.HTTPException, ValueError) as err:
            cause = err.reason if isinstance(err, urllib.error.URLError) else err
            if isinstance(cause, http.client.InvalidURL) or not isinstance(cause, (OSError, http.client.HTTPException)):
                # The cause would show the address as it is, with what is secret in it.
                raise DownloadError(f"{shown(url)}: it, or where it redirects to, is no valid address") from None
            why = f"no data for {self.timeout_s:g} s" if isinstance(cause, TimeoutError) else str(cause)
            unknown = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
            if unknown or isinstance(cause, ssl.SSLCertVerificationError):
                raise DownloadError(f"{shown(url)}: {why}") from err
            raise _TryAgain(why or type(cause).__name__) from err

    def _refused(self, url: str, err: urllib.error.HTTPError, offset: int) -> None:
        """Decide what an answer that is no success means. Returns when the file is whole already."""
        why = f"HTTP {err.code} {http.client.responses.get(err.code, '')}".strip()
        if err.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            if err.headers.get("Content-Range", "").strip() == f"bytes */{offset}":
                self.pieced = True
                return
            self.restart()
            raise _TryAgain(why)
        if err.code not in PASSING:
            raise DownloadError(f"{shown(url)}: {why}")
        wait = err.headers.get("Retry-After", "")
        raise _TryAgain(why, float(wait) if wait.isdecimal() else 0.0)

    def _store(self, url: str, response: http.client.HTTPResponse, offset: int) -> None:
        """Write what the server sends behind what is there, or from the start if it sends the whole file."""
        start = 0
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            start = int(span[1]) if span else -1
        elif response.status != http.HTTPStatus.OK:
            raise DownloadError(f"{shown(url)}: unexpected answer, HTTP {response.status}")
        if start not in (0, offset):
            self.restart()
            raise _TryAgain("the server sent another range than was asked for")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError(f"{shown(url)}: the server sends it in an encoding that was not asked for")
        if start == 0:
            self.restart()
        self.pieced = start > 0
        self.file.seek(start)
        self.validator = _validator(response)
        total = None if response.length is None else start + response.length
        self._check_size(url, total or 0, start)
        self._report(start, total)
        done = start
        while total is None or done < total:
            with self._network(url):
                chunk = response.read1(CHUNK)  # what has arrived: waiting for more would lose it if the line goes dead
            if not chunk:
                break
            done += len(chunk)
            if done > self.max_bytes:
                raise DownloadError(f"{shown(url)}: it has more than {self.max_bytes} bytes, the most that is accepted")
            self._write(chunk)
            self._report(done, total)
        if total is not None and done < total:
            raise _TryAgain("the connection was cut")
        if done == 0:
            raise DownloadError(f"{shown(url)}: it is empty")

    def _check_size(self, url: str, total: int, start: int) -> None:
        if total > self.max_bytes:
            raise DownloadError(f"{shown(url)}: it has {total} bytes, the most that is accepted is {self.max_bytes}")
        free = shutil.disk_usage(self.target.parent).free
        if total - start > free:
            raise OutputError(
                f"cannot write {self.target}: {total - start} bytes are missing, the disk has {free} left"
            )

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as err:
            self.restart()  # the disk is full or broken: leave nothing on it
            raise OutputError(f"cannot write {self.target}: {err.strerror or err}") from err

    def _report(self, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(done, total)


def shown(url: str) -> str:
    """Return the address without what may be secret in it: user, password, query."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class _TryAgain(Exception):
    """A try failed in a way that the next one may not."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to anything less."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:
        old, new = (urllib.parse.urlsplit(u).scheme for u in (req.full_url, newurl))
        if new != "https" and not (old == new == "http"):
            fp.close()
            raise DownloadError(f"{shown(req.full_url)} redirects from {old} to {new}, which is refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(url: str, offset: int, validator: str) -> urllib.request.Request:
    """Ask for the file from byte offset on; a user and password in the address go where HTTP wants them."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise DownloadError(f"{shown(url)}: the address must begin with https:// or http://")
    login, _, host = parts.netloc.rpartition("@")
    headers = {"User-Agent": "edge-pose", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=headers)
    if login:
        token = base64.b64encode(urllib.parse.unquote_to_bytes(login)).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")  # not for wherever it redirects to
    return request


def _validator(response: http.client.HTTPResponse) -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")  # If-Range wants a strong one

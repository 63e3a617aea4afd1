"""A web server on this machine that misbehaves as told, and counts what it sends."""

import contextlib
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILE = bytes(range(256)) * 400  # 102400 bytes
OTHER = bytes(reversed(FILE))
SUM = hashlib.sha256(FILE).hexdigest()
OTHER_SUM = hashlib.sha256(OTHER).hexdigest()


@dataclass
class Answer:
    """How one request is answered. cut: bytes after which the line goes dead. stall: say nothing more after them."""

    status: int = 200
    content: bytes | None = None  # instead of the server's
    etag: str | None = None  # instead of the server's
    cut: int | None = None
    stall: bool = False
    ranges: bool = True
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What was asked for, and how many bytes of the file went out."""

    path: str
    headers: dict[str, str]
    sent: int = 0


class Web:
    """answers: for the first requests, one each; the later ones are served properly."""

    def __init__(self, content: bytes, *answers: Answer, etag: str = '"one"') -> None:
        self.content, self.answers, self.etag = content, list(answers), etag
        self.requests: list[Request] = []
        self.stalled, self.closing = threading.Event(), threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web._answer(self)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/model.bin"

    @property
    def sent(self) -> list[int]:
        """Bytes of the file that went out, per request."""
        return [request.sent for request in self.requests]

    def __enter__(self) -> "Web":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, to: http.server.BaseHTTPRequestHandler) -> None:
        request = Request(to.path, {k.lower(): v for k, v in to.headers.items()})
        self.requests.append(request)
        how = self.answers.pop(0) if self.answers else Answer()
        to.close_connection = True
        if how.status != 200:
            to.send_response(how.status)
            for name, value in {"Content-Length": "0", **how.headers}.items():
                to.send_header(name, value)
            to.end_headers()
            return
        content = self.content if how.content is None else how.content
        etag = self.etag if how.etag is None else how.etag
        start = self._start(request, etag) if how.ranges else 0
        if start and start >= len(content):
            to.send_response(416)
            to.send_header("Content-Range", f"bytes */{len(content)}")
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        to.send_response(206 if start else 200)
        headers = {"ETag": etag} if etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if how.length:
            headers["Content-Length"] = str(len(content) - start)
        for name, value in {**headers, **how.headers}.items():
            to.send_header(name, value)
        to.end_headers()
        body = content[start:]
        body = body if how.cut is None else body[: how.cut]
        with contextlib.suppress(ConnectionError):  # the client may hang up
            for i in range(0, len(body), 1000):
                to.wfile.write(body[i : i + 1000])
                request.sent += len(body[i : i + 1000])
            to.wfile.flush()
        if how.stall:
            self.stalled.set()
            self.closing.wait(30)

    @staticmethod
    def _start(request: Request, etag: str) -> int:
        span = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        known = request.headers.get("if-range", etag) == etag
        return int(span[1]) if span and known else 0


@contextlib.contextmanager
def serve(content: bytes, *answers: Answer, etag: str = '"one"') -> Iterator[Web]:
    with Web(content, *answers, etag=etag) as web:
        yield web


def left(target: Path) -> list[str]:
    """Names of all files in the target's folder."""
    return sorted(path.name for path in target.parent.iterdir())

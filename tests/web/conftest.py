"""A page on a free port, and clients of it."""

import contextlib
import json
import struct
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import websockets.sync.client

from edge_pose.web import WebPage
from tests.web import scene


class Viewer:
    """What a browser does: takes messages, answers pictures."""

    def __init__(self, socket: websockets.sync.client.ClientConnection) -> None:
        self.socket = socket
        self.notes: dict[str, object] = {}

    def picture(self, *, answer: bool = True, timeout: float = 10) -> tuple[dict, bytes]:
        """The next picture: its head and its JPEG."""
        while True:
            data = self.socket.recv(timeout=timeout)
            if isinstance(data, str):
                self.notes |= json.loads(data)
                continue
            (length,) = struct.unpack_from("<I", data)
            if answer:
                self.socket.send("ok")
            return json.loads(data[4 : 4 + length]), data[4 + length :]

    def note(self, kind: str, timeout: float = 10) -> object:
        """The next note of a kind; pictures are answered meanwhile."""
        while True:
            data = self.socket.recv(timeout=timeout)
            if isinstance(data, str):
                self.notes |= json.loads(data)
                if kind in json.loads(data):
                    return self.notes[kind]
            else:
                self.socket.send("ok")

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def page() -> Iterator[WebPage]:
    with WebPage("127.0.0.1:0") as opened:
        yield opened


@pytest.fixture
def watch() -> Iterator[object]:
    """watch(page): a viewer that is closed in the end."""
    with contextlib.ExitStack() as stack:

        def start(page: WebPage, **options) -> Viewer:
            address = page.url.replace("http", "ws") + "live"
            return Viewer(stack.enter_context(websockets.sync.client.connect(address, max_size=None, **options)))

        yield start


@pytest.fixture
def results() -> Iterator[scene.Result]:
    return scene.results(320, 180, people=1)


def get(page: WebPage, path: str = "", **options) -> httpx.Response:
    with httpx.Client(base_url=page.url, trust_env=False, timeout=10) as client:
        return client.get(path, **options)


def result(height: int = 90, width: int = 160, people: int = 1, index: int = 0) -> scene.Result:
    """One small result, the picture all grey."""
    xy = np.tile(np.float32([width / 2, height / 2]), (people, 17, 1))
    image = np.full((height, width, 3), 90, np.uint8)
    return scene.result(image, xy, index, index / 30, np.random.default_rng(0))

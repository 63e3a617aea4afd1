"""`WebPage`: what the pipeline and the command line know of the web."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_pose.errors import MissingDependencyError, WebError
from edge_pose.redact import source_name
from edge_pose.web.address import SHORT_TOKEN, Address, check_token, own_names, url_of
from edge_pose.web.board import Board, Result
from edge_pose.web.guard import Guard
from edge_pose.web.hub import TICK_S, Hub
from edge_pose.web.picture import Painter
from edge_pose.web.zones import Zone, ZoneFile, plain

if TYPE_CHECKING:
    from uvicorn import Config, Server

log = logging.getLogger(__name__)
SERVER_LOGS = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi")
START_S, GRACE_S, ABORT_S = 10.0, 0.45, 0.25
MOST_CONNECTIONS = 64
IDLE_S = 15.0  # until a connection must have asked for something, or be gone after its end


class WebPage:
    """The live page in a thread of its own: `with WebPage("127.0.0.1:8000") as page: page.publish(result)`.

    address: HOST:PORT; port 0 takes any free one. An address that others can reach needs a token, which browsers give
    once, as /?token=..., and programs as `Authorization: Bearer ...`. privacy: no picture is kept, encoded or sent,
    only joints. zones_path: JSON file of zones that the page shows and edits. title: of the page;
    secrets of an address in it are left out. names: host names, besides this machine's own, that it is reached by.
    Raises WebError (port in use, no token, unreadable zones), MissingDependencyError.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:8000",
        *,
        token: str | None = None,
        privacy: bool = False,
        zones_path: str | Path | None = None,
        title: str = "edge-pose",
        names: tuple[str, ...] = (),
    ) -> None:
        config_of = _server_config()
        place = Address.parse(address)
        self._zones = ZoneFile(Path(zones_path)) if zones_path is not None else None
        self._about: dict[str, Any] = {
            "title": source_name(title),
            "privacy": privacy,
            "zones": self._zones is not None,
        }
        self._board = Board(privacy=privacy)
        self._hub = Hub(self._board, self._tell_about)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._closed = False
        self._up = threading.Event()
        self._listener = place.listen()
        try:
            check_token(place, self._listener, token)
        except WebError:
            self._listener.close()
            raise
        if token is not None and len(token) < SHORT_TOKEN:
            log.warning("the token of the web page has only %d characters and can be guessed", len(token))
        self.url = url_of(self._listener, place.host)  # without the token
        port = self._listener.getsockname()[1]
        known = own_names(place.host) | {name.lower() for name in names}
        self._painter = Painter(self._board, self._deliver)

        def guarded() -> Any:
            from edge_pose.web.app import build

            return Guard(build(self._board, self._hub, self._zones), names=known, token=token, port=port)

        self._thread = threading.Thread(target=self._work, args=(config_of, guarded), name="edge-pose-web", daemon=True)
        self._painter.start()
        self._thread.start()
        if not self._up.wait(START_S) or self._loop is None:
            self.close()
            raise WebError(f"the web page at {self.url} did not start; the log says why")
        log.info("web page at %s", self.url)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones as they are now. Another tuple once somebody has saved others, so `is` tells a change."""
        return self._zones.zones if self._zones is not None else ()

    @property
    def viewers(self) -> int:
        """How many browsers watch."""
        return self._hub.viewers

    def publish(self, result: Result, counters: Mapping[str, int] | None = None) -> None:
        """Show a result: never waits for a viewer, a picture or the network. Afterwards nobody may write to its image.

        counters: of the pipeline ("dropped", "reconnects", ...); by default what the result has of that name.
        """
        if not self._closed:
            self._board.put(result, getattr(result, "counters", {}) if counters is None else counters)

    def close(self) -> None:
        """Let the viewers go and end both threads, in less than a second. May be called twice."""
        self._closed = True
        self._board.close()
        loop = self._loop
        if loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(GRACE_S + ABORT_S + 0.2)
        self._painter.close()

    def __enter__(self) -> WebPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell_about(self) -> dict[str, Any]:
        newest = self._board.newest()
        skeleton = newest.poses.skeleton if newest is not None else None
        shown = {"joints": skeleton.joints, "edges": skeleton.edges} if skeleton is not None else None
        return {**self._about, "skeleton": shown}

    def _deliver(self, picture: Any) -> None:
        loop = self._loop
        if loop is not None and not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(self._hub.deliver, picture)

    def _work(self, config_of: Callable[[Any], Config], application: Callable[[], Any]) -> None:
        try:
            asyncio.run(self._serve(config_of(application())))
        except Exception:
            log.exception("the web page has stopped")
        finally:
            self._listener.close()
            self._loop = None
            self._up.set()

    async def _serve(self, config: Config) -> None:
        from uvicorn import Server

        server, discreet = Server(config), _Discreet()
        for name in SERVER_LOGS:
            logging.getLogger(name).addFilter(discreet)
        try:
            await self._run(server)
        finally:
            for name in SERVER_LOGS:
                logging.getLogger(name).removeFilter(discreet)

    async def _run(self, server: Server) -> None:
        self._stop = asyncio.Event()
        if self._zones is not None:
            self._hub.note("zones", plain(self._zones.zones))
        serving = asyncio.ensure_future(server.serve(sockets=[self._listener]))
        stopped = asyncio.ensure_future(self._stop.wait())
        watch = asyncio.ensure_future(self._watch(server))
        self._loop = asyncio.get_running_loop()
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        watch.cancel()
        stopped.cancel()
        self._hub.close()
        server.should_exit = True
        await asyncio.wait({serving}, timeout=GRACE_S)
        if not serving.done():  # somebody does not read what he is sent
            server.force_exit = True
            for connection in list(server.server_state.connections):
                _abort(connection)
            await asyncio.wait({serving}, timeout=ABORT_S)
        if serving.done() and not serving.cancelled() and (error := serving.exception()) is not None:
            raise error

    async def _watch(self, server: Server) -> None:
        """Every second: tell viewers what is old, and end connections that never ask, or never end."""
        idle: dict[Any, float] = {}
        while True:
            if server.started:
                self._up.set()
            now = time.monotonic()
            open_now = {c for c in server.server_state.connections if _is_idle(c)}
            idle = {connection: idle.get(connection, now) for connection in open_now}
            for connection, since in idle.items():
                if now - since > IDLE_S:
                    _abort(connection)
            self._hub.tick()
            await asyncio.sleep(TICK_S if server.started else 0.02)


class _Discreet(logging.Filter):
    """Holds back what the server of this thread says below an error: whole requests, with tokens, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or record.thread != self._thread


def _is_idle(connection: Any) -> bool:
    """Whether a connection of the server has not made one whole request, or was closed and still has not gone."""
    transport = connection.transport
    return (transport is not None and transport.is_closing()) or getattr(connection, "cycle", connection) is None


def _abort(connection: Any) -> None:
    if connection.transport is not None:
        connection.transport.abort()


def _server_config() -> Callable[[Any], Config]:
    """Return what makes the settings of the server, once it is sure that there is one."""
    try:
        import starlette  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
        from uvicorn.config import WS_PROTOCOLS
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] not in ("starlette", "uvicorn", "websockets"):
            raise
        raise MissingDependencyError(f"{err.name} is not installed; run: pip install 'edge-pose[web]'") from err

    def config_of(application: Any) -> uvicorn.Config:
        return uvicorn.Config(
            application,
            loop="asyncio",
            http="h11",
            # The older protocol of this name stands on a part of websockets that is about to go.
            ws="websockets-sansio" if "websockets-sansio" in WS_PROTOCOLS else "auto",
            ws_max_size=1 << 10,
            ws_per_message_deflate=False,  # a JPEG does not get smaller
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
        )

    return config_of

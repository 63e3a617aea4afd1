"""The routes of the page."""

from __future__ import annotations

import asyncio
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from edge_pose.errors import EdgePoseError, OutputError
from edge_pose.web.board import Board
from edge_pose.web.hub import Hub
from edge_pose.web.metrics import CONTENT_TYPE, metrics_text
from edge_pose.web.zones import MAX_BYTES, ZoneFile, drawn_zones, plain

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

FRESH = {"cache-control": "no-store"}
SLOW = {"connection": "close"}
SENT_S = 10.0  # the zones must be here, or they would hold a connection for as long as they like
HEALTHY_S = 5.0  # the newest frame may be so old
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def assets() -> dict[str, bytes]:
    """Return the files of the page by name."""
    folder = files("edge_pose.web") / "assets"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES}


def build(board: Board, hub: Hub, zone_file: ZoneFile | None) -> Starlette:
    """Return the application: /, /assets/NAME, /live (WebSocket), /metrics, /healthz and, with a file, /zones."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route, WebSocketRoute

    pages = assets()
    tags = {name: f'"{hashlib.sha256(data).hexdigest()[:16]}"' for name, data in pages.items()}

    def page(request: Request, name: str) -> Response:
        if name not in pages:
            return Response(b"There is no such page.\n", 404)
        headers = {"etag": tags[name], "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        return Response(pages[name], headers=headers, media_type=TYPES[name.rpartition(".")[2]])

    async def index(request: Request) -> Response:
        return page(request, "index.html")

    async def asset(request: Request) -> Response:
        return page(request, request.path_params["name"])

    async def live(socket: WebSocket) -> None:
        await hub.watch(socket)

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(board.figures(), hub.viewers), headers=FRESH, media_type=CONTENT_TYPE)

    async def healthz(_: Request) -> Response:
        age_s = board.age_s()
        status = "starting" if age_s is None else "ok" if age_s < HEALTHY_S else "stale"
        content = {"status": status, "frame_age_s": None if age_s is None else round(age_s, 3)}
        return JSONResponse(content, 200 if status == "ok" else 503, FRESH)

    routes = [
        Route("/", index),
        Route("/assets/{name}", asset),
        WebSocketRoute("/live", live),
        Route("/metrics", metrics),
        Route("/healthz", healthz),
    ]
    if zone_file is not None:
        routes += _zone_routes(zone_file, hub)
    return Starlette(routes=routes)


async def _body(request: Request) -> bytes:
    """Read what is sent, but not much more than zones may take."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BYTES:
            break
    return data


def _zone_routes(zone_file: ZoneFile, hub: Hub) -> list[Any]:
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    saving = asyncio.Lock()

    async def read(_: Request) -> Response:
        return JSONResponse(plain(zone_file.zones), headers=FRESH)

    async def write(request: Request) -> Response:
        try:
            data = await asyncio.wait_for(_body(request), SENT_S)
        except asyncio.TimeoutError:  # not TimeoutError: they are two before Python 3.11
            return JSONResponse({"error": f"zones must be sent within {SENT_S:.0f} s"}, 408, SLOW)
        if len(data) > MAX_BYTES:
            return JSONResponse({"error": f"zones may take {MAX_BYTES} bytes"}, 413)
        try:
            zones = drawn_zones(data)
            async with saving:
                await asyncio.to_thread(zone_file.save, zones)
        except OutputError as err:
            return JSONResponse({"error": str(err)}, 507)
        except EdgePoseError as err:
            return JSONResponse({"error": str(err)}, 422)
        hub.note("zones", plain(zones))
        return JSONResponse(plain(zones), headers=FRESH)

    return [Route("/zones", read), Route("/zones", write, methods=["PUT"])]

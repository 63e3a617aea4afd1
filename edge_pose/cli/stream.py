"""What `run` and `fall` share: where frames come from, who looks at them, the page, and how long it stays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_pose.cli import WEB_ADDRESS, check_interrupted, wait_for_stop
from edge_pose.cli.common import say
from edge_pose.errors import WebError

if TYPE_CHECKING:
    from edge_pose.estimators import Estimator
    from edge_pose.pipeline import Pipeline, Result
    from edge_pose.sources import Source
    from edge_pose.web import WebPage

TURN_S = 0.5  # how long to wait for a result before looking whether somebody wants to stop

Detector = Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")]
MaxFrames = Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")]
Record = Annotated[Path | None, typer.Option(help="Keep what the network saw here (.jsonl.gz), no pixels.")]
Web = Annotated[
    str | None,
    typer.Option(help=f"Serve a live page until Ctrl-C, [HOST:PORT]; by default {WEB_ADDRESS}."),
]
WebToken = Annotated[str | None, typer.Option(envvar="EDGE_POSE_WEB_TOKEN", help="Who has it may look.")]
WebPrivacy = Annotated[bool, typer.Option("--web-privacy", help="The page shows figures, no picture.")]


def check_page(web: str | None) -> None:
    """Fail as usage where the page's address is none."""
    if web is None:
        return
    from edge_pose.web.address import Address

    try:
        Address.parse(web)
    except WebError as err:
        raise typer.BadParameter(str(err), param_hint="--web") from err


def opened(
    stack: contextlib.ExitStack,
    source: str | None,
    replay: Path | None,
    max_frames: int | None,
    wish: dict[str, Any] | None = None,
) -> tuple[Source, Estimator | None]:
    """Open what frames come from: a source, or a recording, which is also who looks at them."""
    if replay is not None:
        from edge_pose.pipeline import open_replay

        frames, estimator = open_replay(replay, max_frames=max_frames)
        return stack.enter_context(frames), estimator
    from edge_pose.sources import open_source

    return stack.enter_context(open_source(source or "", max_frames=max_frames, **(wish or {}))), None


class Page:
    """The page of `--web`, or none. Opened before the model is: what is wrong with it is told first."""

    def __init__(self, web: str | None, token: str | None, privacy: bool, zones: Path | None) -> None:
        check_page(web)
        self._asked = (web, token, privacy, zones)
        self.shown: WebPage | None = None
        self._stays = False

    def open(
        self, stack: contextlib.ExitStack, frames: Source, *, title: str | None = None, aside: bool = False
    ) -> None:
        """Serve it, where it was asked for, as long as the stack lasts. title: by default the name of the source."""
        web, token, privacy, zones = self._asked
        if web is None:
            return
        from edge_pose.web import WebPage

        self.shown = stack.enter_context(
            WebPage(web, token=token, privacy=privacy, zones_path=zones, title=title or frames.name)
        )
        self._stays = not frames.live and frames.max_frames is None
        say(f"page: {self.shown.url}", aside=aside)

    @property
    def viewers(self) -> tuple[WebPage, ...]:
        """What a pipeline takes."""
        return () if self.shown is None else (self.shown,)

    def stay(self, *, aside: bool = False) -> None:
        """After the end of a file, leave the page up until somebody stops the program: a clip is over in a moment."""
        if self.shown is not None and self._stays:
            say(f"that was all; the page stays until Ctrl-C: {self.shown.url}", aside=aside)
            wait_for_stop()


def turns(stream: Pipeline) -> Iterator[Result | None]:
    """Yield results until there are no more; None where none came for a while. Raises what somebody stops us with."""
    while not stream.ended:
        result = stream.poll(TURN_S)
        check_interrupted()
        yield result


def counted(number: int, what: str) -> str:
    """Return "1 frame", "2 frames"."""
    return f"{number} {what}{'' if number == 1 else 's'}"

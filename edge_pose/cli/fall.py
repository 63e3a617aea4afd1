"""`edge-pose fall`: watches a camera or a video for falls, and tells about them until somebody has heard it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge_pose.cli import one_line
from edge_pose.cli.common import (
    Device,
    Engine,
    Spec,
    Threads,
    advise,
    check_writable,
    keep_inputs,
    progress,
    say,
    show_warnings,
)
from edge_pose.cli.stream import (
    Detector,
    MaxFrames,
    Page,
    Record,
    Web,
    WebPrivacy,
    WebToken,
    counted,
    opened,
    turns,
)
from edge_pose.errors import AddressError, OutputError, SourceError

if TYPE_CHECKING:
    from edge_pose.cli.common import Bar
    from edge_pose.fall import FallConfig, FallDetector, FallEvent, Zone
    from edge_pose.fall.alerts import Alerts
    from edge_pose.fall.alerts.mqtt import MqttTarget
    from edge_pose.fall.alerts.webhook import WebhookTarget
    from edge_pose.pipeline import Pipeline, Result
    from edge_pose.web import WebPage

DEFAULT_MODEL = "movenet-lightning"

Model = Annotated[str, typer.Option(help="Pose model; yolov8n-pose where more than one person may be in the room.")]
ConfigFile = Annotated[Path | None, typer.Option(help="Thresholds (TOML); see docs/falls.md.")]
ZonesFile = Annotated[Path | None, typer.Option(help="Beds, sofas and what to ignore (JSON); --web draws them.")]
Confidence = Annotated[
    float | None, typer.Option(min=0, max=1, help="Least score of a person; 0.1, the fallen score low.")
]


class SourceGroup(TyperGroup):
    """`fall SOURCE` and `fall eval MANIFEST`: what is no subcommand is a source to watch."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the subcommand in that may be left out."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["watch", *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show what watching takes, which is what `fall` is for, and then the subcommands."""
        watching = self.commands["watch"]
        alone = type(ctx)(watching, info_name=ctx.info_name, parent=ctx.parent)
        watching.format_help(alone, formatter)
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=SourceGroup, no_args_is_help=True, help="Watch for falls: edge-pose fall SOURCE; or one of these."
)


@app.command("watch", hidden=True)
def watch(
    source: Annotated[
        str | None, typer.Argument(help="A camera, a stream or a video. A file called eval: ./eval.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    detector: Detector = None,
    events: Annotated[Path | None, typer.Option(help="Append events here as JSON lines.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Broker: mqtts://HOST/TOPIC; $EDGE_POSE_MQTT_USER.")] = None,
    webhook: Annotated[str | None, typer.Option(help="POST events here; $EDGE_POSE_WEBHOOK_SECRET signs them.")] = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="A webhook elsewhere without TLS.")] = False,
    outbox: Annotated[Path | None, typer.Option(help="Where events wait for broker and webhook.")] = None,
    clips: Annotated[Path | None, typer.Option(help="Folder for clips of events: figures, no picture.")] = None,
    keep_video: Annotated[bool, typer.Option("--keep-video", help="Pictures of the room too; needs --clips.")] = False,
    zones: ZonesFile = None,
    config: ConfigFile = None,
    record: Record = None,
    replay: Annotated[Path | None, typer.Option(help="Watch such a recording again, without SOURCE.")] = None,
    web: Web = None,
    web_token: WebToken = None,
    web_privacy: WebPrivacy = False,
    max_frames: MaxFrames = None,
    confidence: Confidence = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Watch SOURCE for falls, and tell about them."""
    show_warnings()
    if (source is None) == (replay is None):
        raise typer.BadParameter("what to watch: a SOURCE or --replay RECORDING, one of both")
    if keep_video and clips is None:
        raise typer.BadParameter("--keep-video needs --clips FOLDER, where the clips go")
    page = Page(web, web_token, web_privacy, zones)
    targets = _targets(mqtt, webhook, allow_http)
    keep_inputs((record, events), (source, replay, model, detector, spec, zones, config))
    check_writable(record)
    for path in (events, outbox):
        check_makeable(path)
    check_makeable(clips, folder=True)
    drawn = web is not None and zones is not None and not zones.exists()  # later, on the page
    settings, places = settings_of(config, None if drawn else zones)
    loading: dict[str, Any] = {
        "detector": detector,
        "device": device,
        "engine": engine,
        "threads": threads,
        "spec": spec,
    }
    with contextlib.ExitStack() as pages:
        with contextlib.ExitStack() as stack:
            frames, estimator = opened(stack, source, replay, max_frames)
            page.open(pages, frames)
            from edge_pose.fall import FallDetector
            from edge_pose.fall.alerts import WatchConfig, open_alerts
            from edge_pose.fall.watch import CONFIDENCE, tracks_of
            from edge_pose.pipeline import Pipeline

            if estimator is None:
                from edge_pose.estimators import load

                least = CONFIDENCE if confidence is None else confidence
                estimator = stack.enter_context(load(model, confidence=least, **loading))
                advise(model)
            watcher = FallDetector(settings, places, frames.name)
            alerts = stack.enter_context(
                open_alerts(
                    events, *targets, outbox, clips, keep_video, source=frames.name,
                    watch=WatchConfig() if frames.live else None,
                )
            )  # fmt: skip
            recorder = None
            if record is not None:
                from edge_pose.recording import Recorder

                recorder = stack.enter_context(
                    Recorder(record, model=model, source=frames.name, settings=asdict(settings))
                )
            stream = stack.enter_context(
                Pipeline(
                    estimator, frames, track=tracks_of(confidence), fall=watcher, viewers=page.viewers, record=recorder
                )
            )
            bar = stack.enter_context(progress(frames.name, frames.count))
            loop = _Loop(stream, watcher, alerts, page.shown)
            loop.drive(bar)
            problems = len(frames.problems)
            if not loop.frames:
                raise SourceError(f"{frames.name}: there is not one frame to watch")
        trouble = f", {counted(problems, 'problem')} (see above)" if problems else ""
        say(f"{counted(loop.frames, 'frame')}, {counted(loop.told, 'event')}{trouble}")
        page.stay()


def _targets(mqtt: str | None, webhook: str | None, allow_http: bool) -> tuple[MqttTarget | None, WebhookTarget | None]:
    """Read where alerts are to go, before anything is opened; an address that is none is a usage error."""
    if mqtt is None and webhook is None:
        return None, None
    from edge_pose.fall.alerts import targets_of

    try:
        return targets_of(mqtt, webhook, allow_http=allow_http)
    except AddressError as err:
        raise typer.BadParameter(str(err)) from err


def check_makeable(path: Path | None, *, folder: bool = False) -> None:
    """Fail early where a file, or a folder, can be neither written nor made. Raises OutputError."""
    if path is None:
        return
    what = "folder" if folder else "file"
    if path.exists() and path.is_dir() != folder:
        raise OutputError(f"cannot write {path}: it is {'no folder' if folder else 'a folder'}; give a {what}")
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there != path and not there.is_dir():
        raise OutputError(f"cannot write {path}: {there} is no folder")
    if not os.access(there, os.W_OK):
        raise OutputError(f"cannot write {path}: no permission to write to {there}")


class _Loop:
    """What is done with each result: shown to the alerts, and told where there is something to tell."""

    def __init__(self, stream: Pipeline, watcher: FallDetector, alerts: Alerts, page: WebPage | None) -> None:
        self.stream, self.watcher, self.alerts, self.page = stream, watcher, alerts, page
        self.frames = self.told = 0
        self._zones: Any = None
        self._take_zones()

    def drive(self, bar: Bar) -> None:
        """Take results until there are no more, or somebody stops us; what is left open is told in any case."""
        try:
            for result in turns(self.stream):
                self.turn(result)
                if result is not None:
                    bar.advance()
        except (KeyboardInterrupt, SystemExit):
            self.end()
            say(f"interrupted after {counted(self.frames, 'frame')}, {counted(self.told, 'event')}")
            raise
        except BaseException:
            self.end()
            raise
        self.end()

    def turn(self, result: Result | None) -> None:
        """Take a result, or none: then the loop is alive all the same."""
        if result is None:
            self.alerts.alive()
            return
        self.frames += 1
        self.alerts.observe(result.frame.time_s, result.poses, result.frame.image)
        for event in result.events:
            self._tell(event)
        self._take_zones()

    def end(self) -> None:
        """Tell what the end leaves open: a fall that was about to be confirmed."""
        ended = self.stream.ended
        self.stream.close()
        for event in self.stream.ending if ended else self.stream.after.finish():
            self._tell(event)

    def _tell(self, event: FallEvent) -> None:
        self.told += 1
        self.alerts.write(event)
        rule = event.evidence.get("rule", "")
        say(one_line(f"{event.time_s:9.2f} s  {event.event}  person {event.track_id}  {event.confidence:.2f}  {rule}"))

    def _take_zones(self) -> None:
        """Take over the zones that somebody has drawn on the page."""
        if self.page is None or self.page.zones is self._zones:
            return
        from edge_pose.fall import Zone

        self._zones = self.page.zones
        self.watcher.zones = tuple(Zone(z.name, z.kind, z.polygon) for z in self._zones)


def settings_of(config: Path | None, zones: Path | None) -> tuple[FallConfig, tuple[Zone, ...]]:
    """Read the files of thresholds and zones, where there are any."""
    from edge_pose.fall import FallConfig, zones_from_file

    return (
        FallConfig() if config is None else FallConfig.from_file(config),
        () if zones is None else zones_from_file(zones),
    )

"""`edge-pose fall`: watches a camera or a video for falls, and tells about them until somebody has heard it."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge_pose.cli import WEB_ADDRESS, check_interrupted, one_line
from edge_pose.cli.common import (
    Device,
    Engine,
    Spec,
    Threads,
    check_writable,
    keep_inputs,
    progress,
    say,
    show_warnings,
)

if TYPE_CHECKING:
    from edge_pose.estimators import Estimator
    from edge_pose.fall import FallConfig, FallDetector, FallEvent, Zone
    from edge_pose.fall.alerts import Alerts
    from edge_pose.pipeline import Pipeline, Result
    from edge_pose.sources import Source
    from edge_pose.web import WebPage

DEFAULT_MODEL = "movenet-lightning"
TURN_S = 0.5  # how long to wait for a result before looking whether somebody wants to stop

Model = Annotated[str, typer.Option(help="Pose model; yolov8n-pose where more than one person may be in the room.")]
Detector = Annotated[str | None, typer.Option(help="Finds people for a model that takes one at a time.")]
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


app = typer.Typer(cls=SourceGroup, no_args_is_help=True, help="Watch for falls: edge-pose fall SOURCE; or eval, tune.")


@app.command("watch")
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
    record: Annotated[Path | None, typer.Option(help="Keep what the network saw here (.jsonl.gz), no pixels.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Watch such a recording again, without SOURCE.")] = None,
    web: Annotated[str | None, typer.Option(help=f"Serve a live page, [HOST:PORT]; by default {WEB_ADDRESS}.")] = None,
    web_token: Annotated[str | None, typer.Option(envvar="EDGE_POSE_WEB_TOKEN", help="Who has it may look.")] = None,
    web_privacy: Annotated[bool, typer.Option("--web-privacy", help="The page shows figures, no picture.")] = False,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    confidence: Confidence = None,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Watch SOURCE for falls, and tell about them."""
    show_warnings()
    check_writable(record)
    keep_inputs((record, events), (source, replay, model, detector, spec, zones, config))
    if (source is None) == (replay is None):
        raise typer.BadParameter("what to watch: a SOURCE or --replay RECORDING, one of both")
    if keep_video and clips is None:
        raise typer.BadParameter("--keep-video needs --clips FOLDER, where the clips go")
    settings, places = settings_of(config, zones if web is None else None)
    loading = {"detector": detector, "device": device, "engine": engine, "threads": threads, "spec": spec}
    with contextlib.ExitStack() as stack:
        from edge_pose.fall import FallDetector
        from edge_pose.fall.alerts import WatchConfig, open_alerts

        frames, estimator = _opened(stack, source, replay, model, max_frames, confidence, loading)
        watcher = FallDetector(settings, places, frames.name)
        alerts = stack.enter_context(
            open_alerts(
                events,
                mqtt,
                webhook,
                outbox,
                clips,
                keep_video,
                source=frames.name,
                watch=WatchConfig() if frames.live else None,
                allow_http=allow_http,
            )
        )
        page = None
        if web is not None:
            from edge_pose.web import WebPage

            page = stack.enter_context(
                WebPage(web, token=web_token, privacy=web_privacy, zones_path=zones, title=frames.name)
            )
            say(f"page: {page.url}")
        recorder = None
        if record is not None:
            from edge_pose.recording import Recorder

            recorder = stack.enter_context(Recorder(record, model=model, source=frames.name, settings=asdict(settings)))
        from edge_pose.pipeline import Pipeline

        viewers = (page,) if page is not None else ()
        stream = stack.enter_context(Pipeline(estimator, frames, fall=watcher, viewers=viewers, record=recorder))
        bar = stack.enter_context(progress(frames.name, frames.count))
        loop = _Loop(stream, watcher, alerts, page)
        try:
            while not stream.ended:
                result = stream.poll(TURN_S)
                check_interrupted()
                loop.turn(result)
                if result is not None:
                    bar.advance()
        finally:
            loop.end()
        problems = len(frames.problems)
    trouble = f", {_count(problems, 'problem')} (see above)" if problems else ""
    say(f"{_count(loop.frames, 'frame')}, {_count(loop.told, 'event')}{trouble}")


def _opened(
    stack: contextlib.ExitStack,
    source: str | None,
    replay: Path | None,
    model: str,
    max_frames: int | None,
    confidence: float | None,
    loading: dict[str, Any],
) -> tuple[Source, Estimator]:
    """Open what frames come from and who looks at them: a source and a model, or a recording of both."""
    if replay is not None:
        from edge_pose.pipeline import open_replay

        frames, estimator = open_replay(replay, max_frames=max_frames)
        return stack.enter_context(frames), estimator
    from edge_pose.estimators import load
    from edge_pose.fall.watch import CONFIDENCE
    from edge_pose.sources import open_source

    opened = stack.enter_context(open_source(source or "", max_frames=max_frames))
    least = CONFIDENCE if confidence is None else confidence
    return opened, stack.enter_context(load(model, confidence=least, **loading))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class _Loop:
    """What is done with each result: shown to the alerts, and told where there is something to tell."""

    def __init__(self, stream: Pipeline, watcher: FallDetector, alerts: Alerts, page: WebPage | None) -> None:
        self.stream, self.watcher, self.alerts, self.page = stream, watcher, alerts, page
        self.frames = self.told = 0
        self._zones: Any = None
        self._take_zones()

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

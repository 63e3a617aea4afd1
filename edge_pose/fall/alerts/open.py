"""From what a user asks for to alerts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edge_pose.errors import AlertError
from edge_pose.fall.alerts.alerts import FILE, Alerts
from edge_pose.fall.alerts.clip import ClipConfig, ClipRecorder
from edge_pose.fall.alerts.jsonl import EventLog
from edge_pose.fall.alerts.mqtt import MqttSender, MqttTarget
from edge_pose.fall.alerts.outbox import MAX_BYTES, Outbox
from edge_pose.fall.alerts.secrets import tls_context
from edge_pose.fall.alerts.sender import Sender
from edge_pose.fall.alerts.watchdog import WatchConfig, Watchdog
from edge_pose.fall.alerts.webhook import WebhookSender, WebhookTarget


def open_alerts(
    events_path: str | Path | None = None,
    mqtt: str | MqttTarget | None = None,
    webhook: str | WebhookTarget | None = None,
    outbox_path: str | Path | None = None,
    clips_dir: str | Path | None = None,
    keep_video: bool = False,
    *,
    source: str = "",
    watch: WatchConfig | None = None,
    allow_http: bool = False,
    discovery: str = "homeassistant",
    max_log_bytes: int = 10 << 20,
    keep_logs: int = 5,
    max_outbox_bytes: int = MAX_BYTES,
) -> Alerts:
    """Open what was asked for; without anything, alerts that swallow everything.

    events_path: JSON lines, rotated at max_log_bytes, keep_logs old ones kept. mqtt: "mqtts://host/base/topic".
    webhook: "https://host/path" (http:// to others than this machine: allow_http). Passwords, secrets and certificates
    come from $EDGE_POSE_MQTT_USER, ..._MQTT_PASSWORD, ..._WEBHOOK_SECRET (each also as ..._FILE) and ..._CA_FILE.
    outbox_path: where events wait; needed for mqtt and webhook, in the user's state folder unless given. clips_dir: a
    folder for skeleton clips; keep_video: and for the pictures. watch: tell when the camera is silent, dark or covered;
    for live sources. source: whose events these are. discovery: Home Assistant's topic prefix, "" for none.
    Raises AddressError for an address, AlertError for a secret that cannot be used, OutputError for a place that cannot
    be written or an outbox that another process uses, MissingDependencyError.
    """
    mqtt, webhook = targets_of(mqtt, webhook, allow_http=allow_http, discovery=discovery)
    if keep_video and clips_dir is None:
        raise AlertError("keep_video needs a folder for the clips")
    names = [name for name, wanted in ((FILE, events_path), ("mqtt", mqtt), ("webhook", webhook)) if wanted is not None]
    clips = ClipRecorder(Path(clips_dir), ClipConfig(keep_video=keep_video)) if clips_dir is not None else None
    event_log = (
        EventLog(Path(events_path), max_bytes=max_log_bytes, keep=keep_logs) if events_path is not None else None
    )
    told: list[tuple[str, dict[str, object]]] = []  # by the outbox, before there is anybody to tell it to
    opened: list[Alerts] = []

    def tell(kind: str, evidence: dict[str, object]) -> None:
        if opened:
            opened[0].report(kind, evidence)
        else:
            told.append((kind, evidence))

    outbox = None
    if mqtt is not None or webhook is not None or (outbox_path is not None and names):
        outbox = Outbox(
            Path(outbox_path) if outbox_path is not None else default_outbox(),
            names,
            max_bytes=max_outbox_bytes,
            on_loss=lambda count: tell("watch.events_dropped", {"events": count}),
            on_reset=lambda why: tell("watch.outbox_reset", {"why": why}),
        )

    def senders(alerts: Alerts) -> Sequence[Sender]:
        made: list[Sender] = []
        if outbox is not None and mqtt is not None:
            made.append(MqttSender(mqtt, outbox, alerts.rejected, alerts.health))
        if outbox is not None and webhook is not None:
            made.append(WebhookSender(webhook, outbox, alerts.rejected))
        return made

    try:
        watchdog = Watchdog(watch, outbox.note("watch") if outbox else "") if watch is not None else None
        alerts = Alerts(
            outbox=outbox,
            event_log=event_log,
            make_senders=senders,
            clips=clips,
            watchdog=watchdog,
            source=source,
        )
    except BaseException:
        if outbox is not None:
            outbox.close()
        raise
    opened.append(alerts)
    for kind, evidence in told:
        alerts.report(kind, evidence)
    return alerts


def targets_of(
    mqtt: str | MqttTarget | None,
    webhook: str | WebhookTarget | None,
    *,
    allow_http: bool = False,
    discovery: str = "homeassistant",
) -> tuple[MqttTarget | None, WebhookTarget | None]:
    """Read addresses, secrets and certificates, and open nothing. Raises AddressError, AlertError."""
    ca_file = os.environ.get("EDGE_POSE_CA_FILE", "")
    if isinstance(mqtt, str):
        mqtt = MqttTarget.from_url(mqtt, ca_file=ca_file, prefix=discovery)
    if isinstance(webhook, str):
        webhook = WebhookTarget.from_url(webhook, allow_http=allow_http, ca_file=ca_file)
    for target in (mqtt, webhook):
        if target is not None and target.tls:
            tls_context(target.ca_file)
    return mqtt, webhook


def default_outbox() -> Path:
    """Return $XDG_STATE_HOME/edge-pose/outbox.sqlite3, or the same in ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "edge-pose" / "outbox.sqlite3"

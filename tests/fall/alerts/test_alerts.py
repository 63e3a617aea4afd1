"""All of it together: whatever fails, the loop goes on and no event is lost."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_pose.errors import AlertError, OutputError
from edge_pose.fall.alerts import WatchConfig, open_alerts
from edge_pose.fall.alerts.open import default_outbox
from edge_pose.fall.event import FallEvent
from edge_pose.poses import Poses
from tests.fall.alerts.conftest import an_event, eventually

ROOT = Path(__file__).parent.parent.parent.parent
BLACK = np.zeros((120, 160, 3), np.uint8)
ROOM = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8).repeat(20, 0).repeat(20, 1)


def lines(path):
    return [FallEvent.from_json(line) for line in path.read_text().splitlines()]


def test_nothing_asked_for_is_fine():
    with open_alerts() as alerts:
        assert alerts.write(an_event())
        alerts.observe(0.0, Poses.empty(), BLACK)
        assert alerts.health()["written"] == 1


def test_a_file_alone_needs_no_outbox(tmp_path):
    events = [an_event(n=n) for n in range(20)]
    with open_alerts(tmp_path / "e.jsonl", outbox_path=None) as alerts:
        assert all(alerts.write(event) for event in events)
        assert lines(tmp_path / "e.jsonl") == events  # and not only after close()
    assert [path.name for path in tmp_path.iterdir()] == ["e.jsonl"]


def test_everybody_gets_everything(tmp_path, broker, listen, hook):
    pytest.importorskip("paho.mqtt.client")
    listener = listen(broker.port)
    events = [an_event(n=n) for n in range(50)]
    with open_alerts(tmp_path / "e.jsonl", f"{broker.url}/c", hook.url, tmp_path / "outbox") as alerts:
        for event in events:
            alerts.write(event)
    ids = [event.id for event in events]
    eventually(lambda: len(listener.events()) == 50)
    assert (
        [event["id"] for event in listener.events()] == hook.ids() == [e.id for e in lines(tmp_path / "e.jsonl")] == ids
    )
    counters = alerts.counters
    assert (counters["durable"], counters["mqtt_sent"], counters["webhook_sent"]) == (50, 50, 50)


def test_a_dead_broker_holds_up_neither_the_loop_nor_the_webhook(tmp_path, hook):
    pytest.importorskip("paho.mqtt.client")
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"mqtt://127.0.0.1:{dead.getsockname()[1]}/c"
        events = [an_event(n=n) for n in range(20)]
        with open_alerts(None, url, hook.url, tmp_path / "outbox") as alerts:
            for event in events:
                alerts.write(event)
            eventually(lambda: len(hook.got) == 20)
            eventually(lambda: "mqtt" in alerts.health()["trouble"])
            assert alerts.health()["outbox"]["mqtt"]["pending"] == 20
            alerts.close(0.1)
    assert hook.ids() == [event.id for event in events]


def test_what_waited_is_sent_first_after_a_restart(tmp_path, hook):
    before, after = [an_event(n=n) for n in range(5)], an_event(n=9)
    hook.answers = [503] * 100
    alerts = open_alerts(None, None, hook.url, tmp_path / "outbox")
    for event in before:
        alerts.write(event)
    alerts.close(0.0)
    hook.answers, hook.got[:] = [], []
    with open_alerts(None, None, hook.url, tmp_path / "outbox") as alerts:
        alerts.write(after)
    assert hook.ids() == [event.id for event in [*before, after]]


def test_events_that_the_file_missed_are_added_after_a_restart(tmp_path):
    path, event = tmp_path / "e.jsonl", an_event()
    path.symlink_to("/dev/full")
    with open_alerts(path, outbox_path=tmp_path / "outbox") as alerts:
        assert alerts.write(event)  # the outbox has it
        eventually(lambda: alerts.counters["errors"])
    path.unlink()
    with open_alerts(path, outbox_path=tmp_path / "outbox"):
        eventually(path.exists)
        eventually(path.read_text)
    assert lines(path) == [event]


def test_a_disk_that_stalls_costs_the_loop_a_moment(tmp_path, monkeypatch):
    alerts = open_alerts(tmp_path / "e.jsonl")
    append, slow = alerts._log.append, []
    monkeypatch.setattr(alerts._log, "append", lambda batch: (time.sleep(0.5), slow.append(len(batch)), append(batch)))
    began = time.monotonic()
    events = [an_event(n=n) for n in range(4)]
    assert [alerts.write(event, wait_s=0.01) for event in events] == [False] * 4
    assert time.monotonic() - began < 0.4
    alerts.close()
    assert lines(tmp_path / "e.jsonl") == events
    assert len(slow) < 4  # what piled up was written at once


def test_a_disk_that_refuses_costs_the_loop_nothing(tmp_path, caplog):
    path = tmp_path / "e.jsonl"
    path.symlink_to("/dev/full")
    with open_alerts(path) as alerts:
        began = time.monotonic()
        assert [alerts.write(an_event(n=n), wait_s=5.0) for n in range(20)] == [False] * 20
        assert time.monotonic() - began < 4
        path.unlink()
        alerts._log._file.close()
        alerts._log._file = alerts._log._open()
    assert len(lines(path)) == 20
    assert caplog.text.count("No space left") == 1


def test_after_close_nothing_is_taken(tmp_path):
    alerts = open_alerts(tmp_path / "e.jsonl")
    alerts.close()
    alerts.close()
    with pytest.raises(OutputError, match="closed"):
        alerts.write(an_event())


def test_refusals_are_told_once_and_can_be_revived(tmp_path, hook):
    hook.answers = [400] * 10  # the event, and then the telling of it
    bad = an_event()
    from dataclasses import replace

    from edge_pose.fall.alerts.webhook import WebhookTarget

    target = replace(WebhookTarget.from_url(hook.url), refusals=1)
    with open_alerts(tmp_path / "e.jsonl", None, target, tmp_path / "outbox") as alerts:
        alerts.write(bad)
        eventually(lambda: alerts.health()["outbox"]["webhook"]["dead"] == 2)
        hook.answers.clear()
        assert alerts.revive() == 2
        eventually(lambda: alerts.counters["webhook_sent"] == 2)
    told = lines(tmp_path / "e.jsonl")
    assert [event.event for event in told] == ["fall.confirmed", "watch.rejected"]
    assert told[1].evidence == {"destination": "webhook", "id": bad.id, "why": "HTTP 400"}


def test_a_broken_outbox_is_an_event(tmp_path, hook):
    (tmp_path / "outbox").write_bytes(b"rubbish" * 1000)
    with open_alerts(tmp_path / "e.jsonl", None, hook.url, tmp_path / "outbox"):
        eventually(lambda: hook.got)
    assert json.loads(hook.got[0][1])["event"] == "watch.outbox_reset"
    assert lines(tmp_path / "e.jsonl")[0].event == "watch.outbox_reset"


def test_a_full_outbox_is_an_event(tmp_path, hook):
    hook.answers = [503] * 1000
    alerts = open_alerts(tmp_path / "e.jsonl", None, hook.url, tmp_path / "outbox", max_outbox_bytes=300_000)
    for n in range(60):
        alerts.write(an_event(n=n, evidence={"series": "x" * 10_000}))
    eventually(lambda: any(event.event == "watch.events_dropped" for event in lines(tmp_path / "e.jsonl")))
    alerts.close(0.0)
    assert len([e for e in lines(tmp_path / "e.jsonl") if e.event == "fall.confirmed"]) == 60


def test_the_camera_is_watched(tmp_path):
    watch = WatchConfig(no_frames_s=0.5, blind_s=0.2, clear_s=0.1, every_s=0.02)

    def kinds():
        return [event.event for event in lines(tmp_path / "e.jsonl")]

    def look(image, kind):
        alerts.observe(1.0, Poses.empty(), image)
        time.sleep(0.02)
        return kinds() and kinds()[-1] == kind

    with open_alerts(
        tmp_path / "e.jsonl", outbox_path=tmp_path / "o", watch=watch, source="rtsp://a:s3cret@c"
    ) as alerts:
        eventually(lambda: kinds() == ["watch.no_frames"])
        eventually(lambda: look(ROOM, "watch.ok"))
        eventually(lambda: look(BLACK, "watch.dark"))
    with open_alerts(tmp_path / "e.jsonl", outbox_path=tmp_path / "o", watch=watch) as alerts:
        assert alerts.health()["camera"] == "dark"  # as the last run left it
        eventually(lambda: look(ROOM, "watch.ok"))
    assert kinds() == ["watch.no_frames", "watch.ok", "watch.dark", "watch.ok"]
    assert {event.source for event in lines(tmp_path / "e.jsonl")} == {"rtsp://c", ""}


def test_clips_are_named_in_the_evidence(tmp_path):
    pytest.importorskip("cv2")
    with open_alerts(tmp_path / "e.jsonl", clips_dir=tmp_path / "clips") as alerts:
        for n in range(10):
            alerts.observe(n / 10, Poses.empty(), size_hw=(120, 160))
        confirmed = an_event(evidence={"rule": "x"})
        alerts.write(confirmed)
        alerts.write(an_event("fall.recovered"))
    told = lines(tmp_path / "e.jsonl")
    assert told[0].evidence == {"rule": "x", "clip": f"{confirmed.id}.mp4"}
    assert told[0].id == confirmed.id and told[1].evidence == {}
    assert (tmp_path / "clips" / f"{confirmed.id}.mp4").is_file()


def test_systemd_is_told(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        alerts = open_alerts()
        assert [server.recv(50) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        monkeypatch.setattr("edge_pose.fall.alerts.alerts.HUNG_S", 0.1)  # and the loop has not called since
        time.sleep(0.3)
        server.setblocking(False)
        try:
            while server.recv(50):
                pass
        except BlockingIOError:
            pass
        time.sleep(0.3)
        with pytest.raises(BlockingIOError):
            server.recv(50)
        server.settimeout(5)
        alerts.alive()
        alerts.close()
        assert server.recv(50) in (b"WATCHDOG=1", b"STOPPING=1")


def test_an_error_of_our_own_ends_no_sender(tmp_path, hook, caplog, monkeypatch):
    from edge_pose.fall.alerts import webhook

    real, calls = webhook.WebhookSender._post, []

    def broken(self, connection, item):
        calls.append(item)
        if len(calls) == 1:
            raise ZeroDivisionError("a mistake")
        return real(self, connection, item)

    monkeypatch.setattr(webhook.WebhookSender, "_post", broken)
    with open_alerts(None, None, hook.url, tmp_path / "outbox") as alerts:
        alerts.write(an_event())
        eventually(lambda: hook.got)
    assert "a mistake" in caplog.text


def test_secrets_are_in_no_log_and_no_file(tmp_path, hook, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EDGE_POSE_WEBHOOK_SECRET", "s3cret-key")
    hook.answers = [503, 400, 400, 400, 400, 400]
    source = "rtsp://ann:s3cret@camera/1?token=s3cret"
    with open_alerts(tmp_path / "e", None, hook.url, tmp_path / "o", source=source) as alerts:
        alerts.write(an_event(source=source))
        eventually(lambda: alerts.counters["webhook_failures"] >= 2)
        shown = repr(alerts) + json.dumps(alerts.health())
        alerts.close(0.1)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "s3cret" not in shown + caplog.text
    assert b"s3cret" not in files


def test_one_outbox_one_user(tmp_path, hook):
    with (
        open_alerts(None, None, hook.url, tmp_path / "outbox"),
        pytest.raises(OutputError, match="is using it"),
    ):
        open_alerts(None, None, hook.url, tmp_path / "outbox")
    open_alerts(None, None, hook.url, tmp_path / "outbox").close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"mqtt": "http://x"}, AlertError),
        ({"webhook": "http://example.com"}, AlertError),
        ({"keep_video": True}, AlertError),
        ({"events_path": Path("/")}, OutputError),
        ({"clips_dir": Path("/dev/null/clips")}, OutputError),
        ({"webhook": "https://example.com", "outbox_path": Path("/dev/null/outbox")}, OutputError),
    ],
)
def test_what_cannot_be_is_said_at_once(options, error):
    with pytest.raises(error):
        open_alerts(**options)


def test_the_outbox_has_a_place_of_its_own(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_outbox() == Path("/state/edge-pose/outbox.sqlite3")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_outbox() == Path.home() / ".local/state/edge-pose/outbox.sqlite3"


@pytest.mark.slow
def test_every_event_arrives_whoever_is_killed(tmp_path, broker):
    """1,000 events, mosquitto killed five times, the program twice; benchmarks/outbox.py has the full measure."""
    pytest.importorskip("paho.mqtt.client")
    broker.kill()  # only to find out that there is one
    result = tmp_path / "result.json"
    command = [sys.executable, ROOT / "benchmarks" / "outbox.py", "--events", "1000", "--json", result]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(result.read_text())
    assert (found["broker_kills"], found["process_kills"]) == (5, 2)
    assert found["missing"] == {"mqtt": 0, "webhook": 0, "file": 0}

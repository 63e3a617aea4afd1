"""Does every event arrive? A real broker killed again and again, the program too, a webhook that fails now and then.

python benchmarks/outbox.py [--events 10000] [--broker-kills 5] [--process-kills 2] [--json F]

Needs mosquitto and paho-mqtt. A child process writes numbered events through `open_alerts` (MQTT, webhook, JSON lines).
Broker and child are killed with SIGKILL while they work. The broker has its subscriber's session on disk from the
start, and it stands still for a moment before it dies, so that the subscriber reads what is on its way: a client drops
what it has not read when the connection is reset, and a broker that acknowledges and then forgets is not what is
measured. Counted is what the subscriber, the webhook and the file got. Exit code 1: something is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOPIC = "bench/camera"
LATE_S = 15.0
CONF = """listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_inflight_messages 0
max_queued_messages 0
"""


def child(folder: Path, total: int, mqtt: str, webhook: str) -> None:
    """Write the events whose numbers are not in the ledger yet."""
    from edge_pose.fall.alerts import open_alerts
    from edge_pose.fall.event import FallEvent

    ledger = os.open(folder / "ledger", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    first = os.fstat(ledger).st_size // 8
    alerts = open_alerts(folder / "events.jsonl", mqtt, webhook, folder / "outbox.sqlite3", max_log_bytes=1 << 30)
    for n in range(first, total):
        alerts.write(FallEvent(event="fall.confirmed", time_s=float(n), track_id=n, evidence={"n": n}), wait_s=60.0)
        os.write(ledger, b"%7d\n" % n)  # the page cache outlives the process
    alerts.close(120.0)


class Broker:
    """Mosquitto on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.conf = folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        self.conf.write_text(CONF.format(port=self.port, folder=folder) + user, encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        path = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        out = subprocess.DEVNULL
        self.process = subprocess.Popen([path, "-c", str(self.conf)], stdout=out, stderr=out)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise SystemExit("mosquitto does not start")

    def end(self, sign: int) -> None:
        """Send it a signal, and wait until it is gone."""
        self.process.send_signal(sign)
        self.process.wait()


class Subscriber:
    """Counts what arrives; its session outlives its connections."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as paho

        self.numbers: Counter[int] = Counter()
        self.ids: Counter[str] = Counter()
        self.ready = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
        self.client.reconnect_delay_set(0.05, 0.2)
        self.client.on_connect = lambda c, u, flags, code, properties: c.subscribe(f"{TOPIC}/events", 1)
        self.client.on_subscribe = lambda c, u, mid, codes, properties: self.ready.set()
        self.client.on_disconnect = lambda c, u, flags, code, properties: self.ready.clear()
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.ready.wait(10)

    def catch_up(self) -> None:
        """Wait until nothing new has come for a fifth of a second."""
        before = -1
        while before != (before := len(self.numbers)):
            time.sleep(0.2)

    def _message(self, client: object, user: object, message: object) -> None:
        event = json.loads(message.payload)  # type: ignore[attr-defined]
        self.numbers[event["evidence"]["n"]] += 1
        self.ids[event["id"]] += 1


def webhook_server(numbers: Counter[int], fail: float) -> ThreadingHTTPServer:
    dice = random.Random(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            good = dice.random() >= fail
            if good:
                numbers[event["evidence"]["n"]] += 1
            self.send_response(204 if good else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start_child(folder: Path, total: int, broker: Broker, hook: ThreadingHTTPServer) -> subprocess.Popen[bytes]:
    mqtt, webhook = f"mqtt://127.0.0.1:{broker.port}/{TOPIC}", f"http://127.0.0.1:{hook.server_port}/"
    command = [sys.executable, __file__, "--child", str(folder), "--events", str(total), mqtt, webhook]
    return subprocess.Popen(command, stderr=(folder / "child.log").open("ab"))


def measure(folder: Path, total: int, broker_kills: int, process_kills: int) -> dict[str, object]:
    began = time.monotonic()
    broker = Broker(folder)
    subscriber = Subscriber(broker.port)
    broker.end(signal.SIGTERM)  # it writes the subscriber's session to its disk
    broker.start()
    subscriber.ready.wait(10)
    posted: Counter[int] = Counter()
    hook = webhook_server(posted, fail=0.002)
    writer = start_child(folder, total, broker, hook)
    killed = {"broker": 0, "process": 0}
    try:
        while writer.poll() is None:
            time.sleep(0.005)
            ledger = folder / "ledger"
            accepted = ledger.stat().st_size // 8 if ledger.exists() else 0
            if killed["process"] < process_kills and accepted >= total * (killed["process"] + 1) / (process_kills + 1):
                writer.kill()
                writer.wait()
                killed["process"] += 1
                writer = start_child(folder, total, broker, hook)
            share = len(subscriber.numbers) / total
            if killed["broker"] < broker_kills and share >= (killed["broker"] + 0.5) / (broker_kills + 0.5):
                broker.process.send_signal(signal.SIGSTOP)
                subscriber.catch_up()
                broker.end(signal.SIGKILL)
                killed["broker"] += 1
                time.sleep(0.3)
                broker.start()
                subscriber.ready.wait(10)
        end = time.monotonic() + LATE_S  # what the broker has taken it may still be handing on
        while len(subscriber.numbers) < total and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)  # for what comes twice
    finally:
        if writer.poll() is None:
            writer.kill()
            writer.wait()
        hook.shutdown()
        hook.server_close()
        subscriber.client.disconnect()
        subscriber.client.loop_stop()
        broker.end(signal.SIGTERM)
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    filed = Counter(line["evidence"]["n"] for line in lines)
    wanted = set(range(total))
    return {
        "events": total,
        "broker_kills": killed["broker"],
        "process_kills": killed["process"],
        "exit_code": writer.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "missing": {
            "mqtt": len(wanted - subscriber.numbers.keys()),
            "webhook": len(wanted - posted.keys()),
            "file": len(wanted - filed.keys()),
        },
        "more_than_once": {
            "mqtt": sum(n > 1 for n in subscriber.numbers.values()),
            "webhook": sum(n > 1 for n in posted.values()),
            "file": sum(n > 1 for n in filed.values()),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--broker-kills", type=int, default=5)
    parser.add_argument("--process-kills", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("addresses", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.events, *options.addresses)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.events, options.broker_kills, options.process_kills)
        if result["exit_code"]:
            sys.stderr.write((Path(folder) / "child.log").read_text(encoding="utf-8"))
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(int(bool(result["exit_code"] or any(result["missing"].values()))))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

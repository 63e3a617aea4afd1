"""Real servers on this machine: a broker, a webhook."""

import json
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_pose.fall.alerts.outbox import Outbox
from edge_pose.fall.event import FallEvent
from tests.conftest import missing


def eventually(what, seconds=20.0):
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.01)
    assert what()


def an_event(kind="fall.confirmed", n=0, **more):
    return FallEvent(event=kind, time_s=float(n), track_id=int(n), **more)


def empty(outbox):
    """Whether all has been delivered, and nothing given up."""
    return all(counts == {"pending": 0, "dead": 0} for counts in outbox.counts().values())


@pytest.fixture
def outbox(tmp_path, request):
    """An outbox for the DESTINATION that the module is about."""
    made = Outbox(tmp_path / "outbox", (request.module.DESTINATION,))
    yield made
    made.close()


@pytest.fixture
def send(outbox, request):
    """Send events to a URL, by what the module's `sender_to` makes, until the test is over; returns the sender."""
    started = []

    def start(url, *events, rejected=lambda *what: None, **options):
        outbox.put([(event.id, event.to_json()) for event in events])
        sender = request.module.sender_to(url, outbox, rejected, **options)
        sender.start()
        started.append(sender)
        return sender

    yield start
    for sender in started:
        sender.stop()
        assert sender.join(10)


class Broker:
    def __init__(self, folder, lines=("allow_anonymous true",)):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._path = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(self._path).exists():
            missing("mosquitto")
        self._conf = folder / f"mosquitto-{self.port}.conf"
        self._conf.write_text("\n".join([f"listener {self.port} 127.0.0.1", *lines, "user root"]) + "\n")
        self._process = None

    def start(self):
        out = subprocess.DEVNULL
        self._process = subprocess.Popen([self._path, "-c", str(self._conf)], stdout=out, stderr=out)
        eventually(self._listens)
        return self

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path):
    made = Broker(tmp_path)
    yield made.start()
    made.kill()


class Listener:
    """Everything that is published, in order, as (topic, payload, retained)."""

    def __init__(self, port, setup=lambda client: None):
        paho = pytest.importorskip("paho.mqtt.client")
        self.got = []
        ready = threading.Event()
        self._client = client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        setup(client)
        client.on_message = lambda c, u, m: self.got.append((m.topic, m.payload.decode(), m.retain))
        client.on_connect = lambda c, u, f, code, p: c.subscribe("#", 1)
        client.on_subscribe = lambda *ignored: ready.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert ready.wait(10)

    def of(self, ending):
        return [payload for topic, payload, _ in list(self.got) if topic.endswith(ending)]

    def events(self):
        return [json.loads(payload) for payload in self.of("/events")]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen():
    made = []

    def start(*args):
        made.append(Listener(*args))
        return made[-1]

    yield start
    for listener in made:
        listener.close()


class Hook:
    """A webhook that answers what `answers` holds, then 204; it keeps what it got as (headers, body)."""

    def __init__(self, context=None):
        hook = self
        self.got, self.answers, self.headers, self.others = [], [], {}, []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status = hook.answers.pop(0) if hook.answers else 204
                self.send_response(status)
                for name, value in hook.headers.items() if status != 204 else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                hook.others.append(self.path)
                self.send_error(500)

            def log_message(self, *args):
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, client_address: None  # TLS that is refused
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/hook?token=s3cret"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    if shutil.which("openssl") is None:
        missing("openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {key} -out {cert}"
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    return cert, key

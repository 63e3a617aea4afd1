"""RTSP and HTTP, with real servers on loopback: GStreamer's for RTSP, and ones that misbehave."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.pipeline import Pipeline
from edge_pose.sources import Backoff, LiveSource, Timeouts, open_source
from edge_pose.sources.network import NetworkFeed, why_not
from tests.conftest import missing
from tests.pipeline.standins import Seeing
from tests.sources.conftest import picture, record

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "rtsp_server.py"
SHORT = Timeouts(open_s=8.0, read_s=1.0)
FAST = Backoff(first_s=0.02, most_s=0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RtspServer:
    """One server program on a port of its own; killed and started at will."""

    def __init__(self, *options):
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self.program = None
        self.start(*options)

    def start(self, *options):
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port), *options]
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.program.stdout.readline() != "ready\n":
            self.kill()
            missing("GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0, python3-gi)")

    def signal(self, number):
        self.program.send_signal(number)

    def kill(self):
        self.program.kill()
        self.program.wait()
        self.program.stdout.close()


@pytest.fixture
def rtsp(request):
    server = RtspServer(*getattr(request, "param", ()))
    yield server
    server.kill()


class TcpServer:
    """Answers every connection with `talk(socket)`, in a thread of its own."""

    def __init__(self, talk):
        self.talk, self.connections = talk, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        try:
            with connection:
                self.talk(connection)
        except OSError:  # the other side has gone
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def tcp():
    servers = []

    def start(talk):
        servers.append(TcpServer(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def stream_of(url, timeouts=SHORT, **options):
    return LiveSource(url, lambda: NetworkFeed(url, timeouts), backoff=FAST, **options)


def until(source, condition, seconds=30):
    deadline = time.monotonic() + seconds
    for frame in source:
        if condition(frame):
            return frame
        assert time.monotonic() < deadline, source.problems
    raise AssertionError("the stream ended")


@pytest.mark.slow
def test_rtsp_survives_kill_stall_and_another_size(rtsp):
    with stream_of(rtsp.url) as source:
        assert source.live
        assert next(source).image.shape == (120, 160, 3)
        rtsp.kill()
        rtsp.start("--size", "320x240")
        back = until(source, lambda frame: frame.image.shape == (240, 320, 3))
        assert source.counters["reconnects"] == 1
        rtsp.signal(signal.SIGSTOP)
        stalled = time.monotonic()
        threading.Timer(2.5, rtsp.signal, [signal.SIGCONT]).start()
        until(source, lambda frame: time.monotonic() - stalled > 3)
        counters = source.counters
        assert counters["gaps"] >= 1
        assert counters["reconnects"] >= 1
        assert next(source).time_s > back.time_s + 2
    for problem in source.problems:
        assert re.match(r"rtsp://127.0.0.1:\d+/live.*; trying again in \d+\.\d s$", problem)


@pytest.mark.slow
def test_a_pipeline_on_rtsp_stops_while_the_server_is_silent(rtsp):
    with Pipeline(Seeing(), stream_of(rtsp.url, Timeouts(8.0, 6.0))) as stream:
        assert stream.poll(20) is not None
        rtsp.signal(signal.SIGSTOP)
        while stream.poll(0.5) is not None:
            pass
        start = time.monotonic()
    assert time.monotonic() - start < 4  # loosely: and not the six seconds of the read
    deadline = time.monotonic() + 20
    while any(t.name.startswith("edge-pose") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("rtsp", [("--user", "me", "--password", "g:h@m")], indirect=True)
def test_rtsp_with_a_password(rtsp, caplog):
    right = rtsp.url.replace("//", "//me:g%3Ah%40m@")
    with open_source(right, timeouts=SHORT) as source:
        frame = next(source)
        assert (source.name, frame.source) == (f"rtsp://***@127.0.0.1:{rtsp.port}/live",) * 2
    for wrong in (rtsp.url, rtsp.url.replace("//", "//me:falsch@")):
        with pytest.raises(SourceError, match=r"the server refuses user name and password \(401\)") as caught:
            open_source(wrong, timeouts=SHORT)
        assert "falsch" not in str(caught.value)
    assert "falsch" not in caplog.text


@pytest.mark.slow
def test_no_secret_reaches_a_terminal(rtsp):
    """All that a whole run writes, FFmpeg's own lines included, while the server dies."""
    code = (
        "import os, signal, sys\n"
        "from edge_pose.sources import Backoff, Timeouts, live, open_source\n"
        "source = open_source(sys.argv[1], timeouts=Timeouts(5, 0.5), give_up_s=0.1)\n"
        "print(next(source).source)\n"
        "os.kill(int(sys.argv[2]), signal.SIGKILL)\n"
        "list(source)"
    )
    url = rtsp.url.replace("//", "//admin:geheim@")
    done = subprocess.run(
        [sys.executable, "-c", code, url, str(rtsp.program.pid)], capture_output=True, text=True, timeout=60
    )
    written = done.stdout + done.stderr
    assert "given up after" in written
    assert "rtsp://***@127.0.0.1" in written
    assert "geheim" not in written
    assert "admin" not in written


def chatter(*chunks, pause_s=0.0):
    def talk(connection):
        connection.recv(4096)
        for chunk in chunks:
            connection.sendall(chunk)
            time.sleep(pause_s)

    return talk


GARBAGE = np.random.default_rng(0).bytes(200_000)


@pytest.mark.parametrize(
    ("scheme", "talk", "message"),
    [
        ("rtsp", chatter(GARBAGE), "no RTSP server"),
        ("http", chatter(GARBAGE), "no HTTP server"),
        ("rtsp", chatter(b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"), r"no stream of that name \(404\)"),
        ("http", chatter(b"HTTP/1.0 503 Busy\r\n\r\n"), "answers with error 503"),
        ("http", chatter(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"), "no video that can be decoded"),
        ("http", chatter(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + GARBAGE), "no video"),
    ],
)
def test_servers_that_are_none(scheme, talk, message, tcp):
    server = tcp(talk)
    with pytest.raises(SourceError, match=message):
        open_source(f"{scheme}://127.0.0.1:{server.port}/live", timeouts=SHORT)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_never_answers(scheme, tcp):
    server = tcp(lambda connection: time.sleep(10))
    with pytest.raises(SourceError, match=f"no answer from 127.0.0.1:{server.port}"):
        open_source(f"{scheme}://127.0.0.1:{server.port}/", timeouts=Timeouts(open_s=0.5, read_s=0.5))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtsp://127.0.0.1:1/x", "127.0.0.1:1: Connection refused"),
        ("rtsp://no-such-host.invalid/x", "no-such-host.invalid:554: "),
        ("rtsp:///x", "no host"),
        ("RTSP://127.0.0.1:1/x", "127.0.0.1:1: Connection refused"),
        ("http://127.0.0.1:99999/x", "no valid address"),
        ("http://127.0.0.1:port/x", "no valid address"),
    ],
)
def test_where_nobody_is(url, message):
    assert message in why_not(url, 1.0)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(url, timeouts=SHORT)


def relay(port, noise_after):
    """Stands between; the first connection gets noise into the stream after so many bytes of it, once."""
    poisoned = []

    def talk(connection):
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=pump, args=(connection, server), daemon=True).start()
            seen = 0
            while data := server.recv(4096):
                seen += len(data)
                if seen > noise_after and not poisoned:
                    poisoned.append(seen)
                    connection.sendall(GARBAGE[:50_000])
                connection.sendall(data)

    def pump(source, target):
        try:
            while data := source.recv(4096):
                target.sendall(data)
        except OSError:  # one side has gone
            pass

    return talk, poisoned


@pytest.mark.slow
def test_noise_inside_an_rtsp_connection(rtsp, tcp):
    talk, poisoned = relay(rtsp.port, 15_000)
    server = tcp(talk)
    with stream_of(f"rtsp://127.0.0.1:{server.port}/live") as source:
        until(source, lambda frame: poisoned)
        begun = time.monotonic()
        back = until(source, lambda frame: time.monotonic() - begun > 3)
        frames = [next(source) for _ in range(15)]
    assert {f.image.shape for f in frames} == {(120, 160, 3)}
    assert frames[-1].time_s - back.time_s < 20


def test_interrupting_while_it_connects(tcp):
    """Ctrl-C does not wait for the ten seconds in which a server may answer."""
    server = tcp(lambda connection: time.sleep(20))
    code = "import sys; from edge_pose.sources import open_source; print(flush=True); open_source(sys.argv[1])"
    program = subprocess.Popen(
        [sys.executable, "-c", code, f"rtsp://127.0.0.1:{server.port}/x"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert program.stdout.readline() == b"\n"
    while server.connections == 0:
        time.sleep(0.01)
    begun = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=30)
    assert time.monotonic() - begun < 6
    assert err.decode().splitlines()[-1] == "KeyboardInterrupt"


def mjpeg(count, pause_s=0.02, cut=False):
    """A server of pictures one after the other, as network cameras have it."""
    _, data = cv2.imencode(".jpg", picture(48, 64))
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data.tobytes())
    head = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    return chatter(head, *[part] * count, *([part[: len(part) // 2]] if cut else []), pause_s=pause_s)


def test_mjpeg_over_http_comes_back(tcp):
    server = tcp(mjpeg(8, cut=True))
    with stream_of(f"http://127.0.0.1:{server.port}/video") as source:
        assert source.live
        frames = [next(source) for _ in range(20)]
    assert {f.image.shape for f in frames} == {(48, 64, 3)}
    assert source.counters["reconnects"] >= 1
    assert server.connections >= 2


def test_a_video_file_over_http_ends(tcp, tmp_path):
    data = record(tmp_path / "clip.mp4", frames=12).read_bytes()
    head = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % len(data)
    server = tcp(chatter(head, data))
    with open_source(f"http://127.0.0.1:{server.port}/clip.mp4", timeouts=SHORT) as source:
        assert not source.live
        frames = list(source)
    assert len(frames) == 12
    assert [f.time_s for f in frames[:3]] == pytest.approx([0.0, 0.1, 0.2], abs=0.01)
    assert source.problems == []


def test_a_video_file_over_http_that_breaks_off(tcp, tmp_path):
    data = record(tmp_path / "clip.avi", frames=200, size=(320, 240)).read_bytes()
    head = b"HTTP/1.0 200 OK\r\nContent-Type: video/avi\r\nContent-Length: %d\r\n\r\n" % len(data)
    server = tcp(chatter(head, data[: len(data) // 2]))
    with open_source(f"http://127.0.0.1:{server.port}/clip.avi", timeouts=SHORT) as source:
        frames = list(source)
    assert 0 < len(frames) < 150
    (problem,) = source.problems
    assert re.search(rf"clip\.avi: ended after frame {len(frames)}: 200 were declared; the connection broke", problem)


def test_garbage_in_the_middle_of_a_stream(tcp):
    """Pictures, then noise, then the server is well again."""
    healthy, sick = mjpeg(4), chatter(b"HTTP/1.0 200 OK\r\n", GARBAGE)
    turns = iter([healthy, sick, sick])
    server = tcp(lambda connection: next(turns, healthy)(connection))
    with stream_of(f"http://127.0.0.1:{server.port}/video") as source:
        assert len([next(source) for _ in range(6)]) == 6
        assert source.counters["reconnects"] >= 1
        assert len(source.problems) >= 2


@pytest.mark.slow
def test_interrupting_the_program_while_the_server_is_silent(rtsp):
    """Ctrl-C ends it although a read is under way, and the interpreter does not crash on its way out."""
    code = (
        "import sys\nfrom edge_pose.pipeline import Pipeline\nfrom tests.pipeline.standins import Seeing\n"
        "with Pipeline(Seeing(), sys.argv[1]) as stream:\n"
        "    for result in stream: print('frame', flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    program = subprocess.Popen(
        [sys.executable, "-c", code, rtsp.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert program.stdout.readline() == b"frame\n"
    rtsp.signal(signal.SIGSTOP)
    time.sleep(0.5)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=20)
    assert program.returncode in (1, 130, -signal.SIGINT), err
    assert err.decode().splitlines()[-1] == "KeyboardInterrupt"

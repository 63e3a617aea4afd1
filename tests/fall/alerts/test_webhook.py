"""Webhooks: signed, repeated, never redirected, and nothing dropped without a word."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time

import pytest

from edge_pose.errors import AlertError
from edge_pose.fall.alerts import verify
from edge_pose.fall.alerts.sender import Backoff
from edge_pose.fall.alerts.webhook import WebhookSender, WebhookTarget, key_of
from tests.fall.alerts.conftest import Hook, an_event, empty, eventually

QUICK = {"first_s": 0.01, "most_s": 0.05}
DESTINATION = "webhook"


def sender_to(url, outbox, rejected, **options):
    return WebhookSender(WebhookTarget.from_url(url, **options), outbox, rejected, Backoff(**QUICK))


def test_events_arrive_in_order_and_leave_the_outbox(hook, outbox, send):
    events = [an_event(n=n) for n in range(50)]
    send(hook.url, *events)
    eventually(lambda: empty(outbox))
    assert [json.loads(body) for _, body in hook.got] == [event.to_dict() for event in events]
    assert hook.ids() == [event.id for event in events]
    assert hook.got[0][0]["content-type"] == "application/json"


def test_the_signature_is_that_of_standard_webhooks(hook, send, monkeypatch):
    key = b"\x01\x02secret-bytes-of-24-chars"
    monkeypatch.setenv("EDGE_POSE_WEBHOOK_SECRET", "whsec_" + base64.b64encode(key).decode())
    send(hook.url, an_event())
    eventually(lambda: hook.got)
    headers, body = hook.got[0]
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert verify(key, headers, body)


def test_the_specification_s_own_example():
    # standardwebhooks.com, "Verifying webhooks": the vector that its libraries test with.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(key, headers, b'{"test": 2432232314}', now_s=1614265330)


@pytest.mark.parametrize(
    ("change", "now_s"),
    [
        ({}, 1000 + 301),  # an old one, replayed
        ({}, 1000 - 301),
        ({"webhook-id": "other"}, 1000),
        ({"webhook-timestamp": "1001"}, 1000),
        ({"webhook-timestamp": "soon"}, 1000),
        ({"webhook-signature": ""}, 1000),
        ({"webhook-signature": "v1,AAAA v2,BBBB"}, 1000),
        ({"webhook-signature": "v1,ä"}, 1000),
    ],
)
def test_forgeries_and_replays_are_seen(change, now_s):
    from edge_pose.fall.alerts.webhook import signature

    headers = {"webhook-id": "a", "webhook-timestamp": "1000"}
    headers["webhook-signature"] = "v1,AAAA " + signature(b"key", "a", 1000, b"body")
    assert verify(b"key", headers, b"body", now_s=1000)
    assert not verify(b"key", headers, b"bodi", now_s=1000)
    assert not verify(b"yek", headers, b"body", now_s=1000)
    assert not verify(b"", headers, b"body", now_s=1000)
    assert not verify(b"key", {}, b"body", now_s=1000)
    assert not verify(b"key", {**headers, **change}, b"body", now_s=now_s)


def test_failures_of_the_server_are_tried_again(hook, outbox, send):
    hook.answers = [500, 503, 429, 408, 500]
    event = an_event()
    sender = send(hook.url, event)
    eventually(lambda: empty(outbox))
    assert hook.ids() == [event.id] * 6
    assert (sender.sent, sender.refused, sender.failures, sender.trouble) == (1, 0, 5, "")


def test_retry_after_is_heeded(hook, send):
    hook.answers, hook.headers = [503], {"Retry-After": "3600"}
    sender = send(hook.url, an_event())
    eventually(lambda: sender.trouble)
    time.sleep(0.3)
    assert len(hook.got) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 301, 307, 100 + 304])
def test_refused_events_become_dead_letters_and_the_next_is_sent(hook, outbox, send, status):
    hook.answers, hook.headers = [status] * 5, {"Location": f"http://127.0.0.1:{hook.port}/elsewhere"}
    bad, good, told = an_event(n=1), an_event(n=2), []
    sender = send(hook.url, bad, good, rejected=lambda name, item, why: told.append((name, item.id, why)))
    eventually(lambda: outbox.counts()["webhook"] == {"pending": 0, "dead": 1})
    assert hook.ids() == [bad.id] * 5 + [good.id]
    assert told == [("webhook", bad.id, f"HTTP {status}")]
    assert sender.refused == 5
    assert hook.others == []  # nobody followed the redirect
    assert outbox.revive("webhook") == 1
    sender.wake()
    eventually(lambda: empty(outbox))
    assert hook.ids()[-1] == bad.id


def test_a_server_that_comes_later(outbox, send):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    event = an_event()
    sender = send(f"http://127.0.0.1:{port}/", event)
    eventually(lambda: sender.failures > 2)
    assert "refused" in sender.trouble
    assert not empty(outbox)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 x"])
def test_servers_that_speak_no_http(outbox, send, answer):
    served = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                served.append(connection.recv(65536))
                if answer:
                    connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        sender = send(f"http://127.0.0.1:{server.getsockname()[1]}/", an_event())
        eventually(lambda: sender.failures > 1)
        assert outbox.counts()["webhook"]["pending"] == 1
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_server_that_says_nothing_costs_the_timeout_only(outbox):
    from dataclasses import replace

    with socket.create_server(("127.0.0.1", 0)) as server:
        outbox.put([("a", "{}")])
        target = WebhookTarget.from_url(f"http://127.0.0.1:{server.getsockname()[1]}/")
        sender = WebhookSender(replace(target, timeout_s=0.1), outbox, backoff=Backoff(**QUICK))
        sender.start()
        eventually(lambda: sender.failures > 1)
        sender.stop()
        assert sender.join(10)


def test_https_is_checked_against_the_authority(outbox, send, certificate, tmp_path, monkeypatch):
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    hook = Hook(context)
    try:
        stranger = send(hook.url, an_event())
        eventually(lambda: stranger.failures > 1)
        assert "CERTIFICATE_VERIFY_FAILED" in stranger.trouble.upper() and not hook.got
        stranger.stop()
        stranger.join(10)
        send(hook.url, ca_file=str(cert))
        eventually(lambda: empty(outbox))
    finally:
        hook.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/hook", "must begin with https://"),
        ("http://10.0.0.7/hook", "must begin with https://"),
        ("ftp://example.com/", "must begin with https:// or http://"),
        ("example.com/s3cret", "must begin with"),
        ("https:///s3cret", "names no host"),
        ("https://ann:s3cret@example.com/", "must not hold a password"),
        ("https://s3cret@example.com/", "must not hold a user name"),
        ("https://example.com:s3cret/", "host or port is wrong"),
        ("https://[::1/s3cret", "host or port is wrong"),
        ("https://example.com/s3cret x", "space or control"),
        ("https://example.com/s3cret\r\nX: 1", "space or control"),
        ("https://example.com/s3cret/ä", "must be ASCII"),
    ],
)
def test_addresses_that_are_refused_do_not_show_secrets(url, says):
    with pytest.raises(AlertError, match=says) as caught:
        WebhookTarget.from_url(url)
    assert "s3cret" not in str(caught.value)


def test_http_elsewhere_needs_a_word():
    target = WebhookTarget.from_url("http://example.com/hook?token=s3cret", allow_http=True)
    assert (target.host, target.port, target.tls, target.path) == ("example.com", 80, False, "/hook?token=s3cret")
    assert "s3cret" not in repr(target)
    for loopback in ("http://localhost/", "http://127.0.0.9/", "http://[::1]:8080/"):
        WebhookTarget.from_url(loopback)


def test_secrets_from_files(tmp_path, monkeypatch, caplog):
    file = tmp_path / "secret"
    file.write_text("s3cret\nsecond line\n")
    file.chmod(0o600)
    monkeypatch.setenv("EDGE_POSE_WEBHOOK_SECRET_FILE", str(file))
    target = WebhookTarget.from_url("https://example.com")
    assert target.key == b"s3cret" and "s3cret" not in repr(target)
    assert not caplog.text
    file.chmod(0o644)
    WebhookTarget.from_url("https://example.com")
    assert "can be read by others" in caplog.text and "s3cret" not in caplog.text
    monkeypatch.setenv("EDGE_POSE_WEBHOOK_SECRET", "another")
    with pytest.raises(AlertError, match="both"):
        WebhookTarget.from_url("https://example.com")


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot read"), (b"", "empty"), (b"\n", "empty"), (b"\xff", "text")]
)
def test_secret_files_that_hold_none(tmp_path, monkeypatch, content, says):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("EDGE_POSE_WEBHOOK_SECRET_FILE", str(file))
    with pytest.raises(AlertError, match=says):
        WebhookTarget.from_url("https://example.com")


def test_a_secret_that_is_no_base64(monkeypatch):
    with pytest.raises(AlertError, match="not base64") as caught:
        key_of("whsec_s3cret!")
    assert "s3cret" not in str(caught.value)

"""MQTT against a real broker: delivered means acknowledged, and Home Assistant finds it all."""

import json
import logging
import socket
import threading

import pytest

from edge_pose.errors import AlertError
from edge_pose.fall.alerts.mqtt import MqttSender, MqttTarget
from edge_pose.fall.alerts.sender import Backoff
from edge_pose.fall.event import FallEvent
from tests.fall.alerts.conftest import Broker, an_event, empty, eventually

pytest.importorskip("paho.mqtt.client")

DESTINATION = "mqtt"


def sender_to(url, outbox, rejected, **options):
    target = MqttTarget.from_url(url, **options)
    return MqttSender(target, outbox, rejected, lambda: {"ok": 1}, Backoff(0.05, 0.1))


def test_events_arrive_in_order_and_leave_the_outbox(broker, listen, outbox, send):
    listener = listen(broker.port)
    events = [an_event(n=n, evidence={"series": [n] * 100}) for n in range(100)]
    sender = send(f"{broker.url}/home/bedroom", *events)
    eventually(lambda: empty(outbox) and len(listener.events()) == 100)
    assert [FallEvent.from_json(text) for text in listener.of("home/bedroom/events")] == events
    assert sender.sent == 100


def test_home_assistant_finds_everything_retained(broker, listen, outbox, send):
    fall = an_event("fall.confirmed", 4, evidence={"clip": "x.mp4", "series": [1] * 1000})
    send(f"{broker.url}/home/bedroom", fall)
    eventually(lambda: empty(outbox))
    listener = listen(broker.port)  # later, as after a restart of Home Assistant
    eventually(lambda: len(listener.got) >= 6)
    assert all(retained for _, _, retained in listener.got)
    found = {topic: payload for topic, payload, _ in listener.got}
    config = json.loads(found["homeassistant/binary_sensor/home_bedroom_fall/config"])
    assert found[config["state_topic"]] == config["payload_on"]
    assert found[config["availability_topic"]] == config["payload_available"]
    attributes = json.loads(found[config["json_attributes_topic"]])
    assert attributes["id"] == fall.id and attributes["clip"] == "x.mp4" and "evidence" not in attributes
    camera = json.loads(found["homeassistant/binary_sensor/home_bedroom_camera/config"])
    assert found[camera["state_topic"]] == "OFF"


def test_the_state_is_there_before_the_event(broker, listen, outbox, send):
    listener = listen(broker.port)
    send(f"{broker.url}/c", an_event("fall.confirmed", 1), an_event("fall.recovered", 1), an_event("watch.dark"))
    eventually(lambda: len(listener.events()) == 3)
    order = [topic.removeprefix("c/") for topic, *_ in listener.got if topic.startswith("c/")]
    steps = [(topic, payload) for topic, payload, _ in listener.got if topic in ("c/fall", "c/camera", "c/events")]
    assert [p if t != "c/events" else "event" for t, p in steps] == [
        *("OFF", "OFF"),  # at the start
        *("ON", "event"),
        *("OFF", "event"),
        *("ON", "event"),
    ]
    assert order.index("availability") < order.index("events")


def test_discovery_under_another_prefix_or_not_at_all(broker, listen, send):
    listener = listen(broker.port)
    send(f"{broker.url}/a", prefix="ha")
    send(f"{broker.url}/b", prefix="")
    eventually(lambda: len(listener.of("/availability")) == 2)
    eventually(lambda: len(listener.of("/camera")) == 2)
    configs = [topic for topic, *_ in listener.got if topic.endswith("config")]
    assert configs == ["ha/binary_sensor/a_fall/config", "ha/binary_sensor/a_camera/config"]


def test_leaving_says_offline_and_so_does_the_broker_after_a_crash(broker, listen, outbox, send):
    listener = listen(broker.port)
    sender = send(f"{broker.url}/c")
    eventually(lambda: listener.of("/availability") == ["online"])
    sender.stop()
    assert sender.join(10)
    eventually(lambda: listener.of("/availability") == ["online", "offline"])
    send(f"{broker.url}/c")
    eventually(lambda: listener.of("/availability")[2:] == ["online"])
    for thread in threading.enumerate():
        if thread.name.startswith("paho-mqtt-client-edge-pose"):
            thread._target.__self__.socket().shutdown(socket.SHUT_RDWR)  # the cable is cut
    eventually(lambda: "offline" in listener.of("/availability")[3:])
    eventually(lambda: listener.of("/availability")[-1] == "online")  # and it is back


def test_a_broker_that_is_killed_loses_nothing(broker, listen, outbox, send):
    events = [an_event(n=n) for n in range(10)]
    sender = send(f"{broker.url}/c", *events[:5])
    eventually(lambda: empty(outbox))
    broker.kill()
    outbox.put([(event.id, event.to_json()) for event in events[5:]])
    sender.wake()
    eventually(lambda: sender.failures > 2)
    assert outbox.counts()["mqtt"]["pending"] == 5
    broker.start()
    listener = listen(broker.port)
    eventually(lambda: empty(outbox))
    assert sender.trouble == ""
    assert {event["id"] for event in listener.events()} <= {event.id for event in events[5:]}


def test_passwords_log_in_and_show_up_nowhere(tmp_path, outbox, send, listen, monkeypatch, caplog):
    import subprocess
    from pathlib import Path

    caplog.set_level(logging.DEBUG)
    tool = Path("/usr/bin/mosquitto_passwd")
    if not tool.exists():
        pytest.skip("mosquitto_passwd is not on this machine")
    users = tmp_path / "users"
    subprocess.run([tool, "-c", "-b", users, "ann", "s3cret"], check=True)
    users.chmod(0o644)
    broker = Broker(tmp_path, ["allow_anonymous false", f"password_file {users}"]).start()
    try:
        wrong = send(broker.url.replace("//", "//ann@"), an_event())
        eventually(lambda: wrong.failures > 1)
        assert "refuses the connection" in wrong.trouble
        wrong.stop()
        assert wrong.join(10)
        file = tmp_path / "password"
        file.write_text("s3cret\n")
        monkeypatch.setenv("EDGE_POSE_MQTT_PASSWORD_FILE", str(file))
        right = send(broker.url.replace("//", "//ann@"))
        eventually(lambda: empty(outbox))
        assert "s3cret" not in caplog.text + repr(right._target) + repr(vars(right))
    finally:
        broker.kill()


def test_tls_is_checked_against_the_authority(tmp_path, outbox, send, certificate):
    cert, key = certificate
    key.chmod(0o644)
    broker = Broker(tmp_path, ["allow_anonymous true", f"certfile {cert}", f"keyfile {key}"]).start()
    try:
        url = broker.url.replace("mqtt://", "mqtts://")
        stranger = send(url, an_event())
        eventually(lambda: stranger.failures > 1)
        assert "CERTIFICATE_VERIFY_FAILED" in stranger.trouble.upper()
        stranger.stop()
        assert stranger.join(10)
        send(url, ca_file=str(cert))
        eventually(lambda: empty(outbox))
    finally:
        broker.kill()


def test_without_the_right_to_publish_it_waits(tmp_path, outbox, send):
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    broker = Broker(tmp_path, ["allow_anonymous true", f"acl_file {rights}"]).start()
    try:
        sender = send(f"{broker.url}/c", an_event())
        eventually(lambda: sender.failures > 1)
        assert "Not authorized" in sender.trouble
        assert outbox.counts()["mqtt"] == {"pending": 1, "dead": 0}
    finally:
        broker.kill()


def test_an_event_that_is_too_large_goes_without_its_evidence(tmp_path, outbox, send, listen):
    broker = Broker(tmp_path, ["allow_anonymous true", "max_packet_size 4000"]).start()
    try:
        listener = listen(broker.port)
        large, small = an_event(n=1, evidence={"series": list(range(3000))}), an_event(n=2)
        send(f"{broker.url}/c", large, small)
        eventually(lambda: empty(outbox) and len(listener.events()) == 2)
        got = listener.events()
        assert [event["id"] for event in got] == [large.id, small.id]
        assert got[0]["evidence"] == {"omitted": "the broker takes no packet of this size"}
    finally:
        broker.kill()


def test_what_another_version_wrote_is_sent_as_it_is(broker, listen, outbox, send):
    listener = listen(broker.port)
    outbox.put([("x", '{"event":"fall.flown"}')])
    send(f"{broker.url}/c")
    eventually(lambda: listener.events() == [{"event": "fall.flown"}] and empty(outbox))


def test_states_outlive_the_process(broker, listen, outbox, send):
    sender = send(f"{broker.url}/c", an_event("fall.confirmed", 1))
    eventually(lambda: empty(outbox))
    sender.stop()
    assert sender.join(10)
    listener = listen(broker.port)
    send(f"{broker.url}/c")
    eventually(lambda: "online" in listener.of("/availability")[1:])
    eventually(lambda: len(listener.of("c/fall")) == 2)
    assert listener.of("c/fall") == ["ON", "ON"]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x01"])
def test_what_is_no_broker(outbox, send, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                connection.recv(1000)
                connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        sender = send(f"mqtt://127.0.0.1:{server.getsockname()[1]}/c", an_event())
        eventually(lambda: sender.failures > 2)
        assert outbox.counts()["mqtt"]["pending"] == 1
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_old_brokers_are_spoken_to_in_3_1_1(outbox, send):
    """One that knows 3.1.1 alone: it refuses level 5 with return code 1, and acknowledges what it then gets."""
    levels = []

    def serve(server):
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            data = connection.recv(1000)
            levels.append(data[data.index(b"MQTT") + 4])
            connection.sendall(b"\x20\x02\x00\x01" if levels[-1] == 5 else b"\x20\x02\x00\x00")
            while levels[-1] == 4 and (kind := connection.recv(1)):
                length, shift, byte = 0, 0, 128
                while byte & 128:
                    byte = connection.recv(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                body = b""
                while len(body) < length:
                    body += connection.recv(length - len(body))
                if kind[0] & 0xF6 == 0x32:  # PUBLISH, QoS 1
                    at = 2 + int.from_bytes(body[:2], "big")
                    connection.sendall(b"\x40\x02" + body[at : at + 2])
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        sender = send(f"mqtt://127.0.0.1:{server.getsockname()[1]}/c", an_event())
        eventually(lambda: empty(outbox))
        assert levels == [5, 4]
        sender.stop()
        assert sender.join(10)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://broker", "must begin with mqtt:// or mqtts://"),
        ("broker:1883", "must begin with"),
        ("mqtt://ann:s3cret@broker", "must not hold a password.*EDGE_POSE_MQTT_PASSWORD"),
        ("mqtt://:s3cret@broker", "must not hold a password"),
        ("mqtt:///s3cret", "names no host"),
        ("mqtt://broker:0x1/s3cret", "host or port is wrong"),
        ("mqtt://broker:99999", "host or port is wrong"),
        ("mqtt://broker/a/+/b", r"no \+"),
        ("mqtt://broker/a/#", "base topic"),
        ("mqtt://broker/a?s3cret=1", "base topic"),
        ("mqtt://broker/" + "a" * 201, "200 bytes"),
        ("mqtt://broker/a b", "space"),
    ],
)
def test_addresses_that_are_refused(url, says):
    with pytest.raises(AlertError, match=says) as caught:
        MqttTarget.from_url(url)
    assert "s3cret" not in str(caught.value)


def test_what_an_address_says(monkeypatch):
    monkeypatch.setenv("EDGE_POSE_MQTT_USER", "bob")
    monkeypatch.setenv("EDGE_POSE_MQTT_PASSWORD", "s3cret")
    target = MqttTarget.from_url("mqtts://broker/a/b/")
    assert (target.host, target.port, target.tls, target.base, target.user) == ("broker", 8883, True, "a/b", "bob")
    assert target.password == "s3cret" and "s3cret" not in repr(target)
    assert MqttTarget.from_url("mqtt://ann@broker").user == "ann"
    assert MqttTarget.from_url("mqtt://broker").base == f"edge-pose/{socket.gethostname()}"
    monkeypatch.delenv("EDGE_POSE_MQTT_USER")
    with pytest.raises(AlertError, match="no user"):
        MqttTarget.from_url("mqtt://broker")


def test_a_certificate_file_that_is_none(outbox, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(AlertError, match="cannot read certificates"):
            MqttSender(MqttTarget.from_url("mqtts://broker", ca_file=str(tmp_path / name)), outbox)

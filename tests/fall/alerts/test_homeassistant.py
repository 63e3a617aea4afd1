"""The discovery messages are what Home Assistant's documentation asks for."""

import json
import re

import pytest

from edge_pose.fall.alerts.homeassistant import States, Topics, attributes, discovery
from edge_pose.fall.event import FALLS, WATCHES
from tests.fall.alerts.conftest import an_event

# home-assistant.io, "MQTT": discovery topic <prefix>/<component>/[<node_id>/]<object_id>/config; ids of these letters.
DISCOVERY_TOPIC = re.compile(r"homeassistant/binary_sensor/([a-zA-Z0-9_-]+)/config")
# "MQTT binary sensor": configuration variables, and those of every entity.
KNOWN = {
    "availability_topic", "payload_available", "payload_not_available", "device", "device_class", "entity_category",
    "json_attributes_topic", "name", "origin", "payload_on", "payload_off", "qos", "state_topic", "unique_id",
}  # fmt: skip
DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version"}


@pytest.fixture(params=["edge-pose/bedroom", "home/Zimmer 3/ä", "x"])
def messages(request):
    return [(topic, json.loads(payload)) for topic, payload in discovery(Topics(request.param), "homeassistant", "1.0")]


def test_each_sensor_is_described_with_known_words_alone(messages):
    assert [payload["device_class"] for _, payload in messages] == ["safety", "problem"]
    for topic, payload in messages:
        assert set(payload) <= KNOWN
        assert {"state_topic", "unique_id", "device", "origin"} <= set(payload)
        assert set(payload["device"]) == DEVICE
        assert payload["origin"]["name"] == "edge-pose"  # required where there is an origin
        # "Best practice for entities with a unique_id is to set <object_id> to unique_id and omit the <node_id>."
        assert DISCOVERY_TOPIC.fullmatch(topic).group(1) == payload["unique_id"]
    assert len({payload["unique_id"] for _, payload in messages}) == 2
    assert messages[0][1]["device"]["identifiers"] == messages[1][1]["device"]["identifiers"]


def test_topics_are_not_wildcards_and_differ():
    topics = Topics("a/b")
    every = [topics.events, topics.availability, topics.heartbeat, topics.fall, topics.camera]
    assert len(set(every)) == 5 and all(topic.startswith("a/b/") for topic in every)


def test_attributes_are_small():
    event = an_event(evidence={"series": [0.123456] * 20_000, "clip": "x.mp4"})
    found = attributes(event)
    assert len(found) < 1000
    assert json.loads(found)["id"] == event.id and json.loads(found)["clip"] == "x.mp4"


def test_an_alarm_lasts_until_everybody_is_up():
    states = States()
    seen = []
    for kind, track in [
        ("fall.candidate", 1),
        ("fall.confirmed", 1),
        ("fall.confirmed", 2),
        ("fall.recovered", 1),
        ("fall.still_down", 2),
        ("fall.recovered", 2),
    ]:
        states.take(an_event(kind, track))
        seen.append(states.fall())
    assert seen == ["OFF", "ON", "ON", "ON", "ON", "OFF"]


def test_an_alarm_runs_out(monkeypatch):
    from edge_pose.fall.alerts import homeassistant

    states = States(hold_s=60)
    states.take(an_event("fall.confirmed"))
    now = homeassistant.time.time()
    monkeypatch.setattr(homeassistant.time, "time", lambda: now + 59)
    assert states.fall() == "ON"
    monkeypatch.setattr(homeassistant.time, "time", lambda: now + 61)
    assert states.fall() == "OFF"


def test_states_outlive_a_restart():
    states = States()
    states.take(an_event("fall.confirmed", 7))
    states.take(an_event("watch.dark"))
    again = States(states.to_text())
    assert (again.fall(), again.camera()) == ("ON", "ON")
    again.take(an_event("fall.recovered", 1))  # ids of the new run are others
    again.take(an_event("watch.ok"))
    assert (again.fall(), again.camera()) == ("OFF", "OFF")
    assert States(again.to_text()).fall() == "OFF"


def test_every_kind_is_understood():
    for kind in (*FALLS, *WATCHES):
        States().take(an_event(kind))

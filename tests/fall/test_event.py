"""Events say what they must, in one form, and nothing secret."""

import json
import pickle
import uuid

import numpy as np
import pytest

from edge_pose.errors import EventError
from edge_pose.fall.event import KINDS, MAX_BYTES, FallEvent, utc


def event(**changes):
    return FallEvent(**{"event": "fall.confirmed", "time_s": 12.5, "track_id": 3, "confidence": 0.9, **changes})


def test_every_field_is_there_in_this_order():
    made = event(evidence={"rule": "fast and low", "speed": np.float32(1.5)}, source="rtsp://cam/1")
    values = json.loads(made.to_json())
    assert list(values) == ["id", "event", "track_id", "time_s", "wall_time", "confidence", "evidence", "source"]
    assert values["evidence"] == {"rule": "fast and low", "speed": 1.5}
    assert uuid.UUID(values["id"]).version == 4
    assert "\n" not in made.to_json()


def test_two_events_are_two():
    assert event().id != event().id


def test_round_trip():
    made = event(evidence={"ä": [1, 2.5, None, True, "x"]}, source="/videos/ä b.mp4")
    assert FallEvent.from_json(made.to_json()) == made
    assert FallEvent.from_json(made.to_json().encode()) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_numpy_becomes_plain_and_what_is_not_finite_null():
    evidence = event(evidence={"a": np.array([[1, 2]]), "b": (np.nan, np.inf), "c": np.int64(4)}).evidence
    assert evidence == {"a": [[1, 2]], "b": [None, None], "c": 4}


def test_the_evidence_is_a_copy():
    series = [1, 2]
    made = event(evidence={"series": series})
    series.append(3)
    assert made.evidence == {"series": [1, 2]}


def test_wall_time_is_utc_to_the_millisecond():
    assert utc(0.0015) == "1970-01-01T00:00:00.001Z"
    assert event(wall_time="2026-01-31T12:34:56.789Z").wall_time == "2026-01-31T12:34:56.789Z"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"event": "fall.confirm"}, "fall.confirmed"),  # the nearest name
        ({"time_s": float("nan")}, "time_s must be finite"),
        ({"time_s": "now"}, "time_s must be a number"),
        ({"confidence": 1.1}, "between 0 and 1"),
        ({"track_id": 1.5}, "whole number"),
        ({"track_id": True}, "whole number"),
        ({"id": "7"}, "UUID"),
        ({"wall_time": "2026-02-30T12:00:00.000Z"}, "no date"),
        ({"wall_time": "2026-01-31 12:34:56"}, "must be like"),
        ({"evidence": [1]}, "must be a table"),
        ({"evidence": {1: 2}}, "no text"),
        ({"evidence": {"a": {"b": object()}}}, r"evidence\.a\.b must be a JSON value, got object"),
        ({"evidence": {"a": b"pixels"}}, "got bytes"),
        ({"evidence": {"a": "x" * MAX_BYTES}}, "shorten the evidence"),
        ({"source": None}, "source must be text"),
    ],
)
def test_wrong_values_are_named(changes, says):
    with pytest.raises(EventError, match=says):
        event(**changes)


def test_evidence_that_contains_itself():
    loop = {}
    loop["again"] = loop
    with pytest.raises(EventError, match="nested deeper"):
        event(evidence=loop)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: v.pop("id"), "lacks id"),
        (lambda v: v.update(extra=1), "unknown field event.extra"),
        (lambda v: v.update(track_id="3"), "track_id must be int"),
        (lambda v: v.update(event="fall.no"), "is unknown"),
        (lambda v: v.update(confidence=2), "between 0 and 1"),
    ],
)
def test_reading_is_strict(change, says):
    values = json.loads(event().to_json())
    change(values)
    with pytest.raises(EventError, match=says):
        FallEvent.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", b"\xff", "[" * 100_000, " " * (MAX_BYTES + 1)])
def test_what_is_no_event_is_said_so(text):
    with pytest.raises(EventError):
        FallEvent.from_json(text)


def test_sources_lose_their_secrets():
    assert event(source="rtsp://ann:s3/cret@cam:554/1?token=x").source == "rtsp://cam:554/1"


def test_kinds():
    assert {"fall.candidate", "fall.confirmed", "fall.still_down", "fall.recovered"} <= set(KINDS)
    for kind in KINDS:
        assert event(event=kind).event == kind

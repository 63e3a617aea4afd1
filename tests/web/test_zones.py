"""Zones over HTTP and in their file."""

import json
import socket

import httpx
import pytest

from edge_pose.errors import OutputError, WebError
from edge_pose.web import WebPage
from tests.web.conftest import get

BED = {"name": "bed", "kind": "bed", "polygon": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "zones.json"


@pytest.fixture
def drawn(path):
    with WebPage("127.0.0.1:0", zones_path=path) as page:
        yield page


def put(page, content, **headers):
    with httpx.Client(base_url=page.url, trust_env=False) as client:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return client.put("zones", content=data, headers=headers)


def test_saved_read_and_told(drawn, path, watch):
    viewer, before = watch(drawn), drawn.zones
    assert get(drawn, "zones").json() == []
    assert not path.exists()
    assert put(drawn, [BED]).status_code == 200
    assert json.loads(path.read_text()) == get(drawn, "zones").json() == [BED]
    while viewer.note("zones") != [BED]:
        pass
    assert drawn.zones is not before
    assert drawn.zones[0].kind == "bed"
    assert put(drawn, []).status_code == 200
    assert json.loads(path.read_text()) == []


def test_a_file_that_is_there(path):
    path.write_text(json.dumps({"zones": [BED]}))
    with WebPage("127.0.0.1:0", zones_path=path) as page:
        assert get(page, "zones").json() == [BED]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "x"}]', "[" * 100_000])
def test_a_file_that_holds_none(path, text):
    path.write_text(text)
    with pytest.raises(WebError, match="the zones cannot be used"):
        WebPage("127.0.0.1:0", zones_path=path)


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        WebPage("127.0.0.1:0", zones_path=tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"",
        b"[NaN]",
        [{**BED, "kind": "door"}],
        [{**BED, "polygon": BED["polygon"][:2]}],
        [{**BED, "polygon": [[0, 0], [0, 900], [1, 1]]}],  # pixels
        [{**BED, "polygon": [[0, 0], [0, 10**400], [1, 1]]}],  # no float holds it
        [{**BED, "name": " "}],
        [{**BED, "name": "x" * 61}],
        [{**BED, "name": "a\nb"}],
        [{**BED, "more": 1}],
        [BED] * 1000,
        "bed",
    ],
)
def test_what_is_no_zone_changes_nothing(drawn, path, content):
    put(drawn, [BED])
    answer = put(drawn, content)
    assert (answer.status_code, "error" in answer.json()) == (422, True)
    assert json.loads(path.read_text()) == [BED]


def test_too_much(drawn):
    assert put(drawn, b" " * (2 << 20)).status_code == 413


def test_only_its_own_page_may_write(drawn, path):
    assert put(drawn, [BED], origin="http://evil.example").status_code == 403
    assert not path.exists()
    assert put(drawn, [BED], origin=drawn.url.strip("/")).status_code == 200


def test_a_disk_that_takes_nothing(drawn, path, monkeypatch):
    put(drawn, [BED])

    def full(*_):
        raise OutputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("edge_pose.web.zones.write_whole", full)
    answer = put(drawn, [])
    assert (answer.status_code, "No space left" in answer.json()["error"]) == (507, True)
    assert len(drawn.zones) == 1


def test_without_a_file_there_are_none(page):
    assert get(page, "zones").status_code == 404
    assert page.zones == ()


def test_who_never_ends_a_request_is_let_go(drawn, path, monkeypatch):
    monkeypatch.setattr("edge_pose.web.app.SENT_S", 0.2)
    port = int(drawn.url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(f"PUT /zones HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 100\r\n\r\n[".encode())
        assert slow.makefile("rb").read().startswith(b"HTTP/1.1 408 ")  # all of it: the connection is closed
    assert not path.exists()

"""The page as the pipeline and its viewers know it."""

import socket
import sys
import threading
import time
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_pose import Poses
from edge_pose.errors import MissingDependencyError, WebError
from edge_pose.web import WebPage
from tests.web.conftest import get, result


def test_a_viewer_gets_picture_and_joints(page, watch):
    page.publish(result(people=2), {"dropped": 3})
    viewer = watch(page)
    head, jpeg = viewer.picture()
    assert (head["frame"], head["size"], len(head["people"])) == (0, [160, 90], 2)
    assert head["people"][0]["keypoints"][0] == [80.0, 45.0, 0.9]
    assert (head["people"][0]["id"], head["counters"]) == (1, {"dropped": 3})
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (90, 160, 3)
    assert len(viewer.notes["about"]["skeleton"]["joints"]) == 17


def test_large_pictures_are_made_smaller_and_coordinates_stay(page, watch):
    page.publish(result(1080, 1920))
    head, jpeg = watch(page).picture()
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (540, 960, 3)
    assert head["size"] == [1920, 1080]
    assert head["people"][0]["keypoints"][0][:2] == [960.0, 540.0]


def test_who_comes_after_the_last_frame_still_sees_it(page, watch):
    for index in range(3):
        page.publish(result(index=index))
    assert watch(page).picture()[0]["frame"] == 2
    assert watch(page).picture()[0]["frame"] == 2


def test_nobody_and_odd_numbers(page, watch):
    poses = result().poses
    odd = replace(poses, xy=np.full((1, 17, 2), np.nan), boxes=np.full((1, 4), np.inf))
    page.publish(replace(result(), poses=Poses.empty(), timings_ms={}))
    viewer = watch(page)
    assert viewer.picture()[0]["people"] == []
    page.publish(replace(result(index=1), poses=odd, timings_ms={"total": float("nan")}))
    assert viewer.picture()[0]["people"][0]["keypoints"][0][:2] == [None, None]
    assert get(page, "metrics").status_code == 200


def test_no_pixel_leaves_in_privacy_mode(watch):
    with WebPage("127.0.0.1:0", privacy=True) as page:
        shown = result()
        picture = weakref.ref(shown.frame.image)
        page.publish(shown)
        head, jpeg = (viewer := watch(page)).picture()
        assert (len(head["people"]), jpeg) == (1, b"")
        assert viewer.notes["about"]["privacy"] is True
        del shown
        assert picture() is None  # the page keeps none


def test_nothing_is_encoded_while_nobody_watches(page, watch):
    for index in range(50):
        page.publish(result(index=index))
    assert page._painter.encoded == 0
    viewer = watch(page)
    viewer.picture()
    viewer.close()
    while page.viewers:
        time.sleep(0.01)
    done = page._painter.encoded
    for index in range(50, 100):
        page.publish(result(index=index))
    assert page._painter.encoded == done


def test_every_picture_is_encoded_once_for_all(page, watch, results):
    viewers = [watch(page) for _ in range(4)]
    for _ in range(5):
        page.publish(next(results))
        frames = {viewer.picture()[0]["frame"] for viewer in viewers}
        assert len(frames) == 1
    assert page._painter.encoded == 5


def test_a_viewer_that_answers_nothing_holds_up_nobody(page, watch, results):
    stuck, good = watch(page), watch(page)
    for _ in range(12):
        page.publish(next(results))
        good.picture()
    got = [stuck.picture(answer=False, timeout=2)[0]["frame"] for _ in range(3)]
    assert got == [0, 1, 2]
    with pytest.raises(TimeoutError):
        stuck.picture(timeout=0.3)
    stuck.socket.send("ok")
    assert stuck.picture()[0]["frame"] == 11  # not one of those that it missed


def test_a_silent_viewer_is_let_go(page, watch, results, monkeypatch):
    monkeypatch.setattr("edge_pose.web.hub.SILENT_S", 0.1)
    watch(page)
    page.publish(next(results))
    end = time.monotonic() + 10
    while page.viewers and time.monotonic() < end:
        time.sleep(0.05)
    assert page.viewers == 0


def test_events_reach_every_viewer_once_it_is_there(page, watch):
    fall = {
        "id": "x",
        "event": "fall.confirmed",
        "track_id": 4,
        "time_s": 1.0,
        "confidence": 0.9,
        "source": "rtsp://a:b@c",
    }
    page.publish(replace(result(), events=(fall,)))
    viewer = watch(page)
    assert viewer.note("events")[0]["event"] == "fall.confirmed"
    page.publish(replace(result(index=1), events=({**fall, "id": "y", "event": "fall.recovered"},)))
    newest, first = viewer.note("events")
    assert (newest["event"], first["track_id"]) == ("fall.recovered", 4)
    assert "source" not in newest


def test_credentials_of_the_source_stay_here(page, watch):
    shown = result()
    page.publish(shown)
    viewer = watch(page)
    assert "secret" in shown.frame.source
    with WebPage("127.0.0.1:0", title="rtsp://ann:secret@cam/1?token=secret") as named:
        assert watch(named).note("about")["title"] == "rtsp://cam/1"
    assert "secret" not in repr(viewer.picture()) + repr(viewer.notes) + get(page, "metrics").text


def test_viewers_are_told_that_no_frames_come(page, watch):
    page._board._last_s = time.monotonic() - 60
    viewer = watch(page)
    while (told := viewer.note("stale")) is None:
        pass
    assert told >= 60


def test_too_many_viewers_are_turned_away(page, watch, monkeypatch):
    monkeypatch.setattr("edge_pose.web.hub.MAX_VIEWERS", 1)
    page.publish(result())
    assert watch(page).picture()
    late = watch(page)
    with pytest.raises(Exception, match="too many viewers"):
        late.picture()


def test_closing_is_quick_and_final(watch, results):
    page = WebPage("127.0.0.1:0")
    page.publish(next(results))
    viewer = watch(page)
    viewer.picture()
    page.close()
    page.close()
    page.publish(next(results))
    assert not [t.name for t in threading.enumerate() if t.name.startswith("edge-pose-web")]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(page.url.rsplit(":", 1)[1].strip("/"))), 1)


def test_closing_while_somebody_does_not_read(monkeypatch):
    page = WebPage("127.0.0.1:0")
    port = int(page.url.rsplit(":", 1)[1].strip("/"))
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        deaf.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Sec-WebSocket-Version: 13\r\n\r\n".encode())
        random = np.random.default_rng(0)
        while page._painter.encoded < 3:
            noise = random.integers(0, 255, (540, 960, 3), np.uint8)  # compresses badly
            page.publish(replace(result(), frame=replace(result().frame, image=noise)))
            time.sleep(0.02)
        page.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("edge-pose-web")]


def test_a_frame_that_cannot_be_encoded_ends_nothing(page, watch, caplog):
    viewer = watch(page)
    page.publish(replace(result(), frame=replace(result().frame, image=np.empty((4, 0, 3), np.uint8))))
    while "cannot be shown" not in caplog.text:
        time.sleep(0.01)
    page.publish(result(index=1))
    assert viewer.picture()[0]["frame"] == 1


def test_without_the_server_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingDependencyError, match=r"uvicorn is not installed; run: pip install 'edge-pose\[web\]'"):
        WebPage("127.0.0.1:0")


def test_a_port_in_use(page):
    with pytest.raises(WebError, match="is in use; give another one, or 0"):
        WebPage(page.url.removeprefix("http://").strip("/"))

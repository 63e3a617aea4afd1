"""The watch tells when the camera is silent, covered or dark, once, and when it is not any more."""

import socket

import numpy as np
import pytest

from edge_pose.fall.alerts.systemd import notify, watchdog_s
from edge_pose.fall.alerts.watchdog import WatchConfig, Watchdog, statistics

DICE = np.random.default_rng(0)
ROOM = np.kron(DICE.integers(20, 230, (12, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)  # (480, 640, 3)


def dimmed(gain, noise=6):
    return np.clip(ROOM * gain + DICE.normal(0, noise, ROOM.shape), 0, 255).astype(np.uint8)


PICTURES = {
    "room": ROOM,
    "evening": dimmed(0.25),
    "infrared": np.repeat(dimmed(0.6)[..., :1], 3, axis=2),
    "black": np.zeros_like(ROOM),
    "night, noisy": dimmed(0.02, 8),
    "lens cap, grey": np.full_like(ROOM, 70),
    "cloth in daylight": np.clip(150 + DICE.normal(0, 10, ROOM.shape), 0, 255).astype(np.uint8),
    "overexposed": np.full_like(ROOM, 255),
}
VIEWS = {
    "room": "ok",
    "evening": "ok",
    "infrared": "ok",
    "black": "dark",
    "night, noisy": "dark",
    "lens cap, grey": "covered",
    "cloth in daylight": "covered",
    "overexposed": "covered",
}


def play(dog, *parts, fps=10.0, start=0.0):
    """Show pictures as (name or None for silence, seconds, people); returns [(time, state)] of what was told."""
    told, now = [], start
    for name, seconds, people in parts:
        for _ in range(round(seconds * fps)):
            now += 1 / fps
            changes = [dog.frame(PICTURES[name], people, now)] if name else []
            changes.append(dog.tick(now))
            told += [(round(now, 1), change.state) for change in changes if change]
    return told


def states(told):
    return [state for _, state in told]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_told_apart(name):
    told = play(Watchdog(now_s=0), (name, 30, 0))
    assert states(told) == ([] if VIEWS[name] == "ok" else [VIEWS[name]])
    if told:
        assert 10 <= told[0][0] <= 11.5


def test_it_is_told_when_it_is_over():
    told = play(Watchdog(now_s=0), ("room", 5, 0), ("black", 20, 0), ("room", 20, 0), ("lens cap, grey", 20, 0))
    assert states(told) == ["dark", "ok", "covered"]
    assert 15 <= told[0][0] <= 16.5
    assert 28 <= told[1][0] <= 29.5


def test_a_hand_before_the_lens_for_a_moment_is_nothing():
    assert play(Watchdog(now_s=0), *[("room", 8, 0), ("black", 8, 0)] * 5) == []


def test_whoever_is_seen_proves_that_it_sees():
    assert play(Watchdog(now_s=0), ("night, noisy", 60, 1)) == []


def test_light_at_the_threshold_does_not_flicker():
    dog = Watchdog(now_s=0)
    told = []
    for n in range(1200):
        level = 12 + (3 if n // 60 % 2 else -3)  # every 6 s from one side of the threshold to the other
        told.append(dog.frame(np.full((48, 64, 3), level, np.uint8), 0, n / 10))
    assert [change.state for change in told if change] in ([], ["dark"], ["covered"])


def test_silence_is_told_and_so_is_its_end():
    told = play(Watchdog(now_s=0), ("room", 5, 1), (None, 60, 0), ("room", 10, 1), (None, 30, 0))
    assert states(told) == ["no_frames", "ok", "no_frames"]
    assert 14.9 <= told[0][0] <= 15.2
    assert 67.9 <= told[1][0] <= 69


def test_a_camera_that_never_says_anything():
    assert states(play(Watchdog(now_s=0), (None, 60, 0))) == ["no_frames"]


def test_a_restart_tells_nothing_twice():
    dog = Watchdog(state="no_frames", now_s=100)
    assert play(dog, (None, 60, 0), start=100) == []
    assert states(play(dog, ("room", 5, 0), start=160)) == ["ok"]
    assert Watchdog(state="nonsense").state == "ok"


def test_after_silence_it_may_be_dark():
    assert states(play(Watchdog(now_s=0), (None, 20, 0), ("black", 30, 0))) == ["no_frames", "dark"]


def test_the_evidence_has_the_figures():
    dog = Watchdog(WatchConfig(blind_s=1), now_s=0)
    for n in range(30):
        if change := dog.frame(PICTURES["black"], 0, n / 10):
            break
    assert change.evidence["brightness"] == 0 and change.evidence["was"] == "ok" and change.evidence["seconds"] >= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5000, 3), (2160, 3840, 3), (17, 13, 3)])
def test_any_size(shape):
    assert statistics(np.full(shape, 100, np.uint8)) == (100, 0)


def test_views_with_gaps_between_rows():
    brightness, contrast = statistics(ROOM[::-1, ::2])
    assert abs(brightness - statistics(ROOM)[0]) < 5 and contrast > 20


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears(tmp_path, monkeypatch, abstract):
    path = f"@edge-pose-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + path[1:] if abstract else path)
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        assert notify("WATCHDOG=1")
        assert server.recv(100) == b"WATCHDOG=1"


def test_without_systemd(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not notify("READY=1")
    assert "cannot tell systemd" in caplog.text


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"), [("", "", 0), ("30000000", "", 30), ("30000000", "1", 0), ("soon", "", 0)]
)
def test_what_systemd_asks(monkeypatch, usec, pid, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_s() == seconds

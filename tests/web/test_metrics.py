"""What machines read: Prometheus' text format and the health of the stream."""

import re
import time
from dataclasses import replace

import pytest

from edge_pose.web.board import BOUNDS_S, Board
from edge_pose.web.metrics import metrics_text
from tests.web.conftest import get, result

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = rf'\{{{NAME}="(?:[^"\\\n]|\\["\\n])*"(?:,{NAME}="(?:[^"\\\n]|\\["\\n])*")*\}}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?[0-9.]+(?:e[+-]?\d+)?)")


def samples(text: str) -> dict[str, float]:
    """Parse strictly: every family has help and type once, and samples of its own right behind them."""
    assert text.endswith("\n")
    found, family, kind = {}, "", ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            before, family = family, line.split()[2]
            assert family != before
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == family
            assert kind in ("counter", "gauge", "histogram", "summary")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
            assert match[1] in {family + suffix for suffix in suffixes.get(kind, ("",))}, line
            key = match[1] + (match[2] or "")
            assert key not in found
            found[key] = float(match[3])
    return found


def board_of(*milliseconds: float, **more) -> Board:
    board = Board()
    for i, ms in enumerate(milliseconds):
        timings = {"network": ms - 1, "total": ms}
        board.put(replace(result(index=i), timings_ms=timings, **more), {"dropped": 7, "frames": 9})
    return board


def test_before_the_first_frame():
    found = samples(metrics_text(Board().figures(), 0))
    assert found["edge_pose_frames_total"] == 0
    assert found['edge_pose_latency_seconds_bucket{le="+Inf"}'] == 0
    assert found["edge_pose_dropped_total"] == found["edge_pose_reconnects_total"] == 0


def test_events_that_come_after_the_last_frame_are_no_frame():
    board, last = board_of(4), replace(result(index=1), timings_ms={"total": 4})
    board.put(last, {})
    board.put(replace(last, events=({"event": "fall_confirmed"},)), {})
    found = samples(metrics_text(board.figures(), 0))
    assert found["edge_pose_frames_total"] == found["edge_pose_latency_seconds_count"] == 2
    assert found['edge_pose_events_total{event="fall_confirmed"}'] == 1
    assert [row["event"] for row in board.events()] == ["fall_confirmed"]


def test_figures():
    found = samples(metrics_text(board_of(4, 10, 10, 40, 9000).figures(), 2))
    assert (found["edge_pose_frames_total"], found["edge_pose_people"], found["edge_pose_viewers"]) == (5, 1, 2)
    assert (found["edge_pose_dropped_total"], found["edge_pose_reconnects_total"]) == (7, 0)
    buckets = [found[f'edge_pose_latency_seconds_bucket{{le="{bound:g}"}}'] for bound in BOUNDS_S]
    assert buckets == [0, 1, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]  # a bound belongs to its own bucket
    assert found['edge_pose_latency_seconds_bucket{le="+Inf"}'] == found["edge_pose_latency_seconds_count"] == 5
    assert found["edge_pose_latency_seconds_sum"] == pytest.approx(9.064)
    assert found['edge_pose_stage_seconds{stage="network",quantile="0.5"}'] == pytest.approx(0.009)
    assert found['edge_pose_stage_seconds_count{stage="total"}'] == 5


def test_names_from_elsewhere_cannot_break_the_format():
    board = Board()
    odd = replace(result(), timings_ms={'a"b\\c\nd': 1.0}, events=({"event": 'fall"\n'}, {"event": None}, object()))
    board.put(odd, {"two words\n": 1, "größe": 2})
    found = samples(metrics_text(board.figures(), 0))
    assert found['edge_pose_stage_seconds_count{stage="a\\"b\\\\c\\nd"}'] == 1
    assert found["edge_pose_two_words__total"] == 1
    assert found['edge_pose_events_total{event="fall\\"\\n"}'] == 1


def test_names_do_not_grow_without_end():
    board = Board()
    for i in range(100):
        board.put(replace(result(), timings_ms={f"s{i}": 1.0}, events=({"event": f"e{i}"},)), {f"c{i}": i})
    figures = board.figures()
    assert (len(figures.stages), len(figures.counters), len(figures.events)) == (32, 32, 32)
    assert len(board.events()) == 50


def test_frames_a_second():
    board = board_of(1, 1, 1)
    now = time.monotonic()
    board._times.clear()
    board._times.extend(now - 0.1 * (5 - i) for i in range(5))
    assert board.figures().fps == pytest.approx(8, rel=0.1)  # four intervals in half a second
    board._times.clear()
    board._times.append(now - 60)
    assert board.figures().fps == 0


def test_over_http(page):
    page.publish(result())
    answer = get(page, "metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer.text)["edge_pose_frames_total"] == 1


def test_health(page):
    answer = get(page, "healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "starting", "frame_age_s": None})
    page.publish(result())
    answer = get(page, "healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    page._board._last_s -= 60
    answer = get(page, "healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "stale")
    assert answer.json()["frame_age_s"] > 60

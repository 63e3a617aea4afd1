"""The figures of the loop in the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import numpy as np

from edge_pose.web.board import BOUNDS_S, Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUANTILES = (0.5, 0.9, 0.99)
USUAL = ("dropped", "reconnects")  # counters that are told even where no source counts them
Sample = tuple[str, Mapping[str, str], float]


def metrics_text(figures: Figures, viewers: int) -> str:
    """Return everything as text, each family with its help and type."""
    lines: list[str] = []
    for name, kind, about, samples in _families(figures, viewers):
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{suffix}{_labels(labels)} {value:.10g}" for suffix, labels, value in samples]
    return "\n".join(lines) + "\n"


def _families(figures: Figures, viewers: int) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    def one(value: float) -> list[Sample]:
        return [("", {}, value)]

    yield "edge_pose_frames_total", "counter", "Frames that were processed.", one(figures.frames)
    yield "edge_pose_frames_per_second", "gauge", "Frames a second, over the last three.", one(figures.fps)
    yield "edge_pose_people", "gauge", "People in the newest frame.", one(figures.people)
    if figures.age_s is not None:
        about = "Seconds since the newest frame."
        yield "edge_pose_frame_age_seconds", "gauge", about, one(figures.age_s)
    yield "edge_pose_viewers", "gauge", "Browsers that watch the page.", one(viewers)
    for counter, value in {**dict.fromkeys(USUAL, 0), **figures.counters}.items():
        name = "edge_pose_" + re.sub(r"\W", "_", counter, flags=re.ASCII).removesuffix("_total") + "_total"
        if name != "edge_pose_frames_total":  # ours
            yield name, "counter", f"Counter {_help(counter)} of the pipeline.", one(value)
    kinds = [("", {"event": kind}, float(count)) for kind, count in sorted(figures.events.items())]
    yield "edge_pose_events_total", "counter", "Events by kind.", kinds
    yield "edge_pose_latency_seconds", "histogram", "Time from a frame to its poses.", _histogram(figures)
    yield "edge_pose_stage_seconds", "summary", "Time of one stage; quantiles of the last frames.", _stages(figures)


def _histogram(figures: Figures) -> Iterator[Sample]:
    below = list(accumulate(figures.buckets))
    for bound, count in zip((*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"), below, strict=True):
        yield "_bucket", {"le": bound}, count
    yield "_sum", {}, figures.latency_s
    yield "_count", {}, below[-1]


def _stages(figures: Figures) -> Iterator[Sample]:
    for name, stage in sorted(figures.stages.items()):
        for quantile, value in zip(QUANTILES, np.quantile(stage.last_ms, QUANTILES), strict=True):
            yield "", {"stage": name, "quantile": f"{quantile:g}"}, float(value) / 1e3
        yield "_sum", {"stage": name}, stage.total_ms / 1e3
        yield "_count", {"stage": name}, stage.count


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")

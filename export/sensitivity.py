"""Which parts of a network INT8 hurts: a proxy for all of them, then the gate's own measure for the worst.

A section is a weighted layer and what follows it up to the next one. The proxy is the noise that a section adds on
its way through the quantised graph, in its worst channels: boxes and scores that share a tensor are told apart so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_pose.export.int8 import WEIGHTED
from edge_pose.export.ranges import dumper

WORST_CHANNELS = 0.05  # quantile of the channels' signal-to-noise ratios
CEILING_DB = 60.0  # above, there is no noise worth looking at
BUDGET_S = 60.0  # for asking the gate's measure, section by section; the proxy says about which first

Batches = Iterable[NDArray[Any]]
Loss = Callable[[onnx.ModelProto], float]
Build = Callable[[Collection[str]], onnx.ModelProto]


@dataclass(frozen=True, slots=True)
class Section:
    """Nodes that go back to float together, by name. head: the first. loss: measured with only them quantised, or NaN.

    noise_db: how much the signal-to-noise ratio falls on the way through.
    """

    nodes: tuple[str, ...]
    noise_db: float = 0.0
    loss: float = math.nan

    @property
    def head(self) -> str:
        """What it is called."""
        return self.nodes[0]

    @property
    def reason(self) -> str:
        """Why it goes back to float."""
        if math.isnan(self.loss):
            return f"adds {self.noise_db:.1f} dB of noise"
        return f"costs {self.loss:.4f} OKS alone, adds {self.noise_db:.1f} dB of noise"


def sections_of(model: onnx.ModelProto, skip: Collection[str] = ()) -> list[tuple[str, ...]]:
    """Cut the graph before every weighted layer, in its own order; nodes in `skip` belong to none."""
    cut: list[list[str]] = []
    for node in model.graph.node:
        if node.name in skip:
            continue
        if node.op_type in WEIGHTED or not cut:
            cut.append([])
        cut[-1].append(node.name)
    return [tuple(part) for part in cut]


def ranked(
    model: onnx.ModelProto, build: Build, skip: Collection[str], batches: Sequence[NDArray[Any]], loss: Loss
) -> list[Section]:
    """Return the sections, the most sensitive first.

    build: makes the quantised graph in which the named nodes stay float. skip: nodes that stay float anyway. batches:
    a few network inputs. loss: what a graph costs, by the gate's measure on a few pictures.
    """
    parts = sections_of(model, skip)
    noise = added_noise(model, build(skip), parts, batches)
    order = sorted(range(len(parts)), key=lambda i: -noise[i])
    everything = {node.name for node in model.graph.node}
    weighted = {node.name for node in model.graph.node if node.op_type in WEIGHTED}
    started = time.monotonic()
    measured, rest = [], []
    for i in order:
        section = Section(parts[i], noise[i])
        if time.monotonic() - started > BUDGET_S or not weighted.intersection(parts[i]):
            rest.append(section)
            continue
        alone = loss(build(everything - set(parts[i])))
        measured.append(replace(section, loss=math.inf if math.isnan(alone) else alone))
    measured.sort(key=lambda section: (-section.loss, -section.noise_db))
    return measured + rest


def added_noise(
    model: onnx.ModelProto, quantised: onnx.ModelProto, parts: Sequence[tuple[str, ...]], batches: Batches
) -> list[float]:
    """Return by how many decibels the signal-to-noise ratio falls from what each section reads to what it gives.

    The ratio is the float tensor's variance over the error's, channel by channel (axis 1), the worst 5 % of them.
    """
    nodes = {node.name: node for node in model.graph.node}
    inside = [{name for n in part for name in nodes[n].output} for part in parts]
    reads = [{name for n in part for name in nodes[n].input} - own for part, own in zip(parts, inside, strict=True)]
    ratio = ratios(model, quantised, sorted(set().union(*inside, *reads)), batches)
    falls = []
    for own, read in zip(inside, reads, strict=True):
        before = min((ratio[name] for name in read if name in ratio), default=CEILING_DB)
        after = min((ratio[name] for name in own if name in ratio), default=CEILING_DB)
        falls.append(max(0.0, before - after))
    return falls


def ratios(
    model: onnx.ModelProto, quantised: onnx.ModelProto, names: Collection[str], batches: Batches
) -> Mapping[str, float]:
    """Return the signal-to-noise ratio in dB of every tensor that both graphs have as float32, over all batches."""
    plain, noisy = (dumper(graph, names) for graph in (model, quantised))
    signal: dict[str, NDArray[np.float64]] = {}
    noise: dict[str, NDArray[np.float64]] = {}
    for batch in batches:
        theirs = noisy(batch)
        for name, value in plain(batch).items():
            if name not in theirs or value.dtype != np.float32 or value.ndim < 2 or not value.size:
                continue
            axes = tuple(axis for axis in range(value.ndim) if axis != 1)
            exact = value.astype(np.float64)
            signal[name] = signal.get(name, 0.0) + exact.var(axis=axes)
            noise[name] = noise.get(name, 0.0) + ((exact - theirs[name]) ** 2).mean(axis=axes)
    found = {}
    for name, power in signal.items():
        live = power > 0
        if live.any():
            decibels = 10 * np.log10(power[live] / np.maximum(noise[name][live], power[live] * 1e-6))
            found[name] = float(min(CEILING_DB, np.quantile(decibels, WORST_CHANNELS)))
    return found

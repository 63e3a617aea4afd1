"""From the raw outputs of a network that saw crops to joints in frame pixels, by the family the specification names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.decode.heatmap import Grid, decode_heatmap, decode_udp_offset
from edge_pose.decode.movenet import decode_movenet, decode_movenet_heads
from edge_pose.decode.regression import decode_regression
from edge_pose.decode.simcc import decode_simcc
from edge_pose.errors import ShapeError, SpecError
from edge_pose.geometry import Affine
from edge_pose.spec import HeatmapDecode, ModelSpec, MovenetDecode, RegressionDecode, SimccDecode

Joints = tuple[NDArray[np.float32], NDArray[np.float32]]
Arrays = list[NDArray[Any]]


def decode_crops(spec: ModelSpec, outputs: Arrays, affine: Affine) -> Joints:
    """Return joints (N, K, 2) float32 in frame pixels and scores (N, K) in [0, 1], one row a crop.

    outputs: of the network, in the order that the family documents. Raises SpecError when they are not that many, or
    one has a shape that the family does not have.
    """
    how = spec.decode
    try:
        if isinstance(how, MovenetDecode) and not how.heads:  # the quickest network there is: without detours
            xy, scores = decode_movenet(outputs[0], affine.frame_from_input, input_hw=spec.input.hw)
        else:
            xy, scores = _decode(spec, outputs, affine)
    except ShapeError as err:
        raise unfit(spec, err) from err
    _check_joints(spec, xy)
    if not isinstance(how, MovenetDecode):  # whose decoders see to it themselves
        np.minimum(np.maximum(scores, 0.0, out=scores), 1.0, out=scores)
    return xy, scores


def unfit(spec: ModelSpec, err: ShapeError) -> SpecError:
    """Say of outputs that the decoder refuses whose they are: that they are odd is the specification's mistake."""
    return SpecError(f"{spec.name}: the file's output is not what the specification says: {err}")


def _decode(spec: ModelSpec, outputs: Arrays, affine: Affine) -> Joints:
    wanted = _output_count(spec)
    if len(outputs) < wanted:
        raise SpecError(
            f"{spec.name}: decode family {spec.decode.family!r} needs {wanted} outputs, the file has {len(outputs)}"
        )
    how, home, hw = spec.decode, affine.frame_from_input, spec.input.hw
    if isinstance(how, HeatmapDecode):
        if how.offsets:
            xy, scores = decode_udp_offset(outputs[0], home, input_hw=hw, blur=how.blur)
        else:
            grid: Grid = "udp" if spec.transform == "udp" else "classic"
            xy, scores = decode_heatmap(outputs[0], home, input_hw=hw, grid=grid, refine=how.refine, blur=how.blur)
    elif isinstance(how, SimccDecode):
        xy, scores = decode_simcc(
            outputs[0], outputs[1], home, split_ratio=how.split_ratio, score=how.score, softmax=how.softmax
        )
    elif isinstance(how, RegressionDecode):
        sigma = outputs[1] if how.sigma else None
        xy, scores = decode_regression(outputs[0], home, input_hw=hw, sigma=sigma, origin=how.origin)
    elif isinstance(how, MovenetDecode):
        center, regression, heatmaps, offsets = outputs[:4]
        xy, scores = decode_movenet_heads(
            center,
            regression,
            heatmaps,
            offsets,
            home,
            layout=how.layout,
            stride=how.stride,
            fall_off=how.fall_off,
            votes=how.votes,
        )
    else:
        raise SpecError(f"{spec.name}: decode family {how.family!r} is not for crops")
    return xy, scores


def _output_count(spec: ModelSpec) -> int:
    how = spec.decode
    if isinstance(how, MovenetDecode):
        return 4
    return 2 if isinstance(how, SimccDecode) or (isinstance(how, RegressionDecode) and how.sigma) else 1


def _check_joints(spec: ModelSpec, xy: NDArray[np.float32]) -> None:
    if xy.shape[1] != len(spec.skeleton):
        raise SpecError(
            f"{spec.name}: the network gives {xy.shape[1]} joints, skeleton {spec.skeleton.name!r} has "
            f"{len(spec.skeleton)}: the specification belongs to another model or is wrong"
        )

"""Calibration: which values the tensors of a float graph take on pictures. Once, for every INT8 graph made from it."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_pose.errors import ExportError
from edge_pose.strict import nearest

Method = Literal["minmax", "percentile", "entropy"]
PERCENTILE = 99.99
Batches = Iterable[NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Lowest and highest value by tensor, as a calibrator sees it. data: ONNX Runtime's own form. rows: seen."""

    method: Method
    data: Any
    rows: int

    @property
    def limits(self) -> Mapping[str, tuple[float, float]]:
        """(lowest, highest) by tensor."""
        return {name: tuple(float(np.ravel(v)[0]) for v in self.data[name].range_value) for name in self.data.keys()}  # noqa: SIM118


def calibrate(model: onnx.ModelProto, batches: Batches, method: Method = "minmax") -> Ranges:
    """Run a float graph, its nodes named, on network inputs and note what its tensors take.

    minmax: all of it. percentile: 99.99 % of it. entropy: the part that loses the least information in 8 bits.
    Raises ExportError without any input, and where the values are no numbers.
    """
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    if method not in get_args(Method):
        raise ExportError(f"the calibrator {method!r} is unknown: {nearest(method, get_args(Method))}")
    name = model.graph.input[0].name

    class Once(CalibrationDataReader):  # type: ignore[misc]
        """One input; the histogram calibrators hold every tensor of what they are given at once in memory."""

        def __init__(self, batch: NDArray[Any]) -> None:
            self.left = [{name: batch}]

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return self.left.pop() if self.left else None

    kinds = {
        "minmax": (CalibrationMethod.MinMax, {}),
        "percentile": (CalibrationMethod.Percentile, {"percentile": PERCENTILE, "num_bins": 2048}),
        "entropy": (CalibrationMethod.Entropy, {}),
    }
    kind, options = kinds[method]
    with tempfile.TemporaryDirectory() as folder, only_errors():
        source = Path(folder) / "float.onnx"
        onnx.save(model, source)
        target = Path(folder) / "augmented.onnx"
        calibrator = create_calibrator(
            source, None, augmented_model_path=str(target), calibrate_method=kind, extra_options=options
        )
        rows = 0
        for batch in batches:
            calibrator.collect_data(Once(batch))
            rows += len(batch)
        if not rows:
            raise ExportError("there is nothing to calibrate with: the pictures show nobody, or there are none")
        ranges = Ranges(method, calibrator.compute_data(), rows)
    odd = [name for name, limits in ranges.limits.items() if not np.isfinite(limits).all()]
    if odd:
        raise ExportError(f"{odd[0]} takes values that are no numbers on these pictures: the float model is broken")
    return ranges


@contextlib.contextmanager
def only_errors() -> Iterator[None]:
    """Keep what ONNX Runtime's quantisation prints and writes to the root logger from users: it is not for them."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(before)

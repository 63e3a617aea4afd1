"""What an engine is to the rest of the package: named tensors in, named tensors out, and a metadata document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, shape and type of one input or output; None stands for a dimension that may change."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Backend(Protocol):
    """One loaded model. Not shared between threads: every estimator opens its own."""

    engine: str
    device: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network on a contiguous batch; returns its outputs in the order of `outputs`.

        The arrays may be overwritten by the next run. Raises BackendError when the engine fails.
        """
        ...

    def close(self) -> None:
        """Give the memory back. The backend cannot be used afterwards."""
        ...

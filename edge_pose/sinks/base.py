"""What every sink of results is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.frames import Frame
from edge_pose.poses import Poses


class Sink(ABC):
    """Takes one frame after the other with its people: `with JsonlSink(path) as sink: sink.write(frame, poses, {})`.

    Leaving the block finishes the output; so does Ctrl-C (KeyboardInterrupt, SystemExit), with what was written until
    then. Any other exception discards what would be half an output. All methods raise OutputError with the path.
    """

    @abstractmethod
    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Add a frame. timings_ms: milliseconds by stage; may be empty."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output: afterwards it is whole and has its final name. May be called twice."""

    def discard(self) -> None:
        """Give up: leave nothing half-written under the final name. Formats that are valid at any moment keep it."""
        self.close()

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.discard()
        else:
            self.close()


def plain(values: NDArray[Any]) -> Any:
    """Return nested lists of numbers rounded to three decimals; what is not finite becomes None (JSON has no NaN)."""
    wide = np.round(values.astype(np.float64), 3)
    if np.isfinite(wide).all():
        return wide.tolist()
    values = wide.astype(object)
    values[~np.isfinite(wide)] = None
    return values.tolist()

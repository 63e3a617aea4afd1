"""Whether two engines give the same answer to a batch, but for rounding: coarse, before anybody decodes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends.base import TensorInfo
from edge_pose.spec import ModelSpec, MovenetDecode, YoloDecode

# Root mean square of the difference, in spreads of the output. Rounding of fp16 and int8 stays below a tenth of it, a
# wrong engine is at 1 or more. The accuracy gate of the export is the fine sieve; this one keeps garbage out.
TOLERANCE = 0.25
SURE = 0.2  # score from which rounding does not make a network choose another place


class Choice(NamedTuple):
    """Rows that a network chose by score. column: of the score; any_order: row i need not be the same one again."""

    column: int
    any_order: bool


def choice_of(spec: ModelSpec | None) -> Choice | None:
    """Return what a network's rows are chosen by; None for networks that choose nothing.

    What is chosen among places that score alike is another one after rounding, and neither is wrong.
    """
    decode = spec.decode if spec is not None else None
    if isinstance(decode, MovenetDecode) and not decode.heads:
        return Choice(2, any_order=False)  # y, x, score
    return Choice(4, any_order=True) if isinstance(decode, YoloDecode) and decode.end_to_end else None


def difference(
    infos: Sequence[TensorInfo],
    got: Sequence[NDArray[Any]],
    wanted: Sequence[NDArray[Any]],
    choice: Choice | None = None,
) -> str:
    """Say what is wrong with an engine's answer to a batch, "" when it is that of the other one but for rounding."""
    for info, new, old in zip(infos, got, wanted, strict=True):
        if new.shape != old.shape:
            return f"{info.name} is {new.shape}, and was {old.shape}"
        if not np.isfinite(new).all() and np.isfinite(old).all():
            return f"{info.name} has values that are no numbers"
        off = apart(new, old, choice)
        if off > TOLERANCE:
            return f"{info.name} is {off:.2f} of its spread away from the answer of ONNX Runtime"
    return ""


def apart(new: NDArray[Any], old: NDArray[Any], choice: Choice | None = None) -> float:
    """Return the root mean square of the difference, in spreads of the old answer; 0 for empty ones.

    choice: then the scores count, and of the rows those that the old answer is sure of.
    """
    a, b = new.astype(np.float64), old.astype(np.float64)
    if choice is None:
        return _apart(a - b, b)
    sure = b[..., choice.column] >= SURE
    if choice.any_order:
        off = [_nearest(x, y[rows]) for x, y, rows in zip(a, b, sure, strict=True)]
        rows = np.concatenate(off) if off else np.empty(0)
    else:
        rows = (a - b)[sure]
    scores = b[..., choice.column]
    return max(_apart(a[..., choice.column] - scores, scores, least=SURE), _apart(rows, b[sure]))


def _nearest(new: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each old row is away from the new one that is the nearest."""
    between = new[None] - old[:, None]
    found: NDArray[np.float64] = between[np.arange(len(old)), (between**2).sum(axis=-1).argmin(axis=1)]
    return found


def _apart(off: NDArray[np.float64], old: NDArray[np.float64], least: float = 1e-6) -> float:
    if not off.size:
        return 0.0
    spread = float(old.std()) or float(np.abs(old).max())
    return float(np.sqrt(np.mean(off**2))) / max(spread, least)

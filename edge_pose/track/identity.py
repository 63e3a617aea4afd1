"""How well identities are kept, against known ones: IDF1 and switches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError
from edge_pose.poses import array_of


@dataclass(frozen=True, slots=True)
class IdentityScores:
    """idf1, precision, recall: the share of boxes that carry the right identity over all frames, in [0, 1].

    switches: how often a person's id differs from the one it had when last found. truths, founds: boxes. fragments:
    ids that a person had beyond the first, summed over people.
    """

    idf1: float
    precision: float
    recall: float
    switches: int
    fragments: int
    truths: int
    founds: int


def identity_scores(frames: Iterable[tuple[Any, Any, Any, Any]], *, iou: float = 0.5) -> IdentityScores:
    """Score ids against truth. Every frame is (true ids (T,), true boxes (T, 4), ids (N,), boxes (N, 4)), xyxy.

    A found box may stand for a true one when they overlap by at least `iou`. Found boxes with id -1 count as not
    found. True ids of -1 mark what is not judged (somebody nearly hidden): a found box that fits nothing else but that
    is left aside. No box at all is a perfect score. Raises ShapeError.
    Source: Ristani et al. 2016 (one to one between true and found identities for the whole time, so that most boxes
    agree); switches as in CLEAR MOT (Bernardin, Stiefelhagen 2008).
    """
    together: Counter[tuple[int, int]] = Counter()
    true_boxes: Counter[int] = Counter()
    found_boxes: Counter[int] = Counter()
    last: dict[int, int] = {}
    had: dict[int, set[int]] = {}
    switches = 0
    for true_ids, truths, ids, founds in frames:
        t, n, close = _frame(true_ids, truths, ids, founds, iou)
        true_boxes.update(t)
        found_boxes.update(n)
        together.update((t[a], n[b]) for a, b in np.argwhere(close > 0).tolist())
        for a, b in _paired(t, n, close, last):
            switches += last.get(t[a], n[b]) != n[b]
            last[t[a]] = n[b]
            had.setdefault(t[a], set()).add(n[b])
    right = _most(together)
    total, found = true_boxes.total(), found_boxes.total()
    return IdentityScores(
        idf1=2 * right / (total + found) if total + found else 1.0,
        precision=right / found if found else 1.0,
        recall=right / total if total else 1.0,
        switches=switches,
        fragments=sum(len(ids) - 1 for ids in had.values()),
        truths=total,
        founds=found,
    )


def _frame(
    true_ids: Any, truths: Any, ids: Any, founds: Any, iou: float
) -> tuple[list[int], list[int], NDArray[np.float64]]:
    """Check a frame; returns both lists of ids and their overlaps (T, N), 0 where less than `iou`."""
    t, n = array_of("true ids", true_ids, np.int64, (None,)), array_of("ids", ids, np.int64, (None,))
    a = array_of("true boxes", truths, np.float64, (len(t), 4) if len(t) else (None, 4))
    b = array_of("boxes", founds, np.float64, (len(n), 4) if len(n) else (None, 4))
    close = _overlaps(a, b)
    close[close < iou] = 0.0
    judged, named = t >= 0, n >= 0
    named &= (close[judged] > 0).any(axis=0) | ~(close[~judged] > 0).any(axis=0)
    t, n, close = t[judged], n[named], close[judged][:, named]
    for name, values in (("true ids", t), ("ids", n)):
        if len(np.unique(values)) != len(values):
            raise ShapeError(f"{name} of one frame must differ, got {values.tolist()}")
    return t.tolist(), n.tolist(), close


def _overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (T, N) of boxes; 0 where both have no area."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.maximum(sides, 0).prod(axis=2)
    areas = [np.maximum(v[:, 2:] - v[:, :2], 0).prod(axis=1) for v in (a, b)]
    union = areas[0][:, None] + areas[1][None] - both
    overlaps: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return overlaps


def _paired(t: list[int], n: list[int], close: NDArray[np.float64], last: dict[int, int]) -> list[tuple[int, int]]:
    """Who was found as what in a frame: who still fits the id it had keeps it, the others by greatest overlap."""
    same = np.array([[last.get(a) == b for b in n] for a in t]).reshape(close.shape)
    rows, columns = _best(np.where(close > 0, close + 10.0 * same, 0.0))
    return list(zip(rows, columns, strict=True))


def _most(together: Counter[tuple[int, int]]) -> int:
    """Boxes that agree when every true identity stands for one found identity at most, chosen so that most do."""
    rows, columns = sorted({a for a, _ in together}), sorted({b for _, b in together})
    counts = np.zeros((len(rows), len(columns)))
    for (a, b), count in together.items():
        counts[rows.index(a), columns.index(b)] = count
    picked = _best(counts)
    return int(counts[picked].sum())


def _best(worth: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Pairs of greatest sum, without those that are worth nothing."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    kept = worth[rows, columns] > 0
    return rows[kept].tolist(), columns[kept].tolist()

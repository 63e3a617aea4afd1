"""The pairs of rows and columns that together are most alike."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Pairs = list[tuple[int, int]]
FEW, MANY = 3, 5  # up to FEW who contend for up to MANY: trying all ways takes less than a call of SciPy


def assign(worth: F64, may: NDArray[np.bool_]) -> tuple[I64, I64]:
    """Pair rows (M) with columns (N) so that the sum of worth (M, N) in [0, 1] is greatest; a pair given up costs 1.

    may (M, N): which pairs are allowed. Returns row and column indices, rows ascending; M or N may be 0. Those who
    contend are weighed against each other alone: mostly nobody does, or two or three. SciPy is loaded for more (0.4 s
    and 50 MB, once a process).
    """
    rows, columns = may.nonzero()
    count = len(rows)
    if count < 2 or (len(set(rows.tolist())) == count and len(set(columns.tolist())) == count):
        return rows, columns
    value = np.where(may, worth, -1.0)
    pairs: Pairs = []
    for left, right in _contending(rows.tolist(), columns.tolist()):
        pairs += _best(value, left, right)
    pairs = sorted((row, column) for row, column in pairs if may[row, column])
    return np.array([row for row, _ in pairs]), np.array([column for _, column in pairs])


def _contending(rows: list[int], columns: list[int]) -> list[tuple[list[int], list[int]]]:
    """Split pairs into groups that share no row and no column."""
    groups: list[tuple[set[int], set[int]]] = []
    for row, column in zip(rows, columns, strict=True):
        joined = [group for group in groups if row in group[0] or column in group[1]]
        groups = [group for group in groups if group not in joined]
        groups.append((set().union({row}, *(g[0] for g in joined)), set().union({column}, *(g[1] for g in joined))))
    return [(sorted(left), sorted(right)) for left, right in groups]


def _best(value: F64, left: list[int], right: list[int]) -> Pairs:
    """Pair a group: the shorter side wholly, forbidden pairs having a value of -1."""
    table = value[np.ix_(left, right)]
    turned = len(left) > len(right)
    short, long = (right, left) if turned else (left, right)
    if len(short) <= FEW and len(long) <= MANY:
        numbers = (table.T if turned else table).tolist()
        ways = permutations(range(len(long)), len(short))
        way = max(ways, key=lambda way: sum(numbers[i][j] for i, j in enumerate(way)))
        found = [(short[i], long[j]) for i, j in enumerate(way)]
        return [(b, a) for a, b in found] if turned else found
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return [(left[i], right[j]) for i, j in zip(rows, columns, strict=True)]

"""The pairs of rows and columns that together are most alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def assign(worth: F64, may: NDArray[np.bool_]) -> tuple[I64, I64]:
    """Pair rows (M) with columns (N) so that as many as can be are paired, and the worth (M, N) in [0, 1] is greatest.

    may (M, N): which pairs are allowed. Returns row and column indices, rows ascending; M or N may be 0. Where no row
    and no column has two candidates there is nothing to weigh; only else SciPy is loaded.
    """
    rows, columns = may.nonzero()
    count = len(rows)
    if count < 2 or (len(set(rows.tolist())) == count and len(set(columns.tolist())) == count):
        return rows, columns
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.where(may, worth, -1.0), maximize=True)
    kept = may[rows, columns]
    return rows[kept], columns[kept]

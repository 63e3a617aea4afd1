"""The pairs of rows and columns that together are most alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def assign(likeness: F64, least: float) -> tuple[I64, I64]:
    """Pair rows (M) with columns (N) of a likeness (M, N) so that the sum is greatest; no pair is below `least`.

    Returns row and column indices of the pairs, rows ascending; M or N may be 0. Where every row and column has at
    most one candidate there is nothing to weigh; only else SciPy is loaded (0.4 s and 50 MB, once a process).
    """
    good = likeness >= least
    rows, columns = good.nonzero()
    if len(rows) < 2 or (len(set(rows.tolist())) == len(rows) and len(set(columns.tolist())) == len(columns)):
        return rows, columns
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.where(good, likeness, 0.0), maximize=True)
    kept = good[rows, columns]
    return rows[kept], columns[kept]

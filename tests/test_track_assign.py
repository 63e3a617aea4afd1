"""Optimal pairs, against SciPy on the whole table."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from edge_pose.track.assign import assign

SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(st.data(), SHAPES)
def test_as_many_pairs_as_can_be_and_the_greatest_sum(data, shape):
    worth = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1)))
    may = data.draw(hnp.arrays(bool, shape))
    rows, columns = assign(worth, may)
    assert may[rows, columns].all()
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    assert rows.tolist() == sorted(rows.tolist())
    value = np.where(may, worth, -1.0)
    best = linear_sum_assignment(value, maximize=True)
    total = value[best].sum() + (~may[best]).sum()
    assert worth[rows, columns].sum() == pytest.approx(total)
    assert len(rows) == may[best].sum() or total == pytest.approx(worth[rows, columns].sum())


def test_the_pair_that_is_best_alone_gives_way():
    worth = np.array([[0.9, 0.8], [0.8, 0.1]])
    rows, columns = assign(worth, worth > 0)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])


def test_scipy_is_loaded_only_where_many_contend():
    code = (
        "import sys, numpy as np\n"
        "from edge_pose.track.assign import assign\n"
        "rng = np.random.default_rng(0)\n"
        "assign(rng.random((20, 20)), np.eye(20) > 0)\n"
        "assign(rng.random((3, 5)), np.ones((3, 5), bool))\n"
        "assert 'scipy' not in sys.modules\n"
        "assign(rng.random((4, 4)), np.ones((4, 4), bool))\n"
        "assert 'scipy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

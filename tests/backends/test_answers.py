"""Whether two engines gave the same answer: rounding is forgiven, also where it decides between two places."""

import numpy as np
import pytest

from edge_pose import ModelSpec
from edge_pose.backends.answers import Choice, apart, choice_of, difference
from edge_pose.backends.base import TensorInfo
from edge_pose.spec import HeatmapDecode, InputSpec, MovenetDecode, YoloDecode

INFO = TensorInfo("maps", (None, 3, 16, 12), "float32")
RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda a: a, ""),
        (lambda a: a + a.std() * 0.02, ""),  # rounding
        (lambda a: -a, "of its spread away"),
        (lambda a: a * np.nan, "values that are no numbers"),
        (lambda a: a[:1], "and was"),
        (np.zeros_like, "of its spread away"),
        (lambda a: np.roll(a, 1, axis=1), "of its spread away"),
    ],
)
def test_answers_that_agree_and_do_not(change, wrong):
    values = RNG.normal(size=(4, 3, 16, 12)).astype(np.float32)
    found = difference([INFO], [change(values)], [values])
    assert (wrong in found) if wrong else found == ""


@pytest.mark.parametrize(
    ("task", "transform", "decode", "choice"),
    [
        ("pose-from-box", "classic", HeatmapDecode(), None),
        ("pose", "letterbox", YoloDecode(), None),
        ("pose", "letterbox", YoloDecode(end_to_end=True), Choice(4, any_order=True)),
        ("single-pose", "square-pad", MovenetDecode(), Choice(2, any_order=False)),
        ("single-pose", "square-pad", MovenetDecode(heads=True), None),
    ],
)
def test_what_networks_choose_by(task, transform, decode, choice):
    assert choice_of(ModelSpec("a", task, InputSpec(32, 32), transform, decode)) == choice
    assert choice_of(None) is None


def joints(scores):
    places = RNG.uniform(size=(1, 1, len(scores), 2))
    return np.concatenate([places, np.reshape(scores, (1, 1, -1, 1))], axis=-1).astype(np.float32)


def test_a_joint_that_nobody_is_sure_of_may_jump():
    old = joints([0.9, 0.8, 0.01])
    new = old.copy()
    new[..., 2, :2] = 1 - new[..., 2, :2]
    assert difference([INFO], [new], [old], Choice(2, any_order=False)) == ""
    new[..., 1, :2] = new[..., 1, ::-1][..., 1:] + 0.7  # one that it is sure of
    assert "of its spread away" in difference([INFO], [new], [old], Choice(2, any_order=False))
    quiet = old * [1, 1, 0]
    assert "of its spread away" in difference([INFO], [quiet], [old], Choice(2, any_order=False))
    nobody = joints([0.01, 0.02, 0.01])
    assert apart(nobody[..., ::-1, :], nobody, Choice(2, any_order=False)) < 0.25


def people(*scores):
    rows = RNG.uniform(0, 600, (1, 8, 6))
    rows[..., 4] = [*scores, *[0.001] * (8 - len(scores))]
    return rows.astype(np.float32)


def test_rows_that_score_alike_may_change_places():
    old, choice = people(0.91, 0.91, 0.4), Choice(4, any_order=True)
    swapped = old[:, [1, 0, 2, 7, 6, 5, 4, 3]]
    assert difference([INFO], [swapped], [old], choice) == ""
    assert "of its spread away" in difference([INFO], [swapped], [old])
    lost = old.copy()
    lost[:, 1, :4] = 5.0
    assert "of its spread away" in difference([INFO], [lost], [old], choice)
    assert apart(old[:0], old[:0], choice) == 0.0

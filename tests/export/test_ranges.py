"""Calibration: what the tensors of a graph are on pictures, and the ranges that each calibrator makes of it."""

import numpy as np
import pytest

from edge_pose.errors import ExportError
from edge_pose.export import samples
from edge_pose.export.ranges import METHODS, Seen, dumper, float_tensors, limits, observe
from tests.export.networks import plain
from tests.tiny import HEATMAP


def batches(count=3):
    return [samples.batch(HEATMAP, 2, seed) for seed in range(count)]


def test_extremes_are_those_of_all_tensors_on_all_pictures():
    model = plain()
    seen = observe(model, batches())
    assert set(seen.extremes) == set(float_tensors(model)) == {"image", "a", "b", "c", "d", "maps"}
    run = dumper(model, ["c"])
    values = np.concatenate([run(batch)["c"] for batch in batches()])
    assert seen.extremes["c"] == (values.min(), values.max())
    assert seen.rows == 6
    assert seen.extremes["b"][0] >= 0  # behind a ReLU


def test_samples_are_values_of_the_tensor_and_not_all_of_them():
    (batch,) = batches(1)
    seen = observe(plain(), [batch])
    assert 1000 < seen.samples["a"].size < dumper(plain(), ["a"])(batch)["a"].size
    assert np.isin(seen.samples["a"], dumper(plain(), ["a"])(batch)["a"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_range_holds_zero(method):
    found = limits(observe(plain(), batches()), method)
    assert set(found) == {"image", "a", "b", "c", "d", "maps"}
    assert all(low <= 0 <= high for low, high in found.values())


def test_what_each_calibrator_makes_of_one_wild_value():
    """100 000 values of a normal distribution, and one at 1000."""
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    values[7] = 1000
    seen = Seen({"t": (float(values.min()), 1000.0)}, {"t": values}, 1)
    assert limits(seen, "minmax")["t"][1] == 1000
    assert 3 < limits(seen, "percentile")["t"][1] < 5
    assert 0 < limits(seen, "entropy")["t"][1] <= 1000


def test_ranges_of_what_is_always_positive_start_at_zero():
    seen = Seen({"t": (2.0, 3.0)}, {"t": np.linspace(2, 3, 100, dtype=np.float32)}, 1)
    assert [limits(seen, method)["t"][0] for method in METHODS] == [0] * len(METHODS)


def test_nothing_to_calibrate_with():
    with pytest.raises(ExportError, match="nothing to calibrate with"):
        observe(plain(), [])


def test_a_float_model_that_gives_no_numbers_is_named_as_broken():
    model = plain()
    model.graph.initializer[0].raw_data = np.full((8, 3, 3, 3), np.nan, np.float32).tobytes()
    with pytest.raises(ExportError, match=r"^a takes values that are no numbers"):
        observe(model, batches(1))


def test_an_unknown_calibrator():
    with pytest.raises(ExportError, match=r"'maximum' is unknown: .*minmax"):
        limits(Seen({}, {}, 1), "maximum")


def test_asking_for_no_tensor_gives_none():
    assert dumper(plain(), [])(batches(1)[0]) == {}


def test_weights_are_no_tensors_to_calibrate():
    assert not {"stem.w", "stem.b"} & set(float_tensors(plain()))


def test_a_graph_in_hand_is_not_changed():
    model = plain()
    before = model.SerializeToString()
    observe(model, batches(1))
    assert model.SerializeToString() == before

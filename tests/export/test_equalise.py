"""Equalised layers: the same answers, with channels of like ranges in between."""

import numpy as np
import pytest
from onnx import numpy_helper

from edge_pose.export import samples
from edge_pose.export.equalise import channel_peaks, equalised, pairs
from tests.export.networks import plain
from tests.export.support import onnx_answers
from tests.tiny import HEATMAP


def uneven(groups: int = 1):
    """The body's channels are 100 times apart; with groups=16 the head is depthwise."""
    model = plain()
    for item in model.graph.initializer:
        if item.name in ("body.w", "body.b"):
            values = numpy_helper.to_array(item).copy()
            values[::2] *= 100
            item.CopyFrom(numpy_helper.from_array(values, item.name))
        if item.name == "head.w" and groups == 16:
            weights = np.random.default_rng(0).normal(size=(16, 1, 3, 3)).astype(np.float32)
            item.CopyFrom(numpy_helper.from_array(weights, item.name))
        if item.name == "head.b" and groups == 16:
            item.CopyFrom(numpy_helper.from_array(np.zeros(16, np.float32), item.name))
    if groups == 16:
        head = model.graph.node[-1]
        head.attribute.add(name="group", type=2, i=16)
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 16
    return model


def batches():
    return [samples.batch(HEATMAP, 2, seed) for seed in range(2)]


@pytest.mark.parametrize("groups", [1, 16])
def test_the_same_answers_with_like_ranges(groups):
    model = uneven(groups)
    made, count = equalised(model, batches())
    assert count == 2
    batch = samples.batch(HEATMAP, 2, seed=9)
    (wanted,), (got,) = onnx_answers(model, batch), onnx_answers(made, batch)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())

    def apart(graph):
        peaks = channel_peaks(graph, ["d"], batches())["d"]
        return peaks.max() / peaks.min()

    assert apart(made) < 0.3 * apart(model)


def test_the_graph_in_hand_is_not_changed():
    model = uneven()
    before = model.SerializeToString()
    equalised(model, batches())
    assert model.SerializeToString() == before


def test_scales_are_powers_of_two():
    """So that no weight loses a digit."""
    model = uneven()
    made = equalised(model, batches())[0]
    before, after = (
        {item.name: numpy_helper.to_array(item) for item in graph.graph.initializer} for graph in (model, made)
    )
    ratio = (after["body.w"] / before["body.w"]).reshape(16, -1)
    exponent = np.log2(ratio[:, 0])
    assert (exponent == exponent.round()).all()
    assert len(set(exponent.tolist())) > 1


def test_only_layers_in_a_row_are_pairs():
    model = plain()
    assert [(pair.first.name, pair.second.name) for pair in pairs(model)] == [("stem", "body"), ("body", "head")]
    model.graph.node[3].op_type = "Sigmoid"  # no scale goes through it
    assert [(pair.first.name, pair.second.name) for pair in pairs(model)] == [("stem", "body")]


def test_a_graph_without_pairs_stays_as_it_is():
    model = plain()
    for index in (1, 3):
        model.graph.node[index].op_type = "Sigmoid"
    made, count = equalised(model, batches())
    assert count == 0
    assert made == model


def test_dead_channels_keep_their_weights():
    model = plain()
    for item in model.graph.initializer:
        if item.name == "stem.w":
            values = numpy_helper.to_array(item).copy()
            values[3] = 0
            item.CopyFrom(numpy_helper.from_array(values, item.name))
        if item.name == "stem.b":
            item.CopyFrom(numpy_helper.from_array(np.zeros(8, np.float32), item.name))
    made = equalised(model, batches())[0]
    weights = {item.name: numpy_helper.to_array(item) for item in made.graph.initializer}
    assert all(np.isfinite(value).all() for value in weights.values())
    assert (weights["stem.w"][3] == 0).all()

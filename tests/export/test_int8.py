"""INT8 graphs: what is quantised for which engine, and that the numbers are still right."""

from collections import Counter

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_pose.backends import open_backend
from edge_pose.errors import ExportError
from edge_pose.export import graphs, samples
from edge_pose.export.int8 import check_placement, int8_from_float, tail
from edge_pose.export.ranges import limits, observe
from tests.export.networks import conv, graph, plain
from tests.export.support import onnx_answers, save
from tests.tiny import HEATMAP

KINDS = ("onnxruntime", "openvino", "tensorrt")


def batches():
    return [samples.batch(HEATMAP, 2, seed) for seed in range(3)]


def quantised(model, kind, keep=()):
    return int8_from_float(model, limits(observe(model, batches()), "minmax"), kind, keep)


def dequantised_types(model) -> set[int]:
    stored = {item.name: item.data_type for item in model.graph.initializer}
    return {stored[n.input[0]] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in stored}


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_valid_and_says_nearly_the_same(kind):
    model = plain()
    made = graphs.checked(quantised(model, kind))
    batch = samples.batch(HEATMAP, 3, seed=9)
    (wanted,), (got,) = onnx_answers(model, batch), onnx_answers(made, batch)
    assert np.abs(got - wanted).mean() < 0.02 * wanted.std()
    assert {prop.key for prop in made.metadata_props} == {"edge_pose"}


@pytest.mark.parametrize("kind", ["openvino", "tensorrt"])
def test_graphs_of_fusing_engines_quantise_the_inputs_of_weighted_layers_only(kind):
    made = quantised(plain(), kind)
    readers = {name: node for node in made.graph.node for name in node.input}
    for node in made.graph.node:
        if node.op_type == "DequantizeLinear":
            assert readers[node.output[0]].op_type == "Conv"
    assert Counter(node.op_type for node in made.graph.node)["Relu"] == 2  # in float, for the engine to fuse
    assert TensorProto.INT32 not in dequantised_types(made)


def test_the_graph_of_onnx_runtime_has_integer_biases():
    assert TensorProto.INT32 in dequantised_types(quantised(plain(), "onnxruntime"))


def test_tensorrt_gets_symmetric_activations_and_openvino_unsigned_ones():
    def zero_points(kind):
        made = quantised(plain(), kind)
        stored = {item.name: numpy_helper.to_array(item) for item in made.graph.initializer}
        points = [stored[n.input[2]] for n in made.graph.node if n.op_type == "QuantizeLinear"]
        return [point for point in points if point.ndim == 0]

    assert all(point.dtype == np.int8 and point == 0 for point in zero_points("tensorrt"))
    assert all(point.dtype == np.uint8 for point in zero_points("openvino"))


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_are_kept_read_and_give_float(kind):
    made = quantised(plain(), kind, keep=["body"])
    makers = {name: node.op_type for node in made.graph.node for name in node.output}
    (body,) = (node for node in made.graph.node if node.name == "body")
    assert "body.w" in body.input  # its weights as they were
    (head,) = (node for node in made.graph.node if node.name == "head")
    assert makers[head.input[0]] == "DequantizeLinear"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_left_to_quantise(kind):
    with pytest.raises(ExportError, match="no weighted layer is left"):
        quantised(plain(), kind, keep=["stem", "body", "head"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_in_hand_is_not_changed(kind):
    model = plain()
    before = model.SerializeToString()
    quantised(model, kind)
    assert model.SerializeToString() == before


def test_the_tail_is_what_no_weighted_layer_follows():
    model = plain()
    assert tail(model) == []
    decoded = graph(
        [
            *model.graph.node[:-1],
            conv("head", "d", "raw"),
            helper.make_node("Sigmoid", ["raw"], ["maps"], name="score"),
        ],
        {item.name: numpy_helper.to_array(item) for item in model.graph.initializer},
    )
    assert tail(decoded) == ["score"]


def test_openvino_runs_its_graph_as_onnx_runtime_does(tmp_path):
    pytest.importorskip("openvino")
    model = plain()
    path = save(quantised(model, "openvino"), tmp_path / "q.onnx")
    batch = samples.batch(HEATMAP, 1, seed=9)
    backend = open_backend(path, device="cpu", engine="openvino", threads=1)
    try:
        got = backend.run(batch)[0].copy()
    finally:
        backend.close()
    (wanted,) = onnx_answers(model, batch)
    assert np.abs(got - wanted).mean() < 0.02 * wanted.std()


@pytest.mark.parametrize(("kind", "said"), [(TensorProto.INT32, "int32 bias"), (TensorProto.INT8, "no weighted layer")])
def test_a_graph_that_the_target_refuses_is_named_by_its_node(kind, said):
    """The negative control of the placement: a bias in int32, and a quantised tensor that only an Add reads."""
    model = plain()
    dtype = {TensorProto.INT32: np.int32, TensorProto.INT8: np.int8}[kind]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(17, dtype), "q"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "scale"))
    model.graph.node.extend(
        [
            helper.make_node("DequantizeLinear", ["q", "scale"], ["bias"], name="odd/DequantizeLinear"),
            helper.make_node("Add", ["d", "bias"], ["e"], name="odd/Add"),
        ]
    )
    with pytest.raises(ExportError, match=f"odd/DequantizeLinear .*{said}"):
        check_placement(model)


def test_quantising_says_nothing(capfd, caplog):
    quantised(plain(), "onnxruntime")
    assert capfd.readouterr().out == ""
    assert caplog.text == ""

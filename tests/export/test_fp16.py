"""float16 in a graph: typed where it holds, float32 where pictures show that it would not, and nothing else changed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_pose.errors import ExportError
from edge_pose.export import graphs
from edge_pose.export.evidence import Evidence
from edge_pose.export.fp16 import half_from_float
from edge_pose.export.gate import Agreement
from edge_pose.export.halves import half_nodes, value_types, with_halves
from tests.export.support import onnx_answers

RNG = np.random.default_rng(0)
PICTURE = RNG.uniform(0, 1, (1, 3, 8, 8)).astype(np.float32)


def weight(name: str, *shape: int, scale: float = 0.2) -> onnx.TensorProto:
    return numpy_helper.from_array((RNG.standard_normal(shape) * scale).astype(np.float32), name)


def constant(name: str, value) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def graph(nodes, weights, outputs=("out",)) -> onnx.ModelProto:
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    graphs.name_nodes(model)
    return onnx.shape_inference.infer_shapes(model)


def conv(source: str, target: str, w: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, w], [target], name=target, pads=[1, 1, 1, 1])


def two_convs(between=(), weights=(), scale=0.2) -> onnx.ModelProto:
    """Grey levels are scaled, two convolutions with something between them, sigmoid and cells to pixels."""
    nodes = [
        helper.make_node("Mul", ["image", "grey"], ["scaled"], name="scale"),
        conv("scaled", "one", "w1"),
        *between,
        conv("two" if between else "one", "three", "w2"),
        helper.make_node("Sigmoid", ["three"], ["score"], name="score"),
        helper.make_node("Mul", ["score", "stride"], ["out"], name="pixels"),
    ]
    fixed = [weight("w1", 4, 3, 3, 3, scale=scale), weight("w2", 2, 4, 3, 3), constant("grey", np.float32(0.5))]
    return graph(nodes, [*fixed, constant("stride", np.float32(640)), *weights])


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    """What each node that has a float output computes in."""
    types = value_types(model)
    return {
        node.name: types[node.output[0]]
        for node in model.graph.node
        if node.op_type != "Cast" and types[node.output[0]] in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }


HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def test_half_from_the_first_layer_to_the_last_and_float_outside():
    half = half_from_float(two_convs(), [PICTURE])
    graphs.checked(half.model)
    assert kinds(half.model) == {"scale": FLOAT, "one": HALF, "three": HALF, "score": FLOAT, "pixels": FLOAT}
    ends = (*half.model.graph.input, *half.model.graph.output)
    assert [value.type.tensor_type.elem_type for value in ends] == [FLOAT, FLOAT]
    assert [node.op_type for node in half.model.graph.node].count("Cast") == 2
    weights = {item.name: item.data_type for item in half.model.graph.initializer}
    assert weights == {"w1/half": HALF, "w2/half": HALF, "grey": FLOAT, "stride": FLOAT}
    assert not half.kept
    (got,), (wanted,) = onnx_answers(half.model, PICTURE), onnx_answers(two_convs(), PICTURE)
    assert got.dtype == np.float32
    assert np.abs(got - wanted).max() > 0 or np.array_equal(got.shape, wanted.shape)


def test_the_numbers_are_those_of_float16():
    model = two_convs()
    (got,) = onnx_answers(half_from_float(model, [PICTURE]).model, PICTURE)
    (wanted,) = onnx_answers(model, PICTURE)
    assert 0 < np.abs(got - wanted).max() < 640 * 2e-3


def loud(gain: float) -> onnx.ModelProto:
    """The values between the layers are multiplied, and divided again before they go on."""
    between = [
        helper.make_node("Mul", ["one", "gain"], ["loud"], name="loud"),
        helper.make_node("Relu", ["loud"], ["relu"], name="relu"),
        helper.make_node("Div", ["relu", "gain"], ["two"], name="quiet"),
    ]
    return two_convs(between, [constant("gain", np.float32(gain))], scale=0.5)


def test_layers_that_overflow_stay_float_and_are_named():
    model = loud(6e4)
    half = half_from_float(model, [PICTURE])
    graphs.checked(half.model)
    assert set(half.kept) == {"loud", "relu", "quiet"}
    assert "loud reaches" in half.kept["loud"]
    assert {name for name, kind in kinds(half.model).items() if kind == HALF} == {"one", "three"}
    (got,), (wanted,) = onnx_answers(half.model, PICTURE), onnx_answers(model, PICTURE)
    np.testing.assert_allclose(got, wanted, atol=640 * 2e-3)


def test_without_the_check_they_would_be_wrong():
    """The control: what the test before holds off does happen."""
    model = loud(6e4)
    everything = with_halves(model, {node.name for node in half_nodes(model)})
    (got,), (wanted,) = onnx_answers(everything, PICTURE), onnx_answers(model, PICTURE)
    assert not np.abs(got - wanted).max() < 50


@pytest.mark.parametrize(("gain", "kept"), [(1e3, set()), (1e5, {"loud", "quiet"})])
def test_a_weight_beyond_float16_stays_float(gain, kept):
    assert set(half_from_float(loud(gain), [np.zeros_like(PICTURE)]).kept) == kept


def test_nan_in_the_float_model_is_no_small_number():
    between = [helper.make_node("Sqrt", ["one"], ["two"], name="root")]  # of negative numbers
    half = half_from_float(two_convs(between), [PICTURE])
    assert {"root", "three"} <= set(half.kept)


def test_layers_that_move_joints_go_back_the_worst_first():
    model, asked = two_convs(), []

    def moved(candidate):
        halves = {name for name, kind in kinds(candidate).items() if kind == HALF}
        asked.append(halves)
        return 0.1 + 2.0 * ("three" in halves)

    half = half_from_float(model, [PICTURE], moved)
    assert asked == [{"one", "three"}, {"one"}, {"three"}, {"one"}]
    assert set(half.kept) == {"three"}
    assert half.kept["three"] == "joints moved 2.10 px, 2.10 px by this part alone"
    assert half.moved_px == 0.1
    assert half.precision == {"default": "float16", "decoding": "float32", "three": "float32"}


@pytest.mark.parametrize("distance", [0.51, float("nan"), float("inf")])
def test_what_cannot_hold_is_refused(distance):
    with pytest.raises(ExportError, match="cannot be float16"):
        half_from_float(two_convs(), [PICTURE], lambda candidate: distance)


def test_resizing_keeps_its_scales():
    between = [
        helper.make_node("Resize", ["one", "", "scales"], ["two"], name="resize", mode="linear"),
    ]
    model = two_convs(between, [constant("scales", np.array([1, 1, 2, 2], np.float32))])
    half = half_from_float(model, [PICTURE])
    graphs.checked(half.model)
    assert kinds(half.model)["resize"] == HALF
    assert {item.name: item.data_type for item in half.model.graph.initializer}["scales"] == FLOAT
    (got,), (wanted,) = onnx_answers(half.model, PICTURE), onnx_answers(model, PICTURE)
    np.testing.assert_allclose(got, wanted, atol=640 * 2e-3)


def test_an_output_that_is_used_inside_keeps_its_name_and_type():
    nodes = [conv("image", "maps", "w1"), conv("maps", "out", "w2")]
    model = graph(nodes, [weight("w1", 4, 3, 3, 3), weight("w2", 2, 4, 3, 3)], ("maps", "out"))
    half = half_from_float(model, [PICTURE])
    graphs.checked(half.model)
    assert [value.name for value in half.model.graph.output] == ["maps", "out"]
    for got, wanted in zip(onnx_answers(half.model, PICTURE), onnx_answers(model, PICTURE), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, atol=5e-3)


def test_a_shared_weight_is_rounded_for_those_that_are_half_only():
    nodes = [
        conv("image", "one", "w"),
        helper.make_node("ReduceMean", ["w"], ["mean"], keepdims=0, name="mean"),
        helper.make_node("Add", ["one", "mean"], ["out"], name="add"),
    ]
    half = half_from_float(graph(nodes, [weight("w", 4, 3, 3, 3)]), [PICTURE])
    assert {item.name: item.data_type for item in half.model.graph.initializer} == {"w": FLOAT, "w/half": HALF}


def test_nothing_to_halve_is_refused():
    with pytest.raises(ExportError, match="has no float32 layers"):
        half_from_float(graph([helper.make_node("Relu", ["image"], ["out"], name="relu")], []), [PICTURE])


def test_control_flow_is_refused_by_name():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["maps"], ["x"])], "b", [], [helper.make_tensor_value_info("x", FLOAT, None)]
    )
    choose = helper.make_node("If", ["yes"], ["two"], name="choose", then_branch=branch, else_branch=branch)
    nodes = [conv("image", "maps", "w1"), choose, conv("two", "out", "w2")]
    model = graph(nodes, [weight("w1", 4, 3, 3, 3), weight("w2", 2, 4, 3, 3), constant("yes", np.array(True))])
    with pytest.raises(ExportError, match="'choose'"):
        half_from_float(model, [PICTURE])


class Blind:
    """A gate whose float model saw nobody."""

    frames = (1, 2, 3)
    asked = 0

    def measure(self, path, engine):
        self.asked += 1
        return Agreement(float("nan"), float("nan"), float("nan"), people=0, lost=0, extra=0)


def test_nobody_to_compare_is_no_agreement(tmp_path):
    gate = Blind()
    evidence = Evidence(None, None, gate, tmp_path)
    model = two_convs()
    with pytest.raises(ExportError, match=r"sees nobody in the 3 held-out frames.*--no-gate"):
        evidence.moved(model)
    assert evidence.measure(model).people == 0
    assert gate.asked == 1  # the same candidate is measured once


def test_nodes_are_put_in_running_order_and_stay_where_they_may():
    order = [("c", ["b", "a"]), ("a", ["image"]), ("d", ["image"]), ("b", ["a"])]
    nodes = [helper.make_node("Sum", inputs, [name], name=name) for name, inputs in order]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    graphs.sort_nodes(model)
    assert [node.name for node in model.graph.node] == ["a", "d", "b", "c"]
    assert list(model.graph.node[3].input) == ["b", "a"]


def test_a_circle_is_no_graph():
    nodes = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(ExportError, match="circle"):
        graphs.sort_nodes(helper.make_model(helper.make_graph(nodes, "g", [], [])))

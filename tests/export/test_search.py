"""Layers that INT8 ruins go back to float, by measurement, and a model that cannot hold is refused."""

import math
from dataclasses import replace

import pytest
from onnx import helper

from edge_pose.errors import ExportError
from edge_pose.export import search
from edge_pose.export.evidence import evidence_from
from edge_pose.export.gate import Agreement
from edge_pose.export.ranges import observe
from edge_pose.export.search import Search
from edge_pose.export.sensitivity import parts_of, ranked
from tests.export.networks import conv, hostile, pictures, plain
from tests.tiny import HEATMAP


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("calib"))


@pytest.fixture
def searching(tmp_path, folder, request):
    """A search over the network that the test names."""
    model = request.param()
    path = tmp_path / "float.onnx"
    path.write_bytes(model.SerializeToString())
    with evidence_from(folder, path, HEATMAP) as evidence:
        yield Search(model, observe(model, evidence.feeds()), evidence)


def shieldless():
    return hostile(stem=False)


@pytest.mark.parametrize("searching", [plain], indirect=True)
def test_what_holds_as_it_is_keeps_nothing_back(searching):
    made = searching.within("tensorrt", ["minmax"])
    assert made.reverted == {}
    assert made.agreement.holds(1.0)


@pytest.mark.parametrize("kind", ["tensorrt", "openvino"])
@pytest.mark.parametrize("searching", [hostile], indirect=True)
def test_the_layers_that_int8_ruins_go_back_and_no_others(searching, kind):
    if kind == "openvino":
        pytest.importorskip("openvino")
    assert searching.first(kind, "minmax").agreement.mean_oks < 0.5
    made = searching.within(kind, ["minmax"])
    assert set(made.reverted) == {"left", "right"}
    assert all("hundredths of OKS alone" in why for why in made.reverted.values())
    assert made.agreement.holds(1.0)
    assert made.precision["left"] == "float32"
    assert made.precision["default"] == "int8"
    floats = {node.name for node in made.model.graph.node if node.op_type == "Conv" and f"{node.name}.w" in node.input}
    assert floats == {"left", "right"}  # in the graph, not only in the report


@pytest.mark.parametrize("searching", [hostile], indirect=True)
def test_onnx_runtime_s_graph_gives_back_what_makes_the_tensor_too(searching):
    made = searching.within("onnxruntime", ["minmax"])
    assert {"left", "right"} <= set(made.reverted)
    assert made.agreement.holds(1.0)


@pytest.mark.parametrize("searching", [shieldless], indirect=True)
def test_what_cannot_hold_is_refused_and_says_by_how_much(searching):
    with pytest.raises(
        ExportError, match=r"loses \d+\.\d+ at best where --max-drop allows 1 .*float model is unchanged"
    ):
        searching.within("tensorrt", ["minmax"])


@pytest.mark.parametrize("searching", [shieldless], indirect=True)
def test_a_larger_drop_may_be_allowed(searching):
    searching.max_drop = 100
    assert searching.within("tensorrt", ["minmax"]).reverted == {}


@pytest.mark.parametrize("searching", [hostile], indirect=True)
def test_the_calibrator_is_chosen_on_calibration_pictures(searching, monkeypatch):
    """The gate, which holds the held-out ones, is not asked."""
    monkeypatch.setattr(searching.evidence.gate, "measure", None)
    lines = []
    searching.tell = lines.append
    ordered = searching.ordered("tensorrt", ("minmax", "percentile"))
    costs = {line.split("by ")[1].split(":")[0]: float(line.split(": ")[1].split()[0]) for line in lines}
    assert costs[ordered[0]] <= costs[ordered[1]]
    assert searching.ordered("tensorrt", ("entropy",)) == ["entropy"]


@pytest.mark.parametrize("searching", [hostile], indirect=True)
def test_a_part_that_need_not_go_back_stays_int8(searching):
    """Ranked first by mistake: the others went back behind it."""
    order = ("stem", "left", "right", "middle", "mix")
    parts = sorted(parts_of(searching.model), key=lambda part: order.index(part.name))
    made = searching.reverted(searching.first("tensorrt", "minmax"), parts)
    assert set(made.reverted) == {"left", "right"}
    assert made.agreement.holds(searching.max_drop)


@pytest.mark.parametrize("searching", [plain], indirect=True)
def test_the_next_calibrator_is_asked_before_layers_go_back(searching, monkeypatch):
    measured = iter([0.1, 0.005])
    found = Agreement(0.9, 0.1, 1.0, 10, 0, 0)
    monkeypatch.setattr(searching.evidence, "ask", lambda *_: replace(found, loss=next(measured)))
    made = searching.within("tensorrt", ["minmax", "percentile", "entropy"])
    assert (made.method, made.reverted) == ("percentile", {})


@pytest.mark.parametrize("searching", [hostile], indirect=True)
def test_sensitivity_is_measured_on_calibration_pictures(searching, monkeypatch):
    monkeypatch.setattr(searching.evidence.gate, "measure", None)
    parts = searching.rank("tensorrt", "minmax")
    assert {part.name for part in parts[:2]} == {"left", "right"}
    assert parts[0].loss >= parts[1].loss > 10 > parts[2].loss


@pytest.mark.parametrize("searching", [plain], indirect=True)
def test_nobody_to_compare_is_no_agreement(searching, monkeypatch):
    monkeypatch.setattr(search, "int8_from_float", lambda model, *_: model)
    searching.evidence.gate.found = {name: found[:0] for name, found in searching.evidence.gate.found.items()}
    monkeypatch.setattr(
        "edge_pose.export.gate.find", lambda network, shot, people: searching.evidence.gate.found[shot.name]
    )
    with pytest.raises(ExportError, match=r"sees nobody in the .* held-out frames of --calib"):
        searching.within("tensorrt", ["minmax"])


def test_parts_are_runs_of_weighted_layers():
    model = hostile()
    assert [part.weighted for part in parts_of(model)] == [("stem",), ("middle",), ("mix",), ("left",), ("right",)]
    two = parts_of(model, count=2)
    assert [part.name for part in two] == ["stem (+2)", "left (+1)"]
    assert two[0].nodes == ("stem", "act", "middle", "act2", "mix")
    assert [part.nodes for part in parts_of(model, skip=["sum"])][-1] == ("right",)


def test_a_part_that_gives_no_answer_comes_first():
    model = plain()
    losses = iter([0.1, math.nan, 0.2])
    parts = ranked(model, parts_of(model), lambda keep: model, lambda graph: next(losses))
    assert [part.name for part in parts] == ["body", "head", "stem"]


def test_a_large_network_is_cut_into_few_parts():
    """As many measurements are made."""
    nodes = [conv(f"c{i}", "image" if i == 0 else f"t{i}", f"t{i + 1}") for i in range(100)]
    parts = parts_of(helper.make_model(helper.make_graph(nodes, "deep", [], [])))
    assert len(parts) == 15
    assert {len(part.weighted) for part in parts} == {7, 2}

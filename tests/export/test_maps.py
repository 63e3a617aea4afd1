"""A network that finds nobody is judged by its maps, and its report says so."""

import math

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_pose.estimators.load import open_network
from edge_pose.export.calibration import frames_from
from edge_pose.export.evidence import evidence_from
from edge_pose.export.gate import Agreement, Gate
from edge_pose.export.maps import finds_nobody, rivals
from edge_pose.export.product import Product, halved
from edge_pose.spec import HeatmapDecode
from tests.export.networks import conv, graph, hostile, pictures, plain
from tests.tiny import HEATMAP, YOLO


def peaks(count=4, joints=17, hw=(64, 48)):
    """Gaussians of 2 cells at drawn places."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[: hw[0], : hw[1]]
    at = rng.uniform(0.1, 0.9, (count, joints, 2)) * hw
    squared = (y - at[..., 0, None, None]) ** 2 + (x - at[..., 1, None, None]) ** 2
    return np.exp(-squared / 8).astype(np.float32)


def noise(count=4, joints=17, hw=(64, 48)):
    """As uneven as an untrained network's: a map a quarter as large, drawn larger."""
    small = np.random.default_rng(1).normal(size=(count, joints, hw[0] // 4, hw[1] // 4))
    return small.repeat(4, axis=2).repeat(4, axis=3).astype(np.float32)


@pytest.mark.parametrize(
    ("maps", "nobody"),
    [
        (peaks(), False),
        (peaks() * 1e9 - 5e8, False),  # heights have no unit
        (noise(), True),
        (np.zeros((1, 17, 64, 48)), True),  # the same everywhere
        (np.concatenate([peaks(2), noise(2)]), False),  # somebody is enough
        (peaks(0), False),  # no picture, nothing to say
        (noise(joints=51), False),  # not a map a joint
    ],
)
def test_who_finds_nobody(maps, nobody):
    assert finds_nobody(maps.astype(np.float32), HEATMAP) is nobody


def test_other_families_are_not_asked():
    assert isinstance(HEATMAP.decode, HeatmapDecode)
    assert not finds_nobody(noise(), YOLO)


def test_how_high_the_rival_is():
    maps = np.zeros((1, 1, 16, 12), np.float32)
    maps[0, 0, 3, 3], maps[0, 0, 3, 4], maps[0, 0, 12, 9] = 2.0, 1.9, 0.5  # the second one is the peak itself
    np.testing.assert_allclose(rivals(maps), [0.25])


def untrained(path=None, *, gain=1.0, seed=0):
    """One layer of drawn weights: maps without peaks."""
    weights = np.random.default_rng(seed).normal(size=(17, 3, 3, 3)).astype(np.float32)
    nodes = [
        conv("head", "image", "big", 2),
        helper.make_node("Sin", ["big"], ["waves"], name="waves"),
        helper.make_node("MaxPool", ["waves"], ["maps"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    constants = {"head.w": weights * np.float32(9 * gain), "head.b": np.zeros(17, np.float32)}
    return graph(nodes, constants, path)


@pytest.fixture
def gate(tmp_path):
    untrained(tmp_path / "float.onnx")
    held_out = frames_from(pictures(tmp_path / "calib"))[1]
    return Gate(open_network(tmp_path / "float.onnx", device="cpu", engine="onnxruntime"), held_out)


def test_a_network_that_finds_nobody_is_judged_by_its_maps(gate, tmp_path):
    untrained(tmp_path / "near.onnx", gain=1.0005)
    untrained(tmp_path / "far.onnx", seed=1)
    assert gate.blind
    near, far = gate.measure(tmp_path / "near.onnx"), gate.measure(tmp_path / "far.onnx")
    assert 0 < near.output_rms < 0.05
    assert near.holds(1.0)
    assert "finds nobody" in str(near)
    assert far.output_rms > 0.5
    assert not far.holds(1.0)


@pytest.mark.parametrize("make", [plain, hostile])
def test_a_network_that_finds_somebody_is_not(make, tmp_path):
    make(tmp_path / "float.onnx")
    held_out = frames_from(pictures(tmp_path / "calib"))[1]
    gate = Gate(open_network(tmp_path / "float.onnx", device="cpu", engine="onnxruntime"), held_out)
    assert not gate.blind
    assert math.isnan(gate.measure(tmp_path / "float.onnx").output_rms)


@pytest.mark.parametrize(("rms", "holds"), [(0.099, True), (0.101, False), (math.inf, False)])
def test_a_tenth_of_the_spread_is_one_point(rms, holds):
    found = Agreement(math.nan, math.nan, math.nan, 0, 0, 0, output_rms=rms)
    assert found.drop == pytest.approx(rms * 10)
    assert found.holds(1.0) is holds


def test_fp16_is_judged_so_too_and_says_it(tmp_path):
    path = tmp_path / "float.onnx"
    untrained(path)
    with evidence_from(pictures(tmp_path / "calib"), path, HEATMAP) as evidence:
        base = Product(path, onnx.load(path), HEATMAP)
        made = halved(base, tmp_path / "half.onnx", evidence, gate=True, max_drop=1.0)
    assert made.spec.agreement["output_rms"] < 0.1
    assert any(note.startswith("The float model finds nobody") for note in made.notes)

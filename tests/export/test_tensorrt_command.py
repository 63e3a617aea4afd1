"""`python -m edge_pose.export.tensorrt`, which the runtime starts to build an engine again."""

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_pose.backends.engine_document import read_document
from edge_pose.export.tensorrt.__main__ import main, rows
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.rebuild import prepare
from tests.tiny import HEATMAP, constant_network, heatmap_answer


@pytest.fixture
def world(monkeypatch, tmp_path):
    return prepare(monkeypatch, tmp_path)


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_the_command_line_builds_and_says_where(world, tmp_path, capsys, monkeypatch):
    onnx = nets.floats(tmp_path / "a.onnx")
    assert main([str(onnx), "--output", str(tmp_path / "b.engine"), "--batch", "1:2:3"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b.engine'}\n"
    assert read_document(tmp_path / "b.engine").batch == (1, 2, 3)
    assert main([str(onnx), "--batch", "1:x:3"]) == 1
    assert capsys.readouterr().err == "edge-pose: --batch must be MIN:OPT:MAX, such as 1:4:8, got '1:x:3'\n"
    (tmp_path / "my.toml").write_text(replace(nets.SPEC, name="mine").to_toml(), encoding="utf-8")
    assert main([str(onnx), "--output", str(tmp_path / "c.engine"), "--spec", str(tmp_path / "my.toml")]) == 0
    assert read_document(tmp_path / "c.engine").spec.name == "mine"
    monkeypatch.setattr("edge_pose.export.tensorrt.__main__.engine_from_onnx", _interrupt)
    assert main([str(onnx)]) == 130
    assert rows("4") == (4, 4, 4)


def test_pictures_to_hold_the_engine_against(world, tmp_path, capsys):
    onnx = constant_network(tmp_path / "a.onnx", HEATMAP, heatmap_answer(5, 7), batch="N")
    (tmp_path / "pictures").mkdir()
    assert main([str(onnx), "--pictures", str(tmp_path / "pictures")]) == 1
    assert "Traceback" not in capsys.readouterr().err
    for number in range(3):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), np.full((40, 60, 3), 50 * number, np.uint8))
    assert main([str(onnx), "--output", str(tmp_path / "a.engine"), "--pictures", str(tmp_path / "pictures")]) == 0
    assert read_document(tmp_path / "a.engine").agreement["p95_px"] == pytest.approx(0, abs=1e-3)


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_building_needs_neither_torch_nor_onnx():
    code = "import sys, edge_pose.export.tensorrt; print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

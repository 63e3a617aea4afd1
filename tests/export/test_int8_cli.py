"""`edge-pose export --precision int8` from beginning to end on small networks, and what goes wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import edge_pose as ep
from edge_pose.estimators.load import load_for_boxes
from edge_pose.export import quantise, run
from edge_pose.export.latency import Timing
from edge_pose.export.metadata import read_spec
from tests.export.networks import hostile, pictures, plain
from tests.export.support import export, failure, seeded
from tests.tiny import HEATMAP, YOLO, constant_network, yolo_answer

WORDS = ("--precision", "int8", "--calibrator", "minmax")


@pytest.fixture(autouse=True)
def timed(monkeypatch):
    """Int8 takes half the time, and ONNX Runtime is the only engine: speed is not what is tested here."""

    def times(candidates, spec, **_):
        return {c: Timing(*[5.0 if c.precision == "int8" else 10.0] * 3) for c in candidates}

    monkeypatch.setattr(quantise, "timings", times)
    monkeypatch.setattr(quantise, "engines", lambda: ("onnxruntime",))
    monkeypatch.setattr(run, "timings", times)


@pytest.fixture(scope="module")
def calib(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("calib"))


@pytest.fixture
def model(tmp_path):
    """Return what writes a network beside the output folder."""

    def write(make=plain, name="tiny"):
        path = tmp_path / f"{name}.onnx"
        make(path)
        return path

    return write


def test_the_product_runs_and_says_what_it_is(model, calib, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(model(), *WORDS, "--calib", calib, "--output", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["tiny-heatmap-int8.onnx", "tiny-heatmap-int8.report.json",
                                                     "tiny-heatmap.onnx"]  # fmt: skip
    spec = read_spec(onnx.load(out / "tiny-heatmap-int8.onnx"))
    assert spec.precision["default"] == "int8"
    assert spec.engine == "onnxruntime"
    assert spec.agreement["gated"] == 1.0
    assert spec.agreement["mean_oks"] > 0.99
    assert spec.calibration.endswith(" minmax")
    report = json.loads((out / "tiny-heatmap-int8.report.json").read_text())
    assert report["latency_ms"] == {"float32 on onnxruntime": [10.0, 10.0], "int8 on onnxruntime": [5.0, 5.0]}
    assert any("tried: int8 on onnxruntime: 2.00 times as fast" in note for note in report["notes"])
    assert any("only 8 pictures" in note for note in report["notes"])  # the doctor's word stays in the report
    text = capsys.readouterr().out
    assert "2.00x" in text
    assert "accuracy gate" in text
    pose = load_for_boxes(out / "tiny-heatmap-int8.onnx")
    picture = np.zeros((64, 48, 3), np.uint8)
    assert pose(picture, ep.Boxes.whole(picture)).xy.shape == (1, 17, 2)
    pose.close()


def test_a_finished_graph_becomes_int8_without_torch(model, calib, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from edge_pose.cli import main; "
        f"sys.exit(main(['export', {str(model())!r}, '--precision', 'int8', '--calibrator', 'minmax', "
        f"'--calib', {str(calib)!r}, '--output', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "tiny-heatmap.onnx").is_file()


def test_without_torch_a_graph_that_says_nothing_is_to_be_described(model, tmp_path, monkeypatch, capsys):
    path = model(name="yolov8n-pose")
    graph = onnx.load(path)
    del graph.metadata_props[:]
    onnx.save(graph, path)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "edge_pose.export.networks", raising=False)
    assert "does not say what it is" in failure(capsys, path, "--output", tmp_path / "out")


def test_what_went_back_to_float_is_reported(model, calib, tmp_path):
    assert export(model(hostile), *WORDS, "--calib", calib, "--output", tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "tiny-heatmap-int8.report.json").read_text())
    assert {"left", "right"} <= set(report["reverted"])
    assert report["precision"]["left"] == "float32"


def bare(path):
    return hostile(path, stem=False)


def test_what_cannot_hold_is_refused_and_the_float_model_stays(model, calib, tmp_path, capsys):
    line = failure(capsys, model(bare), *WORDS, "--calib", calib, "--output", tmp_path / "out")
    assert "at best where --max-drop allows 1" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny-heatmap.onnx"]


def test_without_the_gate_it_is_written_and_recorded(model, calib, tmp_path):
    assert export(model(bare), *WORDS, "--no-gate", "--calib", calib, "--output", tmp_path / "out") == 0
    spec = read_spec(onnx.load(tmp_path / "out" / "tiny-heatmap-int8.onnx"))
    assert spec.agreement["gated"] == 0.0
    assert spec.agreement["mean_oks"] < 0.9
    report = json.loads((tmp_path / "out" / "tiny-heatmap-int8.report.json").read_text())
    assert any("accuracy gate was off" in note for note in report["notes"])


def test_int8_that_is_not_faster_is_not_chosen(model, calib, tmp_path, monkeypatch):
    monkeypatch.setattr(quantise, "timings", lambda files, spec, **_: {c: Timing(9.8, 10, 9.8) for c in files})
    assert export(model(), *WORDS, "--calib", calib, "--output", tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["tiny-heatmap.onnx", "tiny-heatmap.report.json"]
    report = json.loads((tmp_path / "out" / "tiny-heatmap.report.json").read_text())
    assert report["notes"][-1].startswith("tried: int8 on onnxruntime, all layers: 1.00 times as fast")
    assert any("the float model stays, for onnxruntime" in note for note in report["notes"])
    assert report["precision"] == {"default": "float32"}


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "has no pictures or videos that can be read (of 0 files)"),
        ({"list_csv": b"a,b"}, "has no pictures or videos that can be read (of 1 files)"),
        ({"a_jpg": b"\xff\xd8\xff", "b_mp4": b"\0" * 100}, "(of 2 files); {folder}/a.jpg"),
    ],
)
def test_a_calibration_folder_without_pictures(files, said, model, tmp_path, capsys):
    folder = write(tmp_path / "calib", **files)
    words = (model(), *WORDS, "--calib", folder, "--output", tmp_path / "out")
    assert said.format(folder=folder) in failure(capsys, *words)


def test_unreadable_pictures_among_others_are_a_warning_and_strict_refuses(model, tmp_path, capsys):
    folder = pictures(tmp_path / "calib", 40)
    for number in range(4):
        (folder / f"x{number}.jpg").write_bytes(b"\xff\xd8\xff")
    assert export(model(), *WORDS, "--calib", folder, "--output", tmp_path / "out") == 0
    assert f"4 of 44 files cannot be read, the first: {folder}/x0.jpg" in capsys.readouterr().err
    line = failure(capsys, model(), *WORDS, "--strict", "--calib", folder, "--output", tmp_path / "strict")
    assert "--strict refuses these calibration pictures" in line


def test_pictures_without_people(tmp_path, calib, capsys):
    """A detector of everybody that sees nobody: nothing can be compared."""
    blind = constant_network(tmp_path / "blind.onnx", YOLO, yolo_answer([]))
    line = failure(capsys, blind, *WORDS, "--calib", calib, "--output", tmp_path / "out")
    assert "the float model sees nobody in the 4 held-out frames" in line
    nobody = constant_network(tmp_path / "nobody.onnx", YOLO, yolo_answer([]))
    tiny = tmp_path / "tiny.onnx"
    plain(tiny)
    line = failure(capsys, tiny, *WORDS, "--calib", calib, "--detector", nobody, "--output", tmp_path / "out")
    assert "nothing to calibrate with: the pictures show nobody" in line


def test_where_nobody_is_seen_nothing_is_searched(model, calib, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edge_pose.export.gate.confidence_of", lambda spec: 2.0)
    monkeypatch.setattr("edge_pose.export.quantise.Search", None)
    line = failure(capsys, model(), *WORDS, "--calib", calib, "--output", tmp_path / "out")
    assert line.count("the float model sees nobody in the 4 held-out frames of --calib") == 1


def test_a_size_that_the_network_cannot_take(calib, tmp_path, capsys):
    weights = tmp_path / "seeded.pth"
    torch.save(seeded("yolov8n-pose").state_dict(), weights)
    words = ("yolov8n-pose", "--weights", weights, *WORDS, "--calib", calib, "--output", tmp_path / "out")
    assert "multiples of 32, got 100x64: the nearest is --size 96x64" in failure(capsys, *words, "--size", "100x64")
    assert "look like yolov8n-pose" in failure(capsys, "yolov8s-pose", *words[1:])


def test_an_int8_model_is_not_quantised_again(model, calib, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(model(), *WORDS, "--calib", calib, "--output", out) == 0
    line = failure(capsys, out / "tiny-heatmap-int8.onnx", *WORDS, "--calib", calib, "--output", tmp_path / "again")
    assert "is int8 already" in line
    nameless = onnx.load(out / "tiny-heatmap-int8.onnx")  # somebody else's, who says nothing of it
    del nameless.metadata_props[:]
    onnx.save(nameless, tmp_path / "theirs.onnx")
    (tmp_path / "my.toml").write_text(HEATMAP.to_toml())
    words = (tmp_path / "theirs.onnx", "--spec", tmp_path / "my.toml", "--calib", calib)
    for precision in ("int8", "fp16"):
        line = failure(capsys, *words, "--precision", precision, "--output", tmp_path / "again")
        assert "theirs.onnx is int8 already" in line


def test_a_full_disk_leaves_the_old_file(model, calib, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "tiny-heatmap-int8.onnx").write_bytes(b"old")
    path, before = model(), Path.write_bytes

    def full(target, data):
        if target.parent == out and "int8" in target.name:
            before(target, data[:100])
            raise OSError(28, "No space left on device")
        return before(target, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    line = failure(capsys, path, *WORDS, "--calib", calib, "--output", out)
    assert "No space left on device" in line
    assert (out / "tiny-heatmap-int8.onnx").read_bytes() == b"old"
    assert sorted(p.name for p in out.iterdir()) == ["tiny-heatmap-int8.onnx", "tiny-heatmap.onnx"]


@pytest.mark.parametrize("where", ["search.limits", "search.int8_from_float", "product.check_runs"])
def test_an_interruption_leaves_nothing_half_written(where, model, calib, tmp_path, monkeypatch, capsys):
    path, calls = model(), []

    def interrupted(*_):
        calls.append(where)
        if where != "product.check_runs" or len(calls) > 1:  # the float model is whole by then
            raise KeyboardInterrupt

    monkeypatch.setattr(f"edge_pose.export.{where}", interrupted)
    assert export(path, *WORDS, "--calib", calib, "--output", tmp_path / "out") == 130
    assert "interrupted" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["tiny-heatmap.onnx"]

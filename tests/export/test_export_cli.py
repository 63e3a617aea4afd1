"""`edge-pose export` as a person meets it: files, a report, and one clear line for what goes wrong."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import edge_pose as ep
from edge_pose import cli
from edge_pose.export import run
from edge_pose.export.latency import Timing
from edge_pose.export.metadata import read_spec
from tests.conftest import missing
from tests.export.networks import plain
from tests.export.support import export, failure, seeded
from tests.tiny import HEATMAP, YOLO, constant_network, yolo_answer

SMALL = ["--size", "64x64"]
RTX = ["--target", "tensorrt-rtx", "--compute-capability"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    torch.save(seeded("yolov8n-pose").state_dict(), path)
    return str(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Times are not what is tested here."""
    monkeypatch.setattr(run, "timings", lambda files, spec: dict.fromkeys(files, Timing(1.0, 2.0, 1.0)))


def test_fp32(weights, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert export("yolov8n-pose", "--weights", weights, *SMALL, "--batch", "1:2:4", "--output", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["yolov8n-pose.onnx", "yolov8n-pose.report.json"]
    spec = read_spec(onnx.load(out / "yolov8n-pose.onnx"))
    assert (spec.input.hw, spec.batch) == ((64, 64), (1, 2, 4))
    report = json.loads((out / "yolov8n-pose.report.json").read_text())
    assert report["precision"] == {"default": "float32"}
    assert report["size_bytes"] == (out / "yolov8n-pose.onnx").stat().st_size
    assert 3.2e6 < report["parameters"] < 3.4e6
    assert "p50 1.00 ms, p95 2.00 ms" in capsys.readouterr().out
    with ep.load(out / "yolov8n-pose.onnx") as pose:
        assert pose(np.zeros((120, 160, 3), np.uint8)).xy.shape[1:] == (17, 2)


def test_fp16_without_pictures_says_that_nothing_was_measured(weights, tmp_path, capsys):
    assert export("yolov8n-pose", "--weights", weights, *SMALL, "--precision", "fp16", "--output", tmp_path) == 0
    report = json.loads((tmp_path / "yolov8n-pose-fp16.report.json").read_text())
    assert report["precision"]["default"] == "float16"
    assert report["agreement"] == {}
    assert report["size_bytes"] < 0.6 * report["float_size_bytes"]
    assert "no accuracy was measured" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "yolov8n-pose.onnx").is_file()


@pytest.mark.slow
def test_fp16_on_real_weights_and_photos(asset, tmp_path):
    """Within half a pixel and 0.2 AP points of the float model, on photos that it was not calibrated with."""
    photos = asset("images/coco_mini")
    words = ["--weights", asset("models/pp_tinypose_256x192.onnx"), "--calib", photos]
    truth = ["--annotations", photos / "annotations.json"]
    assert export("pp-tinypose", *words, *truth, "--precision", "fp16", "--output", tmp_path) == 0
    spec = read_spec(onnx.load(tmp_path / "pp-tinypose-fp16.onnx"))
    assert spec.agreement["p95_px"] <= 0.5
    assert spec.agreement["ap_float"] > 0.5
    assert abs(spec.agreement["ap_other"] - spec.agreement["ap_float"]) <= 0.002
    assert spec.agreement["people"] > 5
    assert len(spec.calibration) == 16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["yolov8-pose"], "yolov8n-pose'?"),
        (["yolov8n-pose", "--size", "100x64"], "multiples of 32, got 100x64: the nearest is --size 96x64"),
        (["yolov8s-pose"], "these weights look like yolov8n-pose"),
        (["yolov8n-pose", "--option", "classes=2"], "of another shape"),
        (["yolov8n-pose", "--option", "bins=2"], "has no option 'bins'"),
        (["yolov8n-pose", "--calib", "nowhere"], "--calib nowhere does not exist: give a folder or a pattern"),
        (["yolov8n-pose", "--calib", "none/*.jpg"], "--calib none/*.jpg does not exist: give a folder or a pattern"),
        (["yolov8n-pose", "--max-drop", "inf"], "--max-drop must be a number of at least 0, got inf; --no-gate"),
        (["yolov8n-pose", *RTX, "9.9"], "does not build for compute capability 9.9; it knows 7.5"),
        (["yolov8n-pose", *RTX, "new"], "'new' is no compute capability"),
        (["yolov8n-pose", "--precision", "int8"], "--precision int8 needs --calib"),
        (["yolov8n-pose", "--workspace", "64"], "add --target tensorrt"),
        (["yolov8n-pose", "--spec", "none.toml"], "cannot read the specification none.toml"),
    ],
)
def test_one_clear_line(words, message, weights, tmp_path, capsys):
    if RTX[1] in words and importlib.util.find_spec("tensorrt_rtx") is None:
        missing("TensorRT-RTX (pip install tensorrt-rtx-cu13)")
    assert message in failure(capsys, *words, "--weights", weights, "--output", tmp_path / "out")
    assert not any((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "4:2:8"], "MIN:OPT:MAX"),
        (["--batch", "0"], "MIN:OPT:MAX"),
        (["--batch", "1:2"], "MIN:OPT:MAX"),
        (["--size", "64*64"], "HxW"),
        (["--option", "classes"], "NAME=VALUE"),
        (["--precision", "fp8"], "fp8"),
        (["--target", "gpu"], "gpu"),
        (["--max-drop", "-1"], "max-drop"),
    ],
)
def test_usage(words, message, capsys):
    assert export("yolov8n-pose", *words) == 2
    assert message in capsys.readouterr().err


def test_a_graph_without_layers_cannot_be_fp16(tmp_path, capsys):
    model = constant_network(tmp_path / "blind.onnx", YOLO, yolo_answer([]))
    assert "no float32 layers" in failure(capsys, model, "--precision", "fp16", "--output", tmp_path / "out")


def test_a_full_disk_leaves_the_old_file(weights, tmp_path, monkeypatch, capsys):
    old = tmp_path / "yolov8n-pose.onnx"
    old.write_bytes(b"old")
    write = Path.write_bytes

    def full(path, data):
        if path.parent == tmp_path:
            write(path, data[:1000])
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    line = failure(capsys, "yolov8n-pose", "--weights", weights, *SMALL, "--output", tmp_path)
    assert "cannot write" in line
    assert "No space left on device" in line
    assert old.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["yolov8n-pose.onnx"]


def test_a_file_of_others_is_not_replaced_by_what_is_made_of_it(tmp_path, capsys):
    path = constant_network(tmp_path / f"{YOLO.name}.onnx", YOLO, yolo_answer([]))
    assert export(path, "--output", tmp_path) == 0  # it was ours: the same again
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    before = path.read_bytes()
    (tmp_path / "my.toml").write_text(YOLO.to_toml())
    line = failure(capsys, path, "--spec", tmp_path / "my.toml", "--output", tmp_path)
    assert "would be replaced: name another --output" in line
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", ["", "-fp16"], ids=["float model", "product"])
def test_the_source_is_not_replaced_by_the_product(suffix, tmp_path, capsys):
    """Its name may be that of what is made of it."""
    source = plain(tmp_path / f"tiny-heatmap{suffix}.onnx")
    del source.metadata_props[:]
    onnx.save(source, tmp_path / f"tiny-heatmap{suffix}.onnx")
    before = (tmp_path / f"tiny-heatmap{suffix}.onnx").read_bytes()
    (tmp_path / "my.toml").write_text(HEATMAP.to_toml())
    words = ("--spec", tmp_path / "my.toml", "--precision", "fp16", "--output", tmp_path)
    assert "would be replaced" in failure(capsys, tmp_path / f"tiny-heatmap{suffix}.onnx", *words)
    assert (tmp_path / f"tiny-heatmap{suffix}.onnx").read_bytes() == before


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "..", ".hidden", "nul\0"])
def test_a_name_leads_nowhere_else(name, tmp_path, capsys):
    """Specifications come out of files of others."""
    model = constant_network(tmp_path / "evil.onnx", replace(YOLO, name=name), yolo_answer([]))
    out = tmp_path / "deep" / "out"
    assert "cannot be the name of a file" in failure(capsys, model, "--output", out)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "evil.onnx", "out"]


def test_a_full_folder_for_temporary_files_is_named(tmp_path):
    """Not taken for a graph that is refused."""
    model = plain(tmp_path / "tiny.onnx")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(100_000, np.float32), "ballast"))
    model.graph.node[-1].output[0] = "before"
    for op, given, made in (("ReduceMean", ["image"], "mean"), ("Mul", ["mean", "ballast"], "many"),
                            ("ReduceMin", ["many"], "least"), ("Add", ["before", "least"], "maps")):  # fmt: skip
        reduces = {"keepdims": 0} if op.startswith("Reduce") else {}
        model.graph.node.append(onnx.helper.make_node(op, given, [made], **reduces))
    onnx.save(model, tmp_path / "tiny.onnx")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from edge_pose.cli import main; from edge_pose.export import run; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); sys.exit(main(sys.argv[1:]))"
    )
    words = ["export", str(tmp_path / "tiny.onnx"), "--output", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "File too large; TMPDIR names another folder" in done.stderr.splitlines()[-1]


def test_a_lost_interrupt_is_asked_for_at_the_next_step(weights, tmp_path, monkeypatch, capsys):
    """What Ctrl-C raises inside a compiled module may be dropped there."""
    monkeypatch.setattr("edge_pose.export.run.float_graph", None)
    monkeypatch.setattr("edge_pose.export.run.check_folder", lambda _: cli._asked_to_stop.append(signal.SIGINT))
    assert export("yolov8n-pose", "--weights", weights, "--output", tmp_path) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interruption_leaves_nothing_half_written(weights, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_pose.export.product.check_runs", interrupted)
    assert export("yolov8n-pose", "--weights", weights, *SMALL, "--output", tmp_path) == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_would_not_run_is_not_written(tmp_path, capsys):
    """The specification says 17 joints, the graph gives 16 values a column too few."""
    model = constant_network(tmp_path / "short.onnx", YOLO, yolo_answer([])[:, :-3])
    assert "would not run" in failure(capsys, model, "--output", tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written(weights, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot write into" in failure(capsys, "yolov8n-pose", "--weights", weights, "--output", tmp_path / "file")


@pytest.mark.parametrize("missing", ["torch", "onnx"])
def test_without_the_packages_of_the_exporter(missing, tmp_path):
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from edge_pose.cli import main; "
        "sys.exit(main(['export', 'yolov5n']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={**os.environ}
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("edge-pose: ")
    assert last.endswith(f"{missing} is not installed; run: pip install 'edge-pose[export]'")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from edge_pose.cli import main; main(['export', '--help']); "
        "assert not {'numpy', 'cv2', 'onnx', 'onnxruntime', 'torch'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--precision" in done.stdout

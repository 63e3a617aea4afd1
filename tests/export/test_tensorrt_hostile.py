"""A full disk, an interrupt from outside, two builders at once: what was there stays, nothing is half-written."""

import importlib.util
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

from edge_pose.backends import open_backend
from edge_pose.backends.engine_document import read_document
from edge_pose.export.tensorrt import engine_from_onnx
from tests.conftest import missing
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.rebuild import ROOT, batch, made, prepare, until

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from edge_pose.export.tensorrt.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
INTERRUPTED = """
import os, signal, sys
from edge_pose.export.tensorrt import engine
from edge_pose.export.tensorrt.__main__ import main
teller = engine.Build.teller
def telling(self, progress):
    told = teller(self, progress)
    def tell():
        told()
        if self.phases.fraction > 0:
            os.kill(os.getpid(), signal.{name})
    return tell
engine.Build.teller = telling
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def rtx():
    if platform.machine() != "x86_64":
        pytest.skip("TensorRT-RTX is published for x86-64 only")
    if importlib.util.find_spec("tensorrt_rtx") is None:
        missing("TensorRT-RTX (pip install tensorrt-rtx-cu13)")


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT
    )


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("size", [1000, 4096], ids=["document", "plan"])
def test_a_full_disk_keeps_the_old_engine(rtx, tmp_path, size):
    onnx = nets.floats(tmp_path / "a.onnx")
    words = [onnx, "--target", "tensorrt-rtx", "--compute-capabilities", "8.6", "--output", tmp_path / "a.engine"]
    before = snapshot(tmp_path)
    for _ in range(2):  # nothing was there; then an engine
        done = run(LIMITED.format(size=size), *words, "--force")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"edge-pose: cannot write {tmp_path / 'a.engine'}")
        assert "Traceback" not in done.stderr
        assert snapshot(tmp_path) == before
        assert run(LIMITED.format(size=1 << 30), *words, "--force").returncode == 0
        before = snapshot(tmp_path)
    assert sorted(before) == ["a.engine", "a.engine.json", "a.onnx"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_in_the_middle_of_a_real_build(rtx, tmp_path, asset, name):
    onnx = tmp_path / "a.onnx"
    onnx.write_bytes(asset("models/pp_tinypose_256x192.onnx").read_bytes())
    (tmp_path / "a.engine").write_bytes(b"old")
    before = snapshot(tmp_path)
    done = run(INTERRUPTED.format(name=name), onnx, "--target", "tensorrt-rtx", "--output", tmp_path / "a.engine")
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "edge-pose: interrupted; nothing was changed"
    assert snapshot(tmp_path) == before


def test_two_threads_find_the_same_stale_engine(monkeypatch, tmp_path):
    prepare(monkeypatch, tmp_path)
    onnx, engine = made(tmp_path)
    wanted = open_backend(onnx).run(batch())[0].copy()
    prepare(monkeypatch, tmp_path, "10.13.3.9")
    failures = []

    def serve():
        try:
            opened = open_backend(engine)
            while opened.engine == "onnxruntime":
                np.testing.assert_allclose(opened.run(batch())[0], wanted, atol=1e-5)
            np.testing.assert_allclose(opened.run(batch())[0], wanted, atol=1e-5)
            opened.close()
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)
    assert read_document(engine).version == "10.13.3.9"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_closing_between_the_build_and_the_first_frame(monkeypatch, tmp_path):
    prepare(monkeypatch, tmp_path)
    _, engine = made(tmp_path)
    world = prepare(monkeypatch, tmp_path, "10.13.3.9")
    opened = open_backend(engine)
    until(lambda: opened._ready is not None)
    opened.close()
    opened.close()
    assert world.device.memory == {}
    assert world.device.retained == 0


def test_a_builder_that_dies_is_said(monkeypatch, tmp_path, caplog):
    prepare(monkeypatch, tmp_path)
    _, engine = made(tmp_path)
    before = engine.read_bytes()
    prepare(monkeypatch, tmp_path, "10.13.3.9", steps=10**9)
    opened = open_backend(engine)
    opened._process.kill()  # as the kernel does when memory is out
    until(lambda: not opened._thread.is_alive())
    assert opened.run(batch())[0].shape == (2, 17, 8, 6)
    assert "building the engine of a.onnx failed, onnxruntime goes on: exit code -9" in caplog.text
    opened.close()
    assert engine.read_bytes() == before


def test_a_folder_that_vanished(monkeypatch, tmp_path):
    """The cache is made where it is missing; that it cannot be made is said."""
    prepare(monkeypatch, tmp_path)
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path / "new" / "cache"))
    engine = engine_from_onnx(nets.floats(tmp_path / "a.onnx"))
    assert engine.is_relative_to(tmp_path / "new" / "cache")

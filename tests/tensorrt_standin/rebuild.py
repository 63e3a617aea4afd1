"""A stale engine and the stand-in in the builder's own process, as the tests of `ep.load("x.engine")` need them."""

import time
from pathlib import Path

import numpy as np

from edge_pose.export.tensorrt import engine_from_onnx
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.install import install

ROOT = Path(__file__).parents[2]
VERSION = "10.3.0"
CHILD = """
import sys, os, time
sys.path.insert(0, {root!r})
from edge_pose.backends import cuda
from tests.tensorrt_standin.library import World
from tests.tensorrt_standin.install import FakeDriver
world = World({version!r}, {capability!r})
world.steps = {steps}
world.fail |= {fail!r}
world.flags |= {fail!r}
cuda._load_driver = lambda: FakeDriver(world)
sys.modules[__name__] = world.module()
"""


def prepare(monkeypatch, tmp_path, version=VERSION, capability="8.7", steps=3, fail=frozenset()):
    """The stand-in here, and the same one in the builder's own process."""
    folder = tmp_path / "python"
    folder.mkdir(exist_ok=True)
    text = CHILD.format(root=str(ROOT), version=version, capability=capability, steps=steps, fail=set(fail) or set())
    (folder / "tensorrt.py").write_text(text.replace("set()", "frozenset()"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return install(monkeypatch, version, capability)


def made(tmp_path, *, name="a", spec=nets.SPEC, **options):
    onnx = nets.floats(tmp_path / f"{name}.onnx", spec=spec)
    return onnx, engine_from_onnx(onnx, tmp_path / f"{name}.engine", **options)


def batch(count=2):
    return np.random.default_rng(2).normal(size=(count, 3, 16, 12)).astype(np.float32)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)

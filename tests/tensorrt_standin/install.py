"""Puts the stand-in where our code looks for TensorRT, pycuda and the driver."""

import sys
import types

from edge_pose.backends import cuda
from tests.tensorrt_standin.cuda import driver
from tests.tensorrt_standin.library import World
from tests.tensorrt_standin.pretend import Pretended, module


class FakeDriver:
    """libcuda.so.1, as far as compute_capability asks it."""

    def __init__(self, world):
        self.world = world

    def cuInit(self, flags):
        return 0

    def cuDeviceGet(self, handle, index):
        return 0

    def cuDeviceGetAttribute(self, value, attribute, handle):
        major, minor = self.world.capability.split(".")
        value._obj.value = int({75: major, 76: minor}[attribute.value])
        return 0


def install(monkeypatch, version, capability="8.7", *, core=False):
    """One version of TensorRT on one GPU, for one test. core: with the compiled core's CUDA half, not with pycuda."""
    world = World(version, capability, Pretended() if core else None)
    monkeypatch.setitem(sys.modules, "tensorrt", world.module())
    monkeypatch.setattr(cuda, "_load_driver", lambda: FakeDriver(world))
    monkeypatch.setitem(sys.modules, "edge_pose._cuda", module() if core else None)
    if core:
        monkeypatch.setenv("PRETEND_CUDA_EAGER", "1")  # TensorRT's work is no part of the pretended stream
        return world
    package = types.ModuleType("pycuda")
    package.driver = driver(world.device)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", package.driver)
    return world

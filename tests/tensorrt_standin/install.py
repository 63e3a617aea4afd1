"""Puts the stand-in where our code looks for TensorRT, pycuda and the driver."""

import sys
import types

from edge_pose.backends import cuda
from tests.tensorrt_standin.cuda import driver
from tests.tensorrt_standin.library import World


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


def install(monkeypatch, version, capability="8.7"):
    """One version of TensorRT on one GPU, for one test."""
    world = World(version, capability)
    monkeypatch.setitem(sys.modules, "tensorrt", world.module())
    package = types.ModuleType("pycuda")
    package.driver = driver(world.device)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", package.driver)
    monkeypatch.setattr(cuda, "_load_driver", lambda: FakeDriver(world))
    return world

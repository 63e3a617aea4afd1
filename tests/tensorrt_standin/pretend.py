"""The compiled core's CUDA half over a device made of host memory: its real bindings and its real host code."""

import ctypes
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
import pybind11

ROOT = Path(__file__).parents[2]
TURNED = 1 << 46  # as in cudart.cpp


@cache
def module():
    """Build it, which takes seconds the first time, and load it."""
    build = ROOT / "build" / f"pretend-cuda-{sys.implementation.cache_tag}"
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_MAKE_PROGRAM": tool("ninja"),
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11.get_cmake_dir(),
        "EDGE_POSE_CUDA": "PRETEND",
    }
    given = [f"-D{key}={value}" for key, value in settings.items()]
    for words in (["-S", ROOT, "-B", build, "-G", "Ninja", *given], ["--build", build, "--target", "_cuda"]):
        subprocess.run([tool("cmake"), *map(str, words)], check=True, capture_output=True)
    (file,) = build.glob("_cuda*.so")
    spec = importlib.util.spec_from_file_location("edge_pose._cuda", file)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def tool(name):
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


class Pretended:
    """What the stand-in of TensorRT asks of a device: its bytes, and whether a stream is one of its."""

    stack = (True,)  # the runtime API keeps the current device by itself

    def view(self, address, nbytes):
        if not nbytes:
            return np.empty(0, np.uint8)
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address ^ TURNED))

    def knows(self, stream):
        return stream not in (0, None)

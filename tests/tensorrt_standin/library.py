"""A stand-in for the module `tensorrt` of one version; touching a name that the version lacks raises AttributeError.

Builder and runtime do what NVIDIA documents, as far as our code depends on it. A "plan" holds the ONNX file, and
running it is ONNX Runtime on what is in the made-up device's memory, so a whole estimator works on it.
"""

import json
import types
from pathlib import Path

import numpy as np

from tests.tensorrt_standin.api import api
from tests.tensorrt_standin.cuda import Device

TYPES = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "INT8": "int8"}
BY_ONNX = {1: "FLOAT", 10: "HALF", 6: "INT32", 7: "INT64", 2: "UINT8", 3: "INT8"}
MAGIC = b"ftrt"


class Member:
    """A value of an enumeration."""

    def __init__(self, owner, name, number):
        self.owner, self.name, self.number = owner, name, number

    def __int__(self):
        return self.number

    def __repr__(self):
        return f"{self.owner}.{self.name}"


class World:
    """One version on one GPU. touched: (class, name) of all that was used. plans: how many were built."""

    def __init__(self, version, capability="8.7", device=None):
        self.api, self.capability, self.device = api(version), capability, device or Device()
        self.touched, self.flags, self.plans, self.fail, self.layers = set(), set(), 0, set(), []
        self.unsupported = {"Hopeless"}
        self.steps = 3

    def check(self, owner, name):
        if name.startswith("_"):
            return
        if name not in self.api.members.get(owner, ()):
            raise AttributeError(f"{owner} of TensorRT {self.api.version} has no {name}")
        self.touched.add((owner, name))

    def module(self):
        """The module `tensorrt`."""
        return _Module(self)


class Thing:
    """An object of a TensorRT class: only its names in this version can be read or written."""

    _world: World

    def __getattribute__(self, name):
        if not name.startswith("_"):
            object.__getattribute__(self, "_world").check(type(self).__name__, name)
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        self._world.check(type(self).__name__, name)
        object.__setattr__(self, name, value)

    def _set(self, **values):
        for name, value in values.items():
            object.__setattr__(self, name, value)


class Names:
    """An enumeration, or a class of which only the names are used."""

    def __init__(self, world, owner):
        self._world, self._owner, self._members = world, owner, {}

    def __getattr__(self, name):
        self._world.check(self._owner, name)
        return self._member(name)

    def _member(self, name):
        order = sorted(self._world.api.members[self._owner])
        return self._members.setdefault(name, Member(self._owner, name, order.index(name)))


def plan_bytes(world, values, onnx):
    head = MAGIC + bytes(20) + bytes(part % 256 for part in (*world.api.interface, 0)[:4])
    text = json.dumps(values).encode()
    return head + len(text).to_bytes(4, "little") + text + onnx


def _Module(world):
    from tests.tensorrt_standin.builder import builder_classes
    from tests.tensorrt_standin.runtime import runtime_classes

    module = types.ModuleType("tensorrt")
    module.__version__ = world.api.version
    module.world = world
    found = {**builder_classes(world), **runtime_classes(world)}
    for owner in ("BuilderFlag", "NetworkDefinitionCreationFlag", "HardwareCompatibilityLevel", "DeviceType"):
        found[owner] = Names(world, owner)
    for owner in ("TensorIOMode", "DataType", "MemoryPoolType"):
        found[owner] = Names(world, owner)

    class Base:
        def __init__(self):
            pass

    class ILogger(Base):
        pass

    for number, name in enumerate(("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")):
        setattr(ILogger, name, Member("ILogger", name, number))
    found["ILogger"] = ILogger

    class IProgressMonitor(Base):
        pass

    found["IProgressMonitor"] = IProgressMonitor

    world.names = found

    def missing(name):
        if name in found and name in world.api.members:
            world.touched.add(("module", name))
            return found[name]
        raise AttributeError(f"module tensorrt {world.api.version} has no {name}")

    module.__getattr__ = missing
    return module


def read_plan(plan):
    size = int.from_bytes(plan[28:32], "little")
    return tuple(plan[24:28]), json.loads(plan[32 : 32 + size]), plan[32 + size :]


def onnx_facts(path):
    """Inputs, outputs and nodes of an ONNX file."""
    import onnx

    graph = onnx.load(str(path)).graph
    known = {init.name for init in graph.initializer}

    def facts(value):
        kind = value.type.tensor_type
        shape = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
        return {"name": value.name, "shape": shape, "dtype": BY_ONNX[kind.elem_type]}

    return [facts(v) for v in graph.input if v.name not in known], [facts(v) for v in graph.output], list(graph.node)


def run_onnx(onnx, name, values):
    """What the network gives for one input, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: np.ascontiguousarray(values)})


def file_bytes(path):
    return Path(path).read_bytes()

"""The running half of the stand-in."""

import numpy as np

from tests.tensorrt_standin.library import MAGIC, TYPES, Thing, read_plan, run_onnx


def runtime_classes(world):
    class Base(Thing):
        _world = world

    class IExecutionContext(Base):
        def __init__(self, engine):
            self._set(_engine=engine, _profile=0, _shape=None, _addresses={})

        def set_optimization_profile_async(self, index, stream):
            assert world.device.knows(stream)
            self._set(_profile=index, _shape=None, _addresses={})
            return "profile" not in world.fail

        def set_input_shape(self, name, shape):
            low, _, high = self._engine._profiles[self._profile][name]
            fits = all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True))
            if not fits or "shape" in world.fail:
                self._engine._logger.log(type(self._engine._logger).ERROR, f"{shape} is outside the profile")
                return False
            self._set(_shape=tuple(shape))
            return True

        def get_tensor_shape(self, name):
            rows = self._shape[0]
            return [rows if size == -1 else size for size in self._engine._tensors[name]["shape"]]

        def set_tensor_address(self, name, address):
            assert address % 256 == 0, "TensorRT wants addresses aligned to 256"
            self._addresses[name] = address
            return "address" not in world.fail

        def execute_async_v3(self, stream):
            assert world.device.knows(stream)
            assert world.device.stack, "no context is current in this thread"
            if "execute" in world.fail:
                self._engine._logger.log(type(self._engine._logger).ERROR, "Cuda Runtime: an illegal memory access")
                return False
            assert set(self._addresses) == set(self._engine._tensors), "an address was not set"
            taken = self._engine._inputs[0]
            dtype = np.dtype(TYPES[taken["dtype"]])
            nbytes = int(np.prod(self._shape)) * dtype.itemsize
            data = world.device.view(self._addresses[taken["name"]], nbytes).view(dtype).reshape(self._shape)
            results = run_onnx(self._engine._onnx, taken["name"], data)
            for value, result in zip(self._engine._outputs, results, strict=True):
                result = result * float("nan") if "garbage" in world.fail else result
                raw = np.ascontiguousarray(result).reshape(-1).view(np.uint8)
                world.device.view(self._addresses[value["name"]], raw.size)[:] = raw
            return True

    class ICudaEngine(Base):
        def __init__(self, values, onnx, logger):
            inputs, outputs = values["inputs"], values["outputs"]
            tensors = {value["name"]: value for value in [*inputs, *outputs]}
            self._set(
                _inputs=inputs, _outputs=outputs, _tensors=tensors, _profiles=values["profiles"], _onnx=onnx,
                _logger=logger, num_io_tensors=len(tensors), num_optimization_profiles=len(values["profiles"]),
            )  # fmt: skip

        def get_tensor_name(self, index):
            return list(self._tensors)[index]

        def get_tensor_mode(self, name):
            kind = "INPUT" if name in [value["name"] for value in self._inputs] else "OUTPUT"
            return world.names["TensorIOMode"]._member(kind)

        def get_tensor_dtype(self, name):
            return world.names["DataType"]._member(self._tensors[name]["dtype"])

        def get_tensor_shape(self, name):
            return self._tensors[name]["shape"]

        def get_tensor_profile_shape(self, name, index):
            return self._profiles[index][name]

        def create_execution_context(self):
            return None if "context" in world.fail else IExecutionContext(self)

    class Runtime(Base):
        def __init__(self, logger):
            assert world.device.stack, "no context is current in this thread"
            self._set(_logger=logger)

        def deserialize_cuda_engine(self, plan):
            error = type(self._logger).ERROR
            if plan[:4] != MAGIC:
                self._logger.log(error, "Serialization assertion magic failed")
                return None
            version, values, onnx = read_plan(plan)
            wanted = (*world.api.interface, 0)[:4]
            if version[:3] != wanted[:3]:
                self._logger.log(error, f"engine plan file is not compatible: expecting {wanted}, got {version}")
                return None
            if values["capability"] != world.capability:
                self._logger.log(error, f"engine plan file was generated for compute {values['capability']}")
                return None
            return ICudaEngine(values, onnx, self._logger)

    return {"Runtime": Runtime}

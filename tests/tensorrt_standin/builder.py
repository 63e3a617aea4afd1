"""The building half of the stand-in."""

from tests.tensorrt_standin.library import Thing, file_bytes, onnx_facts, plan_bytes


class HostMemory(bytes):
    @property
    def nbytes(self):
        return len(self)


def builder_classes(world):
    interface = world.api.interface

    class Base(Thing):
        _world = world

    class ITensor(Base):
        pass

    class ILayer(Base):
        def set_output_type(self, index, dtype):
            self._set(output_type=dtype)

    class INetworkDefinition(Base):
        def get_input(self, index):
            return self._inputs[index]

        def get_layer(self, index):
            return world.layers[index]

    class ParserError(Base):
        def desc(self):
            return f"no importer for\n operator {self._node.op_type}"

        def code(self):
            return "ErrorCode.UNSUPPORTED_NODE"

        def node(self):
            return self._index

        def node_name(self):
            return self._node.name

        def node_operator(self):
            return self._node.op_type

    class OnnxParser(Base):
        def __init__(self, network, logger):
            assert network._explicit, "implicit batch"
            self._set(_network=network, num_errors=0)

        def parse_from_file(self, path):
            inputs, outputs, nodes = onnx_facts(path)
            tensors = []
            for value in inputs:
                tensor = ITensor()
                tensor._set(name=value["name"], shape=tuple(value["shape"]))
                tensors.append(tensor)
            self._network._set(_inputs=tensors, _facts=(inputs, outputs), _path=path, num_inputs=len(tensors))
            world.layers = []
            for node in nodes:
                layer = ILayer()
                layer._set(name=node.name)
                world.layers.append(layer)
            self._network._set(num_layers=len(nodes))
            bad = [(index, node) for index, node in enumerate(nodes) if node.op_type in world.unsupported]
            self._set(_errors=bad, num_errors=len(bad))
            return not bad

        def get_error(self, index):
            error = ParserError()
            error._set(_index=self._errors[index][0], _node=self._errors[index][1])
            return error

    class IOptimizationProfile(Base):
        def set_shape(self, name, low, best, high):
            assert all(a <= b <= c for a, b, c in zip(low, best, high, strict=True))
            self._set(_shapes={**getattr(self, "_shapes", {}), name: [list(low), list(best), list(high)]})

    class ITimingCache(Base):
        def serialize(self):
            return HostMemory(b"timings of " + world.api.version.encode())

    class IBuilderConfig(Base):
        def __init__(self):
            self._set(_profiles=[], _flags=set(), progress_monitor=None, _timings=None)

        def set_memory_pool_limit(self, pool, nbytes):
            self._set(_pool=(pool.name, nbytes))

        def set_flag(self, flag):
            self._flags.add(flag.name)

        def add_optimization_profile(self, profile):
            self._profiles.append(profile._shapes)
            return -1 if "profile" in world.fail else 0

        def create_timing_cache(self, data):
            assert isinstance(data, bytes)
            cache = ITimingCache()
            cache._set(_data=data)
            return None if data.startswith(b"damaged") else cache

        def set_timing_cache(self, cache, ignore_mismatch):
            if cache._data and not cache._data.endswith(world.api.version.encode()):
                return False
            self._set(_timings=cache)
            return True

        def get_timing_cache(self):
            return self._timings

    class Builder(Base):
        def __init__(self, logger):
            self._set(_logger=logger, num_DLA_cores=2 if "dla" in world.flags else 0)

        def create_network(self, flags):
            network = INetworkDefinition()
            explicit = interface >= (10,) or bool(flags >> _bit("EXPLICIT_BATCH") & 1)
            strong = interface >= (11,) or (interface >= (10,) and bool(flags >> _bit("STRONGLY_TYPED") & 1))
            network._set(_explicit=explicit, _strong=strong)
            return network

        def create_builder_config(self):
            return IBuilderConfig()

        def create_optimization_profile(self):
            return IOptimizationProfile()

        def build_serialized_network(self, network, config):
            if network._strong:
                assert not config._flags & {"FP16", "INT8", "PREFER_PRECISION_CONSTRAINTS"}, "strongly typed"
            world.config, world.network = config, network
            monitor = vars(config)["progress_monitor"]
            if monitor is not None and not _report(monitor, world.steps):
                return None
            if "build" in world.fail:
                self._logger.log(type(self._logger).ERROR, "Could not find any implementation for node conv1")
                return None
            world.plans += 1
            inputs, outputs = network._facts
            values = {
                "capability": world.capability, "inputs": inputs, "outputs": outputs, "profiles": config._profiles,
                "flags": sorted(config._flags), "strong": network._strong,
            }  # fmt: skip
            return HostMemory(plan_bytes(world, values, file_bytes(network._path)))

    def _bit(name):
        return sorted(world.api.members["NetworkDefinitionCreationFlag"]).index(name)

    def _report(monitor, steps):
        monitor.phase_start("Building engine", None, steps)
        for step in range(steps):
            monitor.phase_start("Timing", "Building engine", 2)
            monitor.step_complete("Timing", 0)
            monitor.phase_finish("Timing")
            if not monitor.step_complete("Building engine", step):
                return False
        monitor.phase_finish("Building engine")
        return True

    return {"Builder": Builder, "OnnxParser": OnnxParser}

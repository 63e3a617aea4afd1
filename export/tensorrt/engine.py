"""`engine_from_onnx`: an ONNX file becomes a TensorRT engine, or the one that is there is found to be it still."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_pose import __version__
from edge_pose.backends.cuda import compute_capability
from edge_pose.backends.engine_document import EngineDocument, Shapes
from edge_pose.backends.tensorrt_library import Library, Target, import_library, logger_of
from edge_pose.errors import ExportError
from edge_pose.export.calibration import Frames
from edge_pose.export.tensorrt import cache, rtx
from edge_pose.export.tensorrt.agreement import compare
from edge_pose.export.tensorrt.flags import BuildOptions, check_opset, configure, hold_float, network_flags
from edge_pose.export.tensorrt.graph import Graph, read_graph
from edge_pose.export.tensorrt.progress import Phases, Progress, in_background, make_monitor
from edge_pose.spec import ModelSpec

log = logging.getLogger(__name__)
DEFAULTS = BuildOptions()
NO_GPU = re.compile(r" *\[checkMacros\.cpp::catchCudaError.*")
LONGEST = 300  # characters of one complaint


def engine_from_onnx(
    onnx: Path,
    output: Path | None = None,
    *,
    target: Target = "tensorrt",
    batch: tuple[int, int, int] | None = None,
    options: BuildOptions = DEFAULTS,
    spec: ModelSpec | None = None,
    progress: Progress | None = None,
    force: bool = False,
    frames: Frames | None = None,
    max_drop: float = 1.0,
) -> Path:
    """Build a TensorRT engine; returns its path. One that is there and has the same key is not built again.

    output: the .engine file, by default a keyed one in the cache; x.engine.json beside it says what it is. batch:
    smallest, best and largest number of rows, by default the specification's. spec: for a file that carries none.
    force: build in any case. Precision is the file's own. Ctrl-C leaves what was there before. Where there is a GPU,
    the engine's answers are held against ONNX Runtime's before it is written, on made-up inputs and on frames,
    pictures of people; max_drop: hundredths of mean OKS that it may cost.
    Raises MissingDependencyError, DeviceError without a GPU (target "tensorrt-rtx" needs none), ExportError naming
    node and operator where TensorRT refuses the graph, CheckpointError, SpecError, OutputError.
    """
    graph = read_graph(onnx, spec)
    graph.check()
    profiles = graph.profile(batch)
    library = import_library(target)
    check_opset(library, graph)
    capabilities = check_machine(library, options)
    if target == "tensorrt-rtx":
        capabilities = rtx.chosen_capabilities(library, graph, options.capabilities)
    key = cache.EngineKey(
        graph.sha256, target, library.version, capabilities, graph.precision, tuple(sorted(profiles.items())),
        options.hardware, options.version_compatible, options.dla_core, options.workspace_mib,
        options.optimization_level,
    )  # fmt: skip
    engine = output or cache.keyed_path(onnx, key)
    rows = next(iter(profiles.values()))
    own = graph.spec and replace(graph.spec, batch=(rows[0][0], rows[1][0], rows[2][0]))
    if not force and cache.is_current(engine, key, own):
        log.info("%s is still the engine of %s", engine, onnx.name)
        return engine
    start = time.monotonic()
    build = Build(library, graph, options, profiles, capabilities)
    plan = in_background(build.plan, build.stop, build.teller(progress))
    built_s = round(time.monotonic() - start, 3)
    found = compare(
        bytes(plan), onnx, library, own, frames, capabilities=capabilities, max_drop=max_drop,
        version_compatible=options.version_compatible,
    )  # fmt: skip
    log.info("%s: %s", engine.name, found)
    document = EngineDocument(
        target=target, version=library.version, capabilities=capabilities, precision=graph.precision,
        profiles=profiles, onnx=onnx.name, onnx_sha256=graph.sha256, plan_bytes=plan.nbytes,
        hardware=options.hardware, version_compatible=options.version_compatible, dla_core=options.dla_core,
        workspace_mib=options.workspace_mib, optimization_level=options.optimization_level,
        built_s=built_s, exporter=f"edge-pose {__version__}", not_compared=found.why_not,
        agreement=found.numbers, spec=own and replace(own, agreement={**own.agreement, **found.prefixed()}),
    )  # fmt: skip
    cache.write_engine(engine, plan, document)
    log.info("%s: %.1f MB in %.1f s by %s", engine, plan.nbytes / 1e6, document.built_s, library)
    return engine


def check_machine(library: Library, options: BuildOptions) -> tuple[str, ...]:
    """Return the compute capabilities to build for as far as no graph is needed to tell; () for all that take it.

    Raises ExportError for one that is not known, DeviceError without a GPU where one is needed.
    """
    if library.target == "tensorrt-rtx":
        return rtx.named_capabilities(library, options.capabilities)
    if options.capabilities:
        raise ExportError("TensorRT builds for the GPU that it runs on; compute capabilities are for tensorrt-rtx")
    return (compute_capability(),)


@dataclass(eq=False)
class Build:
    """One build: parse, configure, build. Its objects live as long as it does, because they refer to each other."""

    library: Library
    graph: Graph
    options: BuildOptions
    profiles: dict[str, Shapes]
    capabilities: tuple[str, ...]
    stop: threading.Event = field(default_factory=threading.Event)
    phases: Phases = field(default_factory=Phases)
    parser: Any = None
    monitor: Any = None

    def plan(self) -> Any:
        """Return the serialized engine. Raises ExportError."""
        trt = self.library.trt
        logger = logger_of(trt)
        builder = trt.Builder(logger)
        network = self.parse(builder, logger)
        hold_float(self.library, network, self.graph)
        config = builder.create_builder_config()
        configure(self.library, builder, config, self.graph, self.options)
        if self.library.target == "tensorrt-rtx":
            rtx.set_capabilities(self.library, config, self.capabilities)
        self.add_profile(builder, config, network)
        timings = self.use_timings(config)
        self.monitor = make_monitor(trt, self.phases, self.stop)
        if hasattr(config, "progress_monitor"):
            config.progress_monitor = self.monitor
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            why = "it was told to stop" if self.stop.is_set() else logger.last()
            raise ExportError(f"{self.library} cannot build an engine of {self.graph.path.name}: {why}")
        if timings is not None:
            cache.save_timings(timings, config.get_timing_cache().serialize())
        return plan

    def parse(self, builder: Any, logger: Any) -> Any:
        """Return the network of the file. Raises ExportError naming the node that is refused."""
        trt = self.library.trt
        network = builder.create_network(network_flags(self.library))
        self.parser = parser = trt.OnnxParser(network, logger)
        if not parser.parse_from_file(str(self.graph.path)):
            errors = [self.explain(parser.get_error(index)) for index in range(parser.num_errors)]
            said = "; ".join(dict.fromkeys(errors)) or logger.last()
            raise ExportError(f"{self.library} refuses {self.graph.path.name}: {said}")
        return network

    def explain(self, error: Any) -> str:
        """Say which node and operator an error of the parser is about. Before 10, it knows only the node's number."""
        index, where = error.node(), ""
        if 0 <= index < len(self.graph.nodes):
            where = f"node {index}, {self.graph.nodes[index]}: "
        if hasattr(error, "node_operator") and error.node_operator():
            where = f"node {index}, {error.node_operator()} {error.node_name()!r}: "
        kind = str(error.code()).rpartition(".")[2].lower().replace("_", " ")
        # Where there is no GPU, what CUDA says of that follows the reason.
        return f"{where}{kind}: {NO_GPU.sub('', ' '.join(error.desc().split()))[:LONGEST]}"

    def add_profile(self, builder: Any, config: Any, network: Any) -> None:
        """Tell the builder the smallest, best and largest shape of every input."""
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            name = network.get_input(index).name
            profile.set_shape(name, *self.profiles[name])
        if config.add_optimization_profile(profile) < 0:
            raise ExportError(f"{self.library} refuses the profile {self.profiles} of {self.graph.path.name}")

    def use_timings(self, config: Any) -> Path | None:
        """Give the builder the timings of earlier builds; returns where the new ones go."""
        if not self.options.timing_cache or self.library.target == "tensorrt-rtx":  # RTX times on the user's machine
            return None
        path = cache.timing_path(self.library, self.capabilities[0])
        timings = config.create_timing_cache(cache.load_timings(path))
        if timings is None or not config.set_timing_cache(timings, False):
            log.info("the timings in %s are of another machine or damaged: measured anew", path)
            config.set_timing_cache(config.create_timing_cache(b""), False)
        return path

    def teller(self, progress: Progress | None) -> Any:
        """Return what says now and then how far the build is."""
        start = time.monotonic()

        def tell() -> None:
            if progress is None:
                return
            if self.monitor is not None:
                progress(self.phases.current or "starting", self.phases.fraction)
            else:
                progress(f"building, {time.monotonic() - start:.0f} s", None)

        return tell

"""What the builder is told, in one shape for TensorRT 8.6 to 11.x and TensorRT-RTX.

Precision is a property of the ONNX file. From 10.12 on networks are strongly typed, which is just that; before, weak
typing gets the flags that the file's own types ask for, and layers that it keeps in float32 are held there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edge_pose.backends.tensorrt_library import Library
from edge_pose.errors import ExportError
from edge_pose.export.tensorrt.graph import Graph

STRONG_SINCE = (10, 12)
# What each reads, from their release notes: oldest and newest opset of the ONNX standard.
OPSETS = {(8,): (7, 17), (10,): (9, 20), (11,): (9, 25)}
LEVELS = range(6)
Hardware = Literal["", "ampere+", "same-capability"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What may be chosen; the defaults are TensorRT's own.

    workspace_mib: scratch memory that a layer may use, 0 for all there is. optimization_level: 0 (fast build) to 5
    (fast engine), -1 for the default. hardware: "ampere+" for any GPU from 8.0 on (not on a Jetson),
    "same-capability" for all of one compute capability. version_compatible: later minor releases read it, too.
    dla_core: on a board with DLA, -1 for the GPU. capabilities: of TensorRT-RTX, such as ("8.6", "12.0"), empty for
    all it knows.
    """

    workspace_mib: int = 0
    optimization_level: int = -1
    hardware: Hardware = ""
    version_compatible: bool = False
    dla_core: int = -1
    capabilities: tuple[str, ...] = ()
    timing_cache: bool = True

    def __post_init__(self) -> None:
        if self.workspace_mib < 0:
            raise ExportError(f"workspace must be 0 MiB (all there is) or more, got {self.workspace_mib}")
        if self.optimization_level not in (-1, *LEVELS):
            raise ExportError(
                f"optimization level must be 0 to 5, or -1 for the default, got {self.optimization_level}"
            )
        if self.hardware not in ("", "ampere+", "same-capability"):
            raise ExportError(f"hardware must be 'ampere+' or 'same-capability', got {self.hardware!r}")


def network_flags(library: Library) -> int:
    """Return the flags that create_network needs."""
    trt, interface = library.trt, library.interface
    if interface < (10,):
        return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)
    if STRONG_SINCE <= interface < (11,):
        return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 0  # 11 and RTX know nothing else


def check_opset(library: Library, graph: Graph) -> None:
    """Raise ExportError when this version cannot read the file's opset."""
    oldest, newest = next(span for major, span in reversed(OPSETS.items()) if library.interface >= major)
    if not oldest <= graph.opset <= newest:
        raise ExportError(
            f"{graph.path.name} has opset {graph.opset}, and {library} reads {oldest} to {newest}: "
            "export the model again (our own exporter writes 17, which all of them read)"
        )


def configure(library: Library, builder: Any, config: Any, graph: Graph, options: BuildOptions) -> None:
    """Set everything but profiles, timing cache and progress. Raises ExportError for what this version lacks."""
    trt, interface = library.trt, library.interface
    if options.workspace_mib:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimization_level >= 0:
        config.builder_optimization_level = options.optimization_level
    if interface < STRONG_SINCE:
        if graph.is_half:
            config.set_flag(trt.BuilderFlag.FP16)
        if graph.is_quantized:
            config.set_flag(trt.BuilderFlag.INT8)
        if graph.float_nodes():
            config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
    if options.version_compatible:
        if library.target == "tensorrt-rtx":
            raise ExportError(f"{library} has no version-compatible engines: leave --version-compatible out")
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware == "ampere+":
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.hardware == "same-capability":
        if not hasattr(trt.HardwareCompatibilityLevel, "SAME_COMPUTE_CAPABILITY"):
            raise ExportError(f"{library} has no hardware level 'same-capability': leave --hardware out")
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY
    if options.dla_core >= 0:
        use_dla(library, builder, config, graph, options.dla_core)


def use_dla(library: Library, builder: Any, config: Any, graph: Graph, core: int) -> None:
    """Put what can run there on a DLA core, and the rest on the GPU. Raises ExportError where there is none."""
    trt = library.trt
    if core >= builder.num_DLA_cores:
        raise ExportError(
            f"DLA core {core} was asked for, and {library} sees {builder.num_DLA_cores} here: AGX Orin has two, with "
            "TensorRT up to 10.7 or from 11.4.1 on; leave --dla out to use the GPU"
        )
    if graph.precision == "fp32":
        raise ExportError("a DLA computes in fp16 and int8 only: export with --precision fp16 or int8")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def hold_float(library: Library, network: Any, graph: Graph) -> int:
    """Under weak typing, ask for float32 where the file has it in a float16 graph; returns for how many layers.

    Without, TensorRT would take the layers that overflow in float16 to float16 again.
    """
    trt, held, count = library.trt, graph.float_nodes(), 0
    if library.interface < STRONG_SINCE:
        for index in range(network.num_layers if held else 0):
            layer = network.get_layer(index)
            if layer.name in held:  # the parser names a layer after its node
                layer.precision = trt.DataType.FLOAT
                layer.set_output_type(0, trt.DataType.FLOAT)
                count += 1
    return count

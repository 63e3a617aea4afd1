"""TensorRT-RTX builds on any machine, GPU or not, for compute capabilities that are named."""

from __future__ import annotations

import logging
from typing import Any

from edge_pose.backends.tensorrt_library import Library
from edge_pose.errors import ExportError
from edge_pose.export.tensorrt.graph import FLOAT, Graph

log = logging.getLogger(__name__)
PREFIX = "SM"
TURING = "7.5"  # seen with 1.7.1: "FP32 GEMM is not supported"
MATRICES = frozenset({"Gemm", "MatMul"})


def known_capabilities(library: Library) -> tuple[str, ...]:
    """Return what this version builds for, such as ("7.5", "8.0", "8.6"), oldest first."""
    digits = [name[len(PREFIX) :] for name in dir(library.trt.ComputeCapability) if name.startswith(PREFIX)]
    return tuple(f"{number // 10}.{number % 10}" for number in sorted(map(int, digits)))


def named_capabilities(library: Library, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is asked for, each once: "86", "sm_86" and "8.6" are the same.

    Raises ExportError for one that this version does not build for.
    """
    known = known_capabilities(library)
    chosen = tuple(dict.fromkeys(dotted(name) for name in asked))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ExportError(
            f"{library} does not build for compute capability {unknown[0]}; it knows {', '.join(known)}"
            + ("; for a Jetson Orin use --target tensorrt on the board" if unknown[0] == "8.7" else "")
        )
    return tuple(sorted(chosen, key=known.index))


def chosen_capabilities(library: Library, graph: Graph, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to build for: what is asked for; nothing means all that take the graph. Raises ExportError."""
    known, chosen = known_capabilities(library), named_capabilities(library, asked)
    product = next((node for node in graph.nodes if node.op in MATRICES and node.kind == FLOAT), None)
    if product is not None and TURING in chosen:
        raise ExportError(
            f"{library} does not build for compute capability {TURING}: {graph.path.name} multiplies matrices in "
            f"float32 ({product}); export with --precision fp16, or leave {TURING} out"
        )
    if product is not None and TURING in known and not chosen:
        log.info("%s: not for compute capability %s: %s multiplies in float32", graph.path.name, TURING, product)
        return tuple(name for name in known if name != TURING)
    return chosen or known


def dotted(name: str) -> str:
    """Return "8.6" for "86", "sm_86", "SM86" and "8.6"."""
    digits = name.lower().removeprefix("sm").removeprefix("_").replace(".", "")
    if not digits.isdecimal() or len(digits) < 2:
        raise ExportError(f"{name!r} is no compute capability; write it as 8.6 or 86")
    return f"{digits[:-1]}.{digits[-1]}"


def set_capabilities(library: Library, config: Any, capabilities: tuple[str, ...]) -> None:
    """Tell the builder which GPUs the engine is for. Raises ExportError when it refuses."""
    config.num_compute_capabilities = len(capabilities)
    for index, name in enumerate(capabilities):
        value = getattr(library.trt.ComputeCapability, PREFIX + name.replace(".", ""))
        if not config.set_compute_capability(value, index):
            raise ExportError(f"{library} refuses compute capability {name}")

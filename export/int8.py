"""Two kinds of INT8 graph from one calibration: for CPUs, and for TensorRT, each as its engine wants it.

ONNX Runtime's CPU kernels want every tensor between layers in uint8 and the bias in int32. TensorRT wants symmetric
int8 before the weighted layers only, fuses the rest by itself, and refuses an int32 bias. OpenVINO fuses like TensorRT
and takes uint8. Where nobody says otherwise, the part of a network behind its last weighted layer stays float: that is
decoding, where boxes and scores meet.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto

from edge_pose.errors import ExportError
from edge_pose.export import graphs
from edge_pose.export.ranges import Limits, only_errors, with_shapes

Kind = Literal["onnxruntime", "openvino", "tensorrt"]
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
AXIS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1, "Gemm": 0}  # of the output channels
OPTIONS: dict[str, dict[str, Any]] = {
    "onnxruntime": {"ActivationSymmetric": False, "AddQDQPairToWeight": False, "QuantizeBias": True},
    "openvino": {
        "ActivationSymmetric": False,
        "AddQDQPairToWeight": False,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(WEIGHTED),
    },
    "tensorrt": {
        "ActivationSymmetric": True,
        "AddQDQPairToWeight": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(WEIGHTED),
    },
}
SHARED = {"WeightSymmetric": True, "DedicatedQDQPair": False, "QDQOpTypePerChannelSupportToAxis": AXIS}


def int8_from_float(model: onnx.ModelProto, limits: Limits, kind: Kind, keep: Collection[str] = ()) -> onnx.ModelProto:
    """Return the graph with quantised weights and the Q/DQ nodes that an engine wants; metadata stays.

    model: float, its nodes named (graphs.name_nodes). limits: (lowest, highest) of its tensors. keep: names of the
    nodes that stay float. The graph in hand is not changed. Raises ExportError where nothing is left to quantise, or
    the graph is not what the engine takes.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    usable = quantisable(model, kind)
    if not any(node.op_type in WEIGHTED and node.name not in keep for node in usable):
        raise ExportError(f"{model.graph.name}: no weighted layer is left that could become int8")
    activations = QuantType.QInt8 if kind == "tensorrt" else QuantType.QUInt8
    types = sorted({node.op_type for node in usable})
    names = {node.name for node in model.graph.node}
    ends = {name: (np.float32(low), np.float32(high)) for name, (low, high) in limits.items()}
    with only_errors():
        quantizer = QDQQuantizer(
            with_shapes(model), True, False, QuantType.QInt8, activations,
            TensorsData(CalibrationMethod.MinMax, ends), [], sorted(names & set(keep)),
            types, OPTIONS[kind] | SHARED,
        )  # fmt: skip
        quantizer.quantize_model()
    made: onnx.ModelProto = quantizer.model.model
    made.ir_version = graphs.IR_VERSION
    graphs.sort_nodes(made)  # the quantiser puts its nodes at the end
    del made.graph.value_info[:]
    for prop in [prop for prop in made.metadata_props if prop.key == "onnx.infer"]:
        made.metadata_props.remove(prop)
    if kind != "onnxruntime":
        check_placement(made)
    return made


def quantisable(model: onnx.ModelProto, kind: Kind) -> list[onnx.NodeProto]:
    """Return the nodes that an engine has integer kernels for, in the order of the graph."""
    types: Collection[str] = WEIGHTED
    if kind == "onnxruntime":
        from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

        types = set(QDQRegistry) | set(QLinearOpsRegistry)
    return [node for node in model.graph.node if node.op_type in types]


def tail(model: onnx.ModelProto) -> list[str]:
    """Return the nodes from which no weighted layer follows and that are none: decoding, the first guess of `keep`."""
    leads: set[str] = set()  # tensors that some weighted layer needs, however far behind
    kept = []
    for node in reversed(model.graph.node):
        if node.op_type in WEIGHTED or any(name in leads for name in node.output):
            leads.update(node.input)
        else:
            kept.append(node.name)
    return kept[::-1]


def check_placement(model: onnx.ModelProto) -> None:
    """Hold a graph for TensorRT or OpenVINO against what they take.

    No DequantizeLinear reads int32, and every quantised tensor goes into at least one weighted layer.
    Raises ExportError naming the node.
    """
    constants = {item.name: item for item in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        stored = constants.get(node.input[0])
        if stored is not None and stored.data_type == TensorProto.INT32:
            raise ExportError(f"{node.name} reads an int32 bias: TensorRT refuses such a graph")
        users = [user.op_type for user in readers.get(node.output[0], [])]
        if not any(kind in WEIGHTED for kind in users):
            raise ExportError(f"{node.name} quantises what no weighted layer reads, but {', '.join(users) or 'nobody'}")

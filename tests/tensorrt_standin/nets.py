"""Small networks to build engines of: two convolutions, in every precision that an engine can have."""

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_pose import ModelSpec
from edge_pose.spec import HeatmapDecode, InputSpec
from tests.tiny import save

SPEC = ModelSpec("two-convs", "pose-from-box", InputSpec(16, 12), "classic", HeatmapDecode("none"), batch=(1, 2, 4))


def floats(path, *, batch="N", spec=SPEC, bias=True, extra=()):
    """conv1, a ReLU, conv2: (N, 3, 16, 12) -> (N, 17, 8, 6)."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(size=(8, 3, 3, 3)), "b1": random.normal(size=8), "w2": random.normal(size=(17, 8, 3, 3)),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["image", "w1", *(["b1"] if bias else [])], ["c1"], "/conv1/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "/relu"),
        helper.make_node("Conv", ["r1", "w2"], ["maps"], "/conv2/Conv", pads=[1] * 4, strides=[2, 2]),
        *extra,
    ]
    if spec is not None and isinstance(batch, int):
        spec = replace(spec, batch=(batch,) * 3)
    return save(
        path,
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 16, 12])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [batch, 17, 8, 6])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
        spec,
    )


def halves(path, *, keep=(), **options):
    """The same in float16 inside; `keep` names nodes that stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(floats(path, **options))
    onnx.save(convert_float_to_float16(model, keep_io_types=True, node_block_list=list(keep)), path)
    return path


def integers(path, *, bias="float", unsigned=False, **options):
    """The same with Q/DQ on the input of conv1; bias: "float", or "int32" as ONNX Runtime likes it on CPUs."""
    model = onnx.load(floats(path, **options))
    zero = numpy_helper.from_array(np.zeros((), np.uint8 if unsigned else np.int8), "zero")
    scale = numpy_helper.from_array(np.float32(0.05), "scale")
    made = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"], "image_QuantizeLinear"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"], "image_DequantizeLinear"),
    ]
    if bias == "int32":
        made.append(helper.make_node("DequantizeLinear", ["b1", "scale"], ["bias"], "b1_DequantizeLinear"))
        values = next(i for i in model.graph.initializer if i.name == "b1")
        values.CopyFrom(numpy_helper.from_array(np.arange(8, dtype=np.int32), "b1"))
        model.graph.node[0].input[2] = "bias"
    model.graph.initializer.extend([zero, scale])
    model.graph.node[0].input[0] = "dq"
    for index, node in enumerate(made):
        model.graph.node.insert(index, node)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path

"""Give an ONNX file that takes one row at a time an open batch, so that people go through it together.

Many published files say "1" where they could say "N", in the input and in the shapes that reshapes and resizes carry.
Measured on two cores: 4 rows at once take 10 to 17 % less than one by one (PP-TinyPose, 4 to 20 people).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)

# How ONNX writes the name of a file beside it: an entry "location" and its value's length.
LOCATION = re.compile(rb"\n\x08location\x12([\x01-\x7f])", re.DOTALL)


def files_of(path: Path) -> list[Path]:
    """Return an ONNX file and the files beside it that hold its weights, where it names any."""
    data = path.read_bytes()
    found = {os.fsdecode(data[at.end() : at.end() + at[1][0]]) for at in LOCATION.finditer(data)}
    beside = (path.parent / name for name in sorted(found) if "\0" not in name)
    return [path, *(file for file in beside if file.is_file())]


def open_batch(path: Path, folder: Path) -> Path | None:
    """Return the file with an open batch, made once and kept in `folder`; None where that cannot be had.

    It is made with the `onnx` package if that is installed, and kept only if two different rows at once give what each
    gives alone. The file itself is not touched.
    """
    content = hashlib.sha256()
    for file in files_of(path):  # the same graph trained again differs in its weights only
        content.update(file.read_bytes())
    target = folder / f"{path.stem}-{content.hexdigest()[:16]}-batch.onnx"
    refused = target.with_suffix(".refused")
    if target.is_file() or refused.is_file():
        return target if target.is_file() else None
    try:
        import onnx
    except ModuleNotFoundError:  # rows one by one are right too, only slower
        return None
    part = folder / f".{target.name}.{os.getpid()}-{threading.get_ident()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(_opened(onnx.shape_inference.infer_shapes(onnx.load(path))), part)
        if _same(path, part):
            part.replace(target)
            return target
        refused.touch()
    except OSError as err:  # the folder cannot be written: try again next time
        log.info("%s keeps its batch of one: %s", path.name, err)
    except Exception as err:  # a graph that this rewriting does not fit fails in any of three libraries
        log.info("%s keeps its batch of one: %s", path.name, err)
        refused.touch()
    finally:
        if part.is_file():
            part.unlink()
    return None


def _opened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write N for the leading 1 of inputs and outputs, and what follows from it inside."""
    from onnx import numpy_helper

    graph = model.graph
    known = [*graph.value_info, *graph.input, *graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
    constants = {i.name: i for i in graph.initializer}

    def replace(node: Any, slot: int, values: Any) -> None:
        name = f"{node.input[slot]}/{len(graph.initializer)}"
        graph.initializer.append(numpy_helper.from_array(values, name))
        node.input[slot] = name

    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            shape = numpy_helper.to_array(constants[node.input[1]]).copy()
            if shape.size > 1 and shape[0] == 1 and shapes.get(node.input[0], [0])[0] == 1:
                shape[0] = 0  # "as the input has it"
                replace(node, 1, shape)
        if node.op_type == "Resize" and len(node.input) == 4 and node.input[3] in constants:
            sizes = numpy_helper.to_array(constants[node.input[3]])
            scales = np.array(sizes[2:] / np.array(shapes[node.input[0]][2:]), np.float32)
            node.input[2] = node.input[3]
            del node.input[3]
            replace(node, 2, np.concatenate([np.ones(2, np.float32), scales]))
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    used = {name for node in graph.node for name in node.input}
    kept = [i for i in graph.initializer if i.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


def _same(one: Path, many: Path) -> bool:
    """Whether two different rows together give what each gives alone."""
    from edge_pose.backends.onnxruntime import open_model

    single, double = (open_model(path, device="cpu", threads=1) for path in (one, many))
    info = single.inputs[0]
    shape = [2, *(size or 1 for size in info.shape[1:])]
    rows = np.random.default_rng(0).uniform(0, 1 if "float" in info.dtype else 255, shape).astype(info.dtype)
    together = double.run(rows)
    alone = [single.run(rows[i : i + 1]) for i in range(2)]
    pairs = ((both[i], part) for i in range(2) for both, part in zip(together, alone[i], strict=True))
    return all(np.allclose(a, b[0], rtol=1e-3, atol=1e-4) for a, b in pairs)

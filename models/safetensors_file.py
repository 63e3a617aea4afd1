"""Reads the header of a safetensors file and where its tensors lie. Format: huggingface.co/docs/safetensors."""

import json
import math
from pathlib import Path
from typing import Any

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import ITEM_SIZES, Contents, Entry, Storage, brief, checked_sizes
from edge_pose.models.torch_file import read_bytes_into

MAX_HEADER = 2**24  # the format allows 100 MB; a hundred bytes a tensor are usual
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}
DTYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"}


def read_safetensors(path: Path) -> Contents:
    """Read names, types, shapes and places; data stays on disk.

    Raises CheckpointError unless the tensors fill the file without gaps or overlaps, as the format demands.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER, size - 8):
            raise CheckpointError(f"{path.name} has {size} bytes, its header wants {length} (at most {MAX_HEADER})")
        text = stream.read(length)
    try:
        header = json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as err:
        raise CheckpointError(f"{path.name} has a header that is no JSON: {err}") from err
    if not isinstance(header, dict):
        raise CheckpointError(f"{path.name} has a header that is no JSON object")
    said = header.pop("__metadata__", {})
    said = said if isinstance(said, dict) else {}
    contents = Contents("safetensors", metadata={key: text for key, text in said.items() if isinstance(text, str)})
    places = {name: read_place(path, name, item) for name, item in header.items()}
    end = 0
    for name, (dtype, shape, begin, stop) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != end:
            raise CheckpointError(f"{path.name}: tensor {name!r} begins at byte {begin}, the one before ends at {end}")
        end = stop
        contents.tensors[name] = Entry(dtype, shape, storage(path, name, 8 + length + begin, stop - begin))
    if 8 + length + end != size:
        raise CheckpointError(f"{path.name} has {size} bytes, header and tensors make {8 + length + end}")
    return contents


def read_place(path: Path, name: str, item: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Return type, shape, first byte and end of a tensor."""
    try:
        kind, shape, (begin, end) = item["dtype"], item["shape"], item["data_offsets"]
    except (TypeError, KeyError, ValueError) as err:
        raise CheckpointError(f"{path.name}: tensor {name!r} needs dtype, shape and data_offsets") from err
    if not isinstance(kind, str) or kind not in DTYPES:
        raise CheckpointError(f"{path.name}: tensor {name!r} has type {brief(kind)}; known are {', '.join(DTYPES)}")
    if not isinstance(shape, list) or any(type(at) is not int or not 0 <= at < 2**63 for at in (begin, end)):
        raise CheckpointError(
            f"{path.name}: tensor {name!r} has shape {brief(shape)} at bytes {brief(begin)} to {brief(end)}"
        )
    shape = checked_sizes(shape)
    if end - begin != math.prod(shape) * ITEM_SIZES[DTYPES[kind]]:
        raise CheckpointError(f"{path.name}: tensor {name!r} has shape {shape} of {kind}, but {end - begin} bytes")
    return DTYPES[kind], shape, begin, end


def storage(path: Path, name: str, offset: int, size: int) -> Storage:
    """Return the bytes of one tensor."""
    return Storage(name, size, lambda buffer: read_bytes_into(path, offset, buffer))


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a JSON object that has a key twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice")
    return made

"""Tells the formats of weight files apart by their first bytes, and reads what is inside. Needs no torch."""

from collections.abc import Callable
from pathlib import Path

from edge_pose.errors import CheckpointError, ModelNotFoundError
from edge_pose.models.contents import Contents, brief
from edge_pose.models.engine_file import MAKERS
from edge_pose.models.movenet_tflite import movenet_contents
from edge_pose.models.onnx_weights import onnx_contents, read_onnx
from edge_pose.models.safetensors_file import read_safetensors
from edge_pose.models.tflite import MAGIC, read_tflite
from edge_pose.models.torch_file import read_torch
from edge_pose.models.torch_tree import find_weights

READABLE = (".pt", ".pth", ".safetensors", ".onnx", ".tflite")
MAX_TENSORS = 50_000
MAX_NAME = 1000
# Reading makes numbers wider: 8 bits of a TFLite file become 32, 8 of an ONNX file may be 64.
MAX_WIDENED = 8
PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")


def read_contents(path: Path, part: str | None = None) -> Contents:
    """Read a weight file of any format that we know; data stays on disk as far as the format allows.

    part: which of several networks in a .pt or .pth, such as "state_dict_ema". Raises ModelNotFoundError where there
    is no file, CheckpointError for an unknown, damaged or hostile one; messages begin with the file's name.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path}")
    kind = sniff(path)
    if part is not None and kind != "torch":
        raise CheckpointError(f"{path.name}: part={part!r} is for .pt and .pth files only")
    readers: dict[str, Callable[[], Contents]] = {
        "torch": lambda: torch_contents(path, part),
        "safetensors": lambda: read_safetensors(path),
        "onnx": lambda: onnx_contents(read_onnx(path)),
        "tflite": lambda: movenet_contents(read_tflite(path)),
    }
    if kind not in readers:
        what = "an engine, whose weights only TensorRT can read" if kind == "engine" else "no weight file"
        raise CheckpointError(f"{path.name} is {what}; known are {', '.join(READABLE)}")
    try:
        contents = readers[kind]()
        check_amount(path, contents)
        return contents
    except CheckpointError as err:
        raise CheckpointError(str(err) if str(err).startswith(path.name) else f"{path.name}: {err}") from err


def check_amount(path: Path, contents: Contents) -> None:
    """Raise CheckpointError where a file names the same bytes so often that a small one would fill the memory."""
    if len(contents.tensors) > MAX_TENSORS:
        raise CheckpointError(f"it has {len(contents.tensors)} tensors, at most {MAX_TENSORS} are read")
    for name in contents.tensors:
        if len(name) > MAX_NAME:
            raise CheckpointError(f"a tensor's name has {len(name)} letters: {brief(name)}")
    wanted = sum({id(entry.storage): entry.storage.size for entry in contents.tensors.values()}.values())
    there = path.stat().st_size + contents.beside
    if wanted > MAX_WIDENED * there:
        raise CheckpointError(f"its tensors take {wanted} bytes, the file has {there}")


def sniff(path: Path) -> str:
    """Return torch, safetensors, onnx, tflite, engine or "" for a file; content counts more than the name."""
    with path.open("rb") as stream:
        head = stream.read(16)
    suffix = path.suffix.lower()
    if head[:4] == b"PK\x03\x04":
        return "torch"
    if head[4:8] == MAGIC:
        return "tflite"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return "safetensors"
    if suffix in (".engine", ".plan") or head[:4] in MAKERS:
        return "engine"
    if suffix == ".onnx":
        return "onnx"
    if head[:1] == b"\x80" or suffix in PICKLES:
        return "torch"
    return {".safetensors": "safetensors", ".tflite": "tflite"}.get(suffix, "")


def torch_contents(path: Path, part: str | None) -> Contents:
    """Read a file of torch.save, or a plain pickle of arrays."""
    container, value = read_torch(path)
    contents = find_weights(value, part)
    contents.format = container
    return contents

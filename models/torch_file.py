"""The two containers of torch.save: a zip archive (since 1.6), and pickles followed by raw data (before).

Needs no torch. Tensor data stays on disk: the pickle is read, and every storage's place is checked against the file.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import ITEM_SIZES, Storage, brief
from edge_pose.models.inert import Global
from edge_pose.models.rebuild import StorageRef, rebuilders
from edge_pose.models.unpickle import unpickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_PICKLE = 2**28
MAX_DIRECTORY = 2**24
STORAGES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
    "UntypedStorage": None,
}


class Bounded:
    """A pickle in a file: no text or number in it is longer than what is left, whatever the file declares."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.stream = stream
        self.left = min(path.stat().st_size - stream.tell(), MAX_PICKLE)

    def read(self, size: int) -> bytes:
        """Read bytes; fewer at the end of the file. Raises ValueError for more than are left."""
        if size > self.left > 0:
            raise ValueError(f"{size} bytes are wanted, {self.left} are left")
        data = self.stream.read(min(size, self.left))
        self.left -= len(data)
        return data

    def tell(self) -> int:
        """Return where in the file the next byte is."""
        return self.stream.tell()

    def readline(self) -> bytes:
        """Read a line."""
        data = self.stream.readline(self.left)
        self.left -= len(data)
        return data


class Directory(io.FileIO):
    """An archive of which only the list of entries is read."""

    def read(self, size: int | None = -1, /) -> bytes | None:  # type: ignore[override]
        """Read bytes. Raises ValueError for more than a list of entries takes."""
        if size is not None and size > MAX_DIRECTORY:
            raise ValueError(f"its list of entries has {size} bytes, at most {MAX_DIRECTORY} are read")
        return super().read(size)


def read_torch(path: Path) -> tuple[str, Any]:
    """Return the container ("torch-zip", "torch-legacy" or "pickle") and what was saved, tensors as Entries.

    Raises CheckpointError for damaged or hostile files; see models.unpickle.
    """
    with path.open("rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            return "torch-zip", read_zip(path)
        stream.seek(257)
        if stream.read(5) == b"ustar":
            raise CheckpointError(
                f"{path.name} is a tar archive of torch 0.1; load it with an old torch and save the state_dict again"
            )
        stream.seek(0)
        first = unpickle(Bounded(path, stream), rebuilders())
        return ("torch-legacy", read_legacy(path, stream)) if first == LEGACY_MAGIC else ("pickle", first)


def read_zip(path: Path) -> Any:
    """Read the pickle inside an archive."""
    entries = list_entries(path)
    pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(
            f"{path.name} is a zip archive with {len(pickles)} data.pkl, one is what torch.save writes"
        )
    prefix = pickles[0].removesuffix("data.pkl")
    order = entries.get(prefix + "byteorder")
    if order is not None and read_entry(path, order, 16) != b"little":
        raise CheckpointError(f"{path.name} was saved on a big-endian machine; save it again on a little-endian one")

    def storage(key: str, size: int) -> Storage:
        info = entries.get(f"{prefix}data/{key}")
        if info is None or info.file_size != size:
            has = "is missing" if info is None else f"has {info.file_size} bytes"
            raise CheckpointError(f"{path.name}: the pickle wants {size} bytes of storage {brief(key)}, which {has}")
        return Storage(key, size, lambda buffer: read_entry_into(path, info, buffer))

    data = read_entry(path, entries[pickles[0]], MAX_PICKLE)
    return unpickle(io.BytesIO(data), rebuilders(), storage_loader(storage))


def list_entries(path: Path) -> dict[str, zipfile.ZipInfo]:
    """List an archive's entries by name, and refuse every archive that torch.save would not have written."""
    try:
        with Directory(path) as stream, zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError, OverflowError, struct.error) as err:
        raise CheckpointError(f"{path.name} is a zip archive that is cut off or damaged: {err}") from err
    if any(info.filename.endswith("/constants.pkl") for info in infos):
        raise CheckpointError(
            f"{path.name} is a TorchScript program; save weights: torch.save(model.state_dict(), path)"
        )
    entries: dict[str, zipfile.ZipInfo] = {}
    size = path.stat().st_size
    for info in infos:
        name = info.filename
        if name in entries:
            raise CheckpointError(f"{path.name} has two entries {name!r}")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CheckpointError(f"{path.name}: entry {name!r} is a symbolic link")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise CheckpointError(f"{path.name}: entry {name!r} is compressed, torch.save stores entries as they are")
        if info.flag_bits & 1:
            raise CheckpointError(f"{path.name}: entry {name!r} is encrypted")
        if not 0 <= info.header_offset < size:
            raise CheckpointError(f"{path.name}: entry {name!r} is not inside the file")
        entries[name] = info
    total = sum(info.file_size for info in infos)
    if total > size:
        raise CheckpointError(f"{path.name} has {size} bytes and claims to hold {total}")
    return entries


def read_entry(path: Path, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Read a whole entry."""
    if info.file_size > limit:
        raise CheckpointError(
            f"{path.name}: entry {info.filename!r} has {info.file_size} bytes, at most {limit} are read"
        )
    buffer = bytearray(info.file_size)
    read_entry_into(path, info, memoryview(buffer))
    return bytes(buffer)


def read_entry_into(path: Path, info: zipfile.ZipInfo, buffer: memoryview) -> None:
    """Read a whole entry into a buffer of its size, without a copy."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise CheckpointError(f"{path.name}: entry {info.filename!r} is not where the archive says")
        name_size, extra_size = struct.unpack("<HH", header[26:30])
        stream.seek(name_size + extra_size, io.SEEK_CUR)
        if stream.readinto(buffer) != len(buffer):
            raise CheckpointError(f"{path.name}: entry {info.filename!r} is cut off")
    if zlib.crc32(buffer) != info.CRC:
        raise CheckpointError(f"{path.name}: entry {info.filename!r} is damaged (its checksum differs)")


def read_legacy(path: Path, stream: IO[bytes]) -> Any:
    """Read what follows the magic number: version, machine, the pickle, the order of the storages, their data."""
    unpickle(Bounded(path, stream), {})
    machine = unpickle(Bounded(path, stream), rebuilders())
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise CheckpointError(f"{path.name} was saved on a big-endian machine; save it again on a little-endian one")
    places: dict[str, int] = {}
    wanted: dict[str, int] = {}
    total = path.stat().st_size

    def storage(key: str, size: int) -> Storage:
        if size > total or wanted.setdefault(key, size) != size:
            raise CheckpointError(
                f"{path.name}: the pickle wants {size} bytes of storage {brief(key)}, the file has {total}"
            )
        return Storage(key, size, lambda buffer: read_bytes_into(path, places[key], buffer))

    value = unpickle(Bounded(path, stream), rebuilders(), storage_loader(storage))
    order = unpickle(Bounded(path, stream), {})
    if not isinstance(order, list) or any(not isinstance(key, str) for key in order) or set(order) != wanted.keys():
        raise CheckpointError(f"{path.name}: the list of storages is not the one that the pickle wants")
    for key in order:
        # Each storage is preceded by the number of its elements.
        places[key] = stream.tell() + 8
        if places[key] + wanted[key] > total:
            raise CheckpointError(f"{path.name} is cut off: storage {brief(key)} ends behind the file")
        stream.seek(places[key] + wanted[key])
    return value


def read_bytes_into(path: Path, offset: int, buffer: memoryview) -> None:
    """Read raw bytes of a file."""
    with path.open("rb") as stream:
        stream.seek(offset)
        if stream.readinto(buffer) != len(buffer):
            raise CheckpointError(f"{path.name} is cut off")


def storage_loader(storage: Callable[[str, int], Storage]) -> Callable[[Any], Any]:
    """Make the function that turns torch's persistent ids into references to storages; equal keys share one."""
    made: dict[tuple[str, int], Storage] = {}

    def load(saved: Any) -> Any:
        if isinstance(saved, tuple) and len(saved) >= 2 and saved[0] == "module":
            return saved[1]  # the old container keeps the source code of classes here; nobody looks at it
        if not isinstance(saved, tuple) or len(saved) not in (5, 6) or saved[0] != "storage":
            raise CheckpointError("the pickle refers to data outside itself in a way that torch does not")
        _, kind, key, _, count, *part = saved
        name = kind.name if isinstance(kind, Global) and kind.module in ("torch", "torch.storage") else brief(kind)
        if name not in STORAGES:
            raise CheckpointError(f"tensor data of type {name} cannot be read; known are {', '.join(STORAGES)}")
        if not isinstance(key, str) or type(count) is not int or not 0 <= count < 2**60:
            raise CheckpointError(f"storage {brief(key)} has {brief(count)} elements")
        if any(view is not None for view in part):
            raise CheckpointError(
                "the pickle views parts of storages, as torch 0.3 did; save it again with a newer torch"
            )
        dtype = STORAGES[name]
        size = count * (ITEM_SIZES[dtype] if dtype else 1)
        if (key, size) not in made:
            made[key, size] = storage(key, size)
        return StorageRef(made[key, size], dtype)

    return load

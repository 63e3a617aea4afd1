"""Small files that would take hours or all memory if they were believed. Each is refused for what it asks."""

import json
import pickle
import struct

import numpy as np
import pytest
import torch
from onnx import TensorProto

from edge_pose.models.inspection import inspect_file
from edge_pose.models.loading import load_checkpoint
from edge_pose.models.weight_files import read_contents
from tests.models.test_checkpoints import onnx_model
from tests.models.test_checkpoints_hostile import SIX, STORAGE, archive, header, number, one_tensor, place, refused

PRIME = (1 << 61) - 1  # numbers apart by a multiple of it have the same hash
# A list of two of a list of two ...: a hundred levels take 600 bytes, to print it 2**100 words.
LAUGHS = b"]q\x000" + b"".join(b"](h%ch%ceq%c0" % (i, i, i + 1) for i in range(100))
MILLION = b"(" + b"N" * 100_000
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def colliding_tuples(count):
    """Pairs of numbers with one hash, by CPython's rule for tuples."""
    first, second, third, whole = 11400714785074694791, 14029467366897019727, 2870177450012600261, 1 << 64
    found, a = [], 0
    while len(found) < count:
        a += 1
        lane = (third + a * second) % whole
        lane = ((lane << 31) | (lane >> 33)) * first % whole
        b = (12345 - lane) * pow(second, -1, whole) % whole
        if b < PRIME:
            found.append((a, b))
    assert len(set(map(hash, found))) == 1
    return found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cbuiltins\nbytearray\nB" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20), "asks for copies"),
        (b"cbuiltins\nlist\n" + MILLION + b"l", "asks for copies"),
        (b"cbuiltins\nset\n(" + b"K\x01" * 100_000 + b"l", "asks for copies"),
        (b"cbuiltins\nlist\nX" + struct.pack("<I", 1 << 10) + b"a" * (1 << 10), "a str is no container"),
    ],
)
def test_copies_of_one_value_without_end_are_refused(tmp_path, data, message):
    calls = b"\x85q\x01" + b"0q\x000](" + b"h\x00h\x01R" * 300 + b"e."
    refused(archive(tmp_path / "w.pt", b"\x80\x02" + data + calls), message)


@pytest.mark.parametrize(
    "data",
    [
        b"cnobody\nNet\nq\x000" + MILLION + b"tq\x010}q\x020](" + b"h\x00h\x01h\x02\x92" * 300 + b"e.",
        b"cnobody\nNet\nq\x000}("
        + b"".join(number(i) + b"N" for i in range(50_000))
        + b"uq\x020]("
        + b"h\x00)\x81h\x02b" * 300
        + b"e.",
    ],
)
def test_objects_with_the_same_huge_state_are_refused(tmp_path, data):
    refused(archive(tmp_path / "w.pt", b"\x80\x04" + data), "asks for copies")


def test_keys_made_to_collide_are_refused(tmp_path):
    """A dict of n keys with one hash takes n * n steps to fill."""
    numbers = pickle.dumps({PRIME * (i + 1000): 0 for i in range(3)}, 2)
    refused(archive(tmp_path / "a.pt", numbers), f"uses {1000 * PRIME} as a key")
    refused(archive(tmp_path / "b.pt", pickle.dumps(dict.fromkeys(colliding_tuples(6000)), 2)), "tuples as keys")
    refused(archive(tmp_path / "c.pt", b"\x80\x02Np%d\n." % PRIME), "keeps a value under the number")
    refused(archive(tmp_path / "d.pt", b"\x80\x02Np-1\n."), "keeps a value under the number")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TENSOR + b"(" + STORAGE % (b"FloatStorage", b"K\x06") + b"K\x00h\x64h\x64\x89NtR.", "from 0 on, got a list"),
        (b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nh\x64X\x03\x00\x00\x00cpuK\x06tQ.", "storage a list has 6"),
        (b"(X\x07\x00\x00\x00storageh\x64X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ.", "of type a list"),
        (b"ctorch\ndevice\nh\x64\x85R.", "a list is no word"),
        (b"ctorch.serialization\n_get_layout\nh\x64\x85R.", "a list is no word"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00ah\x64\x86R.", "encodes 'a' as a list"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(h\x64NNNtR.", "asks to call a list"),
        (b"}cnobody\nNet\nh\x64\x85\x81Ns.", "a dict with a Record"),
        (b"cbuiltins\nslice\nq\x000N" + b"q\x010h\x00h\x01\x85R" * 9 + b".", "a slice is not made of numbers"),
        (b"cos\nsys\x1b]0;tem\n)R.", r"names 'sys\\x1b\]0;tem' of 'os'"),
        (b"cos\n" + b"s" * 1000 + b"\n)R.", r"names 's{60}'\.\.\. of 'os'"),
    ],
)
def test_messages_about_a_billion_laughs_are_short(tmp_path, data, message):
    """Nothing of the file is written out whole, not even to say what is wrong with it."""
    assert len(str(refused(archive(tmp_path / "w.pt", b"\x80\x02" + LAUGHS + data, SIX), message))) < 500


def test_the_order_of_storages_in_an_old_file_is_not_written_out(tmp_path):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}]
    data = b"".join(pickle.dumps(part, 2) for part in parts) + b"\x80\x02" + LAUGHS + b"](h\x64e."
    (tmp_path / "w.pt").write_bytes(data)
    refused(tmp_path / "w.pt", "the list of storages is not the one")


def test_products_of_huge_numbers_are_not_computed(tmp_path):
    long = b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b"q\x650"
    sizes = b"(" + b"h\x65" * 32 + b"t"
    tensor = TENSOR + b"(" + STORAGE % (b"FloatStorage", b"K\x06") + b"K\x00" + sizes + sizes + b"\x89NtR."
    refused(archive(tmp_path / "w.pt", b"\x80\x02" + long + tensor, SIX), "a number of 8388607 bits")
    many = {"a": place(shape=[2**40] * 1000)}
    (tmp_path / "w.safetensors").write_bytes(header(many, bytes(8)))
    refused(tmp_path / "w.safetensors", "1000 dimensions, at most 32")
    (tmp_path / "w.onnx").write_bytes(onnx_model([TensorProto(dims=[2**40] * 1000, data_type=1)]).SerializeToString())
    refused(tmp_path / "w.onnx", "1000 dimensions, at most 32")


@pytest.mark.parametrize("size", [1 << 33, 1 << 50, 1 << 62])
def test_a_text_longer_than_the_file_is_refused_before_memory_is_taken(tmp_path, size):
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", size) + b"abc.")
    refused(tmp_path / "w.pkl", f"{size} bytes are wanted, 4 are left")


def test_holes_of_gigabytes_are_not_read(tmp_path):
    """Files that take no room on the disk, and claim that one part of them is 20 GiB."""
    size = 20 << 30
    starts = {
        "w.pkl": (b"\x80\x04\x8e" + struct.pack("<Q", size - 100), "bytes are wanted, 268435445 are left"),
        "w.tflite": (b"\x10\0\0\0TFL3", "cut off or damaged"),
        "w.safetensors": (struct.pack("<Q", 90_000_000) + b"{", "its header wants 90000000"),
        "zip.pt": (b"PK\x03\x04", "list of entries has 21474836450 bytes, at most"),
    }
    for name, (start, message) in starts.items():
        with (tmp_path / name).open("wb") as stream:
            stream.write(start)
            stream.truncate(size)
            if name == "zip.pt":
                stream.seek(size)
                stream.write(b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, size - 30, 30))
                stream.write(b"PK\x06\x07" + struct.pack("<LQL", 0, size, 1))
                stream.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0))
        refused(tmp_path / name, message)
        (tmp_path / name).unlink()


@pytest.mark.parametrize("at", [-1, 1 << 40])
def test_entries_outside_the_archive_are_refused(tmp_path, at):
    """Where the directory says it begins, and where an entry does, are two lies."""
    path = archive(tmp_path / "w.pt", one_tensor())
    data = bytearray(path.read_bytes())
    first, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    if at < 0:  # all offsets are taken to be relative to a beginning before the file
        (began,) = struct.unpack_from("<I", data, end + 16)
        struct.pack_into("<I", data, end + 16, began + 20)
    else:
        struct.pack_into("<I", data, first + 42, 0x7FFF_FFFF)
    path.write_bytes(data)
    refused(path, "is not inside the file|is cut off or damaged|not where the archive says")


def test_a_long_chain_of_short_chains_is_nested_deeply_all_the_same(tmp_path):
    """Each part is met before the one that it hangs on, so no walk from the top is ever long."""
    links = b"]q\x000"
    archive(tmp_path / "w.pt", b"\x80\x02" + (b"]" * 400 + b"a" * 399) + b".")
    refused(tmp_path / "w.pt", "only a list")
    for i in range(4):
        links += b"]" * 400 + b"h%c" % i + b"a" * 400 + b"q%c0" % (i + 1)
    refused(archive(tmp_path / "w.pt", b"\x80\x02" + links + b"](h\x01h\x02h\x03h\x04e."), "deeper than 1000 levels")


def test_names_inside_wrappers_inside_wrappers_without_end_are_refused(tmp_path):
    torch.save({"module." * 1000 + "w.weight": torch.ones(2)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "a tensor's name has 7008 letters")


def test_more_tensors_than_any_network_has_are_refused(tmp_path):
    one = torch.ones(1)
    torch.save({f"w{i}": one for i in range(50_001)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "50001 tensors, at most 50000")


def test_many_arrays_over_the_same_bytes_are_refused(tmp_path):
    """As copies they would be a thousand times the file."""
    array = np.asfortranarray(np.ones((100, 100), np.float32))
    path = archive(tmp_path / "one.pt", pickle.dumps({f"w{i}": array for i in range(1000)}, 4))
    tensors = load_checkpoint(path).tensors
    assert len({tensor.data_ptr() for tensor in tensors.values()}) == 1

    class Again:
        def __init__(self, data):
            self.data = data

        def __reduce__(self):
            made = np.ones(1, np.float32).__reduce__()
            return made[0], made[1], (1, (len(self.data) // 4,), np.dtype("f4"), False, self.data)

    data = bytes(4000)
    path = archive(tmp_path / "many.pt", pickle.dumps({f"w{i}": Again(data) for i in range(1000)}, 4))
    refused(path, "its tensors take 4000000 bytes, the file has")


def test_onnx_weights_that_all_lie_in_the_same_place_are_refused(tmp_path):
    def tensor(i):
        made = TensorProto(name=f"w{i}", dims=[1000], data_type=1, data_location=1)
        for key, value in {"location": "w.onnx", "offset": "0", "length": "4000"}.items():
            made.external_data.add(key=key, value=value)
        return made

    path = tmp_path / "w.onnx"
    path.write_bytes(onnx_model([tensor(i) for i in range(1000)]).SerializeToString())
    refused(path, "its tensors take 4000000 bytes, the file has")


def test_arrays_of_the_other_byte_order_keep_their_values(tmp_path):
    saved = {"w": np.arange(4, dtype=">f4"), "n": np.arange(3, dtype=">i8")}
    tensors = load_checkpoint(archive(tmp_path / "w.pt", pickle.dumps(saved, 4))).tensors
    assert tensors["w"].tolist() == [0, 1, 2, 3]
    assert tensors["n"].tolist() == [0, 1, 2]


SAID = [
    {"inputs": "abc"},
    {"properties": "abc"},
    {"license": "MIT\nnetwork x"},
    {"inputs": [1], "properties": {"edge_pose": 5}, "license": {"a": 1}},
]


@pytest.mark.parametrize("said", SAID)
def test_what_a_file_says_about_itself_may_be_anything(tmp_path, said):
    torch.save({"model": {"w": torch.ones(2)}, **said}, tmp_path / "w.pt")
    assert inspect_file(tmp_path / "w.pt").inputs == {}
    (tmp_path / "w.safetensors").write_bytes(header({"__metadata__": said}))
    assert inspect_file(tmp_path / "w.safetensors").to_text()
    text = json.dumps(said).encode()
    (tmp_path / "w.engine").write_bytes(struct.pack("<I", len(text)) + text + b"ftrt" + bytes(24))
    assert inspect_file(tmp_path / "w.engine").to_text()


def test_a_file_cannot_write_the_lines_that_are_ours(tmp_path):
    said = {"network": "hrnet-w48", "licence": "MIT", "weights": "1 parameter", "warning": "none", "more": "kept"}
    (tmp_path / "w.safetensors").write_bytes(header({"__metadata__": said, "a": place()}, bytes(8)))
    text = inspect_file(tmp_path / "w.safetensors").to_text()
    assert "2 parameters in 1 tensors" in text
    assert "kept" in text
    assert not any(word in text for word in ("hrnet-w48", "MIT", "1 parameter ", "none"))


def test_numbers_that_json_has_not_are_told_as_text(tmp_path):
    torch.save({"model": {"w": torch.ones(2)}, "best": float("nan"), "huge": 10**5000, "epoch": 3}, tmp_path / "w.pt")
    inspection = inspect_file(tmp_path / "w.pt")
    assert json.loads(json.dumps(inspection.to_dict(), allow_nan=False))["metadata"]["best"] == "nan"
    assert inspection.metadata["epoch"] == 3
    assert "huge" not in inspection.metadata


def test_read_contents_of_an_honest_file_stay_what_they_were(tmp_path):
    """The limits above leave room for tied weights and for tuples, big numbers of 64 bits and names as keys."""
    tied = torch.ones(100)
    keys = {(1, 2): 0, ("a", 3): 1, 2**63: 2, torch.float32: 3, 1.5: 4, b"x": 5}
    torch.save({"model": {f"w{i}": tied for i in range(100)}, "keys": keys}, tmp_path / "w.pt")
    assert len(read_contents(tmp_path / "w.pt").tensors) == 100

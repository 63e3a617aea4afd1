"""Weight files made to hurt: nothing runs, nothing large is allocated, and the message says what is wrong."""

import io
import json
import os
import pickle
import stat
import struct
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from edge_pose.errors import CheckpointError
from edge_pose.models.checkpoints import load_checkpoint
from tests.models.test_checkpoints import onnx_model

WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}


def refused(path, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(path.name)
    return caught.value


class Runs:
    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize("container", ["torch-zip", "torch-legacy", "pickle"])
@pytest.mark.parametrize("where", ["beside", "inside", "instead"])
def test_code_in_a_checkpoint_does_not_run(tmp_path, monkeypatch, container, where):
    monkeypatch.chdir(tmp_path)
    saved = {"beside": {"state_dict": WEIGHTS, "x": Runs()}, "inside": {**WEIGHTS, "x": Runs()}, "instead": Runs()}[
        where
    ]
    path = tmp_path / "w.pt"
    if container == "pickle":
        path.write_bytes(pickle.dumps({"x": Runs(), "w": np.ones(2)} if where != "instead" else Runs()))
    else:
        torch.save(saved, path, _use_new_zipfile_serialization=container == "torch-zip")
    refused(path, r"refused: the pickle asks to call (posix|nt)\.system; only tensors and plain values are rebuilt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.pt"]


def test_the_code_would_run_if_anybody_let_it(tmp_path, monkeypatch):
    """Else the tests above would prove nothing."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Runs()))
    assert (tmp_path / "marker").exists()


# A pickle of one tensor, written by hand so that every number can be a lie.
STORAGE = b"(X\x07\x00\x00\x00storagectorch\n%s\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%stQ"


def number(value):
    return pickle.dumps(value, 2)[2:-1]


def one_tensor(offset=0, shape=(2, 3), stride=(3, 1), count=6, storage=b"FloatStorage"):
    sizes = number(offset) + number(shape) + number(stride)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE % (storage, number(count)) + sizes + b"\x89NtR"
    return b"\x80\x02}X\x01\x00\x00\x00w" + tensor + b"s."


SIX = (("data/0", np.arange(6, dtype=np.float32).tobytes()),)


def archive(path, data, entries=SIX, **options):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", data)
        for name, content in entries:
            made.writestr(f"archive/{name}", content, **options)
    return path


def test_the_hand_written_archive_is_read_when_it_tells_the_truth(tmp_path):
    got = load_checkpoint(archive(tmp_path / "w.pt", one_tensor())).tensors
    assert torch.equal(got["w"], torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"shape": (2, 4), "stride": (4, 1)}, "reaches to element 8, storage '0' has 6"),
        ({"offset": 1}, "reaches to element 7"),
        ({"stride": (3, 2)}, "reaches to element 8"),
        ({"stride": (1 << 40, 1)}, "reaches to element"),
        ({"stride": (1 << 62, 1)}, "sizes must be at most 1099511627776"),
        ({"shape": (1 << 40, 1 << 40), "stride": (0, 0)}, "repeats the 6 elements of its storage too often"),
        ({"shape": (1 << 70, 0), "stride": (0, 0)}, "sizes must be at most 1099511627776"),
        ({"shape": (1,) * 40, "stride": (1,) * 40}, "40 dimensions"),
        ({"shape": (2,)}, "1 dimensions and 2 strides"),
        ({"offset": -1}, "whole numbers from 0 on"),
        ({"shape": (-2, -3)}, "whole numbers from 0 on"),
        ({"stride": (-3, 1)}, "whole numbers from 0 on"),
        ({"shape": (2.0, 3.0)}, "whole numbers from 0 on"),
        ({"shape": (True, 3)}, "whole numbers from 0 on"),
        ({"shape": None}, "whole numbers from 0 on"),
        ({"offset": "0"}, "whole numbers from 0 on"),
        ({"count": 1 << 50}, "wants 4503599627370496 bytes of storage '0', which has 24 bytes"),
        ({"count": 5}, "wants 20 bytes of storage '0'"),
        ({"count": -1}, "has -1 elements"),
        ({"storage": b"DoubleStorage"}, "wants 48 bytes"),
        ({"storage": b"QInt8Storage"}, "type QInt8Storage cannot be read"),
        ({"storage": b"UntypedStorage"}, "wants 6 bytes"),
    ],
)
def test_tensors_that_reach_out_of_their_storage_are_refused(tmp_path, lie, message):
    refused(archive(tmp_path / "w.pt", one_tensor(**lie)), message)


@pytest.mark.parametrize(
    ("entries", "options", "message"),
    [
        ([], {}, "storage '0', which is missing"),
        ([("data/0", b"\0" * 24), ("data/0", b"\1" * 24)], {}, "two entries 'archive/data/0'"),
        ([("data/0", b"\0" * 24), ("data.pkl", b"")], {}, "two entries 'archive/data.pkl'"),
        ([("data/0", b"\0" * 24), ("more/data.pkl", b"")], {}, "2 data.pkl"),
        ([("data/0", b"\0" * (1 << 24))], {"compress_type": zipfile.ZIP_DEFLATED}, "is compressed"),
        ([("data/0", b"\0" * 24), ("byteorder", b"big")], {}, "big-endian"),
        ([("data/0", b"\0" * 24), ("constants.pkl", b"")], {}, "TorchScript"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_torch_would_not_write_are_refused(tmp_path, entries, options, message):
    refused(archive(tmp_path / "w.pt", one_tensor(), entries, **options), message)


def test_symbolic_links_in_an_archive_are_refused(tmp_path):
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", one_tensor())
        link = zipfile.ZipInfo("archive/data/0")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    refused(path, "'archive/data/0' is a symbolic link")


def test_entries_that_lie_over_each_other_are_refused(tmp_path):
    """A small file whose directory lists the same bytes a thousand times."""
    path = tmp_path / "w.pt"
    plain = archive(tmp_path / "plain.pt", one_tensor(), [("data/0", b"\0" * 5000)]).read_bytes()
    start = plain.rindex(b"PK\x01\x02")
    entry, end = plain[start : plain.rindex(b"PK\x05\x06")], plain[plain.rindex(b"PK\x05\x06") :]
    copies = b"".join(entry.replace(b"archive/data/0", b"archive/d%05d" % i) for i in range(1000))
    first = plain[plain.index(b"PK\x01\x02") : start]
    end = end[:8] + struct.pack("<HHI", 1001, 1001, len(first + copies)) + end[16:]
    path.write_bytes(plain[: plain.index(b"PK\x01\x02")] + first + copies + end)
    refused(path, r"bytes and claims to hold|cut off or damaged")


def test_a_damaged_storage_is_noticed(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    data = bytearray(path.read_bytes())
    at = data.index(torch.arange(500.0, 510.0).numpy().tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    refused(path, "is damaged")


def test_a_huge_pickle_is_not_even_read(tmp_path):
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as made, made.open("archive/data.pkl", "w", force_zip64=True) as entry:
        for _ in range(257):
            entry.write(bytes(1 << 20))
    refused(path, r"has 269484032 bytes, at most 268435456 are read")


def module(children, name="Net"):
    """A pickled module, by hand: children as pieces of a pickle."""
    state = b"}(X\x08\x00\x00\x00_modules}(" + children + b"uX\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_buffers}ub"
    return b"cnobody\n" + name.encode() + b"\n)\x81" + state


def test_a_module_that_contains_itself_is_refused(tmp_path):
    body = b"cnobody\nNet\n)\x81q\x01}(X\x08\x00\x00\x00_modules}X\x01\x00\x00\x00ah\x01sub"
    refused(archive(tmp_path / "w.pt", b"\x80\x02" + body + b"."), "contains itself")


def test_modules_shared_a_thousand_times_over_are_refused(tmp_path):
    """Forty levels of two references each: a thousand billion names."""
    levels = b"".join(
        module(b"X\x01\x00\x00\x00ah%cX\x01\x00\x00\x00bh%c" % (i, i)) + b"q%c0" % (i + 1) for i in range(40)
    )
    data = b"\x80\x02" + module(b"") + b"q\x000" + levels + b"h\x28."
    refused(archive(tmp_path / "w.pt", data), "more than 200000 modules")


@pytest.mark.parametrize("container", ["torch-zip", "torch-legacy", "safetensors", "onnx"])
def test_files_cut_off_or_changed_are_refused_or_read_never_worse(tmp_path, monkeypatch, container):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("w.onnx" if container == "onnx" else "w.safetensors" if container == "safetensors" else "w.pt")
    if container == "safetensors":
        safetensors.torch.save_file(WEIGHTS, path)
    elif container == "onnx":
        from onnx import numpy_helper

        tensors = [numpy_helper.from_array(value.numpy(), name) for name, value in WEIGHTS.items()]
        path.write_bytes(onnx_model(tensors).SerializeToString())
    else:
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = {"model": net, "ema": WEIGHTS, "names": ["a"], "array": np.arange(3)}
            torch.save(saved, path, _use_new_zipfile_serialization=container == "torch-zip")
    whole, refusals = path.read_bytes(), 0
    for seed in range(300):
        rng, data = np.random.default_rng(seed), bytearray(whole)
        if seed % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            for at in rng.integers(0, len(data), 1 + seed % 5):
                data[at] = rng.choice([0, 1, 0x7F, 0xFF, rng.integers(256)])
        path.write_bytes(data)
        try:
            load_checkpoint(path)
        except CheckpointError:
            refusals += 1
    assert refusals >= 100
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def header(text, data=b""):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(text)) + text + data


def place(begin=0, end=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header({"a": place(end=1 << 40, shape=(1 << 38,))}, bytes(8)), "header and tensors make"),
        (header({"a": place(), "b": place(4, 12)}, bytes(12)), "begins at byte 4, the one before ends at 8"),
        (header({"a": place(4, 12)}, bytes(12)), "begins at byte 4, the one before ends at 0"),
        (header({"a": place()}, bytes(12)), "header and tensors make"),
        (header({"a": place(shape=(3,))}, bytes(8)), r"shape \(3,\) of F32, but 8 bytes"),
        (header({"a": place(shape=(-2,))}, bytes(8)), "whole numbers from 0 on"),
        (header({"a": place(shape=(2.0,))}, bytes(8)), "whole numbers from 0 on"),
        (header({"a": place(shape="2")}, bytes(8)), "shape"),
        (header({"a": place(dtype="F8_E4M3")}, bytes(8)), "type 'F8_E4M3'; known are F64"),
        (header({"a": place(dtype=[])}, bytes(8)), "type"),
        (header({"a": {}}), "needs dtype, shape and data_offsets"),
        (header({"a": 5}), "needs dtype, shape and data_offsets"),
        (header(b'{"a": 1, "a": 2}'), "a key appears twice"),
        (header(b"{" * 200_000), "no JSON"),
        (struct.pack("<Q", 1 << 60) + b"{}", "no weight file|its header wants"),
        (b"{}", "no JSON|its header wants|no weight file"),
    ],
)
def test_safetensors_that_lie_are_refused(tmp_path, data, message):
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    refused(path, message)


def test_an_empty_file_is_refused_whatever_its_name(tmp_path):
    for suffix in (".pt", ".pth", ".safetensors", ".onnx", ".tflite", ".engine"):
        (tmp_path / f"w{suffix}").write_bytes(b"")
        refused(tmp_path / f"w{suffix}", "empty|cut off|no TFLite|its header wants|an engine")


def test_the_archive_of_numpy_is_no_checkpoint(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, w=np.ones(2))
    (tmp_path / "w.npz").write_bytes(buffer.getvalue())
    refused(tmp_path / "w.npz", "0 data.pkl")

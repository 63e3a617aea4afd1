"""The pickle machine: values come back, nothing runs, and whatever asks for more is refused by name."""

import argparse
import collections
import functools
import importlib
import io
import operator
import os
import pathlib
import pickle
import runpy
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from edge_pose.errors import CheckpointError
from edge_pose.models.inert import Global, Record
from edge_pose.models.rebuild import NumpyArray, rebuilders
from edge_pose.models.unpickle import unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(data):
    return unpickle(io.BytesIO(data), rebuilders())


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, called, *args):
        self.called = called, args

    def __reduce__(self):
        return self.called


class Plain:
    """An ordinary class of nobody's."""

    def __init__(self):
        self.number, self.text = 3, "three"


class Slotted:
    __slots__ = ("left", "right")


VALUES = [
    None,
    True,
    [False, 0, -1, 255, 65536, -(2**31), 2**31, 2**200, -(2**200)],
    [0.0, -1.5, float("inf"), 1e-300],
    ["", "text", "täxt \U0001f3c3", b"", b"bytes\x00\xff", "x" * 300, b"y" * 300],
    ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    {"a": {"b": {}}, 1: [], (1, "two"): 2.0, None: None},
    {1, 2, 3},
    frozenset({"a", "b"}),
    bytearray(b"bytes"),
    complex(1, -2),
    slice(1, 2, 3),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_plain_values_come_back(value, protocol):
    got = read(pickle.dumps(value, protocol))
    assert got == value
    assert type(got) in (type(value), set)  # a frozen set may come back as a set


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_objects_stay_one(protocol):
    inner = ["shared"]
    got = read(pickle.dumps([inner, inner, {"k": inner}], protocol))
    assert got[0] is got[1] is got[2]["k"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_comes_back_as_arrays_and_numbers(protocol):
    arrays = [np.arange(6).reshape(2, 3).astype(dtype) for dtype in ("f4", ">f8", "i8", "u1", "?")]
    got = read(pickle.dumps([*arrays, np.asfortranarray(arrays[0]), np.float32(1.5), np.empty((0, 4))], protocol))
    for array, wanted in zip(got[:6], [*arrays, arrays[0]], strict=True):
        assert isinstance(array, NumpyArray)
        np.testing.assert_array_equal(array.array, wanted)
    assert got[6] == 1.5
    assert got[7].array.shape == (0, 4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_instances_of_unknown_classes_are_records_of_their_state(protocol):
    slotted = Slotted()
    slotted.left, slotted.right = 1, [2]
    things = [Plain(), argparse.Namespace(lr=0.1), types.SimpleNamespace(a=1), pathlib.PurePosixPath("a/b")]
    got = read(pickle.dumps([*things, *([slotted] if protocol >= 2 else [])], protocol))
    assert all(isinstance(thing, Record) for thing in got)
    assert got[0].kind == Global(__name__, "Plain")
    assert got[0].state == {"number": 3, "text": "three"}
    assert (got[1].state, got[2].state) == ({"lr": 0.1}, {"a": 1})
    assert got[3].args[-2:] == ("a", "b") or got[3].args == ("a/b",)
    assert protocol < 2 or got[4].state == {"left": 1, "right": [2]}


def test_names_that_are_only_mentioned_stay_names():
    assert read(pickle.dumps([os.system, torch.float32, Plain])) == [
        Global(os.system.__module__, "system"),
        Global("torch", "float32"),
        Global(__name__, "Plain"),
    ]


def test_a_dict_of_containers_that_python_calls(tmp_path):
    value = [collections.OrderedDict(a=1), collections.defaultdict(list, b=2), collections.Counter("aab")]
    assert read(pickle.dumps([*value, collections.deque([1, 2])])) == [{"a": 1}, {"b": 2}, {"a": 2, "b": 1}, [1, 2]]


MARKER = "marker"
HOSTILE = [
    (os.system, (f"touch {MARKER}",)),
    (eval, (f"open({MARKER!r}, 'w')",)),
    (exec, (f"open({MARKER!r}, 'w')",)),
    (open, (MARKER, "w")),
    (getattr, (os, "system")),
    (__import__, ("antigravity",)),
    (print, ("called",)),
    (subprocess.Popen, (["touch", MARKER],)),
    (subprocess.check_output, (["touch", MARKER],)),
    (pathlib.Path.touch, (pathlib.PurePosixPath(MARKER),)),
    (os.mkdir, (MARKER,)),
    (shutil.copyfile, ("/etc/hostname", MARKER)),
    (runpy.run_path, (MARKER,)),
    (importlib.import_module, ("antigravity",)),
    (functools.partial, (os.system, f"touch {MARKER}")),
    (functools.reduce, (operator.add, [1, 2])),
    (operator.attrgetter, ("system",)),
    (operator.methodcaller, ("touch",)),
    (type, ("Made", (), {})),
    (map, (os.system, [f"touch {MARKER}"])),
    (io.FileIO, (MARKER, "w")),
    (np.save, (MARKER, [1])),
    (np.memmap, (MARKER, "uint8", "w+", 0, (4,))),
    (torch.load, (MARKER,)),
    (torch.save, ([], MARKER)),
    (torch.hub.load, ("a", "b")),
    (torch.zeros, (2,)),
    (torch._utils._rebuild_qtensor, (1,)),
    (torch.storage._load_from_bytes, (b"",)),
    (torch.jit.load, (MARKER,)),
]


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize(("called", "args"), HOSTILE, ids=[f"{c.__module__}.{c.__qualname__}" for c, _ in HOSTILE])
def test_calls_are_refused_by_name_and_nothing_runs(tmp_path, monkeypatch, called, args, protocol):
    monkeypatch.chdir(tmp_path)
    args = tuple("os" if isinstance(arg, types.ModuleType) else arg for arg in args)
    data = pickle.dumps({"weights": [1.0], "payload": Calls(called, *args)}, protocol)
    imported = set(sys.modules)
    with pytest.raises(CheckpointError, match="refused: the pickle asks to call") as caught:
        read(data)
    assert called.__qualname__.split(".")[0] in str(caught.value) or "getattr" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert set(sys.modules) == imported


SYSTEM = b"cposix\nsystem\n"
TOUCH = b"X\x0c\x00\x00\x00touch marker"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"(" + TOUCH + b"iposix\nsystem\n.", "asks to call posix.system"),  # INST
        (b"(" + SYSTEM + TOUCH + b"o.", "asks to call posix.system"),  # OBJ
        (b"\x80\x02" + SYSTEM + TOUCH + b"\x85\x81.", "asks to make a posix.system"),  # NEWOBJ
        (b"\x80\x04" + SYSTEM + TOUCH + b"\x85}\x92.", "asks to make a posix.system"),  # NEWOBJ_EX
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + TOUCH + b"\x85R.", "asks to call posix.system"),  # STACK_GLOBAL
        (b"ccopyreg\n_reconstructor\n(" + SYSTEM + b"cbuiltins\nobject\nNtR.", "asks to make a posix.system"),
        (b"ccopyreg\n__newobj__\n(" + SYSTEM + TOUCH + b"tR.", "asks to make a posix.system"),
        (b"\x80\x02\x82\x01.", "EXT1"),  # the extension registry of copyreg
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"Pid\n.", "PERSID"),
        (b"\x80\x02NQ.", "refers to data outside itself"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n}X\x04\x00\x00\x00evilNsb.", "sets the state of a Global"),  # BUILD
        (b"(lp0\n}b.", "sets the state of a list"),
        (b"cbuiltins\nset\n(tR(tR.", "calls a set that it made itself"),
        (b"cevil\nThing\n(tR(tR.", "calls a Record that it made itself"),
        (b"cevil\nThing\n)\x81)\x81.", "makes an instance of a Record"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(" + SYSTEM + b"N(" + TOUCH + b"tNtR.", "asks to call posix.system"),
        (b"ctorch._utils\n_rebuild_parameter\n(NI01\nNtR.", "a parameter holds a NoneType"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))NtR.", "a tensor is a view of a NoneType"),
    ],
)
def test_opcodes_by_hand_are_refused_too(tmp_path, monkeypatch, data, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        read(data)
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_the_file_names_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_on_import.py").write_text("import pathlib\npathlib.Path('marker').touch()\nclass Model: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    got = read(b"\x80\x02cevil_on_import\nModel\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert (str(got.kind), got.state) == ("evil_on_import.Model", {"a": 1})
    assert "evil_on_import" not in sys.modules
    assert not (tmp_path / "marker").exists()


def deep(levels):
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def test_absurd_nesting_is_refused():
    assert read(deep(900)) is not None
    with pytest.raises(CheckpointError, match="nested deeper than 1000 levels"):
        read(deep(200_000))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02]q\x00h\x00a.",  # a list in itself
        b"\x80\x02}q\x00K\x01h\x00s.",  # a dict in itself
        b"\x80\x02]q\x00h\x00\x85a.",  # a list in a tuple in itself
    ],
)
def test_containers_that_contain_themselves_are_refused(data):
    with pytest.raises(CheckpointError, match="contains itself"):
        read(data)


def test_objects_that_refer_back_are_kept():
    """As trees of modules do; whoever walks them looks out."""
    got = read(b"\x80\x02cmodel\nPart\n)\x81q\x00}X\x02\x00\x00\x00meh\x00sb.")
    assert got.state["me"] is got


def doubled(first, levels, close):
    """Each level holds the one before twice: 2**levels parts, if anybody counts them."""
    pairs = b"".join(b"(h%ch%c%sq%c0" % (i, i, close, i + 1) for i in range(levels))
    return first + b"q\x000" + pairs + b"h%c" % levels


def test_a_billion_laughs_take_no_time():
    assert len(read(b"\x80\x02" + doubled(b"]", 100, b"l") + b".")) == 2


def test_a_key_whose_hash_would_take_for_ever_is_refused():
    with pytest.raises(CheckpointError, match="uses a tuple as a key"):
        read(b"\x80\x02}" + doubled(b"K\x01", 100, b"t") + b"K\x01s.")
    with pytest.raises(CheckpointError, match="uses a tuple as a key"):
        read(b"\x80\x04\x8f(" + doubled(b"K\x01", 100, b"t") + b"\x90.")


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x02", b".", b"\x80\x02K", b"\x80\x02]q\x00", b"\xff\x00", b"t.", b"0.", b"h\x05."]
)
def test_broken_pickles_are_refused(data):
    with pytest.raises(CheckpointError, match="cut off or damaged"):
        read(data)


def test_bytes_changed_at_random_are_refused_or_read_never_worse(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = {
        "model": torch.nn.Linear(2, 2).state_dict(),
        "thing": Plain(),
        "array": np.arange(4.0),
        "names": {"a": [1, (2, 3)]},
    }
    for protocol in (0, 2, 4):
        whole = pickle.dumps({**model, "model": None}, protocol)
        for seed in range(400):
            rng, data = np.random.default_rng(seed), bytearray(whole)
            for at in rng.integers(0, len(data), 3):
                data[at] = rng.integers(256)
            try:
                read(bytes(data))
            except CheckpointError as err:
                assert str(err)
    assert list(tmp_path.iterdir()) == []

"""Opening the batch of a file that takes one row at a time: the same answers, or the file as it is."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_pose.backends import open_backend, rebatch
from edge_pose.backends.rebatch import files_of, open_batch
from tests import tiny


def shuffling(path, *, honest=True):
    """Reshape and resize with sizes of one row, as exporters write them; dishonest: a sum over the rows."""
    nodes = [
        helper.make_node("Reshape", ["image", "five"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["t", "four"], ["u"]),
        helper.make_node("Resize", ["u", "", "", "sizes"], ["v"], mode="nearest"),
        helper.make_node("Identity", ["v"], ["out"]) if honest else helper.make_node("CumSum", ["v", "axis"], ["out"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(values, np.int64), name)
        for name, values in {"five": [1, 2, 2, 4, 4], "four": [1, 4, 4, 4], "sizes": [1, 4, 8, 8]}.items()
    ]
    if not honest:
        constants.append(numpy_helper.from_array(np.int64(0), "axis"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 4, 4])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, 8, 8])
    return tiny.save(path, nodes, [image], [out], constants)


def test_the_batch_is_opened_once(tmp_path):
    path = shuffling(tmp_path / "m.onnx")
    before = path.read_bytes()
    opened = open_batch(path, tmp_path / "cache")
    assert opened is not None
    assert path.read_bytes() == before
    rows = np.random.default_rng(0).uniform(size=(5, 4, 4, 4)).astype(np.float32)
    one, many = (open_backend(p, device="cpu", threads=1) for p in (path, opened))
    together = many.run(rows)[0]
    for i in range(5):
        np.testing.assert_array_equal(together[i], one.run(rows[i : i + 1])[0][0])
    stamp = opened.stat().st_mtime_ns
    assert open_batch(path, tmp_path / "cache") == opened
    assert opened.stat().st_mtime_ns == stamp


def test_weights_beside_the_file_belong_to_it(tmp_path):
    """Trained again, the file that names them is the same to the byte."""
    (tmp_path / "m.data").touch()
    image, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("image", "out"))
    answers, graphs = [], set()
    for factor in (1, 2):
        weights = numpy_helper.from_array(np.full((3, 3), factor, np.float32), "w")
        path = tiny.save(
            tmp_path / "m.onnx", [helper.make_node("MatMul", ["image", "w"], ["out"])], [image], [out], [weights]
        )
        model = onnx.load(path)
        (tmp_path / "m.data").unlink()
        onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
        assert files_of(path) == [path, tmp_path / "m.data"]
        graphs.add(path.read_bytes())
        with contextlib.closing(open_backend(open_batch(path, tmp_path / "cache"), device="cpu", threads=1)) as engine:
            answers.append(engine.run(np.ones((2, 3), np.float32))[0])
    assert len(graphs) == 1
    np.testing.assert_array_equal(answers[1], 2 * answers[0])


def test_opened_by_several_threads_at_once(tmp_path, monkeypatch):
    path, same = shuffling(tmp_path / "m.onnx"), rebatch._same
    together = threading.Barrier(4, timeout=30)

    def checked(one, many):
        together.wait()  # until all have written
        return same(one, many)

    monkeypatch.setattr(rebatch, "_same", checked)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(open_batch, [path] * 4, [tmp_path / "cache"] * 4))
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".onnx"]
    assert found == [next((tmp_path / "cache").iterdir())] * 4


def test_rows_that_are_mixed_keep_their_batch_of_one(tmp_path):
    path = shuffling(tmp_path / "m.onnx", honest=False)
    assert open_batch(path, tmp_path / "cache") is None
    left = [p.suffix for p in (tmp_path / "cache").iterdir()]
    assert left == [".refused"]
    assert open_batch(path, tmp_path / "cache") is None


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert open_batch(shuffling(tmp_path / "m.onnx"), tmp_path / "file" / "cache") is None


def test_real_network(asset, tmp_path):
    path = asset("models/pp_tinypose_256x192.onnx")
    opened = open_batch(path, tmp_path)
    assert opened is not None
    assert onnx.load(opened).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    rows = np.random.default_rng(0).standard_normal((3, 3, 256, 192)).astype(np.float32)
    one, many = (open_backend(p, device="cpu", threads=1) for p in (path, opened))
    together = many.run(rows)[0]
    for i in range(3):
        np.testing.assert_allclose(together[i], one.run(rows[i : i + 1])[0][0], atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"text"])
def test_what_is_no_model(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    assert open_batch(tmp_path / "x.onnx", tmp_path / "cache") is None

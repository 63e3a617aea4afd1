"""Rows shared among threads: the answers of one network, whatever the number of rows, lanes and failures."""

import os
import signal
import threading

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_pose.backends import open_backend
from edge_pose.backends.base import TensorInfo
from edge_pose.backends.lanes import MAX_BYTES, Lanes, in_lanes
from edge_pose.backends.onnxruntime import OnnxRuntime
from edge_pose.errors import BackendError
from tests import tiny


class Doubling:
    """A backend that doubles its rows and says who asked."""

    engine, device, metadata = "onnxruntime", "cpu", {}

    def __init__(self, rows=None, fail_at=None):
        self.inputs = (TensorInfo("image", (rows, 3), "float32"),)
        self.outputs = (TensorInfo("out", (rows, 3), "float32"), TensorInfo("sum", (rows,), "float32"))
        self.fail_at, self.calls, self.threads, self.closed = fail_at, [], set(), False

    def run(self, batch):
        self.calls.append(len(batch))
        self.threads.add(threading.get_ident())
        if self.inputs[0].shape[0] == 1:
            assert len(batch) == 1
        if self.fail_at is not None and self.fail_at in batch:
            raise BackendError("no such row")
        return [batch * 2, batch.sum(axis=1)]

    def close(self):
        self.closed = True


def means(path):
    """One row at a time: the mean of each picture."""
    nodes = [helper.make_node("ReduceMean", ["image"], ["out"], axes=[1, 2], keepdims=0)]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 4])
    return tiny.save(path, nodes, [image], [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])])


def rows_of(n):
    return np.arange(3 * n, dtype=np.float32).reshape(n, 3)


@pytest.mark.parametrize("fixed", [None, 1])
@pytest.mark.parametrize("lanes", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 20])
def test_rows_come_back_in_order(n, lanes, fixed):
    whole, single = Doubling(fixed), Doubling(fixed)
    shared = Lanes(whole, single, lanes)
    assert shared.inputs[0].shape == (None, 3)
    doubled, sums = shared.run(rows_of(n))
    np.testing.assert_array_equal(doubled, rows_of(n) * 2)
    np.testing.assert_array_equal(sums, rows_of(n).sum(axis=1))
    assert sum(whole.calls) + sum(single.calls) == n
    assert sum(whole.calls) == (n == 1 or (n > lanes and n % lanes == 1))
    shared.close()
    assert whole.closed
    assert single.closed


def test_a_failing_row_is_the_caller_s_error_and_the_next_batch_runs():
    shared = Lanes(Doubling(), Doubling(fail_at=4.0), 2)
    for n in (2, 4):
        with pytest.raises(BackendError, match="no such row"):
            shared.run(rows_of(n))
    with pytest.raises(BackendError, match="no such row"):
        shared.run(rows_of(4)[::-1].copy())
    np.testing.assert_array_equal(shared.run(rows_of(5)[3:])[0], rows_of(5)[3:] * 2)
    shared.close()


def test_one_network_for_all_lanes(tmp_path):
    path = means(tmp_path / "m.onnx")
    whole = open_backend(path, device="cpu", threads=2)
    opened = []

    def again():
        opened.append(open_backend(path, device="cpu", threads=1))
        return opened[0]

    shared = in_lanes(whole, path, 2, again)
    batch = np.random.default_rng(0).random((5, 4, 4)).astype(np.float32)
    alone = np.concatenate([whole.run(row[None])[0] for row in batch])
    np.testing.assert_array_equal(shared.run(batch)[0], alone)
    np.testing.assert_allclose(alone, batch.mean(axis=(1, 2)), rtol=1e-6)
    assert shared.rows == 4
    shared.close()
    with pytest.raises(BackendError, match="closed"):
        shared.run(batch)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("fixed", [None, 1])
def test_what_is_closed_says_so_even_while_its_networks_are_open(n, fixed):
    shared = Lanes(Doubling(fixed), Doubling(fixed), 2)
    shared.close()
    with pytest.raises(BackendError, match="has been closed"):
        shared.run(rows_of(n))


def test_closed_by_another_thread_when_half_of_the_batch_is_shared_out():
    shared = Lanes(Doubling(), Doubling(), 3)
    shared._threads.shutdown()
    with pytest.raises(BackendError, match="has been closed"):
        shared.run(rows_of(6))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_lanes_of_its_own():
    shared = Lanes(Doubling(), Doubling(), 3)
    wanted = shared.run(rows_of(6))[0]
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # where it waits for threads that are the parent's
        os._exit(0 if np.array_equal(shared.run(rows_of(6))[0], wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0
    shared.close()


def test_an_engine_that_is_closed_while_it_begins_to_run(tmp_path):
    class Closing(OnnxRuntime):
        """Another thread closes it right after the first look."""

        @property
        def _session(self):
            session, self.kept = self.kept, None
            return session

    engine = open_backend(means(tmp_path / "m.onnx"), device="cpu", threads=1)
    engine.kept, engine.__class__ = engine._session, Closing
    np.testing.assert_array_equal(engine.run(np.ones((1, 4, 4), np.float32))[0], [1])
    with pytest.raises(BackendError, match="has been closed"):
        engine.run(np.ones((1, 4, 4), np.float32))


def test_where_lanes_are_of_no_use(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    assert in_lanes(Doubling(), path, 1, Doubling) is None
    for name, value in [("engine", "openvino"), ("device", "cuda"), ("inputs", ())]:
        other = Doubling()
        setattr(other, name, value)
        assert in_lanes(other, path, 2, Doubling) is None
    assert in_lanes(Doubling(4), path, 2, Doubling) is None
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    assert in_lanes(Doubling(), path, 2, Doubling) is None
    path.write_bytes(b"\n\x08location\x12\x06m.data")  # as ONNX says where the weights are
    with (tmp_path / "m.data").open("wb") as file:
        file.truncate(MAX_BYTES)
    assert in_lanes(Doubling(), path, 2, Doubling) is None

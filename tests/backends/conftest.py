"""A machine with a stand-in of TensorRT, and a cache of engines of its own."""

import pytest

from tests.tensorrt_standin.rebuild import prepare


@pytest.fixture
def world(monkeypatch, tmp_path):
    return prepare(monkeypatch, tmp_path)


@pytest.fixture
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))

"""The same work on a Ray cluster: one of two CPUs on this machine."""

import contextlib
import importlib.util
import warnings

import pytest

from edge_pose.errors import ExtractionError, MissingDependencyError
from edge_pose.extract import Options, extract
from tests import extract_folder as sets
from tests.extract_folder import lines, tree


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    sets.small_set(tmp_path / "in")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-pose\[ray\]'"):
        extract(tmp_path / "in", tmp_path / "out", Options(sets.model(tmp_path)), ray="auto")


@pytest.fixture(scope="module")
def cluster():
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own parts
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray
        with contextlib.suppress(Exception):
            ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_a_cluster(cluster, tmp_path):
    folder = sets.small_set(tmp_path / "in")
    (folder / "bad.mp4").write_bytes(bytes(100))
    model = sets.model(tmp_path)
    report = extract(folder, tmp_path / "here", Options(model), workers=1)
    assert [failure.key for failure in report.failures] == ["bad.mp4"]
    report = extract(folder, tmp_path / "there", Options(model), workers=2, ray="auto")
    assert (report.done, report.frames, [failure.key for failure in report.failures]) == (5, 27, ["bad.mp4"])
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    for name in tree(tmp_path / "here"):
        assert lines(tmp_path / "there" / name) == lines(tmp_path / "here" / name)
    assert extract(folder, tmp_path / "there", Options(model), ray="auto").before == 5
    assert cluster.is_initialized()  # the program's own connection stays

    spec = tmp_path / "wrong.toml"
    spec.write_text('name = "x"')
    with pytest.raises(ExtractionError, match="missing field"):
        extract(folder, tmp_path / "wrong", Options(model, spec=str(spec)), ray="auto")

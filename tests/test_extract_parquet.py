"""Parquet: what a data frame sees."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_pose import COCO17, Frame, Poses
from edge_pose.errors import MissingDependencyError, OutputError
from edge_pose.extract import Options, extract
from edge_pose.extract import parquet as module
from edge_pose.extract.parquet import ParquetSink
from tests import extract_folder as sets

parquet = pytest.importorskip("pyarrow.parquet")


def frame(index, source="v.mp4"):
    return Frame(np.zeros((4, 4, 3), np.uint8), index / 25, index, source)


def two():
    xy = np.arange(68, dtype=np.float32).reshape(2, 17, 2)
    boxes = np.float32([[1, 2, 3, 4], [5, 6, 7, 8]])
    return Poses(xy, np.full((2, 17), 0.5, np.float32), boxes, np.float32([0.9, 0.8]), np.array([3, -1]))


def test_a_row_a_person_and_one_for_nobody(tmp_path):
    with ParquetSink(tmp_path / "v.parquet", COCO17) as sink:
        sink.write(frame(0), two(), {})
        sink.write(frame(1), Poses.empty(), {})
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column("frame").to_pylist() == [0, 0, 1]
    assert table.column("person").to_pylist() == [0, 1, None]
    assert table.column("id").to_pylist() == [3, -1, None]
    assert table.column("file").to_pylist() == [None] * 3
    assert table.column("box").to_pylist() == [[1, 2, 3, 4], [5, 6, 7, 8], None]
    keypoints = np.array(table.column("keypoints").to_pylist()[:2]).reshape(2, 17, 3)
    assert np.array_equal(keypoints[..., :2], two().xy)
    about = json.loads(table.schema.metadata[b"edge_pose"])
    assert (about["joints"], len(about["edges"])) == (list(COCO17.joints), 19)


def test_types(tmp_path):
    ParquetSink(tmp_path / "v.parquet", COCO17).close()
    table = parquet.read_table(tmp_path / "v.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "frame": "int64", "time_s": "double", "file": "string", "person": "int32", "id": "int64", "score": "float",
        "box": "fixed_size_list<element: float>[4]", "keypoints": "fixed_size_list<element: float>[51]",
    }  # fmt: skip
    assert table.num_rows == 0


def test_long_videos_are_written_as_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 10)
    with ParquetSink(tmp_path / "v.parquet", COCO17) as sink:
        for i in range(23):
            sink.write(frame(i), two(), {})
            assert not (tmp_path / "v.parquet").exists()
    file = parquet.ParquetFile(tmp_path / "v.parquet")
    assert (file.metadata.num_rows, file.num_row_groups) == (46, 5)


def test_what_is_not_finite_and_names_that_are_not_utf8(tmp_path):
    odd = replace(two(), xy=np.full((2, 17, 2), np.nan, np.float32))
    with ParquetSink(tmp_path / "v.parquet", COCO17, stills=True) as sink:
        sink.write(frame(0, "\udcff.png"), odd, {})
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column("file").to_pylist() == ["\\udcff.png"] * 2
    assert np.isnan(table.column("keypoints").to_pylist()[0][0])


def test_given_up_it_leaves_nothing(tmp_path):
    def fail():
        with ParquetSink(tmp_path / "v.parquet", COCO17) as sink:
            sink.write(frame(0), two(), {})
            sink._flush()
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path):
    sink = ParquetSink(tmp_path / "v.parquet", COCO17)
    sink.write(frame(0), two(), {})
    (tmp_path / ".v.part.parquet").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        sink.close()


def test_an_extraction(tmp_path):
    folder = sets.small_set(tmp_path / "in")
    extract(folder, tmp_path / "out", Options(sets.model(tmp_path), format="parquet", track=True), workers=1)
    assert sets.tree(tmp_path / "out")[:2] == ["a.parquet", "images.parquet"]
    table = parquet.read_table(tmp_path / "out/a.parquet")
    assert (table.num_rows, set(table.column("id").to_pylist())) == (24, {1, 2})
    assert parquet.read_table(tmp_path / "out/images.parquet").column("file").to_pylist()[0] == "9.png"


def test_without_pyarrow_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-pose\[parquet\]'"):
        Options(model="x", format="parquet")

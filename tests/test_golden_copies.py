"""The reference vectors in the repository: small, listed with their origin, and the same as the full set."""

import re

import pytest

from tests.conftest import HERE, SHARED, missing

COPIES = sorted(path for path in (HERE / "golden").iterdir() if path.suffix in {".npz", ".json"})


def test_they_are_small():
    assert sum(path.stat().st_size for path in COPIES) <= 5_000_000


def test_each_is_listed_with_its_size():
    listed = {}
    for names, kilobytes in re.findall(
        r"^\| ([^|]+) \| (\d+) \|", (HERE / "golden/README.md").read_text(encoding="utf-8"), re.MULTILINE
    ):
        files, stem = [], ""
        for name in names.split(", "):
            stem = name.partition(".")[0] or stem
            files.append(name if name.partition(".")[0] else stem + name)
        listed[tuple(files)] = int(kilobytes)
    assert sorted(file for files in listed for file in files) == [path.name for path in COPIES]
    for files, kilobytes in listed.items():
        assert kilobytes == pytest.approx(sum((HERE / "golden" / f).stat().st_size for f in files) / 1000, abs=1)


def test_they_are_copies():
    if not (SHARED / "golden").is_dir():
        missing("the full set of reference vectors")
    here_only = [path.name for path in COPIES if not (SHARED / "golden" / path.name).is_file()]
    assert here_only == ["tensorrt_api.json"]  # of no pose project: TensorRT's names
    for path in COPIES:
        if path.name not in here_only:
            assert path.read_bytes() == (SHARED / "golden" / path.name).read_bytes(), path.name

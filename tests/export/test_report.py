"""The report of an export: a document for machines, a table for people, and times taken side by side."""

import io
import json

import pytest
from rich.console import Console

from edge_pose.errors import OutputError
from edge_pose.export.report import Report


def report(**fields) -> Report:
    given = {
        "model": "a-fp16",
        "target": "cpu",
        "precision_asked": "fp16",
        "files": {"model": "out/a-fp16.onnx"},
        "size_bytes": 2_500_000,
        "float_size_bytes": 5_000_000,
        "parameters": 1_250_000,
        "precision": {"default": "float16", "decoding": "float32", "/c/Conv": "float32"},
        "latency_ms": {"float32": (10.0, 12.0), "float16": (5.0, 6.0)},
        "seconds": 1.5,
        "license": "Apache-2.0",
        "engine": "openvino",
        "agreement": {"p95_px": 0.125, "ap_float": 0.4806, "gated": 0.0},
        "reverted": {"/c/Conv": "joints moved 0.86 px [worst]"},
        "notes": ("Look.",),
    }
    return Report(**(given | fields))


def shown(document: Report) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(document.table())
    return console.file.getvalue()


def test_the_document_has_everything(tmp_path):
    report().write(tmp_path / "a-fp16.report.json")
    document = json.loads((tmp_path / "a-fp16.report.json").read_text())
    assert document["latency_ms"] == {"float32": [10.0, 12.0], "float16": [5.0, 6.0]}
    assert document["reverted"] == {"/c/Conv": "joints moved 0.86 px [worst]"}
    assert document["machine"]
    assert set(document) == {*Report.__slots__}


@pytest.mark.parametrize(
    "fact",
    [
        "2.50 MB (50% of float)",
        "1.25 million",
        "float16, 2 parts float32",
        "p50 10.00 ms, p95 12.00 ms\n",
        "p50 5.00 ms, p95 6.00 ms, 2.00x",
        "0.125",
        "accuracy gate    off",
        "fastest engine   openvino",
        "/c/Conv: joints moved 0.86 px [worst]",  # brackets are no markup
        "Apache-2.0",
        "out/a-fp16.onnx",
        "Look.",
    ],
)
def test_the_table_shows(fact):
    lines = "\n".join(line.rstrip() for line in shown(report()).splitlines()) + "\n"
    assert fact in lines


def test_a_long_list_is_cut_and_says_so():
    text = shown(report(reverted={f"/c{i}/Conv": "why" for i in range(20)}))
    assert text.count("/Conv: why") == 6
    assert "and 14 more" in text


def test_nothing_measured_and_no_licence():
    text = shown(report(license="", agreement={}, latency_ms={}, reverted={}, notes=()))
    assert "unknown" in text
    assert "latency" not in text


def test_a_folder_that_is_not_there_for_good(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*r\.json"):
        report().write(tmp_path / "file" / "r.json")

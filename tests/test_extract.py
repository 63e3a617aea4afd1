"""Extraction in processes of this machine: what comes out, and what survives."""

import errno
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge_pose.errors import ExtractionError, ModelNotFoundError, OutputError, SourceError
from edge_pose.extract import Options, extract
from edge_pose.extract.crew import Order, work_here
from edge_pose.extract.items import find_items
from edge_pose.extract.job import Task, Worker
from tests import extract_folder as sets
from tests.extract_folder import lines, tree


@pytest.fixture
def options(tmp_path):
    return Options(model=sets.model(tmp_path))


@pytest.fixture
def folder(tmp_path):
    return sets.small_set(tmp_path / "in")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def workers() -> list[int]:
    """Process ids of this process's workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"edge_pose.extract.worker" in command:
            found.append(int(path.parent.name))
    return found


def test_every_item_becomes_a_file(folder, out, options):
    report = extract(folder, out, options, workers=2)
    assert tree(out) == ["a.jsonl", "images.jsonl", "sub/a.jsonl", "sub/b.jsonl", "sub/images.jsonl"]
    assert (report.done, report.frames, report.people, report.failures) == (5, 27, 54, [])
    assert report.share == 1
    frames = lines(out / "sub/a.jsonl")
    assert [frame["frame"] for frame in frames] == list(range(7))
    assert [person["score"] for person in frames[0]["people"]] == [0.9, 0.6]
    pictures = lines(out / "images.jsonl")
    assert [(row["frame"], row["file"]) for row in pictures] == [(0, "9.png"), (1, "10.png")]
    assert [row["file"] for row in lines(out / "sub/images.jsonl")] == ["sub/deep one.jpg"]
    assert not workers()


def test_lines_are_those_of_run(folder, out, options, tmp_path):
    from edge_pose.cli import main

    extract(folder, out, options, workers=1)
    assert main(["run", options.model, str(folder / "a.avi"), "--json", str(tmp_path / "run.jsonl")]) == 0
    assert lines(out / "a.jsonl") == lines(tmp_path / "run.jsonl")


def test_what_is_done_is_not_done_again(folder, out, options):
    extract(folder, out, options, workers=1)
    before = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    report = extract(folder, out, options, workers=1)
    assert (report.items, report.before, report.done) == (0, 5, 0)
    assert {name: (out / name).stat().st_mtime_ns for name in tree(out)} == before


def test_changed_lost_and_damaged_items_are_done_again(folder, out, options):
    extract(folder, out, options, workers=1)
    sets.video(folder / "a.avi", 3)
    sets.picture(folder / "11.png")
    (out / "sub/a.jsonl").unlink()
    (out / "sub/b.jsonl").write_text("{}\n")
    report = extract(folder, out, options, workers=1)
    assert (report.before, report.done) == (1, 4)
    assert [len(lines(out / name)) for name in tree(out)] == [3, 3, 7, 5, 1]


def test_a_failure_stops_nothing_and_is_tried_again(folder, out, options):
    (folder / "bad.mp4").write_bytes(bytes(1000))
    (folder / "empty.mov").touch()
    report = extract(folder, out, options, workers=2)
    assert {failure.key for failure in report.failures} == {"bad.mp4", "empty.mov"}
    assert "no video that OpenCV can decode" in report.failures[0].why + report.failures[1].why
    assert report.done == 5
    assert not [name for name in tree(out) if name.startswith(("bad", "empty"))]
    sets.video(folder / "bad.avi").replace(folder / "bad.mp4")
    report = extract(folder, out, options, workers=1)
    assert (report.done, [failure.key for failure in report.failures]) == (1, ["empty.mov"])


def test_problems_of_an_item_that_is_done_are_told(folder, out, options):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    report = extract(folder, out, options, workers=1)
    assert report.failures == []
    assert ["bad.png" in problem for problem in report.problems] == [True]
    assert [row["file"] for row in lines(out / "images.jsonl")] == ["9.png", "10.png"]


def test_another_model_is_not_mixed_in(folder, out, options, tmp_path):
    extract(folder, out, options, workers=1)
    other = replace(options, model=sets.model(tmp_path, "other.onnx", [(40, 32, 10, 20, 0.8)]))
    with pytest.raises(ExtractionError, match=r"was extracted with model m\.onnx \(sha256 .*--overwrite"):
        extract(folder, out, other, workers=1)
    with pytest.raises(ExtractionError, match=r"with confidence none, not 0\.5"):
        extract(folder, out, replace(options, confidence=0.5), workers=1)
    Path(other.model).rename(tmp_path / "renamed.onnx")
    report = extract(folder, out, replace(other, model=str(tmp_path / "renamed.onnx")), workers=1, overwrite=True)
    assert report.done == 5
    assert lines(out / "a.jsonl")[0]["people"][0]["score"] == 0.8


def test_overwriting_removes_what_was_written_and_nothing_else(folder, out, options):
    extract(folder, out, options, workers=1)
    (out / "mine.jsonl").write_text("mine")
    (folder / "sub/b.avi").unlink()
    extract(folder, out, replace(options, format="coco"), workers=1, overwrite=True)
    assert tree(out) == ["a.json", "images.json", "mine.jsonl", "sub/a.json", "sub/images.json"]
    assert len(json.loads((out / "a.json").read_text())) == 24


def test_files_of_others_are_not_replaced(folder, out, options):
    out.mkdir()
    (out / "a.jsonl").write_text("mine")
    report = extract(folder, out, options, workers=1)
    assert [failure.key for failure in report.failures] == ["a.avi"]
    assert "was not written by an extraction" in report.failures[0].why
    assert ((out / "a.jsonl").read_text(), report.done) == ("mine", 4)


def test_output_inside_of_the_input(folder, options):
    out = folder / "sub/results"
    extract(folder, out, options, workers=1)
    report = extract(folder, out, options, workers=1)
    assert (report.before, report.items) == (5, 0)


def test_ids_begin_anew_with_every_video(folder, out, options):
    extract(folder, out, replace(options, track=True), workers=1)
    for name in ("a.jsonl", "sub/a.jsonl"):
        assert {person["id"] for person in lines(out / name)[-1]["people"]} == {1, 2}
    assert {person["id"] for person in lines(out / "images.jsonl")[0]["people"]} == {-1}


def test_coco_numbers_pictures_by_their_names(folder, out, options):
    extract(folder, out, replace(options, format="coco"), workers=1)
    entries = json.loads((out / "images.json").read_text())
    assert {(entry["image_id"], entry["file_name"]) for entry in entries} == {(9, "9.png"), (10, "10.png")}


def test_a_worker_that_dies_is_replaced_and_its_item_tried_again(tmp_path, out, options):
    folder = tmp_path / "in"
    sets.video(folder / "long.avi", 3000)
    notes, killed = [], []

    def kill(report):
        if report.moving and report.frames_now and not killed:
            killed.extend(workers())
            os.kill(killed[0], signal.SIGKILL)

    report = extract(folder, out, options, workers=1, progress=kill, note=notes.append)
    assert notes == ["long.avi: its worker died of signal 9 (is there enough memory?); it is tried once more"]
    assert (report.done, len(lines(out / "long.avi".replace(".avi", ".jsonl")))) == (1, 3000)


def test_an_item_that_kills_its_worker_twice_is_a_failure(tmp_path, out, options):
    folder = tmp_path / "in"
    sets.video(folder / "long.avi", 3000), sets.video(folder / "short.avi", 3)

    def kill(report):
        if report.moving.get("long.avi", (0,))[0]:
            for process in workers():
                os.kill(process, signal.SIGKILL)

    report = extract(folder, out, options, workers=1, progress=kill)
    assert [(f.key, "signal 9" in f.why, f.why.endswith("twice")) for f in report.failures] == [
        ("long.avi", True, True)
    ]
    assert tree(out) == ["short.jsonl"]


def test_interrupted_it_leaves_whole_files_and_no_workers(tmp_path, out, options):
    folder = tmp_path / "in"
    sets.video(folder / "long.avi", 3000), sets.video(folder / "short.avi", 3)

    def stop(report):
        if report.frames_now:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(folder, out, options, workers=1, progress=stop)
    assert not workers()
    assert tree(out) == []
    assert not [path for path in out.rglob("*") if path.parent.name == "work"]
    assert extract(folder, out, options, workers=2).done == 2


def test_two_extractions_do_not_write_to_one_output(folder, out, options):
    tried = []

    def second(report):
        if not tried:
            tried.append(1)
            with pytest.raises(OutputError, match="another extraction is writing"):
                extract(folder, out, options, workers=1)

    assert extract(folder, out, options, workers=1, progress=second).done == 5


def test_an_output_that_cannot_be_written_stops_nothing(folder, out, options):
    out.mkdir()
    (out / "sub").write_text("a file where a folder must be")
    report = extract(folder, out, options, workers=1)
    assert (report.done, len(report.failures), report.stopped) == (2, 3, "")
    assert f"cannot write {out.absolute()}/sub/" in report.failures[0].why
    (out / "sub").unlink()
    assert extract(folder, out, options, workers=1).done == 3


def test_on_a_full_disk_the_rest_is_not_tried(folder, out, options, monkeypatch):
    worker = Worker(str(folder), options, options.settings())
    item = find_items(folder)[0]
    task = Task(item, str(folder / "part.jsonl"), str(folder / "a.jsonl"))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        outcome = worker.run(task)
    worker.estimator.close()
    assert outcome == {"failed": f"cannot write {folder}/a.jsonl: No space left on device", "stop": True}
    assert not list(folder.glob("*.jsonl"))

    told = []

    class Stop:
        def begun(self, item):
            told.append(item.key)

        def moved(self, item, frames, share):
            pass

        def ended(self, item, outcome):
            return False

    tasks = [Task(item, str(folder / f"{i}.jsonl"), str(out / f"{i}.jsonl")) for i in range(9)]
    out.mkdir()
    work_here(tasks, Order(str(folder), options, options.settings()), 1, Stop())
    assert told == [item.key]
    assert not workers()


def test_workers_that_cannot_begin(folder, out, options, tmp_path):
    spec = tmp_path / "wrong.toml"
    spec.write_text('name = "x"')
    with pytest.raises(ExtractionError, match="missing field"):
        extract(folder, out, replace(options, spec=str(spec)), workers=1)
    assert not workers()


def test_what_cannot_be_done(folder, out, options, tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        extract(tmp_path / "none", out, options)
    with pytest.raises(SourceError, match="give the folder"):
        extract(folder / "a.avi", out, options)
    (tmp_path / "bare").mkdir()
    with pytest.raises(SourceError, match="neither videos nor pictures"):
        extract(tmp_path / "bare", out, options)
    with pytest.raises(ModelNotFoundError):
        extract(folder, out, Options(model="no-such-model"))
    with pytest.raises(ExtractionError, match="format must be one of jsonl, coco, parquet"):
        Options(model="x", format="xml")
    with pytest.raises(ExtractionError, match="workers must be at least 1"):
        extract(folder, out, options, workers=0)
    assert not out.exists()


def test_it_works_outside_of_the_main_thread(folder, out, options):
    reports = []
    thread = threading.Thread(target=lambda: reports.append(extract(folder, out, options, workers=2)))
    thread.start()
    thread.join()
    assert reports[0].done == 5


def test_a_shut_subfolder_is_a_failure_of_its_own(folder, out, options, monkeypatch):
    sets.shut(monkeypatch, "sub")
    report = extract(folder, out, options, workers=1)
    assert [(f.key, f.why) for f in report.failures] == [("sub/", "cannot read this folder: Permission denied")]
    assert (report.items, report.done, tree(out)) == (3, 2, ["a.jsonl", "images.jsonl"])


def test_a_name_too_long_for_its_output_is_told_before_the_work(tmp_path, out, options):
    sets.video(tmp_path / "in/a.avi"), sets.video(tmp_path / "in/b.avi").rename(tmp_path / "in" / f"{'x' * 251}.avi")
    for overwrite in (False, True):
        report = extract(tmp_path / "in", out, options, workers=1, overwrite=overwrite)
        (failure,) = report.failures
        assert "File name too long" in failure.why
        assert (report.done, tree(out)) == (1, ["a.jsonl"])

"""What an extraction finds in a folder, what it calls the results, and how it remembers."""

import json
import os

import pytest

from edge_pose.errors import ExtractionError, SourceError
from edge_pose.extract import items
from edge_pose.extract.items import find_items
from edge_pose.extract.ledger import Ledger
from tests.extract_folder import picture, shut, small_set, video


def stems(folder, **options):
    return {item.key: item.stem for item in find_items(folder, **options)}


def test_videos_and_pictures_of_all_folders(tmp_path):
    folder = small_set(tmp_path)
    assert stems(folder) == {
        "a.avi": "a",
        "images/": "images",
        "sub/a.avi": "sub/a",
        "sub/b.avi": "sub/b",
        "sub/images/": "sub/images",
    }
    assert find_items(folder)[1].files == ("9.png", "10.png")  # natural order


def test_one_stem_twice_becomes_the_whole_name(tmp_path):
    for name in ("clip.avi", "clip.mp4", "images.avi"):
        video(tmp_path / "x.avi").replace(tmp_path / name)
    picture(tmp_path / "p.png")
    found = stems(tmp_path)
    assert found == {"clip.avi": "clip.avi", "clip.mp4": "clip.mp4", "images.avi": "images.avi", "images/": "images"}
    assert stems(tmp_path, known={"clip.avi": "clip"})["clip.avi"] == "clip"  # what it was called before


def test_a_newcomer_does_not_take_a_name(tmp_path):
    video(tmp_path / "clip.mp4.avi").replace(tmp_path / "clip.mp4")
    video(tmp_path / "clip.avi")
    assert stems(tmp_path, known={"clip.avi": "clip"}) == {"clip.avi": "clip", "clip.mp4": "clip.mp4"}


def test_many_pictures_come_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "PORTION", 2)
    for i in range(5):
        picture(tmp_path / f"{i}.png")
    found = find_items(tmp_path)
    assert [(item.stem, item.first, len(item.files)) for item in found] == [
        ("images", 0, 2),
        ("images-0001", 2, 2),
        ("images-0002", 4, 1),
    ]


def test_hidden_text_and_empty_files(tmp_path):
    video(tmp_path / ".git/a.avi"), video(tmp_path / "._b.avi")
    (tmp_path / "code.ts").write_text("export const x = 1;\n")
    (tmp_path / "empty.mp4").touch()
    assert stems(tmp_path) == {"empty.mp4": "empty"}  # whose turn will come, and fail


def test_links_are_followed_once(tmp_path):
    video(tmp_path / "real/a.avi")
    (tmp_path / "real/loop").symlink_to(tmp_path)
    other = tmp_path.parent / f"{tmp_path.name}-other"
    video(other / "b.avi")
    (tmp_path / "linked").symlink_to(other)
    assert list(stems(tmp_path)) == ["linked/b.avi", "real/a.avi"]


def test_names_that_are_not_utf8(tmp_path):
    video(tmp_path / "x.avi").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.avi"))
    (item,) = find_items(tmp_path)
    assert item.key == "\udcff.avi"
    assert json.loads(json.dumps(item.key)) == item.key


def test_a_state_changes_with_the_files(tmp_path):
    path = video(tmp_path / "a.avi")
    before = find_items(tmp_path)[0].state
    assert find_items(tmp_path)[0].state == before
    os.utime(path, ns=(0, 0))
    assert find_items(tmp_path)[0].state != before


def test_output_beside_the_input_itself(tmp_path):
    folder = small_set(tmp_path)
    assert len(find_items(folder, apart=folder)) == 5


@pytest.fixture
def item(tmp_path):
    video(tmp_path / "in/a.avi")
    return find_items(tmp_path / "in")[0]


def finish(ledger, item):
    ledger.begin(item)
    ledger.target(item).write_text("x")
    ledger.finish(item, {"size": 1, "frames": 1, "people": 0, "problems": []})


def test_a_torn_last_line_is_nothing(tmp_path, item):
    out = tmp_path / "out"
    with Ledger(out, ".jsonl", {"a": 1}) as ledger:
        finish(ledger, item)
    path = out / ".extract/ledger.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -7):
        path.write_bytes(whole[:cut])
        with Ledger(out, ".jsonl", {"a": 1}) as ledger:
            assert not ledger.is_done(item)
            finish(ledger, item)
        assert all(json.loads(line) for line in path.read_bytes().splitlines())
        with Ledger(out, ".jsonl", {"a": 1}) as ledger:
            assert ledger.is_done(item)


def test_portions_that_are_not_filled_any_more_go(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "PORTION", 2)
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in ("1.png", "2.png", "3.png", "sub/4.png"):
        picture(folder / name)
    for left in (["images", "images-0001", "sub/images"], ["images", "sub/images"]):
        found = find_items(folder)
        with Ledger(out, ".jsonl", {}) as ledger:
            ledger.drop_portions(found)
            assert sorted(ledger.begun.values()) == ([] if len(left) == 3 else left)
            (out / "sub").mkdir(exist_ok=True)
            for found_item in found:
                finish(ledger, found_item)
        assert (
            sorted(str(p.relative_to(out).with_suffix("")) for p in out.rglob("*.jsonl") if ".e" not in str(p)) == left
        )
        (folder / "3.png").unlink(missing_ok=True)


def test_begun_again_is_not_done(tmp_path, item):
    out = tmp_path / "out"
    with Ledger(out, ".jsonl", {}) as ledger:
        finish(ledger, item)
        ledger.begin(item)
    with Ledger(out, ".jsonl", {}) as ledger:
        assert not ledger.is_done(item)


def test_settings_are_compared_by_content(tmp_path):
    first = {"model": {"name": "a.onnx", "sha256": "0" * 64}, "track": False, "confidence": None}
    Ledger(tmp_path, ".jsonl", first).close()
    Ledger(tmp_path, ".jsonl", {**first, "model": {"name": "b.onnx", "sha256": "0" * 64}}).close()
    with pytest.raises(ExtractionError, match="with track False, not True"):
        Ledger(tmp_path, ".jsonl", {**first, "track": True})
    with pytest.raises(
        ExtractionError, match=r"model a.onnx \(sha256 000000000000\), not a.onnx \(sha256 111111111111\)"
    ):
        Ledger(tmp_path, ".jsonl", {**first, "model": {"name": "a.onnx", "sha256": "1" * 64}})


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"edge_pose_extract": 99}', "no json"])
def test_a_ledger_of_another_kind(tmp_path, line):
    (tmp_path / ".extract").mkdir()
    (tmp_path / ".extract/ledger.jsonl").write_text(line + "\n")
    with pytest.raises(ExtractionError, match="another version of edge-pose"):
        Ledger(tmp_path, ".jsonl", {})
    Ledger(tmp_path, ".jsonl", {}, overwrite=True).close()


def test_a_subfolder_that_cannot_be_read_is_told_and_the_rest_found(tmp_path, monkeypatch):
    video(tmp_path / "a.avi"), video(tmp_path / "shut/b.avi"), video(tmp_path / "sub/locked/c.avi")
    shut(monkeypatch, "shut", "locked")
    unread = {}
    assert [item.key for item in find_items(tmp_path, unread=unread)] == ["a.avi"]
    assert unread == dict.fromkeys(["shut/", "sub/locked/"], "cannot read this folder: Permission denied")
    with pytest.raises(SourceError, match="nor have its subfolders; 1 of them cannot be read, such as locked/"):
        find_items(tmp_path / "sub")
    with pytest.raises(SourceError, match=r"cannot read .*shut: Permission denied"):
        find_items(tmp_path / "shut")


def test_no_two_items_share_an_output(tmp_path):
    for name in ("a.avi", "a.mp4", "a.avi.mp4", "images.mp4"):
        video(tmp_path / "x.avi").rename(tmp_path / name)
    picture(tmp_path / "1.png")
    assert stems(tmp_path) == {
        "a.avi": "a.avi", "a.mp4": "a.mp4", "a.avi.mp4": "a.avi.mp4", "images.mp4": "images.mp4", "images/": "images"
    }  # fmt: skip
    known = {"a.avi.mp4": "a.avi", "images.mp4": "images"}  # they came first
    later = {item.key: item.stem for item in find_items(tmp_path, known=known)}
    assert later == known | {"a.avi": "a.avi (2)", "a.mp4": "a.mp4", "images/": "images (2)"}

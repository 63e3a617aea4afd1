"""A fetched file is whole, checked and in its place, or not there at all; callers take turns."""

import io
import logging
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_pose import download, transfer
from edge_pose.download import fetch, sha256_of
from edge_pose.errors import ChecksumError, DownloadError, OutputError
from tests.file_server import FILE, OTHER, OTHER_SUM, SUM, Answer, Web, left, serve


@pytest.fixture(autouse=True)
def _fast_and_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BACKOFF_S", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.bin"


def test_the_whole_file_arrives_and_nothing_else_is_left(target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serve(FILE) as web:
        assert fetch([web.url], target, sha256=[SUM], progress=lambda *now: seen.append(now)) == target
    assert target.read_bytes() == FILE
    assert left(target) == ["model.bin"]
    assert web.sent == [len(FILE)]
    assert (seen[0], seen[-1]) == ((0, len(FILE)), (len(FILE), len(FILE)))
    assert seen == sorted(seen)


def test_a_file_that_is_there_is_not_fetched_again(target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(FILE)
    with serve(FILE) as web:
        assert fetch([web.url], target, sha256=[OTHER_SUM, SUM]) == target
        assert fetch([web.url], target) == target
    assert web.requests == []


def test_a_file_that_is_there_with_another_sum_is_replaced(target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(OTHER)
    with serve(FILE) as web:
        fetch([web.url], target, sha256=[SUM])
    assert target.read_bytes() == FILE


def test_an_interrupted_download_leaves_only_its_part_and_goes_on_from_there(target: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with serve(FILE, Answer(cut=40000, stall=True)) as web:
        with pytest.raises(KeyboardInterrupt):
            fetch([web.url], target, sha256=[SUM], progress=interrupt)
        kept = target.with_name("model.bin.part").stat().st_size
        assert left(target) == ["model.bin.part"]
        assert 0 < kept <= 40000
        fetch([web.url], target, sha256=[SUM])
    assert web.requests[1].headers["range"] == f"bytes={kept}-"
    assert web.sent[1] == len(FILE) - kept
    assert target.read_bytes() == FILE


def test_a_part_that_was_whole_already_is_not_fetched_again(target: Path) -> None:
    target.parent.mkdir()
    target.with_name("model.bin.part").write_bytes(FILE)
    with serve(FILE) as web:
        fetch([web.url], target, sha256=[SUM])
    assert web.sent == [0]
    assert left(target) == ["model.bin"]


@pytest.mark.parametrize("old", [OTHER[:5000], OTHER, FILE + b"more"])
def test_a_part_of_another_file_is_found_out_by_the_sum(target: Path, old: bytes) -> None:
    target.parent.mkdir()
    target.with_name("model.bin.part").write_bytes(old)
    with serve(FILE) as web:
        fetch([web.url], target, sha256=[SUM])
    assert target.read_bytes() == FILE
    assert web.sent[-1] == len(FILE)


def test_not_found_is_final_and_leaves_nothing(target: Path) -> None:
    with serve(FILE, Answer(status=404)) as web, pytest.raises(DownloadError, match="HTTP 404 Not Found"):
        fetch([web.url], target)
    assert len(web.requests) == 1
    assert left(target) == []


def test_wrong_content_is_named_by_both_sums_and_leaves_nothing(target: Path) -> None:
    with serve(OTHER) as web, pytest.raises(ChecksumError) as caught:
        fetch([web.url], target, sha256=[SUM])
    assert SUM in str(caught.value)
    assert OTHER_SUM in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert left(target) == []
    assert len(web.requests) == 1


def test_the_next_address_helps_where_the_first_is_gone_wrong_or_dead(target: Path) -> None:
    with serve(FILE, Answer(status=404), Answer(content=OTHER), Answer(status=500)) as web:
        fetch([f"{web.url}?{i}" for i in range(4)], target, sha256=[SUM], retries=0)
    assert target.read_bytes() == FILE
    assert len(web.requests) == 4


def test_when_all_addresses_fail_each_is_named(target: Path) -> None:
    with serve(FILE, Answer(status=404), Answer(content=OTHER)) as web:
        urls = [f"http://{web.host}/a", f"http://{web.host}/b"]
        with pytest.raises(
            DownloadError, match=r"cannot fetch model\.bin: .*/a: HTTP 404 .*/b is not the file"
        ) as caught:
            fetch(urls, target, sha256=[SUM])
        assert not isinstance(caught.value, ChecksumError)
        with pytest.raises(ChecksumError):
            fetch(urls, target, sha256=[OTHER_SUM])
    assert left(target) == []


def test_no_address_is_an_error(target: Path) -> None:
    with pytest.raises(DownloadError, match="it has no address"):
        fetch([], target)


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with serve(FILE) as web, pytest.raises(OutputError, match=r"cannot write .*model\.bin: File exists \(.*/file\)"):
        fetch([web.url], tmp_path / "file" / "model.bin")
    assert web.requests == []


def packed(**files: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "/"), content)
    return archive.getvalue()


@pytest.mark.parametrize("name", ["model.bin", "a__b__model.bin"])
def test_the_member_of_an_archive_is_taken_out_and_checked(target: Path, name: str) -> None:
    archive = packed(**{name: FILE, "a__readme.txt": b"hello", "other_model.bin": OTHER})
    with serve(archive, Answer(cut=100)) as web:
        fetch([web.url], target, sha256=[SUM], member="model.bin")
    assert target.read_bytes() == FILE
    assert sum(web.sent) == len(archive)
    assert left(target) == ["model.bin"]


def damaged() -> bytes:
    archive = bytearray(packed(model=FILE))
    archive[100] ^= 0xFF
    return bytes(archive)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FILE, "is no zip archive that can be read: File is not a zip file"),
        (lambda: packed(other=FILE), "0 files in it are called model, not one"),
        (lambda: packed(a__model=FILE, b__model=FILE), "2 files in it are called model, not one"),
        (lambda: packed(model=bytes(1_000_000)), "model in it has more than 500000 bytes"),
        (lambda: packed(model=FILE)[:-30], "is no zip archive that can be read"),
        (damaged, "is no zip archive that can be read"),
        (lambda: packed(model=OTHER), f"its sha256 is {OTHER_SUM}, not {SUM}"),
    ],
)
def test_an_archive_that_is_wrong_leaves_nothing(target: Path, make: Callable[[], bytes], match: str) -> None:
    with serve(make()) as web, pytest.raises(DownloadError, match=match):
        fetch([web.url], target, sha256=[SUM], member="model", max_bytes=500_000)
    assert left(target) == []


CHILD = """
import sys
from pathlib import Path
from edge_pose.download import fetch
fetch([sys.argv[1]], Path(sys.argv[2]), sha256=[sys.argv[3]])
"""


def child(web: Web, target: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CHILD, web.url, str(target), SUM])


def test_two_processes_that_want_the_same_file_fetch_it_once(target: Path) -> None:
    with serve(FILE, Answer(cut=1000), Answer(cut=2000), Answer(cut=3000)) as web:
        children = [child(web, target) for _ in range(2)]
        assert [process.wait(60) for process in children] == [0, 0]
    assert target.read_bytes() == FILE
    assert sum(web.sent) == len(FILE)
    assert left(target) == ["model.bin"]


def test_threads_that_want_the_same_file_fetch_it_once(target: Path) -> None:
    with serve(FILE) as web:
        threads = [threading.Thread(target=fetch, args=([web.url], target)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert target.read_bytes() == FILE
    assert sum(web.sent) == len(FILE)
    assert left(target) == ["model.bin"]


def test_who_waited_in_vain_starts_afresh(target: Path) -> None:
    waiting = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            waiting.set()

    log, listener = logging.getLogger("edge_pose.download"), Listener()
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    target.parent.mkdir()
    try:
        with serve(FILE) as web:
            with download._alone(target.with_name("model.bin.part"), target):  # fails, and removes the empty part
                second = threading.Thread(target=fetch, args=([web.url], target))
                second.start()
                assert waiting.wait(60)
            second.join(60)
    finally:
        log.removeHandler(listener)
        log.setLevel(logging.NOTSET)
    assert target.read_bytes() == FILE
    assert left(target) == ["model.bin"]


def test_a_process_that_is_killed_leaves_a_part_that_another_can_finish(target: Path) -> None:
    with serve(FILE, Answer(cut=40000, stall=True)) as web:
        process = child(web, target)
        part = target.with_name("model.bin.part")
        assert web.stalled.wait(60)
        while not part.exists() or part.stat().st_size < 40000:
            assert process.poll() is None
            os.sched_yield()
        process.kill()
        process.wait(60)
        fetch([web.url], target, sha256=[SUM])
    assert web.sent == [40000, len(FILE) - 40000]
    assert target.read_bytes() == FILE


def test_the_sum_of_a_file_is_what_sha256sum_says(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

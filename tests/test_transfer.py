"""Bytes from a real server on this machine that cuts, stalls, lies, redirects and changes its mind."""

import base64
import io
import resource
import shutil
import socket
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_pose import transfer
from edge_pose.download import fetch
from edge_pose.errors import ChecksumError, DownloadError, OutputError
from tests.file_server import FILE, OTHER, OTHER_SUM, SUM, Answer, left, serve


@pytest.fixture(autouse=True)
def _fast_and_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BACKOFF_S", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.bin"


@pytest.mark.parametrize("sums", [[], [SUM], [SUM[:8]], [OTHER_SUM, SUM]])
def test_a_line_that_is_cut_again_and_again_costs_no_byte_twice(target: Path, sums: list[str]) -> None:
    cuts = [Answer(cut=n) for n in (1000, 30000, 1, 5000, 2000, 7000)]
    with serve(FILE, *cuts) as web:
        fetch([web.url], target, sha256=sums, retries=1)  # each of the tries brought bytes
    assert target.read_bytes() == FILE
    assert sum(web.sent) == len(FILE)
    assert [request.headers.get("range") for request in web.requests][:3] == [None, "bytes=1000-", "bytes=31000-"]
    assert left(target) == ["model.bin"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(target: Path) -> None:
    with serve(FILE, Answer(cut=5000), Answer(ranges=False)) as web:
        fetch([web.url], target)
    assert target.read_bytes() == FILE
    assert web.sent == [5000, len(FILE)]


def test_a_file_that_changes_between_two_tries_starts_over(target: Path) -> None:
    with serve(FILE, Answer(content=OTHER, etag='"old"', cut=5000)) as web:
        fetch([web.url], target)
    assert target.read_bytes() == FILE
    assert [request.headers.get("if-range") for request in web.requests] == [None, '"old"']


def test_without_etag_or_sum_nothing_vouches_for_old_bytes(target: Path) -> None:
    with serve(FILE, Answer(content=OTHER, cut=5000), etag="") as web:
        fetch([web.url], target)
    assert target.read_bytes() == FILE
    assert web.sent == [5000, len(FILE)]


def test_a_weak_etag_vouches_for_nothing_but_a_date_does(target: Path) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    with serve(FILE, Answer(cut=5000, headers={"ETag": 'W/"weak"', "Last-Modified": date}), etag="") as web:
        fetch([web.url], target)
    assert web.requests[1].headers["if-range"] == date


@pytest.mark.parametrize("sums", [[], [SUM]])
def test_a_server_that_sends_another_range_is_asked_from_the_start(target: Path, sums: list[str]) -> None:
    wrong = Answer(status=206, headers={"Content-Range": f"bytes 7-9/{len(FILE)}"})
    with serve(FILE, Answer(cut=5000), wrong) as web:
        fetch([web.url], target, sha256=sums)
    assert target.read_bytes() == FILE
    assert web.sent == [5000, 0, len(FILE)]


def test_the_etag_of_one_address_says_nothing_about_another(target: Path) -> None:
    with serve(OTHER, Answer(cut=5000), Answer(status=404)) as one, serve(FILE) as two:
        fetch([one.url, two.url], target)
    assert target.read_bytes() == FILE
    assert "range" not in two.requests[0].headers


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(FILE) - 1), st.booleans(), st.booleans()), max_size=6),
    st.booleans(),
)
def test_whatever_happens_on_the_way_the_file_is_never_a_mixture(
    tmp_path: Path, tries: list[tuple[int, bool, bool]], checked: bool
) -> None:
    target = tmp_path / "model.bin"
    target.unlink(missing_ok=True)
    answers = [
        Answer(cut=cut, ranges=ranges, **({"content": OTHER, "etag": '"other"'} if other else {}))
        for cut, ranges, other in tries
    ]
    with serve(FILE, *answers) as web:
        try:
            fetch([web.url], target, sha256=[SUM] if checked else [], retries=10)
        except ChecksumError:  # the server finished the other file
            assert checked
            assert left(target) == []
            return
    assert target.read_bytes() in ([FILE] if checked else [FILE, OTHER])
    assert left(target) == ["model.bin"]


def test_a_server_that_forgets_to_compare_is_found_out_by_the_sum(target: Path) -> None:
    with serve(FILE, Answer(content=OTHER, cut=5000)) as web:  # the same ETag for another file
        fetch([web.url], target, sha256=[SUM])
    assert target.read_bytes() == FILE
    assert web.sent == [5000, len(FILE) - 5000, len(FILE)]


def test_wrong_content_that_comes_in_pieces_is_given_up_after_one_more_round(target: Path) -> None:
    with serve(OTHER, *[Answer(cut=5000), Answer()] * 9) as web, pytest.raises(ChecksumError):
        fetch([web.url], target, sha256=[SUM])
    assert len(web.requests) == 4
    assert left(target) == []


def test_errors_of_the_progress_callback_are_not_taken_for_network_trouble(target: Path) -> None:
    def broken(done: int, total: int | None) -> None:
        raise BrokenPipeError("the terminal is gone")

    with serve(FILE) as web, pytest.raises(BrokenPipeError, match="the terminal is gone"):
        fetch([web.url], target, progress=broken)
    assert len(web.requests) == 1


def test_without_a_sum_an_old_part_is_not_trusted(target: Path) -> None:
    target.parent.mkdir()
    target.with_name("model.bin.part").write_bytes(OTHER[:5000])
    with serve(FILE) as web:
        fetch([web.url], target)
    assert target.read_bytes() == FILE
    assert "range" not in web.requests[0].headers


def test_a_server_in_trouble_is_asked_again(target: Path) -> None:
    with serve(FILE, Answer(status=500), Answer(status=503, headers={"Retry-After": "0"})) as web:
        fetch([web.url], target, retries=2)
    assert target.read_bytes() == FILE
    assert len(web.requests) == 3


def test_a_server_that_stays_in_trouble_is_given_up(target: Path) -> None:
    with (
        serve(FILE, *[Answer(status=500)] * 9) as web,
        pytest.raises(DownloadError, match="HTTP 500 Internal Server Error, given up after 3 tries"),
    ):
        fetch([web.url], target, retries=2)
    assert len(web.requests) == 3
    assert left(target) == []


def test_a_wait_that_the_server_asks_for_is_kept(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    with serve(FILE, Answer(status=429, headers={"Retry-After": "7"}), Answer(status=429)) as web:
        fetch([web.url], target)
    assert waits == [7.0, 0.0]


def test_a_silent_server_is_given_up_and_what_it_sent_is_kept(target: Path) -> None:
    stalls = [Answer(cut=3000, stall=True), Answer(cut=0, stall=True)]
    with serve(FILE, *stalls) as web:
        with pytest.raises(DownloadError, match=r"no data for 0\.2 s, given up after 1 tries; 3000 bytes are kept"):
            fetch([web.url], target, sha256=[SUM], timeout_s=0.2, retries=0)
        assert left(target) == ["model.bin.part"]
        fetch([web.url], target, sha256=[SUM], timeout_s=5)
    assert web.sent == [3000, 0, len(FILE) - 3000]


def test_a_server_that_refuses_the_connection_is_asked_again(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/model.bin"
    with pytest.raises(DownloadError, match="Connection refused, given up after 3 tries"):
        fetch([url], target, retries=2)


def test_a_host_that_does_not_exist_is_not_asked_again(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def no_such_host(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    with pytest.raises(DownloadError, match="Name or service not known"):
        fetch(["http://nowhere.invalid/model.bin"], target)
    assert len(asked) == 1


@pytest.mark.parametrize(("length", "match"), [(True, "102400 bytes, the most"), (False, "more than 50000 bytes")])
def test_a_file_that_is_too_large_is_refused(target: Path, length: bool, match: str) -> None:
    with serve(FILE, Answer(length=length)) as web, pytest.raises(DownloadError, match=match):
        fetch([web.url], target, max_bytes=50000)
    assert not target.exists()


def test_a_file_of_unknown_length_is_fine(target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serve(FILE, Answer(length=False)) as web:
        fetch([web.url], target, sha256=[SUM], progress=lambda *now: seen.append(now))
    assert seen[-1] == (len(FILE), None)


def test_an_empty_file_is_an_error(target: Path) -> None:
    with serve(b"") as web, pytest.raises(DownloadError, match="it is empty"):
        fetch([web.url], target)
    assert left(target) == []


def test_an_encoding_that_nobody_asked_for_is_refused(target: Path) -> None:
    with (
        serve(FILE, Answer(headers={"Content-Encoding": "gzip"})) as web,
        pytest.raises(DownloadError, match="encoding"),
    ):
        fetch([web.url], target)


def test_too_little_room_is_said_before_anything_is_written(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with serve(FILE) as web, pytest.raises(OutputError, match="102400 bytes are missing, the disk has 100000 left"):
        fetch([web.url], target)
    assert left(target) == []


def test_a_disk_that_fills_up_on_the_way_is_left_clean(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(FILE) as web:
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, hard))
        try:
            with pytest.raises(OutputError, match=r"cannot write .*model\.bin: File too large"):
                fetch([web.url], target)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left(target) == []


def test_redirects_are_followed_and_keep_the_range(target: Path) -> None:
    with serve(FILE) as web:
        moved = Answer(status=302, headers={"Location": web.url})
        web.answers = [moved, Answer(cut=5000), moved]
        fetch([f"http://{web.host}/old"], target)
    assert target.read_bytes() == FILE
    assert [request.headers.get("range") for request in web.requests] == [None, None, "bytes=5000-", "bytes=5000-"]


@pytest.mark.parametrize(
    ("old", "new", "fine"),
    [
        ("https://a/x", "https://b/x", True),
        ("http://a/x", "https://b/x", True),
        ("http://a/x", "http://b/x", True),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "ftp://a/x", False),
        ("http://a/x", "ftp://a/x", False),
    ],
)
def test_redirects_never_lead_to_anything_less_safe(old: str, new: str, fine: bool) -> None:
    body, handler = io.BytesIO(), transfer._Redirects()
    arguments = (urllib.request.Request(old), body, 302, "Found", {}, new)
    if fine:
        assert handler.redirect_request(*arguments).full_url == new
    else:
        with pytest.raises(DownloadError, match=r"redirects from .* which is refused"):
            handler.redirect_request(*arguments)
        assert body.closed


def test_a_redirect_into_the_file_system_is_refused(target: Path) -> None:
    moved = Answer(status=302, headers={"Location": "file:///etc/hostname"})
    with serve(FILE, moved) as web, pytest.raises(DownloadError, match="HTTP 302 Found"):
        fetch([web.url], target)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/x", "model.bin", ""])
def test_only_http_addresses_are_fetched(target: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="must begin with https:// or http://"):
        fetch([url], target)


def test_a_password_in_the_address_goes_to_its_server_only_and_never_into_a_message(target: Path) -> None:
    with serve(FILE) as other, serve(FILE) as web:
        url = f"http://me:s%40cret@{web.host}/model.bin?token=hidden#part"
        web.answers = [Answer(status=302, headers={"Location": f"{other.url}?signature=hidden"}), Answer(status=403)]
        fetch([url], target)
        target.unlink()
        with pytest.raises(DownloadError) as caught:
            fetch([url], target)
    assert web.requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'me:s@cret').decode()}"
    assert web.requests[0].path == "/model.bin?token=hidden"
    assert "authorization" not in other.requests[0].headers
    assert str(caught.value) == f"http://{web.host}/model.bin: HTTP 403 Forbidden"


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1:none/x", "http://me:secret@/x", "http://secret host/ x"])
def test_an_address_that_makes_no_sense_is_not_repeated(target: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="no valid address") as caught:
        fetch([url], target)
    assert "me:secret" not in str(caught.value)


def test_a_redirect_to_an_address_with_a_password_does_not_show_it(target: Path) -> None:
    moved = Answer(status=302, headers={"Location": "http://me:secret@127.0.0.1/x"})
    with serve(FILE, moved) as web, pytest.raises(DownloadError, match="no valid address") as caught:
        fetch([web.url], target)
    assert "secret" not in str(caught.value)


def test_the_proxy_of_the_environment_is_used(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(FILE) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.host}")
        fetch(["http://models.invalid/model.bin"], target)
    assert target.read_bytes() == FILE
    assert proxy.requests[0].path == "http://models.invalid/model.bin"

"""Who gets in: addresses, names, origins, tokens; and what browsers are told."""

import contextlib
import logging
import socket

import httpx
import pytest
import websockets.exceptions
import websockets.sync.client

from edge_pose.errors import WebError
from edge_pose.web import WebPage
from edge_pose.web.address import Address, url_of
from tests.web.conftest import get, result

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def locked(monkeypatch):
    monkeypatch.setattr("edge_pose.web.guard.WRONG_TOKEN_S", 0.01)
    with WebPage("127.0.0.1:0", token=TOKEN) as page:
        yield page


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),  # never all interfaces by accident
        ("localhost", "localhost", 8000),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:0", "::1", 0),
        ("[::1]", "::1", 8000),
        ("::1", "::1", 8000),
        ("", "127.0.0.1", 8000),
    ],
)
def test_addresses(text, host, port):
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize("text", ["http://x:1", "a:b", "127.0.0.1:70000", "[::1", "[::1]8", "u@h:1", "h:-1", "h:٣"])
def test_what_is_no_address(text):
    with pytest.raises(WebError, match="must be"):
        Address.parse(text)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300, "192.0.2.1"])
def test_hosts_that_cannot_be_listened_on(host):
    with pytest.raises(WebError, match="cannot listen on"):
        WebPage(f"{host}:0")


def test_others_need_a_token():
    with pytest.raises(
        WebError, match=r"0\.0\.0\.0 can be reached by others, so the page needs a token: .*--web-token"
    ):
        WebPage("0.0.0.0:0")


@pytest.mark.parametrize("token", ["", "new\nline", "ünicode", "x" * 513])
def test_odd_tokens(token):
    with pytest.raises(WebError, match="1 to 512 printable"):
        WebPage("127.0.0.1:0", token=token)


def test_a_page_for_all_is_shown_with_an_address_that_others_can_type():
    with WebPage("0.0.0.0:0", token=TOKEN) as page:
        assert "0.0.0.0" not in page.url
        assert TOKEN not in page.url
        assert get(page).status_code == 401
        assert get(page, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_ipv6():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = Address("::1", 0).listen()
    except WebError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert url_of(listener, "::1") == f"http://[::1]:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "[::1]:9", "192.168.0.7:8000", "LOCALHOST"])
def test_names_of_this_machine(page, host):
    assert get(page, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1", "a b"])
def test_names_that_an_attacker_points_here(page, host):
    assert get(page, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["x@127.0.0.1", "127.0.0.1/;script-src *", "127.0.0.1;x", "127.0.0.1:x", "127.0.0.1?"])
def test_a_host_becomes_part_of_the_policy_only_as_a_name(page, host):
    assert get(page, headers={"host": host}).status_code == 421


def test_names_that_were_given(page):
    with WebPage("127.0.0.1:0", names=("cam.example.org",)) as named:
        assert get(named, headers={"host": "cam.example.org"}).status_code == 200
        assert get(named, headers={"host": "cam2.example.org"}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[evil"])
def test_pages_of_others_cannot_watch(page, watch, origin):
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        watch(page, origin=origin)


def test_its_own_page_can_watch(page, watch):
    page.publish(result())
    assert watch(page, origin=page.url.strip("/")).picture()


def test_a_token_is_asked_for(locked, watch):
    for path in ("", "assets/main.js", "metrics", "healthz", "nothing"):
        assert get(locked, path).status_code == 401, path
    assert "Token of this page" in get(locked).text
    assert get(locked, "assets/style.css").status_code == 200  # what that form needs
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        watch(locked)
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        watch(locked, additional_headers={"authorization": "Bearer wrong"})


@pytest.mark.parametrize("wrong", ["x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü"])
def test_wrong_tokens(locked, wrong):
    assert get(locked, "", params={"token": wrong}).status_code == 401
    assert get(locked, "", headers={"authorization": f"Bearer {wrong}".encode()}).status_code == 401


def test_the_token_becomes_a_cookie_and_leaves_the_address(locked, watch):
    with httpx.Client(base_url=locked.url, trust_env=False) as client:
        answer = client.get("//evil.example/x", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 200
        again = client.get("/", params={"token": TOKEN})  # a bookmark
        assert (again.status_code, again.headers["location"]) == (303, "/")
        locked.publish(result())
        given = cookie.partition(";")[0]
    assert watch(locked, additional_headers={"cookie": f"other=1; {given}"}).picture()
    assert get(locked, "", headers={"cookie": given[:-1] + "0"}).status_code in (200, 401)
    assert get(locked, "", headers={"cookie": given + "0"}).status_code == 401


def test_no_token_in_any_log(locked, watch, caplog):
    caplog.set_level(logging.DEBUG)
    get(locked, "", params={"token": TOKEN})
    bearer = {"authorization": f"Bearer {TOKEN}"}
    locked.publish(result())
    address = locked.url.replace("http", "ws") + f"live?token={TOKEN}"
    with websockets.sync.client.connect(address, additional_headers=bearer) as viewer:
        viewer.recv(timeout=5)
    logging.getLogger("uvicorn.error").info("of another server in this program")
    served = [r.getMessage() for r in caplog.records if r.name.startswith(("uvicorn", "edge_pose", "starlette"))]
    assert "of another server in this program" in served
    assert not [line for line in served if TOKEN in line]


def test_short_tokens_are_warned_of(caplog):
    with WebPage("127.0.0.1:0", token="abc"):
        assert "only 3 characters" in caplog.text


def test_what_browsers_are_told(page):
    headers = get(page).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert "http" not in policy.replace("https", "http").partition("connect-src")[0]


def test_assets_are_few_known_and_cached(page):
    for path in ("assets/../page.py", "assets/%2e%2e/page.py", "assets/none.js", "assets/", "zones", "etc/passwd"):
        assert get(page, path).status_code == 404, path
    first = get(page, "assets/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert get(page, "assets/main.js", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    with httpx.Client(base_url=page.url, trust_env=False) as client:
        assert client.post("/").status_code == 405


def test_connections_that_never_ask_are_ended(page, monkeypatch):
    monkeypatch.setattr("edge_pose.web.page.IDLE_S", 0.1)
    with socket.create_connection(("127.0.0.1", int(page.url.rsplit(":", 1)[1].strip("/"))), 10) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: ")  # and no more
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1) == b""


def test_cookies_of_other_programs_do_not_lock_out(locked):
    port = locked.url.rstrip("/").rpartition(":")[2]
    with httpx.Client(base_url=locked.url, trust_env=False) as client:
        given = client.get("/", params={"token": TOKEN}).cookies[f"edge_pose_{port}"]
    odd = f'{{"a": 1}}=x; b="un; ends; =; edge_pose_{port}={given}; c'
    assert get(locked, headers={"cookie": odd}).status_code == 200
    assert get(locked, headers={"cookie": odd.replace(given, given[:-1])}).status_code == 401

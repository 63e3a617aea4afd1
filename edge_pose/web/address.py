"""Where the page listens, and what it may be called by."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
from dataclasses import dataclass

from edge_pose.errors import WebError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
SHORT_TOKEN = 12  # characters; shorter ones are guessed in a night


@dataclass(frozen=True, slots=True)
class Address:
    """host: a name or an IP address, without brackets. port: 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "HOST:PORT", "HOST", ":PORT", "PORT" or "[IPv6]:PORT". Raises WebError."""
        text = text.strip()
        host, port = text, ""
        if text.isdecimal():
            host, port = "", text
        elif text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")):
                raise WebError(f"the address of the page must be HOST:PORT, got {text!r}")
            port = rest[1:]
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        if "/" in host or "@" in host or " " in host:
            raise WebError(f"the address of the page must be HOST:PORT, got {text!r}")
        if port and not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65536):
            raise WebError(f"the port of the page must be a number from 0 to 65535, got {port[:20]!r}")
        return cls(host or DEFAULT_HOST, int(port) if port else DEFAULT_PORT)

    def listen(self) -> socket.socket:
        """Return a socket that is bound and not yet listening. Raises WebError saying why it cannot be had."""
        name = f"{self.host}:{self.port}"
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as err:
            raise WebError(f"cannot listen on {name}: there is no host {self.host!r}") from err
        family, kind, protocol, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old packets
            listener.bind(place)
            listener.listen(64)  # here, because only listening finds a port in use that another one merely holds
        except OSError as err:
            listener.close()
            raise WebError(f"cannot listen on {name}: {_reason(err, self)}") from err
        return listener


def _reason(err: OSError, address: Address) -> str:
    if err.errno == errno.EADDRINUSE:
        return f"port {address.port} is in use; give another one, or 0 for any that is free"
    if err.errno == errno.EADDRNOTAVAIL:
        return f"{address.host} is no address of this machine; 0.0.0.0 stands for all of them"
    if err.errno == errno.EACCES:
        return f"ports below 1024 need privileges; give another one, got {address.port}"
    return err.strerror or str(err)


def is_loopback(listener: socket.socket) -> bool:
    """Say whether only this machine can reach a bound socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def check_token(address: Address, listener: socket.socket, token: str | None) -> None:
    """Raise WebError where a page that others can reach has no token, or one that no cookie or address can hold."""
    if token is not None and not (token and token.isascii() and token.isprintable() and len(token) <= 512):
        raise WebError("the token of the page must be 1 to 512 printable ASCII characters")
    if token is None and not is_loopback(listener):
        raise WebError(
            f"{address.host} can be reached by others, so the page needs a token: token=..., on the command line "
            f"--web-token, for example {secrets.token_urlsafe(12)}"
        )


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address to type into a browser; for a page on all interfaces, this machine's own in its network."""
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound.partition("%")[0]).is_unspecified:
        shown = _own_address(listener.family)
    else:
        shown = host if host in ("localhost", bound) else bound
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def _own_address(family: int) -> str:
    """Return the address that packets to elsewhere would carry. Connecting a UDP socket sends none."""
    target = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # reserved for documentation
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
    except OSError:  # no network at all
        return socket.gethostname()


def own_names(host: str) -> frozenset[str]:
    """Return the names, in lower case, that this machine answers to; IP addresses need no name."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", host.lower(), name, name.partition(".")[0], f"{name.partition('.')[0]}.local"})

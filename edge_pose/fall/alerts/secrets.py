"""Secrets come from the environment or from a file, and are shown nowhere."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import urllib.parse
from pathlib import Path

from edge_pose.errors import AddressError, AlertError

log = logging.getLogger(__name__)
MAX_BYTES = 4096


def secret(name: str) -> str:
    """Return $name, else the first line of the file that $name_FILE names, else "". Raises AlertError."""
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "")
    if value and path:
        raise AlertError(f"both ${name} and ${name}_FILE are set: unset one of them")
    if value or not path:
        return value
    try:
        file = Path(path)
        if file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning("%s, which $%s_FILE names, can be read by others: chmod 600 would keep it to you", path, name)
        with file.open("rb") as opened:
            lines = opened.read(MAX_BYTES).decode().splitlines()
    except UnicodeDecodeError as err:
        raise AlertError(f"${name}_FILE: {path} is not text") from err
    except OSError as err:
        raise AlertError(f"${name}_FILE: cannot read {path}: {err.strerror or err}") from err
    if not lines or not lines[0]:
        raise AlertError(f"${name}_FILE: {path} has an empty first line")
    return lines[0]


def address(url: str, schemes: dict[str, int], what: str, password_goes: str) -> tuple[urllib.parse.SplitResult, int]:
    """Take a URL apart; returns its parts and port. schemes: those allowed, with their ports.

    Raises AddressError, also for a password in it: whoever lists the processes of the machine would read it.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise AddressError(f"the {what} address is no URL: its host or port is wrong") from err
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise AddressError(f"the {what} address must begin with {wanted}, got {parts.scheme or 'no scheme'!r}")
    if parts.password is not None:
        raise AddressError(
            f"the {what} address must not hold a password, because others could read it: {password_goes}"
        )
    if not parts.hostname:
        raise AddressError(f"the {what} address {parts.scheme}://... names no host")
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise AddressError(f"the {what} address has a space or control character in it")
    return parts, schemes[parts.scheme] if port is None else port


class _Closing(ssl.SSLSocket):
    """Closes when the other side's certificate is refused: not everybody who uses a context does it then."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return what checks the other side's certificate, by the system's authorities or those of a file (PEM)."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        context.sslsocket_class = _Closing
        return context
    except (OSError, ssl.SSLError) as err:
        raise AlertError(f"cannot read certificates from {ca_file}: {err.strerror or err}") from err

"""Words to systemd (sd_notify): a datagram to $NOTIFY_SOCKET, and nothing where there is none."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> bool:
    """Send e.g. "READY=1" or "WATCHDOG=1". False: nobody listens. Source: sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
            out.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)
    except OSError as err:
        log.warning("cannot tell systemd %s: %s", state, err.strerror or err)
        return False
    return True


def watchdog_s() -> float:
    """Seconds within which systemd wants to hear WATCHDOG=1 from this process; 0 where it does not ask."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdecimal()) or (pid and pid != str(os.getpid())):
        return 0.0
    return int(usec) / 1e6

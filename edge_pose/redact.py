"""Addresses without their secrets: what is logged, raised or shown goes through here."""

from __future__ import annotations

import re

HIDDEN = "***"
# From the scheme to the last "@" before a blank or quote: a password may hold "/", ":" and "@" that nobody escaped.
_USER = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)[^\s'\"]*@")
# user=..., pwd=..., token=... in a query, in a GStreamer pipeline or in FFmpeg's options.
_FIELD = re.compile(
    r"(?P<name>\b[\w-]*(?:user|usr|login|pass|pwd|pw|token|secret|key|auth|credential|sig|session)[\w-]*)"
    r"(?P<is>\s*=\s*|%3[Dd])(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;,'\"!]*)",
    re.IGNORECASE,
)
_QUERY = re.compile(r"(?P<address>[A-Za-z][\w+.-]*://[^\s?#'\"]*)[?#][^\s'\"]*")


def redacted(text: str) -> str:
    """Return a text in which no user name, password or token of an address is left.

    Hides what stands before the @ of every address, and the values of fields that are called user, password, token,
    key and the like. Rather too much is hidden than too little: an @ in a path takes the host with it.
    """
    return _FIELD.sub(rf"\g<name>\g<is>{HIDDEN}", _USER.sub(rf"\g<scheme>{HIDDEN}@", text))


def source_name(text: str) -> str:
    """Return what events, recordings and pages keep of a source's address: no user, no secret, no query or fragment.

    "rtsp://ann:pw@cam/1?channel=2" gives "rtsp://cam/1". Names of files stay as they are.
    """
    if "://" not in text and not text.startswith("gst:"):
        return text
    return _QUERY.sub(r"\g<address>", redacted(text)).replace(f"://{HIDDEN}@", "://")

"""Bytes from strangers: every answer is a picture or a SourceError."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_pose.errors import SourceError
from edge_pose.sources import open_source, read_image
from edge_pose.sources.containers import inspect
from edge_pose.sources.kinds import is_picture, is_text, natural_key
from tests.sources.conftest import record, save

CALM = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BOX = st.builds(
    lambda length, kind, body: struct.pack(">I4s", length, kind) + body,
    st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)),
    st.sampled_from([b"ftyp", b"moov", b"mdat", b"moof", b"free", b"\0\0\0\0"]),
    st.binary(max_size=32),
)


@CALM
@given(st.lists(BOX, max_size=6).map(b"".join))
def test_lengths_of_boxes_never_confuse(tmp_path, data):
    path = tmp_path / "x.mp4"
    path.write_bytes(data)
    container = inspect(path)
    assert container.missing >= 0


@CALM
@given(st.binary(max_size=600))
def test_any_first_bytes_have_a_kind(head):
    assert is_picture(head) in (True, False)
    assert is_text(head) in (True, False)


@pytest.mark.parametrize("text", ["grüße\n", "a\tb\r\n", "x" * 511 + "é"])
def test_text_is_known_even_where_a_letter_is_cut(text):
    assert is_text(text.encode()[:512])


def damaged(data, at, values):
    spoilt = bytearray(data)
    for place, value in zip(at, values, strict=True):
        spoilt[int(place * (len(spoilt) - 1))] = value
    return bytes(spoilt)


PLACES = st.lists(st.floats(0, 1), min_size=8, max_size=8)
VALUES = st.lists(st.integers(0, 255), min_size=8, max_size=8)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@CALM
@given(at=PLACES, values=VALUES)
def test_spoilt_pictures(tmp_path, suffix, at, values):
    path = save(tmp_path / f"a{suffix}")
    path.write_bytes(damaged(path.read_bytes(), at, values))
    try:
        image = read_image(path)
    except SourceError as err:
        assert str(path) in str(err)
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3


@settings(CALM, max_examples=25)
@given(at=PLACES, values=VALUES)
def test_spoilt_videos(tmp_path, at, values):
    path = tmp_path / "a.mp4"
    if not path.exists():
        record(path, frames=5)
    spoilt = tmp_path / "b.mp4"
    spoilt.write_bytes(damaged(path.read_bytes(), at, values))
    try:
        with open_source(spoilt, max_frames=50) as source:
            times = [frame.time_s for frame in source]
    except SourceError as err:
        assert str(spoilt) in str(err)
    else:
        assert (np.diff(times) > 0).all()


@CALM
@given(st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=12), max_size=8))
def test_any_names_can_be_sorted(tmp_path, names):
    paths = [tmp_path / name for name in names]
    backwards = paths[::-1]
    assert sorted(backwards, key=natural_key) == sorted(paths, key=natural_key)


def test_numbers_in_names_count():
    names = ["a10b2", "a9", "a10b10", "A1", "a010b1", "b", "10", "9"]
    assert [p.name for p in sorted(map(Path, names), key=natural_key)] == [
        "9", "10", "A1", "a9", "a010b1", "a10b2", "a10b10", "b",
    ]  # fmt: skip

"""The frames in GStreamer's pipe: made by hand, cut, and hostile."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_pose.errors import SourceError
from edge_pose.sources.gdp import BUFFER, CAPS, EVENT, NO_TIME, Caps, Reader


def packet(kind, payload, stamp=NO_TIME, length=None):
    head = struct.pack(">BBxxHIQ", 1, 0, kind, len(payload) if length is None else length, stamp)
    return head.ljust(62, b"\0") + payload


def caps(width, height, format="BGR", rate="30/1"):
    text = f"video/x-raw, format=(string){format}, width=(int){width}, height=(int){height}, framerate=(fraction){rate}"
    return packet(CAPS, text.encode() + b"\0")


def picture(width, height, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stride = (3 * width + 3) // 4 * 4
    rows = np.zeros((height, stride), np.uint8)
    rows[:, : 3 * width] = image.reshape(height, -1)
    return image, rows.tobytes()


def reader(data):
    left = bytearray(data)

    def fill(buffer):
        if len(left) < len(buffer):
            return False
        buffer[:] = left[: len(buffer)]
        del left[: len(buffer)]
        return True

    return Reader(fill)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 33, 64])
def test_rows_may_be_padded(width):
    image, data = picture(width, 3)
    stream = reader(caps(width, 3) + packet(EVENT + 9, b"segment") + packet(BUFFER, data, 1_500_000_000))
    got, stamp = stream.read()
    assert np.array_equal(got, image)
    assert stamp == 1.5
    assert stream.caps.fps == 30
    assert stream.read() is None


def test_the_format_may_change():
    one, two = picture(5, 3), picture(8, 2)
    stream = reader(caps(5, 3) + packet(BUFFER, one[1]) + caps(8, 2, rate="0/1") + packet(BUFFER, two[1]))
    assert np.array_equal(stream.read()[0], one[0])
    got, stamp = stream.read()
    assert np.array_equal(got, two[0])
    assert stamp is None
    assert stream.caps == Caps(8, 2, 0.0)


def test_a_cut_stream_ends():
    data = caps(5, 3) + packet(BUFFER, picture(5, 3)[1])
    for length in range(len(data)):
        assert reader(data[:length]).read() is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Setting pipeline to PLAYING ...".ljust(80), "not what gdppay writes"),
        (packet(BUFFER, b"1234"), "a picture of 4 bytes instead of none"),
        (caps(5, 3) + packet(BUFFER, b"1234"), "a picture of 4 bytes instead of 48"),
        (caps(5, 3, "I420"), "no BGR pictures"),
        (caps(1 << 20, 1 << 20), "pictures of 1048576 x 1048576"),
        (caps(0, 3), "pictures of 0 x 3"),
        (packet(CAPS, b"audio/x-raw\0"), "no pictures of a known size"),
        (caps(5, 3, rate="1/x"), "no pictures of a known size"),
        (packet(EVENT, b"", length=1 << 30), "announces 1073741824 bytes"),
    ],
)
def test_garbage_is_told(data, message):
    with pytest.raises(SourceError, match=message):
        reader(data).read()


@given(st.binary(max_size=200), st.integers(0, 300))
def test_nothing_but_our_error_comes_of_garbage(noise, at):
    data = bytearray(caps(5, 3) + packet(BUFFER, picture(5, 3)[1]))
    data[at : at + len(noise)] = noise
    try:
        stream = reader(bytes(data))
        while stream.read() is not None:
            pass
    except SourceError:
        pass

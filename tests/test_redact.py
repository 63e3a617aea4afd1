import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_pose.redact import redacted, source_name


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rtsp://admin:secret@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://admin@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:a/b@c:d@cam/1", "rtsp://***@cam/1"),  # nobody escaped it
        ("http://cam/video?user=admin&pwd=secret&size=2", "http://cam/video?user=***&pwd=***&size=2"),
        ("https://cam/v?access_token=abc", "https://cam/v?access_token=***"),
        ("gst:rtspsrc location=rtsp://u:p@cam/1 user-pw=secret ! decodebin",
         "gst:rtspsrc location=rtsp://***@cam/1 user-pw=*** ! decodebin"),
        ("gst:souphttpsrc user-id=\"me too\" user-pw='a b' ! jpegdec",
         "gst:souphttpsrc user-id=*** user-pw=*** ! jpegdec"),
        ("Opening 'rtsp://u:p@cam/1' for reading", "Opening 'rtsp://***@cam/1' for reading"),
        ("bus.jpg", "bus.jpg"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_shown(address, shown):
    assert redacted(address) == shown


WORD = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="!#$%*()-_.:/@"), min_size=6)


@given(user=WORD, password=WORD, key=st.sampled_from(["password", "pwd", "token", "api_key", "auth", "user-pw"]))
def test_nothing_is_left_of_a_secret(user, password, key):
    shown = redacted(f"rtsp://{user}:{password}@camera.example/1")
    assert shown == "rtsp://***@camera.example/1"
    assert redacted(shown) == shown
    assert "Zq9" not in redacted(f"http://h/v?{key}=Zq9{password.replace('!', 'x')}&size=2")


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("rtsp://ann:s3cret@cam:554/1", "rtsp://cam:554/1"),
        ("rtsp://cam/1?user=ann&password=s3cret", "rtsp://cam/1"),
        ("rtsp://ann:p@s/s@cam/1#s3cret", "rtsp://cam/1"),  # nobody escaped it
        ("http://host/stream?k=1#x", "http://host/stream"),
        (
            'gst:rtspsrc location=rtsp://u:p@h/1?x=1 user-id=me user-pw="a b" ! x',
            "gst:rtspsrc location=rtsp://h/1 user-id=*** user-pw=*** ! x",
        ),
        ("/videos/who?key=1#@me.mp4", "/videos/who?key=1#@me.mp4"),
        ("v4l2:///dev/video0", "v4l2:///dev/video0"),
        ("0", "0"),
    ],
)
def test_what_is_kept_of_a_source(source, kept):
    assert source_name(source) == kept

"""Lines that are whole, synced, and not for ever."""

import os

import pytest

from edge_pose.errors import OutputError
from edge_pose.fall.alerts.jsonl import EventLog


def write(path, *lines, **options):
    log = EventLog(path, **options)
    for line in lines:
        log.append([line])
    log.close()


def test_lines_are_added_to_what_is_there(tmp_path):
    path = tmp_path / "deep" / "events.jsonl"
    write(path, '{"a":1}', '{"a":2}')
    write(path, '{"a":3}')
    assert path.read_text() == '{"a":1}\n{"a":2}\n{"a":3}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a":1}\n{"a":2', '{"a":1}\n'),  # cut off in the middle
        ('{"a":1}\n{"a":2}', '{"a":1}\n{"a":2}\n'),  # whole, but for its end
        ('{"a":1}\n' + "\0" * 3000, '{"a":1}\n'),  # blocks that a power failure left empty
        ('{"a":2', ""),
        ("", ""),
    ],
)
def test_a_torn_last_line_is_repaired(tmp_path, before, after):
    path = tmp_path / "events.jsonl"
    path.write_text(before)
    write(path, '{"new":1}')
    assert path.read_text() == after + '{"new":1}\n'


def test_what_is_removed_is_told(tmp_path, caplog):
    path = tmp_path / "events.jsonl"
    path.write_text('{"a":1}\n{"a":')
    write(path)
    assert "cut off (5 bytes)" in caplog.text


def test_files_are_rotated(tmp_path):
    path = tmp_path / "events.jsonl"
    write(path, *(f'{{"number":{n}}}' for n in range(10)), max_bytes=40, keep=2)
    left = [p.read_text() for p in (tmp_path / "events.jsonl.2", tmp_path / "events.jsonl.1", path)]
    assert "".join(left) == "".join(f'{{"number":{n}}}\n' for n in range(3, 10))  # three in a file
    assert all(len(text) <= 40 for text in left)
    assert len(list(tmp_path.iterdir())) == 3


def test_keep_0_never_rotates(tmp_path):
    write(tmp_path / "e", *["x" * 50] * 3, max_bytes=40, keep=0)
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


def test_each_line_is_on_the_disk_when_append_returns(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    log = EventLog(tmp_path / "e")
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append((tmp_path / "e").read_text()), fsync(handle)))
    log.append(["a"])
    log.append(["b", "c"])
    log.close()
    assert synced == ["a\n", "a\nb\nc\n"]


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    log = EventLog(tmp_path / "e")
    log.append(["a"])
    real = log._file

    class Full:
        def write(self, data):
            return real.write(data[:2])

        def __getattr__(self, name):
            return getattr(real, name)

    log._file = Full()
    with pytest.raises(OutputError, match="No space left"):
        log.append(["bcdef"])
    log._file = real
    log.append(["bcdef"])
    log.close()
    assert (tmp_path / "e").read_text() == "a\nbcdef\n"


def test_a_file_that_others_moved_away_is_begun_anew(tmp_path):
    log = EventLog(tmp_path / "e")
    log.append(["a"])
    (tmp_path / "e").rename(tmp_path / "old")
    log.append(["b"])
    (tmp_path / "e").unlink()
    log.append(["c"])
    log.close()
    assert ((tmp_path / "old").read_text(), (tmp_path / "e").read_text()) == ("a\n", "c\n")


def test_a_device_that_is_always_full():
    log = EventLog(__import__("pathlib").Path("/dev/full"))
    with pytest.raises(OutputError, match="No space left"):
        log.append(["a"])
    log.close()


def test_a_pipe_is_no_file_and_works(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write(path, "a", "b")
    assert os.read(reader, 100) == b"a\nb\n"
    os.close(reader)


def test_a_folder_and_a_file_for_a_folder(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        EventLog(tmp_path)
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        EventLog(tmp_path / "f" / "e")

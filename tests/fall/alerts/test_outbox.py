"""What is in the outbox is on the disk, in order, until everybody has it."""

import os
import sqlite3
import subprocess
import sys

import pytest

from edge_pose.errors import OutputError
from edge_pose.fall.alerts.outbox import Outbox
from tests.fall.alerts.conftest import an_event


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "outbox.sqlite3"  # the folder is made as well


@pytest.fixture
def make(path):
    made = []

    def new(destinations=("mqtt", "webhook"), **options):
        made.append(Outbox(path, destinations, **options))
        return made[-1]

    yield new
    for outbox in made:
        outbox.close()


def bodies(outbox, destination="mqtt", **options):
    return [item.body for item in outbox.pending(destination, **options)]


def test_events_wait_for_each_destination_on_its_own(make):
    outbox = make()
    assert outbox.put([("a", "A"), ("b", "B")])
    outbox.done("mqtt", [outbox.pending("mqtt")[0].seq])
    assert bodies(outbox, "mqtt") == ["B"]
    assert bodies(outbox, "webhook") == ["A", "B"]
    assert outbox.counts() == {"mqtt": {"pending": 1, "dead": 0}, "webhook": {"pending": 2, "dead": 0}}


def test_they_are_there_after_a_restart_in_order(make):
    outbox = make()
    for n in range(5):
        outbox.put([(str(n), f"body {n}")])
    outbox.close()
    again = make()
    again.put([("5", "body 5")])
    assert bodies(again) == [f"body {n}" for n in range(6)]
    assert bodies(again, limit=2) == ["body 0", "body 1"]
    assert bodies(again, after=again.pending("mqtt")[3].seq) == ["body 4", "body 5"]


def test_what_everybody_has_is_gone(make, path):
    outbox = make()
    outbox.put([("a", "A")])
    for destination in ("mqtt", "webhook"):
        outbox.done(destination, [item.seq for item in outbox.pending(destination)])
    outbox.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    connection.close()


def test_the_same_id_is_taken_once(make):
    outbox = make()
    outbox.put([("a", "A"), ("a", "A")])
    outbox.put([("a", "A")])
    assert bodies(outbox) == ["A"]


def test_dead_letters_are_kept_and_can_be_revived(make):
    outbox = make()
    outbox.put([("a", "A"), ("b", "B")])
    seq = outbox.pending("mqtt")[0].seq
    outbox.refused("mqtt", seq, "HTTP 400", dead=False)
    assert outbox.pending("mqtt")[0].tries == 1
    outbox.refused("mqtt", seq, "HTTP 400", dead=True)
    assert bodies(outbox) == ["B"]
    outbox.close()
    again = make()
    assert again.counts()["mqtt"] == {"pending": 1, "dead": 1}
    assert again.revive("mqtt") == 1
    assert bodies(again) == ["A", "B"]
    assert again.pending("mqtt")[0].tries == 0


def test_notes_outlive_restarts(make):
    outbox = make()
    assert outbox.note("watch") == ""
    outbox.note("watch", "dark")
    outbox.close()
    assert make().note("watch") == "dark"


def test_a_second_user_is_told_who_the_first_is(make, path):
    make()
    with pytest.raises(OutputError, match=f"process {os.getpid()} is using it"):
        Outbox(path, ())


def test_another_process_is_told_too_and_may_have_it_afterwards(make, path):
    outbox = make()
    code = f"from pathlib import Path; from edge_pose.fall.alerts.outbox import Outbox; Outbox(Path({str(path)!r}), ())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode and f"process {os.getpid()} is using it" in done.stderr
    outbox.close()
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("broken", ["no database at all" * 100, "magic", "middle"])
def test_a_broken_file_is_put_aside(make, path, caplog, broken):
    outbox = make()
    outbox.put([(str(n), f"body {n}" * 200) for n in range(200)])
    outbox.close()
    data = bytearray(path.read_bytes())
    if broken == "magic":
        data[:16] = bytes(16)
    elif broken == "middle":
        data[len(data) // 2 : len(data) // 2 + 20_000] = os.urandom(20_000)
    else:
        data = broken.encode()
    path.write_bytes(data)
    told = []
    again = make(on_reset=told.append)
    assert len(told) == 1 and "put aside as outbox.sqlite3.broken-" in told[0]
    assert [p for p in path.parent.iterdir() if "broken" in p.name]
    assert again.put([("new", "NEW")])
    assert bodies(again, limit=1000)[-1] == "NEW"
    if broken == "middle":  # what stands before the damage is saved
        assert bodies(again)[0].startswith("body 0")
    assert "was broken" in caplog.text


def test_a_file_that_breaks_while_it_is_used(make, path):
    told = []
    outbox = make(on_reset=told.append)
    outbox.put([(str(n), f"body {n}" * 300) for n in range(300)])
    outbox._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    outbox._connection.execute("PRAGMA cache_size=0")
    outbox._connection.execute("PRAGMA shrink_memory")
    assert outbox.put([("new", "NEW")]) or outbox.save(now=True)
    assert "NEW" in bodies(outbox, limit=1000)
    assert told


def test_a_file_that_is_removed_is_written_again(make, path, caplog):
    outbox = make()
    outbox.put([("a", "A")])
    for part in path.parent.glob("outbox.sqlite3*"):
        if not part.name.endswith(".lock"):
            part.unlink()
    assert outbox.put([("b", "B")])
    assert "was removed while it was in use" in caplog.text
    outbox.close()
    assert bodies(make()) == ["A", "B"]


def test_a_newer_version_is_left_alone(make, path):
    make().close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(OutputError, match="another version"):
        make()
    make_again = sqlite3.connect(path)
    assert make_again.execute("PRAGMA user_version").fetchone() == (99,)
    make_again.close()


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(OutputError, match="cannot use the outbox"):
        Outbox(tmp_path, ("mqtt",))


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot use the outbox"):
        Outbox(tmp_path / "file" / "outbox", ("mqtt",))


def test_a_full_disk_keeps_nothing_from_being_delivered(make, caplog):
    outbox = make()
    outbox.put([("a", "A" * 3000)])
    outbox._connection.execute("PRAGMA max_page_count=1")  # the database itself says that the disk is full
    assert not outbox.put([(str(n), f"{n}" * 3000) for n in range(30)])
    assert outbox.unsaved == 30
    assert len(bodies(outbox, limit=100)) == 31
    assert outbox.counts()["mqtt"]["pending"] == 31
    for destination in ("mqtt", "webhook"):
        outbox.done(destination, [item.seq for item in outbox.pending(destination, limit=100)][1:])
    assert outbox.unsaved == 0
    assert caplog.text.count("is full") == 1
    outbox._connection.execute("PRAGMA max_page_count=1000000")
    assert outbox.put([("z", "Z")])
    assert [body[0] for body in bodies(outbox)] == ["A", "Z"]


def test_acknowledged_on_a_full_disk_is_not_sent_again(make):
    outbox = make(("mqtt",))
    outbox.put([("a", "A"), ("b", "B")])
    outbox._connection.execute("PRAGMA query_only=1")  # nothing can be written
    outbox.done("mqtt", [outbox.pending("mqtt")[0].seq])
    assert bodies(outbox) == ["B"]
    assert outbox.counts()["mqtt"]["pending"] == 1
    outbox._connection.execute("PRAGMA query_only=0")
    assert outbox.save(now=True)
    outbox.close()
    assert bodies(make(("mqtt",))) == ["B"]


def test_the_bound_gives_up_the_watch_first_then_the_oldest(make):
    lost = []
    outbox = make(("mqtt",), max_bytes=200_000, on_loss=lost.append)
    pad = {"x": "y" * 9000}
    kinds = ["fall.confirmed", *["watch.dark"] * 5, *["fall.confirmed"] * 30]
    events = [an_event(kind, n, evidence=pad) for n, kind in enumerate(kinds)]
    for event in events:
        outbox.put([(event.id, event.to_json())])
    left = [item.id for item in outbox.pending("mqtt", limit=100)]
    assert sum(lost) == len(events) - len(left)
    assert 18 <= len(left) <= 21
    assert left == [event.id for event in events][-len(left) :]


def test_destinations_of_earlier_runs_are_told(make, caplog):
    earlier = make()
    earlier.put([("a", "A")])
    earlier.close()
    outbox = make(("mqtt",))
    assert "holds 1 events for webhook" in caplog.text
    assert outbox.counts()["webhook"]["pending"] == 1


def test_closing_twice_and_using_it_afterwards(make):
    outbox = make()
    outbox.put([("a", "A")])
    outbox.close()
    outbox.close()
    assert outbox.pending("mqtt") == []
    outbox.done("mqtt", [1])


WRITER = """
import sys
from pathlib import Path
from edge_pose.fall.alerts.outbox import Outbox
outbox, start = Outbox(Path(sys.argv[1]), ("mqtt",)), sys.argv[2]
for n in range(1_000_000):
    outbox.put([(f"{start}-{n}", f"{start}-{n}")])
    sys.stdout.write(f"{start}-{n}\\n")
    sys.stdout.flush()
"""


def test_nothing_that_was_taken_is_lost_by_a_kill(make, path):
    taken = []
    for start in "ab":
        command = [sys.executable, "-c", WRITER, str(path), start]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            taken += [writer.stdout.readline().strip() for _ in range(20)]
            writer.kill()
            taken += writer.stdout.read().split()
    assert taken[0] == "a-0" and "b-19" in taken
    there = bodies(make(("mqtt",)), limit=100_000)
    assert set(taken) <= set(there)
    assert there[:20] == [f"a-{n}" for n in range(20)]

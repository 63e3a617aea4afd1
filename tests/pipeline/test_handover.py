"""How threads hand over: order, room, and the end."""

import threading

import pytest

from edge_pose.pipeline.handover import Closed, Handover


def test_the_newest_is_kept_and_the_others_are_counted():
    box = Handover(1, newest=True)
    for i in range(5):
        assert box.put(i)
    assert (box.take(), box.dropped, box.waited) == (4, 4, 0)
    box = Handover(3, newest=True)
    for i in range(5):
        box.put(i)
    assert [box.take() for _ in range(3)] == [2, 3, 4]


def test_one_that_waits_loses_nothing_and_counts_the_waits():
    box, taken = Handover(2), []

    def give():
        for i in range(500):
            box.put(i)
        box.close()

    giver = threading.Thread(target=give)
    giver.start()
    with pytest.raises(Closed):
        while True:
            taken.append(box.take())
    giver.join()
    assert taken == list(range(500))
    assert box.waited > 0
    assert box.dropped == 0


def test_once_without_waiting():
    box = Handover(2)
    for i in range(5):
        assert box.put(i, newest=True)
    assert [box.take(), box.take()] == [3, 4]


def test_what_is_there_is_still_taken_after_the_end():
    box = Handover(3)
    box.put("a")
    box.close()
    assert box.put("b") is False
    assert box.take() == "a"
    with pytest.raises(Closed):
        box.take()


@pytest.mark.parametrize("way", ["close", "abort"])
def test_who_waits_is_woken_by_the_end(way):
    full, empty, heard = Handover(1), Handover(1), []
    full.put("there")

    def take():
        try:
            empty.take()
        except Closed:
            heard.append("taker")

    waiting = [
        threading.Thread(target=lambda: heard.append("giver") if not full.put("no room") else None),
        threading.Thread(target=take),
    ]
    for thread in waiting:
        thread.start()
    getattr(full, way)()
    getattr(empty, way)()
    for thread in waiting:
        thread.join(10)
    assert sorted(heard) == ["giver", "taker"]


def test_nothing_in_time():
    assert Handover().take(0.01) is None


def test_forgetting_makes_room():
    box = Handover(1)
    box.put(1)
    giver = threading.Thread(target=box.put, args=(2,))
    giver.start()
    while box.waited == 0:
        pass
    box.forget()
    giver.join(10)
    assert box.take() == 2

"""The page in a real browser: what it draws, what it asks for, and zones drawn with the mouse."""

import json
import threading
import time

import pytest

from edge_pose.web import WebPage
from tests.web import browser, scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.PROGRAM is None, reason="Chromium is not on this machine"),
]
# How many pixels of the stage have the colours of a left and a right limb.
LIMBS = """(() => {
  const view = document.querySelector("#view"), context = view.getContext("2d");
  const data = context.getImageData(0, 0, view.width, view.height).data;
  let left = 0, right = 0;
  for (let i = 0; i < data.length; i += 4) {
    left += Math.abs(data[i] - 230) < 6 && Math.abs(data[i + 1] - 159) < 6 && data[i + 2] < 6;
    right += Math.abs(data[i] - 86) < 6 && Math.abs(data[i + 1] - 180) < 6 && Math.abs(data[i + 2] - 233) < 6;
  }
  return [left, right];
})()"""
PLACE = "(({ x, y, width, height }) => [x, y, width, height])(document.querySelector('#view').getBoundingClientRect())"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def play():
    """play(page): frames at a camera's pace until the test ends."""
    ended, threads = threading.Event(), []

    def start(page: WebPage, **options) -> None:
        def feed() -> None:
            for shown in scene.results(640, 360, **options):
                if ended.wait(0.05):
                    return
                page.publish(shown, {"reconnects": 2})

        threads.append(threading.Thread(target=feed))
        threads[-1].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()


def text(tab: browser.Tab, selector: str) -> str:
    return tab.ask(f"document.querySelector({selector!r}).textContent")


def test_picture_skeletons_and_figures(tab, play):
    tab.said.clear()
    tab.size(1280, 800)
    with WebPage("127.0.0.1:0", title="<b>Hall</b>") as page:
        tab.open(page.url)
        tab.wait("document.querySelector('#status')?.textContent === 'Live'")
        play(page, people=2)
        tab.wait("document.querySelector('#count').textContent === '2'")
        left, right = tab.ask(LIMBS)
        assert left > 100 and right > 100
        assert text(tab, "h1") == "<b>Hall</b>"
        assert [c.strip() for c in tab.ask("[...document.querySelectorAll('#ids li')].map(e => e.textContent)")] == [
            "#1",
            "#2",
        ]
        assert "network" in text(tab, "#legend")
        tab.wait("document.querySelector('#figures').textContent.includes('Reconnects2')")
        assert tab.ask("document.querySelector('#zones-edit').hidden")
        asked = tab.requests()
        assert len(asked) > 5
        assert {address.split("/")[2] for address in asked} == {page.url.split("/")[2]}
        assert tab.troubles() == []
    tab.wait("['Connecting', 'Device not reached'].includes(document.querySelector('#status').textContent)")


def test_privacy_on_a_phone(tab, play):
    tab.said.clear()
    tab.size(390, 844, mobile=True, scale=2)
    with WebPage("127.0.0.1:0", privacy=True) as page:
        play(page, people=1)
        tab.open(page.url)
        tab.wait("document.querySelector('#count')?.textContent === '1'")
        assert min(tab.ask(LIMBS)) > 100
        assert not tab.ask("document.querySelector('#privacy').hidden")
        assert tab.ask("document.documentElement.scrollWidth") == 390  # nothing to scroll sideways
        assert tab.troubles() == []


def test_a_zone_drawn_with_the_mouse(tab, play, tmp_path):
    tab.said.clear()
    tab.size(1280, 800)
    path = tmp_path / "zones.json"
    with WebPage("127.0.0.1:0", zones_path=path) as page:
        play(page)
        tab.open(page.url)
        tab.wait("document.querySelector('#zones-edit')?.hidden === false && document.querySelector('#empty').hidden")
        tab.ask("document.querySelector('#zones-edit').click(); document.querySelector('#zone-bed').click()")
        x, y, width, height = tab.ask(PLACE)
        corners = [(0.1, 0.5), (0.4, 0.5), (0.4, 0.9), (0.1, 0.9)]
        for across, down in [*corners, corners[0]]:
            tab.click(x + across * width, y + down * height)
        tab.ask("document.querySelector('#zones-save').click()")
        tab.wait("document.querySelector('#editor').hidden")
        (zone,) = json.loads(path.read_text())
        assert (zone["name"], zone["kind"], len(zone["polygon"])) == ("Bed", "bed", 4)
        for drawn, wanted in zip(zone["polygon"], corners, strict=True):
            assert drawn == pytest.approx(wanted, abs=0.01)
        assert tab.troubles() == []


def test_an_alarm_is_shown_until_it_is_over(tab, page):
    def tell(kind: str, name: str) -> None:
        event = {"id": name, "event": kind, "track_id": 7, "time_s": 1.0, "wall_time": "2026-01-31T12:00:00.000Z"}
        shown = next(scene.results(320, 180, people=1))
        page.publish(scene.Result(shown.frame, shown.poses, (event,), shown.timings_ms))

    tab.said.clear()
    tab.open(page.url)
    tell("fall.confirmed", "a")
    tab.wait("document.querySelector('#alarm')?.hidden === false")
    assert "person #7" in text(tab, "#alarm")
    tell("fall.recovered", "b")
    tab.wait("document.querySelector('#alarm').hidden")
    assert "Up again" in text(tab, "#events")


def test_a_hidden_tab_costs_nothing(tab, page, play):
    play(page)
    tab.open(page.url)
    tab.wait("document.querySelector('#empty')?.hidden")
    tab.ask("Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
            "document.dispatchEvent(new Event('visibilitychange'))")  # fmt: skip
    end = time.monotonic() + 10
    while page.viewers and time.monotonic() < end:
        time.sleep(0.05)
    assert page.viewers == 0

"""A change in the store reaches the pages that are open, by itself and without a reload."""

import time
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from kpi.schema import micros
from layouts import text, theme
from tests.browser import looking
from tests.browser.house import House

pytestmark = pytest.mark.browser

SOON = 5.0
"""Seconds; the product promises one, a busy machine is given more."""

WATCH = """
([place, before]) => {
  // The instant at which the page itself shows something else, whenever the test may ask.
  const look = () => {
    const found = document.querySelector(place);
    if (!window.changed && found && found.innerText !== before) window.changed = Date.now();
  };
  const all = {childList: true, characterData: true, subtree: true};
  new MutationObserver(look).observe(document.body, all);
}
"""


def live(house: House) -> str:
    """What I02b must show as its live figure now."""
    rows = house.json("/api/v1/standings.json?target=T02b")["rows"]
    return text.percent(rows[0]["numerator"], rows[0]["denominator"], 60)


def test_a_commit_reaches_every_open_page_without_a_reload(house: House, visit: Any) -> None:
    """Register, wall and indicator show the new figure within a second or so."""
    places = {
        "/": "tr[data-target=T02b] .live-figure",
        "/wall?page=1": "[data-target=T02b] .tile-live b",
        "/indicator/I02b": "#indicator-head .live-figure",
    }
    open_pages = {path: visit(path) for path in places}
    before = live(house)
    for path, place in places.items():
        assert open_pages[path].page.locator(place).inner_text() == before
        open_pages[path].page.evaluate(WATCH, [place, before])
    house.resolve(40, online=False)
    committed = time.time()
    after = live(house)
    assert after != before
    for path, place in places.items():
        seen = open_pages[path]
        seen.until(f"document.querySelector({place!r}).innerText === {after!r}", seconds=20)
        took = seen.page.evaluate("window.changed") / 1000 - committed
        print(f"{path}: {took:.2f} s after the commit")
        assert took <= SOON, path
        assert seen.page.evaluate("window.changed") > 0  # no reload took it away
        assert [s for s in seen.console if not s.startswith(("log:", "info:"))] == []
    chart = open_pages["/indicator/I02b"].page
    tall = "document.querySelector('.js-plotly-plot').getBoundingClientRect().height"
    assert chart.evaluate(tall) > 300  # an update may fold a chart whose height is indefinite
    assert looking.collisions(looking.texts(chart)) == []
    months = house.json("/api/v1/values.json?indicator=I02b&limit=100")["rows"]
    open_pages["/indicator/I02b"].until(
        f"document.querySelector('.js-plotly-plot').data[0].y.at(-1) === {months[-1]['value']!r}",
        seconds=10,
    )
    assert (
        looking.pixels_of(
            looking.picture_of(chart.locator(".js-plotly-plot")), theme.ON_TRACK, near=12
        ).sum()
        > 20
    )
    for seen in open_pages.values():
        seen.page.close()


def test_of_many_commits_the_newest_stays_on_the_screen(house: House, visit: Any) -> None:
    """A burst is answered once or twice, not queued; what stands at the end is the last state."""
    seen = visit("/wall?page=1")
    asked = len([url for url in seen.requests if "_dash-update-component" in url])
    for _ in range(6):
        house.resolve(7, online=True)
    after = live(house)
    seen.until(
        f"document.querySelector('[data-target=T02b] .tile-live b').innerText === {after!r}",
        seconds=15,
    )
    seen.page.wait_for_timeout(1500)
    assert seen.page.locator("[data-target=T02b] .tile-live b").inner_text() == after
    callbacks = len([url for url in seen.requests if "_dash-update-component" in url]) - asked
    assert callbacks <= 6 * 4
    seen.page.close()


def test_when_time_passes_without_a_poll_figures_turn_old_and_outcomes_stay(
    house: House, visit: Any
) -> None:
    """A7, B3, B6: the clock is moved by moving what the source covers two days back."""
    outcome = "tr[data-target=T02b] .c-outcome"
    fresh = visit("/")
    closed = fresh.page.locator(outcome).inner_text()
    assert "Số cũ" not in fresh.page.locator("tr[data-target=T02b]").inner_text()
    fresh.page.close()
    move = micros_of(timedelta(days=2))
    shift(house, -move)
    try:
        register = visit("/")
        for target in ("T02a", "T02b"):
            row = register.page.locator(f"tr[data-target={target}]")
            assert "Số cũ" in row.locator(".c-live").inner_text(), target
            cell = looking.picture_of(row.locator(".c-live"))
            assert looking.saturated(cell).sum() == 0  # neither blue nor any other colour
        assert register.page.locator(outcome).inner_text() == closed
        wall = visit("/wall?page=1")
        tile = wall.page.locator("[data-target=T02a]")
        assert "Số cũ" in tile.inner_text() and "Không đạt" in tile.inner_text()
        assert looking.squeezed(looking.texts(wall.page)) == []
        page = visit("/indicator/I02b")
        head = page.page.locator("#indicator-head").inner_text()
        assert "Số cũ" in head and "59,98" in head
        assert looking.squeezed(looking.texts(page.page)) == []
        for seen in (register, wall, page):
            for drawn in looking.texts(seen.page):
                assert drawn.words != "Mới"
            seen.page.close()
    finally:
        shift(house, move)


def micros_of(length: timedelta) -> int:
    """A length of time as the store keeps it."""
    return int(length / timedelta(microseconds=1))


def shift(house: House, by: int) -> None:
    """Move what the one-stop portal covers, and tell the screens."""
    assert micros(None) is None
    with house.store.write() as connection:
        connection.execute(
            sa.text("UPDATE watermark SET covered_until = covered_until + :by WHERE source = :id"),
            {"by": by, "id": "public_services"},
        )
        house.store.touch(connection, ["source:public_services"])

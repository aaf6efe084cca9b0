"""Somebody at the operator's page: turns, stops and holds every wall, and lets phones read it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pytest
import segno
import sqlalchemy as sa

from tests.browser import looking, walls
from tests.browser.conftest import Screen
from tests.browser.house import House
from tests.browser.test_wall_turns import REST, STOPPED, live, on, quiet

pytestmark = pytest.mark.browser

PROMISED, BUSY = 2.0, 6.0
"""Seconds until a wall does what it is told; what a busy machine is given."""
SMALL = (1366, 768)
CHANGED = """
key => {
  // The instant at which a sheet comes on, whenever the test may ask.
  const sheet = document.querySelector(`[data-sheet=${key}]`);
  window.came = 0;
  new MutationObserver(() => {
    if (!window.came && sheet.classList.contains('on')) window.came = Date.now();
  }).observe(sheet, {attributes: true});
}
"""
CLICK = """
word => {
  const id = JSON.stringify({steer: word});
  const button = [...document.querySelectorAll('button')].find(b => b.id === id);
  button.click();
  return Date.now();
}
"""


@pytest.fixture(scope="module")
def room(house: House, visit: Any) -> Iterator[dict[str, Screen]]:
    """The operator's page, a wall of its screen and one of another."""
    opened = {
        "operator": visit("/operator"),
        "wall": walls.watched(visit("/wall")),
        "other": walls.watched(visit("/wall?scene=overview,worst,map,sources", SMALL)),
    }
    for name in ("wall", "other"):
        opened[name].until("document.getElementById('wall-news').textContent !== ''")
        opened[name].until("sessionStorage.getItem('wall-known') !== null")
    yield opened
    for seen in opened.values():
        seen.page.close()
    with house.store.write() as connection:  # nobody said anything to the walls of other tests
        connection.execute(sa.text("DELETE FROM steering"))
        house.store.touch(connection, ["wall"])


def say(room: dict[str, Screen], word: str) -> float:
    """Press a button once it is there; the instant."""
    there = f"[...document.querySelectorAll('button')].some(b => b.id === {button(word)!r})"
    room["operator"].until(there)
    return room["operator"].page.evaluate(CLICK, word)


def button(word: str) -> str:
    """The id of a button."""
    return f'{{"steer":"{word}"}}'


def test_a_click_turns_every_wall_within_two_seconds(room: dict[str, Screen]) -> None:
    """Whatever its size; the page that was asked for is marked, and who asked."""
    took = []
    for key in ("worst-1", "map-1", "sources-1"):
        for name in ("wall", "other"):
            room[name].page.evaluate(CHANGED, key)
        clicked = say(room, f"sheet {key}")
        for name in ("wall", "other"):
            room[name].until("window.came > 0", seconds=30)
            took.append((room[name].page.evaluate("window.came") - clicked) / 1000)
        room["operator"].until(
            f"document.querySelector('.operator-pages .on')?.id === {button(f'sheet {key}')!r}"
        )
    print("seconds from click to wall:", *(f"{one:.2f}" for one in took))
    assert min(took) <= PROMISED and max(took) <= BUSY
    page = room["operator"].page
    assert "Lệnh cuối" in page.locator("#operator-board").inner_text()
    assert all(quiet(seen) for seen in room.values())


def test_a_wall_stops_and_goes_on_as_it_is_told(room: dict[str, Screen]) -> None:
    """It stops where it is: a word about something else names no page."""
    say(room, "sheet worst-1")
    for name in ("wall", "other"):
        room[name].until(on("worst-1"))
    room["wall"].page.keyboard.press("ArrowRight")
    here = room["wall"].page.evaluate(walls.ON)
    say(room, "pause")
    for name in ("wall", "other"):
        room[name].until(f"{REST} === {STOPPED!r}")
    assert room["wall"].page.evaluate(walls.ON) == here != "worst-1"
    say(room, "run")
    for name in ("wall", "other"):
        room[name].until(f"{REST} !== {STOPPED!r}")
    assert room["wall"].page.evaluate(walls.ON) == here


def test_held_figures_stay_on_every_sheet_until_they_are_released(
    room: dict[str, Screen], house: House
) -> None:
    """The header says since when; what is committed meanwhile shows after the release only."""
    wall = room["wall"]
    said = "document.getElementById('wall-held').innerText"
    stage = "document.querySelector('.wall-sheet.on').innerText"
    wall.page.keyboard.press("Space")
    say(room, "hold")
    wall.until(f"{said} !== ''")
    assert re.fullmatch(r"Giữ số lúc [0-2]\d:[0-5]\d", wall.page.evaluate(said))
    before = {key: wall.page.evaluate(stage) for key in walls.round_of(wall)}
    old = live(house)
    house.resolve(60, online=False)
    new = live(house)
    assert new != old
    for key in walls.round_of(wall):
        assert wall.page.evaluate(stage) == before[key], key
        assert wall.page.locator("#wall-held").is_visible()
    assert any(old in words for words in before.values())
    say(room, "release")
    wall.until(f"{said} === ''")
    shown = {key: wall.page.evaluate(stage) for key in walls.round_of(wall)}
    for key in ("overview-1", "worst-1", "sector-1", "map-1"):
        assert old in before[key] and new in shown[key] and old not in shown[key], key
    wall.page.keyboard.press("Space")


def test_every_tile_shows_a_code_that_leads_to_its_page_at_a_desk(
    room: dict[str, Screen], house: House
) -> None:
    """Asked for by the operator, or by the letter Q; what is drawn is what a phone must read."""
    wall = room["wall"]
    shown = "document.getElementById('wall').classList.contains('codes')"
    wall.page.keyboard.press("Space")
    say(room, "codes")
    wall.until(shown)
    room["other"].until(shown)
    addresses: dict[str, str] = {}
    for key in walls.round_of(wall):
        for href, source, inside, size in wall.page.evaluate(CODES):
            assert inside and size >= 4 * 29, (key, href)  # a module has four pixels or more
            assert source == f"/code.svg?to={quote(href)}", (key, href)
            addresses.setdefault(href, key)
    assert {key.split("-")[0] for key in addresses.values()} >= {"overview", "sector", "smart_city"}
    assert len(addresses) > 20
    for href in addresses:
        body, _ = house.get(href)
        assert b"_dash-renderer" in body or b"dash-renderer" in body
    assert read(wall, house, "/indicator/I02b")
    wall.page.keyboard.press("q")
    wall.until(f"!{shown}")
    assert wall.page.locator(".tile-code >> visible=true").count() == 0
    say(room, "figures")
    room["other"].until(f"!{shown}")
    wall.page.keyboard.press("Space")


CODES = """
() => [...document.querySelectorAll('.wall-sheet.on :is(.tile, .worst-row)')].map(tile => {
  const image = tile.querySelector('.tile-code img'), link = tile.querySelector('a');
  const [a, b] = [image.getBoundingClientRect(), tile.getBoundingClientRect()];
  const inside = a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
  const source = image.getAttribute('src');
  const to = decodeURIComponent(source.split('to=')[1]);
  return [link ? link.getAttribute('href') : to, source,
          inside && Math.abs(a.width - a.height) < 1.5, a.width];
})
"""


def read(wall: Screen, house: House, href: str) -> bool:
    """Whether the modules of a code, as they are drawn, are those of its address."""
    while wall.page.evaluate(walls.ON) != "overview-1":
        walls.step(wall)
    image = wall.page.locator(f".wall-sheet.on img[src*='{quote(href)}']").first
    wall.until("[...document.images].every(i => i.complete)")
    assert unquote(image.get_attribute("src")).endswith(href)
    grey = np.asarray(looking.picture_of(image).convert("L"))
    code = segno.make(house.address + href, error="m", micro=False)
    expected = np.array([list(row) for row in code.matrix_iter(scale=1, border=3)], dtype=bool)
    many = len(expected)
    at = ((np.arange(many) + 0.5) * grey.shape[0] / many).astype(int)
    seen = grey[np.ix_(at, ((np.arange(many) + 0.5) * grey.shape[1] / many).astype(int))] < 128
    return bool((seen == expected).all())

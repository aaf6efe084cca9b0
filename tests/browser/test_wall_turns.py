"""The wall by itself: turns its sheets, comes to what is critical, lasts; on a faster clock."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error

from layouts import text
from tests.browser import walls
from tests.browser.conftest import DESK, Screen
from tests.browser.house import ELSEWHERE, House

pytestmark = pytest.mark.browser

WALL_JS = Path(__file__).parents[2] / "assets" / "wall.js"

WATCH = """
() => {
  // What is on, told once for every change; what a sheet said in its first moment.
  window.told = []; window.first = {};
  const look = window.look = () => {
    const all = [...document.querySelectorAll('.wall-sheet')];
    const on = all.filter(e => e.classList.contains('on')).map(e => e.dataset.sheet);
    const said = id => document.getElementById(id).textContent;
    const now = [on.join(), said('wall-place'), said('wall-rest')];
    const last = window.told.at(-1);
    if (!last || String(now) !== String(last)) window.told.push(now);
  };
  const observe = {attributes: true, attributeFilter: ['class'], subtree: true};
  new MutationObserver(look).observe(document.querySelector('.wall-head'),
    {characterData: true, childList: true, subtree: true});
  new MutationObserver(all => all.forEach(({target}) => {
    const on = target.classList.contains('on');
    if (on && target.classList.contains('wall-sheet') && !window.first[target.dataset.sheet])
      window.first[target.dataset.sheet] = target.innerText;
  })).observe(document.body, observe);
}
"""
LASTING = (
    "[...document.querySelectorAll('.wall-sheet, .wall-sheet .sparkline, .leaflet-container,"
    " .leaflet-container svg')]"
)
TURNS = "window.told.map(t => t[0]).filter((s, i, all) => s !== all[i - 1])"
REST = "document.getElementById('wall-rest').textContent"
STOPPED = " · tạm dừng"
HERE = "worst-1"


def opened(visit: Any, path: str) -> Screen:
    """A wall whose every change is watched."""
    seen = walls.watched(visit(path))
    seen.until("document.querySelectorAll('.leaflet-container path').length > 40")
    seen.until("sessionStorage.getItem('wall-known') !== null")
    seen.page.evaluate(WATCH)
    return seen


@pytest.fixture(scope="module")
def turning(visit: Any) -> Iterator[Screen]:
    """A wall whose clock runs ten times as fast: a sheet stays two or three seconds."""
    seen = opened(visit, "/wall?speed=10")
    yield seen
    seen.page.close()


@pytest.fixture
def wall(turning: Screen) -> Screen:
    """The same, stopped at the five worst, with nothing told so far."""
    if turning.page.evaluate(REST) != STOPPED:
        turning.page.keyboard.press("Space")
    walls.step(turning)
    while turning.page.evaluate(walls.ON) != HERE:
        walls.step(turning, "ArrowLeft")
    turning.page.evaluate("window.told = []; window.look()")
    return turning


def on(name: str) -> str:
    """True in the page while this sheet is on."""
    return f"{walls.ON} === {name!r}"


def live(house: House) -> str:
    """What T02b must show as its live figure now."""
    row = house.json("/api/v1/standings.json?target=T02b")["rows"][0]
    return text.percent(row["numerator"], row["denominator"], 60)


def quiet(seen: Screen) -> bool:
    """Whether the console said nothing."""
    return [said for said in seen.console if not said.startswith(("log:", "info:"))] == []


# ── turning ────────────────────────────────────────────────────────────────────────────────


def test_every_sheet_comes_in_its_turn_and_stays_the_element_that_it_was(
    wall: Screen, house: House
) -> None:
    """Two rounds with a commit between them: page n of N, the seconds that are left of it, one
    sheet at a time; the map and the small lines are never mounted again.
    """
    keys = wall.page.evaluate(walls.KEYS)
    assert {key.split("-")[0] for key in keys} >= {"overview", "worst", "map", "sector", "sources"}
    many = wall.page.evaluate(f"(window.marked = {LASTING}).length")
    wall.page.keyboard.press("Space")
    wall.until(f"({TURNS}).length > {len(keys)}", seconds=90)
    before = live(house)
    house.resolve(40, online=True)
    assert live(house) != before
    wall.until(f"({TURNS}).length > {2 * len(keys)} + 1", seconds=90)
    turns, told = wall.page.evaluate(f"[{TURNS}, window.told]")
    at = keys.index(HERE)
    one = [*keys[at:], *keys[:at]]
    assert turns[: 2 * len(keys)] == one * 2
    rests: list[tuple[str, list[int]]] = []
    for sheet, place, rest in told:
        if rest == STOPPED:
            continue
        assert place == f"trang {keys.index(sheet) + 1}/{len(keys)}"
        if not rests or rests[-1][0] != sheet:
            rests.append((sheet, []))
        rests[-1][1].append(int(re.fullmatch(r" · còn (\d+) giây", rest)[1]))
    for sheet, seconds in rests[1:-1]:
        assert seconds == sorted(seconds, reverse=True), sheet
        assert len(seconds) >= 2 and 10 <= seconds[0] <= 60, (sheet, seconds)
    still = f"{LASTING}.filter((e, at) => e === window.marked[at]).length"
    assert wall.page.evaluate(f"[{LASTING}.length, {still}]") == [many, many]
    assert many > len(keys) + 5 and quiet(wall)


def test_space_stops_and_goes_on_and_the_arrows_turn(wall: Screen) -> None:
    """What stays is told as staying; a hand turns it all the same."""
    page, keys = wall.page, wall.page.evaluate(walls.KEYS)
    page.wait_for_timeout(4000)  # going, every sheet is over after three
    assert page.evaluate(walls.ON) == HERE and page.evaluate(REST) == STOPPED
    at = keys.index(HERE)
    for key, step in (("ArrowRight", 1), ("PageDown", 2), ("ArrowLeft", 1), ("PageUp", 0)):
        page.keyboard.press(key)
        assert page.evaluate(walls.ON) == keys[at + step]
    for back in range(at + 1):  # from the first to the last
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(walls.ON) == keys[at - back - 1]
    assert page.evaluate(REST) == STOPPED
    page.keyboard.press("Space")
    assert page.evaluate(REST) != STOPPED
    wall.until(on(keys[0]))


def test_a_sheet_that_is_stopped_goes_on_following_the_data(wall: Screen, house: House) -> None:
    """Also when the one after it had been asked for already."""
    place = f"document.querySelector('[data-sheet={HERE}] [data-target=T02b] .tile-live b')"
    wall.page.evaluate(
        "() => new Promise(done => { const press = () => document.dispatchEvent("
        "new KeyboardEvent('keydown', {key: ' '})); press();"
        " setTimeout(() => { press(); done(); }, 800); })"
    )  # at this speed the next one is asked for at once
    assert wall.page.evaluate(walls.ON) == HERE
    before = live(house)
    wall.until(f"{place}.innerText === {before!r}")
    house.resolve(45, online=False)
    after = live(house)
    assert after != before
    took = wall.until(f"{place}.innerText === {after!r}", seconds=15)
    print(f"a stopped sheet showed a commit after {took:.1f} s")


def test_who_wants_no_motion_sees_none(wall: Screen) -> None:
    """A cross-fade of 300 ms at most, or none."""
    longest = (
        "Math.max(...[...document.querySelectorAll('.wall, .wall *')].flatMap(e => { const s ="
        " getComputedStyle(e); return [...s.transitionDuration.split(','),"
        " ...s.animationDuration.split(',')].map(parseFloat); }))"
    )
    assert 0 < wall.page.evaluate(longest) <= 0.3
    wall.page.emulate_media(reduced_motion="reduce")
    assert wall.page.evaluate(longest) == 0
    wall.page.emulate_media(reduced_motion="no-preference")


# ── what has become critical ───────────────────────────────────────────────────────────────


def tell(seen: Screen, critical: dict[str, str], number: int = 0) -> None:
    """Say what the server would say: these besides what is critical already."""
    seen.page.evaluate(
        "([more, number]) => { const node = document.getElementById('wall-news').firstChild;"
        " const news = JSON.parse(node.nodeValue); Object.assign(news.critical, more);"
        " news.said = number; node.nodeValue = JSON.stringify(news); }",
        [critical, number],
    )


def test_what_turns_critical_comes_at_once_once_and_the_round_goes_on(wall: Screen) -> None:
    """Two at a time one after the other; the sheet that was left comes again, then the next."""
    keys = wall.page.evaluate(walls.KEYS)
    after = keys[keys.index(HERE) + 1]
    wall.page.keyboard.press("Space")
    tell(wall, {"T97 missed": "sources-1", "T98 missed": "overview-1"})
    took = wall.until(on("sources-1"), seconds=5)
    print(f"what is critical stood {took:.2f} s after it was said")
    tell(wall, {"T97 missed": "sources-1"}, number=1)
    wall.until(f"({TURNS}).length > 4", seconds=60)
    turns = wall.page.evaluate(TURNS)
    assert turns == [HERE, "sources-1", "overview-1", HERE, after]
    assert took < 2 and quiet(wall)


def test_what_turns_critical_while_it_is_stopped_comes_when_it_goes_on(wall: Screen) -> None:
    """Who holds a sheet is not disturbed, and misses nothing."""
    tell(wall, {"T99 missed": "sources-1"})
    wall.page.wait_for_timeout(1000)
    assert wall.page.evaluate(walls.ON) == HERE
    wall.page.keyboard.press("Space")
    wall.until(f"({TURNS}).length > 1", seconds=5)
    assert wall.page.evaluate(TURNS) == [HERE, "sources-1"]


# ── years ──────────────────────────────────────────────────────────────────────────────────


def test_the_pointer_hides_after_three_seconds(wall: Screen) -> None:
    """And comes back when somebody moves it."""
    hidden = "getComputedStyle(document.getElementById('wall')).cursor === 'none'"
    wall.page.mouse.move(300, 300)
    wall.until(f"!({hidden})")
    took = wall.until(hidden, seconds=10)
    assert 2.5 < took < 9
    wall.page.mouse.move(310, 310)
    wall.until(f"!({hidden})", seconds=2)


def test_a_sheet_shows_the_newest_data_when_it_comes(visit: Any, house: House) -> None:
    """It was drawn long ago: what came meanwhile stands on it from its first moment."""
    seen = opened(visit, "/wall?scene=overview,worst,map,sector&speed=4")
    keys = [key for key in seen.page.evaluate(walls.KEYS) if key != "overview-2"]
    seen.until(on("overview-2"))
    for here, coming in zip(["overview-2", *keys[1:]], [*keys[1:], keys[0]], strict=True):
        seen.until(on(here), seconds=20)
        seen.page.evaluate("window.first = {}")
        before = live(house)
        house.resolve(30, online=here == "worst-1")
        after = live(house)
        assert after != before
        seen.until(f"{coming!r} in window.first", seconds=20)
        said = seen.page.evaluate(f"window.first[{coming!r}]")
        assert after in said, (coming, before)
    seen.page.close()


# ── its own clock ──────────────────────────────────────────────────────────────────────────


class Clock:
    """A wall whose clock is set by hand, and what it hears of the server's health."""

    def __init__(self, page: Any):
        self.page, self.healthy, self.asked = page, False, 0
        self.silent = 10**9  # seconds without an answer that it bears
        page.add_init_script("Math.random = () => 0")
        page.route("**/healthz", self._answer)
        page.route("**/assets/wall.js*", self._hurry)

    def _hurry(self, route: Any) -> None:
        body = WALL_JS.read_text(encoding="utf-8")
        assert "SILENT = 90;" in body
        body = body.replace("= 90;", f"= {self.silent};")
        route.fulfill(status=200, content_type="text/javascript", body=body)

    def _answer(self, route: Any) -> None:
        self.asked += 1
        route.fulfill(status=200 if self.healthy else 503, body="{}")

    def open(self, address: str) -> None:
        """Open the wall; from now on it is known whether it loaded itself anew."""
        self.page.goto(address + "/wall", wait_until="load")
        self.page.wait_for_selector("html.has-wall")
        self.page.evaluate("window.kept = true")

    def set(self, instant: str) -> None:
        """It is this instant, and stays it."""
        self.page.clock.set_fixed_time(instant)

    def hears(self) -> None:
        """Return a moment after it was told that the server is not well."""
        for _ in range(600):
            self.page.wait_for_timeout(100)
            if self.asked:
                break
        self.page.wait_for_timeout(500)
        assert self.asked

    def until(self, expression: str, *, seconds: float = 60) -> None:
        """Return when something becomes true, also across a load of the page."""
        for _ in range(int(seconds * 10)):
            try:
                if self.page.evaluate(expression):
                    return
            except Error as gone:
                assert "navigation" in str(gone) or "context" in str(gone), gone
            self.page.wait_for_timeout(100)
        raise AssertionError(f"not within {seconds} s: {expression}")


ANEW = "window.kept === undefined && !!document.querySelector('html.has-wall')"


@pytest.fixture
def clock(chromium: Any) -> Iterator[Clock]:
    """A page in a browser of its own: a clock that stands, stands for all pages of a context."""
    context = chromium.new_context(
        viewport={"width": DESK[0], "height": DESK[1]}, timezone_id=ELSEWHERE
    )
    context.set_default_timeout(60_000)
    yield Clock(context.new_page())
    context.close()


def test_it_drifts_a_little_dims_at_night_and_loads_itself_anew_at_three(
    clock: Clock, house: House
) -> None:
    """At most 4 px from home; 40 % darker from 20:00 to 06:00; anew only if the server answers."""
    clock.set("2026-11-25T12:00:00+07:00")
    clock.open(house.address)
    style = "document.getElementById('wall').style"
    clock.until(f"{style}.filter === ''")
    moves = ["none"]
    for minute in range(0, 24, 3):
        clock.set(f"2026-11-25T12:{minute:02}:00+07:00")
        clock.until(f"{style}.transform !== {moves[-1]!r}")
        moves.append(clock.page.evaluate(f"{style}.transform"))
        width = "document.documentElement.scrollWidth - innerWidth"
        assert clock.page.evaluate(width) <= 0
    assert max(int(part) for move in moves for part in re.findall(r"(\d+)px", move)) == 4
    for instant, shade in (("20:00", "0.6"), ("23:59", "0.6"), ("05:59", "0.6"), ("06:00", "")):
        clock.set(f"2026-11-25T{instant}:00+07:00")
        clock.until(f"{style}.filter === '{shade and f'brightness({shade})'}'")
    assert clock.asked == 0
    clock.set("2026-11-26T03:00:20+07:00")  # the server does not answer
    clock.hears()
    assert clock.page.evaluate("window.kept") is True
    clock.healthy = True
    clock.set("2026-11-27T03:00:20+07:00")
    clock.until(ANEW)
    assert clock.asked == 2
    clock.page.wait_for_timeout(1500)
    assert clock.asked == 2  # once a night


def test_a_wall_without_an_answer_loads_itself_anew_while_the_server_lives(
    clock: Clock, house: House
) -> None:
    """Its own requests hang; here 2 s stand for 90."""
    clock.silent = 2
    clock.page.route("**/_dash-update-component", lambda route: None)  # never answered
    clock.open(house.address)
    clock.hears()
    assert clock.page.evaluate("window.kept") is True
    clock.healthy = True
    clock.until("window.kept === undefined")

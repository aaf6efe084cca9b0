"""The wall at its sizes: all of it on one screen, large enough to read, grey unless it matters."""

import math
from typing import Any

import pytest

from layouts import theme
from tests.browser import looking
from tests.browser.house import STATUSES

pytestmark = pytest.mark.browser

SIZES = ((1366, 768), (1920, 1080), (3840, 2160), (5760, 1080), (1080, 1920))
ADDRESSES = [("/wall?page=1", size) for size in SIZES] + [
    ("/wall?d=5&diag=75&page=1", (1920, 1080)),
    ("/wall?d=3&diag=86&page=1", (1920, 1080)),  # room for more: clocks, sentence, trend
    ("/wall?d=6&diag=65&page=1", (1920, 1080)),  # fewer tiles, never smaller letters
    ("/wall?d=8&diag=65&page=2", (1920, 1080)),
]
SCENES = ("gravest", "worst", "map", "sector", "smart_city", "sources")
ADDRESSES += [(f"/wall?scene={name}&page=1", size) for name in SCENES for size in SIZES[1:]]
ADDRESSES += [(f"/wall?scene={name}&d=6&page=1", (1920, 1080)) for name in SCENES]
sized = pytest.mark.parametrize("seen", ADDRESSES, ids=str, indirect=True, scope="module")
OVERVIEWS = [one for one in ADDRESSES if "scene=" not in one[0]]
overviews = pytest.mark.parametrize("seen", OVERVIEWS, ids=str, indirect=True, scope="module")
FULL = {"/wall?page=1", "/wall?d=3&diag=86&page=1"}  # these hold all sixteen, unless they stand
NUMERIC = [name for name in STATUSES if name not in ("T09a", "T09b", "T09c", "T12b")]
LOCKED = ("T08a", "T08b", "T11b")
CAP = 0.72  # height of digits and capitals, in em


def seen_at(address: str) -> tuple[float, float]:
    """Metres and inches of an address; what is assumed where it names none."""
    given = dict(part.split("=") for part in address.partition("?")[2].split("&") if part)
    return float(given.get("d", 4)), float(given.get("diag", 65))


def arc_minutes(font: float, address: str, size: tuple[int, int]) -> float:
    """How large letters of so many CSS pixels are for somebody in the last row."""
    distance, diagonal = seen_at(address)
    shape = min(size[0] / size[1], 16 / 9)  # wider is a row of screens
    metres = CAP * font / size[1] * diagonal * 0.0254 / math.hypot(1, shape)
    return math.degrees(2 * math.atan(metres / 2 / distance)) * 60


@sized
def test_the_wall_is_one_screen(seen: Any) -> None:
    """The document is the viewport; what is seen is on it whole; the console is quiet."""
    size = tuple(seen.page.viewport_size.values())
    assert [s for s in seen.console if not s.startswith(("log:", "info:"))] == []
    assert seen.failed == []
    assert all(url.startswith((seen.origin + "/", "data:", "blob:")) for url in seen.requests)
    measured = seen.page.evaluate(
        "(e => [e.scrollWidth, e.scrollHeight, innerWidth, innerHeight])(document.documentElement)"
    )
    assert measured == [*size, *size]
    for part in seen.page.locator(
        ".wall-sheet.on :is(.tile, .gravest, .worst-row, .source-one)"
    ).all():
        box = part.bounding_box()
        assert box["x"] >= -4 and box["y"] >= 0 and box["height"] > 40
        assert box["x"] + box["width"] <= size[0] + 4 and box["y"] + box["height"] <= size[1] + 4


@overviews
def test_an_overview_holds_as_many_tiles_as_can_be_read(seen: Any) -> None:
    """All sixteen where they fit, else some; the others have pages of their own."""
    size, tiles = tuple(seen.page.viewport_size.values()), seen.page.locator(".tile").count()
    full = seen.path in FULL and size[0] > size[1]
    assert tiles == 16 if full else 1 <= tiles < 16


@sized
def test_every_text_of_the_wall_has_the_room_it_needs(seen: Any) -> None:
    """Nothing is cut or lies over something else, with the longest names and figures."""
    found = seen.texts
    assert len(found) >= 8
    assert looking.squeezed(found) == []
    assert looking.collisions(found) == []


@sized
def test_every_chip_is_drawn_whole(seen: Any) -> None:
    """A status or an age has a frame: it stands inside its tile's line with both its ends."""
    cut = seen.page.evaluate(
        "const chips = ':is(.tile, .gravest) :is(.freshness, .age, .verdict), .count';"
        " [...document.querySelectorAll(chips)].filter(e => {"
        " const a = e.getBoundingClientRect();"
        " return [e.parentElement, e.closest('.tile, .gravest') || document.body].some(around => {"
        "  const b = around.getBoundingClientRect();"
        "  return a.right > b.right + .5 || a.left < b.left - .5; }); }).map(e => e.innerText)"
    )
    assert cut == []


@sized
def test_no_letter_is_under_sixteen_arc_minutes(seen: Any) -> None:
    """At the distance and diagonal of the address; the figure that decides has thirty."""
    for text in seen.texts:
        least = 29.5 if text.place.startswith("span.hero") else 15.95
        size = tuple(seen.page.viewport_size.values())
        assert arc_minutes(text.font, seen.path, size) >= least, f"{text.words}: {text.font} px"


def test_on_a_phone_it_is_a_list(screen: Any) -> None:
    """Nobody sits five metres from a phone: it scrolls, nothing is cut."""
    seen = screen("/wall?page=1", (390, 844))
    found = looking.texts(seen.page)
    assert looking.squeezed(found) == [] and looking.collisions(found) == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.page.locator(".tile").count() == 16
    assert min(text.font for text in found) >= 15


def test_every_numeric_target_has_its_tile_with_shape_and_word(screen: Any) -> None:
    """And it is the status that its figures make; counts beside the title add up to 20."""
    seen = screen("/wall?page=1").page
    tiles = {t.get_attribute("data-target"): t for t in seen.locator(".tile").all()}
    assert list(tiles) == NUMERIC
    for name, tile in tiles.items():
        mark = theme.status(STATUSES[name])
        assert tile.get_attribute("data-status") == STATUSES[name]
        assert tile.locator(".verdict .word").inner_text() == mark.word
        assert tile.locator(f".verdict .shape-{mark.shape}").count() == 1
    counts = seen.locator("#wall-counts .count, .wall .counts .count").all()
    assert sum(int(count.get_attribute("data-count")) for count in counts) == 20
    for count in counts:  # at the usual distance every one has its word
        word = theme.status(count.get_attribute("data-status")).word
        assert count.inner_text().split()[1:] == word.lower().split()


def test_a_target_of_two_parts_shows_both(screen: Any) -> None:
    """T07a closes twice: departments at the plan's end, districts on their last day."""
    words = (
        screen("/wall?page=1").page.locator("[data-target=T07a]").inner_text().replace("\xa0", " ")
    )
    assert "71,0 %" in words and "12/20" in words and "30/6" in words


def test_a_locked_target_keeps_its_word_and_is_muted(screen: Any) -> None:
    """Closed before the plan's end: no colour at all, and it says since when."""
    seen = screen("/wall?page=1").page
    found = 0
    for tile in looking.crops(seen, ".tile"):
        if tile["data"]["target"] in LOCKED:
            assert looking.saturated(tile[".tile"][1]).sum() == 0
            found += 1
    assert found == len(LOCKED)
    for name in LOCKED:
        assert "đã khóa 30/6/2025" in seen.locator(f"[data-target={name}]").inner_text()


def test_of_a_met_tile_only_the_tick_is_blue(screen: Any) -> None:
    """D5: its bar, its figure and its surface stay grey; a tile without source has no colour."""
    found = 0
    for tile in looking.crops(screen("/wall?page=1").page, ".tile", ".verdict .shape"):
        name = tile["data"]["target"]
        if STATUSES[name] not in ("met", "no_source") or name in LOCKED:
            continue
        (left, top, _, _), image = tile[".tile"]
        colour = looking.saturated(image)
        if STATUSES[name] == "no_source":
            assert colour.sum() == 0, name
            continue
        found += 1
        x0, y0, x1, y1 = tile[".verdict .shape"][0]
        inside = colour[y0 - top - 1 : y1 - top + 1, x0 - left - 1 : x1 - left + 1]
        assert inside.sum() > 20 and colour.sum() == inside.sum(), name
    assert found >= 4


def test_every_verdict_stands_out_in_grey(screen: Any) -> None:
    """A print without colour: these letters are large (24 px and more), so 3 to 1 is asked."""
    found = looking.crops(screen("/wall?page=1").page, ".tile", ".verdict .word", ".verdict .shape")
    assert len(found) == 16
    for tile in found:
        for part in (".verdict .word", ".verdict .shape"):
            assert looking.contrast(tile[part][1]) >= 3, (tile["data"]["target"], part)


def test_what_needs_a_look_stands_out_from_what_does_not(screen: Any) -> None:
    """The frame of a missed tile against that of a met one, in grey."""
    frames = {
        tile["data"]["target"]: tile[".tile"][1].convert("L").getpixel((200, 1))
        for tile in looking.crops(screen("/wall?page=1").page, ".tile")
    }
    assert frames["T02b"] > frames["T01"] + 40


def test_bars_are_as_long_as_the_figures_say(screen: Any) -> None:
    """Pixels: a closing value of 59,98 % fills 59,98 % of the tile's width."""
    bars = {
        tile["data"]["target"]: tile[".tile-bar"]
        for tile in looking.crops(screen("/wall?page=1").page, ".tile", ".tile-bar")
    }
    for name, share in (("T02b", 0.5998), ("T12a", 0.8998), ("T11c", 9 / 41), ("T10", 0.8)):
        filled = looking.pixels_of(bars[name][1], theme.FIGURE, near=12)
        row = filled[filled.shape[0] // 2]
        assert abs(row.nonzero()[0].max() / row.size - share) < 0.02, name


def test_a_trend_is_drawn_where_there_is_room(screen: Any) -> None:
    """An image may exist and be blank: count its pixels."""
    seen = screen("/wall?d=3&diag=86&page=1").page
    for target in ("T02b", "T12a"):
        trend = seen.locator(f".cell:has([data-target={target}]) .tile-trend")
        assert looking.pixels_of(looking.picture_of(trend), theme.ON_TRACK, near=40).sum() > 30

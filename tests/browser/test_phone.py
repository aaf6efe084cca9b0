"""A phone loads words and numbers first; the map brings its library when it is asked for."""

from typing import Any

import pytest

from layouts import PAGES
from tests.browser.house import address_of
from tests.browser.test_axe import PHONE

pytestmark = pytest.mark.browser

NARROW = (360, 780)
MOST = 900_000  # bytes on the wire of the first page
HEAVY = ("plotly", "leaflet", "async-graph", "async-table", "ag_grid")


def test_the_first_page_of_a_phone_loads_no_chart_or_map(visit: Any) -> None:
    """E10: what is read first is words and numbers."""
    seen = visit("/", PHONE)
    loaded = [url for url in seen.requests if any(name in url.lower() for name in HEAVY)]
    seen.page.close()
    assert loaded == []


def test_the_first_page_of_a_phone_is_small(house: Any, contexts: Any) -> None:
    """Everything that comes before the words stand, as the wire carries it."""
    page = contexts(NARROW).new_page()
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    page.goto(house.address + "/", wait_until="load")
    page.wait_for_selector("main .register tbody tr")
    page.wait_for_timeout(500)
    page.close()
    assert len(sizes) > 10 and 100_000 < sum(sizes) <= MOST


@pytest.mark.parametrize("path", [page.path for page in PAGES if page.path != "/wall"])
def test_a_page_is_one_column_on_the_narrowest_phone(visit: Any, path: str) -> None:
    """360 px: the page never scrolls sideways, and no card stands beside another."""
    seen = visit(address_of(path), NARROW)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert seen.page.evaluate(wide) <= 0
    beside = seen.page.evaluate(
        "[...document.querySelectorAll('main .card')].filter(e => e.checkVisibility()"
        " && !e.parentElement.closest('.card'))"
        ".map(e => e.getBoundingClientRect()).filter(b => b.width < 290 || b.left > 40).length"
    )
    assert beside == 0
    seen.page.close()


def test_the_map_brings_its_own_library(visit: Any) -> None:
    """A link from a page without it leads to a map that is drawn, and Back leads home again."""
    seen = visit("/sources")
    assert not seen.page.evaluate("!!window.dash_leaflet")
    seen.page.locator("nav[aria-label=Trang] a[href='/map']").click()
    seen.page.wait_for_selector(".leaflet-container path.leaflet-interactive", state="attached")
    seen.page.go_back()
    seen.page.wait_for_selector("main .source-list")
    seen.page.close()


BROKEN = """() => {
    const told = [];
    const walker = document.createTreeWalker(
        document.querySelector('main'), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.parentElement.checkVisibility()) continue;
        for (const found of node.data.matchAll(/\\d[\\d.,]*\\d/g)) {
            const range = document.createRange();
            range.setStart(node, found.index);
            range.setEnd(node, found.index + found[0].length);
            const boxes = [...range.getClientRects()].filter(box => box.width > 0);
            if (new Set(boxes.map(box => Math.round(box.top))).size > 1) told.push(found[0]);
        }
    }
    return told;
}"""


@pytest.mark.parametrize("path", ["/org-unit/area-qb", "/indicator/I01"])
def test_no_number_is_broken_inside(visit: Any, path: str) -> None:
    """Counts may go to the next line after their stroke, digits never."""
    seen = visit(path, NARROW)
    assert seen.page.evaluate(BROKEN) == []
    squeezed = "main .moves td:not(:first-child) { width: 1.5rem; overflow-wrap: anywhere }"
    seen.page.add_style_tag(content=squeezed)
    assert path != "/org-unit/area-qb" or seen.page.evaluate(BROKEN) != []
    seen.page.close()


def test_a_wide_table_says_that_it_scrolls_and_shows_the_newest_period(visit: Any) -> None:
    """The words stand while it is wider than the screen, the fade until its right end is seen."""
    seen = visit("/indicator/I01", NARROW)
    box = seen.page.locator(".pivot-scroll")
    assert box.evaluate("e => [e.dataset.wide, e.dataset.more]") == ["", ""]
    hint = box.evaluate("e => getComputedStyle(e, '::before').content")
    assert "Vuốt ngang để xem thêm" in hint
    first = box.locator("thead .num").first.inner_text()
    assert first == f"năm {seen.page.evaluate('new Date().getFullYear()')}"
    box.evaluate("e => { e.scrollLeft = e.scrollWidth }")
    seen.page.wait_for_function(
        "document.querySelector('.pivot-scroll').dataset.more === undefined"
    )
    seen.page.close()
    broad = visit("/indicator/I01", (1920, 1080))
    assert broad.page.locator("[data-more]").count() == 0
    broad.page.close()


def test_the_name_of_the_product_stands_clear_of_the_mark(visit: Any) -> None:
    seen = visit("/", NARROW)
    name, mark = (
        seen.page.locator(f".masthead {one}").bounding_box() for one in (".brand", ".sample-mark")
    )
    text = seen.page.evaluate(
        "(() => { const r = document.createRange();"
        " r.selectNodeContents(document.querySelector('.brand-name'));"
        " return r.getBoundingClientRect().right })()"
    )
    assert name and mark and text < mark["x"]
    seen.page.close()

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

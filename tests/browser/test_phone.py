"""Every page on a phone: one column, nothing sideways, targets for a thumb, light to load."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import looking
from tests.browser.house import address_of
from tests.browser.test_axe import ALL, PHONE

pytestmark = pytest.mark.browser

HEAVY = ("plotly", "leaflet", "async-graph", "async-table", "ag_grid")
TARGETS = {"resultTypes": ["violations"], "runOnly": ["target-size"]}


@pytest.mark.parametrize("path", [path for path in ALL if path != "/wall"])
def test_a_page_fits_a_phone(path: str, visit: Any) -> None:
    """The page never scrolls sideways; tables do so in their own box. Targets are 24 px apart."""
    seen = visit(address_of(path), PHONE)
    wide = seen.page.evaluate(
        "[...document.querySelectorAll('main, main *, header *')].filter(e =>"
        " !e.closest('.table-scroll, nav, svg, .leaflet-container, .dash-graph, .search-label')"
        " && e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility())"
        ".slice(0, 5).map(e => `${e.tagName}.${e.className}`)"
    )
    scrolls = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    small = Axe().run(seen.page, options=TARGETS).response["violations"]
    squeezed = looking.squeezed(looking.texts(seen.page))
    seen.page.close()
    assert (wide, scrolls) == ([], 0)
    assert [node["html"][:160] for one in small for node in one["nodes"]] == []
    assert squeezed == []


def test_the_first_page_of_a_phone_loads_no_chart_or_map(visit: Any) -> None:
    """E10: what is read first is words and numbers."""
    seen = visit("/", PHONE)
    loaded = [url for url in seen.requests if any(name in url.lower() for name in HEAVY)]
    seen.page.close()
    assert loaded == []


def test_the_map_brings_its_own_library(visit: Any) -> None:
    """A link from a page without it leads to a map that is drawn, and Back leads home again."""
    seen = visit("/sources")
    assert not seen.page.evaluate("!!window.dash_leaflet")
    seen.page.locator("nav[aria-label=Trang] a[href='/map']").click()
    seen.page.wait_for_selector(".leaflet-container path.leaflet-interactive", state="attached")
    seen.page.go_back()
    seen.page.wait_for_selector("main .source-list")
    seen.page.close()

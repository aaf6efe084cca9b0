"""A phone loads words and numbers first; the map brings its library when it is asked for."""

from typing import Any

import pytest

from tests.browser.test_axe import PHONE

pytestmark = pytest.mark.browser

HEAVY = ("plotly", "leaflet", "async-graph", "async-table", "ag_grid")


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

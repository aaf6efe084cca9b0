"""From the wall to the record versions behind a figure, and back, as a reader clicks."""

import re
from typing import Any

import pytest

from tests.browser import looking

pytestmark = pytest.mark.browser
PATIENCE = 60_000


def test_three_clicks_lead_from_a_tile_to_the_record_behind_it(visit: Any) -> None:
    """B9: formula, inputs, poll, then a stored version whose hash fits; Back restores the view."""
    page = visit("/wall?page=1").page
    page.locator("a[href^='/indicator/I02b']").first.click()
    page.locator(".to-lineage").click(timeout=PATIENCE)
    page.locator("#lineage-body .formula").wait_for(timeout=PATIENCE)
    lineage = page.url
    words = page.locator("#lineage-body").inner_text()
    assert "Lượt đọc đã đưa số này về" in words
    page.locator("a[href^='/record/']").first.click()
    page.locator("[data-matches=true]").first.wait_for(timeout=PATIENCE)
    assert page.locator("[data-matches=false]").count() == 0
    assert re.search(r"Lượt đọc \d+: .* byte", page.locator("#main").inner_text())
    assert "DỮ LIỆU MẪU" in [drawn.words for drawn in looking.texts(page)]
    page.go_back()
    page.locator("#lineage-body .formula").wait_for(timeout=PATIENCE)
    assert page.url == lineage
    page.close()


@pytest.mark.parametrize("path", ["/records", "/records?overdue=1", "/definitions"])
@pytest.mark.parametrize("size", [(1920, 1080), (390, 844)], ids=["desk", "phone"])
def test_the_page_fits_its_screen(visit: Any, path: str, size: tuple[int, int]) -> None:
    page = visit(path, size).page
    page.locator("#main h1").wait_for(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    page.close()

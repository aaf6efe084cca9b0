"""A plan that is still open, behind its switch: marked on every page, with its pace."""

from typing import Any

import pytest

from tests.browser.house import STATUSES
from tests.browser.test_drill import follow

pytestmark = pytest.mark.browser

PLAN = "plan=vi-du-2026-2030"
MARK = "VÍ DỤ – không phải văn bản"
STANDS = (
    "Object.fromEntries([...document.querySelectorAll('.register [data-target]')]"
    ".map(row => [row.dataset.target, row.dataset.status]))"
)


def test_the_switch_leads_to_the_example_and_back_and_the_plan_is_what_it_was(visit: Any) -> None:
    """Register, example, register: the same twenty statuses, and never both at once."""
    seen = visit("/")
    assert seen.page.evaluate(STANDS) == STATUSES
    follow(seen, f".plan-choice a[href='/?{PLAN}']", f".plan-example:has-text('{MARK}')")
    found = seen.page.evaluate(STANDS)
    assert len(found) == 7
    assert all(name.startswith("VD") for name in found)
    assert found["VD01"] in ("on_track", "at_risk", "off_track")
    follow(seen, ".plan-choice a[href='/']", "h1:has-text('giai đoạn 2021–2025')")
    assert seen.page.evaluate(STANDS) == STATUSES
    assert seen.page.locator(".plan-example").count() == 0
    assert not [said for said in seen.console if said.startswith(("error", "pageerror"))]
    seen.page.close()


def test_the_page_of_an_open_target_draws_its_pace_and_says_what_it_needs(visit: Any) -> None:
    """From the register to the indicator: the mark, the dashed line, the points a month."""
    seen = visit(f"/?{PLAN}")
    follow(seen, "[data-target=VD01] .target-name", ".pace-formula")
    text = seen.page.locator("main").inner_text().replace("\u00a0", " ")
    assert MARK in text
    assert "VD01" in text
    assert "điểm/tháng" in text
    assert "thẳng từ 58,3 % ngày 31/12/2025 đến 90 % ngày 31/12/2030" in text
    ends = seen.page.evaluate(
        "document.querySelector('#indicator-trend .js-plotly-plot').data"
        ".filter(t => t.line && t.line.dash).map(t => t.y[t.y.length - 1])"
    )
    assert 90 in ends
    follow(seen, ".plan-choice a[href='/indicator/I02b']", "p.lede:has-text('T02b')")
    assert seen.page.locator(".plan-example").count() == 0
    seen.page.close()


@pytest.mark.parametrize("path", [f"/?{PLAN}", f"/indicator/I02b?{PLAN}"])
def test_the_example_fits_a_phone(visit: Any, path: str) -> None:
    """Nothing is wider than the narrowest phone; the mark stands on the first screen."""
    seen = visit(path, (360, 780))
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert seen.page.locator(".plan-example").bounding_box()["y"] < 780
    seen.page.close()

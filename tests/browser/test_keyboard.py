"""Without a mouse: where one is, in which order, and that everything opens and closes."""

from typing import Any

import pytest

pytestmark = pytest.mark.browser

FOCUSED = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect();
  const rings = [e, e.parentElement].map(x => getComputedStyle(x));
  return {
    name: (e.innerText || e.getAttribute('aria-label') || e.id || e.tagName).trim().slice(0, 40),
    seen: rings.some(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2),
    shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    place: [...document.querySelectorAll('*')].indexOf(e),
  };
}"""


def walk(page: Any, steps: int) -> list[dict[str, Any]]:
    """What has the focus after each press of Tab, up to the end of the page."""
    found: list[dict[str, Any]] = []
    while len(found) < steps:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        found.append(page.evaluate(FOCUSED))
    return found


@pytest.mark.parametrize("path", ["/", "/indicator/I02b", "/sources", "/map"])
def test_every_step_of_the_keyboard_is_seen_and_in_the_order_of_the_page(
    path: str, visit: Any
) -> None:
    """A ring around what has the focus, on the screen, never backwards."""
    seen = visit(path)
    steps = walk(seen.page, 24)
    seen.page.close()
    assert steps[0]["name"] == "Đến nội dung chính" and len(steps) > 12
    assert [step["name"] for step in steps if not (step["seen"] and step["shown"])] == []
    assert [step["place"] for step in steps] == sorted(step["place"] for step in steps)


def test_the_skip_link_leads_past_the_header(visit: Any) -> None:
    """The next step after it is inside the page itself."""
    seen = visit("/sources")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Tab")
    inside = seen.page.evaluate("!!document.activeElement.closest('main')")
    seen.page.close()
    assert inside


def test_what_opens_by_keyboard_closes_by_keyboard(visit: Any) -> None:
    """Enter opens a detail, Escape closes it and stays there; a button answers to the space bar."""
    seen = visit("/sources")
    page, detail = seen.page, seen.page.locator("details").first
    detail.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert detail.get_attribute("open") is not None
    page.keyboard.press("Escape")
    assert detail.get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    was = page.evaluate("document.documentElement.dataset.theme")
    page.locator(".theme-button").focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.documentElement.dataset.theme") != was
    page.keyboard.press("Space")
    page.close()

"""A screen whose server is gone says so over its whole width, and takes it back by itself."""

import re
from typing import Any

import pytest

from layouts import text
from tests.browser import looking
from tests.browser.house import House

pytestmark = pytest.mark.browser

PERIODS = 20.0
"""Seconds: two beats of the server."""
ON_TOP = """
name => {
  const place = document.querySelector(name), box = place.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  return place.contains(document.elementFromPoint(x, y));
}
"""


def test_the_wall_says_since_when_it_has_lost_touch_and_recovers(house: House, visit: Any) -> None:
    """B4, with the real server stopped and started again on its port."""
    seen = visit("/wall?page=1")
    page = seen.page
    page.evaluate("window.kept = true")
    page.wait_for_timeout(1500)
    before = looking.picture_of(page.locator("[data-target=T02b]"))
    assert not page.locator("#lost-band").is_visible()
    assert looking.saturated(before).sum() > 200
    house.stop()
    took = seen.until("document.body.classList.contains('lost')", seconds=PERIODS)
    print(f"the band stood {took:.1f} s after the server had ended")
    try:
        band = page.locator("#lost-band")
        words = band.inner_text()
        assert re.search(r"MẤT KẾT NỐI từ [0-2]\d:[0-5]\d\b", words), words
        box = band.bounding_box()
        assert box["x"] == 0 and box["width"] == 1920 and box["y"] == 0 and box["height"] > 34
        assert looking.saturated(looking.picture(page, box)).mean() > 0.5  # a band, not a hint
        assert "DỮ LIỆU MẪU" in [drawn.words for drawn in looking.texts(page)]
        for name in (".sample-mark", ".clock-time"):  # the band covers neither, even at night
            page.evaluate("document.querySelector('.wall').style.filter = 'brightness(.6)'")
            assert page.evaluate(ON_TOP, name), name
        old = looking.picture_of(page.locator("[data-target=T02b]"))
        assert looking.saturated(old, over=25).sum() == 0  # old figures are grey
        assert looking.contrast(old) < looking.contrast(before)
        assert "59,98" in page.locator("[data-target=T02b]").inner_text()  # and still there
        clock = page.locator(".clock-time").inner_text()
        page.wait_for_timeout(1200)
        assert page.locator(".clock-time").inner_text() != clock  # the page itself lives
        assert looking.collisions(looking.texts(page)) == []
        house.resolve(60, online=False)  # meanwhile
    finally:
        house.start()
    took = seen.until("!document.body.classList.contains('lost')", seconds=40)
    print(f"it cleared itself {took:.1f} s after the server answered again")
    row = house.json("/api/v1/standings.json?target=T02b")["rows"][0]
    expected = text.percent(row["numerator"], row["denominator"], 60)
    seen.until(
        f"document.querySelector('[data-target=T02b] .tile-live b').innerText === {expected!r}",
        seconds=10,
    )
    assert not page.locator("#lost-band").is_visible()
    assert page.evaluate("window.kept") is True  # no reload
    assert looking.saturated(looking.picture_of(page.locator("[data-target=T02b]"))).sum() > 200
    page.close()

"""The map as it is drawn: colours, hatch, pins; one map for all refreshes; addresses and Back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from PIL import ImageColor

from ioc.model import Record
from tests.browser import looking
from tests.browser.house import House

pytestmark = pytest.mark.browser

PHONE = (390, 844)
DISTRICTS = "/map?indicator=I11b&to=2025-06"
SILENT = "/map?indicator=I03&to=2025-06"
AREAS = "document.querySelectorAll('.leaflet-container path.unit').length === {}"
PINS = "document.querySelectorAll('.map-pin, .map-cluster').length > 0"


@pytest.fixture(scope="module")
def reported(house: House) -> House:
    """The house, with one report far from three others."""
    now = datetime.now(UTC)
    places = [(17.95, 105.75), (17.46, 106.60), (17.47, 106.61), (17.48, 106.62)]
    records = [
        Record(
            f"PA-{n}", "field_report", "18880", now - timedelta(days=n + 1),
            due_at=now + timedelta(days=10 * n - 5), state="received", lat=lat, lon=lon,
        )
        for n, (lat, lon) in enumerate(places)
    ]  # fmt: skip
    house.take(records, "field_reports")
    return house


@pytest.fixture
def opened(reported: House, visit: Any) -> Iterator[Any]:
    """The map of today, with its circles and its pins."""
    seen = visit("/map")
    seen.until(AREAS.format(41))
    seen.until(PINS)
    yield seen
    seen.page.close()


def colour(page: Any, name: str) -> str:
    """What a colour of the theme is on this page."""
    said = page.evaluate(
        f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"
    )
    return "#{:02X}{:02X}{:02X}".format(*ImageColor.getrgb(said)[:3])


def test_areas_have_the_colours_of_their_classes(visit: Any) -> None:
    """Two districts of eight have met the line, the others are far below it."""
    seen = visit(DISTRICTS)
    seen.until(AREAS.format(8))
    picture = looking.picture_of(seen.page.locator(".map-frame"))
    met, far = (
        looking.pixels_of(picture, colour(seen.page, f"map-{name}"), near=6).sum()
        for name in ("met", "far")
    )
    mid = looking.pixels_of(picture, colour(seen.page, "map-mid"), near=6).sum()
    assert far > met > 2_000 and mid < 50
    counts = seen.page.locator("[data-class] b").all_inner_texts()
    assert counts == ["6", "0", "0", "2", "0"]
    seen.page.close()


def test_what_has_no_data_is_hatched_not_blank(visit: Any) -> None:
    """Inside an area without data the hatch and its ground alternate."""
    seen = visit(SILENT)
    seen.until(AREAS.format(8))
    path = seen.page.locator("path.unit").nth(3).bounding_box()
    box = {"x": path["x"] + path["width"] / 2 - 20, "y": path["y"] + path["height"] / 2 - 20}
    inside = looking.picture(seen.page, box | {"width": 40, "height": 40})
    grey = np.asarray(inside.convert("L"), dtype=int)
    assert grey.std() > 15
    stripes = looking.pixels_of(inside, colour(seen.page, "faint"), near=60).mean()
    assert 0.08 < stripes < 0.8
    seen.page.close()


def test_pins_are_drawn_and_lead_to_their_record(opened: Any) -> None:
    """Cases close together are one number; a pin says how its case stands and links to it."""
    page = opened.page
    assert page.locator(".map-cluster").all_inner_texts() == ["3"]
    assert looking.contrast(looking.picture_of(page.locator(".map-cluster"))) > 4.5
    pin = page.locator(".map-pin")
    assert pin.count() == 1 and "quá hạn" in pin.get_attribute("title")
    box = pin.bounding_box()
    assert min(box["width"], box["height"]) >= 24
    pin.focus()
    page.keyboard.press("Enter")
    said = page.locator(".map-popup")
    said.wait_for()
    assert "1 ngày trước" in said.inner_text() or "24 giờ trước" in said.inner_text()
    link = said.locator("a", has_text="Xem hồ sơ").get_attribute("href")
    assert link == "/record/field_reports/PA-0"
    titles = page.locator(".leaflet-control-zoom a").evaluate_all("all => all.map(a => a.title)")
    assert titles == ["Phóng to", "Thu nhỏ"]


def test_a_refresh_restyles_the_map_and_mounts_nothing_again(opened: Any, house: House) -> None:
    """The same map and the same pins stand before and after a change of the figures."""
    page = opened.page
    page.evaluate(
        "window.kept = ['.leaflet-container', '.map-cluster', '.map-pin', '#map-list']"
        ".map(s => [s, document.querySelector(s)])"
    )
    before = page.locator("#map-head").inner_text()
    house.resolve(30, online=False)
    opened.until(f"document.querySelector('#map-head').innerText !== {before!r}", seconds=60)
    opened.until(AREAS.format(41))
    assert page.evaluate("window.kept.filter(([s, e]) => document.querySelector(s) !== e)") == []
    assert [said for said in opened.console if not said.startswith(("log:", "info:"))] == []


def test_every_view_is_an_address_and_back_restores_it(opened: Any) -> None:
    """A level is a link; Back brings the circles again; an area leads to its org unit."""
    page = opened.page
    page.get_by_role("navigation", name="Cấp đơn vị").get_by_text("Địa bàn").click()
    opened.until(AREAS.format(8))
    assert page.url.endswith("/map?level=area")
    page.go_back()
    opened.until(AREAS.format(41))
    assert page.url.endswith("/map")
    page.go_forward()
    opened.until(AREAS.format(8))
    page.locator("path.unit").nth(1).click(position={"x": 40, "y": 40}, force=True)
    opened.until("location.pathname.startsWith('/org-unit/area-45')")


def test_on_a_phone_the_list_follows_the_map_and_nothing_scrolls_sideways(visit: Any) -> None:
    """One column, the map 60 % of the screen's height."""
    seen = visit(DISTRICTS, PHONE)
    seen.until(AREAS.format(8))
    root = seen.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert root[0] <= root[1]
    frame = seen.page.locator(".map-frame").bounding_box()
    rows = seen.page.locator("#map-list").bounding_box()
    assert frame["height"] == pytest.approx(0.6 * PHONE[1], abs=2)
    assert rows["y"] > frame["y"] + frame["height"]
    low = seen.page.locator("#map-list a").evaluate_all(
        "all => Math.min(...all.map(a => a.getBoundingClientRect().height))"
    )
    assert low >= 24
    seen.page.close()


@pytest.mark.parametrize("size", [(1920, 1080), PHONE])
def test_every_org_unit_has_a_target_that_a_finger_hits(visit: Any, size: tuple[int, int]) -> None:
    """A small ward is a small circle; its row beside the map is 24 pixels high at least."""
    seen = visit("/map", size)
    seen.until(AREAS.format(41))
    boxes = seen.page.evaluate(
        "[...document.querySelectorAll('#map-list a.rank')].map(e => {"
        " const b = e.getBoundingClientRect(); return [b.width, b.height]; })"
    )
    seen.page.close()
    assert len(boxes) == 41
    assert min(wide for wide, _ in boxes) >= 24 and min(high for _, high in boxes) >= 24

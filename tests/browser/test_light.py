"""Light and dark: who decides, that nothing is drawn again, and that both have pixels."""

from typing import Any

import numpy as np
import pytest

from layouts import theme
from tests.browser import looking
from tests.browser.conftest import DESK, Screen

pytestmark = pytest.mark.browser


@pytest.fixture
def prefers(chromium: Any, house: Any) -> Any:
    """Open an address on a machine of one's own whose system prefers a theme."""
    opened = []

    def open_page(scheme: str, path: str) -> Screen:
        context = chromium.new_context(
            viewport={"width": DESK[0], "height": DESK[1]}, color_scheme=scheme
        )
        opened.append(context)
        screen = Screen(context.new_page(), path, house.address)
        screen.page.goto(house.address + path, wait_until="load")
        screen.settle()
        return screen

    yield open_page
    for context in opened:
        context.close()


def shown(page: Any) -> str:
    """The theme whose ground the corner of the screen really has."""
    corner = looking.picture(page, {"x": 0, "y": DESK[1] // 2, "width": 4, "height": 4})
    (colour,) = np.unique(np.asarray(corner).reshape(-1, 3), axis=0)
    grounds = {looking.rgb(c["ground"]): n for n, c in BOTH.items()}
    return grounds[tuple(int(part) for part in colour)]


BOTH = {"dark": theme.DARK, "light": theme.LIGHT}


@pytest.mark.parametrize("scheme", BOTH)
def test_a_page_follows_the_system_until_a_reader_says_otherwise(prefers: Any, scheme: str) -> None:
    """The button wins over the system and is remembered; an address wins over both."""
    seen, other = prefers(scheme, "/sources"), {"dark": "light", "light": "dark"}[scheme]
    page = seen.page
    assert shown(page) == scheme
    page.locator(".theme-button").click()
    assert shown(page) == other
    page.goto(seen.origin + "/khong-co", wait_until="load")
    seen.settle()
    assert shown(page) == other
    page.goto(f"{seen.origin}/sources?theme={scheme}", wait_until="load")
    seen.settle()
    assert shown(page) == scheme
    page.locator("nav[aria-label=Trang] a[href='/']").click()
    page.wait_for_selector("#counts")
    assert shown(page) == scheme, "a link inside keeps what the address asked for"
    page.goto(f"{seen.origin}/sources?theme={scheme}", wait_until="load")
    seen.settle()
    page.locator(".theme-button").click()
    assert shown(page) == other and "theme" not in page.url, "the address no longer says otherwise"


def test_the_wall_is_dark_unless_its_address_says_light(prefers: Any) -> None:
    """Whatever the system of the machine behind it prefers."""
    seen = prefers("light", "/wall?page=1")
    assert shown(seen.page) == "dark"
    seen.page.goto(seen.origin + "/wall?theme=light&page=1", wait_until="load")
    seen.settle()
    assert shown(seen.page) == "light"
    seen.page.goto(seen.origin + "/sources", wait_until="load")
    seen.settle()
    assert shown(seen.page) == "light"
    seen.page.locator("nav[aria-label=Trang] a[href='/wall']").click()
    seen.page.wait_for_selector(".wall")
    seen.until("document.documentElement.dataset.theme === 'dark'")


def test_the_theme_is_known_before_anything_is_painted(house: Any) -> None:
    """The script stands in the head, before the styles, and is waited for."""
    page = house.get("/")[0].decode()
    script = page.index('<script src="/assets/theme.js"></script>')
    assert script < page.index("</head>") and script < page.index("stylesheet")
    assert page.count("theme.js") == 1, "once, or a click would turn it twice"


def test_a_chart_changes_its_colours_without_being_drawn_again(visit: Any) -> None:
    """Line, words and target have the other theme's colours; the drawing is the same element."""
    seen = visit("/indicator/I02b")
    page, plot = seen.page, seen.page.locator(".js-plotly-plot")
    page.evaluate("window.drawing = document.querySelector('.js-plotly-plot .main-svg')")
    for name, colours in BOTH.items():
        page.evaluate("name => { document.documentElement.dataset.theme = name; }", name)
        plot.scroll_into_view_if_needed()
        image = looking.picture_of(plot)
        line = looking.pixels_of(image, colours["on-track"], near=12)
        assert np.ptp(line.any(axis=0).nonzero()[0]) > image.width * 0.4, name
        other = BOTH["dark" if name == "light" else "light"]["on-track"]
        stray = looking.pixels_of(image, other, near=6).sum()
        assert stray < line.sum() / 3, f"{name}: {stray} px of the other theme, {line.sum()} of it"
        target = looking.pixels_of(image, colours["text"], near=60).sum(axis=1).max()
        assert target > image.width * 0.25, f"{name}: the target's line has {target} px"
        label = looking.picture_of(plot.locator(".ytick text").first)
        assert looking.contrast(label) >= 4.5, name
    assert page.evaluate("window.drawing === document.querySelector('.js-plotly-plot .main-svg')")
    page.close()


def test_the_small_lines_are_drawn_in_both_themes(visit: Any) -> None:
    """A mask that fails leaves a full box or nothing: count the pixels of the line."""
    seen = visit("/org-unit/area-450")
    spark = seen.page.locator(".sparkline:not(.is-empty)").first
    spark.scroll_into_view_if_needed()
    for name, colours in BOTH.items():
        seen.page.evaluate("name => { document.documentElement.dataset.theme = name; }", name)
        image = looking.picture_of(spark)
        line = looking.pixels_of(image, colours["on-track"], near=40).sum()
        assert 20 < line < image.width * image.height * 0.4, (name, line)
    seen.page.close()

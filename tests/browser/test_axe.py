"""Every page for every reader: nothing serious by axe in either theme, and one column on a phone.

axe-core comes with its package and is evaluated in the page, past the policy; nothing is fetched.
"""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from layouts import PAGES
from tests.browser import looking
from tests.browser.conftest import DESK
from tests.browser.house import address_of

pytestmark = pytest.mark.browser

ALL = [page.path for page in PAGES] + ["/khong-co"]
PHONE = (390, 844)
RULES = {"resultTypes": ["violations"]}
CONTRAST = RULES | {"runOnly": ["color-contrast"]}
TARGETS = RULES | {"runOnly": ["target-size"]}
paged = pytest.mark.parametrize(
    "seen", [(address_of(path), DESK) for path in ALL], ids=ALL, indirect=True, scope="module"
)


def serious(page: Any, theme: str, options: dict[str, Any]) -> list[str]:
    """What axe finds in one theme, each with the first place where it is."""
    page.evaluate("name => { document.documentElement.dataset.theme = name; }", theme)
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{theme}: {one['id']} × {len(one['nodes'])}: {one['nodes'][0]['html'][:160]}"
        f" {one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@paged
def test_axe_finds_nothing_serious_in_either_theme(seen: Any) -> None:
    """With everything unfolded, so that hidden words are measured too."""
    fold(seen.page, opened=True)
    assert serious(seen.page, "dark", RULES) + serious(seen.page, "light", CONTRAST) == []


@paged
def test_a_page_fits_a_phone(seen: Any) -> None:
    """The page never scrolls sideways; tables do so in their own box. Targets are 24 px apart."""
    page = seen.page
    fold(page, opened=False)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    seen.settle()
    seen.until("document.documentElement.scrollWidth <= innerWidth")
    wide = page.evaluate(
        "[...document.querySelectorAll('main, main *, header *')].filter(e =>"
        " !e.closest('.table-scroll, nav, svg, .leaflet-container, .dash-graph, .search-label')"
        " && e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility())"
        ".slice(0, 5).map(e => `${e.tagName}.${e.className}`)"
    )
    small = Axe().run(page, options=TARGETS).response["violations"]
    assert wide == []
    assert [node["html"][:160] for one in small for node in one["nodes"]] == []
    assert looking.squeezed(looking.texts(page)) == []


def fold(page: Any, *, opened: bool) -> None:
    """Open or close everything that opens."""
    page.evaluate("o => document.querySelectorAll('details').forEach(d => { d.open = o; })", opened)


def test_axe_can_find_something(visit: Any) -> None:
    """A picture without words and grey on grey are seen."""
    seen = visit("/khong-co")
    seen.page.evaluate(
        "document.querySelector('main').innerHTML ="
        ' \'<img src="data:,"><p class="lede">nhạt</p>\';'
        "document.querySelector('.lede').style.color = getComputedStyle(document.documentElement)"
        ".getPropertyValue('--line')"
    )
    found = serious(seen.page, "dark", RULES)
    seen.page.close()
    assert any("image-alt" in one for one in found)
    assert any("color-contrast" in one for one in found)

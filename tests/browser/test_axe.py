"""Who cannot see or point reads these pages too: axe finds nothing serious on any, light or dark.

axe-core comes with its package and is evaluated in the page, past the policy; nothing is fetched.
"""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from layouts import PAGES
from tests.browser.house import address_of

pytestmark = pytest.mark.browser

ALL = [page.path for page in PAGES] + ["/khong-co"]
PHONE = (390, 844)
RULES = {"resultTypes": ["violations"]}
CONTRAST = RULES | {"runOnly": ["color-contrast"]}


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


@pytest.mark.parametrize("path", ALL)
def test_axe_finds_nothing_serious_in_either_theme(path: str, visit: Any) -> None:
    """With everything unfolded, so that hidden words are measured too."""
    seen = visit(address_of(path))
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = serious(seen.page, "dark", RULES) + serious(seen.page, "light", CONTRAST)
    seen.page.close()
    assert found == []


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

"""Paper: A4, black and white, everything unfolded, every status by its border, shape and word."""

import re
from typing import Any

import pytest

from layouts import theme
from tests.browser import looking
from tests.browser.conftest import DESK

pytestmark = pytest.mark.browser

PRINTED = ("/", "/indicator/I02b", "/indicator/I07b", "/org-unit/area-450")
STATUSES = "[...document.querySelectorAll('main .status')].filter(e => e.checkVisibility())"


@pytest.fixture
def paper(visit: Any) -> Any:
    """Open an address as a printer lays it out."""
    opened = []

    def open_page(path: str) -> Any:
        seen = visit(path, DESK)
        seen.page.emulate_media(media="print")
        seen.page.wait_for_timeout(300)
        opened.append(seen)
        return seen

    yield open_page
    for seen in opened:
        seen.page.close()


@pytest.mark.parametrize("path", PRINTED)
def test_a_status_keeps_border_shape_and_word_in_grey(paper: Any, path: str) -> None:
    """Nothing of it is a filled surface: a printer leaves those out."""
    seen = paper(path)
    told = seen.page.evaluate(
        f"{STATUSES}.map(e => {{ const s = getComputedStyle(e);"
        " const shape = e.querySelector('.shape'); const drawn = getComputedStyle(shape);"
        " return [e.innerText.trim(), parseFloat(s.borderTopWidth), s.borderTopColor,"
        " s.backgroundColor, drawn.printColorAdjust, drawn.maskImage, drawn.backgroundColor,"
        " shape.getBoundingClientRect().width]; })"
    )
    assert told
    words = {mark.word for mark in theme.STATUS.values()}
    for word, width, edge, filled, adjust, mask, ink, room in told:
        assert word in words and width >= 1 and edge == "rgb(0, 0, 0)", word
        assert filled == "rgba(0, 0, 0, 0)" and ink == "rgb(0, 0, 0)", word
        assert adjust == "exact" and "svg" in mask and room >= 8, word


def test_no_two_statuses_look_alike_on_paper(paper: Any) -> None:
    """The legend in grey: ten shapes, each dark on white."""
    outlines = {}
    seen = paper("/")
    for status in seen.page.locator(".legend .status").all():
        image = looking.picture_of(status.locator(".shape")).convert("L").convert("RGB")
        assert looking.contrast(image) >= 7, status.inner_text()
        outlines[status.inner_text().strip()] = looking.outline(image)
    assert len(outlines) == len(theme.STATUS)
    names = sorted(outlines)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    assert [p for p in pairs if looking.unlike(*map(outlines.get, p)) < 0.1] == []


def test_a_shape_alone_gets_its_word_on_paper(paper: Any) -> None:
    """In the ranking and at the parts of a target the screen draws the shape only."""
    for path, place in (("/indicator/I02b", ".rank:not(.empty)"), ("/", ".part")):
        page = paper(path).page
        words = page.evaluate(
            f"[...document.querySelectorAll('{place} [data-word]')]"
            ".map(e => getComputedStyle(e, '::after').content)"
        )
        assert words and all(re.search(r"đạt", word) for word in words)


@pytest.mark.parametrize("path", PRINTED)
def test_everything_is_unfolded_on_paper_and_folded_again_afterwards(paper: Any, path: str) -> None:
    """Nobody can open a detail of a sheet."""
    seen = paper(path)
    closed = "document.querySelectorAll('main details:not([open])').length"
    seen.until(f"{closed} === 0", seconds=10)
    assert not seen.page.locator("nav[aria-label=Trang]").is_visible()
    seen.page.emulate_media(media="screen")
    seen.until(f"{closed} > 0")


def test_a_sheet_says_as_of_when_it_is_and_when_it_was_printed(paper: Any, visit: Any) -> None:
    """Not on the screen, where the clocks say it."""
    line = paper("/indicator/I02b").page.locator(".print-line")
    assert re.fullmatch(
        r"Số liệu như đã biết lúc \d\d:\d\d \d\d/\d\d/\d{4}"
        r" · in lúc \d\d:\d\d \d\d/\d\d/\d{4} \(giờ Việt Nam\)",
        line.inner_text(),
    )
    seen = visit("/indicator/I02b")
    assert not seen.page.locator(".print-line").is_visible()
    seen.page.close()


def test_a_sheet_is_a4_with_margins_and_counts_its_pages(visit: Any) -> None:
    """210 × 297 mm, also where the reader's browser says letter."""
    seen = visit("/indicator/I02b")
    body = seen.page.pdf(prefer_css_page_size=True)
    rules = seen.page.evaluate(
        "[...document.styleSheets].flatMap(s => [...s.cssRules]).map(r => r.cssText)"
        ".filter(t => t.startsWith('@page')).join(' ')"
    )
    seen.page.close()
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", body))
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}
    assert "margin: 14mm" in rules and "counter(page)" in rules and "counter(pages)" in rules

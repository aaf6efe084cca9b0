"""Every page in a real Chromium: quiet, Vietnamese, readable, drawn, and honest about samples."""

import re
from typing import Any

import numpy as np
import pytest

from layouts import theme
from tests.browser import looking
from tests.browser.conftest import DESK
from tests.browser.house import STATUSES
from tests.browser.language import foreign

pytestmark = pytest.mark.browser

LONGEST = "/indicator/I01"  # the longest name of an indicator
DISTRICTS = "/indicator/I02b?level=district"
COMMUNES = "/indicator/I02b?level=commune"
LONG = ("/indicator/I02b", "/indicator/I12a", LONGEST)
DRAWN = (*LONG, "/indicator/I11b")  # of I11b one month was assessed
# sections, a licence, indicators
CODES = r"\b[25]\.\d\b|ODbL 1\.0|\b[A-Z][A-Z-]*\d+[a-z]?\.\d[a-z]?\b"
UNMEASURED = ("/indicator/I12b", "/sector/field_feedback")  # no line to reach
CHARTED = "/explore?indicator=I02b,I03&org_unit=area-450,area-qb&from=2021&to=2024&view=chart"
PAGES = (
    "/",
    "/wall",
    *DRAWN,
    "/indicator/I12b",  # qualitative
    "/indicator/I05a",  # without a source
    "/indicator/I07b",  # a part that closed early
    "/indicator/I02b?level=department",
    DISTRICTS,
    COMMUNES,
    "/indicator/I02b?org_unit=department-SVHTTDL25-2025-03-01",
    "/org-unit/commune-18880-2025-07-01",
    "/org-unit/district-450-0000",  # ended
    "/search?q=dong+hoi",
    "/map",
    "/map?indicator=I11b&to=2025-06",  # districts
    "/map?indicator=I03&to=2025-06&level=commune",  # nobody has data
    "/explore",  # nothing chosen yet
    "/explore?indicator=I02b&level=commune&from=2024&to=2024",  # a page of many rows
    CHARTED,
    "/explore?indicator=I02b&level=commune&grain=year&view=chart",  # a ranking
    "/explore?indicator=I02b&level=commune&grain=year&from=2025&to=2025&view=map",
    "/sector",
    "/sector/public_services",  # trend, map, records
    "/sector/field_feedback",  # no target
    "/sector/meetings?indicator=I07b",  # districts alone
    "/sector/archives",  # without a source
    "/changes",
    "/changes?since=2025-06-15&as_of=2025-07-15",
    "/projects",
    "/orientation",
    "/calibration",
    "/projects?state=overdue",
    "/operator",
    "/admin",
    "/admin/people",
    "/admin/devices",
    "/admin/sources",
    "/admin/readings",
    "/admin/audit",
    "/admin/usage",
    "/sources",
    "/sources/staff",
    "/khong-co",  # nothing is there
)

paged = pytest.mark.parametrize(
    "seen", [(path, DESK) for path in PAGES], ids=PAGES, indirect=True, scope="module"
)


@paged
def test_a_page_is_quiet_and_calls_nobody_else(seen: Any) -> None:
    """The console says nothing of ours or of the policy, and no request leaves the server."""
    assert [said for said in seen.console if not said.startswith(("log:", "info:"))] == []
    outside = [
        url for url in seen.requests if not url.startswith((seen.origin + "/", "data:", "blob:"))
    ]
    assert outside == []
    assert seen.failed == []
    assert len(seen.requests) > 5


@paged
def test_every_text_has_the_room_it_needs(seen: Any) -> None:
    """No text is wider than its box, cut off, or over another; the page has no sideways scroll."""
    found = seen.texts
    assert len(found) > 5
    assert looking.squeezed(found) == []
    assert looking.collisions(found) == []
    wide = seen.page.evaluate(
        "[document.documentElement, ...document.querySelectorAll('.table-scroll')]"
        ".filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)"
        ".map(e => `${e.className}: ${e.scrollWidth} > ${e.clientWidth}`)"
    )
    assert wide == []


@paged
def test_a_page_says_that_its_figures_are_a_sample(seen: Any) -> None:
    """The mark stands in the first screen, in letters that can be read."""
    mark = [text for text in seen.texts if text.words == "DỮ LIỆU MẪU"]
    assert len(mark) == 1
    assert mark[0].top < 200 and mark[0].font >= 14
    assert looking.contrast(looking.picture_of(seen.page.locator("#sample-mark"))) > 4.5


@paged
def test_no_page_has_a_foreign_word(seen: Any) -> None:
    """Nor a machine's: not in a text, a title, a label, a chart's buttons or what is folded."""
    found = {word: text for text in looking.said(seen.page) for word in foreign(text)}
    assert found == {}


def test_the_test_of_words_can_fail() -> None:
    """It finds what programs say by accident, and lets Vietnamese pass."""
    for text in ("Loading…", "NaN %", "undefined", "Download plot", "không đọc được: No such file"):
        assert foreign(text)
    assert foreign("Sở, ban, ngành trong khoảng 80–100 % quanh nghiêng khuya, tệp CSV") == []


@paged
def test_numbers_and_dates_are_vietnamese(seen: Any) -> None:
    """A comma before decimals, points between thousands, dd/mm/yyyy, a blank before the sign."""
    for text in looking.said(seen.page):
        if re.search(r"https?:|\.csv|\{", text):
            continue
        assert not re.search(r"\d\.\d{1,2}(?!\d)(?!\.\d)", re.sub(CODES, "", text)), text
        assert not re.search(r"\b20\d\d-\d\d-\d\d", text), text
        assert not re.search(r"\d,\d{3},\d", text), text
    drawn = " ".join(text.words for text in seen.texts)
    for dated in re.findall(r"\b(\d{1,2})/(\d{1,2})/\d{4}", drawn):
        assert int(dated[0]) <= 31 and int(dated[1]) <= 12


@paged
def test_a_closed_target_has_no_countdown_and_no_pace(seen: Any) -> None:
    """Its headline is what it closed with; statuses of a running plan stand in the legend only."""
    drawn = " ".join(text.words for text in seen.texts).lower()
    for word in ("còn lại", "ngày nữa", "/tháng", "đếm ngược", "sắp chốt", "cần +"):
        assert word not in drawn
    running = ".is-at_risk, .is-off_track, .is-on_track, .is-no_pace"
    assert seen.page.evaluate(
        f"[...document.querySelectorAll('{running}')].every(e => e.closest('.legend'))"
    )


# --- charts --------------------------------------------------------------------------------------


@paged
def test_a_chart_has_pixels(seen: Any) -> None:
    """The line, the dashed target and the axis are there as colours, not only as elements."""
    plots = seen.page.locator(".js-plotly-plot").all()
    drawn = seen.path.startswith(("/indicator/", "/sector/"))
    alone = int(drawn and not seen.path.endswith(("I05a", "/archives")))
    assert len(plots) == (2 if seen.path == CHARTED else alone)
    for plot in plots:
        plot.scroll_into_view_if_needed()
        image = looking.picture_of(plot)
        seen.page.evaluate("window.scrollTo(0, 0)")
        line = looking.pixels_of(image, theme.ON_TRACK, near=12)
        assert image.height > 300
        if seen.path in DRAWN:
            assert line.sum() > 20
        if seen.path in LONG:
            columns, rows = line.any(axis=0).nonzero()[0], line.any(axis=1).nonzero()[0]
            assert columns.max() - columns.min() > image.width * 0.4
            assert rows.max() - rows.min() > image.height * 0.1
        if seen.path in UNMEASURED:
            continue
        bright = np.asarray(image).min(axis=2) > 110  # the grid is darker
        across = bright.sum(axis=1).max()  # of the row of pixels that has most of the dashes
        assert across > image.width * 0.25, f"the target's line has {across} px"


def test_a_month_without_a_report_is_a_gap_in_the_line(screen: Any) -> None:
    """Neither zero nor bridged: the drawn path is in two pieces."""
    seen = screen("/indicator/I12a").page
    assert seen.locator(".scatterlayer .trace").first.locator("path.js-line").count() == 2
    values = seen.evaluate("document.querySelector('.js-plotly-plot').data[0].y")
    assert values[28] is None and 0 not in [value for value in values if value is not None]


def test_a_chart_offers_no_way_out_of_the_house(screen: Any) -> None:
    """No button uploads the figures; none is in English."""
    seen = screen("/indicator/I02b").page
    buttons = seen.eval_on_selector_all(
        ".modebar-btn", "all => all.map(b => b.dataset.title || b.getAttribute('aria-label') || '')"
    )
    assert buttons and all(buttons)
    html = seen.content().lower()
    assert "chart-studio" not in html and "plot.ly" not in html


def test_the_twin_table_of_a_chart_opens(visit: Any) -> None:
    """Folded at first; then every month is there and nothing is squeezed."""
    seen = visit("/indicator/I12a")
    rows = seen.page.locator("#indicator-trend-table tr")
    assert not rows.first.is_visible()
    seen.page.locator("summary", has_text="Xem dạng bảng").click()
    assert rows.nth(1).is_visible() and rows.count() > 60
    gap = seen.page.locator("#indicator-trend-table tr", has_text="tháng 5/2023")
    told = gap.inner_text().split("\t")
    assert told[1:4] == ["—", "—", "—"] and told[5] == "chưa báo cáo"
    assert "%" in told[4], "the same month of last year was reported"
    assert looking.squeezed(looking.texts(seen.page)) == []
    seen.page.close()


# --- the register --------------------------------------------------------------------------------


def test_counts_per_status_add_up_to_all_targets(screen: Any) -> None:
    """And each is the number of rows that show that status; there is no composite score."""
    seen = screen("/").page
    told = {
        piece.get_attribute("data-status"): piece.inner_text().split()
        for piece in seen.locator("#counts .count").all()
    }
    shown = [row.get_attribute("data-status") for row in seen.locator("tr[data-target]").all()]
    assert len(shown) == 20 == sum(int(words[0]) for words in told.values())
    assert {name: int(words[0]) for name, words in told.items()} == {
        name: shown.count(name) for name in set(shown)
    }
    for name, words in told.items():
        assert " ".join(words[1:]).lower() == theme.status(name).word.lower()


def test_every_target_shows_the_status_that_its_figures_make(screen: Any) -> None:
    """As counted by hand from what was reported."""
    seen = screen("/").page
    for row in seen.locator("tr[data-target]").all():
        target = row.get_attribute("data-target")
        assert row.get_attribute("data-status") == STATUSES[target], target
        assert theme.status(STATUSES[target]).word in row.inner_text(), target


def test_display_never_rounds_across_the_line(screen: Any) -> None:
    """80,004 % of over 80 is not 80; 59,98 of 60 is not 60,0; 89,98 of over 90 is not 90,0."""
    for path in ("/", "/wall", LONGEST):
        drawn = " ".join(t.words for t in screen(path).texts)
        assert re.search(r"80,004", drawn), path
    for path, target in (("/", "tr[data-target=T01] .outcome"), ("/wall", "[data-target=T01]")):
        words = screen(path).page.locator(target).first.inner_text()
        assert not re.search(r"(?<![\d,])80(,0+)?\s*%", words.replace("trên 80\xa0%", "")), words
    assert "59,98" in screen("/").page.locator("tr[data-target=T02b] .outcome").inner_text()
    assert "89,98" in screen("/").page.locator("tr[data-target=T12a] .outcome").inner_text()


def test_one_click_on_a_target_opens_its_sentence_and_citation(visit: Any) -> None:
    """A5: document, date, section and the exact sentence."""
    seen = visit("/")
    row = seen.page.locator("tr[data-target=T02b]")
    row.locator("summary").click()
    sentence = "60% hồ sơ thủ tục hành chính được xử lý hoàn toàn trên môi trường mạng."
    assert sentence in row.locator("blockquote").inner_text()
    cited = row.locator(".cite").inner_text()
    assert "25/02/2022" in cited and "2.2" in cited and "chưa xác định" in cited
    assert looking.squeezed(looking.texts(seen.page)) == []
    seen.page.close()


def test_small_counts_come_before_their_share(screen: Any) -> None:
    """A8: 4/5 dịch vụ, without decimals."""
    words = screen("/").page.locator("tr[data-target=T10] .outcome").inner_text()
    assert words.startswith("4/5") and "dịch vụ" in words and "(80\xa0%)" in words


# --- indicators ----------------------------------------------------------------------------------


def test_both_readings_of_an_unclear_sentence_are_shown(screen: Any) -> None:
    """A4: which would be met, which not, which is in force, who chose it and when."""
    words = screen("/indicator/I11b").page.locator("main").inner_text()
    assert re.search(r"đạt nếu “từ 25\s%”, không đạt nếu “trên 25\s%”", words, re.IGNORECASE)
    assert "đang dùng" in words and "22/11/2026" in words and "Mặc định của sản phẩm" in words


def test_an_indicator_without_a_source_is_a_designed_page(screen: Any) -> None:
    """It says so, names what is missing, and has neither chart, figure nor ranking."""
    seen = screen("/indicator/I05a").page
    words = seen.locator("main").inner_text()
    assert "Chưa có nguồn" in words and "Cần nối hệ thống" in words and "Định nghĩa" in words
    assert seen.locator(".js-plotly-plot, .rank, .figure").count() == 0
    assert seen.locator(".shape-no_source").count() >= 1


def test_a_qualitative_target_is_never_met_or_missed(screen: Any) -> None:
    """T12b: the word, the proxy's figure beside it, no verdict in the ranking."""
    seen = screen("/indicator/I12b").page
    assert "Định tính" in seen.locator("#indicator-head").inner_text()
    for shape in ("met", "missed"):
        assert seen.locator(f"#indicator-head .shape-{shape}, .rank .shape-{shape}").count() == 0


def test_a_ranking_lists_every_org_unit_and_those_without_a_figure_last(screen: Any) -> None:
    """Today's 41 communes of the territory; districts as they were on their last day."""
    for path, least in ((COMMUNES, 41), (DISTRICTS, 8)):
        rows = screen(path).page.locator(".rank")
        assert rows.count() >= least
        empty = ["empty" in (row.get_attribute("class") or "") for row in rows.all()]
        assert empty == sorted(empty) and (path == DISTRICTS or not all(empty))


# --- sources -------------------------------------------------------------------------------------


def test_a_failed_poll_opens_its_error_in_vietnamese(visit: Any) -> None:
    """B6, B7: the last values stay, the run that failed is a block and a row with its words."""
    seen = visit("/sources")
    card = seen.page.locator("#source-reports")
    blocks = card.locator(".run[data-outcome]")
    assert [b.get_attribute("data-outcome") for b in blocks.all()] == ["ok", "retry"]
    assert card.locator(".run").count() == 30
    card.locator("summary", has_text="Lịch sử").click()
    failed = card.locator("tbody tr").first
    assert failed.is_visible() and "Sẽ thử lại" in failed.inner_text()
    assert "không đọc được thư mục" in failed.inner_text()
    assert foreign(failed.inner_text()) == []
    assert looking.squeezed(looking.texts(seen.page)) == []
    seen.page.close()


def test_rejections_are_counted_by_reason_and_show_where_they_stood(visit: Any) -> None:
    """Five figures of three faulty rows: nothing is dropped in silence."""
    seen = visit("/sources/staff")
    card = seen.page.locator("#source-staff")
    reasons = {
        item.locator("span").inner_text(): int(item.locator("b").inner_text())
        for item in card.locator(".reasons li").all()
    }
    assert sum(reasons.values()) == 5 and len(reasons) == 3
    assert {count for reason, count in reasons.items() if "99999" in reason} == {3}
    places = card.locator(".refused table").first.inner_text()
    assert "BC_CBCCVC.csv#" in places
    seen.page.close()


# --- grey ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_status_is_known_in_grey_by_shape_and_word(
    house: Any, chromium: Any, scheme: Any
) -> None:
    """D5: of the ten in the legend no two shapes look alike, and each stands out 3 to 1."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 720}, device_scale_factor=2, color_scheme=scheme
    )
    page = context.new_page()
    page.goto(house.address + "/")
    page.wait_for_selector(".legend .status")
    outlines = {}
    for status in page.locator(".legend .status").all():
        assert status.locator(".word").inner_text().strip()
        image = looking.picture_of(status.locator(".shape"))
        assert looking.contrast(image) >= 3, status.inner_text()
        outlines[status.inner_text()] = looking.outline(image)
    context.close()
    assert len(outlines) == len(theme.STATUS)
    names = sorted(outlines)
    alike = [
        (a, b, round(looking.unlike(outlines[a], outlines[b]), 3))
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if looking.unlike(outlines[a], outlines[b]) < 0.1
    ]
    assert alike == []

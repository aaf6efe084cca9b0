"""An official signs an assessment on the page of a target that has no number, and takes it back."""

from typing import Any

import pytest

from tests.browser import looking

pytestmark = pytest.mark.browser
PATIENCE = 60_000


def test_an_assessment_is_signed_shown_and_withdrawn_in_the_browser(visit: Any) -> None:
    screen = visit("/indicator/I12b")
    page = screen.page
    page.get_by_text("Ghi đánh giá mới").click()
    page.locator("#assess-save").click()
    page.get_by_text("Hãy chọn kết luận").wait_for(timeout=PATIENCE)
    page.get_by_label("Đạt một phần").check()
    page.fill("#assess-day", "31/12/2025")
    page.fill("#assess-words", "Phần lớn cơ quan đã tập huấn trong năm.")
    page.fill("#assess-evidence", "Báo cáo số 12/BC-SNV")
    page.fill("#assess-author", "Trần Thị Bình, Sở Nội vụ")
    page.locator("#assess-save").click()
    page.get_by_text("Đã ký đánh giá số").wait_for(timeout=PATIENCE)
    shown = page.locator("#assessments .assessment").first
    shown.get_by_text("Phần lớn cơ quan").wait_for(timeout=PATIENCE)
    assert "Trần Thị Bình, Sở Nội vụ" in shown.inner_text()
    assert page.input_value("#assess-words") == ""

    page.goto(f"{screen.origin}/")
    row = page.locator("[data-target=T12b]")
    row.wait_for(timeout=PATIENCE)
    assert "Đạt một phần" in row.inner_text() and "Định tính" in row.inner_text()

    page.goto(f"{screen.origin}/indicator/I12b")
    page.locator("summary", has_text="Rút đánh giá đang dùng").click()
    page.fill("#assess-why", "Số liệu của hai cơ quan chưa đúng.")
    page.fill("#assess-by", "Trần Thị Bình")
    page.locator("#assess-withdraw").click()
    page.get_by_text("Đã rút.").wait_for(timeout=PATIENCE)
    page.get_by_text("Chưa có đánh giá được ký").first.wait_for(timeout=PATIENCE)
    assert screen.failed == []
    page.close()


@pytest.mark.parametrize("path", ["/indicator/I12b", "/wall?page=2"])
@pytest.mark.parametrize("size", [(1920, 1080), (1366, 768), (390, 844)], ids=str)
def test_words_fit_their_screen(visit: Any, path: str, size: tuple[int, int]) -> None:
    page = visit(path, size).page
    if "indicator" in path:
        page.get_by_text("Ghi đánh giá mới").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    assert looking.texts(page)
    page.close()

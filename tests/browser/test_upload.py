"""A template is downloaded, filled in, given in the browser and taken: the figure says so."""

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.poller import poll_given
from tests.browser.house import LAST, House

pytestmark = pytest.mark.browser
PATIENCE = 60_000


def filled(template: Path, target: Path, *rows: tuple) -> Path:
    """A template with these rows below its example."""
    book = openpyxl.load_workbook(io.BytesIO(template.read_bytes()))
    sheet = book.worksheets[0]
    head = [cell.value for cell in sheet[4]]
    for number, row in enumerate(rows, 6):
        for heading, value in row:
            sheet.cell(number, head.index(heading) + 1, value)
    book.save(target)
    return target


def test_a_person_downloads_fills_in_gives_and_sees_what_became_of_it(
    visit: Any, house: House, tmp_path: Path
) -> None:
    screen = visit("/upload?source=staff")
    page = screen.page
    page.select_option("#period-staff", LAST.text)
    with page.expect_download() as download:
        page.get_by_role("button", name="Tải mẫu").click()
    assert download.value.suggested_filename == f"nhap-tay_staff_{LAST.text}.xlsx"
    row = [
        ("Mã đơn vị", "SNV25"),
        ("Tổng CBCCVC chuyên môn, nghiệp vụ", 100),
        ("Được trang bị máy tính", 99),
        ("Số liệu đến ngày", LAST.end),
        ("Ngày báo cáo", LAST.next().start),
    ]
    bad = [("Mã đơn vị", "KHONG"), *row[1:]]
    file = filled(download.value.path(), tmp_path / "nhap-tay_staff.xlsx", tuple(row), tuple(bad))

    with page.expect_file_chooser() as chooser:
        page.locator("#upload-pick").click()
    chooser.value.set_files(file)
    page.get_by_text("Đã gửi nhap-tay_staff.xlsx").wait_for(timeout=PATIENCE)
    page.locator("[data-state=waiting]").wait_for(timeout=PATIENCE)
    poll_given(house.store, list(house.sources.values()), house.settings)
    page.locator("[data-state=done]").first.wait_for(timeout=PATIENCE)
    page.get_by_text("Vì sao có dòng không nhận").first.click()
    assert "không có trong danh mục" in page.locator("#upload-list").inner_text()
    page.locator("#upload-list .cases-link").first.click()
    page.get_by_text("tệp nhập tay").first.wait_for(timeout=PATIENCE)
    assert "nhap-tay_staff.xlsx" in page.locator("#main").inner_text()
    assert screen.failed == [] and not [s for s in screen.console if "error" in s.lower()]

    page.goto(f"{house.address}/indicator/I12a")
    mark = page.locator(".hand-mark")
    mark.wait_for(timeout=PATIENCE)
    assert "nhập tay" in mark.inner_text()
    mark.click()
    page.get_by_text("tệp nhập tay").first.wait_for(timeout=PATIENCE)
    page.goto(f"{house.address}/wall")
    tile = page.locator("[data-target=T12a]")
    tile.wait_for(timeout=PATIENCE)
    assert "nhập tay" in tile.inner_text()
    page.close()


def test_what_cannot_be_read_is_said_before_it_is_sent(visit: Any, tmp_path: Path) -> None:
    page = visit("/upload").page
    wrong = tmp_path / "anh.png"
    wrong.write_bytes(b"x")
    with page.expect_file_chooser() as chooser:
        page.locator("#upload-pick").click()
    chooser.value.set_files(wrong)
    said = page.locator("#upload-said.is-bad")
    said.wait_for(timeout=PATIENCE)
    assert "Chỉ nhận tệp .xlsx hoặc .csv" in said.inner_text()
    page.close()


def test_a_file_is_dropped_and_the_door_says_why_it_is_refused(visit: Any) -> None:
    page = visit("/upload?source=staff").page
    page.evaluate(
        """() => {
          const all = new DataTransfer();
          all.items.add(new File(['khong phai zip'], 'hong.xlsx'));
          const box = document.getElementById('upload-drop');
          const how = {dataTransfer: all, bubbles: true, cancelable: true};
          for (const kind of ['dragover', 'drop']) box.dispatchEvent(new DragEvent(kind, how));
        }"""
    )
    said = page.locator("#upload-said.is-bad")
    said.wait_for(timeout=PATIENCE)
    assert "không phải bảng tính" in said.inner_text()
    page.close()


@pytest.mark.parametrize("size", [(1920, 1080), (390, 844)], ids=["desk", "phone"])
def test_the_page_fits_its_screen(visit: Any, size: tuple[int, int]) -> None:
    page = visit("/upload?source=staff", size).page
    page.locator("#main h1").wait_for(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    page.close()

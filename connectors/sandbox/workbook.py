"""The layout of the monthly staff workbook, as departments send it: title first, two-line heading.

xlsx, one sheet: rows 1–3 title and period (merged), row 4 empty, rows 5–6 the heading (merged
cells; a column's name is its lower cell, else its upper one), then one row for each org unit,
a total without number or code, a note. csv: the nine names in one line, ";" and a UTF-8 mark,
dates as dd/mm/yyyy; the same rows.
"""

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime

import xlsxwriter

from connectors.sandbox.mark import SAMPLE

SHEET = "BC CBCCVC"
NOTE = f"{SAMPLE} – số liệu tổng hợp, không phải số liệu thật"
UPPER = (
    "STT", "Mã đơn vị", "Tên đơn vị", "Tổng CBCCVC chuyên môn, nghiệp vụ", "Trong đó", "",
    "Số liệu đến ngày", "Ngày báo cáo", "Ghi chú",
)  # fmt: skip
LOWER = {4: "Được trang bị máy tính", 5: "Được tập huấn trong năm (lũy kế)"}
WIDTHS = (6, 12, 42, 18, 16, 18, 16, 18, 16)


@dataclass(slots=True)
class Row:
    """What one org unit reports for a month; ``equipped`` may be what a clerk typed instead."""

    code: str
    name: str
    total: int
    equipped: int | str
    trained: int
    until: date
    sent: datetime  # local, naive as in a spreadsheet


def xlsx(rows: list[Row], period: str, place: str) -> bytes:
    """The workbook of a month; the same rows give the same bytes."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    book.set_properties({"title": SAMPLE, "comments": SAMPLE, "created": datetime(2021, 1, 1)})  # noqa: DTZ001 as the library wants it
    sheet = book.add_worksheet(SHEET)
    bold = book.add_format({"bold": True, "align": "center", "text_wrap": True, "border": 1})
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    minute = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
    sheet.set_header(f"&C{SAMPLE}")
    for number, title in enumerate((
        f"{place} — {SAMPLE}",
        "BÁO CÁO TRANG BỊ MÁY TÍNH VÀ TẬP HUẤN CÔNG NGHỆ THÔNG TIN CỦA CBCCVC",
        f"Kỳ báo cáo: tháng {period}",
    )):
        sheet.merge_range(number, 0, number, len(UPPER) - 1, title, bold)
    for column, name in enumerate(UPPER):
        sheet.set_column(column, column, WIDTHS[column])
        if column in LOWER:
            sheet.write_string(5, column, LOWER[column], bold)
        else:
            sheet.merge_range(4, column, 5, column, name, bold)
    sheet.merge_range(4, 4, 4, 5, UPPER[4], bold)
    for number, row in enumerate(rows):
        at = 6 + number
        sheet.write_number(at, 0, number + 1)
        sheet.write_string(at, 1, row.code)
        sheet.write_string(at, 2, row.name)
        sheet.write_number(at, 3, row.total)
        sheet.write(at, 4, row.equipped)
        sheet.write_number(at, 5, row.trained)
        sheet.write_datetime(at, 6, row.until, day)
        sheet.write_datetime(at, 7, row.sent, minute)
        sheet.write_string(at, 8, SAMPLE)
    end = 6 + len(rows)
    sheet.write_string(end, 2, "Tổng cộng", bold)
    for column, total in enumerate(_totals(rows), 3):
        sheet.write_number(end, column, total, bold)
    sheet.write_string(end + 1, 0, NOTE)
    book.close()
    return target.getvalue()


def table(rows: list[Row]) -> bytes:
    """The same month as a csv that a spreadsheet program saved."""
    target = io.StringIO()
    write = csv.writer(target, delimiter=";", lineterminator="\r\n").writerow
    write([LOWER.get(column, name) for column, name in enumerate(UPPER)])
    for number, row in enumerate(rows, 1):
        until, sent = f"{row.until:%d/%m/%Y}", f"{row.sent:%d/%m/%Y %H:%M}"
        counts = [row.total, row.equipped, row.trained]
        write([number, row.code, row.name, *counts, until, sent, SAMPLE])
    write(["", "", "Tổng cộng", *_totals(rows), "", "", ""])
    write([NOTE, *[""] * 8])
    return b"\xef\xbb\xbf" + target.getvalue().encode()


def _totals(rows: list[Row]) -> tuple[int, int, int]:
    equipped = sum(row.equipped for row in rows if isinstance(row.equipped, int))
    return sum(row.total for row in rows), equipped, sum(row.trained for row in rows)

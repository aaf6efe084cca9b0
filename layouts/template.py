"""Draws the workbook that people fill in for a source of sheets, and the guide that goes with it.

What its columns are was published by the poller (``ioc.form``); org units and words are ours. The
row that shows how to fill in carries ``EXAMPLE`` in the place of a code: the reader passes it over.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

from ioc.form import EXAMPLE, GUIDE
from ioc.model import OrgUnit
from ioc.period import Period
from layouts import text
from layouts.shell import SAMPLE

HEADING, FIRST, LAST = 3, 5, 1004  # rows, counted from 0: the example stands between
DATE, MOMENT = "dd/mm/yyyy", "dd/mm/yyyy hh:mm"
WIDTHS = {"org_unit": 14, "place": 14, "period": 16, "instant": 18, "number": 20, "text": 26}
CODES = 12  # the row of the guide at which the list of codes begins


@dataclass(frozen=True, slots=True)
class Template:
    """What one template is for."""

    source: Mapping[str, Any]  # a row of query.sources
    form: Mapping[str, Any]
    period: Period
    units: tuple[OrgUnit, ...]
    elements: Mapping[str, Any]
    now: datetime


def workbook(of: Template) -> bytes:
    """The bytes of a template; texts stay texts, nothing in it is calculated."""
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(target, options)
    mark = SAMPLE if of.source["sample"] else ""
    book.set_properties({"title": _title(of), "comments": mark})
    looks = _looks(book)
    _figures(book, of, looks, mark)
    _guide(book, of, looks)
    book.close()
    return target.getvalue()


def _title(of: Template) -> str:
    return f"{of.source['name']} – {text.period(of.period.text)}"


def _looks(book: Any) -> dict[str, Any]:
    head = {"bold": True, "text_wrap": True, "valign": "vcenter", "border": 1}
    shown = {"italic": True, "font_color": "#6F7A84", "bg_color": "#F2F4F6"}
    kinds = {"text": {"num_format": "@"}, "number": {"num_format": "#,##0.##"}}
    kinds |= {"period": {"num_format": DATE}, "instant": {"num_format": MOMENT}}
    made = {name: book.add_format(look) for name, look in kinds.items()}
    made |= {f"example-{name}": book.add_format(look | shown) for name, look in kinds.items()}
    return made | {
        "head": book.add_format(head | {"bg_color": "#E4E8EC", "align": "center"}),
        "title": book.add_format({"bold": True, "font_size": 14}),
        "note": book.add_format({"font_color": "#505A64"}),
        "strong": book.add_format({"bold": True}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
    }


def _figures(book: Any, of: Template, looks: Mapping[str, Any], mark: str) -> None:
    sheet = book.add_worksheet(of.form["sheet"])
    sheet.write_string(0, 0, _title(of), looks["title"])
    sheet.write_string(1, 0, f"Xem trang “{GUIDE}” trước khi điền. {mark}".strip(), looks["note"])
    sheet.set_row(HEADING, 48)
    for c, column in enumerate(of.form["columns"]):
        look = _kind(column)
        sheet.set_column(c, c, WIDTHS.get(column["is"], 20), looks[look])
        sheet.write_string(HEADING, c, column["heading"], looks["head"])
        _show(sheet, HEADING + 1, c, _example(of, column), looks[f"example-{look}"])
        if rule := _rule(of, column):
            sheet.data_validation(FIRST, c, LAST, c, rule)
    sheet.freeze_panes(HEADING + 1, 1)
    if mark:
        sheet.set_header(f"&C{mark}")


def _kind(column: Mapping[str, Any]) -> str:
    return column["is"] if column["is"] in ("number", "period", "instant") else "text"


def _example(of: Template, column: Mapping[str, Any]) -> Any:
    match column["is"]:
        case "org_unit":
            return f"{EXAMPLE}: {of.units[0].code if of.units else ''}"
        case "place":
            return EXAMPLE
        case "period":
            return of.period.end
        case "instant":
            return text.local(of.now).replace(tzinfo=None, second=0, microsecond=0)
        case "number":
            return 100
        case "code" if column.get("values"):
            return column["values"][0]
    return EXAMPLE if column["field"] else "không bắt buộc"


def _show(sheet: Any, row: int, column: int, value: Any, look: Any) -> None:
    if isinstance(value, date):
        at = value if isinstance(value, datetime) else datetime.combine(value, time())
        sheet.write_datetime(row, column, at, look)
    elif isinstance(value, int):
        sheet.write_number(row, column, value, look)
    else:
        sheet.write_string(row, column, value, look)


def _rule(of: Template, column: Mapping[str, Any]) -> dict[str, Any] | None:
    """What may be typed into a column; the spreadsheet says why where something may not."""
    rule: dict[str, Any]
    match column["is"]:
        case "org_unit" | "place" if of.units:
            listed = f"='{GUIDE}'!$A${CODES + 1}:$A${CODES + len(of.units)}"
            rule = {"validate": "list", "source": listed}
            words = f"Chọn một mã ở trang “{GUIDE}”: các đơn vị đang hoạt động."
        case "number":
            least, most = _range(of, column)
            rule = {"validate": "decimal", "criteria": "between", "minimum": least, "maximum": most}
            words = f"Nhập số từ {text.plain(least)} đến {text.number(most)}."
        case "period":
            first, last = datetime.combine(date(1990, 1, 1), time()), _last_day(of)
            rule = {"validate": "date", "criteria": "between", "minimum": first, "maximum": last}
            words = f"Nhập một ngày trong kỳ, kiểu ngày/tháng/năm: {text.day(of.period.end)}."
        case "instant":
            first, last = datetime.combine(date(1990, 1, 1), time()), datetime(2199, 12, 31)  # noqa: DTZ001
            rule = {"validate": "date", "criteria": "between", "minimum": first, "maximum": last}
            words = "Nhập ngày, kiểu ngày/tháng/năm, có thể thêm giờ."
        case "code" if len(",".join(column.get("values", ()))) in range(1, 250):
            rule = {"validate": "list", "source": column["values"]}
            words = "Chọn một từ trong danh sách."
        case _:
            return None
    return rule | {"error_title": "Không nhận giá trị này", "error_message": words}


def _last_day(of: Template) -> datetime:
    return datetime.combine(max(of.period.end, text.local(of.now).date()), time())


def _range(of: Template, column: Mapping[str, Any]) -> tuple[float, float]:
    element = of.elements.get(column["field"])
    least, most = element.range if element else (0.0, float("inf"))
    return max(least, 0.0), min(most, 1e9)


def _guide(book: Any, of: Template, looks: Mapping[str, Any]) -> None:
    sheet = book.add_worksheet(GUIDE)
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 70, looks["wrap"])
    sheet.write_string(0, 0, f"{GUIDE}: {_title(of)}", looks["title"])
    for row, line in enumerate(_lines(of), 1):
        sheet.write_string(row, 0, line, looks["note"])
    sheet.write_string(CODES - 1, 0, "Mã đơn vị", looks["strong"])
    sheet.write_string(CODES - 1, 1, f"Đơn vị có trong {text.period(of.period.text)}",
                       looks["strong"])  # fmt: skip
    for row, unit in enumerate(of.units, CODES):
        sheet.write_string(row, 0, unit.code)
        sheet.write_string(row, 1, unit.name, looks["wrap"])
    row = CODES + len(of.units) + 1
    sheet.write_string(row, 0, "Cột", looks["strong"])
    sheet.write_string(row, 1, "Điền gì", looks["strong"])
    for column in of.form["columns"]:
        row += 1
        sheet.write_string(row, 0, column["heading"], looks["wrap"])
        sheet.write_string(row, 1, _meaning(of, column), looks["wrap"])


def _lines(of: Template) -> list[str]:
    """At most ten lines; the list of codes begins below them."""
    example = xl_rowcol_to_cell(HEADING + 1, 0)
    return [
        f"1. Điền vào trang “{of.form['sheet']}”, mỗi đơn vị một dòng, từ dòng {FIRST + 1}.",
        f"2. Dòng {HEADING + 2} (ô {example} ghi “{EXAMPLE}”) là ví dụ: máy bỏ qua, có thể xóa.",
        "3. Không đổi tên trang, không đổi hay xóa dòng tiêu đề, không gộp ô.",
        "4. Ô trống nghĩa là chưa rõ, không phải bằng 0; bằng 0 thì ghi 0.",
        "5. Không ghi họ tên, số định danh, số điện thoại, địa chỉ: những cột lạ không được đọc.",
        "6. Lưu kiểu .xlsx (hoặc .csv, bảng mã UTF-8, dấu phân cách"
        f" “{of.form['separator']}”), rồi tải lên ở trang Nhập tay,",
        "    hoặc chép vào thư mục của nguồn với tên bắt đầu bằng nhap-tay_.",
        "7. Số nhập tay mang dấu “nhập tay” cho đến khi hệ thống của nguồn báo chính số đó.",
    ]


def _meaning(of: Template, column: Mapping[str, Any]) -> str:
    needed = " (bắt buộc)" if column["needed"] else ""
    match column["is"]:
        case "org_unit" | "place":
            return f"Mã của đơn vị, chọn trong danh sách trên{needed}."
        case "period":
            grain = text.GRAINS.get(of.form["grain"], "")
            return f"Một ngày trong {grain} báo cáo, ví dụ {text.day(of.period.end)}{needed}."
        case "instant":
            return f"Ngày, có thể thêm giờ, kiểu ngày/tháng/năm{needed}."
        case "code" if column.get("values"):
            return f"Một trong: {', '.join(column['values'])}{needed}."
        case "number":
            element = of.elements.get(column["field"])
            if element is None:
                return f"Số{needed}."
            least, most = _range(of, column)
            until = f" đến {text.number(most)}" if most < 1e9 else ""
            return f"{element.name}, {element.unit}: từ {text.plain(least)}{until}."
    return (
        f"Mã, không có dấu cách{needed}." if column["field"] else "Để đọc cho dễ; không bắt buộc."
    )

"""Tables in workbooks and CSV files: finds the heading, refuses what does not fit, names the cell.

A table is found by its declared headings, in one line or two (the lower line names the column,
the upper one where the lower is empty); it is never guessed.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import python_calamine as calamine

from connectors.kinds.xlsx import hidden_rows, refuse_bomb, refuse_wide
from connectors.values import clean
from ioc.errors import Broken
from ioc.form import SHEET

HEADING_ROWS = 30  # the heading stands among the first rows
MAX_ROWS = 200_000
_SEPARATORS = ",;\t|"

Range = tuple[tuple[int, int], tuple[int, int]]


class Table(NamedTuple):
    """Rows under their headings; ``first`` is the number that the file gives to the first row."""

    columns: dict[str, int]
    rows: list[list[Any]]
    first: int
    merged: Sequence[Range] = ()


def read_table(name: str, body: bytes, headings: Iterable[str], options: dict[str, Any]) -> Table:
    """The table of a file.

    Raises:
        Broken: not such a file, a bomb, or the headings are not there; names file and cell.
    """
    if name.lower().endswith(".csv"):
        return find_table(name, csv_rows(name, body, options.get("csv", {})), headings)
    sheet, rows, merged = workbook_rows(name, body, options.get("sheet"))
    table = find_table(name, rows, headings, merged)
    _refuse_hidden(name, hidden_rows(name, body, sheet), table)
    return table


def csv_rows(name: str, body: bytes, options: dict[str, Any]) -> list[list[Any]]:
    """Cells of a CSV file in its declared encoding and separator, else refused: never mojibake."""
    encoding = options.get("encoding", "utf-8")
    separator = options.get("separator", ",")
    try:
        text = body.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Broken(f"{name} dòng {line}: không phải bảng mã {encoding} đã khai") from None
    if "\0" in text:
        raise Broken(f"{name}: không phải tệp CSV")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        raise Broken(f"{name}: CSV hỏng: dấu nháy không khớp hoặc ô quá dài") from None


def workbook_rows(
    name: str, body: bytes, sheet: str | None
) -> tuple[str, list[list[Any]], list[Range]]:
    """One sheet (named, the only one, or our form's): its name, cells and merged ranges."""
    refuse_bomb(name, body)
    refuse_wide(name, body)
    try:
        with calamine.load_workbook(io.BytesIO(body)) as book:
            names = book.sheet_names
            wanted = sheet or (names[0] if len(names) == 1 else SHEET if SHEET in names else None)
            if wanted not in names:
                asked = (
                    f"không có trang “{sheet}”" if sheet else "có nhiều trang, chưa khai trang nào"
                )
                raise Broken(f"{name}: {asked}; tệp có: {', '.join(names)}")
            found = book.get_sheet_by_name(wanted)
            if found.total_height > MAX_ROWS:
                raise Broken(f"{name}: hơn {MAX_ROWS} dòng")
            cells = found.to_python(skip_empty_area=False)
            return wanted, cells, found.merged_cell_ranges or []
    except calamine.CalamineError as error:
        raise Broken(f"{name}: không đọc được bảng tính ({type(error).__name__})") from None


def find_table(
    name: str, rows: list[list[Any]], headings: Iterable[str], merged: Sequence[Range] = ()
) -> Table:
    """The rows under the first line, or two lines, that hold all declared headings."""
    wanted = {heading_of(text): text for text in headings}
    best: tuple[int, int, dict[str, int]] = (-1, 0, {})
    for lines in (1, 2):
        for r in range(min(HEADING_ROWS, len(rows) - lines + 1)):
            found = _columns(name, rows, r, lines, wanted, merged)
            if len(found) == len(wanted):
                first = r + lines
                body = rows[first:]
                _refuse_merged(name, merged, first, found.values())
                return Table({wanted[h]: c for h, c in found.items()}, body, first + 1, merged)
            if len(found) > best[0]:
                best = (len(found), r, found)
    raise Broken(_missing(name, rows, best[1], wanted, best[2]))


def heading_of(text: Any) -> str:
    """Headings compare in NFC, without case, line breaks or doubled spaces."""
    return clean(str(text).replace("\n", " ")).casefold() if text not in ("", None) else ""


def cell(row: int, column: int) -> str:
    """The address of a cell from numbers counted from 0: (4, 1) is B5."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def _columns(
    name: str, rows: list[list[Any]], r: int, lines: int, wanted: dict[str, str], merged: Any
) -> dict[str, int]:
    upper = [heading_of(value) for value in rows[r]]
    names = [{text} for text in upper]
    if lines == 2:
        parents = list(upper)
        for (top, left), (bottom, right) in merged:
            if top == bottom == r:
                parents[left : right + 1] = [upper[left]] * (right + 1 - left)
        lower = [heading_of(value) for value in rows[r + 1]]
        lower += [""] * (len(upper) - len(lower))
        if not any(lower):
            return {}
        names = [
            {below, f"{parent} / {below}"} if below else {above}
            for above, parent, below in zip(upper, parents, lower, strict=False)
        ]
    found: dict[str, int] = {}
    for column, known in enumerate(names):
        for heading in known & wanted.keys():
            if heading in found:
                where = cell(r + lines - 1, column)
                raise Broken(f"{name} ô {where}: tiêu đề “{wanted[heading]}” có hai lần")
            found[heading] = column
    return found


def _refuse_merged(name: str, merged: Sequence[Range], first: int, columns: Iterable[int]) -> None:
    """A merged cell across several data rows hides which row its value belongs to."""
    used = set(columns)
    for (top, left), (bottom, right) in merged:
        if top >= first and bottom > top and used & set(range(left, right + 1)):
            where = f"{cell(top, left)}:{cell(bottom, right)}"
            raise Broken(f"{name} ô {where}: ô gộp trong phần số liệu, không rõ thuộc dòng nào")


def _refuse_hidden(name: str, hidden: Iterable[int], table: Table) -> None:
    """Rows that nobody saw before sending are no part of a report."""
    for number in hidden:
        row = table.rows[number - table.first :][:1] if number >= table.first else []
        if row and any(value not in ("", None) for value in row[0]):
            where = cell(number - 1, min(table.columns.values()))
            raise Broken(f"{name} ô {where}: dòng ẩn trong phần số liệu; hãy bỏ ẩn hoặc xóa")


def _missing(
    name: str, rows: list[list[Any]], r: int, wanted: dict[str, str], found: dict[str, int]
) -> str:
    lacking = [text for heading, text in wanted.items() if heading not in found]
    listed = ", ".join(f"“{text}”" for text in lacking)
    filled = [str(value) for value in rows[r] if value not in ("", None)] if rows else []
    if len(filled) == 1 and sum(filled[0].count(mark) for mark in _SEPARATORS) >= 2:
        return f"{name} ô A{r + 1}: dấu phân cách khác dấu đã khai; không thấy tiêu đề {listed}"
    if not found:
        return f"{name}: không tìm thấy dòng tiêu đề {listed} trong {HEADING_ROWS} dòng đầu"
    free = [c for c in range(len(rows[r])) if c not in found.values()]
    where = cell(r, free[0] if free else len(rows[r]))
    return f"{name} ô {where}: mẫu đã đổi, thiếu tiêu đề {listed}"

"""A workbook of rows: typed cells, nothing that is calculated or linked, little memory.

The same rows give the same bytes: the library stamps its parts with one fixed day, and so do we.
Its rows go through files of a passing folder, since a workbook can be sent only once it is whole.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from ioc.period import LOCAL
from layouts.text import number as spelt
from layouts.web.downloads import TAIL
from layouts.web.problems import Problem

MOST_ROWS = 1_048_576
"""Of one sheet, its heading among them: more does not open."""
LONGEST = 32_767
"""Letters of one cell, as spreadsheets count them (UTF-16)."""
EPOCH = datetime(1980, 1, 1)  # noqa: DTZ001  what a workbook calls its making
DAY, MOMENT = "dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss"
FIRST_DAY = date(1900, 3, 1)
"""Before it spreadsheets count days in two ways."""
ABOUT = "Mô tả"
SENT = 1 << 16
KEPT = 5_000
"""Values of a type whose cells are remembered."""
WIDTH = {"string": 18, "number": 14, "integer": 12, "date": 12, "datetime": 20}


Write = Callable[[Worksheet, int, Sequence[Any]], None]
"""Writes cells into a row of a sheet, from its first column on."""


class Sheet(Worksheet):
    """A sheet that takes no text for markup: the library lets ``<r>…</r>`` through as it is."""

    def cell(self, row: int, put: Callable[[], None]) -> str:
        """What the library writes for what ``put`` puts first in a row, after the cell's place."""
        put()
        cell, rows = self.table[row].pop(0, None), self.fh
        if cell is None:
            return ""
        self.fh = StringIO()
        self._write_cell(row, 0, cell)
        written, self.fh = self.fh.getvalue(), rows
        return written.removeprefix(f'<c r="A{row + 1}"')

    def row(self, number: int, cells: str) -> None:
        """Write a whole row."""
        if cells:
            self._check_dimensions(number, 0)
            self.fh.write(f'<row r="{number + 1}">{cells}</row>')

    def _xml_rich_inline_string(self, string: str, attributes: Any) -> None:
        self._xml_inline_string(string, False, attributes)


def xlsx_bytes(
    columns: Sequence[str],
    rows: Iterable[tuple],
    *,
    sheet: str,
    tail: Callable[[], tuple],
    about: Callable[[], list[Sequence[Any]]],
    kinds: Sequence[str] = (),
) -> Iterator[bytes]:
    """The bytes of a workbook: the rows, each ending with ``tail``, and a sheet about them.

    ``tail`` is asked once reading has begun, ``about`` once all rows are written; ``kinds`` are the
    types of the columns, for their widths.

    Raises:
        Problem: more rows or a longer text than a sheet holds; nothing was sent then.
    """
    with tempfile.TemporaryDirectory(prefix="ioc-xlsx-") as folder:
        path = Path(folder, "file.xlsx")
        book = xlsxwriter.Workbook(str(path), _options(folder))
        book.set_properties({"created": EPOCH})
        looks = {"day": book.add_format({"num_format": DAY})}
        looks |= {"moment": book.add_format({"num_format": MOMENT})}
        looks |= {"text": book.add_format({"num_format": "@"})}
        looks |= {"head": book.add_format({"bold": True, "num_format": "@"})}
        write = _writer(looks)
        table = book.add_worksheet(sheet, worksheet_class=Sheet)
        table.freeze_panes(1, 0)
        for at, kind in enumerate(kinds):
            table.set_column(at, at, WIDTH[kind])
        for at, name in enumerate((*columns, *TAIL)):
            table.write_string(0, at, name, looks["head"])
        _fill(table, rows, write, tail)
        told = book.add_worksheet(ABOUT, worksheet_class=Sheet)
        told.set_column(0, 0, 24)
        told.set_column(1, 1, 44)
        for number, line in enumerate(about()):
            write(told, number, line)
        book.close()
        with path.open("rb") as whole:
            while part := whole.read(SENT):
                yield part


def _fill(table: Sheet, rows: Iterable[tuple], write: Write, tail: Callable[[], tuple]) -> None:
    """All rows; a value that comes again is not written anew, for each costs many steps."""
    known: dict[type, dict[Any, str]] = defaultdict(dict)
    end: tuple | None = None
    letters: list[str] = []
    for number, row in enumerate(rows, 1):
        if number >= MOST_ROWS:
            raise _too_long(f"hơn {spelt(MOST_ROWS - 1)} dòng")
        if end is None:
            end = tail()
            letters = [xl_col_to_name(at) for at in range(len(row) + len(end))]
            table._write_single_row(1)  # its heading
        cells = []
        for letter, value in zip(letters, (*row, *end), strict=True):
            kept = known[value.__class__]
            if (cell := kept.get(value)) is None:
                if len(kept) > KEPT:
                    kept.clear()
                cell = kept[value] = table.cell(number, partial(write, table, number, (value,)))
            if cell:
                cells.append(f'<c r="{letter}{number + 1}"{cell}')
        table.row(number, "".join(cells))


def _options(folder: str) -> dict[str, Any]:
    return {
        "constant_memory": True,
        "tmpdir": folder,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }


def _writer(looks: dict[str, Any]) -> Write:
    """Writes the cells of a row by what they are; what is unknown is no cell, never 0."""

    def write(sheet: Worksheet, row: int, cells: Sequence[Any]) -> None:
        for at, value in enumerate(cells):
            if isinstance(value, str):
                if value:
                    sheet.write_string(row, at, _fitting(value), looks["text"])
            elif value is None or value != value:
                continue
            elif isinstance(value, bool):
                sheet.write_boolean(row, at, value)
            elif isinstance(value, (int, float)):
                sheet.write_number(row, at, value)
            else:
                _dated(sheet, row, at, value)

    def _dated(sheet: Worksheet, row: int, at: int, value: date) -> None:
        moment = isinstance(value, datetime)
        local = value.astimezone(LOCAL).replace(tzinfo=None) if moment else value
        if (local.date() if moment else local) < FIRST_DAY:
            sheet.write_string(row, at, local.isoformat(), looks["text"])
        else:
            sheet.write_datetime(row, at, local, looks["moment" if moment else "day"])

    return write


def _fitting(text: str) -> str:
    if len(text) * 2 > LONGEST and len(text.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST:
        raise _too_long(f"một ô có {len(text)} ký tự")
    return text


def _too_long(what: str) -> Problem:
    sentence = f"Một tệp XLSX không chứa được {what}: hãy lọc hẹp hơn, hoặc tải CSV."
    return Problem(413, sentence)

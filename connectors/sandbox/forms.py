"""The layout of a plain report workbook: title block, heading, numbered rows, a total, the note.

One sheet: three merged title lines, an empty one, the heading in one line (in two where columns
stand in groups), a row for each item, "Tổng cộng" in the second column where something adds up,
and the sample note. A cell is what its value is: text, number, day, minute; None stays empty.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.spreadsheet import BOLD, PLAIN, column, packed

NOTE = f"{SAMPLE} – số liệu tổng hợp, không phải số liệu thật"
NUMBER = "STT"
TOTAL = "Tổng cộng"
_MERGED = date(2025, 7, 1)

Row = list[Any]
"""The cells of one item, in the order of its form's columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column after the running number; ``group`` stands over neighbours that share it."""

    name: str
    width: int = 14
    group: str = ""
    adds_up: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A report form. The second column names the item, the last one says when it was sent."""

    sheet: str
    title: str
    columns: tuple[Column, ...]

    def at(self, name: str, group: str = "") -> int:
        """The position of a column in a row."""
        return next(
            i for i, c in enumerate(self.columns) if c.name == name and c.group in ("", group)
        )


def authority(day: date) -> str:
    """How the province is headed on a day."""
    return "TỈNH QUẢNG TRỊ (ĐỊA BÀN QUẢNG BÌNH CŨ)" if day >= _MERGED else "TỈNH QUẢNG BÌNH"


def xlsx(form: Form, period: str, until: date, rows: list[Row]) -> bytes:
    """The workbook of a period that ends on a day; the same rows give the same bytes."""
    columns = (Column(NUMBER, 6), *form.columns)
    last = column(len(form.columns))
    titles = (f"{authority(until)} — {SAMPLE}", form.title, f"Kỳ báo cáo: {period}")
    heading, merged = _heading(columns)
    lines = [
        *(([title], BOLD) for title in titles),
        ([], PLAIN),
        *((cells, BOLD) for cells in heading),
        *(([number, *row], PLAIN) for number, row in enumerate(rows, 1)),
        *_total(form, rows),
        ([NOTE], PLAIN),
    ]
    merged = [*(f"A{line}:{last}{line}" for line in (1, 2, 3)), *merged]
    return packed(form.sheet, lines, merged, [c.width for c in columns], SAMPLE)


def _heading(columns: tuple[Column, ...]) -> tuple[list[list[Any]], list[str]]:
    """The lines of the heading, the first of them the fifth of the sheet, and its merged cells."""
    if not any(c.group for c in columns):
        return [[c.name for c in columns]], []
    upper: list[Any] = []
    merged = []
    for number, c in enumerate(columns):
        here = column(number)
        if not c.group:
            upper.append(c.name)
            merged.append(f"{here}5:{here}6")
        elif columns[number - 1].group == c.group:
            upper.append(None)
        else:
            upper.append(c.group)
            end = max(i for i, other in enumerate(columns) if other.group == c.group)
            merged.append(f"{here}5:{column(end)}5")
    return [upper, [c.name if c.group else None for c in columns]], merged


def _total(form: Form, rows: list[Row]) -> list[tuple[list[Any], int]]:
    """The line of totals, where something adds up."""
    if not any(c.adds_up for c in form.columns):
        return []
    sums: list[Any] = [
        sum(row[i] for row in rows if isinstance(row[i], int | float)) if c.adds_up else None
        for i, c in enumerate(form.columns)
    ]
    sums[1] = TOTAL
    return [([None, *sums], BOLD)]

"""How a CSV is written: its separator, its decimal sign, and texts that no spreadsheet mistakes.

A text that a spreadsheet would calculate gets one leading apostrophe, and so does a text that
begins with an apostrophe; whoever reads the file back takes one leading apostrophe away from every
text cell (``ioc.inert.original``). With a decimal comma the file is for a spreadsheet opened by a
double click, which guesses types: there a text that it would take for a number, a date or a truth
has the apostrophe too, so that codes keep their leading zeros. Numbers are never touched.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ioc.inert import inert
from ioc.period import LOCAL

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
DECIMALS = {"point": ".", "comma": ","}
RULE = (
    "Ô chữ bắt đầu bằng = + - @, dấu nháy đơn, tab hoặc xuống dòng có thêm một dấu nháy đơn"
    " ở đầu; khi đọc lại hãy bỏ đúng một dấu nháy đơn ở đầu ô."
)
GUESSED_RULE = (
    " Ô chữ mà bảng tính có thể đoán là số, ngày, giờ hoặc đúng/sai (bắt đầu bằng chữ số, kể cả sau"
    " dấu tiền, chấm, phẩy, ngoặc, phần trăm, tên tháng; hoặc là TRUE, FALSE) cũng vậy."
)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec thg tháng".split()
_GUESSED = re.compile(
    rf"[\s.,(%#$₫đ€£¥]*\d|\s*(?:{'|'.join(MONTHS)})\w*[\s.,/-]*\d|\s*(?:true|false|đúng|sai)\s*$",
    re.IGNORECASE,
)
_APART = re.compile(r'[,;\t"\r\n]')
_AHEAD = timedelta(hours=7)
_SINCE = datetime(1976, 1, 1, tzinfo=UTC)  # Vietnam has kept +07:00 from then on
_TEXTS, _INSTANTS = {str, type(None)}, {datetime, type(None)}
KEPT = 5_000


def instant(value: datetime | None) -> str:
    """An instant in ISO 8601 at +07:00; empty when there is none."""
    if value is None:
        return ""
    if value.tzinfo is UTC and value > _SINCE:  # what questions answer, in half the time
        return (value + _AHEAD).isoformat()[:-6] + "+07:00"
    return value.astimezone(LOCAL).isoformat()


def cell(value: Any) -> str:
    """One value as CSV text; what is unknown is an empty cell, never 0."""
    return PLAIN.cell(value)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write the same rows."""

    separator: str = ","
    decimal: str = "."

    @property
    def rule(self) -> str:
        """What a reader does to get every text back, in words."""
        return RULE + (GUESSED_RULE if self.decimal == "," else "")

    def cell(self, value: Any) -> str:
        """One value as text, before quotes."""
        if isinstance(value, str):
            return self._inert(value)
        if value is None or value != value:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            whole = value.is_integer() and abs(value) < 1e15
            return str(int(value)) if whole else repr(value).replace(".", self.decimal)
        if isinstance(value, datetime):
            return instant(value)
        return value.isoformat() if isinstance(value, date) else str(value)

    def _inert(self, text: str) -> str:
        if self.decimal == "," and _GUESSED.match(text):
            return "'" + text
        return inert(text)

    def quoted(self, value: Any) -> str:
        """One value as it stands in the file.

        Quotes stand around whatever holds a separator of any dialect: a program that takes another
        for granted makes no second cell out of a text.
        """
        text = self.cell(value)
        if not _APART.search(text):
            return text
        return '"' + text.replace('"', '""') + '"'

    def line(self, cells: Any) -> str:
        """One line of the file."""
        return self.separator.join(map(self.quoted, cells)) + "\r\n"

    def writer(self) -> Callable[[list[tuple], str], str]:
        """Writes rows, each ending with what is given; remembers how it wrote a column's texts."""
        kept: dict[int, dict[str, str]] = {}

        def column(at: int, values: tuple) -> list[str]:
            kinds = set(map(type, values))
            if kinds <= _INSTANTS:
                return [instant(value) for value in values]
            if not kinds <= _TEXTS:
                return [self.quoted(value) for value in values]
            known = kept.setdefault(at, {})
            if len(known) > KEPT:  # texts that hardly come again
                known.clear()
            for text in set(values).difference(known):
                known[text] = self.quoted(text)
            return [known[value] for value in values]

        def write(rows: list[tuple], tail: str) -> str:
            columns = [column(at, values) for at, values in enumerate(zip(*rows, strict=True))]
            end = self.separator + tail
            return "".join([self.separator.join(c) + end for c in zip(*columns, strict=True)])

        return write


PLAIN = Dialect()


def dialect_of(filters: Mapping[str, str]) -> Dialect:
    """The dialect that an address asks for; a decimal comma goes with semicolons."""
    decimal = DECIMALS[filters.get("decimal", "point")]
    usual = "semicolon" if decimal == "," else "comma"
    return Dialect(SEPARATORS[filters.get("separator", usual)], decimal)

"""How a CSV is written: its separator, its decimal sign, and texts that no spreadsheet mistakes.

A text that a spreadsheet would calculate gets one leading apostrophe, and so does a text that
begins with an apostrophe; whoever reads the file back takes one leading apostrophe away from every
text cell (``ioc.inert.original``). With a decimal comma the file is for a spreadsheet opened by a
double click, which guesses types: there a text that it would take for a number, a date or a truth
has the apostrophe too, so that codes keep their leading zeros. Numbers are never touched.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from ioc.inert import RISKY, inert
from ioc.period import LOCAL, date_of

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
_APART = ',;\t"\r\n'
_ANY_APART = re.compile(f"[{_APART}]")
_FIRST = frozenset(risky[0] for risky in RISKY)
_AHEAD = timedelta(hours=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SINCE = datetime(1976, 1, 1, tzinfo=UTC)  # Vietnam has kept +07:00 from then on
_SINCE_MICROS = int(_SINCE.timestamp()) * 1_000_000
_AHEAD_MICROS, _DAY_MICROS = 7 * 3_600_000_000, 86_400_000_000
_SECONDS = tuple(f"{second:02}+07:00" for second in range(60))
_MINUTES = tuple(f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
KEPT = 20_000
_TEXT, _ABSENT = {str}, {type(None)}
_NUMBERS = {int, float, type(None)}


class _Days(dict[int, str]):
    """The dates of day numbers, as instants begin with them."""

    def __missing__(self, number: int) -> str:
        if len(self) > KEPT:
            self.clear()
        return self.setdefault(number, f"{date_of(number).isoformat()}T")


_DAYS = _Days()


def instant(value: datetime | None) -> str:
    """An instant in ISO 8601 at +07:00; empty when there is none."""
    if value is None:
        return ""
    if value.tzinfo is UTC and value > _SINCE:  # what questions answer, in half the time
        return (value + _AHEAD).isoformat()[:-6] + "+07:00"
    return value.astimezone(LOCAL).isoformat()


def moments(known: set[Any]) -> dict[Any, str]:
    """``instant`` of microseconds since 1970 (UTC), without making an object of each."""
    found = dict.fromkeys(known & {None}, "")
    values = [*(known - found.keys())]
    if not values:
        return found
    if min(values) <= _SINCE_MICROS:
        return found | {at: instant(_EPOCH + timedelta(microseconds=at)) for at in values}
    days, rest = np.divmod(np.array(values) + _AHEAD_MICROS, _DAY_MICROS)
    seconds, fractions = np.divmod(rest, 1_000_000)
    parts = (part.tolist() for part in (days, *np.divmod(seconds, 60)))
    texts = [_DAYS[d] + _MINUTES[m] + _SECONDS[s] for d, m, s in zip(*parts, strict=True)]
    for at in np.flatnonzero(fractions):
        texts[at] = f"{texts[at][:-6]}.{fractions[at]:06}{texts[at][-6:]}"
    found.update(zip(values, texts, strict=True))
    return found


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
        if not _ANY_APART.search(text):
            return text
        return '"' + text.replace('"', '""') + '"'

    def line(self, cells: Any) -> str:
        """One line of the file."""
        return self.separator.join(map(self.quoted, cells)) + "\r\n"

    def writer(self, at_moments: Collection[int] = ()) -> Callable[[list[tuple], str], str]:
        """Writes rows, each ending with what is given, column by column: a value once in a block.

        ``at_moments`` are the places of columns whose instants are microseconds since 1970 (UTC).
        """

        def column(at: int, values: tuple) -> Iterable[str]:
            known = set(values)
            if at in at_moments:
                return map(moments(known).__getitem__, values)
            kinds = set(map(type, values))
            if kinds == _TEXT and self._stands(known):
                return values
            if not (len(kinds - _ABSENT) <= 1 or kinds <= _NUMBERS):
                return map(self.quoted, values)  # true equals 1, and is written otherwise
            return map({value: self.quoted(value) for value in known}.__getitem__, values)

        def write(rows: list[tuple], tail: str) -> str:
            columns = [column(at, values) for at, values in enumerate(zip(*rows, strict=True))]
            end = self.separator + tail
            return end.join([*map(self.separator.join, zip(*columns, strict=True)), ""])

        return write

    def _stands(self, texts: set[str]) -> bool:
        """Whether all of these stand in the file as they are."""
        if self.decimal == "," or not _FIRST.isdisjoint([text[:1] for text in texts]):
            return False
        joined = "".join(texts)
        return not any(mark in joined for mark in _APART)


PLAIN = Dialect()


def dialect_of(filters: Mapping[str, str]) -> Dialect:
    """The dialect that an address asks for; a decimal comma goes with semicolons."""
    decimal = DECIMALS[filters.get("decimal", "point")]
    usual = "semicolon" if decimal == "," else "comma"
    return Dialect(SEPARATORS[filters.get("separator", usual)], decimal)

"""The one sentence that a target is told in: until when, how much of how many, what is missing.

Đến 31/12/2025: 78,4 % (392/500 hệ thống), còn thiếu 9 hệ thống để vượt 80 %.
"""

from __future__ import annotations

from layouts import text
from layouts.lines import Line, Part, Row, closed, parts_of, shortfall, unmeasured


def says(line: Line, part: Part) -> str:
    """What the figure that decides says: the closing one, or the live one while it is open."""
    row = part.row
    head = counted(row, line.lines, part.noun, closing=closed(row))
    upto = until(part)
    tail = text.join([shortfall(line, row, part.noun), unmeasured(row)], ", ")
    return text.sentence(text.join([f"Đến {upto}: {head}" if upto else head, tail], ", "))


def until(part: Part) -> str:
    """The day up to which that figure counts: the closing date, or the last day of its data."""
    if closed(part.row):
        return text.day(part.closing)
    return text.last_day(part.row.get("data_as_of"))


def counted(row: Row, borders: tuple[object, ...], noun: str, *, closing: bool) -> str:
    """78,4 % (392/500 hệ thống), of few 4/5 dịch vụ (80 %), or why there is no share."""
    over, under = parts_of(row, closing=closing)
    if under == 0:
        return "mẫu số bằng 0, không có tỷ lệ"
    if not (text.known(over) and text.known(under)):
        return "chưa có số chốt" if closing else "chưa có số liệu"
    share, counts = text.percent(over, under, *borders), text.counts(over, under, noun)
    return f"{counts} ({share})" if text.few(under) else f"{share} ({counts})"

"""What happened to a figure besides its values: reforms, closing, decisions, each on its day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from ioc.model import OrgUnit
from kpi import query
from layouts import text
from layouts.lines import dated
from layouts.state import as_of, desk
from layouts.view import View


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is marked on the axis and told under the chart."""

    day: date
    words: str
    closes: bool = False  # the closing date has its words at its mark, the others a number


def events(view: View, first: date, last: date) -> list[Event]:
    """What is dated from ``first`` to ``last``, oldest first."""
    told = [
        *reforms(desk().orgunits.values()),
        *_closing(view),
        *_choices(view),
        *_definitions(view),
    ]
    return sorted(
        (one for one in told if first <= one.day <= last), key=lambda one: (one.day, one.closes)
    )


def numbered(found: Iterable[Event]) -> list[tuple[str, Event]]:
    """Each with its mark: a number, or "chốt" for the closing date."""
    number, marked = 0, []
    for one in found:
        number += not one.closes
        marked.append(("chốt" if one.closes else str(number), one))
    return marked


def reforms(units: Iterable[OrgUnit]) -> list[Event]:
    """The days on which org units ended, by what ended with them."""
    ended: dict[date, Counter[str]] = {}
    for unit in units:
        if unit.closed:
            ended.setdefault(unit.closed + timedelta(days=1), Counter())[unit.level] += 1
    return [Event(day, _reform(counts)) for day, counts in sorted(ended.items())]


def _reform(counts: Counter[str]) -> str:
    """kết thúc cấp huyện; sắp xếp 145 xã, phường, thị trấn."""
    parts = [
        "sáp nhập tỉnh" if counts["province"] else "",
        "kết thúc cấp huyện" if counts["district"] else "",
        f"sắp xếp {counts['commune']} xã, phường, thị trấn" if counts["commune"] else "",
        "sở, ban, ngành theo tỉnh mới"
        if counts["province"] and counts["department"]
        else f"sáp nhập {counts['department']} sở, ban, ngành"
        if counts["department"]
        else "",
    ]
    return text.join(parts, "; ")


def _definitions(view: View) -> list[Event]:
    """The days from which another definition computes the figure."""
    return [
        Event(day, f"định nghĩa đổi; kỳ kết thúc từ ngày này tính theo bản {id}")
        for day, id in dated(view.indicator)
    ]


def _closing(view: View) -> list[Event]:
    if view.part is None or view.part.closing is None:
        return []
    found = [Event(view.part.closing, "ngày chốt của chỉ tiêu", closes=True)]
    signed = text.as_date(view.row.get("closing_signed_at"))
    return [*found, Event(signed, "ký chốt")] if signed else found


def _choices(view: View) -> list[Event]:
    """Readings that people put in force."""
    if view.line is None:
        return []
    return [
        Event(day, f"chọn cách đọc “{text.reading(one.reading)}”")
        for one in query.choices(desk().store, view.line.id, as_of=as_of())
        if (day := text.as_date(one.at))
    ]

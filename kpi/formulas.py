"""Which definition of an indicator computes which period: the one in force on its last day.

Nothing else decides: not the day of asking, nor what was known then. A year inside which the
definition was changed is wholly by the later one, and says so.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from ioc.period import Period
from kpi.elements import Indicator
from kpi.targets import Part

ANY = 1_000_000
"""A key of a window that lies after all others."""


class Span(NamedTuple):
    """The windows of a part, by the keys of their periods, that one definition computes."""

    indicator: Indicator
    low: int
    high: int


def by_period(indicator: Indicator, periods: Sequence[Period]) -> list[tuple[Indicator, slice]]:
    """Runs of periods, as places in their list, each with the definition that computes them."""
    if not indicator.versions:
        return [(indicator, slice(0, len(periods)))]
    found, start = [], 0
    for version, run in groupby(periods, key=lambda period: indicator.at(period.end)):
        end = start + sum(1 for _ in run)
        found.append((version, slice(start, end)))
        start = end
    return found


def of_window(indicator: Indicator, part: Part, key: int | None, day: date) -> Indicator:
    """The definition that computes a window of a part; without one, the window of a day."""
    if not indicator.versions:
        return indicator
    window = part.window(day) if key is None else Period(part.mode, key)
    return indicator.at(part.ends(window))


def by_window(indicator: Indicator, part: Part, low: int = 0, high: int = ANY) -> Iterator[Span]:
    """The windows from ``low`` to ``high``, cut where another definition begins to compute them."""
    starts = [max(low, _first(part, one.begins)) for one in indicator.versions] or [low]
    ends = [*(start - 1 for start in starts[1:]), high]
    for version, start, end in zip(indicator.every, starts, ends, strict=True):
        if start <= min(end, high):
            yield Span(version, start, min(end, high))


def _first(part: Part, begins: date | None) -> int:
    """The first window that ends on a day or later."""
    if begins is None:
        return 0
    window = part.window(begins)
    return window.key + (part.ends(window) < begins)


def mark(indicator: Indicator, start: date) -> str:
    """What is said of a figure over days before its definition began; else nothing."""
    if indicator.begins is None or start >= indicator.begins:
        return ""
    return f"tính theo định nghĩa có hiệu lực từ {indicator.begins:%d/%m/%Y}"


def dated(indicator: Indicator) -> str:
    """All definitions in one word: the first, then each later one with its day before it."""
    if not indicator.versions:
        return indicator.definition_id
    return ";".join(
        f"{one.begins} {one.definition_id}" if one.begins else one.definition_id
        for one in indicator.versions
    )


def of_day(said: str, day: date) -> str:
    """The definition in force on a day, of what ``dated`` once said; empty of nothing."""
    first, *later = said.split(";")
    begun = (one.partition(" ") for one in later)
    return next((id for begins, _, id in reversed([*begun]) if begins <= day.isoformat()), first)

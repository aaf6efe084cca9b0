"""Org units against each other and against the plan's threshold, with the counts behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Any

from dash import dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, framechoice, lately, places, text, theme
from layouts.components import Piece
from layouts.lines import Part, Row, begun, closed, parts_of, verdict
from layouts.state import link, rows, today
from layouts.view import DISTRICTS_END, LEVELS, SORTS, View

SORTED = {"share": "Tỷ lệ kém nhất", "missing": "Thiếu nhiều nhất", "name": "Tên"}


@dataclass(frozen=True, slots=True)
class Rank:
    """One org unit of a ranking: its counts over one window, or why there are none."""

    org_unit: str
    name: str
    code: str
    over: Any
    under: Any
    value: Any  # in the indicator's unit
    coverage: Any
    reason: str
    window: str
    gap: Fraction | None  # threshold × denominator − numerator; None where nothing is asked
    since: str = ""  # từ 01/07/2025: where the org unit began inside the window

    @property
    def absent(self) -> bool:
        return not text.known(self.value)


@dataclass(frozen=True, slots=True)
class Ranks:
    """The org units of a level, and whether their figures are those that closed the target."""

    closing: bool
    units: list[Rank]


def gap(over: Any, under: Any, threshold: Any) -> Fraction | None:
    """How many cases are missing to a threshold in percent; below 0: how many are to spare."""
    if not (text.known(over) and text.known(under) and text.known(threshold)) or not under:
        return None
    return Fraction(threshold) * Fraction(under) / 100 - Fraction(over)


def cases(lack: Fraction, operator: str) -> int:
    """The whole cases that fill a gap; a strict threshold asks for one more than to meet it."""
    return max(0, floor(lack) + 1 if operator == ">" else ceil(lack))


def window(row: Row, part: Part | None, *, closing: bool) -> str:
    """The periods that a figure counts, as an address says them.

    A year that closed early ends with the month of its closing date: 2025-01..2025-06.
    """
    told = row.get("closing_period" if closing else "period")
    told = str(told) if text.known(told) else ""
    ends = part.closing if part and closing else None
    if ends and len(told) == 4 and int(told) == ends.year and ends.month < 12:
        return f"{told}-01..{told}-{ends.month:02}"
    return told


def ranks(view: View, level: str, *, closing: bool) -> Ranks:
    """The org units of a level, over the window of the figure that is asked for; of an indicator
    without a target over its newest month."""
    asked = {"indicators": [view.key], "level": level, "on": on(level), **view.framed}
    if view.line is None:
        told = str(view.row.get("period") or "")
        return Ranks(False, _told_apart([_valued(row, told) for row in _values(told, asked)]))
    found = rows(query.standings, targets=[view.line.id], **asked)
    standings = [row for row in found if row["indicator"]]
    ends = closing and any(closed(row) for row in standings)
    told = _newest(window(row, view.part, closing=ends) for row in standings)
    values = {row["org_unit"]: row for row in _values(told, asked)}
    units = [_judged(view, row, values.get(row["org_unit"], {}), ends, told) for row in standings]
    return Ranks(ends, _told_apart(units))


def _told_apart(units: list[Rank]) -> list[Rank]:
    """Namesakes of a list with their dates."""
    names = places.names(one.org_unit for one in units)
    return [replace(one, name=names[one.org_unit]) for one in units]


def on(level: str) -> date:
    """The day on which the org units of a level are taken: districts as they last were."""
    return DISTRICTS_END if level == "district" else today()


def _newest(windows: Iterable[str]) -> str:
    return max((one for one in windows if one), default="")


def _values(told: str, asked: Row) -> list[Row]:
    """Coverage and reasons of one window."""
    if not told:
        return []
    period = Period.parse(told)
    return rows(query.values, grain=period.grain, first=period, last=period, **asked)


def _valued(row: Row, told: str) -> Rank:
    names = ("org_unit", "name", "code", "numerator", "denominator", "value", "coverage", "reason")
    return Rank(*(row[name] for name in names), told, None)


def _judged(view: View, row: Row, value: Row, closing: bool, told: str) -> Rank:
    assert view.line
    over, under = parts_of(row, closing=closing)
    own = window(row, view.part, closing=closing) or told
    return Rank(
        row["org_unit"],
        row["name"],
        row["code"],
        over,
        under,
        row.get("closing_value" if closing else "value"),
        row.get("closing_coverage" if closing else "coverage"),
        str(value.get("reason") or framechoice.reason(row)),
        own,
        gap(over, under, view.line.target["threshold"]),
        begun(row, closing=closing),
    )


def order(found: list[Rank], sort: str, better: str = "higher") -> list[Rank]:
    """Worst share first, most missing first or by name; what has no figure always at the end."""
    turn = -1 if better == "lower" else 1

    def key(one: Rank) -> tuple[Any, ...]:
        if sort == "name" or one.absent:
            return one.absent, places.alphabetical(one.name), one.code
        if sort == "missing" and one.gap is not None:
            return False, -one.gap, one.code
        return False, turn * one.value, one.code

    return sorted(found, key=key)


# ── the card ───────────────────────────────────────────────────────────────────────────────


def ranking(view: View) -> Piece:
    """Org units of one level in the order of the address; those without a figure stand at the end
    with their reason, never hidden."""
    found = ranks(view, view.level, closing=view.closing)
    units = order(found.units, view.sort, view.indicator["better"])
    top = max((one.value for one in units if not one.absent), default=0) or 1
    return components.card(
        "So sánh các đơn vị",
        html.Div(_choices(view), className="toolbar"),
        html.Div(
            [_head(), *(_rank(view, one, found.closing, top) for one in units)]
            if units
            else _nobody(view),
            className="ranking with-coverage",
        ),
        note=_files(view, units),
    )


def _choices(view: View) -> list[Piece]:
    ended = view.part is not None and closed(view.part.row) and view.level != "district"
    levels = [
        (
            text.LEVELS[name],
            view.address(level="" if name == LEVELS[0] else name),
            name == view.level,
        )
        for name in LEVELS
    ]
    kinds = [
        ("Số chốt", view.address(figure=""), view.closing),
        ("Hiện nay", view.address(figure="live"), not view.closing),
    ]
    numeric = view.line is not None and view.line.numeric
    sorts = [
        (SORTED[name], view.address(sort="" if name == SORTS[0] else name), name == view.sort)
        for name in SORTS
        if name != "missing" or numeric
    ]
    return [
        components.choice(levels, label="Cấp đơn vị"),
        components.choice(kinds, label="Số chốt hay hiện nay") if ended else None,
        components.choice(sorts, label="Thứ tự"),
        dcc.Link("Xem trên bản đồ", href=link("/map", indicator=view.key)),
    ]


def _files(view: View, units: list[Rank]) -> Piece:
    """The rows of the ranking as a file: standings of a target, else values of the month."""
    asked = {"indicator": view.key, "level": view.level, "on": on(view.level), **view.framed}
    if view.line is None:
        months = {"from_": units[0].window, "to": units[0].window} if units else {}
        return components.downloads("/api/v1/values", link, len(units), **asked, **months)
    whole = len(view.line.parts) == 1  # then the target has a row of its own beside its part's
    many = len(units) * (2 if whole else 1)
    return components.downloads("/api/v1/standings", link, many, target=view.line.id, **asked)


def _nobody(view: View) -> Piece:
    gone = view.frame == "today" and view.level == "district"
    words = "Hôm nay không còn cấp huyện." if gone else ""
    return html.P(words or "Chỉ số này không tính cho cấp đơn vị đang chọn.", className="rank-more")


def _head() -> Piece:
    """The names of the columns."""
    words = (
        ("", ""), ("Đơn vị", ""), ("", ""), ("Giá trị", "num"),
        ("Tử số/mẫu số (n)", "num"), ("Độ phủ", "num"),
    )  # fmt: skip
    return html.Div(
        [html.Span(word, className=name or None) for word, name in words],
        className="rank-head",
    )


def _rank(view: View, one: Rank, closing: bool, top: Any) -> Piece:
    target = view.line.target if view.line else {}
    name = _stands(view, one)
    mark = theme.status(name)
    percent = (view.indicator["unit"] or "%") == "%"
    value = one.value if percent or one.absent else 100 * one.value / top
    told = view.line is not None and (closing or one.absent)
    here = " here" if one.org_unit == view.org_unit else ""
    return html.Div(
        [
            components.shape(mark, f"hue-{name}" if closing else "", label=mark.word)
            if told
            else html.Span(),
            _name(view, one),
            components.bullet(value, target.get("threshold"), target.get("threshold_high")),
            html.Span(
                _value(view, one),
                className="rank-value",
                **({"data-word": mark.word.lower()} if told else {}),
            ),
            _counts(view, one),
            _coverage(one),
        ],
        className=f"rank{' empty' if one.absent else ''}{here}",
        **{"data-unit": one.org_unit},
    )


def _name(view: View, one: Rank) -> Piece:
    """The way to an org unit, with the day it began where its window began earlier."""
    named = dcc.Link(one.name, href=view.address(org_unit=one.org_unit), className="rank-name")
    if not one.since or one.absent:
        return named
    return html.Span([named, html.Span(f" {one.since}", className="place-life")])


def _value(view: View, one: Rank) -> str:
    row = {"unit": view.indicator["unit"], "value": one.value}
    return text.value(row | {"numerator": one.over, "denominator": one.under}, *view.borders)


def _coverage(one: Rank) -> Piece:
    """How much of what should stand behind the figure does."""
    shown = text.share(100 * one.coverage, decimals=0) if text.known(one.coverage) else text.NONE
    return html.Span(
        [html.Span("độ phủ ", className="rank-label"), shown], className="rank-covered"
    )


def _counts(view: View, one: Rank) -> Piece:
    """How much stands behind a share, and the way there; or why there is none."""
    if one.absent:
        return html.Span(text.REASONS.get(one.reason, "chưa có số liệu"), className="rank-n")
    shown = text.counts(one.over, one.under)
    if shown == text.NONE:  # a count has no denominator
        shown = ""
    own = not view.frame or view.level == "area"
    href = lately.cases(view.key, one.org_unit, one.window) if own else ""
    if not href or not shown:
        return html.Span(shown, className="rank-n")
    first, _, last = one.window.partition("..")
    told = text.period(first) if not last else f"{text.period(first)} đến {text.period(last)}"
    return dcc.Link(shown, href=href, className="rank-n", title=f"Hồ sơ được đếm trong {told}")


def _stands(view: View, one: Rank) -> str:
    """An org unit against the plan's threshold; only the closing figure is given a status."""
    if view.line is None or one.absent:
        return "no_data"
    if view.status == "qualitative":
        return "qualitative" if text.known(one.over) else "no_data"
    met = verdict(view.line.target["reading_in_force"] or "", one.over, one.under)
    return "no_data" if met is None else "met" if met else "missed"

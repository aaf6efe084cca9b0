"""Org units down, periods across: the figures of a level with their totals, on one indicator."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from ioc.period import Grain, Period
from kpi import query
from layouts import components, places, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import home, link, rows
from layouts.view import GRAINS, View

MOST = 13
"""Columns that a table can have before its periods are taken wider."""
TOTALS = ("listed", "rest", "whole")
OVERALL = "Cả giai đoạn"
WIDER = "từ 01/07/2025 các sở, ngành tính cả phần phục vụ tỉnh Quảng Trị mới"


def card(view: View) -> Piece:
    """The pivot table of the level of the address; nothing where the level has nobody."""
    asked = _asked(view)
    found = rows(query.pivot, **(asked | {"indicators": [view.key]}))
    if not any(row["row"] == "unit" for row in found):
        return None
    grain = asked["grain"]
    periods = _newest_first(found)
    spans = {"from_": asked["first"].text, "to": asked["last"].text}
    file = {name: asked[name] for name in ("level", "frame") if name in asked}
    file |= {"org_unit": ",".join(asked.get("org_units", [])), "grain": grain}
    head = [
        html.Th("Đơn vị", className="p-name", scope="col"),
        *(html.Th(_period(one), className="num", scope="col") for one in periods),
    ]
    table = html.Table(
        [
            html.Caption(f"Theo {text.GRAINS[grain]}, mới nhất trước; tử số/mẫu số dưới mỗi tỷ lệ"),
            html.Thead(html.Tr(head)),
            html.Tbody([_line(view, one, periods) for one in _units(found)]),
            html.Tfoot([_line(view, one, periods) for one in _totals(found)]),
        ],
        className="pivot",
    )
    return components.card(
        f"Đơn vị theo từng {text.GRAINS[grain]}",
        html.Div(table, className="table-scroll pivot-scroll", tabIndex=0),
        html.P(_says(view, found), className="under"),
        note=components.downloads(
            "/api/v1/pivot", link, len(found), local=True, indicator=view.key, **file, **spans
        ),
    )


def _asked(view: View) -> dict[str, Any]:
    """What is asked for: the periods of the chart, in the first grain that makes few columns."""
    grain = next((one for one in _grains(view) if _many(view, one) <= MOST), GRAINS[-1])
    asked: dict[str, Any] = {
        "level": view.level,
        "on": None,  # the org units of each period, also where the page is held at a day
        "grain": grain,
        "first": Period.of(grain, view.span.first.start),
        "last": Period.of(grain, view.span.last.end),
        **view.framed,
    }
    if view.unit.level == "area" and view.level != "area" and view.org_unit != home():
        asked["org_units"] = [view.org_unit]
    return asked


def _grains(view: View) -> tuple[Grain, ...]:
    """The grains from that of the chart on."""
    return GRAINS[GRAINS.index(view.span.grain) :]


def _many(view: View, grain: str) -> int:
    kind: Any = grain
    first, last = (Period.of(kind, day) for day in (view.span.first.start, view.span.last.end))
    return last.index - first.index + 1


def _newest_first(found: list[Row]) -> list[str]:
    """A phone shows the first columns only: the newest periods, and all of them together last."""
    told = dict.fromkeys(row["period"] for row in found)
    return sorted(told, key=lambda one: (".." not in one, one), reverse=True)


def _period(told: str) -> str:
    return OVERALL if ".." in told else text.period(told)


def _units(found: list[Row]) -> list[list[Row]]:
    """The rows of each org unit, in the order of their names; namesakes with their dates."""
    kept: dict[str, list[Row]] = {}
    names = places.names(row["org_unit"] for row in found if row["row"] == "unit")
    for row in found:
        if row["row"] == "unit":
            named = row | {"name": names[row["org_unit"]]}
            kept.setdefault(row["org_unit"], []).append(named)
    return sorted(kept.values(), key=lambda told: places.alphabetical(told[0]["name"]))


def _totals(found: list[Row]) -> list[list[Row]]:
    lines = [[row for row in found if row["row"] == kind] for kind in TOTALS]
    return [line for line in lines if line]


def _line(view: View, told: list[Row], periods: list[str]) -> Piece:
    row, cells = told[0], {one["period"]: one for one in told}
    name: Piece = row["name"]
    if row["row"] == "unit":
        name = dcc.Link(name, href=view.address(org_unit=row["org_unit"]))
    here = "here" if row["row"] == "unit" and row["org_unit"] == view.org_unit else ""
    return html.Tr(
        [
            html.Th(name, className="p-name", scope="row"),
            *(html.Td(_cell(view, cells.get(one)), className="num") for one in periods),
        ],
        className=f"p-{row['row']} {here}".strip(),
    )


def _cell(view: View, row: Row | None) -> list[Piece]:
    if row is None:
        return []
    if not text.known(row["value"]):
        return [html.Span(text.REASONS.get(row["reason"], text.NONE), className="under p-why")]
    counts = text.counts(row["numerator"], row["denominator"])
    under = html.Span(counts, className="under") if counts != text.NONE else None
    return [html.Span(text.value(row, *view.borders)), under]


def _says(view: View, found: list[Row]) -> str:
    """What the totals are, and what they rest on."""
    reasons = {row["reason"] for row in found if row["row"] in TOTALS}
    words = ["tỷ lệ của mỗi dòng cộng tính từ tổng tử số và tổng mẫu số"]
    if "not_summable" in reasons:
        words.append("toàn địa bàn được đếm riêng vì không cộng được")
    if "suppressed" in reasons:
        words.append("dòng cộng bị che để không suy ra được số đã che")
    anew = {(row["period"], row["mark"]) for row in found if row["mark"]}
    words += [f"{_period(period)} {mark}" for period, mark in sorted(anew)]
    if view.level == "department":
        words.append(WIDER)
    return text.sentence("; ".join(words))

"""The matrix: every target against the departments and areas of today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from ioc.model import OrgUnit
from kpi import query
from layouts import components, places, plans, text, theme
from layouts.components import Piece
from layouts.lines import AREA, Line, Row, closed, parts_of
from layouts.slots import Pieces, slot
from layouts.state import ask, desk, link, readable, today


@dataclass(frozen=True, slots=True)
class Grid:
    """Who stands across, and the standing of each at each target."""

    departments: list[OrgUnit]
    areas: list[OrgUnit]
    standings: dict[tuple[str, str], Row]
    rows: int  # of the file, which holds the parts of a target too
    plan: str = ""  # as addresses name it

    @property
    def across(self) -> list[OrgUnit]:
        return [*self.departments, *self.areas]


def grid(plan: str = "") -> Grid:
    """Departments and areas of today, and the standings of all of them, by default of the plan
    in force."""
    known = desk().orgunits
    departments = [unit for unit in known.population("department", today()) if readable(unit.uid)]
    areas = [
        unit
        for unit in known.open_on(today(), ["area"])
        if unit.uid != AREA and not known.is_rest(unit.uid) and readable(unit.uid)
    ]
    frame = ask(
        query.standings, org_units=[unit.uid for unit in departments + areas], **plans.named(plan)
    )
    standings = {
        (row["target"], row["org_unit"]): row
        for row in frame.to_dict("records")
        if row["indicator"] == ""
    }
    return Grid(departments, areas, standings, len(frame), plan)


def rows(found: list[Line], over: Grid) -> dict[str, Piece]:
    """The cells of every target that has a source, by slot."""
    return {
        f"{line.id}:cells": [*_head(line), *(_cell(line, unit, over) for unit in over.across)]
        for line in found
        if line.status != "no_source"
    }


def card(found: list[Line], over: Grid, shown: Pieces) -> Piece:
    """Targets down, departments and areas across, each against the same threshold."""
    departments, areas, ended = over.departments, over.areas, plans.ended(over.plan)
    head = [
        html.Tr(
            [
                html.Th("Chỉ tiêu", rowSpan=2, scope="col", className="m-name"),
                html.Th("Mức giao", rowSpan=2, scope="col", className="m-level"),
                html.Th(f"{len(departments)} sở, ban, ngành", colSpan=len(departments)),
                html.Th(f"{len(areas)} địa bàn huyện cũ", colSpan=len(areas), className="edge")
                if areas
                else None,
            ],
            className="m-groups",
        ),
        html.Tr([
            html.Th(
                dcc.Link(html.Span(_short(unit)), href=places.address(unit.uid)),
                scope="col",
                title=unit.name,
                className=f"m-unit{_edge(unit, over)}",
            )
            for unit in over.across
        ]),
    ]
    body = [
        slot("register", f"{line.id}:cells", shown, html.Tr)
        if f"{line.id}:cells" in shown
        else html.Tr([*_head(line), _none(over)], className="s-no_source")
        for line in found
    ]
    return components.card(
        "Theo sở, ban, ngành và địa bàn",
        html.Div(
            html.Table([html.Thead(head), html.Tbody(body)], className="matrix"),
            className="table-scroll",
        ),
        html.Div([components.status(str(s)) for s in theme.ORDER], className="legend"),
        note=[
            f"Mỗi ô là {'kết quả chốt' if ended else 'số hiện nay'} của đơn vị so với cùng một"
            " mức giao; bấm để xem chi tiết.",
            components.downloads(
                "/api/v1/standings",
                link,
                over.rows,
                org_unit=",".join(unit.uid for unit in over.across),
                plan=over.plan,
            ),
        ],
    )


def _head(line: Line) -> list[Piece]:
    name = html.Div([
        html.Span(line.id, className="target-id"),
        dcc.Link(line.name, href=line.href),
    ])
    return [
        html.Th(name, scope="row", className="m-name"),
        html.Td(line.level, className="m-level"),
    ]


def _none(over: Grid) -> Piece:
    mark = theme.status("no_source")
    shape = components.shape(mark, "hue-no_source")
    return html.Td([shape, mark.word], colSpan=len(over.across), className="m-none")


def _cell(line: Line, unit: OrgUnit, over: Grid) -> Piece:
    row: dict[str, Any] = over.standings.get((line.id, unit.uid), {})
    name = row.get("status") or "no_data"
    mark = theme.status(name)
    share = text.percent(*parts_of(row, closing=closed(row)), *line.lines, decimals=0)
    shown = share.replace(text.GAP + "%", "")
    words = f"{unit.name}: {mark.word}" + ("" if shown == text.NONE else f", {shown} %")
    content = [
        components.shape(mark, f"hue-{name}"),
        html.Span("" if shown == text.NONE else shown),
    ]
    return html.Td(
        dcc.Link(content, href=line.address(org_unit=unit.uid), title=words),
        className=f"m-cell s-{name}{_edge(unit, over)}{' muted' if line.muted else ''}",
        **{"data-org-unit": unit.uid, "data-status": name},
    )


def _edge(unit: OrgUnit, over: Grid) -> str:
    return " edge" if unit in over.areas[:1] else ""


def _short(unit: OrgUnit) -> str:
    """Đồng Hới for an area, the usual abbreviation for a department."""
    if unit.level == "area":
        return unit.name.removeprefix("Địa bàn ").removesuffix(" (cũ)")
    return unit.abbr or unit.code

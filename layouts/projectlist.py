"""All projects as a table, those with something overdue first; each opens to its milestones."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from layouts import components, funding, places, records, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.projectview import Found, overdue
from layouts.state import desk, link

HEAD = (
    ("Dự án", "c-project"),
    ("Chủ trì", "c-owner"),
    ("Thời gian", "c-time"),
    ("Tình trạng", "c-state"),
    ("Mốc", "c-steps"),
    ("Giải ngân", "c-money"),
)


def card(found: Found) -> Piece:
    """The table, or that nothing is like what was asked for."""
    if not found.rows:
        return html.Section(
            [
                html.P("Không có dự án nào như vậy."),
                dcc.Link("Xem mọi dự án", href="/projects", className="button"),
            ],
            className="absent",
        )
    order = list(theme.PROJECT)
    rows = sorted(found.rows, key=lambda row: (order.index(row["state"]), row["due"]))
    same = {name: value for name, value in found.asked.given.items() if value}
    titles = [html.Th(word, className=kind, scope="col") for word, kind in HEAD]
    table = html.Table(
        [html.Thead(html.Tr(titles)), html.Tbody([_row(found, row) for row in rows])],
        className="projects",
    )
    return components.card(
        "Danh mục dự án",
        html.Div(table, className="table-scroll"),
        note=components.downloads("/api/v1/projects", link, len(rows), **same),
    )


def _row(found: Found, row: Row) -> Piece:
    cells = (_name(found, row), _owner(row), _time(row), _state(row), _steps(row), _money(row))
    return html.Tr(
        [
            html.Td(cell, className=kind, **({"data-label": word} if kind != "c-project" else {}))
            for cell, (word, kind) in zip(cells, HEAD, strict=True)
        ],
        id=row["project"],
        **{"data-project": row["project"], "data-state": row["state"]},
    )


def _name(found: Found, row: Row) -> Piece:
    sector = desk().store.catalogue.sectors[row["sector"]]
    return html.Div([
        html.Span(row["name"], className="project-name"),
        html.Span(row["project"], className="target-id"),
        dcc.Link(sector, href=f"/sector/{row['sector']}", className="target-sector"),
        components.more(
            "Các mốc", _milestones(row, found.of[row["project"]]), class_name="more quiet"
        ),
    ])


def _milestones(row: Row, told: list[Row]) -> Piece:
    """Every milestone of the register with what was reported of it."""
    named = {one["channel"]: one for one in told}
    steps = desk().store.catalogue.portfolio.projects[row["project"]].milestones
    return html.Ul(
        [html.Li(_milestone(step, named.get(step.id))) for step in steps], className="milestones"
    )


def _milestone(step: Any, told: Row | None) -> list[Piece]:
    due = told["due_at"] if told and text.known(told["due_at"]) else step.due
    words = [f"hạn {text.day(due)}"]
    if told is None:
        return [
            html.Span(step.name),
            html.Span(text.join([*words, "chưa có báo cáo"]), className="under"),
        ]
    closed = text.known(told["closed_at"])
    words.append(
        f"xong {text.day(told['closed_at'])}"
        if closed
        else text.code("state", told["state"]).lower()
    )
    words.append("quá hạn" if overdue(told) else "")
    return [
        dcc.Link(step.name, href=address(told)),
        html.Span(text.join(words), className="under"),
    ]


def name_of(project: Row, told: Row) -> str:
    """What the register calls a reported milestone; its code where it knows none."""
    steps = desk().store.catalogue.portfolio.projects[project["project"]].milestones
    return next((step.name for step in steps if step.id == told["channel"]), told["channel"])


def address(told: Row) -> str:
    """The record of a milestone."""
    return records.address(told["source"], told["key"])


def _owner(row: Row) -> Piece:
    if not row["org_unit"]:
        return text.NONE
    return dcc.Link(row["owner_name"], href=places.address(row["org_unit"]))


def _time(row: Row) -> Piece:
    return html.Div([
        html.Span(f"{text.day(row['starts'])} –", className="day"),
        " ",
        html.Span(text.day(row["due"]), className="day"),
    ])


def _state(row: Row) -> Piece:
    words = f"tiếp theo: {row['next_milestone']}, {text.day(row['next_due'])}"
    following = row["next_milestone"] and row["state"] in ("underway", "planned", "overdue")
    return html.Div([
        components.told(theme.PROJECT[row["state"]]),
        html.Span(words, className="under") if following else None,
    ])


def _steps(row: Row) -> Piece:
    if not text.known(row["milestones_done"]):
        return html.Span("chưa có số liệu", className="under")
    late = row["milestones_overdue"]
    return html.Div([
        html.Span(text.counts(row["milestones_done"], row["milestones_total"], "mốc xong")),
        html.Span(f"{text.number(late)} quá hạn", className="under") if late else None,
    ])


def _money(row: Row) -> Piece:
    return html.Div([
        html.Span(funding.share(row["disbursed"], row["planned"])),
        html.Span(funding.counts(row["disbursed"], row["planned"]), className="under"),
    ])

"""Towards 2030: what the plan wants without a number, the roll-out of services, all its tasks."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from kpi import query
from layouts import rolloutgrid, sectorview, shell, tasklist, text
from layouts.components import Piece
from layouts.sector import watched
from layouts.slots import changed, marks, memory
from layouts.state import callback, desk, rows

SECTOR = "orientation"
PARTS = ("items", "roadmap", "rollout")


def layout(state: str = "", **given: Any) -> Piece:
    """The page; ``state`` narrows the tasks."""
    tasks = tasklist.look(state, given)
    if tasks is None:
        return shell.not_found()
    shown = pieces()
    return shell.desk_page(
        memory("orientation", shown),
        _title(),
        html.Div(shown["items"], id="orientation-items"),
        html.Div(shown["roadmap"], id="orientation-roadmap", className="sector-part"),
        html.Div(shown["rollout"], id="orientation-rollout"),
        tasklist.card(tasks),
        active="/orientation",
    )


@callback(
    *(Output(f"orientation-{part}", "children") for part in PARTS),
    Output("orientation-seen", "data"),
    Input("live", "data"),
    State("orientation-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed; tasks follow their file, not the sources."""
    shown = pieces()
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces() -> dict[str, Any]:
    """All that follows the data."""
    return {"items": _items(), "roadmap": _roadmap(), "rollout": rolloutgrid.card()}


def _title() -> Piece:
    said = desk().store.catalogue.tasks.orientation
    return html.Div(
        html.Div([
            html.H1("Định hướng đến năm 2030"),
            html.P(
                text.join([
                    "Theo dõi, không đánh giá đạt hay không đạt: kế hoạch không giao con số",
                    shell.scope(),
                ]),
                className="lede",
            ),
            *(html.Blockquote(sentence) for sentence in said),
            html.P("Nguyên văn mục 3 của Đề án.", className="cite") if said else None,
        ]),
        className="title-row orientation-title",
    )


def _items() -> Piece:
    """The items of section 3 as they are measured, each with its clocks, without a colour."""
    found = sectorview.look(SECTOR)
    return watched(found, "Các nội dung định hướng") if found else None


def _roadmap() -> Piece:
    """How far the roadmap has come, by the register of projects: a proxy beside the items."""
    found = [row for row in rows(query.projects) if text.known(row["milestones_done"])]
    if not found:
        return None
    done = sum(row["milestones_done"] for row in found)
    total = sum(row["milestones_total"] for row in found)
    mark = found[0]["mark"]
    return html.P(
        [
            "Lộ trình của Đề án: ",
            html.Strong(f"{text.counts(done, total)} mốc dự án đã hoàn thành"),
            f" ({text.percent(done, total)}). ",
            dcc.Link("Xem các dự án", href="/projects"),
            html.Span(mark, className="under") if mark else None,
        ],
        className="card roadmap-told",
    )

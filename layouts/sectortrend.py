"""The history of a sector's chosen indicator against the target's step line."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from layouts import chartnotes, components, text
from layouts.components import Piece
from layouts.indicator import month_table, months, trend
from layouts.lines import indicators
from layouts.sectorview import Sector, grain
from layouts.slots import changed, marks, memory
from layouts.state import callback, link
from layouts.view import View, look

PARTS = ("trend", "months", "notes")


def card(sector: Sector) -> Piece:
    """The chart with its table; what has no source says so in its place."""
    view = _view(sector.indicator)
    if view is None:
        return None
    if not view.indicator["source"]:
        return _absent(view)
    shown, own = pieces(view), view.span.grain
    first, last = view.span.first, view.span.last
    asked = {"indicator": view.key, "org_unit": view.org_unit, "grain": view.span.grain}
    asked |= {"from_": first.text, "to": last.text}
    many = last.index - first.index + 1
    return html.Div([
        memory("sector-trend", shown),
        components.card(
            f"Diễn biến: {view.indicator['short']}",
            components.graph(
                "sector-trend",
                shown["trend"],
                shown["months"],
                label=f"Diễn biến từng {text.GRAINS[own]} của {view.indicator['name']},"
                f" {view.unit.name}",
            ),
            html.Div(shown["notes"], id="sector-trend-notes", className="chart-notes"),
            html.P(
                dcc.Link("Xem chỉ số này", href=view.address()), className="map-more"
            ),
            note=components.downloads("/api/v1/values", link, many, **asked),
        ),
    ], className="fill")  # fmt: skip


def _view(key: str) -> View | None:
    """The indicator at the territory, by the periods that are its own."""
    row = indicators().get(key)
    return look({"key": key, "grain": grain(row)}) if row else None


def pieces(view: View) -> dict[str, Any]:
    """The chart and its table."""
    found = months(view)
    return {
        "trend": trend(view, found),
        "months": month_table(view, found),
        "notes": chartnotes.notes(view, found),
    }


@callback(
    Output("sector-trend", "figure"),
    Output("sector-trend-table", "children"),
    Output("sector-trend-notes", "children"),
    Output("sector-trend-seen", "data"),
    Input("live", "data"),
    State("sector-asked", "data"),
    State("sector-trend-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    view = _view(str(asked.get("indicator") or "")) if isinstance(asked, dict) else None
    if view is None:
        raise IocError("Không có chỉ số này: hãy tải lại trang.")
    shown = pieces(view)
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def _absent(view: View) -> Piece:
    return html.Section(
        [
            components.status("no_source"),
            html.P(
                f"{view.indicator['name']}: chưa hệ thống nào gửi số liệu, nên chưa có biểu đồ;"
                " không có số không có nghĩa là bằng 0."
            ),
            dcc.Link("Xem định nghĩa", href=f"/indicator/{view.key}", className="button"),
        ],
        className="absent",
    )

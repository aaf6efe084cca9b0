"""The map of a sector's chosen indicator, where districts or communes report on it."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from layouts import components, mapcases, mapview, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.map import canvas
from layouts.map import pieces as drawn
from layouts.mapview import DISTRICTS_END, KINDS, MapView
from layouts.sectorview import Sector
from layouts.slots import changed, marks, memory
from layouts.state import callback, desk, link, steady

PARTS = ("head", "legend", "list", "hideout", "cases")


def look(sector: Sector) -> MapView | None:
    """Communes of this year, districts of their last day; None where neither reports on it."""
    row = sector.indicators.get(sector.indicator)
    levels = _levels(sector, row) if row else ()
    located = next((kind for kind in sector.kinds if kind in KINDS), "")
    asked = {"indicator": sector.indicator, "kind": located}
    if "commune" in levels:
        return mapview.look(asked)
    if "district" in levels:
        year, on = str(DISTRICTS_END.year), DISTRICTS_END.isoformat()
        return mapview.look(asked | {"to": year, "on": on})
    return None


def _levels(sector: Sector, row: Row) -> tuple[str, ...]:
    """Who reports on the indicator: what its element narrows, else whom its source serves."""
    source = sector.sources.get(row["source"])
    element = desk().store.catalogue.elements.get(row["denominator"])
    if source is None or element is None or row["unit"] != "%":
        return ()
    return element.serves or tuple(str(source["serves"]).split(","))


def card(sector: Sector) -> Piece:
    """The drawing with its classes, and the same figures as a list."""
    view = look(sector)
    if view is None:
        return None
    shown = pieces(view)
    where = text.join([text.LEVELS[view.level], text.period(view.period.text)])
    size = len(shown["list"])
    return html.Section(
        [
            dcc.Store(id="sector-map-view", data=view.given),
            memory("sector-map", shown),
            html.Header([
                html.H2("Trên bản đồ"),
                html.Div(
                    components.downloads("/api/v1/values", link, size, **view.question),
                    className="card-note",
                ),
            ]),
            html.P(where, className="under"),
            html.Div(shown["head"], id="sector-map-head"),
            canvas(view, shown, "sector-map"),
            html.Div(shown["legend"], id="sector-map-legend"),
            components.more(
                "Xem dạng danh sách",
                html.Div(shown["list"], id="sector-map-list", className="ranking map-list"),
            ),
            html.P(dcc.Link("Mở bản đồ", href=view.address()), className="map-more"),
        ],
        className="card map-card sector-map",
        **{"aria-label": "Bản đồ"},
    )


def pieces(view: MapView) -> dict[str, Any]:
    """What the page of the map shows of it; pins only where the sector's records are located."""
    shown = drawn(view, cases=mapcases.cases(view) if view.kind else [])
    return {part: shown[part] for part in PARTS}


@callback(
    Output("sector-map-head", "children"),
    Output("sector-map-legend", "children"),
    Output("sector-map-list", "children"),
    Output("sector-map-units", "hideout"),
    Output("sector-map-cases", "data"),
    Output("sector-map-seen", "data"),
    Input("live", "data"),
    State("sector-map-view", "data"),
    State("sector-map-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed: the map itself stays."""
    shown = pieces(mapview.again(given))
    steady()  # nothing on the map is finer than a minute
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)

"""One sector of the catalogue: its targets, trend, map, newest records, and how its sources do.

Nothing here knows a sector by name: whatever has a file of indicators has this page.
"""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from layouts import components, lately, scorecard, sectormap, sectorsystems, shell, text
from layouts.components import Piece
from layouts.lines import Row, tally
from layouts.register import clocks
from layouts.sectortrend import card as trend
from layouts.sectorview import SPANS, Sector, again, grain, look
from layouts.slots import changed, marks, memory
from layouts.state import callback, home, link

PARTS = ("counts", "targets", "others", "cases", "sources")


def layout(key: str = "", indicator: str = "", **_: Any) -> Piece:
    """The page of any sector; ``indicator`` says which one is drawn."""
    sector = look(str(key), str(indicator))
    if sector is None:
        return shell.not_found()
    shown = pieces(sector)
    return shell.desk_page(
        dcc.Store(id="sector-asked", data={"key": sector.key, "indicator": sector.indicator}),
        memory("sector", shown),
        _title(sector, shown),
        html.Div(shown["targets"], id="sector-targets", className="sector-part"),
        html.Div(shown["others"], id="sector-others", className="sector-part"),
        *(_drawn(sector) if sector.sources else []),
        html.Div(
            [
                html.Div(shown["cases"], id="sector-cases", className="stack"),
                html.Div(shown["sources"], id="sector-sources", className="stack"),
            ],
            className="columns" if sector.kinds else "sector-alone",
        ),
        active="/sector",
        crumbs=shell.crumb(("Lĩnh vực", "/sector"), (sector.name, "")),
    )


@callback(
    *(Output(f"sector-{part}", "children") for part in PARTS),
    Output("sector-seen", "data"),
    Input("live", "data"),
    State("sector-asked", "data"),
    State("sector-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(again(asked))
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces(sector: Sector) -> dict[str, Any]:
    """All that follows the data, but the trend and the map."""
    return {
        "counts": components.counts(tally(sector.lines)),
        "targets": _targets(sector),
        "others": watched(sector),
        "cases": sectorsystems.cases(sector),
        "sources": sectorsystems.sources(sector),
    }


def _title(sector: Sector, shown: dict[str, Any]) -> Piece:
    many = text.join([
        f"{len(sector.lines)} chỉ tiêu của đề án" if sector.lines else "",
        f"{len(sector.indicators)} chỉ số",
        shell.scope(),
    ])
    return html.Div(
        [
            html.Div([html.H1(sector.name), html.P(many, className="lede")]),
            html.Div(shown["counts"], id="sector-counts", className="counts sector-counts"),
        ],
        className="title-row",
    )


# ── figures ────────────────────────────────────────────────────────────────────────────────


def _targets(sector: Sector) -> Piece:
    """Its targets as the page of an org unit shows them."""
    if not sector.lines:
        return None
    asked = {"indicator": ",".join(sector.indicators), "org_unit": home()}
    return components.card(
        "Chỉ tiêu của đề án",
        scorecard.table(sector.seen, trend="Diễn biến"),
        note=components.downloads("/api/v1/standings", link, len(sector.seen.standings), **asked),
    )


def watched(sector: Sector, title: str = "Chỉ số theo dõi, không có mức giao") -> Piece:
    """Indicators that the plan gives no number for: newest period, its clocks, the last ones."""
    if not sector.others:
        return None
    head = ["Chỉ số", "Kỳ mới nhất", ("Giá trị", "num"), "Tuổi số liệu", "Diễn biến"]
    body = [_other(sector, row) for row in sector.others]
    return components.card(
        title,
        components.table(head, body, class_name="moves watched"),
        note=_files(sector),
    )


def _files(sector: Sector) -> Piece:
    """The periods of those that are fed, by grain; where none is, what each of them means."""
    files = []
    for name, many in SPANS.items():
        keys = [row["indicator"] for row in sector.others if row["source"] and grain(row) == name]
        if not keys:
            continue
        told = sector.seen.months[keys[0]]
        asked = {"indicator": ",".join(keys), "org_unit": home(), "grain": name}
        asked |= {"from_": told[0]["period"], "to": told[-1]["period"]}
        of = components.downloads("/api/v1/values", link, len(keys) * many, **asked)
        files.append(html.Span([f"từng {text.GRAINS[name]} ", of]))
    if files:
        return html.Div(files, className="grain-files")
    keys = [row["indicator"] for row in sector.others]
    return components.downloads("/api/v1/indicators", link, len(keys), indicator=",".join(keys))


def _other(sector: Sector, row: Row) -> tuple[Piece, ...]:
    key = row["indicator"]
    name = html.Div([
        dcc.Link(row["short"], href=f"/indicator/{key}", className="target-name"),
        html.Span(key, className="target-id"),
    ])
    newest = sector.newest(key)
    if not newest:
        absent = "no_data" if row["source"] else "no_source"
        return name, components.status(absent), text.NONE, "", ""
    age = [components.freshness(newest.get("freshness") or ""), clocks(newest)]
    months = [month["value"] for month in sector.seen.months[key]]
    period = text.period(newest["period"])
    small = components.sparkline(months[-12:])
    return name, period, lately.value(newest), html.Div(age), small


def _drawn(sector: Sector) -> list[Piece]:
    """The chosen indicator over time and, where districts or communes report on it, on a map."""
    chart, where = trend(sector), sectormap.card(sector)
    return [
        _choices(sector),
        html.Div([chart, where], className="columns even") if where else chart,
    ]


def _choices(sector: Sector) -> Piece:
    """Which indicator the trend and the map are about: the choice stands in the address."""
    if len(sector.indicators) < 2:
        return None
    words = [
        (row["short"], link(f"/sector/{sector.key}", indicator=key), key == sector.indicator)
        for key, row in sector.indicators.items()
    ]
    return components.choice(words, label="Chỉ số của biểu đồ và bản đồ")

"""All sectors: how their targets stand, how much of each is fed, how old that is."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html

from kpi import query
from layouts import components, shell, text, theme
from layouts.components import Piece
from layouts.lines import Line, Row, lines, tally
from layouts.sectorview import of_sector, ordered, reach
from layouts.slots import Pieces, changed, keys, marks, memory, slot
from layouts.state import callback, desk, link, now, rows

HEAD = (
    ("Lĩnh vực", "c-sector"),
    ("Chỉ tiêu của đề án", "c-counts"),
    ("Chỉ số có nguồn", "c-fed"),
    ("Nguồn dữ liệu", "c-feeding"),
)
PARTS = {"counts": "Chỉ tiêu", "fed": "Có nguồn", "feeding": "Nguồn"}  # and their words on a phone


def layout(**_: Any) -> Piece:
    """Every sector as a row, in the plan's order."""
    known = ordered()
    found, fed = lines(), rows(query.sources)
    shown = pieces(known, found, fed)
    names = desk().store.catalogue.sectors
    body = [
        html.Tr(
            [
                html.Td(dcc.Link(names[key], href=f"/sector/{key}"), className="c-sector"),
                *(
                    slot(
                        "sectors", f"{key}:{part}", shown, html.Td,
                        className=f"c-{part}", **{"data-label": word},
                    )
                    for part, word in PARTS.items()
                ),
            ],
            **{"data-sector": key},
        )
        for key in known
    ]  # fmt: skip
    titles = [html.Th(word, className=kind, scope="col") for word, kind in HEAD]
    table = html.Table([html.Thead(html.Tr(titles)), html.Tbody(body)], className="sectors")
    return shell.desk_page(
        memory("sectors", shown),
        html.Div(
            [
                html.Div([html.H1("Lĩnh vực"), html.P(_lede(known, fed), className="lede")]),
                html.Div([
                    _files("standings", "Chỉ tiêu", sum(len(line.parts) + 1 for line in found)),
                    _files("indicators", "Chỉ số", sum(map(len, known.values()))),
                    _files("sources", "Nguồn", len(fed)),
                ], className="definitions-files sectors-files"),
            ],
            className="title-row",
        ),
        html.Section(html.Div(table, className="table-scroll"), className="card flush"),
        active="/sector",
    )  # fmt: skip


@callback(
    Output({"slot": "sectors", "key": ALL}, "children"),
    Output("sectors-seen", "data"),
    Input("live", "data"),
    State({"slot": "sectors", "key": ALL}, "id"),
    State("sectors-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, ids: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(ordered(), lines(), rows(query.sources))
    new = marks(shown)
    return changed(shown, new, keys(ids), seen), new


def pieces(known: dict[str, dict[str, Row]], found: list[Line], fed: list[Row]) -> Pieces:
    """All that follows the data, by slot."""
    shown: dict[str, Piece] = {}
    for key, inside in known.items():
        named = {row["source"] for row in inside.values() if row["source"]}
        sources = [row for row in fed if row["sector"] == key or row["source"] in named]
        shown |= {
            f"{key}:counts": _counts(of_sector(found, inside)),
            f"{key}:fed": _fed(inside),
            f"{key}:feeding": _feeding(sources),
        }
    return shown


def _lede(known: dict[str, dict[str, Row]], fed: list[Row]) -> str:
    return f"{len(known)} lĩnh vực · {len(fed)} nguồn được đọc tự động · {shell.scope()}"


def _files(question: str, name: str, count: int) -> Piece:
    files = components.downloads(f"/api/v1/{question}", link, count)
    return html.Div([html.Span(name, className="under"), files])


def _counts(found: list[Line]) -> Piece:
    if not found:
        return html.Span("không có mức giao", className="under")
    return html.Div(components.counts(tally(found)), className="counts")


def _fed(inside: dict[str, Row]) -> Piece:
    with_source = sum(bool(row["source"]) for row in inside.values())
    return html.Span(text.counts(with_source, len(inside)))


def _feeding(sources: list[Row]) -> Piece:
    if not sources:
        return components.status("no_source")
    return html.Ul([_source(row) for row in sources], className="feeding")


def _source(row: Row) -> Piece:
    name = row["freshness"] if row["freshness"] in theme.FRESHNESS else ""
    inside = [
        dcc.Link(row["name"], href=f"/sources/{row['source']}"),
        html.Span(reach(row, now()), className="under"),
        components.freshness(name),
    ]
    return html.Li(html.Div(inside), **{"data-source": row["source"], "data-freshness": name})

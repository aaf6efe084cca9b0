"""Every indicator as it is defined, by sector, with the sentence of the plan it answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, shell, text
from layouts.components import Piece
from layouts.definition import definition, readings
from layouts.lines import Row, combine, indicators, split
from layouts.state import as_of, ask, desk, home, link, today
from layouts.view import View, span


def layout(**_: Any) -> Piece:
    """The page: an index, then every indicator."""
    known = indicators()
    catalogue = desk().store.catalogue
    planned = [
        key for row in ask(query.targets).to_dict("records") for key in split(row["indicators"])
    ]
    order = {key: number for number, key in enumerate(planned)}  # the plan's, then all others

    def place(keys: list[str]) -> int:
        return min(order.get(key, len(order)) for key in keys)

    of = {
        sector: keys
        for sector in catalogue.sectors
        if (keys := [key for key, row in known.items() if row["sector"] == sector])
    }
    sectors = dict(sorted(of.items(), key=lambda one: place(one[1])))
    views = _views(known)
    return shell.desk_page(
        html.Div(
            [
                html.Div([
                    html.H1("Định nghĩa chỉ tiêu, chỉ số"),
                    html.P(
                        f"{text.number(len(known))} chỉ số; mã định nghĩa ở đây trùng với mã trên"
                        " màn hình, trong tệp CSV và trong dữ liệu JSON.",
                        className="lede",
                    ),
                ]),
                html.Div([
                    _files("indicators", "Chỉ số", len(known)),
                    _files("targets", "Chỉ tiêu", len(catalogue.targets)),
                ], className="definitions-files"),
            ],
            className="title-row",
        ),
        html.Div(
            [
                _index(known, sectors),
                html.Div(
                    [_sector(sector, keys, views) for sector, keys in sectors.items()],
                    className="stack",
                ),
            ],
            className="definitions",
        ),
        active="/definitions",
    )  # fmt: skip


def _files(question: str, name: str, count: int) -> Piece:
    return html.Div([
        html.Span(name, className="under"),
        components.downloads(f"/api/v1/{question}", link, count),
    ])


def _views(known: dict[str, Row]) -> dict[str, View]:
    """Every indicator as its own page sees it, with the standing that readings are tried on."""
    targets = ask(query.targets).to_dict("records")
    standings = ask(query.standings, org_units=[home()]).to_dict("records")
    lines = {line.id: line for line in combine(targets, standings, known, on=today())}
    of = {key: row["target"] for row in targets for key in split(row["indicators"])}
    views = {}
    for key, row in known.items():
        line = lines.get(of.get(key, ""))
        part = next((p for p in line.parts if p.indicator == key), None) if line else None
        views[key] = View(key, home(), "area", True, row, line, part, span(), {})
    return views


def _index(known: dict[str, Row], sectors: dict[str, list[str]]) -> Piece:
    names = desk().store.catalogue.sectors
    return html.Nav(
        [
            html.Section([
                html.H3(names[sector]),
                html.Ul([
                    html.Li(html.A([html.Code(key), " ", known[key]["short"]], href=f"#{key}"))
                    for key in keys
                ]),
            ])
            for sector, keys in sectors.items()
        ],
        className="definitions-index",
        **{"aria-label": "Mục lục"},
    )


def _sector(sector: str, keys: list[str], views: dict[str, View]) -> Piece:
    name = desk().store.catalogue.sectors[sector]
    return html.Section(
        [html.H2(name, className="definitions-sector"), *(_entry(views[key]) for key in keys)],
        className="stack",
    )


def _entry(view: View) -> Piece:
    """One indicator: the card of its own page, its elements, its target."""
    row, page = view.indicator, f"/indicator/{view.key}"
    return html.Article(
        [
            html.Header(
                [
                    html.H3([html.Code(view.key), " ", dcc.Link(row["name"], href=page)]),
                    _target(view),
                ],
                className="definitions-head",
            ),
            _then(row),
            definition(view),
            _elements(view),
            *readings(view),
        ],
        id=view.key,
        className="definitions-entry",
    )  # fmt: skip


def _target(view: View) -> Piece:
    if view.line is None:
        return html.P("Kế hoạch không giao con số cho chỉ số này.", className="under")
    target = view.line.target
    certainty = text.CERTAINTY.get(target["operator_certainty"], "")
    aim = f"Mức giao {view.line.level}" if view.line.numeric else "Chỉ tiêu định tính"
    return html.P(text.join([f"Chỉ tiêu {view.line.id}", aim, certainty]), className="under")


def _then(row: Row) -> Piece:
    """On a page of the past: which version of the definition stood then, where it was another."""
    then = row["definition_then"]
    if as_of() is None or then == row["definition_version"]:
        return None
    stood: list[Piece] = (
        ["Lúc đó là bản ", html.Code(then)] if then else ["Lúc đó chưa lưu bản nào"]
    )
    return html.P(
        [*stood, "; bản dưới đây là bản hiện nay, mọi số của trang tính theo bản này."],
        className="says",
    )


def _elements(view: View) -> Piece:
    """What is counted, or declared, on either side."""
    elements = desk().store.catalogue.elements
    named: dict[str, SimpleNamespace] = {}
    for word, side in (("Tử số", "numerator"), ("Mẫu số", "denominator")):
        if view.indicator[side] in elements:
            named[word] = SimpleNamespace(element=elements[view.indicator[side]])
    if not named:
        return None
    return components.more(
        "Số liệu thành phần",
        components.facts(
            (word, [f"{one.element.name} ({one.element.unit}). ", html.Code(one.element.id)])
            for word, one in named.items()
        ),
    )

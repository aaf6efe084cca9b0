"""The search box of every desk page: a plain form, and suggestions while somebody types."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html
from flask import g

from kpi import query
from layouts import places, plans, text
from layouts.components import Piece
from layouts.state import as_of, callback, desk, link, rows

SUGGESTED = 8
PAUSE = 0.2  # seconds without a key before we ask
LONGEST = 100  # letters


def box(asked: str = "") -> Piece:
    """Works without a script as well: it is a form whose answer is a page."""
    words = "Tìm chỉ tiêu, đơn vị, mã cũ"
    return html.Form(
        [
            dcc.Input(type="hidden", name="as_of", value=g.as_of_text) if as_of() else None,
            html.Label(words, htmlFor="search-q", className="search-label"),
            dcc.Input(
                id="search-q",
                name="q",
                type="search",
                value=asked,
                debounce=PAUSE,
                maxLength=LONGEST,
                placeholder=words,
                autoComplete="off",
                className="search-field",
            ),
            html.Div(
                id="search-options",
                className="search-options",
                role="listbox",
                **{"aria-label": "Gợi ý"},
            ),
        ],
        action="/search",
        method="get",
        role="search",
        className="search",
    )


@callback(
    Output("search-options", "children"), Input("search-q", "value"), prevent_initial_call=True
)
def suggest(asked: Any) -> list[Piece]:
    """The few best answers, each a link."""
    return [option(row) for row in find(asked, SUGGESTED)]


def find(asked: Any, limit: int) -> list[dict[str, Any]]:
    """The best answers to what somebody typed."""
    return rows(query.search, text=str(asked or "")[:LONGEST], limit=limit)


def option(row: dict[str, Any]) -> Piece:
    """One suggestion: its name, and what tells it from its namesakes."""
    return html.A(
        [
            html.Span(row["name"], className="search-name"),
            html.Span(text.join([row["code"], told(row)]), className="search-told"),
        ],
        href=address(row),
        role="option",
        id=f"search-{row['kind']}-{row['id']}",
        tabIndex="-1",
        className="search-option",
    )


def told(row: dict[str, Any]) -> str:
    """Level and dates of an org unit, the kind of everything else."""
    if row["kind"] == "indicator":
        return "chỉ số"
    if row["kind"] == "target":
        catalogue = desk().store.catalogue
        told = plans.other(catalogue.targets[row["id"]].plan)
        return text.join(["mục tiêu", catalogue.plans[told].short if told else ""])
    return text.join([text.LEVELS_SHORT[row["level"]], places.span(row["opened"], row["closed"])])


def address(row: dict[str, Any]) -> str:
    """Where an answer leads: a target to the page of its first indicator."""
    if row["kind"] == "org_unit":
        return places.address(row["id"])
    if row["kind"] == "indicator":
        return f"/indicator/{row['id']}"
    found = desk().store.catalogue.targets[row["id"]]
    return link(f"/indicator/{found.indicators[0]}", plan=plans.other(found.plan))

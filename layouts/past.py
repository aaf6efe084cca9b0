"""The past of every page: which instant its address asks for, and how the reader sees and keeps it.

An address with ``as_of`` holds the whole answer at that instant: its questions, its ages, its
links. The page says so in a band, and does not follow the live data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

import dash
from dash import Input, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import g

from kpi import query
from layouts import Page, state, text
from layouts.components import Piece
from layouts.web.filters import as_of
from layouts.web.problems import Problem

SEARCH = State("_pages_location", "search")
"""The query of the address that a callback's page has: where every page keeps its instant."""
PRESENT = "past-present"
"""The id of the one link that leaves the past."""


HINT = "hãy ghi ngày như 30/06/2024, từ năm 2000 đến hôm nay"


class Unreadable(state.NoPast):
    """An instant that an address cannot mean."""


def take(page: Page, given: Mapping[str, Any]) -> dict[str, Any]:
    """Hold this request at the instant of an address; its other filters are returned.

    Raises:
        NoPast: the page is about the present only, or no instant is meant.
    """
    rest = {name: value for name, value in given.items() if name != "as_of"}
    path = re.sub("<([^>]+)>", lambda name: str(rest.get(name[1], "")), page.path)
    kept = {n: str(v) for n, v in rest.items() if f"<{n}>" not in page.path and v is not None}
    g.place = (path, kept, page.present)
    said = str(given.get("as_of") or "").strip()
    if said and page.present:
        raise state.NoPast(page.present)
    hold(said)
    return rest


def hold(said: str) -> None:
    """Hold this request at an instant as an address writes it; today's date is no past.

    Raises:
        Unreadable: it is none, or one still to come.
    """
    if not said:
        return
    with suppress(ValueError):  # an instant, or nothing that we know
        said = text.written_day(said).isoformat()
    try:
        instant = as_of(said, state.present())
    except Problem as problem:
        raise Unreadable(f"Không đọc được thời điểm “{said}”: {HINT}") from problem
    if instant != state.present():
        state.hold(instant, said)


def aware(function: Callable[..., Any], parts: tuple[Any, ...]) -> Callable[..., Any]:
    """A callback that is held like its page; ``SEARCH`` stands last among what it is given.

    What follows the live data stays as it is on a page of the past.
    """
    own = sum(isinstance(part, Input | State) for part in parts)

    @wraps(function)
    def held(*given: Any) -> Any:
        search = given[own] if len(given) > own else ""
        hold(dict(parse_qsl(str(search or "").lstrip("?"))).get("as_of", ""))
        if state.as_of() is None:
            return function(*given[:own])
        if [one["prop_id"] for one in dash.ctx.triggered] == ["live.data"]:
            raise PreventUpdate
        return carry(function(*given[:own]))

    return held


def carry(piece: Any) -> Any:
    """A drawing whose links all keep the instant that this request is held at."""
    if isinstance(piece, (list, tuple)):
        for one in piece:
            carry(one)
    elif isinstance(piece, Component) and getattr(piece, "id", None) != PRESENT:
        if isinstance(href := getattr(piece, "href", None), str):
            piece.href = state.carried(href)
        carry(getattr(piece, "children", None))
    return piece


# ── what the reader sees ───────────────────────────────────────────────────────────────────


def band() -> Piece | None:
    """Says over a page of the past which instant it is of; leads to another one, and to today."""
    instant = state.as_of()
    if instant is None:
        return None
    path, kept, _ = g.get("place", ("/", {}, ""))
    return html.Section(
        [
            html.P([html.Strong(f"Như đã biết {told()}"), html.Span(_rebuilt())]),
            _form(path, kept, "Xem lúc khác"),
            dcc.Link("về hiện nay", href=_address(path, kept), id=PRESENT),
        ],
        className="past-band",
        **{"aria-label": "Thời điểm của số liệu"},
    )


def told() -> str:
    """hết ngày 30/06/2024, or lúc 14:03 30/06/2024."""
    here = text.local(state.now())
    if here.time() == here.time().min:
        return f"đến hết ngày {state.today():%d/%m/%Y}"
    return f"lúc {here:%H:%M %d/%m/%Y}"


def _rebuilt() -> str:
    """Says that what a source held before we first read it all is known by its own change times."""
    rows = state.rows(query.sources)
    many = sum(not text.known(row["loaded_at"]) for row in rows)
    if not many:
        return ""
    whose = "mọi nguồn" if many == len(rows) else f"{text.number(many)} nguồn"
    return f"số của {whose} dựng lại theo thời điểm cập nhật của nguồn"


def entry() -> Piece | None:
    """The quiet way from a page of today to the same page of another day."""
    path, kept, present = g.get("place", ("", {}, ""))
    if not path or present or state.as_of() is not None:
        return None
    return html.Details(
        [html.Summary("Xem số của một ngày đã qua"), _form(path, kept, "Xem")],
        className="past-entry",
    )


def _form(path: str, kept: Mapping[str, str], word: str) -> Piece:
    """A plain form: the same address with another day."""
    hidden = [dcc.Input(type="hidden", name=name, value=value) for name, value in kept.items()]
    return html.Form(
        [
            *hidden,
            html.Label("Ngày", htmlFor="past-day"),
            dcc.Input(
                id="past-day",
                name="as_of",
                type="text",
                inputMode="numeric",
                placeholder="ngày/tháng/năm",
                pattern=r"\s*\d{1,2}/\d{1,2}/\d{4}\s*",
                required=True,
                autoComplete="off",
                className="past-day",
            ),
            html.Button(word, type="submit"),
        ],
        action=path,
        method="get",
        className="past-form",
    )


def _address(path: str, kept: Mapping[str, str]) -> str:
    return state.address(path, kept)


def refused(why: str) -> list[Piece]:
    """What stands on a page that cannot be of the instant that was asked for."""
    path, kept, _ = g.get("place", ("/", {}, ""))
    return [
        html.H1("Không có số của thời điểm này"),
        html.P(text.sentence(why), className="lede"),
        dcc.Link("Xem trang này hiện nay", href=_address(path, kept), id=PRESENT,
                 className="button"),
    ]  # fmt: skip

"""Any rows of any indicators: choose, count, look at them as a table, a chart or a map, take them.

The whole question stands in the address: a saved view is an address.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from dash import ALL, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from flask import request

from ioc.errors import Forbidden, IocError
from layouts import access, components, shell, text
from layouts.components import Piece
from layouts.explore.choices import chooser, go
from layouts.explore.drawing import chart, map_of
from layouts.explore.paged import table
from layouts.explore.view import NAMES, VIEWS, Explore, look, told, usual
from layouts.lines import indicators
from layouts.slots import changed, marks, memory
from layouts.state import as_of, callback, desk, link, present, who
from layouts.web.downloads import instant
from layouts.web.filters import WHOLE
from layouts.web.problems import Problem

PARTS = ("rows",)


def layout(**given: Any) -> Piece:
    """The chooser beside what was chosen."""
    asked = {name: str(given[name]) for name in NAMES if given.get(name)}
    try:
        view = look(asked)
        units = view.units() if view.indicators else []
        shown = pieces(view, units)
    except (Problem, IocError) as problem:
        return _refused(problem)
    return shell.desk_page(
        dcc.Store(id="explore-asked", data=asked),
        memory("explore", shown),
        html.Div(
            [
                html.Div([
                    html.H1("Tra cứu số liệu"),
                    _lede(view, units),
                    html.A(
                        "Đổi lựa chọn" if view.indicators else "Tự chọn",
                        href="#explore-chooser",
                        className="explore-down",
                    ),
                ]),
                _keep(view) if view.indicators else None,
            ],
            className="title-row",
        ),
        html.Div(
            [
                chooser(view, len(units)),
                html.Div(_results(view, units, shown), className="explore-results"),
            ],
            className="explore",
        ),
        active="/explore",
    )


def _refused(problem: Exception) -> Piece:
    if isinstance(problem, Forbidden):
        raise problem
    said = problem.detail if isinstance(problem, Problem) else str(problem)
    return shell.desk_page(
        components.absent(
            "Không đọc được lựa chọn", text.sentence(said), "Chọn lại từ đầu", "/explore"
        ),
        active="/explore",
    )


def _lede(view: Explore, units: list[str]) -> Piece:
    said = "Chọn chỉ số, đơn vị, kỳ; xem ở đây rồi tải về đúng những dòng đó."
    return html.P(told(view, len(units)) if view.indicators else said, className="lede")


# ── what was chosen ────────────────────────────────────────────────────────────────────────


def pieces(view: Explore, units: list[str]) -> dict[str, Any]:
    """All that follows the data."""
    if not view.indicators:
        return {"rows": _start()}
    if not view.count():
        return {"rows": _nobody(view)}
    if view.view == "map":
        return {"rows": map_of(view)}
    if view.view == "chart":
        return {"rows": chart(view, units)}
    return {"rows": table(view, units, view.count())}


def _nobody(view: Explore) -> Piece:
    """No org unit fits; where only the frame has none, the way to those that there were."""
    said: list[Piece] = ["Lựa chọn này không có đơn vị nào"]
    if view.frame and replace(view, frame="").count():
        href = view.address(frame="", view="" if view.view == "table" else view.view)
        said += [" trong khung này: hãy xem ", dcc.Link("đơn vị như khi đó", href=href)]
    return html.P([*said, "."], className="says")


@callback(
    Output("explore-rows", "children"),
    Output("explore-seen", "data"),
    Input("live", "data"),
    State("explore-asked", "data"),
    State("explore-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed; a map stays as it was opened."""
    view = look(asked if isinstance(asked, dict) else {})
    if not view.indicators or view.view == "map":
        raise PreventUpdate
    shown = pieces(view, view.units())
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def _results(view: Explore, units: list[str], shown: dict[str, Any]) -> Piece:
    if not view.indicators:
        return html.Div(shown["rows"], id="explore-rows")
    count = view.count()
    options = [
        (word, view.address(view="" if name == "table" else name), name == view.view)
        for name, word in VIEWS.items()
    ]
    return html.Section(
        [
            html.Header([
                html.H2(f"{text.number(count)} dòng"),
                components.choice(options, label="Cách xem"),
                html.Div(_files(view, count), className="card-note"),
            ]),
            html.Div(shown["rows"], id="explore-rows"),
        ],
        className="card explore-answer",
    )


def _files(view: Explore, count: int) -> Piece:
    """The file of these rows, or why it would be too long for one."""
    if not access.may(who().role, "exports", "csv"):
        return None
    if count > WHOLE:
        return html.P(
            f"Quá {text.number(WHOLE)} dòng của một tệp: hãy chọn ít kỳ, đơn vị hoặc chỉ số hơn.",
            className="explore-over",
        )
    address = link("/api/v1/values.csv", **view.question)
    return html.Div(
        [
            components.downloads("/api/v1/values", link, count, local=True, **view.question),
            html.A(
                "Tệp mô tả", href=link("/api/v1/values.csv", manifest=1, **view.question),
                target="_blank", className="explore-described",
                title="Số dòng, mã băm, các cột và định nghĩa của tệp CSV",
            ),
            html.Details(
                [
                    html.Summary("Địa chỉ CSV"),
                    html.Code(request.host_url.rstrip("/") + address, tabIndex="0"),
                    html.Button("Chép", type="button", className="button",
                                **{"data-copy": "file", "data-address": address}),
                ],
                className="explore-address",
            ),
        ],
        className="explore-files",
        **{"data-rows": str(count)},
    )  # fmt: skip


def _start() -> Piece:
    """Questions to begin with: what the page can do, a click away."""
    known = indicators()
    last = usual()[2][1]
    year = {"from_": last, "to": last}
    asked = [
        (f"{{}}: mọi xã, phường hôm nay, từng tháng năm {last}, trước sáp nhập thì cộng lại",
         "I02b", {"level": "commune", "frame": "today", **year}),
        ("{}: các địa bàn, từng quý từ năm 2021", "I02b",
         {"level": "area", "grain": "quarter", "from_": "2021", "view": "chart"}),
        (f"{{}}: các sở, ban, ngành, năm {last}", "I03",
         {"level": "department", "grain": "year", **year}),
        (f"{{}}: bản đồ xã, phường, năm {last}", "I02a",
         {"level": "commune", "grain": "year", "view": "map", **year}),
    ]  # fmt: skip
    items = [
        html.Li(dcc.Link(words.format(known[key]["short"]),
                         href=link("/explore", indicator=key, **rest)))
        for words, key, rest in asked
        if key in known
    ]  # fmt: skip
    return components.card(
        "Bắt đầu từ một câu hỏi",
        html.Ul(items, className="explore-start"),
        html.P("Hoặc tìm và đánh dấu chỉ số ở khung chọn.", className="under"),
    )


# ── what was ticked ────────────────────────────────────────────────────────────────────────


@callback(
    Output("explore-go", "children"),
    Input({"explore": "indicator", "group": ALL}, "value"),
    Input({"explore": "unit", "group": ALL}, "value"),
    State("explore-asked", "data"),
    prevent_initial_call=True,
)
def choose(ticked: Any, units: Any, asked: Any) -> Any:
    """How many rows what is ticked has, and the way there; nothing where it is shown already."""
    view = look(asked if isinstance(asked, dict) else {})
    wanted = chosen(view, _flat(ticked), _flat(units))
    if wanted == view:
        return None
    if not wanted.indicators:
        return html.Span("Hãy chọn ít nhất một chỉ số.")
    return go(wanted, wanted.count())


def _flat(lists: Any) -> list[str]:
    some = lists if isinstance(lists, list) else []
    return [str(one) for each in some if isinstance(each, list) for one in each]


def chosen(view: Explore, keys: list[str], units: list[str]) -> Explore:
    """The view with what is ticked; what stays chosen keeps its place, what is new follows."""
    kept = [key for key in view.indicators if key in keys]
    added = tuple(dict.fromkeys([*kept, *(key for key in keys if key in indicators())]))
    wanted = replace(view, indicators=added, after=0 if added != view.indicators else view.after)
    known = [uid for uid in units if uid in desk().orgunits]
    if view.level and not known:
        return wanted
    if set(known) == set(view.org_units) and not view.level:
        return wanted
    return replace(wanted, level="", org_units=tuple(known), after=0)


# ── a view to keep ─────────────────────────────────────────────────────────────────────────


def _keep(view: Explore) -> Piece:
    """Copy the address of this view; or pin its very figures and copy theirs."""
    pin = as_of() is None and access.may(who().role, "exports", "download")
    return html.Div(
        [
            html.Button("Chép địa chỉ", type="button", className="button", **{"data-copy": "here"}),
            html.Button("Địa chỉ của đúng số này", id="explore-pin", type="button",
                        className="button",
                        title="Giữ số liệu của lúc này: địa chỉ luôn mở ra đúng những con số đó")
            if pin
            else None,
            html.Span(id="explore-pinned", className="explore-pinned", role="status"),
        ],
        className="explore-keep",
    )  # fmt: skip


@callback(
    Output("explore-pinned", "children"),
    Input("explore-pin", "n_clicks"),
    State("explore-asked", "data"),
    prevent_initial_call=True,
)
def pin(clicks: Any, asked: Any) -> Any:
    """Seal this instant: the address that is given shows these very figures for ever."""
    if not clicks:
        raise PreventUpdate
    view = look(asked if isinstance(asked, dict) else {})
    at = instant(desk().store.seal(present()))
    return [pinned(view, at), html.Button(
        "Chép", type="button", className="button", **{"data-copy": "pinned"}
    )]  # fmt: skip


def pinned(view: Explore, at: str) -> Piece:
    """The link of a view at an instant; what the calendar chose stands in it in words."""
    fixed = replace(view, spanned=(True, True), dated=True)
    told = text.minute(datetime.fromisoformat(at))
    return dcc.Link(
        f"Mở số lúc {told}", href=fixed.address(as_of=at), id="explore-pinned-link",
        className="button",
    )  # fmt: skip

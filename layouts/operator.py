"""The operator's page: steers the walls, pauses them, holds their figures at one instant."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from ioc.errors import IocError
from ioc.principal import Principal
from kpi import acts
from kpi.query import Steering, steering
from layouts import components, shell, text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import callback, desk, now, who, writable
from layouts.wall import sheets, usual
from layouts.wall.sheet import Sheet

PREVIEW = "/wall"


def layout(**_: Any) -> Piece:
    """What the walls show, and the buttons that change it."""
    return shell.desk_page(
        html.Div([html.H1("Điều khiển màn hình tường"), html.P(_lede(), className="lede")]),
        html.Div(
            [
                html.Div(
                    _board(),
                    id="operator-board", className="stack operator-board",
                ),
                _preview(),
            ],
            className="operator-columns",
        ),
        html.P(id="operator-said", role="status", className="operator-said"),
        dcc.Store(id="operator-drawn", data=frame.prints({"all": _board()})),
        active="/operator",
    )  # fmt: skip


def _lede() -> str:
    return (
        "Mọi màn hình tường chuyển theo trong vòng 2 giây. Trên màn hình tường: phím cách để tạm"
        " dừng, mũi tên để chuyển trang, phím Q để hiện mã quét."
    )


def _pages(every: list[Sheet], said: Steering) -> Piece:
    """A button for every page of the round; the one that was asked for is on."""
    buttons = [
        html.Button(
            f"{at}. {one.title}" + (f" ({one.number})" if _several(every, one) else ""),
            id={"steer": f"sheet {one.key}"},
            className="on" if one.key == said.sheet else "",
            type="button",
        )
        for at, one in enumerate(every, 1)
    ]
    return components.card("Trang", html.Div(buttons, className="operator-pages"))


def _several(every: list[Sheet], one: Sheet) -> bool:
    return sum(other.scene == one.scene for other in every) > 1


def _modes(said: Steering) -> Piece:
    held = f"Đang giữ số lúc {text.minute(said.held, now())}." if said.held else "Số đang chạy."
    pause = ("run", "Chạy tiếp") if said.paused else ("pause", "Tạm dừng")
    hold = ("release", "Bỏ giữ số") if said.held else ("hold", "Giữ số")
    codes = ("figures", "Tắt mã quét") if said.codes else ("codes", "Hiện mã quét")
    buttons = [
        html.Button(word, id={"steer": name}, className="button", type="button")
        for name, word in (pause, hold, codes)
    ]
    last = text.join([said.who, text.minute(said.at, now())]) if said.at else ""
    return components.card(
        "Chế độ",
        html.Div(buttons, className="operator-modes"),
        html.P(held, className="says"),
        html.P(f"Lệnh cuối: {last}" if last else "Chưa có lệnh nào.", className="under"),
    )


def _preview() -> Piece:
    """A wall like any other, small."""
    return components.card(
        "Xem trước",
        html.Div(
            html.Iframe(src=PREVIEW, title="Màn hình tường thu nhỏ", className="operator-preview"),
            className="operator-screen",
        ),
        note=dcc.Link("Mở màn hình tường", href=PREVIEW),
    )


@callback(
    Output("operator-board", "children"),
    Output("operator-drawn", "data"),
    Input("live", "data"),
    State("operator-drawn", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, drawn: Any) -> tuple[list[Piece], dict[str, str]]:
    """What is on now: a word moves the version of the data like any change.

    Buttons that stay as they are are not drawn anew: somebody may be pressing one.
    """
    board = _board()
    fresh = frame.prints({"all": board})
    if fresh == drawn:
        raise PreventUpdate
    return board, fresh


def _board() -> list[Piece]:
    every, said = sheets(usual()), steering(desk().store)
    return [_pages(every, said), _modes(said)]


@callback(
    Output("operator-said", "children"),
    Input({"steer": ALL}, "n_clicks"),
    prevent_initial_call=True,
)
def steer(_clicks: Any) -> str:
    """Do what a button says; why not, where it is refused."""
    pressed = frame.pressed("steer")
    if pressed is None:
        raise PreventUpdate
    try:
        return _do(pressed, _operator())
    except IocError as error:
        return str(error)


def _do(word: str, principal: Principal) -> str:
    store, told = desk().store, {"now": now()}
    name, _, key = word.partition(" ")
    match name:
        case "sheet":
            acts.steer(store, principal, sheet=key, **told)
            return "Đã chuyển trang."
        case "pause" | "run":
            acts.steer(store, principal, paused=name == "pause", **told)
            return "Đã tạm dừng." if name == "pause" else "Đã chạy tiếp."
        case "codes" | "figures":
            acts.steer(store, principal, codes=name == "codes", **told)
            return "Đã hiện mã quét." if name == "codes" else "Đã tắt mã quét."
        case "hold":
            held = acts.hold(store, principal, **told)
            return f"Giữ số lúc {text.minute(held, now())}."
        case "release":
            acts.release(store, principal, **told)
            return "Đã bỏ giữ số."
    return ""


def _operator() -> Principal:
    """Who steers; a page seen from elsewhere only reads, whatever it sends."""
    if not writable():
        raise acts.Refused("Chỉ người vận hành và quản trị điều khiển được màn hình.")
    return who()

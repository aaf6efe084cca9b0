"""Accounts and their rights: made, disabled, signed out, and who has not been here for long."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate
from flask import request

from ioc.errors import IocError
from kpi import accounts
from layouts import components
from layouts.admin import frame, places, rights
from layouts.admin.roster import board, powers
from layouts.components import Piece
from layouts.state import callback, desk, now

LEDE = (
    "Mỗi người một tài khoản. Vai trò nói được làm gì; đơn vị nói được xem số của ai. Không có đơn"
    " vị nào thì không xem được gì."
)

REASON = f"Lý do của nút Khóa, Mở lại, Thu quyền ở bảng dưới: bắt buộc, từ {frame.SHORTEST} ký tự"


def layout(**_: Any) -> Piece:
    """The accounts, and a form for another one."""
    if not frame.may(frame.ADMINS):
        return frame.refused()
    return frame.page(
        "/admin/people",
        "Tài khoản",
        LEDE,
        html.P(frame.OFF, className="absent") if frame.is_open() else None,
        places.entries(),
        html.Div(
            [
                html.Div(
                    [
                        components.card("Tài khoản mới", _form()),
                        components.card("Vai trò", powers()),
                    ],
                    className="stack",
                ),
                rights.card(),
            ],
            className="columns",
        ),
        html.Div(
            [
                frame.acting_on("people", REASON),
                html.Div(board(), id="admin-people-board", className="stack"),
            ],
            className="stack",
        ),
    )


def _form() -> Piece:
    roles = [{"label": word, "value": role} for role, word in accounts.ROLES.items()]
    return html.Div(
        [
            frame.field("Tên đăng nhập", frame.line("admin-people-name", most=40)),
            frame.field("Tên hiển thị, chức danh", frame.line("admin-people-display", most=120)),
            html.Fieldset(
                [html.Legend("Vai trò"), dcc.RadioItems(roles, "viewer", id="admin-people-role")]
            ),
            places.field(f"Đơn vị được xem; {places.MANY}", "admin-people-units"),
            frame.field(
                f"Lý do tạo: bắt buộc, từ {frame.SHORTEST} ký tự", frame.line("admin-people-why")
            ),
            html.Button("Tạo tài khoản", id="admin-people-create", type="button",
                        className="button"),
            html.P(id="admin-people-made", role="status", className="assess-said"),
        ],
        className="assess-form",
    )  # fmt: skip


@callback(
    Output("admin-people-made", "children"),
    Output("admin-people-board", "children", allow_duplicate=True),
    Input("admin-people-create", "n_clicks"),
    State("admin-people-name", "value"),
    State("admin-people-display", "value"),
    State("admin-people-role", "value"),
    State("admin-people-units", "value"),
    State("admin-people-why", "value"),
    prevent_initial_call=True,
)
def create(
    clicks: Any, name: Any, display: Any, role: Any, units: Any, why: Any
) -> tuple[Piece, Any]:
    """Make an account; its one-time link is shown here and never again."""
    if not clicks:
        raise PreventUpdate
    name, display, role = (str(one or "").strip() for one in (name, display, role))
    try:
        by = frame.acting(frame.ADMINS)
        seen = places.chosen(units)
        token = accounts.create(
            desk().store, by, name=name, display=display, role=role,  # type: ignore[arg-type]
            org_units=seen, reason=frame.why(why), now=now(),
        )  # fmt: skip
    except IocError as error:
        return frame.refusal(error), no_update
    told = html.P(f"Được xem: {places.said(seen) or 'chưa đơn vị nào'}.")
    return html.Div([_once(name, token), told]), board()


@callback(
    Output("admin-people-said", "children"),
    Output("admin-people-board", "children"),
    Output("admin-people-reason", "value"),
    Input({"account": ALL}, "n_clicks"),
    State("admin-people-reason", "value"),
    prevent_initial_call=True,
)
def act(_clicks: Any, why: Any) -> tuple[Any, Any, Any]:
    """Do what a button of the list says; why not, where it is refused."""
    pressed = frame.pressed("account")
    if pressed is None:
        raise PreventUpdate
    kind, _, name = pressed.partition(" ")
    try:
        return _do(kind, name, why), board(), ""
    except IocError as error:
        return frame.refusal(error), no_update, no_update


def _do(kind: str, name: str, given: Any) -> Piece:
    store, by = desk().store, frame.acting(frame.ADMINS)
    why = frame.why(given) if kind in ("disable", "enable", "revoke") else ""
    match kind:
        case "disable":
            accounts.disable(store, by, name, reason=why, now=now())
            return f"Đã khóa {name}."
        case "enable":
            accounts.enable(store, by, name, reason=why, now=now())
            return f"Đã mở lại {name}."
        case "end":
            accounts.end_all(store, by, name, now=now())
            return f"Đã kết thúc mọi phiên, thu mọi khóa của {name}."
        case "revoke":
            number = int(name) if name.isdecimal() else 0
            accounts.revoke_right(store, by, number, reason=why, now=now())
            return "Đã thu quyền."
        case "link":
            return _once(name, accounts.new_link(store, by, name, now=now()))
    return ""


def _once(name: str, token: str) -> Piece:
    """The link with which an owner sets a password: whoever leaves the page has it no more."""
    address = f"{request.host_url}setup/{token}"
    return html.Div([
        html.P(f"Liên kết một lần của {name}, chỉ hiện ở đây, không hiện lại:"),
        html.Code(address, className="place"),
    ])

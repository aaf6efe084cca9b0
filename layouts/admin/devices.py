"""Wall screens as devices: paired by the code they show, shut out at once, with when last seen."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, ctx, html

from ioc.errors import IocError
from kpi import devices
from layouts import components, text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import callback, desk, now

LEDE = (
    "Mở /screen trên màn hình, nhập mã đang hiện vào đây. Màn hình chỉ đọc một bố cục; thu hồi thì"
    " số biến mất trong vòng 10 giây."
)


def layout(**_: Any) -> Piece:
    """The screens, and a form to pair another one."""
    if not frame.may(frame.ADMINS):
        return frame.refused()
    return frame.page(
        "/admin/devices",
        "Màn hình",
        LEDE,
        html.P(frame.OFF, className="absent") if frame.is_open() else None,
        components.card("Ghép một màn hình", _form()),
        frame.said("admin-devices-said"),
        html.Div(board(), id="admin-devices-board", className="stack"),
    )


def _form() -> Piece:
    return html.Div(
        [
            frame.field("Mã đang hiện trên màn hình", frame.line("admin-devices-code", most=12)),
            frame.field("Tên, nơi đặt", frame.line("admin-devices-name", most=80)),
            frame.field(
                "Bố cục: phần sau /wall? của địa chỉ; để trống: cả địa bàn",
                frame.line("admin-devices-layout", most=500),
            ),
            frame.field("Số ngày có hiệu lực", frame.line("admin-devices-days", "365", most=4)),
            html.Button("Ghép", id="admin-devices-pair", type="button", className="button"),
        ],
        className="assess-form",
    )


@callback(
    Output("admin-devices-said", "children"),
    Output("admin-devices-board", "children"),
    Output("admin-devices-code", "value"),
    Input("admin-devices-pair", "n_clicks"),
    Input({"device": ALL}, "n_clicks"),
    State("admin-devices-code", "value"),
    State("admin-devices-name", "value"),
    State("admin-devices-layout", "value"),
    State("admin-devices-days", "value"),
    prevent_initial_call=True,
)
def act(clicks: Any, revoked: Any, *given: Any) -> tuple[str, list[Piece], str]:
    """Pair a screen, or shut one out; why not, where it is refused."""
    code, name, shown, days = (str(one or "").strip() for one in given)
    pressed = ctx.triggered_id
    try:
        by, store = frame.acting(frame.ADMINS), desk().store
        if isinstance(pressed, dict) and any(revoked or []):
            number = int(pressed.get("device", 0))
            devices.revoke(store, by, number, now=now())
            return f"Đã thu hồi màn hình số {number}.", board(), code
        if pressed == "admin-devices-pair" and clicks:
            valid = int(days) if days.isdecimal() else 0
            devices.pair(store, by, code, name=name, layout=shown, days=valid, now=now())
            return f"Đã ghép {name}.", board(), ""
    except (IocError, ValueError) as error:
        return str(error), board() if frame.may(frame.ADMINS) else [], code
    return "", board(), code


def board() -> list[Piece]:
    """Every screen, newest first."""
    found = devices.listed(desk().store)
    if not found:
        return [html.P("Chưa có màn hình nào được ghép.", className="under")]
    return [components.card("Các màn hình", _table(found))]


def _table(found: list[devices.Device]) -> Piece:
    return components.table(
        ["Màn hình", "Bố cục", "Ghép", "Tình trạng", "Thấy lần cuối", ""],
        [
            (
                f"{one.id}. {one.name}",
                html.Code(f"/wall?{one.layout}" if one.layout else "/wall", className="place"),
                text.join([one.paired_by, text.minute(one.paired_at, now())], ", "),
                _state(one),
                text.age(one.seen_at, now()) if one.seen_at else "chưa lần nào",
                frame.button("Thu hồi", "device", str(one.id), f"Thu hồi: {one.name}")
                if not one.revoked_at
                else None,
            )
            for one in found
        ],
    )


def _state(one: devices.Device) -> str:
    if one.revoked_at:
        return f"đã thu hồi {text.minute(one.revoked_at, now())}"
    word = "đang dùng" if one.good_at(now()) else "hết hạn"
    return f"{word}, hạn {text.day(one.expires_at)}"

"""Wall screens as devices: paired by the code they show, shut out at once, with when last seen."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

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

PART = "device-part"
COLUMNS = {"state": "Tình trạng", "seen": "Thấy lần cuối", "revoke": ""}
WARNS = "Màn hình mất số trong 10 giây; muốn dùng lại phải ghép lại."


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
        html.Div(
            [
                frame.acting_on("devices", frame.REASON.replace("bấm nút", "bấm Thu hồi")),
                html.Div(board(), id="admin-devices-board", className="stack"),
            ],
            className="stack",
        ),
        dcc.Store(id="admin-devices-drawn", data=frame.prints(_parts())),
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
            frame.said("admin-devices-paired"),
        ],
        className="assess-form",
    )


@callback(
    Output("admin-devices-paired", "children"),
    Output("admin-devices-board", "children"),
    Output("admin-devices-code", "value"),
    Input("admin-devices-pair", "n_clicks"),
    State("admin-devices-code", "value"),
    State("admin-devices-name", "value"),
    State("admin-devices-layout", "value"),
    State("admin-devices-days", "value"),
    prevent_initial_call=True,
)
def pair(clicks: Any, *given: Any) -> tuple[Any, Any, Any]:
    """Pair a screen; why not, where it is refused."""
    if not clicks:
        raise PreventUpdate
    code, name, shown, days = (str(one or "").strip() for one in given)
    try:
        by, valid = frame.acting(frame.ADMINS), int(days) if days.isdecimal() else 0
        devices.pair(desk().store, by, code, name=name, layout=shown, days=valid, now=now())
    except IocError as error:
        return frame.refusal(error), no_update, no_update
    return f"Đã ghép {name}.", board(), ""


@callback(
    Output("admin-devices-said", "children"),
    Output("admin-devices-board", "children", allow_duplicate=True),
    Output("admin-devices-reason", "value"),
    Input({"device": ALL}, "n_clicks"),
    State("admin-devices-reason", "value"),
    prevent_initial_call=True,
)
def revoke(_clicks: Any, why: Any) -> tuple[Any, Any, Any]:
    """Shut a screen out; why not, where it is refused."""
    pressed = frame.pressed("device")
    if pressed is None:
        raise PreventUpdate
    try:
        by, number = frame.acting(frame.ADMINS), int(pressed) if pressed.isdecimal() else 0
        devices.revoke(desk().store, by, number, reason=frame.why(why), now=now())
    except IocError as error:
        return frame.refusal(error), no_update, no_update
    return f"Đã thu hồi màn hình số {number}.", board(), ""


@callback(
    Output("admin-devices-board", "children", allow_duplicate=True),
    Output({PART: ALL}, "children"),
    Output("admin-devices-drawn", "data"),
    Input("live", "data"),
    State({PART: ALL}, "id"),
    State("admin-devices-drawn", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, ids: Any, drawn: Any) -> Any:
    """When each screen was last seen; what did not change is not drawn anew."""
    frame.acting(frame.ADMINS)
    return frame.renewed(PART, _parts(), ids, drawn, board)


def board() -> list[Piece]:
    """Every screen, newest first."""
    found = devices.listed(desk().store)
    if not found:
        return [html.P("Chưa có màn hình nào được ghép.", className="under")]
    return [components.card("Các màn hình", _table(found))]


def _parts() -> dict[str, Piece]:
    """What changes while the page is open, by where it stands."""
    parts: dict[str, Piece] = {}
    for one in devices.listed(desk().store):
        parts[f"{one.id} state"] = _state(one)
        parts[f"{one.id} seen"] = text.age(one.seen_at, now()) if one.seen_at else "chưa lần nào"
        parts[f"{one.id} revoke"] = _revoke(one)
    return parts


def _revoke(one: devices.Device) -> Piece:
    if one.revoked_at:
        return None
    return frame.risky("Thu hồi", "device", str(one.id), f"Thu hồi: {one.name}", WARNS)


def _table(found: list[devices.Device]) -> Piece:
    parts = _parts()
    return components.table(
        ["Màn hình", "Bố cục", "Ghép", "Tình trạng", "Thấy lần cuối", ""],
        [
            (
                f"{one.id}. {one.name}",
                html.Code(f"/wall?{one.layout}" if one.layout else "/wall", className="place"),
                text.join([one.paired_by, text.minute(one.paired_at, now())], ", "),
                *(
                    frame.part(PART, key, parts[key], label)
                    for key, label in ((f"{one.id} {name}", word) for name, word in COLUMNS.items())
                ),
            )
            for one in found
        ],
        class_name="admin-list",
    )


def _state(one: devices.Device) -> str:
    if one.revoked_at:
        return f"đã thu hồi {text.minute(one.revoked_at, now())}"
    word = "đang dùng" if one.good_at(now()) else "hết hạn"
    return f"{word}, hạn {text.day(one.expires_at)}"

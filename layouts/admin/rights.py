"""Roles and rights: another role for an account, one more part of the territory, or its end."""

from __future__ import annotations

from datetime import date
from typing import Any

from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from ioc.errors import IocError
from kpi import accounts
from kpi.acts import Refused
from layouts import components, text
from layouts.admin import frame, places
from layouts.admin.roster import board
from layouts.components import Piece
from layouts.state import callback, desk, now

FIELDS = ("name", "role", "units", "classes", "from", "to", "why")
ACTS = {"role": "Đổi vai trò", "grant": "Cấp quyền"}


def card() -> Piece:
    """The form; what an account has stands in the list of accounts, each right with its end."""
    roles = [{"label": word, "value": role} for role, word in accounts.ROLES.items()]
    classes = [{"label": text.ACCESS[one].partition(":")[0], "value": one} for one in text.ACCESS]
    buttons = [
        html.Button(word, id=f"admin-rights-{act}", type="button", className="button")
        for act, word in ACTS.items()
    ]
    return components.card(
        "Đổi vai trò, cấp quyền",
        html.Div(
            [
                frame.field("Tên đăng nhập", frame.line("admin-rights-name", most=40)),
                frame.field(
                    f"Lý do đổi, cấp: bắt buộc, từ {frame.SHORTEST} ký tự",
                    frame.line("admin-rights-why"),
                ),
                html.Fieldset([
                    html.Legend("Vai trò"),
                    dcc.RadioItems(roles, id="admin-rights-role"),
                ]),
                html.Fieldset([
                    html.Legend("Nhóm chỉ số; không chọn: mọi nhóm"),
                    dcc.Checklist(classes, [], id="admin-rights-classes"),
                ]),
                places.field(
                    "Cấp thêm đơn vị; nhiều đơn vị: cách nhau bằng dấu chấm phẩy",
                    "admin-rights-units",
                ),
                frame.field("Từ ngày (như 30/11/2026), để trống: ngay", _day("from")),
                frame.field("Đến hết ngày, để trống: không hạn", _day("to")),
                html.Div(buttons, className="operator-modes"),
                html.P(id="admin-rights-said", role="status", className="assess-said"),
            ],
            className="assess-form",
        ),
    )


def _day(name: str) -> Piece:
    return frame.line(f"admin-rights-{name}", most=10)


@callback(
    Output("admin-rights-said", "children"),
    Output("admin-people-board", "children", allow_duplicate=True),
    *(Input(f"admin-rights-{act}", "n_clicks") for act in ACTS),
    *(State(f"admin-rights-{name}", "value") for name in FIELDS),
    prevent_initial_call=True,
)
def change(role_clicks: Any, grant_clicks: Any, *given: Any) -> tuple[Piece, Any]:
    """Do what the button says; why not, where it is refused."""
    act = str(ctx.triggered_id or "").removeprefix("admin-rights-")
    asked = dict(zip(FIELDS, given, strict=True))
    if act not in ACTS or not (role_clicks or grant_clicks):
        raise PreventUpdate
    try:
        return _do(act, asked), board()
    except IocError as error:
        return frame.refusal(error), no_update


def _do(act: str, asked: dict[str, Any]) -> str:
    store, by, why = desk().store, frame.acting(frame.ADMINS), frame.why(asked["why"])
    name, role = (str(asked[one] or "").strip() for one in ("name", "role"))
    if act == "role":
        if role not in accounts.ROLES:
            raise Refused("Hãy chọn một vai trò.")
        accounts.set_role(store, by, name, role, reason=why, now=now())  # type: ignore[arg-type]
        return f"{name}: vai trò {accounts.ROLES[role]}. Các phiên đang mở đã kết thúc."  # type: ignore[index]
    units = places.chosen(asked["units"])
    if units == ():
        raise Refused("Hãy chọn ít nhất một đơn vị, hoặc “Tất cả đơn vị”.")
    accounts.grant(
        store, by, name, org_units=units, classes=asked["classes"] or None,
        valid_from=_date(asked["from"]), valid_to=_date(asked["to"]), reason=why,
        now=now(),
    )  # fmt: skip
    return f"Đã cấp quyền cho {name}: {places.said(units)}."


def _date(written: Any) -> date | None:
    """A day as it is written, None where nothing is. Raises Refused for what is no day."""
    try:
        return text.written_day(str(written)) if written else None
    except ValueError:
        raise Refused(f"“{written}” không phải một ngày; hãy viết như 30/11/2026.") from None

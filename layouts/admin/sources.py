"""Orders to the poller: pause a source, resume it, poll it now, read its refused rows again."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from ioc.errors import IocError
from kpi import orders, query
from layouts import components, text, theme
from layouts.admin import frame
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import callback, desk, now, rows

LEDE = (
    "Bộ thu thập nhận lệnh trong vài giây và ghi lại kết quả. Đọc lại dòng bị loại không hỏi nguồn:"
    " những dòng đã giữ được đọc theo mẫu, danh mục và quy tắc hiện nay."
)

PART = "source-part"
COLUMNS = {"state": "Tình trạng", "good": "Lần tốt gần nhất", "rejected": "Bị loại", "orders": ""}


def layout(**_: Any) -> Piece:
    """Every source with its orders."""
    if not frame.may(frame.OPERATORS):
        return frame.refused()
    return frame.page(
        "/admin/sources",
        "Điều khiển nguồn dữ liệu",
        LEDE,
        html.Div(
            [
                frame.acting_on("sources"),
                html.Div(board(), id="admin-sources-board", className="stack"),
            ],
            className="stack",
        ),
        dcc.Store(id="admin-sources-drawn", data=frame.prints(_parts())),
    )


@callback(
    Output("admin-sources-board", "children"),
    Output({PART: ALL}, "children"),
    Output("admin-sources-drawn", "data"),
    Input("live", "data"),
    State({PART: ALL}, "id"),
    State("admin-sources-drawn", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, ids: Any, drawn: Any) -> Any:
    """Ask again; what did not change is not drawn anew."""
    frame.acting(frame.OPERATORS)
    return frame.renewed(PART, _parts(), ids, drawn, board)


@callback(
    Output("admin-sources-said", "children"),
    Output("admin-sources-reason", "value"),
    Input({"order": ALL}, "n_clicks"),
    State("admin-sources-reason", "value"),
    prevent_initial_call=True,
)
def give(_clicks: Any, why: Any) -> tuple[Any, Any]:
    """Give the order of the button that was pressed; why not, where it is refused."""
    pressed = frame.pressed("order")
    if pressed is None:
        raise PreventUpdate
    kind, _, source = pressed.partition(" ")
    try:
        by = frame.acting(frame.OPERATORS)
        orders.order(desk().store, by, kind, source=source, reason=str(why or ""), now=now())
    except IocError as error:
        return frame.refusal(error), no_update
    return f"Đã gửi: {orders.ORDERS[kind].lower()}, {_name(source)}.", ""


def _name(source: str) -> str:
    names = {row["source"]: row["name"] for row in rows(query.sources)}
    return str(names.get(source, source))


def board() -> list[Piece]:
    """The sources with their buttons, then the last orders and what came of them."""
    parts = _parts()
    return [
        components.card(
            "Các nguồn",
            components.table(
                ["Nguồn", "Tình trạng", "Lần tốt gần nhất", ("Bị loại", "num"), "Lệnh"],
                [
                    (
                        dcc.Link(row["name"], href=f"/sources/{row['source']}"),
                        *(
                            frame.part(PART, key, parts[key], label)
                            for key, label in (
                                (f"{row['source']} {name}", word) for name, word in COLUMNS.items()
                            )
                        ),
                    )
                    for row in rows(query.sources)
                ],
                class_name="admin-list",
            ),
        ),
        components.card("Lệnh gần đây", frame.part(PART, "orders", parts["orders"])),
    ]


def _parts() -> dict[str, Piece]:
    """What changes while the page is open, by where it stands."""
    parts: dict[str, Piece] = {}
    for row in rows(query.sources):
        good = row["last_good_at"]
        said = (
            _state(row),
            text.minute(good, now()) if text.known(good) else text.NONE,
            text.number(row["rejected"]),
            html.Div(_buttons(row), className="operator-modes"),
        )
        parts |= {f"{row['source']} {name}": one for name, one in zip(COLUMNS, said, strict=True)}
    return parts | {"orders": _orders(rows(query.asked))}


def _state(row: Row) -> Piece:
    if row["paused"]:
        mark = theme.outcome("held")
        return html.Span([components.shape(mark), " Đang tạm dừng"])
    name = row["freshness"] or ""
    return "Bình thường" if name in ("", "fresh") else components.freshness(name)


def _buttons(row: Row) -> list[Piece]:
    kinds = ["resume"] if row["paused"] else ["pause", "repoll"]
    kinds += ["replay"] if row["rejected"] else []
    return [
        frame.button(
            orders.ORDERS[kind], "order", f"{kind} {row['source']}",
            f"{orders.ORDERS[kind]}: {row['name']}",
        )
        for kind in kinds
    ]  # fmt: skip


def _orders(asked: list[Row]) -> Piece:
    if not asked:
        return html.P("Chưa có lệnh nào.", className="under")
    newest = sorted(asked, key=lambda row: row["request"], reverse=True)[:20]
    return components.table(
        ["Lúc", "Lệnh", "Nguồn", "Người", "Kết quả", "Ghi chú"],
        [
            (
                text.minute(row["at"], now()),
                orders.ORDERS.get(row["kind"], row["kind"]),
                _name(row["source"]),
                row["who"],
                theme.REQUEST[row["state"]][0].replace("nhận", "thực hiện"),
                row["note"],
            )
            for row in newest
        ],
    )

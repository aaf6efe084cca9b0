"""Orders to the poller: pause a source, resume it, poll it now, read its refused rows again."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html

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


def layout(**_: Any) -> Piece:
    """Every source with its orders."""
    if not frame.may(frame.OPERATORS):
        return frame.refused()
    return frame.page(
        "/admin/sources",
        "Điều khiển nguồn dữ liệu",
        LEDE,
        frame.reason("admin-sources-reason"),
        frame.said("admin-sources-said"),
        html.Div(board(), id="admin-sources-board", className="stack"),
    )


@callback(
    Output("admin-sources-board", "children"), Input("live", "data"), prevent_initial_call=True
)
def draw(_live: Any) -> list[Piece]:
    """Ask again."""
    frame.acting(frame.OPERATORS)
    return board()


@callback(
    Output("admin-sources-said", "children"),
    Output("admin-sources-reason", "value"),
    Input({"order": ALL}, "n_clicks"),
    State("admin-sources-reason", "value"),
    prevent_initial_call=True,
)
def give(clicks: Any, why: Any) -> tuple[str, str]:
    """Give the order of the button that was pressed; why not, where it is refused."""
    pressed = ctx.triggered_id
    if not isinstance(pressed, dict) or not any(clicks or []):
        return "", str(why or "")
    kind, _, source = str(pressed.get("order", "")).partition(" ")
    try:
        by = frame.acting(frame.OPERATORS)
        orders.order(desk().store, by, kind, source=source, reason=str(why or ""), now=now())
    except IocError as error:
        return str(error), str(why or "")
    return f"Đã gửi: {orders.ORDERS[kind].lower()}, {source}.", ""


def board() -> list[Piece]:
    """The sources with their buttons, then the last orders and what came of them."""
    known, asked = rows(query.sources), rows(query.asked)
    return [
        components.card(
            "Các nguồn",
            components.table(
                ["Nguồn", "Tình trạng", "Lần tốt gần nhất", ("Bị loại", "num"), "Lệnh"],
                [
                    (
                        dcc.Link(row["name"], href=f"/sources/{row['source']}"),
                        _state(row),
                        text.minute(row["last_good_at"], now())
                        if text.known(row["last_good_at"])
                        else text.NONE,
                        text.number(row["rejected"]),
                        html.Div(_buttons(row), className="operator-modes"),
                    )
                    for row in known
                ],
            ),
        ),
        components.card("Lệnh gần đây", _orders(asked)),
    ]


def _state(row: Row) -> Piece:
    if row["paused"]:
        mark = theme.outcome("held")
        return html.Span([components.shape(mark), " Đang tạm dừng"])
    return components.freshness(row["freshness"] or "")


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
                row["source"],
                row["who"],
                theme.REQUEST[row["state"]][0].replace("nhận", "thực hiện"),
                row["note"],
            )
            for row in newest
        ],
    )

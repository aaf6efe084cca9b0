"""Who works here: on how many days each account used the centre, from the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dash import html

from kpi import accounts, audit
from layouts import components, text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import desk, now, today, who

SPANS = (7, 30, 90)
LEDE = "Số ngày mỗi tài khoản có làm việc trên hệ thống, ít nhất trước; đếm từ nhật ký kiểm toán."


def layout(days: str = "30", **_: Any) -> Piece:
    """Days used per account, over the span that the address asks for."""
    if not frame.may(frame.ADMINS):
        return frame.refused()
    span = int(days) if days in map(str, SPANS) else 30
    first = today() - timedelta(days=span - 1)
    found = audit.usage(desk().store, who(), first=first, last=today())
    links = [(f"{n} ngày", f"/admin/usage?days={n}", n == span) for n in SPANS]
    return frame.page(
        "/admin/usage",
        "Mức sử dụng",
        LEDE,
        components.choice(links, label="Khoảng"),
        components.card(f"{span} ngày gần nhất", _table(found, span)),
    )


def _table(found: list[audit.Usage], span: int) -> Piece:
    if not found:
        words = frame.OFF if frame.is_open() else "Chưa có tài khoản nào."
        return html.P(words, className="under")
    return components.table(
        ["Tài khoản", "Tên", "Vai trò", ("Số ngày dùng", "num"), "Lần cuối"],
        [
            (
                one.account,
                one.display,
                accounts.ROLES.get(one.role, one.role),
                f"{one.days}/{span}",
                text.minute(one.last, now()) if one.last else "chưa lần nào",
            )
            for one in found
        ],
    )

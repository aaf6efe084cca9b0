"""The audit as administrators read it: who did what when, and whether its chain holds."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from dash import dcc, html

from kpi import audit
from layouts import admin, components, text
from layouts.admin import details, frame
from layouts.components import Piece
from layouts.state import desk, now, today, who

SHOWN = 100
LEDE = "Nhật ký chỉ thêm, không sửa: mỗi mục mang mã băm của mục trước. Giờ Việt Nam."


def layout(
    kind: str = "", account: str = "", first: str = "", last: str = "", after: str = "", **_: Any
) -> Piece:
    """The newest entries that the address asks for; ``after`` goes on from an entry's number."""
    if not frame.may(frame.ADMINS):
        return frame.refused()
    asked = {"kind": kind, "account": account, "first": first, "last": last}
    found = audit.entries(
        desk().store,
        who(),
        kind=kind if kind in audit.KINDS else None,
        account=account[:120] or None,
        first=day_of(first),
        last=day_of(last),
        after=int(after) if after.isdecimal() and len(after) < 12 else None,
        limit=SHOWN,
    )
    return frame.page(
        "/admin/audit",
        "Nhật ký kiểm toán",
        LEDE,
        components.card("Kiểm tra chuỗi", html.P(admin.verified(), className="says")),
        components.card("Lọc", _form(asked), _faults(first, last)),
        components.card("Các mục, mới nhất trước", _table(found), _older(found, asked)),
        components.card("Trích cho một sự cố", _incident()),
    )


def day_of(written: str) -> date | None:
    """A local day of an address; None where it says none."""
    try:
        return text.written_day(written)
    except ValueError:
        return None


def _faults(first: str, last: str) -> Piece:
    """Which day of the address is none, and that it was left out."""
    wrong = [f"“{said}” không phải một ngày" for said in (first, last) if said and not day_of(said)]
    if wrong:
        told = f"{'; '.join(wrong)}: hãy viết như 30/11/2026. Mốc này không được dùng để lọc."
        return html.P(told, className="door-fault admin-fault", role="alert")
    if first and last and (day_of(first) or date.min) > (day_of(last) or date.max):
        told = "“Từ ngày” đứng sau “Đến hết ngày”, nên không có mục nào."
        return html.P(told, className="door-fault admin-fault", role="alert")
    return None


def _form(asked: dict[str, str]) -> Piece:
    """A plain form: what is asked stands in the address."""
    options = [html.Option("mọi loại", value="")]
    options += [
        html.Option(word, value=name, selected=name == asked["kind"])
        for name, word in audit.KINDS.items()
    ]
    return html.Form(
        [
            frame.field("Loại", html.Select(options, id="audit-kind", name="kind")),
            frame.field(
                "Tài khoản",
                frame.line("audit-account", asked["account"], most=120, name="account"),
            ),
            *_days("audit", asked["first"], asked["last"]),
            html.Button("Lọc", className="button"),
        ],
        action="/admin/audit",
        method="get",
        className="assess-form audit-form",
    )


def _days(page: str, first: str, last: str) -> list[Piece]:
    return [
        frame.field(
            "Từ ngày",
            frame.line(f"{page}-first", first, most=10, name="first", placeholder="01/11/2026"),
        ),
        frame.field(
            "Đến hết ngày",
            frame.line(f"{page}-last", last, most=10, name="last", placeholder="30/11/2026"),
        ),
    ]


def _table(found: list[audit.Entry]) -> Piece:
    if not found:
        return html.P("Không có mục nào.", className="under")
    return components.table(
        [("Số", "num"), "Lúc", "Ai", "Việc", "Đối tượng", "Chi tiết", "Mã băm"],
        [
            (
                str(one.number),
                f"{text.local(one.at):%H:%M:%S %d/%m/%Y}",
                one.who,
                audit.KINDS.get(one.kind, one.kind),
                one.what,
                html.Span(details.told(one.detail), className="place"),
                html.Code(one.hash[:12], className="place", title=one.hash),
            )
            for one in found
        ],
    )


def _older(found: list[audit.Entry], asked: dict[str, str]) -> Piece:
    if len(found) < SHOWN:
        return None
    kept = {key: value for key, value in asked.items() if value}
    address = urlencode(kept | {"after": found[-1].number})
    return dcc.Link("Các mục cũ hơn", href=f"/admin/audit?{address}", className="button")


def _incident() -> Piece:
    """A form whose answer is a file: the entries of a time window, each with its hash."""
    day = today()
    return html.Div([
        html.Form(
            [
                *_days("incident", text.day(day - timedelta(days=1)), text.day(day)),
                html.Button("Tải JSON từng dòng", className="button"),
            ],
            action="/admin/audit.jsonl",
            method="get",
            className="assess-form audit-form",
        ),
        html.P(
            "Tệp gồm mọi mục của khoảng thời gian, kèm mã băm để kiểm lại; việc trích cũng được ghi"
            f" vào nhật ký. Bây giờ là {text.minute(now())}.",
            className="under",
        ),
    ])

"""The list of accounts with what each may read, and how org units are written in a form."""

from __future__ import annotations

from dash import html

from kpi import accounts
from layouts import PAGES, access, components, text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import desk, now

IDLE = 60  # days after which an account that nobody used is pointed out
BUTTONS = {
    "disable": "Khóa",
    "enable": "Mở lại",
    "end": "Kết thúc mọi phiên",
    "link": "Liên kết mới",
}


def powers() -> Piece:
    """Which role may open which page and take files away: the access matrix, as it is enforced."""
    lines = [(page.title, "pages", page.path) for page in PAGES]
    lines += [("Tải tệp CSV", "exports", "csv"), ("Tải kèm lý lịch tệp", "exports", "manifest")]
    rows = [
        (title, *("✓" if access.may(role, kind, name) else "" for role in accounts.ROLES))
        for title, kind, name in lines
    ]
    return components.more(
        "Vai trò nào mở được trang nào", components.table(["", *accounts.ROLES.values()], rows)
    )


def units_of(written: str) -> tuple[str, ...] | None:
    """Org units by the codes or ids that were written; * stands for all."""
    if written == "*":
        return None
    codes = [code.strip() for code in written.split(",") if code.strip()]
    units = desk().orgunits
    day = now().date()
    return tuple(code if code in units else units.resolve(code, day).uid for code in codes)


def board() -> list[Piece]:
    """Every account with its rights and buttons; those that nobody used for long first named."""
    store = desk().store
    known, idle = accounts.listed(store), accounts.idle(store, IDLE, now=now())
    said = ", ".join(one.name for one in idle) or "không có"
    return [
        components.card(
            "Các tài khoản",
            _table(known) if known else html.P("Chưa có tài khoản nào.", className="under"),
            html.P(f"Để không quá {IDLE} ngày: {said}.", className="says"),
        )
    ]


def _table(known: list[accounts.Account]) -> Piece:
    rights: dict[str, list[accounts.Right]] = {}
    for right in accounts.rights_of(desk().store):
        if right.ended_at is None:
            rights.setdefault(right.account, []).append(right)
    return components.table(
        ["Tài khoản", "Vai trò", "Được xem", "Tình trạng", "Lần cuối", ""],
        [
            (
                html.Span([html.Strong(one.name), html.Br(), one.display]),
                accounts.ROLES[one.role],
                [_held(right) for right in rights.get(one.name, [])] or "không đơn vị nào",
                _state(one),
                text.minute(one.seen_at, now()) if one.seen_at else "chưa lần nào",
                html.Div(_buttons(one), className="operator-modes"),
            )
            for one in known
        ],
    )


def _held(right: accounts.Right) -> Piece:
    """What a right gives, and the button that ends it."""
    said = _right(right)
    button = frame.button("Thu quyền", "account", f"revoke {right.id}", f"Thu quyền: {said}")
    return html.Div([html.Span(said), button], className="right-held")


def _right(right: accounts.Right) -> str:
    units = desk().orgunits
    unit = units[right.org_unit].name if right.org_unit in units else right.org_unit or "tất cả"
    days = [
        f"từ {text.day(right.valid_from)}" if right.valid_from else "",
        f"đến {text.day(right.valid_to)}" if right.valid_to else "",
        f"nhóm {right.indicator_class}" if right.indicator_class else "",
    ]
    return text.join([unit, *days], ", ")


def _state(one: accounts.Account) -> str:
    words = ["đang dùng" if one.state == "active" else "đã khóa"]
    words += [] if one.ready else ["chưa đặt mật khẩu"]
    words += ["có lớp thứ hai"] if one.second else []
    if one.locked_until and one.locked_until > now():
        words.append(f"tạm khóa đến {text.minute(one.locked_until, now())}")
    return ", ".join(words)


def _buttons(one: accounts.Account) -> list[Piece]:
    kinds = ["disable", "end", "link"] if one.state == "active" else ["enable"]
    return [
        frame.button(BUTTONS[kind], "account", f"{kind} {one.name}", f"{BUTTONS[kind]}: {one.name}")
        for kind in kinds
    ]

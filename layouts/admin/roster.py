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
ONLY = "quản trị duy nhất: không khóa được"
KEPT = ("disable",)
"""What nobody may do to the only administrator who can sign in."""
WARNS = {
    "disable": "{} không vào được nữa; phiên, khóa lập trình và liên kết hết hiệu lực ngay.",
    "end": "{} bị đăng xuất ở mọi nơi; khóa lập trình bị thu hồi.",
}


def powers() -> Piece:
    """Which role may open which page and take files away: the access matrix, as it is enforced."""
    lines = [(page.title, "pages", page.path) for page in PAGES]
    lines += [("Tải tệp CSV", "exports", "csv"), ("Tải tệp XLSX", "exports", "xlsx")]
    lines += [("Tải kèm lý lịch tệp", "exports", "manifest")]
    rows = [
        (title, *("✓" if access.may(role, kind, name) else "" for role in accounts.ROLES))
        for title, kind, name in lines
    ]
    return components.more(
        "Vai trò nào mở được trang nào", components.table(["", *accounts.ROLES.values()], rows)
    )


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
    last = accounts.last_admin(desk().store, now=now())
    return components.table(
        ["Tài khoản", "Vai trò", "Được xem", "Tình trạng", "Lần cuối", ""],
        [
            (
                html.Span([html.Strong(one.name), html.Br(), one.display]),
                accounts.ROLES[one.role],
                _rights(rights.get(one.name, []), last=last) or "không đơn vị nào",
                _state(one, ONLY if one.name == last else ""),
                text.minute(one.seen_at, now()) if one.seen_at else "chưa lần nào",
                html.Div(
                    _buttons(one, KEPT if one.name == last else ()), className="operator-modes"
                ),
            )
            for one in known
        ],
        class_name="admin-list",
    )


def _rights(held: list[accounts.Right], *, last: str) -> list[Piece]:
    """What each right gives, and the button that ends it; never the last of the last admin."""
    only = len(held) == 1 and held[0].account == last
    return [html.Div([html.Span(_right(r)), None if only else _end(r)], className="right-held")
            for r in held]  # fmt: skip


def _end(right: accounts.Right) -> Piece:
    said, warns = _right(right), f"{right.account} không còn xem được: {_right(right)}."
    key, label = f"revoke {right.id}", f"Thu quyền: {said}"
    return frame.risky("Thu quyền", "account", key, label, warns)


def _right(right: accounts.Right) -> str:
    units = desk().orgunits
    unit = units[right.org_unit].name if right.org_unit in units else right.org_unit or "tất cả"
    days = [
        f"từ {text.day(right.valid_from)}" if right.valid_from else "",
        f"đến {text.day(right.valid_to)}" if right.valid_to else "",
        f"nhóm {right.indicator_class}" if right.indicator_class else "",
    ]
    return text.join([unit, *days], ", ")


def _state(one: accounts.Account, more: str) -> str:
    words = ["đang dùng" if one.state == "active" else "đã khóa"]
    words += [] if one.ready else ["chưa đặt mật khẩu"]
    words += ["có mã xác thực"] if one.second else []
    if one.locked_until and one.locked_until > now():
        words.append(f"tạm khóa đến {text.minute(one.locked_until, now())}")
    return text.join([*words, more], ", ")


def _buttons(one: accounts.Account, without: tuple[str, ...]) -> list[Piece]:
    kinds = ["disable", "end", "link"] if one.state == "active" else ["enable"]
    return [_button(kind, one.name) for kind in kinds if kind not in without]


def _button(kind: str, name: str) -> Piece:
    word, key = BUTTONS[kind], f"{kind} {name}"
    if kind in WARNS:
        return frame.risky(word, "account", key, f"{word}: {name}", WARNS[kind].format(name))
    return frame.button(word, "account", key, f"{word}: {name}")

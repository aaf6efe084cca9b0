"""What the administration pages share: who may see them, their menu, their forms."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from kpi.acts import Refused
from layouts import components, shell
from layouts.components import Piece
from layouts.state import desk, who

ADMINS = ("admin",)
OPERATORS = ("operator", "admin")
MENU = (
    ("/admin", "Tổng quan", OPERATORS),
    ("/admin/people", "Tài khoản", ADMINS),
    ("/admin/devices", "Màn hình", ADMINS),
    ("/admin/sources", "Nguồn dữ liệu", OPERATORS),
    ("/admin/readings", "Cách đọc, chốt số", OPERATORS),
    ("/admin/audit", "Nhật ký", ADMINS),
    ("/admin/usage", "Mức sử dụng", ADMINS),
)
OFF = (
    "Chế độ tài khoản đang tắt: trang chỉ mở trên chính máy này, ai ngồi ở máy là quản trị. Tài"
    " khoản và màn hình tạo ở đây có hiệu lực từ khi bật chế độ tài khoản."
)
LONGEST, SHORTEST = 300, 5


def page(path: str, title: str, lede: str, *children: Piece) -> Piece:
    """A page of administration, for whoever may see it."""
    links = [(word, to, to == path) for to, word, roles in MENU if who().role in roles]
    return shell.desk_page(
        html.Div([html.H1(title), html.P(lede, className="lede")]),
        components.choice(links, label="Quản trị"),
        *children,
        active=path,
        crumbs=shell.crumb(("Quản trị", "/admin"), (title, "")) if path != "/admin" else None,
    )


def refused() -> Piece:
    """What whoever may not administer sees: nothing of it."""
    return shell.desk_page(
        html.Div(
            [
                html.H1("Không có quyền"),
                html.P("Trang này dành cho quản trị; hãy đăng nhập bằng tài khoản khác."),
                dcc.Link("Về danh sách chỉ tiêu", href="/", className="button"),
            ],
            className="blank",
        )
    )


def may(roles: tuple[str, ...]) -> bool:
    """Whether whoever asks has one of these roles."""
    return who().role in roles


def acting(roles: tuple[str, ...]) -> Any:
    """Who acts, where the role may.

    Raises:
        Refused: it may not.
    """
    if who().role not in roles:
        raise Refused("Tài khoản này không được làm việc này.")
    return who()


def is_open() -> bool:
    """Whether accounts are off: whoever sits at this machine is the administrator."""
    return bool(desk().settings.auth == "open")


def field(label: str, inside: Piece) -> Piece:
    """An input with its label above it."""
    return html.Div([html.Label(label, htmlFor=inside.id), inside], className="assess-field")


def line(id: str, value: str = "", *, most: int = LONGEST, **more: Any) -> Piece:
    """One line to write in."""
    given = {"type": "text", "autoComplete": "off", **more}
    return dcc.Input(id=id, value=value, maxLength=most, **given)


def reason(id: str, label: str = "Lý do (ghi trước khi bấm nút)") -> Piece:
    """Where the reason of the next button is written."""
    return html.Div(field(label, line(id)), className="assess-form")


def said(id: str) -> Piece:
    """Where it stands what came of a button."""
    return html.P(id=id, role="status", className="assess-said")


def button(word: str, name: str, value: str, label: str = "") -> Piece:
    """A button of a list; ``value`` says which row it is of, ``label`` says it to who listens."""
    named = {"aria-label": label} if label else {}
    return html.Button(word, id={name: value}, type="button", className="button", **named)

"""What the administration pages share: who may see them, their menu, their forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from dash import ctx, dcc, html, no_update

from kpi.acts import Refused, worded
from layouts import components, shell, text
from layouts.components import Piece
from layouts.state import desk, who

ADMINS = ("admin",)
OPERATORS = ("operator", "admin")
MENU = (
    ("/admin", "Tổng quan", OPERATORS),
    ("/admin/people", "Tài khoản", ADMINS),
    ("/admin/devices", "Màn hình", ADMINS),
    ("/admin/sources", "Nguồn dữ liệu", OPERATORS),
    ("/operator", "Điều khiển tường", OPERATORS),
    ("/admin/readings", "Cách đọc, chốt số", OPERATORS),
    ("/admin/audit", "Nhật ký", ADMINS),
    ("/admin/usage", "Mức sử dụng", ADMINS),
)
OFF = (
    "Chế độ tài khoản đang tắt: trang chỉ mở trên chính máy này, ai ngồi ở máy là quản trị. Tài"
    " khoản và màn hình tạo ở đây có hiệu lực từ khi bật chế độ tài khoản."
)
LONGEST, SHORTEST = 300, 5
REASON = f"Lý do: bắt buộc, từ {SHORTEST} ký tự, ghi trước khi bấm nút"


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


def acting_on(page: str, label: str = REASON) -> Piece:
    """Where the reason of the next button is written, and what came of it: beside the list.

    It stays in sight while the list below it is scrolled.
    """
    inside = field(label, line(f"admin-{page}-reason"))
    return html.Div([inside, said(f"admin-{page}-said")], className="admin-act")


def why(given: Any) -> str:
    """The reason of an act. Raises Refused where there is none."""
    return worded("Lý do", str(given or ""), least=SHORTEST, most=LONGEST)


def refusal(error: Exception) -> str:
    """Why not, as a sentence without marks of a program."""
    words = re.sub(r"'([^']*)'", r"“\1”", str(error)).rstrip(". ")
    return text.sentence(words)


# --- buttons of lists ----------------------------------------------------------------------------


def pressed(name: str) -> str | None:
    """The key of the button that somebody pressed; None where buttons merely came or went.

    Dash asks for every button that it draws: then there is no click to count.
    """
    told = {one["prop_id"]: one["value"] for one in ctx.triggered}
    for prop, key in ctx.triggered_prop_ids.items():
        if isinstance(key, dict) and name in key and told.get(prop):
            return str(key[name])
    return None


def part(name: str, key: str, content: Piece, label: str = "") -> Piece:
    """A place of a list that is drawn anew by itself, when what stands in it has changed.

    On a phone, where the list has no head, its ``label`` stands before it.
    """
    named = {"data-label": label} if label else {}
    return html.Div(content, id={name: key}, **named)


def prints(parts: Mapping[str, Piece]) -> dict[str, str]:
    """By what the parts of a list are known as they were drawn."""
    return {key: sha256(repr(content).encode()).hexdigest() for key, content in parts.items()}


def renewed(
    name: str,
    parts: Mapping[str, Piece],
    ids: Sequence[Mapping[str, str]],
    drawn: Mapping[str, str] | None,
    whole: Callable[[], Piece],
) -> tuple[Piece, list[Piece], dict[str, str] | Any]:
    """What of a list is sent: only the parts that changed, all of it where its rows did.

    A button that stays as it was is never drawn anew: somebody may be pressing it.

    Returns:
        The list, its parts in the order of ``ids``, and their prints; each ``no_update``
        where it stays.
    """
    fresh, known = prints(parts), drawn or {}
    keys = [one[name] for one in ids]
    if set(keys) != set(fresh):
        return whole(), [no_update] * len(keys), fresh
    sent = [parts[key] if known.get(key) != fresh[key] else no_update for key in keys]
    return no_update, sent, fresh if fresh != known else no_update


def said(id: str) -> Piece:
    """Where it stands what came of a button."""
    return html.P(id=id, role="status", className="assess-said")


def risky(word: str, name: str, value: str, label: str, warns: str) -> Piece:
    """A button that says what will happen and asks once more."""
    sure = button(f"{word}, tôi chắc chắn", name, value, label)
    return html.Details(
        [
            html.Summary(word, className="button", **{"aria-label": label}),
            html.Div([html.Span(warns), sure], className="sure"),
        ],
        className="risky",
    )


def button(word: str, name: str, value: str, label: str = "") -> Piece:
    """A button of a list; ``value`` says which row it is of, ``label`` says it to who listens."""
    named = {"aria-label": label} if label else {}
    return html.Button(word, id={name: value}, type="button", className="button", **named)

"""The answer to the search box, as a page with an address of its own."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from layouts import components, finder, shell, text
from layouts.components import Piece
from layouts.state import link

MOST = 100
KINDS = (("org_unit", "Đơn vị"), ("indicator", "Chỉ số"), ("target", "Mục tiêu của đề án"))


def layout(q: str = "", **_: Any) -> Piece:
    """What has this code or name, by kind, best first."""
    asked = str(q).strip()[: finder.LONGEST]
    found = finder.find(asked, MOST)
    cards = [card(name, [row for row in found if row["kind"] == kind]) for kind, name in KINDS]
    return shell.desk_page(
        html.Div(
            [
                html.Div([html.H1("Tìm"), html.P(_lede(asked, found), className="lede")]),
                components.downloads("/api/v1/search", link, len(found), q=asked, limit=MOST)
                if found
                else None,
            ],
            className="title-row",
        ),
        *filter(None, cards),
        _nothing(asked) if not found else None,
        asked=asked,
    )


def _lede(asked: str, found: list[dict[str, Any]]) -> str:
    if not asked:
        return "Gõ tên không cần dấu, mã đang dùng hoặc mã cũ."
    many = f"{len(found)} kết quả đầu tiên" if len(found) == MOST else f"{len(found)} kết quả"
    return f"{many} cho “{asked}”"


def _nothing(asked: str) -> Piece:
    words = "Không có chỉ tiêu hay đơn vị nào có tên hoặc mã này."
    hint = "Thử “dong hoi”, “19207”, “I02b”: không cần dấu, cả mã và tên đã hết hiệu lực."
    return html.Section([html.P(words) if asked else None, html.P(hint)], className="absent")


def card(name: str, found: list[dict[str, Any]]) -> Piece:
    """The answers of one kind."""
    if not found:
        return None
    return components.card(
        name,
        html.Ul([_answer(row) for row in found], className="found"),
        note=f"{len(found)} kết quả",
    )


def _answer(row: dict[str, Any]) -> Piece:
    over = row["kind"] == "org_unit" and text.known(row["closed"])
    return html.Li(
        [
            html.Span(row["code"], className="found-code"),
            html.Div([
                dcc.Link(row["name"], href=finder.address(row), className="found-name"),
                html.Span(finder.told(row), className="under"),
            ]),
            html.Span(row["detail"], className="under found-detail"),
        ],
        className="over" if over else "",
    )

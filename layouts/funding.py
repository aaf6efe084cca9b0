"""Money of the projects: planned and disbursed, by source of funds; grey, for no line is drawn."""

from __future__ import annotations

from typing import Any

from dash import html

from layouts import components, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.projectview import Found
from layouts.state import desk, link

UNIT = "triệu đồng"


def card(found: Found) -> Piece:
    """A bar for every source of funds and one for all; what was never told is no zero."""
    sums = {name: _sums(found.rows, f"_{name}") for name in text.FUNDS}
    whole = _sums(found.rows, "")
    most = max((planned for planned, _ in [*sums.values(), whole]), default=0.0)
    shown = {**{text.FUNDS[name]: pair for name, pair in sums.items()}, "Tất cả nguồn vốn": whole}
    same = {name: value for name, value in found.asked.given.items() if value}
    return components.card(
        "Kinh phí: kế hoạch và giải ngân",
        html.Div(
            [_line(name, *pair, most) for name, pair in shown.items()],
            className="funds",
            role="list",
        ),
        html.P(
            [
                f"Đơn vị: {UNIT}. Khung là kế hoạch, phần đặc là đã giải ngân. ",
                html.Q(desk().store.catalogue.portfolio.funding),
                " (mục 5.1)",
            ],
            className="under",
        ),
        note=components.downloads("/api/v1/projects", link, len(found.rows), **same),
    )


def _sums(rows: list[Row], fund: str) -> tuple[float, float | None]:
    """Planned, and disbursed where anything was told of it."""
    told = [row[f"disbursed{fund}"] for row in rows if text.known(row[f"disbursed{fund}"])]
    return sum(row[f"planned{fund}"] for row in rows), sum(told) if told else None


def _line(name: str, planned: float, paid: float | None, most: float) -> Piece:
    frame = 100 * planned / most if most else 0.0
    filled = min(100 * paid / planned, 100.0) if paid and planned else 0.0
    bar = html.Div(
        html.Div(
            html.Span(className="fund-fill", style={"--to": f"{filled:.2f}%"}),
            className="fund-frame",
            style={"--to": f"{frame:.2f}%"},
        ),
        className="fund-bar",
        **{"aria-hidden": "true"},
    )
    return html.Div(
        [
            html.Span(name, className="fund-name"),
            bar,
            html.Span(share(paid, planned), className="figure small fund-share"),
            html.Span(counts(paid, planned), className="fund-n"),
        ],
        className="fund",
        role="listitem",
    )


def share(paid: Any, planned: Any) -> str:
    """How much of the plan was disbursed."""
    return text.percent(paid, planned) if text.known(paid) and planned else text.NONE


def counts(paid: Any, planned: Any) -> str:
    """Disbursed of planned; a plan alone where nothing was told."""
    if not text.known(paid):
        return f"chưa có số giải ngân; kế hoạch {text.number(planned)}"
    return text.counts(paid, planned)

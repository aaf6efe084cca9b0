"""What only paper shows: as of when the figures are known, and when the page was printed."""

from __future__ import annotations

from dash import html

from layouts import text
from layouts.components import Piece
from layouts.state import now, present


def line() -> Piece:
    """One line on top of a printed page; assets/print.js writes the instant of printing."""
    at = text.minute(now())
    return html.P(
        [
            f"Số liệu như đã biết lúc {at} · in lúc ",
            html.Span(text.minute(present()), className="print-now"),
            " (giờ Việt Nam)",
        ],
        className="print-line",
    )

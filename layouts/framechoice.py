"""Which org units a page compares: as they were, those of today, those of the plan."""

from __future__ import annotations

from dash import html

from layouts import components, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.view import View


def choice(view: View) -> Piece:
    """The three frames as links, and what the chosen one does to the figures."""
    options = [
        (word, view.address(frame="" if name == "then" else name), name == (view.frame or "then"))
        for name, word in text.FRAMES.items()
    ]
    return html.Div(
        [
            components.choice(options, label="Khung đơn vị"),
            html.P(text.FRAME_SAYS[view.frame], className="under") if view.frame else None,
        ],
        className="toolbar frame-choice",
    )


def reason(row: Row) -> str:
    """Why a frame makes no figure for a standing, as a code; empty where that is not the cause."""
    marks = str(row.get("mark") or "").split("; ")
    codes = ("not_comparable", "out_of_scope")
    return next((code for code in codes if text.REASONS[code] in marks), "")

"""The gravest target alone, for those who sit far: which, how far, whether its figure is fresh.

Its letters are as large as the screen allows, so that name, gap and age can be read where the
letters of a list cannot: from twice the distance, without glasses, in a blurred picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dash import dcc, html

from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import Line, Part, closed, figure, headline, parts_of
from layouts.state import now
from layouts.wall import sheet, worst
from layouts.wall.legibility import EDGE_VH, GAP_VH, INSIDE_VH, LEADING, Plan, wide
from layouts.wall.sheet import Shown
from layouts.wall.tile import code, hero
from layouts.wall.view import Wall

TITLE = "Chỉ tiêu kém nhất"
KEY = "gravest"
GAP, AGE = 2.2, 0.8  # the gap and the age, in letters of the name
FIGURE_LEADING = 1.04  # digits have no marks
CHIP = 2.0  # of an age: its shape, its gaps and its frame, in letters' heights
BOLD = 1.08  # by how much bold letters are wider
UNEVEN = 1.14  # lines that end at words are not all full
LINES = 4  # of a name at most


class _Sizes(NamedTuple):
    """Of the name, the gap and the age, in vh."""

    name: float
    gap: float
    age: float


def count(wall: Wall) -> int:
    """One page."""
    return 1


def tiles(wall: Wall, number: int) -> int:
    """One target."""
    return 1


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """One place."""
    return html.Div(sheet.place(KEY, shown), className="gravest-stage")


def draw(wall: Wall, number: int) -> Shown:
    """The target that fails most; where none fails, that."""
    found = worst.ranked(wall.numeric)
    return {KEY: _target(wall, found[0]) if found else _none(wall)}


def _none(wall: Wall) -> Piece:
    size = sizes(wall.fit, worst.NONE, "", "", 0)
    return html.P(worst.NONE, className="gravest-none", style=_style(size))


def _target(wall: Wall, line: Line) -> Piece:
    part, fit = worst.deciding(line), wall.fit
    lead, lack, unit = _words(worst.far(line, part))
    age, told = _age(part)
    beside = [
        html.Div(
            [
                hero(headline(part.row, line.lines)),
                components.status(line.status, class_name="verdict"),
            ],
            className="gravest-head",
        ),
        *(html.Div(words) for words in _level(line, part)),
    ]
    live = figure(part.row, line.lines) if closed(part.row) else ""
    notes = [worst.brief(line.owner), worst.step(line, part)]
    notes += [f"Hiện nay {live}."] if live else []
    high = _notes_high(fit, notes, len(beside))
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(line.name, className="gravest-name"),
                    html.Div(
                        [
                            html.Div([lead, html.B(lack), unit], className="gravest-gap"),
                            html.Div(beside, className="gravest-level"),
                        ],
                        className="gravest-far",
                    ),
                    html.Div(components.freshness(age, told), className="gravest-age"),
                    html.Div([html.Span(words) for words in notes], className="gravest-notes"),
                ],
                href=wall.href(line),
            ),
            code(wall.href(line), line.name),
        ],
        className=f"gravest{' narrow' if fit.shape < 1 else ''} on-{worst.surface(line)}",
        style=_style(sizes(fit, line.name, f"{lead} {unit}", lack, high, _said(age, told))),
        **{"data-target": line.id, "data-status": line.status},
    )


def _words(far: str) -> tuple[str, str, str]:
    """thiếu, 24,1, điểm; a gap that is none stays whole."""
    lead, _, rest = far.partition(" ")
    lack, _, unit = rest.partition(" ")
    return (lead, lack, unit) if lead == "thiếu" else (far, "", "")


def _age(part: Part) -> tuple[str, str]:
    """How old the figure of now is, and until when it goes."""
    row = part.row
    if not text.known(row.get("data_as_of")):
        return row.get("freshness") or "", "· chưa có số hiện nay"
    return row.get("freshness") or "", f"· đến {text.reach(row['data_as_of'], now())}"


def _said(age: str, told: str) -> str:
    return f"{theme.freshness(age).word} {told}"


def _level(line: Line, part: Part) -> list[str]:
    """mức trên 50 %; chốt 31/12/2025, n 3.830"""
    level, *since = worst.level(line, part)
    _, under = parts_of(part.row, closing=closed(part.row))
    many = f"n{text.GAP}{text.number(under)}" if text.known(under) else ""
    return [level, text.join([*since, many], ", ")]


def _notes_high(fit: Plan, notes: list[str], beside: int) -> float:
    """The height of what is said in letters of the usual size, in vh."""
    lines = sum(math.ceil(wide(words) * UNEVEN / (_inside(fit) / fit.note)) for words in notes)
    if fit.shape >= 1:  # two of the three stand in one line where they fit
        lines = math.ceil(sum(map(wide, notes)) * UNEVEN / (_inside(fit) / fit.note))
        return lines * fit.line
    return lines * fit.line + fit.figure * FIGURE_LEADING + (beside - 1) * fit.line


def sizes(fit: Plan, name: str, words: str, lack: str, beside: float, age: str = "") -> _Sizes:
    """The largest letters with which a name, the gap and the age fill what ``beside`` leaves."""
    free = fit.body - 2 * EDGE_VH - beside - 4 * GAP_VH
    across = _inside(fit)
    most = max(
        min(
            free / (lines * LEADING + GAP * FIGURE_LEADING + AGE * LEADING),
            across * lines / (BOLD * wide(name) * (UNEVEN if lines > 1 else 1)),
        )
        for lines in range(1, LINES + 1)
    )
    share = 0.62 if fit.shape >= 1 else 1
    ems = BOLD * (wide(lack) * GAP + wide(words)) + 1
    gap = min(most, across * share / ems)
    old = min(most * AGE, across / (BOLD * wide(age) + CHIP))
    return _Sizes(max(most, fit.note), max(gap * GAP, fit.figure), max(old, fit.note))


def _inside(fit: Plan) -> float:
    return 100 * fit.shape - 2 * EDGE_VH - 4 * INSIDE_VH


def _style(size: _Sizes) -> dict[str, str]:
    return {
        "--name": f"{size.name:.2f}vh",
        "--gap": f"{size.gap:.2f}vh",
        "--words": f"{size.gap / GAP:.2f}vh",
        "--age": f"{size.age:.2f}vh",
    }

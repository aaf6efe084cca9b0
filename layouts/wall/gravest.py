"""The gravest target alone, for those who sit far: which, how far, whether its figure is fresh.

Its letters are as large as the screen allows, so that name, gap and age can be read where the
letters of a list cannot: from twice the distance, without glasses, in a blurred picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
FIGURE = "Số"  # what is new, late or old
GAP, AGE = 2.2, 0.8  # the gap and the age, in letters of the name
FIGURE_LEADING = 1.04  # digits have no marks
CHIP = 2.0  # a shape, its gaps and its frame, in letters' heights
BESIDE = 5.0  # between what stands side by side, in vh
BOLD = 1.08  # by how much bold letters are wider
UNEVEN = 1.14  # lines that end at words are not all full
LINES = 4  # of a name at most


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
    return {KEY: _target(wall, found[0]) if found else _none(wall.fit)}


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of a target."""

    name: str
    gap: tuple[str, str, str] = ("", "", "")  # thiếu, 24,1, điểm
    head: str = ""
    status: str = ""
    level: tuple[str, ...] = ()  # mức trên 50 %; chốt 31/12/2025, n 3.830
    age: str = ""
    told: str = ""  # Số mới, đến 31/10
    live: str = ""
    notes: tuple[str, ...] = ()


def _words(line: Line) -> _Words:
    part = worst.deciding(line)
    age, told = _age(part)
    return _Words(
        name=line.name,
        gap=_gap(worst.far(line, part)),
        head=headline(part.row, line.lines),
        status=line.status,
        level=_level(line, part),
        age=age,
        told=told,
        live=figure(part.row, line.lines) if closed(part.row) else "",
        notes=(worst.brief(line.owner), worst.step(line, part)),
    )


def _gap(far: str) -> tuple[str, str, str]:
    """A gap in its words; one that is none stays whole."""
    lead, _, rest = far.partition(" ")
    lack, _, unit = rest.partition(" ")
    return (lead, lack, unit) if lead == "thiếu" else (far, "", "")


def _age(part: Part) -> tuple[str, str]:
    row, age = part.row, part.row.get("freshness") or ""
    if not text.known(row.get("data_as_of")):
        return age, "Chưa có số hiện nay"
    word = theme.freshness(age).word
    said = word if word.startswith(FIGURE) else f"{FIGURE} {word.lower()}"
    return age, f"{said}, đến {text.reach(row['data_as_of'], now()).removeprefix('hết ')}"


def _level(line: Line, part: Part) -> tuple[str, ...]:
    level, *since = worst.level(line, part)
    _, under = parts_of(part.row, closing=closed(part.row))
    many = f"n{text.GAP}{text.number(under)}" if text.known(under) else ""
    return level, text.join([*since, many], ", ")


# ── the drawing ────────────────────────────────────────────────────────────────────────────


def _none(fit: Plan) -> Piece:
    return html.P(worst.NONE, className="gravest-none", style=_sizes(fit, _Words(worst.NONE)))


def _target(wall: Wall, line: Line) -> Piece:
    said, fit = _words(line), wall.fit
    lead, lack, unit = said.gap
    mark = components.shape(theme.freshness(said.age), f"hue-{said.age}")
    verdict = components.status(said.status, class_name="verdict")
    far = [
        html.Div([lead, html.B(lack), unit], className="gravest-gap"),
        html.Div(
            [html.Div([hero(said.head), verdict], className="gravest-head")]
            + [html.Div(words) for words in said.level],
            className="gravest-level",
        ),
    ]
    aged = [
        html.Span([mark, said.told], className=f"age age-{said.age or 'unknown'}"),
        html.Span(["hiện nay ", html.B(said.live)] if said.live else "", className="gravest-live"),
    ]
    notes = [html.Span(words) for words in said.notes]
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(said.name, className="gravest-name"),
                    html.Div(far, className="gravest-far"),
                    html.Div(aged, className="gravest-age"),
                    html.Div(notes, className="gravest-notes"),
                ],
                href=wall.href(line),
            ),
            code(wall.href(line), said.name),
        ],
        className=f"gravest{' narrow' if _narrow(fit) else ''} on-{worst.surface(line)}",
        style=_sizes(fit, said),
        **{"data-target": line.id, "data-status": line.status},
    )


def _narrow(fit: Plan) -> bool:
    """Whether what else stands side by side stands one under another."""
    return fit.shape < 1


def _sizes(fit: Plan, said: _Words) -> dict[str, str]:
    """The largest letters with which name, gap and age fill what all the rest leaves."""
    across = 100 * fit.shape - 2 * EDGE_VH - 6 * INSIDE_VH
    free = fit.body - 2 * EDGE_VH - 4 * GAP_VH - _others(fit, said, across)
    most = max(
        min(
            free / (lines * LEADING + GAP * FIGURE_LEADING + AGE * LEADING),
            across * lines / (BOLD * wide(said.name) * (UNEVEN if lines > 1 else 1)),
        )
        for lines in range(1, LINES + 1)
    )
    lead, lack, unit = said.gap
    beside_gap, beside_age = _beside(fit, said)
    ems = BOLD * (wide(lack) * GAP + wide(lead + unit)) + 1
    words = min(most, (across - beside_gap) / ems)
    age = min(most * AGE, (across - beside_age) / (BOLD * wide(said.told) + CHIP))
    sizes = {
        "--name": max(most, fit.note),
        "--words": max(words, fit.note),
        "--gap": max(words * GAP, fit.figure),
        "--age": max(age, fit.note),
    }
    return {name: f"{size:.2f}vh" for name, size in sizes.items()}


def _beside(fit: Plan, said: _Words) -> tuple[float, float]:
    """The width of what stands beside the gap, and beside the age, in vh."""
    if _narrow(fit):
        return 0, 0
    verdict = CHIP + BOLD * wide(theme.status(said.status).word)
    level = max(
        wide(said.head) * fit.figure + verdict * fit.note,
        *(wide(words) * fit.note for words in (*said.level, "")),
    )
    live = wide("hiện nay ") * fit.note + BOLD * wide(said.live) * fit.label if said.live else 0
    return level + BESIDE, live + BESIDE


def _others(fit: Plan, said: _Words, across: float) -> float:
    """The height of what is said in letters of the usual size, under the others, in vh."""
    if not _narrow(fit):
        ems = sum(wide(words) + 1 for words in said.notes) * UNEVEN
        return math.ceil(ems * fit.note / across) * fit.line
    lines = sum(math.ceil(wide(words) * UNEVEN * fit.note / across) for words in said.notes)
    return (lines + len(said.level) + bool(said.live)) * fit.line + fit.figure

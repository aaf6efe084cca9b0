"""The five worst: which target, how far, since when, who answers for it, what is missing."""

from __future__ import annotations

import math
from typing import Any

from dash import dcc, html

from ioc.model import WORST_FIRST
from layouts import components, text
from layouts.components import Piece
from layouts.lines import Line, Part, closed, headline, shortfall, unsure
from layouts.wall import sheet
from layouts.wall.sheet import TREND, Shown
from layouts.wall.tile import code, hero, live
from layouts.wall.view import Wall

TITLE = "Năm chỉ tiêu kém nhất"
MOST = 5
FAILING = ("missed", "off_track", "at_risk")
NONE = "Ngoài chỉ tiêu đã khóa, không còn chỉ tiêu nào không đạt, chậm hay có nguy cơ."
ORDER = "Thứ tự: trạng thái, rồi phần thiếu so với mức giao, rồi mã chỉ tiêu"
LINES, NARROW_LINES = 3.25, 9.2  # of notes in a row; where its parts stand one under another
NARROW = 45  # in notes: a screen that is narrower has its parts one under another


def ranked(lines: list[Line]) -> list[Line]:
    """The targets that fail or may fail, worst first; what closed early is past, and left out."""
    failing = [line for line in lines if line.status in FAILING and not _past(line)]
    return sorted(failing, key=_order)


def _order(line: Line) -> tuple[int, float, str]:
    part, threshold = deciding(line), line.target["threshold"]
    share = (gap(line, part) or 0) / threshold if threshold else 0.0
    return WORST_FIRST.index(line.status), -share, line.id


def _past(line: Line) -> bool:
    """Whether what failed closed before the plan's end: nobody can mend it."""
    return line.muted and not unsure(line.row)


def deciding(line: Line) -> Part:
    """The part whose status is the target's; of several the one that lacks most."""
    same = [part for part in line.parts if part.row.get("status") == line.status]
    return max(same or line.parts, key=lambda part: gap(line, part) or 0)


def gap(line: Line, part: Part) -> float | None:
    """How many points the figure that decides lacks; None where there is none."""
    value = part.row.get("closing_value" if closed(part.row) else "value")
    if not text.known(value):
        return None
    if line.target["operator"] in ("<", "<="):
        return max(value - line.target["threshold"], 0.0)
    return max(line.target["threshold"] - value, 0.0)


def count(wall: Wall) -> int:
    """Fewer rows on a page where letters are larger."""
    return math.ceil(MOST / _fitting(wall))


def tiles(wall: Wall, number: int) -> int:
    """How many rows a page has."""
    return len(_places(wall, number))


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """A place for every row, each with one for its trend."""
    rows = [
        html.Div(
            [sheet.place(_key(at), shown), sheet.chart(_key(at), shown, "worst-trend")],
            className="worst-cell",
        )
        for at in _places(wall, number)
    ]
    note = html.P(ORDER, className="wall-note")
    narrow = " narrow" if _narrow(wall) else ""
    style = {"--rows": str(_per_page(wall))}
    return html.Div([*rows, note], className=f"worst{narrow}", style=style)


def draw(wall: Wall, number: int) -> Shown:
    """The rows of a page; a place that nothing is left for says so once."""
    found = ranked(wall.numeric)[:MOST]
    names = [deciding(line).indicator for line in found]
    periods = wall.periods(names)
    shown: dict[str, Any] = {}
    for at in _places(wall, number):
        line = found[at] if at < len(found) else None
        shown[_key(at)] = _row(wall, line, at) if line else _none(found, at)
        values = periods[names[at]] if line else []
        threshold = line.target["threshold"] if line else None
        shown[TREND + _key(at)] = sheet.drawing(values, threshold)
    return shown


def _key(at: int) -> str:
    return f"w{at}"


def _fitting(wall: Wall) -> int:
    lines = NARROW_LINES if _narrow(wall) else LINES
    return wall.fit.rows(lines, most=MOST, beside=1)


def _narrow(wall: Wall) -> bool:
    return 100 * wall.fit.shape / wall.fit.note < NARROW


def _per_page(wall: Wall) -> int:
    return math.ceil(MOST / count(wall))


def _places(wall: Wall, number: int) -> range:
    many = _per_page(wall)
    return range((number - 1) * many, min(number * many, MOST))


def _none(found: list[Line], at: int) -> Piece:
    """Nothing more is failing."""
    if at != len(found):
        return None
    return html.P(NONE, className="worst-none")


def _row(wall: Wall, line: Line, at: int) -> Piece:
    part = deciding(line)
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(
                        [
                            html.Div(
                                [html.B(f"{at + 1}", className="worst-rank"), line.name],
                                className="worst-name",
                            ),
                            html.Div(brief(line.owner), className="worst-owner"),
                        ],
                        className="worst-who",
                    ),
                    html.Div(
                        [
                            html.Div(
                                [
                                    hero(headline(part.row, line.lines)),
                                    components.status(line.status, class_name="verdict"),
                                ],
                                className="tile-head",
                            ),
                            html.Div(
                                live(line, part.row, wall.fit, _room(wall)), className="tile-live"
                            ),
                        ],
                        className="worst-figure",
                    ),
                    html.Div(far(line, part), className="worst-gap"),
                    html.Div(
                        [
                            html.Div(step(line, part), className="worst-step"),
                            html.Div(text.join(level(line, part), ", "), className="worst-level"),
                        ],
                        className="worst-next",
                    ),
                ],
                href=wall.href(line),
            ),
            code(wall.href(line), line.name),
        ],
        className=f"worst-row s-{line.status} on-{surface(line)}",
        **{"data-target": line.id, "data-status": line.status, "data-rank": str(at + 1)},
    )


def _room(wall: Wall) -> float:
    """The width of the second column, in letters' heights."""
    share = 0.93 if _narrow(wall) else 0.247
    return share * (100 * wall.fit.shape - 5) / wall.fit.note


def far(line: Line, part: Part) -> str:
    """thiếu 24,1 điểm; never rounded to nothing."""
    lack = gap(line, part)
    if lack is None:
        return ""
    if lack == 0:
        return "đúng bằng mức"
    places = next((n for n in (1, 2, 3) if round(lack, n) > 0), 3)
    return f"thiếu {text.number(lack, places)} điểm"


def step(line: Line, part: Part) -> str:
    """What is missing, as a sentence."""
    noun = part.noun.replace(" ", text.GAP)  # a line never ends within it
    return text.sentence(shortfall(line, part.row, noun)) or "Chưa có bước tiếp theo."


def level(line: Line, part: Part) -> list[str]:
    """The plan's level; since when the outcome stands, if it does."""
    since = f"chốt {text.short_day(part.closing)}" if closed(part.row) and part.closing else ""
    return [f"mức {line.level}", since] if since else [f"mức {line.level}"]


def brief(owner: str) -> str:
    """The office as everybody writes it."""
    return owner.replace("Ủy ban nhân dân", "UBND")


def surface(line: Line) -> str:
    """The surface that a failing target stands on."""
    return "at_risk" if line.status == "at_risk" else "missed"

"""Sources and freshness: who was heard when, those that need a look first."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import desk, link, now, rows
from layouts.wall import sheet
from layouts.wall.sheet import Shown
from layouts.wall.view import Wall

TITLE = "Nguồn dữ liệu và độ mới"
LETTERS = 26  # of a line of a name, at least
WORST = ("stale", "late", "", "fresh", "final")
LINES = 3.0  # of notes in a cell: two of the name, one says until when
PAGES = 2  # the sources that are heard give way first: the head counts them


def count(wall: Wall) -> int:
    """Pages of sources, each with the head."""
    return min(math.ceil(_many() / _fitting(wall)), PAGES)


def tiles(wall: Wall, number: int) -> int:
    """A glance at the head tells; a cell is only a name."""
    return 6


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """The head, then a place for every source."""
    across, down = _grid(wall)
    here = min(_many() - (number - 1) * _fitting(wall), _fitting(wall))
    cells = [sheet.place(_key(number, at), shown, "source-cell") for at in range(here)]
    style = {"--columns": str(across), "--rows": str(min(down, math.ceil(_many() / across)))}
    return html.Div(
        [
            sheet.place(f"s{number}", shown, "source-head"),
            html.Div(cells, className="source-grid"),
        ],
        className="source-board",
        style=style,
    )


def draw(wall: Wall, number: int) -> Shown:
    """Every source once, stale and late ones first."""
    found = sorted(wall.sources.values(), key=_order)
    many = _fitting(wall)
    shown: dict[str, Any] = {f"s{number}": _head(found)}
    for at, row in enumerate(found[(number - 1) * many : number * many]):
        shown[_key(number, at)] = _cell(row, wall)
    return shown


def _key(number: int, at: int) -> str:
    return f"s{number}.{at}"


def _many() -> int:
    """How many sources there are: looked at once a minute, for every page asks."""
    key = ("wall sources", now().replace(second=0, microsecond=0))
    with desk().lock:
        if key in desk().kept:
            return int(desk().kept[key])
    many = len(rows(query.sources))
    with desk().lock:
        desk().kept[key] = many
    return many


def _grid(wall: Wall) -> tuple[int, int]:
    wide = [n for n in range(1, 9) if wall.fit.room(n) >= LETTERS]
    return max(wide, default=1), wall.fit.rows(LINES, most=20, beside=1.5)


def _fitting(wall: Wall) -> int:
    across, down = _grid(wall)
    return across * down


def _order(row: Row) -> tuple[int, str]:
    return WORST.index(row["freshness"] or ""), row["name"]


def _head(found: list[Row]) -> Piece:
    """24 nguồn mới, 2 trễ, 1 số cũ: the sentence that a leader needs."""
    ages = Counter(row["freshness"] or "" for row in found)
    heard = sum(ages[name] for name in ("fresh", "final"))
    silent = [f"{ages['late']} trễ" if ages["late"] else "",
              f"{ages['stale']} số cũ" if ages["stale"] else "",
              f"{ages['']} chưa đọc" if ages[""] else ""]  # fmt: skip
    rest = text.join(silent, ", ")
    return html.Div([
        html.B(f"{heard}/{len(found)} nguồn có số mới"),
        html.Span(rest or "không nguồn nào trễ"),
    ])


def _cell(row: Row, wall: Wall) -> Piece:
    """Shape, name, and until when it has told; what is late says so in its word."""
    age = row["freshness"] or ""
    mark = theme.freshness(age)
    upto = row["covered_until"] if text.known(row["covered_until"]) else row["last_good_at"]
    told = f"đến {text.reach(upto, now())}" if text.known(upto) else "chưa đọc lần nào"
    aged = age in ("late", "stale")
    return dcc.Link(
        [
            html.Div(brief(row["name"], wall.fit.room(_grid(wall)[0])), className="source-name"),
            html.Div(
                [
                    components.freshness(age, told) if aged
                    else html.Span(
                        [components.shape(mark, f"hue-{age}", label=mark.word), html.Span(told)],
                        className="source-told",
                    )
                ],
                className="source-age",
            ),
        ],
        href=link(f"/sources/{row['source']}"),
        className=f"source-one age-{age or 'unknown'}",
        title=row["name"],
    )  # fmt: skip


def brief(name: str, letters: int) -> str:
    """A name in two lines of so many letters; of a longer one its first words."""
    room = 2 * letters - 2
    if len(name) <= room:
        return name
    return f"{name[:room].rsplit(' ', 1)[0].rstrip(',')} …"

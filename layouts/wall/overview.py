"""The overview: a tile for every target with a number, then those that people assess."""

from __future__ import annotations

import math
from typing import Any

from dash import html

from layouts import theme
from layouts.components import Piece
from layouts.lines import Line, Row
from layouts.wall import sheet
from layouts.wall.sheet import TREND, Shown
from layouts.wall.tile import tile
from layouts.wall.view import Wall

TITLE = "Toàn bộ chỉ tiêu"


def count(wall: Wall) -> int:
    """Pages of numbers, then pages of words."""
    numbers, words = _parts(wall)
    return math.ceil(len(numbers) / wall.fit.tiles) + math.ceil(len(words) / wall.fit.tiles)


def tiles(wall: Wall, number: int) -> int:
    """How many tiles a page has."""
    return len(_page(wall, number))


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """A cell for every tile, each with a place for its trend."""
    cells = [
        html.Div(
            [
                sheet.place(_key(number, at), shown),
                sheet.chart(_key(number, at), shown, "tile-trend")
                if "trend" in wall.fit.extras
                else None,
            ],
            className="cell",
        )
        for at in range(len(_page(wall, number)))
    ]
    return html.Div(cells, className=f"wall-tiles{' stacked' if wall.fit.stacked else ''}")


def draw(wall: Wall, number: int) -> Shown:
    """The tiles of a page; where not all fit on one, those that need a look come first."""
    page = _page(wall, number)
    trends = _trends(wall, page) if "trend" in wall.fit.extras else {}
    shown: dict[str, Any] = {}
    for at, line in enumerate(page):
        shown[_key(number, at)] = tile(line, wall, wall.fit)
        if "trend" in wall.fit.extras:
            values = trends[line.parts[0].indicator] if _drawn(line) else []
            threshold = line.target["threshold"]
            shown[TREND + _key(number, at)] = sheet.drawing(values, threshold)
    return shown


def number_of(wall: Wall, target: str) -> int:
    """The page that has a target's tile."""
    pages = range(1, count(wall) + 1)
    return next((n for n in pages if target in (line.id for line in _page(wall, n))), 1)


def _key(number: int, at: int) -> str:
    return f"o{number}.{at}"


def _parts(wall: Wall) -> tuple[list[Line], list[Line]]:
    numbers, words = wall.numeric, [line for line in wall.lines if not line.numeric]
    if len(numbers) > wall.fit.tiles:
        worst = [str(name) for name in theme.ORDER]
        numbers = sorted(numbers, key=lambda line: (line.locked, worst.index(line.status)))
    return numbers, words


def _page(wall: Wall, number: int) -> list[Line]:
    many = wall.fit.tiles
    pages = [part[at : at + many] for part in _parts(wall) for at in range(0, len(part), many)]
    return pages[min(max(number, 1), len(pages)) - 1] if pages else []


def _drawn(line: Line) -> bool:
    return line.numeric and len(line.parts) == 1 and line.status != "no_source"


def _trends(wall: Wall, page: list[Line]) -> dict[str, list[Row]]:
    """The last periods of every indicator on the page."""
    return wall.periods(line.parts[0].indicator for line in page if _drawn(line))

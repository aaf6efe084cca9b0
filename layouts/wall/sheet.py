"""A sheet: one page of a wall. Laid out once, then filled place by place, never mounted again.

A scene is a module with ``TITLE``, ``count(wall)`` (how many sheets it takes), ``frame(wall,
number, shown)`` (the places of one) and ``draw(wall, number)`` (what stands in each place now).
A place of a small chart is filled with a style, so that the chart itself stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dash import html

from layouts import components
from layouts.components import Piece
from layouts.lines import Row
from layouts.text import known

Shown = Mapping[str, Any]  # what stands in each place, by its key
TREND = "~"  # begins the key of a place that holds a chart's style
HIDDEN: Row = {"display": "none"}
OF_MAP = "@"  # between a part of the map and what of it is set: "wall-map-units@hideout"


class Sheet(NamedTuple):
    """One page in the wall's loop."""

    key: str  # "overview-1"
    scene: str
    number: int  # of this scene, from 1
    title: str
    dwell: int  # seconds


def dwell(tiles: int) -> int:
    """How long a page of so many tiles takes to read."""
    return max(20, round(5 + 1.5 * tiles))


def place(key: str, shown: Shown, class_name: str = "slot") -> Piece:
    """A place for words and figures."""
    return html.Div(shown.get(key), id={"wall": key}, className=class_name)


def chart(key: str, shown: Shown, class_name: str = "") -> Piece:
    """A place for a small line; hidden while there is nothing to draw."""
    drawn = f"sparkline {class_name}".strip()
    return html.Span(
        id={"wall": TREND + key}, className=drawn, style=shown.get(TREND + key, HIDDEN)
    )


def aim(key: str) -> tuple[Any, str]:
    """The component of a place, and which of its properties is filled."""
    if OF_MAP in key:
        part, _, prop = key.partition(OF_MAP)
        return part, prop
    return {"wall": key}, "style" if key.startswith(TREND) else "children"


def drawing(periods: list[Row], threshold: Any) -> Row:
    """The style of a small line; where there is nothing to draw, of none."""
    values = [row["value"] for row in periods]
    if not any(map(known, values)):
        return HIDDEN
    style: Row = components.sparkline(values, threshold).style
    return style

"""Drawings of the map: classes around the plan's line, areas, circles and their legend.

The breaks of the classes are distances from the line in points and never move, so a colour means
the same on every date and for every indicator. What a map draws is plain GeoJSON and one
``hideout``: new figures restyle what is there, nothing is mounted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from html import escape
from typing import Any
from urllib.parse import urlsplit

import dash_leaflet as dl
from dash import html

from ioc.model import OrgUnit
from ioc.rule import Rule, exact, satisfies
from kpi import query
from kpi.query import Layer
from layouts import text
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import asker, desk

NEAR, FAR = 5, 20
NONE = "none"
BOUNDS = [[16.88, 105.55], [18.12, 107.05]]
MARGIN = 0.1  # degrees around a part of the territory
ROOMY = 60  # circles on one map; more are drawn smaller
REFORM = date(2025, 7, 1)


def grade(over: Any, under: Any, rule: Rule) -> str:
    """The class of a figure: met, or how far below the line; quarters where there is no line."""
    above, below = (exact(n) if text.known(n) else None for n in (over, under))
    if above is None or not below:
        return NONE
    value = Fraction(100 * above) / Fraction(below)
    if rule.threshold is None:
        return f"q{min(int(value // 25), 3) + 1}"
    if satisfies(rule.operator, above, below, 100, *rule[1:]):
        return "met"
    gap = Fraction(exact(rule.threshold) or 0) - value
    return "near" if gap < NEAR else "mid" if gap < FAR else "far"


def classes(rule: Rule) -> list[tuple[str, str]]:
    """Every class that a figure may have, worst first, in words with its numbers."""
    if rule.threshold is None:
        return [(f"q{n + 1}", f"{25 * n}–{25 * n + 25}{text.GAP}%") for n in range(4)]
    line = text.plain(rule.threshold)
    near, far = (text.plain(max(rule.threshold - step, 0)) for step in (NEAR, FAR))
    aim = text.level(rule.operator, rule.threshold, rule.threshold_high)
    return [
        ("far", f"thiếu từ {FAR} điểm: đến {far}{text.GAP}%"),
        ("mid", f"thiếu {NEAR}–{FAR} điểm: {far}–{near}{text.GAP}%"),
        ("near", f"thiếu dưới {NEAR} điểm: {near}–{line}{text.GAP}%"),
        ("met", f"đủ mức giao: {aim}"),
    ]


def legend(rule: Rule, grades: Sequence[str]) -> Piece:
    """The classes with how many org units each has; the hatch says: no data."""
    named = [*classes(rule), (NONE, "chưa có số liệu")]
    items = [
        html.Li(
            [
                html.Span(className=f"swatch k-{name}", **{"aria-hidden": "true"}),
                html.Span(words),
                html.B(text.number(grades.count(name))),
            ],
            **{"data-class": name},
        )
        for name, words in named
    ]
    return html.Ul(items, className="map-legend", **{"aria-label": "Các bậc màu"})


def hideout(rows: Iterable[Row], told: dict[str, list[str]], rule: Rule) -> dict[str, Any]:
    """What the style functions read: the class of every org unit, and what its tooltip says."""
    return {
        "units": {
            row["org_unit"]: [grade(row["numerator"], row["denominator"], rule)]
            + told[row["org_unit"]]
            for row in rows
        }
    }


def placed(units: Sequence[OrgUnit], carrying: Layer | None) -> int:
    """How many of the org units the map can draw: by the polygons of a layer, or by a position."""
    if carrying is None:
        return len(circles(units)["features"])
    drawn = query.features(desk().store, asker("features"), carrying.id)
    return sum(f'"id":"{unit.uid}"'.encode() in drawn for unit in units)


def around(units: Sequence[OrgUnit]) -> list[list[float]]:
    """The stretch of land that holds these org units."""
    points = [point["geometry"]["coordinates"] for point in circles(units)["features"]]
    if not points:
        return BOUNDS
    east, north = zip(*points, strict=True)
    return [
        [min(north) - MARGIN, min(east) - MARGIN],
        [max(north) + MARGIN, max(east) + MARGIN],
    ]


def circles(units: Sequence[OrgUnit]) -> dict[str, Any]:
    """Org units as points where they are; those without a position are left out."""
    placed = [unit for unit in units if unit.lat is not None and unit.lon is not None]
    radius = 10 if len(placed) <= ROOMY else 6
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": unit.uid,
                "properties": {"name": unit.name, "radius": radius},
                "geometry": {"type": "Point", "coordinates": [unit.lon, unit.lat]},
            }
            for unit in placed
        ],
    }


def url(layer: Layer) -> str:
    """Where the polygons of a layer are; the hash makes the address good for a year."""
    return f"/geo/{layer.id}.json?h={layer.hash}"


def canvas(
    shown: Layer | dict[str, Any],
    outline: Layer | None,
    hidden: dict[str, Any],
    cases: dict[str, Any],
    *,
    label: str,
    bounds: list[list[float]],
    tiles: str = "",
    page: str = "map",
    credit_at: str = "bottomright",
) -> Piece:
    """The map of a page: outlines, then the org units that carry the figures, then the cases."""
    drawn = [layer for layer in (shown, outline) if isinstance(layer, Layer)]
    given: dict[str, Any] = {"data": shown}
    if isinstance(shown, Layer):
        given = {"url": url(shown)}
    layers = [
        dl.TileLayer(url=tiles) if tiles else None,
        _under(outline, page) if outline else None,
        dl.GeoJSON(
            id=f"{page}-units",
            **given,
            hideout=hidden,
            style=_js("area"),
            pointToLayer=_js("circle"),
            onEachFeature=_js("unit"),
        ),
        dl.GeoJSON(
            id=f"{page}-cases",
            data=cases,
            cluster=True,
            zoomToBoundsOnClick=True,
            superClusterOptions={"radius": 60, "maxZoom": 13},
            pointToLayer=_js("pin"),
            clusterToLayer=_js("cluster"),
            onEachFeature=_js("case"),
        ),
        dl.AttributionControl(prefix=credit(drawn, tiles), position=credit_at),
    ]
    return html.Div(
        dl.Map(
            [layer for layer in layers if layer is not None],
            id=f"{page}-map",
            className="map-canvas",
            bounds=bounds,
            preferCanvas=False,
            attributionControl=False,
            zoomSnap=0.25,
            maxZoom=16,
            minZoom=7,
            scrollWheelZoom=False,  # the wheel scrolls the page
            trackViewport=False,
        ),
        className="map-frame",
        role="group",
        **{"aria-label": label},
    )


def _under(layer: Layer, page: str) -> Piece:
    """Outlines without a figure, in a pane of their own: whatever loads last, they lie below."""
    drawn = dl.GeoJSON(
        id=f"{page}-outline",
        url=url(layer),
        style=_js("outline"),
        interactive=False,
    )
    return dl.Pane(drawn, name="map-outlines", style={"zIndex": 350})


def credit(layers: Iterable[Layer], tiles: str = "") -> str:
    """Who made the outlines, under which licence they are shown, and whose tiles, as html."""
    made = dict.fromkeys(text.join([layer.source, layer.licence], ", ") for layer in layers)
    whose = f"nền: {urlsplit(tiles).netloc}" if tiles else ""
    return escape(text.join([*made, whose]))


def boundaries(drawn: Iterable[Layer], level: str, on: date) -> str:
    """Which boundaries the map draws: the date that they hold for."""
    words = []
    for layer in drawn:
        since = f"từ {text.day(layer.valid_from)}" if layer.valid_from else ""
        until = f"đến {text.day(layer.valid_to)}" if layer.valid_to else ""
        if layer.level == "area" and layer.schematic:
            until = "theo cấp huyện cũ đến 30/06/2025"
        words.append(text.join([layer.name, since, until], " "))
    if level == "commune" and on >= REFORM:
        words.append("xã, phường từ 01/07/2025")
    return f"Ranh giới: {text.join(words, '; ')}."


def _js(name: str) -> dict[str, str]:
    return {"variable": f"ioc.map.{name}"}

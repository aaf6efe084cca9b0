"""The map of a chosen indicator, or of the worst that org units below the province report."""

from __future__ import annotations

from dataclasses import replace

from dash import html

from layouts import map as map_
from layouts import mapcases, maps, text
from layouts.components import Piece
from layouts.lines import AREA, Row
from layouts.mapview import FIRST, MapView, found, look, whole
from layouts.wall import sheet, worst
from layouts.wall.scenes import WORST
from layouts.wall.sheet import Shown
from layouts.wall.view import Wall

TITLE = "Bản đồ"
PAGE = "wall-map"  # begins the ids of the map's parts
MOST = 8  # rows beside the map
BESIDE = 12.5  # lines that stand over and under the rows
NARROW = 1.2  # width by height


def count(wall: Wall) -> int:
    """One page."""
    return 1


def tiles(wall: Wall, number: int) -> int:
    """A map takes 25 seconds."""
    return 13


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """The map, mounted once; beside it whose it is, the classes, and those furthest behind."""
    view = _view(wall)
    filled = shown or draw(wall, number)
    narrow = " narrow" if wall.fit.shape < NARROW else ""
    return html.Div(
        [
            html.Div(_drawn(view, filled), className="wall-map-frame"),
            html.Div(
                [
                    sheet.place("m.head", filled, "wall-map-head"),
                    sheet.place("m.list", filled, "wall-map-list"),
                    sheet.place("m.legend", filled, "wall-map-legend"),
                ],
                className="wall-map-aside",
            ),
        ],
        className=f"wall-map{narrow}",
    )


def draw(wall: Wall, number: int) -> Shown:
    """The head, the ranked list and the classes; what the map's own layers show."""
    view = _view(wall)
    figures = [row for row in _found(wall, view) if row["org_unit"] != AREA]
    grades = [maps.grade(row["numerator"], row["denominator"], view.rule) for row in figures]
    told = {row["org_unit"]: [row["name"], "", "", ""] for row in figures}
    return {
        "m.head": _head(view, grades),
        "m.list": _list(wall, view, figures),
        "m.legend": maps.legend(view.rule, grades),
        f"{PAGE}-units@hideout": maps.hideout(figures, told, view.rule),
    }


def _drawn(view: MapView, shown: Shown) -> Piece:
    """The map alone: no cases, and who drew its ground at the left, over the sea's other side."""
    hideout = shown[f"{PAGE}-units@hideout"]
    return map_.drawn(view, hideout, mapcases.pins([]), PAGE, credit_at="bottomleft").map


def _view(wall: Wall) -> MapView:
    """The map of the indicator that was chosen, else of the worst that has one."""
    if "map" not in wall.kept:
        chosen = wall.scene("map").choice
        names = [chosen] if chosen != WORST else _candidates(wall)
        views = (_of(wall, name) for name in names)
        drawn = (one for one in views if any(text.known(row["value"]) for row in _found(wall, one)))
        wall.kept["map"] = next(drawn, None) or _of(wall, names[-1])
    view: MapView = wall.kept["map"]
    return view


def _candidates(wall: Wall) -> list[str]:
    failing = [worst.deciding(line).indicator for line in worst.ranked(wall.numeric)]
    return [*failing, FIRST]


def _of(wall: Wall, name: str) -> MapView:
    given = {"indicator": name}
    if wall.org_unit != AREA:
        given["org_unit"] = wall.org_unit
    view = look(given)
    assert view is not None  # an indicator of the catalogue, an org unit of the tree
    return replace(view, held=wall.held)


def _found(wall: Wall, view: MapView) -> list[Row]:
    key = f"map {view.key}"
    if key not in wall.kept:
        wall.kept[key] = found(view)
    rows: list[Row] = wall.kept[key]
    return rows


def _head(view: MapView, grades: list[str]) -> Piece:
    """Whose map it is, the figure of the whole, how many reach the line."""
    row = whole(view)
    shown = text.percent(row["numerator"], row["denominator"], *view.borders)
    line = view.rule.threshold
    aim = f"mức {text.level(*view.rule)}" if line is not None else "không có mức giao"
    met = f"{grades.count('met')}/{len(grades)} đạt" if line is not None else ""
    return html.Div([
        html.Div(view.indicator["short"], className="wall-map-name"),
        html.Div([html.B(shown), html.Span(text.period(view.period.text))]),
        html.Div(text.join([aim, met], ", ")),
    ])


def _list(wall: Wall, view: MapView, figures: list[Row]) -> Piece:
    """Furthest below the line first; as many as can be read."""
    known = [row for row in figures if text.known(row["value"]) and row["denominator"]]
    known.sort(key=lambda row: (row["numerator"] / row["denominator"], row["code"]))
    high = wall.fit.body * (0.47 if wall.fit.shape < NARROW else 1)
    room = min(max(int(high / wall.fit.line - BESIDE), 1), MOST)
    rows = [
        html.Div(
            [
                html.Span(className=f"swatch k-{_grade(view, row)}", **{"aria-hidden": "true"}),
                html.Span(row["name"], className="rank-name"),
                html.Span(_figure(view, row), className="rank-value"),
            ],
            className="wall-rank",
            **{"data-org-unit": row["org_unit"]},
        )
        for row in known[:room]
    ]
    if not rows:
        return html.P("Chưa đơn vị nào có số liệu.", className="wall-note")
    return html.Div([html.Div("Thấp nhất", className="wall-note"), *rows])


def _grade(view: MapView, row: Row) -> str:
    return maps.grade(row["numerator"], row["denominator"], view.rule)


def _figure(view: MapView, row: Row) -> str:
    over, under = row["numerator"], row["denominator"]
    if text.few(under):
        return text.counts(over, under)
    return text.percent(over, under, *view.borders)

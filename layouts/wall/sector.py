"""One sector: who feeds it, its targets as tiles, what it watches besides."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dash import dcc, html

from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import Line, Row, indicators
from layouts.state import desk, link, now
from layouts.wall import sheet, sources, worst
from layouts.wall.legibility import GAP_VH, LEADING, Plan
from layouts.wall.scenes import WORST
from layouts.wall.sheet import TREND, Shown
from layouts.wall.tile import code, hero, tile
from layouts.wall.view import Wall

TITLE = "Một lĩnh vực"
PAGES = 2


class _Piece(NamedTuple):
    """What one cell shows: the sector itself, a target, its history, or an indicator besides."""

    kind: str  # "card", "target", "watched" or "trend"
    name: str
    line: Line | None = None


def count(wall: Wall) -> int:
    """Pages of tiles; what the sector watches besides its targets gives way."""
    return min(math.ceil(len(_pieces(wall)) / _fit(wall).tiles), PAGES)


def tiles(wall: Wall, number: int) -> int:
    """How many tiles a page has."""
    return len(_page(wall, number))


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """A cell for every tile of the grid: the sector may be another one next month."""
    fit = _fit(wall)
    cells = [
        html.Div(
            [
                sheet.place(_key(number, at), shown),
                sheet.chart(_key(number, at), shown, "sector-trend"),
            ],
            className="cell",
        )
        for at in range(fit.tiles)
    ]
    stacked = " stacked" if fit.stacked else ""
    return html.Div(cells, className=f"wall-tiles sized{stacked}", style=fit.style)


def draw(wall: Wall, number: int) -> Shown:
    """The sector's card, its targets, its other indicators."""
    page = _page(wall, number)
    lines = {at: one.line for at, one in enumerate(page) if one.line and one.kind == "trend"}
    trends = wall.periods(line.parts[0].indicator for line in lines.values())
    wall.periods(one.name for one in page if one.kind == "watched")
    shown: dict[str, Any] = {}
    for at in range(_fit(wall).tiles):
        shown[_key(number, at)] = _drawn(wall, page[at]) if at < len(page) else None
        line = lines.get(at)
        values = trends[line.parts[0].indicator] if line else []
        threshold = line.target["threshold"] if line else None
        shown[TREND + _key(number, at)] = sheet.drawing(values, threshold)
    return shown


def _fit(wall: Wall) -> Plan:
    """A sector has few tiles: they are larger."""
    return wall.fitting(len(_pieces(wall)))


def _key(number: int, at: int) -> str:
    return f"n{number}.{at}"


def key_of(wall: Wall) -> str:
    """The sector that is shown: chosen, or that of the worst target."""
    chosen = wall.scene("sector").choice
    if chosen != WORST:
        return chosen
    failing = worst.ranked(wall.numeric) or wall.numeric
    if not failing:  # whoever reads no target has a wall too
        return ""
    return str(indicators()[failing[0].parts[0].indicator]["sector"])


def _pieces(wall: Wall) -> list[_Piece]:
    """What stands in the cells, from the catalogue alone: every drawing asks how many they are."""
    if "sector" not in wall.kept:
        known, key = indicators(), key_of(wall)
        own = {name for name, row in known.items() if row["sector"] == key}
        lines = [line for line in wall.lines if any(part.indicator in own for part in line.parts)]
        watched = [name for name in own if known[name]["source"] and not known[name]["targets"]]
        missing = max(3 - len(lines) - len(watched), 0)
        drawn = [line for line in lines if line.numeric][:missing]
        wall.kept["sector"] = [
            _Piece("card", key),
            *(_Piece("target", key, line) for line in lines),
            *(_Piece("watched", name) for name in sorted(watched, key=list(known).index)),
            *(_Piece("trend", key, line) for line in drawn),
        ]
    found: list[_Piece] = wall.kept["sector"]
    return found


def _page(wall: Wall, number: int) -> list[_Piece]:
    many = _fit(wall).tiles
    return _pieces(wall)[(number - 1) * many : number * many]


def _sources(wall: Wall, key: str) -> list[Row]:
    """The sources of a sector, and those that feed its indicators."""
    fed = {row["source"] for row in indicators().values() if row["sector"] == key}
    found = wall.sources.values()
    return [row for row in found if row["sector"] == key or row["source"] in fed]


def _drawn(wall: Wall, piece: _Piece) -> Piece:
    if piece.kind == "watched":
        return _watched(wall, indicators()[piece.name])
    if piece.line is None:
        return _card(wall, piece.name)
    target = piece.kind == "target"
    return tile(piece.line, wall, _fit(wall)) if target else _history(wall, piece.line)


def _card(wall: Wall, key: str) -> Piece:
    """The sector's name and how its sources stand."""
    name, fed = desk().store.catalogue.sectors[key], _sources(wall, key)
    ages = [row["freshness"] or "" for row in fed]
    heard = sum(age in ("fresh", "final") for age in ages)
    silent = min(
        (row for row in fed if row["freshness"] in ("late", "stale")),
        key=lambda row: row["freshness"] != "stale",
        default=None,
    )
    told = f"{heard}/{len(ages)} nguồn có số mới" if ages else "chưa có nguồn"
    fit, href = _fit(wall), link(f"/sector/{key}")
    high = (fit.body - (fit.down - 1) * GAP_VH) / fit.down - 2 * fit.label * LEADING
    room = int((high / fit.line - 3) / 2)  # two lines each; what is told of all takes two
    shown = fed if len(fed) <= room else []
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(name, className="sector-name"),
                    html.Ul([_source(row, fit) for row in shown], className="sector-sources"),
                    html.Div(
                        [
                            html.Div(told),
                            components.freshness(silent["freshness"], "") if silent else None,
                        ],
                        className="sector-told",
                    ),
                ],
                href=href,
            ),
            code(href, name),
        ],
        className="tile sector-card",
        **{"data-sector": key},
    )


def _source(row: Row, fit: Plan) -> Piece:
    """How a source stands, and its name."""
    mark = theme.freshness(row["freshness"] or "")
    letters = fit.room(fit.across) - 3
    return html.Li([
        components.shape(mark, f"hue-{row['freshness'] or ''}", label=mark.word),
        html.Span(sources.brief(row["name"], letters)),
    ])


def _history(wall: Wall, line: Line) -> Piece:
    """Whose line the place beside draws, from when to when."""
    key = line.parts[0].indicator
    name, periods = indicators()[key]["short"], wall.periods([key])[key]
    span = _span(periods[0]["period"], periods[-1]["period"]) if periods else ""
    return html.Article(
        [
            html.Div(
                [
                    html.Div(name, className="tile-name"),
                    html.Div(
                        [html.Div(span), html.Div(f"nét đứt: mức {line.level}")],
                        className="history-note",
                    ),
                ],
                className="history",
            ),
            code(line.href, name),
        ],
        className="tile history-tile",
    )


def _span(first: str, last: str) -> str:
    """10/2024 – 11/2026; quý II/2024 – III/2026; 2021 – 2026."""
    begins = text.period(first).removeprefix("tháng ").removeprefix("năm ")
    return f"{begins} – {text.period(last).rpartition(' ')[2]}"


def _watched(wall: Wall, row: Row) -> Piece:
    """An indicator without a target: its newest period in grey, and until when it goes."""
    last = wall.newest(row["indicator"])
    age, upto = last.get("freshness") or "", last.get("data_as_of")
    shown = text.value(last) if last else text.NONE
    period = text.period(last["period"]) if last else "chưa có số liệu"
    told = f"đến {text.reach(upto, now())}" if text.known(upto) else ""
    clock = (
        components.freshness(age, "") if age in ("late", "stale")
        else html.Span(told, className="until")
    )  # fmt: skip
    href = link(f"/indicator/{row['indicator']}")
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(row["short"], className="tile-name"),
                    html.Div(hero(shown), className="tile-head"),
                    html.Div([html.Span(period), clock], className="tile-live"),
                ],
                href=href,
            ),
            code(href, row["short"]),
        ],
        className="tile watched-tile",
        **{"data-indicator": row["indicator"]},
    )

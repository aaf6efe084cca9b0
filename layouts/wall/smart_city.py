"""The five basic smart-city services: where they run, how well, and what is open right now."""

from __future__ import annotations

import math

from dash import dcc, html

from kpi import query
from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import AREA, Line, Row, indicators
from layouts.state import count as how_many
from layouts.state import link, now, rows
from layouts.wall import sheet
from layouts.wall.sheet import Shown
from layouts.wall.tile import code, hero, tile
from layouts.wall.view import Wall

TITLE = "Dịch vụ đô thị thông minh"
LETTERS = 24  # of a line, at least
LINES, FEW_LINES = 9.6, 6.7  # of notes in a card; where every name has room in one line
ROOMY = 44  # letters of a line that holds every name
ROLLOUT = "smart_services"  # the source that says where each of them runs
CASES = ("field_report", "traffic_incident", "order_incident")  # records that somebody has to close


def services(wall: Wall) -> list[str]:
    """The sectors that are basic services, in the plan's order."""
    counted = [row["sector"] for row in indicators().values() if row["source"] == ROLLOUT]
    return [sector for sector in dict.fromkeys(counted) if sector != "smart_city"]


def count(wall: Wall) -> int:
    """Pages of cards."""
    return math.ceil((1 + len(services(wall))) / _fitting(wall))


def tiles(wall: Wall, number: int) -> int:
    """A card takes as long as two tiles."""
    return 2 * _fitting(wall)


def frame(wall: Wall, number: int, shown: Shown) -> Piece:
    """A place for every service."""
    here = _page(wall, number)
    across = _grid(wall)[0]
    style = {"--columns": str(across), "--rows": str(math.ceil(len(here) / across))}
    cells = [sheet.place(_key(name), shown, "service-cell") for name in here]
    stacked = " stacked" if wall.fit.stacked else ""
    roomy = " roomy" if wall.fit.room(across) >= ROOMY else ""
    return html.Div(cells, className=f"service-grid{stacked}{roomy}", style=style)


def draw(wall: Wall, number: int) -> Shown:
    """The cards of a page."""
    wall.periods(key for name in _page(wall, number) if name for key in _measured(name))
    return {
        _key(name): _card(wall, name) if name else tile(_target(wall), wall, wall.fit)
        for name in _page(wall, number)
    }


def _page(wall: Wall, number: int) -> list[str]:
    """What stands on a page: first the target itself (an empty name), then its services."""
    many = _fitting(wall)
    return ["", *services(wall)][(number - 1) * many : number * many]


def _target(wall: Wall) -> Line:
    """The target that counts these services."""
    known = indicators()
    counted = (x for x in wall.numeric if known[x.parts[0].indicator]["sector"] == "smart_city")
    return next(counted)


def _key(name: str) -> str:
    return f"c.{name}"


def _grid(wall: Wall) -> tuple[int, int]:
    """Columns and rows of the fewest pages, the cards as wide as they can be."""
    fit, many = wall.fit, 1 + len(services(wall))
    wide = [n for n in range(1, many + 1) if fit.room(n) >= LETTERS] or [1]
    grids = [(n, fit.rows(FEW_LINES if fit.room(n) >= ROOMY else LINES, most=many)) for n in wide]
    return min(grids, key=lambda grid: (math.ceil(many / (grid[0] * grid[1])), grid[0]))


def _fitting(wall: Wall) -> int:
    across, down = _grid(wall)
    return across * down


def _rollout(wall: Wall) -> list[Row]:
    if "rollout" not in wall.kept:
        wall.kept["rollout"] = rows(query.rollout, **wall.when)
    found: list[Row] = wall.kept["rollout"]
    return found


def _measured(service: str) -> list[str]:
    """The indicators of a service in percent that its own system feeds, in their order."""
    return [
        key
        for key, row in indicators().items()
        if row["sector"] == service and row["source"] not in ("", ROLLOUT)
        and row["unit"] == "%"
    ][:2]  # fmt: skip


def _card(wall: Wall, service: str) -> Piece:
    found = [row for row in _rollout(wall) if row["service"] == service]
    name = found[0]["name"]
    said = [_measure(wall, key, first=at == 0) for at, key in enumerate(_measured(service))]
    href = link(f"/sector/{service}")
    return html.Article(
        [
            dcc.Link(
                [
                    html.Div(name, className="service-name"),
                    _stands(found),
                    *said,
                    *_open(wall, service),
                ],
                href=href,
            ),
            code(href, name),
        ],
        className="tile service-card",
        **{"data-service": service},
    )


def _stands(found: list[Row]) -> Piece:
    """Operating in 8 of 8 areas; the shape is fuller the further it is."""
    whole = next((row["state"] for row in found if row["org_unit"] == AREA), "")
    areas = [row for row in found if row["org_unit"] != AREA]
    running = sum(row["state"] == "operating" for row in areas)
    mark = theme.ROLLOUT.get(whole, theme.ROLLOUT[""])
    told = f"{running}/{len(areas)} địa bàn vận hành" if whole else ""
    return html.Div([components.told(mark), html.Span(told)], className="service-state")


def _measure(wall: Wall, key: str, *, first: bool) -> Piece:
    """A share of the newest month: its name, large the first one, until when it goes."""
    row, last = indicators()[key], wall.newest(key)
    shown = text.value(last) if last else text.NONE
    age = last.get("freshness") or ""
    upto = text.reach(last["data_as_of"], now()) if last.get("data_as_of") else ""
    clock = (
        components.freshness(age, "") if age in ("late", "stale")
        else html.Span(f"đến {upto}" if upto else "", className="until")
    )  # fmt: skip
    figure = hero(shown) if first else html.B(shown)
    return html.Div(
        [
            html.Div(row["short"], className="measure-name"),
            html.Div([figure, clock if first else None], className="measure-figure"),
        ],
        className="service-measure" if first else "service-measure second",
    )


def _open(wall: Wall, service: str) -> list[Piece]:
    """What is open now in the service's own records, and how much of it past its deadline."""
    own = [row for row in wall.sources.values() if row["sector"] == service and row["record"]]
    names = [row["source"] for row in own if row["record"] in CASES]
    if not names:
        return [html.Div(text.GAP, className="service-open")]  # so that all cards stand in line
    here = {} if wall.org_unit == AREA else {"org_units": [wall.org_unit]}
    asked = {"sources": names, "open_only": True} | here | wall.when
    opened = how_many(query.records, **asked)
    late = how_many(query.records, overdue=True, **asked)
    return [
        html.Div(
            [
                html.Span([html.B(text.number(opened)), " đang mở"]),
                html.Span([html.B(text.number(late)), " quá hạn"]),
            ],
            className="service-open",
        )
    ]

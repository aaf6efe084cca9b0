"""The wall: scenes that turn by themselves, drawn once and filled as the data move.

All sheets of all scenes stand on the page, one of them is seen. The browser (assets/wall.js) turns
them, tells the server which one it is about to show, and only that one is drawn and sent. The
address holds everything: ``/wall?scene=&org_unit=&d=&diag=&theme=``.
"""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html, set_props

from ioc.period import local_date
from kpi.query import Steering, steering
from layouts import components, shell, text
from layouts.components import Piece
from layouts.lines import AREA, tally
from layouts.slots import marks
from layouts.state import as_of, callback, desk, hold, link, present, steady
from layouts.wall import gravest, news, overview, sector, sheet, smart_city, sources, worst
from layouts.wall import map as map_
from layouts.wall.legibility import ASIDE, LETTER, wide
from layouts.wall.sheet import Sheet, Shown, aim
from layouts.wall.view import Wall, again, look, programme

SCENES = {
    "overview": overview,
    "gravest": gravest,
    "worst": worst,
    "map": map_,
    "sector": sector,
    "smart_city": smart_city,
    "sources": sources,
}
COUNT = 1.7  # a shape and the gaps of a count, in letters' heights
LIMITS = ("late_at", "stale_at")  # from then on a figure is drawn as old


def layout(**given: Any) -> Piece:
    """The whole screen: every sheet in its place, the first of them filled."""
    wall = look(given, _said())
    if wall is None:
        return shell.not_found()
    every = sheets(wall)
    at = every[min(max(wall.page, 1), len(every)) - 1]
    shown = _scene(at).draw(wall, at.number)
    fit = wall.fit
    return html.Div(
        [
            dcc.Store(id="wall-given", data=dict(wall.given)),
            dcc.Store(id="wall-at", data=at.key),
            dcc.Store(id="wall-seen", data={"at": at.key, **marks(shown)}),
            html.Script(news.told(wall, every), id="wall-news", type="application/json"),
            _head(wall, at, every),
            html.Main(
                [_section(wall, one, shown if one == at else {}, on=one == at) for one in every],
                className="wall-stage",
            ),
        ],
        id="wall",
        className="wall",
        style=fit.style,
        **_data(wall),
    )


@callback(
    Output("wall-counts", "children"),
    Output("wall-held", "children"),
    Output("wall-news", "children"),
    Output("wall-seen", "data"),
    Input("live", "data"),
    Input("wall-at", "data"),
    State("wall-given", "data"),
    State("wall-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, key: Any, given: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again for the sheet that is on; send the places of it that changed."""
    wall = again(given, _said())
    every = sheets(wall)
    at = next((one for one in every if one.key == key), every[0])
    shown = _scene(at).draw(wall, at.number)
    had = seen if isinstance(seen, dict) and seen.get("at") == at.key else {}
    new = marks(shown)
    for name, piece in shown.items():
        if new[name] != had.get(name):
            component, prop = aim(name)
            set_props(component, {prop: piece})
    steady(*(row.get(limit) for line in wall.lines for row in line.rows for limit in LIMITS))
    return counts(wall), held(wall), news.told(wall, every), {"at": at.key, **new}


def sheets(wall: Wall) -> list[Sheet]:
    """Every page of the wall, in the order in which it turns them."""
    found = []
    for scene in wall.scenes:
        module = SCENES[scene.name]
        for number in range(1, max(module.count(wall), 1) + 1):
            seconds = scene.dwell or sheet.dwell(module.tiles(wall, number))
            key = f"{scene.name}-{number}"
            found.append(Sheet(key, scene.name, number, module.TITLE, seconds))
    return found


def usual() -> Wall:
    """The wall of an address that asks for nothing."""
    return again({})


def _said() -> Steering:
    """The newest word to the walls; an instant of the address, or that they are held at, is what
    this answer is of.
    """
    said = steering(desk().store)
    if as_of():
        return said._replace(held=as_of())
    if said.held:
        hold(said.held)
    return said


def _scene(at: Sheet) -> Any:
    return SCENES[at.scene]


def _section(wall: Wall, at: Sheet, shown: Shown, *, on: bool) -> Piece:
    return html.Section(
        _scene(at).frame(wall, at.number, shown),
        className=f"wall-sheet scene-{at.scene}{' on' if on else ''}",
        **{
            "data-sheet": at.key,
            "data-dwell": str(at.dwell),
            "data-title": at.title,
            "aria-label": at.title,
        },
    )


def _data(wall: Wall) -> dict[str, str]:
    """What the browser needs to turn the pages: nothing that follows the data."""
    plan = programme()
    night = "-".join(plan.night) if plan.night else ""
    return {
        "data-shape": f"{wall.fit.shape:.3f}",
        "data-pinned": "1" if wall.page else "",
        "data-night": night,
        "data-dim": str(plan.dim),
        "data-reload": plan.reload,
    }


# ── the header ─────────────────────────────────────────────────────────────────────────────


def _head(wall: Wall, at: Sheet, every: list[Sheet]) -> Piece:
    return html.Header(
        [
            html.Div(
                [
                    html.Div(_title(wall, at, every), className="wall-line"),
                    html.Div(counts(wall), id="wall-counts", className="counts"),
                ],
                className="wall-words",
            ),
            html.Div(held(wall), id="wall-held", className="wall-held"),
            shell.sample_mark(),
            shell.clock(),
        ],
        className="wall-head",
    )


def _title(wall: Wall, at: Sheet, every: list[Sheet]) -> list[Piece]:
    """What is shown, where we are, which page, how long it stays; what does not fit gives way."""
    page = f"trang {every.index(at) + 1}/{len(every)}"
    name = shell.TERRITORY if wall.org_unit == AREA else desk().orgunits[wall.org_unit].name
    longest = max(len(one.title) for one in every)
    left = wall.fit.letters - len(page) - len(" · còn 30 giây")
    scene = longest <= left
    where = scene and longest + len(name) + 3 <= left
    if wall.org_unit != AREA and not where:  # whose figures these are goes before what is shown
        scene, where = False, len(name) <= left
    return [
        dcc.Link(
            at.title if scene else "", href=link("/"), id="wall-title", className="wall-title"
        ),
        html.Span(name if where else "", className="wall-where"),
        html.Span(
            [
                html.Span(page, id="wall-place"),
                html.Span("", id="wall-rest"),
            ],
            className="wall-page",
        ),
    ]


def counts(wall: Wall) -> list[Piece]:
    """Counts per status over all targets; words give way where the line is full."""
    told, fit = tally(wall.lines), wall.fit
    room = (100 * fit.shape - ASIDE * fit.note) / fit.note  # in letters' heights
    room -= sum(COUNT + wide(str(number)) for _, number in told)
    letters = sum(len(str(number)) + 3 for _, number in told) + int(room / LETTER)
    return components.counts(told, letters=letters)


def held(wall: Wall) -> str:
    """Says of a wall that is held that it is, and since when."""
    if not wall.held:
        return ""
    here = text.local(wall.held)
    if here.time() == here.time().min:
        return f"Giữ số hết ngày {local_date(wall.held):%d/%m/%Y}"
    day = "" if here.date() == text.local(present()).date() else f" {here:%d/%m/%Y}"
    return f"Giữ số lúc {here:%H:%M}{day}"

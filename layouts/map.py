"""The map: org units against the plan's line on a date, and the cases that are open today."""

from __future__ import annotations

from typing import Any, NamedTuple

from dash import Input, Output, State, dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, lately, mapcases, maps, shell, text
from layouts.components import Piece
from layouts.lines import AREA, Row, indicators
from layouts.mapview import STEPS, MapView, again, found, look, whole
from layouts.places import address
from layouts.slots import changed, marks, memory
from layouts.state import asker, callback, desk, link, steady, today

PARTS = ("head", "legend", "list", "hideout", "cases", "told")
LEVELS = {"district": "Cấp huyện", "area": "Địa bàn", "commune": "Xã, phường"}
GRAINS = {"month": "Tháng", "quarter": "Quý", "year": "Năm"}


def layout(**given: Any) -> Piece:
    """The map of an address."""
    view = look(given)
    if view is None:
        return shell.not_found()
    shown = pieces(view)
    return shell.desk_page(
        dcc.Store(id="map-view", data=view.given),
        memory("map", shown),
        _title(view),
        html.Div(
            [
                html.Section(
                    [
                        canvas(view, shown),
                        html.Div(shown["legend"], id="map-legend"),
                        mapcases.filters(view),
                        html.Div(shown["told"], id="map-told"),
                    ],
                    className="card map-card",
                    **{"aria-label": "Bản đồ"},
                ),
                _list(view, shown),
            ],
            className="map-columns",
        ),
        active="/map",
        crumbs=_crumbs(view),
    )


def pieces(view: MapView, cases: list[Row] | None = None) -> dict[str, Any]:
    """All that follows the data; ``cases`` are the pins where the address does not choose them."""
    rows = [row for row in found(view) if row["org_unit"] != AREA]
    cases = mapcases.cases(view) if cases is None else cases
    words = dict(maps.classes(view.rule)) if view.rule.threshold is not None else {}
    told = {row["org_unit"]: _told(view, row, words) for row in rows}
    grades = [maps.grade(row["numerator"], row["denominator"], view.rule) for row in rows]
    return {
        "head": _head(view, grades),
        "legend": maps.legend(view.rule, grades),
        "list": _ranked(view, rows),
        "hideout": maps.hideout(rows, told, view.rule),
        "cases": mapcases.pins(cases),
        "told": mapcases.told(view, cases),
    }


@callback(
    Output("map-head", "children"),
    Output("map-legend", "children"),
    Output("map-list", "children"),
    Output("map-units", "hideout"),
    Output("map-cases", "data"),
    Output("map-told", "children"),
    Output("map-seen", "data"),
    Input("live", "data"),
    State("map-view", "data"),
    State("map-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed: the map itself stays."""
    shown = pieces(again(given))
    steady()  # nothing on the map is finer than a minute
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


# ── the map ────────────────────────────────────────────────────────────────────────────────


class Drawing(NamedTuple):
    """The drawn map, the boundaries that it is drawn by, and how many org units have no place."""

    map: Piece
    layers: list[query.Layer]
    lost: int


def drawn(
    view: MapView, hideout: dict[str, Any], cases: dict[str, Any], page: str, **look: Any
) -> Drawing:
    """Org units by their polygons, else as circles; ``page`` begins the ids of the map's parts."""
    layers = {layer.level: layer for layer in query.layers(desk().store, asker("layers"), view.on)}
    carrying, outline = layers.get(view.level), None
    if carrying is None or view.level == "commune":
        outline = layers.get("district") or layers.get("area")
    population = desk().orgunits.population(view.level, view.on)
    units = [unit for unit in population if unit.uid in hideout["units"]]
    canvas = maps.canvas(
        carrying or maps.circles(units),
        outline,
        hideout,
        cases,
        label=f"Bản đồ {view.indicator['short']}; cùng số liệu ở danh sách bên cạnh",
        bounds=maps.BOUNDS if view.whole else maps.around(units),
        tiles=desk().settings.tile_url or "",
        page=page,
        **look,
    )
    used = [layer for layer in (carrying, outline) if layer]
    return Drawing(canvas, used, len(units) - maps.placed(units, carrying))


def canvas(view: MapView, shown: dict[str, Any], page: str = "map") -> Piece:
    """The drawing of ``pieces`` with its boundaries told."""
    map_, layers, lost = drawn(view, shown["hideout"], shown["cases"], page)
    told = text.join([maps.boundaries(layers, view.level, view.on), _unplaced(lost)], " ")
    return html.Div(
        [
            map_,
            html.P("Sơ đồ, không phải ranh giới pháp lý", className="map-badge")
            if any(layer.schematic for layer in layers)
            else None,
            html.P(told, className="map-note"),
        ],
        className="map-holder",
    )


def _unplaced(count: int) -> str:
    return f"{count} đơn vị chưa có vị trí, chỉ có trong danh sách." if count else ""


# ── what is asked ──────────────────────────────────────────────────────────────────────────


def _crumbs(view: MapView) -> list[Piece] | None:
    """Back from a part of the territory to all of it."""
    if view.whole:
        return None
    here = desk().orgunits[view.org_unit].name
    return shell.crumb(("Bản đồ", view.address(org_unit="")), (here, ""))


def _title(view: MapView) -> Piece:
    return html.Div(
        [
            html.Div([html.H1("Bản đồ"), _chooser(view)], className="map-title"),
            html.Div([_levels(view), _periods(view)], className="toolbar map-toolbar"),
        ],
        className="title-row",
    )


def _chooser(view: MapView) -> Piece:
    """Every indicator by sector, as links: first those with a source, then the others."""
    rows = [row for row in indicators().values() if row["unit"] == "%"]
    fed, others = (
        _sectors(view, [row for row in rows if bool(row["source"]) is sourced])
        for sourced in (True, False)
    )
    return html.Details(
        [
            html.Summary(view.indicator["name"]),
            html.Div(
                [
                    html.Div(fed, className="map-groups"),
                    html.P("Chưa có nguồn", className="map-quiet"),
                    html.Div(others, className="map-groups"),
                ],
                className="map-options",
            ),
        ],
        className="map-chooser",
    )


def _sectors(view: MapView, rows: list[Row]) -> list[Piece]:
    names = desk().store.catalogue.sectors
    by_sector: dict[str, list[Piece]] = {}
    for row in rows:
        option = dcc.Link(
            row["short"],
            href=view.address(indicator=row["indicator"], level=""),
            className="on" if row["indicator"] == view.key else "",
        )
        by_sector.setdefault(names.get(row["sector"], ""), []).append(html.Li(option))
    return [html.Div([html.H3(name), html.Ul(items)]) for name, items in by_sector.items()]


def _levels(view: MapView) -> Piece:
    options = [
        (
            LEVELS[name],
            view.address(level="" if name == view.levels[0] else name),
            name == view.level,
        )
        for name in view.levels
    ]
    return components.choice(options, label="Cấp đơn vị")


def _periods(view: MapView) -> Piece:
    """One step back, one step on, and how long a step is."""
    period = view.period
    before, after = period.previous(), period.next()
    ahead = after.start <= today()
    steps = [
        dcc.Link("‹", href=view.at(before), className="step", title=text.period(before.text)),
        html.Span(text.period(period.text), className="map-period"),
        dcc.Link("›", href=view.at(after), className="step", title=text.period(after.text))
        if ahead
        else html.Span("›", className="step off", **{"aria-hidden": "true"}),
    ]
    grains = [
        (GRAINS[name], view.at(Period.of(name, view.on)), name == period.grain) for name in STEPS
    ]
    return html.Div(
        [
            components.choice(grains, label="Độ dài kỳ"),
            html.Nav(steps, className="map-steps", **{"aria-label": "Kỳ"}),
        ],
        className="map-periods",
    )


# ── what is found ──────────────────────────────────────────────────────────────────────────


def _head(view: MapView, grades: list[str]) -> Piece:
    row = whole(view)
    shown = text.percent(row["numerator"], row["denominator"], *view.borders)
    name = "Toàn địa bàn" if view.whole else desk().orgunits[view.org_unit].name
    counts = text.counts(row["numerator"], row["denominator"])
    absent = text.REASONS.get(row["reason"] or "", "chưa có số liệu")
    told = absent if shown == text.NONE else f"{shown} ({counts})"
    line = view.rule.threshold
    met = f"{grades.count('met')}/{len(grades)} đơn vị đủ mức giao" if line is not None else ""
    aim = text.level(*view.rule) if line is not None else "không có mức giao bằng số"
    said = [f"{name}: {told}", f"mức giao {aim}" if line is not None else aim, met]
    running = view.period.end >= today() and view.indicator["source"]
    age = lately.reached({view.indicator["source"]}) if running else None
    return html.P([text.sentence(text.join(said)), " ", age], className="under")


def _list(view: MapView, shown: dict[str, Any]) -> Piece:
    size = len(shown["list"]) + (view.level == "area" and view.whole)  # and the whole
    return components.card(
        text.LEVELS[view.level],
        html.Div(shown["head"], id="map-head"),
        html.Div(
            shown["list"], id="map-list", className="ranking map-list", tabIndex=0,
            role="region", **{"aria-label": "Danh sách đơn vị, thấp nhất trước"},
        ),
        html.P(
            dcc.Link("Xem chỉ số này", href=f"/indicator/{view.key}"), className="map-more"
        ),
        note=components.downloads("/api/v1/values", link, size, **view.question),
    )  # fmt: skip


def _ranked(view: MapView, rows: list[Row]) -> list[Piece]:
    """Furthest below the line first; those without a figure at the end, never hidden."""
    return [_rank(view, row) for row in sorted(rows, key=_order)]


def _order(row: Row) -> tuple[bool, float, str]:
    over, under = row["numerator"], row["denominator"]
    absent = not (text.known(over) and text.known(under)) or not under
    return absent, 0.0 if absent else over / under, row["code"]


def _rank(view: MapView, row: Row) -> Piece:
    name = maps.grade(row["numerator"], row["denominator"], view.rule)
    value = row["value"] if name != maps.NONE else None
    first, second = _figures(view, row)
    return dcc.Link(
        [
            html.Span(className=f"swatch k-{name}", **{"aria-hidden": "true"}),
            html.Span(row["name"], className="rank-name"),
            components.bullet(value, *view.borders),
            html.Span(first, className="rank-value"),
            html.Span(second, className="rank-n"),
        ],
        href=address(row["org_unit"]),
        className=f"rank{' empty' if name == maps.NONE else ''}",
    )


def _figures(view: MapView, row: Row) -> tuple[str, str]:
    """What stands in front and behind: counts come first where the denominator is small."""
    over, under = row["numerator"], row["denominator"]
    share = text.percent(over, under, *view.borders)
    if share == text.NONE:
        return text.NONE, text.REASONS.get(row["reason"] or "", "chưa có số liệu")
    shown = (
        (text.counts(over, under), share) if text.few(under) else (share, text.counts(over, under))
    )
    partly = text.known(row["coverage"]) and row["coverage"] < 1
    phu = f"phủ {text.number(100 * row['coverage'])}{text.GAP}%" if partly else ""
    return shown[0], text.join([shown[1], phu])


def _told(view: MapView, row: Row, words: dict[str, str]) -> list[str]:
    """The tooltip of an org unit: name, figure, counts, where it stands, since when known."""
    first, second = _figures(view, row)
    name = maps.grade(row["numerator"], row["denominator"], view.rule)
    known = f"ghi nhận {text.minute(row['known_at'])}" if text.known(row["known_at"]) else ""
    return [row["name"], text.join([first, second]), words.get(name, ""), known]

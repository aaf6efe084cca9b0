"""The same rows as a picture: lines over time, a ranking of one period, or the map of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from dash import dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, figures, mapview, places, text, theme
from layouts import map as maps_page
from layouts.components import Piece
from layouts.explore.view import Explore, borders, edge
from layouts.lines import Row, indicators
from layouts.places import address
from layouts.state import home, rows, today

MOST_LINES = 9  # the eight areas and the whole of them
MOST_CHARTS = 6
NAMED = 8
"""Quarters that stand with their names under a chart; of more the years do."""
ENDS = 30
"""Org units of a long ranking that are drawn at each end of it."""
DASHES = ("solid", "6px,4px", "2px,3px", "10px,4px,2px,4px")
SIGNS = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "cross": "✚", "x": "✖",
    "star": "★", "triangle-down": "▼", "hexagram": "✶",
}  # fmt: skip
"""The points of the lines, and the same as letters for their list."""
SYMBOLS = tuple(SIGNS)


def chart(view: Explore, units: list[str]) -> Piece:
    """Lines where there are few org units and several periods, else one period as a ranking."""
    shown = view.indicators[:MOST_CHARTS]
    more = len(view.indicators) - len(shown)
    lines = len(units) <= MOST_LINES and view.first != view.last
    told = _told(view, len(units), lines, more)
    drawn = [(_lines if lines else _ranking)(view, key, units) for key in shown]
    return html.Div(
        [
            None if lines else steps(view),
            html.P(told, className="under"),
            *drawn,
        ],
        className="explore-charts",
    )


def _told(view: Explore, many: int, lines: bool, more: int) -> str:
    """What is drawn, and what is not."""
    left = f"Còn {more} chỉ số không vẽ: xem bảng hoặc chọn ít hơn." if more else ""
    if lines:
        what = "mỗi đường là một đơn vị; kỳ không có số liệu để trống"
        return text.join([text.sentence(what), left], " ")
    why = f"{text.number(many)} đơn vị, quá {MOST_LINES} đường của một biểu đồ nên xếp hạng"
    ends = f"; chỉ vẽ {ENDS} đơn vị cao nhất và {ENDS} thấp nhất" if many > 2 * ENDS else ""
    what = (why if many > MOST_LINES else "xếp hạng") + f" {text.period(view.period.text)}{ends}"
    return text.join([text.sentence(what), left], " ")


# ── lines ──────────────────────────────────────────────────────────────────────────────────


def _lines(view: Explore, key: str, units: list[str]) -> Piece:
    asked = view.arguments | {"indicators": [key], "org_units": units}
    asked.pop("level", None)
    of: dict[str, list[Row]] = {uid: [] for uid in units}
    for row in rows(query.values, **asked):
        of[row["org_unit"]].append(row)
    name, lines = indicators()[key]["short"], borders().get(key, ())
    called = places.names(units)
    marked = [(uid, at) for at, uid in enumerate(units)]
    legend = html.Ul(
        [html.Li([_key(at), dcc.Link(called[uid], href=address(uid))]) for uid, at in marked],
        className="explore-legend",
        **{"aria-label": "Các đường"},
    )
    graph = components.graph(
        f"explore-chart-{key}",
        figure(list(of.values()), lines),
        twin(view, of, lines),
        label=f"Biểu đồ {name}; cùng số liệu ở bảng bên dưới",
    )
    return html.Section([html.H3(name), legend if len(units) > 1 else None, graph])


def _key(at: int) -> Piece:
    return html.Span(SIGNS[SYMBOLS[at]], className=f"line-key line-{at}", **{"aria-hidden": "true"})


def figure(series: list[list[Row]], lines: tuple[Any, ...]) -> figures.Figure:
    """One line for each org unit, told apart by its dashes and its points, never by a hue."""
    first = series[0]
    threshold, high = lines or (None, None)
    level = f"{text.plain(threshold)}{text.GAP}%" if text.known(threshold) else ""
    drawn = figures.trend(first, threshold=threshold, high=high, level=level)
    data, heights = [], []
    for at, found in enumerate(series):
        (one, *_) = figures.trend(found)["data"]
        colour = theme.ON_TRACK if at < len(DASHES) else theme.SECOND
        width = 4 if at == len(SYMBOLS) - 1 else 2
        one["line"] = {"color": colour, "width": width, "dash": DASHES[at % len(DASHES)]}
        one["marker"] |= {"symbol": SYMBOLS[at], "size": 7, "color": colour}
        one["name"] = found[0]["name"]
        if len(series) > 1:
            one["text"] = [f"{found[0]['name']}, {words}" for words in one["text"]]
        data.append(one)
        heights += [value for value in one["y"] if value is not None]
    drawn["data"] = data
    unit = first[0]["unit"] or "%"
    drawn["layout"]["yaxis"]["range"] = figures.room(heights, threshold, high, unit)
    _spread(drawn, first)
    axis = drawn["layout"]["xaxis"]
    if first[0]["grain"] == "quarter" and len(first) <= NAMED:
        names = [text.period(row["period"]).replace("/", "<br>") for row in first]
        axis |= {"tickmode": "array", "tickvals": data[0]["x"], "ticktext": names}
        axis |= {"tickangle": 0, "automargin": True}
    elif len(first) <= 24 and first[0]["grain"] in ("month", "ytd"):
        axis |= {"dtick": "M1" if len(first) <= 13 else "M3", "tickformat": "%-m/%Y"}
    elif first[0]["grain"] == "day":
        axis |= {"dtick": None, "tickformat": "%-d/%-m"}
    return drawn


def _spread(drawn: figures.Figure, first: list[Row]) -> None:
    """End the drawing with its last period; the plan's line goes through it, its name above."""
    days = [date.fromisoformat(day) for day in drawn["data"][0]["x"]]
    room = max((days[-1] - days[0]) / (3 * len(days)), timedelta(hours=8))
    ends = [datetime.combine(days[0], time()) - room, datetime.combine(days[-1], time()) + room]
    span = [end.isoformat() for end in ends]
    layout = drawn["layout"]
    layout["xaxis"]["range"] = span
    for shape in layout["shapes"]:
        shape |= {"x0": span[0], "x1": span[1]}
    for note in layout["annotations"]:
        note |= {
            "text": f"╌╌ {note['text']}", "x": 1, "xref": "paper", "xanchor": "right", "xshift": 0,
            "y": 1, "yref": "paper", "yanchor": "bottom",
        }  # fmt: skip


def twin(view: Explore, of: dict[str, list[Row]], lines: tuple[Any, ...]) -> Piece:
    """The numbers of the lines: periods down, org units across."""
    head = ["Kỳ", *((name, "num") for name in places.names(of).values())]
    return components.table(
        head,
        [
            (text.period(told[0]["period"]), *(_short(row, lines) for row in told))
            for told in zip(*of.values(), strict=True)
        ],
    )


def _short(row: Row, lines: tuple[Any, ...]) -> Piece:
    if text.known(row["value"]):
        return text.value(row, *lines)
    return html.Span(text.REASONS.get(row["reason"] or "", "chưa có số liệu"), className="under")


# ── one period ─────────────────────────────────────────────────────────────────────────────


def steps(view: Explore) -> Piece:
    """The period that is drawn, one back and one on within those that are asked for."""

    def step(word: str, to: Period, inside: bool) -> Piece:
        if not inside:
            return html.Span(word, className="step off", **{"aria-hidden": "true"})
        href = view.address(period="" if to == view.last else edge(to), view=view.view)
        return dcc.Link(word, href=href, className="step", title=text.period(to.text))

    if view.first == view.last:
        return None
    before, after = view.period.previous(), view.period.next()
    return html.Nav(
        [
            step("‹", before, before.index >= view.first.index),
            html.Span(text.period(view.period.text), className="map-period"),
            step("›", after, after.index <= view.last.index),
        ],
        className="map-steps",
        **{"aria-label": "Kỳ"},
    )


def _ranking(view: Explore, key: str, units: list[str]) -> Piece:
    asked = view.arguments | {"indicators": [key], "first": view.period, "last": view.period}
    order = {uid: at for at, uid in enumerate(units)}

    def at(row: Row) -> tuple[Any, ...]:
        absent = not text.known(row["value"])
        return absent, 0 if absent else -row["value"], order.get(row["org_unit"], 0)

    found = sorted(rows(query.values, **asked), key=at)
    top = max((row["value"] for row in found if text.known(row["value"])), default=0) or 1
    lines = borders().get(key, ())
    cut = len(found) > 2 * ENDS
    kept = [*found[:ENDS], *found[-ENDS:]] if cut else found
    listed = [_rank(row, lines, top) for row in kept]
    if cut:
        between = f"… {text.number(len(found) - 2 * ENDS)} đơn vị ở giữa không vẽ …"
        listed.insert(ENDS, html.P(between, className="rank-more"))
    name = indicators()[key]["short"]
    return html.Section([html.H3(name), html.Div(listed, className="ranking")])


def _rank(row: Row, lines: tuple[Any, ...], top: float) -> Piece:
    known = text.known(row["value"])
    percent = (row["unit"] or "%") == "%"
    value = (row["value"] if percent else 100 * row["value"] / top) if known else None
    counts = text.counts(row["numerator"], row["denominator"])
    under = counts if known else text.REASONS.get(row["reason"] or "", "chưa có số liệu")
    return html.Div(
        [
            html.Span(),
            dcc.Link(row["name"], href=address(row["org_unit"]), className="rank-name"),
            components.bullet(value, *(lines if percent else (None, None))),
            html.Span(text.value(row, *lines), className="rank-value"),
            html.Span(under if under != text.NONE else "", className="rank-n"),
        ],
        className=f"rank{'' if known else ' empty'}",
        **{"data-unit": row["org_unit"]},
    )


# ── the map ────────────────────────────────────────────────────────────────────────────────


def map_of(view: Explore) -> Piece:
    """The map of one period, as the page of the map draws it; or why there is none."""
    why = unmapped(view)
    seen = None if why else mapview.look(
        {
            "indicator": view.indicators[0],
            "org_unit": view.org_units[0] if view.org_units and view.org_units[0] != home() else "",
            "level": view.level,
            "grain": view.grain,
            "to": view.period.text,
            "on": (today() if view.frame == "today" else view.on).isoformat(),
        }
    )  # fmt: skip
    if seen is None:
        return html.P(why or ["Không vẽ được bản đồ của kỳ này."], className="says")
    seen = replace(seen, frame=view.frame)
    shown = maps_page.pieces(seen, cases=[])
    more = len(view.indicators) - 1
    told = f"Còn {more} chỉ số không vẽ. " if more else ""
    return html.Div(
        [
            steps(view),
            html.P(f"{told}{indicators()[seen.key]['short']}.", className="under"),
            html.Div(shown["head"]),
            maps_page.canvas(seen, shown, "explore-map"),
            html.Div(shown["legend"]),
            components.more(
                "Xem dạng danh sách", html.Div(shown["list"], className="ranking map-list")
            ),
        ],
        className="explore-map map-card",
    )


def unmapped(view: Explore) -> list[Piece]:
    """Why these rows cannot stand on a map, with the way to a map; empty where they can."""
    if view.level not in ("commune", "area", "district"):
        return ["Bản đồ cần một cấp: hãy chọn địa bàn, cấp huyện hoặc xã, phường."]
    if len(view.org_units) > 1:
        return ["Bản đồ vẽ toàn bộ hoặc trong một địa bàn: hãy chọn một đơn vị."]
    here = {"view": "map"}
    if view.grain in ("day", "ytd"):
        ways = [
            ("tháng", view.address(grain="", **here)),
            ("năm", view.address(grain="year", **here)),
        ]
        return ["Bản đồ vẽ tháng, quý hoặc năm: hãy xem theo ", *_ways(ways)]
    if view.frame == "plan" and view.level != "area":  # of its day there are no boundaries
        ways = [
            ("đơn vị như khi đó", view.address(frame="", **here)),
            ("đơn vị hôm nay", view.address(frame="today", on="", **here)),
        ]
        return ["Không có ranh giới đơn vị của ngày ban hành Đề án: hãy xem ", *_ways(ways)]
    return []


def _ways(ways: list[tuple[str, str]]) -> list[Piece]:
    found: list[Piece] = []
    for word, href in ways:
        found += [" hoặc " if found else "", dcc.Link(word, href=href)]
    return [*found, "."]

"""The wall: one tile for every target with a number, grey unless something needs a look.

Type size follows from metres and inches (``?d=4&diag=75``): the smallest text is 16 arc minutes
high at that distance, a figure 30. What does not fit is left out, in this order: trend,
sentence, second and third clock. Then come fewer tiles on a page, never smaller letters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, shell, text, theme
from layouts.components import Piece
from layouts.lines import (
    AREA,
    Line,
    Part,
    Row,
    by_hand,
    closed,
    figure,
    headline,
    lines,
    loading,
    parts_of,
    shortfall,
    tally,
)
from layouts.state import ask, callback, now, steady, today

DISTANCE, DIAGONAL = 4.0, 65.0  # metres, inches: what is assumed where nobody said
CAP = 0.72  # height of digits and capitals, in em
NOTE, LABEL, FIGURE = 16, 20, 30  # arc minutes
HEADER_LINES, GAP_VH, PAD_VH, BAR_VH = 2, 0.7, 0.75, 1.8
LEADING = 1.35  # stacked Vietnamese marks need it
LIMITS = ("late_at", "stale_at")  # from then on a figure is drawn as old
GRIDS = ((4, 4), (4, 3), (3, 3), (3, 2), (2, 2), (1, 1))
LETTER, ASIDE = 0.55, 15  # in notes: width of a letter; of the sample mark and the clock
NAME, BESIDE = 11.75, 12.7  # in notes: half of the longest name; a figure with its status beside
EDGE_VH, INSIDE_VH = 1.2, 0.75  # around the tiles; inside one
ONE_LINE = 1.9  # vh: the largest note at which the sentence of a tile takes one line
HEAD = 14  # letters of a figure and its status; past them "< 80 %" says it, in the same size
NUMBERS, WORDS = 16, 4  # targets with a number, and those that people assess
ROOM = 25  # letters of a line of a tile at the default size


@dataclass(frozen=True, slots=True)
class Plan:
    """How much fits: type sizes in vh, tiles across and down, optional lines of a tile."""

    note: float
    label: float
    figure: float
    across: int
    down: int
    stacked: bool  # the status stands under its figure, not beside it
    extras: tuple[str, ...]  # of "clock", "sentence", "clocks", "trend"

    @property
    def tiles(self) -> int:
        return self.across * self.down


def plan(distance: float = DISTANCE, diagonal: float = DIAGONAL) -> Plan:
    """The type sizes for a distance and a screen, and what then fits in a tile.

    The sizes are the smallest that can be read; where a tile has room left, all of them grow
    by the same factor, as far as its width allows.
    """
    height = diagonal * 0.0254 * 9 / math.sqrt(16**2 + 9**2)

    def size(minutes: float) -> float:
        high = 2 * distance * math.tan(math.radians(minutes / 60) / 2)
        return 100 * high / (CAP * height)

    note, label, big = size(NOTE), size(LABEL), size(FIGURE)

    def factor(down: int, lines: int) -> float:
        """By how much type may grow, with so many lines in a tile; under 1: it does not fit."""
        free = 100 - (down + 1) * GAP_VH - down * (BAR_VH + PAD_VH)
        line = note * LEADING
        return free / (HEADER_LINES * line + down * (lines * line + big * 1.04))

    def lines_of(across: int) -> int:
        """Two of the name, one of the live figure; one more where a status stands by itself."""
        return 3 if note * BESIDE <= _inside(across) else 4

    across, down = next(
        (
            (across, down)
            for across, down in GRIDS
            if factor(down, lines_of(across)) >= 0.99 and note * NAME <= _inside(across)
        ),
        GRIDS[-1],
    )
    lines = lines_of(across)
    stacked, extras = lines == 4, []
    for name, more in (("clocks", 1), ("sentence", 1 if note <= ONE_LINE else 2), ("trend", 1)):
        if factor(down, lines + more) < 1:
            break
        extras.append(name)
        lines += more
    widest = _inside(across) / (NAME if stacked else BESIDE)
    grow = min(max(factor(down, lines), 1.0), max(widest / note, 1.0))
    return Plan(note * grow, label * grow, big * grow, across, down, stacked, tuple(extras))


def _inside(across: int) -> float:
    """The width of a tile's text, in vh of a 16:9 screen."""
    return (1600 / 9 - 2 * EDGE_VH - (across - 1) * GAP_VH) / across - 2 * INSIDE_VH


def layout(d: str = "", diag: str = "", page: str = "", **_: Any) -> Piece:
    """The whole screen; the address says where its viewers sit and which page it shows."""
    fit = plan(_metres(d, DISTANCE, 1, 15), _metres(diag, DIAGONAL, 10, 300))
    number = int(page) if page.isdecimal() else 1
    sizes = {
        "--type-note": f"{fit.note:.3f}",
        "--type-label": f"{fit.label:.3f}",
        "--type-figure": f"{fit.figure:.3f}",
        "--across": str(fit.across),
        "--down": str(fit.down),
    }
    found = lines()
    return html.Div(
        [
            dcc.Store(
                id="wall-fit",
                data={"d": d, "diag": diag, "page": number},
            ),
            html.Header(
                [
                    html.Div(
                        [
                            html.Div(_title(fit, number), className="wall-line"),
                            html.Div(head(found, fit), id="wall-counts", className="counts"),
                        ],
                        className="wall-words",
                    ),
                    shell.sample_mark(),
                    shell.clock(),
                ],
                className="wall-head",
            ),
            html.Main(tiles(found, fit, number), id="wall-tiles", className="wall-tiles"),
        ],
        className="wall stacked" if fit.stacked else "wall",
        style=sizes,
    )


@callback(
    Output("wall-counts", "children"),
    Output("wall-tiles", "children"),
    Input("live", "data"),
    State("wall-fit", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any) -> tuple[list[Piece], list[Piece]]:
    """Ask again, draw again."""
    given = given if isinstance(given, dict) else {}
    fit = plan(
        _metres(str(given.get("d", "")), DISTANCE, 1, 15),
        _metres(str(given.get("diag", "")), DIAGONAL, 10, 300),
    )
    found = lines()
    steady(*(row.get(limit) for line in found for row in line.rows for limit in LIMITS))
    page = given.get("page")
    return head(found, fit), tiles(found, fit, page if isinstance(page, int) else 1)


def _metres(given: str, usual: float, low: float, top: float) -> float:
    try:
        value = float(given.replace(",", "."))
    except ValueError:
        return usual
    return min(max(value, low), top) if math.isfinite(value) else usual


def _pages(fit: Plan, number: int) -> str:
    last = math.ceil(NUMBERS / fit.tiles) + math.ceil(WORDS / fit.tiles)
    return f"trang {min(max(number, 1), last)}/{last}" if last > 1 else ""


def _title(fit: Plan, number: int) -> list[Piece]:
    """Where we are, and on which page; on the largest letters only which page."""
    page = _pages(fit, number)
    fits = len(shell.TERRITORY) + len(page) + 2 <= _letters(fit)
    return [
        dcc.Link(shell.TERRITORY if fits else "", href="/", className="wall-title"),
        html.Span(page, className="wall-page"),
    ]


def _letters(fit: Plan) -> int:
    """Letters of a line of the header beside the sample mark and the clock (16:9)."""
    return int((100 * 16 / 9 - ASIDE * fit.note) / (LETTER * fit.note))


def head(found: list[Line], fit: Plan) -> list[Piece]:
    """Counts per status over all targets; words give way where the line is full."""
    return components.counts(tally(found), letters=_letters(fit))


# ── tiles ──────────────────────────────────────────────────────────────────────────────────


def tiles(found: list[Line], fit: Plan, number: int = 1) -> list[Piece]:
    """The tiles of one page; where not all fit on a page, those that need a look come first."""
    numeric = [line for line in found if line.numeric]
    if len(numeric) > fit.tiles:
        worst = [str(name) for name in theme.ORDER]
        numeric.sort(key=lambda line: (line.locked, worst.index(line.status)))
    pages = [numeric[at : at + fit.tiles] for at in range(0, len(numeric), fit.tiles)]
    words = [line for line in found if not line.numeric]  # after the numbers: what people say
    pages += [words[at : at + fit.tiles] for at in range(0, len(words), fit.tiles)]
    shown = pages[min(max(number, 1), len(pages)) - 1] if pages else []
    trends = _trends(shown) if "trend" in fit.extras else {}
    return [tile(line, fit, trends) for line in shown]


def _trends(shown: list[Line]) -> dict[str, list[Any]]:
    """Two years of months of every indicator on the page, in one question."""
    names = [line.parts[0].indicator for line in shown if line.status != "no_source"]
    if not names:
        return {}
    last = Period.of("month", today())
    frame = ask(
        query.values,
        indicators=names,
        org_units=[AREA],
        grain="month",
        first=last.previous(24),
        last=last,
    )
    return {key: rows["value"].tolist() for key, rows in frame.groupby("indicator")}


def tile(line: Line, fit: Plan, trends: dict[str, list[Any]]) -> Piece:
    """One target: name, outcome, live figure, bar; the whole tile leads to the indicator."""
    if not line.numeric:
        inside = _assessed(line)
    elif line.status == "no_source":
        inside = _without_source(line)
    elif len(line.parts) > 1:
        inside = _several(line)
    else:
        inside = _single(line, fit, trends)
    mark = theme.status(line.status)
    surface = f" on-{mark.surface}" if mark.surface and not line.muted else ""
    several = " several" if len(line.parts) > 1 and line.status != "no_source" else ""
    several = several if line.numeric else " words"
    kind = f"tile s-{line.status}{surface}{several}{' muted' if line.muted else ''}"
    name = html.Div(line.brief, className="tile-name")
    return html.Article(
        dcc.Link([name, *inside], href=line.href, title=_tooltip(line)),
        className=kind,
        **{"data-target": line.id, "data-status": line.status},
    )


def _assessed(line: Line) -> list[Piece]:
    """A target without a number: what its assessment says, by whom, and the proxy beside it."""
    row, said = line.row, line.assessment
    shown = figure(row, line.lines)
    known = said.get("words", "chưa có đánh giá được ký")
    proxy = f"số đại diện {shown}" if shown != text.NONE else ""
    by = f"{said['author']}, {text.short_day(said['judged_on'])}" if said else ""
    return [
        html.Div(
            [
                components.status(line.status, class_name="verdict"),
                html.Span(query.VERDICTS.get(said.get("verdict", ""), ""), className="tile-says"),
            ],
            className="tile-head",
        ),
        html.Div(known, className="tile-words"),
        html.Div([html.Span(by), html.Span(proxy)], className="tile-live"),
    ]


def _single(line: Line, fit: Plan, trends: dict[str, list[Any]]) -> list[Piece]:
    row, part = line.row, line.parts[0]
    shown = headline(row, line.lines)
    if len(shown) - 2 + len(theme.status(line.status).word) > HEAD:
        shown = text.percent(*parts_of(row, closing=closed(row)), *line.lines, most=1)
    value = row.get("closing_value") if closed(row) else row.get("value")
    extra: list[Piece] = []
    if "sentence" in fit.extras:
        words = shortfall(line, row, part.noun)
        extra.append(html.Div(text.sentence(words), className="tile-sentence"))
    if "trend" in fit.extras and part.indicator in trends:
        extra.append(
            components.sparkline(
                trends[part.indicator], line.target["threshold"], class_name="tile-trend"
            )
        )
    return [
        html.Div(
            [hero(shown), components.status(line.status, class_name="verdict")],
            className="tile-head",
        ),
        html.Div(_live(line, row, fit), className="tile-live"),
        *extra,
        components.bullet(
            value,
            line.target["threshold"],
            line.target.get("threshold_high"),
            class_name="tile-bar",
        ),
    ]


def hero(shown: str) -> Piece:
    """The figure of a tile, its percent sign small."""
    digits = shown.removesuffix(f"{text.GAP}%")
    return html.Span([digits, html.Small("%") if digits != shown else None], className="hero")


def _live(line: Line, row: Row, fit: Plan) -> list[Piece]:
    """hiện nay 63,1 % · đến 21/11; a figure past its limits says so; a locked target has none."""
    hand = _hand(row)
    if line.locked:
        return [html.Span(text.join([f"đã khóa {text.short_day(line.closing)}", hand]))]
    if loading(row):
        reached = text.reach(row.get("data_as_of"), now())
        return [html.Span("đang nạp"), html.Span(f"đến {reached}", className="until")]
    over, under = parts_of(row, closing=False)
    shown = figure(row, line.lines) if text.known(over) and under else "chưa có số"
    age, reach = row.get("freshness") or "", text.reach(row.get("data_as_of"), now())
    aged = age in ("late", "stale")
    line_room = int(ROOM * 3.2 / fit.note * 4 / fit.across)
    if aged:
        reach = _since(reach)
        if len(shown) + len(theme.freshness(age).word) + len(reach) + 5 > line_room:
            reach = ""
    room = line_room - len(reach) - (len(theme.freshness(age).word) + 4 if aged else 4)
    lead = "hiện nay " if len(shown) + 9 <= room else "nay "
    lead = "" if aged and len(shown) + 4 > room else lead  # its age says more than "now"
    if hand:  # who gave a figure says more than "now", and than until when it goes
        lead = f"{hand} "
        reach = reach if len(shown) + len(lead) + len(reach) + 4 <= line_room else ""
        room = line_room - len(reach) - 4
    figures = (
        html.Span([lead, html.B(shown)]) if closed(row) else html.Span(hand or _noun(line, row))
    )
    clock = (
        components.freshness(age, reach) if aged else html.Span(f"đến {reach}", className="until")
    )
    fits = (aged or len(shown) + 4 <= room) and bool(reach or aged)
    shown_clock = clock if fits and text.known(row.get("data_as_of")) else None
    if "clocks" not in fit.extras or not shown_clock:
        return [figures, shown_clock]
    _, polled, drawn = text.clocks(None, row.get("polled_at"), now())
    second = [html.Span(polled.lower()), html.Span(drawn.lower())]
    return [
        html.Div([figures, shown_clock], className="tile-line"),
        html.Div(second, className="tile-line"),
    ]


def _hand(row: Row) -> str:
    """nhập tay, or có nhập tay where only a part came by hand: the pointer tells the rest."""
    words = by_hand(row)
    if not words:
        return ""
    return "có nhập tay" if all("một phần" in word for word in words) else "nhập tay"


def _since(reach: str) -> str:
    """31/10 of this year, 12/2025 of an older one: the month is enough, and fits."""
    shown = reach.removeprefix("hết ")
    month = shown.partition("/")[2]
    return month if "/" in month else shown


def _noun(line: Line, row: Row) -> str:
    """What is counted, under a figure that shows counts."""
    return line.parts[0].noun if text.few(row.get("denominator")) else ""


def _several(line: Line) -> list[Piece]:
    """A target of several parts: each with its own figure and shape."""
    early = [p for p in line.parts if p.closing and line.closing and p.closing < line.closing]
    note = f"khóa {text.short_day(early[0].closing, early[0].closing)}" if early else ""
    if any(by_hand(part.row) for part in line.parts):
        note = "có nhập tay"
    return [
        html.Div([_part(line, part) for part in line.parts], className="tile-parts"),
        html.Div(
            [html.Span(note), components.status(line.status, class_name="verdict")],
            className="tile-live",
        ),
    ]


def _part(line: Line, part: Part) -> Piece:
    name = part.row.get("status") or "no_data"
    mark = theme.status(name)
    return html.Div(
        [
            components.shape(mark, "" if line.early(part) else f"hue-{name}", label=mark.word),
            html.Span(part.label, className="part-name"),
            html.Span(headline(part.row, line.lines), className="part-figure"),
        ],
        className="tile-part",
    )


def _without_source(line: Line) -> list[Piece]:
    """Nothing is known yet: the word and the plan's level, no empty figure."""
    level = f"mức giao {line.level}"
    return [
        html.Div(components.status("no_source", class_name="verdict"), className="tile-head"),
        html.Div(
            html.Span(f"đã khóa {text.short_day(line.closing)}" if line.locked else level),
            className="tile-live",
        ),
        components.bullet(
            None, line.target["threshold"], line.target.get("threshold_high"), class_name="tile-bar"
        ),
    ]


def _tooltip(line: Line) -> str:
    """The three clocks and the level, for a pointer."""
    words = text.clocks(line.row.get("data_as_of"), line.row.get("polled_at"), now())
    level = f"Mức giao {line.level}"
    hands = [word for row in line.rows for word in by_hand(row)]
    return (
        level if line.status == "no_source" else text.join([level, *dict.fromkeys(hands), *words])
    )

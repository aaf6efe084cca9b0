"""The tile of a target: grey unless something needs a look, and what does not fit left out.

Status, headline, counts and the date of the figure always stay.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from dash import dcc, html

from kpi import query
from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import (
    Line,
    Part,
    Row,
    by_hand,
    closed,
    figure,
    headline,
    loading,
    parts_of,
    shortfall,
)
from layouts.sentence import says
from layouts.state import now
from layouts.text import known
from layouts.wall.legibility import Plan, wide
from layouts.wall.view import Wall

CHIP = 1.6  # a status's shape, its gaps and its frame, in letters' heights
AGED = 2.2  # of an age's chip: its shape, its gaps and its frame
GAPS = 0.4  # between two parts of a line, in letters' heights


def tile(line: Line, wall: Wall, fit: Plan) -> Piece:
    """One target: name, outcome, live figure, bar; the whole tile leads to the indicator."""
    if not line.numeric:
        inside = _assessed(line)
    elif line.status == "no_source":
        inside = _without_source(line)
    elif len(line.parts) > 1:
        inside = _several(line, fit)
    else:
        inside = _single(line, fit)
    mark = theme.status(line.status)
    surface = f" on-{mark.surface}" if mark.surface and not line.muted else ""
    several = " several" if len(line.parts) > 1 and line.status != "no_source" else ""
    several = several if line.numeric else " words"
    kind = f"tile s-{line.status}{surface}{several}{' muted' if line.muted else ''}"
    name = html.Div(line.brief, className="tile-name")
    return html.Article(
        [
            dcc.Link([name, *inside], href=wall.href(line), title=_tooltip(line)),
            code(wall.href(line), line.brief),
        ],
        className=kind,
        **{"data-target": line.id, "data-status": line.status},
    )


def code(href: str, name: str) -> Piece:
    """What a phone reads, shown while somebody asks for codes: the same view at a desk."""
    return html.Div(
        [
            html.Img(src=f"/code.svg?to={quote(href)}", alt=f"Mã quét: {name}"),
            html.Span(name, className="code-name"),
        ],
        className="tile-code",
    )


def _assessed(line: Line) -> list[Piece]:
    """A target without a number: what its assessment says, by whom, and the proxy beside it."""
    row, said = line.row, line.assessment
    shown = figure(row, line.lines)
    words = said.get("words", "chưa có đánh giá được ký")
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
        html.Div(words, className="tile-words"),
        html.Div([html.Span(by), html.Span(proxy)], className="tile-live"),
    ]


def _single(line: Line, fit: Plan) -> list[Piece]:
    row, part = line.row, line.parts[0]
    shown = headline(row, line.lines)
    if not fit.stacked and _beside(shown, line.status, fit) > fit.ems:
        shown = text.percent(*parts_of(row, closing=closed(row)), *line.lines, most=1)
    value = row.get("closing_value") if closed(row) else row.get("value")
    extra: list[Piece] = []
    if "sentence" in fit.extras:
        words = shortfall(line, row, part.noun)
        whole = says(line, part) if words else None
        extra.append(html.Div(text.sentence(words), className="tile-sentence", title=whole))
    return [
        html.Div(
            [hero(shown), components.status(line.status, class_name="verdict")],
            className="tile-head",
        ),
        html.Div(live(line, row, fit, fit.ems), className="tile-live"),
        *extra,
        components.bullet(
            value,
            line.target["threshold"],
            line.target.get("threshold_high"),
            class_name="tile-bar",
        ),
    ]


def _beside(shown: str, status: str, fit: Plan) -> float:
    """The width of a figure with its status; where it does not fit, "< 80 %" says it instead."""
    digits = shown.removesuffix(f"{text.GAP}%")
    figure = wide(digits) + (0.6 if digits != shown else 0)
    return figure * fit.figure / fit.note + CHIP + 1.08 * wide(theme.status(status).word)


def hero(shown: str) -> Piece:
    """The figure of a tile, its percent sign small."""
    digits = shown.removesuffix(f"{text.GAP}%")
    return html.Span([digits, html.Small("%") if digits != shown else None], className="hero")


def live(line: Line, row: Row, fit: Plan, ems: float) -> list[Piece]:
    """n 4.520 · hiện nay 63,1 % đến 21/11: of how many the headline is, the figure of now, its day.

    The number stands first, right under its headline: behind the figure of now it would be taken
    for that one's. Of a line of ``ems`` the words give way, never the date, nor that number. A
    figure past its limits says so; a target that is locked has no figure of now.
    """
    hand = _hand(row)
    if line.locked:
        said = [hand or _of(row), f"đã khóa {text.short_day(line.closing)}"]
        return [html.Span(word) for word in said if word]
    if loading(row):
        reached = text.reach(row.get("data_as_of"), now())
        return [html.Span("đang nạp"), html.Span(f"đến {reached}", className="until")]
    said = _said(line, row, hand)
    fitting = [one for one in said if one.wide <= ems]
    first = (fitting or said[-1:])[0].pieces
    if "clocks" not in fit.extras or not text.known(row.get("data_as_of")):
        return first
    _, polled, drawn = text.clocks(None, row.get("polled_at"), now())
    second = [html.Span(polled.lower()), html.Span(drawn.lower())]
    return [html.Div(first, className="tile-line"), html.Div(second, className="tile-line")]


class _Said(NamedTuple):
    """One way to say a live figure, and how much room it needs."""

    pieces: list[Piece]
    wide: float
    whole: bool  # whether it says of how many
    led: bool  # whether a word stands before the figure


def _said(line: Line, row: Row, hand: str) -> list[_Said]:
    """Every way to say it, the fullest first."""
    over, under = parts_of(row, closing=False)
    shown = figure(row, line.lines) if text.known(over) and under else "chưa có số"
    if not closed(row):  # the headline is the figure of now
        shown = ""
    number = _of(row)
    reach = text.reach(row.get("data_as_of"), now())
    age = row.get("freshness") or ""
    aged = age if age in ("late", "stale") else ""
    leads = [hand] if hand else ["hiện nay", "nay", ""] if shown else [_noun(line, row), ""]
    clocks = _clocks(reach, aged)
    if not text.known(row.get("data_as_of")):
        clocks = clocks[-1:] if aged else [("", 0.0)]
    found = [
        _way(lead, shown, (clock, extra), of, aged)
        for of in dict.fromkeys((number, ""))
        for lead in dict.fromkeys(leads)
        for clock, extra in clocks
    ]
    if not aged and clocks[-1][0]:  # brackets give way before the word
        bare = clocks[-1][0].strip("()")
        found += [_way("nay", shown, (bare, 0.0), number, aged)] if "nay" in leads else []
    return sorted(found, key=lambda one: (not one.whole, not one.led, -one.wide))


def _clocks(reach: str, aged: str) -> list[tuple[str, float]]:
    """đến hết 31/10, (31/10); of an aged one the chip has the word, and needs room for itself."""
    short = _since(reach)
    if aged:
        chip = wide(theme.freshness(aged).word) + AGED
        return [(short, chip), ("", chip)]
    return [(f"đến {reach}", 0.0), (f"đến {short}", 0.0), (f"({short})", 0.0)]


def _way(lead: str, shown: str, clock: tuple[str, float], of: str, aged: str) -> _Said:
    words, extra = clock
    figures = html.Span([f"{lead} " if lead else "", html.B(shown)] if shown else lead)
    told = (
        components.freshness(aged, words) if aged
        else html.Span(words, className="until") if words else None
    )  # fmt: skip
    today = [figures] if lead or shown else []
    today += [told] if told else []
    gaps = GAPS * (len(today) + bool(of) - 1)
    number = html.Span(of, className="of")
    return _Said(
        [number, html.Span(today, className="today")] if of else today,
        wide(f"{lead} {shown}".strip()) + wide(words) + extra + wide(of) + gaps,
        bool(of),
        bool(lead),
    )


def _of(row: Row) -> str:
    """n 4.520: of how many the headline is a share; counts say it themselves."""
    _, under = parts_of(row, closing=closed(row))
    if not text.known(under) or not under or text.few(under) or (row.get("unit") or "%") != "%":
        return ""
    return f"n{text.GAP}{text.number(under)}"


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


def _several(line: Line, fit: Plan) -> list[Piece]:
    """A target of several parts: each with its own figure and shape."""
    early = [p for p in line.parts if p.closing and line.closing and p.closing < line.closing]
    note = f"khóa {text.short_day(early[0].closing, early[0].closing)}" if early else ""
    if any(by_hand(part.row) for part in line.parts):
        note = "có nhập tay"
    return [
        html.Div([_part(line, part) for part in line.parts], className="tile-parts"),
        html.Div(
            [_age(line, note, fit), components.status(line.status, class_name="verdict")],
            className="tile-live",
        ),
    ]


def _age(line: Line, note: str, fit: Plan) -> Piece:
    """Until when the oldest of the parts goes; what closed early, or came by hand, says that."""
    until = [part.row["data_as_of"] for part in line.parts if known(part.row.get("data_as_of"))]
    ages = {part.row.get("freshness") for part in line.parts}
    aged = next((age for age in ("stale", "late") if age in ages), "")
    if note or not until:
        return html.Span(note)
    reach = _since(text.reach(min(until), now()))
    if not aged:
        return html.Span(f"đến {reach}")
    room = fit.ems - CHIP - 1.08 * wide(theme.status(line.status).word) - GAPS
    mark = theme.freshness(aged)
    if AGED + wide(mark.word) > room:
        return components.shape(mark, f"hue-{aged}", label=mark.word)
    return components.freshness(aged, reach if AGED + wide(f"{mark.word} {reach}") <= room else "")


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

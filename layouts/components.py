"""The few pieces that every page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from layouts import access, text, theme
from layouts.state import who

Piece = Any  # what Dash takes as a child
CONFIG = {
    "showSendToCloud": False,  # plotly.js 4 offers to upload the figures otherwise
    "plotlyServerURL": "",
    "displaylogo": False,
    "locale": "vi",
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}


def graph(
    id: str, figure: dict[str, Any], table: Piece, *, label: str, class_name: str = ""
) -> Piece:
    """The one way to put a chart on a page: with its twin, a table of the same numbers."""
    chart = dcc.Graph(id=id, figure=figure, config=CONFIG, className="graph-area")
    drawn = html.Div(
        chart, role="group", className=f"graph {class_name}".strip(), **{"aria-label": label}
    )
    twin = more("Xem dạng bảng", html.Div(table, id=f"{id}-table"), class_name="more graph-twin")
    return html.Div([drawn, twin], className="graph-pair")


def shape(mark: theme.Mark, hue: str = "", *, label: str = "") -> Piece:
    """A bundled shape in its colour; with a label where no word stands beside it."""
    named = {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    return html.Span(
        className=f"shape shape-{mark.shape} {hue}".strip(), title=label or None, **named
    )


def status(name: str, *, class_name: str = "status", muted: bool = False) -> Piece:
    """Shape and word of a status."""
    mark = theme.status(name)
    return html.Span(
        [shape(mark, f"hue-{name}"), html.Span(mark.word, className="word")],
        className=f"{class_name} is-{name or 'unknown'}{' muted' if muted else ''}",
    )


def told(mark: theme.Mark) -> Piece:
    """Shape and word of a mark; only one that must be seen has its hue."""
    hue = f"hue-{mark.shape}" if mark.colour == theme.MISSED else ""
    return html.Span([shape(mark, hue), html.Span(mark.word, className="word")], className="status")


def absent(title: str, said: str, word: str, href: str) -> Piece:
    """What stands where an address names nothing that can be shown: why, and a way on."""
    return html.Section(
        [html.H1(title), html.P(said), dcc.Link(word, href=href, className="button")],
        className="absent",
    )


def freshness(name: str, since: str = "") -> Piece:
    """Shape and word of a freshness; nothing is said of a figure that is simply fresh."""
    mark = theme.freshness(name)
    words = f"{mark.word} {since}".strip()
    return html.Span(
        [shape(mark, f"hue-{name}"), html.Span(words, className="word")],
        className=f"freshness age-{name or 'unknown'}",
    )


def bullet(value: Any, threshold: Any, high: Any = None, *, class_name: str = "") -> Piece:
    """A value on 0–100 with the threshold as a tick, or as a band for a range."""
    parts: list[Piece] = []
    if text.known(value):
        parts.append(html.Span(className="bullet-fill", style={"--to": f"{_clip(value):.2f}%"}))
    if text.known(threshold):
        style = {"--at": f"{_clip(threshold):.2f}%"}
        if text.known(high):
            style["--to"] = f"{_clip(high):.2f}%"
        kind = "bullet-band" if text.known(high) else "bullet-tick"
        parts.append(html.Span(className=kind, style=style))
    empty = "" if text.known(value) else " is-empty"
    return html.Div(
        parts, className=f"bullet{empty} {class_name}".strip(), **{"aria-hidden": "true"}
    )


def _clip(value: Any) -> float:
    return min(max(float(value), 0.0), 100.0)


def sparkline(values: Sequence[Any], threshold: Any = None, *, class_name: str = "") -> Piece:
    """A small line, and one for the target; a month without a value is a gap."""
    points = [(i, float(v)) for i, v in enumerate(values) if text.known(v)]
    if not points:
        return html.Span(className="sparkline is-empty")
    span = [v for _, v in points] + ([float(threshold)] if text.known(threshold) else [])
    low, top = min(span), max(span)
    scale = 26 / ((top - low) or 1)
    width = 100 / max(len(values) - 1, 1)

    def place(index: int, value: float) -> str:
        return f"{index * width:.1f} {29 - (value - low) * scale:.1f}"

    path, last = "", -2
    for index, value in points:
        path += f"{'L' if index == last + 1 else 'M'}{place(index, value)}"
        last = index
    lines = {"--trend": f'<path d="{path}" stroke="#000" stroke-width="2"'}
    if text.known(threshold):
        aim = 29 - (float(threshold) - low) * scale
        lines["--aim"] = f'<path d="M0 {aim:.1f}H100" stroke="#000" stroke-dasharray="3 3"'
    masks = {name: _mask(line) for name, line in lines.items()}
    return html.Span(className=f"sparkline {class_name}".strip(), style=masks)


def _mask(line: str) -> str:
    """A line as a mask, so that its colour is the style sheet's."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 32" preserveAspectRatio="none"'
        f' fill="none">{line} vector-effect="non-scaling-stroke" stroke-linecap="round"'
        ' stroke-linejoin="round"/></svg>'
    )
    return f'url("data:image/svg+xml,{quote(drawing)}")'


def counts(numbers: Iterable[tuple[str, int]], *, letters: int = 999) -> list[Piece]:
    """Shape, number and word per status; past so many letters words give way, shapes never.

    No composite score: a reader adds up what he wants himself.
    """
    told = list(numbers)
    left = letters - sum(len(str(number)) + 3 for _, number in told)
    pieces: list[Piece] = []
    for name, number in told:
        mark = theme.status(name)
        spoken = len(mark.word) <= left
        left -= len(mark.word) if spoken else 0
        pieces.append(
            html.Span(
                [
                    shape(mark, f"hue-{name}", label="" if spoken else mark.word),
                    html.Span(str(number), className="count-number"),
                    html.Span(mark.word.lower(), className="count-word") if spoken else None,
                ],
                className="count",
                **{"data-status": name, "data-count": str(number)},
            )
        )
    return pieces


def table(head: Sequence[Piece], rows: Iterable[Sequence[Piece]], *, class_name: str = "") -> Piece:
    """A plain html table; numbers get their class from the head, ``("Tử số", "num")``."""
    titles = [item if isinstance(item, tuple) else (item, "") for item in head]
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(t, className=c, scope="col") for t, c in titles])),
                html.Tbody([
                    html.Tr([
                        html.Td(cell, className=kind)
                        for cell, (_, kind) in zip(row, titles, strict=True)
                    ])
                    for row in rows
                ]),
            ],
            className=f"table {class_name}".strip(),
        ),
        className="table-scroll",
    )


def breakable(words: str) -> list[Piece]:
    """Counts that a narrow cell may break after their stroke: 97.843/ and 112.376."""
    first, *others = words.split("/")
    return [first, *(piece for one in others for piece in ("/", html.Wbr(), one))]


def facts(pairs: Iterable[tuple[str, Piece]], *, class_name: str = "") -> Piece:
    """Headings with what stands under them; what is unknown is left out."""
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs if value],
        className=f"facts {class_name}".strip(),
    )


def card(title: Piece, *children: Piece, id: str = "", note: Piece = None) -> Piece:
    """A section with its heading."""
    named = {"id": id} if id else {}
    return html.Section(
        [html.Header([html.H2(title), html.Div(note, className="card-note")]), *children],
        className="card",
        **named,
    )


def choice(options: Sequence[tuple[str, str, bool]], *, label: str) -> Piece:
    """A row of alternatives as links, one of which is on: the choice stands in the address."""
    links = [
        dcc.Link(word, href=href, className="on" if chosen else "")
        for word, href, chosen in options
    ]
    return html.Nav(links, className="choice", **{"aria-label": label})


def more(summary: Piece, *children: Piece, class_name: str = "") -> Piece:
    """Something that opens when it is asked for."""
    return html.Details([html.Summary(summary), *children], className=class_name or "more")


def downloads(path: str, link: Any, count: Any, *, local: bool = False, **filters: Any) -> Piece:
    """The same rows as files, and how many: the address is the question of the screen.

    ``local`` adds the CSV that a Vietnamese spreadsheet opens by a double click.
    """
    if not access.may(who().role, "exports", "csv"):
        return None
    size = f" · {text.number(count)} dòng" if text.known(count) else ""

    def file(word: str, kind: str, says: str, **dialect: Any) -> Piece:
        href = link(f"{path}.{kind}", download=1, **dialect, **filters)
        return html.A(word, href=href, download="", title=says)

    files = [
        file(f"CSV{size}", "csv", "Dấu phẩy giữa các cột, dấu chấm thập phân"),
        file("XLSX", "xlsx", "Bảng tính: mã giữ số 0 ở đầu, ngày là ngày, kèm trang mô tả"),
        html.A("JSON", href=link(f"{path}.json", **filters), target="_blank"),
    ]
    if local:
        says = "Dấu chấm phẩy giữa các cột, dấu phẩy thập phân"
        files.insert(1, file("CSV Excel VN", "csv", says, decimal="comma"))
    return html.Nav(files, className="downloads", **{"aria-label": "Tải số liệu"})

"""What was corrected in the history of an indicator: before, after, since when, by which poll."""

from __future__ import annotations

from collections import defaultdict

from dash import dcc, html

from kpi import query
from layouts import components, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import link, rows
from layouts.view import View

SHOWN = 6  # corrections on the page; the file has all
REBUILT = "dựng lại theo thời điểm cập nhật của nguồn"


def found(view: View) -> list[Row]:
    """Every correction in the periods of the chart, newest first."""
    if not view.indicator["source"] or view.regrouped:
        return []
    asked = {"indicators": [view.key], "org_units": [view.org_unit], "grain": view.span.grain}
    told = rows(query.revisions, **asked, first=view.span.first, last=view.span.last)
    return sorted(told, key=lambda row: row["known_at"], reverse=True)


def below(view: View, told: list[Row]) -> Piece:
    """The newest corrections in words under the chart, and the way to all of them."""
    if view.regrouped:
        words = "từng lần sửa xem ở khung “Đơn vị như khi đó”"
        return html.P(f"Vòng rỗng: kỳ đã được sửa sau lần công bố đầu; {words}.", className="under")
    if not told:
        return html.P("Chưa kỳ nào bị sửa sau lần công bố đầu.", className="under")
    lines = [
        html.Li(
            [html.Span(f"{text.period(row['period'])}: ", className="when"), *_words(row, view)],
            **{"data-period": row["period"]},
        )
        for row in told[:SHOWN]
    ]
    span = view.span
    asked = {"indicator": view.key, "org_unit": view.org_unit, "grain": span.grain}
    asked |= {"from_": span.first.text, "to": span.last.text}
    older = len(told) - len(lines)
    more = [html.P(f"Và {text.number(older)} lần sửa trước đó.", className="under")]
    return html.Div(
        [
            html.P("Vòng rỗng: kỳ đã được sửa sau lần công bố đầu.", className="under"),
            html.Ul(lines, className="revisions"),
            *(more if older else ()),
            components.downloads("/api/v1/revisions", link, len(told), **asked),
        ],
        className="revision-list",
    )


def notes(view: View, told: list[Row]) -> dict[str, str]:
    """The same words by period, for the chart's twin: newest first where there are several."""
    by_period: dict[str, list[str]] = defaultdict(list)
    for row in told:
        by_period[row["period"]].append(_plain(row, view))
    return {period: "; ".join(words) for period, words in by_period.items()}


def _words(row: Row, view: View) -> list[Piece]:
    """đã sửa: 62,1 % → 60,8 %, ngày 02/08/2026, lượt đọc 17; the poll is a link."""
    said = [f"đã sửa: {_moved(row, view)}, ngày {text.day(row['known_at'])}"]
    if not text.known(row["run"]):
        return [*said, ", ", html.Span("dựng lại", title=REBUILT)]
    number = f"{row['run']:.0f}"
    href = link(f"/sources/{row['source']}", run=number)
    by = f", nhập tay: {row['given_by']}" if row["given_by"] else ""
    return [*said, ", ", dcc.Link(f"lượt đọc {number}", href=href), by]


def _plain(row: Row, view: View) -> str:
    run = f", lượt đọc {row['run']:.0f}" if text.known(row["run"]) else ""
    return f"đã sửa: {_moved(row, view)}, ngày {text.day(row['known_at'])}{run}"


def _moved(row: Row, view: View) -> str:
    """Both figures, told apart: with counts where they are few or where one rounds to the other."""
    before = {name: row[f"{name}_before"] for name in ("numerator", "denominator", "value")}
    was, then = (text.value(each, *view.borders) for each in ({**row, **before}, row))
    if was == then or text.few(row["denominator"]):
        was, then = _counted(was, before), _counted(then, row)
    return f"{was} → {then}".replace(text.NONE, "không có số")


def _counted(shown: str, row: Row) -> str:
    """79 % (11/14)."""
    counts = text.counts(row["numerator"], row["denominator"])
    return shown if counts == text.NONE else f"{shown} ({counts})"

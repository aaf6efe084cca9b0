"""What a chart draws besides its values, in words under it: its lines, the pace, what happened."""

from __future__ import annotations

from datetime import date
from typing import Any

from dash import html

from layouts import text
from layouts.components import Piece
from layouts.events import Event, events, numbered
from layouts.figures import Mark
from layouts.lines import Row, closed, judged, unmeasured
from layouts.state import desk, today
from layouts.view import View

FORMULA = "mốc đầu + (mức giao − mốc đầu) × số ngày đã qua ÷ số ngày từ mốc đầu đến ngày chốt"


def breaks(view: View) -> list[date]:
    """The days across which values do not compare: another formula computes them from there on."""
    every = desk().store.catalogue.indicators[view.key].every
    formulas = [(one.numerator, one.denominator, one.factor) for one in every]
    pairs = zip(formulas, formulas[1:], every[1:], strict=False)
    return [one.begins for before, after, one in pairs if before != after and one.begins]


def marks(view: View) -> list[Mark]:
    """What happened, as the chart marks it; the closing date has a mark of its own."""
    of: dict[date, list[str]] = {}
    for mark, one in _events(view):
        if not one.closes:
            of.setdefault(one.day, []).append(mark)
    return [(", ".join(told), day) for day, told in of.items()]


def _events(view: View) -> list[tuple[str, Event]]:
    return numbered(events(view, view.span.first.start, view.span.last.end))


def notes(view: View, rows: list[Row]) -> list[Piece]:
    """The words under the chart of ``rows``."""
    items = [
        html.Li([html.B(mark), html.Span(f"{text.day(one.day)}: {one.words}")])
        for mark, one in _events(view)
    ]
    drawn = _earlier(rows)
    return [
        html.P(text.sentence(drawn), className="under") if drawn else None,
        *pace_words(view),
        html.Ol(items, className="events", **{"aria-label": "Mốc trên biểu đồ"}) if items else None,
    ]


def _earlier(rows: list[Row]) -> str:
    drawn = any(text.known((row.get("before") or {}).get("value")) for row in rows)
    return "Nét chấm: cùng kỳ năm trước" if drawn else ""


# ── pace ───────────────────────────────────────────────────────────────────────────────────


def pace(view: View) -> list[tuple[date, float]]:
    """The two ends of the required pace of an open target; empty where there is none.

    From the baseline to the threshold on the closing date; it never falls.
    """
    row, part, line = view.row, view.part, view.line
    if not part or not line or closed(row) or not part.closing or not text.known(row.get("pace")):
        return []
    begins, goal = text.as_date(row["baseline_date"]), float(line.target["threshold"])
    assert begins
    return [(begins, min(float(row["baseline_value"]), goal)), (part.closing, goal)]


def pace_words(view: View) -> list[Piece]:
    """The formula of the line with its numbers, and how far the figure is from it today."""
    ends = pace(view)
    if not ends or view.line is None:
        return []
    (begins, start), (closes, goal) = ends
    line = (
        f"Đường tiến độ (nét gạch dài): thẳng từ {text.share(start)} ngày {text.day(begins)} đến"
        f" {text.plain(goal)}{text.GAP}% ngày {text.day(closes)}; {FORMULA}."
    )
    return [html.P(line, className="under pace-formula"), html.P(_distance(view), className="says")]


def _distance(view: View) -> str:
    """Đến 20/06/2024 cần 37,0 %, đang thấp hơn 2,1 điểm; cần +1,2 điểm/tháng."""
    row: Any = view.row
    gap, need = row["value"] - row["pace"], row.get("required_per_month")
    where = (
        "đúng bằng đường tiến độ"
        if not gap
        else f"đang {'cao' if gap > 0 else 'thấp'} hơn {text.points(abs(gap)).lstrip('+')}"
    )
    if row["status"] == "no_data":
        where = unmeasured(row) or where
    over = judged(view.line, row, closing=False) if view.line else ""
    return (
        text.join(
            [
                f"Đến {text.day(today())} cần {text.share(row['pace'])}, {where} ({over})",
                f"cần {text.points(need)}/tháng" if text.known(need) and need else "",
            ],
            "; ",
        )
        + "."
    )

"""Charts: pure functions from rows to a plain dict, never ``go.Figure``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from ioc.period import Period
from layouts import text, theme

Figure = dict[str, Any]
Mark = tuple[str, date]
"""A short mark at the axis and its day: the number under which a list tells what happened."""


def trend(
    rows: Sequence[dict[str, Any]],
    *,
    threshold: Any = None,
    high: Any = None,
    level: str = "",
    starts: date | None = None,
    closes: date | None = None,
    noun: str = "",
    steps: Sequence[tuple[date, float]] = (),
    pace: Sequence[tuple[date, float]] = (),
    marks: Sequence[Mark] = (),
    breaks: Sequence[date] = (),
) -> Figure:
    """Values over time against the target's step line.

    Args:
        rows: ``values`` of one org unit in the order of time: period, numerator, denominator,
            value, reason, revised. A period without a value is a gap, never 0, never bridged.
            ``before`` of a row, when there is one, is the row of the same period a year earlier.
        threshold, high: the plan's numbers; ``high`` makes the line a band.
        level: the threshold in words, written at the line.
        starts, closes: between these days the target is in force; a mark stands at ``closes``.
        steps: the thresholds and the days from which they hold, oldest first; by default
            ``threshold`` from ``starts``. A band is drawn for the newest only.
        pace: days and values between which the required pace is a straight line.
        marks: what else happened, each a thin line with its short mark on top.
        breaks: days across which values do not compare: no line joins a period that ends before
            one with a later period.
    """
    days = [Period.parse(row["period"]).start.isoformat() for row in rows]
    values = [float(row["value"]) if text.known(row["value"]) else None for row in rows]
    words = [_words(row, (threshold, high), noun) for row in rows]
    symbols = ["circle-open" if _revised(row) else "circle" for row in rows]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": [*days],
            "y": values,
            "text": words,
            "hovertemplate": "%{text}<extra></extra>",
            "connectgaps": False,
            "line": {"color": theme.ON_TRACK, "width": 2.5},
            "marker": {"size": 6, "symbol": symbols, "color": theme.ON_TRACK},
        }
    ]
    unit = (rows[0].get("unit") if rows else "") or "%"
    _break(data[0], rows, breaks)
    beside = [*_before(rows, days, (threshold, high), noun), *_pace(pace)]
    data += beside
    heights = values + [value for trace in beside for value in trace["y"]]
    if text.known(threshold) and not steps and (starts or days):
        steps = [(starts or date.fromisoformat(days[0]), float(threshold))]
    shapes, notes = _target(steps, high, level, closes, days)
    for shape, note in map(_marked, marks):
        shapes.append(shape)
        notes.append(note)
    return {
        "data": data,
        "layout": {
            "template": theme.TEMPLATE,
            "shapes": shapes,
            "annotations": notes,
            "xaxis": {
                "type": "date",
                "dtick": "M12",
                "tickformat": "%Y",
                "hoverformat": "%m/%Y",
                "range": _span(rows),
            },
            "yaxis": {
                "ticksuffix": f" {unit}",
                "range": room(heights, threshold, high, unit),
                "nticks": 6,
                "exponentformat": "none",  # no letters for millions
                "separatethousands": True,
                "automargin": True,
            },
            "uirevision": "trend",
        },
    }


def _span(rows: Sequence[dict[str, Any]]) -> list[str] | None:
    """From a little before the first period to a little after the last."""
    if not rows:
        return None
    first, last = Period.parse(rows[0]["period"]), Period.parse(rows[-1]["period"])
    return [(first.start - timedelta(days=20)).isoformat(), last.next(2).end.isoformat()]


def _break(line: dict[str, Any], rows: Sequence[dict[str, Any]], breaks: Sequence[date]) -> None:
    """Put a point without a value between periods that do not compare."""
    ends = [Period.parse(row["period"]).end for row in rows]
    for at in range(len(rows) - 1, 0, -1):
        if any(ends[at - 1] < day <= ends[at] for day in breaks):
            line["x"].insert(at, line["x"][at])
            line["y"].insert(at, None)
            line["text"].insert(at, "")
            line["marker"]["symbol"].insert(at, "circle")


def _revised(row: dict[str, Any]) -> bool:
    return text.known(row.get("revised")) and bool(row["revised"])


def _words(row: dict[str, Any], lines: tuple[Any, ...], noun: str) -> str:
    period = text.period(row["period"])
    if not text.known(row["value"]):
        reason = row.get("reason") or ""
        return f"{period}: {text.REASONS.get(reason, reason or 'chưa có số liệu')}"
    over, under = row["numerator"], row["denominator"]
    revised = ", đã sửa" if _revised(row) else ""
    counted = text.counts(over, under, noun)
    told = f" ({counted})" if counted != text.NONE else ""  # a count has no denominator
    return (
        f"{period}: {text.join([text.value(row, *lines) + told + revised, row.get('mark')], '; ')}"
    )


def _before(
    rows: Sequence[dict[str, Any]], days: list[str], lines: tuple[Any, ...], noun: str
) -> list[dict[str, Any]]:
    """The same periods a year earlier, dotted, without points; nothing when nothing is known."""
    earlier = [row.get("before") or {} for row in rows]
    values = [float(row["value"]) if text.known(row.get("value")) else None for row in earlier]
    if all(value is None for value in values):
        return []
    words = [f"{_words(row, lines, noun)} (cùng kỳ năm trước)" if row else "" for row in earlier]
    return [_line(days, values, words, "1px,4px")]


def _pace(points: Sequence[tuple[date, float]]) -> list[dict[str, Any]]:
    """The required pace: straight from the baseline to the threshold on the closing date."""
    if not points:
        return []
    words = [f"Đường tiến độ {text.day(day)}: {text.share(value)}" for day, value in points]
    days = [day.isoformat() for day, _ in points]
    return [_line(days, [value for _, value in points], words, "10px,4px")]


def _line(days: list[str], values: Any, words: list[str], dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": days,
        "y": values,
        "text": words,
        "hovertemplate": "%{text}<extra></extra>",
        "connectgaps": False,
        "line": {"color": theme.SECOND, "width": 1.5, "dash": dash},
    }


def _marked(mark: Mark) -> tuple[dict[str, Any], dict[str, Any]]:
    """A thin line on a day, its mark above the drawing."""
    words, day = mark
    at = day.isoformat()
    shape = _upright(at) | {"opacity": 0.3}
    shape["line"] = shape["line"] | {"dash": "2px,3px"}
    return shape, _note(at, 1, words, yref="paper", yanchor="bottom", xshift=0)


def _upright(at: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": theme.TEXT, "width": 1},
        "opacity": 0.5,
    }


def _steps(steps: Sequence[tuple[date, float]], high: Any, last: str) -> list[dict[str, Any]]:
    """A line for each threshold until the next one begins, and one up or down to it."""
    ends = [day.isoformat() for day, _ in steps[1:]] + [last]
    line = {"color": theme.TEXT, "width": 1.5, "dash": "6px,5px"}
    shapes: list[dict[str, Any]] = []
    for at, ((day, value), end) in enumerate(zip(steps, ends, strict=True)):
        begins = day.isoformat()
        band = text.known(high) and at == len(steps) - 1
        flat = {"x0": begins, "x1": end, "y0": value, "y1": float(high) if band else value}
        fill = {"type": "rect", "fillcolor": "rgba(184,192,200,0.10)"} if band else {"type": "line"}
        if at:
            rise = {"x0": begins, "x1": begins, "y0": steps[at - 1][1], "y1": value}
            shapes.append(rise | {"type": "line", "line": line, "layer": "above"})
        shapes.append(flat | fill | {"line": line, "layer": "above"})
    return shapes


def _target(
    steps: Sequence[tuple[date, float]],
    high: Any,
    level: str,
    closes: date | None,
    days: list[str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    last = closes.isoformat() if closes else days[-1] if days else None
    if steps and last:
        shapes += _steps(steps, high, last)
        first, value = steps[-1]
        words = f"Mức giao {level}"
        notes.append(_note(first.isoformat(), value, words, xanchor="left", yanchor="bottom"))
    if closes:
        mark = closes.isoformat()
        shapes.append(_upright(mark))
        notes.append(
            _note(
                mark, 1, f"chốt {text.day(closes)}",
                yref="paper", xanchor="right", yanchor="top", xshift=-5,
            )
        )  # fmt: skip
    return shapes, notes


def _note(x: str, y: float, words: str, **more: Any) -> dict[str, Any]:
    font = {"size": 13, "color": theme.SECOND}
    return {"x": x, "y": y, "text": words, "showarrow": False, "font": font, "xshift": 5} | more


def room(values: list[float | None], threshold: Any, high: Any, unit: str) -> list[float]:
    """From nothing to a little above everything; a share needs no room above the whole."""
    known = [v for v in values if v is not None]
    if unit != "%":
        return [min([0.0, *known]), max(known, default=1.0) * 1.15 or 1.0]
    known += [float(v) for v in (threshold, high) if text.known(v)]
    top = max(known, default=100.0)
    return [0, 102 if top > 80 else min(102, top * 1.2 + 1)]

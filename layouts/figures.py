"""Charts: pure functions from rows to a plain dict, never ``go.Figure``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from ioc.period import Period
from layouts import text, theme

Figure = dict[str, Any]


def trend(
    rows: Sequence[dict[str, Any]],
    *,
    threshold: Any = None,
    high: Any = None,
    level: str = "",
    starts: date | None = None,
    closes: date | None = None,
    noun: str = "",
) -> Figure:
    """Values over time against the target's step line.

    Args:
        rows: ``values`` of one org unit in the order of time: period, numerator, denominator,
            value, reason, revised. A period without a value is a gap, never 0, never bridged.
        threshold, high: the plan's numbers; ``high`` makes the line a band.
        level: the threshold in words, written at the line.
        starts, closes: between these days the target is in force; a mark stands at ``closes``.
    """
    days = [Period.parse(row["period"]).start.isoformat() for row in rows]
    values = [float(row["value"]) if text.known(row["value"]) else None for row in rows]
    words = [_words(row, (threshold, high), noun) for row in rows]
    symbols = ["circle-open" if _revised(row) else "circle" for row in rows]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": days,
            "y": values,
            "text": words,
            "hovertemplate": "%{text}<extra></extra>",
            "connectgaps": False,
            "line": {"color": theme.ON_TRACK, "width": 2.5},
            "marker": {"size": 6, "symbol": symbols, "color": theme.ON_TRACK},
        }
    ]
    unit = (rows[0].get("unit") if rows else "") or "%"
    shapes, notes = _target(threshold, high, level, starts, closes, days)
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
                "range": _range(values, threshold, high, unit),
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
    return f"{period}: {text.value(row, *lines)}{told}{revised}"


def _target(
    threshold: Any,
    high: Any,
    level: str,
    starts: date | None,
    closes: date | None,
    days: list[str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    first = starts.isoformat() if starts else days[0] if days else None
    last = closes.isoformat() if closes else days[-1] if days else None
    if text.known(threshold) and first and last:
        shape = {
            "x0": first,
            "x1": last,
            "y0": float(threshold),
            "y1": float(high if text.known(high) else threshold),
            "line": {"color": theme.TEXT, "width": 1.5, "dash": "6px,5px"},
            "layer": "above",
        }
        band = text.known(high)
        fill = {"type": "rect", "fillcolor": "rgba(184,192,200,0.10)"} if band else {"type": "line"}
        shapes.append(shape | fill)
        notes.append(
            _note(first, float(threshold), f"Mức giao {level}", xanchor="left", yanchor="bottom")
        )
    if closes:
        mark = closes.isoformat()
        shapes.append({
            "type": "line",
            "x0": mark,
            "x1": mark,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": theme.TEXT, "width": 1},
            "opacity": 0.5,
        })
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


def _range(values: list[float | None], threshold: Any, high: Any, unit: str) -> list[float]:
    """From nothing to a little above everything; a share needs no room above the whole."""
    known = [v for v in values if v is not None]
    if unit != "%":
        return [min([0.0, *known]), max(known, default=1.0) * 1.15 or 1.0]
    known += [float(v) for v in (threshold, high) if text.known(v)]
    top = max(known, default=100.0)
    return [0, 102 if top > 80 else min(102, top * 1.2 + 1)]

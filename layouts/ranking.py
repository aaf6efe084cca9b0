"""Org units against each other and against the plan's threshold, with the counts behind them."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, lately, text, theme
from layouts.components import Piece
from layouts.lines import Row, closed, parts_of, verdict
from layouts.state import ask, link, today
from layouts.view import DISTRICTS_END, LEVELS, View


def ranking(view: View) -> Piece:
    """Org units of one level, best first; those without a figure at the end, never hidden."""
    if view.line is None:
        return None
    on = DISTRICTS_END if view.level == "district" else today()
    asked = {"targets": [view.line.id], "indicators": [view.key], "level": view.level, "on": on}
    standings = ask(query.standings, **asked).to_dict("records")
    rows = [row for row in standings if row["indicator"]]
    closing = view.closing and any(closed(row) for row in rows)
    ranked = sorted(rows, key=lambda row: _order(row, closing))
    levels = [
        (
            text.LEVELS[name],
            view.address(level="" if name == LEVELS[0] else name),
            name == view.level,
        )
        for name in LEVELS
    ]
    kinds = [
        ("Số chốt", view.address(figure=""), view.closing),
        ("Hiện nay", view.address(figure="live"), not view.closing),
    ]
    shown = [_rank(view, row, closing) for row in ranked]
    ended = view.part is not None and closed(view.part.row) and view.level != "district"
    files = {"target": view.line.id, "indicator": view.key, "level": view.level, "on": on}
    return components.card(
        "So sánh các đơn vị",
        html.Div(
            [
                components.choice(levels, label="Cấp đơn vị"),
                components.choice(kinds, label="Số chốt hay hiện nay") if ended else None,
                dcc.Link("Xem trên bản đồ", href=link("/map", indicator=view.key)),
            ],
            className="toolbar",
        ),
        html.Div(shown or _nobody(view), className="ranking"),
        note=components.downloads("/api/v1/standings", link, len(standings), **files),
    )


def _nobody(view: View) -> Piece:
    return html.P("Chỉ số này không tính cho cấp đơn vị đang chọn.", className="rank-more")


def _order(row: Row, closing: bool) -> tuple[bool, float, str]:
    over, under = parts_of(row, closing=closing)
    absent = not (text.known(over) and text.known(under)) or not under
    return absent, 0.0 if absent else -over / under, row["code"]


def _rank(view: View, row: Row, closing: bool) -> Piece:
    assert view.line
    over, under = parts_of(row, closing=closing)
    target = view.line.target
    absent = not (text.known(over) and text.known(under)) or not under
    name = _stands(view, over, under)
    mark = theme.status(name)
    value = None if absent else 100 * over / under
    here = " here" if row["org_unit"] == view.org_unit else ""
    return html.Div(
        [
            components.shape(mark, f"hue-{name}" if closing else "", label=mark.word)
            if closing or absent
            else html.Span(),
            dcc.Link(
                row["name"], href=view.address(org_unit=row["org_unit"]), className="rank-name"
            ),
            components.bullet(value, target["threshold"], target.get("threshold_high")),
            html.Span(text.percent(over, under, *view.borders), className="rank-value"),
            _counts(view, row, closing),
        ],
        className=f"rank{' empty' if absent else ''}{here}",
    )


def _counts(view: View, row: Row, closing: bool) -> Piece:
    """How much stands behind a share, and the way there."""
    over, under = parts_of(row, closing=closing)
    if not (text.known(over) and text.known(under)) or not under:
        return html.Span("chưa có số liệu", className="rank-n")
    window = row.get("closing_period" if closing else "period")
    href = lately.cases(view.key, row["org_unit"], window)
    shown = text.counts(over, under)
    if not href:
        return html.Span(shown, className="rank-n")
    words = f"Hồ sơ được đếm trong {text.period(window)}"
    return dcc.Link(shown, href=href, className="rank-n", title=words)


def _stands(view: View, over: Any, under: Any) -> str:
    """An org unit against the plan's threshold; only the closing figure is given a status."""
    assert view.line
    rule = view.line.target["reading_in_force"] or ""
    if view.status == "qualitative":
        return "qualitative" if text.known(over) else "no_data"
    met = verdict(rule, over, under)
    return "no_data" if met is None else "met" if met else "missed"

"""The roadmap: the projects of each stage of the plan on a line of years, with their milestones."""

from __future__ import annotations

from datetime import date
from typing import Any

from dash import html

from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.projectview import Found, overdue
from layouts.state import desk, today

LOOKS = {  # of a milestone: word, shape, class of its hue
    "done": ("xong", "met", ""),
    "late": ("quá hạn", "off_track", "hue-off_track"),
    "open": ("chưa đến hạn", "empty", ""),
    "untold": ("chưa có báo cáo", "no_data", ""),
}


def cards(found: Found) -> list[Piece]:
    """A card for every stage of the roadmap, those of the plan's period first."""
    return [_card(found, stage) for stage in desk().store.catalogue.portfolio.roadmap.values()]


def _card(found: Found, stage: Any) -> Piece:
    rows = [row for row in found.rows if row["period"] == stage.id]
    years = range(stage.begins.year, stage.ends.year + 1)
    body = [_row(found, row, stage) for row in rows]
    empty = html.P("Không có dự án nào như vậy trong giai đoạn này.", className="under")
    return components.card(
        f"Lộ trình {stage.id.replace('-', '–')}",
        html.Blockquote(stage.sentence),
        html.Div(
            [
                html.Div(
                    [
                        html.Span(className="road-name"),
                        html.Div([html.Span(str(year)) for year in years], className="road-years"),
                        html.Span(className="road-told"),
                    ],
                    className="road road-head",
                    **{"aria-hidden": "true"},
                ),
                *body,
            ],
            className="roads",
            style={"--years": str(len(years))},
        )
        if body
        else empty,
        _legend() if body else None,
        note=f"{len(rows)} dự án · mục 5.3",
    )


def _row(found: Found, row: Row, stage: Any) -> Piece:
    told = found.of[row["project"]]
    named = {one["channel"]: one for one in told}
    known = desk().store.catalogue.portfolio.projects[row["project"]]
    marks = [_mark(step, named.get(step.id), row, stage) for step in known.milestones]
    now_ = today()
    line = (
        html.Span(className="road-now", style={"--at": _at(now_, stage)})
        if stage.begins <= now_ <= stage.ends
        else None
    )
    bar = html.Span(
        className="road-bar",
        style={"--at": _at(row["starts"], stage), "--to": _at(row["due"], stage)},
    )
    done, total = row["milestones_done"], row["milestones_total"]
    return html.Div(
        [
            html.Span(
                [
                    html.A(row["name"], href=f"#{row['project']}"),
                    html.Span(row["project"], className="target-id"),
                ],
                className="road-name",
            ),
            html.Div([bar, line, *marks], className="road-track"),
            html.Span(
                [
                    components.told(theme.PROJECT[row["state"]]),
                    html.Span(f"{text.counts(done, total)} mốc", className="under")
                    if text.known(done)
                    else None,
                ],
                className="road-told",
            ),
        ],
        className="road",
        **{"data-project": row["project"], "data-state": row["state"]},
    )


def _mark(step: Any, told: Row | None, row: Row, stage: Any) -> Piece:
    """One milestone where it is due; its words on hovering, and in the list below."""
    look = _look(told, row)
    word, shape, hue = LOOKS[look]
    due = text.as_date(told["due_at"]) if told and text.known(told["due_at"]) else step.due
    mark = theme.Mark(word, shape, "")
    return html.Span(
        components.shape(mark, hue),
        className=f"road-mark is-{look}",
        style={"--at": _at(due or step.due, stage)},
        title=f"{step.name}: hạn {text.day(due)}, {word}",
        **{"data-milestone": step.id, "data-look": look},
    )


def _look(told: Row | None, row: Row) -> str:
    if told is None:
        return "open" if row["state"] == "planned" else "untold"
    if text.known(told["closed_at"]):
        return "done"
    return "late" if overdue(told) else "open"


def _at(day: date, stage: Any) -> str:
    """Where a day stands between the first and the last day of a stage."""
    whole = (stage.ends - stage.begins).days
    share = 100 * (day - stage.begins).days / whole
    return f"{min(max(share, 0.0), 100.0):.2f}%"


def _legend() -> Piece:
    return html.Div(
        [
            html.Span(
                [components.shape(theme.Mark(word, shape, ""), hue), html.Span(word)],
                className="status",
            )
            for word, shape, hue in LOOKS.values()
        ],
        className="legend",
    )

"""One indicator: its outcome, its history, its org units, its definition."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.period import Period
from kpi import query
from layouts import (
    answercard,
    assessments,
    chartnotes,
    components,
    figures,
    forecastcard,
    framechoice,
    lately,
    pivotcard,
    places,
    plans,
    revisionlist,
    shell,
    text,
    theme,
)
from layouts.components import Piece
from layouts.definition import definition, readings
from layouts.lines import (
    AREA,
    Line,
    Row,
    by_hand,
    closed,
    detail,
    figure,
    indicators,
    judged,
    redefined,
    split,
    steps,
)
from layouts.ranking import ranking
from layouts.register import clocks, hand_mark
from layouts.slots import changed, marks, memory
from layouts.state import as_of, ask, callback, desk, home, link
from layouts.view import FILTERS, GRAINS, View, again, look

PARTS = ("head", "trend", "months", "revisions", "ranking", "answer", "notes", "pivot")


def layout(**given: Any) -> Piece:
    """The page of one indicator at one org unit; ``view.FILTERS`` are what its address says."""
    asked = {name: str(given.get(name) or "") for name in FILTERS}
    view = look(asked)
    if view is None:
        return shell.not_found()
    if absent := plans.absent(view.plan):
        return shell.desk_page(absent)
    body = _without_source(view) if view.status == "no_source" else _with_source(view)
    return shell.desk_page(
        dcc.Store(id="indicator-view", data=asked),
        _title(view),
        plans.choice(lambda plan: view.address(plan=plan, figure=""), view.plan, _plans(view.key)),
        plans.banner(view.plan),
        *body,
        crumbs=shell.crumb(*places.path(view.org_unit, view.indicator["short"])),
    )


def pieces(view: View) -> dict[str, Any]:
    """All that follows the data."""
    rows, revised = months(view), revisionlist.found(view)
    return {
        "answer": answercard.card(view),
        "head": head(view),
        "trend": trend(view, rows),
        "months": month_table(view, rows, revisionlist.notes(view, revised)),
        "revisions": revisionlist.below(view, revised),
        "ranking": [ranking(view), *readings(view)],
        "notes": chartnotes.notes(view, rows),
        "pivot": pivotcard.card(view),
    }


@callback(
    Output("indicator-head", "children"),
    Output("indicator-trend", "figure"),
    Output("indicator-trend-table", "children"),
    Output("indicator-revisions", "children"),
    Output("indicator-ranking", "children"),
    Output("indicator-answer", "children"),
    Output("indicator-notes", "children"),
    Output("indicator-pivot", "children"),
    Output("indicator-seen", "data"),
    Input("live", "data"),
    State("indicator-view", "data"),
    State("indicator-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(again(given))
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


# ── frame of the page ──────────────────────────────────────────────────────────────────────


def _title(view: View) -> Piece:
    judged = plans.plan(view.plan)
    goal = "Mục tiêu ví dụ số" if judged and judged.example else "Mục tiêu số"
    bullet = f"{goal} {view.line.target['bullet']:.0f}" if view.line else "Chỉ số"
    codes = text.join([bullet, view.line.id if view.line else "", view.key])
    return html.Div(
        [
            html.Div([
                html.H1(view.indicator["name"]),
                html.P([f"{codes} · ", *_whose(view)], className="lede"),
            ]),
            _siblings(view),
        ],
        className="title-row",
    )


def _whose(view: View) -> list[Piece]:
    """Whose figures these are, and the way to all the others'."""
    sector = view.indicator["sector"]
    found: list[Piece] = [
        dcc.Link(desk().store.catalogue.sectors[sector], href=f"/sector/{sector}"),
        " · ",
        dcc.Link(view.unit.name, href=places.address(view.org_unit)),
    ]
    if view.org_unit != home():
        wider = "xem toàn địa bàn" if home() == AREA else f"xem {desk().orgunits[home()].name}"
        found += [" · ", dcc.Link(wider, href=link(f"/indicator/{view.key}", plan=view.plan))]
    return found


def _plans(key: str) -> list[str]:
    """The plans of which a target measures with an indicator."""
    catalogue = desk().store.catalogue
    return [catalogue.targets[one].plan for one in catalogue.targets_of(key)]


def _siblings(view: View) -> Piece:
    """The other indicators of the same bullet of the plan."""
    if view.line is None:
        return None
    bullet = view.line.target["bullet"]
    rows = ask(query.targets, **plans.named(view.plan)).to_dict("records")
    keys = [key for row in rows if row["bullet"] == bullet for key in split(row["indicators"])]
    if len(keys) < 2:
        return None
    known = indicators()
    links = [
        dcc.Link(
            known[key]["short"],
            href=view.line.address(key),
            className="on" if key == view.key else "",
        )
        for key in keys
        if key in known
    ]
    return html.Nav(links, className="siblings", **{"aria-label": "Cùng mục tiêu"})


def _with_source(view: View) -> list[Piece]:
    shown = pieces(view)
    first, last, grain = view.span.first, view.span.last, view.span.grain
    asked = {"indicator": view.key, "org_unit": view.org_unit, "grain": grain}
    asked |= {"from_": first.text, "to": last.text, **view.framed}
    many = last.index - first.index + 1
    title = f"Diễn biến từng {text.GRAINS[grain]}"
    return [
        memory("indicator", shown),
        framechoice.choice(view),
        html.Div(shown["answer"], id="indicator-answer"),
        html.Div(shown["head"], id="indicator-head"),
        forecastcard.card(view),
        assessments.card(view) if _assessed(view) else None,
        components.card(
            title,
            _grains(view),
            components.graph(
                "indicator-trend",
                shown["trend"],
                shown["months"],
                label=f"{title} của {view.indicator['name']}, {view.unit.name}",
            ),
            html.Div(shown["notes"], id="indicator-notes", className="chart-notes"),
            html.Div(shown["revisions"], id="indicator-revisions"),
            note=components.downloads("/api/v1/values", link, many, **asked),
        ),
        html.Div(
            [
                html.Div(shown["ranking"], id="indicator-ranking", className="stack"),
                definition(view),
            ],
            className="columns",
        ),
        html.Div(shown["pivot"], id="indicator-pivot"),
    ]


def _without_source(view: View) -> list[Piece]:
    catalogue = desk().store.catalogue
    sector = catalogue.sectors.get(view.indicator.get("sector") or "", "")
    level = f"{_aim(view.line)}. " if view.line else ""
    locked = f"Chỉ tiêu đã khóa {text.day(view.part.closing)}. " if view.locked else ""
    return [
        answercard.card(view),
        html.Section(
            [
                components.status("no_source"),
                html.P(
                    f"{level}{locked}Chưa hệ thống nào gửi số liệu cho chỉ số này, nên không có"
                    " giá trị, biểu đồ hay xếp hạng; không có số không có nghĩa là bằng 0."
                ),
                html.P(f"Cần nối hệ thống: {sector}." if sector else ""),
                dcc.Link("Xem các nguồn đang có", href="/sources", className="button"),
            ],
            className="absent",
        ),
        assessments.card(view) if _assessed(view) else None,
        html.Div(
            [definition(view), html.Div(readings(view), className="stack")], className="columns"
        ),
    ]


def _assessed(view: View) -> bool:
    """Whether people conclude where the plan gives no number, at this org unit."""
    return bool(view.line and not view.line.numeric and view.unit.level == "area")


# ── headline ───────────────────────────────────────────────────────────────────────────────


def head(view: View) -> Piece:
    """The closing outcome beside the live figure, each with its own words."""
    row, line, part = view.row, view.line, view.part
    if not line or not part:
        return html.Section(_live(view), className="card verdict-card")
    mark = theme.status(view.status)
    surface = f" on-{mark.surface}" if mark.surface and not view.muted else ""
    ended = closed(row)
    return html.Section(
        [html.Div(_closing(view) if ended else _open(view)), html.Div(_live(view))],
        className=f"card verdict-card{surface}",
        **{"data-status": view.status},
    )


def _closing(view: View) -> list[Piece]:
    row, line, part = view.row, view.line, view.part
    assert line and part
    shown = figure(row, line.lines, closing=True)
    window = text.period(row.get("closing_period"))
    signed = row.get("closing_signed_at")
    revised = row.get("closing_known_at")
    anew = text.join(redefined(row)).removeprefix("số chốt ")
    return [
        html.H2(text.join(["Kết quả chốt", window if window != text.NONE else ""])),
        html.Div(
            [
                html.Span(shown, className="figure"),
                components.status(view.status, muted=view.muted),
            ],
            className="big",
        ),
        _scale(view, row.get("closing_value")),
        html.P(
            text.join([
                _aim(line),
                judged(line, row, closing=True),
                f"đã khóa {text.short_day(part.closing)}" if view.locked else "",
                "ký chốt " + text.day(signed) if text.known(signed) else "chưa ký",
                f"đã sửa {text.day(revised)}" if text.known(revised) else "",
            ]),
            className="under",
        ),
        html.P(text.sentence(anew), className="under") if anew else None,
        *(_signature(view) if text.known(signed) else ()),
    ]


def _signature(view: View) -> list[Piece]:
    """Who signed the closing figure and why, and what the data say since."""
    key = (view.key, view.org_unit)
    found = query.signed(desk().store, view.line.id if view.line else "-", as_of=as_of())
    newest = next((one for one in found if (one.indicator, one.org_unit) == key), None)
    if newest is None:
        return []
    words = f"Ký chốt: {newest.by}, {text.minute(newest.at)}. Lý do: {newest.reason}"
    marks = str(view.row.get("mark") or "").split("; ")
    told = next((mark for mark in marks if mark.startswith("số chốt giữ")), "")
    return [
        html.P(words, className="under signed-by"),
        html.P(text.sentence(told), className="says") if told else None,
    ]


def _aim(line: Line) -> str:
    return f"Mức giao {line.level}" if line.numeric else "Chỉ tiêu định tính"


def _open(view: View) -> list[Piece]:
    """While the target runs: pace instead of an outcome."""
    row, line, part = view.row, view.line, view.part
    assert line and part
    need = row.get("required_per_month")
    return [
        html.H2(f"{_aim(line)} đến {text.day(part.closing)}"),
        html.Div(
            [
                html.Span(figure(row, line.lines), className="figure"),
                components.status(view.status, muted=view.muted),
            ],
            className="big",
        ),
        _scale(view, row.get("value")),
        html.P(
            f"cần {text.points(need)}/tháng" if text.known(need) else "",
            className="says",
        ),
    ]


def _live(view: View) -> list[Piece]:
    row, noun = view.row, view.part.noun if view.part else ""
    shown = figure(row, view.borders)
    window = text.period(row.get("period"))
    when = "Lúc đó" if as_of() else "Hiện nay"
    title = html.H2(text.join([when, window if window != text.NONE else ""]))
    if shown == text.NONE:
        ended = "Chỉ tiêu đã khóa, không còn số mới." if view.locked else "Chưa có số liệu."
        return [title, html.P(ended, className="under")]
    target = view.line.target if view.line else {}
    expected, units = row.get("expected"), row.get("units")
    reported = (
        f"{text.counts(units, expected)} {_reports(row)}"
        if row.get("declared") and text.known(units) and text.known(expected)
        else ""
    )
    stands = text.against(row.get("value"), target.get("threshold"), target.get("threshold_high"))
    return [
        title,
        html.Div(
            [
                html.Span(shown, className="figure live-figure"),
                components.freshness(row.get("freshness") or ""),
            ],
            className="big",
        ),
        html.P(
            text.sentence(text.join([detail(row, view.borders, noun), stands], ", ")),
            className="says under",
        ),
        html.P(text.sentence(text.join([reported, *_marks(row)])), className="under"),
        hand_mark(row),
        clocks(row),
        html.P(_limits(row), className="under"),
        _ways(view),
    ]


def _ways(view: View) -> Piece:
    """To the records and the parts of the live figure, where another one decides or none does."""
    told = view.row.get("period")
    if view.regrouped or not text.known(told) or (view.line and not closed(view.row)):
        return None
    records = lately.cases(view.key, view.org_unit, told)
    came = dcc.Link("từ đâu ra con số này", href=answercard.lineage(view, str(told)))
    inside = [dcc.Link("xem hồ sơ", href=records), " · ", came] if records else [came]
    return html.P(inside, className="under live-ways")


def _reports(row: Row) -> str:
    """What is counted as reported: org units of a month, or each of them in each month."""
    window = str(row.get("period") or "")
    return (
        "báo cáo tháng của các đơn vị" if ".." in window or "-" not in window else "đơn vị báo cáo"
    )


def _marks(row: Row) -> list[str]:
    """What the live figure rests on, but for what stands beside it as a link."""
    marks = str(row.get("mark") or "").split("; ")
    elsewhere = {*by_hand(row), *redefined(row)}
    return [mark for mark in marks if mark not in elsewhere and not mark.startswith("số chốt: ")]


def _limits(row: Row) -> str:
    late, stale = row.get("late_at"), row.get("stale_at")
    if not text.known(late):
        return ""
    return f"Trễ nếu không có số mới sau {text.minute(late)}; là số cũ sau {text.minute(stale)}."


def _scale(view: View, value: Any) -> Piece:
    target = view.line.target if view.line else {}
    threshold, high = target.get("threshold"), target.get("threshold_high")
    if not text.known(threshold):
        return None
    return html.Div([
        components.bullet(value, threshold, high),
        html.Div(
            html.Span(view.line.level, style={"--at": f"{float(threshold):.2f}%"}),
            className="scale",
        ),
    ])


# ── history ────────────────────────────────────────────────────────────────────────────────


def _grains(view: View) -> Piece:
    """Months, quarters or years: the choice stands in the address."""
    words = [
        (f"Từng {text.GRAINS[grain]}", view.address(grain="" if grain == GRAINS[0] else grain),
         grain == view.span.grain)
        for grain in GRAINS
    ]  # fmt: skip
    return html.Div(components.choice(words, label="Kỳ của biểu đồ"), className="toolbar")


def months(view: View) -> list[Row]:
    """Every period of the history, at this org unit; ``before`` is the one of a year earlier."""
    first, last = view.span.first, view.span.last
    year = {"month": 12, "quarter": 4}.get(view.span.grain, 0)
    asked = {"indicators": [view.key], "org_units": [view.org_unit], "grain": view.span.grain}
    asked |= view.framed
    found = ask(query.values, first=first.previous(year), last=last, **asked).to_dict("records")
    if not year:
        return found
    breaks = chartnotes.breaks(view)
    return [
        row | {"before": old} if _comparable(old, row, breaks) else row | {"before": _nothing(old)}
        for row, old in zip(found[year:], found, strict=False)
    ]


def _comparable(old: Row, row: Row, breaks: list[date]) -> bool:
    """Whether one formula computes both."""
    ends = [Period.parse(one["period"]).end for one in (old, row)]
    return not any(ends[0] < day <= ends[1] for day in breaks)


def _nothing(old: Row) -> Row:
    """A period without its figures, for another formula computed them."""
    figures_ = dict.fromkeys(("numerator", "denominator", "value"), math.nan)
    return old | figures_ | {"reason": "not_comparable"}


def _noted(row: Row, revised_as: str = "") -> str:
    revised = text.known(row.get("revised")) and row["revised"]
    hands = row.get("by_hand")
    units = f"nhập tay ({text.number(hands)} đơn vị)" if text.known(hands) else ""
    return text.join([revised_as or ("đã sửa" if revised else ""), units, row.get("mark")])


def trend(view: View, rows: list[Row]) -> figures.Figure:
    """The chart of ``months``."""
    target = view.line.target if view.line else {}
    return figures.trend(
        rows,
        threshold=target.get("threshold"),
        high=target.get("threshold_high"),
        level=view.line.level if view.line else "",
        starts=text.as_date(target.get("valid_from")),
        steps=steps(target),
        closes=view.part.closing if view.part else None,
        noun=view.part.noun if view.part else "",
        pace=chartnotes.pace(view),
        marks=chartnotes.marks(view),
        breaks=chartnotes.breaks(view),
    )


def month_table(view: View, rows: list[Row], revised: dict[str, str] | None = None) -> Piece:
    """The chart's numbers as a table, newest first; ``revised`` are the corrections by period."""
    said = revised or {}
    earlier = [("Cùng kỳ năm trước", "num")] if view.span.grain != "year" else []
    head = ["Kỳ", ("Tử số", "num"), ("Mẫu số", "num"), ("Giá trị", "num"), *earlier, "Ghi chú"]
    return components.table(
        head,
        [
            (
                text.period(row["period"]),
                text.number(row["numerator"]),
                text.number(row["denominator"]),
                text.value(row, *view.borders),
                *([text.value(row["before"], *view.borders)] if earlier else []),
                text.REASONS.get(row.get("reason") or "", "")
                or _noted(row, said.get(row["period"], "")),
            )
            for row in reversed(rows)
        ],
    )

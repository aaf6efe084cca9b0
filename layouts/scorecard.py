"""The figures of one org unit, each against its target, in the plan's order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from dash import dcc, html

from ioc.model import OrgUnit
from layouts import components, lately, text
from layouts.components import Piece
from layouts.lines import Line, Part, Row, closed, detail, indicators, parts_of
from layouts.register import bar, live, outcome, without_source
from layouts.state import link, today

NOW, LAST, TREND = "Hiện nay", "Khi kết thúc", "12 tháng"
HEAD = (
    ("Chỉ tiêu", "c-name"),
    ("Mức giao", "c-level"),
    ("Kết quả", "c-outcome"),
    ("", "c-bar"),
    (NOW, "c-live"),
    (TREND, "c-trend"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """An org unit and what two questions say of it: standings, and months of values."""

    unit: OrgUnit
    day: date  # the last day that its figures are about
    lines: list[Line]
    standings: list[Row]
    months: dict[str, list[Row]]

    @property
    def ended(self) -> bool:
        return self.unit.closed is not None and self.unit.closed < today()


def targets(seen: Seen) -> Piece:
    """Every indicator of the plan against its target, in the plan's order."""
    asked: dict[str, Any] = {"org_unit": seen.unit.uid}
    if seen.ended:
        asked["on"] = seen.day + timedelta(days=1)
    return components.card(
        "Theo từng chỉ tiêu của đề án",
        table(seen),
        note=components.downloads("/api/v1/standings", link, len(seen.standings), **asked),
    )


def table(seen: Seen, *, trend: str = TREND) -> Piece:
    """A row for each part of the targets that are seen; ``trend`` heads the small lines."""
    body, last = [], None
    for line in seen.lines:
        for part in line.parts:
            first, last = line.target["bullet"] != last, line.target["bullet"]
            body.append(_row(seen, line, part, first=first))
    said = {"c-live": LAST if seen.ended else NOW, "c-trend": trend}
    words = [(said.get(kind, word), kind) for word, kind in HEAD]
    titles = [html.Th(word, className=kind, scope="col") for word, kind in words]
    return html.Div(
        html.Table([html.Thead(html.Tr(titles)), html.Tbody(body)], className="unit-table"),
        className="table-scroll",
    )


def _row(seen: Seen, line: Line, part: Part, *, first: bool) -> Piece:
    own = replace(line, row=part.row, parts=(part,))
    href = link(f"/indicator/{part.indicator}", org_unit=seen.unit.uid if part.row else "")
    number = html.Span(f"{line.target['bullet']:.0f}", className="bullet-number")
    name = html.Div(
        [
            number,
            html.Div([
                dcc.Link(part.short, href=href, className="target-name"),
                html.Span(line.id, className="target-id"),
            ]),
        ],
        className="name-cell",
    )
    status = part.row.get("status") or "none"
    return html.Tr(
        [
            html.Td(name, className=f"c-name{' first' if first else ''}"),
            html.Td(line.level, className="c-level"),
            *_figures(seen, own, part),
        ],
        className=f"s-{status}{' muted' if own.muted or seen.ended else ''}",
        **{"data-indicator": part.indicator, "data-status": status},
    )


def _figures(seen: Seen, line: Line, part: Part) -> list[Piece]:
    """The four cells of figures, or one sentence that says why there are none."""
    if not part.row:
        whom = text.POPULATION.get(part.population, "")
        alone = f"chỉ tính {whom}" if part.population == "area" else f"chỉ tính cho {whom}"
        return [html.Td(f"Không áp dụng: {alone}.", className="c-without", colSpan=4)]
    if line.status == "no_source":
        return [html.Td(without_source(line), className="c-without", colSpan=4)]
    months = [row["value"] for row in seen.months.get(part.indicator, [])][-12:]
    trend = components.sparkline(months, line.target["threshold"])
    now = [last_figure(line, part)] if seen.ended else [live(line), _behind(line, part)]
    decides = not seen.ended or closed(part.row)
    cases = _to_cases(part.indicator, seen.unit.uid, part.row.get("period"))
    return [
        html.Td(outcome(line) if decides else _open_end(), className="c-outcome"),
        html.Td(bar(line), className="c-bar"),
        html.Td([*now, cases], className="c-live", **{"data-label": LAST if seen.ended else NOW}),
        html.Td(trend, className="c-trend"),
    ]


def _open_end() -> Piece:
    return html.Span("chưa đến ngày chốt khi kết thúc", className="under")


def last_figure(line: Line, part: Part) -> Piece:
    """What a unit that ended had last, compared in words only."""
    over, under = parts_of(part.row, closing=False)
    if not (text.known(over) and text.known(under)) or not under:
        return html.Span("chưa có số liệu", className="under")
    words = [
        text.counts(over, under, part.noun),
        text.period(part.row.get("period")),
        text.against(part.row.get("value"), *line.lines),
    ]
    return html.Div([
        html.Span(text.percent(over, under, *line.lines), className="figure live-figure"),
        html.Span(text.join(words), className="under"),
    ])


def _behind(line: Line, part: Part) -> Piece:
    """The counts behind a live figure, and who reported where not everybody did."""
    row = part.row
    share = row.get("coverage")
    partly = text.known(share) and share < 1 and text.known(row.get("value"))
    return html.Span(
        text.join([
            detail(row, line.lines, part.noun),
            f"{text.counts(row['units'], row['expected'])} đơn vị báo cáo" if partly else "",
        ]),
        className="under",
    )


def _to_cases(indicator: str, org_unit: str, window: Any) -> Piece:
    """The way to the records behind a figure, where it is counted from records."""
    href = lately.cases(indicator, org_unit, window)
    words = f"Hồ sơ được đếm trong {text.period(window)}"
    return dcc.Link("xem hồ sơ", href=href, className="cases-link", title=words) if href else None


def others(seen: Seen) -> Piece:
    """Indicators that the plan gives no number for, with their last month that has a value."""
    known = indicators()
    body = []
    for key, months in seen.months.items():
        valued = [row for row in months if text.known(row["value"])]
        if known[key]["targets"] or not valued:
            continue
        row = valued[-1]
        href = link(f"/indicator/{key}", org_unit=seen.unit.uid)
        body.append((
            dcc.Link(known[key]["short"], href=href, className="target-name"),
            text.period(row["period"]),
            lately.value(row),
            components.sparkline([month["value"] for month in months[-12:]]),
            _to_cases(key, seen.unit.uid, row["period"]),
        ))
    if not body:
        return None
    head = ["Chỉ số", "Kỳ mới nhất", ("Giá trị", "num"), "12 tháng", ""]
    return components.card(
        "Chỉ số khác, không có mức giao", components.table(head, body, class_name="moves")
    )

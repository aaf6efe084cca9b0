"""One org unit: its figures against every target, what changed, what is late, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import Forbidden, IocError
from ioc.model import OrgUnit
from ioc.period import Period
from kpi import query
from layouts import components, lately, places, shell, text
from layouts.components import Piece
from layouts.lines import Line, Part, Row, closed, combine, detail, indicators, parts_of
from layouts.register import bar, live, outcome, without_source
from layouts.slots import changed, marks, memory
from layouts.state import callback, desk, link, rows, today, who

MONTHS = 13
PARTS = ("news", "late", "targets", "others")
HEAD = (
    ("Chỉ tiêu", "c-name"),
    ("Mức giao", "c-level"),
    ("Kết quả", "c-outcome"),
    ("", "c-bar"),
    ("Hiện nay", "c-live"),
    ("12 tháng", "c-trend"),
)
LAST = "Khi kết thúc"


@dataclass(frozen=True, slots=True)
class Seen:
    """An org unit and all that two questions say of it: standings, and months of values."""

    unit: OrgUnit
    day: date  # the last day that its figures are about
    lines: list[Line]
    standings: list[Row]
    months: dict[str, list[Row]]

    @property
    def ended(self) -> bool:
        return self.unit.closed is not None and self.unit.closed < today()


def layout(uid: str = "", **_: Any) -> Piece:
    """The page of one org unit of any epoch."""
    if str(uid) not in desk().orgunits:
        return shell.not_found()
    seen = look(str(uid))
    shown = pieces(seen)
    return shell.desk_page(
        dcc.Store(id="org-unit-uid", data=seen.unit.uid),
        memory("org-unit", shown),
        _title(seen),
        _ended(seen),
        html.Div(
            [
                html.Div(shown["news"], id="org-unit-news", className="stack"),
                html.Div(shown["late"], id="org-unit-late", className="stack"),
            ],
            className="columns",
        ),
        html.Div(shown["targets"], id="org-unit-targets"),
        html.Div(shown["others"], id="org-unit-others"),
        places.card(seen.unit, seen.day),
        crumbs=shell.crumb(*places.path(seen.unit.uid)),
    )


@callback(
    Output("org-unit-news", "children"),
    Output("org-unit-late", "children"),
    Output("org-unit-targets", "children"),
    Output("org-unit-others", "children"),
    Output("org-unit-seen", "data"),
    Input("live", "data"),
    State("org-unit-uid", "data"),
    State("org-unit-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, uid: Any, before: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    if not isinstance(uid, str) or uid not in desk().orgunits:
        raise IocError("Không có đơn vị này: hãy tải lại trang.")
    shown = pieces(look(uid))
    new = marks(shown)
    return (*changed(shown, new, PARTS, before), new)


def look(uid: str) -> Seen:
    """What is known of an org unit; of one that ended, on the day after its last."""
    unit, known = desk().orgunits[uid], indicators()
    if not who().may_read(uid, desk().orgunits):
        raise Forbidden(f"không có quyền xem đơn vị {uid!r}")
    day = min(today(), unit.closed or today())
    on = min(today(), day + timedelta(days=1))
    standings = rows(query.standings, org_units=[uid], on=on)
    lines = combine(rows(query.targets), standings, known, on=on)
    reached = {row["indicator"] for row in standings}
    wanted = [key for key, row in known.items() if row["source"]]
    last = Period.of("month", day)
    values = rows(
        query.values,
        indicators=[key for key in wanted if key in reached or not known[key]["targets"]],
        org_units=[uid],
        grain="month",
        first=last.previous(MONTHS - 1),
        last=last,
    )
    months: dict[str, list[Row]] = {}
    for row in values:
        months.setdefault(row["indicator"], []).append(row)
    return Seen(unit, day, lines, standings, months)


def pieces(seen: Seen) -> dict[str, Any]:
    """All that follows the data."""
    return {
        "news": [lately.changes(seen.unit, seen.day, seen.months)],
        "late": [
            lately.sources(seen.unit, seen.standings) if not seen.ended else None,
            lately.overdue(seen.unit),
        ],
        "targets": targets(seen),
        "others": others(seen),
    }


# ── frame ──────────────────────────────────────────────────────────────────────────────────


def _title(seen: Seen) -> Piece:
    unit = seen.unit
    area = desk().orgunits[unit.area].name if unit.area else ""
    about = [text.LEVELS_SHORT[unit.level], f"mã {unit.code}", area, places.life(unit)]
    return html.Div(
        [
            html.Div([
                html.H1(unit.name),
                html.P(text.join(about), className="lede"),
                html.P(f"Giả định: {unit.assumed}", className="under") if unit.assumed else None,
            ]),
            _records(unit),
        ],
        className="title-row",
    )


def _records(unit: OrgUnit) -> Piece:
    href = link("/records", org_unit=unit.uid)
    return dcc.Link("Hồ sơ, phản ánh của đơn vị", href=href, className="button")


def _ended(seen: Seen) -> Piece:
    """Says that it is over, since when, and who goes on."""
    if not seen.ended:
        return None
    known = desk().orgunits
    heir = known[seen.unit.successor] if seen.unit.successor else None
    return html.Section(
        [
            html.Strong(f"Đã kết thúc ngày {text.day(seen.unit.closed)}."),
            " Số dưới đây là số khi kết thúc. ",
            *(
                ["Kế thừa: ", places.name_of(heir)]
                if heir
                else [
                    "Không có một đơn vị kế thừa toàn bộ; hồ sơ còn dở tính ở ",
                    places.name_of(known[known.rest_leaf(seen.unit.uid)]),
                ]
            ),
        ],
        className="card ended",
    )


# ── figures ────────────────────────────────────────────────────────────────────────────────


def targets(seen: Seen) -> Piece:
    """Every indicator of the plan against its target, in the plan's order."""
    body, last = [], None
    for line in seen.lines:
        for part in line.parts:
            first, last = line.target["bullet"] != last, line.target["bullet"]
            body.append(_row(seen, line, part, first=first))
    asked: dict[str, Any] = {"org_unit": seen.unit.uid}
    if seen.ended:
        asked["on"] = seen.day + timedelta(days=1)
    return components.card(
        "Theo từng chỉ tiêu của đề án",
        _table(seen, body),
        note=components.downloads("/api/v1/standings", link, len(seen.standings), **asked),
    )


def _table(seen: Seen, body: list[Piece]) -> Piece:
    words = [(LAST if seen.ended and kind == "c-live" else word, kind) for word, kind in HEAD]
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
        html.Td([*now, cases], className="c-live"),
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
    words = f"Hồ sơ tiếp nhận trong {text.period(window)}"
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
    return components.card("Chỉ số khác, không có mức giao", components.table(head, body))

"""One org unit: its figures against every target, what changed, what is late, what is overdue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from ioc.model import OrgUnit
from ioc.period import Period
from kpi import query
from layouts import lately, places, scorecard, shell, text
from layouts.components import Piece
from layouts.lines import Row, combine, indicators
from layouts.scorecard import Seen
from layouts.slots import changed, marks, memory
from layouts.state import callback, desk, link, rows, today

MONTHS = 13
PARTS = ("news", "late", "targets", "others")


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
        _ended(seen) or _not_yet(seen),
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
        "targets": scorecard.targets(seen),
        "others": scorecard.others(seen),
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
                html.P(_assumed(unit), className="under") if unit.assumed else None,
            ]),
            _records(unit),
        ],
        className="title-row",
    )


def _assumed(unit: OrgUnit) -> str:
    """What nobody has confirmed of this unit; a bare mark says so in a sentence."""
    said = unit.assumed.removeprefix("giả định").strip(" :")
    return f"Giả định: {said}" if said else "Thông tin về đơn vị này là giả định, chờ xác nhận."


def _records(unit: OrgUnit) -> Piece:
    href = link("/records", org_unit=unit.uid)
    return dcc.Link("Hồ sơ, phản ánh của đơn vị", href=href, className="button")


def _not_yet(seen: Seen) -> Piece:
    """Says on a page of the past that the unit was still to come, and what it came from."""
    opened = seen.unit.opened
    if opened is None or opened <= seen.day:
        return None
    before = [one for one in desk().orgunits.values() if one.successor == seen.unit.uid]
    names = [piece for one in places.by_name(before) for piece in (places.name_of(one), ", ")]
    return html.Section(
        [
            html.Strong(f"Chưa thành lập: đơn vị này có từ ngày {text.day(opened)}."),
            *([" Thành lập từ: ", *names[:-1], "."] if names else []),
        ],
        className="card ended",
    )


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

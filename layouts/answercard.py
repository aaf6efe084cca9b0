"""Why a target stands as it does, since when, who must act and what there is to read: one card."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from dash import dcc, html

from ioc.period import Period
from ioc.rule import Rule
from kpi import query
from layouts import components, lately, places, text
from layouts.components import Piece
from layouts.lines import Line, Row, closed, unmeasured
from layouts.pulls import pulls
from layouts.ranking import window
from layouts.sentence import says
from layouts.state import desk, link, readable, rows, today
from layouts.view import View

TITLE = "Vì sao, từ khi nào, ai"
BELOW = ("at_risk", "off_track")


def card(view: View) -> Piece:
    """The first card of a target; nothing for an indicator that the plan asks nothing of."""
    if view.line is None or view.part is None:
        return None
    blocks = [
        ("Kéo xuống nhiều nhất", pulls(view)),
        ("Từ khi nào", _since(view)),
        ("Ai trả lời", _who(view.line)),
        ("Xem tiếp", _further(view)),
    ]
    return html.Section(
        [
            html.Header(html.H2(TITLE)),
            html.Div(
                [
                    components.status(view.status, muted=view.muted),
                    html.P(_sentence(view), className="answer-says"),
                ],
                className="answer-head",
            ),
            html.Div(
                [
                    html.Div([html.H3(name), *inside], className="answer-part")
                    for name, inside in blocks
                    if inside
                ],
                className="answer",
            ),
        ],
        className="card answer-card",
        **{"data-status": view.status},
    )


def _sentence(view: View) -> str:
    if view.status == "no_source":
        return "Chưa hệ thống nào gửi số liệu cho chỉ số này."
    assert view.line and view.part
    return says(view.line, view.part)


# ── since when ─────────────────────────────────────────────────────────────────────────────


def _since(view: View) -> list[Piece]:
    row, part = view.row, view.part
    assert part
    if closed(row):
        told = {"missed": "Không đạt", "met": "Đạt"}.get(view.status, "Chốt")
        signed = row.get("closing_signed_at")
        note = f"ký chốt {text.day(signed)}" if text.known(signed) else "chưa ký chốt"
        return [
            *_told(f"{told} từ ngày chốt {text.day(part.closing)}", note),
            _before(view) if view.status == "missed" else None,
        ]
    if view.status == "awaiting":
        return _told(f"Chốt {text.day(part.closing)}", "chờ số của kỳ chốt")
    if view.status == "no_data":
        told = unmeasured(row) or "chưa có số liệu"
        return _told(text.sentence(told).rstrip("."), "nên chưa so được với đường tiến độ")
    months = behind(view)
    if months is None:
        return []
    if view.status not in BELOW:
        return _told("Không dưới đường tiến độ", "ở kỳ mới nhất có số liệu")
    if not months:
        return _told(
            text.sentence(_first(view, months)).rstrip("."),
            "tháng cuối có số liệu còn đủ, đường tiến độ đã lên cao hơn",
        )
    first = text.sentence(_first(view, months)).rstrip(".")
    return _told(first, f"dưới đường tiến độ {len(months)} tháng có số liệu liên tiếp")


def _before(view: View) -> Piece:
    """Since when what was missed had been below the pace as it closed."""
    assert view.part and view.line
    asked = {"targets": [view.line.id], "org_units": [view.org_unit], **view.framed}
    open_ = [  # on its closing date a target still has the baseline of its pace
        row
        for row in rows(query.standings, on=view.part.closing, **asked)
        if row["indicator"] == view.key
    ]
    then = replace(view, part=replace(view.part, row=open_[0])) if open_ else None
    months = behind(then) if then else None
    if then is None or months is None or then.row["status"] not in BELOW:
        return None
    words = f"Đến lúc chốt đã dưới đường tiến độ {_first(then, months)}"
    return html.P(words, className="under behind-since")


def _first(view: View, months: list[date]) -> str:
    """từ tháng 5/2024, the first month of a run; từ sau tháng 8/2025 where the pace passed the
    figure of the newest month that has one."""
    if months:
        return f"từ {text.period(Period.of('month', months[0]).text)}"
    upto = Period.parse(str(view.row["period"])).end
    begins = Period.of("month", text.as_date(view.row["baseline_date"]) or upto)
    known = [day for day in _reported(view, begins) if day <= upto]
    newest = max(known, default=None)
    return f"từ sau {text.period(Period.of('month', newest).text)}" if newest else "từ nay"


def _told(words: str, note: str) -> list[Piece]:
    return [html.P(words), html.P(note, className="under")]


def behind(view: View) -> list[date] | None:
    """The last days of the months of the unbroken run below the pace; None without a pace.

    Only months with a figure of their own count, up to the figure that is judged: the year so far
    has one in every month. There is no run where the status says that the pace is kept.
    """
    row, part, line = view.row, view.part, view.line
    assert part and line
    begins = text.as_date(row.get("baseline_date"))
    if not (begins and part.closing and line.numeric and text.known(row.get("baseline_value"))):
        return None
    if row["status"] not in BELOW:
        return []
    reported = _reported(view, Period.of("month", begins))
    upto = Period.parse(str(row["period"])).end
    known_as = desk().store.catalogue.indicators[view.key]
    found = []
    for one in monthly(view, Period.of("month", begins)):
        end = Period.parse(one["period"]).end
        if end > upto or (reported and end not in reported):
            continue
        over = one["numerator"] * known_as.at(end).factor  # which a new definition may change
        found.append((min(end, today()), over, one["denominator"]))
    since = query.behind_since(
        found,
        Rule(line.target["operator"], line.target["threshold"], line.target["threshold_high"]),
        baseline_date=begins,
        baseline_value=row["baseline_value"],
        closing_date=part.closing,
        factor=1,
    )
    known = [day for day, _, under in found if text.known(under) and under]
    return [day for day in known if since and since <= day <= part.closing]


def _reported(view: View, first: Period) -> set[date]:
    """The last days of the months that have a figure of their own."""
    asked = {"indicators": [view.key], "org_units": [view.org_unit], **view.framed}
    found = rows(query.values, first=first, last=Period.of("month", today()), **asked)
    known = [one for one in found if text.known(one["value"])]
    return {Period.parse(one["period"]).end for one in known}


def monthly(view: View, first: Period) -> list[Row]:
    """The figure as it was judged at the end of every month: a year so far where years are
    judged, unless it cannot be told for a part of a year."""
    grains = ["month"] if not view.line or view.line.target["judged_over"] in (
        "stock_at_date", "last_month") else ["ytd", "month"]  # fmt: skip
    found: list[Row] = []
    for grain in grains:
        span = {"first": Period.of(grain, first.end), "last": Period.of(grain, today())}
        asked = {"indicators": [view.key], "org_units": [view.org_unit], "grain": grain}
        asked |= view.framed
        found = rows(query.values, **asked, **span)
        if any(one["reason"] != "not_offered" for one in found):
            break
    return found


# ── who ────────────────────────────────────────────────────────────────────────────────────


def _who(line: Line) -> list[Piece]:
    """The one that answers on this day, whose work it took over, who helps, whom to turn to."""
    target = line.target
    uid = target.get("owner_unit") or ""
    name = line.owner or "chưa có cơ quan kế thừa"
    linked = dcc.Link(name, href=places.address(uid)) if uid and readable(uid) else name
    told = text.join([f"chủ trì tại ngày {text.day(today())}", _heir(line)])
    shared = str(target.get("co_owner_names") or "")
    turn_to = str(target.get("escalation") or "")
    return [
        html.P(linked, className="answer-owner"),
        html.P(told, className="under"),
        html.P(f"Phối hợp: {shared}", className="under co-owners") if shared else None,
        html.P(f"Khi cần, liên hệ: {turn_to}", className="under escalation") if turn_to else None,
    ]


def _heir(line: Line) -> str:
    """nhận việc của Sở Thông tin và Truyền thông: where the plan's own owner is no more."""
    known = desk().orgunits
    begins = text.as_date(line.target.get("valid_from")) or today()
    first = known.owner(line.target["owner"], begins)
    if first is None or first.name == line.owner:
        return ""
    return f"nhận việc của {first.name}"


# ── what there is to read ──────────────────────────────────────────────────────────────────


def _further(view: View) -> list[Piece]:
    """The records and the lineage of the figure that decides, never of another period's."""
    if view.regrouped:
        return []
    ends = closed(view.row)
    told = window(view.row, view.part, closing=ends)
    whose = "số chốt" if ends else "con số này"
    records = lately.cases(view.key, view.org_unit, told)
    links = [
        dcc.Link(f"Hồ sơ của {whose}", href=records, className="to-records") if records else None,
        dcc.Link(f"Từ đâu ra {whose}", href=lineage(view, told), className="to-lineage")
        if told
        else None,
    ]
    found = [html.Li(one) for one in links if one]
    return [html.Ul(found, className="further")] if found else []


def lineage(view: View, told: str) -> str:
    """The page of the parts of a figure of this view, over the periods that it counts."""
    first, _, last = told.partition("..")
    span = {"from_": first if last else "", "to": last or first}
    return link("/lineage", indicator=view.key, org_unit=view.org_unit, **span)

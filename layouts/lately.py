"""What is new at an org unit: how its months moved, which sources are late, what is overdue."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from dash import dcc, html

from ioc.model import OrgUnit
from ioc.period import Period
from kpi import query
from layouts import components, records, text, theme
from layouts.components import Piece
from layouts.lines import Row, indicators
from layouts.state import count, desk, link, now, rows, today

SHOWN = 8  # overdue cases on the page; the list has all
WORSE = ("stale", "late")


def changes(unit: OrgUnit, day: date, months: dict[str, list[Row]]) -> Piece:
    """The last whole month against the one before; the month that runs is not compared."""
    running = Period.of("month", day)
    whole = running if running.end < today() else running.previous()
    told = [found for found in (_moved(key, months[key], whole) for key in months) if found]
    asked = {"indicator": ",".join(key for key, _, _ in told), "org_unit": unit.uid}
    span = {"grain": "month", "from_": whole.previous().text, "to": running.text}
    many = len(told) * (3 if running > whole else 2)
    return components.card(
        f"Thay đổi: {text.period(whole.text)}",
        html.P(_counted([delta for _, delta, _ in told], whole), className="says"),
        components.table(
            [
                "Chỉ số",
                (text.period(whole.previous().text), "num"),
                (text.period(whole.text), "num"),
                ("Thay đổi", "num"),
                (_so_far(running), "num") if running > whole else ("", "gone"),
            ],
            [cells for _, _, cells in told],
            class_name="moves",
        )
        if told
        else html.P("Chưa có số liệu của hai tháng này.", className="under"),
        note=components.downloads("/api/v1/values", link, many, **asked, **span) if told else None,
    )


def _so_far(running: Period) -> str:
    return f"{text.period(running.text)}, chưa hết ({text.short_day(today(), running.start)})"


def _moved(key: str, months: list[Row], whole: Period) -> tuple[str, float | None, tuple] | None:
    """One line: the month before, the whole month, their difference, the month that runs."""
    at = {row["period"]: row for row in months}
    row, before = at.get(whole.text, {}), at.get(whole.previous().text, {})
    running = at.get(whole.next().text, {})
    if not any(text.known(each.get("value")) for each in (row, before, running)):
        return None
    comparable = text.known(row.get("value")) and text.known(before.get("value"))
    delta = row["value"] - before["value"] if comparable else None
    name = indicators()[key]["short"]
    link_ = dcc.Link(name, href=link(f"/indicator/{key}", org_unit=months[0]["org_unit"]))
    return key, delta, (link_, value(before), value(row), _difference(row, delta), value(running))


def value(row: Row) -> Piece:
    """A month's figure with its counts, or why there is none; corrections are marked."""
    if not row:
        return text.NONE
    if not text.known(row["value"]):
        return html.Span(text.REASONS.get(row["reason"], "chưa có số liệu"), className="under")
    over, under = row["numerator"], row["denominator"]
    share = text.value(row)
    few = text.few(under) and row["unit"] == "%"
    first, then = (text.counts(over, under), share) if few else (share, text.counts(over, under))
    then = "" if then == text.NONE else then  # a count has no denominator
    revised = ", đã sửa" if text.known(row.get("revised")) and row["revised"] else ""
    return [
        html.Span(components.breakable(first)),
        html.Span(
            components.breakable(text.join([then, revised.removeprefix(", ")], ", ")),
            className="under",
        ),
    ]


def _difference(row: Row, delta: float | None) -> str:
    if delta is None:
        return text.NONE
    if not delta:
        return "không đổi"
    return text.points(delta) if row["unit"] == "%" else text.change(delta, row["unit"])


def _counted(deltas: list[float | None], whole: Period) -> str:
    """2 chỉ số tăng, 1 giảm, 3 không so được."""
    known = [delta for delta in deltas if delta is not None]
    parts = [
        (sum(delta > 0 for delta in known), "tăng"),
        (sum(delta < 0 for delta in known), "giảm"),
        (sum(delta == 0 for delta in known), "không đổi"),
        (len(deltas) - len(known), "không so được"),
    ]
    words = ", ".join(f"{number} {word}" for number, word in parts if number)
    return f"So với {text.period(whole.previous().text)}: {words}." if words else ""


# ── sources ────────────────────────────────────────────────────────────────────────────────


def sources(unit: OrgUnit, standings: list[Row]) -> Piece:
    """The sources that feed this org unit; those past their limits first, and since when."""
    feeding = [
        row
        for row in rows(query.sources)
        if unit.level in ("area", *str(row["serves"]).replace(",", " ").split())
    ]
    told = [_source(row, [s for s in standings if s["source"] == row["source"]]) for row in feeding]
    told.sort(key=lambda one: WORSE.index(one[0]) if one[0] in WORSE else len(WORSE))
    late = [row["source"] for row in feeding if row["freshness"] in WORSE]
    old = sum(name in WORSE and source not in late for name, source, *_ in told)
    says = _heard(len(late), len(told), old, sum(without for _, _, without, _ in told))
    return components.card(
        "Nguồn số liệu của đơn vị",
        html.P(says if told else "Chưa có nguồn nào cho cấp này.", className="says"),
        html.Ul([item for *_, item in told], className="feeding"),
    )


def _heard(late: int, all_: int, old: int, without: int) -> str:
    """Whether the sources themselves are heard, and apart from that what they say of this unit."""
    heard = f"{late} trong {all_} nguồn đang trễ" if late else "Mọi nguồn đều được đọc đúng hạn"
    own = [f"số của riêng đơn vị này đã cũ ở {old} nguồn" if old else "",
           f"chưa có số của đơn vị này ở {without} nguồn" if without else ""]  # fmt: skip
    return " ".join(f"{one[0].upper()}{one[1:]}." for one in (heard, text.join(own, ", ")) if one)


def _source(row: Row, standings: list[Row]) -> tuple[str, str, bool, Piece]:
    """The age of what this source says of the unit: its worst figure, or the source's own age;
    the source; whether it says nothing of the unit at all."""
    own = [s for s in standings if s["indicator"]]
    aged = [s for s in own if s["freshness"] in WORSE and text.known(s["data_as_of"])]
    worst = min(aged, key=lambda s: WORSE.index(s["freshness"]), default=None)
    without = bool(own) and not any(text.known(s["data_as_of"]) for s in own)
    name = worst["freshness"] if worst else row["freshness"]
    told = [s["data_as_of"] for s in standings if text.known(s["data_as_of"])]
    upto = worst["data_as_of"] if worst else max(told, default=row["covered_until"])
    since = worst["late_at"] if worst else _late_at(row)
    words = [f"số liệu đến {text.reach(upto, now())}" if text.known(upto) else "chưa có số liệu"]
    if without:
        words = ["chưa có số của đơn vị này"]
    if name in WORSE and text.known(since):
        words.append(f"trễ từ {text.minute(since, now())}")
    if row["paused"]:
        words.append("đang tạm dừng")
    if row["needs_credentials"]:
        words.append("thiếu quyền truy cập")
    mark = components.freshness(name if name in theme.FRESHNESS else "")
    name_ = dcc.Link(row["name"], href=f"/sources/{row['source']}")
    inside = [html.Div([name_, mark]), html.Span(text.join(words), className="under")]
    item = html.Li(inside, **{"data-source": row["source"], "data-freshness": name})
    return name, row["source"], without, item


def reached(names: Collection[str]) -> Piece:
    """Until when these sources have told, the oldest of them; past its limits with its mark."""
    told = [row for row in rows(query.sources) if row["source"] in names]
    told = [row for row in told if text.known(row["covered_until"])]
    if not told:
        return None
    oldest = min(told, key=lambda row: row["covered_until"])
    mark = components.freshness(oldest["freshness"]) if oldest["freshness"] in WORSE else None
    words = f"Số liệu đến {text.reach(oldest['covered_until'], now())}. "
    return html.Span([words, mark, " "], **{"data-freshness": oldest["freshness"]})


def _late_at(row: Row) -> Any:
    since = row["covered_until"] if text.known(row["covered_until"]) else row["last_good_at"]
    return since + timedelta(seconds=row["late_after"]) if text.known(since) else None


# ── records ────────────────────────────────────────────────────────────────────────────────


def cases(indicator: str, org_unit: str, window: Any) -> str:
    """The list of the records that a figure's denominator counts; empty where it was declared."""
    catalogue = desk().store.catalogue
    if not text.known(window):
        return ""
    first, _, last = str(window).partition("..")
    known = catalogue.indicators[indicator].at(Period.parse(last or first).end)
    counted = catalogue.elements.get(known.denominator or "")
    if not known.source or not counted or not counted.count:
        return ""
    of = {"source": known.source, "element": counted.id}
    return link("/records", org_unit=org_unit, **of, from_=first, to=last or first)


def overdue(unit: OrgUnit) -> Piece:
    """Open cases past their deadline: how many, the newest of them, and the way to all."""
    asked: dict[str, Any] = {"org_units": [unit.uid], "open_only": True, "overdue": True}
    many = count(query.records, **asked)
    same = {"org_unit": unit.uid, "open": 1, "overdue": 1}
    if not many:
        return components.card(
            "Đang mở, quá hạn", html.P("Không có hồ sơ, phản ánh nào quá hạn.", className="says")
        )
    found = rows(query.records, limit=SHOWN, **asked)
    told = f"{text.number(many)} hồ sơ, phản ánh đang mở đã quá hạn"
    return components.card(
        "Đang mở, quá hạn",
        html.P(dcc.Link(told, href=link("/records", **same)), className="says"),
        components.table(
            ["Mã", ("Tiếp nhận", "num"), ("Hạn", "num"), ("Quá hạn", "num")],
            [
                (
                    records.named(row),
                    text.day(row["opened_at"]),
                    text.day(row["due_at"]),
                    text.duration(now() - row["due_at"]),
                )
                for row in found
            ],
            class_name="overdue-list",
        ),
        html.P(f"{len(found)} mục tiếp nhận gần đây nhất.", className="under")
        if many > len(found)
        else None,
        note=components.downloads("/api/v1/records", link, many, **same),
    )

"""One line per target: its words from the plan, its standing, the standings of its parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ioc.model import WORST_FIRST
from ioc.rule import parse_rule, satisfies
from kpi import query
from layouts import text, theme
from layouts.state import home, link, rows, today

AREA = "area-qb"
TITLES = {  # targets of several indicators have no name of their own: in a list, on a tile
    "T04": ("Tài liệu số hóa và lưu trữ điện tử", "Tài liệu điện tử"),
    "T05": ("Báo cáo, chỉ tiêu trên hệ thống của tỉnh", "Báo cáo và chỉ tiêu"),
    "T07a": ("Họp không giấy: sở, ngành và cấp huyện", "Họp không giấy"),
}
LABELS = {
    "I04a": "Số hóa",
    "I04b": "Lưu trữ điện tử",
    "I05a": "Chế độ báo cáo",
    "I05b": "Chỉ tiêu",
    "I07a": "Sở, ban, ngành",
    "I07b": "Cấp huyện",
}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One indicator of a target: its population, closing date and standing."""

    indicator: str
    short: str
    label: str
    noun: str
    population: str
    closing: date | None
    row: Row


@dataclass(frozen=True, slots=True)
class Line:
    """A target with everything that a screen says about it."""

    target: Row
    row: Row
    parts: tuple[Part, ...]
    owner: str
    locked: bool  # closed before the plan's end: muted, not an open failure
    assessment: Row = field(default_factory=dict)  # of a target without a number: the one in force
    plan: str = ""  # as addresses name it; empty: the plan in force

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every standing that is drawn: the target's and those of its parts."""
        return (self.row, *(part.row for part in self.parts))

    @property
    def id(self) -> str:
        return self.target["target"]

    @property
    def name(self) -> str:
        if len(self.parts) == 1:
            return self.parts[0].short
        joined = "; ".join(part.short for part in self.parts)
        return TITLES.get(self.id, (joined, ""))[0]

    @property
    def brief(self) -> str:
        """The name on a tile that must also hold the figures of its parts."""
        several = len(self.parts) > 1 and self.status != "no_source"
        return TITLES[self.id][1] if several and self.id in TITLES else self.name

    @property
    def status(self) -> str:
        return self.row.get("status") or "no_source"

    @property
    def muted(self) -> bool:
        """Whether its status is drawn without a hue: not an open failure, or not certain."""
        deciding = [part for part in self.parts if part.row.get("status") == self.status]
        past = bool(deciding) and all(self.early(part) for part in deciding)
        return self.locked or past or unsure(self.row)

    def early(self, part: Part) -> bool:
        """Whether a part closed before the plan's end: muted, with its word and shape."""
        return self.locked or bool(
            part.closing and self.closing and part.closing < self.closing and closed(part.row)
        )

    @property
    def numeric(self) -> bool:
        return text.known(self.target.get("threshold"))

    @property
    def level(self) -> str:
        target = self.target
        return text.level(target["operator"], target["threshold"], target.get("threshold_high"))

    @property
    def lines(self) -> tuple[Any, ...]:
        """What no figure of this target may be rounded across."""
        return (self.target.get("threshold"), self.target.get("threshold_high"))

    @property
    def flow(self) -> bool:
        return self.target.get("judged_over") != "stock_at_date"

    @property
    def closing(self) -> date | None:
        dates = [part.closing for part in self.parts if part.closing]
        return max(dates) if dates else None

    @property
    def href(self) -> str:
        return self.address()

    def address(self, indicator: str = "", org_unit: str = "") -> str:
        """The page of one of its indicators, the first where none is named, about its plan."""
        name = indicator or (self.parts[0].indicator if self.parts else "")
        return link(f"/indicator/{name}" if name else "/", org_unit=org_unit, plan=self.plan)


def lines(*, org_unit: str = "", plan: str = "", **when: Any) -> list[Line]:
    """All targets of a plan in its order, with their standings at one org unit, by default home.

    The plan is the one in force where none is named.
    """
    org_unit, named = org_unit or home(), {"plan": plan} if plan else {}
    standings = rows(query.standings, org_units=[org_unit], **named, **when)
    targets = rows(query.targets, **named)
    asked = {"targets": [row["target"] for row in targets]} if plan else {}
    said = rows(query.assessments, org_units=[org_unit], **asked, **_instant(when))
    found = combine(targets, standings, indicators(), on=today(), assessments=said)
    return [replace(line, plan=plan) for line in found if line.row or org_unit == AREA]


def _instant(when: Row) -> Row:
    return {"as_of": when["as_of"]} if when.get("as_of") else {}


def indicators() -> dict[str, Row]:
    """Every indicator's row, by id."""
    return {row["indicator"]: row for row in rows(query.indicators)}


def combine(
    targets: list[Row],
    rows: list[Row],
    known: dict[str, Row],
    *,
    on: date,
    assessments: Iterable[Row] = (),
) -> list[Line]:
    """Join the plan's targets with standings, and assessments, of one org unit."""
    said = {row["target"]: row for row in assessments if row["current"]}
    found = {(row["target"], row["indicator"]): row for row in rows}
    ends: dict[str, date] = {}  # of each plan, its last closing date
    for target in targets:
        days = [day for one in split(target["closing_date"]) if (day := text.as_date(one))]
        ends[target["plan"]] = max([*days, ends.get(target["plan"], date.min)])
    lines = [_line(as_read(row), found, known, ends[row["plan"]], on) for row in targets]
    return [replace(line, assessment=said.get(line.id, {})) for line in lines]


def as_read(target: Row) -> Row:
    """A target with the operator and thresholds of the reading in force; ``plan_reading`` is the
    plan's own as first read."""
    first = " ".join([
        target["operator"],
        *(f"{n:g}" for n in (target["threshold"], target.get("threshold_high")) if text.known(n)),
    ])
    read = target | {"plan_reading": first}
    if target.get("reading_in_force") in (None, "", first):
        return read
    operator, low, high = parse_rule(target["reading_in_force"])
    return read | {"operator": operator, "threshold": low, "threshold_high": high}


def _line(
    target: Row,
    found: dict[tuple[str, str], Row],
    known: dict[str, Row],
    plan_end: date,
    on: date,
) -> Line:
    names = split(target["indicators"])
    populations = split(target["population"])
    closings = [text.as_date(day) for day in split(target["closing_date"])]
    parts = tuple(
        Part(
            indicator=name,
            short=known.get(name, {}).get("short") or name,
            label=LABELS.get(name) or known.get(name, {}).get("short") or name,
            noun=known.get(name, {}).get("numerator_unit") or "",
            population=populations[min(i, len(populations) - 1)] if populations else "",
            closing=closings[min(i, len(closings) - 1)] if closings else None,
            row=found.get((target["target"], name), {}),
        )
        for i, name in enumerate(names)
    )
    row = found.get((target["target"], "")) or worst([part.row for part in parts])
    if len(parts) == 1 and parts[0].row:
        row = parts[0].row | {"status": row.get("status") or parts[0].row.get("status")}
    locked = bool(parts) and all(
        part.closing and part.closing < plan_end and part.closing < on for part in parts
    )
    return Line(target, row, parts, target.get("owner_name") or "", locked)


def worst(rows: list[Row]) -> Row:
    """The row of worst status; empty when there is none."""
    ranked = [row for row in rows if row.get("status")]
    return min(ranked, key=lambda row: WORST_FIRST.index(row["status"])) if ranked else {}


def split(value: Any) -> list[Any]:
    """A cell that may hold several values: "a;b", a tuple, one value, nothing."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        return [item for item in value.split(";") if item]
    return [value] if text.known(value) else []


def tally(found: list[Line]) -> list[tuple[str, int]]:
    """How many targets per status, worst first; statuses that nobody has are left out."""
    return [
        (str(name), number)
        for name in theme.ORDER
        if (number := sum(line.status == name for line in found))
    ]


# ── what one standing says ─────────────────────────────────────────────────────────────────


def steps(target: Row) -> list[tuple[date, float]]:
    """The thresholds of a target and the days from which they hold, oldest first; empty where the
    plan was never changed."""
    worded = [str(told).partition(" ") for told in split(target.get("wordings") or "")]
    rules = [(date.fromisoformat(day), parse_rule(rule)) for day, _, rule in worded]
    return [(day, float(rule.threshold)) for day, rule in rules if rule.threshold is not None]


def dated(indicator: Row) -> list[tuple[date, str]]:
    """The days on which the definition of an indicator was changed, each with the new one's id."""
    later = [str(told).partition(" ") for told in split(indicator.get("definitions") or "")[1:]]
    return [(date.fromisoformat(day), id) for day, _, id in later]


def closed(row: Row) -> bool:
    """Whether the closing figure is the headline: past the closing date, or an assessment's."""
    return bool(row.get("closing_status")) or (
        row.get("status") == "qualitative" and text.known(row.get("closing_denominator"))
    )


def loading(row: Row) -> str:
    """đang nạp lần đầu, đã đến 10/04/2024: what a figure says while its history comes in."""
    marks = str(row.get("mark") or "").split("; ")
    return next((mark for mark in marks if mark.startswith("đang nạp")), "")


def by_hand(row: Row) -> list[str]:
    """nhập tay một phần (2/190 đơn vị): what a figure says while people gave a part of it."""
    marks = str(row.get("mark") or "").split("; ")
    return [mark for mark in marks if mark.startswith(("nhập tay", "số chốt nhập tay"))]


def redefined(row: Row) -> list[str]:
    """số chốt tính theo định nghĩa …: what a closing figure says that a later definition made."""
    marks = str(row.get("mark") or "").split("; ")
    return [mark for mark in marks if mark.startswith("số chốt tính")]


def begun(row: Row, *, closing: bool) -> str:
    """từ 01/07/2025: from when a figure counts whose org unit began inside its window."""
    marks = str(row.get("mark") or "").split("; ")
    lead = "đơn vị có "
    if closing and row.get("closing_period") != row.get("period"):
        lead = f"số chốt: {lead}"
    return next((mark.removeprefix(lead) for mark in marks if mark.startswith(lead)), "")


def judged(line: Line, row: Row, *, closing: bool) -> str:
    """từ 01/01 đến ngày chốt: over which days a figure is judged, as its org unit had them."""
    words, since = text.JUDGED.get(line.target["judged_over"], ""), begun(row, closing=closing)
    for start in ("từ 01/01", "từ đầu năm") if since else ():
        words = words.replace(start, since)
    return words


def unmeasured(row: Row) -> str:
    """chưa có số trong kỳ kế hoạch: what an open target says while its figure is its baseline."""
    marks = str(row.get("mark") or "").split("; ")
    return next((mark for mark in marks if mark == "chưa có số trong kỳ kế hoạch"), "")


def unsure(row: Row) -> bool:
    """Whether the headline is drawn without its hue: half loaded, or open and past its limits."""
    return bool(loading(row)) or (not closed(row) and row.get("freshness") == "stale")


def verdict(rule: str, over: Any, under: Any) -> bool | None:
    """Whether a reading such as "> 60" is satisfied; None where nothing can be compared."""
    if not (text.known(over) and text.known(under)):
        return None
    operator, *thresholds = parse_rule(rule or "qualitative")
    return satisfies(operator, over, under, 100, *thresholds)


def headline(row: Row, borders: tuple[Any, ...]) -> str:
    """The figure that decides: the closing one, or the live one while the target is open."""
    return figure(row, borders, closing=closed(row))


def figure(row: Row, borders: tuple[Any, ...], *, closing: bool = False) -> str:
    """4/5 when the denominator is small, else 58,3 %, or what it is in another unit."""
    over, under = parts_of(row, closing=closing)
    if (row.get("unit") or "%") != "%":
        return text.value(row | {"value": row.get("closing_value" if closing else "value")})
    if text.few(under):
        return text.counts(over, under)
    return text.percent(over, under, *borders)


def detail(row: Row, borders: tuple[Any, ...], noun: str, *, closing: bool = False) -> str:
    """What stands beside the figure: dịch vụ (80 %), or 113.204/194.180 hồ sơ."""
    over, under = parts_of(row, closing=closing)
    if not (text.known(over) and text.known(under)) or not under:
        return ""
    if text.few(under):
        return text.join([noun, f"({text.percent(over, under, *borders)})"], " ")
    return text.counts(over, under, noun)


def parts_of(row: Row, *, closing: bool) -> tuple[Any, Any]:
    """Numerator and denominator of the closing or the live figure."""
    head = "closing_" if closing else ""
    return row.get(f"{head}numerator"), row.get(f"{head}denominator")


def shortfall(line: Line, row: Row, noun: str) -> str:
    """còn thiếu 9 hệ thống để vượt 80 %, for the figure that is the headline."""
    if line.locked:
        return ""
    operator = row.get("operator") or line.target["operator"]
    threshold = line.target["threshold"]
    moving = line.flow and not closed(row)
    return text.missing(row.get("missing_count"), noun, operator, threshold, flow=moving)

"""What the address of an indicator's page asks for, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ioc.errors import IocError
from ioc.model import OrgUnit
from ioc.period import Grain, Period
from kpi import query
from layouts import plans
from layouts.lines import Line, Part, Row, closed, combine, indicators, split, unsure
from layouts.state import ask, desk, home, link, rows, today
from layouts.text import known

FRAMES = ("today", "plan")
"""Org units other than those of each period itself."""
LEVELS = ("area", "department", "commune", "district")
DISTRICTS_END = date(2025, 6, 30)
PLAN_BEGINS = date(2021, 1, 1)
GRAINS: tuple[Grain, ...] = ("month", "quarter", "year")
MOST_YEARS = 30
FILTERS = ("key", "org_unit", "level", "figure", "sort", "grain", "from", "to", "frame", "plan")
"""What the address of an indicator's page says; each is an argument of ``look``."""
SORTS = ("share", "missing", "name")
"""How org units are ranked: worst share first, most missing first, by name."""


@dataclass(frozen=True, slots=True)
class Span:
    """The periods that the history shows."""

    first: Period
    last: Period

    @property
    def grain(self) -> str:
        return self.first.grain

    @property
    def asked(self) -> dict[str, str]:
        """These periods as filters of an address; what is usual stays out."""
        usual = span(self.grain)
        return {
            "grain": "" if self.grain == GRAINS[0] else self.grain,
            "from": "" if self.first == usual.first else self.first.text,
            "to": "" if self.last == usual.last else self.last.text,
        }


def span(grain: str = "", first: str = "", last: str = "") -> Span:
    """From the beginning of the plan to this period, as far as an address says nothing else."""
    kind: Any = grain if grain in GRAINS else GRAINS[0]
    begins, ends = _day(first, PLAN_BEGINS), _day(last, today(), end=True)
    if begins > ends or (ends.year - begins.year) > MOST_YEARS:
        begins, ends = PLAN_BEGINS, today()
    return Span(Period.of(kind, begins), Period.of(kind, ends))


def _day(text: str, usual: date, *, end: bool = False) -> date:
    """The first or last day of a period of an address."""
    try:
        period = Period.parse(text)
    except ValueError:
        return usual
    return period.end if end else period.start


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for, and what is known of it."""

    key: str
    org_unit: str
    level: str
    closing: bool  # which figure is ranked: the closing one, or the live one
    indicator: Row
    line: Line | None
    part: Part | None
    span: Span
    latest: Row  # of an indicator that the plan gives no target
    sort: str = SORTS[0]
    frame: str = ""  # of which day the org units are; each period's own where it says nothing
    plan: str = ""  # whose target it is judged by, as addresses name it; empty: the one in force

    @property
    def unit(self) -> OrgUnit:
        return desk().orgunits[self.org_unit]

    @property
    def row(self) -> Row:
        return self.part.row if self.part else self.latest

    @property
    def framed(self) -> dict[str, str]:
        """The frame as a filter of a question."""
        return {"frame": self.frame} if self.frame else {}

    @property
    def regrouped(self) -> bool:
        """Whether the figure may be that of several org units: it has no lineage of its own."""
        return bool(self.frame) and self.unit.level != "area"

    @property
    def borders(self) -> tuple[Any, ...]:
        return self.line.lines if self.line else ()

    @property
    def status(self) -> str:
        return self.row.get("status") or ("no_source" if not self.indicator["source"] else "")

    @property
    def locked(self) -> bool:
        return bool(self.line and self.part and self.line.early(self.part))

    @property
    def muted(self) -> bool:
        return self.locked or unsure(self.row)

    def address(self, **changes: Any) -> str:
        """This view with something changed; defaults stay out of the address."""
        given: dict[str, Any] = {
            "org_unit": "" if self.org_unit == home() else self.org_unit,
            "level": "" if self.level == LEVELS[0] else self.level,
            "figure": "" if self.closing else "live",
            "sort": "" if self.sort == SORTS[0] else self.sort,
            **self.span.asked,
            **self.framed,
            "plan": self.plan,
        }
        return link(f"/indicator/{self.key}", **(given | changes))


def look(given: Mapping[str, Any]) -> View | None:
    """The view of an address, by its ``FILTERS``; None when it names nothing that we have."""
    asked = {name: str(given.get(name) or "") for name in FILTERS}
    catalogue, key = indicators(), asked["key"]
    uid, level = asked["org_unit"] or home(), asked["level"]
    if key not in catalogue or uid not in desk().orgunits or not plans.plan(asked["plan"]):
        return None
    named = plans.named(asked["plan"])
    targets = ask(query.targets, **named).to_dict("records")
    line = part = None
    latest: Row = {}
    frame = asked["frame"] if asked["frame"] in FRAMES else ""
    framed = {"frame": frame} if frame else {}
    name = next((row["target"] for row in targets if key in split(row["indicators"])), None)
    if name:
        found = ask(query.standings, targets=[name], org_units=[uid], **framed).to_dict("records")
        every = combine(targets, found, catalogue, on=today())
        line = replace(next(line for line in every if line.id == name), plan=asked["plan"])
        part = next(p for p in line.parts if p.indicator == key)
    elif catalogue[key]["source"]:
        latest = _latest(catalogue[key], uid, framed)
    chosen = level if level in LEVELS else LEVELS[0]
    ended = bool(part and closed(part.row)) and asked["figure"] != "live"
    periods = span(asked["grain"], asked["from"], asked["to"])
    sort = asked["sort"] if asked["sort"] in SORTS else SORTS[0]
    return View(
        key, uid, chosen, ended, catalogue[key], line, part, periods, latest, sort, frame,
        asked["plan"],
    )  # fmt: skip


def _latest(indicator: Row, org_unit: str, framed: Mapping[str, str]) -> Row:
    """The newest month with a figure within a year, with the clocks of its source."""
    last = Period.of("month", today())
    asked = {"indicators": [indicator["indicator"]], "org_units": [org_unit], **framed}
    months = rows(query.values, **asked, first=last.previous(12), last=last)
    sources = {one["source"]: one for one in rows(query.sources)}
    return newest(months, sources.get(indicator["source"]))


def newest(months: list[Row], source: Row | None) -> Row:
    """The last of these months that has a figure, with the clocks of its source; or nothing."""
    found = [month for month in months if known(month["value"])]
    if not found or not source:
        return {}
    ends, covered = Period.parse(found[-1]["period"]).ends_at, source["covered_until"]
    units = found[-1]["by_hand"]
    return found[-1] | {
        "source": source["source"],
        "mark": f"nhập tay ({units:.0f} đơn vị)" if known(units) else "",
        "data_as_of": min(ends, covered) if known(covered) else None,
        "polled_at": source["last_good_at"],
        "freshness": source["freshness"],
    }


def again(given: Any) -> View:
    """The view that a page remembers; refused when it is none of ours."""
    view = look(given if isinstance(given, dict) else {})
    if view is None:
        raise IocError("Không có chỉ số này: hãy tải lại trang.")
    return view

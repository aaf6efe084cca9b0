"""What the address of the map asks for: a figure, a period, a level, and which cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from ioc.errors import IocError
from ioc.model import Level
from ioc.period import Period
from ioc.rule import Rule, parse_rule
from kpi import query
from layouts.lines import AREA, Row, indicators, split
from layouts.state import FILTERS, desk, home, link, rows, today

FIRST = "I02b"  # what every commune has: where the map opens
STEPS = ("month", "quarter", "year")
KINDS = {"field_report": "Phản ánh hiện trường"}
STATES = {
    "received": "Tiếp nhận",
    "dispatched": "Đã chuyển",
    "in_progress": "Đang xử lý",
    "resolved": "Có kết quả",
    "rejected": "Từ chối",
}
DAYS = {"7": "7 ngày", "30": "30 ngày", "90": "90 ngày"}
CASES = {"kind": KINDS, "state": STATES, "days": DAYS}
"""What a filter of the cases may say, and how a reader meets it."""
DISTRICTS_END = date(2025, 6, 30)
MONTH = timedelta(days=31)
NAMES = "indicator org_unit level grain from to on kind state days".split()


@dataclass(frozen=True, slots=True)
class MapView:
    """What the address asks for, and what is known of it."""

    indicator: Row
    rule: Rule  # the reading in force of the plan's sentence; qualitative where it has none
    org_unit: str
    chosen: str  # the level in the address; empty: the one that the date suggests
    period: Period
    on: date
    dated: bool  # whether ``on`` stands in the address
    kind: str
    state: str
    days: str
    held: datetime | None = None  # the instant of a wall that is held
    frame: str = ""  # whose org units are shown, where they are not those of the period

    @property
    def key(self) -> str:
        return self.indicator["indicator"]

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that can be drawn on this date; the first is the one to begin with."""
        reformed: tuple[Level, ...] = ("commune", "area")
        return reformed if self.on > DISTRICTS_END else ("district", *reformed)

    @property
    def whole(self) -> bool:
        """Whether it shows the plan's whole territory."""
        return self.org_unit == AREA

    @property
    def level(self) -> str:
        return self.chosen or self.levels[0]

    @property
    def borders(self) -> tuple[Any, ...]:
        return (self.rule.threshold, self.rule.threshold_high)

    @property
    def question(self) -> dict[str, Any]:
        """The filters of the figures on the map, as an address of data takes them."""
        return {
            "indicator": self.key,
            "org_unit": "" if self.org_unit == home() else self.org_unit,
            "level": self.level,
            "grain": self.period.grain,
            "from_": self.period.text,
            "to": self.period.text,
            "on": self.on.isoformat(),
        }

    @property
    def given(self) -> dict[str, str]:
        """What a page remembers of this view."""
        return {
            "indicator": self.key,
            "org_unit": "" if self.org_unit == home() else self.org_unit,
            "level": self.chosen,
            "to": self.period.text,
            "on": self.on.isoformat() if self.dated else "",
            "kind": self.kind,
            "state": self.state,
            "days": self.days,
        }

    def address(self, **changes: Any) -> str:
        """This view with something changed; what is the default stays out of the address."""
        given = self.given | changes
        if given["to"] == opening().text:
            given["to"] = ""
        if given["indicator"] == FIRST:
            given["indicator"] = ""
        return link("/map", **given)

    def at(self, period: Period) -> str:
        """The same map of another period; a level that ended with the districts is left."""
        kept = "" if self.chosen == "district" else self.chosen
        return self.address(to=period.text, on="", level=kept)


def opening() -> Period:
    """The period of an address that names none: this year, in January still the last."""
    return Period.of("year", today() - MONTH)


def look(given: Mapping[str, Any]) -> MapView | None:
    """The view of an address; None when it names something that we do not have."""
    wanted = {name: str(given.get(name) or "") for name in NAMES}
    if any(given.get(name) for name in FILTERS if name not in NAMES):
        return None  # a filter that is ignored would give a right-looking wrong map
    known, key = indicators(), wanted["indicator"] or FIRST
    uid = wanted["org_unit"] or home()
    try:
        period = _period(wanted)
        on = date.fromisoformat(wanted["on"]) if wanted["on"] else min(period.end, today())
    except ValueError:
        return None
    if key not in known or uid not in desk().orgunits:
        return None
    if any(wanted[name] not in ("", *words) for name, words in CASES.items()):
        return None
    if wanted["from"] not in ("", period.text, wanted["to"]):
        return None  # the map shows one period
    target = next((row for row in rows(query.targets) if key in split(row["indicators"])), {})
    names = (wanted[name] for name in ("kind", "state", "days"))
    rule = parse_rule(target.get("reading_in_force") or "qualitative")
    view = MapView(known[key], rule, uid, "", period, on, bool(wanted["on"]), *names)
    level = wanted["level"]
    if level and level not in view.levels:
        return None
    return view if level in ("", view.level) else replace(view, chosen=level)


def _period(wanted: Mapping[str, str]) -> Period:
    """The period asked for. Raises ValueError for a text that is none."""
    grain = wanted["grain"] or None
    if grain == "ytd":
        raise ValueError("a year so far is the year, on the map")
    if wanted["to"]:
        return Period.parse(wanted["to"], grain)
    if wanted["on"]:
        return Period.of(grain or "year", date.fromisoformat(wanted["on"]))
    return Period.of(grain, today() - MONTH) if grain else opening()


def again(given: Any) -> MapView:
    """The view that a page remembers; refused when it is none of ours."""
    view = look(given) if isinstance(given, dict) else None
    if view is None:
        raise IocError("Không có bản đồ này: hãy tải lại trang.")
    return view


def found(view: MapView) -> list[Row]:
    """The figures on the map: one row for every org unit of the level."""
    inside = {} if view.whole else {"org_units": [view.org_unit]}
    return rows(query.values, level=view.level, **_asked(view), **inside)


def whole(view: MapView) -> Row:
    """The figure of the territory that the map shows."""
    return rows(query.values, org_units=[view.org_unit], **_asked(view))[0]


def _asked(view: MapView) -> dict[str, Any]:
    asked = {
        "indicators": [view.key],
        "first": view.period,
        "last": view.period,
        "grain": view.period.grain,
        "on": view.on,
    }
    asked |= {"as_of": view.held} if view.held else {}
    return asked | ({"frame": view.frame} if view.frame else {})

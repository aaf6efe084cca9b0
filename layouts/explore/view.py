"""What the address of /explore asks for: indicators, org units, periods, and how to show them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ioc.period import Grain, Period, periods
from kpi import query
from layouts import places, text
from layouts.lines import AREA, indicators
from layouts.state import as_of, count, desk, home, link, present, readable, rows, today
from layouts.web.filters import read

ASKED = ("indicator", "org_unit", "level", "grain", "frame", "from", "to", "on")
"""The filters of the question, as an address of data takes them."""
SHOWN = ("view", "sort", "after", "period")
"""How its answer is shown."""
NAMES = (*ASKED, *SHOWN)
VIEWS = {"table": "Bảng", "chart": "Biểu đồ", "map": "Bản đồ"}
SORTS = {"": "Theo đơn vị", "period": "Theo kỳ", "high": "Cao trước", "low": "Thấp trước"}
GRAINS: dict[Grain, str] = {
    "day": "Ngày",
    "month": "Tháng",
    "quarter": "Quý",
    "year": "Năm",
    "ytd": "Lũy kế năm",
}
LEVELS = {
    "area": "địa bàn",
    "department": "sở, ban, ngành",
    "commune": "xã, phường, thị trấn",
    "district": "huyện, thị xã, thành phố",
}
"""The levels, and what so many of one are called."""
DISTRICTS_END = date(2025, 6, 30)


@dataclass(frozen=True, slots=True)
class Explore:
    """One view of the page, and its question: everything that its address says."""

    indicators: tuple[str, ...]
    org_units: tuple[str, ...]
    level: str
    grain: Grain
    first: Period
    last: Period
    spanned: tuple[bool, bool]  # whether the address names the first and the last period
    frame: str
    on: date
    dated: bool  # whether ``on`` stands in the address
    view: str
    sort: str
    after: int
    period: Period  # the one of the ranking and of the map

    @property
    def filters(self) -> dict[str, str]:
        """The question as filters of an address; what is usual stays out."""
        return {
            "indicator": ",".join(self.indicators),
            "org_unit": ",".join(self.org_units),
            "level": self.level,
            "grain": "" if self.grain == "month" else self.grain,
            "frame": self.frame,
            "from": edge(self.first, first=True) if self.spanned[0] else "",
            "to": edge(self.last) if self.spanned[1] else "",
            "on": self.on.isoformat() if self.dated else "",
        }

    @property
    def question(self) -> dict[str, str]:
        """The filters of its file as ``link`` takes them: ``from`` is a word of Python."""
        asked = self.filters | {"org_unit": ",".join(self.within)}
        return {f"{name}_" if name == "from" else name: v for name, v in asked.items()}

    @property
    def within(self) -> tuple[str, ...]:
        """The org units that are asked for, or that a level is asked within.

        Areas are the eight parts: an answer would have their total among them.
        """
        if self.level != "area" or (self.org_units and AREA not in self.org_units):
            return self.org_units
        areas = desk().orgunits.population("area", self.on)
        return tuple(unit.uid for unit in areas if unit.uid != AREA and readable(unit.uid))

    def address(self, **changes: Any) -> str:
        """This view with something changed; what depends on the rows begins anew with them."""
        given: dict[str, Any] = {
            **self.filters,
            "view": "" if self.view == "table" else self.view,
            "sort": self.sort,
            "period": edge(self.period) if self.period != self.last else "",
        }
        if "after" not in changes and not changes:
            given["after"] = self.after or ""
        if {"from", "to", "grain"} & changes.keys():
            given["period"] = ""
        given |= changes
        return link("/explore", **{f"{k}_" if k == "from" else k: v for k, v in given.items()})

    @property
    def arguments(self) -> dict[str, Any]:
        """The question as ``query.values`` takes it."""
        asked: dict[str, Any] = {
            "indicators": list(self.indicators),
            "first": self.first,
            "last": self.last,
            "grain": self.grain,
            "on": self.on,
        }
        asked |= {"org_units": list(self.within)} if self.within else {}
        asked |= {"level": self.level} if self.level else {}
        return asked | ({"frame": self.frame} if self.frame else {})

    @property
    def periods(self) -> list[Period]:
        """Every period, the oldest first."""
        return periods(self.first, self.last)

    def count(self) -> int:
        """How many rows the question has: as many as its file holds."""
        return count(query.values, **self.arguments)

    def units(self) -> list[str]:
        """The org units of the answer, as Vietnamese dictionaries order their names."""
        if not self.level:
            return list(dict.fromkeys(self.org_units)) or [home()]
        one = self.arguments | {
            "indicators": list(self.indicators[:1]), "first": self.last, "last": self.last,
        }  # fmt: skip
        found = dict.fromkeys(row["org_unit"] for row in rows(query.values, **one))
        return [unit.uid for unit in places.by_name([desk().orgunits[uid] for uid in found])]


def edge(period: Period, *, first: bool = False) -> str:
    """A period as an address names it; a year so far by the month that it ends with."""
    if period.grain != "ytd":
        return period.text
    return Period.of("month", period.end).text


def look(given: Mapping[str, Any]) -> Explore:
    """The view of an address.

    Raises:
        Problem: a filter means nothing that we have.
    """
    said = {name: str(given.get(name) or "").strip() for name in NAMES}
    asked = {name: said[name] for name in ASKED if said[name]}
    for name in ("from", "to"):
        if name in asked:
            asked[name] = written(asked[name])
    held = {"as_of": at.isoformat()} if (at := as_of()) else {}
    meant = read("values", asked | held, desk().store, present()).arguments
    last = meant["last"]
    wanted = _wanted(said["period"], meant["first"], last)
    after = int(said["after"]) if re.fullmatch(r"\d{1,9}", said["after"]) else 0
    return Explore(
        indicators=tuple(meant["indicators"]) if "indicator" in asked else (),
        org_units=tuple(meant.get("org_units") or ()),
        level=meant.get("level", ""),
        grain=meant["grain"],
        first=meant["first"],
        last=last,
        spanned=("from" in asked, "to" in asked),
        frame=meant.get("frame", "") if meant.get("frame") != "then" else "",
        on=meant["on"],
        dated="on" in asked,
        view=said["view"] if said["view"] in VIEWS else "table",
        sort=said["sort"] if said["sort"] in SORTS else "",
        after=after,
        period=wanted,
    )


def _wanted(said: str, first: Period, last: Period) -> Period:
    """The period of the ranking and of the map; the last one where none is named."""
    try:
        found = Period.parse(said, first.grain) if said else last
    except ValueError:
        return last
    return found if first.index <= found.index <= last.index else last


def written(said: str) -> str:
    """A period as people write it: 6/2025, 30/6/2025, quý 2/2025; anything else as it is."""
    plain = re.sub(r"^(tháng|năm|ngày)\s+", "", said.strip().lower())
    if found := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", plain):
        return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}"
    if found := re.fullmatch(r"(\d{1,2})/(\d{4})", plain):
        return f"{found[2]}-{int(found[1]):02}"
    if found := re.fullmatch(r"(?:quý|q)\s*(\d|i|ii|iii|iv)\s*/\s*(\d{4})", plain):
        roman = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
        return f"{found[2]}-Q{roman.get(found[1], found[1])}"
    return plain.upper() if re.fullmatch(r"\d{4}(-q?\d+)*", plain) else said


def shown(period: Period, *, first: bool = False) -> str:
    """A period as the form shows it: 6/2025, 30/06/2025, quý 2/2025, 2025."""
    if period.grain == "quarter":
        return f"quý {period.index % 4 + 1}/{period.index // 4}"
    day = period.start if first else period.end
    if period.grain == "day":
        return text.day(day)
    return str(day.year) if period.grain == "year" else f"{day.month}/{day.year}"


def borders() -> dict[str, tuple[Any, ...]]:
    """The plan's numbers that the figures of an indicator are never rounded across."""
    found: dict[str, tuple[Any, ...]] = {}
    for row in rows(query.targets):
        for key in str(row["indicators"]).split(";"):
            found[key.strip()] = (row["threshold"], row["threshold_high"])
    return found


def told(view: Explore, units: int) -> str:
    """The question in words."""
    known = indicators()
    names = [known[key]["short"] for key in view.indicators]
    what = names[0] if len(names) == 1 else f"{text.number(len(names))} chỉ số"
    first, last = text.period(view.first.text), text.period(view.last.text)
    when = f"từng {text.GRAINS[view.grain]}" if view.grain != "ytd" else "lũy kế từ đầu năm"
    spell = last if first == last else f"{first} đến {last}"
    return text.join([what, who(view, units), f"{when}, {spell}"])


def who(view: Explore, units: int) -> str:
    """Whose figures: a level with how many, an org unit by its name, or how many are chosen."""
    known = desk().orgunits
    if view.level:
        inside = [known[uid].name for uid in view.org_units]
        where = f" trong {', '.join(inside)}" if 0 < len(inside) < 3 else ""
        return f"{text.number(units)} {LEVELS[view.level]}{where}"
    chosen = view.org_units or (home(),)
    return known[chosen[0]].name if len(chosen) == 1 else f"{text.number(len(chosen))} đơn vị"


def usual() -> list[tuple[str, str, str]]:
    """Spans that are asked for most: their word, their first and last period."""
    day = today()
    month = Period.of("month", day).text
    return [
        ("12 tháng qua", "", ""),
        (f"Năm {day.year}", str(day.year), month),
        (f"Năm {day.year - 1}", str(day.year - 1), str(day.year - 1)),
        ("Cả giai đoạn 2021–2025", "2021", "2025"),
    ]

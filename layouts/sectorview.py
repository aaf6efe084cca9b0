"""What is known of one sector: its targets, its other indicators, its sources, its records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ioc.errors import IocError
from ioc.period import Period
from kpi import query
from layouts import text
from layouts.lines import Line, Row, combine, indicators, split
from layouts.places import alphabetical
from layouts.scorecard import Seen
from layouts.state import desk, home, rows, today
from layouts.view import newest

SPANS = {"month": 13, "quarter": 13, "year": 6}
"""How many periods of each grain the small lines show."""


@dataclass(frozen=True)
class Sector:
    """A sector as the catalogue names it, and what two questions say of it."""

    key: str
    chosen: str  # the indicator in the address; empty: the first that has figures
    indicators: dict[str, Row]  # in the plan's order, then all others
    sources: dict[str, Row]  # those of the sector, and those that feed its indicators
    seen: Seen  # its targets at the territory, and the last periods of all its indicators

    @property
    def name(self) -> str:
        return desk().store.catalogue.sectors[self.key]

    @property
    def lines(self) -> list[Line]:
        return self.seen.lines

    @property
    def others(self) -> list[Row]:
        """The indicators that no target uses."""
        return [row for row in self.indicators.values() if not row["targets"]]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the records that its own sources bring."""
        own = [row for row in self.sources.values() if row["sector"] == self.key]
        return sorted({row["record"] for row in own if row["record"]})

    @cached_property
    def indicator(self) -> str:
        """The one that is drawn: chosen, or the first with figures, with a source, or at all."""
        valued = [key for key in self.indicators if self.newest(key)]
        fed = [key for key, row in self.indicators.items() if row["source"]]
        return self.chosen or next(iter([*valued, *fed, *self.indicators]), "")

    def newest(self, key: str) -> Row:
        """The last period with a figure, with its clocks; empty where there is none."""
        source = self.sources.get(self.indicators[key]["source"])
        return newest(self.seen.months.get(key, []), source)


def grain(row: Row) -> str:
    """The periods that an indicator is drawn by: its own, or months for what moves daily."""
    return row["grain"] if row["grain"] in SPANS else "month"


def ordered() -> dict[str, dict[str, Row]]:
    """The indicators of every sector in the plan's order; sectors without a target by name."""
    known = indicators()
    planned = [key for row in rows(query.targets) for key in split(row["indicators"])]
    place = {key: number for number, key in enumerate(planned)}
    keys = sorted(known, key=lambda key: place.get(key, len(place)))
    names = desk().store.catalogue.sectors
    found: dict[str, dict[str, Row]] = {key: {} for key in names}
    for key in keys:
        found[known[key]["sector"]][key] = known[key]

    def order(sector: str) -> tuple[int, Any]:
        first = min((place.get(key, len(place)) for key in found[sector]), default=len(place))
        return first, alphabetical(names[sector])

    return {sector: found[sector] for sector in sorted(found, key=order)}


def of_sector(lines: list[Line], keys: Any) -> list[Line]:
    """The targets that measure with one of these indicators, each with those parts alone."""
    found = []
    for line in lines:
        parts = tuple(part for part in line.parts if part.indicator in keys)
        if parts:
            found.append(replace(line, parts=parts))
    return found


def look(key: str, indicator: str = "") -> Sector | None:
    """The sector of an address; None when it names nothing that we have."""
    inside = ordered().get(key)
    if inside is None or (indicator and indicator not in inside):
        return None
    known, fed = indicators(), [name for name, row in inside.items() if row["source"]]
    standings = rows(query.standings, indicators=list(inside), org_units=[home()]) if inside else []
    every = combine(rows(query.targets), standings, known, on=today())
    sources = {
        row["source"]: row
        for row in rows(query.sources)
        if row["sector"] == key or row["source"] in {known[name]["source"] for name in fed}
    }
    last = _last_periods([inside[name] for name in fed])
    seen = Seen(desk().orgunits[home()], today(), of_sector(every, inside), standings, last)
    return Sector(key, indicator, inside, sources, seen)


def _last_periods(fed: list[Row]) -> dict[str, list[Row]]:
    """The last periods of every indicator, each by its own grain."""
    found: dict[str, list[Row]] = {}
    for name, many in SPANS.items():
        keys = [row["indicator"] for row in fed if grain(row) == name]
        last = Period.of(name, today())
        span = {"grain": name, "first": last.previous(many - 1), "last": last}
        for row in rows(query.values, indicators=keys, org_units=[home()], **span) if keys else []:
            found.setdefault(row["indicator"], []).append(row)
    return found


def again(given: Any) -> Sector:
    """The sector that a page remembers; refused when it is none of ours."""
    wanted = given if isinstance(given, dict) else {}
    found = look(*(str(wanted.get(name) or "") for name in ("key", "indicator")))
    if found is None:
        raise IocError("Không có lĩnh vực này: hãy tải lại trang.")
    return found


def reach(row: Row, at: Any) -> str:
    """Until when a source has told."""
    upto = row["covered_until"] if text.known(row["covered_until"]) else row["last_good_at"]
    return f"số liệu đến {text.reach(upto, at)}" if text.known(upto) else "chưa đọc lần nào"

"""The synthetic province: which authority receives how many dossiers in a month, and how online.

Everything follows from the seed and the org units: sizes of communes (a merged commune is the
sum of its parts), the menus of procedures, the rise of online filing with mountain communes
behind. Reforms fall on first days of months, so one ``Mix`` serves a whole month.
"""

from bisect import bisect
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import accumulate, pairwise
from random import Random

from connectors.sandbox.procedures import COMMUNE, DISTRICT, SECTORS, Menu, Procedure, procedures
from ioc.model import Level, OrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import date_of

# Thousands of inhabitants, and how readily people and offices go online (1 = the average).
DISTRICTS = {
    "area-450": (135, 1.22), "area-452": (52, 0.66), "area-453": (80, 0.82),
    "area-454": (98, 0.97), "area-455": (190, 1.0), "area-456": (92, 1.02),
    "area-457": (143, 0.98), "area-458": (108, 1.08),
}  # fmt: skip
MOUNTAIN = {  # communes of 2021 on the border and in the mountains
    "19147", "19192", "19117", "19129", "19204", "19228", "19318", "19273", "19327", "18904",
    "18907", "18910", "18916", "18937", "18946", "18952", "18955", "18958", "18961", "18964",
}  # fmt: skip
LEVELS: tuple[Level, ...] = ("department", "district", "commune")
SHARES, SHARES_WITHOUT_DISTRICTS = (0.15, 0.34, 0.51), (0.25, 0.0, 0.75)
OLD_CODES_FOR = 92  # days in which some clerks still write the code of before a merger

# (year, share): filed fully online; filed partly online; electronic result of a full filing
FULL = (
    (2021, 0.10), (2022, 0.19), (2023, 0.36), (2024, 0.51), (2025, 0.621), (2026, 0.721),
    (2027, 0.77),
)  # fmt: skip
PARTIAL = ((2021, 0.07), (2022, 0.12), (2023, 0.17), (2025, 0.13), (2027, 0.08))
ELECTRONIC = (
    (2021, 0.45), (2022, 0.62), (2023, 0.77), (2024, 0.86), (2025, 0.905), (2026, 0.945),
    (2027, 0.96),
)  # fmt: skip


def trend(points: tuple[tuple[int, float], ...], month: int) -> float:
    """The value of a yearly curve at a month index, straight between its points."""
    at = (month + 0.5) / 12
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


@dataclass(slots=True)
class Desk:
    """An authority in one month, with what a dossier there looks like."""

    code: str
    menu: Menu
    full: float  # chance of a full filing where the procedure offers it
    partial: float
    electronic: float
    places: tuple[list[str], list[float]]  # communes of the applicants, with rising bounds
    elsewhere: float  # share of applicants from outside the area
    old_codes: list[str]
    writes_decomposed: bool  # its software sends Vietnamese in NFD


@dataclass(slots=True)
class Mix:
    """All desks of a month, ready to be drawn from."""

    month: int
    desks: list[Desk]
    bounds: list[float]

    def draw(self, number: float) -> Desk:
        """The desk at a random number in [0, 1)."""
        return self.desks[bisect(self.bounds, number * self.bounds[-1])]


class Province:
    """Sizes, menus and habits of every authority of every epoch, from a seed."""

    def __init__(self, orgunits: OrgUnits, seed: int, scale: float) -> None:
        self.orgunits, self.seed, self.scale = orgunits, seed, scale
        self._mixes: dict[int, Mix] = {}
        self.parts: dict[str, list[OrgUnit]] = {}  # by the successor they merged into
        for unit in orgunits.values():
            if unit.successor:
                self.parts.setdefault(unit.successor, []).append(unit)

    def open_on(self, level: Level, day: date) -> list[OrgUnit]:
        """Authorities of a level on a date, in the order of their uids."""
        return sorted(self.orgunits.population(level, day), key=lambda unit: unit.uid)

    def expired_code(self, day: int) -> str | None:
        """A code that ended more than a year before and that nobody bears on the day."""
        on = date_of(day)
        taken = {unit.code for unit in self.orgunits.open_on(on)}
        ended = [u for u in self.orgunits.values() if u.closed and (on - u.closed).days > 370]
        return next((u.code for u in ended if u.successor and u.code not in taken), None)

    def mix(self, month: int) -> Mix:
        """What the province looks like in a month (index y*12+m-1)."""
        if month not in self._mixes:
            self._mixes[month] = self._mix(month)
        return self._mixes[month]

    @cached_property
    def traits(self) -> dict[str, tuple[float, float]]:
        """(size, readiness) of every commune of every epoch; a merged one is built of its parts."""
        found: dict[str, tuple[float, float]] = {}

        def trait(unit: OrgUnit) -> tuple[float, float]:
            if unit.uid not in found:
                parts = [trait(part) for part in self.parts.get(unit.uid, [])]
                found[unit.uid] = _merged(parts) if parts else self._first_trait(unit)
            return found[unit.uid]

        for unit in self.orgunits.values():
            if unit.level == "commune":
                trait(unit)
        return found

    def readiness(self, unit: OrgUnit) -> float:
        """How readily a unit goes online; 1 is the average, mountain communes are far below."""
        if unit.level == "commune":
            return self.traits[unit.uid][1]
        if unit.level == "district":
            return DISTRICTS[unit.area][1]
        return Random(f"department:{self.seed}:{unit.code}").uniform(0.92, 1.1)

    def _first_trait(self, unit: OrgUnit) -> tuple[float, float]:
        rng = Random(f"commune:{self.seed}:{unit.uid}")
        people, ready = DISTRICTS.get(unit.area, (80, 1.0))
        size = people * rng.lognormvariate(0, 0.35) * (1.5 if unit.unit_type != "Xã" else 1)
        if unit.code in MOUNTAIN:
            return size * 0.5, ready * rng.uniform(0.5, 0.68)
        return size, ready * rng.uniform(0.84, 1.16)

    @cached_property
    def _catalogue(self) -> dict[str, list[tuple[Procedure, float]]]:
        """Procedures by sector, their weights summing to the sector's."""
        found: dict[str, list[Procedure]] = {}
        for procedure in procedures(self.seed):
            found.setdefault(procedure.sector, []).append(procedure)
        weights = {sector: weight for sector, (_, weight) in SECTORS.items()}
        weights |= {"district": DISTRICT[1], "commune": COMMUNE[1]}
        return {
            sector: [
                (p, p.weight * weights[sector] / sum(p.weight for p in chosen)) for p in chosen
            ]
            for sector, chosen in found.items()
        }

    def _mix(self, month: int) -> Mix:
        first = date(month // 12, month % 12 + 1, 1)
        districts = self.open_on("district", first)
        menus = self._menus(month, first, bool(districts))
        shares = SHARES if districts else SHARES_WITHOUT_DISTRICTS
        seats: list[tuple[OrgUnit, float, float]] = []  # unit, share of all dossiers, readiness
        for level, share in zip(LEVELS, shares, strict=True):
            here = [
                (unit, *self._trait(unit, menus))
                for unit in self.open_on(level, first)
                if unit.uid in menus or level != "department"
            ]
            total = sum(size for _, size, _ in here)
            seats += [(unit, share * size / total, ready) for unit, size, ready in here]
        average = sum(share * ready for _, share, ready in seats)
        desks = [
            self._desk(unit, ready / average, menus.get(unit.uid) or menus[unit.level], month)
            for unit, _, ready in seats
        ]
        return Mix(month, desks, list(accumulate(share for _, share, _ in seats)))

    def _trait(self, unit: OrgUnit, menus: dict[str, Menu]) -> tuple[float, float]:
        rng = Random(f"authority:{self.seed}:{unit.code}")
        if unit.level == "department":
            return menus[unit.uid].weight, rng.uniform(1.0, 1.28)
        if unit.level == "district":
            people, ready = DISTRICTS[unit.area]
            return people, ready * rng.uniform(0.95, 1.06)
        return self.traits[unit.uid]

    def _menus(self, month: int, first: date, districts: bool) -> dict[str, Menu]:
        """A menu for every department (by uid), and one each for districts and communes."""
        chosen: dict[str, list[tuple[Procedure, float]]] = {
            level: list(self._catalogue[level]) for level in ("district", "commune")
        }
        for sector in SECTORS:
            owner = self.orgunits.owner(sector, first)
            if owner is not None:
                chosen.setdefault(owner.uid, []).extend(self._catalogue[sector])
        if not districts:
            for procedure, weight in self._catalogue["district"]:
                owner = self.orgunits.owner(procedure.takes_over, first)
                heir, factor = (owner.uid, 45) if owner else ("commune", 0.55)
                chosen[heir].append((procedure, weight * factor))
        return {key: Menu(found, month) for key, found in chosen.items()}

    def _desk(self, unit: OrgUnit, ready: float, menu: Menu, month: int) -> Desk:
        first = date(month // 12, month % 12 + 1, 1)
        moving = 0.9 if first in (date(2025, 7, 1), date(2025, 8, 1)) else 1.0
        full = trend(FULL, month) * ready * moving
        return Desk(
            code=unit.code,
            menu=menu,
            full=min(0.98, full / max(menu.full, 0.01)),
            partial=min(0.9, trend(PARTIAL, month) * ready / max(menu.partial, 0.01)),
            electronic=min(0.995, trend(ELECTRONIC, month) * (0.85 + 0.15 * min(ready, 1.2))),
            places=self._places(unit, first),
            elsewhere=0.42 if unit.level == "department" and first >= date(2025, 7, 1) else 0.0,
            old_codes=self._old_codes(unit, first),
            writes_decomposed=unit.area == "area-453" and first < date(2025, 7, 1),
        )

    def _places(self, unit: OrgUnit, first: date) -> tuple[list[str], list[float]]:
        here = [
            commune
            for commune in ([unit] if unit.level == "commune" else self.open_on("commune", first))
            if unit.level != "district" or commune.area == unit.area
        ]
        sizes = accumulate(self.traits[commune.uid][0] for commune in here)
        return [commune.code for commune in here], list(sizes)

    def _old_codes(self, unit: OrgUnit, first: date) -> list[str]:
        """Codes of the units merged into this one shortly before, where nobody bears them now."""
        if unit.opened is None or (first - unit.opened).days > OLD_CODES_FOR:
            return []
        taken = {u.code for u in self.orgunits.open_on(first)}
        return [p.code for p in self.parts.get(unit.uid, []) if p.code not in taken]


def _merged(parts: list[tuple[float, float]]) -> tuple[float, float]:
    size = sum(part for part, _ in parts)
    return size, sum(part * ready for part, ready in parts) / size

"""Org units over time: which one a code means on a date, and where an event counts.

Authorities merge, close and pass their codes on; the eight former district areas and
``area-qb`` never close, and every commune of every epoch lies in exactly one of them.
What ends without a whole successor goes on in its area's rest leaf.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path

from ioc.errors import UnknownOrgUnit
from ioc.model import LEVELS, Level, OrgUnit
from ioc.unitfiles import FOLDER, REST, ROOT, read_units

POPULATION_GROUP = "so_ban_nganh"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The unit a code means; ``old_code``: the code had closed, its successor answers."""

    uid: str
    old_code: bool = False


class OrgUnits(Mapping[str, OrgUnit]):
    """All org units of all epochs by uid, and the rules of codes, trees and successors.

    Immutable once built; answers that depend on a date are remembered per epoch (a stretch
    between two dates on which anything opens or closes), so the memory stays small.
    """

    def __init__(self, units: Sequence[OrgUnit], aliases: Mapping[str, str] | None = None):
        self._units = {unit.uid: unit for unit in units}
        self._codes: dict[str, list[OrgUnit]] = {}
        for unit in units:
            self._codes.setdefault(unit.code, []).append(unit)
            self._codes.setdefault(unit.uid, []).append(unit)
        for alias, code in (aliases or {}).items():
            self._codes[alias] = self._codes[code]
        changes = {u.opened for u in units if u.opened}
        changes |= {u.closed + _DAY for u in units if u.closed}
        self._changes = sorted(changes)
        self._itself = {uid: (uid, False) for uid in self._units}
        self._resolved = {uid: Resolution(uid) for uid in self._units}
        self._old: dict[tuple[str, date], Resolution] = {}
        self._predecessors: dict[str, list[str]] = {}
        for unit in units:
            if unit.successor:
                self._predecessors.setdefault(unit.successor, []).append(unit.uid)
        self._ancestors = {unit.uid: self._walk_up(unit) for unit in units}
        self._leaves = self._collect_leaves()
        self._populations: dict[tuple[str, int], list[OrgUnit]] = {}
        self._expected: dict[tuple[str, int, tuple[str, ...]], list[str]] = {}

    @classmethod
    def load(cls, folder: Path | None = None) -> "OrgUnits":
        """The org units of the product's own files (or of another folder), read once.

        Raises:
            ConfigError: the files contradict themselves; lists all faults.
        """
        return _load(folder or FOLDER)

    def __getitem__(self, uid: str) -> OrgUnit:
        return self._units[uid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)

    def __hash__(self) -> int:
        return id(self)

    def resolve(self, code: str, on: date) -> Resolution:
        """The authority that a code (or a uid) means on a local date.

        The row valid on the date wins; a code that closed within the last 12 months and has
        one whole successor is taken as an old code of the successor open on the date.

        Raises:
            UnknownOrgUnit: nothing answers, or a province or area does: figures belong to
                authorities, areas are only sums.
        """
        code = code.strip()
        rows = self._codes.get(code)
        if not rows:
            raise UnknownOrgUnit(f"mã đơn vị {code!r} không có trong danh mục")
        for unit in rows:
            if unit.open_on(on):
                if unit.level in ("province", "area"):
                    raise UnknownOrgUnit(
                        f"mã {code!r} là {unit.name}: số liệu phải ghi cho sở, huyện hoặc xã"
                    )
                return self._resolved[unit.uid]
        # At most a year of days for each closed code that has a successor.
        key = (code, on)
        if key not in self._old:
            self._old[key] = Resolution(self._successor_of_code(code, rows, on), old_code=True)
        return self._old[key]

    def _successor_of_code(self, code: str, rows: list[OrgUnit], on: date) -> str:
        closed = [unit for unit in rows if unit.closed and unit.closed < on]
        if not closed:
            opens = min(unit.opened for unit in rows if unit.opened)
            raise UnknownOrgUnit(f"mã {code!r} chỉ có hiệu lực từ {opens:%d/%m/%Y}")
        last = max(closed, key=lambda unit: unit.closed or date.min)
        since = f"mã {code!r} ({last.name}) hết hiệu lực sau {last.closed:%d/%m/%Y}"
        heir = self._heir(last, on)
        if heir is None or heir.level in ("province", "area"):
            raise UnknownOrgUnit(f"{since}, không có một đơn vị kế thừa toàn bộ")
        if on > _a_year_after(last.closed or on):
            raise UnknownOrgUnit(f"{since}, đã quá 12 tháng; dùng mã của {heir.name} ({heir.code})")
        return heir.uid

    def at(self, uid: str, on: date) -> tuple[str, bool]:
        """Where an event of this unit on a local date counts, and whether that is transitional.

        Itself while open (and before it opened), then the successor open on the date; an
        authority that ended without one counts in its area's rest leaf, marked transitional.
        """
        unit = self._units[uid]
        if unit.closed is None or on <= unit.closed:
            return self._itself[uid]
        heir = self._heir(unit, on)
        if heir is not None:
            return self._itself[heir.uid]
        return self.rest_leaf(uid), True

    def rest_leaf(self, uid: str) -> str:
        """The leaf where events count after the authority ended without a successor."""
        unit = self._units[uid]
        return REST + (ROOT if unit.level == "department" else unit.area or ROOT)

    def _heir(self, unit: OrgUnit, on: date) -> OrgUnit | None:
        while unit.closed is not None and unit.closed < on:
            if unit.successor is None:
                return None
            unit = self._units[unit.successor]
        return unit

    def predecessors(self, uid: str) -> list[str]:
        """The units of which this one took the whole, in the order of the files."""
        return list(self._predecessors.get(uid, ()))

    def closure(self) -> list[tuple[str, str]]:
        """All pairs (ancestor, leaf) of the tree for sums: leaf -> area-45x -> area-qb."""
        return [(up, leaf) for leaf in self._leaves[ROOT] for up in self._ancestors[leaf]]

    def ancestors(self, uid: str) -> list[str]:
        """The areas above, nearest first."""
        return list(self._ancestors[uid])

    def leaves(self, uid: str) -> list[str]:
        """The leaves that sum up to an area; a leaf is its own; a province has none."""
        return list(self._leaves.get(uid) or ([uid] if self.is_leaf(uid) else []))

    def is_leaf(self, uid: str) -> bool:
        """Whether observations are stored at this unit."""
        return self._units[uid].level != "province" and uid not in self._leaves

    def is_rest(self, uid: str) -> bool:
        """Whether this is a rest leaf, the transitional part of an area."""
        return uid.startswith(REST)

    def open_on(self, on: date, levels: Sequence[Level] | None = None) -> list[OrgUnit]:
        """All units open on a date, rest leaves too, in the order of the files."""
        return [
            unit
            for unit in self._units.values()
            if unit.open_on(on) and (levels is None or unit.level in levels)
        ]

    def population(self, level: Level, on: date) -> list[OrgUnit]:
        """The units that count at a level: departments only of ``so_ban_nganh``, no rest leaves."""
        key = (level, self._epoch(on))
        if key not in self._populations:
            self._populations[key] = [
                unit
                for unit in self.open_on(on, [level])
                if (level != "department" or unit.group == POPULATION_GROUP)
                and not self.is_rest(unit.uid)
            ]
        return list(self._populations[key])

    def expected(self, uid: str, on: date, serves: Sequence[str]) -> list[str]:
        """The authorities under a unit (itself, if it is one) that should report on the date."""
        key = (uid, self._epoch(on), tuple(serves))
        if key not in self._expected:
            self._expected[key] = [
                unit.uid
                for level in LEVELS
                if level in serves and level not in ("area", "province")
                for unit in self.population(level, on)
                if unit.uid == uid or uid in self._ancestors[unit.uid]
            ]
        return list(self._expected[key])

    def parent(self, uid: str, on: date) -> str | None:
        """The authority above on the date (a commune's district, later its province).

        An area's parent is the wider area; the province and ``area-qb`` have none.
        """
        unit = self._units[uid]
        if unit.level == "area":
            return unit.area or None
        if unit.level == "province":
            return None
        for above in self._codes.get(unit.parent_code, ()):
            if above.open_on(on):
                return above.uid
        return None

    def children(self, uid: str, on: date) -> list[str]:
        """What the tree shows under a unit on the date.

        Province: departments, then districts (communes once there are none). District:
        communes. ``area-qb``: areas. ``area-45x``: district and communes.
        """
        unit = self._units[uid]
        if unit.level == "area":
            inside = [u for u in self.open_on(on) if u.area == uid and not self.is_rest(u.uid)]
            return [u.uid for u in inside if u.level == "area" or uid != ROOT]
        found = [
            below
            for level in ("department", "district", "commune")
            for below in self.population(level, on)
            if self.parent(below.uid, on) == uid
        ]
        return [below.uid for below in found]

    def owner(self, code: str, on: date) -> OrgUnit | None:
        """The unit that answers for an owner code on the date, through any number of successors.

        None before the first row of the code, or where the chain broke.
        """
        rows = self._codes.get(code, [])
        for unit in rows:
            if unit.open_on(on):
                return unit
        closed = [unit for unit in rows if unit.closed and unit.closed < on]
        if not closed:
            return None
        return self._heir(max(closed, key=lambda unit: unit.closed or date.min), on)

    def coded(self, code: str) -> list[OrgUnit]:
        """Every unit that ever had a code (or an alias, or a uid), in the order of the files."""
        return list(self._codes.get(code, []))

    def _epoch(self, on: date) -> int:
        return bisect_right(self._changes, on)

    def _walk_up(self, unit: OrgUnit) -> list[str]:
        above = []
        while unit.area and unit.area not in above:
            above.append(unit.area)
            unit = self._units[unit.area]
        return above

    def _collect_leaves(self) -> dict[str, list[str]]:
        parents = {up for above in self._ancestors.values() for up in above}
        leaves: dict[str, list[str]] = {uid: [] for uid in self._units if uid in parents}
        for uid, above in self._ancestors.items():
            if uid not in parents:
                for up in above:
                    leaves[up].append(uid)
        return leaves


@lru_cache(8192)
def fold(text: str) -> str:
    """Lower case without Vietnamese marks: ``Đồng Hới`` (NFC or NFD) is ``dong hoi``."""
    plain = unicodedata.normalize("NFD", text.strip().lower().replace("đ", "d"))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def _a_year_after(day: date) -> date:
    return date(day.year + 1, day.month, min(day.day, 28 if day.month == 2 else day.day))


@cache
def _load(folder: Path) -> OrgUnits:
    return OrgUnits(*read_units(folder))

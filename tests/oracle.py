"""An independent recount in plain Python: what the derived tables must hold, and held when.

It shares no SQL and no code with the store; it knows the catalogue, the org units and the
calendar, remembers everything that was ever said, and counts it all again whenever it is asked.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from ioc.errors import UnknownOrgUnit
from ioc.model import Reading, Record
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, date_of, day_number, day_of, month_of, week_start
from ioc.source import Source
from kpi.catalogue import Catalogue, Element

Key = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """One thing that a source said, with the org units where it counts."""

    what: Record | Reading
    org_unit: str
    done: str | None = None


@dataclass(frozen=True)
class Event:
    """One change of what is believed; ``known`` is when, ``turn`` its place among all events."""

    turn: int
    known: datetime
    key: Key
    said: Said | None


@dataclass
class Tables:
    """The derived tables, each a mapping from its key to its values."""

    observation: dict[tuple, float] = field(default_factory=dict)
    member: dict[tuple, int] = field(default_factory=dict)
    rollup: dict[tuple, tuple] = field(default_factory=dict)
    standing: dict[tuple, tuple] = field(default_factory=dict)


class Oracle:
    """Everything that was said, in the order in which it was told."""

    def __init__(self, catalogue: Catalogue, orgunits: OrgUnits):
        self.catalogue = catalogue
        self.orgunits = orgunits
        self.events: list[Event] = []
        self.turn = 0
        self.believed: dict[Key, Said] = {}
        self.reached: dict[str, datetime] = {}
        self.last_seal: datetime | None = None

    def take(
        self,
        source: Source,
        items: Iterable[Record | Reading],
        now: datetime,
        *,
        whole: bool = False,
        loading: bool = False,
    ) -> None:
        """A batch: the newest change of a key wins, of equal ones the last that came."""
        items = list(items)
        keys = {(source.id, item.key) for item in items if isinstance(item, Record)}
        stored = {key for key in self.believed if key[0] == source.id}
        gone = stored - keys if whole else set()
        if whole and stored and (not keys or len(gone) > 0.2 * len(stored)):
            return
        least = self.reached.get(source.id)
        if loading and self.last_seal and (least is None or self.last_seal > least):
            least = self.last_seal
        told = []
        for item in items:
            known = now
            if loading:
                known = min(week_start(now), week_start(item.changed_at or now))
                known = max(known, least) if least else known
            try:
                told.append((known, *self._resolve(source, item)))
            except UnknownOrgUnit:
                continue
        if loading and told:
            told.sort(key=lambda row: row[0])  # stable: within a week as they came
            self.reached[source.id] = told[-1][0]
        for known, group in groupby(told, key=lambda row: row[0]):
            said_then = [(key, said) for _, key, said in group]
            torn = self._torn(source, said_then)
            for key, said in said_then:
                if key not in torn:
                    self._believe(key, said, known)
        for key in gone:
            self._add(key, None, now)

    def seal(self, at: datetime) -> int:
        """The place of a seal among the events."""
        self.last_seal = at
        self.turn += 1
        return self.turn

    def _torn(self, source: Source, told: list[tuple[Key, Said]]) -> set[Key]:
        """Figures that would leave a share above 100 %, or an old numerator over a new whole.

        With them go the other figures of the same whole, org unit and day.
        """
        fresh: dict[Key, float] = {}
        last: dict[Key, datetime | None] = {}
        for key, said in told:
            before = last.get(key) or (
                self.believed[key].what.changed_at if key in self.believed else None
            )
            if isinstance(said.what, Reading) and not (
                before and said.what.changed_at and before > said.what.changed_at
            ):
                fresh[key], last[key] = said.what.value, said.what.changed_at
        torn: set[Key] = set()
        for place in {place for _, place in fresh}:
            for above, below in self._shares():
                part, whole = (above, place), (below, place)
                held = {k: self.believed[k].what.value for k in (part, whole) if k in self.believed}
                after = held | {k: fresh[k] for k in (part, whole) if k in fresh}
                if len(after) < 2 or not fresh.keys() & {part, whole}:
                    continue
                renewed = whole in held and held[whole] != after[whole] and part not in fresh
                if after[part] > after[whole] or (renewed and above in (source.readings or ())):
                    torn |= {part, whole, *((a, place) for a, b in self._shares() if b == below)}
        return torn

    def _shares(self) -> list[tuple[str, str]]:
        """Declared parts and their declared wholes."""
        declared = {element.id for element in self.catalogue.elements.values() if element.reading}
        return [
            (str(i.numerator), str(i.denominator))
            for i in self.catalogue.indicators.values()
            if i.unit == "%" and {i.numerator, i.denominator} <= declared
        ]

    def _believe(self, key: Key, said: Said, known: datetime) -> None:
        held = self.believed.get(key)
        before = held.what.changed_at if held else None
        if not (before and said.what.changed_at and before > said.what.changed_at):
            self._add(key, said, known)

    def _add(self, key: Key, said: Said | None, known: datetime) -> None:
        self.turn += 1
        self.events.append(Event(self.turn, known, key, said))
        if said is None:
            self.believed.pop(key, None)
        else:
            self.believed[key] = said

    def _resolve(self, source: Source, item: Record | Reading) -> tuple[Key, Said]:
        if isinstance(item, Reading):
            uid = self.orgunits.resolve(item.org_unit, item.period.end).uid
            return (item.element, f"{uid} {item.period.end}"), Said(item, uid)
        opened = item.opened_at.astimezone(LOCAL).date()
        uid = self.orgunits.resolve(item.org_unit, opened).uid
        done = None
        if item.closed_at:
            done = self.orgunits.at(uid, item.closed_at.astimezone(LOCAL).date())[0]
        return (source.id, item.key), Said(item, uid, done)

    # --- what follows -------------------------------------------------------------------------

    def now(self) -> Tables:
        """The tables as they stand."""
        return self._count(self.believed.values())

    def at_minute(self, boundary: datetime) -> Tables:
        """The tables as they stood when a minute, a day or a week began."""
        return self._replay(lambda event: event.known < boundary)

    def at_seal(self, turn: int, at: datetime) -> Tables:
        """The tables as they stood when a seal was taken."""
        return self._replay(lambda event: event.turn < turn and event.known <= at)

    def _replay(self, seen: Callable[[Event], bool]) -> Tables:
        believed: dict[Key, Said] = {}
        for event in self.events:
            if seen(event):
                believed.pop(event.key, None)
                if event.said:
                    believed[event.key] = event.said
        return self._count(believed.values())

    def _count(self, believed: Iterable[Said]) -> Tables:
        tables = Tables()
        cases = [said for said in believed if isinstance(said.what, Record)]
        figures = [said for said in believed if isinstance(said.what, Reading)]
        self._observe(tables, cases, figures)
        for element in self.catalogue.elements.values():
            if element.over_time == "sum":
                self._add_up(tables, element)
            elif element.over_time == "last":
                self._carry(tables, element)
            else:
                self._recount(tables, element, cases)
        self._judge(tables)
        return tables

    def _counted(self, element: Element, cases: Iterable[Said]) -> Iterable[tuple[Said, str, int]]:
        """The cases that an element counts, each with its org unit and local day."""
        for case in cases:
            record: Any = case.what
            instant = getattr(record, element.at)
            unit = case.org_unit if element.at == "opened_at" else case.done
            if record.kind != element.count or instant is None or unit is None:
                continue
            if any(_told(record, name) not in allowed for name, allowed in element.where.items()):
                continue
            if element.serves and self.orgunits[unit].level not in element.serves:
                continue
            yield case, unit, day_of(instant)

    def _checked(self, element: Element, cases: list[Said]) -> Iterable[tuple[Said, str, int]]:
        """The cases that make an org unit's day one on which a stock was looked at."""
        if element.over_time != "last":
            return []
        return self._counted(replace(element, where={}), cases)

    def _observe(self, tables: Tables, cases: list[Said], figures: list[Said]) -> None:
        for element in self.catalogue.elements.values():
            if element.count and not element.distinct:
                counted: Counter = Counter()
                for _, unit, day in self._checked(element, cases):
                    counted[element.id, unit, day] += 0
                for _, unit, day in self._counted(element, cases):
                    counted[element.id, unit, day] += 1
                tables.observation.update({key: float(n) for key, n in counted.items()})
        for said in figures:
            reading: Any = said.what
            key = (reading.element, said.org_unit, day_number(reading.period.end))
            tables.observation[key] = float(reading.value)

    def _days(self, tables: Tables, element: Element) -> dict[str, dict[int, float]]:
        """Org unit to day to value."""
        days: dict[str, dict[int, float]] = defaultdict(dict)
        for (name, unit, day), value in tables.observation.items():
            if name == element.id:
                days[unit][day] = value
        return days

    def _add_up(self, tables: Tables, element: Element) -> None:
        months: dict[tuple[int, str], tuple[float, int]] = {}
        for leaf, days in self._days(tables, element).items():
            sums: dict[int, float] = defaultdict(float)
            for day, value in days.items():
                sums[month_of(day)] += value
            for month, value in sums.items():
                months[month, leaf] = (value, 1)
                for above in self.orgunits.ancestors(leaf):
                    held = months.get((month, above), (0.0, 0))
                    months[month, above] = (held[0] + value, held[1] + 1)
        years: dict[tuple[int, str], tuple[float, int, int]] = {}
        for (month, unit), (value, units) in months.items():
            tables.rollup[element.id, month, unit] = (value, units, month)
            held_year = years.get((month // 12, unit), (0.0, 0, 0))
            years[month // 12, unit] = (
                held_year[0] + value,
                held_year[1] + units,
                max(held_year[2], month),
            )
        for (year, unit), row in years.items():
            tables.rollup[element.id, year, unit] = row

    def _carry(self, tables: Tables, element: Element) -> None:
        days = self._days(tables, element)
        spoke: dict[str, set[int]] = {}
        for leaf, said in days.items():
            spoke[leaf] = {month_of(day) for day in said}
            for month in spoke[leaf]:
                last = max(day for day in said if month_of(day) == month)
                tables.rollup[element.id, month, leaf] = (said[last], 1, month)
        for above in {above for leaf in days for above in self.orgunits.ancestors(leaf)}:
            leaves = [leaf for leaf in days if above in self.orgunits.ancestors(leaf)]
            for month in set().union(*(spoke[leaf] for leaf in leaves)):
                end = _end(month)
                opened = [leaf for leaf in leaves if self.orgunits[leaf].open_on(end)]
                units = sum(1 for leaf in opened if month in spoke[leaf])
                first, last = day_number(date(month // 12, 1, 1)), day_number(end)
                total = 0.0
                for leaf in opened:
                    known = [day for day in days[leaf] if first <= day <= last]
                    total += days[leaf][max(known)] if known else 0.0
                if units:
                    tables.rollup[element.id, month, above] = (total, units, month)
        for (name, period, unit), row in list(tables.rollup.items()):
            if name == element.id and period >= 12000:
                held = tables.rollup.get((name, period // 12, unit))
                if held is None or held[2] < period:
                    tables.rollup[name, period // 12, unit] = row

    def _recount(self, tables: Tables, element: Element, cases: list[Said]) -> None:
        counted: Counter = Counter()
        for case, unit, day in self._counted(element, cases):
            member = getattr(case.what, element.distinct or "")
            if member is None:
                continue
            month = month_of(day)
            for where in (unit, *self.orgunits.ancestors(unit)):
                for period in (month, month // 12):
                    counted[element.id, period, where, member] += 1
        tables.member.update(counted)
        of: dict[tuple, set[str]] = defaultdict(set)
        for name, period, unit, member in counted:
            of[name, period, unit].add(member)
        for (name, period, unit), members in of.items():
            upto = period if period >= 12000 else period * 12 + 11
            tables.rollup[name, period, unit] = (float(len(members)), 0, upto)

    def _judge(self, tables: Tables) -> None:
        by_element: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for name, period, unit in tables.rollup:
            by_element[name].add((period, unit))
        for target in self.catalogue.targets.values():
            for part in target.parts:
                indicator = self.catalogue.indicators[part.indicator]
                sides = (indicator.numerator, indicator.denominator)
                if None in sides:
                    continue
                yearly = part.judged_over in ("calendar_year", "year_to_date")
                wanted = by_element[str(sides[0])] | by_element[str(sides[1])]
                for period, unit in wanted:
                    if (period < 12000) == yearly:
                        row = self._sides(tables, sides, period, unit, part.closing_date, yearly)
                        if row:
                            tables.standing[target.id, indicator.id, unit, period] = row

    def _sides(
        self, tables: Tables, sides: tuple, window: int, unit: str, closing: date, yearly: bool
    ) -> tuple | None:
        periods = [window]
        if yearly and window == closing.year and closing.month < 12:
            periods = list(range(window * 12, window * 12 + closing.month))
        above, below = (
            [
                tables.rollup[side, period, unit]
                for period in periods
                if (side, period, unit) in tables.rollup
            ]
            for side in sides
        )
        if not above and not below:
            return None
        behind = below or above
        stand = sum(row[1] for row in behind)
        if below and self.catalogue.elements[sides[0]].silence == "unknown":
            stand = min(stand, sum(row[1] for row in above))
        return (
            sum(row[0] for row in above) if above else None,
            sum(row[0] for row in below) if below else None,
            stand,
            max(row[2] for row in behind),
        )


def _end(month: int) -> date:
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date_of(day_number(following) - 1)


def _told(record: Record, name: str) -> str | None:
    """A field that ``where`` may name."""
    if name != "deadline":
        return getattr(record, name)
    if record.closed_at is None or record.due_at is None:
        return None
    return "met" if record.closed_at <= record.due_at else "missed"

"""What every org unit says of every month, in the order in which it is said; from a seed.

A unit says its figures in the first days of the next month. Some were wrong, and are put right with
those of a later month. While the system lives, one of the last two months is said anew every few
minutes.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random
from threading import Lock

from connectors.sandbox.place import Place
from connectors.sandbox.province import LEVELS
from connectors.sandbox.slots import Slots
from ioc.model import Level, OrgUnit
from ioc.period import LOCAL, Period, periods

Figures = tuple[int, ...]
MISTAKEN = 0.03  # of all statements
PACE = 240  # seconds between two statements that are said anew
RECENT = 2  # months
DAYS = 2  # after the end of a month


@dataclass(frozen=True, slots=True)
class Statement:
    """One unit's figures of one month, as said at an instant."""

    at: datetime
    unit: OrgUnit
    month: Period
    figures: Figures


class Statements:
    """All statements until an instant; safe for several threads, and never back in time."""

    def __init__(
        self,
        place: Place,
        name: str,
        first: Period,
        figures: Callable[[OrgUnit, Period], Figures | None],
        wrong: Callable[[Random, Figures], Figures],
        levels: Sequence[Level] = LEVELS,
    ) -> None:
        """``figures`` are the right ones of a unit and month (None: it has none to say).

        ``wrong`` makes of them what is said by mistake.
        """
        self._province, self._name, self._levels = place.province, name, tuple(levels)
        self._seed = f"{name}:{place.province.seed}"
        self._figures, self._wrong = figures, wrong
        self._slots = Slots(place, PACE)
        self.tend = self._slots.tend
        self._drawn = first.previous()
        self._waiting: list[Statement] = []
        self._said: list[Statement] = []
        self._served: datetime | None = None
        self._anew: set[int] = set()
        self._lock = Lock()

    def until(self, now: datetime) -> list[Statement]:
        """Every statement until now, oldest first; none moves once it has been told."""
        with self._lock:
            now = max(now, self._served) if self._served else now
            for month in periods(self._drawn.next(), Period.of("month", now).previous()):
                self._waiting += self._month(month)
                self._drawn = month
            self._waiting += self._said_anew(now)
            self._waiting.sort(key=_order)
            due = bisect_right(self._waiting, now, key=lambda statement: statement.at)
            self._said += self._waiting[:due]
            del self._waiting[:due]
            self._served = now
            return list(self._said)

    def latest(self, now: datetime) -> dict[tuple[str, Period], Statement]:
        """The statement that holds for each (uid of a unit, month)."""
        return {(said.unit.uid, said.month): said for said in self.until(now)}

    def units(self, month: Period) -> list[OrgUnit]:
        """Who must say something of a month."""
        return [unit for level in self._levels for unit in self._province.open_on(level, month.end)]

    def _month(self, month: Period) -> list[Statement]:
        found = []
        for unit in self.units(month):
            figures = self._figures(unit, month)
            if figures is None:
                continue
            rng = Random(f"{self._seed}:said:{unit.uid}:{month}")
            at = _said_of(month, rng)
            if rng.random() < MISTAKEN:
                found.append(Statement(at, unit, month, self._wrong(rng, figures)))
                at = _said_of(month.next(rng.randint(1, 2)), rng)
            found.append(Statement(at, unit, month, figures))
        return found

    def _said_anew(self, now: datetime) -> list[Statement]:
        found = []
        for slot in self._slots.until(now):
            if slot in self._anew:
                continue
            self._anew.add(slot)
            at, rng = self._slots.starts_at(slot), Random(f"{self._seed}:anew:{slot}")
            month = Period.of("month", at).previous(rng.randint(1, RECENT))
            unit = rng.choice(self.units(month))
            figures = self._figures(unit, month)
            if figures is not None and _last_said(month) < at:
                found.append(Statement(at, unit, month, self._wrong(rng, figures)))
        return found


def _order(said: Statement) -> tuple[datetime, str, Period]:
    return said.at, said.unit.uid, said.month


def _said_of(month: Period, rng: Random) -> datetime:
    """In the office hours of the first days after a month."""
    at = datetime.combine(month.end, time(8), LOCAL)
    return at + timedelta(days=rng.randint(1, DAYS), minutes=rng.randrange(9 * 60))


def _last_said(month: Period) -> datetime:
    return datetime.combine(month.end, time(17), LOCAL) + timedelta(days=DAYS)

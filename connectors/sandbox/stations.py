"""Twelve stations of the synthetic province, and what they measured in the last sixty days.

Values come some minutes after their hour; a few are missing or unreadable, and a station that was
cut off sends what it kept a day later, half of it dated back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import pi, sin
from random import Random
from typing import NamedTuple

from connectors.sandbox.province import Province
from ioc.model import OrgUnit
from ioc.period import date_of, day_number, day_of, instant_of

KEPT_DAYS = 60
HOUR = timedelta(hours=1)
LOST = timedelta(days=36_500)  # what a station never sends
NEVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What an instrument measures: where it lies, how much it moves, and its limits."""

    name: str
    unit: str
    middle: float
    swing: float
    most: float | None = None
    least: float | None = None

    def at(self, level: float) -> float:
        """A value so many swings towards its limit."""
        towards = self.swing if self.most is not None else -self.swing
        return round(max(0.0, self.middle + towards * level), 2)


KINDS = {  # hourly limits of QCVN 05:2023, 08:2023 (class B) and 10:2023
    "không khí": (
        Quantity("TSP", "µg/m³", 165, 60, most=300),
        Quantity("NO2", "µg/m³", 75, 45, most=200),
    ),
    "nước mặt": (
        Quantity("DO", "mg/l", 6.4, 0.7, least=5),
        Quantity("TSS", "mg/l", 52, 22, most=100),
    ),
    "nước biển ven bờ": (
        Quantity("DO", "mg/l", 6.6, 0.6, least=5),
        Quantity("pH", "", 8.05, 0.2, most=8.5, least=6.5),
    ),
}
EACH = {"không khí": 5, "nước mặt": 4, "nước biển ven bờ": 3}


@dataclass(frozen=True, slots=True)
class Station:
    """One station in a commune."""

    number: int
    kind: str
    commune: OrgUnit

    def quantities(self) -> Iterator[tuple[int, Quantity]]:
        """Its quantities with the numbers of their Datastreams."""
        yield from enumerate(KINDS[self.kind], 2 * self.number - 1)


class Value(NamedTuple):
    """A value of the hour that began at ``at``; the network has it from ``arrives`` on."""

    at: datetime
    told: datetime
    arrives: datetime
    result: float | str


class Network:
    """The stations and their values, from a seed and a clock."""

    def __init__(self, province: Province, now: Callable[[], datetime]) -> None:
        self._seed, self._now = province.seed, now
        communes = province.open_on("commune", date_of(day_of(now())))
        self.stations = list(_placed(communes, Random(f"stations:{self._seed}")))
        self.streams = {n: (s, q) for s in self.stations for n, q in s.quantities()}
        self._day = lru_cache(8192)(self._drawn)

    def values(self, stream: int) -> list[Value]:
        """What the network has of a Datastream by now, in the order of telling."""
        now = self._now()
        station, _ = self.streams[stream]
        opened = station.commune.opened
        first = max(day_of(now) - KEPT_DAYS, day_number(opened) if opened else 0)
        days = range(first, day_of(now) + 1)
        found = [value for day in days for value in self._day(stream, day) if value.arrives <= now]
        return sorted(found, key=lambda value: value.told)

    def _drawn(self, stream: int, day: int) -> tuple[Value, ...]:
        station, quantity = self.streams[stream]
        begin, end, back, dated_back = self._cut(station, day)
        rng = Random(f"values:{self._seed}:{stream}:{day}")
        mood = rng.gauss(0, 0.6) + (2.6 if rng.random() < 0.04 else 0)
        found = []
        for hour in range(24):
            at = instant_of(day) + hour * HOUR
            told = arrives = at + HOUR + timedelta(seconds=rng.uniform(60, 1500))
            level = mood + 0.6 * sin(2 * pi * (hour - 4) / 12) + rng.gauss(0, 0.35)
            chance = rng.random()
            if begin <= hour < end:
                arrives = instant_of(day + 1) + back
                told = told if dated_back else arrives
            if chance >= 0.012 and arrives < NEVER:
                result = "N/A" if chance < 0.0125 else quantity.at(level)
                found.append(Value(at, told, arrives, result))
        return tuple(found)

    def _cut(self, station: Station, day: int) -> tuple[int, int, timedelta, bool]:
        """The hours in which a station is cut off, and how long after the day it sends them."""
        rng = Random(f"cut:{self._seed}:{station.number}:{day}")
        if rng.random() > 0.07:
            return 0, 0, timedelta(0), False
        begin = rng.randrange(18)
        back = timedelta(hours=rng.uniform(1, 20)) if rng.random() < 0.6 else LOST
        return begin, begin + rng.randint(3, 9), back, rng.random() < 0.5


def _placed(communes: list[OrgUnit], rng: Random) -> Iterator[Station]:
    """The stations: those at sea in the communes that lie farthest east, along the coast."""
    coast = sorted(communes, key=lambda u: -((u.lon or 0) + (u.lat or 0) / 2))[:9]
    number = 0
    for kind, count in EACH.items():
        among = coast if "biển" in kind else communes
        for commune in sorted(rng.sample(among, count), key=lambda unit: unit.uid):
            number += 1
            yield Station(number, kind, commune)

"""Values of sensors folded to hours and days: what stations should have said, said, and exceeded.

An hour of a station counts as reported when every quantity that it measures has a value in it, and
as exceeding when the mean of one of them in that hour is beyond its limit. An hour is expected from
the first value of the station on, and only once it is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ioc.period import date_of, day_of, instant_of

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Channel:
    """One quantity at one station: its limits, since when it speaks, and its values by instant.

    ``values`` maps the instant that a value is of to when it was told and the value: of two values
    for one instant the one told later holds.
    """

    station: str
    most: float | None = None
    least: float | None = None
    begun: datetime | None = None
    values: dict[datetime, tuple[datetime, float]] = field(default_factory=dict)

    def add(self, at: datetime, told: datetime, value: float) -> None:
        """Take one value."""
        held = self.values.get(at)
        if held is None or held[0] <= told:
            self.values[at] = told, value
        self.begun = at if self.begun is None else min(self.begun, at)

    @property
    def has_limit(self) -> bool:
        """Whether there is anything that a value may exceed."""
        return self.most is not None or self.least is not None

    def hours(self) -> dict[int, bool]:
        """The hours that have a value, and whether their mean is beyond a limit."""
        found: dict[int, list[float]] = defaultdict(list)
        for at, (_, value) in self.values.items():
            found[hour_of(at)].append(value)
        return {hour: self._exceeds(sum(some) / len(some)) for hour, some in found.items()}

    def _exceeds(self, mean: float) -> bool:
        above = self.most is not None and mean > self.most
        return above or (self.least is not None and mean < self.least)


def hour_of(at: datetime) -> int:
    """The hour of an instant, in hours since 1970."""
    return (at - _EPOCH) // HOUR


def fold(
    org_unit: str, channels: Iterable[Channel], first_day: int, until: datetime
) -> Iterator[Mapping[str, Any]]:
    """A row for each local day from ``first_day`` on in which hours were due by ``until``.

    Rows hold ``org_unit``, ``day`` (2026-11-24), the sums over the stations of the org unit
    ``hours_expected``, ``hours_reported`` and ``hours_exceeding`` (None where nothing has a limit),
    and ``last_at``: when the newest value up to that day was told, None before any.
    """
    stations: dict[str, list[Channel]] = defaultdict(list)
    for channel in channels:
        if channel.begun is not None:
            stations[channel.station].append(channel)
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    told: dict[int, datetime] = {}
    limited = False
    for station in stations.values():
        limited = limited or any(channel.has_limit for channel in station)
        _count(station, first_day, until, sums)
        for channel in station:
            for at, (said, _) in channel.values.items():
                day = day_of(at)
                told[day] = max(said, told.get(day, said))
    last = None
    for day in range(first_day, day_of(until) + 1):
        last = max(filter(None, (last, told.get(day))), default=None)
        expected, reported, exceeding = sums[day]
        if expected:
            yield {
                "org_unit": org_unit,
                "day": date_of(day).isoformat(),
                "hours_expected": expected,
                "hours_reported": reported,
                "hours_exceeding": exceeding if limited else None,
                "last_at": last and last.isoformat(),
            }


def _count(
    station: list[Channel], first_day: int, until: datetime, sums: dict[int, list[int]]
) -> None:
    """Add one station's hours to the sums of its days."""
    found = [(hour_of(channel.begun), channel.hours()) for channel in station if channel.begun]
    begun = max(min(begin for begin, _ in found), hour_of(instant_of(first_day)))
    for hour in range(begun, hour_of(until)):
        here = [hours.get(hour) for begin, hours in found if begin <= hour]
        row = sums[day_of(_EPOCH + hour * HOUR)]
        row[0] += 1
        row[1] += None not in here
        row[2] += True in here

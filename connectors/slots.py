"""When a source is due: one slot a period, counted on a clock that nobody can set.

A slot is the scheduled instant floored to the source's period. Each source has a fixed shift of its
own, so that they do not all fire at :00, and within a slot it fires up to a twentieth later.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zlib import crc32

from apscheduler.triggers.base import BaseTrigger

from ioc.clock import right_now, speed
from ioc.source import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Steady:
    """A clock that begins at an instant and then only follows the monotonic clock."""

    def __init__(self, begin: datetime, clock: Callable[[], float] = time.monotonic):
        self._begin, self._clock, self._zero = begin, clock, clock()

    def now(self) -> datetime:
        """The instant by this clock."""
        return self._begin + timedelta(seconds=(self._clock() - self._zero) * speed())


class Slots(BaseTrigger):
    """The slots of one source; as a trigger of APScheduler it says when to wake up for the next.

    The wall clock only tells APScheduler how long to wait; what is due is asked of ``clock``.
    """

    def __init__(self, source: Source, clock: Steady):
        self.every, self.clock = source.every, clock
        self._name = source.id
        self._shift = self.every * self._share("")
        seconds = self.every.total_seconds()
        self._jitter = timedelta(seconds=min(seconds / 20, 15) if seconds >= 60 else 0)

    def slot(self, at: datetime) -> datetime:
        """The slot that an instant lies in."""
        return at - (at - _EPOCH - self._shift) % self.every

    def due(self, slot: datetime) -> datetime:
        """When a slot fires."""
        return slot + self._jitter * self._share(slot.isoformat())

    def next_due(self, at: datetime) -> datetime:
        """The first firing after an instant."""
        slot = self.slot(at)
        due = self.due(slot)
        return due if due > at else self.due(slot + self.every)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """What APScheduler asks: when its own clock will say that the next slot fires."""
        at = self.clock.now()
        return now + (self.next_due(at) - at) / speed()

    def wall(self, instant: datetime) -> datetime:
        """What our wall clock will say at an instant of the steady one."""
        return right_now() + (instant - self.clock.now())

    def _share(self, text: str) -> float:
        """A number from 0 up to 1 that depends on nothing but the source and the text."""
        return crc32(f"{self._name}{text}".encode()) / 2**32

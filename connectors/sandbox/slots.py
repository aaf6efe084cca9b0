"""The slots of time in which a system lived: what happens in them is the same after a restart."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from connectors.sandbox import lived
from connectors.sandbox.journal import EPOCH, sequence
from connectors.sandbox.place import Place
from ioc.clock import speed

AHEAD = 10_000  # milliseconds noted ahead of time, so that a kill -9 loses nothing


class Slots:
    """Stretches of life, noted in the system's own folder, cut into slots of so many seconds."""

    def __init__(self, place: Place, seconds: int) -> None:
        self._file, self._length = place.folder / ".da-chay", seconds * 1000
        self._past = lived.read(self._file)
        self._begin = lived.begin(self._past, sequence(place.now()), 0)

    def until(self, now: datetime) -> Iterator[int]:
        """The numbers of all slots that have begun by now, in order."""
        last = sequence(now) // self._length
        for begin, end in (*self._past, (self._begin, lived.FOR_EVER)):
            yield from range(-(-begin // self._length), min(-(-end // self._length), last + 1))

    def starts_at(self, slot: int) -> datetime:
        """The instant at which a slot begins."""
        return EPOCH + timedelta(milliseconds=slot * self._length)

    def tend(self, now: datetime) -> None:
        """Note how long we have lived."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        until = sequence(now) + int(AHEAD * speed())
        lived.write(self._file, self._past, self._begin, until)

"""The portal's change journal: every change of every dossier, in the order in which it happened.

The journal is never stored: a week of it follows from the seed, from the dossiers that arrived
in the 58 weeks before, and from the stretches of time in which the sandbox was running (live
time, where something changes every few seconds). Weeks are drawn when they are first read and
kept compressed; a reader that begins anywhere costs at most those 58 weeks, about a second.

The sequence of a change is its instant in milliseconds of local time: even for history, odd
for live time, unique, and the same after a restart. So a cursor stays valid for ever.
"""

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock

from connectors.sandbox.dossiers import (
    DAY,
    HORIZON,
    OPEN_AT_MOST,
    PROCESSING,
    RECEIVED,
    Change,
    asked_dossier,
    dossiers_of_day,
    live_dossier,
    stamp,
)
from connectors.sandbox.province import Province
from ioc.period import day_number

WEEK = 7 * DAY
REACH = HORIZON // 7 + 1  # weeks from a dossier's arrival to its last change, at most
SLOT = 9_000  # ms; a live dossier arrives in each, so something changes every third of it
FIRST_DAY = day_number(date(2021, 1, 1))
_MONDAY = 4 * DAY  # 1970-01-05
EPOCH = datetime(1970, 1, 1, tzinfo=UTC) - timedelta(hours=7)
_OPEN = tuple(f'"trangThai":"{state}"'.encode() for state in (RECEIVED, PROCESSING))


def sequence(instant: datetime) -> int:
    """An aware instant as milliseconds of local time since 1970."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def week_of(at: int) -> int:
    """The Monday-based week of a sequence."""
    return (at - _MONDAY) // WEEK


FIRST_WEEK = week_of(FIRST_DAY * DAY)


@dataclass(slots=True)
class Week:
    """The journal of one week: sequences in order and their rows, packed once read past."""

    sequences: list[int]
    rows: list[bytes]
    packed: bytes = b""

    def unpack(self) -> list[bytes]:
        if self.packed and not self.rows:
            self.rows = zlib.decompress(self.packed).split(b"\n")
        return self.rows

    def pack(self) -> None:
        if not self.packed and self.rows:
            self.packed = zlib.compress(b"\n".join(self.rows), 1)
        self.rows = []


@dataclass(frozen=True, slots=True)
class Page:
    """Encoded rows, the sequence of the last one (or what was asked from), whether more wait."""

    rows: list[bytes]
    last: int
    more: bool


class Journal:
    """Weeks of changes, drawn on demand and clipped by the clock; safe for several threads."""

    def __init__(
        self,
        province: Province,
        now: Callable[[], datetime],
        lived: list[tuple[int, int]] | None = None,
    ) -> None:
        """``lived``: stretches [from, to) of live time; the last one may end in the far future."""
        self._province, self._now, self._lived = province, now, lived or []
        self._weeks: dict[int, Week] = {}
        self._waiting: dict[int, list[Change]] = {}  # changes that belong to weeks not yet drawn
        self._begin = self._next = 0  # arrivals of weeks [begin, next) are drawn
        self._served = 0  # the latest clock that a reader saw
        self._lock = Lock()

    def changes(self, after: int = 0, limit: int = 1000) -> Page:
        """Up to ``limit`` changes after a sequence that have happened by now."""
        with self._lock:
            until = self._clock()
            rows: list[bytes] = []
            last = after
            for at in range(max(week_of(after), FIRST_WEEK), week_of(until) + 1):
                week = self._week(at)
                begin = bisect_right(week.sequences, after)
                end = bisect_right(week.sequences, until)
                stop = min(end, begin + limit - len(rows))
                if begin < stop:
                    rows += week.unpack()[begin:stop]
                    last = week.sequences[stop - 1]
                if stop < end:
                    return Page(rows, last, more=True)
                if at < week_of(until):
                    week.pack()
            return Page(rows, last, more=False)

    def current(self, since: int = 0) -> list[bytes]:
        """The latest row of each dossier that is open or changed since, by arrival and key."""
        latest: dict[bytes, bytes] = {}
        with self._lock:
            until = self._clock()
            start = since or until - OPEN_AT_MOST * DAY
            for at in range(max(week_of(start), FIRST_WEEK), week_of(until) + 1):
                week = self._week(at)
                begin = bisect_left(week.sequences, start)
                end = bisect_right(week.sequences, until)
                latest.update((_member(row, b"maHoSo"), row) for row in week.unpack()[begin:end])
                if at < week_of(until):
                    week.pack()
        rows = [
            row
            for key, row in latest.items()
            if key not in (b"null", b'""') and (since or any(state in row for state in _OPEN))
        ]
        return sorted(
            rows, key=lambda row: (_member(row, b"ngayTiepNhan"), _member(row, b"maHoSo"))
        )

    def ask(self, count: int, org_unit: str | None = None) -> list[str]:
        """Let dossiers be filed and answered fully online at this instant; returns their keys."""
        keys = []
        with self._lock:
            at = (max(sequence(self._now()), self._served) + 1) | 1
            for number in range(count):
                week = self._week(week_of(at))
                place = bisect_left(week.sequences, at)
                while place < len(week.sequences) and week.sequences[place] == at:
                    at, place = at + 2, place + 1
                key, text = asked_dossier(self._province, number, at, org_unit)
                week.sequences.insert(place, at)
                week.rows.insert(place, _row(at, text))
                keys.append(key)
                at += 2
        return keys

    def _clock(self) -> int:
        self._served = max(self._served, sequence(self._now()))
        return self._served

    def _week(self, at: int) -> Week:
        if at not in self._weeks:
            wanted = max(FIRST_WEEK, at - REACH)  # what arrived before cannot change any more
            if not self._begin <= wanted <= self._next <= at:
                self._waiting, self._begin, self._next = {}, wanted, wanted
            while self._next <= at:
                self._draw(self._next)
                changes = self._waiting.pop(self._next, [])
                if self._begin <= max(FIRST_WEEK, self._next - REACH):
                    self._weeks.setdefault(self._next, _week_of_changes(changes))
                self._next += 1
        return self._weeks[at]

    def _draw(self, at: int) -> None:
        monday = (at * WEEK + _MONDAY) // DAY
        for day in range(max(FIRST_DAY, monday), monday + 7):
            for life in dossiers_of_day(self._province, day):
                self._await(life)
        for slot in self._live_slots(at * WEEK + _MONDAY, (at + 1) * WEEK + _MONDAY):
            self._await(live_dossier(self._province, slot, SLOT))

    def _await(self, life: list[Change]) -> None:
        for change in life:
            self._waiting.setdefault(week_of(change[0]), []).append(change)

    def _live_slots(self, begin: int, end: int) -> Iterator[int]:
        for alive, gone in self._lived:
            yield from range(-(-max(alive, begin) // SLOT), -(-min(gone, end) // SLOT))


def _week_of_changes(waiting: list[Change]) -> Week:
    """A week in order; of two changes at one instant the second moves, history stays even."""
    taken: set[int] = set()
    changes = []
    for instant, text in sorted(waiting):
        while instant in taken:
            instant += 2
        taken.add(instant)
        changes.append((instant, text))
    changes.sort()
    return Week([instant for instant, _ in changes], [_row(*change) for change in changes])


def _row(at: int, text: str) -> bytes:
    changed = f"{stamp(at // 1000)}.{at % 1000:03d}+07:00"
    return f'{{"soThuTu":{at},"thoiDiemCapNhat":"{changed}",{text}'.encode()


def _member(row: bytes, name: bytes) -> bytes:
    """The text of a member of an encoded row, quotes included; values hold no commas."""
    begin = row.index(b'"%b":' % name) + len(name) + 3
    return row[begin : row.index(b",", begin)]

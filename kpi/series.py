"""Values of indicators by org unit and period, from the rollups (days: from the observations)."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ioc.model import OrgUnit
from ioc.period import Grain, Period
from kpi import byhand, families, formulas, pace, sums
from kpi.answer import Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.families import Merged
from kpi.frames import Frame, overlaps
from kpi.schema import instant_of
from kpi.scope import MOST_PERIODS
from kpi.sums import Side

COLUMNS = (
    "indicator org_unit code name level grain period numerator denominator value unit coverage"
    " reason known_at revised run definition by_hand hand_run parts mark"
).split()
_VALUE = COLUMNS.index("value")
NONE = timedelta()
AT_ONCE = 40
"""Org units read by one statement while streaming."""


def rows(
    snapshot: Snapshot,
    indicators: list[Indicator],
    units: list[OrgUnit],
    periods: list[Period],
    frame: Frame | None = None,
    skip: int = 0,
) -> Iterator[tuple]:
    """A row for every indicator, org unit and period, in the order asked for.

    The first ``skip`` rows are left out, and nothing is read of indicators and org units before.

    An indicator without a denominator is a count: its numerator times its factor. Without a
    frame the org units are as they were. A period is computed by the definition in force at its
    end, and says in ``mark`` where that began inside it.
    """
    passed, skip = divmod(skip, len(units) * len(periods) or 1)
    first, skip = divmod(skip, len(periods) or 1)
    for indicator in indicators[passed:]:
        source = snapshot.source_of(indicator.source)
        heard, stale = (source.covered_until, source.stale_after) if source else (None, NONE)
        times = [_time(p, snapshot.clock, heard, snapshot.clock - stale) for p in periods]
        read = _by_definition if indicator.versions else _rows_of
        for start in range(first, len(units), AT_ONCE):
            some = tuple(units[start : start + AT_ONCE])
            yield from islice(read(snapshot, indicator, some, times, frame), skip, None)
            skip = 0
        first = 0


def _by_definition(
    snapshot: Snapshot,
    indicator: Indicator,
    units: tuple[OrgUnit, ...],
    times: list["_Time"],
    frame: Frame | None,
) -> Iterator[tuple]:
    """The rows of an indicator that was changed, each by the definition of its period."""
    runs = []
    for one, places in formulas.by_period(indicator, [time.period for time in times]):
        run = times[places]
        marks = [formulas.mark(one, time.start) for time in run]
        runs.append((marks, _rows_of(snapshot, one, units, run, frame)))
    for _ in units:
        for marks, made in runs:
            for mark, row in zip(marks, made, strict=False):
                yield row if row[_VALUE] is None else (*row[:-1], mark)


class _Days(NamedTuple):
    """What the calendar says of a period."""

    text: str
    start: date
    end: date
    starts_at: datetime
    ends_at: datetime


@lru_cache(MOST_PERIODS)
def _days(grain: Grain, index: int) -> _Days:
    period = Period(grain, index)
    return _Days(period.text, period.start, period.end, period.starts_at, period.ends_at)


class _Time(NamedTuple):
    """A period with what every row of it asks, worked out once."""

    period: Period
    key: int
    text: str
    start: date
    end: date
    begun: bool
    covered: bool
    """Whether the source has said all of it, or all that it could say by now."""
    share: float | None
    """The coverage of what is counted from records."""


def _time(period: Period, clock: datetime, heard: datetime | None, asked: datetime) -> _Time:
    """``heard``: until when its source has said all; nobody asks for more than until ``asked``."""
    text, start, end, starts_at, ends_at = _days(period.grain, period.index)
    begun = starts_at < clock  # a day asked to its end is not the next one
    covered = heard is not None and (heard >= asked or heard >= ends_at)
    share = (1.0 if covered else 0.0) if begun else None
    return _Time(period, period.index, text, start, end, begun, covered, share)


def _rows_of(
    snapshot: Snapshot,
    indicator: Indicator,
    units: tuple[OrgUnit, ...],
    times: list[_Time],
    frame: Frame | None,
) -> Iterator[tuple]:
    periods = [time.period for time in times]
    elements = snapshot.store.catalogue.elements
    numerator = elements.get(indicator.numerator or "")
    denominator = elements.get(indicator.denominator or "")
    source = snapshot.source_of(indicator.source)
    sides = [side for side in (numerator, denominator) if side]
    counts_only = numerator is not None and indicator.denominator is None
    base = numerator if counts_only else denominator  # what tells whether anything was reported
    read = Merged({})
    if numerator and base and source:
        read = _read(snapshot, source, sides, units, periods, frame)
    found = read.found
    hands: byhand.Found = {}
    if source is not None and source.given and base is not None:
        hands = _hands(snapshot, source, sides, units, read, periods)
    listed = base is not None and bool(base.count) and base.over_time == "last"
    counted = base is not None and source is not None and source.is_record and not listed
    distinct = base is not None and base.over_time == "distinct"
    small = bool(read.hidden) or any(side.suppress_below is not None for side in sides)
    over, under = indicator.numerator or "", base.id if base else ""
    for unit in units:
        members = read.members(unit)
        head = (indicator.id, unit.uid, unit.code, unit.name, unit.level)
        for time in times:
            period = time.period
            above = found.get((over, unit.uid, time.key))
            below = found.get((under, unit.uid, time.key))
            reason = ""
            if below is None or distinct:
                reason = _reason(base, source, members, time, below)
            refused = read.refused.get((unit.uid, time.key), "") if read.refused else ""
            if refused and reason not in ("not_offered", "not_due"):
                reason = refused
            num = above[0] if above else None
            den = below[0] if below and not counts_only else None
            if not reason and numerator and base:
                num = 0.0 if num is None and numerator.silence == "zero" else num
                den = 0.0 if den is None and base.silence == "zero" and not counts_only else den
            value = pace.value(num, 1.0 if counts_only else den, indicator.factor)
            told = ((numerator, num), (denominator, den))
            if small and any(side and read.hides(side, unit, period, n) for side, n in told):
                num = den = value = None
                reason = "suppressed"
            elif not reason and value is None:
                reason = "zero_denominator" if den == 0 else "not_reported"
            share = time.share
            if not counted:
                share = _coverage(snapshot, source, base, members, time, (above, below))
            known, revised = _known(above, below)
            yield (
                *head,
                period.grain,
                time.text,
                num,
                den,
                value,
                indicator.unit,
                None if refused or reason == "not_open" else share,  # nobody was to give anything
                reason,
                instant_of(known),
                revised,
                source.run if source else None,
                indicator.definition_id,
                *(_by_hand(hands, period, unit, value is not None) if hands else (None, None)),
                read.parts(unit, period) if read.families and not refused else "",
                "",
            )


def _known(above: Side | None, below: Side | None) -> tuple[int | None, int]:
    """When the newer of two sums became known, and whether one of them is a revision."""
    if above and below:
        return max(above[3], below[3]), int(above[4] or below[4])
    side = above or below
    return (side[3], int(side[4])) if side else (None, 0)


def _read(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    periods: list[Period],
    frame: Frame | None,
) -> Merged:
    if frame is not None:
        return families.merged(snapshot, source, elements, units, periods, frame)
    return Merged({}, sums.read(snapshot, source, elements, units, periods))


def _hands(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    read: Merged,
    periods: list[Period],
) -> byhand.Found:
    """What came by hand in these periods; a stock is that of the last month that has one."""
    base = elements[-1]
    windows, own = {}, {}  # of a stock an org unit has a last month of its own
    for unit in units:
        for period in periods:
            side = read.found.get((base.id, unit.uid, period.key))
            last = period.end
            if side and side[2] and base.over_time == "last" and period.grain != "day":
                last = Period("month", side[2]).end
            own[unit.uid, period.key] = key = (period.key, last)
            windows[key] = byhand.Window(key, source, tuple(elements), period.start, last)
    hands = families.hands(snapshot, windows, units, read.families)
    return {(key[0], uid): hands[key, uid] for (uid, _), key in own.items() if (key, uid) in hands}


def _by_hand(
    hands: byhand.Found, period: Period, unit: OrgUnit, valued: bool
) -> tuple[int | None, int | None]:
    """How many org units gave a part of the value by hand, and the newest run; None where none."""
    hand = hands.get((period.key, unit.uid)) if valued else None
    return (hand.units, hand.run) if hand else (None, None)


def _reason(
    base: Element | None,
    source: SourceState | None,
    members: tuple[OrgUnit, ...],
    time: _Time,
    below: Side | None,
) -> str:
    """Why there is no value, as a code; empty where there is one, or a zero may be written."""
    if source is None or base is None:
        return "no_source"
    if base.over_time == "distinct" and time.period.grain in ("day", "quarter", "ytd"):
        return "not_offered"
    if below is not None:
        return ""
    if not time.begun:
        return "not_due"
    if not any(overlaps(one, time.start, time.end) for one in members):
        return "not_open"
    if base.silence == "unknown":
        return "not_reported"
    return "" if time.covered else "not_covered"


def _coverage(
    snapshot: Snapshot,
    source: SourceState | None,
    base: Element | None,
    members: tuple[OrgUnit, ...],
    time: _Time,
    sides: tuple[tuple | None, tuple | None],
) -> float | None:
    """The share of the expected org units that gave both sides of a declared figure."""
    below = sides[1]
    if source is None or base is None or not time.begun:
        return None
    if base.count and base.over_time == "last":  # an inventory: its last check is all of it
        return 1.0 if all(sides) else 0.0
    if source.is_record:
        return time.share
    serves = base.serves or source.serves
    days = _ends(base, time.period, below)
    expected = sum(_expected(snapshot, one, day, serves) for one in members for day in days)
    stand = min(side[1] if side else 0 for side in sides)
    return min(1.0, stand / expected) if expected else None


def _expected(snapshot: Snapshot, unit: OrgUnit, day: date, serves: tuple[str, ...]) -> int:
    return len(snapshot.store.orgunits.expected(unit.uid, day, serves))


def _ends(base: Element, period: Period, below: tuple | None) -> list[date]:
    """The days on which the reporting org units of a period are counted."""
    if period.grain in ("day", "month"):
        return [period.end]
    months = period.months()
    if base.over_time == "sum":
        return [m.end for m in months if not below or m.key <= below[2]]
    return [Period("month", below[2]).end if below else period.end]

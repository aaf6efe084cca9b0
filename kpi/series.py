"""Values of indicators by org unit and period, from the rollups (days: from the observations)."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

from ioc.model import OrgUnit
from ioc.period import Period
from kpi import byhand, families, pace, sums
from kpi.answer import Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.families import Merged
from kpi.frames import Frame, overlaps
from kpi.schema import instant_of

COLUMNS = (
    "indicator org_unit code name level grain period numerator denominator value unit coverage"
    " reason known_at revised run definition by_hand hand_run parts"
).split()
AT_ONCE = 40
"""Org units read by one statement while streaming."""


def rows(
    snapshot: Snapshot,
    indicators: list[Indicator],
    units: list[OrgUnit],
    periods: list[Period],
    frame: Frame | None = None,
) -> Iterator[tuple]:
    """A row for every indicator, org unit and period, in the order asked for.

    An indicator without a denominator is a count: its numerator times its factor. Without a
    frame the org units are as they were.
    """
    times = [_Time(p, p.key, p.text, p.start, p.end, p.starts_at, p.ends_at) for p in periods]
    for indicator in indicators:
        for start in range(0, len(units), AT_ONCE):
            some = tuple(units[start : start + AT_ONCE])
            yield from _rows_of(snapshot, indicator, some, times, frame)


class _Time(NamedTuple):
    """A period with what every row of it asks, worked out once."""

    period: Period
    key: int
    text: str
    start: date
    end: date
    starts_at: datetime
    ends_at: datetime


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
    for unit in units:
        members = read.members(unit)
        for time in times:
            period = time.period
            above = found.get((indicator.numerator or "", unit.uid, time.key))
            below = found.get((base.id if base else "", unit.uid, time.key))
            reason = _reason(snapshot, base, source, members, time, below)
            refused = read.refused.get((unit.uid, time.key), "")
            if refused and reason not in ("not_offered", "not_due"):
                reason = refused
            num = above[0] if above else None
            den = below[0] if below and not counts_only else None
            if not reason and numerator and base:
                num = 0.0 if num is None and numerator.silence == "zero" else num
                den = 0.0 if den is None and base.silence == "zero" and not counts_only else den
            value = pace.value(num, 1.0 if counts_only else den, indicator.factor)
            told = zip((numerator, denominator), (num, den), strict=True)
            if any(side and read.hides(side, unit, period, n) for side, n in told):
                num = den = value = None
                reason = "suppressed"
            elif not reason and value is None:
                reason = "zero_denominator" if den == 0 else "not_reported"
            known = max((side[3] for side in (above, below) if side), default=None)
            yield (
                indicator.id,
                unit.uid,
                unit.code,
                unit.name,
                unit.level,
                period.grain,
                time.text,
                num,
                den,
                value,
                indicator.unit,
                None
                if refused
                else _coverage(snapshot, source, base, members, time, (above, below)),
                reason,
                instant_of(known),
                int(any(side[4] for side in (above, below) if side)),
                source.run if source else None,
                indicator.definition_id,
                *_by_hand(hands, period, unit, value is not None),
                "" if refused else read.parts(unit, period),
            )


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
    windows = {}
    for unit in units:
        for period in periods:
            side = read.found.get((base.id, unit.uid, period.key))
            last = period.end
            if side and side[2] and base.over_time == "last" and period.grain != "day":
                last = Period("month", side[2]).end
            key = (period.key, last)
            windows[key] = byhand.Window(key, source, tuple(elements), period.start, last)
    hands = families.hands(snapshot, windows, units, read.families)
    return {(key[0], uid): hand for (key, uid), hand in hands.items()}  # type: ignore[index]


def _by_hand(
    hands: byhand.Found, period: Period, unit: OrgUnit, valued: bool
) -> tuple[int | None, int | None]:
    """How many org units gave a part of the value by hand, and the newest run; None where none."""
    hand = hands.get((period.key, unit.uid)) if valued else None
    return (hand.units, hand.run) if hand else (None, None)


def _reason(
    snapshot: Snapshot,
    base: Element | None,
    source: SourceState | None,
    members: tuple[OrgUnit, ...],
    time: _Time,
    below: tuple | None,
) -> str:
    """Why there is no value, as a code; empty where there is one, or a zero may be written."""
    if source is None or base is None:
        return "no_source"
    if base.over_time == "distinct" and time.period.grain in ("day", "quarter", "ytd"):
        return "not_offered"
    if below is not None:
        return ""
    if time.starts_at > snapshot.clock:
        return "not_due"
    if not any(overlaps(one, time.start, time.end) for one in members):
        return "not_open"
    if base.silence == "unknown":
        return "not_reported"
    covered = source.covered_until
    if covered is None or covered < min(time.ends_at, snapshot.clock - source.stale_after):
        return "not_covered"
    return ""


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
    if source is None or base is None or time.starts_at > snapshot.clock:
        return None
    if base.count and base.over_time == "last":  # an inventory: its last check is all of it
        return 1.0 if all(sides) else 0.0
    if source.is_record:
        covered = source.covered_until
        return (
            1.0
            if covered and covered >= min(time.ends_at, snapshot.clock - source.stale_after)
            else 0.0
        )
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

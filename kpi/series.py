"""Values of indicators by org unit and period, from the rollups (days: from the observations)."""

from collections.abc import Iterator
from datetime import date, timedelta

import sqlalchemy as sa

from ioc.model import OrgUnit
from ioc.period import Period
from kpi import byhand, pace
from kpi.answer import Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.schema import FAR, instant_of
from kpi.versions import last_midnight

COLUMNS = (
    "indicator org_unit code name level grain period numerator denominator value unit coverage"
    " reason known_at revised run definition by_hand hand_run"
).split()
SETTLED = timedelta(days=7)
"""A version that came later than this after its period, in place of another, is a revision."""
AT_ONCE = 40
"""Org units read by one statement while streaming."""

_OLDER = (
    "EXISTS (SELECT 1 FROM rollup y WHERE y.element = x.element AND y.period = x.period"
    " AND y.org_unit = x.org_unit AND y.known_at < x.known_at"
    f" AND {last_midnight('y.superseded_at')} > y.known_at)"
)
"""Another value stood at the end of a day: thinning keeps those, so the answer never changes."""

Found = dict[tuple[str, str, int], tuple[float, int, int, int, bool]]
"""(element, org unit, period key) to value, units, upto, known_at, revised."""


def rows(
    snapshot: Snapshot,
    indicators: list[Indicator],
    units: list[OrgUnit],
    periods: list[Period],
) -> Iterator[tuple]:
    """A row for every indicator, org unit and period, in the order asked for.

    An indicator without a denominator is a count: its numerator times its factor.
    """
    for indicator in indicators:
        for start in range(0, len(units), AT_ONCE):
            some = tuple(units[start : start + AT_ONCE])
            yield from _rows_of(snapshot, indicator, some, periods)


def _rows_of(
    snapshot: Snapshot, indicator: Indicator, units: tuple[OrgUnit, ...], periods: list[Period]
) -> Iterator[tuple]:
    elements = snapshot.store.catalogue.elements
    numerator = elements.get(indicator.numerator or "")
    denominator = elements.get(indicator.denominator or "")
    source = snapshot.source_of(indicator.source)
    sides = [side for side in (numerator, denominator) if side]
    counts_only = numerator is not None and indicator.denominator is None
    base = numerator if counts_only else denominator  # what tells whether anything was reported
    found: Found = {}
    if numerator and base and source:
        found = _read(snapshot, source, sides, units, periods)
    hands: byhand.Found = {}
    if source is not None and source.given and base is not None:
        hands = _hands(snapshot, source, sides, units, found, periods)
    for unit in units:
        for period in periods:
            above = found.get((indicator.numerator or "", unit.uid, period.key))
            below = found.get((base.id if base else "", unit.uid, period.key))
            reason = _reason(snapshot, indicator, base, source, unit, period, below)
            num = above[0] if above else None
            den = below[0] if below and not counts_only else None
            if not reason and numerator and base:
                num = 0.0 if num is None and numerator.silence == "zero" else num
                den = 0.0 if den is None and base.silence == "zero" and not counts_only else den
            value = pace.ratio(num, 1.0 if counts_only else den, indicator.factor)
            if any(side.hides(n) for side, n in ((numerator, num), (denominator, den)) if side):
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
                period.text,
                num,
                den,
                None if value is None else float(value),
                indicator.unit,
                _coverage(snapshot, source, base, unit, period, (above, below)),
                reason,
                instant_of(known),
                int(any(side[4] for side in (above, below) if side)),
                source.run if source else None,
                indicator.definition_id,
                *_by_hand(hands, period, unit, value is not None),
            )


def _hands(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    found: Found,
    periods: list[Period],
) -> byhand.Found:
    """What came by hand in these periods; a stock is that of the last month that has one."""
    base = elements[-1]
    windows = {}
    for unit in units:
        for period in periods:
            side = found.get((base.id, unit.uid, period.key))
            last = period.end
            if side and side[2] and base.over_time == "last" and period.grain != "day":
                last = Period("month", side[2]).end
            key = (period.key, last)
            windows[key] = byhand.Window(key, source, tuple(elements), period.start, last)
    hands = byhand.by_hand(snapshot, windows.values(), [unit.uid for unit in units])
    return {(key[0], uid): hand for (key, uid), hand in hands.items()}  # type: ignore[index]


def _by_hand(
    hands: byhand.Found, period: Period, unit: OrgUnit, valued: bool
) -> tuple[int | None, int | None]:
    """How many org units gave a part of the value by hand, and the newest run; None where none."""
    hand = hands.get((period.key, unit.uid)) if valued else None
    return (hand.units, hand.run) if hand else (None, None)


def _read(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    periods: list[Period],
) -> Found:
    grain = periods[0].grain
    if grain == "day":
        return _days(snapshot, source, elements, units, periods)
    if grain in ("month", "year"):
        return _stored(snapshot, source, elements, units, [period.key for period in periods])
    months = {period.key: [m.key for m in period.months()] for period in periods}
    stored = _stored(
        snapshot, source, elements, units, sorted({m for keys in months.values() for m in keys})
    )
    folded: Found = {}
    for element in elements:
        if element.over_time == "distinct":
            continue  # has no member rows for this grain: not offered
        for unit in units:
            for key, keys in months.items():
                parts = [
                    stored[element.id, unit.uid, m]
                    for m in keys
                    if (element.id, unit.uid, m) in stored
                ]
                if parts:
                    folded[element.id, unit.uid, key] = _fold(element, parts)
    return folded


def _fold(
    element: Element, parts: list[tuple[float, int, int, int, bool]]
) -> tuple[float, int, int, int, bool]:
    last = parts[-1]
    if element.over_time == "last":
        return last
    return (
        sum(part[0] for part in parts),
        sum(part[1] for part in parts),
        last[2],
        max(part[3] for part in parts),
        any(part[4] for part in parts),
    )


def _stored(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    keys: list[int],
) -> Found:
    """Rollup rows by seeks on (element, period, org unit), never by ranges."""
    ids = {f"u{i}": unit.uid for i, unit in enumerate(units)}
    listed = ", ".join(f"'{element.id}'" for element in _once(elements))
    wanted = ", ".join(str(key) for key in keys)
    if snapshot.as_of is None:
        sql = (
            "SELECT x.element, x.org_unit, x.period, x.value, x.units, x.upto, x.known_at,"
            f" {_OLDER} AS older FROM rollup x"
            f" WHERE x.element IN ({listed}) AND x.period IN ({wanted})"
            f" AND x.org_unit IN ({', '.join(':' + name for name in ids)})"
            f" AND x.superseded_at = {FAR}"
        )
    else:
        periods = ", ".join(f"({key})" for key in keys)
        names = ", ".join(f"('{element.id}')" for element in _once(elements))
        uids = ", ".join(f"(:{name})" for name in ids)
        b = source.boundary
        sql = (
            f"WITH e(id) AS (VALUES {names}), p(period) AS (VALUES {periods}),"
            f" o(uid) AS (VALUES {uids}) SELECT x.element, x.org_unit, x.period, x.value, x.units,"
            f" x.upto, x.known_at, {_OLDER} AS older FROM e CROSS JOIN p CROSS JOIN o"
            " JOIN rollup x ON x.element = e.id"
            " AND x.period = p.period AND x.org_unit = o.uid AND x.known_at = (SELECT"
            " MAX(y.known_at) FROM rollup y WHERE y.element = e.id AND y.period = p.period"
            f" AND y.org_unit = o.uid AND y.known_at < {b}) AND x.superseded_at >= {b}"
        )
    found: Found = {}
    for row in snapshot.connection.execute(sa.text(sql), ids):
        period = Period("month" if row.period >= 12000 else "year", row.period)
        settled = instant_of(row.known_at) <= period.ends_at + grace(source)  # type: ignore[operator]
        found[row.element, row.org_unit, row.period] = (
            row.value,
            row.units,
            row.upto,
            row.known_at,
            bool(row.older) and not settled,
        )
    return found


def grace(source: SourceState) -> timedelta:
    """How long after a period its first values may come: later ones are corrections."""
    return SETTLED if source.is_record else timedelta(days=source.reporting_days + 31)


def _days(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    periods: list[Period],
) -> Found:
    """Days of additive elements; an area's day is the sum of its leaves' days."""
    ids = {f"u{i}": unit.uid for i, unit in enumerate(units)}
    listed = ", ".join(
        f"'{element.id}'" for element in _once(elements) if element.over_time == "sum"
    )
    if not listed:
        return {}
    wanted = ", ".join(str(period.key) for period in periods)
    visible = snapshot.visible("x", source.boundary)
    rows_ = snapshot.connection.execute(
        sa.text(
            "SELECT x.element, o.uid, x.day, SUM(x.value), COUNT(*), 0, MAX(x.known_at)"
            " FROM (SELECT ancestor AS uid, leaf FROM closure UNION ALL"
            " SELECT uid, uid FROM org_unit) AS o JOIN observation x ON x.org_unit = o.leaf"
            f" WHERE o.uid IN ({', '.join(':' + name for name in ids)})"
            f" AND x.element IN ({listed}) AND x.day IN ({wanted}) AND {visible}"
            " GROUP BY x.element, o.uid, x.day"
        ),
        ids,
    )
    return {(row[0], row[1], row[2]): (row[3], row[4], row[5], row[6], False) for row in rows_}


def _reason(
    snapshot: Snapshot,
    indicator: Indicator,
    base: Element | None,
    source: SourceState | None,
    unit: OrgUnit,
    period: Period,
    below: tuple | None,
) -> str:
    """Why there is no value, as a code; empty where there is one, or a zero may be written."""
    if source is None or base is None:
        return "no_source"
    if base.over_time == "distinct" and period.grain in ("day", "quarter", "ytd"):
        return "not_offered"
    if below is not None:
        return ""
    if period.starts_at > snapshot.clock:
        return "not_due"
    if (unit.closed and unit.closed < period.start) or (unit.opened and unit.opened > period.end):
        return "not_open"
    if base.silence == "unknown":
        return "not_reported"
    covered = source.covered_until
    if covered is None or covered < min(period.ends_at, snapshot.clock - source.stale_after):
        return "not_covered"
    return ""


def _coverage(
    snapshot: Snapshot,
    source: SourceState | None,
    base: Element | None,
    unit: OrgUnit,
    period: Period,
    sides: tuple[tuple | None, tuple | None],
) -> float | None:
    """The share of the expected org units that gave both sides of a declared figure."""
    below = sides[1]
    if source is None or base is None or period.starts_at > snapshot.clock:
        return None
    if base.count and base.over_time == "last":  # an inventory: its last check is all of it
        return 1.0 if all(sides) else 0.0
    if source.is_record:
        covered = source.covered_until
        return (
            1.0
            if covered and covered >= min(period.ends_at, snapshot.clock - source.stale_after)
            else 0.0
        )
    serves = base.serves or source.serves
    expected = sum(_expected(snapshot, unit, day, serves) for day in _ends(base, period, below))
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


def _once(elements: list[Element]) -> list[Element]:
    """An indicator may have one element on both sides; statements name it once."""
    return list({element.id: element for element in elements}.values())

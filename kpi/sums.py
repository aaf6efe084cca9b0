"""Stored sums of elements by org unit and period: rollups, and observations for single days."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from ioc.model import OrgUnit
from ioc.period import Period
from kpi.answer import Snapshot, SourceState
from kpi.elements import Element
from kpi.schema import FAR, micros
from kpi.versions import last_midnight

SETTLED = timedelta(days=7)
"""A version that came later than this after its period, in place of another, is a revision."""
_OLDER = (
    "EXISTS (SELECT 1 FROM rollup y WHERE y.element = x.element AND y.period = x.period"
    " AND y.org_unit = x.org_unit AND y.known_at < x.known_at"
    f" AND {last_midnight('y.superseded_at')} > y.known_at)"
)
"""Another value stood at the end of a day: thinning keeps those, so the answer never changes."""

Side = tuple[float, int, int, int, bool]
"""A sum, how many org units stand behind it, its last month, known_at, whether it is a revision."""
Found = dict[tuple[str, str, int], Side]
"""By element, org unit and key of the period."""


def read(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    periods: list[Period],
) -> Found:
    """The sums of elements for org units in periods of one grain; absent where there are none."""
    grain = periods[0].grain
    if grain == "day":
        return _days(snapshot, source, elements, units, periods)
    if grain in ("month", "year"):
        return stored(snapshot, source, elements, units, [period.key for period in periods])
    months = {period.key: [m.key for m in period.months()] for period in periods}
    kept = stored(
        snapshot, source, elements, units, sorted({m for keys in months.values() for m in keys})
    )
    folded: Found = {}
    for element in elements:
        if element.over_time == "distinct":
            continue  # has no member rows for this grain: not offered
        for unit in units:
            for key, keys in months.items():
                parts = [
                    kept[element.id, unit.uid, m] for m in keys if (element.id, unit.uid, m) in kept
                ]
                if parts:
                    folded[element.id, unit.uid, key] = _fold(element, parts)
    return folded


def _fold(element: Element, parts: list[Side]) -> Side:
    if element.over_time == "last":
        return parts[-1]
    return added(parts)


def added(parts: Sequence[Side]) -> Side:
    """Sums added up, over months or over org units."""
    return (
        sum(part[0] for part in parts),
        sum(part[1] for part in parts),
        max(part[2] for part in parts),
        max(part[3] for part in parts),
        any(part[4] for part in parts),
    )


def stored(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    keys: list[int],
) -> Found:
    """Rollup rows by seeks on (element, period, org unit), never by ranges."""
    if not units:
        return {}
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
    ends = {key: Period("month" if key >= 12000 else "year", key).ends_at for key in keys}
    settled = {key: micros(end + grace(source)) or 0 for key, end in ends.items()}
    return {
        (element, unit, period): (value, n, upto, known, bool(older) and known > settled[period])
        for element, unit, period, value, n, upto, known, older in snapshot.connection.execute(
            sa.text(sql), ids
        ).all()
    }


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
    named = ", ".join(f":{name}" for name in ids)
    wanted = (
        f" x.element IN ({listed}) AND x.day BETWEEN {periods[0].key} AND {periods[-1].key}"
        f" AND {snapshot.visible('x', source.boundary)}"
    )
    if all(snapshot.store.orgunits.is_leaf(unit.uid) for unit in units):
        sql = (
            "SELECT x.element, x.org_unit, x.day, x.value, 1, x.known_at FROM observation x"
            f" WHERE x.org_unit IN ({named}) AND {wanted}"
        )
    else:
        sql = (
            "SELECT x.element, o.uid, x.day, SUM(x.value), COUNT(*), MAX(x.known_at)"
            " FROM (SELECT ancestor AS uid, leaf FROM closure UNION ALL"
            " SELECT uid, uid FROM org_unit) AS o JOIN observation x ON x.org_unit = o.leaf"
            f" WHERE o.uid IN ({named}) AND {wanted} GROUP BY x.element, o.uid, x.day"
        )
    found = snapshot.connection.execute(sa.text(sql), ids).all()
    return {
        (element, unit, day): (value, leaves, 0, known, False)
        for element, unit, day, value, leaves, known in found
    }


def _once(elements: list[Element]) -> list[Element]:
    """An indicator may have one element on both sides; statements name it once."""
    return list({element.id: element for element in elements}.values())

"""What a figure said before it was corrected: each later value of a period, and who brought it.

A value counts once it stood at the end of a local day, or stands now: thinning keeps those, so
the answer is the same before and after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.period import Period, local_date
from ioc.principal import Principal
from kpi import formulas, origins, pace
from kpi.answer import Answer, Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.schema import FAR, instant_of, micros
from kpi.scope import (
    UnknownFilter,
    entitled,
    indicators_of,
    may_read_source,
    periods_of,
    reads_all,
    units_of,
)
from kpi.series import AT_ONCE
from kpi.store import KpiStore
from kpi.sums import grace
from kpi.versions import following_midnight, last_midnight

COLUMNS = (
    "indicator org_unit code name level grain period known_at numerator_before denominator_before"
    " value_before numerator denominator value unit source run given_by definition"
).split()
Sides = tuple[float | None, float | None]


class _Version(NamedTuple):
    value: float
    known_at: int
    until: int


Stored = dict[tuple[str, str, int], list[_Version]]
"""(element, org unit, period key) to its versions, oldest first."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One indicator whose corrections are looked for, with the elements that it is made of."""

    snapshot: Snapshot
    source: SourceState
    indicator: Indicator
    numerator: Element
    denominator: Element | None
    told: bool
    """Whether it may be told who gave a file."""

    @property
    def sides(self) -> tuple[Element, ...]:
        return tuple(filter(None, (self.numerator, self.denominator)))

    @property
    def present(self) -> int:
        """The boundary that the newest state is read at."""
        return FAR if self.snapshot.as_of is None else self.source.boundary


def revisions(
    store: KpiStore,
    who: Principal,
    *,
    indicators: Sequence[str] | None = None,
    first: Period,
    last: Period,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    grain: str = "month",
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The corrections of figures: a row for each value of a period that replaced an earlier one.

    Returns:
        By indicator, org unit and period, oldest first. ``*_before`` is what stood until then,
        NaN where nothing did; ``known_at`` is when the new value became known, later than a week
        after the period (of a declared figure: than its time to report and a month). ``run`` is
        the poll that brought it, unknown where history was built from the source's own change
        times; ``given_by`` says who gave its file, empty for every other poll and for whoever may
        not read the whole territory. A figure of too few people is corrected without a number.

    Raises:
        UnknownFilter: an indicator or org unit that does not exist, too many periods, or days:
            they are never marked.
        Forbidden: an org unit or an indicator is outside ``who``'s scope.

    Source: table ``rollup``, written by kpi.rollup, and ``poll_run``.
    """
    if grain == "day":
        raise UnknownFilter("số đã sửa được hỏi theo tháng, quý hoặc năm")
    periods, who = periods_of(grain, first, last), entitled(who, now)
    day = on or min(periods[-1].end, local_date(as_of or now or right_now()))
    units = units_of(store, who, org_units, level, day)
    chosen = indicators_of(store, who, indicators)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for indicator in chosen:
            defined = [
                (asked, periods[run])
                for one, run in formulas.by_period(indicator, periods)
                if (asked := _asked(snapshot, who, one))
            ]
            for start in range(0, len(units) if defined else 0, AT_ONCE):
                yield from _rows(defined, units[start : start + AT_ONCE])

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


def _asked(snapshot: Snapshot, who: Principal, indicator: Indicator) -> _Asked | None:
    elements = snapshot.store.catalogue.elements
    source = snapshot.source_of(indicator.source)
    numerator = elements.get(indicator.numerator or "")
    if source is None or numerator is None:
        return None
    told = reads_all(snapshot.store, who) and may_read_source(snapshot.store, who, source.id)
    denominator = elements.get(indicator.denominator or "")
    return _Asked(snapshot, source, indicator, numerator, denominator, told)


def _rows(defined: list[tuple[_Asked, list[Period]]], units: Sequence[OrgUnit]) -> Iterator[tuple]:
    """Of each definition with its own periods, by org unit and period."""
    found = [
        (asked, periods, _stored(asked, units, sorted({k for p in periods for k in _keys(p)})))
        for asked, periods in defined
    ]
    for unit in units:
        for asked, periods, stored in found:
            for period in periods:
                for before, after, known in _moves(
                    asked, period, _lines(asked, unit, period, stored)
                ):
                    yield _row(asked, unit, period, before, after, known)


def _lines(
    asked: _Asked, unit: OrgUnit, period: Period, stored: Stored
) -> dict[str, list[list[_Version]]]:
    """The versions of each side in the stored periods that a period is folded from."""
    keys = _keys(period)
    return {
        side.id: [stored.get((side.id, unit.uid, key), []) for key in keys]
        for side in asked.sides
        if side.over_time != "distinct" or len(keys) == 1
    }


def _keys(period: Period) -> list[int]:
    """The stored periods that a period is folded from."""
    if period.grain in ("month", "year"):
        return [period.key]
    return [month.key for month in period.months()]


def _stored(asked: _Asked, units: Sequence[OrgUnit], keys: list[int]) -> Stored:
    """The versions that stood at the end of a day, and those that are believed."""
    ids = {f"u{i}": unit.uid for i, unit in enumerate(units)}
    names = ", ".join(f"'{id}'" for id in dict.fromkeys(side.id for side in asked.sides))
    b = asked.present
    known = "" if b == FAR else f" AND x.known_at < {b}"
    found: Stored = {}
    for row in asked.snapshot.connection.execute(
        sa.text(
            "SELECT x.element, x.org_unit, x.period, x.value, x.known_at, x.superseded_at"
            f" FROM rollup x WHERE x.element IN ({names})"
            f" AND x.period IN ({', '.join(map(str, keys))})"
            f" AND x.org_unit IN ({', '.join(':' + name for name in ids)}){known}"
            f" AND (x.superseded_at >= {b} OR {last_midnight('x.superseded_at')} > x.known_at)"
            " ORDER BY x.element, x.org_unit, x.period, x.known_at"
        ),
        ids,
    ):
        until = FAR if row.superseded_at >= b else row.superseded_at
        version = _Version(row.value, row.known_at, until)
        found.setdefault((row.element, row.org_unit, row.period), []).append(version)
    return found


def _moves(
    asked: _Asked, period: Period, lines: dict[str, list[list[_Version]]]
) -> Iterator[tuple[Sides, Sides, int]]:
    """What stood, what stood after it, and since when, of each move after a period was settled."""
    known_elements = {side.id: side for side in asked.sides}
    settled = micros(period.ends_at + grace(asked.source)) or 0
    versions = [one for line in lines.values() for some in line for one in some]
    if all(one.known_at <= settled and one.until == FAR for one in versions):
        return  # nothing came late: most periods
    before: Sides | None = None  # until there was a figure
    was: dict[str, float | None] = {}
    at = 0
    for point in _points(asked, versions):
        state = {id: _state(known_elements[id], line, point) for id, line in lines.items()}
        after = _sides(asked, state)
        if before is not None and after != before:
            moved = [line for id, line in lines.items() if state[id] != was.get(id)]
            if (known := _known(moved, at, point)) > settled:
                yield before, after, known
        if before is not None or None not in after[: len(asked.sides)]:
            before = after
        was, at = state, point


def _points(asked: _Asked, versions: list[_Version]) -> list[int]:
    """The ends of days at which something may have moved, and the present."""
    present = asked.present
    limit = min(present, micros(asked.snapshot.clock) or 0)
    found = {present}
    for one in versions:
        for instant in (one.known_at, one.until):
            if instant != FAR and (midnight := following_midnight(instant)) <= limit:
                found.add(midnight)
    return sorted(found)


def _state(element: Element, line: list[list[_Version]], point: int) -> float | None:
    """The value of an element as it stood at an instant, folded over its stored periods."""
    parts = [one.value for some in line for one in some if one.known_at < point <= one.until]
    if not parts:
        return None
    return parts[-1] if element.over_time == "last" else sum(parts)


def _sides(asked: _Asked, state: dict[str, float | None]) -> Sides:
    """Numerator and denominator, a silent zero filled in where the other side speaks."""
    over = state.get(asked.numerator.id)
    under = state.get(asked.denominator.id) if asked.denominator else None
    if under is not None and over is None and asked.numerator.silence == "zero":
        over = 0.0
    return over, under


def _known(moved: list[list[list[_Version]]], before: int, point: int) -> int:
    """When what stands at an instant, and did not at the one before, became known."""
    versions = [one for line in moved for some in line for one in some]
    came = [one.known_at for one in versions if before <= one.known_at < point <= one.until]
    went = [one.until for one in versions if one.known_at < before <= one.until < point]
    return max(came or went, default=0)


def _row(
    asked: _Asked, unit: OrgUnit, period: Period, before: Sides, after: Sides, known: int
) -> tuple:
    indicator = asked.indicator
    days = (period.start, period.end)
    connection = asked.snapshot.connection
    poll = origins.declared_at(connection, asked.sides, unit.uid, days, known)
    poll = poll or origins.polls_at(connection, asked.source.id, [known]).get(known)
    return (
        indicator.id,
        unit.uid,
        unit.code,
        unit.name,
        unit.level,
        period.grain,
        period.text,
        instant_of(known),
        *_told(asked, before),
        *_told(asked, after),
        indicator.unit,
        asked.source.id,
        poll.run if poll else None,
        poll.given_by if poll and asked.told else "",
        indicator.definition_id,
    )


def _told(asked: _Asked, sides: Sides) -> tuple[float | None, float | None, float | None]:
    """Numerator, denominator and value; nothing of them where they are of too few people."""
    pairs = zip((asked.numerator, asked.denominator), sides, strict=True)
    if any(element.hides(number) for element, number in pairs if element):
        return None, None, None
    under = 1.0 if asked.indicator.denominator is None else sides[1]
    value = pace.ratio(sides[0], under, asked.indicator.factor)
    return *sides, None if value is None else float(value)

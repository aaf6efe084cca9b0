"""Where a number comes from: standing, sums, observations, and the records or readings counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import Period, date_of, day_number, local_date
from ioc.principal import Principal
from kpi import formulas, origins, pace
from kpi.answer import Answer, Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.judging import figure_over
from kpi.records import SAID, matches
from kpi.schema import instant_of, micros
from kpi.scope import (
    UnknownFilter,
    entitled,
    indicators_of,
    may_read_source,
    targets_of,
    units_of,
)
from kpi.store import KpiStore
from kpi.tally import EVENT, serves_sql, where_sql

COLUMNS = (
    "step id parent element org_unit period value known_at source run hash verified definition"
).split()
_VALUE, _KNOWN_AT, _RUN = map(COLUMNS.index, ("value", "known_at", "run"))
STEPS = ("rollup", "observation", "record_version")
"""How deep one may ask; a declared figure (``reading``) stands where a count is observed."""
MOST = 20_000
"""Rows of one answer: a figure with more behind it is asked for in parts, never cut short."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One element's way down from one org unit and its periods."""

    snapshot: Snapshot
    source: SourceState
    element: Element
    unit: str
    leaves: tuple[str, ...]
    periods: list[Period]
    depth: int
    top: str

    @property
    def is_leaf(self) -> bool:
        return self.leaves == (self.unit,)

    def fetch(self, sql: str, **values: Any) -> list[sa.Row]:
        """The rows of a statement, one more than may be at the most."""
        bound = {"e": self.element.id, "u": self.unit} | values
        text = sa.text(f"{sql} LIMIT {MOST + 1}")
        used = {name: value for name, value in bound.items() if name in text._bindparams}
        return list(self.snapshot.connection.execute(text, used))


def lineage(
    store: KpiStore,
    who: Principal,
    *,
    indicators: Sequence[str],
    targets: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    first: Period | None = None,
    last: Period | None = None,
    step: str = "record_version",
    now: datetime | None = None,
    as_of: datetime | None = None,
) -> Answer:
    """What one figure is made of, from its sums down to the records or readings counted.

    Returns:
        A tree, parents before their children: a row's ``parent`` is another row's ``id``. With
        ``targets`` a standing stands on top; then the sums (``rollup``) of numerator and
        denominator for the period, its months, and the org units that report; their days
        (``observation``), or what was declared (``reading``); the versions of the records
        counted (``record_version``, ``value`` 1 each, with their content hash). Children add up
        to their parent, save a ``distinct`` count, whose records stand under the sum itself,
        and a stock, under which stands the last reading of each org unit in the calendar year.
        A figure that is suppressed has no value on any step; records are left out where ``who`` may
        not read all that their source is counted for. ``definition`` is that by which the figure is
        computed: the one in force at the end of the standing's window, or of the period. ``run`` is
        the poll that brought a row: of a sum or a count the newest that wrote at its ``known_at``,
        unknown where history was built from the source's own change times. ``verified`` is 1 where
        the stored version still has its ``hash``, 0 where it was touched, unknown on other steps.
        ``step`` is the last kind of row that is wanted. The period is that from ``first`` to
        ``last``, by default this month.

    Raises:
        UnknownFilter: not exactly one indicator and org unit that exist, an unknown step, or
            more than ``MOST`` rows: it is refused, never cut short.
        Forbidden: the org unit or the indicator is outside ``who``'s scope.

    Source: tables ``standing`` (as of an instant: ``rollup``), ``rollup``, ``observation``,
    ``record``, ``record_version``, ``poll_run``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    day = local_date(clock)
    chosen = indicators_of(store, who, indicators)
    units = units_of(store, who, org_units or None, None, day)
    if len(chosen) != 1 or len(units) != 1:
        raise UnknownFilter("nguồn gốc được hỏi cho đúng một chỉ số và một đơn vị")
    if step not in STEPS:
        raise UnknownFilter(f"step: {step!r} không có; chọn {', '.join(STEPS)}")
    targets_of(store, who, targets, day)
    depth = STEPS.index(step)
    if not may_read_source(store, who, chosen[0].source or ""):
        depth = min(depth, STEPS.index("observation"))  # the sums, not the records
    last = last or Period.of("month", day)
    periods = _periods(first or last, last)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        found: list[tuple] = []
        indicator = _defined(store, chosen[0], targets or (), periods[-1])
        for row in _rows(snapshot, indicator, units[0].uid, targets, periods, depth):
            told = _told(store.catalogue.elements.get(row[3]), row)
            found.append((*told, indicator.definition_id))
            if len(found) > MOST:
                raise UnknownFilter(
                    f"quá {MOST} dòng: hãy hỏi một đơn vị nhỏ hơn, một kỳ ngắn hơn,"
                    f" hoặc dừng ở step={STEPS[max(0, STEPS.index(step) - 1)]}"
                )
        return _brought(snapshot, chosen[0].source or "", found)

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


def _defined(
    store: KpiStore, indicator: Indicator, targets: Sequence[str], last: Period
) -> Indicator:
    """The indicator by the definition that computes the standing on top, else the last period."""
    for target in targets if indicator.versions else ():
        for part in store.catalogue.targets[target].parts:
            if part.indicator == indicator.id:
                return formulas.of_window(indicator, part, None, last.end)
    return indicator.at(last.end)


def _told(element: Element | None, row: tuple) -> tuple:
    """The row, without its figure where that is too small to be told."""
    hidden = element is not None and element.hides(row[_VALUE])
    return (*row[:_VALUE], None, *row[_VALUE + 1 :]) if hidden else row


def _brought(snapshot: Snapshot, source: str, found: list[tuple]) -> Iterator[tuple]:
    """The rows, each sum and count with the poll that brought what it became known by."""
    wanted = {micros(row[_KNOWN_AT]) for row in found if row[_RUN] is None}
    polls = origins.polls_at(snapshot.connection, source, wanted)
    for row in found:
        poll = polls.get(micros(row[_KNOWN_AT]) or 0) if row[_RUN] is None else None
        yield (*row[:_RUN], poll.run, *row[_RUN + 1 :]) if poll else row


def _periods(first: Period, last: Period) -> list[Period]:
    if first == last and last.grain in ("day", "month", "year"):
        return [last]
    months = [Period.of("month", first.start)]
    while months[-1].end < last.end:
        months.append(months[-1].next())
    if len(months) > 12:
        raise UnknownFilter("nguồn gốc được hỏi cho nhiều nhất 12 tháng")
    return months


def _rows(
    snapshot: Snapshot,
    indicator: Indicator,
    unit: str,
    targets: Sequence[str] | None,
    periods: list[Period],
    depth: int,
) -> Iterator[tuple]:
    known = snapshot.store.catalogue.elements
    source = snapshot.source_of(indicator.source)
    sides = dict.fromkeys(filter(None, (indicator.numerator, indicator.denominator)))
    if source is None or not sides:
        return
    top = ""
    for standing in _standings(snapshot, indicator, unit, targets or (), periods[-1], source):
        top = standing[1]
        yield standing
    tree = snapshot.store.orgunits
    leaves = (unit,) if tree.is_leaf(unit) else tuple(tree.leaves(unit))
    for side in sides:
        asked = _Asked(snapshot, source, known[side], unit, leaves, periods, depth, top)
        yield from _element(asked)


def _standings(
    snapshot: Snapshot,
    indicator: Indicator,
    unit: str,
    targets: Sequence[str],
    last: Period,
    source: SourceState,
) -> Iterator[tuple]:
    """The standing that is judged over the period, or over the year that it ends."""
    parts = [
        part
        for target in targets
        for part in snapshot.store.catalogue.targets[target].parts
        if part.indicator == indicator.id
    ]
    for part in parts:
        window = Period.of("year" if part.mode == "year" else "month", last.end)
        figure = figure_over(snapshot, part, snapshot.store.orgunits[unit], window)
        if figure is not None:
            ratio = pace.ratio(figure.numerator, figure.denominator, indicator.factor)
            id = f"standing/{part.target}/{indicator.id}/{window.text}/{unit}"
            known = instant_of(figure.known_at)
            value = None if ratio is None else float(ratio)
            yield "standing", id, "", "", unit, window.text, value, known, source.id, None, "", None


def _element(asked: _Asked) -> Iterator[tuple]:
    distinct = asked.element.over_time == "distinct"
    stock = asked.element.over_time == "last"
    months: dict[int, str] = {}  # the months whose parts follow, each with the id they are under
    days = [period for period in asked.periods if period.grain == "day"]
    for period in asked.periods:
        if period.grain == "day":
            continue
        yield from _sums(asked, [period.key], (asked.unit,), asked.top, months)
        if period.grain == "year":
            year = months.pop(period.key, "")
            if distinct:
                yield from _records(asked, period, year)
            else:
                inside = [month.key for month in period.months()]
                found = list(_sums(asked, inside, (asked.unit,), year, months))
                if stock:
                    found = found[-1:]
                    months = {key: id for key, id in months.items() if found and id == found[0][1]}
                yield from found
    for key, id in list(months.items()):
        yield from _month(asked, Period("month", key), id, distinct=distinct, stock=stock)
    for period in days:
        yield from _days(asked, asked.leaves, period, "")


def _month(
    asked: _Asked, month: Period, id: str, *, distinct: bool, stock: bool
) -> Iterator[tuple]:
    if distinct:
        yield from _records(asked, month, id)
    elif stock:
        yield from _last_readings(asked, month, id)
    elif asked.is_leaf:
        yield from _days(asked, asked.leaves, month, id)
    else:
        leaves: dict[int, str] = {}
        for row in _sums(asked, [month.key], asked.leaves, id, leaves):
            yield row
            yield from _days(asked, (row[4],), month, row[1])


def _sums(
    asked: _Asked, keys: list[int], units: tuple[str, ...], parent: str, found: dict[int, str]
) -> Iterator[tuple]:
    """The rollups of some periods and org units; notes the ids by period in ``found``."""
    listed = ", ".join(map(str, keys))
    mine = units == (asked.unit,)
    whose = "= :u" if mine else "IN (SELECT leaf FROM closure WHERE ancestor = :u)"
    for row in asked.fetch(
        f"SELECT x.period, x.org_unit, x.value, x.known_at FROM rollup x WHERE x.element = :e"
        f" AND x.period IN ({listed}) AND x.org_unit {whose}"
        f" AND {asked.snapshot.visible('x', asked.source.boundary)} ORDER BY x.period, x.org_unit"
    ):
        period = _named(row.period)
        id = f"rollup/{asked.element.id}/{period}/{row.org_unit}"
        found[row.period] = id
        yield (
            "rollup", id, parent, asked.element.id, row.org_unit, period, row.value,
            instant_of(row.known_at), asked.source.id, None, "", None,
        )  # fmt: skip


def _named(key: int) -> str:
    return Period("month" if key >= 12000 else "year", key).text


def _days(asked: _Asked, units: tuple[str, ...], period: Period, parent: str) -> Iterator[tuple]:
    """What was observed on the days of a period, each with the records that it counts."""
    if asked.depth < STEPS.index("observation"):
        return
    whose = "= :one" if len(units) == 1 else "IN (SELECT leaf FROM closure WHERE ancestor = :u)"
    found = asked.fetch(
        "SELECT x.org_unit, x.day, x.value, x.known_at, x.run FROM observation x"
        f" WHERE x.element = :e AND x.org_unit {whose} AND x.day BETWEEN :first AND :last"
        f" AND {asked.snapshot.visible('x', asked.source.boundary)} ORDER BY x.org_unit, x.day",
        one=units[0] if units else "",
        first=day_number(period.start),
        last=day_number(period.end),
    )
    for row in found:
        observed = _observed(asked, row, parent)
        yield observed
    if asked.element.count and found and asked.depth == len(STEPS) - 1:
        yield from _records(asked, period, None, units=units)


def _observed(asked: _Asked, row: sa.Row, parent: str) -> tuple:
    day = date_of(row.day).isoformat()
    step = "reading" if asked.element.reading else "observation"
    return (
        step, f"{step}/{asked.element.id}/{day}/{row.org_unit}", parent, asked.element.id,
        row.org_unit, day, row.value, instant_of(row.known_at), asked.source.id, row.run, "", None,
    )  # fmt: skip


def _last_readings(asked: _Asked, month: Period, parent: str) -> Iterator[tuple]:
    """Of a stock: what each org unit open at the end of the month said last in that year."""
    if asked.depth < STEPS.index("observation"):
        return
    visible = asked.snapshot.visible
    start = month if asked.is_leaf else Period("month", month.key // 12 * 12)
    whose = (
        "u.uid = :u"
        if asked.is_leaf
        else "u.uid IN (SELECT leaf FROM closure WHERE ancestor = :u)"
        " AND u.opened_day <= :last AND u.closed_day >= :last"
    )
    b = asked.source.boundary
    found = asked.fetch(
        "SELECT x.org_unit, x.day, x.value, x.known_at, x.run FROM org_unit u JOIN observation x"
        f" ON x.org_unit = u.uid AND x.element = :e AND {visible('x', b)} AND x.day = (SELECT"
        " MAX(y.day) FROM observation y WHERE y.element = :e AND y.org_unit = u.uid"
        f" AND y.day BETWEEN :first AND :last AND {visible('y', b)}) WHERE {whose}"
        " ORDER BY x.org_unit",
        first=day_number(start.start),
        last=day_number(month.end),
    )
    for row in found:
        yield _observed(asked, row, parent)
    if asked.element.count and asked.depth == len(STEPS) - 1:
        for row in found:
            day = Period.of("day", date_of(row.day))
            yield from _records(asked, day, None, units=(row.org_unit,))


def _records(
    asked: _Asked, period: Period, parent: str | None, units: tuple[str, ...] | None = None
) -> Iterator[tuple]:
    """The versions of the records that the element counts in a period, by its own conditions.

    ``parent`` is that of all of them, or None where each stands under its day.
    """
    element = asked.element
    if asked.depth < len(STEPS) - 1 or not element.count:
        return
    org_unit, day = EVENT[element.at]
    wanted = units or asked.leaves
    whose = "= :one" if len(wanted) == 1 else "IN (SELECT leaf FROM closure WHERE ancestor = :u)"
    holds = f"{where_sql(element, 'r')} AND {serves_sql(element, 'u')}"
    if element.distinct:
        holds += f" AND r.{element.distinct} IS NOT NULL"
    b = asked.source.boundary
    tables = [("record", f"r.known_at < {b}" if asked.snapshot.as_of else "1 = 1")]
    if asked.snapshot.as_of:
        tables.append(("record_version", f"r.known_at < {b} AND r.superseded_at >= {b}"))
    said = ", ".join(f"r.{name} AS said_{name}" for name in SAID)
    sql = " UNION ALL ".join(
        f"SELECT r.source, r.key, r.version, r.{org_unit} AS org_unit, r.{day} AS day,"
        f" r.known_at, r.run, r.hash, {said} FROM {table} r JOIN org_unit u ON u.uid = r.{org_unit}"
        f" WHERE r.{org_unit} {whose} AND r.{day} BETWEEN :first AND :last AND {believed}"
        f" AND {holds}"
        for table, believed in tables
    )
    for row in asked.fetch(
        f"{sql} ORDER BY org_unit, day, source, key",
        one=wanted[0] if wanted else "",
        first=day_number(period.start),
        last=day_number(period.end),
    ):
        when = date_of(row.day).isoformat()
        above = f"observation/{element.id}/{when}/{row.org_unit}" if parent is None else parent
        yield (
            "record_version", f"record/{row.source}/{row.key}/{row.version}", above, element.id,
            row.org_unit, when, 1.0, instant_of(row.known_at), row.source, row.run, row.hash,
            int(matches(list(row)[-len(SAID) :], row.hash)),
        )  # fmt: skip

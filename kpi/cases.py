"""Records as they stand, newest first: whose they are, since when, until when, in which state."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import Period, day_number, local_date
from ioc.principal import Principal
from kpi.answer import Answer, Snapshot
from kpi.catalogue import Element
from kpi.schema import FAR, instant_of, micros
from kpi.scope import UnknownFilter, entitled, may_read_source, units_of
from kpi.store import KpiStore
from kpi.tally import EVENT, serves_sql, text, where_sql

COLUMNS = (
    "source key kind org_unit place opened_at due_at closed_at state category channel quantity"
    " lat lon known_at hash result org_unit_done"
).split()
ENDED = ("withdrawn", "rejected")
"""States in which nothing is due any more though no result was given."""
FEW = 12
"""Up to so many org units are sought by index; more are met soon enough while reading on."""
MOMENTS = frozenset({"opened_at", "due_at", "closed_at", "known_at"})
BLOCK = 1_000
"""Rows that are fetched at once."""
_TIMES = tuple(sorted(map(COLUMNS.index, MOMENTS)))
_OPEN = (
    f"r.closed_at IS NULL AND (r.state IS NULL OR r.state NOT IN ({', '.join(map(text, ENDED))}))"
)
_COUNTED_AT = "CASE WHEN r.closed_at IS NULL THEN r.org_unit ELSE r.org_unit_done END"


@dataclass(slots=True)
class _Filter:
    """Conditions on the table alias ``r``, and the values they are bound to."""

    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, condition: str, **values: Any) -> None:
        self.conditions.append(condition)
        self.values |= values

    def one_of(self, expression: str, wanted: Sequence[str] | None, name: str) -> None:
        if wanted is not None:
            self.add(f"{expression} IN ({self.listed(wanted, name)})")

    def listed(self, wanted: Sequence[str], name: str) -> str:
        self.values |= {f"{name}{i}": value for i, value in enumerate(wanted)}
        return ", ".join(f":{name}{i}" for i in range(len(wanted))) or "NULL"

    def below(self, tops: Sequence[str], name: str) -> str:
        """The org units under ``tops``, and these themselves, as a subquery."""
        marks = self.listed(tops, name)
        return (
            f"SELECT leaf FROM closure WHERE ancestor IN ({marks})"
            f" UNION ALL SELECT uid FROM org_unit WHERE uid IN ({marks})"
        )


def records(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    opened_from: date | None = None,
    opened_to: date | None = None,
    open_only: bool = False,
    overdue: bool = False,
    located: bool = False,
    element: str | None = None,
    limit: int | None = None,
    after: str | None = None,
    now: datetime | None = None,
    as_of: datetime | None = None,
) -> Answer:
    """The records that sources sent, newest opened first, ties by source and key.

    Returns:
        A row for every record that is readable: its org unit at opening (``org_unit``) or at
        completion (``org_unit_done``, empty while it is open) lies in ``who``'s scope, and with
        it every class of indicators that its source serves. With
        ``org_units`` those counted in the subtree of one of them: a closed record at its org
        unit of completion, an open one at that of its opening. ``open_only`` leaves out what has
        a result or was withdrawn or rejected; ``overdue`` takes of these what is past
        ``due_at``. With ``element`` those that it counts, at the org unit and from the day at
        which it counts them: they add up to its figure. ``quantity``, ``lat`` and ``lon`` are NaN
        where the source gives none. The count is of all that match; ``limit`` rows follow
        ``after``, the place of a row.

    Raises:
        UnknownFilter: a kind or org unit that does not exist, an element that counts no records,
            a place that is none.
        Forbidden: an org unit is outside ``who``'s scope.

    Source: table ``record``; as of an instant also ``record_version``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    chosen = _Filter()
    counting = _counting(store, element) if element else None
    at = f"r.{EVENT[counting.at][0]}" if counting else _COUNTED_AT
    ended = _where(store, who, chosen, org_units, local_date(clock), at)
    if counting:
        ended = ended if counting.at == "closed_at" else None
        _count_in(chosen, counting, opened_from, opened_to)
        opened_from = opened_to = None
    if open_only or overdue:
        ended = [""]
        chosen.add(_OPEN)
    if kinds is not None:
        _known_kinds(store, kinds)
    _seek(chosen, ended, _readable(store, who, sources), kinds)
    chosen.one_of("r.state", states, "t")
    if opened_from:
        chosen.add("r.opened_at >= :first", first=micros(Period.of("day", opened_from).starts_at))
    if opened_to:
        chosen.add("r.opened_at < :last", last=micros(Period.of("day", opened_to).ends_at))
    if overdue:
        chosen.add("r.due_at < :clock", clock=micros(clock))
    if located:
        chosen.add("r.lat IS NOT NULL AND r.lon IS NOT NULL")
    start = _place(after) if after else None

    def raw(snapshot: Snapshot) -> Iterator[Sequence[Any]]:
        return _raw(snapshot, chosen, start, limit)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        return _rows(raw(snapshot))

    def count(snapshot: Snapshot) -> int:
        return _count(snapshot, chosen)

    more: dict[str, Any] = {"counting": count, "place": place, "raw": raw, "moments": MOMENTS}
    return Answer(tuple(COLUMNS), store, rows, now, as_of, **more)


def _counting(store: KpiStore, element: str) -> Element:
    found = store.catalogue.elements.get(element)
    if found is None or not found.count:
        raise UnknownFilter(f"không có số liệu nào tên {element!r} được đếm từ bản ghi")
    return found


def _count_in(chosen: _Filter, element: Element, first: date | None, last: date | None) -> None:
    """What an element counts, on the days asked for."""
    unit, day = EVENT[element.at]
    chosen.add(where_sql(element, "r"))
    serves = serves_sql(element, "s")
    chosen.add(f"EXISTS (SELECT 1 FROM org_unit s WHERE s.uid = r.{unit} AND {serves})")
    chosen.add(f"r.{day} BETWEEN :day AND :until", day=0, until=FAR)
    if first:
        chosen.values["day"] = day_number(first)
    if last:
        chosen.values["until"] = day_number(last)
    if element.over_time == "last":
        _count_last(chosen, element, last)


def _count_last(chosen: _Filter, element: Element, last: date | None) -> None:
    """Of a stock, the last check of each org unit that is still open: in the year of ``last``."""
    unit, day = EVENT[element.at]
    if last:
        chosen.values["day"] = day_number(date(last.year, 1, 1))
        chosen.add(
            f"EXISTS (SELECT 1 FROM org_unit o WHERE o.uid = r.{unit}"
            " AND o.opened_day <= :until AND o.closed_day >= :until)"
        )
    chosen.add(
        f"r.{day} = (SELECT MAX(x.{day}) FROM record x WHERE x.kind = {text(str(element.count))}"
        f" AND x.{unit} = r.{unit} AND x.{day} BETWEEN :day AND :until)"
    )


def place(row: tuple) -> str:
    """Where a row of ``records`` stands: the next rows come ``after`` it."""
    said = json.dumps((micros(row[COLUMNS.index("opened_at")]), row[0], row[1]))
    return urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _place(after: str) -> tuple[int, str, str]:
    try:
        opened, source, key = json.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        if type(opened) is int and isinstance(source, str) and isinstance(key, str):
            return opened, source, key
    except (ValueError, TypeError):
        pass
    raise UnknownFilter(f"after: {after!r} không phải vị trí mà danh sách đã cho")


def _readable(
    store: KpiStore, who: Principal, sources: Sequence[str] | None
) -> Sequence[str] | None:
    """Of the sources asked for, those whose records may be read; None where that is every one."""
    if who.indicator_classes is None:
        return sources
    if sources is None:
        with store.read() as connection:
            sources = list(connection.scalars(sa.text("SELECT id FROM source")))
    return [source for source in sources if may_read_source(store, who, source)]


def _known_kinds(store: KpiStore, kinds: Sequence[str]) -> None:
    known = {element.count for element in store.catalogue.elements.values() if element.count}
    with store.read() as connection:
        known |= set(connection.scalars(sa.text("SELECT record FROM source WHERE record <> ''")))
    if strange := [kind for kind in kinds if kind not in known]:
        listed = ", ".join(sorted(filter(None, known)))
        raise UnknownFilter(f"không có loại bản ghi {', '.join(strange)}; có: {listed}")


def _where(
    store: KpiStore,
    who: Principal,
    chosen: _Filter,
    org_units: Sequence[str] | None,
    day: date,
    counted_at: str,
) -> list[str] | None:
    """Narrow to the principal's scope, and to the subtrees that were asked for.

    Returns:
        The values of ``org_unit_done`` that this leaves, where they are few.
    """
    if who.org_units is not None:
        mine = chosen.below(sorted(who.org_units), "w")
        chosen.add(f"(r.org_unit IN ({mine}) OR r.org_unit_done IN ({mine}))")
    if org_units is None:
        return None
    units = [unit.uid for unit in units_of(store, who, org_units, None, day)]
    chosen.add(f"{counted_at} IN ({chosen.below(units, 'u')})")
    inside = {leaf for uid in units for leaf in (uid, *store.orgunits.leaves(uid))}
    return ["", *sorted(inside)] if len(inside) <= FEW else None


def _seek(
    chosen: _Filter,
    ended: list[str] | None,
    sources: Sequence[str] | None,
    kinds: Sequence[str] | None,
) -> None:
    """Few org units, and open records, are sought by index; all else is read newest first.

    Planners without statistics would sort a million rows by an index that hardly narrows them,
    so there the columns of the other indexes are hidden from them.
    """
    hidden = "" if ended else " || ''"
    chosen.one_of(f"r.source{hidden}", sources, "s")
    chosen.one_of(f"r.kind{hidden}", kinds, "k")
    if ended and kinds is None:
        chosen.add("r.kind IN (SELECT record FROM source)")
    chosen.one_of("r.org_unit_done", ended, "d")


def believed(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The tables to read, each with the condition that a row of it is believed."""
    if snapshot.as_of is None:
        return [("record", "1 = 1")]
    cases = " ".join(f"WHEN {text(s.id)} THEN {s.boundary}" for s in snapshot.sources.values())
    b = f"(CASE r.source {cases} ELSE 0 END)" if cases else "0"
    return [
        ("record", f"r.known_at < {b}"),
        ("record_version", f"r.known_at < {b} AND r.superseded_at >= {b}"),
    ]


def _rows(blocks: Iterator[Sequence[Any]]) -> Iterator[tuple]:
    for block in blocks:
        for row in block:
            cells = list(row)
            for at in _TIMES:
                cells[at] = instant_of(cells[at])
            yield tuple(cells)


def _raw(
    snapshot: Snapshot, chosen: _Filter, start: tuple[int, str, str] | None, limit: int | None
) -> Iterator[Sequence[Any]]:
    """The rows, each a tuple or the like."""
    follows = "r.opened_at <= :o"  # even of the first page: it makes planners read the index
    if start:
        follows += " AND (r.opened_at < :o OR r.source > :os OR (r.source = :os AND r.key > :ok))"
    conditions = [*chosen.conditions, follows]
    values = chosen.values | dict(zip(("o", "os", "ok"), start or (FAR, "", ""), strict=True))
    columns = ", ".join(f"r.{name}" for name in COLUMNS)
    parts = [
        f"SELECT {columns} FROM {table} r WHERE {' AND '.join([believed, *conditions])}"
        for table, believed in believed(snapshot)
    ]
    sql = f"{' UNION ALL '.join(parts)} ORDER BY opened_at DESC, source, key"
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    streamed = {"yield_per": BLOCK}
    found = snapshot.connection.execute(sa.text(sql), values, execution_options=streamed)
    if not snapshot.store.sqlite:  # there its result holds rows back that the cursor gave already
        yield from found.partitions(BLOCK)
        return
    cursor: Any = found.cursor  # an object for each row would cost a third of reading it
    while block := cursor.fetchmany(BLOCK):
        yield block


def _count(snapshot: Snapshot, chosen: _Filter) -> int:
    parts = [
        f"SELECT COUNT(*) AS n FROM {table} r WHERE {' AND '.join([believed, *chosen.conditions])}"
        for table, believed in believed(snapshot)
    ]
    sql = f"SELECT CAST(SUM(n) AS BIGINT) FROM ({' UNION ALL '.join(parts)}) AS counted"
    return snapshot.connection.scalar(sa.text(sql), chosen.values) or 0

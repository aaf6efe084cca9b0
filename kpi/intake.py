"""The only door into the store: validates rows, resolves org units, keeps every version.

Rows, watermark and what follows from them commit in one transaction per batch. A row becomes a
record, a reading or a rejection with its reason; nothing is dropped in silence.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.errors import UnknownOrgUnit
from ioc.model import Counts, Reading, Record, Rejection
from ioc.orgunits import POPULATION_GROUP, OrgUnits
from ioc.period import LOCAL, date_of, day_number, day_of, week_start
from ioc.source import Source
from ioc.unitfiles import ROOT
from kpi.records import RECORD_COLUMNS, drop_known, remove, write_records
from kpi.schema import FAR, micros
from kpi.store import KpiStore
from kpi.tally import OBSERVATION

AHEAD = timedelta(minutes=5)
"""How far a source's clock may run ahead of ours before its instants are refused."""
EARLIEST_YEAR = 1990
EARLIEST = datetime(EARLIEST_YEAR, 1, 1, tzinfo=LOCAL)
"""The calendar of the store begins here; an older instant is a slip of the pen."""
HELD_SHARE = 0.2
"""A whole reply that would remove more than this share of a source waits for confirmation."""
_OBSERVATION_COLUMNS = ("element", "org_unit", "day", "value", "changed_at", "run")


@dataclass
class _Taken:
    """Rows of one batch after validation, each with the instant that decides its boundary."""

    records: list[tuple[datetime | None, tuple]] = field(default_factory=list)
    readings: list[tuple[datetime | None, tuple]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    unreadable: bool = False
    old_codes: int = 0


@dataclass
class _Group:
    """What becomes known at one boundary."""

    boundary: int
    records: list[tuple] = field(default_factory=list)
    readings: list[tuple] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def accept(
    store: KpiStore,
    source: Source,
    items: Iterable[Record | Reading | Rejection],
    *,
    run: int,
    cursor: str | None = None,
    whole: bool = False,
    now: datetime | Callable[[], datetime],
) -> Counts:
    """Store one batch and bring every derived table up to it, in one transaction.

    The newest state of a key wins, whatever the order of arrival: an older change is counted as
    ``same``. With ``whole`` the keys that the batch lacks are removed (none, when it has a row
    that nobody could read: it may be any of them), unless that would empty the source or take
    more than a fifth of it: then nothing of the batch is written and ``held`` is set.

    ``now`` may be a clock, which is then read again once the writer's lock is held.

    Returns:
        What happened to the rows; ``read`` counts rejections too.
    """
    taken = _validate(store, source, items, run, _read(now))
    counts = Counts(
        read=len(taken.records) + len(taken.readings) + len(taken.rejections),
        rejected=len(taken.rejections),
        old_codes=taken.old_codes,
    )
    with store.write() as connection:
        now = _read(now)  # under the writer's lock: it may have been waited for
        gone = _absent(connection, source.id, taken) if whole else []
        if whole and _must_hold(connection, source.id, taken.keys, gone):
            counts.held = True
            return counts
        targets: set[str] = set()
        for group in _groups(store, connection, source, taken, gone, now):
            store.refresh.clear(connection)
            _take_records(store, connection, group.records, group.boundary, counts)
            _take_readings(store, connection, group.readings, counts)
            _take_out(store, connection, source.id, group.gone, group.boundary, counts)
            targets |= store.refresh.run(connection, group.boundary)
        kept = _keep_rejections(store, connection, source.id, run, taken.rejections, now)
        _advance(connection, source, cursor, taken)
        if counts.new or counts.changed or counts.gone or kept:
            store.touch(connection, {*targets, f"source:{source.id}"})
    return counts


def _read(clock: datetime | Callable[[], datetime]) -> datetime:
    return clock() if callable(clock) else clock


def _validate(
    store: KpiStore,
    source: Source,
    items: Iterable[Record | Reading | Rejection],
    run: int,
    now: datetime,
) -> _Taken:
    taken = _Taken()
    latest = now + AHEAD
    for item in items:
        if isinstance(item, Rejection):
            taken.rejections.append(item)
            taken.unreadable = True
            continue
        try:
            if isinstance(item, Record):
                taken.keys.add(item.key)
                row, old_code = _record_row(store.orgunits, source.id, item, run, latest)
                taken.records.append((item.changed_at, row))
            else:
                row, old_code = _reading_row(store, item, run, latest)
                taken.readings.append((item.changed_at, row))
            taken.old_codes += old_code
        except (UnknownOrgUnit, ValueError) as error:
            taken.rejections.append(_rejection(item, str(error)))
    return taken


def _record_row(
    orgunits: OrgUnits, source: str, record: Record, run: int, latest: datetime
) -> tuple[tuple, bool]:
    """Columns of ``t_in``, and whether its code is an old one; raises for what may not be said."""
    for at in (record.opened_at, record.closed_at, record.changed_at):
        if at is not None and at > latest:
            raise ValueError("thời điểm nằm trong tương lai")
    if record.opened_at < EARLIEST:
        raise ValueError(f"thời điểm trước năm {EARLIEST_YEAR}")
    if record.closed_at and record.closed_at < record.opened_at:
        raise ValueError("ngày kết thúc trước ngày tiếp nhận")
    for value in (record.quantity, record.lat, record.lon):
        if value is not None and not math.isfinite(value):
            raise ValueError("giá trị không hữu hạn")
    opened_day = day_of(record.opened_at)
    owner = orgunits.resolve(record.org_unit, date_of(opened_day))
    unit = owner.uid
    closed_day = day_of(record.closed_at) if record.closed_at else None
    done = orgunits.at(unit, date_of(closed_day))[0] if closed_day is not None else ""
    place = None
    if record.place:
        place = orgunits.resolve(record.place, date_of(opened_day)).uid
    said = (
        record.kind,
        record.org_unit,
        unit,
        done,
        place,
        micros(record.opened_at),
        micros(record.due_at),
        micros(record.closed_at),
        opened_day,
        closed_day,
        record.state,
        record.category,
        record.channel,
        record.result,
        record.quantity,
        record.lat,
        record.lon,
    )
    row = (source, record.key, *said, micros(record.changed_at), content_hash(said), run)
    return row, owner.old_code


def content_hash(said: Sequence[object]) -> str:
    """SHA-256 of what a record says, its own change time and run left out."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _reading_row(
    store: KpiStore, reading: Reading, run: int, latest: datetime
) -> tuple[tuple, bool]:
    """Columns of ``t_obs``, and whether its code is an old one; raises like ``_record_row``."""
    element = store.catalogue.elements.get(reading.element)
    if element is None or not element.reading:
        raise ValueError(f"không có số liệu khai báo nào mang mã {reading.element!r}")
    if not math.isfinite(reading.value):
        raise ValueError("giá trị không hữu hạn")
    if reading.value < 0:
        raise ValueError("số đếm âm")
    period = reading.period
    if period.starts_at > latest or (reading.changed_at and reading.changed_at > latest):
        raise ValueError("thời điểm nằm trong tương lai")
    if period.starts_at < EARLIEST:
        raise ValueError(f"thời điểm trước năm {EARLIEST_YEAR}")
    owner = store.orgunits.resolve(reading.org_unit, period.end)
    unit = store.orgunits[owner.uid]
    outside = unit.level == "department" and unit.group != POPULATION_GROUP
    if element.serves and (unit.level not in element.serves or outside):
        raise ValueError(f"{unit.name} không thuộc nhóm cơ quan báo số liệu {element.id!r}")
    changed = micros(reading.changed_at)
    row = (element.id, owner.uid, day_number(period.end), float(reading.value), changed, run)
    return row, owner.old_code


def _rejection(item: Record | Reading, reason: str) -> Rejection:
    fields = {"org_unit": item.org_unit}
    if isinstance(item, Record):
        fields |= {"key": item.key, "opened_at": item.opened_at.isoformat()}
        if item.closed_at:
            fields["closed_at"] = item.closed_at.isoformat()
    else:
        fields |= {"element": item.element, "period": item.period.text, "value": str(item.value)}
    said = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    return Rejection(item.position, reason, fields, hashlib.sha256(said.encode()).hexdigest())


def _groups(
    store: KpiStore,
    connection: Connection,
    source: Source,
    taken: _Taken,
    gone: list[str],
    now: datetime,
) -> list[_Group]:
    """The batch cut into boundaries: now, or the weeks of change in a source's first load."""
    if not (taken.records or taken.readings or gone):
        return []
    least = _least_of_load(store, connection, source, taken, now)
    if least is None:
        records = [row for _, row in taken.records]
        readings = [row for _, row in taken.readings]
        return [_Group(store.take_boundary(connection, now), records, readings, gone)]
    latest = max(least, micros(week_start(now)) or 0)
    groups: dict[int, _Group] = {}

    def group(changed: datetime | None) -> _Group:
        week = latest if changed is None else micros(week_start(changed)) or 0
        boundary = min(latest, max(least, week))
        return groups.setdefault(boundary, _Group(boundary))

    for changed, row in taken.records:
        group(changed).records.append(row)
    for changed, row in taken.readings:
        group(changed).readings.append(row)
    if gone:
        group(None).gone = gone
    connection.execute(
        sa.text("UPDATE source SET load_boundary = :at WHERE id = :id"),
        {"at": max(groups), "id": source.id},
    )
    return [groups[boundary] for boundary in sorted(groups)]


def _least_of_load(
    store: KpiStore, connection: Connection, source: Source, taken: _Taken, now: datetime
) -> int | None:
    """The earliest boundary that a first load may still write at; None once it is over.

    Only a first load may speak for the past, and only of elements that nobody else speaks of; a
    seal taken since it began keeps what it showed.
    """
    state = connection.execute(
        sa.text("SELECT first_poll_at, loaded_at, load_boundary FROM source WHERE id = :id"),
        {"id": source.id},
    ).first()
    if state is None or state.loaded_at is not None:
        return None
    reached = state.load_boundary or 0
    sealed = (
        connection.scalar(
            sa.text("SELECT MAX(at) FROM seal WHERE at >= :began"),
            {"began": state.first_poll_at or 0},
        )
        or 0
    )
    if _is_shared(store, connection, source, taken, reached):
        connection.execute(
            sa.text("UPDATE source SET loaded_at = :at WHERE id = :id"),
            {"at": max(micros(now) or 0, sealed + 1), "id": source.id},
        )
        return None
    return max(reached, sealed)


def _is_shared(
    store: KpiStore, connection: Connection, source: Source, taken: _Taken, reached: int
) -> bool:
    """Whether another source spoke of the same elements at a boundary this load has not reached.

    Every observation counts in the root area, so its months tell.
    """
    elements = {row[0] for _, row in taken.readings}
    elements |= {e.id for e in store.catalogue.elements.values() if e.count == source.record}
    if not elements:
        return False
    names = {f"e{i}": element for i, element in enumerate(sorted(elements))}
    found = connection.scalar(
        sa.text(
            "SELECT 1 FROM element e CROSS JOIN month m JOIN rollup x ON x.element = e.id"
            " AND x.period = m.month AND x.org_unit = :root AND x.known_at > :reached"
            f" WHERE e.id IN ({', '.join(':' + name for name in names)}) LIMIT 1"
        ),
        {"root": ROOT, "reached": reached, **names},
    )
    return found is not None


def _newest(rows: Iterable[tuple], key: slice, changed: int) -> list[tuple]:
    """One row a key: the one changed last, and of equals the one that arrived last."""
    kept: dict[tuple, tuple] = {}
    for row in rows:
        held = kept.get(row[key])
        if held is None or (row[changed] or 0) >= (held[changed] or 0):
            kept[row[key]] = row
    return list(kept.values())


def _take_records(
    store: KpiStore, connection: Connection, rows: list[tuple], boundary: int, counts: Counts
) -> None:
    if not rows:
        return
    changed_at = RECORD_COLUMNS.index("changed_at")
    newest = _newest(rows, slice(0, 2), changed_at)
    store.load(connection, "t_in", RECORD_COLUMNS, newest)
    drop_known(connection)
    new, changed = write_records(connection, boundary)
    counts.new += new
    counts.changed += changed
    counts.same += len(rows) - new - changed


def _take_out(
    store: KpiStore,
    connection: Connection,
    source: str,
    gone: list[str],
    boundary: int,
    counts: Counts,
) -> None:
    if not gone:
        return
    store.load(connection, "t_gone", ("source", "key"), [(source, key) for key in gone])
    remove(connection, boundary)
    counts.gone += len(gone)


def _take_readings(
    store: KpiStore, connection: Connection, rows: list[tuple], counts: Counts
) -> None:
    if not rows:
        return
    newest = _newest(rows, slice(0, 3), 4)
    store.load(connection, "t_obs", _OBSERVATION_COLUMNS, newest)
    current = (
        "FROM observation c WHERE c.element = t_obs.element AND c.org_unit = t_obs.org_unit"
        f" AND c.day = t_obs.day AND c.superseded_at = {FAR}"
    )
    sql = connection.exec_driver_sql
    # what is said again is known to hold until then
    sql(
        f"UPDATE observation SET changed_at = t.changed_at FROM t_obs t"
        f" WHERE {OBSERVATION.match('observation', 't')} AND observation.superseded_at = {FAR}"
        " AND observation.value = t.value AND observation.changed_at < t.changed_at"
    )
    sql(f"DELETE FROM t_obs WHERE EXISTS (SELECT 1 {current} AND c.changed_at > t_obs.changed_at)")
    OBSERVATION.keep_changes(connection)
    total = sql("SELECT COUNT(*) FROM t_obs").scalar() or 0
    changed = sql(f"SELECT COUNT(*) FROM t_obs WHERE EXISTS (SELECT 1 {current})").scalar() or 0
    counts.new += total - changed
    counts.changed += changed
    counts.same += len(rows) - total


def _absent(connection: Connection, source: str, taken: _Taken) -> list[str]:
    if taken.unreadable:
        return []
    stored = connection.execute(
        sa.text("SELECT key FROM record WHERE source = :source"), {"source": source}
    ).scalars()
    return [key for key in stored if key not in taken.keys]


def _must_hold(connection: Connection, source: str, keys: set[str], gone: list[str]) -> bool:
    stored = connection.scalar(
        sa.text("SELECT COUNT(*) FROM record WHERE source = :source"), {"source": source}
    )
    return bool(stored) and (not keys or len(gone) > HELD_SHARE * stored)


def _keep_rejections(
    store: KpiStore,
    connection: Connection,
    source: str,
    run: int,
    rejections: list[Rejection],
    now: datetime,
) -> int:
    """Keep what was not refused before for the same reason at the same place; how many that is.

    The reason is part of it: a row of readings may be refused for several figures.
    """
    if not rejections:
        return 0
    at = micros(now)
    rows = [
        (source, run, r.position, r.reason, json.dumps(r.fields, ensure_ascii=False), r.hash, at)
        for r in rejections
    ]
    columns = ("source", "run", "position", "reason", "fields", "hash", "at")
    names = ", ".join(columns)
    connection.exec_driver_sql("DELETE FROM t_rejection")
    store.load(connection, "t_rejection", columns, rows)
    return connection.exec_driver_sql(
        f"INSERT INTO rejection ({names}) SELECT {names} FROM t_rejection t WHERE NOT EXISTS"
        " (SELECT 1 FROM rejection r WHERE r.source = t.source AND r.hash = t.hash"
        " AND r.position = t.position AND r.reason = t.reason)"
    ).rowcount


def _advance(connection: Connection, source: Source, cursor: str | None, taken: _Taken) -> None:
    """Move the watermark in the same transaction as the rows it stands for.

    While a journal is loaded for the first time it covers what it has reached so far.
    """
    changed = [at for at, _ in (*taken.records, *taken.readings) if at is not None]
    until = micros(max(changed)) if changed else None
    values = {"source": source.id, "cursor": cursor, "until": until}
    connection.execute(
        sa.text(
            "INSERT INTO watermark (source, cursor, changed_until)"
            " VALUES (:source, :cursor, :until)"
            " ON CONFLICT (source) DO UPDATE SET"
            " cursor = COALESCE(excluded.cursor, watermark.cursor),"
            " changed_until = CASE WHEN COALESCE(watermark.changed_until, 0) >"
            " COALESCE(excluded.changed_until, 0) THEN watermark.changed_until"
            " ELSE excluded.changed_until END"
        ),
        values,
    )
    if source.record:
        connection.execute(
            sa.text(
                "UPDATE watermark SET covered_until = changed_until WHERE source = :source AND"
                " (SELECT loaded_at FROM source WHERE id = :source) IS NULL"
            ),
            values,
        )

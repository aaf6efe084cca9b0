"""The only door into the store: validates rows, resolves org units, keeps every version.

Rows, watermark and what follows from them commit in one transaction per batch. A row becomes a
record, a reading or a rejection with its reason; nothing is dropped in silence.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.model import Counts, Reading, Record, Rejection
from ioc.source import Source
from kpi.firstload import Group, groups_of
from kpi.given import take_over, weaker
from kpi.records import RECORD_COLUMNS, drop_known, remove, write_records
from kpi.schema import FAR, micros
from kpi.smallness import hushed
from kpi.store import KpiStore
from kpi.tally import OBSERVATION
from kpi.validation import SUSPECTED, Taken, printable, rejection_of

HELD_SHARE = 0.2
"""A whole reply that would remove more than this share of a source waits for confirmation."""
_CHANGED, _HASH = RECORD_COLUMNS.index("changed_at"), RECORD_COLUMNS.index("hash")
_OBSERVATION_COLUMNS = ("element", "org_unit", "day", "value", "changed_at", "run")


def accept(
    store: KpiStore,
    source: Source,
    items: Iterable[Record | Reading | Rejection],
    *,
    run: int,
    cursor: str | None = None,
    whole: bool = False,
    confirmed: bool = False,
    given: bool = False,
    now: datetime | Callable[[], datetime],
) -> Counts:
    """Store one batch and bring every derived table up to it, in one transaction.

    The newest state of a key wins, whatever the order of arrival: an older change is counted as
    ``same``. With ``whole`` the keys that the batch lacks are removed (none, when it has a row
    that nobody could read: it may be any of them), unless that would empty the source or take
    more than a fifth of it: then nothing of the batch is written and ``held`` is set. With
    ``confirmed`` a person said that the source really has lost so much, and it is removed.

    ``given``: a person gave the rows. They are known from now on, move no watermark, remove
    nothing, and give way to what the source itself says later, whenever that changed.

    ``now`` may be a clock, which is then read again once the writer's lock is held.

    Returns:
        What happened to the rows; ``read`` counts rejections too.
    """
    taken = store.rules.validate(source.id, items, run, _read(now))
    refused = sum(r.rule not in SUSPECTED for r in taken.rejections)
    counts = Counts(
        read=len(taken.records) + len(taken.readings) + refused,
        rejected=refused,
        old_codes=taken.old_codes,
    )
    with store.write() as connection:
        now = _read(now)  # under the writer's lock: it may have been waited for
        gone = _absent(connection, source.id, taken, counts) if whole else []
        if whole and not confirmed and _must_hold(connection, source.id, taken, gone):
            counts.held, counts.withheld = True, len(gone)
            return counts
        targets: set[str] = set()
        groups = groups_of(store, connection, source, taken, gone, now, given=given)
        for group in groups:
            store.refresh.clear(connection)
            _take_records(store, connection, group.records, group.boundary, taken, counts)
            _take_readings(store, connection, group, source, taken, counts)
            _take_out(store, connection, source.id, group.gone, group.boundary, counts)
            targets |= store.refresh.run(connection, group.boundary)
        counts.rules = Counter(r.rule for r in taken.rejections if r.rule != "unreadable")
        kept = _keep_rejections(
            store, connection, source.id, run, taken.rejections, now, anew=given
        )
        if not given:
            _advance(connection, source, cursor, taken)
        if counts.new or counts.changed or counts.gone or kept:
            store.touch(connection, {*targets, f"source:{source.id}"})
    return counts


def _read(clock: datetime | Callable[[], datetime]) -> datetime:
    return clock() if callable(clock) else clock


def _newest(
    rows: Iterable[tuple], key: slice, changed: int, said: int
) -> tuple[list[tuple], list[tuple]]:
    """One row a key: the one changed last, and of equals the one that arrived last.

    The second list has the rows that say something else of the very instant of another one.
    """
    kept: dict[tuple, tuple] = {}
    torn = []
    for row in rows:
        held = kept.get(row[key])
        if held is None or (row[changed] or 0) >= (held[changed] or 0):
            kept[row[key]] = row
        if held is not None and row[changed] == held[changed] and row[said] != held[said]:
            torn.append(row)
    return list(kept.values()), torn


def _tell_torn(taken: Taken, position: str, fields: dict[str, str]) -> None:
    reason = "Nghi ngờ: hai dòng cùng khóa, cùng thời điểm, khác nội dung; lấy dòng đến sau"
    taken.rejections.append(rejection_of(position, "duplicate", reason, fields))


def _take_records(
    store: KpiStore,
    connection: Connection,
    rows: list[tuple],
    boundary: int,
    taken: Taken,
    counts: Counts,
) -> None:
    if not rows:
        return
    newest, torn = _newest(rows, slice(0, 2), _CHANGED, _HASH)
    for row in torn:
        _tell_torn(taken, taken.keys[row[1]], {"key": row[1], "org_unit": row[3]})
    store.load(connection, "t_in", RECORD_COLUMNS, newest)
    drop_known(connection)
    new, changed = write_records(connection, boundary)
    counts.new += new
    counts.changed += changed
    counts.same += len(rows) - new - changed
    counts.duplicates += len(rows) - len(newest)


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
    store: KpiStore,
    connection: Connection,
    group: Group,
    source: Source,
    taken: Taken,
    counts: Counts,
) -> None:
    rows = group.readings
    if not rows:
        return
    newest, torn = _newest(rows, slice(0, 3), 4, 3)
    for row in torn:
        fields = {"element": row[0], "org_unit": row[1], "value": str(row[3])}
        _tell_torn(taken, row[-1], fields)
    store.load(connection, "t_obs", _OBSERVATION_COLUMNS, [row[:-1] for row in newest])
    current = (
        "FROM observation c WHERE c.element = t_obs.element AND c.org_unit = t_obs.org_unit"
        f" AND c.day = t_obs.day AND c.superseded_at = {FAR}"
    )
    sql = connection.exec_driver_sql
    older = "c.changed_at > t_obs.changed_at"
    sql(
        f"DELETE FROM t_obs WHERE EXISTS (SELECT 1 {current} AND {older}"
        f" AND NOT {weaker('c', 't_obs')})"
    )
    refused = _refuse_implausible(store, connection, newest, source, taken)
    # what is said again is known to hold until then
    sql(
        f"UPDATE observation SET changed_at = t.changed_at FROM t_obs t"
        f" WHERE {OBSERVATION.match('observation', 't')} AND observation.superseded_at = {FAR}"
        " AND observation.value = t.value AND observation.changed_at < t.changed_at"
        f" AND NOT {weaker('t', 'observation')}"  # a person's date holds back no later word of it
    )
    take_over(connection, group.boundary)
    OBSERVATION.keep_changes(connection)
    total = sql("SELECT COUNT(*) FROM t_obs").scalar() or 0
    changed = sql(f"SELECT COUNT(*) FROM t_obs WHERE EXISTS (SELECT 1 {current})").scalar() or 0
    counts.new += total - changed
    counts.changed += changed
    counts.same += len(rows) - refused - total
    counts.rejected += refused
    counts.duplicates += len(rows) - len(newest)


def _refuse_implausible(
    store: KpiStore, connection: Connection, rows: list[tuple], source: Source, taken: Taken
) -> int:
    """Take out of ``t_obs`` what does not go with other figures; how many that is."""
    positions = {row[:3]: row[-1] for row in rows}
    found = store.plausibility.look(connection, source.readings or {}, positions, taken.refused)
    taken.rejections += found.told
    for element, org_unit, day in found.refused:
        connection.execute(
            sa.text("DELETE FROM t_obs WHERE element = :e AND org_unit = :u AND day = :d"),
            {"e": element, "u": org_unit, "d": day},
        )
    return len(found.refused)


def _absent(connection: Connection, source: str, taken: Taken, counts: Counts) -> list[str]:
    """Keys that a whole reply lacks; they are only counted where a row's key was not readable."""
    stored = connection.execute(
        sa.text("SELECT key FROM record WHERE source = :source"), {"source": source}
    ).scalars()
    gone = [key for key in stored if key not in taken.keys]
    if taken.unreadable:
        counts.withheld = len(gone)
        return []
    return gone


def _must_hold(connection: Connection, source: str, taken: Taken, gone: list[str]) -> bool:
    stored = connection.scalar(
        sa.text("SELECT COUNT(*) FROM record WHERE source = :source"), {"source": source}
    )
    return bool(stored) and (not taken.keys or len(gone) > HELD_SHARE * stored)


def _keep_rejections(
    store: KpiStore,
    connection: Connection,
    source: str,
    run: int,
    rejections: list[Rejection],
    now: datetime,
    *,
    anew: bool,
) -> int:
    """Keep what was not refused before for the same reason at the same place; how many that is.

    The reason is part of it: a row of readings may be refused for several figures. ``anew``: each
    run tells all of its own, for whoever gave the file.
    """
    if not rejections:
        return 0
    at = micros(now)
    elements = store.catalogue.elements
    rows = [
        (source, run, printable(r.position), r.reason, _written(_keyed(r)), r.hash, at, r.rule)
        for r in (hushed(said, elements) for said in rejections)
    ]
    columns = ("source", "run", "position", "reason", "fields", "hash", "at", "rule")
    names = ", ".join(columns)
    connection.exec_driver_sql("DELETE FROM t_rejection")
    store.load(connection, "t_rejection", columns, rows)
    return connection.exec_driver_sql(
        f"INSERT INTO rejection ({names}) SELECT {names} FROM t_rejection t WHERE NOT EXISTS"
        " (SELECT 1 FROM rejection r WHERE r.source = t.source AND r.hash = t.hash"
        f" AND r.position = t.position AND r.reason = t.reason{' AND r.run = t.run' * anew})"
    ).rowcount


def _keyed(said: Rejection) -> dict[str, str]:
    """The fields of a rejection, with the key of its record where that was read."""
    return {"key": said.key, **said.fields} if said.key else said.fields


def _written(fields: dict[str, str]) -> str:
    return printable(json.dumps(fields, ensure_ascii=False))


def _advance(connection: Connection, source: Source, cursor: str | None, taken: Taken) -> None:
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

"""A full rebuild: every version of every record and reading replayed through the one refresh."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from kpi import schema
from kpi.given import take_over
from kpi.records import RECORD_COLUMNS, remove, write_records
from kpi.schema import FAR
from kpi.store import KpiStore
from kpi.thinning import thin

DERIVED = ("observation", "member", "rollup", "standing")
"""Tables that follow from what the sources said."""
_ALL = ", ".join(RECORD_COLUMNS)
_SAME = 1e-9
"""Sums of fractions may be added in another order: so much of a value is no difference."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A rebuild that was tried and undone: boundaries replayed, rows that differ, some in words."""

    boundaries: int
    differences: int
    some: tuple[str, ...]


def rebuild(store: KpiStore) -> int:
    """Derive everything again from record versions and readings, in one transaction.

    Returns:
        The number of boundaries replayed.
    """
    with store.write() as connection:
        return replay_all(store, connection)


def check(store: KpiStore, now: datetime | None = None, most: int = 20) -> Checked:
    """Try a rebuild and undo it; what it would change of what may still be asked for.

    Versions that thinning deletes are left out on both sides. Nothing is written, but the
    writer's lock is held for as long as a rebuild takes.
    """
    at = now or right_now()
    with store.rehearse() as trial, trial.write() as connection:
        thin(trial, at)
        for name in DERIVED:
            keys = ", ".join(_quoted(schema.metadata.tables[name].primary_key.columns))
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE was_{name} AS SELECT * FROM {name}")
            connection.exec_driver_sql(f"CREATE UNIQUE INDEX was_{name}_key ON was_{name} ({keys})")
        replayed = replay_all(trial, connection)
        thin(trial, at)
        found = list(_differences(connection, most))
    return Checked(
        replayed, sum(many for many, _ in found), tuple(one for _, some in found for one in some)
    )


def _differences(connection: Connection, most: int) -> Iterator[tuple[int, list[str]]]:
    """Of each table and kind of difference how many rows, and the first of them in words."""
    for name in DERIVED:
        columns = schema.metadata.tables[name].columns
        keys = _quoted(column for column in columns if column.primary_key)
        match = " AND ".join(f"n.{key} = w.{key}" for key in keys)
        differs = " OR ".join(_differs(column) for column in columns if not column.primary_key)
        w = ", ".join(f"w.{key}" for key in keys)
        n = ", ".join(f"n.{key}" for key in keys)
        gone, made = (
            f"NOT EXISTS (SELECT 1 FROM {other} WHERE {match})" for other in
            (f"{name} n", f"was_{name} w")
        )  # fmt: skip
        for what, told, rows in (
            ("thừa", w, f"FROM was_{name} w WHERE {gone}"),
            ("thiếu", n, f"FROM {name} n WHERE {made}"),
            ("khác giá trị", n, f"FROM {name} n JOIN was_{name} w ON {match} WHERE {differs}"),
        ):
            many = connection.scalar(sa.text(f"SELECT COUNT(*) {rows}")) or 0
            if many:
                some = connection.execute(sa.text(f"SELECT {told} {rows} LIMIT {most:d}")).all()
                yield many, [f"{name} {' '.join(map(str, row))}: {what}" for row in some]


def _differs(column: sa.Column) -> str:
    """The condition that a column says something else before (w) and after (n)."""
    (name,) = _quoted([column])
    if isinstance(column.type, sa.Double | sa.REAL):
        return (
            f"(n.{name} IS NULL) <> (w.{name} IS NULL) OR ABS(n.{name} - w.{name})"
            f" > {_SAME} * (ABS(n.{name}) + ABS(w.{name}))"
        )
    return f"n.{name} IS DISTINCT FROM w.{name}"


def _quoted(columns: Iterable[sa.Column]) -> list[str]:
    """Names as SQL takes them: one of them is a word of SQL."""
    return [f'"{column.name}"' for column in columns]


def replay_all(store: KpiStore, connection: Connection) -> int:
    """``rebuild`` inside a transaction that is already open."""
    _set_aside(connection)
    for table in (*DERIVED, "record", "record_version"):
        connection.exec_driver_sql(f"DELETE FROM {table}")
    boundaries = connection.exec_driver_sql(
        "SELECT known_at FROM all_records UNION SELECT superseded_at FROM all_records"
        f" WHERE superseded_at < {FAR} UNION SELECT known_at FROM all_readings UNION"
        f" SELECT superseded_at FROM all_readings WHERE superseded_at < {FAR} ORDER BY 1"
    ).scalars()
    replayed = 0
    targets: set[str] = set()
    for boundary in list(boundaries):
        store.refresh.clear(connection)
        _replay(connection, boundary)
        targets |= store.refresh.run(connection, boundary)
        replayed += 1
    for name in ("all_records", "all_readings"):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    store.touch(connection, targets)
    return replayed


def _set_aside(connection: Connection) -> None:
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE all_records AS SELECT {_ALL}, version, known_at, superseded_at"
        f" FROM record_version UNION ALL SELECT {_ALL}, version, known_at, {FAR} FROM record"
    )
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE all_readings AS SELECT * FROM observation WHERE run IS NOT NULL"
    )
    for table in ("all_records", "all_readings"):
        for column in ("known_at", "superseded_at"):
            connection.exec_driver_sql(f"CREATE INDEX {table}_{column} ON {table} ({column})")


def _replay(connection: Connection, boundary: int) -> None:
    """Bring in what became known at a boundary, and take out what ended there without successor."""
    connection.exec_driver_sql(
        f"INSERT INTO t_in ({_ALL}) SELECT {_ALL} FROM all_records WHERE known_at = {boundary}"
    )
    write_records(connection, boundary)
    connection.exec_driver_sql(
        "INSERT INTO t_gone (source, key) SELECT a.source, a.key FROM all_records a"
        f" WHERE a.superseded_at = {boundary} AND NOT EXISTS (SELECT 1 FROM all_records b"
        f" WHERE b.source = a.source AND b.key = a.key AND b.known_at = {boundary})"
    )
    remove(connection, boundary)
    connection.exec_driver_sql(
        "INSERT INTO t_obs (element, org_unit, day, value, changed_at, run)"
        " SELECT element, org_unit, day, value, changed_at, run FROM all_readings"
        f" WHERE known_at = {boundary}"
    )
    take_over(connection, boundary)

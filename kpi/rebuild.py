"""A full rebuild: every version of every record and reading replayed through the one refresh."""

from sqlalchemy import Connection

from kpi.given import take_over
from kpi.records import RECORD_COLUMNS, remove, write_records
from kpi.schema import FAR
from kpi.store import KpiStore

_ALL = ", ".join(RECORD_COLUMNS)


def rebuild(store: KpiStore) -> int:
    """Derive everything again from record versions and readings, in one transaction.

    Returns:
        The number of boundaries replayed.
    """
    with store.write() as connection:
        return replay_all(store, connection)


def replay_all(store: KpiStore, connection: Connection) -> int:
    """``rebuild`` inside a transaction that is already open."""
    _set_aside(connection)
    for table in ("observation", "member", "rollup", "standing", "record", "record_version"):
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

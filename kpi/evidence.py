"""Does the store still say what it was told: rows per table, hashes of versions, recounts."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.errors import IocError
from kpi import migrate, schema
from kpi.records import SAID, matches
from kpi.schema import FAR
from kpi.store import KpiStore
from kpi.tally import observe_sql


def counted(connection: Connection) -> dict[str, int]:
    """Rows of every table."""
    return {
        name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for name, table in sorted(schema.metadata.tables.items())
        if sa.inspect(connection).has_table(name)
    }


def altered(connection: Connection, most: int | None = None) -> Iterator[str]:
    """Versions of records that no longer have the hash they were stored with, by their keys.

    ``most``: look at so many of each table only, those of the greatest keys.
    """
    columns = ", ".join(SAID)
    for table in ("record", "record_version"):
        sql = f"SELECT source, key, version, hash, {columns} FROM {table}"
        if most is not None:
            sql += f" ORDER BY source DESC, key DESC LIMIT {most:d}"
        found = connection.execute(sa.text(sql), execution_options={"yield_per": 2000})
        for source, key, version, kept, *said in found:
            if not matches(said, kept):
                yield f"{source}/{key} (bản {version})"


def miscounted(store: KpiStore, most: int = 200) -> list[str]:
    """Days whose counts differ from a fresh count of their records, among a sample of them.

    Counts in the temporary tables of a transaction that is undone; holds the writer's lock for
    as long as that takes.
    """
    with store.writer.connect() as connection, connection.begin() as transaction:
        store.refresh.clear(connection)
        for at, org_unit, day in (
            ("opened_at", "org_unit", "opened_day"),
            ("closed_at", "org_unit_done", "closed_day"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO t_touch (kind, at, org_unit, day)"
                f" SELECT kind, '{at}', {org_unit}, {day} FROM record WHERE {day} IS NOT NULL"
                f" GROUP BY kind, {org_unit}, {day} ORDER BY {day} DESC LIMIT {most:d}"
            )
        for statement in observe_sql(store.catalogue):
            connection.exec_driver_sql(statement)
        found = connection.exec_driver_sql(
            "SELECT t.element, t.org_unit, t.day, COALESCE(t.value, 0), COALESCE(o.value, 0)"
            " FROM t_obs t"
            " LEFT JOIN observation o ON o.element = t.element AND o.org_unit = t.org_unit"
            f" AND o.day = t.day AND o.superseded_at = {FAR}"
            " WHERE COALESCE(t.value, 0) <> COALESCE(o.value, 0) ORDER BY 1, 2, 3"
        ).all()
        transaction.rollback()
    return [
        f"{e} {unit} ngày {day}: đếm {n:g}, đang ghi {kept:g}" for e, unit, day, n, kept in found
    ]


def missummed(connection: Connection, most: int = 500) -> list[str]:
    """Months of leaves that differ from the sum of their days, among the newest of them."""
    found = connection.exec_driver_sql(
        "SELECT r.element, r.org_unit, r.period, r.value FROM (SELECT r.* FROM rollup r"
        " JOIN element e ON e.id = r.element AND e.over_time = 'sum'"
        " AND e.over_units <> 'distinct'"
        " WHERE r.superseded_at = " + str(FAR) + " AND EXISTS (SELECT 1 FROM observation o"
        " WHERE o.element = r.element AND o.org_unit = r.org_unit) AND r.period > 9999"
        f" ORDER BY r.period DESC, r.element, r.org_unit LIMIT {most:d}) r"
        " JOIN month m ON m.month = r.period WHERE r.value <> COALESCE((SELECT SUM(o.value)"
        " FROM observation o WHERE o.element = r.element AND o.org_unit = r.org_unit"
        f" AND o.day BETWEEN m.first_day AND m.last_day AND o.superseded_at = {FAR}), 0)"
    ).all()
    return [f"{element} {unit} kỳ {period}: {value}" for element, unit, period, value in found]


def proved(connection: Connection) -> dict[str, Any]:
    """What a database holds: schema, data version, rows of each table, all hashes right.

    Raises:
        IocError: a stored version no longer has its hash.
    """
    if wrong := next(altered(connection), None):
        raise IocError(f"bản ghi {wrong} không còn đúng mã băm: bản sao này hỏng")
    return {
        "kind": connection.dialect.name,
        "schema": migrate.revision(connection),
        "version": connection.scalar(sa.text("SELECT MAX(version) FROM boundary")) or 0,
        "rows": counted(connection),
    }


def refuse_difference(restored: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Raise where a restored database is not what its backup said."""
    for name in ("schema", "version", "rows"):
        if restored[name] != manifest[name]:
            raise IocError(f"bản khôi phục không khớp bản kê ({name}); không thay đổi gì")

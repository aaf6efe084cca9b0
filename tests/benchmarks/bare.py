"""The floor of intake: one table like ``record``, upserted by the driver in batches.

The same columns, key, indexes and settings, and nothing else: no checks, hash, versions or sums.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from ioc.model import Record
from kpi import schema, validation
from kpi.records import RECORD_COLUMNS
from kpi.store import KpiStore

COLUMNS = (*RECORD_COLUMNS, "known_at", "version")


class Bare:
    """The bare table in the database of a store, beside the product's own tables."""

    def __init__(self, store: KpiStore):
        self._store = store
        table = schema.record.to_metadata(sa.MetaData(), name="bare")
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        for index in indexes:
            index.name = f"bare_{index.name}"
        with store.write() as connection:
            connection.execute(CreateTable(table))
            for index in indexes:
                connection.execute(CreateIndex(index))
        mark = "?" if store.sqlite else "%s"
        sets = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])
        self._sql = (
            f"INSERT INTO bare ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"
            f" ON CONFLICT (source, key) DO UPDATE SET {sets}"
        )

    def rows(self, source: str, records: list[Record]) -> list[tuple]:
        """Records as the tuples that the table takes: made beforehand, outside the clock."""
        latest = (
            max(record.changed_at for record in records if record.changed_at) + validation.AHEAD
        )
        units = self._store.orgunits
        taken = (validation.record_row(units, source, record, 1, latest)[0] for record in records)
        return [(*row, 1, 1) for row in taken]

    def upsert(self, rows: list[tuple]) -> None:
        """One transaction of one executemany."""
        with self._store.write() as connection:
            raw: Any = connection.connection.driver_connection
            if self._store.sqlite:
                raw.executemany(self._sql, rows)
            else:
                with raw.cursor() as cursor:
                    cursor.executemany(self._sql, rows)

"""A sector's own database with one view, on any of the three that we read."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ioc.config import Lined
from ioc.period import LOCAL
from ioc.source import Source
from tests.fields import source_of

START = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FIELDS = {"org_unit": "ma_xa", "opened_at": "ngay_nhan", "changed_at": "cap_nhat"}


class Sector:
    """A table ``ho_so`` and the view ``v_ho_so`` of it, with a name that nobody may read."""

    def __init__(self, url: str):
        self.url = url
        self.engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        self.dialect = self.engine.dialect.name
        instant: Any = sa.DateTime(timezone=True)
        instant = instant.with_variant(mysql.DATETIME(fsp=6), "mysql")
        instant = instant.with_variant(sa.String(40), "sqlite")
        self.table = sa.Table(
            "ho_so",
            sa.MetaData(),
            sa.Column("ma", sa.String(40)),
            sa.Column("ma_xa", sa.String(20)),
            sa.Column("ngay_nhan", instant),
            sa.Column("cap_nhat", instant),
            sa.Column("trang_thai", sa.String(20)),
            sa.Column("ho_ten", sa.String(80)),
        )
        self.table.create(self.engine)
        self.run("CREATE VIEW v_ho_so AS SELECT * FROM ho_so")

    def run(self, *statements: str) -> None:
        """The sector's own work."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def put(self, *rows: dict[str, Any]) -> None:
        """Insert rows of ``row``."""
        with self.engine.begin() as connection:
            connection.execute(self.table.insert(), [self._stored(row) for row in rows])

    def change(self, key: str, **values: Any) -> None:
        """Change one row."""
        with self.engine.begin() as connection:
            where = self.table.c.ma == key
            connection.execute(self.table.update().where(where).values(**self._stored(values)))

    def remove(self, *keys: str) -> None:
        """Delete rows."""
        with self.engine.begin() as connection:
            connection.execute(self.table.delete().where(self.table.c.ma.in_(keys)))

    def _stored(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: self._time(value) for name, value in row.items()}

    def _time(self, value: Any) -> Any:
        if not isinstance(value, datetime) or self.dialect == "postgresql":
            return value
        local = value.astimezone(LOCAL).replace(tzinfo=None)
        return local if self.dialect == "mysql" else local.isoformat(" ", "microseconds")


def row(key: str | None, changed: datetime | None = START, **others: Any) -> dict[str, Any]:
    """One case of commune 19207."""
    told = {"ma": key, "ma_xa": "19207", "ngay_nhan": START, "cap_nhat": changed}
    return {**told, "trang_thai": "xong", "ho_ten": "Nguyễn Thị Mẫu", **others}


def many(count: int, start: int = 0, step: timedelta = SECOND) -> list[dict[str, Any]]:
    """Rows a second apart, or of one instant."""
    return [row(f"H{i:04d}", START + i * step) for i in range(start, start + count)]


def view_source(url: str, options: dict[str, Any] | None = None, **entries: Any) -> Source:
    """The source that reads the view, ten rows a page; an option of None is taken away."""
    given: dict[str, Any] = {
        "id": "nguon_thu",
        "name": "Cơ sở dữ liệu thử",
        "kind": "sql",
        "url": url,
        "owner": "VPUB",
        "every": "60s",
        "serves": ["commune"],
        "key": "ma",
        "record": "dossier",
        "fields": Lined(FIELDS),
    }
    said = {"view": "v_ho_so", "changed": "cap_nhat", "size": 10, **(options or {})}
    given["options"] = Lined({name: value for name, value in said.items() if value is not None})
    return source_of(**(given | entries))


def keys_of(batches: Iterable[Any]) -> list[str]:
    """The keys in the order in which they came."""
    return [found["ma"] for batch in batches for found in batch.rows]

"""The KPI store: the one place where writers and readers meet, on SQLite or PostgreSQL.

``write()`` is one transaction under the writer's lock; ``read()`` is one snapshot. A boundary is
an instant of *our* clock taken under that lock; ``seal()`` makes a boundary that thinning keeps.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.orgunits import OrgUnits
from ioc.period import day_number, minute_start
from kpi import schema, standings
from kpi.catalogue import Catalogue
from kpi.elements import Element
from kpi.kept import Kept
from kpi.plausibility import Plausibility
from kpi.refresh import TEMPORARY, Refresh
from kpi.schema import FAR, instant_of, micros
from kpi.validation import Rules

log = logging.getLogger(__name__)
LOCK = 7_204_459
"""The advisory lock that makes PostgreSQL's writers one."""

OLDEST_SQLITE = (3, 51, 3)


class KpiStore:
    """A database, the catalogue that gives it meaning, and the org units it is summed over."""

    def __init__(self, url: str, catalogue: Catalogue, orgunits: OrgUnits):
        self.url = url
        self.catalogue = catalogue
        self.orgunits = orgunits
        self.reader, self.writer = engines(url)
        self.sqlite = self.writer.dialect.name == "sqlite"
        self.refresh = Refresh(catalogue)
        self.rules = Rules(catalogue, orgunits)
        self.plausibility = Plausibility(catalogue)
        self.kept = Kept()
        self.guards: tuple[Callable[[Connection], None], ...] = ()
        self._trial: Connection | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that holds the writer's lock from its first statement."""
        if self._trial is not None:
            yield self._trial
            return
        with self.writer.begin() as connection:
            self._lock(connection)
            for guard in self.guards:
                guard(connection)
            yield connection

    def guarded(self, guard: Callable[[Connection], None]) -> "KpiStore":
        """The same store for a writer that may lose its right: ``guard`` sees every transaction.

        It runs under the writer's lock, before anything is written, and raises to refuse.
        """
        made = copy(self)
        made.guards = (*self.guards, guard)
        return made

    @contextmanager
    def rehearse(self) -> Iterator["KpiStore"]:
        """The same store for a trial: its writes follow one another and are all undone."""
        made = copy(self)
        with self.writer.connect() as made._trial, made._trial.begin() as transaction:
            self._lock(made._trial)
            yield made
            transaction.rollback()

    def _lock(self, connection: Connection) -> None:
        if not self.sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot; writing through it is refused by the database."""
        with self.reader.connect() as connection, connection.begin():
            yield connection

    def version(self) -> int:
        """The version of the newest commit that changed an answer."""
        with self.read() as connection:
            return connection.scalar(sa.text("SELECT version FROM boundary WHERE id = 1")) or 0

    def topics(self) -> dict[str, int]:
        """Topic (a target id, ``source:<id>``, ``wall``) to the version that last touched it."""
        with self.read() as connection:
            return dict(connection.execute(sa.text("SELECT name, version FROM topic")).all())

    def seal(self, now: datetime, reason: str = "export") -> datetime:
        """A new instant whose answers stay readable for ever, byte for byte.

        Lies after every boundary so far, so that everything committed is visible at it and
        nothing written later is.
        """
        with self.write() as connection:
            last = self.last_boundary(connection)
            at = max(micros(now) or 0, last + 1)
            connection.execute(
                sa.text("INSERT INTO seal (at, reason) VALUES (:at, :reason)"),
                {"at": at, "reason": reason},
            )
        sealed = instant_of(at)
        assert sealed is not None
        return sealed

    def last_boundary(self, connection: Connection) -> int:
        """The newest boundary or seal in microseconds; 0 in an empty store."""
        return (
            connection.scalar(
                sa.text(
                    "SELECT MAX(at) FROM (SELECT at FROM boundary UNION ALL"
                    " SELECT MAX(at) FROM seal) AS both_clocks"
                )
            )
            or 0
        )

    def take_boundary(self, connection: Connection, now: datetime) -> int:
        """The boundary of a write that happens now: never before a seal or an earlier one."""
        at = max(micros(minute_start(now)) or 0, self.last_boundary(connection))
        connection.execute(sa.text("UPDATE boundary SET at = :at WHERE id = 1"), {"at": at})
        return at

    def touch(self, connection: Connection, topics: Iterable[str]) -> int:
        """A new data version, stored with each of the topics that it touched."""
        connection.execute(sa.text("UPDATE boundary SET version = version + 1 WHERE id = 1"))
        version = connection.scalar(sa.text("SELECT version FROM boundary WHERE id = 1"))
        rows = [{"name": name, "version": version} for name in sorted({*topics, "wall"})]
        connection.execute(
            sa.text(
                "INSERT INTO topic (name, version) VALUES (:name, :version)"
                " ON CONFLICT (name) DO UPDATE SET version = excluded.version"
            ),
            rows,
        )
        assert version is not None
        return version

    def load(
        self, connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple]
    ) -> None:
        """Bulk insert by the driver's fastest way (executemany, or COPY)."""
        if not rows:
            return
        raw: Any = connection.connection.driver_connection
        names = ", ".join(columns)
        driver: Any = connection.dialect.loaded_dbapi
        try:
            if self.sqlite:
                marks = ", ".join("?" * len(columns))
                raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
                return
            with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as into:
                for row in rows:
                    into.write_row(row)
        except driver.Error as error:
            raise DBAPIError.instance(f"load {table}", None, error, driver.Error) from error

    def close(self) -> None:
        """Return every connection."""
        self.reader.dispose()
        self.writer.dispose()

    def publish(self, now: datetime | None = None) -> None:
        """Write catalogue, org units and calendar where SQL can join them. Idempotent.

        Where what is counted has changed under stored records, everything derived is built
        again in the same transaction: a new element must not show zeros for its past. Where only
        what is divided for a target has, or a target was added, its standings are: the sums stay.
        """
        with self.write() as connection:
            recounted, judged = _publish(self, connection, now or right_now())
            if not connection.scalar(sa.text("SELECT 1 FROM rollup LIMIT 1")):
                return
            if recounted:
                from kpi.rebuild import replay_all

                log.warning("định nghĩa đã đổi: dựng lại toàn bộ số liệu từ bản ghi đã lưu")
                replay_all(self, connection)
            elif judged:
                log.warning(
                    "công thức đã đổi: tính lại mức đạt của %s",
                    ", ".join(sorted(map("/".join, judged))),
                )
                self.touch(connection, standings.renew_of(connection, judged))


def open_store(
    url: str, catalogue: Catalogue, orgunits: OrgUnits, *, migrate: bool = True
) -> KpiStore:
    """The store at ``url``, brought to today's schema and given today's catalogue.

    Raises:
        IocError: the SQLite library is too old, or the database cannot be reached or prepared.
    """
    url = url.replace("sqlite+pysqlite:", "sqlite:", 1)
    if url.startswith("sqlite:///"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IocError(f"không tạo được thư mục {folder}: {error.strerror}") from error
        with suppress(OSError):  # there already, or said below when it is opened
            file = url.removeprefix("sqlite:///").partition("?")[0]
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    store = KpiStore(url, catalogue, orgunits)
    if migrate:
        from kpi.migrate import upgrade

        try:
            if store.sqlite:
                _refuse_damaged(store)
            upgrade(store.writer)
            store.publish()
        except DBAPIError as error:
            store.close()
            name = sa.make_url(url).render_as_string(hide_password=True)
            raise IocError(f"không mở được kho số liệu {name}: {_why(error)}") from error
        except IocError:
            store.close()
            raise
    return store


def _refuse_damaged(store: KpiStore) -> None:
    """Raise before anything is read from or written to a file whose pages do not fit together."""
    with store.read() as connection:
        found = connection.scalar(sa.text("PRAGMA quick_check(1)"))
    if found != "ok":
        raise IocError(f"kho số liệu {store.url} bị hỏng ({found}); {_RESTORE}")


_RESTORE = "hãy khôi phục bản sao lưu gần nhất: ioc restore TỆP --replace"
_REASONS = {
    "malformed": f"tệp bị hỏng; {_RESTORE}",
    "not a database": f"tệp bị hỏng; {_RESTORE}",
    "readonly": "không ghi được vào tệp hoặc thư mục (chỉ đọc, hoặc sai quyền)",
    "unable to open": "không mở được tệp (sai quyền, hoặc thư mục chỉ đọc)",
    "disk is full": "đĩa đã đầy",
    "disk I/O": "đĩa không đọc hoặc ghi được (đầy, hoặc hỏng)",
    "locked": "một tiến trình khác đang giữ khóa ghi",
}


def _why(error: DBAPIError) -> str:
    """What a database said, in words that help; else only the name of its error."""
    said = str(error.orig)
    return next((why for part, why in _REASONS.items() if part in said), type(error.orig).__name__)


def _publish(
    store: KpiStore, connection: Connection, now: datetime
) -> tuple[bool, set[tuple[str, str]]]:
    """Whether what is counted differs from what was published before, and which (target,
    indicator) are judged by something else than then."""
    recounted = False
    judged: set[tuple[str, str]] = set()
    catalogue, orgunits = store.catalogue, store.orgunits
    published: dict[str, list[tuple]] = {
        "org_unit": [
            (u.uid, u.code, u.name, u.level, u.group or "", *_days(u.opened, u.closed))
            for u in orgunits.values()
        ],
        "closure": sorted(set(orgunits.closure())),
        "month": [_month(index) for index in range(1990 * 12, 2061 * 12)],
        "element": [
            (e.id, e.over_time, e.over_units, e.silence, _defined(e))
            for e in catalogue.elements.values()
        ],
        "judged": [
            (
                j.target,
                j.indicator,
                j.numerator,
                j.denominator,
                int(j.by_year),
                j.cut_year,
                j.cut_month,
                j.first,
                j.last,
            )
            for j in catalogue.judged()
        ],
    }
    for name, rows in published.items():
        table = schema.metadata.tables[name]
        columns = [column.name for column in table.columns]
        stored = [tuple(row) for row in connection.execute(sa.select(table))]
        if sorted(stored) != sorted(rows):
            recounted |= bool(stored) and name in ("element", "closure")
            if stored and name == "judged":
                judged = {(row[0], row[1]) for row in {*stored} ^ {*rows}}
            connection.execute(sa.delete(table))
            store.load(connection, name, columns, rows)
    connection.execute(
        sa.text(
            "INSERT INTO definition_version (definition, indicator, yaml, at)"
            " VALUES (:definition, :indicator, :yaml, :at) ON CONFLICT (definition) DO NOTHING"
        ),
        [
            {"definition": definition, "indicator": id, "yaml": text, "at": micros(now)}
            for id, definition, text in catalogue.texts()
        ],
    )
    connection.execute(
        sa.text(
            "INSERT INTO boundary (id, at, version) VALUES (1, 0, 1) ON CONFLICT (id) DO NOTHING"
        )
    )
    return recounted, judged


def _defined(element: Element) -> str:
    """All that decides what an element counts, its words left out."""
    said = {name: getattr(element, name) for name in ("count", "at", "distinct", "serves")}
    return json.dumps({**said, "where": dict(element.where)}, sort_keys=True)


def _days(opened: date | None, closed: date | None) -> tuple[int, int]:
    return (
        day_number(opened) if opened else 0,
        day_number(closed) if closed else day_number(date(9999, 12, 31)),
    )


def _month(index: int) -> tuple[int, int, int, int]:
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return index, index // 12, day_number(first), day_number(following - timedelta(days=1))


def engines(url: str) -> tuple[Engine, Engine]:
    """A reader, to which the database refuses every write, and a writer."""
    return _sqlite_engines(url) if url.startswith("sqlite") else _postgresql_engines(url)


def _sqlite_engines(url: str) -> tuple[Engine, Engine]:
    try:
        from pysqlite3 import dbapi2 as driver
    except ImportError:  # no wheel for this machine: the system's library, if new enough
        import sqlite3 as driver
    if driver.sqlite_version_info < OLDEST_SQLITE:
        raise IocError(
            f"thư viện SQLite {driver.sqlite_version} quá cũ, cần từ 3.51.3;"
            " hãy dùng PostgreSQL (IOC_DATABASE_URL)"
        )
    url = url.replace("sqlite:", "sqlite+pysqlite:", 1)

    def engine(begin: str, pragma: str) -> Engine:
        made = sa.create_engine(
            url,
            module=driver,
            poolclass=sa.pool.QueuePool,
            pool_size=8,
            max_overflow=120,
            connect_args={"check_same_thread": False, "timeout": 30, "cached_statements": 256},
        )

        @event.listens_for(made, "connect")
        def _configure(raw: Any, _record: object) -> None:
            raw.isolation_level = None
            for statement in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
                raw.execute(f"PRAGMA {statement}")
            raw.execute("PRAGMA cache_size=-65536")
            raw.execute("PRAGMA temp_store=MEMORY")
            if begin == "BEGIN IMMEDIATE":
                raw.executescript(TEMPORARY.replace(" ON COMMIT DELETE ROWS", ""))
            raw.execute(f"PRAGMA {pragma}")

        @event.listens_for(made, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return made

    return engine("BEGIN", "query_only=1"), engine("BEGIN IMMEDIATE", "foreign_keys=0")


def _postgresql_engines(url: str) -> tuple[Engine, Engine]:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    reader = sa.create_engine(
        url, pool_size=16, max_overflow=48, pool_pre_ping=True, isolation_level="REPEATABLE READ"
    )
    writer = sa.create_engine(url, pool_size=2, max_overflow=8, pool_pre_ping=True)
    patience = "30s"  # of a writer for its lock, as on SQLite

    @event.listens_for(reader, "connect")
    def _read_only(raw: Any, _record: object) -> None:
        raw.read_only = True

    @event.listens_for(writer, "connect")
    def _temporary(raw: Any, _record: object) -> None:
        raw.execute("SET client_min_messages = warning")
        raw.execute(f"SET lock_timeout = '{patience}'")
        raw.execute(TEMPORARY)
        raw.commit()

    return reader, writer


__all__ = ["FAR", "KpiStore", "engines", "open_store"]

"""A sector database behind our door: selects only, each in a read-only transaction of its own.

A statement ends at the deadline of its request: by the database's own limit, and by cutting the
connection from here where the network or the server does not answer.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from connectors import dberrors, drivers
from connectors.credentials import Login
from connectors.dberrors import Asked
from connectors.door import Door
from connectors.drivers import Cut, Where
from connectors.wire import TimedOut
from ioc.errors import Broken, IocError, NeedsCredentials

STEP = 0.25  # seconds between two looks at the clock
SHARE = 0.9  # of the time that remains is the server's: it ends a statement before we cut it off
AT_ONCE = 500  # rows that a driver fetches in one go
MEGABYTE = 1 << 20


class _Driver(NamedTuple):
    """How SQLAlchemy names it, its port, and our own functions for it."""

    dialect: str
    port: int
    open: Callable[[Where, Door, Callable[[], float], Callable[[Cut], None]], Any]
    limit: Callable[[sa.Connection, float], None]
    meaning: Callable[[BaseException, Asked], IocError]


_SQLITE = _Driver(
    "sqlite+pysqlite", 0, drivers.open_sqlite, drivers.limit_sqlite, dberrors.sqlite_meaning
)
_POSTGRESQL = _Driver(
    "postgresql+psycopg",
    5432,
    drivers.open_postgresql,
    drivers.limit_postgresql,
    dberrors.postgresql_meaning,
)
_MYSQL = _Driver(
    "mysql+pymysql", 3306, drivers.open_mysql, drivers.limit_mysql, dberrors.mysql_meaning
)
_DRIVERS = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "postgresql+psycopg": _POSTGRESQL,
    "mysql": _MYSQL,
    "mysql+pymysql": _MYSQL,
    "mariadb": _MYSQL,
    "mariadb+pymysql": _MYSQL,
}


def refuse_database(url: str) -> None:
    """Broken for an address that is none of a database which we read."""
    _read(url)


def _read(url: str) -> tuple[_Driver, sa.URL]:
    try:
        found = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise Broken("địa chỉ cơ sở dữ liệu không hợp lệ") from None
    driver = _DRIVERS.get(found.drivername)
    if driver is None:
        raise Broken(f"chỉ đọc được {', '.join(sorted(_DRIVERS))}, không phải “{found.drivername}”")
    if found.query:
        raise Broken("địa chỉ cơ sở dữ liệu không kèm tham số (?…); TLS khai ở options")
    if not found.database or found.database == ":memory:" or bool(found.host) == (not driver.port):
        raise Broken("địa chỉ cơ sở dữ liệu thiếu máy chủ, tên cơ sở dữ liệu hoặc tệp")
    return driver, found


def login_of(url: str) -> Login:
    """The user and password that stand in an address, empty where none do."""
    found = _read(url)[1]
    return Login(found.username or "", str(found.password or ""))


class Database:
    """The database of one source, opened with its first statement and again after a failure."""

    def __init__(
        self,
        url: str,
        login: Login,
        remaining: Callable[[], float],
        *,
        tls: str | None = None,
        zone: tzinfo | None = None,
    ):
        self._driver, found = _read(url)
        self._remaining = remaining
        host, port = found.host or "", found.port or self._driver.port
        self._where = Where(found.database or "", host, port, login, tls, zone)
        if host and not self._where.login.user:
            raise NeedsCredentials("nguồn chưa khai tài khoản đọc: auth: basic")
        self._door = Door([(self._driver.dialect, host, port)] if host else [], remaining)
        self._engine = sa.create_engine(
            f"{self._driver.dialect}://", creator=self._create, poolclass=sa.pool.NullPool
        )
        self._connection: sa.Connection | None = None
        self._cut: Cut | None = None

    def rows(self, statement: sa.Select, most: int, cap: int) -> tuple[list[dict[str, Any]], bytes]:
        """All rows of a select as plain values, and what they weigh, as one text.

        Raises:
            Broken: more rows or bytes than allowed; the view or a column is not there.
            Transient: not reachable, locked; ``TimedOut`` when time has run out.
        """
        asked = _asked(statement)
        try:
            with self._watched():
                return self._fetched(statement, most, cap)
        except DBAPIError as error:
            self.drop()
            if self._remaining() <= 0:
                raise TimedOut("câu hỏi chạy quá thời hạn") from None
            raise self._driver.meaning(error.orig or error, asked) from None
        except BaseException:
            self.drop()
            raise

    def _fetched(
        self, statement: sa.Select, most: int, cap: int
    ) -> tuple[list[dict[str, Any]], bytes]:
        if self._connection is None:
            self._connection = self._engine.connect()
        self._driver.limit(self._connection, SHARE * self._remaining())
        names = [str(name) for name in statement.selected_columns.keys()]  # noqa: SIM118
        found = self._connection.execute(
            statement, execution_options={"stream_results": True, "yield_per": AT_ONCE}
        )
        rows: list[dict[str, Any]] = []
        told = bytearray()
        for part in found.partitions():
            for values in part:
                row = dict(zip(names, map(plain, values), strict=True))
                told += json.dumps(list(row.values()), ensure_ascii=False, default=str).encode()
                rows.append(row)
            if len(rows) > most:
                raise Broken(f"khung nhìn có hơn {most} dòng, vượt giới hạn")
            if len(told) > cap:
                raise Broken(f"phản hồi quá lớn, vượt {cap / MEGABYTE:.3g} MB")
            if self._remaining() <= 0:
                raise TimedOut("quá thời hạn tổng của một lần đọc")
        self._connection.rollback()
        return rows, bytes(told)

    def drop(self) -> None:
        """End the connection, whatever it is doing; the next statement opens another."""
        connection, cut = self._connection, self._cut
        self._connection = self._cut = None
        if cut is not None:
            cut()
        if connection is not None:
            with contextlib.suppress(DBAPIError, OSError):
                connection.invalidate()
            with contextlib.suppress(DBAPIError, OSError):
                connection.close()

    def _create(self) -> Any:
        return self._driver.open(self._where, self._door, self._remaining, self._hold)

    def _hold(self, cut: Cut) -> None:
        self._cut = cut

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Cut the connection when time runs out, or the process is asked to end."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(STEP):
                if self._remaining() <= 0 and (cut := self._cut) is not None:
                    cut()
                    return

        threading.Thread(target=watch, daemon=True, name="database deadline").start()
        try:
            yield
        finally:
            done.set()


def _asked(statement: sa.Select) -> Asked:
    [view] = statement.get_final_froms()
    assert isinstance(view, sa.TableClause)
    return Asked(view.fullname, tuple(column.name for column in view.columns))


def plain(value: Any) -> Any:
    """A driver's value as our mapping reads it: text, number, date or time."""
    match value:
        case None | str() | float() | date():  # a datetime is a date
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case time() | timedelta():
            return str(value)
        case dict() | list():
            return value
    return str(value)

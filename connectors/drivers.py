"""How each kind of database is opened so that nothing can be written.

Credentials, address and deadline are always given in full: no variable of the environment, no
service or password file of this machine has a say. A driver is loaded with its first source.
"""

import socket
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from os import dup
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from connectors.credentials import Login
from connectors.dberrors import PLAIN_PASSWORD
from connectors.door import CONNECT_SECONDS, Door
from ioc.errors import Transient

LOCK_SECONDS = 5.0  # how long a statement waits for somebody's lock before it is tried again


@dataclass(frozen=True, slots=True)
class Where:
    """One database: its file, or host and name; ``zone`` is that of times without an offset."""

    name: str
    host: str
    port: int
    login: Login
    tls: str | None = None
    """The file of the authority that signs the server, "" for those of the system, None: no TLS."""
    zone: tzinfo | None = None


Cut = Callable[[], None]
"""Ends, from another thread, whatever a connection waits for; given as soon as there is one."""


def open_sqlite(
    where: Where, door: Door, remaining: Callable[[], float], hold: Callable[[Cut], None]
) -> Any:
    """A file, read only, that no function of its own views may use to reach elsewhere."""
    patience = max(0.1, min(LOCK_SECONDS, remaining()))
    connection = sqlite3.connect(
        f"file:{quote(where.name)}?mode=ro",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,  # each page is read in a thread of its own, one after another
    )
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")

    def cut() -> None:
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile
            connection.interrupt()

    hold(cut)
    return connection


def limit_sqlite(connection: sa.Connection, seconds: float) -> None:
    """SQLite has no limit of its own: whoever watches the clock interrupts it."""


def open_postgresql(
    where: Where, door: Door, remaining: Callable[[], float], hold: Callable[[Cut], None]
) -> Any:
    """A session in which every transaction is read only and sees one state of the data."""
    import psycopg

    addresses = door.addresses(where.host, where.port, min(CONNECT_SECONDS, remaining()))
    connection = psycopg.connect(
        host=",".join([where.host] * len(addresses)),  # the name that a certificate must bear
        hostaddr=",".join(addresses),
        port=where.port,
        dbname=where.name,
        user=where.login.user,
        password=where.login.password,
        passfile="/nonexistent",
        options="",
        client_encoding="utf8",
        gssencmode="disable",
        **_postgresql_tls(where.tls),
        connect_timeout=int(CONNECT_SECONDS),
        application_name="ioc",
    )
    hold(_shut(connection))
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    connection.execute(f"SET lock_timeout = {_ms(LOCK_SECONDS)}".encode())
    connection.commit()
    return connection


def _postgresql_tls(authority: str | None) -> dict[str, str]:
    if authority is None:  # no password that could be overheard
        return {"sslmode": "disable", "require_auth": "!password"}
    return {"sslmode": "verify-full", "sslrootcert": authority or "system"}


def limit_postgresql(connection: sa.Connection, seconds: float) -> None:
    """Let the server itself end the next statement."""
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_ms(seconds)}")


def open_mysql(
    where: Where, door: Door, remaining: Callable[[], float], hold: Callable[[Cut], None]
) -> Any:
    """The same for MariaDB and MySQL; times of either type come in the source's own zone."""
    import pymysql

    wire = _dialled(where, door, remaining)
    shut = _shut(wire)
    hold(shut)
    connection = pymysql.connect(
        host=where.host,
        port=where.port,
        user=where.login.user,
        password=where.login.password,
        database=where.name,
        charset="utf8mb4",
        ssl=None if where.tls is None else ssl.create_default_context(cafile=where.tls or None),
        ssl_disabled=where.tls is None,
        local_infile=False,
        auth_plugin_map={} if where.tls is not None else dict.fromkeys(_IN_CLEAR, _Refusal),
        autocommit=False,
        defer_connect=True,
    )
    connection.connect(wire)

    def cut() -> None:
        shut()
        if (result := connection._result) is not None:
            result.unbuffered_active = False  # nobody reads the rest of it: not its end either

    hold(cut)
    ahead = datetime.now(where.zone).strftime("%z")
    lock = int(LOCK_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute(f"SET innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}")
        cursor.execute(f"SET time_zone = '{ahead[:3]}:{ahead[3:]}'")
    return connection


_IN_CLEAR = ("mysql_clear_password", "dialog")


class _Refusal:
    """Answers a server that asks for the password as it is: anybody on the way could read it."""

    def __init__(self, connection: Any):
        pass

    def authenticate(self, packet: Any) -> None:
        from pymysql.err import OperationalError

        raise OperationalError(PLAIN_PASSWORD, "plain password")


def limit_mysql(connection: sa.Connection, seconds: float) -> None:
    """Let the server itself end the next statement; MySQL has another name for it."""
    if getattr(connection.dialect, "is_mariadb", False):
        connection.exec_driver_sql(f"SET max_statement_time = {max(0.001, seconds):.3f}")
    else:
        connection.exec_driver_sql(f"SET max_execution_time = {_ms(seconds)}")


def _dialled(where: Where, door: Door, remaining: Callable[[], float]) -> socket.socket:
    for address in door.addresses(where.host, where.port, min(CONNECT_SECONDS, remaining())):
        with suppress(OSError):
            patience = max(0.1, min(CONNECT_SECONDS, remaining()))
            return socket.create_connection((address, where.port), patience)
    raise Transient(f"{where.host}: không kết nối được")


def _shut(open_: Any) -> Cut:
    """The end of the socket of a connection that is open, whoever holds it meanwhile."""
    wire = socket.socket(fileno=dup(open_.fileno()))

    def cut() -> None:
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
        wire.close()

    return cut


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))

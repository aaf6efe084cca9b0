"""Tokens that open a door: 32 random bytes, of which only the SHA-256 is ever stored."""

import hashlib
import secrets
from typing import Any

import sqlalchemy as sa

from kpi.store import KpiStore

MINUTE = 60_000_000
"""A minute in microseconds: how often being seen is noted."""
_PATIENCE = 50  # milliseconds
_LONGEST = 200


def new() -> str:
    """A new token for an address or a cookie."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token; nothing that was sent can make it fail."""
    return hashlib.sha256(token[:_LONGEST].encode(errors="replace")).hexdigest()


def note_seen(store: KpiStore, table: str, key: str, value: Any, at: int) -> bool:
    """Write down that somebody was here, unless the writer's lock is held just now.

    A page must not wait for a poll that writes: whoever comes again is noted then.
    """
    sql = sa.text(f"UPDATE {table} SET seen_at = :at WHERE {key} = :value")
    try:
        if store.sqlite:
            return _brief(store, sql, {"at": at, "value": value})
        with store.writer.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}ms'")
            connection.execute(sql, {"at": at, "value": value})
    except sa.exc.DBAPIError:
        return False
    return True


def _brief(store: KpiStore, sql: sa.TextClause, values: dict[str, Any]) -> bool:
    """One statement on SQLite that gives up where another one writes."""
    raw: Any = store.writer.raw_connection()
    driver: Any = store.writer.dialect.loaded_dbapi
    try:
        raw.driver_connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        raw.driver_connection.execute(str(sql), values)  # in a transaction of its own
    except driver.OperationalError:
        return False
    finally:
        raw.driver_connection.execute("PRAGMA busy_timeout = 30000")
        raw.close()
    return True

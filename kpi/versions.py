"""Versions of a value: what was believed when, written so that a closed instant never changes.

Within one boundary a version is rewritten, and removed if the value returns; a later boundary
closes the old version and opens a new one. Both versioned tables go through this one door.
"""

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy import Connection

from kpi.schema import FAR

_DAY, _OFFSET = 86_400_000_000, 25_200_000_000


def last_midnight(column: str) -> str:
    """The last local midnight at or before the instant in a column."""
    return f"((({column} + {_OFFSET}) / {_DAY}) * {_DAY} - {_OFFSET})"


def following_midnight(instant: int) -> int:
    """The first local midnight after an instant in microseconds."""
    return ((instant + _OFFSET) // _DAY + 1) * _DAY - _OFFSET


@dataclass(frozen=True)
class Versioned:
    """One versioned table, its key, and the temporary table that brings new values to it.

    A NULL ``value`` in the temporary table means that nothing is there any more: the current
    version is closed without a successor, for an absent row is not a zero.
    """

    table: str
    incoming: str
    key: tuple[str, ...]
    compared: tuple[str, ...]
    carried: tuple[str, ...] = ()

    def keep_changes(self, connection: Connection) -> None:
        """Drop incoming rows that say what is already believed."""
        connection.execute(_statements(self)[0])

    def apply(self, connection: Connection, boundary: int) -> None:
        """Make the incoming values the current ones as of ``boundary``."""
        for statement in _statements(self)[1:]:
            connection.execute(statement, {"b": boundary})

    def match(self, alias: str, other: str) -> str:
        """The condition that two aliases name the same key."""
        return " AND ".join(f"{alias}.{name} = {other}.{name}" for name in self.key)


@cache
def _statements(of: Versioned) -> list[sa.TextClause]:
    """The five statements of one table, composed once so that drivers can keep them prepared."""
    names = ", ".join(of.key)
    keys = ", ".join(f"t.{name}" for name in of.key)
    same = " AND ".join(f"c.{name} = {of.incoming}.{name}" for name in of.compared)
    differs = " OR ".join(f"{of.table}.{name} <> t.{name}" for name in of.compared)
    columns = (*of.compared, *of.carried)
    current = f"SELECT 1 FROM {of.table} c WHERE {of.match('c', of.incoming)}"
    current += f" AND c.superseded_at = {FAR}"
    return [
        sa.text(
            f"DELETE FROM {of.incoming} WHERE (value IS NOT NULL AND EXISTS ({current} AND {same}))"
            f" OR (value IS NULL AND NOT EXISTS ({current}))"
        ),
        # undo what this very boundary had written for these keys
        sa.text(
            f"DELETE FROM {of.table} WHERE ({names}, known_at) IN"
            f" (SELECT {keys}, CAST(:b AS BIGINT) FROM {of.incoming} t)"
        ),
        # what this boundary had closed may be believed again
        sa.text(
            f"UPDATE {of.table} SET superseded_at = {FAR} WHERE superseded_at = :b"
            f" AND ({names}, known_at) IN (SELECT {keys}, (SELECT MAX(x.known_at)"
            f" FROM {of.table} x WHERE {of.match('x', 't')} AND x.known_at < :b)"
            f" FROM {of.incoming} t)"
        ),
        sa.text(
            f"UPDATE {of.table} SET superseded_at = :b FROM {of.incoming} t"
            f" WHERE {of.match(of.table, 't')} AND {of.table}.superseded_at = {FAR}"
            f" AND (t.value IS NULL OR {differs})"
        ),
        sa.text(
            f"INSERT INTO {of.table} ({names}, known_at, superseded_at, {', '.join(columns)})"
            f" SELECT {keys}, CAST(:b AS BIGINT), {FAR}, {', '.join('t.' + c for c in columns)}"
            f" FROM {of.incoming} t WHERE t.value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
            f" {of.table} c WHERE {of.match('c', 't')} AND c.superseded_at = {FAR})"
        ),
    ]

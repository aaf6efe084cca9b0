"""Messages between a broker that has been told they are safe and the store that holds them.

An SQLite file in the data folder, synced before anything is acknowledged. A row leaves it once the
store's watermark has passed its number; the hash of its message id stays for a while, so that the
same message is known when it comes again. Nothing is written here but declared fields
(``connectors.sieve``).
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ioc.errors import Broken, Transient

REMEMBERED = timedelta(days=14)  # a message that comes again after so long is taken as new
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY, id BLOB UNIQUE, row TEXT, unfit TEXT, kept_at REAL NOT NULL
);
"""


class Entry(NamedTuple):
    """A row to be kept, the id of its message, and why it is none (Vietnamese)."""

    row: Mapping[str, Any]
    id: str | None = None
    unfit: str = ""


class Kept(NamedTuple):
    """A row that waits, with its number."""

    number: int
    row: dict[str, Any]
    unfit: str


class Spool:
    """The messages of one source; safe to use from one thread after another."""

    def __init__(self, path: Path):
        self._path = path
        with self._translated():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = sqlite3.connect(path, timeout=10, check_same_thread=False)
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute("PRAGMA secure_delete = ON")
            self._file.executescript(_SCHEMA)
            with self._file:
                self._default("id", secrets.token_hex(8))
                self._default("last", "0")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def id(self) -> str:
        """What tells this file from another one that took its place."""
        return self._meta("id")

    @property
    def last(self) -> int:
        """The highest number ever given."""
        return int(self._meta("last"))

    @property
    def topics(self) -> tuple[str, ...]:
        """What the broker's session is subscribed to, as far as we know."""
        return tuple(json.loads(self._meta("topics") or "[]"))

    def subscribed(self, topics: Iterable[str]) -> None:
        """Remember what the session is subscribed to."""
        with self._translated(), self._file:
            self._set("topics", json.dumps(list(topics)))

    def keep(self, entries: Iterable[Entry], now: datetime) -> int:
        """Write rows, synced when this returns; how many were known already.

        Numbers are given under the file's write lock: another process may keep rows too.
        """
        known = 0
        with self._translated(), self._file:
            self._file.execute("BEGIN IMMEDIATE")
            number = self.last
            for row, id_, unfit in entries:
                taken = self._file.execute(
                    "INSERT INTO message VALUES (?, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING",
                    (
                        number + 1,
                        id_ and self._hash(id_),
                        json.dumps(row, ensure_ascii=False),
                        unfit,
                        now.timestamp(),
                    ),
                ).rowcount
                number += taken
                known += 1 - taken
            self._set("last", str(number))
        return known

    def waiting(self) -> int:
        """How many rows wait."""
        with self._translated():
            found = self._file.execute("SELECT COUNT(*) FROM message WHERE row IS NOT NULL")
            return found.fetchone()[0]

    def rows(self, after: int, most: int) -> list[Kept]:
        """The next rows after a number, in the order in which they came."""
        with self._translated():
            found = self._file.execute(
                "SELECT number, row, unfit FROM message WHERE number > ? AND row IS NOT NULL"
                " ORDER BY number LIMIT ?",
                (after, most),
            ).fetchall()
        return [Kept(number, json.loads(row), unfit) for number, row, unfit in found]

    def drop(self, until: int, now: datetime) -> None:
        """Rows up to a number are stored: forget them, and ids that are old enough."""
        with self._translated(), self._file:
            sql = self._file.execute
            sql("UPDATE message SET row = NULL WHERE number <= ? AND row IS NOT NULL", (until,))
            forgotten = (now - REMEMBERED).timestamp()
            sql(
                "DELETE FROM message WHERE row IS NULL AND (id IS NULL OR kept_at < ?)",
                (forgotten,),
            )

    def forget(self) -> None:
        """The store begins anew: what comes again is not known any more."""
        with self._translated(), self._file:
            self._file.execute("DELETE FROM message WHERE row IS NULL")

    def _hash(self, id_: str) -> bytes:
        return hashlib.blake2b(id_.encode(), key=self.id.encode(), digest_size=16).digest()

    def _meta(self, name: str) -> str:
        with self._translated():
            found = self._file.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def _default(self, name: str, value: str) -> None:
        self._file.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))

    def _set(self, name: str, value: str) -> None:
        self._file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:
            raise Transient(f"bộ đệm {self._path.name} không đọc hoặc ghi được") from None
        except (sqlite3.DatabaseError, json.JSONDecodeError):
            raise Broken(f"bộ đệm {self._path.name} bị hỏng: cần người xem lại") from None
        except OSError as error:
            raise Transient(f"bộ đệm {self._path.name}: {error.strerror}") from None

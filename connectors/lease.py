"""One process schedules: a row with a fence says which, and every write of a poll proves it.

Nobody compares the clocks of two machines, and none may be set back: a lease has run out when its
row stood still for as long as it lasts, by the monotonic clock of whoever watches it. Who takes it
raises the fence; a writer with an older fence is refused, however long it slept.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from ioc.clock import right_now, speed
from ioc.errors import Transient
from kpi.health import LEASE
from kpi.schema import micros
from kpi.store import KpiStore


class Fenced(Transient):
    """Another process schedules by now: nothing of this transaction is written."""


class Lease:
    """Our side of the lease; ``fence`` is 0 while it is not ours."""

    def __init__(
        self, store: KpiStore, seconds: float, clock: Callable[[], float] = time.monotonic
    ):
        self.seconds, self.fence = seconds, 0
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._store, self._clock = store, clock
        self._seen: Row | None = None
        self._since, self._begins = 0.0, True

    def hold(self) -> bool:
        """Renew the lease, or take it when it is free; whether it is ours now."""
        if self.fence:
            try:
                with self._store.write() as connection:
                    self.guard(connection)
            except Fenced:
                self.fence = 0
            return self.fence > 0
        with self._store.read() as connection:
            found = _row(connection)
        return self._is_free(found) and self._take(found)

    def guard(self, connection: Connection) -> None:
        """Refuse a write under an older fence; one under ours also renews the lease."""
        if not self._store.sqlite:  # a frozen holder must not keep the writer's lock
            patience = f"{round(self.seconds * 1000)}ms"
            connection.execute(
                sa.text("SELECT set_config('idle_in_transaction_session_timeout', :ms, true)"),
                {"ms": patience},
            )
        renewed = connection.execute(
            sa.text("UPDATE lease SET expires_at = :at WHERE name = :name AND fence = :fence"),
            {"at": self._ends(), "name": LEASE, "fence": self.fence},
        )
        if not renewed.rowcount:
            raise Fenced("một tiến trình khác đang thu thập; lần này không ghi gì")

    def release(self) -> None:
        """Give the lease back, so that nobody waits for it to run out."""
        with self._store.write() as connection:
            connection.execute(
                sa.text("UPDATE lease SET expires_at = 0 WHERE name = :name AND fence = :fence"),
                {"name": LEASE, "fence": self.fence},
            )
        self.fence = 0

    def _is_free(self, found: Row | None) -> bool:
        begins, self._begins = self._begins, False
        if found is None or not found.expires_at:
            return True
        if found != self._seen:
            self._seen, self._since = found, self._clock()
        # once, when we begin, its own date is believed: after a power cut nobody is there
        if begins and found.expires_at < (micros(right_now()) or 0):
            return True
        return self._clock() - self._since >= self.seconds

    def _take(self, found: Row | None) -> bool:
        with self._store.write() as connection:
            if _row(connection) != found:  # somebody was faster, or its holder lives
                return False
            fence = connection.scalar(
                sa.text(
                    "INSERT INTO lease (name, holder, fence, expires_at)"
                    " VALUES (:name, :holder, 1, :at) ON CONFLICT (name) DO UPDATE SET"
                    " holder = excluded.holder, fence = lease.fence + 1,"
                    " expires_at = excluded.expires_at RETURNING fence"
                ),
                {"name": LEASE, "holder": self.holder, "at": self._ends()},
            )
        self.fence = fence or 0
        return True

    def _ends(self) -> int | None:
        return micros(right_now() + timedelta(seconds=self.seconds) * speed())


def _row(connection: Connection) -> Row | None:
    return connection.execute(
        sa.text("SELECT holder, fence, expires_at FROM lease WHERE name = :name"), {"name": LEASE}
    ).first()

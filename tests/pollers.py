"""Whole polling processes that tests kill and freeze, and what must hold of the store afterwards.

Children come from a fork server that has loaded the product once: a poller starts in a moment.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from connectors import schedule
from connectors.poller import poll
from ioc.orgunits import OrgUnits
from kpi import health
from kpi.catalogue import load_catalogue
from kpi.store import KpiStore, open_store
from tests.fields import rest_source

LEASE = 2.0
_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload([__name__])


@cache
def _words() -> tuple[Any, OrgUnits]:
    return load_catalogue(), OrgUnits.load()


def _schedule(url: str, sources: list[dict[str, Any]], folder: Path) -> None:
    store = open_store(url, *_words(), migrate=False)
    settings = SimpleNamespace(data=folder, secret_key_file=None, lease=LEASE)
    schedule.run(store, [rest_source(**entry) for entry in sources], settings)


def _polls(url: str, sources: list[dict[str, Any]], folder: Path) -> None:
    store = open_store(url, *_words(), migrate=False)
    settings = SimpleNamespace(data=folder, secret_key_file=None)
    for entry in sources:
        source = rest_source(**entry)
        health.publish_sources(store, [source])
        poll(store, source, settings)


class Poller:
    """One process on the store: the schedule of ``ioc poll``, or (``once``) one poll of each."""

    def __init__(
        self, url: str, sources: list[dict[str, Any]], folder: Path, *, once: bool = False
    ):
        work = _polls if once else _schedule
        self._process = _children.Process(target=work, args=(url, sources, folder), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id, as it stands in the holder of the lease."""
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 60) -> int | None:
        """Its exit code, once it has ended."""
        self._process.join(seconds)
        return self._process.exitcode

    def end(self) -> None:
        """Leave nothing behind, whatever the test found."""
        if self._process.is_alive():
            self.signal(signal.SIGKILL)
        self._process.join(10)

    def freeze(self, store: KpiStore) -> None:
        """Stop it where it does not hold SQLite's lock."""
        freeze(self.pid, store)


def freeze(pid: int, store: KpiStore) -> None:
    """Stop a process where it does not hold SQLite's lock: nobody could write while it does."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        if not store.sqlite or _is_free(store):
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)


def _is_free(store: KpiStore) -> bool:
    raw = store.writer.raw_connection()  # of the product's own library: two of them in one
    cursor = raw.cursor()  # process would take each other's locks away
    try:
        cursor.execute("PRAGMA busy_timeout = 200")
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("ROLLBACK")
    except store.writer.dialect.loaded_dbapi.OperationalError:
        return False
    finally:
        cursor.execute("PRAGMA busy_timeout = 30000")
        raw.close()
    return True


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something to be true; what it said."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return found


def leading(store: KpiStore, pollers: Iterable[Poller]) -> Poller | None:
    """The one of these that holds the lease."""
    found = health.leader(store)
    pid = int(found.holder.split(":")[1]) if found else 0
    return next((each for each in pollers if each.pid == pid), None)


def runs(store: KpiStore) -> int:
    """How many runs have ended."""
    return _number(store, "SELECT COUNT(*) FROM poll_run WHERE ended_at IS NOT NULL")


def doubles(store: KpiStore) -> int:
    """How many slots have more than one run: must be none."""
    return _number(
        store,
        "SELECT COUNT(*) FROM (SELECT 1 FROM poll_run WHERE slot IS NOT NULL"
        " GROUP BY source, slot HAVING COUNT(*) > 1) AS x",
    )


def partial(store: KpiStore) -> int:
    """By how much rows and watermark disagree, where a cursor counts rows: must be none."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT CAST(COALESCE(w.cursor, '0') AS INTEGER), (SELECT COUNT(*) FROM record r"
                " WHERE r.source = w.source) FROM watermark w"
            )
        ).all()
    return sum(abs(cursor - stored) for cursor, stored in found)


def _number(store: KpiStore, query: str) -> int:
    with store.read() as connection:
        return connection.scalar(sa.text(query)) or 0

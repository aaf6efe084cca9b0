"""Polls every source at its own pace, in one process that ends cleanly and with its parent.

Of several such processes on one store only the holder of the lease polls. APScheduler waits by the
wall clock and its thread may die: what is due is asked of a steady clock, and a scheduler that does
not beat is replaced.
"""

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from connectors.lease import Fenced, Lease
from connectors.packs import Desk
from connectors.term import Polled, Term
from ioc.source import Source
from kpi.store import KpiStore

log = logging.getLogger(__name__)
PATIENCE = 2.0  # seconds that the end waits for a store that does not answer
TURNS = 10  # looks at the lease while it lasts: who watches it is late by one of them at most


def run(
    store: KpiStore,
    sources: Sequence[Source],
    settings: Any,
    *,
    parent_fd: int | None = None,
    stop: threading.Event | None = None,
    polled: Polled = lambda run: None,
    packs: Desk | None = None,
) -> None:
    """Poll until SIGTERM, SIGINT, ``stop``, or until the parent's end of the pipe closes.

    A source never overlaps itself: a turn that comes while its poll still runs is left out.
    Each has a thread of its own, so a hung one delays no other. ``polled`` is told each run.
    ``packs``: what leaves by itself; none where nobody draws it.
    """
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    office = Office(store, sources, settings, polled, packs)
    try:
        _wait(stop or threading.Event(), parent_fd, office.watch)
    finally:
        office.close()


class Office:
    """Stands for the lease, polls while it is held, and mends what stands still."""

    def __init__(
        self,
        store: KpiStore,
        sources: Sequence[Source],
        settings: Any,
        polled: Polled,
        packs: Desk | None = None,
    ):
        self._store, self._sources, self._packs = store, sources, packs
        self._settings, self._polled = settings, polled
        self._lease = Lease(store, settings.lease)
        self._term: Term | None = None
        self._ended = threading.Event()
        self._keeper = self._kept()

    def watch(self) -> None:
        """Bring back what has died or stands still; asked four times a second."""
        if not self._keeper.is_alive():
            self._keeper = self._kept()
        term = self._term
        if term is not None and term.stands_still():
            log.warning("bộ lập lịch đứng yên hoặc đồng hồ bị chỉnh: lập lại lịch")
            term.rebuild()

    def close(self) -> None:
        """End what is under way and give the lease back."""
        self._ended.set()
        self._keeper.join(PATIENCE)
        if self._term is not None:
            self._term.end()
        if self._lease.fence:
            with suppress(SQLAlchemyError):
                self._lease.release()

    def _kept(self) -> threading.Thread:
        keeper = threading.Thread(target=self._keep, daemon=True, name="lease")
        keeper.start()
        return keeper

    def _keep(self) -> None:
        """Hold the lease as long as we may; without the store nothing changes but our patience."""
        failing = False
        while not self._ended.is_set():
            try:
                self._turn()
                failing = False
            except (SQLAlchemyError, Fenced) as error:
                if not failing:
                    log.warning("chưa giữ được quyền thu thập (%s)", type(error).__name__)
                failing = True
            self._ended.wait(self._lease.seconds / TURNS)

    def _turn(self) -> None:
        held = self._lease.hold()
        if self._term is not None and not held:
            log.warning("một tiến trình khác đã nhận việc thu thập; tiến trình này chờ")
            self._term.stop()
            self._term = None
        if held and self._term is None:
            guarded = self._store.guarded(self._lease.guard)
            term = Term(guarded, self._sources, self._settings, self._polled, self._packs)
            if not self._ended.is_set():
                term.begin()
                self._term = term


def _wait(stop: threading.Event, parent: int | None, watch: Callable[[], None]) -> None:
    """Until a signal, ``stop``, or the parent is gone: also when it was killed, its pipe closes.

    Handlers only write to a pipe: setting an Event that the same thread waits for can deadlock.
    """
    awake, wake = os.pipe()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.write(wake, b"."))
    watched = [awake] if parent is None else [awake, parent]
    while not stop.is_set():
        ready, _, _ = select.select(watched, [], [], 0.25)
        if awake in ready or (parent in ready and not os.read(parent, 64)):
            return
        watch()

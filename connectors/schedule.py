"""Polls every source at its own pace, in one process that ends cleanly and with its parent."""

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from connectors.poller import poll
from ioc.source import Source
from kpi import health
from kpi.store import KpiStore
from kpi.thinning import thin

log = logging.getLogger(__name__)
THINNING = "thinning"
"""Every hour: versions that nobody can ask for any more are deleted."""
STAGGER = 0.2  # seconds between first polls: they do not all start in one instant


def run(
    store: KpiStore,
    sources: Sequence[Source],
    settings: Any,
    *,
    parent_fd: int | None = None,
    stop: threading.Event | None = None,
    polled: Callable[[dict[str, Any]], None] = lambda run: None,
) -> None:
    """Poll until SIGTERM, SIGINT, ``stop``, or until the parent's end of the pipe closes.

    A source never overlaps itself: a tick that comes while its poll still runs is left out.
    Each has a thread of its own, so a hung one delays no other. ``polled`` is told each run.
    """
    stop = stop or threading.Event()
    health.publish_sources(store, list(sources))
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(len(sources) + 1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone=UTC,
    )

    def job(source: Source) -> None:
        if stop.is_set():
            return
        ended = poll(store, source, settings, stop=stop)
        if ended["wait"] and not stop.is_set():
            _postpone(scheduler, source, ended["wait"])
        polled(ended)

    for number, source in enumerate(sources):
        scheduler.add_job(
            job,
            trigger(source.every),
            (source,),
            id=source.id,
            next_run_time=datetime.now(UTC) + timedelta(seconds=number * STAGGER),
        )
    scheduler.add_job(
        lambda: thin(store, datetime.now(UTC)), "cron", id=THINNING, minute=17, timezone=UTC
    )
    scheduler.start()
    try:
        _wait(stop, parent_fd)
    finally:
        stop.set()
        scheduler.shutdown(wait=True)


def trigger(every: timedelta) -> IntervalTrigger:
    """When to poll next: never later than promised, and from a minute on up to a tenth earlier."""
    seconds = every.total_seconds()
    jitter = min(seconds / 20, 15) if seconds >= 60 else 0
    return IntervalTrigger(seconds=seconds - jitter, jitter=jitter or None, timezone=UTC)


def _postpone(scheduler: BackgroundScheduler, source: Source, seconds: float) -> None:
    """Leave a source alone for as long as it asked (Retry-After)."""
    wait = max(seconds, source.every.total_seconds())
    try:
        scheduler.modify_job(source.id, next_run_time=datetime.now(UTC) + timedelta(seconds=wait))
    except JobLookupError:
        return


def _wait(stop: threading.Event, parent: int | None) -> None:
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

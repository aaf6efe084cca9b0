"""One term of polling: from taking the lease until it is lost, or the process ends."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import SQLAlchemyError

from connectors.credentials import fingerprint
from connectors.packs import Desk
from connectors.poller import poll, poll_given
from connectors.slots import Slots, Steady
from ioc.clock import right_now, speed
from ioc.errors import ConfigError, Transient
from ioc.source import Source
from kpi import editions, health, requests
from kpi.foresight import foresee
from kpi.store import KpiStore
from kpi.thinning import thin

log = logging.getLogger(__name__)
Polled = Callable[[dict[str, Any]], None]
STAGGER = 0.2  # seconds between first polls: they do not all start in one instant
THINNING = timedelta(hours=1)  # versions that nobody can ask for any more are deleted
FORESEEN = timedelta(minutes=1)  # forecasts that are missing are made, a few at a time
FORESEEING = 2.0  # seconds of one turn
PACKS = timedelta(seconds=30)  # packs whose slot has come are made, letters that wait are sent
ASKED = 1.0  # seconds between looks at what people ask for
STILL = (1.0, 5.0)  # seconds without a beat: half the shortest period, within these limits
_NOBODY = "không có tiến trình nào thu thập"
_SLOW = "lần trước chạy lâu hơn chu kỳ"


@dataclass
class _Plan:
    """What one source is to do in this term."""

    source: Source
    slots: Slots
    last: datetime | None  # the newest slot that was polled or left alone on purpose
    why: str = _NOBODY
    busy: bool = False
    rests_until: datetime | None = None
    refused: str = ""  # fingerprint of the credentials that the source did not take


class Term:
    """The scheduler of this term, and what is known of its sources."""

    def __init__(
        self,
        store: KpiStore,
        sources: Sequence[Source],
        settings: Any,
        polled: Polled,
        packs: Desk | None = None,
    ):
        health.publish_sources(store, list(sources))
        requests.release(store)
        requests.sweep(store, Path(settings.data))
        self._store, self._settings, self._polled = store, settings, polled
        self._packs = packs
        editions.abandon(store, right_now())
        newest = health.newest_slots(store)
        # slots never come twice, also when the wall clock was set back since the last term
        self._clock = Steady(max([right_now(), *newest.values()]))
        self._plans = [
            _Plan(source, Slots(source, self._clock), newest.get(source.id)) for source in sources
        ]
        shortest = min((s.every.total_seconds() for s in sources), default=60) / speed()
        self._still = min(max(shortest / 2, STILL[0]), STILL[1])
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._beaten, self._taking = time.monotonic(), False
        self._scheduler: BackgroundScheduler | None = None

    def begin(self) -> None:
        """Start polling: at once where the present slot was not polled yet."""
        self._scheduler = self._built()
        self._scheduler.start()

    def stop(self) -> None:
        """Let nothing new begin and ask what is under way to end."""
        self._stopped.set()
        if self._scheduler is not None:
            _drop(self._scheduler)

    def end(self) -> None:
        """Stop, and wait until what is under way has ended."""
        self.stop()
        while self._taking or any(plan.busy for plan in self._plans):
            time.sleep(0.02)

    def stands_still(self) -> bool:
        """Whether the scheduler has not moved for longer than it may."""
        return time.monotonic() - self._beaten > self._still

    def rebuild(self) -> None:
        """Another scheduler with the same plans; polls under way go on."""
        old, self._beaten = self._scheduler, time.monotonic()
        self._scheduler = self._built()  # before it starts: its first jobs must know it
        self._scheduler.start()
        if old is not None:
            _drop(old)

    def _built(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(self._plans) + 4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        begin = datetime.now(UTC)
        for number, plan in enumerate(self._plans):
            scheduler.add_job(
                self._fire,
                plan.slots,
                (plan, scheduler),
                id=plan.source.id,
                next_run_time=begin + timedelta(seconds=number * STAGGER),
            )
        beat = IntervalTrigger(seconds=self._still / 4, timezone=UTC)
        scheduler.add_job(self._beat, beat, (scheduler,), next_run_time=begin)
        asked = IntervalTrigger(seconds=ASKED, timezone=UTC)
        scheduler.add_job(self._take_given, asked, (scheduler,), next_run_time=begin)
        thinning = IntervalTrigger(seconds=THINNING.total_seconds() / speed(), timezone=UTC)
        scheduler.add_job(self._clean, thinning)
        foreseen = IntervalTrigger(seconds=FORESEEN.total_seconds() / speed(), timezone=UTC)
        scheduler.add_job(self._foresee, foreseen)
        if self._packs is not None:
            turns = IntervalTrigger(seconds=PACKS.total_seconds() / speed(), timezone=UTC)
            scheduler.add_job(self._pack, turns, (self._packs,), next_run_time=begin)
        return scheduler

    def _beat(self, scheduler: BackgroundScheduler) -> None:
        if scheduler is self._scheduler:
            self._beaten = time.monotonic()

    def _clean(self) -> None:
        thin(self._store, right_now())
        requests.sweep(self._store, Path(self._settings.data))

    def _foresee(self) -> None:
        foresee(self._store, right_now(), seconds=FORESEEING / speed())

    def _pack(self, packs: Desk) -> None:
        """A store that is away, or a lease that is lost, leaves what is due to the next turn."""
        if self._stopped.is_set():
            return
        try:
            packs.turn(self._store)
        except (SQLAlchemyError, Transient):
            log.warning("chưa xem được các gói: kho dữ liệu đang bận")

    def _take_given(self, scheduler: BackgroundScheduler) -> None:
        """What people gave comes between the polls; a store that is away is asked again later."""
        if self._stopped.is_set() or scheduler is not self._scheduler or self._taking:
            return
        self._taking = True
        try:
            self._heed(scheduler)
            sources = [plan.source for plan in self._plans]
            for ended in poll_given(self._store, sources, self._settings, self._stopped):
                self._polled(ended)
        except (SQLAlchemyError, Transient):
            log.warning("chưa xem được yêu cầu của người dùng: kho dữ liệu đang bận")
        finally:
            self._taking = False

    def _heed(self, scheduler: BackgroundScheduler) -> None:
        """Pause, resume, or poll out of turn, as people asked."""
        plans = {plan.source.id: plan for plan in self._plans}
        for number, name in requests.due(self._store, plans, right_now(), requests.WORDS):
            plan = plans[name]
            if requests.heed(self._store, number, right_now(), busy=plan.busy) == "repoll":
                scheduler.add_job(self._poll_asked, args=(plan, number))

    def _poll_asked(self, plan: _Plan, number: int) -> None:
        """Poll a source because somebody asked; beside its slots, never beside itself."""
        with self._lock:
            if self._stopped.is_set() or plan.busy:
                busy = {"outcome": "skipped", "run": None, "note": "nguồn đang được đọc"}
            else:
                plan.busy, busy = True, None
        if busy:
            requests.end(self._store, number, busy | {"source": plan.source.id}, right_now())
            return
        try:
            ended = self._poll(plan, None, "đọc ngay theo yêu cầu")
            requests.end(self._store, number, ended, right_now())
        finally:
            plan.busy = False

    def _fire(self, plan: _Plan, scheduler: BackgroundScheduler) -> None:
        """Poll a source if its slot is new; a wake-up that comes early or twice does nothing."""
        at = self._clock.now()
        slot = plan.slots.slot(at)
        with self._lock:
            old = self._stopped.is_set() or scheduler is not self._scheduler
            if old or plan.busy or (plan.last is not None and slot <= plan.last):
                return
            plan.busy, left_out = True, self._left_out(plan, slot)
            plan.last, plan.why = slot, _SLOW
        try:
            if not self._rests(plan, at):
                self._poll(plan, slot, left_out)
        finally:
            plan.busy = False

    def _left_out(self, plan: _Plan, slot: datetime) -> str:
        """What the next run says of the slots that nobody polled, all of them in one sentence."""
        if plan.last is None:
            return ""
        number = round((slot - plan.last) / plan.slots.every) - 1
        if number < 1:
            return ""
        if plan.why == _NOBODY and slot - plan.last > plan.source.limits[0]:
            log.warning("nguồn %s: %s trong %s lượt, nay đọc lại", plan.source.id, _NOBODY, number)
        return f"bỏ qua {number} lượt: {plan.why}"

    def _rests(self, plan: _Plan, at: datetime) -> bool:
        """Whether a source is left alone: paused, asked for peace, or refuses what we show it."""
        if plan.rests_until is not None and at < plan.rests_until:
            return True
        if health.is_paused(self._store, plan.source.id):
            return True
        return bool(plan.refused) and (
            plan.refused == fingerprint(plan.source, self._settings)
            and health.is_refused(self._store, plan.source.id)
        )

    def _poll(self, plan: _Plan, slot: datetime | None, left_out: str) -> dict[str, Any]:
        slots = plan.slots
        shown = ""
        with suppress(ConfigError):  # the poll says it, with its run row
            shown = fingerprint(plan.source, self._settings)

        def next_due(wait: float) -> datetime:
            after = self._clock.now()
            rests = after + timedelta(seconds=wait)
            return slots.wall(slots.next_due(max(after, rests)))

        ended = poll(
            self._store,
            plan.source,
            self._settings,
            stop=self._stopped,
            slot=slot,
            note=left_out,
            next_due=next_due,
        )
        wait = timedelta(seconds=ended["wait"] or 0)
        plan.rests_until = self._clock.now() + wait if wait else None
        plan.refused = shown if ended["outcome"] == "needs_credentials" else ""
        self._polled(ended)
        return ended


def _drop(scheduler: BackgroundScheduler) -> None:
    """Shut a scheduler down without waiting for it: its thread or its lock may be stuck."""
    end = threading.Thread(target=scheduler.shutdown, kwargs={"wait": False}, daemon=True)
    end.start()

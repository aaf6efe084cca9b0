"""Trouble on purpose: each strike waits until all is well again, and says when that was."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

import sqlalchemy as sa

from ioc.clock import right_now
from kpi import health
from kpi.schema import micros
from kpi.store import KpiStore
from tests.pollers import freeze
from tests.soak.house import House, finished, lives, until

SOURCES = {"public_services": "portal", "field_reports": "field reports", "staff": "staff"}
EARLY = ("kill", "freeze", "portal_out", "field_out", "correct", "lock")
LATE = ("freeze", "portal_out", "freeze", "field_out", "correct", "lock")
RESTARTS = {"terminate_all": 0.15, "kill_all": 0.3}  # after this share of the time
LOCKED = 20.0
Window = tuple[datetime, datetime]


class Trouble:
    """Strikes a house, from a seed; keeps what was done, when, and what must not have been."""

    def __init__(self, house: House, store: KpiStore, lease: float, seed: int) -> None:
        self.house, self.store, self.lease = house, store, lease
        self._dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.windows: list[Window] = []
        self.outages: list[tuple[str, datetime, datetime]] = []
        self.takeovers: list[float] = []
        self.faults: list[str] = []
        self.asleep = self.stale = 0  # runs under way in a frozen leader; what it wrote later

    def kinds(self, share: Iterator[float]) -> Iterator[str]:
        """What to do next, given how much of the time has gone; every kind comes round."""
        restarts, deck = dict(RESTARTS), list[str]()
        for gone in share:
            due = next((kind for kind, at in restarts.items() if gone >= at), None)
            if due is not None:
                del restarts[due]
                yield due
                continue
            if not deck:
                deck = list(EARLY if gone < 0.5 else LATE)
                self._dice.shuffle(deck)
            yield deck.pop()

    def strike(self, kind: str) -> None:
        """One fault, and the way back."""
        began = right_now()
        getattr(self, f"_{kind}")()
        since = right_now()
        if not until(lambda: self.is_well(since)):
            self.faults.append(f"{kind}: not well again, /healthz {self.house.state()!r}")
        self.windows.append((began, right_now()))
        self.done[kind] += 1

    def is_well(self, since: datetime) -> bool:
        """Whether every source was polled in full since, and the web says that polls go on."""
        asked = sa.text(
            "SELECT COUNT(DISTINCT source) FROM poll_run WHERE started_at >= :since"
            " AND outcome IN ('ok', 'empty') AND ended_at IS NOT NULL"
        )
        with self.store.read() as connection:
            fine = connection.scalar(asked, {"since": micros(since)})
        return fine == len(SOURCES) and self.house.state() == "ok"

    def leader(self) -> int:
        """The id of the process that schedules; 0 for none."""
        found = health.leader(self.store)
        return int(found.holder.split(":")[1]) if found else 0

    def pause(self) -> float:
        """True seconds of peace until the next strike."""
        return self._dice.uniform(8, 25)

    # -- strikes ------------------------------------------------------------------------------

    def _kill(self) -> None:
        struck = self._struck()
        os.kill(struck, signal.SIGKILL)
        self._await_other(struck)
        standby = self.house.standby
        if standby is not None and standby.pid == struck:
            standby.wait(10)
            self.house.start_standby()

    def _freeze(self) -> None:
        """A leader sleeps through its lease; what it wakes up with must not be written."""
        struck = self._struck()
        under_way = []
        for _ in range(40):  # in the middle of a poll, if it can be had
            freeze(struck, self.store)
            if under_way := self._runs("ended_at IS NULL"):
                break
            os.kill(struck, signal.SIGCONT)
            time.sleep(self._dice.uniform(0, 0.3))
        else:
            freeze(struck, self.store)
        self.asleep += len(under_way)
        try:
            self._await_other(struck)
            which = f"run IN ({', '.join(str(run[0]) for run in under_way)})"
            until(lambda: all(run.ended_at for run in self._runs(which)), 30)
            time.sleep(self._dice.uniform(0, self.lease))
            ended, fence = self._runs(which), self._fence()
        finally:
            os.kill(struck, signal.SIGCONT)
        time.sleep(3)
        if (self._runs(which), self._fence()) != (ended, fence):
            self.stale += 1

    def _portal_out(self) -> None:
        self._out("public_services")

    def _field_out(self) -> None:
        self._out("field_reports")

    def _out(self, system: str) -> None:
        began = right_now()
        stopped = self.house.order(f"dung?heThong={system}")
        time.sleep(self._dice.uniform(4, 12))
        self.outages.append((system, began, right_now()))
        again = self.house.order(f"chay?heThong={system}")
        if not stopped or not again:
            self.faults.append(f"outage of {system}: the control port did not answer")

    def _correct(self) -> None:
        if "tep" not in self.house.order("dinh-chinh"):
            self.faults.append("correction: the control port did not answer")

    def _lock(self) -> None:
        with self.store.write():
            time.sleep(LOCKED)

    def _terminate_all(self) -> None:
        self._restart(lambda: finished(self.house.main))

    def _kill_all(self) -> None:
        def kill() -> None:
            for pid in self.house.tree():
                os.kill(pid, signal.SIGKILL)
            finished(self.house.main)

        self._restart(kill)

    def _restart(self, stop: Callable[[], object]) -> None:
        before = self.house.tree()
        stop()
        if not until(lambda: not any(map(lives, before)), 20):
            self.faults.append("restart: a process outlived its parent")
        self.house.start()

    # -- what they look at --------------------------------------------------------------------

    def _runs(self, which: str) -> list[sa.Row]:
        with self.store.read() as connection:
            return connection.execute(sa.text(f"SELECT * FROM poll_run WHERE {which}")).all()

    def _fence(self) -> int:
        found = health.leader(self.store)
        return found.fence if found else 0

    def _struck(self) -> int:
        until(self.leader)
        return self.leader()

    def _await_other(self, struck: int) -> None:
        began = time.monotonic()
        if until(lambda: self.leader() not in (0, struck), 60):
            self.takeovers.append(time.monotonic() - began)
        else:
            self.faults.append("takeover: nobody led after 60 s")

"""Every source at its own pace: no overlap, no waiting for one another, a clean end."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors import schedule
from connectors.slots import Slots, Steady
from ioc.config import Lined
from ioc.source import Source
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, serve
from tests.fields import dossier, rest_source


def source_at(server: Chaos, name: str, **entries: Any) -> Source:
    given = {"id": name, "every": "1s", "options": Lined({"deadline": 2})} | entries
    return rest_source(server.url, **given)


@pytest.fixture
def settings(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(data=tmp_path, secret_key_file=None, lease=2)


class Scheduled:
    """The schedule in a thread, as ``ioc poll`` runs it in a process."""

    def __init__(self, store: KpiStore, sources: list[Source], settings: Any):
        self.runs: list[dict[str, Any]] = []
        self.stop = threading.Event()
        arguments = {"stop": self.stop, "polled": self.runs.append}
        self._thread = threading.Thread(
            target=schedule.run, args=(store, sources, settings), kwargs=arguments
        )

    def __enter__(self) -> "Scheduled":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> float:
        began = time.monotonic()
        self.stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()
        return time.monotonic() - began

    def wait(self, reached: Callable[[Counter[str]], bool], seconds: float = 15) -> Counter[str]:
        until = time.monotonic() + seconds
        while True:
            counted = Counter(run["source"] for run in self.runs)
            if reached(counted) or time.monotonic() > until:
                return counted
            time.sleep(0.02)


def test_the_first_poll_is_at_once_and_the_sources_are_published(
    sqlite_store: KpiStore, settings: Any
) -> None:
    with Chaos(serve(Answer({"data": [dossier()]}))) as server:
        sources = [source_at(server, name, every="1h") for name in ("mot", "hai")]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            counted = scheduled.wait(lambda c: c.total() >= 2, 10)
    assert counted == {"mot": 1, "hai": 1}
    assert {run["outcome"] for run in scheduled.runs} == {"ok"}
    with sqlite_store.read() as connection:
        found = connection.scalars(sa.text("SELECT id FROM source WHERE configured = 1")).all()
    assert set(found) == {"mot", "hai"}


def test_a_hung_a_lying_and_a_dead_source_delay_no_other(
    sqlite_store: KpiStore, settings: Any, unused_port: Any
) -> None:
    with (
        Chaos(serve(Answer({"data": []}, delay=60))) as hung,
        Chaos(serve(Answer(body=b"<html>", type="text/html"))) as lying,
        Chaos(serve(Answer({"data": [dossier()]}))) as good,
    ):
        slow = Lined({"deadline": 30})
        dead = SimpleNamespace(url=f"http://127.0.0.1:{unused_port()}")
        sources = [
            source_at(hung, "treo", options=slow),
            source_at(lying, "doi"),
            source_at(dead, "chet"),
            source_at(good, "tot"),
        ]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            counted = scheduled.wait(lambda c: c["tot"] >= 4)
            assert counted["tot"] >= 4 and counted["doi"] >= 2
            assert counted["treo"] == 0
            assert len(hung.requests) == 1, "the hung source must not overlap itself"
            assert scheduled.end() < 5, "a hung source must not hold the end up"
    outcomes = {run["source"]: run["outcome"] for run in scheduled.runs}
    assert outcomes == {"treo": "retry", "doi": "broken", "chet": "retry", "tot": "ok"}
    with sqlite_store.read() as connection:
        open_runs = connection.scalar(
            sa.text("SELECT count(*) FROM poll_run WHERE ended_at IS NULL")
        )
    assert open_runs == 0


@pytest.mark.parametrize("seconds", [1, 10, 60, 3600, 86_400])
def test_every_slot_fires_once_early_in_it_and_no_two_sources_at_the_same_instant(
    seconds: int,
) -> None:
    every, at = timedelta(seconds=seconds), datetime(2026, 11, 22, tzinfo=UTC)
    phases = set()
    for name in ("mot", "hai", "ba"):
        slots = Slots(rest_source("http://127.0.0.1:1", id=name, every=f"{seconds}s"), Steady(at))
        now, fired = at, []
        for _ in range(50):
            now = slots.next_due(now)
            fired.append(slots.slot(now))
            assert timedelta(0) <= now - fired[-1] <= every / 20
        assert [b - a for a, b in itertools.pairwise(fired)] == [every] * 49
        phases.add(fired[0])
    assert len(phases) == 3


def test_a_source_that_asked_for_peace_is_left_alone(sqlite_store: KpiStore, settings: Any) -> None:
    busy = Answer({}, status=429, headers={"Retry-After": "120"})
    with Chaos(serve(busy)) as server, Chaos(serve(Answer({"data": []}))) as other:
        sources = [source_at(server, "ban"), source_at(other, "tot")]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            scheduled.wait(lambda c: c["tot"] >= 3)
    assert len(server.requests) == 1


PROCESS = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from connectors import schedule
from connectors.slots import Slots, Steady
from ioc.orgunits import OrgUnits
from kpi.catalogue import load_catalogue
from kpi.store import open_store
from tests.fields import rest_source
url, data, parent = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
store = open_store(f"sqlite:///{data / 'kpi.sqlite'}", load_catalogue(), OrgUnits.load())
source = rest_source(url, every="1s", options={"deadline": 30})
settings = SimpleNamespace(data=data, secret_key_file=None, lease=2)
schedule.run(store, [source], settings, parent_fd=None if parent < 0 else parent)
print("ended", flush=True)
"""


def started(server: Chaos, folder: Path, parent: int = -1) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, server.url, str(folder), str(parent)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=() if parent < 0 else (parent,),
    )
    until = time.monotonic() + 30
    while not server.requests and time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
    assert server.requests
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly_also_in_mid_poll(number: int, tmp_path: Path) -> None:
    with Chaos(serve(Answer({"data": []}, delay=60))) as server:
        process = started(server, tmp_path)
        began = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=15)
    assert (process.returncode, output.strip()) == (0, "ended")
    assert time.monotonic() - began < 5


def test_it_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    with Chaos(serve(Answer({"data": []}))) as server:
        process = started(server, tmp_path, ours)
        os.close(ours)
        os.close(theirs)
        output, _ = process.communicate(timeout=15)
    assert output.strip() == "ended"

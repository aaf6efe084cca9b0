"""Polling goes on: through stepped clocks, dead threads, hung kinds, locked stores, bad keys."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apscheduler.schedulers.base
import pytest
import sqlalchemy as sa
from apscheduler.jobstores.memory import MemoryJobStore
from sqlalchemy.exc import DBAPIError

from connectors import ahead, poller, term
from connectors.kinds import KINDS
from connectors.poller import HUNG, poll
from ioc.config import Lined
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from kpi.store import KpiStore, open_store
from tests.chaos import Answer, Chaos, serve
from tests.fields import dossier, rest_source
from tests.test_poller import CURSOR, Portal, numbers, rows, run_rows
from tests.test_schedule import Scheduled, source_at

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
GOOD = Answer({"data": [dossier()]})


@pytest.fixture
def settings(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(data=tmp_path, secret_key_file=None, lease=2)


# -- 54, 56: clocks and threads ------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 1])
def test_polls_go_on_when_the_wall_clock_is_set_by_an_hour(
    sqlite_store: KpiStore, settings: Any, monkeypatch: Any, hours: int
) -> None:
    class Stepped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=hours)

    with Chaos(serve(GOOD)) as server:
        sources = [source_at(server, "mot"), source_at(server, "hai")]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            scheduled.wait(lambda c: c["mot"] >= 2 and c["hai"] >= 2)
            for module in (apscheduler.schedulers.base, term):
                monkeypatch.setattr(module, "datetime", Stepped)
            before = len(scheduled.runs)
            counted = scheduled.wait(lambda c: c["mot"] >= 5 and c["hai"] >= 5, 60)
            monkeypatch.undo()
    assert counted["mot"] >= 5 and counted["hai"] >= 5, len(scheduled.runs) - before
    taken = [(row["source"], row["slot"]) for row in run_rows(sqlite_store)]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("fault", ["dies", "hangs"])
def test_a_scheduler_thread_that_dies_or_hangs_is_replaced(
    sqlite_store: KpiStore, settings: Any, monkeypatch: Any, fault: str
) -> None:
    done, once = threading.Event(), [True]
    real = MemoryJobStore.get_next_run_time

    def spoiled(jobs: MemoryJobStore) -> Any:
        if once and once.pop():
            if fault == "dies":
                raise OSError("kho lịch bị khóa")
            done.wait(60)
        return real(jobs)

    monkeypatch.setattr(threading, "excepthook", lambda said: None)
    with (
        Chaos(serve(GOOD)) as server,
        Scheduled(sqlite_store, [source_at(server, "mot")], settings) as scheduled,
    ):
        scheduled.wait(lambda c: c["mot"] >= 2)
        monkeypatch.setattr(MemoryJobStore, "get_next_run_time", spoiled)
        before = len(scheduled.runs)
        scheduled.wait(lambda c: c["mot"] >= before + 3, 60)
        done.set()
    assert not once and len(scheduled.runs) >= before + 3


def test_a_restart_with_an_older_clock_polls_at_once_and_takes_no_slot_twice(
    sqlite_store: KpiStore, settings: Any
) -> None:
    ahead_of_us = datetime.now(UTC) + timedelta(hours=1)
    with Chaos(serve(GOOD)) as server:
        source = source_at(server, "mot")
        health.publish_sources(sqlite_store, [source])
        poll(sqlite_store, source, settings, slot=ahead_of_us)
        with Scheduled(sqlite_store, [source], settings) as scheduled:
            counted = scheduled.wait(lambda c: c["mot"] >= 3)
    assert counted["mot"] >= 3
    assert {run["outcome"] for run in scheduled.runs} <= {"ok", "empty"}


# -- 53: one catch-up ----------------------------------------------------------------------------


def test_turns_that_nobody_polled_are_one_catch_up_that_says_how_many(
    sqlite_store: KpiStore, settings: Any, caplog: Any
) -> None:
    with Chaos(serve(GOOD)) as server:
        source = source_at(server, "mot", every="1d")
        health.publish_sources(sqlite_store, [source])
        poll(sqlite_store, source, settings, slot=datetime.now(UTC) - timedelta(days=50))
        caplog.set_level(logging.WARNING)
        with Scheduled(sqlite_store, [source], settings) as scheduled:
            scheduled.wait(lambda c: c["mot"] >= 1)
            time.sleep(0.5)
        assert len(scheduled.runs) == 1
        [run] = scheduled.runs
        assert run["outcome"] == "ok" and "lượt: không có tiến trình nào thu thập" in run["note"]
        with Scheduled(sqlite_store, [source], settings) as again:
            time.sleep(1)
    assert again.runs == [], "its slot is polled"
    assert sum("không có tiến trình" in record.message for record in caplog.records) == 1


def test_a_poll_longer_than_its_period_leaves_turns_out_and_says_so(
    sqlite_store: KpiStore, settings: Any
) -> None:
    answers = serve(Answer({"data": []}, delay=3.2), Answer({"data": []}))
    with Chaos(answers) as server:
        source = source_at(server, "mot", options=Lined({"deadline": 20}))
        with Scheduled(sqlite_store, [source], settings) as scheduled:
            scheduled.wait(lambda c: c["mot"] >= 2, 30)
    found = run_rows(sqlite_store)
    assert "lượt: lần trước chạy lâu hơn chu kỳ" in found[1]["note"]
    assert [row["outcome"] for row in found[:2]] == ["empty", "empty"]


# -- 55: a kind that hangs -----------------------------------------------------------------------


@pytest.fixture
def hanging(monkeypatch: Any) -> Iterator[threading.Event]:
    """A kind of connector that sleeps outside ``io``, until the event is set."""
    awake = threading.Event()

    def hang(source: Source, since: str | None, io: Any) -> Iterator[Batch]:
        yield Batch([dossier("T1")], cursor="1")
        awake.wait()
        yield Batch([dossier("T2")], cursor="2")

    monkeypatch.setitem(KINDS, "rest_hung", SimpleNamespace(poll=hang, OPTIONS=set()))
    monkeypatch.setattr(ahead, "GRACE", 0.2)
    yield awake
    awake.set()


def test_a_kind_that_hangs_is_given_up_and_stops_neither_others_nor_the_end(
    sqlite_store: KpiStore, settings: Any, hanging: threading.Event
) -> None:
    with Chaos(serve(GOOD)) as server:
        stuck = source_at(
            server, "treo_mai", kind="rest_hung", options=Lined({"poll_deadline": 1.5})
        )
        sources = [stuck, source_at(server, "tot")]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            counted = scheduled.wait(
                lambda c: c["treo_mai"] >= HUNG + 3 and c["tot"] >= HUNG + 3, 60
            )
            assert counted["tot"] >= HUNG + 3
            assert ahead.living("treo_mai") == HUNG, "threads do not pile up"
            assert scheduled.end() < 10
    found = [row for row in run_rows(sqlite_store) if row["source"] == "treo_mai"]
    outcomes = [row["outcome"] for row in found]
    assert outcomes[HUNG:] == ["skipped"] and set(outcomes[:HUNG]) <= {"partial", "timeout"}
    assert "treo" in found[0]["note"] and "treo" in found[-1]["note"]
    hanging.set()
    until = time.monotonic() + 30
    while ahead.living("treo_mai") and time.monotonic() < until:
        time.sleep(0.02)
    with sqlite_store.read() as connection:
        stored = connection.scalar(sa.text("SELECT COUNT(*) FROM record WHERE source = 'treo_mai'"))
    assert stored == 1, "what a hung thread reads later is dropped"
    poll(sqlite_store, stuck, settings)
    assert run_rows(sqlite_store)[-1]["read"] == 2, "and the source is read again"


def test_a_kind_that_hangs_before_its_first_row_is_a_timeout(
    sqlite_store: KpiStore, settings: Any, monkeypatch: Any, hanging: threading.Event
) -> None:
    def hang(source: Source, since: str | None, io: Any) -> Iterator[Batch]:
        hanging.wait()
        yield Batch([])

    monkeypatch.setitem(KINDS, "rest_hung", SimpleNamespace(poll=hang, OPTIONS=set()))
    options = Lined({"poll_deadline": 0.2})
    source = rest_source("http://127.0.0.1:1", id="im_lang", kind="rest_hung", options=options)
    health.publish_sources(sqlite_store, [source])
    assert poll(sqlite_store, source, settings, now=NOW)["outcome"] == "timeout"
    assert run_rows(sqlite_store)[0]["ended_at"] is not None


# -- 8: credentials ------------------------------------------------------------------------------


def test_a_source_that_refuses_our_key_is_left_alone_until_the_key_changes(
    sqlite_store: KpiStore, settings: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("khoa-cu-het-han")
    monkeypatch.setenv("IOC_THU_KHOA_FILE", str(key))
    auth = Lined({"kind": "api_key", "key": "${IOC_THU_KHOA}"})

    def answer(request: Any) -> Answer:
        right = request.headers.get("x-api-key") == "khoa-moi-cap"
        return GOOD if right else Answer({}, status=401)

    with Chaos(answer) as strict, Chaos(serve(GOOD)) as other:
        sources = [source_at(strict, "khoa", auth=auth), source_at(other, "tot")]
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            counted = scheduled.wait(lambda c: c["tot"] >= 4)
            assert counted["tot"] >= 4 and counted["khoa"] == 1
            assert len(strict.requests) == 1, "no retry storm"
            assert health.is_refused(sqlite_store, "khoa")
            later = datetime.now(UTC) + timedelta(hours=1)
            assert list(health.overdue(sqlite_store, NOW, later)) == ["tot"]
            key.write_text("khoa-moi-cap")
            scheduled.wait(lambda c: c["khoa"] >= 3)
            assert not health.is_refused(sqlite_store, "khoa")
    first, second, *_ = [row for row in run_rows(sqlite_store) if row["source"] == "khoa"]
    assert (first["outcome"], second["outcome"]) == ("needs_credentials", "ok")
    assert "IOC_THU_KHOA" in first["note"] and "ioc poll khoa --once" in first["note"]


def test_a_poll_by_hand_that_is_let_in_again_brings_a_paused_source_back(
    sqlite_store: KpiStore, settings: Any
) -> None:
    answers = [Answer({}, status=403)]
    with Chaos(lambda _: answers[0]) as server:
        source = source_at(server, "cam")
        with Scheduled(sqlite_store, [source], settings) as scheduled:
            scheduled.wait(lambda c: c["cam"] >= 1)
            answers[0] = GOOD
            time.sleep(2.2)
            assert len(server.requests) == 1
            assert poll(sqlite_store, source, settings)["outcome"] == "ok"
            counted = scheduled.wait(lambda c: c["cam"] >= 3)
    assert counted["cam"] >= 3


# -- 45: a locked store --------------------------------------------------------------------------


def test_a_run_that_met_a_locked_store_is_recorded_late_and_whole(
    sqlite_url: str, catalogue: Any, orgunits: Any, settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(poller, "PAUSE", 0.05)
    store = open_store(sqlite_url, catalogue, orgunits)
    hasty = open_store(sqlite_url, catalogue, orgunits, migrate=False)

    @sa.event.listens_for(hasty.writer, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    ended: list[dict[str, Any]] = []
    with Chaos(Portal(*rows(30))) as server:
        source = rest_source(server.url, paging=CURSOR)
        health.publish_sources(store, [source])
        polling = threading.Thread(
            target=lambda: ended.append(poll(hasty, source, settings, now=NOW))
        )
        with store.write() as holder:
            holder.execute(sa.text("SELECT 1"))
            polling.start()
            time.sleep(1.5)
            assert polling.is_alive()
        polling.join(60)
    assert (ended[0]["outcome"], *numbers(ended[0])[:2]) == ("ok", 30, 30)
    [row] = run_rows(store)
    assert row["outcome"] == "ok"
    store.close()
    hasty.close()


def test_a_fault_of_the_driver_in_bulk_loading_is_one_of_the_store(store: KpiStore) -> None:
    with pytest.raises(DBAPIError), store.write() as connection:
        store.load(connection, "khong_co", ("a",), [(1,)])


# -- loss and return -----------------------------------------------------------------------------


def test_a_silent_source_is_announced_once_and_so_is_its_return_across_restarts(
    store: KpiStore, settings: Any, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: None)
    caplog.set_level(logging.WARNING)
    portal, stop, said = Portal(*rows(3)), threading.Event(), []
    with Chaos(portal) as server:
        source = rest_source(server.url, paging=CURSOR)
        health.publish_sources(store, [source])

        def turn(minute: int, *, fails: bool, stopped: bool = False) -> None:
            portal.spoil = {0: Answer({}, status=500)} if fails else {}
            stop.set() if stopped else stop.clear()
            caplog.clear()
            again = open_store(store.url, store.catalogue, store.orgunits, migrate=False)
            poll(again, source, settings, now=NOW + timedelta(minutes=minute), stop=stop)
            again.close()
            said.append([r.message for r in caplog.records if r.name == "connectors.poller"])

        turn(0, fails=False)
        turn(1, fails=False, stopped=True)
        turn(2, fails=True)
        turn(3, fails=True, stopped=True)
        turn(4, fails=True)
        turn(5, fails=False)
        turn(6, fails=False)
    assert [len(each) for each in said] == [0, 0, 1, 0, 0, 1, 0]
    assert "lỗi (retry)" in said[2][0] and "trở lại" in said[5][0]

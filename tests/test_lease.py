"""One of several processes polls: a lease with a fence, seen through kills, freezes and clocks."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from connectors import lease as leases
from connectors.lease import Fenced, Lease
from connectors.poller import poll
from ioc.model import Counts
from kpi import health
from kpi.intake import accept
from kpi.store import KpiStore, open_store
from tests.chaos import Answer, Chaos, Request
from tests.fields import rest_source
from tests.pollers import Poller, doubles, leading, partial, runs, until
from tests.test_poller import CURSOR, Portal, contents, everything, rows

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


class Hands:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


# -- the lease -----------------------------------------------------------------------------------


def test_a_lease_is_taken_over_once_it_stood_still_for_its_length_and_not_before(
    store: KpiStore,
) -> None:
    hands = Hands()
    first, second = Lease(store, 15, hands), Lease(store, 15, hands)
    assert first.hold() and not second.hold()
    hands.at = 14
    assert first.hold() and not second.hold()
    hands.at = 28
    assert not second.hold()
    hands.at = 29
    assert second.hold() and second.fence == 2
    assert not first.hold() and not first.hold()


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
def test_no_step_of_the_wall_clock_gives_or_takes_a_lease(
    sqlite_store: KpiStore, monkeypatch: Any, step: timedelta
) -> None:
    hands = Hands()
    first, second = Lease(sqlite_store, 15, hands), Lease(sqlite_store, 15, hands)
    assert first.hold() and not second.hold()
    real = leases.right_now
    monkeypatch.setattr(leases, "right_now", lambda: real() + step)
    for hands.at in (5, 10, 15, 20, 25, 30):
        assert first.hold() and not second.hold()
    hands.at = 45
    assert second.hold()


def test_a_lease_that_was_given_back_or_whose_holder_is_long_gone_is_free_at_once(
    store: KpiStore, monkeypatch: Any
) -> None:
    first = Lease(store, 15)
    assert first.hold()
    watching = Lease(store, 15)
    assert not watching.hold()
    first.release()
    assert watching.hold() and watching.fence == 2
    real = leases.right_now
    monkeypatch.setattr(leases, "right_now", lambda: real() + timedelta(minutes=1))
    assert Lease(store, 15).hold(), "after a power cut nobody waits"


def test_a_fast_clock_of_a_rehearsal_does_not_end_a_lease_before_its_time(
    sqlite_store: KpiStore, monkeypatch: Any
) -> None:
    monkeypatch.setattr(leases, "speed", lambda: 12.0)
    assert Lease(sqlite_store, 15).hold()
    real = leases.right_now
    monkeypatch.setattr(leases, "right_now", lambda: real() + timedelta(seconds=12 * 10))
    assert not Lease(sqlite_store, 15).hold(), "it lasts for five more true seconds"


def test_a_leader_that_slept_through_its_lease_writes_nothing_at_all(store: KpiStore) -> None:
    hands = Hands()
    source = rest_source("http://127.0.0.1:1")
    health.publish_sources(store, [source])
    old, new = Lease(store, 2, hands), Lease(store, 2, hands)
    assert old.hold()
    guarded = store.guarded(old.guard)
    run = health.begin_run(guarded, source.id, NOW, NOW)
    assert not new.hold()
    hands.at = 2
    assert new.hold()
    before = everything(store)
    how: dict[str, Any] = {"outcome": "ok", "note": "", "calls": 1, "bytes": 0}
    how |= {"counts": Counts(), "response_hash": "", "now": NOW, "completed": True}
    with pytest.raises(Fenced):
        accept(guarded, source, [], run=run, cursor="7", now=NOW)
    with pytest.raises(Fenced):
        health.end_run(guarded, run, **how)
    with pytest.raises(Fenced):
        health.begin_run(guarded, source.id, NOW, NOW + timedelta(minutes=1))
    assert everything(store) == before


def test_every_write_of_the_leader_renews_its_lease(store: KpiStore) -> None:
    hands = Hands()
    first, second = Lease(store, 2, hands), Lease(store, 2, hands)
    assert first.hold() and not second.hold()
    hands.at = 1.5
    health.publish_sources(store.guarded(first.guard), [])
    assert not second.hold()
    hands.at = 3
    assert not second.hold()


@pytest.mark.postgresql
def test_a_leader_that_freezes_inside_a_transaction_does_not_keep_postgresql_to_itself(
    postgres_url: str, catalogue: Any, orgunits: Any
) -> None:
    store = open_store(postgres_url, catalogue, orgunits)
    old, new = Lease(store, 1), Lease(store, 1)
    assert old.hold()
    with pytest.raises(DBAPIError), store.guarded(old.guard).write() as connection:
        until(new.hold)
        connection.execute(sa.text("SELECT 1"))
    assert new.fence == 2 and not old.hold()
    store.close()


# -- slots and runs ------------------------------------------------------------------------------


def test_a_slot_is_polled_once_and_one_that_was_cut_short_again(store: KpiStore) -> None:
    source = rest_source("http://127.0.0.1:1")
    health.publish_sources(store, [source])
    cut = health.begin_run(store, source.id, NOW, NOW)
    run = health.begin_run(store, source.id, NOW, NOW)
    how: dict[str, Any] = {"outcome": "ok", "note": "", "calls": 1, "bytes": 0}
    how |= {"counts": Counts(), "response_hash": "", "now": NOW, "completed": True}
    with pytest.raises(health.RunEnded):
        health.end_run(health.writing(store, cut), cut, **how)
    with pytest.raises(health.RunEnded):
        accept(health.writing(store, cut), source, [], run=cut, cursor="7", now=NOW)
    health.end_run(health.writing(store, run), run, **how)
    before = everything(store)
    settings = SimpleNamespace(data=Path("/nonexistent"), secret_key_file=None)
    refused = poll(store, source, settings, now=NOW, slot=NOW)
    assert (refused["outcome"], refused["run"]) == ("skipped", None)
    assert "đã được thu thập" in refused["note"]
    assert everything(store) == before
    assert doubles(store) == 0 and health.newest_slots(store) == {source.id: NOW}


# -- 51, 52: two pollers -------------------------------------------------------------------------


class Slow(Portal):
    """A portal that takes its time, so that a freeze finds a poll under way."""

    def __call__(self, request: Request) -> Answer:
        answer = super().__call__(request)
        answer.delay = 0.15
        return answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.key").write_bytes(b"k" * 32)
    return tmp_path


@pytest.fixture
def crew(store: KpiStore, folder: Path) -> Iterator[Any]:
    """Starts pollers on the store, against two portals that are asked every second."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Chaos(Slow(*rows(30)))) for _ in range(2)]
        sources = [
            {"url": server.url, "id": name, "every": "1s", "paging": CURSOR}
            for name, server in zip(("mot", "hai"), servers, strict=True)
        ]

        def start(number: int = 1) -> list[Poller]:
            made = [Poller(store.url, sources, folder) for _ in range(number)]
            for each in made:
                stack.callback(each.end)
            return made

        yield start


@pytest.mark.timeout(240)
def test_of_two_pollers_one_polls_and_the_other_goes_on_when_it_is_killed_or_frozen(
    store: KpiStore, crew: Any
) -> None:
    crew_of = crew(2)
    first = until(lambda: runs(store) >= 6 and leading(store, crew_of))
    first.signal(signal.SIGKILL)
    dead = time.monotonic()
    crew_of.remove(first)
    until(lambda: leading(store, crew_of))
    print(f"takeover after kill -9: {time.monotonic() - dead:.1f} s")
    crew_of += crew()
    goal = runs(store) + 6
    until(lambda: runs(store) >= goal)

    second = until(lambda: leading(store, crew_of))
    second.freeze(store)
    frozen, fence = time.monotonic(), health.leader(store).fence
    others = [each for each in crew_of if each is not second]
    until(lambda: leading(store, others))
    print(f"takeover after a freeze: {time.monotonic() - frozen:.1f} s")
    goal = runs(store) + 4
    until(lambda: runs(store) >= goal)
    second.signal(signal.SIGCONT)
    goal = runs(store) + 6
    until(lambda: runs(store) >= goal)
    assert health.leader(store).fence > fence
    assert doubles(store) == 0 and partial(store) == 0
    for each in (*others, second):  # a clean end gives the lease to whoever is left
        until(lambda: leading(store, crew_of))
        each.signal(signal.SIGTERM)
        assert each.wait() == 0
        crew_of.remove(each)
    with store.read() as connection:
        open_ = sa.text("SELECT COUNT(*) FROM poll_run WHERE ended_at IS NULL")
        assert connection.scalar(open_) == 0
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM record")) == 60


# -- 47: kill -9 in a transaction ----------------------------------------------------------------


@pytest.mark.timeout(240)
def test_killing_a_writer_again_and_again_loses_nothing_and_leaves_nothing_half(
    store: KpiStore, folder: Path
) -> None:
    dice = random.Random(450)
    with Chaos(Portal(*rows(1000))) as server:
        source = {"url": server.url, "id": "nguon_thu", "paging": CURSOR}
        for _ in range(15):
            server.requests.clear()
            writer = Poller(store.url, [source], folder, once=True)
            until(lambda: server.requests)
            time.sleep(dice.uniform(0, 0.1))
            writer.end()
            assert partial(store) == 0
        settings = SimpleNamespace(data=folder, secret_key_file=None)
        whole = rest_source(**source)
        assert poll(store, whole, settings)["outcome"] in ("ok", "empty")
        again = poll(store, whole, settings)
    assert (again["outcome"], again["read"]) == ("empty", 0)
    found = contents(store)["record"]
    assert len(found) == 1000 == len({row[1] for row in found})


# -- 57: the server of the database goes away ----------------------------------------------------


@pytest.mark.postgresql
def test_a_poll_outlives_a_database_that_drops_every_connection(
    postgres_url: str, catalogue: Any, orgunits: Any, folder: Path
) -> None:
    store = open_store(postgres_url, catalogue, orgunits)
    portal, drops = Portal(*rows(100)), [30, 60]
    address = postgres_url.replace("+psycopg", "")

    def answer(request: Request) -> Answer:
        if drops and int(request.query.get("sau", 0)) >= drops[0]:
            drops.pop(0)
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND pid <> pg_backend_pid()"
                )
        return portal(request)

    with Chaos(answer) as server:
        source = rest_source(server.url, paging=CURSOR)
        health.publish_sources(store, [source])
        settings = SimpleNamespace(data=folder, secret_key_file=None)
        run = poll(store, source, settings, now=NOW)
    assert (run["outcome"], run["new"]) == ("ok", 100)
    store.close()

"""What monitoring is told: red when our polls stand still, never because a load is long."""

import json
from datetime import datetime, timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa

from connectors.lease import Lease
from ioc.model import Counts
from ioc.settings import Settings
from kpi import health
from kpi.health import GRACE
from kpi.migrate import head
from kpi.schema import micros
from kpi.store import KpiStore
from layouts.web import guard, problems
from layouts.web import health as addresses
from layouts.web.health import polling, ready
from tests.stand import Stand
from tests.worlds import DOSSIERS, World, dossiers

pytest_plugins = ["tests.worlds"]
EVERY = DOSSIERS.every
A_BIT = timedelta(seconds=1)


@pytest.fixture
def polled(world: World) -> World:
    """A world with one source that is polled on schedule, and somebody who schedules."""
    health.publish_sources(world.store, [DOSSIERS])
    with world.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM lease")
    return world


def lead(world: World, until: datetime) -> None:
    """Somebody holds the lease until then."""
    with world.store.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO lease (name, holder, fence, expires_at)"
                " VALUES ('poll', 'somebody', 1, :at) ON CONFLICT (name) DO UPDATE SET"
                " expires_at = excluded.expires_at"
            ),
            {"at": micros(until)},
        )


def missed(world: World, after: timedelta, started: timedelta = timedelta()) -> list[str]:
    """The late sources so long after the world's clock; the web began ``started`` before it."""
    return list(health.overdue(world.store, world.now - started, world.now + after))


def told(world: World, after: timedelta = timedelta()) -> dict[str, Any]:
    """What ``/healthz`` says so long after the world's clock, which is when the web began."""
    said, fine = polling(world.store, world.now, world.now + after)
    assert fine == (said["status"] == "ok")
    return said


def test_a_poller_that_has_missed_two_periods_is_red(polled):
    polled.poll(DOSSIERS)
    assert missed(polled, 2 * EVERY + GRACE) == []
    assert missed(polled, 2 * EVERY + GRACE + A_BIT) == [DOSSIERS.id]


def test_a_poller_that_never_began_is_red(polled):
    assert missed(polled, EVERY + GRACE) == []
    assert missed(polled, EVERY + GRACE + A_BIT) == [DOSSIERS.id]


def test_a_long_first_load_is_not_red_until_no_poll_of_the_source_may_last_so_long(polled):
    polled.poll(DOSSIERS, ends=False)
    assert missed(polled, timedelta(minutes=10)) == []
    assert missed(polled, timedelta(seconds=900) + GRACE + A_BIT) == [DOSSIERS.id]
    patient = DOSSIERS.model_copy(update={"options": {"poll_deadline": 3600}})
    health.publish_sources(polled.store, [patient])
    assert missed(polled, timedelta(seconds=3600) + GRACE) == []
    assert missed(polled, timedelta(seconds=3600) + GRACE + A_BIT) == [DOSSIERS.id]


def test_a_long_poll_that_has_just_ended_is_not_red(polled):
    run = health.begin_run(polled.store, DOSSIERS.id, polled.now)
    polled.forward(minutes=14)
    polled.end(run, counts=Counts())
    assert missed(polled, timedelta(), started=timedelta(hours=1)) == []
    assert missed(polled, EVERY + GRACE + A_BIT, timedelta(hours=1)) == [DOSSIERS.id]


def test_a_source_that_asked_for_peace_is_not_missed_before_its_time(polled):
    polled.poll(DOSSIERS)
    with polled.store.write() as connection:
        connection.execute(
            sa.text("UPDATE source SET next_due_at = :at WHERE configured = 1"),
            {"at": micros(polled.now + timedelta(minutes=15))},
        )
    assert missed(polled, timedelta(minutes=15) + EVERY + GRACE) == []
    assert missed(polled, timedelta(minutes=15) + EVERY + GRACE + A_BIT) == [DOSSIERS.id]


@pytest.mark.parametrize("column", ["paused", "needs_credentials"])
def test_a_source_that_waits_for_a_person_is_not_missed(polled, column):
    polled.poll(DOSSIERS)
    with polled.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE source SET {column} = 1 WHERE configured = 1")
    assert missed(polled, timedelta(days=3)) == []


def test_it_says_which_source_was_left_out_and_since_when(polled):
    polled.poll(DOSSIERS)
    lead(polled, polled.now + timedelta(hours=1))
    assert told(polled)["status"] == "ok"
    said = told(polled, timedelta(minutes=20))
    since = (polled.now + 2 * EVERY).astimezone().isoformat(timespec="seconds")
    assert said["status"] == "missed"
    assert [one["source"] for one in said["missed"]] == [DOSSIERS.id]
    assert datetime.fromisoformat(said["missed"][0]["since"]) == datetime.fromisoformat(since)


def test_red_when_nobody_schedules_though_no_poll_is_due_yet(polled):
    polled.poll(DOSSIERS)
    assert told(polled, GRACE)["status"] == "ok"  # one that has just been started may still come
    said = told(polled, GRACE + A_BIT)
    assert (said["status"], said["poller"], said["missed"]) == ("no_poller", False, [])
    assert datetime.fromisoformat(said["since"]) == polled.now
    lead(polled, polled.now + timedelta(seconds=15))
    assert told(polled, GRACE + A_BIT) | {"version": 0} == {
        "status": "ok", "since": None, "missed": [], "poller": True, "version": 0,
    }  # fmt: skip
    assert told(polled, GRACE + timedelta(seconds=16))["status"] == "no_poller"


def test_the_lease_that_a_poller_takes_and_gives_back_is_what_is_looked_at(polled):
    lease = Lease(polled.store, 15.0)
    assert lease.hold()
    now = datetime.now(polled.now.tzinfo)
    assert polling(polled.store, now - timedelta(seconds=50), now)[0]["status"] == "ok"
    lease.release()
    assert polling(polled.store, now - timedelta(seconds=50), now)[0]["status"] == "no_poller"


# --- /readyz and the addresses themselves --------------------------------------------------------


def served(store: KpiStore, settings: Settings | None = None) -> Any:
    """The three addresses behind the real guard."""
    server = flask.Flask("machine")
    problems.install(server)

    class Quiet:
        callback_map: dict[str, Any] = {}
        _inline_scripts: list[str] = []

        def csp_hashes(self) -> list[str]:
            return []

    guard.install(Quiet(), server, settings or Settings())
    addresses.install(server, store, Stand(0).watch)
    return server.test_client()


def test_ready_needs_the_schema_of_this_release_and_a_first_figure(polled):
    assert ready(polled.store, {"figures": False}) == (
        {"status": "not_ready", "schema": True, "figures": False}, False,
    )  # fmt: skip
    polled.poll(DOSSIERS, dossiers("STP", "2026-10-05", 3, 2))
    assert ready(polled.store, {"figures": False})[1]
    with polled.store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    try:
        said, fine = ready(polled.store, {"figures": True})
        assert not fine and said["schema"] is False
    finally:
        with polled.store.write() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{head()}'")


def test_machines_get_status_codes_and_nothing_on_persons_units_or_figures(polled):
    polled.poll(DOSSIERS, dossiers("STP", "2026-10-05", 3, 2))
    client = served(polled.store)
    for path in ("/healthz", "/readyz", "/metrics"):
        found = client.get(path, base_url="http://127.0.0.1:8050")
        assert found.status_code in (200, 503), path
        assert "STP" not in found.text and "Sở" not in found.text and "somebody" not in found.text
        assert client.get(path, base_url="http://evil.example").status_code == 421
    assert client.get("/readyz", base_url="http://127.0.0.1:8050").status_code == 200


def test_a_store_that_cannot_be_read_is_an_answer_and_no_stack_trace(tmp_path, catalogue, orgunits):
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    store = KpiStore(url, catalogue, orgunits)
    client = served(store)
    for path in ("/healthz", "/readyz"):
        found = client.get(path, base_url="http://127.0.0.1:8050")
        assert found.status_code == 503
        assert json.loads(found.text)["status"] == "store_unreadable"
    found = client.get("/metrics", base_url="http://127.0.0.1:8050")
    assert found.status_code == 503 and "chưa đọc được" in found.text
    store.close()

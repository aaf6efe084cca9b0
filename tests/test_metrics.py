"""What monitoring draws: one scrape says how the polls and the store are, at a bounded cost."""

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from ioc import clock
from ioc.model import Counts, Rejection, Status
from kpi import gauges, health
from kpi.migrate import head
from kpi.schema import micros
from layouts.web import metrics
from tests.worlds import DOSSIERS, STAFF, World, dossiers

pytest_plugins = ["tests.worlds"]
SCREENS = SimpleNamespace(streams=3)


@pytest.fixture
def polled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that was polled now and then, whose clock is also that of the addresses."""
    health.publish_sources(world.store, [DOSSIERS, STAFF])
    monkeypatch.setattr(metrics, "right_now", lambda: world.now)
    return world


def scrape(world: World) -> dict[str, dict[tuple[str, ...], float]]:
    """Every metric: the values of its labels, in the order of their names, to the number."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    text = metrics.text(world.store, SCREENS).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_scrape_says_how_old_the_data_are_how_late_the_polls_and_how_they_ended(polled):
    polled.poll(DOSSIERS, [*dossiers("STP", "2026-10-05", 3, 2), Rejection("4", "sai", {}, "h")],
                rejected=None)  # fmt: skip
    run = health.begin_run(polled.store, STAFF.id, polled.now)
    polled.end(run, Counts(), outcome="broken")
    with polled.store.write() as connection:
        connection.execute(
            sa.text("UPDATE source SET next_due_at = :at WHERE id = :id"),
            {"at": micros(polled.now + timedelta(seconds=60)), "id": DOSSIERS.id},
        )
    polled.forward(seconds=100)
    found = scrape(polled)
    assert found["ioc_data_age_seconds"] == {(DOSSIERS.id,): 100.0}
    assert found["ioc_poll_overdue_seconds"] == {(DOSSIERS.id,): 40.0, (STAFF.id,): 0.0}
    assert found["ioc_poll_last_outcome"] == {
        ("ok", DOSSIERS.id): 1.0, ("broken", STAFF.id): 1.0,
    }  # fmt: skip
    assert found["ioc_poll_runs_day"] == {("ok", DOSSIERS.id): 1.0, ("broken", STAFF.id): 1.0}
    rows = {what: n for (source, what), n in found["ioc_poll_rows_day"].items()
            if source == DOSSIERS.id}  # fmt: skip
    assert (rows["new"], rows["rejected"], rows["gone"]) == (3.0, 1.0, 0.0)
    assert found["ioc_source_paused"] == {(DOSSIERS.id,): 0.0, (STAFF.id,): 0.0}


def test_a_scrape_says_how_big_the_store_is_and_of_which_schema(polled):
    found = scrape(polled)
    assert found["ioc_database_size_bytes"][()] > 100_000
    assert ("ioc_database_wal_bytes" in found) == polled.store.sqlite
    assert found["ioc_data_version"][()] == polled.store.version()
    assert found["ioc_streams"][()] == 3 and found["ioc_poller_leads"][()] in (0, 1)
    assert [labels for labels in found["ioc_build_info"] if head() in labels]


def test_targets_are_counted_by_the_word_of_their_headline(polled):
    found = scrape(polled)["ioc_targets"]
    assert set(found) == {(status.value,) for status in Status}
    assert sum(found.values()) == 20


def test_runs_of_yesterday_are_no_longer_drawn(polled):
    polled.poll(DOSSIERS)
    polled.forward(hours=25)
    found = scrape(polled)
    assert "ioc_poll_runs_day" not in found
    assert found["ioc_poll_last_outcome"] == {("ok", DOSSIERS.id): 1.0}


def test_a_scrape_reads_the_newest_runs_only_however_many_there_are(polled, monkeypatch):
    for _ in range(5):
        polled.poll(DOSSIERS)
    monkeypatch.setattr(gauges, "LOOKED", 2)
    assert scrape(polled)["ioc_poll_runs_day"] == {("ok", DOSSIERS.id): 2.0}


def test_every_metric_has_help_a_unit_in_its_name_and_a_line_in_the_documents(polled):
    polled.poll(DOSSIERS)
    written = (Path(__file__).parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    text = metrics.text(polled.store, SCREENS).decode()
    names = re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    assert len(names) > 12
    for name in names:
        assert name.startswith("ioc_"), "nothing of the process or of a library"
        assert f"`{name}`" in written, name


def test_a_faster_clock_is_as_patient_with_the_poller(monkeypatch: Any):
    """A rehearsal at twelve times the speed renews its lease as often as ever by its true clock."""
    now = clock.right_now()
    held = health.Leader("somebody", 1, now - timedelta(seconds=100))
    assert not gauges.leads(held, now)
    monkeypatch.setattr(gauges, "speed", lambda: 12.0)
    assert gauges.leads(held, now)

"""What the catalogue says is published to the store, and what is stored follows it."""

import dataclasses

import pytest

from ioc.errors import IocError
from kpi.store import open_store
from tests.worlds import DOSSIERS, STAFF, World, dossiers, share, with_sources

pytest_plugins = ["tests.worlds"]


@pytest.fixture
def narrower(catalogue):
    """The catalogue as it was before resolved dossiers and their indicator were counted."""
    elements = dict(catalogue.elements)
    resolved = elements["dossiers_resolved"]
    elements["dossiers_resolved"] = dataclasses.replace(resolved, where={"channel": ("paper",)})
    return dataclasses.replace(with_sources(catalogue), elements=elements)


def test_a_definition_that_changes_recounts_what_is_stored_before_anyone_reads_it(
    sqlite_url, narrower, catalogue, orgunits, now
):
    before = open_store(sqlite_url, narrower, orgunits)
    world = World(before, now)
    world.live(DOSSIERS)
    world.poll(DOSSIERS, dossiers("19207", "2026-10-05", 10, 5))
    assert world.value("I02b", "2026-10").denominator in (0, None)
    before.close()

    after = open_store(sqlite_url, with_sources(catalogue), orgunits)
    value = World(after, now).value("I02b", "2026-10")
    assert (value.numerator, value.denominator) == (5, 10)
    after.close()


def test_a_stock_that_is_still_being_loaded_has_no_closing_outcome_yet(sqlite_world):
    world = sqlite_world
    world.poll(
        STAFF, share("staff_with_computer staff_professional", "SNV", "2021-06", 1, 10), ends=False
    )
    assert world.standing("T12a").status == "awaiting"


@pytest.mark.parametrize(
    "url", ["postgresql://ioc:secret@127.0.0.1:1/none", "sqlite+pysqlite:////proc/none/ioc.sqlite"]
)
def test_a_database_that_cannot_be_opened_is_refused_in_one_sentence(url, catalogue, orgunits):
    with pytest.raises((IocError, OSError)) as refused:
        open_store(url, catalogue, orgunits)
    assert "secret" not in str(refused.value)


def test_both_ways_to_name_sqlite_are_one(tmp_path, catalogue, orgunits):
    store = open_store(f"sqlite+pysqlite:///{tmp_path}/new/ioc.sqlite", catalogue, orgunits)
    assert store.version() >= 1
    store.close()

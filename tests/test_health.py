"""What monitoring is told: red when our poller stands still, never because a load is long."""

from datetime import timedelta

import pytest

from ioc.model import Counts
from kpi import health
from layouts.web.health import GRACE, LONGEST, late_polls
from tests.worlds import DOSSIERS, World

pytest_plugins = ["tests.worlds"]
EVERY = DOSSIERS.every


@pytest.fixture
def world(sqlite_world: World) -> World:
    health.publish_sources(sqlite_world.store, [DOSSIERS])
    return sqlite_world


def missed(world: World, after: timedelta, started: timedelta = timedelta()) -> list[str]:
    """The late sources so long after the world's clock; the web began ``started`` before it."""
    return late_polls(world.store, world.now - started, world.now + after)


def test_a_poller_that_has_missed_two_periods_is_red(world):
    world.poll(DOSSIERS)
    assert missed(world, 2 * EVERY + GRACE) == []
    assert missed(world, 2 * EVERY + GRACE + timedelta(seconds=1)) == [DOSSIERS.id]


def test_a_poller_that_never_began_is_red(world):
    assert missed(world, EVERY + GRACE) == []
    assert missed(world, EVERY + GRACE + timedelta(seconds=1)) == [DOSSIERS.id]


def test_a_long_first_load_is_not_red_until_no_poll_may_last_so_long(world):
    world.poll(DOSSIERS, ends=False)
    assert missed(world, timedelta(minutes=10)) == []
    assert missed(world, LONGEST + GRACE + timedelta(seconds=1)) == [DOSSIERS.id]


def test_a_long_poll_that_has_just_ended_is_not_red(world):
    run = health.begin_run(world.store, DOSSIERS.id, world.now)
    world.forward(minutes=14)
    world.end(run, counts=Counts())
    assert missed(world, timedelta(), started=timedelta(hours=1)) == []
    assert missed(world, EVERY + GRACE + timedelta(seconds=1), timedelta(hours=1)) == [DOSSIERS.id]

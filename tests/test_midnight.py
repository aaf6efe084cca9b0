"""An instant at midnight ends the day before it, for every question, page and file alike."""

from datetime import datetime
from importlib import import_module

import pytest

from ioc.period import local_date
from kpi import query
from layouts import PAGES, theme
from layouts.state import hold
from layouts.web.filters import QUESTIONS, read
from tests.test_pages import Reader, words
from tests.worlds import ADMIN, DOSSIERS, MEETINGS, World, at, dossiers, share

pytest_plugins = ["tests.worlds"]
LONG_BEFORE, LATER = "2024-05-20", "2026-03-31"
INSTANTS = {
    "2025-06-29T12:00:00+07:00": "2025-06-29",
    "2025-06-30": "2025-06-30",
    "2025-07-01T00:00:00+07:00": "2025-06-30",
    "2025-07-01T00:01:00+07:00": "2025-07-01",
    "2025-12-31T12:00:00+07:00": "2025-12-31",
    "2025-12-31": "2025-12-31",
    "2026-01-01T00:01:00+07:00": "2026-01-01",
    "2026-01-01": "2026-01-01",
}
"""Instants about the days on which parts of the plan close, and the day that each is of."""


@pytest.fixture
def told(sqlite_world: World) -> World:
    """Two years of figures, known week by week; then some more."""
    world = sqlite_world
    world.now = at("2024-05-10 09:00")
    world.live().forward(minutes=3)
    districts = "meetings_district_paperless meetings_district_total"
    for year, month, few in ((2024, 5, 4), (2025, 6, 5), (2025, 12, 6), (2026, 3, 9)):
        world.now = at(f"{year}-{month:02d}-10 09:00")
        day = f"{year}-{month:02d}-05"
        world.poll(DOSSIERS, dossiers("STP", day, 10, few))
        if (year, month) < (2025, 7):
            world.poll(MEETINGS, share(districts, "450", f"{year}-{month - 1:02d}", few, 10))
        world.forward(minutes=3)
    world.now = at("2026-11-22 09:00")
    world.poll(DOSSIERS)
    return world


def statuses(world: World, question: str, column: str = "status", **given: str) -> dict:
    """The status of every part, as an address of data asks for it."""
    asked = read(question, {"org_unit": "area-qb", **given}, world.store, world.now)
    answer = QUESTIONS[question][0](world.store, ADMIN, now=world.now, **asked.arguments)
    return {(row["target"], row["indicator"]): row[column] for row in answer.records()}


@pytest.mark.parametrize(("instant", "day"), INSTANTS.items())
def test_changes_say_the_status_that_standings_say_at_both_instants(told, instant, day):
    stood = statuses(told, "standings", as_of=instant)
    unasked = query.standings(told.store, ADMIN, now=told.now, org_units=["area-qb"],
                              as_of=_meant(told, instant)).records()  # fmt: skip
    assert stood == {(r["target"], r["indicator"]): r["status"] for r in unasked}
    after = statuses(told, "changes", since=LONG_BEFORE, as_of=instant)
    before = statuses(told, "changes", "status_before", since=instant, as_of=LATER)
    assert ("T02b", "I02b") in before and ("T02b", "I02b") in after
    for side in (before, after):
        assert side == {part: stood[part] for part in side}
    closed = statuses(told, "closings", "closing_date", as_of=instant).values()
    assert all(f"{one:%Y-%m-%d}" < day for one in closed)


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_page_says_the_status_that_the_file_says(told, instant, tmp_path):
    stood = statuses(told, "standings", as_of=instant)["T02b", "I02b"]
    reader = Reader(told, tmp_path)
    found = next(one for one in PAGES if one.path == "/indicator/<key>")
    with reader.request():
        hold(_meant(told, instant), instant)
        drawn = words([import_module(found.module).layout(key="I02b")])
    assert theme.STATUS[stood].word in drawn


@pytest.mark.parametrize(("instant", "day"), INSTANTS.items())
def test_the_day_of_an_instant(told, instant, day):
    assert local_date(_meant(told, instant)).isoformat() == day


def _meant(world: World, instant: str) -> datetime:
    return read("standings", {"as_of": instant}, world.store, world.now).arguments["as_of"]

"""Field reports in figures: an extension is no delay, a refusal no result, silence no opinion."""

from dataclasses import replace
from typing import Any

import pytest

from ioc.model import Record
from kpi import health
from kpi.rebuild import rebuild
from tests.worlds import World, at, rows, source

pytest_plugins = ["tests.worlds"]
REPORTS = source("field_reports", record="field_report")
DERIVED = ("observation", "rollup", "standing", "record", "record_version")


def report(key: str, closed: str = "2026-10-20 09:00", **more: Any) -> Record:
    """A report of October, due on the 15th, with a result unless it says otherwise."""
    return Record(
        key=key,
        kind="field_report",
        org_unit="18880",
        opened_at=at("2026-10-05 08:00"),
        due_at=at("2026-10-15 17:00"),
        closed_at=at(closed) if closed else None,
        state=more.pop("state", "resolved" if closed else "in_progress"),
        **more,
    )


def figures(world: World, indicator: str) -> tuple[float, float]:
    row = world.value(indicator, "2026-10")
    return row.numerator, row.denominator


@pytest.fixture
def desk(world: World) -> World:
    health.publish_sources(world.store, [REPORTS])
    world.poll(REPORTS)
    return world


@pytest.fixture
def reported(desk: World) -> World:
    desk.poll(REPORTS, [report("late"), report("timely", "2026-10-15 17:00"), report("open", "")])
    return desk


def test_a_result_on_the_deadline_is_in_time_and_an_open_report_is_not_counted(
    reported: World,
) -> None:
    assert figures(reported, "I10.1a") == (1, 2)


def test_an_extension_moves_the_deadline_also_when_it_is_told_after_the_result(
    reported: World,
) -> None:
    reported.forward(minutes=5)
    extended = replace(report("late"), due_at=at("2026-10-30 17:00"))
    assert reported.poll(REPORTS, [extended]).changed == 1
    assert figures(reported, "I10.1a") == (2, 2)
    before = {name: rows(reported.store, name) for name in DERIVED}
    rebuild(reported.store)
    assert {name: rows(reported.store, name) for name in DERIVED} == before


def test_a_refused_report_and_one_without_a_deadline_count_on_neither_side(
    reported: World,
) -> None:
    refused = report("refused", "2026-10-06 09:00", state="rejected")
    reported.poll(REPORTS, [refused, replace(report("no deadline"), due_at=None)])
    assert figures(reported, "I10.1a") == (1, 2)


def test_satisfied_and_accepted_are_content_and_who_says_nothing_is_not_asked(
    desk: World,
) -> None:
    said = ("satisfied", "satisfied", "accepted", "dissatisfied", None, None)
    desk.poll(REPORTS, [report(f"r{i}", result=word) for i, word in enumerate(said)])
    assert figures(desk, "I10.1b") == (3, 4)
    desk.forward(minutes=5)
    desk.poll(REPORTS, [report("r5", result="dissatisfied")])
    assert figures(desk, "I10.1b") == (3, 5)

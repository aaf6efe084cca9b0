"""A target that the plan changes: what it asked before stays as it was judged."""

import json
from dataclasses import asdict
from datetime import date

import pytest

from ioc.errors import ConfigError
from ioc.rule import Rule
from kpi import query
from kpi.catalogue import PACKAGED, load_catalogue
from kpi.effective import restored
from kpi.store import open_store
from layouts import lines
from tests.worlds import ADMIN, MEETINGS, STAFF, World, at, share, with_sources

PLAN = PACKAGED / "plan" / "2021-2025.yaml"
JUNE, JULY = date(2025, 6, 30), date(2025, 7, 1)
DEPARTMENTS = "meetings_department_paperless meetings_department_total"
DISTRICTS = "meetings_district_paperless meetings_district_total"


def changed(tmp_path, target: str, *changes: str):
    """The product's catalogue, its plan changed."""
    text = PLAN.read_text(encoding="utf-8")
    listed = "".join(f"      - {{{one}}}\n" for one in changes)
    (tmp_path / "plan").mkdir(exist_ok=True)
    (tmp_path / "plan" / PLAN.name).write_text(
        text.replace(f"  {target}:\n", f"  {target}:\n    changes:\n{listed}", 1), encoding="utf-8"
    )
    return load_catalogue(tmp_path)


@pytest.fixture
def worlds(tmp_path, orgunits, now):
    """A world whose plan asks T07a for 75 instead of 70 from 1 July on, and one that does not."""
    changes = ('from: "2025-07-01", threshold: 75',)
    found = []
    for name, catalogue in (
        ("new", changed(tmp_path, "T07a", *changes)),
        ("old", load_catalogue()),
    ):
        url = f"sqlite:///{tmp_path}/{name}.sqlite"
        world = World(open_store(url, with_sources(catalogue), orgunits), at("2025-06-20 08:00"))
        world.live()
        world.poll(
            MEETINGS,
            share(DEPARTMENTS, "STP", "2024-12", 60, 100)
            + share(DEPARTMENTS, "STP", "2025-06", 72, 100)
            + share(DISTRICTS, "450", "2025-06", 72, 100),
        )
        world.now = now
        found.append(world)
    yield found
    for world in found:
        world.store.close()


def test_a_higher_threshold_from_july_on_leaves_the_status_of_june(worlds):
    new, old = worlds
    for day in (date(2025, 1, 31), JUNE):
        here, there = (w.standing("T07a", "I07a", on=day) for w in worlds)
        assert (here.status, here.threshold, here.reading) == ("met", 70, "> 70")
        assert list(here.drop("run").dropna()) == list(there.drop("run").dropna())
    july = new.standing("T07a", "I07a", on=JULY)
    assert (july.threshold, july.reading) == (75, "> 75")
    assert july.status in ("on_track", "at_risk", "off_track")
    assert july.required_per_month > 0
    assert old.standing("T07a", "I07a", on=JULY).status == "met"


def test_what_is_closed_is_judged_by_the_words_of_its_closing_date(worlds):
    new, old = worlds
    department, district = (new.standing("T07a", name) for name in ("I07a", "I07b"))
    assert (department.closing_value, department.closing_status) == (72, "missed")
    assert (department.threshold, department.missing_count) == (75, 4)
    # the districts closed the day before the plan was changed
    assert (district.closing_value, district.closing_status) == (72, "met")
    assert (district.threshold, district.reading) == (70, "> 70")
    assert new.standing("T07a").status == "missed"
    assert old.standing("T07a").status == "met"


def test_the_register_tells_each_date_its_own_words_and_the_chart_its_steps(worlds):
    new, old = worlds

    def row(world, on):
        asked = {"targets": ["T07a"], "on": on, "now": world.now}
        return query.targets(world.store, ADMIN, **asked).records()[0]

    assert [row(new, day)["threshold"] for day in (JUNE, JULY)] == [70, 75]
    assert [row(new, day)["reading_in_force"] for day in (JUNE, JULY)] == ["> 70", "> 75"]
    assert row(new, JUNE)["wordings"] == "2021-01-01 > 70;2025-07-01 > 75"
    assert lines.steps(row(new, JULY)) == [(date(2021, 1, 1), 70), (JULY, 75)]
    assert row(old, JULY)["wordings"] == "" and lines.steps(row(old, JULY)) == []


def test_a_change_of_the_plan_is_the_cause_of_another_status(worlds):
    new, _ = worlds
    since, until = at("2025-06-30 12:00"), at("2025-07-02 12:00")
    rows = query.changes(new.store, ADMIN, since=since, as_of=until, now=new.now).records()
    (row,) = [row for row in rows if (row["target"], row["indicator"]) == ("T07a", "I07a")]
    assert "target" in row["causes"]
    assert (row["status_before"], row["reading_before"], row["reading"]) == ("met", "> 70", "> 75")


def test_an_earlier_closing_date_closes_from_its_own_day_on(tmp_path, orgunits, now):
    change = 'from: "2025-07-01", closing_date: "2025-09-30", operator: ">=", threshold: 95'
    catalogue = changed(tmp_path, "T12a", change)
    store = open_store(f"sqlite:///{tmp_path}/k.sqlite", with_sources(catalogue), orgunits)
    world = World(store, now).live()
    elements = "staff_with_computer staff_professional"
    world.poll(
        STAFF,
        share(elements, "STP", "2025-05", 93, 100) + share(elements, "STP", "2025-08", 95, 100),
    )
    june = world.standing("T12a", "I12a", on=JUNE)
    assert (june.closing_date, june.reading) == (date(2025, 12, 31), "> 90")
    assert world.standing("T12a", "I12a", on=date(2025, 9, 30)).closing_status == ""
    closed = world.standing("T12a", "I12a", on=date(2025, 10, 1))
    assert (closed.closing_date, closed.closing_value) == (date(2025, 9, 30), 95)
    assert (closed.closing_status, closed.closes_early) == ("met", 1)
    store.close()


def test_a_wording_can_be_asked_of_any_other(tmp_path):
    target = changed(tmp_path, "T02b", 'from: "2024-01-01", threshold: 65').targets["T02b"]
    assert [r.text for r in target.readings] == [">= 60", "> 60"]
    later = target.on(date(2024, 1, 1))
    assert (later.readings, later.rule) == ((Rule(">=", 65),), Rule(">=", 65))
    assert later.on(date(2023, 12, 31)) == target == target.on(date(1990, 1, 1))
    kept = json.loads(json.dumps(asdict(later), default=str))
    assert restored(target, kept).on(date(2024, 1, 1)).rule == later.rule
    assert restored(target, kept).wordings == target.wordings
    plain = {name: value for name, value in kept.items() if name != "wordings"}
    assert restored(target, plain).wordings == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('from: "2025-07-01"', "ít nhất một trong"),
        ("threshold: 75", "phải ghi “from”"),
        ('from: "2020-12-31", threshold: 75', "phải sau lời trước đó"),
        ('from: "2025-07-01", operator: range', "ngưỡng không hợp"),
        ('from: "2025-07-01", limit: 75', "không có mục “limit”"),
        ('from: "2025-07-01", closing_date: "2026-12-31"', "nằm ngoài thời kỳ"),
        ('from: "2025-03-01", closing_date: "2025-09-30"', "giữa các ngày 31/12"),
    ],
)
def test_a_change_that_says_nothing_or_too_much_stops_the_start(tmp_path, change, said):
    with pytest.raises(ConfigError) as refused:
        changed(tmp_path, "T07b", change)
    found = [fault for fault in refused.value.faults if said in fault.message]
    assert found and found[0].line > 10, refused.value

"""What changed between two instants, and by which cause: a world for each."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import configversions, decisions, query
from kpi.store import KpiStore
from layouts import changes as page
from layouts.state import hold
from tests.test_pages import Reader, words
from tests.test_record_pages import hrefs
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    STAFF,
    TRANSFORMATION,
    World,
    at,
    dossier,
    dossiers,
    share,
)  # fmt: skip

pytest_plugins = ["tests.worlds"]
HEAD = Principal("Đồng Hới", "head", frozenset({"area-450"}))
STAFF_OF = "staff_with_computer staff_professional"


def asked(world, who=ADMIN, unit="area-qb", **more):
    """What changed, as dicts."""
    answer = query.changes(world.store, who, org_units=[unit], now=world.now, **more)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.stream()]


def of(world, indicator="I02b", **more):
    """The one row of an indicator."""
    found = [row for row in asked(world, **more) if row["indicator"] == indicator]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def open_(world) -> World:
    """June 2024, the target open: what April and May said stands for a month."""
    world.now = at("2024-05-10 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, dossiers("STP", "2024-04-05", 10, 5) + dossiers("450", "2024-04-05", 8, 4))
    world.now = at("2024-06-10 09:00")
    world.poll(DOSSIERS)
    return world


def test_nothing_that_stayed_is_told(open_):
    open_.forward(hours=3)
    assert asked(open_) == []


def test_a_new_month_is_new_data(open_):
    open_.poll(DOSSIERS, dossiers("STP", "2024-06-05", 10, 9))
    open_.forward(hours=2)
    found = of(open_)
    assert found["causes"] == "new_data" and found["figure"] == "live"
    assert (found["numerator_before"], found["numerator"]) == (9, 18)
    assert (found["denominator_before"], found["denominator"]) == (18, 28)
    assert found["run"] == max(query.runs(open_.store, ADMIN, sources=["public_services"],
                                          now=open_.now).frame().run)  # fmt: skip
    assert {row["indicator"] for row in asked(open_)} == {"I02b"}, "and no other target"


def test_what_a_first_load_has_not_brought_yet_is_no_change(open_, tmp_path):
    open_.poll(DOSSIERS, dossiers("STP", "2024-06-05", 10, 9))
    open_.forward(hours=2)
    assert asked(open_)
    with open_.store.write() as connection:
        connection.execute(sa.text("UPDATE source SET loaded_at = NULL"))
    assert asked(open_) == []
    assert "nguồn đang nạp lần đầu nên chưa so được" in Reader(open_, tmp_path).read(page.layout)


def test_an_old_month_that_moved_was_corrected(open_):
    open_.poll(DOSSIERS, dossiers("STP", "2024-04-05", 10, 8))
    open_.forward(hours=2)
    assert of(open_)["causes"] == "corrected"
    open_.poll(DOSSIERS, dossiers("STP", "2024-06-05", 10, 9))
    open_.forward(hours=2)
    assert of(open_)["causes"] == "new_data corrected"


def test_a_reading_that_was_chosen_moved_the_status_and_not_the_figure(world):
    world.now = at("2026-01-10 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 6))
    world.forward(days=30)
    world.poll(DOSSIERS)
    assert asked(world) == []
    decisions.choose(
        world.store, ADMIN, target="T02b", reading="> 60", reason="theo công văn", now=world.now
    )
    world.forward(hours=2)
    found = of(world)
    assert found["causes"] == "target" and found["figure"] == "closing"
    assert (found["status_before"], found["status"]) == ("met", "missed")
    assert (found["reading_before"], found["reading"]) == (">= 60", "> 60")
    assert found["value_before"] == found["value"] == 60
    assert found["decided_at"] is not None and found["config"] is None


@pytest.fixture
def configured(open_) -> World:
    """The same world, whose configuration was kept, with a store of its own to change."""
    configversions.record(open_.store, None, now=open_.now.replace(month=1))
    made = KpiStore.__new__(KpiStore)
    made.__dict__ = dict(open_.store.__dict__)
    open_.store = made
    return open_


def test_a_level_that_was_set_anew_names_the_version_of_the_configuration(configured):
    world, kept = configured, configured.store.catalogue
    world.now = at("2026-01-10 09:00")
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 7))
    world.forward(days=30)
    target = replace(kept.targets["T02b"], threshold=80.0, reading_in_force=">= 80")
    world.store.catalogue = replace(kept, targets={**kept.targets, "T02b": target})
    configversions.record(world.store, None, now=world.now)
    version = configversions.versions(world.store)[0].number
    world.forward(hours=2)
    found = of(world)
    assert (found["causes"], found["config"]) == ("target", version)
    assert (found["status_before"], found["status"]) == ("met", "missed")
    assert (found["reading_before"], found["reading"]) == (">= 60", ">= 80")


def test_a_formula_that_changed_is_told_and_other_words_are_not(configured):
    world, kept = configured, configured.store.catalogue

    def publish(id: str, **changes: str) -> None:
        old = kept.definitions["I02b"]
        text = old
        for name, value in changes.items():
            text = (
                text.replace(f'"{name}":', f'"{name}":"{value}","was_{name}":')
                if name == "name"
                else text.replace('"dossiers_fully_online"', f'"{value}"')
            )
        one = replace(kept.indicators["I02b"], definition_id=id)
        world.store.catalogue = replace(
            kept,
            indicators={**kept.indicators, "I02b": one},
            definitions={**kept.definitions, "I02b": text},
        )
        world.store.publish(world.now)
        configversions.record(world.store, None, now=world.now)

    publish("cccccccccccc", numerator="dossiers_resolved")
    world.forward(hours=2)
    found = of(world)
    assert found["causes"] == "definition" and found["definition"] == "cccccccccccc"
    assert found["config"] == configversions.versions(world.store)[0].number


def test_units_that_report_instead_of_others_are_a_cause_and_only_then(world):
    world.now = at("2025-06-20 09:00")
    world.live().forward(minutes=3)
    world.poll(STAFF, share(STAFF_OF, "450", "2025-05", 8, 10))
    world.now = at("2025-07-10 09:00")
    world.poll(STAFF, share(STAFF_OF, "18880", "2025-07", 9, 10))
    world.forward(hours=2)
    found = of(world, "I12a", unit="area-450", since=at("2025-06-25 09:00"))
    assert "org_unit" in found["causes"].split()
    world.forward(days=40)
    world.poll(STAFF, share(STAFF_OF, "18880", "2025-08", 10, 10))
    world.forward(hours=2)
    later = of(world, "I12a", unit="area-450")
    assert "org_unit" not in later["causes"].split()


DX_OF = "departments_dx_succeeded departments_dx_assessed"


@pytest.fixture
def merged(world) -> World:
    """Two departments of which one succeeded; a year on they are one, which counts as one."""
    world.now = at("2025-01-20 09:00")
    world.live().forward(minutes=3)
    world.poll(TRANSFORMATION, [*share(DX_OF, "STTTT", "2024-12", 1, 1),
                                *share(DX_OF, "SKHCN", "2024-12", 0, 1)])  # fmt: skip
    world.now = at("2026-01-20 09:00")
    world.poll(TRANSFORMATION, share(DX_OF, "SKHCN25", "2025-12", 1, 1))
    world.forward(days=1)
    return world


@pytest.mark.parametrize("since", ["2025-02-01 00:00", "2025-07-01 00:00", "2025-09-01 00:00"])
def test_departments_that_merged_are_a_cause_where_the_numerator_did_not_move(merged, since):
    found = of(merged, "I11a", since=at(since))
    assert (found["numerator_before"], found["numerator"]) == (1, 1)
    assert (found["denominator_before"], found["denominator"]) == (2, 1)
    assert found["causes"].split()[0] == "new_data" and "org_unit" in found["causes"].split()


def test_the_page_calls_a_merger_by_its_name(merged, tmp_path):
    reader = Reader(merged, tmp_path)
    said = reader.read(page.layout, since="01/09/2025")
    assert "số liệu mới" in said and "sắp xếp đơn vị" in said


def test_the_same_org_units_are_no_cause_however_long_ago_they_merged(merged):
    merged.poll(TRANSFORMATION, share(DX_OF, "SKHCN25", "2025-12", 0, 1))
    merged.forward(days=1)
    found = [row for row in asked(merged, since=at("2026-01-21 00:00"))
             if row["indicator"] == "I11a"]  # fmt: skip
    assert found and all(row["causes"].split()[0] == "new_data" for row in found), found
    assert not any("org_unit" in row["causes"].split() for row in found)


def test_what_was_rebuilt_by_weeks_says_its_week_and_no_minute(world, tmp_path):
    world.now = at("2024-06-20 09:00")
    done = ("2024-05-20", "2024-06-12")  # what the source changed on a day is known from its week
    world.poll(DOSSIERS, [
        dossier(f"d{n}", "STP", f"{day} 08:00", f"{day} 09:00", changed=f"{day} 09:00",
                online=bool(n))
        for n, day in enumerate(done)
    ])  # fmt: skip
    world.forward(minutes=3)
    world.poll(DOSSIERS)
    reader = Reader(world, tmp_path)
    table = [p for p in reader.see(page.layout, since="11/06/2024")
             if getattr(p, "className", None) == "causes"]  # fmt: skip
    said = words(table[:1])
    assert "tuần bắt đầu 10/06/2024 (dựng lại)" in said and ":00" not in said


def test_a_page_of_a_past_day_does_not_call_it_now(open_, tmp_path):
    open_.forward(days=30)
    reader = Reader(open_, tmp_path)
    assert "đến nay (" in reader.read(page.layout, since="01/06/2024")
    for held in (False, True):
        with reader.request():
            asked = {"since": "01/06/2024"} | ({} if held else {"as_of": "20/06/2024"})
            if held:
                hold(at("2024-06-21 00:00"), "2024-06-20")
            said = words([page.layout(**asked)])
        assert "đến hết ngày 20/06/2024" in said and "đến nay" not in said


def test_a_target_that_closed_was_moved_by_the_clock_alone(world):
    world.now = at("2025-12-20 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 7))
    world.now = at("2025-12-30 09:00")
    world.poll(DOSSIERS)
    world.now = at("2026-01-02 09:00")
    world.poll(DOSSIERS)
    found = of(world)
    assert found["causes"] == "clock" and found["figure"] == "closing"
    assert found["value_before"] == found["value"] == 70
    assert (found["status_before"], found["status"]) != (found["status"], found["status"])
    assert found["known_at"] is None and found["decided_at"] is None


def test_the_live_figure_of_a_closed_target_has_a_row_of_its_own(world):
    world.now = at("2026-02-10 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 7) + dossiers("STP", "2026-01-05", 4, 2))
    world.forward(days=20)
    world.poll(DOSSIERS, dossiers("STP", "2026-02-25", 4, 4))
    world.forward(hours=2)
    found = of(world)
    assert (found["figure"], found["causes"]) == ("after_closing", "new_data")
    assert found["status_before"] == found["status"] == "met"


def test_both_instants_may_lie_in_the_past(open_):
    open_.poll(DOSSIERS, dossiers("STP", "2024-06-05", 10, 9))
    open_.now = at("2026-11-22 09:00")
    open_.poll(DOSSIERS)
    then = of(open_, since=at("2024-06-01 12:00"), as_of=at("2024-06-20 12:00"))
    assert (then["numerator_before"], then["numerator"], then["causes"]) == (9, 18, "new_data")
    with pytest.raises(query.UnknownFilter):
        asked(open_, since=at("2024-06-20 12:00"), as_of=at("2024-06-01 12:00"))


def test_a_head_reads_its_own_area_and_not_who_gave_a_file(open_, tmp_path):
    open_.poll(STAFF, share(STAFF_OF, "450", "2024-04", 8, 10))
    open_.forward(minutes=2)
    open_.give(STAFF, share(STAFF_OF, "450", "2024-05", 9, 10), tmp_path)
    open_.forward(hours=2)
    whole = of(open_, "I12a", unit="area-450")
    mine = of(open_, "I12a", who=HEAD, unit="area-450")
    assert whole["given_by"] == "máy tại chỗ" and mine["given_by"] == ""
    assert mine["run"] == whole["run"] is not None
    with pytest.raises(Forbidden):
        asked(open_, who=HEAD)


def test_the_page_says_before_after_and_cause_with_the_way_to_it(open_, tmp_path):
    open_.poll(DOSSIERS, dossiers("STP", "2024-04-05", 10, 8))
    open_.forward(hours=2)
    run = of(open_)["run"]
    reader = Reader(open_, tmp_path)
    found = reader.see(page.layout)
    said = words(found[:1])
    assert "50 % 9/18" in said and "67 % 12/18" in said and "số liệu sửa" in said
    ways = hrefs(found)
    assert f"/sources/public_services?run={run}" in ways
    assert "/lineage?org_unit=area-qb&indicator=I02b&to=2024" in ways
    assert any(href.startswith("/api/v1/changes.csv?") for href in ways)
    open_.forward(days=10)
    assert "Không chỉ tiêu nào đổi" in reader.read(page.layout, since="19/06/2024")
    assert "Không so được" in reader.read(page.layout, since="hôm qua")

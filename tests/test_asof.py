"""What was known when: closed minutes, day ends, seals, reconstructed weeks, thinning, rebuild."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ioc.model import Counts, Reading, Rejection
from kpi import health
from kpi.answer import MINUTES_KEPT
from kpi.intake import accept
from kpi.rebuild import rebuild
from kpi.schema import FAR, micros
from kpi.thinning import thin
from tests.worlds import (
    DOSSIERS,
    MEETINGS,
    REGISTRY,
    STAFF,
    at,
    dossier,
    dossiers,
    plain,
    reading,
    rows,
    share,
    tables,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
STP, SYT = "department-STP-2025-07-01", "department-SYT-2025-07-01"


@pytest.fixture
def live(world):
    """A world whose sources were all polled before, some minutes ago."""
    world.live().forward(minutes=5)
    return world


def done(world, key: str = "a", online: bool = False, **more):
    """A dossier of last month."""
    return dossier(key, "STP", "2026-10-05 08:00", "2026-10-06 08:00", online=online, **more)


def count(world, as_of: datetime | None = None) -> float:
    """How many dossiers of last month the store knows of."""
    return world.value("I02b", "2026-10", as_of=as_of).denominator


def test_what_is_written_in_a_minute_is_seen_by_the_next_one_and_not_by_its_own(live):
    live.now = at("2026-11-22 09:00:30")
    live.poll(DOSSIERS, [done(live)])
    assert count(live) == 1
    live.now = at("2026-11-22 09:05:00")
    assert count(live, at("2026-11-22 09:00:00")) == 0
    assert count(live, at("2026-11-22 09:00:59")) == 0
    assert count(live, at("2026-11-22 09:01:00")) == 1


def test_a_write_that_commits_after_its_minute_changes_no_answer_that_was_given(live):
    """The writer read its clock at ten to the minute's end and committed after somebody asked."""
    began = live.now.replace(second=59)
    live.now = began + timedelta(seconds=2)
    asked = began + timedelta(seconds=1)
    before = live.values("I02b", "2026-11", as_of=asked)
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    accept(live.store, DOSSIERS, dossiers("19207", "2026-11-02", 4, 3), run=run, now=began)
    assert live.values("I02b", "2026-11", as_of=asked).equals(before)
    live.forward(minutes=3)
    settled = live.values("I02b", "2026-11", as_of=asked).iloc[0]
    assert (settled.numerator, settled.denominator) == (3, 4)


def test_a_seal_sees_all_that_was_committed_before_it_and_nothing_after(live):
    live.now = at("2026-11-22 09:00:30")
    live.poll(DOSSIERS, [done(live, "a")])
    first = live.seal()
    live.poll(DOSSIERS, [done(live, "b")])
    second = live.seal()
    live.poll(DOSSIERS, [done(live, "c")])
    live.forward(hours=3)
    assert first < second
    assert (count(live, first), count(live, second), count(live)) == (1, 2, 3)


def test_two_seals_of_one_instant_are_two(live):
    first, second = live.seal(), live.seal()
    assert second > first >= live.now


def test_a_clock_that_went_back_writes_no_history(live):
    live.now = at("2026-11-22 12:00:10")
    live.poll(DOSSIERS, [done(live, "a")])
    live.forward(hours=-2)
    live.poll(DOSSIERS, [done(live, "b")])
    live.forward(hours=4)
    assert count(live, at("2026-11-22 11:00:00")) == 0
    assert count(live, at("2026-11-22 12:00:00")) == 0
    assert count(live, at("2026-11-22 12:01:00")) == 2


def test_inside_one_minute_a_version_is_rewritten_and_goes_when_the_value_returns(live):
    live.poll(DOSSIERS, [done(live)])
    live.forward(minutes=1)
    before = tables(live.store)
    live.poll(DOSSIERS, [done(live, online=True)])
    assert len(rows(live.store, "record_version")) == 1
    live.poll(DOSSIERS, [done(live)])
    after = tables(live.store)
    assert {name: after[name] for name in after if name != "record"} == {
        name: before[name] for name in before if name != "record"
    }


def test_an_older_instant_is_answered_by_the_end_of_the_local_day_before_it(live):
    live.now = at("2026-11-22 09:00")
    live.poll(DOSSIERS, [done(live, "a")])
    live.now = at("2026-11-23 09:00")
    live.poll(DOSSIERS, [done(live, "b")])
    live.now = at("2026-11-29 08:00")
    assert count(live, at("2026-11-23 10:00")) == 2
    live.now = at("2026-12-10 09:00")
    assert count(live, at("2026-11-23 10:00")) == 1
    assert count(live, at("2026-11-24 00:00")) == 2


def test_the_last_instant_of_a_day_that_was_sealed_keeps_its_seal(live):
    live.now = at("2026-11-22 09:00")
    live.poll(DOSSIERS, [done(live, "a")])
    live.forward(minutes=1)
    sealed = live.seal()
    live.forward(days=30)
    assert count(live, sealed) == 1
    assert count(live, sealed + timedelta(hours=1)) == 1
    assert count(live, sealed - timedelta(seconds=1)) == 0


@pytest.mark.parametrize("element", ["numerator", "stock"])
def test_a_seal_taken_now_shows_what_the_screen_shows_now(live, element):
    if element == "numerator":
        # the closing window is corrected long after, and only above the line
        live.poll(DOSSIERS, [*dossiers("STP", "2025-09-08", 4, 2), done(live)])
        live.forward(days=60)
        live.poll(
            DOSSIERS,
            [
                dossier(
                    "STP-2025-09-08-3", "STP", "2025-09-08 08:00", "2025-09-08 09:00", online=True
                )
            ],
        )
    else:
        # the newest month has a numerator only: the newest figure is the one before
        live.poll(STAFF, share(STAFF_OF, "SYT", "2026-09", 9, 10))
        live.poll(STAFF, [reading("staff_with_computer", "SYT", "2026-10", 10)])
    sealed = live.seal()
    present = [plain(row) for row in live.standings().itertuples(index=False)]
    past = [plain(row) for row in live.standings(as_of=sealed).itertuples(index=False)]
    assert past == present


def test_a_cut_year_is_the_same_figure_now_and_as_of_now(world):
    online = "meetings_province_district_online meetings_province_district_total"
    world.now = at("2025-11-03 08:00")
    live = world.live(MEETINGS)
    live.poll(
        MEETINGS, share(online, "STP", "2025-05", 6, 10) + share(online, "STP", "2025-08", 0, 10)
    )
    sealed = live.seal()
    present, past = live.standing("T08a", "I08a"), live.standing("T08a", "I08a", as_of=sealed)
    assert (present.closing_numerator, present.closing_denominator) == (6, 10)
    assert plain(past) == plain(present)


def test_the_mark_of_a_first_load_stays_on_what_was_sealed_in_it(world):
    run = health.begin_run(world.store, DOSSIERS.id, world.now)
    accept(world.store, DOSSIERS, [done(world)], run=run, now=world.now)
    world.forward(seconds=20)
    sealed = world.seal()
    shown = plain(world.standing("T02b", "I02b", as_of=sealed))
    world.forward(seconds=20)
    world.end(run, Counts())
    world.forward(minutes=5)
    assert plain(world.standing("T02b", "I02b", as_of=sealed)) == shown


def test_a_run_that_ends_after_a_seal_ended_after_it_whatever_its_clock_says(live):
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    counts = accept(live.store, DOSSIERS, [done(live)], run=run, now=live.now)
    live.forward(seconds=5)
    sealed = live.seal()
    shown = plain(live.standing("T02b", "I02b", as_of=sealed))
    live.forward(seconds=-3)
    live.end(run, counts)
    assert plain(live.standing("T02b", "I02b", as_of=sealed)) == shown


# --- the first load ---------------------------------------------------------------------------


def test_a_first_load_is_known_by_the_weeks_of_the_source_own_changes(world):
    world.poll(
        DOSSIERS,
        [
            done(world, "a", changed="2026-10-07 08:00"),
            done(world, "b", changed="2026-10-20 08:00"),
            done(world, "c"),
        ],
    )
    world.forward(minutes=5)
    assert count(world) == 3
    assert [count(world, at(f"2026-10-{day} 12:00")) for day in ("11", "12", "25", "26")] == [
        0,
        1,
        1,
        2,
    ]
    marked = world.standing("T02b", "I02b", as_of=at("2026-10-12 12:00"))
    assert "dựng lại theo thời điểm cập nhật của nguồn" in marked["mark"]
    assert "dựng lại" not in world.standing("T02b", "I02b")["mark"]


def test_the_weeks_of_a_first_load_never_go_back_though_its_batches_do(world):
    world.poll(DOSSIERS, [done(world, "a", changed="2026-10-20 08:00")], ends=False)
    world.poll(DOSSIERS, [done(world, "b", changed="2026-10-07 08:00")], ends=False)
    known = [row for row in rows(world.store, "rollup") if row[0] == "dossiers_resolved"]
    assert {row[3] for row in known} == {micros(at("2026-10-19 00:00"))}
    assert all(row[3] < row[4] for row in known)


def test_after_the_first_load_late_changes_are_known_when_they_came(world):
    world.poll(DOSSIERS, [done(world, "a", changed="2026-10-07 08:00")])
    world.forward(minutes=5)
    world.poll(DOSSIERS, [done(world, "b", changed="2026-10-08 08:00")])
    assert count(world, at("2026-10-20 12:00")) == 1
    assert count(world) == 2


def test_a_seal_before_the_first_poll_shows_nothing_of_the_source_for_ever(world):
    sealed = world.seal()
    world.forward(hours=1)
    world.poll(DOSSIERS, [done(world, changed="2026-10-07 08:00")])
    world.forward(hours=1)
    assert world.value("I02b", "2026-10", as_of=sealed).denominator != 1


def test_a_seal_within_a_first_load_keeps_what_it_showed(world):
    world.poll(DOSSIERS, [done(world, "a", changed="2026-10-07 08:00")], ends=False)
    sealed = world.seal()
    assert count(world, sealed) == 1
    world.poll(DOSSIERS, [done(world, "b", changed="2026-10-07 08:00")])
    world.forward(minutes=5)
    assert (count(world, sealed), count(world)) == (1, 2)


def test_the_first_load_of_a_second_system_with_the_same_records_writes_no_history(live):
    live.poll(DOSSIERS, [done(live, "a", changed="2026-10-07 08:00")])
    live.forward(minutes=2)
    closed = live.now
    assert count(live, closed) == 1
    live.forward(minutes=2)
    with live.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE source SET first_poll_at = NULL, loaded_at = NULL WHERE id = 'registry'"
        )
    live.poll(REGISTRY, [done(live, "b", changed="2026-10-08 08:00")], ends=False)
    live.forward(minutes=1)
    live.poll(REGISTRY, [done(live, "c", changed="2026-10-06 08:00")])
    live.forward(minutes=2)
    assert (count(live, closed), count(live)) == (1, 3)
    assert all(row[3] < row[4] for row in rows(live.store, "rollup"))
    before = tables(live.store)
    rebuild(live.store)
    assert tables(live.store) == before


def test_the_first_load_of_a_report_is_its_own_whatever_other_reports_load_beside_it(world):
    """Two systems whose figures have nothing in common: each keeps its weeks and says it loads."""

    def told(words: str, org_unit: str, changed: str) -> list[Reading]:
        return [
            replace(each, changed_at=at(changed))
            for each in share(words, org_unit, "2026-09", 3, 4)
        ]

    system = "meetings_department_paperless meetings_department_total"
    people = "staff_with_computer staff_professional"
    world.poll(MEETINGS, told(system, "VPUB", "2026-11-20 08:00"), ends=False)
    world.poll(STAFF, told(people, "STP", "2026-10-07 08:00"), ends=False)
    assert "đang nạp" in world.standing("T12a", "I12a")["mark"]
    world.poll(STAFF, told(people, "SYT", "2026-10-20 08:00"))
    world.forward(minutes=5)
    days = [f"2026-{day} 12:00" for day in ("10-04", "10-12", "10-26")]
    known = [world.value("I12a", "2026-09", as_of=at(day)).denominator for day in days]
    assert [plain([each])[0] for each in known] == [None, 4, 8]


def test_what_goes_during_a_first_load_goes_in_its_weeks_too(world):
    many = [done(world, f"r{i}", changed="2026-10-07 08:00") for i in range(6)]
    world.poll(REGISTRY, many, whole=True, ends=False)
    world.forward(minutes=2)
    assert world.poll(REGISTRY, many[:5], whole=True, ends=False).gone == 1
    world.forward(minutes=2)
    world.poll(REGISTRY, [*many[:5], done(world, "new", changed="2026-10-08 08:00")], whole=True)
    assert all(row[3] < row[4] for row in rows(world.store, "rollup"))
    assert count(world) == 6
    before = tables(world.store)
    rebuild(world.store)
    assert tables(world.store) == before


# --- thinning ---------------------------------------------------------------------------------


def test_thinning_keeps_the_present_day_ends_and_seals_and_drops_the_minutes_between(live):
    live.now = at("2026-11-22 09:00")
    for key in "abcd":
        live.poll(DOSSIERS, [done(live, key)])
        live.forward(minutes=2)
    sealed = live.seal()
    live.forward(minutes=2)
    live.poll(DOSSIERS, [done(live, "e")])
    live.forward(days=1)
    live.poll(DOSSIERS, [done(live, "f")])
    live.forward(days=9)
    asked = [sealed, at("2026-11-23 00:00"), at("2026-11-24 00:00"), None]
    shown = [[plain(r) for r in live.standings(as_of=i).itertuples(index=False)] for i in asked]
    kept = {name: rows(live.store, name) for name in ("record", "record_version", "member")}
    assert thin(live.store, live.now) > 0
    assert thin(live.store, live.now) == 0
    again = [[plain(r) for r in live.standings(as_of=i).itertuples(index=False)] for i in asked]
    assert again == shown
    assert [count(live, i) for i in asked] == [4, 5, 6, 6]
    assert {name: rows(live.store, name) for name in kept} == kept


def test_thinning_keeps_the_oldest_minute_that_can_still_be_asked_for(live):
    live.now = at("2026-11-22 09:00:20")
    live.poll(DOSSIERS, [done(live, "a")])
    live.now = at("2026-11-22 09:02:20")
    live.poll(DOSSIERS, [done(live, "b")])
    live.now = at("2026-11-22 09:02:30") + MINUTES_KEPT
    asked = at("2026-11-22 09:02:30")
    assert count(live, asked) == 1
    thin(live.store, live.now)
    assert count(live, asked) == 1


def test_thinning_spares_every_reading_and_changes_no_sealed_word(live):
    live.poll(DOSSIERS, [done(live, "a")])
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-08", 9, 10))
    live.forward(minutes=3)
    live.poll(DOSSIERS, [done(live, "b")])
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-08", 8, 10))
    live.forward(minutes=3)
    sealed = live.seal()
    live.forward(minutes=3)
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-08", 7, 10))
    live.forward(days=20)

    def shown():
        return [
            plain(row)
            for indicator in ("I02b", "I12a")
            for row in live.values(indicator, "2026-07", "2026-10", as_of=sealed).itertuples()
        ]

    said = [row for row in rows(live.store, "observation") if row[-1] is not None]
    before = shown()
    assert thin(live.store, live.now) > 0
    assert shown() == before
    assert [row for row in rows(live.store, "observation") if row[-1] is not None] == said


# --- rebuild ----------------------------------------------------------------------------------


def test_a_rebuild_changes_nothing(live):
    live.poll(DOSSIERS, dossiers("STP", "2026-10-05", 10, 5))
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-08", 9, 10))
    live.forward(days=1)
    live.poll(DOSSIERS, dossiers("SYT", "2026-10-05", 5, 5))
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-08", 8, 10))
    before = tables(live.store)
    assert rebuild(live.store) == 2
    assert tables(live.store) == before


def test_a_rebuild_keeps_a_key_that_went_and_came_back_older_within_a_minute(live):
    many = [done(live, f"r{i}", changed="2026-10-08 08:00") for i in range(6)]
    live.poll(REGISTRY, many, whole=True)
    live.forward(minutes=2)
    live.poll(REGISTRY, many[:5], whole=True)
    back = done(live, "r5", online=True, changed="2026-10-07 08:00")
    live.poll(REGISTRY, [*many[:5], back], whole=True)
    before = tables(live.store)
    rebuild(live.store)
    assert tables(live.store) == before


def test_a_rebuild_that_fails_leaves_everything_as_it_was(live):
    live.poll(DOSSIERS, dossiers("STP", "2026-10-05", 10, 5))
    before = tables(live.store)

    class Failing:
        def __getattr__(self, name):
            return getattr(live.store.refresh, name)

        def run(self, connection, boundary):
            raise RuntimeError("giữa chừng")

    broken = type(live.store).__new__(type(live.store))
    broken.__dict__ = {**live.store.__dict__, "refresh": Failing()}
    with pytest.raises(RuntimeError, match="giữa chừng"):
        rebuild(broken)
    assert tables(live.store) == before
    assert rebuild(live.store) == 1


# --- late and out of order --------------------------------------------------------------------


def test_an_older_change_that_comes_late_changes_nothing(live):
    live.poll(DOSSIERS, [done(live, online=True, changed="2026-10-09 08:00")])
    before = tables(live.store)
    live.forward(minutes=2)
    counts = live.poll(DOSSIERS, [done(live, changed="2026-10-08 08:00")])
    assert (counts.new, counts.changed, counts.same) == (0, 0, 1)
    assert tables(live.store) == before


@pytest.mark.parametrize("said", ["record", "reading"])
def test_what_was_confirmed_later_is_not_undone_by_what_was_said_between(live, said):
    if said == "record":
        source = DOSSIERS
        first, between, again = (
            [done(live, online=online, changed=f"2026-10-{day} 08:00")]
            for online, day in ((True, "08"), (False, "09"), (True, "10"))
        )
    else:
        source = STAFF
        first, between, again = (
            [reading("staff_professional", "SYT", "2026-10", n, f"2026-11-{day} 08:00")]
            for n, day in ((5, "08"), (7, "09"), (5, "10"))
        )
    live.poll(source, first)
    live.forward(minutes=1)
    live.poll(source, again)
    before = tables(live.store)
    live.forward(minutes=1)
    live.poll(source, between)
    assert tables(live.store) == before


def test_a_whole_reply_with_a_row_that_nobody_can_read_takes_nothing_out(live):
    many = [done(live, f"r{i}") for i in range(6)]
    live.poll(REGISTRY, many, whole=True)
    spoilt = Rejection("trang 1#6", "thiếu mã", {"org_unit": "STP"}, "0" * 64)
    counts = live.poll(REGISTRY, [*many[:5], spoilt], whole=True, rejected=1)
    assert (counts.gone, counts.rejected) == (0, 1)
    assert count(live) == 6


def test_versions_that_are_believed_end_in_the_far_instant_and_others_after_they_began(live):
    for key, online in (("a", False), ("a", True), ("b", True), ("a", False)):
        live.poll(DOSSIERS, [done(live, key, online=online)])
        live.forward(minutes=1)
    for table in ("observation", "rollup"):
        found = rows(live.store, table)
        assert any(row[4] == FAR for row in found)
        assert all(row[3] < row[4] for row in found)

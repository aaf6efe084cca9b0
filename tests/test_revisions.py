"""What was corrected: before, after, since when and by which poll; the same once thinned."""

from datetime import UTC

import pytest
import sqlalchemy as sa
from flask import g

from ioc.period import Period
from ioc.principal import Principal
from kpi import query
from kpi.thinning import thin
from layouts import indicator, lineage
from tests.test_pages import Reader, walk, words
from tests.test_record_pages import hrefs
from tests.worlds import ADMIN, DOSSIERS, STAFF, at, dossier, dossiers, plain, share

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
HEAD = Principal("Đồng Hới", "head", frozenset({"area-450"}))


def asked(world, who=ADMIN, key="I02b", unit="area-qb", first="2026-01", last="2026-11", **more):
    """The corrections of one indicator, as dicts."""
    grain = more.pop("grain", "month")
    answer = query.revisions(
        world.store, who, indicators=[key], org_units=[unit], first=Period.parse(first),
        last=Period.parse(last), grain=grain, now=world.now, **more,
    )  # fmt: skip
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.stream()]


def moves(found):
    """Numerator and denominator before and after of each correction, with its poll."""
    names = "numerator_before denominator_before numerator denominator run".split()
    return [(row["period"], *(row[name] for name in names)) for row in found]


def run_of(world) -> int:
    """The newest poll."""
    with world.store.read() as connection:
        return connection.scalar(sa.text("SELECT MAX(run) FROM poll_run")) or 0


@pytest.fixture
def corrected(world):
    """A July that was told in August, corrected in October, and twice within a day in November."""
    world.now = at("2026-08-02 09:00")
    world.live().forward(minutes=3)
    world.poll(
        DOSSIERS, dossiers("18880", "2026-07-06", 10, 6) + dossiers("STP", "2026-07-06", 4, 4)
    )
    world.runs = [run_of(world)]
    for day, online in (
        ("2026-08-20 09:00", 7),
        ("2026-11-03 09:00", 8),
        ("2026-11-03 09:10", 9),
    ):
        world.now = at(day)
        world.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, online))
        world.runs.append(run_of(world))
    world.now = at("2026-11-22 09:00")
    world.poll(DOSSIERS)
    return world


def test_a_correction_says_before_after_since_when_and_by_which_poll(corrected):
    found = asked(corrected)
    _, second, _, last = corrected.runs
    assert moves(found) == [
        ("2026-07", 10.0, 14.0, 11.0, 14.0, second),
        ("2026-07", 11.0, 14.0, 13.0, 14.0, last),
    ]
    assert [row["known_at"].astimezone(UTC) for row in found] == [
        at("2026-08-20 09:00"), at("2026-11-03 09:10"),
    ]  # fmt: skip
    assert found[0]["value"] == pytest.approx(100 * 11 / 14)
    assert asked(corrected, unit="department-STP-2025-07-01") == []


def test_what_came_in_time_is_no_correction(world):
    world.now = at("2026-08-02 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, 6))
    world.now = at("2026-08-06 09:00")
    world.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, 7))
    world.now = at("2026-09-06 09:00")
    world.poll(DOSSIERS, dossiers("18880", "2026-08-06", 3, 3))
    world.forward(days=2)
    assert asked(world) == []


@pytest.mark.parametrize("grain", ["month", "quarter", "year"])
def test_corrections_are_the_same_before_and_after_thinning(corrected, grain):
    span = {"grain": grain, "first": "2026", "last": "2026"}
    past = [None, at("2026-11-03 09:05"), at("2026-09-30 12:00")]
    corrected.forward(days=20)
    before = [[plain(one.values()) for one in asked(corrected, **span, as_of=t)] for t in past]
    assert len(before[0]) == {"month": 2, "quarter": 1, "year": 0}[grain]  # once each had ended
    assert thin(corrected.store, corrected.now) > 0
    after = [[plain(one.values()) for one in asked(corrected, **span, as_of=t)] for t in past]
    assert after == before


def test_an_instant_knows_the_corrections_that_had_come_by_then(corrected):
    then = asked(corrected, as_of=at("2026-09-30 12:00"))
    assert moves(then) == [("2026-07", 10.0, 14.0, 11.0, 14.0, corrected.runs[1])]


def test_every_figure_that_is_marked_as_corrected_has_its_correction(corrected):
    frame = corrected.values("I02b", "2026-01", "2026-11", org_units=["area-qb", "area-450"])
    marked = {(row.org_unit, row.period) for row in frame.itertuples() if row.revised}
    found = [one for unit in ("area-qb", "area-450") for one in asked(corrected, unit=unit)]
    assert marked == {(row["org_unit"], row["period"]) for row in found} != set()


def test_a_figure_that_went_is_corrected_to_nothing(world):
    world.now = at("2026-08-02 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, [dossier("a", "18880", "2026-07-06 08:00", "2026-07-06 09:00")])
    world.now = at("2026-09-02 09:00")
    world.poll(DOSSIERS, [dossier("a", "18880", "2026-07-06 08:00", state="processing")])
    assert moves(asked(world)) == [("2026-07", 0.0, 1.0, None, None, run_of(world))]


def test_a_figure_given_by_hand_says_by_whom_and_only_to_whoever_reads_everything(world, tmp_path):
    world.now = at("2026-08-02 09:00")
    world.live().forward(minutes=3)
    world.poll(STAFF, share(STAFF_OF, "450", "2025-05", 8, 10))
    world.forward(days=60)
    # a poll of the same minute: the reading itself knows which run it was
    world.give(STAFF, share(STAFF_OF, "450", "2025-05", 9, 10), tmp_path)
    given = run_of(world)
    world.poll(STAFF, share(STAFF_OF, "457", "2025-05", 9, 10))
    span = {"key": "I12a", "unit": "area-450", "first": "2025-05", "last": "2025-05"}
    told = asked(world, **span)
    assert moves(told) == [("2025-05", 8.0, 10.0, 9.0, 10.0, given)]
    assert told[0]["given_by"] == "máy tại chỗ"
    hidden = asked(world, HEAD, **span)
    assert moves(hidden) == moves(told) and hidden[0]["given_by"] == ""


def test_days_are_refused(corrected):
    with pytest.raises(query.UnknownFilter):
        asked(corrected, first="2026-07-06", last="2026-07-06", grain="day")


def test_a_history_that_was_built_names_no_poll(world):
    changed = {"changed": "2026-01-07 08:00"}
    one = dossier("a", "18880", "2025-10-05 08:00", "2025-10-06 08:00", **changed)
    later = {"changed": "2026-02-20 08:00"}
    two = dossier("b", "18880", "2025-10-05 08:00", "2025-10-06 08:00", **later)
    world.poll(DOSSIERS, [one, two])
    world.forward(minutes=3)
    found = asked(world, first="2025-10", last="2025-10")
    assert moves(found) == [("2025-10", 0.0, 1.0, 0.0, 2.0, None)]


def test_a_correction_hours_after_the_first_load_is_told(world):
    late = {"opened": "2026-07-05 08:00", "closed": "2026-07-06 08:00"}
    world.poll(DOSSIERS, [dossier("a", "18880", **late, changed="2026-09-01 08:00")])
    world.forward(hours=2)
    online = {"channel": "full", "result": "electronic", "changed": "2026-11-22 09:30"}
    world.poll(DOSSIERS, [dossier("a", "18880", **late, **online)])
    found = asked(world, first="2026-07", last="2026-07")
    assert moves(found) == [("2026-07", 0.0, 1.0, 1.0, 1.0, run_of(world))]


# --- lineage ---------------------------------------------------------------------------------


def rows_of(world, step="rollup", who=ADMIN, unit="area-qb", **more):
    answer = query.lineage(
        world.store, who, indicators=["I02b"], org_units=[unit], first=Period.parse("2026-07"),
        last=Period.parse("2026-07"), step=step, now=world.now, **more,
    )  # fmt: skip
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.stream()]


def test_each_sum_names_the_poll_that_brought_it_and_the_older_one_the_older_poll(corrected):
    first, _, _, last = corrected.runs
    found = {(r["element"], r["org_unit"]): r["run"] for r in rows_of(corrected)}
    stp = "department-STP-2025-07-01"
    assert found["dossiers_fully_online", "area-qb"] == last
    assert found["dossiers_resolved", "area-qb"] == first
    assert found["dossiers_fully_online", stp] == first
    then = rows_of(corrected, as_of=at("2026-08-10 12:00"))
    assert {r["run"] for r in then} == {first}


def test_a_poll_that_brought_nothing_is_not_named_though_it_ran_in_the_same_minute(corrected):
    corrected.now = at("2026-11-23 09:00")
    corrected.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, 10))
    brought = run_of(corrected)
    corrected.forward(seconds=5)
    corrected.poll(DOSSIERS)
    newest = [r for r in rows_of(corrected) if r["element"] == "dossiers_fully_online"]
    assert newest[0]["run"] == brought


def test_a_standing_stands_on_top_as_of_an_instant_too(corrected):
    then = rows_of(corrected, targets=["T02b"], as_of=at("2026-08-10 12:00"))
    now = rows_of(corrected, targets=["T02b"])
    assert [rows[0]["step"] for rows in (then, now)] == ["standing", "standing"]
    assert then[0]["value"] == pytest.approx(1000 / 14)
    assert now[0]["value"] == pytest.approx(1300 / 14)
    assert (then[0]["run"], now[0]["run"]) == (corrected.runs[0], corrected.runs[-1])


def test_a_version_that_was_touched_is_told_in_the_lineage(sqlite_world, tmp_path):
    world = sqlite_world.live()
    world.forward(minutes=2)
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 2, 1))
    page = {"indicator": "I02b", "org_unit": "department-STP-2025-07-01", "to": "2026-10-05"}
    reader = Reader(world, tmp_path)
    assert "không khớp" not in reader.read(lineage.layout, **page)
    with world.store.write() as connection:
        connection.exec_driver_sql("UPDATE record SET state = 'x' WHERE key = 'STP-2026-10-05-0'")
    assert reader.read(lineage.layout, **page).count("không khớp") == 1


def test_the_page_lists_the_polls_that_brought_the_figure_and_no_others(corrected, tmp_path):
    reader = Reader(corrected, tmp_path)
    page = {"indicator": "I02b", "org_unit": "area-qb", "to": "2026-07"}
    ways = set(hrefs(reader.see(lineage.layout, **page)))
    brought = {f"/sources/public_services?run={n}" for n in corrected.runs}
    assert ways & brought == {
        f"/sources/public_services?run={n}" for n in (corrected.runs[0], corrected.runs[-1])
    }
    assert not any("run=" in href and href not in brought for href in ways)


def test_a_history_that_was_built_says_so_in_the_lineage(sqlite_world, tmp_path):
    done = {"changed": "2026-10-07 08:00"}
    one = dossier("a", "18880", "2026-10-05 08:00", "2026-10-06 08:00", **done)
    sqlite_world.poll(DOSSIERS, [one])
    sqlite_world.forward(minutes=3)
    said = Reader(sqlite_world, tmp_path).read(
        lineage.layout, indicator="I02b", org_unit="area-qb", to="2026-10"
    )
    assert "dựng lại theo thời điểm cập nhật của nguồn" in said


def test_a_head_sees_which_poll_it_was_and_nothing_of_what_it_brought(corrected, tmp_path):
    with corrected.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE poll_run SET address = 'http://noi/doc', bytes = 987654, response_hash = 'abcd'"
        )
    page = {"indicator": "I02b", "org_unit": "area-450", "to": "2026-07"}
    whole = Reader(corrected, tmp_path).read(lineage.layout, **page)
    assert "987.654" in whole and "http://noi/doc" in whole
    reader = Reader(corrected, tmp_path)
    with reader.request():
        g.principal = HEAD
        found = list(walk(lineage.layout(**page)))
    said = words(found[:1])
    assert "Lượt đọc đã đưa số này về" in said
    assert not any(secret in said for secret in ("987.654", "http://noi/doc", "abcd"))


def test_the_page_of_an_indicator_says_its_corrections_with_the_way_to_the_poll(
    corrected, tmp_path
):
    found = Reader(corrected, tmp_path).see(indicator.layout, key="I02b")
    said = words(found[:1])
    assert "đã sửa: 79 % (11/14) → 93 % (13/14), ngày 03/11/2026" in said
    assert f"/sources/public_services?run={corrected.runs[-1]}" in hrefs(found)
    assert said.count(f"lượt đọc {corrected.runs[-1]}") == 2  # under the chart and in its twin

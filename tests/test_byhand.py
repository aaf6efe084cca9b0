"""What people give by hand: marked wherever its figure stands, until the source itself says it."""

import pytest

from kpi import given, requests
from kpi.rebuild import rebuild
from tests.worlds import DOSSIERS, MEETINGS, STAFF, at, dossier, reading, rows, share, tables

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
MEET = "meetings_department_paperless meetings_department_total"


@pytest.fixture
def live(world):
    """A world whose sources were all polled before, with figures of two org units."""
    world.live()
    for code, above in (("SNV25", 90), ("SYT", 80)):
        world.poll(STAFF, share(STAFF_OF, code, "2026-10", above, 100))
    world.forward(minutes=5)
    return world


def mark(world, org_unit="area-qb", **filters) -> str:
    return world.standing("T12a", "I12a", org_unit, **filters)["mark"]


def observed(world, element="staff_with_computer") -> list[tuple]:
    """Value and whether it came by hand, of every version of SNV's figure, oldest first."""
    with world.store.read() as connection:
        by_hand = set(connection.exec_driver_sql(f"SELECT * FROM {given.BY_HAND} AS x").scalars())
    unit = next(u.uid for u in world.store.orgunits.values() if u.code == "SNV25" and not u.closed)
    found = [row for row in rows(world.store, "observation") if row[:2] == (element, unit)]
    return [(row[5], row[7] in by_hand) for row in found]


def test_a_figure_that_came_by_hand_says_so_at_its_org_unit_and_in_part_above(live, tmp_path):
    assert "nhập tay" not in mark(live)
    counts = live.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100), tmp_path)
    assert (counts.changed, counts.same) == (1, 1)
    live.forward(minutes=1)
    unit = live.store.orgunits.resolve("SNV25", at("2026-10-31 08:00").date()).uid
    assert mark(live, unit) == "nhập tay"
    assert mark(live).split("; ")[-1] == "nhập tay một phần (1/2 đơn vị)"
    row = live.standing("T12a", "I12a")
    run = rows(live.store, "poll_run")[-1]
    assert (row["by_hand"], row["hand_run"]) == (1, run[0])
    value = live.value("I12a", "2026-10")
    assert (value["numerator"], value["by_hand"]) == (175, 1)
    assert live.value("I12a", "2026-10", unit)["by_hand"] == 1
    assert not live.value("I12a", "2026-09")["by_hand"] >= 0


def test_a_figure_all_of_which_came_by_hand_is_not_in_part(live, tmp_path):
    both = [
        *share(STAFF_OF, "SNV25", "2026-10", 91, 100),
        *share(STAFF_OF, "SYT", "2026-10", 81, 99),
    ]
    live.give(STAFF, both, tmp_path)
    live.forward(minutes=1)
    assert mark(live).split("; ")[-1] == "nhập tay"


def test_a_later_poll_takes_the_place_of_what_came_by_hand_and_the_mark_goes(live, tmp_path):
    live.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100), tmp_path)
    live.forward(minutes=5)
    counts = live.poll(STAFF, share(STAFF_OF, "SNV25", "2026-10", 93, 100))
    assert (counts.changed, counts.same) == (1, 1)
    live.forward(minutes=5)
    assert "nhập tay" not in mark(live)
    assert live.value("I12a", "2026-10")["numerator"] == 173
    assert observed(live) == [(90, False), (95, True), (93, False)], "history keeps all three"


def test_the_same_value_from_a_poll_takes_the_mark_away_and_is_counted_as_the_same(live, tmp_path):
    live.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100), tmp_path)
    given_at = live.forward(minutes=5)
    before = tables(live.store, ("rollup", "standing"))
    counts = live.poll(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100))
    assert (counts.new, counts.changed, counts.same) == (0, 0, 2)
    live.forward(minutes=5)
    assert "nhập tay" not in mark(live)
    assert observed(live) == [(90, False), (95, True), (95, False)]
    assert tables(live.store, ("rollup", "standing")) == before, "no figure moved"
    assert not live.value("I12a", "2026-10")["revised"]
    assert "nhập tay một phần (1/2 đơn vị)" in mark(live, as_of=given_at)
    kept = tables(live.store)
    rebuild(live.store)
    assert tables(live.store) == kept, "and a rebuild finds the same versions"


def test_a_poll_in_the_same_minute_takes_over_in_place(live, tmp_path):
    live.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100), tmp_path)
    live.poll(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100))
    assert observed(live) == [(90, False), (95, False)]


def test_a_poll_takes_over_though_its_source_says_that_it_changed_earlier(live, tmp_path):
    late = [reading("staff_with_computer", "SNV25", "2026-10", 95, "2026-11-20 08:00")]
    live.give(STAFF, late, tmp_path)
    live.forward(minutes=5)
    early = [reading("staff_with_computer", "SNV25", "2026-10", 92, "2026-11-05 08:00")]
    assert live.poll(STAFF, early).changed == 1
    assert live.value("I12a", "2026-10")["numerator"] == 172
    older = [reading("staff_with_computer", "SNV25", "2026-10", 60, "2026-11-01 08:00")]
    assert live.give(STAFF, older, tmp_path).same == 1, "a person is not newer than the source"


def test_who_says_by_hand_what_the_source_has_said_already_marks_nothing(live, tmp_path):
    assert live.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 90, 100), tmp_path).same == 2
    assert "nhập tay" not in mark(live)


def test_the_same_figure_by_hand_holds_back_no_later_word_of_the_source(live, tmp_path):
    """The source's own word stays of its own date: it is not the older one of the two."""
    element, day = "staff_with_computer", "2026-10"
    live.poll(STAFF, [reading(element, "SNV25", day, 90, "2026-11-01 08:00")])
    live.give(STAFF, [reading(element, "SNV25", day, 90, "2026-11-20 08:00")], tmp_path)
    said = [reading(element, "SNV25", day, 70, "2026-11-15 08:00")]
    assert live.poll(STAFF, said).changed == 1
    assert live.value("I12a", day)["numerator"] == 150


def test_a_file_moves_neither_watermark_nor_health_nor_the_schedule_of_its_source(world, tmp_path):
    world.live(STAFF)
    kept = {name: rows(world.store, name) for name in ("watermark", "source")}
    world.forward(minutes=1)
    world.give(STAFF, share(STAFF_OF, "SNV25", "2026-10", 95, 100), tmp_path)
    assert {name: rows(world.store, name) for name in kept} == kept
    assert requests.due(world.store, [STAFF.id], world.now) == []


def test_a_figure_given_before_the_first_load_is_over_is_known_from_now_on(world, tmp_path):
    counts = world.give(STAFF, share(STAFF_OF, "SNV25", "2025-10", 95, 100), tmp_path)
    assert counts.new == 2
    world.forward(minutes=5)
    world.poll(STAFF, share(STAFF_OF, "SYT", "2025-10", 90, 100))
    known = {row[3] for row in rows(world.store, "observation")}
    assert min(known) >= rows(world.store, "request")[0][7] - 60_000_000


def test_a_closing_figure_and_one_counted_from_records_say_so_too(live, tmp_path):
    live.poll(MEETINGS, share(MEET, "SNV25", "2025-11", 40, 50))
    live.give(MEETINGS, share(MEET, "SNV25", "2025-12", 45, 50), tmp_path)
    live.give(DOSSIERS, [dossier("tay", "VPUB", "2026-11-02 08:00", "2026-11-03 08:00")], tmp_path)
    live.poll(DOSSIERS, [dossier("may", "SNV25", "2026-11-02 08:00", "2026-11-03 08:00")])
    live.forward(minutes=1)
    meetings = live.standing("T07a", "I07a")
    assert meetings["closing_by_hand"] == 1 and "số chốt nhập tay" in meetings["mark"]
    dossiers = live.standing("T02b", "I02b")
    assert dossiers["by_hand"] == 1 and "nhập tay một phần (1/" in dossiers["mark"]
    again = [dossier("tay", "VPUB", "2026-11-02 08:00", "2026-11-03 08:00")]
    assert live.poll(DOSSIERS, again).same == 1
    assert not live.standing("T02b", "I02b")["by_hand"] >= 0


def test_a_mark_is_of_the_month_that_an_org_unit_s_own_stock_of_a_quarter_is_of(live, tmp_path):
    """SYT's own word of September holds, though SNV25's of August, by hand, is its last."""
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-09", 80, 100))
    for code in ("SNV25", "SYT"):
        live.give(STAFF, share(STAFF_OF, code, "2026-08", 70, 100), tmp_path)
    live.forward(minutes=5)
    day = at("2026-09-30 08:00").date()
    units = [live.store.orgunits.resolve(code, day).uid for code in ("SYT", "SNV25")]
    found = live.values("I12a", "2026-Q3", org_units=units)
    marks = dict(zip(found["code"], found["by_hand"].fillna(0), strict=True))
    assert marks == {"SYT": 0, "SNV25": 1}

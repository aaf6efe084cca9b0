"""A rebuild that is tried and undone: nothing differs, or what was tampered with is named."""

import pytest

import app as program
from kpi import rebuild
from kpi.thinning import thin
from tests.worlds import (
    DOSSIERS,
    STAFF,
    STORED,
    at,
    dossier,
    dossiers,
    rows,
    share,
    tables,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"


@pytest.fixture
def live(world):
    """A world with history: corrections, a distinct count, readings, minutes that are thinned."""
    world.now = at("2026-10-05 09:00")
    world.live().forward(minutes=3)
    some = [dossier(f"x{n}", "STP", "2026-07-01 08:00", category=f"{n % 3}") for n in range(7)]
    world.poll(DOSSIERS, [*some, *dossiers("18880", "2026-07-06", 10, 6)])
    for online in (7, 8, 9):
        world.forward(minutes=2)
        world.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, online))
    world.poll(STAFF, share(STAFF_OF, "STP", "2026-08", 9.5, 10.25))
    world.forward(days=30)
    world.seal()
    world.poll(STAFF, share(STAFF_OF, "STP", "2026-08", 8.25, 10.25))
    world.forward(days=2)
    return world


def test_a_store_that_fits_its_records_shows_no_difference_and_is_left_alone(live):
    before = tables(live.store, (*STORED, "topic", "boundary"))
    found = rebuild.check(live.store, live.now)
    assert (found.differences, found.some) == (0, ()) and found.boundaries > 4
    assert tables(live.store, (*STORED, "topic", "boundary")) == before
    live.poll(DOSSIERS, dossiers("18880", "2026-07-06", 10, 10))  # and its writer works on


def test_what_thinning_deleted_is_no_difference(live):
    live.forward(days=20)
    assert thin(live.store, live.now) > 0
    assert rebuild.check(live.store, live.now).differences == 0


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE rollup SET value = value + 1 WHERE element = 'dossiers_resolved'"
         " AND org_unit = 'area-qb' AND period = 2026", "rollup dossiers_resolved 2026 area-qb"),
        ("UPDATE observation SET value = value + 0.001 WHERE element = 'dossiers_resolved'",
         "khác giá trị"),
        ("DELETE FROM standing WHERE target = 'T02b' AND org_unit = 'area-qb'", "thiếu"),
        ("INSERT INTO member (element, period, org_unit, member_key, n)"
         " SELECT DISTINCT element, period, org_unit, 'khác', 1 FROM member"
         " WHERE org_unit = 'area-qb' AND period = 2026", "thừa"),
    ],
    ids=["rollup", "observation", "standing", "member"],
)  # fmt: skip
def test_a_derived_row_that_was_touched_is_named_and_stays_as_it_is(live, statement, told):
    with live.store.write() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0
    before = tables(live.store)
    found = rebuild.check(live.store, live.now)
    assert found.differences >= len(found.some) > 0
    assert any(told in line for line in found.some), found.some
    assert tables(live.store) == before
    rebuild.rebuild(live.store)
    assert rebuild.check(live.store, live.now).differences == 0


def test_the_command_prints_the_differences_and_ends_with_one(
    sqlite_world, monkeypatch, capsys, tmp_path
):
    sqlite_world.live().forward(minutes=2)
    sqlite_world.poll(DOSSIERS, dossiers("STP", "2026-07-06", 10, 6))
    monkeypatch.setenv("IOC_DATABASE_URL", sqlite_world.store.url)
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    assert program.main(["rebuild", "--check"]) == 0
    assert capsys.readouterr().out.startswith("0 khác biệt")
    with sqlite_world.store.write() as connection:
        connection.exec_driver_sql("UPDATE rollup SET value = 99 WHERE org_unit = 'area-qb'")
    before = rows(sqlite_world.store, "rollup")
    assert program.main(["rebuild", "--check"]) == 1
    said = capsys.readouterr().out
    assert "rollup dossiers_resolved" in said and "khác biệt" in said
    assert rows(sqlite_world.store, "rollup") == before

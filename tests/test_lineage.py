"""Lineage: what stands under a number adds up to it, down to versions whose hashes fit."""

from collections import defaultdict
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioc.errors import Forbidden
from ioc.period import Period
from ioc.principal import Principal
from kpi import evidence, query
from kpi import lineage as module
from tests.worlds import ADMIN, DOSSIERS, STAFF, World, dossier, dossiers, empty, share

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
STP = "department-STP-2021-01-01"


def asked(world, indicator="I02b", org_unit="area-qb", period="2025-05", **filters):
    """The tree under one figure, as dicts."""
    first, _, last = period.partition("..")
    answer = query.lineage(
        world.store,
        filters.pop("who", ADMIN),
        indicators=[indicator],
        org_units=[org_unit],
        first=Period.parse(first),
        last=Period.parse(last or first),
        now=world.now,
        **filters,
    )
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.stream()]


def adds_up(rows) -> None:
    """Every row's parent is there, and the children of every sum add up to it."""
    known = {row["id"]: row for row in rows if row["step"] != "record_version"}
    below = defaultdict(list)
    for row in rows:
        if row["parent"]:
            assert row["parent"] in known, row
            below[row["parent"]].append(row)
    for id, row in known.items():
        if row["step"] in ("rollup", "observation"):
            assert row["value"] == sum(child["value"] for child in below[id]), row


def totals(rows, period) -> dict[str, float]:
    """The sums on top, by element."""
    return {row["element"]: row["value"] for row in rows if row["id"].startswith("rollup")
            and row["period"] == period and not row["parent"]}  # fmt: skip


def check(world, period, org_unit, **filters) -> None:
    rows = asked(world, period=period, org_unit=org_unit, **filters)
    adds_up(rows)
    value = world.value("I02b", period, org_unit, **filters)
    top = totals(rows, period)
    for name, element in (
        ("numerator", "dossiers_fully_online"),
        ("denominator", "dossiers_resolved"),
    ):
        counted = [r for r in rows if r["step"] == "record_version" and r["element"] == element]
        assert top.get(element, 0) == len(counted)
        assert top.get(element, 0) == (value[name] if value[name] == value[name] else 0)


@pytest.fixture
def live(world):
    """Dossiers of two years at four org units, corrected once."""
    world.live()
    some = [
        ("STP", "2025-05-05", 10, 6),
        ("450", "2025-05-05", 4, 4),
        ("450", "2025-05-20", 3, 1),
        ("18859", "2025-05-31", 2, 1),
        ("STP", "2025-06-02", 5, 5),
        ("STP", "2024-12-31", 2, 2),
    ]
    world.poll(DOSSIERS, [one for each in some for one in dossiers(*each)])
    world.forward(minutes=2)
    world.before = world.seal()
    world.forward(minutes=2)
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 9))
    world.forward(minutes=2)
    return world


@pytest.mark.parametrize("org_unit", ["area-qb", "area-450", STP])
@pytest.mark.parametrize("period", ["2025", "2025-05", "2025-06", "2024"])
def test_records_observations_and_sums_add_up_to_the_figure(live, period, org_unit):
    check(live, period, org_unit)
    check(live, period, org_unit, as_of=live.before)


def test_what_an_instant_showed_stands_on_the_versions_of_that_instant(live):
    then = [r for r in asked(live, as_of=live.before) if r["step"] == "record_version"]
    now = [r for r in asked(live) if r["step"] == "record_version"]
    online = {True: 0, False: 0}
    for at, rows in ((True, then), (False, now)):
        online[at] = sum(r["element"] == "dossiers_fully_online" for r in rows)
    assert online == {True: 12, False: 15}
    assert {r["id"] for r in now} - {r["id"] for r in then} == {
        f"record/public_services/STP-2025-05-05-{n}/2" for n in (6, 7, 8)
    }


def test_a_day_is_made_of_its_observations(live):
    rows = asked(live, period="2025-05-05")
    adds_up(rows)
    assert sum(r["value"] for r in rows if r["step"] == "observation") == 14 + 13
    assert {r["period"] for r in rows} == {"2025-05-05"}


def test_months_from_and_to_stand_beside_one_another(live):
    rows = asked(live, period="2025-05..2025-06", org_unit=STP)
    adds_up(rows)
    tops = [r["period"] for r in rows if r["step"] == "rollup" and not r["parent"]]
    assert tops == ["2025-05", "2025-06"] * 2


def test_one_may_stop_at_the_sums_or_at_the_days(live):
    for step, steps in (
        ("rollup", {"rollup"}),
        ("observation", {"rollup", "observation"}),
        ("record_version", {"rollup", "observation", "record_version"}),
    ):
        assert {row["step"] for row in asked(live, step=step)} == steps


def test_a_declared_figure_stands_on_what_was_declared_and_by_which_poll(live):
    live.poll(
        STAFF, share(STAFF_OF, "STP", "2026-09", 8, 10) + share(STAFF_OF, "450", "2025-06", 4, 5)
    )
    live.poll(STAFF, share(STAFF_OF, "STP", "2026-10", 9, 10))
    rows = asked(live, "I12a", period="2026-10")
    adds_up(rows)
    assert {row["step"] for row in rows} == {"rollup", "reading"}
    assert all(row["run"] for row in rows if row["step"] == "reading")
    year = asked(live, "I12a", period="2026")
    adds_up(year)
    assert [r["value"] for r in year if r["step"] == "reading"] == [9, 10]
    adds_up(asked(live, "I12a", period="2025-06", org_unit="district-450-0000"))


def test_a_distinct_count_stands_on_every_record_of_its_keys(live):
    some = [dossier(f"x{n}", "STP", "2025-07-01 08:00", category=f"{n % 3}") for n in range(7)]
    live.poll(DOSSIERS, [*some, dossier("none", "STP", "2025-07-01 08:00")])
    for period in ("2025-07", "2025"):
        rows = asked(live, "I02a", period=period)
        below = [r for r in rows if r["step"] == "record_version"]
        top = next(r for r in rows if r["element"] == below[0]["element"])
        assert len(below) == 7 and top["value"] == 3
        assert {r["parent"] for r in below} == {top["id"]}


def test_a_standing_stands_on_top_of_its_sums(live):
    rows = asked(live, period="2025", targets=["T02b"])
    assert rows[0]["step"] == "standing"
    assert {r["parent"] for r in rows if r["step"] == "rollup" and r["period"] == "2025"} == {
        rows[0]["id"]
    }


def test_too_much_is_refused_and_never_cut_short(live, monkeypatch):
    monkeypatch.setattr(module, "MOST", 20)
    with pytest.raises(query.UnknownFilter, match="quá 20 dòng"):
        asked(live, period="2025")
    assert len(asked(live, period="2025", step="rollup", org_unit=STP)) <= 20


@pytest.mark.parametrize(
    "filters",
    [{"indicator": "I99"}, {"org_unit": "area-9"}, {"step": "poll"}, {"period": "2020..2025"},
     {"targets": ["T99"]}],
)  # fmt: skip
def test_what_names_nothing_is_refused(live, filters):
    with pytest.raises(query.UnknownFilter):
        asked(live, **filters)


def test_a_principal_sees_what_lies_in_its_scope_only(live):
    who = Principal("Đồng Hới", "head", frozenset({"area-450"}))
    assert asked(live, org_unit="area-450", who=who)
    with pytest.raises(Forbidden):
        asked(live, who=who)


def test_an_indicator_without_a_source_has_no_lineage(live):
    assert asked(live, "I04a") == []


def test_a_stored_version_that_was_touched_no_longer_fits_its_hash(live):
    assert altered(live.store) == []
    some = query.records(live.store, ADMIN, limit=1, now=live.now).frame().iloc[0]
    with live.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE record SET state = 'rejected' WHERE key = '{some.key}'")
    assert altered(live.store) == [f"{some.source}/{some.key} (bản 1)"]


def altered(store):
    with store.read() as connection:
        return list(evidence.altered(connection))


ONE = st.tuples(
    st.sampled_from(["STP", "450", "457", "18859"]),
    st.dates(date(2025, 4, 20), date(2025, 6, 20)),
    st.integers(0, 40),
    st.booleans(),
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(ONE, min_size=1, max_size=12), min_size=1, max_size=3))
def test_whatever_was_polled_adds_up(sqlite_world, polls):
    world = sqlite_world
    empty(world.store)
    world = World(world.store, world.now).live()
    for batch in polls:
        world.poll(
            DOSSIERS,
            [
                dossier(
                    f"{unit}-{n % 5}",
                    unit,
                    f"{day} 08:00",
                    f"{day} 09:00" if n else "",
                    online=online,
                )
                for unit, day, n, online in {
                    f"{one[0]}-{one[2] % 5}": one for one in batch
                }.values()
            ],
        )
        world.forward(minutes=3)
    for period in ("2025", "2025-05"):
        for org_unit in ("area-qb", "area-450"):
            check(world, period, org_unit)
    assert altered(world.store) == []

"""Pivot tables: totals are those that the store holds, shares are made of sums, nothing is told
that subtraction would tell."""

import math
from collections.abc import Iterable
from datetime import date

import pytest

from ioc.period import Period
from kpi import health, query
from tests.test_frames import HEIR, PARTS, filled, principal
from tests.test_smallness import ALL, HAVE, HEALTH
from tests.worlds import ADMIN, DOSSIERS, STAFF, World, dossier, dossiers, plain, reading, share

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"


@pytest.fixture
def live(world):
    """A world whose sources were all polled before."""
    return world.live()


@pytest.fixture
def full(live):
    """Something of every kind on both sides of every reform."""
    return filled(live)


def table(world: World, indicator: str, first: str, last: str, **filters):
    """A pivot, as a frame whose rows have their place for a name."""
    who = filters.pop("who", ADMIN)
    start = Period.parse(first)
    answer = query.pivot(
        world.store,
        who,
        indicators=[indicator],
        first=start,
        last=Period.parse(last),
        grain=filters.pop("grain", start.grain),
        now=world.now,
        **filters,
    )
    frame = answer.frame()
    frame["place"] = [
        u if r == "unit" else r for u, r in zip(frame.org_unit, frame.row, strict=True)
    ]
    assert not frame.duplicated(["place", "period"]).any()
    return frame.set_index(["place", "period"])


def counts(frame, place: str, period: str) -> tuple:
    """Numerator, denominator, reason."""
    row = frame.loc[place, period]
    return plain([row.numerator, row.denominator, row.reason])


@pytest.mark.parametrize("level", ["area", "department", "district", "commune"])
@pytest.mark.parametrize("frame", ["then", "today", "plan"])
def test_the_whole_is_the_stored_figure_and_listed_with_the_rest_make_it(full, level, frame):
    stored = full.values("I02b", "2022", "2026").set_index("period")
    months = full.values("I02b", "2025-05", "2025-08").set_index("period")
    for first, last, known in (("2022", "2026", stored), ("2025-05", "2025-08", months)):
        found = table(full, "I02b", first, last, level=level, frame=frame)
        if (level, frame) == ("district", "today"):
            assert found.empty  # there are none
            continue
        for period in known.index:
            whole = found.loc["whole", period]
            assert whole.org_unit == "area-qb"
            told = [whole.numerator, whole.denominator, whole.value, whole.reason]
            at = known.loc[period]
            assert plain(told) == plain([at.numerator, at.denominator, at.value, at.reason])
            listed, rest = found.loc["listed", period], found.loc["rest", period]
            for side in ("numerator", "denominator"):
                total = 0 if math.isnan(listed[side]) else listed[side]
                assert total + rest[side] == whole[side], (period, side)
                every = found[found.row == "unit"].xs(period, level="period")[side].sum()
                assert every == total, (period, side)
        total = f"{first}..{last}"
        assert found.loc["whole", total].denominator == known.denominator.sum()


def test_todays_communes_do_not_make_the_territory_and_the_rest_says_how_much(live):
    live.poll(
        DOSSIERS,
        dossiers(PARTS[0], "2024-05-06", 10, 5)
        + dossiers("STP", "2024-05-06", 4, 1)
        + dossiers("450", "2024-05-06", 3, 3),
    )
    found = table(live, "I02b", "2024", "2025", level="commune", frame="today")
    assert counts(found, HEIR, "2024") == (5, 10, None)
    assert counts(found, "listed", "2024") == (5, 10, None)
    assert counts(found, "rest", "2024") == (4, 7, None)
    assert counts(found, "whole", "2024") == (9, 17, None)
    assert found.loc["listed", "2024"].value == 50
    assert found.loc["rest", "2024"]["name"] == "Các đơn vị khác"
    then = table(live, "I02b", "2024", "2025", level="commune")
    assert counts(then, PARTS[0], "2024") == (5, 10, None)
    assert counts(then, HEIR, "2024") == (None, None, "not_open")
    assert counts(then, "listed", "2024") == (5, 10, None)


def test_shares_are_made_of_sums_over_org_units_and_over_time(live):
    live.poll(
        DOSSIERS,
        dossiers("450", "2024-05-06", 10, 5) + dossiers("452", "2025-05-06", 990, 990),
    )
    found = table(live, "I02b", "2024", "2025", level="district")
    assert found.loc["listed", "2024..2025"].value == 99.5
    assert found.loc["whole", "2024..2025"].value == 99.5
    assert counts(found, "district-450-0000", "2024..2025") == (5, 10, None)
    assert counts(found, "rest", "2025") == (0, 0, "zero_denominator")
    held = table(live, "I02b", "2024", "2024", level="commune", frame="today", on=date(2024, 5, 6))
    assert HEIR in held.index.get_level_values("place")  # a frame has a day of its own
    only = table(live, "I02b", "2024-05", "2024-06", level="district", grain="ytd")
    assert {period for _, period in only.index} == {"2024-01..2024-05", "2024-01..2024-06"}


def test_an_area_and_what_lies_in_it_count_once(live):
    live.poll(DOSSIERS, dossiers("450", "2024-05-06", 10, 5))
    found = table(
        live, "I02b", "2024", "2024", org_units=["area-450", "district-450-0000", "area-452"]
    )
    assert counts(found, "listed", "2024") == counts(found, "whole", "2024") == (5, 10, None)
    inside = table(live, "I02b", "2024", "2024", org_units=["area-450"], level="district")
    assert inside.loc["whole", "2024"].org_unit == "area-450"
    assert counts(inside, "rest", "2024") == (0, 0, "zero_denominator")


def test_distinct_counts_are_not_summed(live):
    live.poll(
        DOSSIERS,
        [
            dossier("a", "450", "2024-05-06 08:00", category="p1", channel="full"),
            dossier("b", "452", "2024-05-06 08:00", category="p1", channel="full"),
        ],
    )
    found = table(live, "I02a", "2023", "2024", level="area")
    assert counts(found, "area-450", "2024") == counts(found, "area-452", "2024") == (1, 1, None)
    assert counts(found, "whole", "2024") == (1, 1, None)
    for place in ("listed", "rest"):
        assert counts(found, place, "2024") == (None, None, "not_summable")
    assert {period for _, period in found.index} == {"2023", "2024"}


def test_a_stock_is_summed_as_the_whole_is_and_never_over_time(live):
    live.poll(
        STAFF,
        share(STAFF_OF, "450", "2025-05", 40, 50)
        + share(STAFF_OF, "STP", "2025-03", 9, 10)
        + share(STAFF_OF, PARTS[0], "2025-06", 4, 8)
        + share(STAFF_OF, "STP", "2024-12", 1, 2),
    )
    months = table(live, "I12a", "2025-03", "2025-06", level="area")
    assert {period for _, period in months.index} == {f"2025-0{n}" for n in range(3, 7)}
    # in June the district says nothing new: its area has no figure, the whole carries it
    assert counts(months, "area-450", "2025-06") == (None, None, "not_reported")
    assert counts(months, "whole", "2025-06") == (53, 68, None)
    assert counts(months, "listed", "2025-06") == (44, 58, None)
    assert counts(months, "rest", "2025-06") == (9, 10, None)
    assert counts(months, "listed", "2025-04") == (None, None, "not_reported")
    years = table(live, "I12a", "2024", "2025", level="department")
    assert counts(years, "listed", "2025") == (9, 10, None)
    assert counts(years, "rest", "2025") == (44, 58, None)
    assert counts(years, "whole", "2025") == (53, 68, None)


@pytest.fixture
def communes(sqlite_world: World) -> list[str]:
    tree = sqlite_world.store.orgunits
    inside = [u.uid for u in tree.population("commune", sqlite_world.now.date())]
    return [uid for uid in inside if tree[uid].area == "area-457"][:3]


def people(world: World, months: dict[str, Iterable[tuple[str, int, int]]]) -> None:
    health.publish_sources(world.store, [HEALTH])
    for month, told in months.items():
        items = [
            item
            for uid, have, everybody in told
            for item in (reading(HAVE, uid, month, have), reading(ALL, uid, month, everybody))
        ]
        world.poll(HEALTH, items)


def test_no_total_tells_by_subtraction_what_is_hidden(sqlite_world, communes):
    a, b, c = communes
    people(
        sqlite_world,
        {
            "2026-08": [(a, 3, 900), (b, 4, 700), (c, 70, 800)],
            "2026-09": [(a, 6, 900), (b, 50, 700), (c, 70, 800)],
            "2026-10": [(a, 3, 900), (b, 50, 700), (c, 70, 800)],
        },
    )
    found = table(sqlite_world, "E-HEA1", "2026-08", "2026-10", level="commune")
    assert (
        counts(found, "listed", "2026-09") == counts(found, "whole", "2026-09") == (126, 2400, None)
    )
    assert counts(found, a, "2026-10") == (None, None, "suppressed")
    assert counts(found, b, "2026-10") == (50, 700, None)
    for place in ("listed", "rest", "whole"):
        assert counts(found, place, "2026-10") == (None, None, "suppressed")
        # of two that are hidden the sum is large enough, and still none of the reader's
        assert counts(found, place, "2026-08") == (None, None, "suppressed")


def test_a_rest_that_is_one_small_org_unit_hides_itself_and_the_sum_beside_it(
    sqlite_world, communes
):
    a, b, c = communes
    people(sqlite_world, {"2026-10": [(a, 3, 900), (b, 50, 700), (c, 70, 800)]})
    found = table(sqlite_world, "E-HEA1", "2026-10", "2026-10", org_units=[b, c])
    assert counts(found, b, "2026-10") == (50, 700, None)
    for place in ("listed", "rest", "whole"):
        assert counts(found, place, "2026-10") == (None, None, "suppressed")


def test_a_scope_has_no_total_wider_than_itself(live):
    live.poll(DOSSIERS, dossiers("450", "2024-05-06", 10, 5) + dossiers("456", "2024-05-06", 9, 1))
    alone = table(live, "I02b", "2024", "2024", level="district", who=principal("area-450"))
    assert set(alone.index.get_level_values("place")) == {
        "district-450-0000",
        "listed",
        "rest",
        "whole",
    }
    assert alone.loc["whole", "2024"].org_unit == "area-450"
    mine = principal("district-450-0000")
    none = table(live, "I02b", "2024", "2024", level="district", who=mine)
    assert set(none.index.get_level_values("place")) == {"district-450-0000", "listed"}
    assert counts(none, "listed", "2024") == (5, 10, None)
    parts = principal(HEIR, PARTS[0])
    live.poll(DOSSIERS, dossiers(PARTS[0], "2024-05-06", 7, 5))
    kept = table(live, "I02b", "2024", "2026", level="commune", frame="today", who=parts)
    for place in (HEIR, "listed"):
        assert kept.loc[place, "2024"].reason == "out_of_scope", place
        assert math.isnan(kept.loc[place, "2024"].numerator)
    assert kept.loc[HEIR, "2024..2026"].reason == "out_of_scope"


def test_a_pivot_of_the_past_is_what_was_known_then(live):
    live.poll(DOSSIERS, dossiers("STP", "2025-08-04", 10, 5))
    live.forward(days=2)
    before = live.now
    live.forward(days=2)
    live.poll(DOSSIERS, dossiers("450", "2025-05-06", 10, 5))
    live.forward(days=2)
    asked = {"level": "department", "as_of": before}
    assert counts(table(live, "I02b", "2024", "2025", **asked), "whole", "2025") == (5, 10, None)
    assert counts(table(live, "I02b", "2024", "2025", level="area"), "whole", "2025") == (
        10,
        20,
        None,
    )

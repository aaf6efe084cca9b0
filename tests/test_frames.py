"""Frames: org units as they were, those of today, those of the plan; sums of areas never move."""

import csv
import math
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ioc.model import Record
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period
from ioc.principal import Principal
from kpi import query
from kpi.frames import FRAMES, Frame
from kpi.scope import UnknownFilter
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    STAFF,
    TRANSFORMATION,
    World,
    dossier,
    dossiers,
    plain,
    share,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
FILE = Path(__file__).parents[1] / "ioc" / "units" / "orgunits.csv"
FINANCE = "department-STC25-2025-07-01"
HEIR = "commune-19309-2025-07-01"
PARTS = ("commune-19297-0000", "commune-19309-0000", "commune-19321-0000")
ALONE = "commune-18919-2025-07-01"
"""The one commune of today that a single old one became."""
WITHOUT_HEIR = ("department-SNGV-2021-01-01", "department-BQLKKT-2021-01-01")


@pytest.fixture
def live(world):
    """A world whose sources were all polled before."""
    return world.live()


def everywhere(tree: OrgUnits) -> list[Record]:
    """Dossiers on the first, a middle and the last day of every authority there ever was."""
    told = []
    for n, unit in enumerate(tree.values()):
        if unit.level not in ("commune", "district", "department"):
            continue
        first = max(unit.opened or date(2022, 1, 3), date(2022, 1, 3))
        last = min(unit.closed or date(2026, 10, 30), date(2026, 10, 30))
        middle = [date(2024, 5, 6)] * (n % 4) if unit.open_on(date(2024, 5, 6)) else []
        for i, day in enumerate((first, *middle, last)):
            more = {"online": bool((n + i) % 3), "category": f"p{n % 7}"}
            told.append(dossier(f"{n}-{i}", unit.uid, f"{day} 08:00", f"{day} 09:00", **more))
    return told


def filled(live: World) -> World:
    """Something of every kind on both sides of every reform."""
    tree = live.store.orgunits
    live.poll(DOSSIERS, everywhere(tree))
    readings = []
    for month in ("2024-10", "2024-12", "2025-02", "2025-06", "2025-09"):
        for n, unit in enumerate(tree.open_on(Period.parse(month).end)):
            if unit.level in ("commune", "district", "department") and n % 4:
                readings += share(STAFF_OF, unit.uid, month, 3 + n % 5, 9)
    live.poll(STAFF, readings, rejected=None)
    live.poll(
        MEETINGS,
        share("meetings_department_paperless meetings_department_total", "STC", "2024-06", 3, 9)
        + share("meetings_district_paperless meetings_district_total", "450", "2025-05", 3, 9),
    )
    live.poll(
        TRANSFORMATION,
        share("districts_dx_succeeded districts_dx_assessed", "450", "2025-06", 1, 1),
    )
    return live


@pytest.fixture
def full(live):
    """A world full of it."""
    return filled(live)


def test_a_territorys_figures_are_the_same_in_all_three_frames(full):
    indicators = [i.id for i in full.store.catalogue.indicators.values() if i.source]
    areas = [unit.uid for unit in full.store.orgunits.values() if unit.level == "area"]
    seen = 0
    for grain, first, last in (("year", "2021", "2026"), ("month", "2024-10", "2025-10")):
        asked = {
            "indicators": indicators,
            "org_units": areas,
            "grain": grain,
            "first": Period.parse(first),
            "last": Period.parse(last),
            "now": full.now,
        }
        then, *others = (
            [plain(r) for r in query.values(full.store, ADMIN, **asked, frame=name).stream()]
            for name in FRAMES
        )
        assert others == [then, then]
        seen += sum(row[9] is not None for row in then)
    assert seen > 100
    rows = [
        [plain(row) for row in full.standings(frame=name).itertuples(index=False)]
        for name in FRAMES
    ]
    assert rows[1:] == rows[:1] * 2


def test_todays_units_and_what_ended_without_an_heir_are_all_of_the_territory(full):
    """Nothing is lost between the families, nothing stands in two of them."""
    tree, day = full.store.orgunits, full.now.date()
    frame = Frame("today", day, ADMIN)
    authorities = [u for u in tree.values() if u.level in ("commune", "district", "department")]
    standing = [u.uid for u in authorities if u.open_on(day)]
    rest = [u.uid for u in tree.values() if u.level == "area" and tree.is_leaf(u.uid)]
    members = [one.uid for uid in standing for one in frame.family(tree, tree[uid]).members]
    assert len(members) == len(set(members))
    ended = [u.uid for u in authorities if u.uid not in members]
    assert set(WITHOUT_HEIR) < set(ended) and len([u for u in ended if "district" in u]) == 8
    for year in ("2022", "2024", "2025"):
        now = full.values("I02b", year, org_units=standing, frame="today").denominator.sum()
        then = full.values("I02b", year, org_units=[*ended, *rest]).denominator.sum()
        assert now + then == full.value("I02b", year).denominator > 0, year


def heirs() -> dict[str, list[str]]:
    """Today's communes and all that became them, read from the file by a walk of its own."""
    with FILE.open(encoding="utf-8") as file:
        rows = {row["uid"]: row for row in csv.DictReader(file) if row["level"] == "commune"}
    found = defaultdict(list)
    for uid in rows:
        last = uid
        while rows[last]["successor"]:
            last = rows[last]["successor"]
        found[last].append(uid)
    return found


def test_a_commune_of_today_is_in_2024_what_became_it(full):
    """By an independent count: the dossiers that were polled, by the org units that had them."""
    families = heirs()
    assert len(families) == 41 and sum(len(parts) > 1 for parts in families.values()) == 41
    told = [
        (record.org_unit, record.channel == "full")
        for record in everywhere(full.store.orgunits)
        if record.closed_at and record.closed_at.astimezone(LOCAL).year == 2024
    ]
    frame = full.values("I02b", "2024", level="commune", frame="today").set_index("org_unit")
    assert sorted(frame.index) == sorted(families)
    for uid, parts in families.items():
        mine = [online for unit, online in told if unit in parts]
        assert frame.loc[uid, "denominator"] == len(mine)
        assert frame.loc[uid, "numerator"] == sum(mine)
        assert set(filter(None, frame.loc[uid, "parts"].split("; "))) <= set(parts)
    assert frame.denominator.sum() > 100


def test_shares_of_merged_communes_are_shares_of_sums(live):
    live.poll(
        DOSSIERS,
        dossiers(PARTS[0], "2024-05-06", 10, 5) + dossiers(PARTS[1], "2024-05-07", 990, 990),
    )
    row = live.value("I02b", "2024", HEIR, frame="today")
    assert (row.numerator, row.denominator, row.value) == (995, 1000, 99.5)
    assert row.parts == "; ".join(PARTS)
    assert live.value("I02b", "2024", HEIR).reason == "not_open"
    for grain_of in ("2024-05", "2024-Q2", "2024-01..2024-06", "2024-05-07"):
        found = live.value("I02b", grain_of, HEIR, frame="today").denominator
        assert found == (990 if grain_of == "2024-05-07" else 1000), grain_of


def test_finance_is_followed_through_its_merger(live):
    live.poll(
        DOSSIERS,
        dossiers("STC", "2024-05-06", 10, 4)
        + dossiers("SKHDT", "2024-05-06", 10, 8)
        + dossiers("STC25", "2025-04-07", 7, 7)
        + dossiers("STC25", "2025-08-04", 5, 0),
    )

    def counted(period: str, org_unit: str, frame: str) -> tuple:
        row = live.value("I02b", period, org_unit, frame=frame)
        return plain([row.numerator, row.denominator, row.reason])

    assert counted("2024", FINANCE, "today") == (12, 20, None)
    assert counted("2025", FINANCE, "today") == (7, 12, None)
    assert counted("2025-08", FINANCE, "today") == (0, 5, None)
    old = "department-STC-2021-01-01"
    assert counted("2024", old, "plan") == (4, 10, None)
    assert counted("2025-02", old, "plan") == (0, 0, "zero_denominator")
    assert counted("2025-03", old, "plan") == (None, None, "not_comparable")
    assert counted("2025", old, "plan") == (None, None, "not_comparable")
    assert counted("2024", old, "today") == (None, None, "not_comparable")
    between = "department-STC25-2025-03-01"
    assert counted("2025-04", between, "then") == (7, 7, None)
    assert counted("2025-04", between, "plan") == (None, None, "not_comparable")


def test_what_ended_without_an_heir_cannot_be_compared_after_its_end(live):
    live.poll(DOSSIERS, dossiers("SNGV", "2024-05-06", 10, 4))
    gone, again = WITHOUT_HEIR[0], "department-SNGV-2025-07-01"
    assert live.value("I02b", "2024", gone, frame="plan").denominator == 10
    assert live.value("I02b", "2025-05", gone, frame="plan").reason == "not_comparable"
    assert live.value("I02b", "2024", again, frame="today").reason == "not_comparable"
    assert live.value("I02b", "2025-08", again, frame="today").reason == "zero_denominator"
    shown = {name: set(live.values("I02b", "2024", level="department", frame=name).org_unit)
             for name in ("today", "plan")}  # fmt: skip
    assert {name: len(units) for name, units in shown.items()} == {"today": 14, "plan": 21}
    assert set(WITHOUT_HEIR) <= shown["plan"] and not set(WITHOUT_HEIR) & shown["today"]


def test_the_plans_units_are_those_of_the_day_it_was_issued(live):
    counts = {"department": 21, "district": 8, "commune": 151}
    for level, n in counts.items():
        frame = live.values("I02b", "2025-08", level=level, frame="plan")
        assert len(frame) == n
        alone = frame[frame.reason != "not_comparable"]
        assert len(alone) <= (1 if level == "commune" else 0), alone
    assert len(live.values("I02b", "2025-08", level="commune", frame="today")) == 41
    assert live.values("I02b", "2025-08", level="district", frame="today").empty
    assert live.value("I02b", "2025-08", "area-450", frame="plan").denominator == 0
    assert live.value("I02b", "2027-01", PARTS[0], frame="plan").reason == "not_due"


def test_a_distinct_service_is_counted_once_in_a_merged_commune_and_not_in_the_past(live):
    live.poll(
        DOSSIERS,
        [
            dossier("a", PARTS[0], "2024-05-06 08:00", category="p1", channel="full"),
            dossier("b", PARTS[1], "2024-05-06 08:00", category="p1", channel="direct"),
            dossier("c", PARTS[2], "2024-05-06 08:00", category="p2", channel="direct"),
            dossier("d", ALONE, "2026-05-06 08:00", category="p2", channel="direct"),
        ],
    )
    live.forward(days=2)
    for period in ("2024", "2024-05"):
        row = live.value("I02a", period, HEIR, frame="today")
        assert (row.numerator, row.denominator) == (1, 2), period
        then = live.value("I02a", period, HEIR, frame="today", as_of=live.now)
        assert (then.reason, math.isnan(then.value)) == ("not_comparable", True)
    assert live.value("I02a", "2024-Q2", HEIR, frame="today").reason == "not_offered"
    # one org unit alone is what its own row says, also in the past
    assert live.value("I02a", "2026", ALONE, frame="today", as_of=live.now).denominator == 1
    assert live.value("I02b", "2024", HEIR, frame="today", as_of=live.now).denominator == 0


def test_a_merged_stock_is_what_each_part_said_last_in_the_year(live):
    live.poll(
        STAFF,
        share(STAFF_OF, PARTS[0], "2025-03", 4, 10)
        + share(STAFF_OF, PARTS[1], "2025-05", 6, 20)
        + share(STAFF_OF, PARTS[2], "2024-12", 9, 90)
        + share(STAFF_OF, HEIR, "2025-09", 25, 31),
    )

    def counted(period: str) -> tuple:
        row = live.value("I12a", period, HEIR, frame="today")
        return plain([row.numerator, row.denominator, row.reason])

    assert counted("2025-03") == (4, 10, None)
    assert counted("2025-04") == (None, None, "not_reported")
    assert counted("2025-05") == (10, 30, None)
    assert counted("2025-Q2") == (10, 30, None)
    assert counted("2025-07") == (None, None, "not_reported")
    assert counted("2025") == (25, 31, None)
    assert counted("2024") == (9, 90, None)
    may = live.value("I12a", "2025-05", HEIR, frame="today")
    assert may.coverage == pytest.approx(1 / 3)


def principal(*org_units: str) -> Principal:
    return replace(Principal.local_admin(), role="head", org_units=frozenset(org_units))


def test_a_part_outside_the_scope_is_never_summed_in(live):
    live.poll(
        DOSSIERS, dossiers(PARTS[0], "2024-05-06", 10, 5) + dossiers(HEIR, "2026-05-06", 3, 1)
    )
    asked = {"now": live.now, "org_units": [HEIR], "frame": "today"}

    def value(who: Principal, year: str):
        period = Period.parse(year)
        answer = query.values(
            live.store, who, indicators=["I02b"], first=period, last=period, grain="year", **asked
        )
        row = answer.frame().iloc[0]
        return plain([row.denominator, row.reason, row.parts])

    def closing(who: Principal):
        frame = query.standings(live.store, who, targets=["T02b"], **asked).frame().iloc[0]
        return plain([frame.closing_denominator]), frame["mark"]

    live.poll(DOSSIERS, dossiers(PARTS[0], "2025-05-06", 4, 4))
    for who in (principal(HEIR), principal(HEIR, *PARTS[:2])):
        assert value(who, "2024") == (None, "out_of_scope", None)
        assert value(who, "2026") == (3, None, None)
        assert closing(ADMIN)[0] == (4,)  # kept for another reader under the same question
        assert closing(who) == ((None,), "có đơn vị cũ ngoài phạm vi được xem")
    for who in (principal(HEIR, *PARTS), principal("area-457"), ADMIN):
        assert value(who, "2024") == (10, None, "; ".join(PARTS))
        assert closing(who)[0] == (4,)
    listed = query.values(
        live.store,
        principal(HEIR),
        indicators=["I02b"],
        first=Period.parse("2024"),
        last=Period.parse("2024"),
        grain="year",
        level="commune",
        frame="today",
        now=live.now,
    ).frame()
    assert list(listed.org_unit) == [HEIR]


def test_a_target_closes_for_a_commune_of_today_over_its_whole_year(live):
    live.poll(
        DOSSIERS, dossiers(PARTS[0], "2025-05-06", 10, 2) + dossiers(HEIR, "2025-08-04", 10, 8)
    )
    then = live.standing("T02b", "I02b", HEIR)
    now = live.standing("T02b", "I02b", HEIR, frame="today")
    assert (then.closing_numerator, then.closing_denominator) == (8, 10)
    assert (now.closing_numerator, now.closing_denominator) == (10, 20)
    past = live.standing("T02b", "I02b", HEIR, frame="today", as_of=live.forward(days=2))
    assert (past.closing_numerator, past.closing_denominator) == (10, 20)
    old = live.standing("T02b", "I02b", PARTS[0], frame="plan")
    assert (old.status, old.closing_status, old["mark"]) == ("no_data", "", "không so sánh được")
    assert math.isnan(old.closing_value) and math.isnan(old.value)


def test_a_districts_outcome_stands_in_the_frame_of_the_plan(live):
    live.poll(
        MEETINGS,
        share("meetings_district_paperless meetings_district_total", "450", "2025-05", 3, 10),
    )
    found = live.standing("T07a", "I07b", "district-450-0000", frame="plan")
    assert (found.closing_numerator, found.closing_denominator) == (3, 10)
    assert found.closing_status == "missed"


def test_the_new_provinces_departments_keep_their_mark_in_every_frame(live):
    told = "sở, ngành tính cả phần phục vụ tỉnh Quảng Trị mới"
    for name in FRAMES:
        assert told in live.standing("T02b", "I02b", frame=name)["mark"]


def test_another_frame_is_refused(live):
    with pytest.raises(UnknownFilter, match="tomorrow"):
        live.values("I02b", "2024", org_units=["area-qb"], frame="tomorrow")


def test_the_order_of_succession_is_that_of_the_files():
    tree = OrgUnits.load()
    assert tree.predecessors(HEIR) == list(PARTS)
    assert tree.predecessors(FINANCE) == ["department-STC25-2025-03-01"]
    twice = [
        u for u in tree.values() if u.level == "department" and len(tree.predecessors(u.uid)) == 2
    ]
    assert len(twice) == 6
    assert not any(
        tree.predecessors(u.uid) for u in tree.values() if u.level in ("district", "area")
    )

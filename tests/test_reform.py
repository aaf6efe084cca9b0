"""Figures through the reforms of 12/2024, 03/2025 and 07/2025: nothing lost, nothing doubled."""

from datetime import date, timedelta

import pytest

from ioc.period import Period
from tests.worlds import DOSSIERS, MEETINGS, STAFF, at, dossier, plain, reading, rows, share

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
REFORMS = (date(2024, 11, 30), date(2025, 2, 28), date(2025, 6, 30))


@pytest.fixture
def live(world):
    """A world whose sources were all polled before."""
    return world.live()


def across(code: str, last: date, closed_after: int = 1) -> list:
    """Two dossiers: done on an authority's last day, and opened on it but done the days after."""
    day = last.isoformat()
    after = (last + timedelta(days=closed_after)).isoformat()
    return [
        dossier(f"{code}-{day}-in", code, f"{day} 08:00", f"{day} 23:59:59"),
        dossier(f"{code}-{day}-over", code, f"{day} 08:00", f"{after} 00:00"),
    ]


def test_every_authority_that_ends_hands_over_its_open_cases_and_no_sum_breaks(live):
    tree = live.store.orgunits
    ended = [unit for unit in tree.values() if unit.closed in REFORMS and unit.level != "province"]
    assert len(ended) > 150
    live.poll(DOSSIERS, [record for unit in ended for record in across(unit.uid, unit.closed)])
    counted = {
        (row[1], row[2]): row[5]
        for row in rows(live.store, "observation")
        if row[0] == "dossiers_resolved"
    }
    assert sum(counted.values()) == 2 * len(ended)
    for unit in ended:
        heir, transitional = tree.at(unit.uid, unit.closed + timedelta(days=1))
        assert tree[heir].open_on(unit.closed + timedelta(days=1))
        assert transitional == heir.startswith("rest-")
        assert counted[unit.uid, Period.of("day", unit.closed).key] == 1
        assert counted[heir, Period.of("day", unit.closed).key + 1] >= 1
    for last in REFORMS:
        month = Period.of("month", last)
        n = sum(1 for unit in ended if unit.closed == last)
        for period in (month, month.next()):
            assert live.value("I02b", period.text).denominator == n, period.text


def test_areas_run_on_through_the_reform_while_district_authorities_end(live):
    opened = [
        dossier(f"{code}-{day}", code, f"{day} 08:00", f"{day} 10:00")
        for code, day in (
            ("456", "2025-06-02"),
            ("19207", "2025-06-02"),
            ("19207", "2025-07-02"),
            ("456", "2025-06-30"),
        )
    ]
    late = dossier("late", "456", "2025-06-30 08:00", "2025-07-30 08:00")
    live.poll(DOSSIERS, [*opened, late])
    june, july = (live.value("I02b", m, "area-456").denominator for m in ("2025-06", "2025-07"))
    assert (june, july) == (3, 2)
    assert live.value("I02b", "2025-07", "district-456-0000").reason == "not_open"
    assert live.value("I02b", "2025-07", "rest-area-456").denominator == 1


def test_a_code_that_is_used_again_counts_in_three_different_org_units(live):
    days = ("2024-11-30", "2024-12-01", "2025-06-30", "2025-07-01")
    live.poll(DOSSIERS, [dossier(day, "19207", f"{day} 08:00", f"{day} 09:00") for day in days])
    counted = {
        row[1]: row[5] for row in rows(live.store, "observation") if row[0] == "dossiers_resolved"
    }
    assert sorted(counted) == [
        "commune-19207-0000",
        "commune-19207-2024-12-01",
        "commune-19207-2025-07-01",
    ]
    assert live.value("I02b", "2024", "area-456").denominator == 2
    assert live.value("I02b", "2025", "area-456").denominator == 2


def test_merged_departments_hand_their_cases_to_the_one_that_took_them_over(live):
    live.poll(
        DOSSIERS,
        [
            dossier("a", "STTTT", "2025-02-03 08:00", "2025-03-03 08:00"),
            dossier("b", "SKHCN", "2025-02-03 08:00", "2025-03-03 08:00"),
            dossier("c", "SKHCN25", "2025-04-03 08:00", "2025-07-03 08:00"),
            dossier("d", "STTTT", "2025-02-03 08:00", "2025-08-03 08:00"),
        ],
    )
    march = live.value("I02b", "2025-03", "department-SKHCN25-2025-03-01")
    assert march.denominator == 2
    assert live.value("I02b", "2025-07", "department-SKHCN25-2025-07-01").denominator == 1
    assert live.value("I02b", "2025-08", "department-SKHCN25-2025-07-01").denominator == 1


def test_the_alias_of_a_district_office_is_the_district(live):
    live.poll(DOSSIERS, [dossier("a", "UBND-456", "2025-06-02 08:00", "2025-06-03 08:00")])
    assert live.value("I02b", "2025-06", "district-456-0000").denominator == 1


def test_branches_and_companies_report_but_are_no_department_of_the_population(live):
    live.poll(
        STAFF, share(STAFF_OF, "CAT", "2026-10", 1, 10) + share(STAFF_OF, "SYT", "2026-10", 9, 10)
    )
    # elements that serve everybody count them in the territory, population or not
    assert live.value("I12a", "2026-10").denominator == 20
    frame = live.standings(targets=["T12a"], level="department")
    assert "department-CAT-2021-01-01" not in set(frame.org_unit)


def test_expected_org_units_follow_the_authorities_of_each_month(live):
    live.poll(
        MEETINGS,
        [
            figure
            for m in range(1, 13)
            for figure in share(
                "meetings_department_paperless meetings_department_total",
                "STP",
                f"2025-{m:02d}",
                7,
                10,
            )
        ],
    )
    tree = live.store.orgunits
    wanted = sum(
        len(tree.population("department", Period.parse(f"2025-{m:02d}").end)) for m in range(1, 13)
    )
    found = live.standing("T07a", "I07a", on=date(2025, 12, 31))
    assert (found.units, found.expected) == (12, wanted)
    assert found.coverage == pytest.approx(12 / wanted)
    assert len(tree.population("department", date(2025, 2, 28))) == 21
    assert len(tree.population("department", date(2025, 3, 1))) == 14


def test_since_the_merger_departments_carry_the_mark_of_the_new_province(live):
    told = "sở, ngành tính cả phần phục vụ tỉnh Quảng Trị mới"
    assert told in live.standing("T02b", "I02b")["mark"]
    assert told not in live.standing("T02b", "I02b", on=date(2025, 6, 30))["mark"]
    assert told not in live.standing("T02b", "I02b", "area-456")["mark"]


def test_a_move_between_org_units_takes_the_case_along_and_leaves_nothing(live):
    live.poll(DOSSIERS, [dossier("a", "450", "2025-06-02 08:00", "2025-06-03 08:00", category="p")])
    live.poll(
        DOSSIERS, [dossier("a", "19207", "2025-07-02 08:00", "2025-07-03 08:00", category="p")]
    )
    assert live.value("I02b", "2025-06").denominator == 0
    assert live.value("I02b", "2025-06", "district-450-0000").denominator == 0
    assert live.value("I02b", "2025-07", "area-456").denominator == 1
    assert live.value("I02a", "2025").denominator == 1
    assert {row[2] for row in rows(live.store, "member")} == {
        "commune-19207-2025-07-01",
        "area-456",
        "area-qb",
    }


def test_old_codes_are_reported_as_such(live):
    counts = live.poll(
        DOSSIERS,
        [
            dossier("a", "19195", "2025-03-03 08:00"),
            dossier("b", "19207", "2025-03-03 08:00"),
        ],
    )
    assert (counts.new, counts.old_codes) == (2, 1)


def test_a_closed_district_target_keeps_its_word_and_is_never_open_again(live):
    live.poll(
        MEETINGS,
        share("meetings_district_paperless meetings_district_total", "450", "2025-06", 3, 10),
    )
    for day in (date(2025, 7, 1), date(2025, 12, 31), date(2026, 11, 22)):
        found = live.standing("T07a", "I07b", on=day)
        assert (found.status, found.closing_status, found.closes_early) == ("missed", "missed", 1)
        assert plain([found.pace, found.required_per_month]) == (None, None)
    assert live.standing("T07a", "I07b", on=date(2025, 6, 30)).status == "no_pace"


def test_a_reading_for_a_month_after_an_authority_ended_is_refused(live):
    counts = live.poll(
        MEETINGS, [reading("meetings_district_total", "450", "2025-07", 5)], rejected=1
    )
    assert counts.new == 0
    assert live.value("I07b", "2025-07").reason == "not_reported"


def test_a_dossier_without_an_end_counts_nowhere_as_resolved(live):
    live.poll(DOSSIERS, [dossier("a", "STP", "2025-06-02 08:00", category="p")])
    assert live.value("I02b", "2025").denominator == 0
    assert live.value("I02a", "2025").denominator == 1
    assert live.now > at("2026-01-01 00:00")

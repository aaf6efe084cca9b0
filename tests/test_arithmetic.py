"""The arithmetic of the plan through the whole store: from accepted rows to what screens read."""

import math
import os
import time
from datetime import timedelta

import pytest

from kpi import query
from layouts.lines import verdict
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    STAFF,
    SYSTEMS,
    TRANSFORMATION,
    at,
    dossier,
    dossiers,
    reading,
    share,
    statuses,
)

pytest_plugins = ["tests.worlds"]
SYSTEMS_OF = "systems_qualified systems_listed"
STAFF_OF = "staff_with_computer staff_professional"
DEPARTMENT_MEETINGS = "meetings_department_paperless meetings_department_total"
DISTRICT_MEETINGS = "meetings_district_paperless meetings_district_total"
DISTRICTS = ("450", "452", "453", "454", "455", "456", "457", "458")


@pytest.fixture
def live(world):
    """A world whose sources were all polled before."""
    return world.live()


def test_five_of_ten_and_all_of_990_make_99_5_percent_and_not_75(live):
    small, large = "450", "452"
    live.poll(
        DOSSIERS, dossiers(small, "2025-05-05", 10, 5) + dossiers(large, "2025-05-06", 990, 990)
    )
    found = live.value("I02b", "2025-05")
    assert (found.numerator, found.denominator, found.value) == (995, 1000, 99.5)
    assert live.value("I02b", "2025-05", "district-450-0000").value == 50
    assert live.standing("T02b", "I02b").closing_value == 99.5
    assert live.standing("T02b").status == "met"


def test_ratios_over_months_are_ratios_of_sums_too(live):
    live.poll(
        DOSSIERS, dossiers("450", "2025-05-05", 10, 5) + dossiers("450", "2025-06-06", 990, 990)
    )
    for period in ("2025-Q2", "2025", "2025-01..2025-06"):
        found = live.value("I02b", period)
        assert (found.numerator, found.denominator, found.value) == (995, 1000, 99.5), period


@pytest.mark.parametrize(
    ("above", "below", "status"),
    [(80, 100, "missed"), (81, 100, "met"), (4000, 5000, "missed"), (4001, 5000, "met")],
)
def test_over_80_percent_is_strict_whatever_the_size(live, above, below, status):
    live.poll(SYSTEMS, share(SYSTEMS_OF, "VPUB", "2025-12", above, below))
    found = live.standing("T01", "I01")
    assert (found.closing_status, found.status) == (status, status)
    assert (found.closing_numerator, found.closing_denominator) == (above, below)
    assert found.missing_count == (0 if status == "met" else 1)


@pytest.mark.parametrize(("operating", "status"), [(3, "missed"), (4, "met"), (5, "met")])
def test_a_range_holds_at_both_ends(live, operating, status):
    live.poll(
        SYSTEMS,
        share("smart_services_operating smart_services_basic", "VPUB", "2025-12", operating, 5),
    )
    assert live.standing("T10", "I10").status == status


def test_two_of_eight_districts_meet_the_reading_in_force_and_not_the_other(live):
    elements = "districts_dx_succeeded districts_dx_assessed"
    declared = [
        figure
        for i, code in enumerate(DISTRICTS)
        for figure in share(elements, code, "2025-06", int(i < 2), 1)
    ]
    live.poll(TRANSFORMATION, declared)
    found = live.standing("T11b", "I11b")
    assert (found.closing_numerator, found.closing_denominator) == (2, 8)
    assert (found.closing_value, found.closing_status, found.reading) == (25, "met", ">= 25")
    assert found.closing_date.isoformat() == "2025-06-30"
    assert found.closes_early == 1
    target = live.store.catalogue.targets["T11b"]
    figures = (found.closing_numerator, found.closing_denominator)
    told = [(rule.text, verdict(rule.text, *figures)) for rule in target.readings]
    assert told == [(">= 25", True), ("> 25", False)]


@pytest.fixture
def process_zone(request):
    """The process in another time zone, and back."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    "process_zone", ["UTC", "America/Los_Angeles", "Asia/Ho_Chi_Minh"], indirect=True
)
def test_half_past_midnight_on_the_first_of_july_counts_in_july(live, process_zone):
    event = dossier("a", "450", "2025-06-01 08:00", "2025-06-30T17:30+00:00")
    last = dossier("b", "450", "2025-06-01 08:00", "2025-06-30T16:59:59+00:00")
    live.poll(DOSSIERS, [event, last])
    july, june = live.value("I02b", "2025-07"), live.value("I02b", "2025-06")
    assert (june.denominator, july.denominator) == (1, 1)
    assert live.value("I02b", "2025-07-01").denominator == 1
    assert live.value("I02b", "2025-06-30").denominator == 1


def test_a_dossier_of_a_closed_commune_counts_in_its_successor_when_it_is_done(live, orgunits):
    before = orgunits["commune-19207-2024-12-01"]
    after = orgunits["commune-19207-2025-07-01"]
    assert before.successor == after.uid
    live.poll(
        DOSSIERS, [dossier("a", "19207", "2025-05-12 08:00", "2025-08-04 08:00", category="p")]
    )
    assert live.value("I02a", "2025-05", before.uid).denominator == 1
    assert live.value("I02b", "2025-08", after.uid).denominator == 1
    assert live.value("I02b", "2025-08", before.uid).reason == "not_open"
    assert live.value("I02b", "2025-08", before.area).denominator == 1
    assert live.value("I02b", "2025-08", "area-qb").denominator == 1


def test_a_closed_code_is_an_old_code_for_twelve_months_and_a_rejection_after(live, orgunits):
    closed = orgunits["commune-19195-0000"]
    assert closed.closed.isoformat() == "2024-11-30"
    within = dossier("within", "19195", "2025-03-03 08:00", "2025-03-04 08:00")
    beyond = dossier("beyond", "19195", "2025-12-02 08:00", "2025-12-03 08:00")
    counts = live.poll(DOSSIERS, [within, beyond], rejected=1)
    assert (counts.read, counts.new, counts.rejected) == (2, 1, 1)
    assert live.value("I02b", "2025-03", closed.successor).denominator == 1
    told = query.rejections(live.store, ADMIN).frame().iloc[0]
    assert "hết hiệu lực" in told.reason and "19195" in told.reason
    assert "beyond" in told.fields


def test_what_an_authority_without_successor_left_goes_on_in_the_rest_leaf_and_says_so(
    live, orgunits
):
    ended = orgunits["district-455-0000"]
    assert ended.successor is None
    live.poll(DOSSIERS, [dossier("a", "455", "2025-06-12 08:00", "2025-07-04 08:00", online=True)])
    assert live.value("I02b", "2025-07", "rest-area-455").denominator == 1
    assert live.value("I02b", "2025-07", "area-455").value == 100
    row = live.standing("T02b", "I02b", "rest-area-455", on=at("2025-07-10 08:00").date())
    assert "chuyển tiếp" in row["mark"]
    department = dossier("b", "SNGV", "2025-02-12 08:00", "2025-03-04 08:00")
    live.poll(DOSSIERS, [department])
    assert live.value("I02b", "2025-03", "rest-area-qb").denominator == 1
    assert live.value("I02b", "2025-03", "area-qb").denominator == 1


def test_a_month_corrected_later_differs_before_and_after_the_correction(live):
    live.poll(DOSSIERS, dossiers("STP", "2026-09-07", 10, 5))
    live.forward(minutes=2)
    before = live.now
    live.forward(days=3)
    late = dossier("STP-2026-09-07-9", "STP", "2026-09-07 08:00", "2026-09-07 09:00", online=True)
    live.poll(DOSSIERS, [late])
    live.forward(minutes=2)
    assert live.value("I02b", "2026-09", as_of=before).value == 50
    assert live.value("I02b", "2026-09", as_of=live.now).value == 60
    assert live.value("I02b", "2026-09").value == 60
    assert live.value("I02b", "2026-09").revised == 1
    assert live.value("I02b", "2026-09", as_of=before).revised == 0
    assert live.standing("T02b", "I02b", as_of=before).value == 50
    assert live.standing("T02b", "I02b").value == 60


def test_meetings_without_paper_close_in_two_parts(live):
    figures = []
    for month in range(1, 13):
        figures += share(DEPARTMENT_MEETINGS, "STP", f"2025-{month:02d}", 8, 10)
    for month in range(1, 7):
        for code in DISTRICTS:
            figures += share(DISTRICT_MEETINGS, code, f"2025-{month:02d}", 6, 10)
    figures += share(DISTRICT_MEETINGS, "450", "2024-12", 10, 10)
    live.poll(MEETINGS, figures)
    department, district = live.standing("T07a", "I07a"), live.standing("T07a", "I07b")
    assert (department.closing_numerator, department.closing_denominator) == (96, 120)
    assert (district.closing_numerator, district.closing_denominator) == (288, 480)
    assert (department.closing_status, district.closing_status) == ("met", "missed")
    assert department.closing_date.isoformat() == "2025-12-31"
    assert district.closing_date.isoformat() == "2025-06-30"
    assert (department.closes_early, district.closes_early) == (0, 1)
    assert department.closing_period == "2025"
    assert live.standing("T07a").status == "missed"
    assert live.standing("T07a").closing_date.isoformat() == "2025-06-30"


def test_between_its_two_closing_dates_one_part_is_closed_and_the_other_still_open(live):
    live.poll(
        MEETINGS,
        share(DEPARTMENT_MEETINGS, "STP", "2025-06", 8, 10)
        + share(DEPARTMENT_MEETINGS, "STP", "2024-12", 6, 10)
        + share(DISTRICT_MEETINGS, "450", "2025-06", 9, 10),
    )
    day = at("2025-08-15 08:00").date()
    department = live.standing("T07a", "I07a", on=day)
    district = live.standing("T07a", "I07b", on=day)
    assert (department.status, district.status) == ("met", "met")
    assert department.closing_status == "" and math.isnan(department.closing_value)
    assert department.pace > 60 and math.isnan(district.pace)
    assert math.isnan(district.required_per_month)
    assert live.standing("T07a", on=at("2025-06-30 08:00").date()).status == "no_pace"
    assert live.standing("T07a", "I07b", on=at("2025-06-30 08:00").date()).status == "no_pace"


def test_every_population_is_judged_by_its_own_and_never_averaged(live):
    live.poll(
        MEETINGS,
        share(DEPARTMENT_MEETINGS, "STP", "2025-03", 100, 100)
        + share(DISTRICT_MEETINGS, "450", "2025-03", 1, 10)
        + share("meetings_commune_paperless meetings_commune_total", "19207", "2025-03", 5, 10),
    )
    assert live.standing("T07a", "I07a").closing_value == 100
    assert live.standing("T07a", "I07b").closing_value == 10
    assert live.standing("T07b", "I07c").closing_value == 50
    assert live.standing("T07b").status == "met"
    assert live.standing("T07a").status == "missed"


def test_the_twenty_target_rows_are_what_is_counted_per_status(live):
    live.poll(SYSTEMS, share(SYSTEMS_OF, "VPUB", "2025-12", 81, 100))
    found = statuses(live.standings())
    assert len(found) == 20
    assert sorted(found) == sorted(live.store.catalogue.targets)
    assert found["T01"] == "met"
    assert found["T02b"] == "awaiting"
    assert found["T03"] == "no_source"
    assert found["T09a"] in ("no_source", "qualitative")


def test_a_worst_target_has_a_row_for_each_part_and_one_for_itself(live):
    frame = live.standings(targets=["T02b", "T04", "T07a"])
    assert [tuple(row) for row in frame[["target", "indicator"]].itertuples(index=False)] == [
        ("T02b", "I02b"),
        ("T02b", ""),
        ("T04", "I04a"),
        ("T04", "I04b"),
        ("T04", ""),
        ("T07a", "I07a"),
        ("T07a", "I07b"),
        ("T07a", ""),
    ]


def test_a_stock_sums_only_the_org_units_that_are_open(live):
    live.poll(
        STAFF,
        share(STAFF_OF, "450", "2025-06", 40, 50)
        + share(STAFF_OF, "19207", "2025-06", 9, 10)
        + share(STAFF_OF, "19207", "2025-07", 19, 20)
        + share(STAFF_OF, "STP", "2025-06", 95, 100),
    )
    june, july = live.value("I12a", "2025-06"), live.value("I12a", "2025-07")
    assert (june.numerator, june.denominator) == (144, 160)
    # the district and the old commune are gone; the department closed and opened again
    assert (july.numerator, july.denominator) == (19, 20)


def test_a_stock_carries_what_an_open_org_unit_said_last_within_the_year(live):
    live.poll(
        STAFF,
        share(STAFF_OF, "SYT", "2026-01", 90, 100)
        + share(STAFF_OF, "STP", "2026-01", 45, 50)
        + share(STAFF_OF, "STP", "2026-03", 50, 50),
    )
    assert live.value("I12a", "2026-02").reason == "not_reported"
    march = live.value("I12a", "2026-03")
    assert (march.numerator, march.denominator) == (140, 150)
    assert live.value("I12a", "2026-03", "department-SYT-2025-07-01").reason == "not_reported"
    # a correction of January moves March, in which it is carried
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-01", 100, 100))
    assert live.value("I12a", "2026-03").numerator == 150
    assert live.value("I12a", "2026").numerator == 150


def test_the_closing_stock_is_the_last_one_at_or_before_the_closing_date(live):
    live.poll(
        STAFF,
        share(STAFF_OF, "SYT", "2025-10", 80, 100)
        + share(STAFF_OF, "SYT", "2025-11", 92, 100)
        + share(STAFF_OF, "SYT", "2026-02", 100, 100),
    )
    found = live.standing("T12a", "I12a")
    assert (found.closing_value, found.closing_status, found.closing_period) == (
        92,
        "met",
        "2025-11",
    )
    assert (found.value, found.period) == (100, "2026-02")


def test_a_denominator_of_zero_is_no_data_and_never_zero_percent(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 0, 0))
    found = live.value("I12a", "2026-10")
    assert math.isnan(found.value) and found.reason == "zero_denominator"
    assert (found.numerator, found.denominator) == (0, 0)
    row = live.standing("T12a", "I12a", on=at("2025-12-31 08:00").date())
    assert row.status == "no_data" and math.isnan(row.value)
    closed = live.standing("T12a", "I12a")
    assert closed.status == "awaiting" and math.isnan(closed.value)


def test_a_closing_denominator_of_zero_still_awaits_its_figure(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2025-12", 0, 0))
    found = live.standing("T12a", "I12a")
    assert (found.status, found.closing_status) == ("awaiting", "awaiting")
    assert math.isnan(found.closing_value)


def test_a_commune_that_reported_nothing_has_no_value_rather_than_zero(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 9, 10))
    silent = live.value("I12a", "2026-10", "commune-19207-2025-07-01")
    assert math.isnan(silent.numerator) and math.isnan(silent.denominator)
    assert math.isnan(silent.value) and silent.reason == "not_reported"


def test_a_polled_source_of_records_says_zero_for_a_commune_without_any(live):
    live.poll(DOSSIERS, dossiers("450", "2025-05-05", 2, 1))
    quiet = live.value("I02b", "2025-05", "commune-19207-2024-12-01")
    assert (quiet.numerator, quiet.denominator) == (0, 0)
    assert math.isnan(quiet.value) and quiet.reason == "zero_denominator"
    assert quiet.coverage == 1


def test_a_source_that_was_never_polled_to_its_end_has_no_zeros(world):
    world.poll(DOSSIERS, dossiers("450", "2025-05-05", 2, 1), ends=False)
    unknown = world.value("I02b", "2025-06")
    assert math.isnan(unknown.denominator) and unknown.reason == "not_covered"
    assert unknown.coverage == 0
    assert world.value("I02b", "2025-05").denominator == 2


def test_a_period_that_lies_ahead_is_not_due_and_one_before_the_org_unit_not_open(live):
    assert live.value("I02b", "2027-01").reason == "not_due"
    before = live.value("I02b", "2025-01", "commune-19207-2025-07-01")
    assert before.reason == "not_open"
    assert before.coverage != before.coverage, "who was not there was not to give anything"


def test_a_day_that_is_asked_to_its_end_has_not_begun_the_next_period(live):
    end = at("2026-07-01 00:00")
    for indicator in ("I02b", "I12a"):
        after = live.value(indicator, "2026-07", as_of=end)
        assert (after.reason, after.coverage != after.coverage) == ("not_due", True)
        assert live.value(indicator, "2026-06", as_of=end).reason != "not_due"


def test_distinct_services_are_recounted_for_every_area_and_year(live):
    live.poll(
        DOSSIERS,
        [
            dossier("a", "450", "2025-05-05 08:00", category="p1", channel="full"),
            dossier("b", "450", "2025-06-05 08:00", category="p1", channel="direct"),
            dossier("c", "452", "2025-05-05 08:00", category="p1", channel="partial"),
            dossier("d", "452", "2025-05-05 08:00", category="p2", channel="direct"),
        ],
    )
    year = live.value("I02a", "2025")
    assert (year.numerator, year.denominator, year.value) == (1, 2, 50)
    assert live.value("I02a", "2025-05").denominator == 2
    assert live.value("I02a", "2025-06").value == 0
    assert live.value("I02a", "2025-05", "area-450").value == 100
    assert live.value("I02a", "2025-Q2").reason == "not_offered"
    # the last dossier of a service leaves: the service does too
    live.poll(DOSSIERS, [dossier("d", "452", "2024-05-05 08:00", category="p2", channel="direct")])
    assert live.value("I02a", "2025").value == 100


def test_coverage_is_the_share_of_expected_org_units_that_reported(live, orgunits):
    day = at("2026-10-31 08:00").date()
    expected = len(orgunits.expected("area-qb", day, ("department", "district", "commune")))
    live.poll(
        STAFF, share(STAFF_OF, "SYT", "2026-10", 9, 10) + share(STAFF_OF, "STP", "2026-10", 9, 10)
    )
    assert live.value("I12a", "2026-10").coverage == pytest.approx(2 / expected)
    assert live.value("I12a", "2026-10", "department-SYT-2025-07-01").coverage == 1
    assert live.value("I12a", "2026-10", "department-TTRA-2025-07-01").coverage == 0
    assert live.standing("T12a", "I12a").coverage == pytest.approx(2 / expected)
    assert live.standing("T12a", "I12a").expected == expected


def test_no_closed_target_has_a_pace_or_asks_for_more_each_month(live):
    live.poll(DOSSIERS, dossiers("450", "2024-05-05", 10, 5) + dossiers("450", "2025-05-05", 10, 5))
    live.poll(DOSSIERS, dossiers("STP", "2026-05-05", 10, 5))
    closed = live.standings()
    assert closed.pace.isna().all() and closed.required_per_month.isna().all()
    on = at("2025-07-01 08:00").date()
    opened = live.standings(targets=["T02b"], on=on).iloc[0]
    assert opened.pace > 50 and opened.required_per_month > 0
    later = live.standings(targets=["T02b"], on=at("2026-01-01 08:00").date()).iloc[0]
    assert math.isnan(later.pace) and later.status == "missed"


def test_live_figures_age_with_the_clock_while_closing_outcomes_stay(live):
    live.poll(SYSTEMS, share(SYSTEMS_OF, "VPUB", "2025-12", 81, 100))
    live.poll(DOSSIERS, dossiers("450", "2025-05-05", 10, 7) + dossiers("STP", "2026-11-20", 10, 7))
    before = live.standing("T02b", "I02b")
    assert (before.freshness, before.closing_status, before.status) == ("fresh", "met", "met")
    assert before.data_as_of == before.polled_at == live.now
    live.forward(minutes=3)
    assert live.standing("T02b", "I02b").freshness == "late"
    live.forward(hours=1)
    after = live.standing("T02b", "I02b")
    assert (after.freshness, after.closing_status, after.status) == ("stale", "met", "met")
    assert (after.data_as_of, after.polled_at) == (before.data_as_of, before.polled_at)
    assert after.closing_value == before.closing_value == 70
    live.forward(days=400)
    frame = live.standings()
    told = frame[frame.freshness != ""]
    assert len(told) and (told.freshness == "stale").all()
    assert live.standing("T01").closing_status == "met"


def test_readings_are_late_when_the_next_period_was_due(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 95, 100))
    found = live.standing("T12a", "I12a")
    assert found.data_as_of == at("2026-11-01 00:00")
    assert (found.freshness, found.declared) == ("fresh", 1)
    for instant, freshness in (
        ("2026-12-10 23:59", "fresh"),
        ("2026-12-11 00:01", "late"),
        ("2027-01-10 23:59", "late"),
        ("2027-01-11 00:01", "stale"),
    ):
        live.now = at(instant)
        live.poll(STAFF)  # the source is heard, and has nothing new to say
        assert live.standing("T12a", "I12a").freshness == freshness


def test_a_declared_figure_of_the_month_under_way_goes_until_we_heard_it(live):
    """It cannot be of the future: what was said of November on the 22nd is of the 22nd."""
    live.poll(STAFF, share(STAFF_OF, "STP", "2026-11", 5, 10))
    found = live.standing("T12a", "I12a")
    assert found.data_as_of == live.now
    live.forward(hours=2)
    assert live.standing("T12a", "I12a").data_as_of == live.now - timedelta(hours=2)


def test_readings_of_a_source_that_is_not_heard_turn_late_then_stale_before_they_are_due(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 95, 100))
    late, stale = STAFF.limits
    found = live.standing("T12a", "I12a")
    assert (found.late_at, found.stale_at) == (live.now + late, live.now + stale)
    live.now = found.late_at + timedelta(seconds=1)
    assert live.standing("T12a", "I12a").freshness == "late"
    live.now = found.stale_at + timedelta(seconds=1)
    assert live.standing("T12a", "I12a").freshness == "stale"
    live.poll(STAFF)
    assert live.standing("T12a", "I12a").freshness == "fresh"


def test_a_quarters_stock_is_late_only_when_the_next_quarters_was_due(live):
    live.poll(SYSTEMS, share(SYSTEMS_OF, "VPUB", "2025-09", 81, 100))
    for instant, freshness in (
        ("2026-01-10 23:00", "fresh"),
        ("2026-01-11 01:00", "late"),
        ("2026-04-11 01:00", "stale"),
    ):
        live.now = at(instant)
        live.poll(SYSTEMS)
        assert live.standing("T01", "I01").freshness == freshness


def test_an_open_target_that_is_not_polled_keeps_its_status_but_grows_stale(world):
    world.now = at("2025-11-01 08:00")
    world.live()
    world.poll(
        DOSSIERS, dossiers("450", "2024-05-05", 10, 5) + dossiers("450", "2025-05-05", 10, 7)
    )
    assert (world.standing("T02b").status, world.standing("T02b").freshness) == ("met", "fresh")
    world.forward(days=2)
    assert (world.standing("T02b").status, world.standing("T02b").freshness) == ("met", "stale")


def test_a_reading_of_another_population_is_refused(live):
    counts = live.poll(
        MEETINGS,
        [
            reading("meetings_department_total", "19207", "2025-05", 10),
            reading("meetings_department_total", "CTK", "2025-05", 10),
            reading("meetings_department_total", "STP", "2025-05", 10),
        ],
        rejected=2,
    )
    assert (counts.new, counts.rejected) == (1, 2)
    assert live.value("I07a", "2025-05").denominator == 10


def test_who_gave_only_the_denominator_stands_in_no_coverage(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 95, 100))
    before = live.standing("T12a", "I12a")
    live.poll(STAFF, [reading("staff_professional", "STP", "2026-10", 50)])
    found = live.standing("T12a", "I12a")
    assert (found.denominator, found.units) == (150, before.units)
    assert found.coverage == before.coverage
    assert live.value("I12a", "2026-10").coverage == before.coverage
    live.forward(minutes=3)
    past = live.standing("T12a", "I12a", as_of=live.now)
    assert (past.units, past.coverage) == (found.units, found.coverage)

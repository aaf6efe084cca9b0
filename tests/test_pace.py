"""Pace: exact operators, statuses in their order, pace lines, months left and freshness."""

import sys
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.model import Freshness, Status
from ioc.period import Period
from kpi import pace
from kpi.catalogue import load_catalogue
from kpi.targets import Rule
from layouts.lines import verdict

OVER_80 = Rule(">", 80)
START, END = date(2021, 12, 31), date(2025, 12, 31)
NAN = float("nan")

counts = st.integers(0, 5000)
thresholds = st.integers(0, 120)


@pytest.mark.parametrize(
    ("operator", "threshold", "high", "numerator", "denominator", "expected"),
    [
        (">", 80, None, 80, 100, False),
        (">", 80, None, 81, 100, True),
        (">", 80, None, 4001, 5000, True),
        (">", 80, None, 4000.0, 5000.0, False),
        (">=", 60, None, 60, 100, True),
        (">=", 60, None, 59, 100, False),
        ("range", 80, 100, 4, 5, True),
        ("range", 80, 100, 5, 5, True),
        ("range", 80, 100, 3, 5, False),
        ("range", 80, 100, 6, 5, False),
        (">=", 20, None, 29, 145, True),
        (">", 20, None, 29, 145, False),
        (">", 30, None, 6, 21, False),
        (">", 30, None, 7, 21, True),
        (">", 62.5, None, 5, 8, False),
        (">", 80, None, 0, 0, None),
        (">", 80, None, NAN, 100, None),
        (">", 80, None, 80, NAN, None),
        (">", 80, None, None, None, None),
        (">", 80, None, float("inf"), 100, None),
        ("qualitative", None, None, 99, 100, None),
    ],
)
def test_operators_compare_exactly(operator, threshold, high, numerator, denominator, expected):
    assert pace.satisfies(operator, numerator, denominator, 100, threshold, high) is expected


def test_a_value_that_a_float_would_round_onto_the_line_is_still_beyond_it():
    assert pace.satisfies(">", 8 * 10**17 + 1, 10**18, 100, 80) is True
    assert pace.satisfies(">=", 8 * 10**17 - 1, 10**18, 100, 80) is False


def test_two_of_eight_districts_shows_both_readings():
    target = load_catalogue().targets["T11b"]
    assert [(rule, verdict(rule.text, 2, 8)) for rule in target.readings] == [
        (Rule(">=", 25), True),
        (Rule(">", 25), False),
    ]
    assert target.rule == Rule(">=", 25)


def test_the_sum_of_two_org_units_is_a_ratio_of_sums():
    assert pace.ratio(5 + 990, 10 + 990) == Fraction(995, 10)
    assert pace.ratio(1, 0) is None and pace.ratio(NAN, 3) is None


@given(counts, counts, thresholds, thresholds)
def test_every_operator_agrees_with_plain_integers(numerator, denominator, low, high):
    for kind in (int, float):
        given_numbers = (kind(numerator), kind(denominator), 100)
        if denominator == 0:
            assert pace.satisfies(">", *given_numbers, low) is None
            continue
        reached = numerator * 100
        assert pace.satisfies(">", *given_numbers, low) == (reached > low * denominator)
        assert pace.satisfies(">=", *given_numbers, low) == (reached >= low * denominator)
        within = low * denominator <= reached <= high * denominator
        assert pace.satisfies("range", *given_numbers, low, high) == within


@given(
    st.sampled_from([">", ">=", "range"]),
    st.integers(0, 300),
    st.integers(0, 300),
    thresholds,
    thresholds,
)
def test_what_is_missing_agrees_with_counting_up(operator, numerator, denominator, low, high):
    def holds(k):
        reached, line = (numerator + k) * 100, low * denominator
        if operator == "range":
            return line <= reached <= high * denominator
        return reached > line if operator == ">" else reached >= line

    given_numbers = (numerator, denominator, 100, low, high if operator == "range" else None)
    room = range(1, max(0, denominator - numerator) + 1)
    expected = None
    if denominator:
        expected = next((k for k in [0, *room] if holds(k)), None)
    assert pace.missing_count(operator, *given_numbers) == expected


def test_nine_systems_are_missing_to_pass_over_80_percent():
    assert pace.missing_count(">", 392, 500, 100, 80) == 9
    assert pace.missing_count(">=", 392, 500, 100, 80) == 8
    assert pace.missing_count(">", 401, 500, 100, 80) == 0
    assert pace.missing_count(">", 80, 100, 100, 80) == 1
    assert pace.missing_count("range", 3, 5, 100, 80, 100) == 1
    assert pace.missing_count(">", 5, 10, 100, 100) is None
    assert pace.missing_count(">", 0, 0, 100, 80) is None


def test_the_pace_line_is_straight_from_the_baseline_to_the_threshold():
    line = [
        pace.pace_line(OVER_80, START, 40, END, on)
        for on in (date(2021, 1, 1), START, date(2023, 12, 31), END, date(2026, 6, 1))
    ]
    assert line[0] == line[1] == 40 and line[3] == line[4] == 80
    assert line[2] == 40 + Fraction(40 * 730, 1461)
    assert pace.pace_line(OVER_80, START, 85.5, END, date(2023, 1, 1)) == 80
    assert pace.pace_line(Rule("qualitative"), START, 40, END, date(2023, 1, 1)) is None


def test_the_risk_band_is_a_tenth_of_the_way_and_at_least_one_point():
    assert pace.risk_band(OVER_80, 40) == 4
    assert pace.risk_band(OVER_80, 75) == 1
    assert pace.risk_band(OVER_80, 90) == 1


def test_a_part_of_a_month_counts_by_its_days():
    assert pace.months_left(date(2025, 6, 30), END) == 6
    assert pace.months_left(date(2025, 6, 15), END) == Fraction(13, 2)
    assert pace.months_left(END, END) == 0


def test_the_points_needed_each_month_are_the_gap_over_the_months_left():
    needed = pace.required_per_month(OVER_80, 728, 1000, on=date(2025, 6, 30), closing_date=END)
    assert needed == Fraction(12, 10)
    assert pace.required_per_month(OVER_80, 9, 10, on=date(2025, 6, 30), closing_date=END) == 0
    assert pace.required_per_month(OVER_80, 7, 10, on=date(2026, 1, 1), closing_date=END) is None
    assert pace.required_per_month(OVER_80, 0, 0, on=date(2025, 1, 1), closing_date=END) is None


MIDWAY = date(2023, 12, 31)  # the pace line from 40 to 80 stands just below 60


def given_status(rule=OVER_80, *, on=MIDWAY, value=None, closing=(None, None), **more):
    facts = {"has_source": True, "baseline_date": START, "baseline_value": 40, **more}
    numerator, denominator = value or (None, None)
    return pace.status(
        rule,
        on=on,
        closing_date=END,
        numerator=numerator,
        denominator=denominator,
        closing_numerator=closing[0],
        closing_denominator=closing[1],
        **facts,
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"has_source": False, "value": (90, 100)}, Status.no_source),
        ({"has_source": False, "rule": Rule("qualitative")}, Status.no_source),
        ({"rule": Rule("qualitative"), "value": (90, 100)}, Status.qualitative),
        ({}, Status.no_data),
        ({"value": (0, 0)}, Status.no_data),
        ({"value": (NAN, 5.0)}, Status.no_data),
        ({"value": (90, 100), "baseline_date": None, "baseline_value": None}, Status.no_pace),
        ({"value": (90, 100), "baseline_value": NAN}, Status.no_pace),
        ({"value": (81, 100)}, Status.met),
        ({"value": (81, 100), "measured": START}, Status.no_data),
        ({"value": (81, 100), "measured": START + timedelta(days=1)}, Status.met),
        ({"value": (0, 0), "measured": MIDWAY}, Status.no_data),
        ({"value": (80, 100)}, Status.on_track),
        ({"value": (60, 100)}, Status.on_track),
        ({"value": (56, 100)}, Status.at_risk),
        ({"value": (55, 100)}, Status.off_track),
        ({"value": (0, 100)}, Status.off_track),
        ({"on": END, "value": (70, 100), "closing": (90, 100)}, Status.off_track),
        ({"on": date(2026, 1, 1), "value": (90, 100)}, Status.awaiting),
        ({"on": date(2026, 1, 1), "closing": (0, 0)}, Status.awaiting),
        ({"on": date(2026, 1, 1), "closing": (80, 100), "value": (99, 100)}, Status.missed),
        ({"on": date(2026, 1, 1), "closing": (81, 100), "value": (1, 100)}, Status.met),
        ({"on": date(2026, 1, 1), "closing": (81, 100), "baseline_date": None}, Status.met),
        ({"on": date(2026, 1, 1), "has_source": False}, Status.no_source),
    ],
)
def test_the_first_status_that_applies_is_given(facts, expected):
    assert given_status(**facts) is expected


def test_a_target_of_two_parts_takes_the_worst():
    order = [
        Status.met,
        Status.on_track,
        Status.no_pace,
        Status.no_data,
        Status.no_source,
        Status.awaiting,
        Status.at_risk,
        Status.off_track,
        Status.missed,
    ]
    for better, worse in pairwise(order):
        assert pace.worst([better, worse]) == 1
        assert pace.worst([worse, better]) == 0
    assert pace.worst([Status.met, Status.met]) == 0
    assert set(pace.WORST_FIRST) == set(Status)


def test_records_age_from_their_covered_watermark():
    covered = datetime(2026, 11, 22, 3, tzinfo=UTC)
    late, stale = pace.record_limits(covered, timedelta(minutes=2), timedelta(minutes=10))
    assert late is not None and stale is not None
    second = timedelta(seconds=1)
    assert pace.freshness(late, late, stale) is Freshness.fresh
    assert pace.freshness(late + second, late, stale) is Freshness.late
    assert pace.freshness(stale + second, late, stale) is Freshness.stale
    assert pace.freshness(stale + second, late, stale, closing=True) is Freshness.final


def test_readings_age_by_when_the_next_period_is_due():
    late, stale = pace.reading_limits(Period.parse("2026-09"), reporting_days=5)
    assert late == datetime(2026, 11, 5, 17, tzinfo=UTC)  # 00:00 on 6/11, local
    assert stale == datetime(2026, 12, 5, 17, tzinfo=UTC)
    assert pace.freshness(datetime(2026, 11, 1, tzinfo=UTC), late, stale) is Freshness.fresh
    quarter, _ = pace.reading_limits(Period.parse("2026-Q3"))
    assert quarter == Period.parse("2026-12-31").ends_at


def test_an_indicator_may_set_its_own_limits_for_readings():
    period = Period.parse("2026-09")
    late, stale = pace.reading_limits(period, 5, timedelta(days=40), timedelta(days=50))
    assert (late, stale) == (
        period.ends_at + timedelta(days=40),
        period.ends_at + timedelta(days=50),
    )


def test_a_figure_of_unknown_age_is_stale():
    now = datetime(2026, 11, 22, tzinfo=UTC)
    day = timedelta(days=1)
    assert pace.freshness(now, *pace.record_limits(None, day, day)) is Freshness.stale
    assert pace.freshness(now, *pace.reading_limits(None)) is Freshness.stale


FARTHEST = Fraction(sys.float_info.max)
numbers = st.one_of(
    st.integers(0, 10**15),
    st.integers(0, 10**6).map(float),
    st.floats(-1e9, 1e9),
    st.sampled_from([None, NAN, 0, 0.1, 2**53, 2**53 + 1]),
)


@given(numbers, numbers, st.sampled_from([1, 100, 1000, 0.5, 100.0]))
def test_a_value_is_the_float_nearest_to_its_exact_ratio(numerator, denominator, factor):
    exact = pace.ratio(numerator, denominator, factor)
    nearest = None if exact is None or abs(exact) > FARTHEST else float(exact)
    assert pace.value(numerator, denominator, factor) == nearest


def test_a_ratio_beyond_every_float_is_no_figure():
    assert pace.value(1e9, 5e-324) is None

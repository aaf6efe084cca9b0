"""Periods of the local calendar, whatever the time zone of the process."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.period import (
    GRAINS,
    LOCAL,
    Period,
    date_of,
    day_number,
    day_of,
    day_start,
    instant_of,
    minute_start,
    month_of,
    periods,
    week_start,
)

INSTANTS = st.integers(189_388_800, 5_680_281_600).map(lambda s: datetime.fromtimestamp(s, UTC))
DATES = st.dates(date(1976, 1, 1), date(2150, 1, 1))


def test_an_event_in_the_evening_of_30_june_in_utc_is_a_day_in_july():
    instant = datetime(2025, 6, 30, 17, 30, tzinfo=UTC)
    assert date_of(day_of(instant)) == date(2025, 7, 1)
    assert Period.of("month", instant).text == "2025-07"
    assert month_of(day_of(instant)) == 2025 * 12 + 6
    assert day_of(instant - timedelta(minutes=31)) == day_number(date(2025, 6, 30))


@given(INSTANTS)
def test_the_integer_day_is_what_the_time_zone_database_says(instant):
    assert date_of(day_of(instant)) == instant.astimezone(LOCAL).date()


@given(INSTANTS, st.integers(-14, 14))
def test_an_instant_has_the_same_day_in_whatever_offset_it_is_written(instant, hours):
    assert day_of(instant.astimezone(timezone(timedelta(hours=hours)))) == day_of(instant)


def test_days_before_1970_count_backwards():
    assert day_number(date(1969, 12, 31)) == -1
    assert day_of(datetime(1969, 12, 31, 16, 59, 59, tzinfo=UTC)) == -1
    assert day_of(datetime(1969, 12, 31, 17, 0, tzinfo=UTC)) == 0


def test_an_instant_without_time_zone_is_refused():
    with pytest.raises(TypeError):
        day_of(datetime(2025, 6, 30))  # noqa: DTZ001


@given(DATES, st.sampled_from(GRAINS))
def test_text_reads_back_as_the_same_period(day, grain):
    period = Period.of(grain, day)
    assert Period.parse(period.text) == period
    assert period.start <= day <= period.end
    assert period.key == period.index


@given(DATES, st.sampled_from(["day", "month", "quarter", "year"]))
def test_periods_of_a_grain_follow_without_gap_or_overlap(day, grain):
    period = Period.of(grain, day)
    assert period.next().start == period.end + timedelta(days=1)
    assert period.next().previous() == period
    assert period.ends_at == period.next().starts_at
    assert period < period.next()


def test_the_texts_are_those_of_the_addresses():
    texts = ["2025", "2025-Q2", "2025-06", "2025-06-30", "2025-01..2025-06"]
    assert [Period.parse(text).grain for text in texts] == [
        "year",
        "quarter",
        "month",
        "day",
        "ytd",
    ]
    assert Period.parse("2025").index == 2025
    assert Period.parse("2025-Q2").index == 2025 * 4 + 1
    assert Period.parse("2025-06").index == 2025 * 12 + 5
    assert Period.parse("2025-01..2025-06").index == 2025 * 12 + 5


def test_a_period_ends_at_the_first_instant_after_it():
    june = Period.parse("2025-06")
    assert (june.start, june.end) == (date(2025, 6, 1), date(2025, 6, 30))
    assert june.starts_at == datetime(2025, 5, 31, 17, tzinfo=UTC)
    assert june.ends_at == datetime(2025, 6, 30, 17, tzinfo=UTC)


def test_the_year_so_far_runs_from_january_to_its_month():
    so_far = Period.parse("2025-01..2025-03")
    assert (so_far.start, so_far.end) == (date(2025, 1, 1), date(2025, 3, 31))
    assert [month.text for month in so_far.months()] == ["2025-01", "2025-02", "2025-03"]
    assert Period.parse("2025-03", "ytd") == so_far
    assert so_far.previous(3).text == "2024-01..2024-12"


def test_quarters_and_years_are_made_of_months():
    assert [m.text for m in Period.parse("2024-Q4").months()] == ["2024-10", "2024-11", "2024-12"]
    assert len(Period.parse("2024").months()) == 12
    with pytest.raises(ValueError, match="ngày"):
        Period.parse("2024-02-29").months()


def test_a_coarser_grain_is_the_one_that_holds_the_end():
    assert Period.parse("2025-06-30", "quarter").text == "2025-Q2"
    assert Period.parse("2025-Q3", "month").text == "2025-09"


def test_periods_lists_both_ends():
    listed = periods(Period.parse("2024-11"), Period.parse("2025-02"))
    assert [period.text for period in listed] == ["2024-11", "2024-12", "2025-01", "2025-02"]
    assert periods(Period.parse("2025-02"), Period.parse("2025-01")) == []
    with pytest.raises(ValueError, match="khác loại kỳ"):
        periods(Period.parse("2025"), Period.parse("2025-02"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "25", "2025-13", "2025-00", "2025-Q5", "2025-02-30", "2025-6", "2025-02..2025-06"),
        *("2025-01..2024-06", "2025-01..2025-13", "0000", "9999", "２０２５", " 2025", "2025-06\n"),
    ],
)
def test_what_is_no_period_is_refused_with_the_right_forms(text):
    with pytest.raises(ValueError, match="không hợp lệ; viết 2025"):
        Period.parse(text)


@given(INSTANTS)
def test_a_week_begins_on_the_local_monday(instant):
    monday = week_start(instant)
    local = monday.astimezone(LOCAL)
    assert (local.weekday(), local.hour, local.minute) == (0, 0, 0)
    assert monday <= instant < monday + timedelta(days=7)
    assert monday.utcoffset() == timedelta(0)


@given(INSTANTS)
def test_day_and_minute_begin_at_or_before_the_instant(instant):
    assert day_start(instant) == instant_of(day_of(instant))
    assert timedelta(0) <= instant - day_start(instant) < timedelta(days=1)
    assert timedelta(0) <= instant - minute_start(instant) < timedelta(minutes=1)


PROBE = """
from datetime import UTC, date, datetime
from ioc.period import Period, day_of, day_start, minute_start, week_start
i = datetime(2025, 6, 30, 17, 30, 12, tzinfo=UTC)
p = Period.of("month", i)
print(day_of(i), p.text, p.start, p.ends_at, week_start(i), day_start(i), minute_start(i))
"""


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Ho_Chi_Minh", "Pacific/Apia"])
def test_the_time_zone_of_the_process_plays_no_part(zone):
    def answer(tz):
        env = {**os.environ, "TZ": tz}
        command = [sys.executable, "-c", PROBE]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    assert answer(zone) == answer("UTC")
    assert "2025-07 2025-07-01" in answer(zone)

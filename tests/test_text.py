"""What an official reads: numbers that stay on their side of the line, dates, sentences."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import text

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 08:00 in Quảng Bình


def words(shown: str) -> str:
    return shown.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("numerator", "denominator", "lines", "shown"),
    [
        (20_001, 25_000, (80,), "80,004 %"),
        (19_999, 25_000, (80,), "79,996 %"),
        (20_000, 25_000, (80,), "80,0 %"),
        (8_000_001, 10_000_000, (80,), "> 80 %"),
        (7_999_999, 10_000_000, (80,), "< 80 %"),
        (995, 1000, (90,), "99,5 %"),
        (99_999, 100_000, (90,), "99,999 %"),
        (1, 3000, (), "0,03 %"),
        (0, 500, (80,), "0 %"),
        (500, 500, (80,), "100 %"),
        (2, 3, (67,), "66,7 %"),
        (4, 5, (80, 100), "80 %"),
        (5, 12, (30,), "42 %"),
        (3, 0, (80,), "—"),
        (float("nan"), 5, (80,), "—"),
    ],
)
def test_a_share_is_never_rounded_across_its_line(numerator, denominator, lines, shown):
    assert words(text.percent(numerator, denominator, *lines)) == shown


@given(
    st.integers(0, 3_000_000), st.integers(1, 3_000_000), st.sampled_from([20, 25, 50, 60, 80, 90])
)
def test_what_is_shown_stands_where_the_integers_stand(numerator, denominator, line):
    shown = words(text.percent(numerator, denominator, line)).removesuffix(" %")
    exact = text.side(Fraction(numerator * 100, denominator), Fraction(line))
    if shown[0] in "<>":
        assert exact == {"<": -1, ">": 1}[shown[0]] or shown[2:] in ("0", "100")
    else:
        written = Fraction(shown.replace(".", "").replace(",", "."))
        assert text.side(written, Fraction(line)) == exact


def test_small_denominators_are_shown_as_counts():
    assert text.few(29)
    assert not text.few(30)
    assert not text.few(float("nan"))
    assert words(text.counts(4, 5, "dịch vụ")) == "4/5 dịch vụ"
    assert words(text.counts(113_207, 194_180, "hồ sơ")) == "113.207/194.180 hồ sơ"


@pytest.mark.parametrize(
    ("operator", "threshold", "high", "shown"),
    [
        (">", 80, None, "trên 80 %"),
        (">=", 60, None, "từ 60 %"),
        ("range", 80, 100, "80–100 %"),
        ("qualitative", float("nan"), None, "định tính"),
        (">", 12.5, None, "trên 12,5 %"),
    ],
)
def test_operators_are_words(operator, threshold, high, shown):
    assert words(text.level(operator, threshold, high)) == shown


def test_a_reading_that_is_kept_as_text_is_words_too():
    assert words(text.reading("> 60")) == "trên 60 %"
    assert words(text.reading(">= 25")) == "từ 25 %"


def test_what_is_missing_says_how_many_of_what_and_what_for():
    assert words(text.missing(9, "hệ thống", ">", 80)) == "còn thiếu 9 hệ thống để vượt 80 %"
    assert words(text.missing(3301, "hồ sơ", ">=", 60, flow=True)) == (
        "còn thiếu 3.301 hồ sơ để đạt 60 %, nếu mẫu số không đổi"
    )
    assert text.missing(float("nan"), "hồ sơ", ">", 80) == ""
    assert text.missing(0, "hồ sơ", ">", 80) == ""


def test_a_live_figure_is_compared_in_words():
    assert words(text.against(63.1, 60)) == "cao hơn mức 60 %"
    assert words(text.against(60, 60)) == "bằng mức 60 %"
    assert words(text.against(59.9, 60)) == "thấp hơn mức 60 %"
    assert words(text.against(80, 80, 100)) == "trong khoảng 80–100 %"
    assert text.against(float("nan"), 60) == ""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2025", "năm 2025"),
        ("2025-Q2", "quý II/2025"),
        ("2025-06", "tháng 6/2025"),
        ("2025-06-30", "ngày 30/06/2025"),
        ("2025-01..2025-06", "6 tháng đầu năm 2025"),
        ("2025-01..2025-12", "năm 2025"),
        ("", "—"),
    ],
)
def test_periods_are_read_as_people_say_them(written, shown):
    assert text.period(written) == shown


def test_instants_are_on_vietnamese_time_whatever_the_machine_thinks():
    late = datetime(2025, 6, 30, 17, 30, tzinfo=UTC)
    assert text.day(late) == "01/07/2025"
    assert text.minute(late) == "00:30 01/07/2025"
    assert text.minute(NOW, NOW) == "08:00"
    assert text.minute(NOW - timedelta(days=1), NOW) == "08:00 21/11"
    assert text.day(date(2025, 12, 31)) == "31/12/2025"
    assert text.day("2025-06-30") == "30/06/2025"


def test_a_month_that_ends_at_midnight_ends_with_its_last_day():
    assert text.reach(datetime(2026, 8, 31, 17, tzinfo=UTC), NOW) == "hết 31/8"
    assert text.reach(NOW, NOW) == "08:00"
    assert text.reach(datetime(2024, 4, 10, 3, tzinfo=UTC), NOW) == "10/4/2024"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (5, "vừa xong"),
        (60, "1 phút trước"),
        (200, "3 phút trước"),
        (7200, "2 giờ trước"),
        (100_000, "1 ngày trước"),
        (86_400 * 40, "40 ngày trước"),
        (86_400 * 100, "3 tháng trước"),
    ],
)
def test_ages_are_said_in_whole_units(seconds, shown):
    assert text.age(NOW - timedelta(seconds=seconds), NOW) == shown


def test_declared_limits_are_never_rounded():
    assert text.exact_duration(90) == "90 giây"
    assert text.exact_duration(timedelta(hours=36)) == "36 giờ"
    assert text.exact_duration(86_400.0) == "1 ngày"
    assert text.exact_duration(float("nan")) == "—"


def test_three_clocks_say_what_each_is():
    at = NOW - timedelta(hours=1)
    assert text.clocks(at, NOW, NOW) == ("Số liệu đến 07:00", "Thu lúc 08:00", "Trang 08:00")


def test_unknown_is_a_dash_and_never_zero():
    for shown in (text.number(None), text.number(float("nan")), text.day(""), text.period(None)):
        assert shown == "—"
    assert text.number(0) == "0"
    assert text.number(1_063_487) == "1.063.487"


def test_a_difference_has_a_true_minus():
    assert text.points(-3.04) == "−3,0 điểm"
    assert text.points(1.2) == "+1,2 điểm"
    assert text.points(0.0) == "0,0 điểm"


def test_a_change_of_counts_has_its_sign_and_its_unit():
    found = [text.change(*one) for one in ((32, "hồ sơ"), (-1991, "lượt"), (0.45, "phút"))]
    assert [words(one) for one in found] == ["+32 hồ sơ", "−1.991 lượt", "+0,45 phút"]
    assert text.change(None, "lượt") == text.NONE


def test_rebuilt_history_is_known_from_a_week_on():
    monday = datetime(2026, 11, 15, 17, tzinfo=UTC)  # midnight in Quảng Bình
    assert text.known_from(monday) == "tuần bắt đầu 16/11/2026 (dựng lại)"

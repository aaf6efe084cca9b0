"""How busy an office is on each day: working days, Tết, holidays, weekends near zero.

Days are numbers since 1970-01-01 (local calendar), as in ``ioc.period``.
"""

from bisect import bisect_left
from datetime import date
from functools import cache

from ioc.period import date_of, day_number

FIRST_YEAR, LAST_YEAR = 2021, 2035

_TET = [  # first day of the lunar year
    date(2021, 2, 12), date(2022, 2, 1), date(2023, 1, 22), date(2024, 2, 10), date(2025, 1, 29),
    date(2026, 2, 17), date(2027, 2, 6), date(2028, 1, 26), date(2029, 2, 13), date(2030, 2, 3),
    date(2031, 1, 23), date(2032, 2, 11), date(2033, 1, 31), date(2034, 2, 19), date(2035, 2, 8),
]  # fmt: skip
_HOLIDAYS = {(1, 1), (4, 30), (5, 1), (9, 2)}
_WEEKDAYS = (1.15, 1.06, 1.0, 0.98, 0.91, 0.08, 0.015)
_CLOSED = 0.03
# dossiers of a year at scale 1: 180 to 260 thousand
_YEARLY = {2021: 182e3, 2022: 198e3, 2023: 216e3, 2024: 232e3, 2025: 246e3, 2026: 254e3}


_NEW_YEARS = [day_number(day) for day in _TET]


def _days_from_tet(day: int) -> int:
    at = bisect_left(_NEW_YEARS, day)
    return min((day - tet for tet in _NEW_YEARS[max(0, at - 1) : at + 1]), key=abs)


@cache
def busyness(day: int) -> float:
    """Relative number of dossiers that arrive on a day; an ordinary Wednesday is about 1."""
    on = date_of(day)
    from_tet = _days_from_tet(day)
    if (on.month, on.day) in _HOLIDAYS or -2 <= from_tet <= 4:
        return _CLOSED
    weight = _WEEKDAYS[on.weekday()] * (1 + 0.08 * on.timetuple().tm_yday / 365)
    if -10 <= from_tet <= 10:
        weight *= 0.55
    if date(2021, 8, 10) <= on <= date(2021, 10, 3):  # the province stayed at home
        weight *= 0.5
    if date(2025, 7, 1) <= on <= date(2025, 7, 13):  # two weeks of moving into new offices
        weight *= 0.6
    return weight


@cache
def _year_weight(year: int) -> float:
    return sum(
        busyness(day)
        for day in range(day_number(date(year, 1, 1)), day_number(date(year + 1, 1, 1)))
    )


def expected_dossiers(day: int) -> float:
    """Dossiers that the whole province receives on a day at scale 1."""
    year = date_of(day).year
    return _YEARLY.get(year, 260e3) * busyness(day) / _year_weight(year)


def is_workday(day: int) -> bool:
    return busyness(day) > 0.2


_WORKDAYS = [
    day
    for day in range(day_number(date(FIRST_YEAR, 1, 1)), day_number(date(LAST_YEAR + 1, 1, 1)))
    if is_workday(day)
]


def after(day: int, workdays: int) -> int:
    """The working day that many working days later; 0 gives the first one not before ``day``."""
    return _WORKDAYS[bisect_left(_WORKDAYS, day) + workdays]

"""What a standing means: status, pace, what is missing, how old it is. Pure functions, no clock.

Every comparison is exact (``ioc.rule``); NaN and None are unknown.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

from ioc.model import WORST_FIRST, Freshness, Status
from ioc.period import Period
from ioc.rule import Exact, Number, Rule, exact, satisfies

WHOLE = 2.0**53
"""Up to here whole numbers are floats, and a quotient of two is rounded once."""


def ratio(numerator: Number, denominator: Number, factor: float = 100) -> Exact | None:
    """factor × numerator / denominator, exactly; None when unknown or the denominator is 0."""
    above, below, scale = exact(numerator), exact(denominator), exact(factor)
    if above is None or below is None or scale is None or below == 0:
        return None
    return Fraction(above * scale) / below


def value(numerator: Number, denominator: Number, factor: float = 100) -> float | None:
    """``ratio`` as the float nearest to it; whole numbers, and most are, need no fraction."""
    if numerator is None or not denominator:
        return None
    if (
        isinstance(numerator, float | int)
        and isinstance(denominator, float | int)
        and 0 <= numerator * factor <= WHOLE
        and 0 < denominator <= WHOLE
        and not (numerator % 1 or denominator % 1 or factor % 1)
    ):
        return numerator * factor / denominator
    found = ratio(numerator, denominator, factor)
    try:
        return None if found is None else float(found)
    except OverflowError:  # beyond every float: no figure of anything
        return None


def missing_count(
    operator: str,
    numerator: Number,
    denominator: Number,
    factor: float = 100,
    threshold: float | None = None,
    threshold_high: float | None = None,
) -> int | None:
    """The smallest k with which (numerator + k) / denominator satisfies the operator.

    The denominator does not move. 0 when satisfied already; None where nothing can be compared
    or no k within the denominator does it (a strict "> 100", a range stepped over).
    """
    given = (factor, threshold, threshold_high)
    if satisfies(operator, numerator, denominator, *given) is None:
        return None
    above, below, scale = exact(numerator), exact(denominator), exact(factor)
    low = exact(threshold)
    assert above is not None and below is not None and scale is not None and low is not None
    gap = Fraction(low * below) / scale - above
    strict = operator == ">"
    k = max(0, math.floor(gap) + 1 if strict else math.ceil(gap))
    if k and above + k > below:
        return None
    return k if satisfies(operator, above + k, below, *given) else None


def pace_line(
    rule: Rule, baseline_date: date, baseline_value: Number, closing_date: date, on: date
) -> Exact | None:
    """What the value should be on a day: a straight line from the baseline to the threshold.

    It ends at the threshold on the closing date (a range: at its lower end), and never falls: a
    baseline above the threshold asks to stay above it. None where the plan names no threshold.
    """
    start, goal = exact(baseline_value), exact(rule.threshold)
    if start is None or goal is None:
        return None
    if start >= goal or on >= closing_date or baseline_date >= closing_date:
        return goal
    days = max(0, (on - baseline_date).days)
    return start + Fraction((goal - start) * days, (closing_date - baseline_date).days)


def risk_band(rule: Rule, baseline_value: Number) -> Exact | None:
    """How far below the pace is still "at risk": 10 % of the way to go, at least 1 point."""
    start, goal = exact(baseline_value), exact(rule.threshold)
    return None if start is None or goal is None else max(Fraction(1), Fraction(goal - start) / 10)


def behind_since(
    values: Sequence[tuple[date, Number, Number]],
    rule: Rule,
    *,
    baseline_date: date,
    baseline_value: Number,
    closing_date: date,
    factor: float = 100,
) -> date | None:
    """The first day of the unbroken run below the pace that lasts until the newest known value.

    ``values``: day, numerator and denominator, oldest first. A value that nobody knows neither
    begins nor breaks a run; days up to the baseline and after the closing date are not judged.
    None where the newest known value keeps pace, or the plan names no threshold.
    """
    since = None
    for day, numerator, denominator in reversed(values):
        value = ratio(numerator, denominator, factor)
        if value is None or not baseline_date < day <= closing_date:
            continue
        pace = pace_line(rule, baseline_date, baseline_value, closing_date, day)
        if pace is None or value >= pace:
            return since
        since = day
    return since


def months_left(on: date, closing_date: date) -> Exact:
    """Months from the end of a day to the closing date; a part of a month counts by its days."""
    this, last = Period.of("month", on), Period.of("month", closing_date)
    return last.index - this.index + Fraction((this.end - on).days, this.end.day)


def required_per_month(
    rule: Rule,
    numerator: Number,
    denominator: Number,
    *,
    on: date,
    closing_date: date,
    factor: float = 100,
) -> Exact | None:
    """Points a month that are still needed: (threshold − value) / months left.

    None where nothing can be compared, once it is closed or no time is left; 0 when satisfied.
    """
    met = satisfies(rule.operator, numerator, denominator, factor, *rule[1:])
    value, goal = ratio(numerator, denominator, factor), exact(rule.threshold)
    if met is None or value is None or goal is None or on >= closing_date:
        return None
    return 0 if met else max(Fraction(0), Fraction(goal - value) / months_left(on, closing_date))


def status(
    rule: Rule,
    *,
    has_source: bool,
    on: date,
    closing_date: date,
    numerator: Number = None,
    denominator: Number = None,
    closing_numerator: Number = None,
    closing_denominator: Number = None,
    factor: float = 100,
    baseline_date: date | None = None,
    baseline_value: Number = None,
    measured: date | None = None,
) -> Status:
    """The status of one part of a target on a day: the first that applies.

    ``no_source``, ``qualitative``; after the closing date ``awaiting`` / ``met`` / ``missed``
    from the closing figures; until then ``no_data`` / ``no_pace`` / ``met`` / ``on_track`` /
    ``at_risk`` / ``off_track`` from the live ones. The closing date itself is still open.
    ``measured``: the last day of the live figure's window; one that does not reach past the
    baseline says nothing of the time since, and is ``no_data``.
    """
    if not has_source:
        return Status.no_source
    if rule.operator == "qualitative":
        return Status.qualitative
    if on > closing_date:
        met = satisfies(rule.operator, closing_numerator, closing_denominator, factor, *rule[1:])
        return Status.awaiting if met is None else Status.met if met else Status.missed
    met = satisfies(rule.operator, numerator, denominator, factor, *rule[1:])
    if met is None:
        return Status.no_data
    if baseline_date is None or exact(baseline_value) is None:
        return Status.no_pace
    if measured is not None and measured <= baseline_date:
        return Status.no_data
    if met:
        return Status.met
    value = ratio(numerator, denominator, factor)
    pace = pace_line(rule, baseline_date, baseline_value, closing_date, on)
    band = risk_band(rule, baseline_value)
    assert value is not None and pace is not None and band is not None
    if value >= pace:
        return Status.on_track
    return Status.at_risk if pace - value <= band else Status.off_track


def worst(statuses: Sequence[Status]) -> int:
    """The place of the worst status, the first of equals: how parts combine into their target."""
    return min(range(len(statuses)), key=lambda i: WORST_FIRST.index(statuses[i]))


def record_limits(
    covered_until: datetime | None, late_after: timedelta, stale_after: timedelta
) -> tuple[datetime | None, datetime | None]:
    """When a figure counted from records turns late and stale: by its covered watermark."""
    if covered_until is None:
        return None, None
    return covered_until + late_after, covered_until + stale_after


def reading_limits(
    period: Period | None,
    reporting_days: int | None = None,
    late_after: timedelta | None = None,
    stale_after: timedelta | None = None,
) -> tuple[datetime | None, datetime | None]:
    """When the figure that was declared for a period turns late and stale.

    Late when the next period's figure is due: the end of the next period plus the declared
    reporting days. Stale one further period later. An indicator's own limits, counted from the
    end of the figure's period, stand instead.
    """
    if period is None:
        return None, None
    days = timedelta(days=reporting_days or 0)
    late_at = period.ends_at + late_after if late_after else period.next().ends_at + days
    stale_at = period.ends_at + stale_after if stale_after else period.next(2).ends_at + days
    return late_at, max(late_at, stale_at)


def freshness(
    now: datetime,
    late_at: datetime | None,
    stale_at: datetime | None,
    *,
    closing: bool = False,
) -> Freshness:
    """How old a figure is; a closing figure is ``final`` for good.

    ``now`` is the ``as_of`` of an answer from the past. A figure whose age nobody knows is stale.
    """
    if closing:
        return Freshness.final
    if late_at is None or stale_at is None or now > stale_at:
        return Freshness.stale
    return Freshness.late if now > late_at else Freshness.fresh

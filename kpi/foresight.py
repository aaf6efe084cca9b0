"""Forecasts are made beside the polling: each that is missing once, from what was known then.

One for every quarter that ended while a target was open, and one for the last month while it is.
A forecast that stands is never made again, whatever is corrected later.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ioc.model import OrgUnit
from ioc.period import LOCAL, Grain, Period
from kpi import decided, forecast, series
from kpi.answer import Snapshot, SourceState, take_snapshot
from kpi.elements import Indicator
from kpi.forecast import Outlook, Point
from kpi.schema import forecast as table
from kpi.schema import micros
from kpi.store import KpiStore
from kpi.targets import Part, Target

SETTLED = timedelta(hours=1)
"""After its instant, so that a late minute of ours is in it."""
HALF = 0.5
"""A period that fewer of the expected org units reported is no point."""
BEGINS = 2021
"""The first year whose values are looked at."""

_NAMES = [column.name for column in table.columns]
_KEEP = sa.text(
    f"INSERT INTO forecast ({', '.join(_NAMES)})"
    f" VALUES ({', '.join(':' + name for name in _NAMES)})"
    " ON CONFLICT (target, indicator, org_unit, forecast_at) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Due:
    """One forecast that is missing: of a part of a target, at an instant, for all areas."""

    target: Target
    part: Part
    at: datetime


def foresee(store: KpiStore, now: datetime, *, seconds: float = 2.0) -> int:
    """Make missing forecasts for about so many seconds, at least one where one is missing.

    Returns:
        How many of ``Due`` were made; 0 once nothing is missing.
    """
    return make(store, missing(store, now), now, seconds=seconds)


def make(store: KpiStore, wanted: Iterable[Due], now: datetime, *, seconds: float) -> int:
    """Make these, oldest first, until the time is over, and keep them in one write."""
    ends, made, rows = time.monotonic() + seconds, 0, []
    for due in wanted:
        rows += _made(store, due, now)
        made += 1
        if time.monotonic() >= ends:
            break
    if rows:
        with store.write() as connection:
            connection.execute(_KEEP, rows)
            store.touch(connection, {row["target"] for row in rows})
    return made


def missing(store: KpiStore, now: datetime) -> list[Due]:
    """What should have been foretold by now and was not, oldest first.

    Nothing of a source whose first load is not over: its history is not all there.
    """
    with store.read() as connection:
        snapshot = take_snapshot(store, connection, now, None)
        there = {
            tuple(row)
            for row in connection.execute(
                sa.text("SELECT DISTINCT target, indicator, forecast_at FROM forecast")
            )
        }
    found = [
        Due(target, part, at)
        for target in store.catalogue.targets.values()
        for part in target.parts
        if _foretold(snapshot, target, part)
        for at in instants(target, part, now)
        if (target.id, part.indicator, micros(at)) not in there
    ]
    return sorted(found, key=lambda due: due.at)


def _foretold(snapshot: Snapshot, target: Target, part: Part) -> bool:
    indicator = snapshot.store.catalogue.indicators[part.indicator]
    source = snapshot.source_of(indicator.source)
    numeric = target.rule.threshold is not None and bool(_closing(indicator, part).denominator)
    return numeric and source is not None and source.run is not None and not source.loading


def _closing(indicator: Indicator, part: Part) -> Indicator:
    """By the definition that will compute the closing figure: all points are, and no other."""
    return replace(indicator.at(part.closing_date), versions=())


def instants(target: Target, part: Part, now: datetime) -> list[datetime]:
    """Ends of quarters while a part was open, and of the last month while it is."""
    last = min(now - SETTLED, Period.of("day", part.closing_date).starts_at)
    quarter = Period.of("quarter", target.valid_from)
    found = []
    while quarter.ends_at <= last:
        found.append(quarter.ends_at)
        quarter = quarter.next()
    today = (now - SETTLED).astimezone(LOCAL).date()
    month = Period.of("month", today).previous()
    open_still = not part.closed(today) and month.start >= target.valid_from
    return [*found, *([month.ends_at] if open_still and month.ends_at not in found else [])]


def _made(store: KpiStore, due: Due, now: datetime) -> list[dict[str, Any]]:
    """The rows of one forecast, the whole territory first."""
    indicator = _closing(store.catalogue.indicators[due.part.indicator], due.part)
    day = (due.at - timedelta(seconds=1)).astimezone(LOCAL).date()
    units = store.orgunits.population("area", day)
    with store.read() as connection:
        snapshot = take_snapshot(store, connection, now, due.at)
        (target,) = decided.in_force(connection, [due.target], due.at)
        source = snapshot.source_of(indicator.source)
        points = {}
        if source is not None and not _reason(store, indicator):
            points = dict(_points(snapshot, indicator, source, units, day))
    return [
        {
            "target": target.id,
            "indicator": indicator.id,
            "org_unit": unit.uid,
            "forecast_at": micros(due.at),
            **_said(store, target, due.part, indicator, points.get(unit.uid, [])),
            "reading": target.reading_in_force,
            "definition": indicator.definition_id,
            "reconstructed": int(bool(source and source.reconstructed)),
            "computed_at": micros(now),
        }
        for unit in units
    ]


def _points(
    snapshot: Snapshot,
    indicator: Indicator,
    source: SourceState,
    units: list[OrgUnit],
    day: date,
) -> Iterator[tuple[str, list[Point]]]:
    """Of every org unit the whole periods that were known, in order."""
    grain = _grain(indicator)
    known = snapshot.clock if not source.is_record else source.covered_until
    end = Period.of(grain, day)
    first = Period.of(grain, date(BEGINS, 1, 1))
    wanted = [first.next(n) for n in range(end.index - first.index + 1)]
    whole = [period for period in wanted if known and period.ends_at <= known]
    place = {period.text: period.index for period in whole}
    names = [series.COLUMNS.index(name) for name in ("org_unit", "period", "coverage")]
    sides = [series.COLUMNS.index(name) for name in ("numerator", "denominator")]
    found: dict[str, list[Point]] = {unit.uid: [] for unit in units}
    for row in series.rows(snapshot, [indicator], units, whole) if whole else ():
        uid, period, coverage = (row[column] for column in names)
        over, under = (row[column] for column in sides)
        if over is not None and under and (coverage or 0) >= HALF:
            found[uid].append(Point(place[period], over, under))
    yield from found.items()


def _said(
    store: KpiStore, target: Target, part: Part, indicator: Indicator, points: list[Point]
) -> dict[str, Any]:
    """Chance and interval of one org unit, or in ``reason`` why there is none."""
    grain = _grain(indicator)
    reason, outlook = _reason(store, indicator), None
    if not reason:
        outlook = _outlook(target, part, indicator, points)
        reason = "" if outlook else "few_points"
    return {
        "chance": outlook.chance if outlook else None,
        "low": outlook.low if outlook else None,
        "high": outlook.high if outlook else None,
        "points": len(points),
        "last_period": Period(grain, points[-1].index).text if points else "",
        "reason": reason,
        "model": forecast.MODEL if outlook else "",
    }


def _grain(indicator: Indicator) -> Grain:
    """What its points are: quarters where it is told by the quarter, else months."""
    return "quarter" if indicator.grain == "quarter" else "month"


def _reason(store: KpiStore, indicator: Indicator) -> str:
    """Why an indicator is never foretold: a figure a year, or a year that no months add up to."""
    if indicator.grain == "year":
        return "yearly"
    sides = (
        store.catalogue.elements[name or ""]
        for name in (indicator.numerator, indicator.denominator)
    )
    return "distinct" if any(side.over_time == "distinct" for side in sides) else ""


def _outlook(
    target: Target, part: Part, indicator: Indicator, points: list[Point]
) -> Outlook | None:
    grain = _grain(indicator)
    closing = Period.of(grain, part.closing_date).index
    if part.judged_over == "stock_at_date":
        return forecast.stock(points, closing, target.rule, indicator.factor)
    first = part.closing.start if part.mode == "year" else part.closing_date
    return forecast.flow(
        points,
        Period.of(grain, first).index,
        closing,
        target.rule,
        per_year=4 if grain == "quarter" else 12,
        factor=indicator.factor,
    )

"""Forecasts of targets, as they were made: each beside what came of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import local_date
from ioc.principal import Principal
from kpi import judging
from kpi.answer import Answer, Snapshot
from kpi.schema import instant_of, micros
from kpi.scope import entitled, indicators_of, targets_of, units_of
from kpi.store import KpiStore

COLUMNS = (
    "target indicator org_unit code name forecast_at chance low high unit points last_period"
    " reason reading closing_date closing_status closing_value inside model reconstructed"
    " computed_at definition"
).split()


def forecasts(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    indicators: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """What was expected of each target at the end of a quarter, oldest first, and what came of it.

    ``chance`` 0..1 of meeting ``reading`` at the closing date; ``low`` and ``high`` hold 80 % of
    the simulated closing values, in ``unit``. Unknown with a ``reason``: few_points (below eight
    in ``points``), yearly (one figure a year), distinct (months do not add up to the year).
    ``closing_status`` (met, missed, awaiting) and ``closing_value`` once the target has closed,
    ``inside`` 1 where that lies in the interval, else 0. ``reconstructed`` 1: made from history as
    the source dates its changes. As of an instant those that are about it or an earlier one,
    whenever they were computed. Org units default to ``area-qb``; only areas have any.

    Raises:
        UnknownFilter: a target, indicator or org unit that does not exist.
        Forbidden: an org unit, a target or an indicator is outside ``who``'s scope.

    Source: table ``forecast``, written by kpi.foresight.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    day = local_date(clock)
    chosen = targets_of(store, who, targets, day)
    wanted = {one.id for one in indicators_of(store, who, indicators)}
    parts = [part for target in chosen for part in target.parts if part.indicator in wanted]
    units = units_of(store, who, org_units, None, day)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        outcome = {}
        for row in judging.rows(snapshot, chosen, parts, units, day):
            said = dict(zip(judging.COLUMNS, row, strict=True))
            outcome[said["target"], said["indicator"], said["org_unit"]] = said
        known = snapshot.connection.execute(
            sa.text("SELECT * FROM forecast WHERE forecast_at <= :at ORDER BY forecast_at"),
            {"at": micros(clock)},
        )
        of_unit: dict[tuple[str, str, str], list] = {}
        for row in known:
            of_unit.setdefault((row.target, row.indicator, row.org_unit), []).append(row)
        for part in parts:
            for unit in units:
                key = (part.target, part.indicator, unit.uid)
                for row in of_unit.get(key, []):
                    yield _row(row, outcome.get(key, {}))

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


def _row(made: sa.Row, outcome: dict) -> tuple:
    status, value = outcome.get("closing_status", ""), outcome.get("closing_value")
    closed = status in ("met", "missed") and value is not None
    inside = int(made.low <= value <= made.high) if closed and made.chance is not None else None
    return (
        made.target,
        made.indicator,
        made.org_unit,
        outcome.get("code", ""),
        outcome.get("name", ""),
        instant_of(made.forecast_at),
        made.chance,
        made.low,
        made.high,
        outcome.get("unit", ""),
        made.points,
        made.last_period,
        made.reason,
        made.reading,
        outcome.get("closing_date"),
        status,
        value if closed else None,
        inside,
        made.model,
        made.reconstructed,
        instant_of(made.computed_at),
        made.definition,
    )

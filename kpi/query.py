"""The questions that screens, files and programs may ask; each answers within a principal's scope.

A question returns an ``Answer`` with two readers, ``frame()`` and ``stream()``. Ratios are
computed after summing; NaN (None in a stream) is unknown, never 0; instants are aware UTC.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from ioc.clock import right_now
from ioc.period import Period, local_date
from ioc.principal import Principal
from kpi import judging, series
from kpi.answer import INSTANTS, NUMBERS, Answer, Snapshot, settled, stamp
from kpi.assessments import VERDICTS, assessments
from kpi.casefile import CaseFile, Counted, Version, case_file
from kpi.cases import ENDED, place, records
from kpi.changes import CAUSES, changes
from kpi.closings import closings
from kpi.decided import choices, signed
from kpi.forecasts import forecasts
from kpi.frames import FRAMES, frame_of
from kpi.gauges import at_head, gauges, leads
from kpi.geometry import Layer, features, layers
from kpi.lineage import STEPS, lineage
from kpi.pace import behind_since
from kpi.pivot import pivot
from kpi.plans import EXAMPLE, Plan
from kpi.polls import asked, form, rejections, runs, sources, uploads
from kpi.portfolio import projects
from kpi.registers import indicators, org_units, targets, tasks
from kpi.requests import REFUSED_ROWS
from kpi.revisions import revisions
from kpi.rollout import rollout
from kpi.scope import (
    ROOT,
    UnknownFilter,
    entitled,
    home,
    indicators_of,
    periods_of,
    targets_of,
    topics,
    units_of,
)
from kpi.search import search
from kpi.steering import Steering, steering
from kpi.store import KpiStore
from kpi.validation import RULES

__all__ = [
    "CAUSES",
    "ENDED",
    "EXAMPLE",
    "FRAMES",
    "INSTANTS",
    "NUMBERS",
    "REFUSED_ROWS",
    "ROOT",
    "RULES",
    "STEPS",
    "UNREADABLE",
    "VERDICTS",
    "CaseFile",
    "Counted",
    "Layer",
    "Plan",
    "Steering",
    "UnknownFilter",
    "Version",
    "asked",
    "assessments",
    "at_head",
    "behind_since",
    "case_file",
    "changes",
    "choices",
    "closings",
    "features",
    "forecasts",
    "form",
    "gauges",
    "home",
    "indicators",
    "layers",
    "leads",
    "lineage",
    "org_units",
    "pivot",
    "place",
    "projects",
    "records",
    "rejections",
    "revisions",
    "rollout",
    "runs",
    "search",
    "settled",
    "signed",
    "sources",
    "stamp",
    "standings",
    "steering",
    "targets",
    "tasks",
    "topics",
    "uploads",
    "values",
]

UNREADABLE = (OperationalError, NoConnection)
"""What reading raises while the database is away, full of connections, or locked."""


def standings(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    plan: str | None = None,
    indicators: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    frame: str = "then",
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """How the targets stand: the live figure and, once closed, the closing outcome.

    Returns:
        A row for every part of a target and one for the target itself (``indicator`` empty: the
        part of worst status), for each org unit asked for, in the plan's order; an authority
        that a target does not reach has no row. Where no target is named they are those of the
        plan in force on the date, or of another ``plan`` by its name: of an example only then,
        and ``mark`` says so. ``status`` is the headline; ``value``, its
        ages and ``freshness`` are the live figure's. ``missing_count`` belongs to the figure
        that decides the headline. ``mark`` says in words what a figure rests on; ``by_hand`` and
        ``closing_by_hand`` count the org units that gave a part of it by hand, ``hand_run`` is
        the newest run that did. ``coverage`` is the live figure's, ``closing_coverage`` that of
        the closing one, unknown while a part is open. Org units default to ``area-qb``, or to the
        first of the scope that does not hold it; ``level`` takes all that are open on ``on``
        (default: the date of the clock), in another ``frame`` those of today or of the plan, with
        what wholly became them summed again; what cannot be, has no figure and says so in
        ``mark``.

    Raises:
        UnknownFilter: a target, plan, indicator, frame or org unit that does not exist.
        Forbidden: an org unit, a target or an indicator is outside ``who``'s scope.

    Source: table ``standing``, or as of an instant the versions in ``rollup``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    day = on or local_date(clock)
    chosen = [
        target
        for target in targets_of(store, who, targets, day, plan)
        if target.valid_from <= day or targets
    ]
    wanted = {i.id for i in indicators_of(store, who, indicators)}
    parts = [part for t in chosen for part in t.parts if part.indicator in wanted]
    framed = frame_of(store, frame, who, now)
    units = units_of(store, who, org_units, level, framed.day if framed else day)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        return judging.rows(snapshot, chosen, parts, units, min(day, local_date(clock)), framed)

    return Answer(tuple(judging.COLUMNS), store, rows, now, as_of)


def values(
    store: KpiStore,
    who: Principal,
    *,
    indicators: Sequence[str],
    first: Period,
    last: Period,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    grain: str = "month",
    frame: str = "then",
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """Values of indicators, a row for every indicator, org unit and period asked for.

    Returns:
        numerator, denominator in their elements' units; value in ``unit``, NaN where nothing was
        reported or the denominator is zero, never 0, with the cause in ``reason`` (no_source,
        not_offered, not_due, not_open, not_reported, not_covered, zero_denominator, suppressed:
        too few people to be told, numerator and denominator neither; in a frame not_comparable,
        and out_of_scope: a part may not be read); coverage 0..1, NaN of who was not there.
        Ratios are computed after summing: a commune with ten dossiers does not weigh as much as
        one with ten thousand.
        ``by_hand``: how many org units gave a part of the value by hand and not by their system,
        ``hand_run`` the newest run that took it; unknown where none did. ``frame``: the org units
        of each period (``then``), of today, or of the plan; what merged wholly is summed again
        from the org units that ``parts`` names.

    Raises:
        UnknownFilter: an indicator, frame or org unit that does not exist, or too many periods.
        Forbidden: an org unit or an indicator is outside ``who``'s scope.

    Source: table ``rollup`` (days: ``observation``), written by kpi.rollup.
    """
    periods, who = periods_of(grain, first, last), entitled(who, now)
    framed = frame_of(store, frame, who, now)
    day = on or min(periods[-1].end, local_date(as_of or now or right_now()))
    units = units_of(store, who, org_units, level, framed.day if framed else day)
    chosen = indicators_of(store, who, indicators)

    def rows(snapshot: Snapshot, skip: int = 0) -> Iterator[tuple]:
        return series.rows(snapshot, chosen, units, periods, framed, skip)

    matching = len(chosen) * len(units) * len(periods)
    return Answer(tuple(series.COLUMNS), store, rows, now, as_of, matching, jump=rows)

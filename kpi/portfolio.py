"""The projects of the plan as they stand: milestones and money as reported, beside the register."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.period import Period, local_date
from ioc.principal import Principal
from kpi import pace
from kpi.answer import Answer, Snapshot, SourceState
from kpi.cases import believed
from kpi.projects import FUNDS, Milestone, Project
from kpi.schema import instant_of
from kpi.scope import UnknownFilter, entitled, may_read_source, pick, units_of
from kpi.store import KpiStore

MILESTONE, DISBURSEMENT = "milestone", "disbursement"
"""Kinds of records; both name their project in ``category``, a milestone or a fund in
``channel``."""
STATES = ("planned", "no_data", "overdue", "underway", "done")
COLUMNS = (
    "project name sector owner owner_name org_unit period starts due state milestones_total"
    " milestones_reported milestones_done milestones_overdue next_milestone next_due"
    f" {' '.join(f'planned_{fund}' for fund in FUNDS)} planned"
    f" {' '.join(f'disbursed_{fund}' for fund in FUNDS)} disbursed disbursed_share reported_at"
    " data_as_of polled_at late_at stale_at freshness mark"
).split()


@dataclass(slots=True)
class _Told:
    """What the sources said of one project."""

    closed: dict[str, datetime | None] = field(default_factory=dict)  # by milestone
    due: dict[str, datetime | None] = field(default_factory=dict)
    paid: dict[str, float] = field(default_factory=dict)  # by fund
    at: int | None = None


def projects(
    store: KpiStore,
    who: Principal,
    *,
    projects: Sequence[str] | None = None,
    sectors: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The plan's projects: who answers for each, its milestones, its money by source of funds.

    Returns:
        A row for every project of the register, in its order: ``org_unit`` is the owner valid on
        ``on`` (default: the date of the clock), through successors, empty where nobody follows.
        Money in million đồng; ``disbursed`` and ``milestones_done`` are NaN where their source
        has never been read, 0 where it was and told nothing. A milestone is overdue when it is
        open past the day that the source says (else the register). ``state``: planned (has not
        begun), no_data (begun, nothing was told), overdue, underway, done. ``data_as_of`` and the
        limits are those of the older of the two sources. ``mark`` says that the register is a
        sample.

    Raises:
        UnknownFilter: a project, sector, state or org unit that does not exist.
        Forbidden: an org unit is outside ``who``'s scope.

    Source: the register ``plan/projects.yaml``; table ``record``, as of an instant also
    ``record_version``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    day = on or local_date(clock)
    known = pick(store.catalogue.portfolio.projects, projects, "dự án")
    pick(store.catalogue.sectors, sectors, "lĩnh vực")
    if strange := set(states or ()) - set(STATES):
        raise UnknownFilter(f"không có tình trạng {', '.join(sorted(strange))} của dự án")
    wanted = None if org_units is None else units_of(store, who, org_units, None, day)
    chosen = [
        (project, owner)
        for project in known
        if sectors is None or project.sector in sectors
        for owner in [store.orgunits.owner(project.owner, day)]
        if _mine(store, who, owner) and _within(store, owner, wanted)
    ]

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        read = [s.id for kind in (MILESTONE, DISBURSEMENT) for s in _sources(snapshot, kind)]
        if not all(may_read_source(store, who, source) for source in read):
            return
        told, ages = _read(snapshot), _ages(snapshot)
        for project, owner in chosen:
            row = _row(snapshot, project, owner, told.get(project.id, _Told()), day, ages)
            if states is None or row[_STATE] in states:
                yield row

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


_STATE = COLUMNS.index("state")


def _mine(store: KpiStore, who: Principal, owner: OrgUnit | None) -> bool:
    if who.org_units is None and not who.reads_nothing:
        return True
    return owner is not None and who.may_read(owner.uid, store.orgunits)


def _within(store: KpiStore, owner: OrgUnit | None, wanted: list[OrgUnit] | None) -> bool:
    if wanted is None:
        return True
    tops = {unit.uid for unit in wanted}
    return owner is not None and (
        owner.uid in tops or bool(tops & set(store.orgunits.ancestors(owner.uid)))
    )


def _read(snapshot: Snapshot) -> dict[str, _Told]:
    """What was told of each project: one statement."""
    parts = " UNION ALL ".join(
        "SELECT r.kind, r.category, r.channel, r.quantity, r.due_at, r.closed_at, r.changed_at"
        f" FROM {table} r WHERE r.kind IN ('{MILESTONE}', '{DISBURSEMENT}') AND {condition}"
        for table, condition in believed(snapshot)
    )
    found: dict[str, _Told] = {}
    for row in snapshot.connection.execute(
        sa.text(
            "SELECT kind, category, channel, SUM(quantity) AS paid, MAX(due_at) AS due_at,"
            " MAX(closed_at) AS closed_at, MAX(changed_at) AS told_at"
            f" FROM ({parts}) AS said GROUP BY kind, category, channel"
        )
    ):
        told = found.setdefault(row.category or "", _Told())
        told.at = max(filter(None, (told.at, row.told_at)), default=None)
        if row.kind == DISBURSEMENT:
            told.paid[row.channel or ""] = row.paid or 0.0
        else:
            told.closed[row.channel or ""] = instant_of(row.closed_at)
            told.due[row.channel or ""] = instant_of(row.due_at)
    return found


def _sources(snapshot: Snapshot, kind: str) -> list[SourceState]:
    """The sources that bring a kind of records and have been read."""
    return [s for s in snapshot.sources.values() if s.record == kind and s.covered_until]


def _ages(snapshot: Snapshot) -> tuple:
    """Clocks, limits and freshness of the older of the sources that were read."""
    read = [s for kind in (MILESTONE, DISBURSEMENT) for s in _sources(snapshot, kind)]
    if not read:
        return None, None, None, None, ""
    oldest = min(read, key=lambda s: s.covered_until or snapshot.clock)
    covered = oldest.covered_until
    late_at, stale_at = pace.record_limits(covered, oldest.late_after, oldest.stale_after)
    age = pace.freshness(snapshot.clock, late_at, stale_at)
    return covered, oldest.polled_at, late_at, stale_at, age


def _row(
    snapshot: Snapshot,
    project: Project,
    owner: OrgUnit | None,
    told: _Told,
    day: date,
    ages: tuple,
) -> tuple:
    counted = _sources(snapshot, MILESTONE)
    until = min((s.covered_until for s in counted if s.covered_until), default=snapshot.clock)
    done = [m for m in project.milestones if told.closed.get(m.id)]
    late = [m for m in project.milestones if m.id in told.closed and _overdue(m, told, until)]
    left = [m for m in project.milestones if m not in done]
    paid: list[Any] = [None] * len(FUNDS)
    if _sources(snapshot, DISBURSEMENT):
        paid = [told.paid.get(fund, 0.0) for fund in FUNDS]
    total, spent = sum(project.funds.values()), None if None in paid else sum(paid)
    return (
        project.id,
        project.name,
        project.sector,
        project.owner,
        owner.name if owner else "",
        owner.uid if owner else "",
        project.period,
        project.starts,
        project.due,
        _state(project, told, day, done=len(done), late=len(late)),
        len(project.milestones),
        sum(m.id in told.closed for m in project.milestones) if counted else None,
        len(done) if counted else None,
        len(late) if counted else None,
        left[0].name if left else "",
        left[0].due if left else None,
        *(project.funds[fund] for fund in FUNDS),
        total,
        *paid,
        spent,
        None if spent is None else 100 * spent / total,
        instant_of(told.at),
        *ages,
        snapshot.store.catalogue.portfolio.mark,
    )


def _overdue(milestone: Milestone, told: _Told, until: datetime) -> bool:
    """Open past its day, as far as its source has told: what is being loaded is not late yet."""
    due = told.due.get(milestone.id) or Period.of("day", milestone.due).ends_at
    return told.closed[milestone.id] is None and due < until


def _state(project: Project, told: _Told, day: date, *, done: int, late: int) -> str:
    if project.starts > day:
        return "planned"
    if not told.closed:
        return "no_data"
    if late:
        return "overdue"
    return "done" if done == len(project.milestones) else "underway"

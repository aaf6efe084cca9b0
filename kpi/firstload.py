"""Cuts a batch into the boundaries at which it becomes known: now, or a first load's weeks.

Only a first load may speak for the past; afterwards everything becomes known when it comes.
"""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.period import week_start
from ioc.source import Source
from ioc.unitfiles import ROOT
from kpi.schema import micros
from kpi.store import KpiStore
from kpi.validation import Taken


@dataclass
class Group:
    """What becomes known at one boundary."""

    boundary: int
    records: list[tuple] = field(default_factory=list)
    readings: list[tuple] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def groups_of(
    store: KpiStore,
    connection: Connection,
    source: Source,
    taken: Taken,
    gone: list[str],
    now: datetime,
    *,
    given: bool = False,
) -> list[Group]:
    """The batch cut into boundaries: now, or the weeks of change in a source's first load.

    What a person gave (``given``) speaks for no past.
    """
    if not (taken.records or taken.readings or gone):
        return []
    least = None if given else _least_of_load(store, connection, source, taken, now)
    if least is None:
        records = [row for _, row in taken.records]
        readings = [row for _, row in taken.readings]
        return [Group(store.take_boundary(connection, now), records, readings, gone)]
    latest = max(least, micros(week_start(now)) or 0)
    groups: dict[int, Group] = {}

    def group(changed: datetime | None) -> Group:
        week = latest if changed is None else micros(week_start(changed)) or 0
        boundary = min(latest, max(least, week))
        return groups.setdefault(boundary, Group(boundary))

    for changed, row in taken.records:
        group(changed).records.append(row)
    for changed, row in taken.readings:
        group(changed).readings.append(row)
    if gone:
        group(None).gone = gone
    connection.execute(
        sa.text("UPDATE source SET load_boundary = :at WHERE id = :id"),
        {"at": max(groups), "id": source.id},
    )
    return [groups[boundary] for boundary in sorted(groups)]


def _least_of_load(
    store: KpiStore, connection: Connection, source: Source, taken: Taken, now: datetime
) -> int | None:
    """The earliest boundary that a first load may still write at; None once it is over.

    Only a first load may speak for the past, and only of elements that nobody else speaks of; a
    seal taken since it began keeps what it showed.
    """
    state = connection.execute(
        sa.text("SELECT first_poll_at, loaded_at, load_boundary FROM source WHERE id = :id"),
        {"id": source.id},
    ).first()
    if state is None or state.loaded_at is not None:
        return None
    reached = state.load_boundary or 0
    sealed = (
        connection.scalar(
            sa.text("SELECT MAX(at) FROM seal WHERE at >= :began"),
            {"began": state.first_poll_at or 0},
        )
        or 0
    )
    if _is_shared(store, connection, source, taken, reached):
        connection.execute(
            sa.text("UPDATE source SET loaded_at = :at WHERE id = :id"),
            {"at": max(micros(now) or 0, sealed + 1), "id": source.id},
        )
        return None
    return max(reached, sealed)


def _is_shared(
    store: KpiStore, connection: Connection, source: Source, taken: Taken, reached: int
) -> bool:
    """Whether another source spoke of the same elements at a boundary this load has not reached.

    Every observation counts in the root area, so its months tell.
    """
    elements = {row[0] for _, row in taken.readings}
    if source.record:
        elements |= {e.id for e in store.catalogue.elements.values() if e.count == source.record}
    if not elements:
        return False
    names = {f"e{i}": element for i, element in enumerate(sorted(elements))}
    found = connection.scalar(
        sa.text(
            "SELECT 1 FROM element e CROSS JOIN month m JOIN rollup x ON x.element = e.id"
            " AND x.period = m.month AND x.org_unit = :root AND x.known_at > :reached"
            f" WHERE e.id IN ({', '.join(':' + name for name in names)}) LIMIT 1"
        ),
        {"root": ROOT, "reached": reached, **names},
    )
    return found is not None

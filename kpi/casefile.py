"""One record with every version that was stored of it, the polls behind them, and its counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.period import date_of
from ioc.principal import Principal
from kpi.answer import Snapshot, take_snapshot
from kpi.catalogue import Element
from kpi.records import SAID, matches
from kpi.schema import FAR, instant_of
from kpi.scope import entitled, may_read_source, reads_all
from kpi.store import KpiStore
from kpi.tally import EVENT, serves_sql, where_sql

EVIDENCE = (
    "run started_at ended_at outcome read new changed calls bytes response_hash address".split()
)
_HIDDEN = dict.fromkeys("read new changed calls bytes".split()) | {
    "response_hash": "",
    "address": "",
}
_INSTANTS = ("opened_at", "due_at", "closed_at", "changed_at", "started_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Version:
    """What one version says, when we believed it, and whether its content hash still fits.

    ``until`` is None while it is believed. ``run`` is the evidence of the poll that brought it;
    whoever may not read the whole territory learns nothing of what else it brought.
    """

    number: int
    said: Mapping[str, Any]
    known_at: datetime
    until: datetime | None
    hash: str
    matches: bool
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counted:
    """One element that counts a record: at which org unit and on which local day."""

    element: str
    org_unit: str
    day: date


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A record: its versions, newest first, and what counts the newest."""

    source: str
    key: str
    versions: tuple[Version, ...]
    counted: tuple[Counted, ...]

    @property
    def gone(self) -> datetime | None:
        """Since when its source no longer has it; None while it has."""
        return self.versions[0].until


def case_file(
    store: KpiStore,
    who: Principal,
    source: str,
    key: str,
    *,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> CaseFile | None:
    """One record with its history; None where there is none that ``who`` may read.

    ``as_of`` an instant it ends with what was believed then: later versions are left out.

    It may be read where any org unit of its newest version, at opening or at completion, is in
    scope, and every class of indicators that its source serves. Times are aware UTC instants,
    days local dates.

    Source: tables ``record``, ``record_version`` and ``poll_run``.
    """
    columns = ", ".join(("version", "known_at", "hash", "run", "changed_at", *SAID))
    where = "WHERE source = :source AND key = :key"
    who = entitled(who, now)
    with store.read() as connection:
        b = _boundary(take_snapshot(store, connection, now, as_of), source)
        every = connection.execute(
            sa.text(
                f"SELECT {FAR} AS until, {columns} FROM record {where} UNION ALL"
                f" SELECT superseded_at, {columns} FROM record_version {where}"
                " ORDER BY version DESC"
            ),
            {"source": source, "key": key},
        ).all()
        found = [row for row in every if row.known_at < b]
        if not found or not _may_read(store, who, source, found[0]):
            return None
        runs = _runs(connection, {row.run for row in found}, counted=reads_all(store, who))
        versions = tuple(_version(row, runs, b) for row in found)
        counted = () if versions[0].until else _counted(store, connection, source, key, versions)
    return CaseFile(source, key, versions, tuple(counted))


def _boundary(snapshot: Snapshot, source: str) -> int:
    """The boundary before which a version of this source must be known."""
    if snapshot.as_of is None:
        return FAR
    known = snapshot.sources.get(source)
    return known.boundary if known else snapshot.boundary


def _may_read(store: KpiStore, who: Principal, source: str, row: sa.Row) -> bool:
    return may_read_source(store, who, source) and any(
        who.may_read(uid, store.orgunits) for uid in (row.org_unit, row.org_unit_done) if uid
    )


def _version(row: sa.Row, runs: dict[int, dict[str, Any]], boundary: int) -> Version:
    said = _typed({name: getattr(row, name) for name in (*SAID, "changed_at")})
    known = instant_of(row.known_at)
    assert known is not None
    return Version(
        row.version,
        said,
        known,
        None if row.until >= boundary else instant_of(row.until),
        row.hash,
        matches([getattr(row, name) for name in SAID], row.hash),
        runs.get(row.run, {}),
    )


def _typed(cells: dict[str, Any]) -> dict[str, Any]:
    return {
        name: instant_of(value)
        if name in _INSTANTS
        else date_of(value)
        if name.endswith("_day") and value is not None
        else value
        for name, value in cells.items()
    }


def _runs(connection: Connection, wanted: set[int], *, counted: bool) -> dict[int, dict[str, Any]]:
    """The polls; unless ``counted`` without what they brought, as in the list of polls."""
    listed = ", ".join(str(int(run)) for run in wanted)
    rows = connection.execute(
        sa.text(f"SELECT {', '.join(EVIDENCE)} FROM poll_run WHERE run IN ({listed})")
    )
    hidden = {} if counted else _HIDDEN
    return {row.run: _typed({**row._mapping, **hidden}) for row in rows}


def _counted(
    store: KpiStore, connection: Connection, source: str, key: str, versions: tuple[Version, ...]
) -> list[Counted]:
    """The elements whose very conditions hold for the newest of these versions of a record."""
    found = []
    columns = ", ".join(("source", "key", "version", *SAID))
    where = "WHERE source = :source AND key = :key AND version = :version"
    record = (
        f"(SELECT {columns} FROM record {where} UNION ALL"
        f" SELECT {columns} FROM record_version {where})"
    )
    for at, (org_unit, day) in EVENT.items():
        elements = [e for e in store.catalogue.elements.values() if e.count and e.at == at]
        holds = ", ".join(f"({_holds(element)}) AS n{i}" for i, element in enumerate(elements))
        if not holds:
            continue
        row = connection.execute(
            sa.text(
                f"SELECT r.{org_unit} AS org_unit, r.{day} AS day, {holds} FROM {record} r"
                f" JOIN org_unit u ON u.uid = r.{org_unit} WHERE r.{day} IS NOT NULL"
            ),
            {"source": source, "key": key, "version": versions[0].number},
        ).first()
        if row is not None:
            found += [
                Counted(element.id, row.org_unit, date_of(row.day))
                for i, element in enumerate(elements)
                if getattr(row, f"n{i}")
            ]
    return found


def _holds(element: Element) -> str:
    conditions = f"{where_sql(element, 'r')} AND {serves_sql(element, 'u')}"
    if element.distinct:
        conditions += f" AND r.{element.distinct} IS NOT NULL"
    return f"CASE WHEN {conditions} THEN 1 ELSE 0 END"

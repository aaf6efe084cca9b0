"""The roll-out of the basic smart-city services: where each one stands in each district area."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import LOCAL, local_date
from ioc.principal import Principal
from kpi import pace
from kpi.answer import Answer, Snapshot
from kpi.cases import believed
from kpi.schema import instant_of
from kpi.scope import ROOT, UnknownFilter, entitled, may_read_source, pick, units_of
from kpi.store import KpiStore

KIND = "rollout"
"""Rows of a check: the service in ``category``, the area in ``channel``, the evidence in
``result``."""
STATES = ("none", "pilot", "operating")
SERVICES = {  # by the sector that each belongs to, in the words and order of the plan (2.2)
    "field_feedback": "Phản ánh hiện trường",
    "traffic": "Giám sát điều hành giao thông",
    "public_order": "An ninh trật tự đô thị",
    "online_information": "Giám sát thông tin trên môi trường mạng",
    "information_security": "Giám sát an toàn thông tin",
}
COLUMNS = (
    "service name org_unit code area state since checked_on evidence source key data_as_of"
    " polled_at late_at stale_at freshness"
).split()


class _Stand(NamedTuple):
    """Where a service stands in an area: by its newest check, and since which."""

    state: str
    since: date
    checked_on: date
    evidence: str
    source: str
    key: str


def rollout(
    store: KpiStore,
    who: Principal,
    *,
    sectors: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """Where each basic smart-city service stands in each district area, since when, by which paper.

    Returns:
        A row for every service (``service`` is its sector) and area, the whole territory last:
        ``state`` none, pilot or operating by the newest check, empty where none told anything;
        ``since`` the first check from which on that state holds; ``evidence`` the document of
        the newest one, whose record ``source`` and ``key`` name. ``on`` is the date of the tree.

    Raises:
        UnknownFilter: a sector, state or org unit that does not exist.
        Forbidden: an area is outside ``who``'s scope.

    Source: table ``record``, rows listed anew at each check; as of an instant also
    ``record_version``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    pick(store.catalogue.sectors, sectors, "lĩnh vực")
    if strange := set(states or ()) - set(STATES):
        raise UnknownFilter(f"không có trạng thái triển khai {', '.join(sorted(strange))}")
    areas = _areas(store, who, org_units, on or local_date(clock))
    services = {key: SERVICES[key] for key in SERVICES if sectors is None or key in sectors}

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        checks = [s.id for s in snapshot.sources.values() if s.record == KIND]
        if not all(may_read_source(store, who, source) for source in checks):
            return
        stands, ages = _read(snapshot), _ages(snapshot)
        for service, name in services.items():
            for uid in areas:
                stand = stands.get((service, uid))
                if states is None or (stand and stand.state in states):
                    area = store.orgunits[uid]
                    known: tuple[Any, ...] = tuple(stand or ("", None, None, "", "", ""))
                    yield (service, name, uid, area.code, area.name, *known, *ages)

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


def _areas(store: KpiStore, who: Principal, wanted: Sequence[str] | None, day: date) -> list[str]:
    """The district areas and then the whole territory, as far as they may be read."""
    every = [*store.orgunits.children(ROOT, day), ROOT]
    if wanted is None:
        return [uid for uid in every if who.may_read(uid, store.orgunits)]
    asked = {unit.uid for unit in units_of(store, who, wanted, None, day)}
    return [uid for uid in every if uid in asked]


def _read(snapshot: Snapshot) -> dict[tuple[str, str], _Stand]:
    """All checks in the order of their days: one statement; the last one tells the state."""
    parts = " UNION ALL ".join(
        "SELECT r.category, r.channel, r.opened_at, r.state, r.result, r.source, r.key"
        f" FROM {table} r WHERE r.kind = '{KIND}' AND {condition}"
        for table, condition in believed(snapshot)
    )
    found: dict[tuple[str, str], _Stand] = {}
    for row in snapshot.connection.execute(
        sa.text(f"{parts} ORDER BY category, channel, opened_at, source, key")
    ):
        place = (row.category or "", row.channel or "")
        opened = instant_of(row.opened_at)
        day = opened.astimezone(LOCAL).date() if opened else date.min
        before = found.get(place)
        same = before is not None and before.state == row.state
        since = before.since if before and same else day
        told = (row.state or "", since, day, row.result or "", row.source, row.key)
        found[place] = _Stand(*told)
    return found


def _ages(snapshot: Snapshot) -> tuple:
    """Clocks, limits and freshness of the source that brings the checks."""
    read = [s for s in snapshot.sources.values() if s.record == KIND and s.covered_until]
    if not read:
        return None, None, None, None, ""
    source = read[0]
    limits = pace.record_limits(source.covered_until, source.late_after, source.stale_after)
    age = pace.freshness(snapshot.clock, *limits)
    return source.covered_until, source.polled_at, *limits, age

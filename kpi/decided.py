"""What operators decided: which reading of a target is in force, which closing figures are signed.

Both are rows that are only added; the newest of its kind counts. An answer as of an instant knows
what had been decided by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.period import LOCAL
from kpi.schema import FAR, instant_of, micros
from kpi.store import KpiStore
from kpi.targets import Target


@dataclass(frozen=True, slots=True)
class Choice:
    """One reading that was put in force: by whom, when (aware UTC) and why."""

    target: str
    reading: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """A closing figure as it was signed; numerator and denominator in their elements' units."""

    target: str
    indicator: str
    org_unit: str
    numerator: float
    denominator: float
    value: float
    by: str
    reason: str
    at: datetime


Signed = dict[tuple[str, str, str], Signature]
"""The newest signature by (target, indicator, org unit)."""


def choices(store: KpiStore, target: str = "", *, as_of: datetime | None = None) -> list[Choice]:
    """Every reading that was chosen (by an instant), newest first; of one target where named."""
    with store.read() as connection:
        return [row for row in _chosen(connection, _until(as_of)) if target in ("", row.target)]


def chosen(connection: Connection) -> list[Choice]:
    """Every reading that was chosen, newest first, in a snapshot that is open."""
    return _chosen(connection, FAR)


def in_force(
    connection: Connection, targets: Sequence[Target], as_of: datetime | None = None
) -> list[Target]:
    """The targets with the readings that are in force, or were at an instant.

    A choice whose reading the plan no longer offers is passed over: the plan's own then counts.
    """
    newest: dict[str, Choice] = {}
    for row in _chosen(connection, _until(as_of)):
        newest.setdefault(row.target, row)
    return [_chosen_for(target, newest.get(target.id)) for target in targets]


def signatures(connection: Connection, as_of: datetime | None = None) -> Signed:
    """The signature that counts of each closing figure, now or at an instant."""
    found: Signed = {}
    for row in _signed(connection, _until(as_of)):
        found.setdefault((row.target, row.indicator, row.org_unit), row)
    return found


def signed(store: KpiStore, target: str = "", *, as_of: datetime | None = None) -> list[Signature]:
    """Every signature (by an instant), newest first; of one target where it is named."""
    with store.read() as connection:
        return [row for row in _signed(connection, _until(as_of)) if target in ("", row.target)]


def next_instant(store: KpiStore, connection: Connection, now: datetime) -> int:
    """The instant of a decision: after everything that was sealed before, so it moves none."""
    return max(micros(now) or 0, store.last_boundary(connection) + 1)


def _until(as_of: datetime | None) -> int:
    return FAR if as_of is None else micros(as_of) or 0


def _chosen_for(target: Target, choice: Choice | None) -> Target:
    if choice is None or choice.reading not in [rule.text for rule in target.readings]:
        return target
    return replace(
        target,
        reading_in_force=choice.reading,
        reading_chosen_by=choice.by,
        reading_chosen_at=choice.at.astimezone(LOCAL).date(),
    )


def _chosen(connection: Connection, until: int) -> list[Choice]:
    found = connection.execute(
        sa.text(
            "SELECT target, reading, reason, by_whom AS by, at FROM reading_choice"
            " WHERE at <= :until ORDER BY id DESC"
        ),
        {"until": until},
    )
    return [Choice(**{**row._mapping, "at": _instant(row.at)}) for row in found]


def _signed(connection: Connection, until: int) -> list[Signature]:
    found = connection.execute(
        sa.text(
            "SELECT target, indicator, org_unit, numerator, denominator, value, by_whom AS by,"
            " reason, at"
            " FROM closing_signature WHERE at <= :until ORDER BY id DESC"
        ),
        {"until": until},
    )
    return [Signature(**{**row._mapping, "at": _instant(row.at)}) for row in found]


def _instant(at: int) -> datetime:
    instant = instant_of(at)
    assert instant is not None
    return instant

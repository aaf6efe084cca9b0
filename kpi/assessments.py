"""Assessments: what people concluded where the plan gives no number, signed, never overwritten.

A new one stands before an older one, a withdrawn one stays in the history with its reason. None of
them is a status: the headline stays that of a qualitative target.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import date_of, local_date
from ioc.principal import Principal
from kpi.answer import Answer, Snapshot
from kpi.schema import instant_of
from kpi.scope import entitled, indicators_of, targets_of, units_of
from kpi.store import KpiStore

VERDICTS = {
    "satisfied": "Đạt yêu cầu",
    "partly": "Đạt một phần",
    "not_satisfied": "Chưa đạt",
}
"""What an assessment may conclude, in words that are no status of ours."""
COLUMNS = (
    "assessment target indicator org_unit code name judged_on verdict words evidence author"
    " signed_at known_at withdrawn_at withdrawn_by withdrawn_why current"
).split()


def assessments(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    indicators: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """What people concluded about targets without a number, newest first, each with its evidence.

    ``verdict`` is satisfied, partly or not_satisfied and never a status; ``judged_on`` the day that
    it is about; ``current`` 1 for the one that stands: the newest that was not withdrawn.
    ``withdrawn_at``, ``withdrawn_by`` and ``withdrawn_why`` are unknown while it stands. Org units
    default to ``area-qb``; as of an instant those show that had been signed by then.

    Raises:
        UnknownFilter: a target, indicator or org unit that does not exist.
        Forbidden: an org unit is outside ``who``'s scope.

    Source: table ``assessment``, written by kpi.acts.
    """
    day, who = local_date(as_of or now or right_now()), entitled(who, now)
    wanted = {target.id for target in targets_of(store, who, targets, day)}
    kinds = {one.id for one in indicators_of(store, who, indicators)}
    units = {unit.uid: unit for unit in units_of(store, who, org_units, None, day)}

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        found = snapshot.connection.execute(
            sa.text(
                "SELECT a.*, w.signed_at AS gone_at, w.author AS gone_by, w.words AS gone_why"
                " FROM assessment a LEFT JOIN assessment w ON w.withdraws = a.id"
                " AND w.known_at < :b WHERE a.withdraws IS NULL AND a.known_at < :b"
                " ORDER BY a.id DESC"
            ),
            {"b": snapshot.boundary},
        )
        stood: set[tuple[str, str, str]] = set()
        for r in found:
            if r.target not in wanted or r.indicator not in kinds or r.org_unit not in units:
                continue
            key, unit = (r.target, r.indicator, r.org_unit), units[r.org_unit]
            current = r.gone_at is None and key not in stood
            stood |= {key} if current else set()
            yield (
                r.id,
                *key,
                unit.code,
                unit.name,
                date_of(r.judged_on),
                r.verdict,
                r.words,
                r.evidence,
                r.author,
                instant_of(r.signed_at),
                instant_of(r.known_at),
                instant_of(r.gone_at),
                r.gone_by,
                r.gone_why,
                int(current),
            )

    return Answer(tuple(COLUMNS), store, rows, now, as_of)

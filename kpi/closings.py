"""The closing figures of targets: as the data say them, and as they were signed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ioc.clock import right_now
from ioc.period import local_date
from ioc.principal import Principal
from kpi import decided, judging
from kpi.answer import Answer, Snapshot
from kpi.scope import entitled, targets_of, units_of
from kpi.store import KpiStore

COLUMNS = (
    "target indicator org_unit code name closing_date closing_period closing_status"
    " closing_numerator closing_denominator closing_value unit latest_numerator latest_denominator"
    " latest_value signed_at signed_by signed_why"
).split()
_SAID = COLUMNS[:12]
_LATEST = ("closing_numerator", "closing_denominator", "closing_value")


def closings(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """A row for each part of a target that has closed, or had by an instant, in the plan's order.

    ``closing_*`` is what counts: as signed, else as the data say it; ``latest_*`` is what the data
    say, whatever was signed. Unknown where there is no closing figure; ``signed_at``, ``signed_by``
    and ``signed_why`` are unknown until it is signed. Org units default to ``area-qb``.

    Raises:
        UnknownFilter: a target or org unit that does not exist.
        Forbidden: an org unit or a target is outside ``who``'s scope.

    Source: table ``standing``, and ``closing_signature`` written by kpi.decisions.
    """
    day, who = local_date(as_of or now or right_now()), entitled(who, now)
    chosen = [target.on(day) for target in targets_of(store, who, targets, day)]
    parts = [part for target in chosen for part in target.parts if part.closed(day)]
    units = units_of(store, who, org_units, None, day)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        signed = decided.signatures(snapshot.connection, as_of)
        counted = judging.rows(snapshot, chosen, parts, units, day)
        latest = judging.unsigned(snapshot, chosen, parts, units, day)
        for row, bare in zip(counted, latest, strict=True):
            said = dict(zip(judging.COLUMNS, row, strict=True))
            if not said["indicator"]:
                continue
            by_data = dict(zip(judging.COLUMNS, bare, strict=True))
            key = (said["target"], said["indicator"], said["org_unit"])
            found = signed.get(key)
            signature = (found.at, found.by, found.reason) if found else (None, None, None)
            yield (*(said[n] for n in _SAID), *(by_data[n] for n in _LATEST), *signature)

    return Answer(tuple(COLUMNS), store, rows, now, as_of)

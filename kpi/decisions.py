"""What operators decide: the reading of a target that is in force, the closing figure that stands.

Each decision needs a reason, is sealed at its instant, counts at once and stands in the audit.
"""

import math
from datetime import datetime

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import audit, query
from kpi.acts import Refused, allow, worded
from kpi.decided import in_force, next_instant
from kpi.schema import instant_of
from kpi.scope import ROOT
from kpi.store import KpiStore


def choose(
    store: KpiStore,
    who: Principal,
    *,
    target: str,
    reading: str,
    reason: str,
    now: datetime | None = None,
) -> datetime:
    """Put one of a target's readings in force, from this instant on; the instant.

    Answers as of an earlier instant keep the reading that was in force then.

    Raises:
        Forbidden: ``who`` may only read.
        Refused: no such target or reading, the reading is in force already, or no reason.
    """
    allow(store, who, "chọn cách đọc chỉ tiêu", target=target)
    found = store.catalogue.targets.get(target)
    if found is None or len(found.readings) < 2:
        raise Refused("Chỉ tiêu này không có hai cách đọc.")
    if reading not in [rule.text for rule in found.readings]:
        raise Refused("Không có cách đọc này trong kế hoạch.")
    why = worded("Lý do", reason, least=10, most=500)
    with store.write() as connection:
        before = in_force(connection, [found])[0].reading_in_force
        if reading == before:
            raise Refused("Cách đọc này đang dùng.")
        at = _sealed(store, connection, now, "reading")
        values = {"target": target, "reading": reading, "reason": why, "by": who.name, "at": at}
        connection.execute(
            sa.text(
                "INSERT INTO reading_choice (target, reading, reason, by_whom, at)"
                " VALUES (:target, :reading, :reason, :by, :at)"
            ),
            values,
        )
        said = {"reading": reading, "before": before, "reason": why}
        audit.append(connection, "reading", who, target, now=instant_of(at), **said)
        store.touch(connection, [target])
    return instant_of(at) or right_now()


def sign(
    store: KpiStore,
    who: Principal,
    *,
    target: str,
    indicator: str,
    numerator: float,
    denominator: float,
    reason: str,
    org_unit: str = ROOT,
    now: datetime | None = None,
) -> datetime:
    """Sign ("chốt") the closing figure of a closed target, as its signer saw it; the instant.

    The figure then stays as signed; what the data say later is told beside it. Who signs again
    signs what the data say by then.

    Raises:
        Forbidden: ``who`` may only read, or not this org unit.
        Refused: the target is not closed, has no closing figure, it moved since it was seen, is
            signed already as it is, or no reason is given.
    """
    allow(store, who, "ký chốt số", org_unit=org_unit, target=target)
    why = worded("Lý do", reason, least=10, most=500)
    clock = now or right_now()
    with store.write() as connection:
        said = _closing(store, who, target, indicator, org_unit, clock)
        if (said["latest_numerator"], said["latest_denominator"]) != (numerator, denominator):
            raise Refused("Số chốt đã đổi từ khi mở trang: hãy xem lại rồi ký.")
        at = _sealed(store, connection, clock, "closing")
        figure = {name: said[f"latest_{name}"] for name in ("numerator", "denominator", "value")}
        of = {"target": target, "indicator": indicator, "org_unit": org_unit}
        connection.execute(
            sa.text(
                "INSERT INTO closing_signature (target, indicator, org_unit, numerator,"
                " denominator, value, by_whom, reason, at) VALUES (:target, :indicator, :org_unit,"
                " :numerator, :denominator, :value, :by, :reason, :at)"
            ),
            {**of, **figure, "by": who.name, "reason": why, "at": at},
        )
        told = {"indicator": indicator, "org_unit": org_unit, **figure, "reason": why}
        audit.append(connection, "closing", who, target, now=instant_of(at), **told)
        store.touch(connection, [target])
    return instant_of(at) or clock


def _closing(
    store: KpiStore, who: Principal, target: str, indicator: str, org_unit: str, now: datetime
) -> dict:
    """The closing figure that may be signed: as the data say it, whatever was signed before."""
    rows = query.closings(store, who, targets=[target], org_units=[org_unit], now=now).records()
    row = next((row for row in rows if row["indicator"] == indicator), None)
    if row is None:
        raise Refused("Chỉ tiêu này chưa đến ngày chốt, hoặc không xét ở đơn vị này.")
    if math.isnan(row["latest_value"]):
        raise Refused("Chưa có số chốt để ký.")
    known = (row["closing_numerator"], row["closing_denominator"])
    if row["signed_by"] and known == (row["latest_numerator"], row["latest_denominator"]):
        raise Refused("Số chốt này đã ký.")
    return row


def _sealed(store: KpiStore, connection: sa.Connection, now: datetime | None, why: str) -> int:
    """A sealed instant in the caller's transaction: the figures of that moment stay readable."""
    at = next_instant(store, connection, now or right_now())
    connection.execute(
        sa.text("INSERT INTO seal (at, reason) VALUES (:at, :why)"), {"at": at, "why": why}
    )
    return at

"""Rights of accounts: which subtrees and which classes of indicators, from when to when.

A right is one row: an org unit (none: all) and a class (none: all) between two local days. The
rows of an account make one ``Principal``; without a row that holds today it sees nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.period import LOCAL, date_of, day_number
from ioc.principal import Principal, Role
from kpi import audit
from kpi.elements import CLASSES
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

ROLES: dict[Role, str] = {
    "viewer": "Người xem",
    "head": "Lãnh đạo đơn vị",
    "analyst": "Chuyên viên phân tích",
    "operator": "Người vận hành",
    "admin": "Quản trị",
}
"""Roles that an account may have, least first; a screen is a device, not an account."""
_WORDS = 300


class NotDone(IocError):
    """What was asked for an account is not done; the message is the reason, in Vietnamese."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as lists show it: never its password or its second factor's secret."""

    name: str
    display: str
    role: Role
    state: str
    subject: str | None
    second: bool
    ready: bool  # whether somebody can sign in with it: a password or an outside identity
    locked_until: datetime | None
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Right:
    """One right; None stands for all (org unit, class) or for no end (days, both included)."""

    id: int
    account: str
    org_unit: str | None
    indicator_class: str | None
    valid_from: date | None
    valid_to: date | None
    by_whom: str
    reason: str
    at: datetime
    ended_at: datetime | None

    def holds(self, day: date) -> bool:
        """Whether it holds on a local day."""
        return (
            self.ended_at is None
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_to is None or day <= self.valid_to)
        )


def principal_of(account: Any, rights: Sequence[Right], day: date) -> Principal:
    """The principal that an account (its ``name`` and ``role``) is on a local day.

    Where the org units of an account have different classes, it has those that all of them have:
    a principal knows one set of classes, and must not be told more than any right says. Without a
    right that holds it sees no org unit; whose rights have run out or were ended may do nothing.
    """
    held = [right for right in rights if right.holds(day)]
    if not held:
        role: Role = "viewer" if rights else account.role
        return Principal(account.name, role, frozenset(), frozenset())
    classes: dict[str | None, set[str | None]] = {}
    for right in held:
        classes.setdefault(right.org_unit, set()).add(right.indicator_class)
    sets = [{c for c in of if c} for of in classes.values() if None not in of]
    return Principal(
        account.name,
        account.role,
        None if None in classes else frozenset(unit for unit in classes if unit),
        frozenset(set.intersection(*sets)) if sets else None,
        max((r.valid_from for r in held if r.valid_from), default=None),
        min((r.valid_to for r in held if r.valid_to), default=None),
    )


def rights_of(store: KpiStore, name: str | None = None) -> list[Right]:
    """The rights of one account, or of all, with those that ended; the oldest first."""
    with store.read() as connection:
        return read(connection, name)


def read(connection: Connection, name: str | None) -> list[Right]:
    """``rights_of`` on one connection."""
    where = "" if name is None else "WHERE account = :name"
    rows = connection.execute(
        sa.text(f"SELECT * FROM account_right {where} ORDER BY id"),
        {} if name is None else {"name": name},
    )
    return [_right(row) for row in rows]


def grant(
    store: KpiStore,
    by: Principal,
    name: str,
    *,
    org_units: Iterable[str] | None,
    classes: Iterable[str] | None = None,
    valid_from: date | None = None,
    valid_to: date | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> list[int]:
    """Give an account subtrees (None: all) and classes (None: all); the numbers of the rights.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account or org unit, an end before its begin, or other classes than its
            rights have that hold already.
    """
    at = now or right_now()
    only_admins(by)
    with store.write() as connection:
        account_in(connection, name)
        return put(
            store,
            connection,
            by,
            name,
            org_units=org_units,
            classes=classes,
            valid_from=valid_from,
            valid_to=valid_to,
            reason=reason,
            now=at,
        )


def put(
    store: KpiStore,
    connection: Connection,
    by: Principal,
    name: str,
    *,
    org_units: Iterable[str] | None,
    classes: Iterable[str] | None,
    valid_from: date | None,
    valid_to: date | None,
    reason: str,
    now: datetime,
) -> list[int]:
    """``grant`` inside a transaction, for an account that is known to be there."""
    units = [None] if org_units is None else sorted(set(org_units))
    kinds = [None] if classes is None else sorted(set(classes))
    for unit in units:
        if unit is not None and unit not in store.orgunits:
            raise NotDone(f"Không có đơn vị {unit!r}.")
    if valid_from and valid_to and valid_to < valid_from:
        raise NotDone("Ngày hết hiệu lực đứng trước ngày bắt đầu.")
    if not units:
        return []
    if not kinds:
        raise NotDone("Hãy chọn ít nhất một nhóm chỉ số, hoặc tất cả.")
    if strange := {kind for kind in kinds if kind is not None} - set(CLASSES):
        raise NotDone(f"Không có nhóm chỉ số {', '.join(strange)}; có: {', '.join(CLASSES)}.")
    _refuse_other_classes(connection, name, set(kinds), valid_from, valid_to)
    row = {
        "account": name,
        "valid_from": None if valid_from is None else day_number(valid_from),
        "valid_to": None if valid_to is None else day_number(valid_to),
        "by_whom": by.name,
        "reason": reason[:_WORDS],
        "at": micros(now),
    }
    sql = sa.text(
        "INSERT INTO account_right (account, org_unit, indicator_class, valid_from, valid_to,"
        " by_whom, reason, at) VALUES (:account, :unit, :kind, :valid_from, :valid_to,"
        " :by_whom, :reason, :at) RETURNING id"
    )
    numbers = [
        int(connection.scalar(sql, {**row, "unit": unit, "kind": kind}) or 0)
        for unit in units
        for kind in kinds
    ]
    audit.append(
        connection,
        "right",
        by,
        name,
        now=now,
        act="grant",
        org_units=units,
        classes=kinds,
        valid_from=valid_from,
        valid_to=valid_to,
        reason=row["reason"],
    )
    return numbers


def revoke_right(
    store: KpiStore, by: Principal, right: int, *, reason: str = "", now: datetime | None = None
) -> None:
    """End one right at once; it stays in the history.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: there is no such right that holds, or it is the last of the last admin who can
            sign in.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        _keep_the_last(connection, right, at)
        name = connection.scalar(
            sa.text(
                "UPDATE account_right SET ended_at = :at WHERE id = :id AND ended_at IS NULL"
                " RETURNING account"
            ),
            {"at": micros(at), "id": right},
        )
        if name is None:
            raise NotDone("Quyền này không có, hoặc đã kết thúc.")
        audit.append(
            connection, "right", by, name, now=at, act="revoke", right=right, reason=reason[:_WORDS]
        )


def _keep_the_last(connection: Connection, right: int, at: datetime) -> None:
    """The right by which the last admin has any is not taken: nobody could give it back."""
    from kpi.people import keep_an_admin

    name = connection.scalar(
        sa.text("SELECT account FROM account_right WHERE id = :id"), {"id": right}
    )
    day = at.astimezone(LOCAL).date()
    if name and not any(one.holds(day) and one.id != right for one in read(connection, name)):
        keep_an_admin(connection, name, at)


def only_admins(by: Principal) -> None:
    """Raise Forbidden for everybody else."""
    if by.role != "admin":
        raise Forbidden("Chỉ quản trị được làm việc này.")


def account_in(connection: Connection, name: str) -> Any:
    """The row of an account. Raises NotDone where there is none."""
    found = connection.execute(
        sa.text("SELECT * FROM account WHERE name = :n"), {"n": name}
    ).first()
    if found is None:
        raise NotDone(f"Không có tài khoản {name!r}.")
    return found


def _refuse_other_classes(
    connection: Connection,
    name: str,
    kinds: set[str | None],
    valid_from: date | None,
    valid_to: date | None,
) -> None:
    """An account has one set of classes at a time; two would make one that nobody granted."""
    first, last = valid_from or date.min, valid_to or date.max
    held: dict[str | None, set[str | None]] = {}
    for right in read(connection, name):
        apart = (right.valid_to or date.max) < first or last < (right.valid_from or date.min)
        if right.ended_at is None and not apart:
            held.setdefault(right.org_unit, set()).add(right.indicator_class)
    if any(of != kinds for of in held.values()):
        raise NotDone(
            "Tài khoản đang có quyền với nhóm chỉ số khác: hãy kết thúc quyền đó trước, rồi cấp lại"
            " tất cả đơn vị với cùng nhóm chỉ số."
        )


def _right(row: Any) -> Right:
    at = instant_of(row.at)
    assert at is not None
    return Right(
        row.id,
        row.account,
        row.org_unit,
        row.indicator_class,
        None if row.valid_from is None else date_of(row.valid_from),
        None if row.valid_to is None else date_of(row.valid_to),
        row.by_whom,
        row.reason,
        at,
        instant_of(row.ended_at),
    )

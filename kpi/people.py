"""Accounts of people: made, changed, disabled; whoever leaves stays in the list, without a door."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal, Role
from kpi import audit, factors, keys, links, sessions
from kpi.rights import (
    ROLES,
    Account,
    NotDone,
    account_in,
    only_admins,
    principal_of,
    put,
    read,
)
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_DISPLAY = 80
_REASON = 300
_CAN_ENTER = "role = 'admin' AND state = 'active' AND (password IS NOT NULL OR subject IS NOT NULL)"


def create(
    store: KpiStore,
    by: Principal,
    *,
    name: str,
    display: str,
    role: Role,
    org_units: Iterable[str] | None = (),
    classes: Iterable[str] | None = None,
    valid_from: date | None = None,
    valid_to: date | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> str:
    """A new account with its rights; the token of the link by which its owner sets a password.

    ``org_units``: tops of subtrees, None for all; without any the account sees nothing.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: a name that is taken or cannot be typed, no such role, or what ``grant`` refuses.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        insert(connection, name=name, display=display, role=role, at=at)
        audit.append(
            connection, "account", by, name, now=at, act="create", role=role, reason=_cut(reason)
        )
        put(
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
        return links.issue(connection, name, "setup", at)


def insert(connection: Connection, *, name: str, display: str, role: str, at: datetime) -> None:
    """The row of a new account, inside a transaction whose entry tells of it."""
    if not _NAME.fullmatch(name):
        raise NotDone("Tên đăng nhập gồm 2 đến 40 chữ thường không dấu, số, chấm, gạch.")
    if role not in ROLES:
        raise NotDone(f"Không có vai trò {role!r}; có: {', '.join(ROLES)}.")
    shown = unicodedata.normalize("NFC", display[: 4 * _DISPLAY])
    shown = " ".join(shown.split())[:_DISPLAY]
    if not shown or not shown.isprintable():
        raise NotDone("Hãy ghi tên hiển thị.")
    taken = sa.text("SELECT 1 FROM account WHERE name = :n")
    if connection.scalar(taken, {"n": name}):
        raise NotDone(f"Đã có tài khoản {name!r}.")
    connection.execute(
        sa.text(
            "INSERT INTO account (name, display, role, state, created_at, changed_at)"
            " VALUES (:name, :display, :role, 'active', :at, :at)"
        ),
        {"name": name, "display": shown, "role": role, "at": micros(at)},
    )


def disable(
    store: KpiStore, by: Principal, name: str, *, reason: str = "", now: datetime | None = None
) -> None:
    """Close an account: its sessions end, its keys and links are void, its history stays.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account, or the last admin who can sign in.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        account_in(connection, name)
        keep_an_admin(connection, name, at)
        _set(connection, name, at, state="disabled")
        ended, revoked = _shut(connection, name, at)
        audit.append(
            connection,
            "account",
            by,
            name,
            now=at,
            act="disable",
            ended=ended,
            keys=revoked,
            reason=_cut(reason),
        )


def enable(
    store: KpiStore, by: Principal, name: str, *, reason: str = "", now: datetime | None = None
) -> None:
    """Open an account again, also one that was locked for a while after failed tries.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        account_in(connection, name)
        _set(connection, name, at, state="active", failures=0, locked_until=None)
        audit.append(connection, "account", by, name, now=at, act="enable", reason=_cut(reason))


def set_role(
    store: KpiStore,
    by: Principal,
    name: str,
    role: Role,
    *,
    reason: str = "",
    now: datetime | None = None,
) -> None:
    """Give an account another role; its sessions and keys end.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account or role, or the last admin who can sign in.
    """
    only_admins(by)
    at = now or right_now()
    if role not in ROLES:
        raise NotDone(f"Không có vai trò {role!r}; có: {', '.join(ROLES)}.")
    with store.write() as connection:
        before = account_in(connection, name).role
        if role != "admin":
            keep_an_admin(connection, name, at)
        _set(connection, name, at, role=role)
        sessions.end(connection, name, at)
        revoked = keys.revoke_all(connection, name, at)
        audit.append(
            connection,
            "account",
            by,
            name,
            now=at,
            act="role",
            role=role,
            before=before,
            keys=revoked,
            reason=_cut(reason),
        )


def tie(
    store: KpiStore,
    by: Principal,
    name: str,
    issuer: str,
    subject: str,
    *,
    now: datetime | None = None,
) -> None:
    """Let an outside identity (an issuer and its ``sub``) sign in as this account.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account, a part is empty, or the identity belongs to another account.
    """
    only_admins(by)
    at, tied = now or right_now(), f"{issuer}|{subject}"
    if not issuer or not subject or not tied.isprintable() or len(tied) > 500:
        raise NotDone("Danh tính cần địa chỉ nơi cấp và mã người dùng (sub).")
    with store.write() as connection:
        account_in(connection, name)
        other = connection.scalar(
            sa.text("SELECT name FROM account WHERE subject = :s AND name <> :n"),
            {"s": tied, "n": name},
        )
        if other:
            raise NotDone(f"Danh tính này đã gắn với tài khoản {other!r}.")
        _set(connection, name, at, subject=tied)
        sessions.end(connection, name, at)
        audit.append(connection, "account", by, name, now=at, act="tie", issuer=issuer)


def listed(store: KpiStore) -> list[Account]:
    """Every account, by name."""
    with store.read() as connection:
        return [
            _account(r) for r in connection.execute(sa.text("SELECT * FROM account ORDER BY name"))
        ]


def idle(store: KpiStore, days: int, *, now: datetime | None = None) -> list[Account]:
    """Open accounts with which nobody has come in for so many days, the longest idle first."""
    before = (now or right_now()) - timedelta(days=days)
    found = [
        one
        for one in listed(store)
        if one.state == "active" and (one.seen_at or one.created_at) < before
    ]
    return sorted(found, key=lambda one: (one.seen_at or one.created_at, one.name))


def has_admin(store: KpiStore, *, now: datetime | None = None) -> bool:
    """Whether some admin can sign in, with rights that hold today."""
    with store.read() as connection:
        return bool(_admins(connection, now or right_now()))


def last_admin(store: KpiStore, *, now: datetime | None = None) -> str:
    """The name of the only admin who can sign in; empty where there are several, or none."""
    with store.read() as connection:
        found = _admins(connection, now or right_now())
    return found[0] if len(found) == 1 else ""


def _admins(connection: Connection, at: datetime) -> list[str]:
    day = at.astimezone(LOCAL).date()
    return [
        row.name
        for row in connection.execute(sa.text(f"SELECT name, role FROM account WHERE {_CAN_ENTER}"))
        if principal_of(row, read(connection, row.name), day).role == "admin"
    ]


def keep_an_admin(connection: Connection, name: str, at: datetime) -> None:
    """Raise NotDone where no other account could come in as an admin."""
    if _admins(connection, at) == [name]:
        raise NotDone("Đây là quản trị cuối cùng còn đăng nhập được; hãy lập quản trị khác trước.")


def _shut(connection: Connection, name: str, at: datetime) -> tuple[int, int]:
    """End sessions and keys, void links; how many sessions and keys there were."""
    links.void(connection, name, at)
    return sessions.end(connection, name, at), keys.revoke_all(connection, name, at)


def _set(connection: Connection, name: str, at: datetime, **columns: Any) -> None:
    said = ", ".join(f"{column} = :{column}" for column in columns)
    connection.execute(
        sa.text(f"UPDATE account SET {said}, changed_at = :at WHERE name = :n"),
        {**columns, "at": micros(at), "n": name},
    )


def _cut(reason: str) -> str:
    return reason[:_REASON]


def _account(row: Any) -> Account:
    created = instant_of(row.created_at)
    assert created is not None
    return Account(
        row.name,
        row.display,
        row.role,
        row.state,
        row.subject,
        factors.confirmed(row.totp),
        row.password is not None or row.subject is not None,
        instant_of(row.locked_until),
        created,
        instant_of(row.seen_at),
    )

"""Keys with which programs read over the API: each of one account, none for longer than a year."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.errors import Forbidden
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import audit, factors, tokens
from kpi.rights import NotDone, account_in, principal_of, read
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

PREFIX = "ioc_"
"""By which a key that was left in a file is found."""
MOST, LONGEST = 10, 366
_LABEL = 60
_READERS = ("viewer", "head", "analyst")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its owner sees it, never what it is known by; instants are aware UTC."""

    id: int
    account: str
    label: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None


def create_key(
    store: KpiStore,
    by: Principal,
    name: str,
    *,
    label: str,
    days: int,
    now: datetime | None = None,
) -> str:
    """A new key for an account, told this once. Only reading is done with it.

    Raises:
        Forbidden: ``by`` is neither the account itself nor an admin.
        NotDone: no such active account, no label, too long, too many keys, or the second factor
            of an admin is missing.
    """
    _own_or_admin(by, name)
    at, label = now or right_now(), " ".join(label.split())[:_LABEL]
    if not label or not label.isprintable():
        raise NotDone("Hãy đặt tên cho khóa.")
    if not 1 <= days <= LONGEST:
        raise NotDone(f"Khóa có hạn từ 1 đến {LONGEST} ngày.")
    key = PREFIX + tokens.new()
    with store.write() as connection:
        account = account_in(connection, name)
        if account.state != "active":
            raise NotDone("Tài khoản đang bị khóa.")
        if account.role == "admin" and not factors.confirmed(account.totp):
            raise NotDone("Quản trị phải có mã xác thực trước khi tạo khóa.")
        if len(_held(connection, name, at)) >= MOST:
            raise NotDone(f"Mỗi tài khoản có nhiều nhất {MOST} khóa; hãy thu hồi bớt.")
        number = connection.scalar(
            sa.text(
                "INSERT INTO api_key (account, name, hash, created_at, expires_at)"
                " VALUES (:account, :label, :hash, :at, :until) RETURNING id"
            ),
            {
                "account": name,
                "label": label,
                "hash": tokens.digest(key),
                "at": micros(at),
                "until": micros(at + timedelta(days=days)),
            },
        )
        audit.append(
            connection, "key", by, name, now=at, act="create", key=number, label=label, days=days
        )
    return key


def keys_of(store: KpiStore, name: str, *, now: datetime | None = None) -> list[Key]:
    """The keys of an account that are good, the oldest first."""
    with store.read() as connection:
        return [_key(row) for row in _held(connection, name, now or right_now())]


def revoke_key(store: KpiStore, by: Principal, key: int, *, now: datetime | None = None) -> None:
    """Take a key away at once.

    Raises:
        Forbidden: ``by`` is neither its account nor an admin.
        NotDone: there is no such key that is good.
    """
    at = now or right_now()
    with store.write() as connection:
        name = connection.scalar(
            sa.text("SELECT account FROM api_key WHERE id = :id AND revoked_at IS NULL"),
            {"id": key},
        )
        if name is None:
            raise NotDone("Không có khóa này, hoặc đã thu hồi.")
        _own_or_admin(by, name)
        connection.execute(
            sa.text("UPDATE api_key SET revoked_at = :at WHERE id = :id"),
            {"at": micros(at), "id": key},
        )
        audit.append(connection, "revoked", by, name, now=at, key=key)


def revoke_all(connection: Connection, name: str, at: datetime) -> int:
    """Take every key of an account away, inside a transaction whose entry tells of it."""
    return connection.execute(
        sa.text("UPDATE api_key SET revoked_at = :at WHERE account = :n AND revoked_at IS NULL"),
        {"at": micros(at), "n": name},
    ).rowcount


def principal_of_key(store: KpiStore, key: str, *, now: datetime | None = None) -> Principal | None:
    """Whose key this is, with the rights of today; None where it is not or no longer good.

    Whoever may do more than read reads with it as an analyst does: a key has no second factor.
    """
    at = now or right_now()
    with store.read() as connection:
        row = connection.execute(
            sa.text(
                "SELECT k.id, k.seen_at, a.name, a.role FROM api_key k"
                " JOIN account a ON a.name = k.account WHERE k.hash = :hash"
                " AND k.revoked_at IS NULL AND k.expires_at > :at AND a.state = 'active'"
            ),
            {"hash": tokens.digest(key), "at": micros(at)},
        ).first()
        rights = read(connection, row.name) if row else []
    if row is None:
        return None
    instant = micros(at) or 0
    if instant - (row.seen_at or 0) >= tokens.MINUTE:
        tokens.note_seen(store, "api_key", "id", row.id, instant)
    account = _Reader(row.name, row.role if row.role in _READERS else "analyst")
    return principal_of(account, rights, at.astimezone(LOCAL).date())


@dataclass(frozen=True, slots=True)
class _Reader:
    name: str
    role: str


def _own_or_admin(by: Principal, name: str) -> None:
    if by.role != "admin" and by.name != name:
        raise Forbidden("Chỉ quản trị hoặc chính chủ được tạo và thu hồi khóa.")


def _held(connection: Connection, name: str, at: datetime) -> list[Any]:
    return list(
        connection.execute(
            sa.text(
                "SELECT id, account, name, created_at, expires_at, seen_at FROM api_key"
                " WHERE account = :n AND revoked_at IS NULL AND expires_at > :at ORDER BY id"
            ),
            {"n": name, "at": micros(at)},
        )
    )


def _key(row: Any) -> Key:
    created, expires = instant_of(row.created_at), instant_of(row.expires_at)
    assert created is not None
    assert expires is not None
    return Key(row.id, row.account, row.name, created, expires, instant_of(row.seen_at))

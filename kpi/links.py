"""One-time links by which a person sets a password; whoever made one never knows the password."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import audit, factors, keys, passwords, sessions, tokens
from kpi.rights import NotDone, account_in, only_admins
from kpi.schema import micros
from kpi.store import KpiStore

LIVES = {"setup": timedelta(days=3), "reset": timedelta(days=1)}
_VOID = "Liên kết không đúng, đã dùng hoặc đã hết hạn; hãy xin quản trị liên kết mới."


def new_link(
    store: KpiStore,
    by: Principal,
    name: str,
    *,
    purpose: str = "reset",
    now: datetime | None = None,
) -> str:
    """The token of a new link; those before it are void. The password holds until it is used.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account, or it is disabled.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        if account_in(connection, name).state != "active":
            raise NotDone("Tài khoản đang bị khóa; hãy mở lại trước.")
        token = issue(connection, name, purpose, at)
        audit.append(connection, "account", by, name, now=at, act="link", purpose=purpose)
    return token


def issue(
    connection: Connection,
    name: str,
    purpose: str,
    at: datetime,
    *,
    lives: timedelta | None = None,
) -> str:
    """``new_link`` inside a transaction whose entry tells of it."""
    token = tokens.new()
    void(connection, name, at)
    connection.execute(
        sa.text(
            "INSERT INTO link (hash, account, purpose, expires_at)"
            " VALUES (:hash, :account, :purpose, :until)"
        ),
        {
            "hash": tokens.digest(token),
            "account": name,
            "purpose": purpose,
            "until": micros(at + (lives or LIVES[purpose])),
        },
    )
    return token


def void(connection: Connection, name: str, at: datetime) -> None:
    """Take every open link of an account away."""
    connection.execute(
        sa.text("UPDATE link SET used_at = :at WHERE account = :n AND used_at IS NULL"),
        {"at": micros(at), "n": name},
    )


def account_of(store: KpiStore, token: str, *, now: datetime | None = None) -> str:
    """The name of the account that a link is for.

    Raises:
        NotDone: the link was never made, was used, or has run out.
    """
    with store.read() as connection:
        return str(_account_of(connection, token, now or right_now()).name)


def set_password(store: KpiStore, token: str, password: str, *, now: datetime | None = None) -> str:
    """Set the password of the account that a link was made for; its name.

    Its sessions and keys end.

    Raises:
        WeakPassword: the password is refused; the link stays good.
        NotDone: the link was never made, was used, or has run out.
    """
    at = now or right_now()
    with store.read() as connection:
        account = _account_of(connection, token, at)
    second = factors.confirmed(account.totp)
    stored = passwords.hashed(passwords.check(password, name=account.name, second=second))
    with store.write() as connection:
        account = _account_of(connection, token, at)  # nobody else was faster
        if second and not factors.confirmed(account.totp):
            raise NotDone(_VOID)
        connection.execute(
            sa.text(
                "UPDATE account SET password = :p, failures = 0, locked_until = NULL,"
                " changed_at = :at WHERE name = :n"
            ),
            {"p": stored, "at": micros(at), "n": account.name},
        )
        void(connection, account.name, at)
        ended = sessions.end(connection, account.name, at)
        revoked = keys.revoke_all(connection, account.name, at)
        audit.append(
            connection,
            "account",
            account.name,
            account.name,
            now=at,
            act="password",
            purpose=account.purpose,
            ended=ended,
            keys=revoked,
        )
    return account.name


def _account_of(connection: Connection, token: str, at: datetime) -> Any:
    found = connection.execute(
        sa.text(
            "SELECT a.*, l.purpose FROM link l JOIN account a ON a.name = l.account"
            " WHERE l.hash = :hash AND l.used_at IS NULL AND l.expires_at > :at"
            " AND a.state = 'active'"
        ),
        {"hash": tokens.digest(token), "at": micros(at)},
    ).first()
    if found is None:
        raise NotDone(_VOID)
    return found

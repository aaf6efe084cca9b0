"""Changing one's own password while signed in: the one in use is asked for, as at the door."""

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from kpi import audit, factors, keys, links, passwords, sessions, tokens
from kpi.rights import NotDone, account_in
from kpi.schema import micros
from kpi.store import KpiStore

ACT = "đổi mật khẩu"
_WRONG = f"Mật khẩu hiện tại không đúng. Sau {sessions.TRIES} lần sai, tài khoản tạm khóa."
_LOCKED = "Tài khoản đang tạm khóa vì nhập sai nhiều lần; hãy chờ ít phút."
_NONE = "Tài khoản này đăng nhập bằng danh tính của cơ quan, không có mật khẩu ở đây."
_SAME = "Mật khẩu mới phải khác mật khẩu hiện tại."


def has_password(store: KpiStore, name: str) -> bool:
    """Whether an account has one; False for who comes in by an outside identity alone."""
    with store.read() as connection:
        return account_in(connection, name).password is not None


def change_password(
    store: KpiStore,
    session: str,
    current: str,
    new: str,
    *,
    address: str = "",
    now: datetime | None = None,
) -> str:
    """Set another password for whoever holds this session's token; the token that goes on.

    All sessions and keys of the account end. This browser's session goes on under a new token,
    until the instant at which it would have ended anyway. A wrong password counts as a failed
    sign-in; a right one forgives none, for a code may be under attack.

    Raises:
        WeakPassword: the new one is refused.
        NotDone: no such session, no password to change, a wrong one, or the account is locked.
    """
    at = now or right_now()
    with store.read() as connection:
        seen = account_in(connection, _session(connection, session).account)
    if seen.password is None:
        raise NotDone(_NONE)
    right = passwords.fits(seen.password, current)  # slow, and not under the writer's lock
    stored = _stored(seen, new) if right and not _locked(seen, at) else ""
    with store.write() as connection:
        held = _session(connection, session)  # whatever else sets a password ends it
        account = account_in(connection, held.account)
        why = "locked" if _locked(account, at) else "" if right else "password"
        if why:
            said = {"why": why, "address": address}
            audit.append(connection, "refused", account.name, ACT, now=at, **said)
        if why == "password":
            sessions.count_failure(connection, account.name, at)
        token = "" if why else _put(connection, account.name, held, stored, address, at)
    if not token:
        raise NotDone(_LOCKED if why == "locked" else _WRONG)
    return token


def _stored(account: Any, new: str) -> str:
    second = factors.confirmed(account.totp)
    fit = passwords.check(new, name=account.name, second=second)
    if passwords.fits(account.password, fit):
        raise NotDone(_SAME)
    return passwords.hashed(fit)


def _put(
    connection: Connection, name: str, held: Any, stored: str, address: str, at: datetime
) -> str:
    connection.execute(
        sa.text("UPDATE account SET password = :p, changed_at = :at WHERE name = :n"),
        {"p": stored, "at": micros(at), "n": name},
    )
    links.void(connection, name, at)
    ended = sessions.end(connection, name, at) - 1  # this one goes on
    revoked = keys.revoke_all(connection, name, at)
    said = {"purpose": "own", "ended": ended, "keys": revoked, "address": address}
    audit.append(connection, "account", name, name, now=at, act="password", **said)
    return _anew(connection, held, at)


def _anew(connection: Connection, held: Any, at: datetime) -> str:
    """The same session under another token; it gains no time and no factor."""
    token = tokens.new()
    connection.execute(
        sa.text(
            "INSERT INTO session (hash, account, csrf, created_at, seen_at, second)"
            " VALUES (:hash, :account, :csrf, :born, :at, :second)"
        ),
        {
            "hash": tokens.digest(token),
            "account": held.account,
            "csrf": secrets.token_urlsafe(32),
            "born": held.created_at,
            "at": micros(at),
            "second": held.second,
        },
    )
    return token


def _session(connection: Connection, token: str) -> Any:
    found = connection.execute(
        sa.text("SELECT * FROM session WHERE hash = :hash AND ended_at IS NULL"),
        {"hash": tokens.digest(token)},
    ).first()
    if found is None:
        raise NotDone("Phiên đã kết thúc; hãy đăng nhập lại.")
    return found


def _locked(account: Any, at: datetime) -> bool:
    return (account.locked_until or 0) > (micros(at) or 0)

"""Sessions: signing in, staying signed in, and being put out; all of it is kept on the server."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.period import LOCAL
from ioc.principal import Principal, Role
from kpi import audit, factors, keys, passwords, tokens
from kpi.rights import principal_of, read
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

IDLE, LONGEST = timedelta(minutes=15), timedelta(hours=12)
TRIES, LOCKED = 5, timedelta(minutes=15)
_KEPT = timedelta(days=30)  # ended sessions, so that a person can see them
_SAME = (
    "Tên đăng nhập, mật khẩu hoặc mã không đúng."
    f" Sau {TRIES} lần sai, tài khoản tạm khóa {LOCKED.seconds // 60} phút."
)


class SignInRefused(IocError):
    """Nobody came in; the sentence does not tell whether there is such an account."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in.

    ``limited``: an admin whose second factor was not given yet; its principal sees nothing until
    ``totp_confirm``. ``role`` is that of the account.
    """

    account: str
    principal: Principal
    csrf: str
    second: bool
    role: Role
    display: str
    limited: bool


@dataclass(frozen=True, slots=True)
class Open:
    """A session that goes on; instants are aware UTC.

    ``address``: from which network address it was opened, empty where the audit has none.
    ``own``: it is that of the token that was asked with.
    """

    created_at: datetime | None
    seen_at: datetime | None
    second: bool
    address: str = ""
    own: bool = False


def sign_in(
    store: KpiStore,
    name: str,
    password: str,
    code: str = "",
    *,
    address: str = "",
    now: datetime | None = None,
) -> str:
    """A new session's token for who knows the password, and the code where there is one.

    Takes equally long, and says the same, whether or not there is such an account. Five failures
    lock an account for a quarter of an hour, for its right password too. The audit tells the
    network ``address`` that asked.

    Raises:
        SignInRefused: for every reason alike; the audit knows which.
    """
    at = now or right_now()
    with store.read() as connection:
        seen = _account(connection, name)
    # the slow part, and none of it under the writer's lock
    fits = passwords.fits(seen.password if seen else None, password)
    anew = fits and seen is not None and passwords.outdated(seen.password)
    fresh = passwords.hashed(password) if anew else None
    with store.write() as connection:
        account = _account(connection, name)
        why = _why_not(account, fits and seen is not None, seen, code, at)
        if why:
            _count_failure(connection, account, why, address, at)
            token = ""
        else:
            second = factors.confirmed(account.totp)
            if second:
                factors.spend(connection, account, code, at)
            if fresh:
                connection.execute(
                    sa.text("UPDATE account SET password = :p WHERE name = :n"),
                    {"p": fresh, "n": account.name},
                )
            token = _open(connection, account, at, second=second, how="password", address=address)
            forgive(connection, account.name)
    if not token:
        raise SignInRefused(_SAME)
    return token


def sign_in_subject(
    store: KpiStore, issuer: str, subject: str, *, address: str = "", now: datetime | None = None
) -> str:
    """A new session's token for an identity that a trusted provider has proved.

    Its rights are those of the local account, never of a claim. It opens no lock and forgives no
    failed try: the provider proved one factor, and another may be under attack.

    Raises:
        SignInRefused: no active account is tied to it, or the account is locked for a while.
    """
    at, locked = now or right_now(), False
    with store.write() as connection:
        account = connection.execute(
            sa.text("SELECT * FROM account WHERE subject = :subject"),
            {"subject": f"{issuer}|{subject}"},
        ).first()
        if account is None or account.state != "active":
            who = audit.NOBODY if account is None else account.name
            _tell_refused(connection, who, "oidc", address, at)
            token = ""
        elif locked := (account.locked_until or 0) > (micros(at) or 0):
            _tell_refused(connection, account.name, "locked", address, at)
            token = ""
        else:
            token = _open(connection, account, at, second=False, how="oidc", address=address)
    if locked:
        raise SignInRefused("Tài khoản đang tạm khóa vì nhập sai nhiều lần; hãy chờ ít phút.")
    if not token:
        raise SignInRefused("Danh tính này chưa được gắn với tài khoản nào; hãy hỏi quản trị.")
    return token


def session_of(
    store: KpiStore, token: str, *, touch: bool = True, now: datetime | None = None
) -> Session | None:
    """Who holds this token; None where it was never given, has ended, or was idle too long.

    ``touch``: a person asks, so that it does not grow idle; a page that asks by itself does not.
    """
    if not token:
        return None
    at, key = now or right_now(), tokens.digest(token)
    instant = micros(at) or 0
    with store.read() as connection:
        row = connection.execute(
            sa.text(
                "SELECT s.csrf, s.second, s.seen_at, a.name, a.role, a.display, a.state"
                " FROM session s JOIN account a ON a.name = s.account"
                " WHERE s.hash = :hash AND s.ended_at IS NULL AND a.state = 'active'"
                " AND s.created_at > :born AND s.seen_at > :idle"
            ),
            {"hash": key, "born": micros(at - LONGEST), "idle": micros(at - IDLE)},
        ).first()
        rights = read(connection, row.name) if row else []
    if row is None:
        return None
    if touch and instant - row.seen_at >= tokens.MINUTE:
        tokens.note_seen(store, "session", "hash", key, instant)
    limited = row.role == "admin" and not row.second
    principal = (
        Principal(row.name, "viewer", frozenset(), frozenset())
        if limited
        else principal_of(row, rights, at.astimezone(LOCAL).date())
    )
    return Session(row.name, principal, row.csrf, bool(row.second), row.role, row.display, limited)


def sign_out(store: KpiStore, token: str, *, now: datetime | None = None) -> None:
    """End the session of a token; nothing happens where there is none."""
    at = now or right_now()
    with store.write() as connection:
        name = connection.scalar(
            sa.text(
                "UPDATE session SET ended_at = :at WHERE hash = :hash AND ended_at IS NULL"
                " RETURNING account"
            ),
            {"at": micros(at), "hash": tokens.digest(token)},
        )
        if name:
            audit.append(connection, "sign_out", name, now=at)


def end_all(store: KpiStore, by: Principal, name: str, *, now: datetime | None = None) -> int:
    """End every session and every key of an account; how many sessions there were.

    Raises:
        Forbidden: ``by`` is neither an admin nor the account itself.
    """
    if by.role != "admin" and by.name != name:
        raise Forbidden("Chỉ quản trị hoặc chính chủ được kết thúc các phiên.")
    at = now or right_now()
    with store.write() as connection:
        ended, revoked = end(connection, name, at), keys.revoke_all(connection, name, at)
        said = {"act": "end_all", "ended": ended, "keys": revoked}
        audit.append(connection, "session", by, name, now=at, **said)
    return ended


def end(connection: Connection, name: str, at: datetime) -> int:
    """End the sessions of an account inside a transaction whose entry tells of it."""
    found = connection.execute(
        sa.text("UPDATE session SET ended_at = :at WHERE account = :name AND ended_at IS NULL"),
        {"at": micros(at), "name": name},
    )
    return found.rowcount


def open_sessions(
    store: KpiStore, name: str, *, token: str = "", now: datetime | None = None
) -> list[Open]:
    """The sessions of an account that go on, newest first; never what they are known by."""
    at = now or right_now()
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT hash, created_at, seen_at, second FROM session WHERE account = :name"
                " AND ended_at IS NULL AND created_at > :born AND seen_at > :idle"
                " ORDER BY created_at DESC"
            ),
            {"name": name, "born": micros(at - LONGEST), "idle": micros(at - IDLE)},
        )
        opened, own = _opened_from(connection, name, at), tokens.digest(token) if token else ""
        return [
            Open(
                instant_of(r.created_at),
                instant_of(r.seen_at),
                bool(r.second),
                opened.get(r.created_at, ""),
                r.hash == own,
            )
            for r in found
        ]


def _opened_from(connection: Connection, name: str, at: datetime) -> dict[int, str]:
    """From which address each sign-in came, by its instant: that of its session."""
    found = connection.execute(
        sa.text("SELECT at, detail FROM audit WHERE who = :n AND kind = 'sign_in' AND at > :born"),
        {"n": name, "born": micros(at - LONGEST)},
    )
    return {r.at: str(json.loads(r.detail).get("address") or "") for r in found}


def _account(connection: Connection, name: str) -> Any:
    plain = name.encode(errors="replace").decode().replace("\0", "?")[:100]
    return connection.execute(
        sa.text("SELECT * FROM account WHERE name = :name"), {"name": plain}
    ).first()


def _why_not(account: Any, fits: bool, seen: Any, code: str, at: datetime) -> str:
    """Why an account may not come in; empty when it may."""
    if account is None or seen is None:
        return "unknown"
    if (account.locked_until or 0) > (micros(at) or 0):
        return "locked"
    if not fits or account.password != seen.password:
        return "password"
    if account.state != "active":
        return "disabled"
    if factors.confirmed(account.totp) and factors.step_of(account, code, at) is None:
        return "code"
    return ""


def _count_failure(
    connection: Connection, account: Any, why: str, address: str, at: datetime
) -> None:
    who = audit.NOBODY if account is None else account.name
    _tell_refused(connection, who, why, address, at)
    if why in ("password", "code"):
        count_failure(connection, account.name, at)


def _tell_refused(connection: Connection, who: str, why: str, address: str, at: datetime) -> None:
    audit.append(connection, "refused", who, "đăng nhập", now=at, why=why, address=address)


def count_failure(connection: Connection, name: str, at: datetime) -> None:
    """One more wrong guess; the fifth locks the account for a while."""
    failures = connection.scalar(
        sa.text("UPDATE account SET failures = failures + 1 WHERE name = :n RETURNING failures"),
        {"n": name},
    )
    if (failures or 0) >= TRIES:
        connection.execute(
            sa.text("UPDATE account SET failures = 0, locked_until = :until WHERE name = :n"),
            {"until": micros(at + LOCKED), "n": name},
        )
        audit.append(connection, "locked", name, now=at, minutes=LOCKED.seconds // 60)


def forgive(connection: Connection, name: str) -> None:
    """Begin to count wrong guesses anew: whoever came has given all that the account asks for."""
    connection.execute(
        sa.text("UPDATE account SET failures = 0, locked_until = NULL WHERE name = :n"),
        {"n": name},
    )


def _open(
    connection: Connection, account: Any, at: datetime, *, second: bool, how: str, address: str
) -> str:
    """A new session under a new token, whatever the browser had before."""
    token, instant = tokens.new(), micros(at)
    connection.execute(
        sa.text(
            "INSERT INTO session (hash, account, csrf, created_at, seen_at, second)"
            " VALUES (:hash, :account, :csrf, :at, :at, :second)"
        ),
        {
            "hash": tokens.digest(token),
            "account": account.name,
            "csrf": secrets.token_urlsafe(32),
            "at": instant,
            "second": int(second),
        },
    )
    connection.execute(
        sa.text("DELETE FROM session WHERE created_at < :old"), {"old": micros(at - _KEPT)}
    )
    connection.execute(
        sa.text("UPDATE account SET seen_at = :at WHERE name = :n"),
        {"at": instant, "n": account.name},
    )
    audit.append(
        connection, "sign_in", account.name, now=at, how=how, second=second, address=address
    )
    return token

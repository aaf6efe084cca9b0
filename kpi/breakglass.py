"""Ways in for whoever has the machine itself: the first administrator, and the locked-out one."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import audit, keys, links, sessions
from kpi.people import has_admin, insert
from kpi.rights import NotDone, account_in, put, read
from kpi.schema import micros
from kpi.store import KpiStore

FIRST = "quan-tri"
SETUP = "setup-link"
"""The file in ``IOC_DATA`` with the first link, where nobody sits at a terminal to read it."""
LIVES, FIRST_LIVES = timedelta(minutes=30), timedelta(hours=24)
_DAYS = timedelta(days=1)


def first_link(store: KpiStore, by: Principal, *, now: datetime | None = None) -> str | None:
    """The token of a link for the first administrator; None once an admin can sign in.

    Asked again before it was used, it is another link and the one before is void.
    """
    at = now or right_now()
    if has_admin(store, now=at):
        return None
    with store.write() as connection:
        if not _there(connection, FIRST):
            insert(connection, name=FIRST, display="Quản trị đầu tiên", role="admin", at=at)
            _all(store, connection, by, FIRST, "lần chạy đầu tiên", at, last=None)
        elif account_in(connection, FIRST).role != "admin":
            raise NotDone(f"Tài khoản {FIRST!r} không phải quản trị: dùng ioc user break-glass.")
        _open(connection, FIRST, at)
        sessions.end(connection, FIRST, at)
        token = links.issue(connection, FIRST, "setup", at, lives=FIRST_LIVES)
        audit.append(connection, "account", by, FIRST, now=at, act="first")
    return token


def break_glass(
    store: KpiStore, by: Principal, name: str, *, reason: str, now: datetime | None = None
) -> str:
    """The token of a link, good for half an hour, by which an administrator comes in again.

    An admin who is locked out loses password, second factor, sessions and keys. A name that is
    not there yet becomes an admin until the end of tomorrow.

    Raises:
        NotDone: the account is no admin, or no reason is given.
    """
    at = now or right_now()
    if len(reason.strip()) < 5:
        raise NotDone("Mở khẩn cấp phải có lý do (--reason).")
    with store.write() as connection:
        made = not _there(connection, name)
        if made:
            insert(connection, name=name, display="Quản trị khẩn cấp", role="admin", at=at)
        elif account_in(connection, name).role != "admin":
            raise NotDone(f"Tài khoản {name!r} không phải quản trị.")
        today = at.astimezone(LOCAL).date()
        if not any(right.holds(today) for right in read(connection, name)):
            _all(store, connection, by, name, reason, at, last=today + _DAYS)
        _open(connection, name, at)
        sessions.end(connection, name, at)
        keys.revoke_all(connection, name, at)
        token = links.issue(connection, name, "reset", at, lives=LIVES)
        audit.append(
            connection, "break_glass", by, name, now=at, made=made, reason=reason.strip()[:300]
        )
    return token


def _there(connection: Connection, name: str) -> bool:
    found = connection.scalar(sa.text("SELECT 1 FROM account WHERE name = :n"), {"n": name})
    return found is not None


def _open(connection: Connection, name: str, at: datetime) -> None:
    connection.execute(
        sa.text(
            "UPDATE account SET state = 'active', password = NULL, totp = NULL, totp_step = 0,"
            " failures = 0, locked_until = NULL, changed_at = :at WHERE name = :n"
        ),
        {"at": micros(at), "n": name},
    )


def _all(
    store: KpiStore,
    connection: Connection,
    by: Principal,
    name: str,
    reason: str,
    at: datetime,
    *,
    last: date | None,
) -> None:
    """A right to everything, from today when it ends."""
    put(
        store,
        connection,
        by,
        name,
        org_units=None,
        classes=None,
        valid_from=at.astimezone(LOCAL).date() if last else None,
        valid_to=last,
        reason=reason,
        now=at,
    )

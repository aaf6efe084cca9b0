"""The second factor: codes of six digits that change every half minute (TOTP), each taken once."""

from datetime import datetime, timedelta
from typing import Any

import pyotp
import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import audit, tokens
from kpi.rights import NotDone, account_in, only_admins
from kpi.schema import micros
from kpi.store import KpiStore

ISSUER = "IOC Quảng Bình"
_STEP = timedelta(seconds=30)
_BEGUN = "?"


def confirmed(totp: str | None) -> bool:
    """Whether an account has a second factor that a code has proved."""
    return totp is not None and not totp.startswith(_BEGUN)


def has_second(store: KpiStore, name: str) -> bool:
    """Whether an account has one; False where there is no such account."""
    with store.read() as connection:
        return confirmed(
            connection.scalar(sa.text("SELECT totp FROM account WHERE name = :n"), {"n": name})
        )


def step_of(account: Any, code: str, at: datetime) -> int | None:
    """The step of a code that fits now, or half a minute off; None: wrong, or taken before."""
    digits = "".join(code.split())
    if account.totp is None or len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    codes = pyotp.TOTP(account.totp.removeprefix(_BEGUN))
    for offset in (0, -1, 1):
        moment = at + offset * _STEP
        step = int(moment.timestamp() // _STEP.total_seconds())
        if step > account.totp_step and pyotp.utils.strings_equal(codes.at(moment), digits):
            return step
    return None


def spend(connection: Connection, account: Any, code: str, at: datetime) -> None:
    """Write down that a code was taken: neither it nor an older one is taken again."""
    connection.execute(
        sa.text("UPDATE account SET totp_step = :step WHERE name = :n"),
        {"step": step_of(account, code, at), "n": account.name},
    )


def totp_begin(store: KpiStore, name: str, *, now: datetime | None = None) -> str:
    """A new second factor for an account: the ``otpauth://`` address that its phone reads.

    It counts from ``totp_confirm`` on; begun anew, the one before is void.

    Raises:
        NotDone: no such account, or it has a confirmed one: an admin must take that away first.
    """
    secret = pyotp.random_base32()
    with store.write() as connection:
        account = account_in(connection, name)
        if confirmed(account.totp):
            raise NotDone("Tài khoản đã có mã xác thực; hãy nhờ quản trị gỡ mã cũ trước.")
        connection.execute(
            sa.text("UPDATE account SET totp = :totp, totp_step = 0 WHERE name = :n"),
            {"totp": _BEGUN + secret, "n": name},
        )
        audit.append(connection, "account", name, name, now=now, act="totp_begin")
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def totp_confirm(
    store: KpiStore, name: str, code: str, *, session: str = "", now: datetime | None = None
) -> bool:
    """Whether a code fits; then the factor counts, and the session of this token has given it.

    Also for a session that came in by an outside identity and has yet to give its code. A wrong
    code counts as a failed sign-in.

    Raises:
        NotDone: no such account, none was begun, or the account is locked.
    """
    from kpi.sessions import count_failure, forgive

    at = now or right_now()
    with store.write() as connection:
        account = account_in(connection, name)
        if account.totp is None:
            raise NotDone("Chưa bắt đầu đặt mã xác thực.")
        if (account.locked_until or 0) > (micros(at) or 0):
            raise NotDone("Tài khoản đang tạm khóa vì nhập sai nhiều lần.")
        step = step_of(account, code, at)
        if step is None:
            audit.append(connection, "refused", name, "mã xác thực", now=at, why="code")
            count_failure(connection, name, at)
            return False
        connection.execute(
            sa.text("UPDATE account SET totp = :totp, totp_step = :step WHERE name = :n"),
            {"totp": account.totp.removeprefix(_BEGUN), "step": step, "n": name},
        )
        forgive(connection, name)
        connection.execute(
            sa.text("UPDATE session SET second = 1 WHERE hash = :hash AND account = :n"),
            {"hash": tokens.digest(session), "n": name},
        )
        audit.append(connection, "account", name, name, now=at, act="totp_confirm")
    return True


def totp_remove(
    store: KpiStore, by: Principal, name: str, *, reason: str = "", now: datetime | None = None
) -> str:
    """Take the second factor of a lost phone away; the token of a link for a new password.

    The password goes too, which may have been short beside the factor. Sessions and keys end.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no such account, or it is disabled.
    """
    from kpi.keys import revoke_all
    from kpi.links import issue
    from kpi.sessions import end

    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        if account_in(connection, name).state != "active":
            raise NotDone("Tài khoản đang bị khóa; hãy mở lại trước.")
        connection.execute(
            sa.text(
                "UPDATE account SET totp = NULL, totp_step = 0, password = NULL WHERE name = :n"
            ),
            {"n": name},
        )
        end(connection, name, at)
        said = {"act": "totp_remove", "keys": revoke_all(connection, name, at), "reason": reason}
        audit.append(connection, "account", by, name, now=at, **said)
        return issue(connection, name, "reset", at)

"""What people did, in a chain that only grows: each entry holds the hash of the one before it.

The database refuses to change or delete an entry. Who goes past the database breaks the chain,
and ``verify`` says where; who writes the whole chain anew ends with another head than the one
that was exported to another machine.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

KINDS = {
    "sign_in": "Đăng nhập",
    "sign_out": "Đăng xuất",
    "refused": "Bị từ chối",
    "locked": "Tạm khóa vì sai nhiều lần",
    "account": "Tài khoản",
    "right": "Quyền",
    "session": "Phiên làm việc",
    "key": "Khóa lập trình",
    "break_glass": "Mở khẩn cấp",
    "pairing": "Ghép màn hình",
    "revoked": "Thu hồi",
    "read": "Xem số liệu hạn chế",
    "export": "Xuất số liệu",
    "edit": "Sửa",
    "upload": "Nộp tệp",
    "assessment": "Đánh giá",
    "definition": "Định nghĩa chỉ số",
    "target": "Mục tiêu",
    "reading": "Cách đọc mục tiêu",
    "closing": "Chốt số",
    "config": "Cấu hình",
    "request": "Yêu cầu thu thập",
    "wall": "Điều khiển màn hình",
    "incident": "Trích nhật ký",
}
"""Every kind of entry, in the words of the viewer."""
NOBODY = "(chưa rõ ai)"
"""Who is written for somebody that has no account: what was typed may be a password."""
FIRST = "0" * 64
_COLUMNS = "number, at, who, kind, what, detail, previous, hash"
_LONGEST = 500
_PAGE = 1000
_OFFSET = 7 * 3600  # seconds of local time before UTC


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the chain was found: ``broken`` is the first number that does not fit, None if all do."""

    count: int
    broken: int | None
    head: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``at`` is aware UTC, ``who`` the name of an account, of a screen or ``NOBODY``."""

    number: int
    at: datetime
    who: str
    kind: str
    what: str
    detail: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Usage:
    """On how many local days an account worked here; ``last`` is None where it never did."""

    account: str
    display: str
    role: str
    days: int
    last: datetime | None


def write(
    store: KpiStore,
    kind: str,
    who: Principal | str,
    what: str = "",
    *,
    now: datetime | None = None,
    **detail: Any,
) -> int:
    """Append one entry in a transaction of its own; its number."""
    with store.write() as connection:
        return append(connection, kind, who, what, now=now, **detail)


def append(
    connection: Connection,
    kind: str,
    who: Principal | str,
    what: str = "",
    *,
    now: datetime | None = None,
    **detail: Any,
) -> int:
    """Append one entry inside a transaction of ``store.write()``; its number.

    The act and its entry are committed together or not at all. ``detail`` is told in JSON; never
    pass a password, a token or a code.

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of audit entry {kind!r}")
    last = connection.execute(sa.text("SELECT number, hash FROM audit_head WHERE id = 1")).first()
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
    row = {
        "number": number,
        "at": micros(now or right_now()),
        "who": _plain(who.name if isinstance(who, Principal) else who),
        "kind": kind,
        "what": _plain(what),
        "detail": _canonical(detail),
        "previous": previous,
    }
    row["hash"] = hash_of(row)
    names = _COLUMNS.split(", ")
    connection.execute(
        sa.text(f"INSERT INTO audit ({_COLUMNS}) VALUES ({', '.join(f':{n}' for n in names)})"), row
    )
    connection.execute(
        sa.text(
            "INSERT INTO audit_head (id, number, hash) VALUES (1, :number, :hash)"
            " ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash"
        ),
        row,
    )
    return number


def hash_of(row: Any) -> str:
    """SHA-256 over the hash of the entry before and this entry's canonical JSON."""
    said = [row[name] for name in ("number", "at", "who", "kind", "what", "detail")]
    text = row["previous"] + json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify(store: KpiStore) -> Verdict:
    """Follow the chain from its first entry to the head that was kept beside it."""
    with store.read() as connection:
        return followed(connection)


def followed(connection: Connection) -> Verdict:
    """``verify`` on one connection: a changed, missing or inserted entry ends the walk."""
    kept = connection.execute(sa.text("SELECT number, hash FROM audit_head WHERE id = 1")).first()
    count, head = 0, FIRST
    sql = sa.text(f"SELECT {_COLUMNS} FROM audit ORDER BY number")
    for row in connection.execute(sql, execution_options={"yield_per": _PAGE}).mappings():
        fits = row["number"] == count + 1 and row["previous"] == head
        if not fits or row["hash"] != hash_of(row):
            return Verdict(count, count + 1, head)
        count, head = row["number"], row["hash"]
    expected = (kept.number, kept.hash) if kept else (0, FIRST)
    if (count, head) == expected:
        return Verdict(count, None, head)
    return Verdict(count, min(count, expected[0]) + 1, head)


def entries(
    store: KpiStore,
    who: Principal,
    *,
    kind: str | None = None,
    account: str | None = None,
    first: date | datetime | None = None,
    last: date | datetime | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """The newest entries first; ``after`` is the number of the last one that was seen.

    ``first`` and ``last`` are instants, or local days that count whole.

    Raises:
        Forbidden: ``who`` is no admin.
    """
    _only_admins(who)
    where, values = _window(first, last)
    if kind:
        where, values = [*where, "kind = :kind"], {**values, "kind": kind}
    if account:
        where, values = [*where, "who = :who"], {**values, "who": account}
    if after is not None:
        where, values = [*where, "number < :after"], {**values, "after": after}
    sql = f"SELECT {_COLUMNS} FROM audit {_where(where)} ORDER BY number DESC LIMIT :most"
    with store.read() as connection:
        rows = connection.execute(sa.text(sql), {**values, "most": max(1, min(limit, _PAGE))})
        return [_entry(row) for row in rows.mappings()]


def usage(store: KpiStore, who: Principal, *, first: date, last: date) -> list[Usage]:
    """Days on which each account worked here, from ``first`` to ``last``; the least used first.

    A refusal is no work, and neither is a sign-out.

    Raises:
        Forbidden: ``who`` is no admin.
    """
    _only_admins(who)
    where, values = _window(first, last)
    counts = " AND ".join([*where, "who = account.name", "kind NOT IN (" + _IDLE + ")"])
    sql = (
        "SELECT name, display, role,"
        f" (SELECT COUNT(DISTINCT (at / 1000000 + {_OFFSET}) / 86400) FROM audit WHERE {counts})"
        f" AS days, (SELECT MAX(at) FROM audit WHERE {counts}) AS last"
        " FROM account ORDER BY days, name"
    )
    with store.read() as connection:
        return [
            Usage(r.name, r.display, r.role, r.days, instant_of(r.last))
            for r in connection.execute(sa.text(sql), values)
        ]


def export(
    store: KpiStore, who: Principal, *, first: date | datetime | None, last: date | datetime | None
) -> Iterator[str]:
    """The entries of a time window as lines of JSON, oldest first, with their hashes.

    That somebody took them is the newest entry of the chain. Lines end with a line feed.

    Raises:
        Forbidden: ``who`` is no admin; raised before the first line.
    """
    _only_admins(who)
    write(store, "incident", who, "", first=first, last=last)
    return lines(store, first=first, last=last)


def lines(
    store: KpiStore,
    *,
    first: date | datetime | None = None,
    last: date | datetime | None = None,
    after: int = 0,
) -> Iterator[str]:
    """Lines of JSON of the entries after a number; for whoever stands at the machine itself.

    ``detail`` is an object; its hash is over its canonical text, see ``line_fits``.
    """
    where, values = _window(first, last)
    sql = f"SELECT {_COLUMNS} FROM audit {_where([*where, 'number > :after'])} ORDER BY number"
    with store.read() as connection:
        found = connection.execute(
            sa.text(sql), {**values, "after": after}, execution_options={"yield_per": _PAGE}
        )
        for row in found.mappings():
            at = instant_of(row["at"])
            said = {
                **row,
                "detail": json.loads(row["detail"]),
                "time": at.isoformat() if at else "",
            }
            yield _line(said)


def line_fits(line: str) -> bool:
    """Whether an exported line still has the hash it was written with."""
    row = json.loads(line)
    if not isinstance(row["detail"], str):  # as it is hashed; lines of former times hold the text
        row["detail"] = _canonical(row["detail"])
    return row["hash"] == hash_of(row)


def _canonical(detail: dict[str, Any]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), default=str)


def _line(said: dict[str, Any]) -> str:
    """A line with letters as they are; half a letter, which no file takes, stays escaped."""
    line = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    if any("\ud800" <= letter <= "\udfff" for letter in line):
        line = json.dumps(said, separators=(",", ":"))
    return line + "\n"


_IDLE = "'refused', 'locked', 'sign_out'"


def _only_admins(who: Principal) -> None:
    if who.role != "admin":
        raise Forbidden("Chỉ quản trị được xem nhật ký kiểm toán.")


def _entry(row: Any) -> Entry:
    at = instant_of(row["at"])
    assert at is not None
    return Entry(**{**row, "at": at, "detail": json.loads(row["detail"])})


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _window(
    first: date | datetime | None, last: date | datetime | None
) -> tuple[list[str], dict[str, Any]]:
    """Conditions of a window whose ends count; a day ends with its last microsecond."""
    where, values = [], {}
    if first is not None:
        where.append("at >= :first")
        values["first"] = micros(_instant(first))
    if last is not None:
        day_after = not isinstance(last, datetime)
        where.append("at < :last" if day_after else "at <= :last")
        values["last"] = micros(_instant(last + timedelta(days=1) if day_after else last))
    return where, values


def _instant(given: date | datetime) -> datetime:
    if not isinstance(given, datetime):
        return datetime.combine(given, time(), LOCAL)
    if given.tzinfo is None:
        raise IocError("thời điểm phải có múi giờ")
    return given


def _plain(text: str) -> str:
    """Words on one line that any database and any log take."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST]

"""What people ask of the poller: a row that the web inserts and the poller claims.

A file that somebody filled in (``upload``, or ``drop`` where it lay in the source's folder), or a
word about a source: ``pause``, ``resume``, ``repoll``, ``replay`` of the rows that were refused.
The bytes of a file wait in a folder of their own, never in the database, and are gone as soon as
it was taken or refused. A claim and its run are one transaction, and so are their ends: a crash in
between leaves the request to be claimed again.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.errors import IocError
from ioc.personal import shown_name
from kpi import audit
from kpi.runs import TRIES, SlotTaken, open_run
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

FILES = ("upload", "drop")
RUNS = (*FILES, "replay")
"""What becomes a run of its own beside the polls of its source."""
WORDS = ("pause", "resume", "repoll")
"""What the schedule itself heeds."""
REFUSED_ROWS = "các dòng bị loại"
"""What a replay reads, where the run of a file says its name."""
_AT_LEAST = 60  # seconds past a poll's deadline after which a claim is nobody's any more
_HELD = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that is ours to take, or rows to replay, and the run that takes them."""

    run: int
    source: str
    file: str
    hash: str
    who: str
    at: datetime
    held: str
    kind: str = "upload"


def place(data: Path) -> Path:
    """The folder in which files wait, below ``IOC_DATA``."""
    return data / "uploads"


def put(
    store: KpiStore, data: Path, kind: str, *, source: str, file: str, body: bytes, who: str,
    now: datetime,
) -> int:  # fmt: skip
    """Let a file wait for the poller; its request's number.

    A drop is not put again while it is the newest of its name. What looks personal in a name is
    not kept.
    """
    file = shown_name(file)
    said: dict[str, Any] = {
        "kind": kind, "source": source, "file": file, "who": who, "at": micros(now),
    }  # fmt: skip
    said |= {"hash": hashlib.sha256(body).hexdigest(), "size": len(body)}
    held = _keep(place(data), body)
    try:
        with store.write() as connection:
            if kind == "drop" and (known := connection.scalar(_KNOWN, said)):
                _forget(place(data), held)
                return known
            number = connection.scalar(_PUT, said | {"held": held, "note": ""})
            if kind == "upload":
                told = {name: said[name] for name in ("file", "hash", "size")}
                audit.append(connection, "upload", who, source, now=now, **told)
            store.touch(connection, [f"source:{source}"])
    except BaseException:
        _forget(place(data), held)
        raise
    assert number is not None
    return number


_KNOWN = sa.text(
    "SELECT id FROM request WHERE hash = :hash AND id = (SELECT MAX(id) FROM request"
    " WHERE kind = :kind AND source = :source AND file = :file)"
)
_PUT = sa.text(
    "INSERT INTO request (kind, source, file, hash, size, who, at, state, held, tries, note)"
    " VALUES (:kind, :source, :file, :hash, :size, :who, :at, 'waiting', :held, 0, :note)"
    " RETURNING id"
)


def put_word(
    store: KpiStore, connection: Connection, kind: str, *, source: str, who: str, reason: str,
    now: datetime,
) -> int | None:  # fmt: skip
    """Let a word about a source wait, in the caller's transaction; None where one like it waits."""
    file = REFUSED_ROWS if kind == "replay" else ""
    said = {"kind": kind, "source": source, "file": file, "hash": "", "size": 0, "who": who}
    waits = sa.text(
        "SELECT 1 FROM request WHERE kind = :kind AND source = :source"
        " AND state IN ('waiting', 'claimed')"
    )
    if connection.scalar(waits, said):
        return None
    number = connection.scalar(_PUT, said | {"at": micros(now), "held": "", "note": reason})
    store.touch(connection, [f"source:{source}"])
    return number


def waiting(connection: Connection) -> int:
    """How many files nobody has ended yet."""
    return (
        connection.scalar(
            sa.text(
                "SELECT COUNT(*) FROM request WHERE state IN ('waiting', 'claimed')"
                f" AND kind IN {FILES}"
            )
        )
        or 0
    )


_DUE = (
    "(r.state = 'waiting' OR (r.state = 'claimed' AND r.claimed_at <"
    f" CAST(:at AS BIGINT) - (COALESCE(s.deadline, 900) + {_AT_LEAST}) * 1000000))"
    # what is known from now on would end a first load, which speaks for the past
    f" AND (r.kind IN {WORDS} OR NOT (s.loaded_at IS NULL AND EXISTS"
    " (SELECT 1 FROM poll_run p WHERE p.source = s.id AND p.ended_at IS NULL AND p.given_by = ''"
    f" AND p.started_at >= CAST(:at AS BIGINT) - (s.deadline + {_AT_LEAST}) * 1000000)))"
)


def due(
    store: KpiStore, sources: Collection[str], now: datetime, kinds: tuple[str, ...] = RUNS
) -> list[tuple[int, str]]:
    """Requests that wait, or whose claim was given up, with their sources; oldest first.

    No file and no replay is due while a first load of its source is under way.
    """
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT r.id, r.source FROM request r LEFT JOIN source s ON s.id = r.source"
                f" WHERE r.state IN ('waiting', 'claimed') AND r.kind IN {kinds} AND {_DUE}"
                " ORDER BY r.id"
            ),
            {"at": micros(now)},
        ).all()
    return [(number, source) for number, source in found if source in sources]


def claim(store: KpiStore, number: int, now: datetime) -> Claimed:
    """Take a request that is due, and begin its run.

    Raises:
        SlotTaken: somebody else has it, or it has ended.
    """
    at = micros(now)
    run = None
    with store.write() as connection:
        row = connection.execute(
            sa.text(
                "SELECT r.source, r.file, r.hash, r.who, r.at, r.held, r.run, r.tries, r.kind"
                " FROM request r LEFT JOIN source s ON s.id = r.source WHERE r.id = :id"
                f" AND r.state IN ('waiting', 'claimed') AND {_DUE}"
            ),
            {"id": number, "at": at},
        ).first()
        if row is None:
            raise SlotTaken("yêu cầu này đã có tiến trình khác nhận")
        if row.run is not None:
            connection.execute(_CUT, {"run": row.run, "at": at})
        if row.tries < TRIES:
            run = open_run(connection, row.source, at, given_by=row.who)
            connection.execute(_CLAIM, {"id": number, "at": at, "run": run})
        else:
            connection.execute(_GIVE_UP, {"id": number, "at": at})
        store.touch(connection, [f"source:{row.source}"])
    if run is None:
        raise SlotTaken(f"yêu cầu này đã thử {TRIES} lần không xong và bị từ chối")
    given = instant_of(row.at)
    assert given is not None
    return Claimed(run, row.source, row.file, row.hash, row.who, given, row.held, row.kind)


_CLAIM = sa.text(
    "UPDATE request SET state = 'claimed', claimed_at = :at, run = :run, tries = tries + 1"
    " WHERE id = :id"
)
_GIVE_UP = sa.text(
    "UPDATE request SET state = 'refused', ended_at = :at, note = 'Đã thử nhiều lần mà tiến trình"
    " đều dừng giữa chừng; hãy kiểm tra rồi gửi lại.' WHERE id = :id"
)
_CUT = sa.text(
    "UPDATE poll_run SET ended_at = :at, outcome = 'retry',"
    " note = 'Tiến trình dừng giữa chừng; yêu cầu được làm lại từ đầu.'"
    " WHERE run = :run AND ended_at IS NULL"
)


def heed(store: KpiStore, number: int, now: datetime, *, busy: bool = False) -> str:
    """Take a word that waits; its kind, "" where somebody else has it.

    A ``repoll`` goes on waiting while its source is ``busy``.

    A pause and a resume are done with it; a ``repoll`` is ended by ``end`` once it was polled.
    """
    at = micros(now)
    with store.write() as connection:
        row = connection.execute(
            sa.text(
                "SELECT r.kind, r.source, r.tries FROM request r LEFT JOIN source s"
                f" ON s.id = r.source WHERE r.id = :id AND r.kind IN {WORDS} AND {_DUE}"
            ),
            {"id": number, "at": at},
        ).first()
        if row is None or (busy and row.kind == "repoll"):
            return ""
        if row.kind == "repoll":
            tried = row.tries < TRIES
            claim = sa.text(
                "UPDATE request SET state = 'claimed', claimed_at = :at, tries = tries + 1"
                " WHERE id = :id"
            )
            connection.execute(claim if tried else _GIVE_UP, {"id": number, "at": at})
            return "repoll" if tried else ""
        connection.execute(
            sa.text("UPDATE source SET paused = :paused WHERE id = :id"),
            {"paused": int(row.kind == "pause"), "id": row.source},
        )
        connection.execute(
            sa.text("UPDATE request SET state = 'done', ended_at = :at WHERE id = :id"),
            {"id": number, "at": at},
        )
        store.touch(connection, [f"source:{row.source}"])
    return row.kind


def end(store: KpiStore, number: int, ended: Mapping[str, Any], now: datetime) -> None:
    """End a ``repoll`` with the run that it became, as ``poll`` told it."""
    good = ended["outcome"] in ("ok", "empty", "partial")
    said = {"state": "done" if good else "refused", "run": ended["run"], "note": ended["note"]}
    with store.write() as connection:
        connection.execute(
            sa.text(
                "UPDATE request SET state = :state, run = :run, note = :note, ended_at = :at"
                " WHERE id = :id AND state = 'claimed'"
            ),
            said | {"id": number, "at": micros(now)},
        )
        store.touch(connection, [f"source:{ended['source']}"])


def release(store: KpiStore) -> None:
    """Let what a former leader had claimed be claimed again at once."""
    with store.write() as connection:
        connection.execute(sa.text("UPDATE request SET state = 'waiting' WHERE state = 'claimed'"))


def body_of(data: Path, claimed: Claimed) -> bytes | None:
    """The bytes of a claimed file; None where they are not, or are no longer what was given."""
    if not _HELD.fullmatch(claimed.held):
        return None
    try:
        body = (place(data) / claimed.held).read_bytes()
    except OSError:
        return None
    return body if hashlib.sha256(body).hexdigest() == claimed.hash else None


def sweep(store: KpiStore, data: Path) -> None:
    """Remove the bytes of all that has ended; what is being put this minute stays."""
    folder = place(data)
    if not folder.is_dir():
        return
    with store.read() as connection:
        kept = set(
            connection.execute(
                sa.text("SELECT held FROM request WHERE state IN ('waiting', 'claimed')")
            ).scalars()
        )
    newest = datetime.now().timestamp() - timedelta(minutes=1).total_seconds()  # noqa: DTZ005
    for path in folder.iterdir():
        if path.name not in kept and path.lstat().st_mtime < newest:
            path.unlink(missing_ok=True)


def forget(data: Path, claimed: Claimed, store: KpiStore) -> None:
    """Remove the bytes of a request that has ended; one that waits again keeps them."""
    with store.read() as connection:
        ended = connection.scalar(
            sa.text("SELECT 1 FROM request WHERE run = :run AND state IN ('done', 'refused')"),
            {"run": claimed.run},
        )
    if ended:
        _forget(place(data), claimed.held)


def _keep(folder: Path, body: bytes) -> str:
    """Write bytes under a name of our own, readable by us only."""
    name = secrets.token_hex(16)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        (folder / name).unlink(missing_ok=True)
        raise IocError("không giữ được tệp: đĩa đầy hoặc thư mục không ghi được") from error
    return name


def _forget(folder: Path, held: str) -> None:
    if _HELD.fullmatch(held):
        (folder / held).unlink(missing_ok=True)

"""Editions of packs: each slot is made once, whoever schedules, and each recipient is sent one.

A slot that nobody made in time is made up once, the newest only. A mail of which nobody knows
whether the server took it is ``unsure`` and never sent again by itself.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.packs import Pack
from ioc.period import LOCAL
from kpi import audit
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

PATIENCE = timedelta(minutes=10)
"""After so long whoever was making an edition is gone."""
TRIES, MAIL_TRIES = 5, 8
_LONGEST = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a pack; instants are aware UTC, None where there is none yet."""

    id: int
    pack: str
    slot: datetime | None
    state: str
    tries: int
    as_of: datetime | None
    made_at: datetime | None
    folder: str
    note: str
    sent: int = 0
    failed: int = 0
    waiting: int = 0
    why: str = ""
    """What the last delivery that failed said."""


Draw = Callable[[datetime, Edition, datetime | None, datetime], Mapping[str, bytes]]
"""Draws an edition as of an instant, given when the one before was and what time it is: files."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail that is due."""

    edition: int
    recipient: str
    tries: int
    folder: str


def claim(store: KpiStore, pack: str, slot: datetime, now: datetime) -> int | None:
    """The edition of a slot, ours to make; None where it is made, being made, or not to be made.

    A pack that was never seen before begins with its next slot: nothing is made up for a time in
    which nobody had asked for it. A failed one is tried again, ever more seldom.
    """
    at = micros(now) or 0
    with store.write() as connection:
        known = connection.scalar(
            sa.text("SELECT 1 FROM pack_edition WHERE pack = :pack AND slot IS NOT NULL LIMIT 1"),
            {"pack": pack},
        )
        state = "making" if known else "none"
        made = connection.scalar(
            sa.text(
                "INSERT INTO pack_edition (pack, slot, state, tries, claimed_at, folder, note)"
                " VALUES (:pack, :slot, :state, 1, :at, '', '')"
                " ON CONFLICT (pack, slot) DO NOTHING RETURNING id"
            ),
            {"pack": pack, "slot": micros(slot), "state": state, "at": at},
        )
        if made is not None:
            return made if known else None
        row = connection.execute(
            sa.text(
                "SELECT id, state, tries, claimed_at FROM pack_edition"
                " WHERE pack = :pack AND slot = :slot"
            ),
            {"pack": pack, "slot": micros(slot)},
        ).one()
        wait = PATIENCE if row.state == "making" else _wait(row.tries)
        early = at - row.claimed_at < wait / timedelta(microseconds=1)
        if row.state not in ("making", "failed") or row.tries >= TRIES or early:
            return None
        connection.execute(
            sa.text(
                "UPDATE pack_edition SET state = 'making', tries = tries + 1, claimed_at = :at"
                " WHERE id = :id"
            ),
            {"id": row.id, "at": at},
        )
        return int(row.id)


def by_hand(store: KpiStore, pack: str, now: datetime) -> int:
    """An edition beside the slots."""
    with store.write() as connection:
        made = connection.scalar(
            sa.text(
                "INSERT INTO pack_edition (pack, state, tries, claimed_at, folder, note)"
                " VALUES (:pack, 'making', 1, :at, '', '') RETURNING id"
            ),
            {"pack": pack, "at": micros(now)},
        )
    assert made is not None
    return int(made)


def make(
    store: KpiStore, pack: Pack, number: int, data: Path, draw: Draw, *, mail: bool = True
) -> Path:
    """Seal an instant, have an edition drawn of it, lay it into its folder, note it; the folder.

    Raises:
        IocError: the edition does not wait to be made, or cannot be drawn or written; it is noted
            as failed then.
    """
    found = edition(store, number)
    if found is None or found.state != "making":
        raise IocError(f"gói số {number} không chờ làm")
    now = right_now()
    stamp = f"{(found.slot or now).astimezone(LOCAL):%Y-%m-%d}"
    home = pack.folder or data / "packs" / pack.name
    folder = (home / (stamp if found.slot else f"{stamp}-{number}")).absolute()
    try:
        at = store.seal(now, "pack")
        files = draw(at, found, before(store, pack.name, number), now)
        _laid_down(folder, files, 0o777 if pack.folder else 0o700)  # a share is for its readers
    except Exception as error:
        failed(store, number, str(error) or type(error).__name__)
        raise
    to = pack.mail if mail else ()
    if not made(
        store, number, as_of=at, folder=str(folder), note="", recipients=to, now=right_now()
    ):
        raise IocError(f"gói số {number} đã được làm")
    audit.write(
        store, "export", pack.reader, f"pack {pack.name}", now=now, edition=number, mails=len(to)
    )
    return folder


def made(
    store: KpiStore,
    edition: int,
    *,
    as_of: datetime,
    folder: str,
    note: str,
    recipients: Sequence[str],
    now: datetime,
) -> bool:
    """Note that an edition lies in its folder, and whom it waits for; False where it was made."""
    with store.write() as connection:
        done = connection.execute(
            sa.text(
                "UPDATE pack_edition SET state = 'made', as_of = :as_of, made_at = :at,"
                " folder = :folder, note = :note WHERE id = :id AND state = 'making'"
            ),
            {
                "id": edition,
                "as_of": micros(as_of),
                "at": micros(now),
                "folder": folder,
                "note": note,
            },
        ).rowcount
        for recipient in recipients if done else ():
            connection.execute(
                sa.text(
                    "INSERT INTO pack_delivery (edition, recipient, state, tries, next_at, note)"
                    " VALUES (:id, :to, 'waiting', 0, :at, '') ON CONFLICT DO NOTHING"
                ),
                {"id": edition, "to": recipient, "at": micros(now)},
            )
    return bool(done)


def failed(store: KpiStore, edition: int, why: str) -> None:
    """Note that an edition could not be made."""
    with store.write() as connection:
        connection.execute(
            sa.text(
                "UPDATE pack_edition SET state = 'failed', note = :why"
                " WHERE id = :id AND state = 'making'"
            ),
            {"id": edition, "why": why[:500]},
        )


def edition(store: KpiStore, number: int) -> Edition | None:
    """One edition; None where there is none."""
    return next((one for one in _read(store, "WHERE e.id = :id", id=number)), None)


def before(store: KpiStore, pack: str, number: int) -> datetime | None:
    """The instant of the last edition of a pack that was made before one; None: there is none."""
    sql = "WHERE e.pack = :pack AND e.id < :id AND e.state = 'made' ORDER BY e.id DESC LIMIT 1"
    return next((one.as_of for one in _read(store, sql, pack=pack, id=number)), None)


def latest(store: KpiStore) -> list[Edition]:
    """The newest edition of every pack, those that were only noted left out."""
    newest = "WHERE e.id IN (SELECT MAX(id) FROM pack_edition WHERE state <> 'none' GROUP BY pack)"
    return list(_read(store, f"{newest} ORDER BY e.pack"))


def due(store: KpiStore, now: datetime) -> list[Delivery]:
    """The mails to send now, oldest first."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT d.edition, d.recipient, d.tries, e.folder FROM pack_delivery d"
                " JOIN pack_edition e ON e.id = d.edition WHERE d.state = 'waiting'"
                " AND d.next_at <= :at ORDER BY d.edition, d.recipient"
            ),
            {"at": micros(now)},
        ).all()
    return [Delivery(*row) for row in found]


def take(store: KpiStore, one: Delivery) -> bool:
    """Whether this mail is ours to send: nobody else has it, nor had it."""
    with store.write() as connection:
        return bool(
            connection.execute(
                sa.text(
                    "UPDATE pack_delivery SET state = 'sending', tries = tries + 1"
                    " WHERE edition = :e AND recipient = :r AND state = 'waiting'"
                ),
                {"e": one.edition, "r": one.recipient},
            ).rowcount
        )


def ended(store: KpiStore, one: Delivery, state: str, note: str, now: datetime) -> None:
    """Note how a mail ended; ``waiting`` is tried again later, for as often as that makes sense."""
    if state == "waiting" and one.tries + 1 >= MAIL_TRIES:
        state = "failed"
    with store.write() as connection:
        connection.execute(
            sa.text(
                "UPDATE pack_delivery SET state = :state, note = :note, next_at = :next,"
                " ended_at = :ended WHERE edition = :e AND recipient = :r AND state = 'sending'"
            ),
            {
                "e": one.edition,
                "r": one.recipient,
                "state": state,
                "note": note[:500],
                "next": micros(now + _wait(one.tries + 1)),
                "ended": None if state == "waiting" else micros(now),
            },
        )


def abandon(store: KpiStore, now: datetime) -> int:
    """Mails that were being sent when their process ended: nobody knows; how many."""
    with store.write() as connection:
        return connection.execute(
            sa.text(
                "UPDATE pack_delivery SET state = 'unsure', ended_at = :at, note ="
                " 'Tiến trình dừng khi đang gửi: không rõ thư đã đi chưa, không tự gửi lại.'"
                " WHERE state = 'sending'"
            ),
            {"at": micros(now)},
        ).rowcount


def _wait(tries: int) -> timedelta:
    return min(timedelta(minutes=1) * 4 ** max(tries - 1, 0), _LONGEST)


def _read(store: KpiStore, where: str, **given: object) -> list[Edition]:
    count = "(SELECT COUNT(*) FROM pack_delivery d WHERE d.edition = e.id AND d.state {})"
    why = (
        "(SELECT MAX(d.note) FROM pack_delivery d WHERE d.edition = e.id AND d.note <> ''"
        " AND d.state <> 'sent')"
    )
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT e.id, e.pack, e.slot, e.state, e.tries, e.as_of, e.made_at, e.folder,"
                f" e.note, {count.format('= :sent')}, {count.format('IN (:failed, :unsure)')},"
                f" {count.format('IN (:waiting, :sending)')}, {why} FROM pack_edition e {where}"
            ),
            {n: n for n in "sent failed unsure waiting sending".split()} | given,
        ).all()
    return [_edition(tuple(row)) for row in found]


def _edition(row: tuple) -> Edition:
    number, pack, slot, state, tries, as_of, made_at, folder, note, sent, failed, waiting, why = row
    return Edition(
        number,
        pack,
        instant_of(slot),
        state,
        tries,
        instant_of(as_of),
        instant_of(made_at),
        folder,
        note,
        sent,
        failed,
        waiting,
        why or "",
    )


def _laid_down(folder: Path, files: Mapping[str, bytes], mode: int) -> None:
    """Write files beside their place and put them there together."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        unfinished.mkdir(mode=mode, parents=True)
        for name, content in files.items():
            (unfinished / name).write_bytes(content)
        if folder.exists():  # of a try that was cut short before it was noted
            shutil.rmtree(folder)
        unfinished.replace(folder)
    except OSError as error:
        raise IocError(f"không ghi được {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

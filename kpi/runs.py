"""Run rows: what each poll did, from its begin to its end, whatever happens in between.

A slot has one run; who lost its run to another may write no more for it.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.errors import Transient
from ioc.model import Counts
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

TRIES = 3
"""A file that could not be taken so often is refused: it may be what ends the process."""
FAILED = ("retry", "broken", "needs_credentials", "timeout", "partial")
"""Outcomes after which a source counts as lost."""


class SlotTaken(Transient):
    """This slot of the source has its run already: nothing may be polled twice."""


class RunEnded(Transient):
    """Somebody else ended this run, so it was given up: nothing more may be written for it."""


def begin_run(
    store: KpiStore,
    source_id: str,
    now: datetime,
    slot: datetime | None = None,
    patience: timedelta = timedelta(0),
) -> int:
    """A new run row, its number returned; older runs that never ended are marked cut short.

    A run that was cut short gives its slot back, so that the next may try again at once. The
    schedule lets a poll by hand end for as long as its ``patience``: what a person confirms may
    take longer to read than the period of its source.

    Raises:
        SlotTaken: this slot has a run that was ended properly, or must wait for a poll by hand;
            nothing is written.
    """
    at = micros(now)
    with store.write() as connection:
        if slot is not None and _is_polled_by_hand(connection, source_id, now, patience):
            raise SlotTaken("đang có lần thu thập bằng tay; lượt này chờ lần đó kết thúc")
        connection.execute(
            sa.text(
                "UPDATE poll_run SET outcome = 'retry', ended_at = :at, slot = NULL, note ="
                " 'Tiến trình thu thập dừng giữa chừng; những lô đã ghi được giữ nguyên.'"
                " WHERE source = :source AND ended_at IS NULL AND given_by = ''"
            ),
            {"source": source_id, "at": at},
        )
        run = open_run(connection, source_id, at, slot=slot)
        if run is None:
            raise SlotTaken("lượt này đã được thu thập; không thu thập lần nữa")
        connection.execute(
            sa.text(
                "UPDATE source SET first_poll_at = COALESCE(first_poll_at, :at) WHERE id = :id"
            ),
            {"id": source_id, "at": _after_seals(connection, now)},
        )
    return run


def open_run(
    connection: Connection,
    source_id: str,
    at: int | None,
    *,
    slot: datetime | None = None,
    given_by: str = "",
) -> int | None:
    """A new run row, None where its slot has one; ``given_by`` says who gave the file it takes."""
    return connection.scalar(
        sa.text(
            "INSERT INTO poll_run (source, slot, started_at, outcome, note, read, new, changed,"
            " same, rejected, gone, calls, bytes, response_hash, given_by, cursor_before)"
            " VALUES (:source, :slot, :at, '', '', 0, 0, 0, 0, 0, 0, 0, 0, '', :by,"
            " (SELECT cursor FROM watermark WHERE source = :source))"
            " ON CONFLICT (source, slot) DO NOTHING RETURNING run"
        ),
        {"source": source_id, "slot": micros(slot), "at": at, "by": given_by},
    )


def _is_polled_by_hand(
    connection: Connection, source_id: str, now: datetime, patience: timedelta
) -> bool:
    found = connection.scalar(
        sa.text(
            "SELECT 1 FROM poll_run WHERE source = :source AND ended_at IS NULL AND slot IS NULL"
            " AND given_by = '' AND started_at > :since AND started_at <= :at LIMIT 1"
        ),
        {"source": source_id, "since": micros(now - patience), "at": micros(now)},
    )
    return found is not None


def writing(store: KpiStore, run: int) -> KpiStore:
    """The store as one run may write to it: no longer once somebody has ended the run."""

    def guard(connection: Connection) -> None:
        open_ = sa.text("SELECT 1 FROM poll_run WHERE run = :run AND ended_at IS NULL")
        if not connection.scalar(open_, {"run": run}):
            raise RunEnded("lần thu thập này đã bị thay thế; phần còn lại không ghi")

    return store.guarded(guard)


def end_run(
    store: KpiStore,
    run: int,
    *,
    outcome: str,
    note: str,
    counts: Counts,
    calls: int,
    bytes: int,
    response_hash: str,
    address: str = "",
    now: datetime,
    completed: bool,
    covered_until: datetime | None = None,
    stopped: bool = False,
    next_due: datetime | None = None,
) -> str:
    """End a run with what it did; whether the source is "lost" by it, or "back", or neither: "".

    ``completed`` says that everything the source had at ``covered_until`` was read: the watermark
    covers that instant (never moving backwards), and the source's first load is over. A run that
    was ``stopped`` by us says nothing of the source, and gives its slot back. That a source is
    lost is kept in the store: it is said once, whoever polls next. The run of a file that a person
    gave says nothing of its source either; its request ends in the same transaction.
    """
    covered = micros(covered_until)
    with store.write() as connection:
        at = _after_seals(connection, now)
        source_id, given_by = connection.execute(
            sa.text("SELECT source, given_by FROM poll_run WHERE run = :run"), {"run": run}
        ).one()
        if given_by:
            completed, stopped = False, _settle(connection, run, outcome, note, counts, at)
        if completed:
            connection.execute(
                sa.text(
                    "INSERT INTO watermark (source, covered_until) VALUES (:id, :covered)"
                    " ON CONFLICT (source) DO UPDATE SET covered_until = CASE WHEN"
                    " COALESCE(watermark.covered_until, 0) > COALESCE(excluded.covered_until, 0)"
                    " THEN watermark.covered_until ELSE excluded.covered_until END"
                ),
                {"id": source_id, "covered": covered},
            )
            connection.execute(
                sa.text("UPDATE source SET loaded_at = COALESCE(loaded_at, :at) WHERE id = :id"),
                {"id": source_id, "at": at},
            )
        mute = stopped or given_by or outcome == "skipped"
        news = "" if mute else _news(connection, source_id, outcome, at)
        connection.execute(
            sa.text(
                "UPDATE source SET needs_credentials = :needs,"
                " next_due_at = COALESCE(:next, next_due_at) WHERE id = :id AND :by = ''"
            ),
            {
                "id": source_id,
                "by": given_by,
                "needs": int(outcome == "needs_credentials"),
                "next": micros(next_due),
            },
        )
        connection.execute(
            sa.text(
                "UPDATE poll_run SET ended_at = :at, outcome = :outcome, note = :note,"
                " slot = CASE WHEN :stopped = 1 THEN NULL ELSE slot END,"
                " read = :read, new = :new, changed = :changed, same = :same,"
                " rejected = :rejected, gone = :gone, calls = :calls, bytes = :bytes,"
                " response_hash = :hash, address = :address, covered_until = :covered,"
                " cursor_after = (SELECT cursor FROM watermark WHERE source = :source)"
                " WHERE run = :run"
            ),
            {
                "run": run,
                "source": source_id,
                "at": at,
                "stopped": int(stopped),
                "outcome": outcome,
                "note": note,
                "read": counts.read,
                "new": counts.new,
                "changed": counts.changed,
                "same": counts.same,
                "rejected": counts.rejected,
                "gone": counts.gone,
                "calls": calls,
                "bytes": bytes,
                "hash": response_hash,
                "address": address,
                "covered": covered if completed else None,
            },
        )
        store.touch(connection, [f"source:{source_id}"])
    return news


def _settle(
    connection: Connection, run: int, outcome: str, note: str, counts: Counts, at: int
) -> bool:
    """End the request of a run, or let it wait for another try; whether it waits."""
    again = outcome not in ("ok", "empty", "broken")
    taken = outcome == "ok" and counts.read > counts.rejected
    tried = (
        connection.scalar(sa.text("SELECT tries FROM request WHERE run = :run"), {"run": run}) or 0
    )
    again = again and tried < TRIES
    state = "waiting" if again else "done" if taken else "refused"
    connection.execute(
        sa.text(
            "UPDATE request SET state = :state, note = :note, ended_at = :at"
            " WHERE run = :run AND state = 'claimed'"
        ),
        {"run": run, "state": state, "note": note, "at": None if again else at},
    )
    return again


def _news(connection: Connection, source_id: str | None, outcome: str, at: int) -> str:
    lost = connection.scalar(
        sa.text("SELECT lost_at FROM source WHERE id = :id"), {"id": source_id}
    )
    if (outcome in FAILED) == (lost is not None):
        return ""
    connection.execute(
        sa.text("UPDATE source SET lost_at = :at WHERE id = :id"),
        {"id": source_id, "at": at if lost is None else None},
    )
    return "lost" if lost is None else "back"


def _after_seals(connection: Connection, now: datetime) -> int:
    """Now, but after every seal so far: what a seal showed does not learn of a run later."""
    last = connection.scalar(sa.text("SELECT MAX(at) FROM seal")) or 0
    return max(micros(now) or 0, last + 1)


def watermark(store: KpiStore, source_id: str) -> str | None:
    """The cursor that the next poll of a source resumes from; None before its first rows."""
    with store.read() as connection:
        return connection.scalar(
            sa.text("SELECT cursor FROM watermark WHERE source = :id"), {"id": source_id}
        )


def last_outcome(store: KpiStore, source_id: str) -> str:
    """The outcome of the newest ended run; empty before the first."""
    with store.read() as connection:
        return (
            connection.scalar(
                sa.text(
                    "SELECT outcome FROM poll_run WHERE source = :id AND ended_at IS NOT NULL"
                    " AND given_by = '' ORDER BY run DESC LIMIT 1"
                ),
                {"id": source_id},
            )
            or ""
        )


def last_read(store: KpiStore, source_id: str) -> int:
    """How many rows the last poll read that reached the end of what the source had."""
    with store.read() as connection:
        return (
            connection.scalar(
                sa.text(
                    "SELECT read FROM poll_run WHERE source = :id AND covered_until IS NOT NULL"
                    " ORDER BY run DESC LIMIT 1"
                ),
                {"id": source_id},
            )
            or 0
        )


def is_refused(store: KpiStore, source_id: str) -> bool:
    """Whether the last poll of a source was refused for its credentials."""
    with store.read() as connection:
        found = connection.scalar(
            sa.text("SELECT needs_credentials FROM source WHERE id = :id"), {"id": source_id}
        )
    return bool(found)


def is_paused(store: KpiStore, source_id: str) -> bool:
    """Whether somebody paused a source: its turns are left out until it is resumed."""
    with store.read() as connection:
        found = connection.scalar(
            sa.text("SELECT paused FROM source WHERE id = :id"), {"id": source_id}
        )
    return bool(found)


def newest_slots(store: KpiStore) -> dict[str, datetime]:
    """The newest slot of each source that has a run which ended."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT source, MAX(slot) FROM poll_run"
                " WHERE slot IS NOT NULL AND ended_at IS NOT NULL GROUP BY source"
            )
        ).all()
    return {source: at for source, slot in found if (at := instant_of(slot)) is not None}

"""What the polls did: sources as the poller runs them, run rows, watermarks.

The poller writes here, screens read it through ``kpi.query``; a run is recorded whatever happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import speed
from ioc.errors import Transient
from ioc.model import Counts
from ioc.source import Source
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

LEASE = "poll"
"""The name of the lease of the process that schedules."""
GRACE = timedelta(seconds=30)
FAILED = ("retry", "broken", "needs_credentials", "timeout", "partial")
"""Outcomes after which a source counts as lost."""


class SlotTaken(Transient):
    """This slot of the source has its run already: nothing may be polled twice."""


class RunEnded(Transient):
    """Somebody else ended this run, so it was given up: nothing more may be written for it."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that schedules, as it said itself; its ``until`` is by its own wall clock."""

    holder: str
    fence: int
    until: datetime


def publish_sources(store: KpiStore, sources: Sequence[Source]) -> None:
    """Make table ``source`` say what the poller runs; others keep their history, unconfigured.

    ``late_after`` and ``stale_after`` are stored in seconds; ``reporting_days`` is -1 for sources
    of records, whose age is that of the covered watermark.
    """
    with store.write() as connection:
        connection.execute(sa.text("UPDATE source SET configured = 0"))
        for source in sources:
            late, stale = source.limits
            values = {
                "id": source.id,
                "name": source.name,
                "sector": source.sector,
                "kind": source.kind,
                "owner": source.owner,
                "every": int(source.every.total_seconds()),
                "late_after": int(late.total_seconds()),
                "stale_after": int(stale.total_seconds()),
                "reporting_days": -1
                if source.record
                else (10 if source.reporting_days is None else source.reporting_days),
                "serves": ",".join(source.serves),
                "record": source.record or "",
                "sample": int(source.sample),
                "paused": 0,
                "needs_credentials": 0,
                "configured": 1,
                "deadline": int(source.options.get("poll_deadline", 900)),
            }
            kept = ("id", "paused", "needs_credentials")
            changed = ", ".join(f"{name} = excluded.{name}" for name in values if name not in kept)
            connection.execute(
                sa.text(
                    f"INSERT INTO source ({', '.join(values)})"
                    f" VALUES ({', '.join(':' + name for name in values)})"
                    f" ON CONFLICT (id) DO UPDATE SET {changed}"
                ),
                values,
            )
        store.touch(connection, [f"source:{source.id}" for source in sources])


def begin_run(store: KpiStore, source_id: str, now: datetime, slot: datetime | None = None) -> int:
    """A new run row, its number returned; older runs that never ended are marked cut short.

    A run that was cut short gives its slot back, so that the next may try again at once.

    Raises:
        SlotTaken: this slot has a run that was ended properly; nothing is written.
    """
    at = micros(now)
    with store.write() as connection:
        connection.execute(
            sa.text(
                "UPDATE poll_run SET outcome = 'retry', ended_at = :at, slot = NULL, note ="
                " 'Tiến trình thu thập dừng giữa chừng; những lô đã ghi được giữ nguyên.'"
                " WHERE source = :source AND ended_at IS NULL"
            ),
            {"source": source_id, "at": at},
        )
        run = connection.scalar(
            sa.text(
                "INSERT INTO poll_run (source, slot, started_at, outcome, note, read, new, changed,"
                " same, rejected, gone, calls, bytes, response_hash, cursor_before)"
                " VALUES (:source, :slot, :at, '', '', 0, 0, 0, 0, 0, 0, 0, 0, '',"
                " (SELECT cursor FROM watermark WHERE source = :source))"
                " ON CONFLICT (source, slot) DO NOTHING RETURNING run"
            ),
            {"source": source_id, "slot": micros(slot), "at": at},
        )
        if run is None:
            raise SlotTaken("lượt này đã được thu thập; không thu thập lần nữa")
        connection.execute(
            sa.text(
                "UPDATE source SET first_poll_at = COALESCE(first_poll_at, :at) WHERE id = :id"
            ),
            {"id": source_id, "at": _after_seals(connection, now)},
        )
    return run


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
    lost is kept in the store: it is said once, whoever polls next.
    """
    covered = micros(covered_until)
    with store.write() as connection:
        at = _after_seals(connection, now)
        source_id = connection.scalar(
            sa.text("SELECT source FROM poll_run WHERE run = :run"), {"run": run}
        )
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
        news = "" if stopped or outcome == "skipped" else _news(connection, source_id, outcome, at)
        connection.execute(
            sa.text(
                "UPDATE source SET needs_credentials = :needs,"
                " next_due_at = COALESCE(:next, next_due_at) WHERE id = :id"
            ),
            {
                "id": source_id,
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
                " response_hash = :hash, covered_until = :covered,"
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
                "covered": covered if completed else None,
            },
        )
        store.touch(connection, [f"source:{source_id}"])
    return news


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
                    " ORDER BY run DESC LIMIT 1"
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


def leader(store: KpiStore) -> Leader | None:
    """Who schedules: None before the first, and after the last gave the lease back."""
    with store.read() as connection:
        row = connection.execute(
            sa.text("SELECT holder, fence, expires_at FROM lease WHERE name = :name"),
            {"name": LEASE},
        ).first()
    until = instant_of(row.expires_at) if row else None
    return Leader(row.holder, row.fence, until) if row and row.expires_at and until else None


def overdue(store: KpiStore, since: datetime, now: datetime) -> dict[str, datetime]:
    """The sources that nobody has polled for two of their periods, and since when; counted from
    ``since`` at the earliest.

    Ours, not the remote system's fault: a poll that failed was still a poll. A source is not
    missed while its poll lasts no longer than its deadline, while it asked for peace
    (Retry-After), nor while it is paused or waits for credentials.
    """
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT s.id, s.every, s.deadline, s.next_due_at, r.started_at, r.ended_at"
                " FROM source s LEFT JOIN poll_run r ON r.run ="
                " (SELECT MAX(run) FROM poll_run WHERE source = s.id)"
                " WHERE s.configured = 1 AND s.paused = 0 AND s.needs_credentials = 0 ORDER BY s.id"
            )
        ).all()
    late = {}
    for id_, every, deadline, next_due, started, ended in found:
        begun, period = instant_of(started), timedelta(seconds=every)
        known = [since, instant_of(next_due), instant_of(ended), begun and begun + period]
        due = max(at for at in known if at is not None) + period
        if begun is not None and ended is None:
            due = max(due, begun + timedelta(seconds=deadline) * speed())
        if now > due + GRACE * speed():
            late[id_] = due
    return late

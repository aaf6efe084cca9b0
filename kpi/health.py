"""What the polls did: sources as the poller runs them, run rows, watermarks.

The poller writes here, screens read it through ``kpi.query``; a run is recorded whatever happens.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.model import Counts
from ioc.source import Source
from kpi.schema import micros
from kpi.store import KpiStore


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
    """A new run row, its number returned; older runs that never ended are marked cut short."""
    at = micros(now)
    with store.write() as connection:
        connection.execute(
            sa.text(
                "UPDATE poll_run SET outcome = 'retry', ended_at = :at, note ="
                " 'Tiến trình thu thập dừng giữa chừng; những lô đã ghi được giữ nguyên.'"
                " WHERE source = :source AND ended_at IS NULL"
            ),
            {"source": source_id, "at": at},
        )
        connection.execute(
            sa.text(
                "UPDATE source SET first_poll_at = COALESCE(first_poll_at, :at) WHERE id = :id"
            ),
            {"id": source_id, "at": _after_seals(connection, now)},
        )
        run = connection.scalar(
            sa.text(
                "INSERT INTO poll_run (source, slot, started_at, outcome, note, read, new, changed,"
                " same, rejected, gone, calls, bytes, response_hash, cursor_before)"
                " VALUES (:source, :slot, :at, '', '', 0, 0, 0, 0, 0, 0, 0, 0, '',"
                " (SELECT cursor FROM watermark WHERE source = :source)) RETURNING run"
            ),
            {"source": source_id, "slot": micros(slot), "at": at},
        )
    assert run is not None
    return run


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
) -> None:
    """End a run with what it did.

    ``completed`` says that everything the source had at ``covered_until`` was read: the watermark
    covers that instant (never moving backwards), and the source's first load is over.
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
        connection.execute(
            sa.text("UPDATE source SET needs_credentials = :needs WHERE id = :id"),
            {"id": source_id, "needs": int(outcome == "needs_credentials")},
        )
        connection.execute(
            sa.text(
                "UPDATE poll_run SET ended_at = :at, outcome = :outcome, note = :note,"
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

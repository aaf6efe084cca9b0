"""What the poller says of itself: its sources, its runs (``kpi.runs``), who leads, who is overdue.

The poller writes here, screens read it through ``kpi.query``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ioc.clock import speed
from ioc.form import form_of
from ioc.source import Source
from kpi.editions import latest as packs
from kpi.runs import (
    FAILED,
    RunEnded,
    SlotTaken,
    begin_run,
    end_run,
    is_paused,
    is_refused,
    last_outcome,
    last_read,
    newest_slots,
    watermark,
    writing,
)
from kpi.schema import instant_of
from kpi.store import KpiStore

LEASE = "poll"
"""The name of the lease of the process that schedules."""
GRACE = timedelta(seconds=30)


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
                "form": _form(source),
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


def _form(source: Source) -> str:
    form = form_of(source)
    return json.dumps(form, ensure_ascii=False) if form else ""


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
                " (SELECT MAX(run) FROM poll_run WHERE source = s.id AND given_by = '')"
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


__all__ = [
    "FAILED",
    "GRACE",
    "LEASE",
    "Leader",
    "RunEnded",
    "SlotTaken",
    "begin_run",
    "end_run",
    "is_paused",
    "is_refused",
    "last_outcome",
    "last_read",
    "leader",
    "newest_slots",
    "overdue",
    "packs",
    "publish_sources",
    "watermark",
    "writing",
]

"""What the product can say of itself at any moment, at a cost that does not grow with its age."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import speed
from kpi import health, migrate
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

RECENT = timedelta(days=1)
LOOKED = 50_000
"""The newest runs that are looked at; their day is seldom longer."""
ROWS = ("read", "new", "changed", "same", "rejected", "gone")


@dataclass(frozen=True, slots=True)
class SourceGauge:
    """One source: seconds since its poll was due (0: it is not), and since its data's own time."""

    id: str
    paused: bool
    needs_credentials: bool
    overdue: float
    data_age: float | None
    last_outcome: str
    runs: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gauges:
    """The store and its sources; sizes in bytes, ``wal_size`` on SQLite only."""

    version: int
    schema: str
    size: int
    wal_size: int | None
    leader: health.Leader | None
    led: bool
    sources: tuple[SourceGauge, ...]


def gauges(store: KpiStore, now: datetime) -> Gauges:
    """Everything in one snapshot; runs and rows are those of the last day."""
    leader = health.leader(store)
    with store.read() as connection:
        size, wal = _sizes(store, connection)
        return Gauges(
            version=connection.scalar(sa.text("SELECT MAX(version) FROM boundary")) or 0,
            schema=migrate.revision(connection),
            size=size,
            wal_size=wal,
            leader=leader,
            led=leads(leader, now),
            sources=tuple(_sources(connection, now)),
        )


def leads(leader: health.Leader | None, now: datetime) -> bool:
    """Whether somebody schedules; its own clock and ours may differ by the grace."""
    return leader is not None and now <= leader.until + health.GRACE * speed()


def at_head(store: KpiStore) -> bool:
    """Whether the database has this release's schema; raises when it cannot be read."""
    with store.read() as connection:
        return migrate.revision(connection) == migrate.head()


def _sizes(store: KpiStore, connection: Connection) -> tuple[int, int | None]:
    if not store.sqlite:
        size = connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
        return size or 0, None
    pages, size = (connection.scalar(sa.text(f"PRAGMA page_{of}")) or 0 for of in ("count", "size"))
    wal = Path(store.url.removeprefix("sqlite:///") + "-wal")
    return pages * size, wal.stat().st_size if wal.exists() else 0


def _sources(connection: Connection, now: datetime) -> list[SourceGauge]:
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in ROWS)
    recent = connection.execute(
        sa.text(
            f"SELECT source, outcome, COUNT(*) AS runs, {sums} FROM poll_run"
            " WHERE run > (SELECT MAX(run) FROM poll_run) - :looked AND ended_at >= :since"
            " GROUP BY source, outcome"
        ),
        {"looked": LOOKED, "since": micros(now - RECENT)},
    ).all()
    found = connection.execute(
        sa.text(
            "SELECT s.id, s.paused, s.needs_credentials, s.record, s.next_due_at, w.covered_until,"
            " (SELECT r.outcome FROM poll_run r WHERE r.source = s.id AND r.ended_at IS NOT NULL"
            " AND r.given_by = '' ORDER BY r.run DESC LIMIT 1) AS outcome,"
            " (SELECT r.ended_at FROM poll_run r WHERE r.source = s.id"
            " AND r.covered_until IS NOT NULL ORDER BY r.run DESC LIMIT 1) AS good"
            " FROM source s LEFT JOIN watermark w ON w.source = s.id WHERE s.configured = 1"
            " ORDER BY s.id"
        )
    )
    return [_gauge(row, [one for one in recent if one.source == row.id], now) for row in found]


def _gauge(row: Any, recent: list[Any], now: datetime) -> SourceGauge:
    due = instant_of(row.next_due_at)
    since = instant_of(row.covered_until if row.record else row.good)
    if due is None or row.paused or row.needs_credentials:
        due = now
    return SourceGauge(
        id=row.id,
        paused=bool(row.paused),
        needs_credentials=bool(row.needs_credentials),
        overdue=max(0.0, (now - due).total_seconds()),
        data_age=(now - since).total_seconds() if since else None,
        last_outcome=row.outcome or "",
        runs={one.outcome: one.runs for one in recent},
        rows={name: sum(getattr(one, name) for one in recent) for name in ROWS},
    )

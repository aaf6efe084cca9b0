"""The polls as pages show them: sources with their state, newest runs, rejections."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import pace
from kpi.answer import Answer, Snapshot
from kpi.requests import FILES
from kpi.schema import instant_of, micros
from kpi.scope import entitled, may_read_source, may_serve, reads_all
from kpi.store import KpiStore

SOURCE_COLUMNS = (
    "source name sector kind owner every late_after stale_after serves sample paused"
    " needs_credentials last_run last_good_at next_run_at freshness covered_until first_poll_at"
    " loaded_at records rejected record"
).split()
RUN_COLUMNS = (
    "run source started_at ended_at outcome note read new changed same rejected gone calls bytes"
    " response_hash address given_by"
).split()
UPLOAD_COLUMNS = (
    "request source file hash size who at state ended_at run outcome read new changed same rejected"
    " note"
).split()
ASKED_COLUMNS = (
    "request kind source who at state ended_at run outcome read new changed same rejected note"
).split()
_REQUEST = {"request": "q.id"} | {
    name: f"r.{name}" for name in "outcome read new changed same rejected".split()
}
"""Where a column of requests stands, if not under its name in ``request``."""
REJECTION_COLUMNS = "source run position reason fields at rule".split()


def sources(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The sources as the poller runs them, with the state of their newest runs.

    ``as_of`` an instant, ``last_good_at``, ``covered_until`` and ``freshness`` are what was known
    of the polls that had ended by then; all else is as it is now. ``every``, ``late_after`` and
    ``stale_after`` are seconds; ``next_run_at`` is what the schedule
    said last, unknown while a source is paused; ``records`` counts what is stored, ``rejected``
    all rows that were refused or taken under suspicion, both unknown to whoever may not read the
    whole territory; ``record`` is the kind of the records
    that a source brings, empty where it brings figures. A source whose figures ``who`` may not
    read at all has no row.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    every = reads_all(store, who)
    reached, by = "w.covered_until", ""
    if as_of:
        by = f" AND r.ended_at <= {micros(as_of)}"
        reached = (
            "(SELECT MAX(r.covered_until) FROM poll_run r WHERE r.source = s.id"
            f"{by}) AS covered_until"
        )

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        found = snapshot.connection.execute(
            sa.text(
                f"SELECT s.*, {reached},"
                " (SELECT r.run FROM poll_run r WHERE r.source = s.id AND r.given_by = ''"
                " ORDER BY r.run DESC LIMIT 1) AS last_run,"
                " (SELECT r.started_at FROM poll_run r WHERE r.source = s.id AND r.given_by = ''"
                " ORDER BY r.run DESC LIMIT 1) AS last_started,"
                " (SELECT r.ended_at FROM poll_run r WHERE r.source = s.id"
                f" AND r.covered_until IS NOT NULL{by} ORDER BY r.run DESC LIMIT 1) AS last_good,"
                " (SELECT COUNT(*) FROM rejection j WHERE j.source = s.id) AS rejected,"
                " (SELECT CAST(SUM(r.new) - SUM(r.gone) AS BIGINT) FROM poll_run r"
                " WHERE r.source = s.id) AS stored"
                " FROM source s LEFT JOIN watermark w ON w.source = s.id"
                " WHERE s.configured = 1 ORDER BY s.id"
            )
        )
        for r in found:
            if sources is not None and r.id not in sources:
                continue
            if not may_serve(store, who, r.id):
                continue
            counted = every and may_read_source(store, who, r.id)
            covered, good = instant_of(r.covered_until), instant_of(r.last_good)
            # a source of readings is polled for files: its age is that of the last good poll
            since = covered if r.record else good
            limits = pace.record_limits(
                since, timedelta(seconds=r.late_after), timedelta(seconds=r.stale_after)
            )
            yield (
                r.id,
                r.name,
                r.sector,
                r.kind,
                r.owner,
                r.every,
                r.late_after,
                r.stale_after,
                r.serves,
                r.sample,
                r.paused,
                r.needs_credentials,
                r.last_run,
                good,
                _next_run(r),
                pace.freshness(clock, *limits),
                covered,
                instant_of(r.first_poll_at),
                instant_of(r.loaded_at),
                r.stored if counted else None,
                r.rejected if counted else None,
                r.record,
            )

    return Answer(tuple(SOURCE_COLUMNS), store, rows, now)


def _next_run(r: sa.Row) -> datetime | None:
    """What the schedule said, else a period after the last start; None for whoever is paused."""
    if r.paused or r.needs_credentials:
        return None
    begun = instant_of(r.last_started)
    return instant_of(r.next_due_at) or (begun and begun + timedelta(seconds=r.every))


def runs(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None,
    limit: int = 30,
    now: datetime | None = None,
) -> Answer:
    """The newest poll runs of each source, newest first; ``ended_at`` is unknown while it runs.

    ``numbers`` takes only these runs. ``given_by`` is who gave the file that a run took, empty
    for every other poll; its ``response_hash`` is then the file's own, its ``address`` the name.
    Whoever may not read the whole territory learns when and with what outcome a poll ran, and
    nothing of what it brought.
    """
    who = entitled(who, now)
    only = "" if numbers is None else f" AND run IN ({', '.join(map(str, numbers)) or 'NULL'})"

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for source in _sources(store, who, snapshot.connection, sources):
            counted = reads_all(store, who) and may_read_source(store, who, source)
            found = snapshot.connection.execute(
                sa.text(
                    f"SELECT {', '.join(RUN_COLUMNS)} FROM poll_run WHERE source = :source{only}"
                    " ORDER BY run DESC LIMIT :limit"
                ),
                {"source": source, "limit": limit},
            )
            for row in found:
                told = row[4:] if counted else (row[4], "", *[None] * 8, "", "", "")
                yield (*row[:2], instant_of(row[2]), instant_of(row[3]), *told)

    matching = _matching(store, who, "poll_run", sources, limit) if numbers is None else None
    return Answer(tuple(RUN_COLUMNS), store, rows, now, matching=matching)


def uploads(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    limit: int = 50,
    now: datetime | None = None,
) -> Answer:
    """Files that people gave for a source, newest first, and what became of them.

    ``state`` is waiting, claimed, done or refused; ``size`` in bytes, ``hash`` the SHA-256 of the
    file, which is not kept; ``run`` and its counts are those of the newest try. ``note`` says why.
    Whoever may not read the whole territory sees their own.
    """
    return _requests(store, who, sources, limit, now, "IN", UPLOAD_COLUMNS)


def asked(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    limit: int = 20,
    now: datetime | None = None,
) -> Answer:
    """What people asked about a source, newest first: pause, resume, repoll, replay.

    ``state`` is waiting, claimed, done or refused. ``note`` is the reason that was given and, once
    a run came of it, what that run says; its counts are unknown where there is none. Whoever may
    not read the whole territory sees their own.
    """
    return _requests(store, who, sources, limit, now, "NOT IN", ASKED_COLUMNS)


def _requests(
    store: KpiStore,
    who: Principal,
    sources: Sequence[str] | None,
    limit: int,
    now: datetime | None,
    files: str,
    columns: list[str],
) -> Answer:
    """The requests whose kinds are those of files (``IN``) or the others, with their runs."""
    who = entitled(who, now)
    mine = _hers(store, who)
    only = f" AND q.kind {files} {FILES}{mine}"
    sql = sa.text(
        f"SELECT {', '.join(_REQUEST.get(name, f'q.{name}') for name in columns)}"
        " FROM request q LEFT JOIN poll_run r ON r.run = q.run"
        f" WHERE q.source = :source{only} ORDER BY q.id DESC LIMIT :limit"
    )
    instants = [name in ("at", "ended_at") for name in columns]

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for source in _sources(store, who, snapshot.connection, sources, whole=True):
            asked_for = {"source": source, "limit": limit, **_named(mine, who)}
            for row in snapshot.connection.execute(sql, asked_for):
                pairs = zip(row, instants, strict=True)
                yield tuple(instant_of(one) if instant else one for one, instant in pairs)

    matching = _matching(store, who, "request q", sources, limit, only)
    return Answer(tuple(columns), store, rows, now, matching=matching)


def form(store: KpiStore, source: str) -> dict[str, Any]:
    """What a template of a source needs (``ioc.form.form_of``); empty where it has none."""
    with store.read() as connection:
        said = connection.scalar(
            sa.text("SELECT form FROM source WHERE id = :id AND configured = 1"), {"id": source}
        )
    return json.loads(said) if said else {}


def rejections(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    limit: int = 500,
    now: datetime | None = None,
) -> Answer:
    """Rows refused or suspected, newest first: position, reason, coded fields (JSON), rule.

    Whose row it was is not known, so they are told only to whoever may read the whole territory.
    """
    who = entitled(who, now)
    none = "" if reads_all(store, who) else " AND 1 = 0"

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for source in _sources(store, who, snapshot.connection, sources, whole=True):
            found = snapshot.connection.execute(
                sa.text(
                    f"SELECT {', '.join(REJECTION_COLUMNS)} FROM rejection"
                    f" WHERE source = :source{none} ORDER BY id DESC LIMIT :limit"
                ),
                {"source": source, "limit": limit},
            )
            for row in found:
                yield (
                    *row[:4],
                    json.dumps(json.loads(row[4]), ensure_ascii=False),
                    instant_of(row[5]),
                    row[6],
                )

    matching = _matching(store, who, "rejection", sources, limit, none)
    return Answer(tuple(REJECTION_COLUMNS), store, rows, now, matching=matching)


def _matching(
    store: KpiStore,
    who: Principal,
    table: str,
    wanted: Sequence[str] | None,
    limit: int,
    more: str = "",
) -> int:
    """How many rows there are of these sources, at most ``limit`` of each."""
    count = f"SELECT 1 FROM {table} WHERE source = :source{more} LIMIT :limit"
    known = _named(more, who)
    with store.read() as connection:
        return sum(
            connection.scalar(
                sa.text(f"SELECT COUNT(*) FROM ({count}) AS x"),
                {"source": source, "limit": limit, **known},
            )
            or 0
            for source in _sources(store, who, connection, wanted, whole=table != "poll_run")
        )


def _hers(store: KpiStore, who: Principal) -> str:
    """What narrows requests to one's own, for whoever may not read the whole territory."""
    return "" if reads_all(store, who) else " AND q.who = :who"


def _named(condition: str, who: Principal) -> dict[str, str]:
    return {"who": who.name} if ":who" in condition else {}


def _sources(
    store: KpiStore,
    who: Principal,
    connection: Connection,
    wanted: Sequence[str] | None,
    *,
    whole: bool = False,
) -> list[str]:
    """The sources that are wanted and serve what may be read; ``whole``: only that."""
    known = connection.execute(sa.text("SELECT id FROM source ORDER BY id")).scalars()
    may = may_read_source if whole else may_serve
    return [
        source
        for source in known
        if (wanted is None or source in wanted) and may(store, who, source)
    ]

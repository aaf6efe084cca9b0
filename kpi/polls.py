"""The polls as pages show them: sources with their state, newest runs, rejections."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import pace
from kpi.answer import Answer, Snapshot, take_snapshot
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
_NOW = {
    "covered": "w.covered_until",
    "paused": "s.paused",
    "needs": "s.needs_credentials",
    "begun": "",
    "ended": "",
    "refused": "",
}
"""What a source's columns rest on now."""
_BEGUN = "(ended_at <= :heard OR started_at < :at)"
"""Whether a run had begun at an instant: no seal that it came after knows of it."""
_THEN = {
    "covered": "(SELECT MAX(r.covered_until) FROM poll_run r WHERE r.source = s.id"
    " AND r.ended_at <= :heard)",
    "paused": "COALESCE((SELECT CASE q.kind WHEN 'pause' THEN 1 ELSE 0 END FROM request q"
    " WHERE q.source = s.id AND q.kind IN ('pause', 'resume') AND q.state = 'done'"
    " AND q.ended_at <= :heard ORDER BY q.ended_at DESC, q.id DESC LIMIT 1), 0)",
    "needs": "COALESCE((SELECT CASE r.outcome WHEN 'needs_credentials' THEN 1 ELSE 0 END"
    " FROM poll_run r WHERE r.source = s.id AND r.given_by = '' AND r.ended_at <= :heard"
    " ORDER BY r.run DESC LIMIT 1), 0)",
    "begun": f" AND {_BEGUN}",
    "ended": " AND r.ended_at <= :heard",
    "refused": " AND j.run IN (SELECT r.run FROM poll_run r WHERE r.source = s.id"
    " AND r.ended_at <= :heard)",
}
"""The same at an instant: what the polls and orders that had ended by then say."""


def _sources_sql(of: dict[str, str]) -> str:
    run = "FROM poll_run r WHERE r.source = s.id"
    return (
        "SELECT s.id, s.name, s.sector, s.kind, s.owner, s.every, s.late_after, s.stale_after,"
        " s.serves, s.sample, s.next_due_at, s.first_poll_at, s.loaded_at, s.record,"
        f" {of['covered']} AS covered_until, {of['paused']} AS paused,"
        f" {of['needs']} AS needs_credentials,"
        f" (SELECT r.run {run} AND r.given_by = ''{of['begun']}"
        " ORDER BY r.run DESC LIMIT 1) AS last_run,"
        f" (SELECT r.started_at {run} AND r.given_by = ''{of['begun']}"
        " ORDER BY r.run DESC LIMIT 1) AS last_started,"
        f" (SELECT r.ended_at {run} AND r.covered_until IS NOT NULL{of['ended']}"
        " ORDER BY r.run DESC LIMIT 1) AS last_good,"
        f" (SELECT COUNT(*) FROM rejection j WHERE j.source = s.id{of['refused']}) AS rejected,"
        f" (SELECT CAST(SUM(r.new) - SUM(r.gone) AS BIGINT) {run}{of['ended']}) AS stored"
        " FROM source s LEFT JOIN watermark w ON w.source = s.id"
        " WHERE s.configured = 1 ORDER BY s.id"
    )


def sources(
    store: KpiStore,
    who: Principal,
    *,
    sources: Sequence[str] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The sources as the poller runs them, with the state of their newest runs.

    ``as_of`` an instant, they are as they were known by the polls and orders that had ended by
    then; ``next_run_at`` is unknown, and what a source is (name, owner, limits, whom it serves)
    is as it is configured now. ``every``, ``late_after`` and
    ``stale_after`` are seconds; ``next_run_at`` is what the schedule
    said last, unknown while a source is paused; ``records`` counts what is stored, ``rejected``
    all rows that were refused or taken under suspicion, both unknown to whoever may not read the
    whole territory; ``record`` is the kind of the records
    that a source brings, empty where it brings figures. A source whose figures ``who`` may not
    read at all has no row.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    every, sql = reads_all(store, who), sa.text(_sources_sql(_THEN if as_of else _NOW))

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        known = {"heard": snapshot.heard, "at": micros(as_of)} if as_of else {}
        found = snapshot.connection.execute(sql, known)
        for r in found:
            if sources is not None and r.id not in sources:
                continue
            if not may_serve(store, who, r.id):
                continue
            counted = every and may_read_source(store, who, r.id)
            covered, good = instant_of(r.covered_until), instant_of(r.last_good)
            # a source of readings is polled for files: its age is that of the last good poll
            since, state = covered if r.record else good, snapshot.sources.get(r.id)
            late, stale = timedelta(seconds=r.late_after), timedelta(seconds=r.stale_after)
            if state and state.reconstructed:  # known by the weeks of its own change times
                since = covered = state.covered_until
                late, stale = state.late_after, state.stale_after
            limits = pace.record_limits(since, late, stale)
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
                None if as_of else _next_run(r),
                pace.freshness(clock, *limits),
                covered,
                _by(r.first_poll_at, as_of),
                _by(r.loaded_at, as_of),
                r.stored if counted else None,
                r.rejected if counted else None,
                r.record,
            )

    return Answer(tuple(SOURCE_COLUMNS), store, rows, now, as_of)


def _by(at: int | None, as_of: datetime | None) -> datetime | None:
    """An instant, unknown where it was still to come at ``as_of``."""
    found = instant_of(at)
    return found if as_of is None or found is None or found <= as_of else None


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
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The newest poll runs of each source, newest first; ``ended_at`` is unknown while it runs.

    ``as_of`` an instant those that had begun by then; one that had not ended has brought nothing.

    ``numbers`` takes only these runs. ``given_by`` is who gave the file that a run took, empty
    for every other poll; its ``response_hash`` is then the file's own, its ``address`` the name.
    Whoever may not read the whole territory learns when and with what outcome a poll ran, and
    nothing of what it brought.
    """
    who = entitled(who, now)
    only = "" if numbers is None else f" AND run IN ({', '.join(map(str, numbers)) or 'NULL'})"
    only += f" AND {_BEGUN}" if as_of else ""
    known = _then(store, as_of, now)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for source in _sources(store, who, snapshot.connection, sources):
            counted = reads_all(store, who) and may_read_source(store, who, source)
            found = snapshot.connection.execute(
                sa.text(
                    f"SELECT {', '.join(RUN_COLUMNS)} FROM poll_run WHERE source = :source{only}"
                    " ORDER BY run DESC LIMIT :limit"
                ),
                {"source": source, "limit": limit, **known},
            )
            for said in found:
                row = tuple(said)
                if said.ended_at is not None and said.ended_at > snapshot.heard:
                    row = (*row[:3], None, "", "", *[0] * 8, "", "", said.given_by)
                told = row[4:] if counted else (row[4], "", *[None] * 8, "", "", "")
                yield (*row[:2], instant_of(row[2]), instant_of(row[3]), *told)

    matching = None
    if numbers is None:
        matching = _matching(store, who, "poll_run", sources, limit, only, known)
    return Answer(tuple(RUN_COLUMNS), store, rows, now, as_of, matching)


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
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """Rows refused or suspected, newest first: position, reason, coded fields (JSON), rule.

    ``as_of`` an instant those of the runs that had ended by then.
    Whose row it was is not known, so they are told only to whoever may read the whole territory.
    """
    who = entitled(who, now)
    none = "" if reads_all(store, who) else " AND 1 = 0"
    none += " AND run IN (SELECT run FROM poll_run WHERE ended_at <= :heard)" if as_of else ""
    known = _then(store, as_of, now)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for source in _sources(store, who, snapshot.connection, sources, whole=True):
            found = snapshot.connection.execute(
                sa.text(
                    f"SELECT {', '.join(REJECTION_COLUMNS)} FROM rejection"
                    f" WHERE source = :source{none} ORDER BY id DESC LIMIT :limit"
                ),
                {"source": source, "limit": limit, **known},
            )
            for row in found:
                yield (
                    *row[:4],
                    json.dumps(json.loads(row[4]), ensure_ascii=False),
                    instant_of(row[5]),
                    row[6],
                )

    matching = _matching(store, who, "rejection", sources, limit, none, known)
    return Answer(tuple(REJECTION_COLUMNS), store, rows, now, as_of, matching)


def _then(store: KpiStore, as_of: datetime | None, now: datetime | None) -> dict[str, Any]:
    """What the conditions on an instant are about; empty where there is none."""
    if as_of is None:
        return {}
    with store.read() as connection:
        heard = take_snapshot(store, connection, now, as_of).heard
    return {"heard": heard, "at": micros(as_of)}


def _matching(
    store: KpiStore,
    who: Principal,
    table: str,
    wanted: Sequence[str] | None,
    limit: int,
    more: str = "",
    then: Mapping[str, Any] | None = None,
) -> int:
    """How many rows there are of these sources, at most ``limit`` of each."""
    count = f"SELECT 1 FROM {table} WHERE source = :source{more} LIMIT :limit"
    known = _named(more, who) | dict(then or {})
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

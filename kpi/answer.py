"""An answer: the rows of one question, read in one snapshot by either of two readers."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.period import LOCAL, day_start, minute_start, week_start
from kpi.schema import FAR, instant_of, micros
from kpi.store import KpiStore

MINUTES_KEPT = timedelta(days=7)
"""How long a closed minute can be asked for; older instants are answered by local day."""
BLOCK = 500
"""Rows at a time, where an answer does not read them in blocks of its own."""
SETTLING = timedelta(seconds=60)
"""A minute is closed this long after its end: a write that began in it has committed by then."""
NUMBERS = frozenset(
    "numerator denominator value coverage threshold threshold_high pace required_per_month"
    " missing_count closing_value closing_coverage closing_numerator closing_denominator"
    " closes_early units expected"
    " declared run revised bullet baseline_value factor lat lon every late_after stale_after sample"
    " paused needs_credentials last_run records rejected read new changed same gone calls"
    " bytes by_hand closing_by_hand hand_run size request assessment current milestones_total"
    " milestones_reported milestones_done milestones_overdue planned_central planned_local"
    " planned_other planned disbursed_central disbursed_local disbursed_other disbursed"
    " disbursed_share latest_numerator latest_denominator latest_value numerator_before"
    " denominator_before value_before verified config chance low high points inside"
    " reconstructed".split()
)
"""Columns of numbers (float64 in a frame) in any question."""
INSTANTS = frozenset(
    "closing_signed_at data_as_of polled_at late_at stale_at closing_known_at known_at last_good_at"
    " next_run_at covered_until first_poll_at loaded_at started_at ended_at at signed_at decided_at"
    " withdrawn_at reported_at forecast_at computed_at".split()
)
"""Columns of aware UTC instants in any question (NaT when unknown)."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What an answer needs to know of one source at its instant; durations, UTC instants."""

    id: str
    serves: tuple[str, ...]
    record: str
    is_record: bool
    sample: bool
    late_after: timedelta
    stale_after: timedelta
    reporting_days: int
    boundary: int
    reconstructed: bool
    loading: bool
    covered_until: datetime | None
    polled_at: datetime | None
    run: int | None
    given: bool = False
    """Whether anybody gave a file for it by hand."""


@dataclass(slots=True)
class Snapshot:
    """One consistent view of the store, now or as it was known at an instant.

    ``clock`` is what ages are measured against: now, or the ``as_of`` of the question.
    """

    connection: Connection
    store: KpiStore
    clock: datetime
    as_of: datetime | None
    version: int
    sample: bool
    sources: dict[str, SourceState]
    reconstructed: bool = False
    boundary: int = FAR
    """The boundary of what people said themselves; sources have one each."""
    heard: int = FAR
    """The last microsecond at which a poll may have ended and is known of."""

    def source_of(self, indicator_source: str | None) -> SourceState | None:
        """The state of an indicator's source; None when none is configured."""
        return self.sources.get(indicator_source or "")

    def visible(self, alias: str, boundary: int | str) -> str:
        """The condition that a version (table alias) is what this answer believes."""
        if self.as_of is None:
            return f"{alias}.superseded_at = {FAR}"
        return f"{alias}.known_at < {boundary} AND {alias}.superseded_at >= {boundary}"


@dataclass
class Answer:
    """Rows of one question; ``frame()`` and ``stream()`` give the same, in the same order.

    ``version`` is that of the snapshot once reading began, before that the store's newest.
    """

    columns: tuple[str, ...]
    store: KpiStore
    rows: Callable[[Snapshot], Iterator[tuple]]
    now: datetime | None = None
    as_of: datetime | None = None
    matching: int | None = None
    """How many rows match, where that is known without reading them."""
    counting: Callable[[Snapshot], int] | None = None
    """How the rows that match are counted where not all of them are read."""
    place: Callable[[tuple], str] | None = None
    """Where a row stands, for a question whose next rows are asked for ``after`` it."""
    jump: Callable[[Snapshot, int], Iterator[tuple]] | None = None
    """The rows after so many, where these need not be read; ``matching`` is known then."""
    raw: Callable[[Snapshot], Iterator[Sequence[Any]]] | None = None
    """The rows as the database gives them, many at a time, for answers that may be long."""
    moments: frozenset[str] = frozenset()
    """Columns whose instants are microseconds in ``raw``."""
    _snapshot_version: int | None = field(default=None, repr=False)
    _snapshot_sample: bool | None = field(default=None, repr=False)

    def stream(self, skip: int = 0) -> Iterator[tuple]:
        """Rows as plain tuples, None where nothing is known, in one snapshot, after so many."""
        with self._snapshot() as snapshot:
            if self.jump is not None:
                yield from self.jump(snapshot, skip)
            else:
                yield from islice(self.rows(snapshot), skip, None)

    def blocks(self) -> Iterator[Sequence[Any]]:
        """The same rows many at a time; instants of ``moments`` are microseconds (UTC)."""
        if self.raw is None:
            rows = self.stream()
            while block := list(islice(rows, BLOCK)):
                yield block
            return
        with self._snapshot() as snapshot:
            yield from self.raw(snapshot)

    @contextmanager
    def _snapshot(self) -> Iterator[Snapshot]:
        with self.store.read() as connection:
            snapshot = take_snapshot(self.store, connection, self.now, self.as_of)
            self._snapshot_version = snapshot.version
            self._snapshot_sample = snapshot.sample
            yield snapshot

    def narrowed(self, columns: tuple[str, ...]) -> "Answer":
        """The same answer with these of its columns alone, in this order."""
        at = [self.columns.index(name) for name in columns]

        def rows(snapshot: Snapshot, skip: int = 0) -> Iterator[tuple]:
            whole = self.rows(snapshot) if self.jump is None else self.jump(snapshot, skip)
            return (tuple([row[i] for i in at]) for row in whole)

        def place(row: tuple) -> str:
            known = dict(zip(columns, row, strict=True))
            assert self.place is not None
            return self.place(tuple([known.get(name) for name in self.columns]))

        jump, placed = self.jump and rows, self.place and place
        told = replace(self, columns=columns, rows=rows, jump=jump, place=placed)
        return replace(told, raw=None, moments=frozenset())

    def frame(self) -> pd.DataFrame:
        """The rows as a frame: numbers as float64 with NaN, words as "" when absent."""
        return _framed(self.columns, list(self.stream()))

    def records(self) -> list[dict[str, Any]]:
        """The rows as dicts, each value as it stands in ``frame()``, without the cost of one."""
        return [
            {name: _cell(name, value) for name, value in zip(self.columns, row, strict=True)}
            for row in self.stream()
        ]

    def count(self) -> int:
        """How many rows match."""
        if self.counting is not None:
            with self.store.read() as connection:
                return self.counting(take_snapshot(self.store, connection, self.now, self.as_of))
        return self.matching if self.matching is not None else sum(1 for _ in self.stream())

    @property
    def version(self) -> int:
        """The data version behind the rows."""
        return self._snapshot_version or self.store.version()

    @property
    def sample(self) -> bool:
        """Whether a source of synthetic data is loaded: then every page and file says so."""
        if self._snapshot_sample is None:
            with self.store.read() as connection:
                self._snapshot_sample = bool(connection.scalar(sa.text(f"SELECT {_SAMPLES}")))
        return self._snapshot_sample


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return math.nan if name in NUMBERS else pd.NaT if name in INSTANTS else ""
    return float(value) if name in NUMBERS and isinstance(value, int) else value


def _framed(columns: tuple[str, ...], rows: list[tuple]) -> pd.DataFrame:
    """A frame of two blocks, numbers and words: column by column costs pandas 15 times as much."""
    cells: list[Any] = list(zip(*rows, strict=True)) or [()] * len(columns)
    # indicators name their elements under the very words that standings use for figures
    numeric = {
        name
        for name, values in zip(columns, cells, strict=True)
        if name in NUMBERS and not any(isinstance(value, str) for value in values)
    }
    numbers = np.empty((len(rows), len(numeric)))
    words = np.empty((len(rows), len(columns) - len(numeric)), dtype=object)
    order: tuple[list[str], list[str]] = ([], [])
    for name, values in zip(columns, cells, strict=True):
        if name in numeric:
            numbers[:, len(order[0])] = values
        else:
            absent = pd.NaT if name in INSTANTS else ""
            words[:, len(order[1])] = [absent if value is None else value for value in values]
        order[name not in numeric].append(name)
    blocks = [
        pd.DataFrame(words, columns=order[1], dtype=object, copy=False),
        pd.DataFrame(numbers, columns=order[0], copy=False),
    ]
    return pd.concat(blocks, axis=1)[list(columns)]


_SAMPLES = (
    "(SELECT COUNT(*) FROM source WHERE sample = 1 AND (configured = 1"
    " OR first_poll_at IS NOT NULL))"
)


def _sources_sql(covered: str, limited: str) -> str:
    """The version, whether samples are loaded, and a row for each source that is configured."""
    runs = "FROM poll_run r WHERE r.source = s.id AND r.covered_until IS NOT NULL" + limited
    return (
        f"SELECT b.version, {_SAMPLES} AS samples,"
        " s.id, s.serves, s.record, s.sample, s.late_after, s.stale_after,"
        f" s.reporting_days, s.first_poll_at, s.loaded_at, {covered.format(runs=runs)}"
        f" AS covered_until, (SELECT r.run {runs} ORDER BY r.run DESC LIMIT 1) AS run,"
        f" (SELECT r.ended_at {runs} ORDER BY r.run DESC LIMIT 1) AS polled_at,"
        " EXISTS (SELECT 1 FROM poll_run g WHERE g.source = s.id AND g.given_by <> '') AS given"
        " FROM boundary b LEFT JOIN source s ON s.configured = 1 WHERE b.id = 1"
    )


class _Row(NamedTuple):
    """What the store says of one source, in the order of ``_sources_sql``."""

    id: str
    serves: str
    record: str
    sample: int
    late_after: int
    stale_after: int
    reporting_days: int
    first_poll_at: int | None
    loaded_at: int | None
    covered_until: int | None
    run: int | None
    polled_at: int | None
    given: int


_LIVE = _sources_sql("(SELECT w.covered_until FROM watermark w WHERE w.source = s.id)", "")
_PAST = sa.text(_sources_sql("(SELECT MAX(r.covered_until) {runs})", " AND r.ended_at <= :at"))


def take_snapshot(
    store: KpiStore, connection: Connection, now: datetime | None, as_of: datetime | None
) -> Snapshot:
    """What is known at ``as_of`` (or now): versions, boundaries and the state of each source."""
    now = now or right_now()
    clock = as_of or now
    at = micros(clock)
    last_seal = 0
    sealed = False
    heard = FAR
    if as_of is None:
        rows = connection.exec_driver_sql(_LIVE).all()
    else:
        last_seal = (
            connection.scalar(sa.text("SELECT MAX(at) FROM seal WHERE at <= :at"), {"at": at}) or 0
        )
        sealed = last_seal == at
        # a run may still end at the very instant that was asked for, but not at that of a seal
        heard = at if sealed and at else (at or 0) - 1
        rows = connection.execute(_PAST, {"at": heard}).all()
    states = {}
    for row in rows:
        if row.id is None:  # no source is configured
            continue
        if as_of is None:
            states[row.id] = _live_state(tuple(row)[2:])
            continue
        boundary, reconstructed = _boundary(row, as_of, now, sealed, last_seal)
        states[row.id] = _state(row, boundary, reconstructed, _is_loading(row, as_of))
    version, samples = (rows[0].version, rows[0].samples) if rows else (0, 0)
    snapshot = Snapshot(connection, store, clock, as_of, version, bool(samples), states)
    snapshot.heard = heard
    if as_of is not None:
        snapshot.boundary = _settled(as_of, now, last_seal)
    snapshot.reconstructed = any(state.reconstructed for state in states.values())
    return snapshot


@lru_cache(1024)
def _live_state(row: tuple) -> SourceState:
    """The state that a row says now; the same object for the same words, so that keys are cheap."""
    said = _Row(*row)
    return _state(said, FAR, False, _is_loading(said, None))


def _state(row: Any, boundary: int, reconstructed: bool, loading: bool) -> SourceState:
    """``reconstructed`` is known by the week: its age is judged by the week."""
    slack = 7 * 86400 if reconstructed else 0
    return SourceState(
        id=row.id,
        serves=tuple(row.serves.split(",")) if row.serves else (),
        record=row.record,
        is_record=bool(row.record),
        sample=bool(row.sample),
        late_after=timedelta(seconds=row.late_after + slack),
        stale_after=timedelta(seconds=row.stale_after + slack),
        reporting_days=max(0, row.reporting_days),
        boundary=boundary,
        reconstructed=reconstructed,
        loading=loading,
        covered_until=instant_of(boundary or None if reconstructed else row.covered_until),
        polled_at=instant_of(row.polled_at),
        run=row.run,
        given=bool(row.given),
    )


def _is_loading(row: Any, as_of: datetime | None) -> bool:
    """Whether a source's first load is under way, or was at an instant."""
    began, over = row.first_poll_at, row.loaded_at
    if as_of is None:
        return began is not None and over is None
    at = micros(as_of) or 0
    return began is not None and began <= at and (over is None or over > at)


def _boundary(
    row: Any, as_of: datetime, now: datetime, sealed: bool, last_seal: int
) -> tuple[int, bool]:
    """The boundary that answers an instant for one source, and whether that is reconstructed.

    Before its first load was over a source's history is rebuilt by the weeks of its own change
    times; a seal from before its first poll shows nothing of it, for nothing was shown then.
    """
    at = micros(as_of) or 0
    if row.first_poll_at is None or (sealed and row.first_poll_at > at):
        return 0, False
    if (row.loaded_at is None or at <= row.loaded_at) and not sealed:
        return micros(week_start(as_of)) or 0, True
    return _settled(as_of, now, last_seal), False


def settled(now: datetime) -> datetime:
    """The newest instant whose answers move no more, whatever is being written now."""
    return minute_start(now - 2 * SETTLING)


def stamp(as_of: datetime | None, store: KpiStore, now: datetime) -> str:
    """Which state of the store an answer is of: two answers of one stamp have the same rows.

    Now it moves with every commit that changes an answer and with every poll that begins, and at
    local midnight; as of an instant it is what that instant can still see. It says nothing of a
    clock within the day: ages and what is overdue go on.

    Returns:
        A short word; empty for the instant of a seal, whose answers never change.
    """
    with store.read() as connection:
        snapshot = take_snapshot(store, connection, now, as_of)
        run = connection.scalar(sa.text("SELECT MAX(run) FROM poll_run")) or 0
        sealed = as_of is not None and connection.scalar(
            sa.text("SELECT 1 FROM seal WHERE at = :at"), {"at": micros(as_of)}
        )
    if sealed:
        return ""
    live = f"{snapshot.version}.{run}.{now.astimezone(LOCAL):%Y%m%d}"
    if as_of is None:
        return live
    seen = [snapshot.boundary, *((s.id, s.boundary, s.loading) for s in snapshot.sources.values())]
    said = repr((seen, micros(as_of), live if as_of > settled(now) else ""))
    return sha256(said.encode()).hexdigest()[:16]


def _settled(as_of: datetime, now: datetime, last_seal: int) -> int:
    """The newest boundary that is closed at an instant: what lies before it changes no more."""
    settled = min(as_of, now - SETTLING)
    floor = minute_start(settled) if now - as_of <= MINUTES_KEPT else day_start(as_of)
    return max(micros(floor) or 0, last_seal)

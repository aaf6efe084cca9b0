"""What the run log says of a soak: polls, slots that nobody polled, and faults that must show."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa

from kpi.health import FAILED
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

Window = tuple[datetime, datetime]


def polls(store: KpiStore) -> Counter[tuple[str, str]]:
    """How many runs by source and outcome."""
    return Counter((run.source, run.outcome) for run in _runs(store))


def left_out(store: KpiStore) -> int:
    """How many slots the runs themselves say were left out."""
    notes = (re.search(r"bỏ qua (\d+) lượt", run.note) for run in _runs(store))
    return sum(int(note[1]) for note in notes if note)


def gaps(store: KpiStore, every: dict[str, timedelta], trouble: Sequence[Window]) -> list[str]:
    """Where a source was not polled for more than three of its periods, and no fault says why."""
    spans = [(micros(begin) or 0, micros(end) or 0) for begin, end in trouble]
    found = []
    for source, period in every.items():
        runs = [run for run in _runs(store) if run.source == source]
        for before, after in pairwise(runs):
            idle = after.started_at - (before.ended_at or before.started_at)
            told = any(b <= after.started_at and e >= before.started_at for b, e in spans)
            if idle > 3 * period / timedelta(microseconds=1) and not told:
                at = instant_of(before.started_at)
                found.append(f"{source}: {idle / 1e6:.0f} s without a poll after {at:%H:%M:%S}")
    return found


def unseen(store: KpiStore, outages: Sequence[tuple[str, datetime, datetime]]) -> list[str]:
    """Outages of a system of which no run says that it failed."""
    return [
        f"{source}: nobody saw that it was away at {begin:%H:%M:%S}"
        for source, begin, end in outages
        if not any(
            run.source == source
            and run.outcome in FAILED
            and run.started_at <= (micros(end) or 0)
            and (run.ended_at or 0) >= (micros(begin) or 0)
            for run in _runs(store)
        )
    ]


def _runs(store: KpiStore) -> Sequence[sa.Row]:
    asked = "SELECT source, started_at, ended_at, outcome, note FROM poll_run ORDER BY run"
    with store.read() as connection:
        return connection.execute(sa.text(asked)).all()

"""Reads again what was refused: with today's mapping, org units and rules, in a run of its own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from connectors import mapping
from ioc.model import Counts, Reading, Record, Rejection
from ioc.source import Source
from kpi import intake, replay
from kpi.replay import Refused
from kpi.store import KpiStore


def take(
    store: KpiStore, source: Source, mapper: mapping.Mapper, now: datetime
) -> Iterator[tuple[int, list[Record | Reading], Counter[str]]]:
    """Runs, oldest first, each with the items that may be taken now and why others may not."""
    found: Sequence[mapping.Item | None]
    for run, rows in groupby(replay.refused(store, source.id), lambda row: row.run):
        reasons: Counter[str] = Counter()
        items: list[Record | Reading] = []
        for row in rows:
            found = _read(mapper, row) if row.rule == "unreadable" else replay.items_of(store, row)
            for item in found or [None]:
                if item is None:
                    reasons["không giữ đủ trường để đọc lại"] += 1
                elif isinstance(item, Rejection):
                    reasons[item.reason] += 1
                elif replay.is_past(store, source.id, row, item, now):
                    reasons["nguồn đã nói lại sau đó"] += 1
                else:
                    items.append(item)
        yield run, items, reasons


def accept(
    store: KpiStore, source: Source, run: int, items: list[Record | Reading], now: Any
) -> Counts:
    """Store what a run had read, known from now on; it moves no watermark and removes nothing."""
    return intake.accept(store, source, items, run=run, given=True, now=now)


def _read(mapper: mapping.Mapper, row: Refused) -> Sequence[mapping.Item]:
    return mapper.again(row.fields, row.position) if row.readable else ()

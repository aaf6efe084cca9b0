"""``/metrics``: what monitoring draws, as Prometheus reads it, computed when it is asked for.

Nothing about persons, org units or figures; nothing is kept between two scrapes.
"""

import platform
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from ioc.clock import right_now
from ioc.model import Status
from ioc.principal import Principal
from kpi import query
from layouts.web import described

TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Scrape:
    """A collector of one registry: reads the store once for each scrape."""

    def __init__(self, store: Any, watch: Any):
        self.store, self.watch = store, watch

    def describe(self) -> list[Metric]:
        """Nothing beforehand: a registry must not read the store to know the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, in the order of the documents."""
        now = right_now()
        seen = query.gauges(self.store, now)
        yield InfoMetricFamily("ioc_build", "Release and schema", value=build(seen.schema))
        yield from _of_store(seen, self.watch.streams)
        yield from _of_sources(seen.sources)
        yield _standings(self.store, now)


def text(store: Any, watch: Any) -> bytes:
    """The metrics of this moment."""
    registry = CollectorRegistry()
    registry.register(Scrape(store, watch))
    return generate_latest(registry)


def build(schema: str) -> dict[str, str]:
    """The labels of ``ioc_build_info``."""
    return {"release": described.release(), "schema": schema, "python": platform.python_version()}


def _of_store(seen: Any, streams: int) -> Iterator[Metric]:
    simple = [
        ("ioc_data_version", "Version of the newest commit that changed an answer", seen.version),
        ("ioc_database_size_bytes", "Size of the database", seen.size),
        ("ioc_database_wal_bytes", "Size of SQLite's write-ahead log", seen.wal_size),
        ("ioc_poller_leads", "1 while a process holds the lease of the poller", int(seen.led)),
        ("ioc_streams", "Live streams that this web process serves", streams),
    ]
    for name, what, value in simple:
        if value is not None:
            yield GaugeMetricFamily(name, what, value=value)


def _of_sources(sources: Any) -> Iterator[Metric]:
    by_source = [
        ("ioc_poll_overdue_seconds", "Seconds since the next poll was due", "overdue"),
        ("ioc_data_age_seconds", "Age of what a source has told us completely", "data_age"),
        ("ioc_source_paused", "1 while a person has paused the source", "paused"),
        ("ioc_source_needs_credentials", "1 while it refuses ours", "needs_credentials"),
    ]
    for name, what, of in by_source:
        metric = GaugeMetricFamily(name, what, labels=["source"])
        for source in sources:
            if (value := getattr(source, of)) is not None:
                metric.add_metric([source.id], float(value))
        yield metric
    by_outcome = ["source", "outcome"]
    last = GaugeMetricFamily("ioc_poll_last_outcome", "1 for the last", labels=by_outcome)
    runs = GaugeMetricFamily("ioc_poll_runs_day", "Runs ended in 24 h", labels=by_outcome)
    rows = GaugeMetricFamily("ioc_poll_rows_day", "Rows of these runs", labels=["source", "what"])
    for source in sources:
        if source.last_outcome:
            last.add_metric([source.id, source.last_outcome], 1)
        for outcome, count in source.runs.items():
            runs.add_metric([source.id, outcome], count)
        for what, count in source.rows.items():
            rows.add_metric([source.id, what], count)
    yield from (last, runs, rows)


def _standings(store: Any, now: datetime) -> Metric:
    """The targets of the plan's territory by the word of their headline."""
    answer = query.standings(store, Principal.local_admin(), now=now)
    part, status = answer.columns.index("indicator"), answer.columns.index("status")
    counts = Counter(str(row[status]) for row in answer.stream() if not row[part])
    metric = GaugeMetricFamily("ioc_targets", "Targets by status", labels=["status"])
    for one in Status:
        metric.add_metric([str(one.value)], counts[one.value])
    return metric

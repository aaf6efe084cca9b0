"""The reference store: so many dossiers and the staff readings, taken in as a first load does."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy.schema import CreateTable

from connectors.config import load_sources
from ioc.model import Counts
from ioc.orgunits import OrgUnits
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, intake, schema
from kpi.catalogue import load_catalogue
from kpi.store import KpiStore, open_store
from tests.benchmarks import dossiers

SOURCES = {source.id: source for source in load_sources()}
DOSSIERS, STAFF = SOURCES["public_services"], SOURCES["staff"]
HEAD = Principal("đo", "head", frozenset({"area-qb"}), frozenset({"public", "internal"}))
"""Who may read one subtree and two classes of indicators."""


@contextmanager
def folder(kept: str | None) -> Iterator[Path]:
    """Where the stores of a run lie: a folder that is kept for the next run, or a passing one."""
    if kept:
        path = Path(kept)
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    path = Path(tempfile.mkdtemp(prefix="ioc-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def new_store(url: str) -> KpiStore:
    """An empty store that knows its sources."""
    store = open_store(url, load_catalogue(), OrgUnits.load())
    health.publish_sources(store, list(SOURCES.values()))
    return store


def reference(folder: Path, count: int) -> tuple[KpiStore, float | None]:
    """The store of about so many dossiers, and the rate of its first load (None when it was kept).

    It is renamed into place when it is whole, so that a run that was cut short leaves none.
    """
    path = folder / f"reference-{count}-{_form()}.sqlite"
    rate = None if path.exists() else _build(path, count)
    return open_store(f"sqlite:///{path}", load_catalogue(), OrgUnits.load()), rate


def _form() -> str:
    """Changes with the schema and with what is counted: a store of another form is built anew."""
    tables = [str(CreateTable(table)) for table in schema.metadata.sorted_tables]
    elements = [repr(element) for element in load_catalogue().elements.values()]
    return sha256("".join(tables + elements).encode()).hexdigest()[:8]


def _build(path: Path, count: int) -> float:
    now = datetime.now(UTC)
    building = path.with_suffix(".building")
    for old in path.parent.glob(f"{building.name}*"):
        old.unlink()
    store = new_store(f"sqlite:///{building}")
    read, began, said = 0, time.perf_counter(), time.monotonic()
    run = health.begin_run(store, DOSSIERS.id, now)
    counts = Counts()
    for week in dossiers.weeks(count, now - timedelta(minutes=1)):
        counts.add(take(store, DOSSIERS, week, run, now))
        read += len(week)
        if time.monotonic() - said > 20:
            said = time.monotonic()
            rate = read / (time.perf_counter() - began)
            print(f"  … {read:,} changes, {rate:,.0f} rows/s", file=sys.stderr, flush=True)
    end(store, run, counts, now)
    rate = read / (time.perf_counter() - began)
    run = health.begin_run(store, STAFF.id, now)
    counts = Counts()
    for month in dossiers.readings(now):
        counts.add(take(store, STAFF, month, run, now))
    end(store, run, counts, now)
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{building}{suffix}").unlink(missing_ok=True)
    building.rename(path)
    return rate


def take(store: KpiStore, source: Source, items: list, run: int, now: datetime) -> Counts:
    """One batch through the only door."""
    return intake.accept(store, source, items, run=run, now=now)


def end(store: KpiStore, run: int, counts: Counts, now: datetime) -> None:
    """End a run that read everything."""
    health.end_run(
        store,
        run,
        outcome="ok",
        note="",
        counts=counts,
        calls=1,
        bytes=1,
        response_hash="",
        now=now,
        completed=True,
        covered_until=now,
    )

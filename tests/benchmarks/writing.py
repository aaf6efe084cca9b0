"""W6, the poll of 20 changes, and what a distinct element costs beside an additive one."""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from ioc.model import Record
from ioc.orgunits import OrgUnits
from kpi import health
from kpi.catalogue import Catalogue, load_catalogue
from kpi.elements import Element
from kpi.schema import instant_of
from kpi.store import KpiStore, open_store
from tests.benchmarks import dossiers
from tests.benchmarks.bare import Bare
from tests.benchmarks.measure import Line, seconds
from tests.benchmarks.reference import DOSSIERS, SOURCES, end, take

VOLUME = 1_100_000
"""The province whose journal is taken in: what stands in a batch depends on it."""
BATCH = 5_000
POLL = 20


def counting(catalogue: Catalogue, elements: dict[str, Element]) -> Catalogue:
    """The same catalogue with only these elements; indicators of others have no figures."""
    indicators = {
        id_: i
        if {i.numerator, i.denominator} <= {None, *elements}
        else replace(i, numerator=None, denominator=None)
        for id_, i in catalogue.indicators.items()
    }
    return replace(catalogue, elements=elements, indicators=indicators)


def additive(catalogue: Catalogue) -> dict[str, Element]:
    """The elements that are no distinct counts."""
    return {id_: e for id_, e in catalogue.elements.items() if e.over_time != "distinct"}


def distinct(catalogue: Catalogue) -> dict[str, Element]:
    """As many distinct counts of dossiers as there are additive ones, at the same instants.

    Elements that count other records do nothing in a journal of dossiers: they have no twin.
    """
    models = [e for e in catalogue.elements.values() if e.over_time == "distinct"]
    counted = [e for e in additive(catalogue).values() if e.count == DOSSIERS.record]
    return {
        f"distinct_{n}": replace(models[n % len(models)], id=f"distinct_{n}", at=e.at)
        for n, e in enumerate(counted)
    }


def loaded(url: str, catalogue: Catalogue, at: datetime) -> tuple[KpiStore, int]:
    """A store whose first load is over, so that batches are known from now on; and a run."""
    store = open_store(url, catalogue, OrgUnits.load())
    health.publish_sources(store, list(SOURCES.values()))
    run = health.begin_run(store, DOSSIERS.id, at)
    end(store, run, take(store, DOSSIERS, [], run, at), at)
    return store, health.begin_run(store, DOSSIERS.id, at)


def intake(kinds: dict[str, str], *, rows: int, base: str) -> Iterator[Line]:
    """W6: a journal in batches, with everything that follows from it, and the bare upsert.

    ``kinds`` names the stores by address: one for all elements, one for the additive ones.
    """
    now = datetime.now(UTC)
    journal = dossiers.weeks(VOLUME, now - timedelta(minutes=1))
    batches = list(islice(dossiers.batches(_later(journal), BATCH), rows // BATCH))
    catalogue = load_catalogue()
    stores = {
        "mọi chỉ số": loaded(kinds["all"], catalogue, now),
        "chỉ chỉ số cộng được": loaded(
            kinds["additive"], counting(catalogue, additive(catalogue)), now
        ),
    }
    bare = Bare(stores["mọi chỉ số"][0])
    taken: dict[str, list[float]] = {name: [] for name in stores}
    floor: list[float] = []
    for batch in batches:
        prepared = bare.rows(DOSSIERS.id, batch)
        floor.append(seconds(bare.upsert, prepared))
        for name, (store, run) in stores.items():
            taken[name].append(seconds(take, store, DOSSIERS, batch, run, now))
    again = [
        seconds(take, stores["mọi chỉ số"][0], DOSSIERS, batch, 1, now) for batch in batches[-3:]
    ]
    for name, limit in (("mọi chỉ số", 6), ("chỉ chỉ số cộng được", 4)):
        ours = statistics.median(taken[name][1:])
        sizes = f"{base}, {len(batches)} × {BATCH:,}, {BATCH / ours:,.0f} dòng/s"
        yield Line(f"W6 {name}", sizes, ours, statistics.median(floor[1:]), limit)
    yield Line(
        "W6 nạp lại y nguyên", f"{base}", statistics.median(again), statistics.median(floor[1:])
    )
    for store, _ in stores.values():
        store.close()


def _later(weeks: Iterator[list[Record]]) -> Iterator[list[Record]]:
    """Without the first weeks, in which everything is received and little is answered."""
    return islice(weeks, 8, None)


def poll_of_changes(store: KpiStore, size: str, *, times: int) -> Iterator[Line]:
    """Twenty changed dossiers up to new standings, beside a transaction that writes one row."""
    now = datetime.now(UTC)
    run = health.begin_run(store, DOSSIERS.id, now)
    for name, records in _changeable(store, now).items():
        taken, commits = [], []
        for turn in range(times + 3):
            at = now + timedelta(seconds=10 * turn)
            batch = dossiers.changed(records, POLL, at, seed=turn)
            commits.append(seconds(commit, store))
            taken.append(seconds(take, store, DOSSIERS, batch, run, at))
        ours, floor = statistics.median(taken[3:]), statistics.median(commits[3:])
        yield Line(f"thu {POLL} thay đổi, {name}", size, ours, floor, beside=0.025)


def commit(store: KpiStore) -> None:
    """The smallest write there is."""
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE boundary SET version = version + 1 WHERE id = 1")


def _changeable(store: KpiStore, now: datetime) -> dict[str, list[Record]]:
    """Stored dossiers as their source would send them again: of this month, and of any time."""
    return {
        "hồ sơ 30 ngày qua": _stored(store, "r.opened_day >= ?", (now.toordinal() - 719_163 - 30,)),
        "hồ sơ bất kỳ từ 2021": _stored(store, "r.key LIKE '%-7'", ()),
    }


def _stored(store: KpiStore, where: str, values: tuple) -> list[Record]:
    names = "key org_unit opened_at due_at closed_at place state category channel result".split()
    columns = ", ".join("r.code" if name == "org_unit" else f"r.{name}" for name in names)
    with store.read() as connection:
        found = connection.exec_driver_sql(
            f"SELECT {columns} FROM record r WHERE r.closed_at IS NOT NULL AND {where} LIMIT 5000",
            values,
        ).all()
    records = []
    for row in found:
        given = dict(zip(names, row, strict=True))
        given |= {name: instant_of(given[name]) for name in ("opened_at", "due_at", "closed_at")}
        given["place"] = None  # stored as a uid, sent as a code
        records.append(Record(kind="dossier", **given))
    return records


def elements(folder: Path, *, times: int) -> Iterator[Line]:
    """The refresh of touched keys: as many distinct counts beside as many additive ones."""
    now = datetime.now(UTC)
    catalogue = load_catalogue()
    journal = dossiers.weeks(VOLUME // 10, now - timedelta(minutes=1))
    batches = list(islice(dossiers.batches(_later(journal), BATCH), 6 + times))
    kinds = {"distinct": distinct(catalogue), "additive_only": additive(catalogue), "none": {}}
    stores = [
        loaded(f"sqlite:///{folder}/{name}.sqlite", counting(catalogue, kept), now)
        for name, kept in kinds.items()
    ]
    feed = iter(batches)

    def one_batch() -> list[float]:
        batch = next(feed)
        return [seconds(take, store, DOSSIERS, batch, run, now) for store, run in stores]

    taken = [one_batch() for _ in batches][3:]
    apart, plain, nothing = (statistics.median(each) for each in zip(*taken, strict=True))
    size = f"{len(taken)} × {BATCH:,}, trừ phần chung"
    yield Line("chỉ số đếm riêng so với cộng", size, apart - nothing, plain - nothing, 5)
    for store, _ in stores:
        store.close()

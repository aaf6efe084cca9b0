"""Small worlds for the tests of the store: sources that fit targets, a clock, polls, answers.

A test module says ``pytest_plugins = ["tests.worlds"]`` and asks for ``world`` (either database)
or ``sqlite_world``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

from ioc.model import Counts, Reading, Record, Rejection
from ioc.period import LOCAL, Period
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, query, requests, schema
from kpi.catalogue import Catalogue
from kpi.elements import Element
from kpi.intake import accept
from kpi.store import KpiStore, open_store

ADMIN = Principal.local_admin()
SERVED = {
    "meetings": ("I07a", "I07b", "I07c", "I08a", "I08b"),
    "transformation": ("I11a", "I11b", "I11c"),
    "systems": ("I01", "I10"),
}
"""Sources that only tests have, and the indicators that they feed."""
UNFED = ("archives",)
"""Sectors that no system feeds here, whatever the product reads by now."""
DERIVED = ("observation", "member", "rollup", "standing")
STORED = ("record", "record_version", *DERIVED)


def source(id: str, *, record: str | None = None, elements: Iterable[str] = (), **more: Any):
    """A source as ``sources.yaml`` would declare it; nothing of it is ever polled."""
    declared: dict[str, Any] = {
        "id": id,
        "name": f"Nguồn thử {id}",
        "kind": "rest" if record else "sheet",
        "url": "http://127.0.0.1:1/",
        "owner": "VPUB",
        "every": "60s",
        "serves": ["department", "district", "commune"],
    }
    if record:
        declared |= {
            "record": record,
            "key": "id",
            "fields": {"org_unit": "unit", "opened_at": "opened"},
        }
    else:
        declared |= {
            "readings": {element: element for element in elements},
            "fields": {"org_unit": "unit", "period": "period"},
        }
    return Source.model_validate(declared | more)


DOSSIERS = source("public_services", record="dossier")
REGISTRY = source("registry", record="dossier")
"""A second system with dossiers: it answers with everything it has."""
STAFF = source(
    "staff", elements=("staff_professional", "staff_with_computer", "staff_trained_this_year")
)
MEETINGS = source(
    "meetings",
    elements=(
        "meetings_department_paperless",
        "meetings_department_total",
        "meetings_district_paperless",
        "meetings_district_total",
        "meetings_commune_paperless",
        "meetings_commune_total",
        "meetings_province_district_online",
        "meetings_province_district_total",
    ),
)
TRANSFORMATION = source(
    "transformation",
    elements=(
        "departments_dx_succeeded",
        "departments_dx_assessed",
        "districts_dx_succeeded",
        "districts_dx_assessed",
        "communes_dx_succeeded",
        "communes_dx_assessed",
    ),
)
SYSTEMS = source(
    "systems",
    elements=(
        "systems_qualified",
        "systems_listed",
        "smart_services_operating",
        "smart_services_basic",
    ),
)
SOURCES = (DOSSIERS, REGISTRY, STAFF, MEETINGS, TRANSFORMATION, SYSTEMS)


def with_sources(catalogue: Catalogue) -> Catalogue:
    """The product's catalogue, more of its indicators fed by a source.

    What the sources of this module declare is declared here, also where the product counts it
    from records.
    """
    fed = {
        id: replace(catalogue.indicators[id], source=name)
        for name, ids in SERVED.items()
        for id in ids
    }
    fed |= {
        id: replace(one, source=None)
        for id, one in catalogue.indicators.items()
        if one.sector in UNFED
    }
    said = {
        name: declared(catalogue.elements[name]) for each in SOURCES for name in each.readings or ()
    }
    return replace(
        catalogue,
        elements={**catalogue.elements, **said},
        indicators={**catalogue.indicators, **fed},
    )


def declared(element: Element) -> Element:
    """An element as it is where its source says the sum itself."""
    if element.reading:
        return element
    return replace(element, count=None, reading=True, at="opened_at", where={}, silence="unknown")


def at(text: str) -> datetime:
    """An instant as people in Quảng Bình write it (``2025-06-30 08:00``), or with its offset."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=LOCAL)).astimezone(UTC)


def dossier(key: str, org_unit: str, opened: str, closed: str = "", **more: Any) -> Record:
    """One dossier; ``opened``, ``closed`` and ``changed`` as ``at`` reads them."""
    changed = more.pop("changed", "")
    online = more.pop("online", False)
    if online:
        more = {"channel": "full", "result": "electronic", **more}
    return Record(
        key=key,
        kind="dossier",
        org_unit=org_unit,
        opened_at=at(opened),
        closed_at=at(closed) if closed else None,
        changed_at=at(changed) if changed else None,
        **more,
    )


def dossiers(org_unit: str, day: str, total: int, online: int) -> list[Record]:
    """So many dossiers opened and closed on one day, the first of them handled online."""
    return [
        dossier(
            f"{org_unit}-{day}-{i}", org_unit, f"{day} 08:00", f"{day} 09:00", online=i < online
        )
        for i in range(total)
    ]


def reading(element: str, org_unit: str, period: str, value: float, changed: str = "") -> Reading:
    """One declared figure."""
    return Reading(element, org_unit, Period.parse(period), value, at(changed) if changed else None)


def share(elements: str, org_unit: str, period: str, above: float, below: float) -> list[Reading]:
    """The two declared figures of a ratio; ``elements`` names both, with a blank between them."""
    numerator, denominator = elements.split()
    return [
        reading(numerator, org_unit, period, above),
        reading(denominator, org_unit, period, below),
    ]


class World:
    """A store, a clock that the test moves, and the sources of this module, ready to be polled."""

    def __init__(self, store: KpiStore, now: datetime):
        self.store = store
        self.now = now
        health.publish_sources(store, SOURCES)

    def forward(self, **time: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**time)
        return self.now

    def poll(
        self,
        source: Source,
        items: Iterable[Record | Reading | Rejection] = (),
        *,
        whole: bool = False,
        ends: bool = True,
        rejected: int | None = 0,
    ) -> Counts:
        """One run of one batch; without ``ends`` it is cut short after the batch.

        Rows that are refused though the test did not say so (None: any number) fail it.
        """
        run = health.begin_run(self.store, source.id, self.now)
        counts = accept(self.store, source, items, run=run, whole=whole, now=self.now)
        assert rejected in (None, counts.rejected), rows(self.store, "rejection")[-1]
        if ends:
            self.end(run, counts)
        return counts

    def give(
        self, source: Source, items: Iterable[Record | Reading], data: Path, file: str = "tay.xlsx"
    ) -> Counts:
        """A file that somebody filled in, taken by the poller as a run of its own."""
        said = {"source": source.id, "file": file, "who": "máy tại chỗ", "now": self.now}
        number = requests.put(self.store, data, "upload", body=os.urandom(8), **said)
        run = requests.claim(self.store, number, self.now).run
        counts = accept(self.store, source, items, run=run, given=True, now=self.now)
        self.end(run, counts)
        return counts

    def end(self, run: int, counts: Counts, outcome: str = "ok") -> None:
        """End a run that read everything there was."""
        health.end_run(
            self.store,
            run,
            outcome=outcome,
            note="",
            counts=counts,
            calls=1,
            bytes=0,
            response_hash="",
            now=self.now,
            completed=outcome == "ok",
            covered_until=self.now,
        )

    def live(self, *sources: Source) -> "World":
        """Get the first load of sources over, with nothing in it."""
        for each in sources or SOURCES:
            self.poll(each)
        return self

    def seal(self) -> datetime:
        """A sealed instant."""
        return self.store.seal(self.now)

    def standings(self, **filters: Any) -> pd.DataFrame:
        """The standings as screens get them."""
        return query.standings(self.store, ADMIN, now=self.now, **filters).frame()

    def standing(self, target: str, indicator: str = "", org_unit: str = "area-qb", **filters: Any):
        """One row of them."""
        frame = self.standings(targets=[target], org_units=[org_unit], **filters)
        found = frame[frame.indicator == indicator]
        assert len(found) == 1, frame
        return found.iloc[0]

    def values(self, indicator: str, first: str, last: str = "", **filters: Any) -> pd.DataFrame:
        """Values of one indicator, the grain that of ``first``."""
        start = Period.parse(first)
        return query.values(
            self.store,
            ADMIN,
            indicators=[indicator],
            first=start,
            last=Period.parse(last or first),
            grain=filters.pop("grain", start.grain),
            now=self.now,
            **filters,
        ).frame()

    def value(self, indicator: str, period: str, org_unit: str = "area-qb", **filters: Any):
        """One row of them."""
        frame = self.values(indicator, period, org_units=[org_unit], **filters)
        assert len(frame) == 1
        return frame.iloc[0]


def rows(store: KpiStore, table: str) -> list[tuple]:
    """All rows of a table in the order of its key."""
    known = schema.metadata.tables[table]
    order = list(known.primary_key.columns)
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(known).order_by(*order))]


def tables(store: KpiStore, names: Iterable[str] = STORED) -> dict[str, list[tuple]]:
    """All rows of several tables."""
    return {name: rows(store, name) for name in names}


def empty(store: KpiStore) -> None:
    """Forget all but what is configured, so that one database serves many examples.

    The audit stays: nothing of it can be deleted.
    """
    with store.write() as connection:
        said = "watermark poll_run rejection source seal topic request assessment steering".split()
        said += "reading_choice closing_signature config_version forecast".split()
        for name in (*STORED, *said):
            connection.exec_driver_sql(f"DELETE FROM {name}")
        connection.exec_driver_sql("UPDATE boundary SET at = 0, version = 1")
    store.kept.clear()
    store.kept.clear()  # versions begin anew, so what is kept for one would be mistaken


def plain(row: Iterable[Any]) -> tuple:
    """A row with one word for what is not known: None, whichever reader gave it."""
    return tuple(None if _unknown(value) else value for value in row)


def _unknown(value: Any) -> bool:
    return value is None or value is pd.NaT or value == "" or value != value


def statuses(frame: pd.DataFrame) -> Mapping[str, str]:
    """The headline of every target."""
    whole = frame[frame.indicator == ""]
    return dict(zip(whole.target, whole.status, strict=True))


@pytest.fixture(scope="session")
def opened_stores(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Any, orgunits: Any
) -> Iterator[dict[str, KpiStore]]:
    """One store a database for the whole session: a schema takes longer than most tests."""
    folder = tmp_path_factory.mktemp("worlds")
    stores = {
        "sqlite": open_store(f"sqlite:///{folder}/kpi.sqlite", with_sources(catalogue), orgunits)
    }
    yield stores
    for opened in stores.values():
        opened.close()


def _postgresql(request: pytest.FixtureRequest, stores: dict[str, KpiStore]) -> KpiStore:
    if "postgresql" not in stores:
        base = request.getfixturevalue("postgres_server")
        with closing(psycopg.connect(f"{base}/postgres", autocommit=True)) as connection:
            connection.execute("CREATE DATABASE worlds TEMPLATE template0")
        known = stores["sqlite"]
        stores["postgresql"] = open_store(f"{base}/worlds", known.catalogue, known.orgunits)
    return stores["postgresql"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def world(
    request: pytest.FixtureRequest, opened_stores: dict[str, KpiStore], now: datetime
) -> World:
    """An empty world on either database."""
    sqlite = request.param == "sqlite"
    opened = opened_stores["sqlite"] if sqlite else _postgresql(request, opened_stores)
    empty(opened)
    return World(opened, now.astimezone(UTC))


@pytest.fixture
def sqlite_world(opened_stores: dict[str, KpiStore], now: datetime) -> World:
    """An empty world on SQLite only."""
    empty(opened_stores["sqlite"])
    return World(opened_stores["sqlite"], now.astimezone(UTC))


@pytest.fixture
def postgresql_world(
    request: pytest.FixtureRequest, opened_stores: dict[str, KpiStore], now: datetime
) -> World:
    """An empty world on PostgreSQL only."""
    opened = _postgresql(request, opened_stores)
    empty(opened)
    return World(opened, now.astimezone(UTC))

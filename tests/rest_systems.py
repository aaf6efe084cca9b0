"""One REST system of the sample on a real socket, its packaged source, and a store that polls it.

A test module says ``pytest_plugins = ["tests.rest_systems"]`` and asks for ``reader_of(name)``.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import pandas as pd
import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from connectors.sandbox.systems import SYSTEMS
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period, date_of
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, query
from kpi.store import KpiStore, open_store

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
ADMIN = Principal.local_admin()


@dataclass
class Reader:
    """A system behind its port, its source, and the store that the source is polled into."""

    store: KpiStore
    source: Source
    settings: Any
    system: Any
    truth: Any
    run: Callable[[Any], Any]
    clock: list[datetime]
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def poll(self) -> dict[str, Any]:
        """One poll, as the schedule would do it."""
        self.runs.append(poll(self.store, self.source, self.settings, now=self.now))
        return self.runs[-1]

    def forward(self, **time: float) -> None:
        """Let time pass for the system and its reader."""
        self.clock[0] += timedelta(**time)
        self.system.tend(self.now)

    def stop(self) -> None:
        """The system dies."""
        self.run(self.system.close())

    def start(self) -> None:
        """It comes back, on the same port."""
        self.run(self.system.open())

    def observed(self, element: str) -> dict[tuple[str, str], float]:
        """What the store believes: (uid of an org unit, last day of the period) to a figure."""
        sql = sa.text(
            "SELECT org_unit, day, value FROM observation"
            " WHERE element = :element AND superseded_at > 4000000000000000"
        )
        with self.store.read() as connection:
            rows = connection.execute(sql, {"element": element}).all()
        return {(uid, date_of(day).isoformat()): value for uid, day, value in rows}

    def records(self, columns: str) -> list[tuple]:
        """These columns of all records, sorted."""
        with self.store.read() as connection:
            rows = connection.exec_driver_sql(f"SELECT {columns} FROM record").all()
        return sorted(map(tuple, rows), key=repr)

    def rejections(self) -> list[str]:
        """Why rows were refused."""
        with self.store.read() as connection:
            return list(connection.exec_driver_sql("SELECT reason FROM rejection").scalars())

    def values(self, indicator: str, text: str, **filters: Any) -> pd.DataFrame:
        """Values of one indicator in one period."""
        period = Period.parse(text)
        asked = {"first": period, "last": period, "grain": period.grain, "now": self.now}
        return query.values(self.store, ADMIN, indicators=[indicator], **asked, **filters).frame()

    def value(self, indicator: str, text: str, org_unit: str = "area-qb") -> Any:
        """The same at one org unit."""
        return self.values(indicator, text, org_units=[org_unit]).iloc[0]

    def share(self, indicator: str, text: str, org_unit: str = "area-qb") -> tuple[int, int]:
        """Its numerator and denominator."""
        found = self.value(indicator, text, org_unit)
        return int(found.numerator), int(found.denominator)

    def standing(self, target: str, indicator: str = "") -> Any:
        """How the province stands to a target, or to one part of it."""
        frame = query.standings(self.store, ADMIN, targets=[target], now=self.now).frame()
        return frame[frame.indicator == indicator].iloc[0]

    def everything_stored(self) -> bytes:
        """All bytes of the database, its journal too."""
        files = sorted(self.settings.data.glob("kpi.sqlite*"))
        return b"".join(path.read_bytes() for path in files)


ReaderOf = Callable[..., Reader]


@pytest.fixture(scope="module")
def reader_of(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Any, orgunits: OrgUnits
) -> Iterator[ReaderOf]:
    """Each system once for the module, already polled; all are closed at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    known: dict[str, Reader] = {}

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    def of(name: str, scale: float = 0.2) -> Reader:
        if name not in known:
            known[name] = _reader(
                tmp_path_factory.mktemp(name), name, scale, catalogue, orgunits, run
            )
            known[name].poll()
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        for listed in SYSTEMS:
            for variable, value in listed.sample.items():
                patch.setenv(variable, value)
        yield of
        for each in known.values():
            each.store.close()
            each.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def _reader(
    home: Any, name: str, scale: float, catalogue: Any, orgunits: OrgUnits, run: Any
) -> Reader:
    listed = next(one for one in SYSTEMS if one.source == name)
    clock = [NOW]
    place = Place(Province(orgunits, 450, scale), lambda: clock[0], home / "folder", 0)
    system = listed.make(place)
    run(system.open())
    source = next(one for one in load_sources() if one.id == name)
    source = source.model_copy(update={"url": listed.address(system.port, place.folder)})
    store = open_store(f"sqlite:///{home}/kpi.sqlite", catalogue, orgunits)
    health.publish_sources(store, [source])
    settings = SimpleNamespace(data=home, secret_key_file=None)
    return Reader(store, source, settings, system, place, run, clock)


def keeps_what_every_system_promises(
    reader: Reader, patch: pytest.MonkeyPatch, variable: str, path: str = ""
) -> None:
    """Marked as a sample, nobody's name, refused without its key, alone in its death.

    ``variable`` holds the secret of the source (none: it is open), ``path`` is one more address
    that answers.
    """
    for address in filter(None, (reader.source.url, path and reader.source.url + path)):
        reply = httpx2.get(address, timeout=30)
        assert reply.headers["x-du-lieu"] == "DU LIEU MAU", address
    stored = reader.everything_stored()
    assert not [word for word in (f"{SAMPLE} 0", "0900 000") if word.encode() in stored]
    if variable:
        secret = os.environ[variable]
        assert secret not in repr(reader.runs) and secret.encode() not in stored
        patch.setenv(variable, "khong-dung")
        assert reader.poll()["outcome"] == "needs_credentials"
        patch.setenv(variable, secret)
        assert reader.poll()["outcome"] in ("ok", "empty")
    reader.stop()
    assert reader.poll()["outcome"] == "retry"
    reader.start()
    assert reader.poll()["outcome"] in ("ok", "empty")

"""The environmental network of the sample: what is stored is what its stations measured."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import environment
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from connectors.sandbox.stations import Network
from ioc.orgunits import OrgUnits
from ioc.period import Period, date_of, day_of
from ioc.principal import Principal
from kpi import health, query
from kpi.store import KpiStore, open_store

NOW = datetime(2026, 11, 22, 1, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADMIN = Principal.local_admin()


class Polled:
    """The network at a clock, polled into a store."""

    def __init__(self, home: Path, catalogue: Any, orgunits: OrgUnits):
        self.now, self.home = NOW, home
        self.province = Province(orgunits, 450, 0.2)
        self.network = Network(self.province, lambda: self.now)
        self.door = environment.make(Place(self.province, lambda: self.now, home / "x", 0))
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.turn(self.door.open())
        self.url = f"http://127.0.0.1:{self.door.port}"
        source = next(one for one in load_sources() if one.id == "environment")
        self.source = source.model_copy(update={"url": self.url})
        self.store: KpiStore = open_store(f"sqlite:///{home}/kpi.sqlite", catalogue, orgunits)
        health.publish_sources(self.store, [self.source])

    def turn(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def poll(self) -> dict[str, Any]:
        settings = SimpleNamespace(data=self.home, secret_key_file=None)
        return poll(self.store, self.source, settings, now=self.now)

    def recount(self) -> dict[int, tuple[int, int, int]]:
        """By day, hours due, reported and exceeding of all stations: counted another way."""
        due_until = (self.now - timedelta(minutes=30)).replace(minute=0)
        days: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for station in self.network.stations:
            said: dict[datetime, list[bool]] = defaultdict(list)
            for number, quantity in station.quantities():
                low = -1e9 if quantity.least is None else quantity.least
                high = 1e9 if quantity.most is None else quantity.most
                for value in self.network.values(number):
                    if not isinstance(value.result, str):
                        said[value.at].append(not low <= value.result <= high)
            at = min(said)
            while at < due_until:
                row = days[day_of(at)]
                row[0] += 1
                row[1] += len(said[at]) == 2
                row[2] += any(said[at])
                at += HOUR
        return {day: (row[0], row[1], row[2]) for day, row in days.items()}

    def stored(self) -> dict[int, tuple[int, int, int]]:
        with self.store.read() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT day, element, SUM(value) FROM observation"
                    " WHERE superseded_at = 253402300799000000 GROUP BY day, element"
                )
            ).all()
        found: dict[int, dict[str, int]] = defaultdict(dict)
        for day, element, value in rows:
            found[day][element.removeprefix("env_hours_")] = int(value)
        return {d: (by["expected"], by["reported"], by["exceeding"]) for d, by in found.items()}


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Any, orgunits: OrgUnits
) -> Iterator[Polled]:
    found = Polled(tmp_path_factory.mktemp("env"), catalogue, orgunits)
    yield found
    found.turn(found.door.close())
    found.store.close()


def test_what_is_stored_is_what_the_stations_measured_also_after_late_values_came(
    network: Polled,
) -> None:
    first = network.poll()
    assert first["outcome"] == "ok" and first["new"] > 1500, first["note"]
    assert network.stored() == network.recount()
    changed = 0
    for _ in range(5):
        network.now += timedelta(hours=11)
        run = network.poll()
        assert run["outcome"] == "ok", run["note"]
        changed += run["changed"]
        truth = network.recount()
        within = {day: row for day, row in network.stored().items() if day > min(truth) + 1}
        assert within == {day: truth[day] for day in within}
    assert changed > 100
    again = network.poll()
    assert (again["outcome"], again["new"], again["changed"]) == ("ok", 0, 0)


def test_the_two_indicators_are_measured_and_the_count_has_no_denominator(network: Polled) -> None:
    network.poll()
    month = Period.parse("2026-10")
    asked = {"first": month, "last": month, "org_units": ["area-qb"], "grain": "month"}
    frame = query.values(
        network.store, ADMIN, indicators=["E-ENV1", "E-ENV2"], now=network.now, **asked
    ).frame()
    share, count = (frame.iloc[i] for i in range(2))
    truth = [row for day, row in network.stored().items() if date_of(day).month == 10]
    assert (share.numerator, share.denominator) == tuple(sum(r[i] for r in truth) for i in (1, 0))
    assert (count.value, count.numerator) == (sum(row[2] for row in truth),) * 2
    assert count.denominator != count.denominator and count.unit == "giờ" and count.value > 0


def test_every_reply_is_marked_and_nobody_of_a_station_is_stored(network: Polled) -> None:
    network.poll()
    listed = httpx2.get(f"{network.url}/v1.1/Datastreams", params={"$top": 5})
    assert listed.headers["x-du-lieu"] == "DU LIEU MAU" and listed.json()["ghiChu"]
    person = listed.json()["value"][0]["Thing"]["properties"]["nguoiPhuTrach"]
    with network.store.read() as connection:
        for table in sa.inspect(connection).get_table_names():
            text = repr(connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert person not in text and "Người trực" not in text, table


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"$filter": "phenomenonTime ge 2026-11-01T00:00:00Z"}, 500),
        ({"$filter": "resultTime ge yesterday"}, 400),
        ({"$filter": "result gt 5"}, 400),
        ({"$orderby": "result"}, 400),
        ({"$top": "0"}, 400),
        ({"$filter": "resultTime gt 2026-11-21T00:00:00Z", "$count": "true", "$top": "7"}, 200),
    ],
)
def test_it_answers_as_such_servers_do(
    network: Polled, params: dict[str, str], status: int
) -> None:
    answer = httpx2.get(f"{network.url}/v1.1/Datastreams(1)/Observations", params=params)
    assert answer.status_code == status
    if status == 200:
        walked, body = list(answer.json()["value"]), answer.json()
        while link := body.get("@iot.nextLink"):
            body = httpx2.get(link).json()
            walked += body["value"]
        assert len(walked) == answer.json()["@iot.count"] > 7
        assert walked == sorted(walked, key=lambda row: row["resultTime"])


def test_closed_it_is_a_source_that_fails_and_keeps_its_figures(network: Polled) -> None:
    network.poll()
    before = network.stored()
    network.turn(network.door.close())
    assert network.poll()["outcome"] == "retry"
    assert network.stored() == before
    network.turn(network.door.open())
    assert network.poll()["outcome"] == "ok"

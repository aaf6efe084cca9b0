"""The sample's data centre and network: as a real Prometheus tells it, and as the store has it."""

import asyncio
import math
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import prometheus
from connectors.poller import poll
from connectors.sandbox import data_centre
from connectors.sandbox.data_centre import MISLABELLED, UNKNOWN, VCPU, Network
from connectors.sandbox.mark import HEADER, SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.promql import DAY
from connectors.sandbox.province import LEVELS, Province
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period, date_of
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, query
from kpi.schema import FAR
from tests.conftest import free_port
from tests.test_prometheus import midnight, program, running

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
UNITS = OrgUnits.load()
NETWORK = Network(Province(UNITS, 450, 0.2))


def declared(url: str) -> Source:
    source = next(one for one in load_sources() if one.id == "data_centre")
    return source.model_copy(update={"url": url})


@pytest.fixture(scope="module")
def clock() -> list[datetime]:
    return [NOW]


@pytest.fixture(scope="module")
def url(clock: list[datetime], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server behind a port."""
    home = tmp_path_factory.mktemp("dc")
    door = data_centre.make(Place(Province(UNITS, 450, 0.2), lambda: clock[0], home, 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(door.open(), loop).result(30)
    yield f"http://127.0.0.1:{door.port}"
    asyncio.run_coroutine_threadsafe(door.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def stored(store: Any, element: str) -> dict[tuple[str, date], float]:
    with store.read() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT org_unit, day, value FROM observation"
                f" WHERE element = :e AND superseded_at = {FAR}"
            ),
            {"e": element},
        ).all()
    return {(unit, date_of(day)): value for unit, day, value in rows}


def minutes(now: datetime) -> dict[str, dict[tuple[str, date], float]]:
    """Minutes measured and up of every link that a reader can take, by element."""
    found: dict[str, dict[tuple[str, date], float]] = {"expected": {}, "up": {}}
    for number in range(60):
        day = (now - timedelta(days=number)).date()
        upto = DAY if number else now.hour * 60 + now.minute
        for level in LEVELS:
            for unit in NETWORK._province.open_on(level, day):
                if NETWORK.code(unit, day) == UNKNOWN:
                    continue
                told = data_centre.day_of(NETWORK.link(unit), day).told(0, upto)
                if told.count and not math.isnan(told.total):
                    found["expected"][unit.uid, day] = told.count
                    found["up"][unit.uid, day] = told.total
    return found


def test_the_store_holds_each_link_and_day_as_it_was_and_follows_the_day_under_way(
    url, clock, sqlite_store, tmp_path
):
    source, settings = declared(url), SimpleNamespace(data=tmp_path, secret_key_file=None)
    health.publish_sources(sqlite_store, [source])
    clock[0] = NOW
    runs = []
    for _ in range(3):
        runs.append(poll(sqlite_store, source, settings, now=clock[0]))
        assert runs[-1]["outcome"] == "ok", runs[-1]
        truth = minutes(clock[0])
        expected = stored(sqlite_store, "wan_minutes_expected")
        lost = expected.keys() - truth["expected"].keys()
        assert {k: v for k, v in expected.items() if k not in lost} == truth["expected"]
        assert stored(sqlite_store, "wan_minutes_up") == truth["up"]
        assert len(lost) < 5  # they said no number on that day: neither half is counted above
        clock[0] += timedelta(minutes=5)
    assert 5_000 < runs[0]["new"] < 15_000 and runs[0]["rejected"] < 60
    assert runs[1]["new"] == 0 and 50 < runs[1]["changed"] < 300 and runs[1]["read"] < 500
    assert poll(sqlite_store, source, settings, now=clock[0] - timedelta(minutes=5))["changed"] == 0
    people = [text for text in data_centre.OFFICER.values() if text != SAMPLE]
    for path in tmp_path.glob("**/*"):
        held = path.read_bytes() if path.is_file() else b""
        assert not [word for word in people if word.encode() in held]


def test_the_figures_of_a_month_are_sums_of_minutes_and_the_state_of_its_last_day(
    url, clock, sqlite_store, tmp_path
):
    source, settings = declared(url), SimpleNamespace(data=tmp_path, secret_key_file=None)
    health.publish_sources(sqlite_store, [source])
    clock[0] = NOW
    assert poll(sqlite_store, source, settings, now=NOW)["outcome"] == "ok"
    period = Period.parse("2026-10")
    frame = query.values(
        sqlite_store, Principal.local_admin(), indicators=["TTDL1", "TTDL2", "TTDL3"],
        first=period, last=period, org_units=["area-qb"], grain="month", now=NOW,
    ).frame().set_index("indicator")  # fmt: skip
    up, measured = (
        sum(value for (_, day), value in each.items() if Period.of("month", day) == period)
        for each in (minutes(NOW)["up"], minutes(NOW)["expected"])
    )
    assert frame.loc["TTDL1", "numerator"] == up
    assert frame.loc["TTDL1", "denominator"] == pytest.approx(measured, abs=5 * DAY)
    assert 0.95 < up / measured < 0.9995
    last = date(2026, 10, 31)
    running_then = sum(
        one.told(DAY - 1, DAY).total for one in NETWORK.series("dc_service_up", last)
    )
    assert frame.loc["TTDL2", "numerator"] == running_then
    assert frame.loc["TTDL2", "denominator"] == len(data_centre.SERVICES)
    assert frame.loc["TTDL3", "numerator"] == NETWORK.load(last, 0, DAY).top
    assert frame.loc["TTDL3", "denominator"] == VCPU
    before = query.values(
        sqlite_store, Principal.local_admin(), indicators=["TTDL1"], now=NOW, grain="month",
        first=Period.parse("2026-08"), last=Period.parse("2026-08"), org_units=["area-qb"],
    ).frame()  # fmt: skip
    assert math.isnan(before.iloc[0].value)  # a Prometheus keeps little


def test_a_mislabelled_switch_is_refused_and_no_other_link_suffers(url, clock, tmp_path):
    day = next(
        day
        for day in (date(2026, 1, 1) + timedelta(days=n) for n in range(366))
        if any(
            NETWORK.code(u, day) == UNKNOWN
            for level in LEVELS
            for u in NETWORK._province.open_on(level, day)
        )
    )
    assert MISLABELLED[0] <= day.day <= MISLABELLED[1]
    named = [one.labels["ma_don_vi"] for one in NETWORK.series("wan_link_up", day)]
    assert 1 <= named.count(UNKNOWN) < 6 and len(named) > 50


def test_districts_have_links_until_they_end():
    for day, wanted in ((date(2025, 6, 30), 8), (date(2025, 7, 1), 0)):
        codes = [one.labels["ma_don_vi"] for one in NETWORK.series("wan_link_up", day)]
        assert sum(len(code) == 3 and code.isdigit() for code in codes) == wanted


def ask(url: str, path: str = "query", **given: Any) -> httpx2.Response:
    return httpx2.get(f"{url}/api/v1/{path}", params=given, trust_env=False)


def test_every_reply_is_marked_and_a_strange_request_is_bad_data(url, clock):
    clock[0] = NOW
    good = ask(url, query="count by (ma_don_vi) (dc_service_up)")
    assert good.headers[HEADER[0].decode()] == HEADER[1].decode()
    assert good.json()["infos"] == [SAMPLE]
    assert [one["value"][1] for one in good.json()["data"]["result"]] == ["14"]
    for path, given in (
        ("query", {"query": "up"}),
        ("query", {"query": "count by (a) (b)", "time": "hôm qua"}),
        ("query_range", {"query": "count by (a) (b)", "start": 0, "end": 9, "step": 0}),
        ("query_range", {"query": "count by (a) (b)", "start": 0, "end": 1e9, "step": 1}),
        ("query_range", {"query": "count by (a) (b)"}),
    ):
        bad = ask(url, path, **given)
        assert (bad.status_code, bad.json()["status"]) == (400, "error"), given
        assert HEADER[0].decode() in bad.headers
    old = (NOW - timedelta(days=61)).timestamp()
    assert ask(url, query="count by (x) (dc_service_up)", time=old).json()["data"]["result"] == []


def exported(days: list[date]) -> str:
    """Every series of these days as OpenMetrics, sample by sample."""
    lines = []
    for metric in ("wan_link_up", "dc_service_up", "dc_vcpu_used", "dc_vcpu_total"):
        series: dict[str, list[str]] = {}
        for day in days:
            for number, one in enumerate(NETWORK.series(metric, day)):
                own = one.labels["ma_don_vi"]
                if metric == "wan_link_up" and number % 9 and own != UNITS.owner("STTTT", day).code:
                    continue
                named = ",".join(f'{name}="{text}"' for name, text in one.labels.items())
                for minute in range(DAY):
                    told, at = one.told(minute, minute + 1), midnight(day) + minute * 60 + 30
                    if told.count:
                        series.setdefault(named, []).append(f"{told.total} {at}")
        lines.append(f"# TYPE {metric} gauge")
        lines += [f"{metric}{{{named}}} {x}" for named, samples in series.items() for x in samples]
    return "\n".join([*lines, "# EOF\n"])


def test_a_real_prometheus_with_the_same_samples_gives_the_same_rows(url, clock, tmp_path):
    days = [NOW.date() - timedelta(days=n) for n in (2, 1)]
    (tmp_path / "past.txt").write_text(exported(days))
    make = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*make, tmp_path / "past.txt", tmp_path / "data"], check=True, capture_output=True
    )
    (tmp_path / "prometheus.yml").write_text("{}")
    port = free_port()
    command = [program("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    command += ["--storage.tsdb.retention.time=20y"]
    real = f"http://127.0.0.1:{port}"
    clock[0] = NOW
    with running(command, f"{real}/-/ready", tmp_path / "log"):
        theirs, ours = (rows(where) for where in (real, url))
    assert len(theirs) > 12
    for key, row in theirs.items():
        assert ours[key] == row


def rows(url: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the two days before, as the source asks for them."""
    source = declared(url)
    midnight_now = datetime(NOW.year, NOW.month, NOW.day, tzinfo=LOCAL).astimezone(UTC)
    since = (NOW.date() - timedelta(days=1)).isoformat()
    with IO(source, now=lambda: midnight_now, sleep=lambda _: None) as io:
        found = [row for batch in prometheus.poll(source, since, io) for row in batch.rows]
    return {(row["ma_don_vi"], row["day"]): dict(row) for row in found}

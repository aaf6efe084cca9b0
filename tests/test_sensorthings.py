"""Sensors over SensorThings: late values correct their day, and one bad station stops no other."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors import poller
from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import sensorthings
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, ConfigError, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, Request
from tests.conftest import free_port
from tests.fields import source_of
from tests.sensorthings_server import SensorThings
from tests.test_poller import contents

NOW = datetime(2026, 11, 22, 1, 40, tzinfo=UTC)  # 08:40 in Quảng Bình: hours until 08:00 are due
DAY = datetime(2026, 11, 20, 17, tzinfo=UTC)  # local midnight of the 21st
HOUR = timedelta(hours=1)
CODE, OTHER = "19207", "18880"


def sensor_source(url: str, **entries: Any) -> Source:
    """A source of stations at this address."""
    options = {"from": "2026-11-01", "unit": "Thing.properties.maXa", "most": "properties.gioiHan"}
    given: dict[str, Any] = {
        "id": "environment",
        "name": "Quan trắc thử",
        "kind": "sensorthings",
        "url": url,
        "owner": "STNMT",
        "every": "60s",
        "serves": ["commune"],
        "lag": "1d",
        "fields": {
            "org_unit": "org_unit",
            "period": Lined({"path": "day", "grain": "day"}),
            "changed_at": "last_at",
        },
        "readings": {
            "env_hours_expected": "hours_expected",
            "env_hours_reported": "hours_reported",
            "env_hours_exceeding": "hours_exceeding",
        },
    }
    given |= entries
    given["options"] = Lined(options | entries.get("options", {}))
    return source_of(**given)


def text_of(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Stations:
    """A small SensorThings server: streams by number, and a few values on each page."""

    def __init__(self, page: int = 50):
        self.page = page
        self.streams: list[dict[str, Any]] = []
        self.values: list[list[dict[str, Any]]] = []
        self.url = ""
        self.spoiled: dict[int, Answer] = {}

    def add(self, unit: Any, *values: Any, station: int | None = None, **properties: Any) -> int:
        """A datastream; each value is (instant, result) or (instant, result, told)."""
        number = len(self.streams) + 1
        thing = {"@iot.id": station or number, "properties": {"maXa": unit, "ten": "Nguyễn Văn A"}}
        self.streams.append({
            "@iot.id": number,
            "name": "Trạm của ông Nguyễn Văn A, 0912345678",
            "properties": properties,
            "Thing": thing,
            "Observations@iot.navigationLink": f"Datastreams({number})/Observations",
        })
        self.values.append([])
        self.say(number, *values)
        return number

    def say(self, number: int, *values: Any) -> None:
        for at, result, *told in values:
            said = told[0] if told else at
            row = {"phenomenonTime": text_of(at), "resultTime": text_of(said), "result": result}
            self.values[number - 1].append(row)

    def __call__(self, request: Request) -> Answer:
        if request.path.endswith("/Datastreams"):
            return self.spoiled.get(0) or Answer(self._page(request, self.streams))
        number = int(request.path.split("(")[1].split(")")[0])
        asked = request.query["$filter"].removeprefix("resultTime ge ")
        since = datetime.fromisoformat(asked)
        assert request.query["$orderby"] == "resultTime asc"
        found = [
            row
            for row in self.values[number - 1]
            if not isinstance(row["resultTime"], str)
            or datetime.fromisoformat(row["resultTime"]) >= since
        ]
        found.sort(key=lambda row: str(row["resultTime"]))
        return self.spoiled.get(number) or Answer(self._page(request, found))

    def _page(self, request: Request, rows: list[Any]) -> dict[str, Any]:
        skip = int(request.query.get("$skip", 0))
        body: dict[str, Any] = {"value": rows[skip : skip + self.page]}
        if skip + self.page < len(rows):  # as real servers write it: absolute, and not encoded
            asked = {**request.query, "$skip": str(skip + self.page)}
            link = "&".join(f"{name}={value}" for name, value in asked.items())
            body["@iot.nextLink"] = f"{self.url}{request.path}?{link}"
        return body


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> SimpleNamespace:
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: None)
    return SimpleNamespace(data=tmp_path, secret_key_file=None)


@pytest.fixture
def stations() -> Iterator[Stations]:
    """The small server, running."""
    made = Stations()
    with Chaos(made) as server:
        made.url = server.url
        made.requests = server.requests  # type: ignore[attr-defined]
        yield made


def polled(store: KpiStore, source: Source, settings: Any, now: datetime = NOW) -> dict[str, Any]:
    health.publish_sources(store, [source])
    return poll(store, source, settings, now=now)


def walk(source: Source, since: str | None = None, now: datetime = NOW) -> list[Batch]:
    with IO(source, now=lambda: now, sleep=lambda _: None, env={}) as io:
        return list(sensorthings.poll(source, since, io))


def days(batches: list[Batch]) -> dict[tuple[str, str], tuple[int, int, int | None]]:
    """(org unit, day) to hours expected, reported, exceeding."""
    return {
        (row["org_unit"], row["day"][8:]): (
            row["hours_expected"],
            row["hours_reported"],
            row["hours_exceeding"],
        )
        for batch in batches
        for i, row in enumerate(batch.rows)
        if i not in batch.unfit
    }


def hourly(start: datetime, count: int, value: float = 10.0) -> list[tuple[datetime, float]]:
    return [(start + i * HOUR, value) for i in range(count)]


def observations(store: KpiStore) -> dict[tuple[str, str], float]:
    """(element, day of the month) to value, at the first org unit."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT element, day, SUM(value) FROM observation"
                " WHERE superseded_at = 253402300799000000 AND org_unit LIKE '%19207%'"
                " GROUP BY element, day"
            )
        ).all()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return {(e.removeprefix("env_hours_"), f"{epoch + timedelta(d):%d}"): v for e, d, v in found}


# -- a server that nobody here wrote ---------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SensorThings]:
    """django-ogc-sensorthings on SQLite."""
    with SensorThings(tmp_path_factory.mktemp("sta"), free_port()) as server:
        yield server


def test_a_real_server_is_read_page_after_page_and_late_values_correct_their_day(
    real: SensorThings, sqlite_store: KpiStore, settings: Any
) -> None:
    station = real.thing(CODE)
    dust, noise = real.datastream(station, gioiHan=50), real.datastream(station, "NO2", gioiHan=200)
    lost = (DAY + 5 * HOUR, DAY + 6 * HOUR)
    values = [pair for pair in hourly(DAY - 120 * HOUR, 152) if pair[0] not in lost]
    real.observe(dust, *((at, 60.0 if at == DAY + 3 * HOUR else v) for at, v in values))
    real.observe(noise, *hourly(DAY - 120 * HOUR, 152))
    source = sensor_source(real.url)
    first = polled(sqlite_store, source, settings)
    assert (first["outcome"], first["rejected"]) == ("ok", 0), first["note"]
    found = observations(sqlite_store)
    assert [found[name, "21"] for name in ("expected", "reported", "exceeding")] == [24, 22, 1]
    assert [found[name, "22"] for name in ("expected", "reported", "exceeding")] == [8, 8, 0]
    assert (found["reported", "17"], found["expected", "16"]) == (24, 24)
    assert first["calls"] > 2 * 150 // 100  # it gives a hundred at a time
    before = contents(sqlite_store)
    again = polled(sqlite_store, source, settings)
    assert (again["outcome"], again["new"], again["changed"]) == ("ok", 0, 0)
    assert contents(sqlite_store) == before
    real.observe(dust, (lost[0], 70.0, NOW - HOUR))
    late = polled(sqlite_store, source, settings)
    assert (late["new"], late["changed"]) == (0, 2)
    found = observations(sqlite_store)
    assert [found[name, "21"] for name in ("expected", "reported", "exceeding")] == [24, 23, 2]


def test_a_real_server_fails_where_it_is_asked_for_too_much(
    real: SensorThings, sqlite_store: KpiStore, settings: Any
) -> None:
    real.observe(real.datastream(real.thing(OTHER)), *hourly(DAY, 3))
    refused = polled(sqlite_store, sensor_source(real.url, options={"size": 1000}), settings)
    assert (refused["outcome"], refused["read"]) == ("broken", 0)
    assert "422" in refused["note"]


# -- folding ---------------------------------------------------------------------------------------


def test_minutes_are_folded_to_the_mean_of_their_hour(stations: Stations) -> None:
    minutes = [(DAY + timedelta(minutes=10 * i), 40.0 + 30 * (i % 2)) for i in range(12)]
    stations.add(CODE, *minutes, gioiHan=54)
    found = days(walk(sensor_source(stations.url)))
    assert found[CODE, "21"] == (24, 2, 2)  # 55 on the mean: above 54, though half lies below
    stations.streams[0]["properties"]["gioiHan"] = 56
    assert days(walk(sensor_source(stations.url)))[CODE, "21"] == (24, 2, 0)


def test_stations_of_an_org_unit_are_summed_and_an_hour_needs_all_that_a_station_measures(
    stations: Stations,
) -> None:
    stations.add(CODE, *hourly(DAY, 24), gioiHan=5, station=7)
    stations.add(CODE, *hourly(DAY, 20), gioiHan=50, station=7)
    stations.add(CODE, *hourly(DAY + 4 * HOUR, 20), gioiHan=50, station=8)
    stations.add(OTHER, *hourly(DAY, 24), gioiHan=50)
    found = days(walk(sensor_source(stations.url)))
    assert found[CODE, "21"] == (24 + 20, 20 + 20, 24)
    assert found[OTHER, "21"] == (24, 24, 0)


def test_an_instrument_that_came_later_is_not_missed_in_the_hours_before(
    stations: Stations,
) -> None:
    stations.add(CODE, *hourly(DAY, 24), station=7)
    stations.add(CODE, *hourly(DAY + 10 * HOUR, 10), station=7)
    assert days(walk(sensor_source(stations.url)))[CODE, "21"] == (24, 20, None)


def test_a_stream_that_is_listed_twice_counts_once(stations: Stations) -> None:
    stations.add(CODE, *hourly(DAY, 24))
    stations.add(CODE, *hourly(DAY, 12))
    stations.streams.append(stations.streams[1])
    assert days(walk(sensor_source(stations.url)))[CODE, "21"] == (48, 36, None)
    assert len([r for r in stations.requests if "Observations" in r.path]) == 2


def test_what_may_be_too_low_has_a_lower_limit_and_without_any_limit_nothing_is_known(
    stations: Stations,
) -> None:
    stations.add(CODE, (DAY, 3.9), (DAY + HOUR, 4.0), thap=4)
    stations.add(OTHER, (DAY, 3.9))
    source = sensor_source(stations.url, options={"least": "properties.thap"})
    found = days(walk(source))
    assert found[CODE, "21"] == (24, 2, 1)
    assert found[OTHER, "21"] == (24, 1, None)


def test_hours_are_due_from_the_first_value_on_and_only_once_they_are_over(
    stations: Stations,
) -> None:
    stations.add(CODE, *hourly(DAY + 6 * HOUR, 26))
    source = sensor_source(stations.url)
    assert days(walk(source)) == {(CODE, "21"): (18, 18, None), (CODE, "22"): (8, 8, None)}
    [batch] = walk(source, now=NOW - timedelta(minutes=15))  # 08:25: the last hour has time left
    assert [row["hours_expected"] for row in batch.rows] == [18, 7]


def test_a_stretch_of_time_counts_by_its_beginning_and_days_are_local(stations: Stations) -> None:
    number = stations.add(CODE)
    start, end = DAY - HOUR, DAY
    stations.values[number - 1].append({
        "phenomenonTime": f"{text_of(start)}/{text_of(end)}",
        "resultTime": text_of(end),
        "result": 1,
    })
    stations.values[number - 1].append({"resultTime": "2026-11-22T00:30:00+07:00", "result": "x"})
    stations.values[number - 1].append({"resultTime": "2026-11-22T00:30:00+07:00", "result": 2})
    found = days(walk(sensor_source(stations.url)))
    assert [found[CODE, day][:2] for day in ("20", "21", "22")] == [(1, 1), (24, 0), (8, 1)]


def test_a_correction_replaces_the_value_of_its_instant(stations: Stations) -> None:
    stations.add(CODE, (DAY, 90.0), (DAY, 10.0, DAY + HOUR), (DAY, 99.0, DAY), gioiHan=50)
    assert days(walk(sensor_source(stations.url)))[CODE, "21"] == (24, 1, 0)


# -- what comes late -------------------------------------------------------------------------------


def test_a_value_within_the_lag_corrects_its_day_and_a_day_before_it_stays(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    number = stations.add(CODE, *hourly(DAY - 48 * HOUR, 40), *hourly(DAY, 32))
    source = sensor_source(stations.url)
    polled(sqlite_store, source, settings)
    assert observations(sqlite_store)["reported", "20"] == 16
    stations.say(number, *hourly(DAY - 8 * HOUR, 8))
    stations.requests.clear()
    run = polled(sqlite_store, source, settings)
    asked = [r.query["$filter"] for r in stations.requests if "$filter" in r.query]
    assert (run["outcome"], run["changed"]) == ("ok", 0)  # the 20th lies before the lag
    assert asked == ["resultTime ge 2026-11-20T17:00:00Z"]
    wider = sensor_source(stations.url, lag="2d")
    assert polled(sqlite_store, wider, settings)["changed"] == 1
    assert observations(sqlite_store)["reported", "20"] == 24


def test_a_value_of_before_the_first_day_is_left_alone_whenever_it_was_told(
    stations: Stations,
) -> None:
    number = stations.add(CODE, *hourly(DAY, 24))
    source = sensor_source(stations.url, options={"from": "2026-11-20"})
    [first] = walk(source)
    stations.say(number, (DAY - 72 * HOUR, 1.0, NOW))
    [again] = walk(source, first.cursor)
    assert min(days([again]))[1] == "20"


def test_a_station_that_was_away_brings_the_days_that_it_missed(stations: Stations) -> None:
    stations.add(CODE, *hourly(DAY - 120 * HOUR, 152))
    away = stations.add(CODE, *hourly(DAY - 120 * HOUR, 10), station=9)
    source = sensor_source(stations.url)
    [first] = walk(source)
    assert days([first])[CODE, "18"] == (48, 24, None)
    stations.say(away, *hourly(DAY - 110 * HOUR, 142))
    [again] = walk(source, first.cursor)
    found = days([again])
    assert found[CODE, "18"] == (48, 48, None)
    assert min(found)[1] == "16"  # the day on which it fell silent, folded from both
    [quiet] = walk(source, again.cursor)
    assert min(days([quiet]))[1] == "21"


def test_a_new_station_is_counted_from_its_first_value_and_leaves_older_days_alone(
    stations: Stations,
) -> None:
    stations.add(CODE, *hourly(DAY - 48 * HOUR, 80))
    source = sensor_source(stations.url)
    [first] = walk(source)
    stations.add(CODE, *hourly(DAY - 10 * HOUR, 42), station=9)
    [again] = walk(source, first.cursor)
    assert days([again]) == {
        (CODE, "20"): (24 + 10, 34, None),
        (CODE, "21"): (48, 48, None),
        (CODE, "22"): (16, 16, None),
    }
    assert json.loads(again.cursor or "")["streams"]["2"]["begun"] == "2026-11-20T07:00:00+00:00"


# -- pages -----------------------------------------------------------------------------------------


def test_pages_end_and_never_lead_to_another_host(stations: Stations) -> None:
    stations.add(CODE, *hourly(DAY, 3))
    source = sensor_source(stations.url)
    for link, why in (
        ("http://127.0.0.1:1/v1.1/Datastreams", "ngoài danh sách"),
        ("http://169.254.169.254/latest", "ngoài danh sách"),
        ("file:///etc/passwd", "http hoặc https"),
        (f"{stations.url}/v1.1/Datastreams?$expand=Thing,ObservedProperty", "không kết thúc"),
    ):
        stations.spoiled[0] = Answer({"value": stations.streams, "@iot.nextLink": link})
        with pytest.raises(Broken, match=why):
            walk(source)
    numbers_ = iter(range(10_000))
    with (
        Chaos(lambda _: Answer({"value": [], "@iot.nextLink": f"?n={next(numbers_)}"})) as server,
        pytest.raises(Broken, match="quá 20 trang"),
    ):
        walk(sensor_source(server.url, options={"max_pages": 20}))


def test_a_next_link_stays_at_home_also_where_redirects_may_lead_elsewhere(
    stations: Stations,
) -> None:
    with Chaos(lambda _: Answer({"value": []})) as other:
        source = sensor_source(stations.url, options={"hosts": [other.url]})
        link = f"{other.url}/v1.1/Datastreams"
        stations.spoiled[0] = Answer({"value": stations.streams, "@iot.nextLink": link})
        with pytest.raises(Broken, match="máy khác"):
            walk(source)
        assert other.requests == []


def test_a_value_that_stands_on_two_pages_counts_once(stations: Stations) -> None:
    stations.page = 5
    values = hourly(DAY, 24, 60.0)
    stations.add(CODE, *values, *values[4:6], gioiHan=50)
    assert days(walk(sensor_source(stations.url)))[CODE, "21"] == (24, 24, 24)
    assert len(stations.requests) > 5


# -- what cannot be right --------------------------------------------------------------------------


def test_values_that_are_no_numbers_or_of_tomorrow_are_refused_one_by_one(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    wrong = ("NaN", "1e999", True, [1], {"a": 1}, None)
    told = [(DAY + (8 + i) * HOUR, result) for i, result in enumerate(wrong)]
    number = stations.add(CODE, *hourly(DAY, 8), *told, (NOW + timedelta(minutes=6), 1.0))
    stations.add(OTHER, *hourly(DAY, 24), (NOW + timedelta(minutes=4), 1.0))
    stations.values[number - 1].append({"phenomenonTime": text_of(DAY), "resultTime": None})
    run = polled(sqlite_store, sensor_source(stations.url), settings)
    assert (run["outcome"], run["rejected"]) == ("ok", 7)
    assert "1 giá trị bị bỏ: thời điểm ở tương lai" in run["note"] or "từ chối" in run["note"]
    with sqlite_store.read() as connection:
        reasons = connection.execute(sa.text("SELECT reason FROM rejection")).scalars().all()
    for word in ("ở tương lai", "đúng/sai", "danh sách", "đối tượng", "NaN", "thiếu resultTime"):
        assert any(word in reason for reason in reasons), word
    seen = json.loads(health.watermark(sqlite_store, "environment") or "")["streams"]["1"]["seen"]
    assert datetime.fromisoformat(seen) == DAY + 13 * HOUR


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_reply_that_is_no_json_refuses_its_org_unit_and_no_other(
    literal: bytes, stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    bad = stations.add(CODE, *hourly(DAY, 24))
    stations.add(OTHER, *hourly(DAY, 24))
    source = sensor_source(stations.url)
    polled(sqlite_store, source, settings)
    before = contents(sqlite_store)
    marks = json.loads(health.watermark(sqlite_store, source.id) or "")["streams"]
    stations.say(1, (DAY + 24 * HOUR, 1.0))
    stations.say(2, (DAY + 24 * HOUR, 1.0))
    stations.spoiled[bad] = Answer(
        body=b'{"value": [{"resultTime": "2026-11-21T00:00:00Z", "result": %b}]}' % literal
    )
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["rejected"], run["changed"]) == ("partial", 1, 1)
    assert f"Datastreams/{CODE}" in str(run["note"]) or "JSON" in run["note"]
    after = json.loads(health.watermark(sqlite_store, source.id) or "")["streams"]
    assert after["1"] == marks["1"] and after["2"] != marks["2"]
    stations.spoiled.clear()
    assert polled(sqlite_store, source, settings)["changed"] == 1
    assert contents(sqlite_store) != before


def test_where_no_org_unit_can_be_read_the_source_is_broken(stations: Stations) -> None:
    for number in (stations.add(CODE), stations.add(OTHER)):
        stations.spoiled[number] = Answer(body=b"<html>")
    with pytest.raises(Broken, match="JSON không hợp lệ"):
        walk(sensor_source(stations.url))


WRONG = [
    Answer(body=b"<html>", type="text/html"),
    Answer(body=b"<html>"),
    Answer({"error": "no"}),
    Answer({"value": None}),
    Answer({"value": ["a"]}),
    Answer([1]),
    Answer({"value": []}),
]


@pytest.mark.parametrize("answer", WRONG)
def test_anything_but_stations_with_status_200_is_broken_and_keeps_everything(
    answer: Answer, stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    stations.add(CODE, *hourly(DAY, 24))
    source = sensor_source(stations.url)
    polled(sqlite_store, source, settings)
    before = health.watermark(sqlite_store, source.id), contents(sqlite_store)
    stations.spoiled[0] = answer
    assert polled(sqlite_store, source, settings)["outcome"] == "broken"
    assert (health.watermark(sqlite_store, source.id), contents(sqlite_store)) == before


def test_a_stream_without_an_org_unit_is_a_rejection_and_the_others_are_read(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    stations.add(None, *hourly(DAY, 24))
    stations.add("99999", *hourly(DAY, 24))
    stations.add("Nguyễn Văn A", *hourly(DAY, 24))
    stations.add(CODE, *hourly(DAY, 24))
    run = polled(sqlite_store, sensor_source(stations.url), settings)
    assert (run["outcome"], run["new"]) == ("ok", 4)
    assert run["rejected"] == 1 + 2 * 2 + 2  # a stream; two days of an unknown code; of a name


def test_no_name_and_no_telephone_of_a_station_is_stored(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    stations.add(CODE, *hourly(DAY, 24))
    stations.add("0912345678", *hourly(DAY, 24))
    polled(sqlite_store, sensor_source(stations.url), settings)
    with sqlite_store.read() as connection:
        for table in sa.inspect(connection).get_table_names():
            text = repr(connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert "0912345678" not in text and "Nguyễn" not in text, table


# -- failures --------------------------------------------------------------------------------------


def test_a_cut_first_load_stores_nothing_and_a_later_poll_keeps_what_came_before_the_cut(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    for unit in (CODE, OTHER):
        stations.add(unit, *hourly(DAY, 24))
    source = sensor_source(stations.url)
    last = 1  # org units are read in the order of their codes
    stations.spoiled[last] = Answer(status=503)
    cut = polled(sqlite_store, source, settings)
    assert (cut["outcome"], cut["read"]) == ("retry", 0)
    stations.spoiled.clear()
    assert polled(sqlite_store, source, settings)["new"] == 8
    stations.say(1, (DAY + 24 * HOUR, 1.0))
    stations.say(2, (DAY + 24 * HOUR, 1.0))
    stations.spoiled[last] = Answer(status=503)
    cut = polled(sqlite_store, source, settings)
    assert (cut["outcome"], cut["changed"]) == ("partial", 1)
    stations.spoiled.clear()
    assert polled(sqlite_store, source, settings)["changed"] == 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, NeedsCredentials), (403, NeedsCredentials), (429, Transient)]
)
def test_credentials_and_overload_concern_the_whole_source(
    status: int, error: type, stations: Stations
) -> None:
    bad = stations.add(CODE, *hourly(DAY, 24))
    stations.add(OTHER, *hourly(DAY, 24))
    stations.spoiled[bad] = Answer(status=status, headers={"Retry-After": "60"})
    with pytest.raises(error):
        walk(sensor_source(stations.url))


def test_a_network_that_says_nothing_new_has_not_covered_now_and_says_since_when(
    stations: Stations, sqlite_store: KpiStore, settings: Any
) -> None:
    stations.add(CODE, *hourly(DAY, 30))
    other = stations.add(OTHER, *hourly(DAY, 30))
    source = sensor_source(stations.url)

    def covered() -> Any:
        with sqlite_store.read() as connection:
            return connection.scalar(sa.text("SELECT MAX(covered_until) FROM poll_run"))

    polled(sqlite_store, source, settings)
    before = covered()
    stations.say(other, *hourly(NOW, 9))
    run = polled(sqlite_store, source, settings, NOW + 9 * HOUR)
    assert f"1 đơn vị không có giá trị mới, lần cuối: {CODE} (05:00 22/11/2026)" in run["note"]
    assert covered() > before
    before = covered()
    frozen = polled(sqlite_store, source, settings, NOW + 18 * HOUR)
    assert "2 đơn vị không có giá trị mới" in frozen["note"]
    assert (frozen["outcome"], covered()) == ("ok", before)


# -- the watermark ---------------------------------------------------------------------------------


def cursor(seen: Any = "2026-11-21T00:00:00+00:00", begun: Any = None, v: int = 1) -> str:
    return json.dumps({"v": v, "streams": {"1": {"seen": seen, "begun": begun}}})


@pytest.mark.parametrize(
    "since",
    [
        "",
        "rác",
        "{}",
        "5",
        "2026-11-01T00:00:00Z",
        cursor(v=2),
        cursor("2026-11-21T00:00:00"),
        cursor(5),
        '{"v": 1, "streams": {"1": {}}}',
        '{"v": 1, "streams": 5}',
        cursor("2999-01-01T00:00:00+00:00"),
        cursor(begun="2999-01-01T00:00:00+00:00"),
    ],
)
def test_a_watermark_that_cannot_be_right_is_refused_and_nothing_is_read(
    since: str, stations: Stations
) -> None:
    stations.add(CODE, *hourly(DAY, 3))
    with pytest.raises(Broken, match="mốc đã lưu"):
        walk(sensor_source(stations.url), since)
    assert stations.requests == []


def test_the_watermark_keeps_microseconds_and_never_goes_back(stations: Stations) -> None:
    at = DAY + timedelta(microseconds=123457)
    stations.add(CODE, (DAY + HOUR, 1.0), (DAY, 2.0, at))
    source = sensor_source(stations.url)
    [first] = walk(source)
    seen = json.loads(first.cursor or "")["streams"]["1"]["seen"]
    assert seen == "2026-11-20T18:00:00+00:00"
    stations.say(1, (DAY + 2 * HOUR, 3.0, DAY + 2 * HOUR + timedelta(microseconds=7)))
    [second] = walk(source, first.cursor)
    seen = json.loads(second.cursor or "")["streams"]["1"]["seen"]
    assert seen == "2026-11-20T19:00:00.000007+00:00"
    stations.values[0].pop()
    [third] = walk(source, second.cursor)
    assert third.cursor == second.cursor


# -- configuration ---------------------------------------------------------------------------------

DECLARED = """
quan_trac:
  name: Quan trắc
  kind: sensorthings
  url: http://127.0.0.1:1
  owner: STNMT
  every: 60s
  serves: [commune]
  fields: {org_unit: org_unit, period: {path: day, grain: day}}
  readings: {env_hours_expected: hours_expected}
  options: {from: "2021-01-01", unit: Thing.properties.maXa}
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (", unit: Thing.properties.maXa", "", "phải có unit"),
        ("Thing.properties.maXa", '"a["', "unit: không phải biểu thức"),
        ('from: "2021-01-01", ', "", "phải có from"),
        ('"2021-01-01"', '"01/01/2021"', "phải có from"),
        ('"2021-01-01",', '"2021-01-01", grace: soon,', "grace: thời khoảng"),
        ('"2021-01-01",', '"2021-01-01", size: 0,', "size phải là"),
        ('"2021-01-01",', '"2021-01-01", most: 5,', "most: không phải biểu thức"),
        ('"2021-01-01",', '"2021-01-01", cap: 5,', "không có 'cap'"),
        ("  serves", "  paging: {kind: page}\n  serves", "tự theo liên kết"),
        ("http://127.0.0.1:1", "mqtt://a", "mục url"),
    ],
)
def test_nonsense_in_the_options_is_refused_by_the_check(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(DECLARED)
    assert [source.id for source in load_sources([path])] == ["quan_trac"]
    path.write_text(DECLARED.replace(old, new))
    with pytest.raises(ConfigError, match=fault):
        load_sources([path])

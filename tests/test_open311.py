"""Field reports over Open311: a capped server loses nothing, and old reports may change or go."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import open311
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, ConfigError, Transient
from ioc.model import Batch
from ioc.period import week_start
from ioc.source import Source
from kpi import health
from kpi.schema import instant_of, micros
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import source_of
from tests.test_poller import contents, numbers

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)  # three o'clock in Quảng Bình
OPTIONS = {"from": "2026-10-01", "sweep": "1d"}


def report(number: Any, opened: datetime, **fields: Any) -> dict[str, Any]:
    """A report as such servers write it."""
    row = {"service_request_id": number, "requested_datetime": opened.isoformat(), "status": "open"}
    return row | {"agency": "18880", "description": "Nguyễn Văn A, 0912345678"} | fields


class Desk:
    """A server that gives its newest ``cap`` reports of a span, borders included."""

    def __init__(self, *reports: dict[str, Any], cap: int = 1000):
        self.reports, self.cap = list(reports), cap

    def __call__(self, request: Request) -> Answer:
        begin, end = (
            datetime.fromisoformat(request.query[name]) for name in ("start_date", "end_date")
        )
        found = [row for row in self.reports if begin <= opened_of(row) <= end]
        found.sort(key=opened_of, reverse=True)
        return Answer({"service_requests": found[: self.cap]})


def opened_of(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["requested_datetime"])


def many(count: int, start: datetime, step: timedelta) -> list[dict[str, Any]]:
    return [report(i, start + i * step) for i in range(count)]


def open311_source(url: str, **entries: Any) -> Source:
    """A source of field reports at this address."""
    given: dict[str, Any] = {
        "id": "field_reports",
        "name": "Phản ánh thử",
        "kind": "open311",
        "url": url,
        "owner": "STTTT",
        "every": "20s",
        "serves": ["commune"],
        "lag": "7d",
        "key": "service_request_id",
        "record": "field_report",
        "fields": Lined({
            "org_unit": "agency",
            "opened_at": "requested_datetime",
            "state": Lined({
                "path": "status",
                "values": {"open": "received", "closed": "resolved"},
            }),
        }),
        "options": OPTIONS,
    }
    return source_of(**given | entries)


def walk(source: Source, since: str | None = None, now: datetime = NOW) -> list[Batch]:
    with IO(source, now=lambda: now, sleep=lambda _: None, env={}) as io:
        return list(open311.poll(source, since, io))


def ids(batches: list[Batch]) -> list[Any]:
    return [row["service_request_id"] for batch in batches for row in batch.rows]


def cursor(seen: str, swept: str | None = "2026-11-22T00:00:00Z") -> str:
    return json.dumps({"v": 1, "seen": seen, "swept": swept})


@pytest.fixture
def settings(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(data=tmp_path, secret_key_file=None)


def polled(store: KpiStore, source: Source, settings: Any, now: datetime = NOW) -> dict[str, Any]:
    health.publish_sources(store, [source])
    return poll(store, source, settings, now=now)


# -- the cap -------------------------------------------------------------------------------------


def test_a_capped_server_with_2500_reports_loses_none_and_doubles_none(
    store: KpiStore, settings: Any
) -> None:
    crowd = many(2400, datetime(2026, 11, 18, tzinfo=UTC), timedelta(seconds=90.5))
    crowd += [report(2400 + i, NOW - timedelta(days=45 - i / 4)) for i in range(100)]
    with Chaos(Desk(*crowd)) as server:
        source = open311_source(server.url)
        first = polled(store, source, settings)
        assert (first["outcome"], *numbers(first)) == ("ok", 2500, 2500, 0, 0, 0, 0)
        before = contents(store)
        assert len(before["record"]) == 2500
        again = polled(store, source, settings)
        assert (again["outcome"], *numbers(again)) == ("ok", 2400, 0, 0, 2400, 0, 0)
    assert contents(store) == before


def test_windows_are_halved_and_walked_from_the_oldest_to_the_newest() -> None:
    crowd = many(300, datetime(2026, 11, 1, tzinfo=UTC), timedelta(hours=1))
    with Chaos(Desk(*crowd, cap=40)) as server:
        source = open311_source(server.url, options={**OPTIONS, "cap": 40})
        batches = walk(source, cursor("2026-11-02T00:00:00Z"))
        assert all(len(batch.rows) < 40 for batch in batches)
        seen = [json.loads(batch.cursor or "")["seen"] for batch in batches]
        assert seen == sorted(seen) and seen[-1] == "2026-11-22T01:00:00Z"
        assert sorted(ids(batches)) == list(range(300))


def test_a_report_on_the_border_of_two_windows_comes_once() -> None:
    start = datetime(2026, 9, 30, 17, tzinfo=UTC)  # local midnight of the first of October
    rows = [report(i, start + timedelta(days=10 * i)) for i in range(6)]
    with Chaos(Desk(*rows)) as server:
        batches = walk(open311_source(server.url, options={**OPTIONS, "span": "10d"}))
        borders = [request.query["start_date"] for request in server.requests]
    assert [opened_of(row).strftime("%Y-%m-%dT%H:%M:%SZ") for row in rows] == borders
    assert sorted(ids(batches)) == [0, 1, 2, 3, 4, 5]


def test_a_second_with_more_reports_than_the_cap_is_broken_and_says_so() -> None:
    crowd = [report(i, datetime(2026, 11, 10, tzinfo=UTC)) for i in range(50)]
    with Chaos(Desk(*crowd, cap=50)) as server, pytest.raises(Broken, match="trong một giây"):
        walk(open311_source(server.url, options={**OPTIONS, "cap": 50}))
    assert len(server.requests) < 60


def test_a_first_load_that_was_cut_has_stored_nothing_and_begins_anew(
    sqlite_store: KpiStore, settings: Any
) -> None:
    desk = Desk(*many(60, datetime(2026, 10, 1, tzinfo=UTC), timedelta(hours=20)))
    answers = iter([True] * 3 + [False])
    with Chaos(
        lambda request: (
            desk(request) if next(answers, True) else Answer(body=b"<html>", type="text/html")
        )
    ) as server:
        source = open311_source(server.url, options={**OPTIONS, "span": "10d"})
        cut = polled(sqlite_store, source, settings)
        assert (cut["outcome"], cut["read"]) == ("broken", 0)
        assert health.watermark(sqlite_store, source.id) is None
        assert numbers(polled(sqlite_store, source, settings))[:2] == (60, 60)


def test_the_past_of_a_first_load_follows_the_order_of_changes(
    store: KpiStore, settings: Any
) -> None:
    """A report that changed late pulls none of those opened after it to its own week."""
    rows = []
    for number in range(1, 9):
        opened = datetime(2026, 10, number, tzinfo=UTC) + timedelta(days=4 * number)
        changed = NOW - timedelta(days=1) if number == 1 else opened + timedelta(hours=1)
        rows.append(report(number, opened, updated_datetime=changed.isoformat()))
    with Chaos(Desk(*rows)) as server:
        plain = open311_source(server.url)
        fields = Lined({**plain.fields, "changed_at": "updated_datetime"})
        source = open311_source(server.url, options={**OPTIONS, "span": "5d"}, fields=fields)
        polled(store, source, settings)
    with store.read() as connection:
        weeks = connection.execute(sa.text("SELECT changed_at, known_at FROM record")).all()
    assert [known for _, known in weeks] == [
        micros(week_start(instant_of(changed))) for changed, _ in weeks
    ]


# -- what the filter does not see -----------------------------------------------------------------


def test_a_report_entered_late_is_found_within_the_lag(
    sqlite_store: KpiStore, settings: Any
) -> None:
    desk = Desk(*many(5, NOW - timedelta(days=30), timedelta(days=6)))
    with Chaos(desk) as server:
        source = open311_source(server.url)
        polled(sqlite_store, source, settings)
        desk.reports.append(report(77, NOW - timedelta(days=6)))
        later = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
        assert (later["outcome"], later["new"], later["calls"]) == ("ok", 1, 1)


def test_a_change_of_an_old_report_is_found_by_the_sweep_of_the_night_and_only_then(
    sqlite_store: KpiStore, settings: Any
) -> None:
    desk = Desk(*many(20, NOW - timedelta(days=40), timedelta(days=1)))
    with Chaos(desk) as server:
        source = open311_source(server.url)
        polled(sqlite_store, source, settings)
        desk.reports[0]["status"] = "closed"
        evening = polled(sqlite_store, source, settings, NIGHT - timedelta(hours=2))
        night = polled(sqlite_store, source, settings, NIGHT)
        again = polled(sqlite_store, source, settings, NIGHT + timedelta(minutes=1))
    assert (evening["outcome"], evening["changed"]) == ("empty", 0)
    assert (night["outcome"], *numbers(night)) == ("ok", 20, 0, 1, 19, 0, 0)
    assert (again["outcome"], again["calls"]) == ("empty", 1)


def test_removed_reports_go_with_the_sweep_and_a_mass_removal_is_held(
    sqlite_store: KpiStore, settings: Any
) -> None:
    desk = Desk(*many(20, NOW - timedelta(days=40), timedelta(days=1)))
    with Chaos(desk) as server:
        source = open311_source(server.url)
        polled(sqlite_store, source, settings)
        desk.reports.pop(3)
        night = polled(sqlite_store, source, settings, NIGHT)
        assert (night["outcome"], night["gone"]) == ("ok", 1)
        kept = health.watermark(sqlite_store, source.id)
        desk.reports = desk.reports[:10]
        held = polled(sqlite_store, source, settings, NIGHT + timedelta(days=1))
        assert (held["outcome"], held["gone"]) == ("held", 0)
        desk.reports = []
        empty = polled(sqlite_store, source, settings, NIGHT + timedelta(days=1, minutes=1))
        assert (empty["outcome"], empty["gone"]) == ("held", 0)
    assert len(contents(sqlite_store)["record"]) == 19
    swept = [
        json.loads(text or "")["swept"]
        for text in (kept, health.watermark(sqlite_store, source.id))
    ]
    assert swept[0] == swept[1]  # so that the next poll looks again


def test_a_source_without_a_sweep_is_never_read_as_a_whole() -> None:
    with Chaos(Desk(report(1, NOW))) as server:
        source = open311_source(server.url, options=Lined({"from": "2026-10-01"}))
        batches = walk(source, cursor("2026-11-01T00:00:00Z", None), NIGHT)
    assert not any(batch.whole for batch in batches)


# -- what is no list of reports --------------------------------------------------------------------

HTML = b"<html><body>400 Bad Request</body></html>"
WRONG = [
    Answer(body=HTML, type="text/html"),
    Answer(body=HTML),
    Answer({"errors": [{"code": 400, "description": "bad date"}]}),
    Answer([{"code": 400, "description": "bad date"}]),
    Answer({"service_requests": None}),
    Answer({"service_requests": ["a"]}),
    Answer("x"),
]


@pytest.mark.parametrize("answer", WRONG)
def test_anything_but_reports_with_status_200_is_broken_and_keeps_the_watermark(
    answer: Answer, sqlite_store: KpiStore, settings: Any
) -> None:
    desk, wrong = Desk(report(1, NOW - timedelta(days=1))), []
    with Chaos(lambda request: wrong[0] if wrong else desk(request)) as server:
        source = open311_source(server.url)
        polled(sqlite_store, source, settings)
        before = health.watermark(sqlite_store, source.id), contents(sqlite_store)
        wrong.append(answer)
        run = polled(sqlite_store, source, settings, NIGHT)
    assert (run["outcome"], run["read"]) == ("broken", 0)
    assert (health.watermark(sqlite_store, source.id), contents(sqlite_store)) == before


def test_a_bare_list_and_integer_or_text_ids_are_the_same_report(
    sqlite_store: KpiStore, settings: Any
) -> None:
    turns = serve(Answer([report(7, NOW)]), Answer({"service_requests": [report("7", NOW)]}))
    with Chaos(turns) as server:
        source = open311_source(server.url)
        first = polled(sqlite_store, source, settings)
        second = polled(sqlite_store, source, settings)
    assert (numbers(first), numbers(second)) == ((1, 1, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0))


def test_names_telephones_and_words_are_nowhere_in_the_store(
    sqlite_store: KpiStore, settings: Any
) -> None:
    with Chaos(Desk(report(7, NOW), report(8, NOW, agency="0912345678"))) as server:
        run = polled(sqlite_store, open311_source(server.url), settings)
    assert (run["new"], run["rejected"]) == (1, 1)
    with sqlite_store.read() as connection:
        for table in sa.inspect(connection).get_table_names():
            text = repr(connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert "0912345678" not in text and "Nguyễn" not in text, table


# -- the watermark ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "since",
    [
        "",
        "rác",
        "{}",
        "5",
        "2026-11-01T00:00:00Z",
        '{"v": 2, "seen": "2026-11-01T00:00:00Z", "swept": null}',
        '{"v": 1, "seen": "2026-11-01T00:00:00", "swept": null}',
        '{"v": 1, "seen": "2026-11-01T00:00:00Z"}',
        '{"v": 1, "seen": 5, "swept": null}',
        cursor("2999-01-01T00:00:00Z"),
        cursor("2026-11-01T00:00:00Z", "2999-01-01T00:00:00Z"),
    ],
)
def test_a_watermark_that_cannot_be_right_is_refused_and_nothing_is_read(since: str) -> None:
    with Chaos(Desk(report(1, NOW))) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(open311_source(server.url), since)
    assert server.requests == []


def test_the_watermark_never_goes_back_when_our_clock_does() -> None:
    with Chaos(Desk(report(1, NOW))) as server:
        [batch] = walk(open311_source(server.url), cursor("2026-11-22T00:59:00Z"), NOW)
        [back] = walk(open311_source(server.url), batch.cursor, NOW - timedelta(hours=1))
    assert back.cursor == batch.cursor


def test_a_sweep_after_our_clock_went_back_takes_no_new_report_for_gone() -> None:
    with Chaos(Desk(report(1, NOW - timedelta(days=9)), report(2, NOW))) as server:
        since = cursor(NOW.isoformat(), "2026-11-20T00:00:00Z")
        batches = walk(open311_source(server.url), since, NOW - timedelta(hours=1))
    assert batches[-1].whole and sorted(ids(batches[-1:])) == [1, 2]


def test_an_outage_of_days_is_caught_up() -> None:
    desk = Desk(*many(30, NOW - timedelta(days=30), timedelta(days=1)))
    with Chaos(desk) as server:
        got = ids(walk(open311_source(server.url), cursor("2026-11-12T01:00:00Z")))
    assert sorted(got) == list(range(13, 30))


def test_a_cut_sweep_leaves_everything_as_it_was() -> None:
    answers = [
        Answer({"service_requests": []}),
        Answer({"service_requests": []}),
        Answer(status=404),
    ]
    with Chaos(serve(*answers)) as server:
        source = open311_source(server.url, options={**OPTIONS, "span": "30d"})
        with IO(source, now=lambda: NIGHT, env={}) as io:
            found = open311.poll(source, cursor("2026-11-22T00:00:00Z"), io)
            batch = next(found)
            assert json.loads(batch.cursor or "")["swept"] == "2026-11-22T00:00:00Z"
            with pytest.raises((Broken, Transient)):
                next(found)


# -- configuration ---------------------------------------------------------------------------------

DECLARED = """
phan_anh:
  name: Phản ánh
  kind: open311
  url: http://127.0.0.1:1
  owner: STTTT
  every: 20s
  serves: [commune]
  key: id
  record: field_report
  fields: {org_unit: a, opened_at: b}
  options: {from: "2021-01-01"}
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('from: "2021-01-01"', "cap: 10", "phải có from"),
        ('"2021-01-01"', '"01/01/2021"', "phải có from"),
        ('from: "2021-01-01"', 'from: "2021-01-01", cap: 1', "cap phải là"),
        ('from: "2021-01-01"', 'from: "2021-01-01", sweep: nightly', "sweep: thời khoảng"),
        ('from: "2021-01-01"', 'from: "2021-01-01", span: 3', "span: thời khoảng"),
        ('from: "2021-01-01"', 'from: "2021-01-01", max_pages: 3', "không có 'max_pages'"),
        ("  key: id", "  paging: {kind: page}\n  key: id", "không phân trang"),
        ("http://127.0.0.1:1", "ftp://a", "mục url"),
    ],
)
def test_nonsense_in_the_options_is_refused_by_the_check(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(DECLARED)
    assert [source.id for source in load_sources([path])] == ["phan_anh"]
    path.write_text(DECLARED.replace(old, new))
    with pytest.raises(ConfigError, match=fault):
        load_sources([path])

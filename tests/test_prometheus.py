"""Figures of machines and links from Prometheus: a real server, and answers that mislead."""

import contextlib
import math
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from connectors.io import IO
from connectors.kinds import prometheus
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.period import LOCAL
from ioc.source import Source
from kpi import health
from tests.chaos import Answer, Chaos, Request, serve
from tests.conftest import free_port
from tests.fields import source_of

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 08:00 in Quảng Bình
UP = "sum by (ma_don_vi) (sum_over_time(wan_up[$day]))"
STEP = 600  # seconds between two samples of the past


def metrics(url: str, **entries: Any) -> Source:
    """A source of the minutes that links were up."""
    given: dict[str, Any] = {
        "name": "Trung tâm dữ liệu thử",
        "kind": "prometheus",
        "url": url,
        "owner": "STTTT",
        "every": "30s",
        "serves": ["department"],
        "fields": {
            "org_unit": "ma_don_vi",
            "period": {"path": "day", "grain": "day"},
            "changed_at": "at",
        },
        "readings": {"staff_professional": "up"},
        "options": {"queries": {"up": UP}, "labels": ["ma_don_vi"], "days": 4},
    }
    given |= entries
    return source_of(**given)


def options(**changed: Any) -> Lined:
    return Lined({"queries": {"up": UP}, "labels": ["ma_don_vi"], "days": 4, **changed})


def batches(source: Source, since: str | None = None, now: datetime = NOW) -> list[Batch]:
    with IO(source, now=lambda: now, sleep=lambda _: None) as io:
        return list(prometheus.poll(source, since, io))


def rows(source: Source, since: str | None = None, now: datetime = NOW) -> list[dict[str, Any]]:
    return [dict(row) for batch in batches(source, since, now) for row in batch.rows]


# -- a real server ---------------------------------------------------------------------------------


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install prometheus and prometheus-node-exporter")
    return found


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=LOCAL).timestamp())


def written_past(today: date) -> str:
    """Three whole days of samples as OpenMetrics.

    SNV25 was up but for an hour of the first day; VPUB was never scraped on the second; what SYT
    says is no number on the third.
    """
    days = [midnight(today - timedelta(days=n)) for n in (3, 2, 1)]
    series: dict[str, list[str]] = {"SNV25": [], "VPUB": [], "SYT": []}
    for number, start in enumerate(days):
        for at in range(start + STEP // 2, start + 86_400, STEP):
            down = number == 0 and at - start < 3600
            series["SNV25"].append(f"{0 if down else 1} {at}")
            if number != 1:
                series["VPUB"].append(f"1 {at}")
            series["SYT"].append(f"{'NaN' if number == 2 else '+Inf' if number else 1} {at}")
    lines = [
        f'wan_up{{ma_don_vi="{code}",duong="{code}-1"}} {sample}'
        for code, samples in series.items()
        for sample in samples
    ]
    return "\n".join(["# TYPE wan_up gauge", *lines, "# EOF\n"])


@contextlib.contextmanager
def running(command: list[str], ready: str, log: Path) -> Iterator[subprocess.Popen]:
    """A program of its own until the block ends; it answers at ``ready`` within it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(ready, trust_env=False).status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: may_chu
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{ma_don_vi: STTTT}}}}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Prometheus with three days of the past, scraping a node exporter: its address and clock.

    The clock stands at least a whole step after midnight: before, the day under way is not asked.
    """
    home = tmp_path_factory.mktemp("prometheus")
    now = datetime.now(UTC)
    begun = datetime.fromtimestamp(midnight(now.astimezone(LOCAL).date()), UTC)
    now = max(now, begun + timedelta(hours=1, minutes=1))
    (home / "past.txt").write_text(written_past(now.astimezone(LOCAL).date()))
    promtool = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*promtool, home / "past.txt", home / "data"], check=True, capture_output=True)
    node, port = free_port(), free_port()
    (home / "prometheus.yml").write_text(CONFIG.format(port=node))
    exporter = [program("prometheus-node-exporter"), "--collector.disable-defaults"]
    exporter += ["--collector.loadavg", f"--web.listen-address=127.0.0.1:{node}"]
    command = [program("prometheus"), f"--config.file={home / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    with (
        running(exporter, f"http://127.0.0.1:{node}/metrics", home / "node.log"),
        running(command, f"{url}/-/ready", home / "prometheus.log"),
    ):
        yield SimpleNamespace(url=url, now=now, today=now.astimezone(LOCAL).date())


def test_each_org_unit_and_whole_day_is_a_row_and_what_was_not_scraped_is_absent(
    server: Any,
) -> None:
    expected = "count by (ma_don_vi) (wan_up)"  # of the day's last minutes
    source = metrics(
        server.url, options=options(queries={"up": UP, "lines": expected, "top": f"max({UP})"})
    )
    first, second, third = ((server.today - timedelta(days=n)).isoformat() for n in (3, 2, 1))
    found = {(row["day"], row.get("ma_don_vi")): row for row in rows(source, now=server.now)}
    per_day = 86_400 // STEP
    assert found[first, "SNV25"]["up"] == per_day - 6  # an hour without
    assert found[second, "SNV25"]["up"] == found[first, "VPUB"]["up"] == per_day
    assert (second, "VPUB") not in found
    assert found[first, "SYT"]["up"] == per_day
    assert "up" not in found.get((second, "SYT"), {}) and "up" not in found[third, "SYT"]
    assert found[third, "SYT"]["lines"] == 1
    assert found[first, None]["top"] == per_day  # without the label: the mapping refuses it
    end = datetime.fromisoformat(found[first, "SNV25"]["at"])
    assert end.timestamp() == midnight(server.today - timedelta(days=2))
    assert all(math.isfinite(row[c]) for row in found.values() for c in ("up", "top") if c in row)


def test_the_day_under_way_is_asked_about_since_its_own_midnight(server: Any) -> None:
    """The live node exporter: what it said until now, and nothing of yesterday."""
    source = metrics(
        server.url,
        options=options(
            queries={"up": 'sum by (ma_don_vi) (sum_over_time(up{job="may_chu"}[$day]))'},
            step="1s",
        ),
    )
    until = time.monotonic() + 60
    while not (found := rows(source, now=datetime.now(UTC))):
        assert time.monotonic() < until, "nothing was scraped"
        time.sleep(0.2)
    today = datetime.now(UTC).astimezone(LOCAL).date()
    assert {(row["ma_don_vi"], row["day"]) for row in found} <= {
        ("STTTT", day.isoformat()) for day in (today, today - timedelta(days=1))
    }
    assert found[-1]["up"] >= 1


def test_later_polls_read_the_day_of_the_watermark_and_the_one_before_again(server: Any) -> None:
    source = metrics(server.url)
    first = batches(source, now=server.now)
    assert first[-1].cursor == server.today.isoformat()
    again = [row["day"] for row in rows(source, first[-1].cursor, server.now)]
    assert set(again) == {(server.today - timedelta(days=1)).isoformat()}
    late = [row["day"] for row in rows(metrics(server.url, lag="1d"), "2020-01-01", server.now)]
    assert len(set(late)) == 3 and len(late) > len(again)


def test_a_query_that_the_server_refuses_is_broken_in_its_own_words(server: Any) -> None:
    source = metrics(server.url, options=options(queries={"up": "sum_over_time(wan_up)"}))
    with pytest.raises(Broken, match=r"up: Prometheus báo lỗi “.*range vector"):
        batches(source, now=server.now)
    with pytest.raises(Broken, match="up: truy vấn cho kiểu scalar"):
        batches(metrics(server.url, options=options(queries={"up": "1"}, days=1)), now=server.now)
    twice = options(queries={"up": "label_replace(wan_up, 'ma_don_vi', 'SNV25', '', '')"})
    with pytest.raises(Broken, match=r"nhiều chuỗi số cùng nhãn \(.*ma_don_vi=SNV25\)"):
        batches(metrics(server.url, options=twice), now=server.now)


def test_the_same_answers_change_nothing_in_the_store(
    server: Any, sqlite_store: Any, tmp_path: Path
) -> None:
    source = metrics(server.url)
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    health.publish_sources(sqlite_store, [source])
    first, again = (poll(sqlite_store, source, settings, now=server.now) for _ in range(2))
    assert (first["outcome"], first["rejected"], first["new"]) == ("ok", 0, 6)
    assert (again["new"], again["changed"], again["rejected"]) == (0, 0, 0)
    assert health.watermark(sqlite_store, source.id) == server.today.isoformat()


# -- answers that mislead --------------------------------------------------------------------------


def told(result: Any, kind: str = "vector", **more: Any) -> Answer:
    return Answer({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def sample(value: str, at: float = NOW.timestamp(), **labels: str) -> dict[str, Any]:
    return {"metric": {"ma_don_vi": "SNV25", **labels}, "value": [at, value]}


def today(*answers: Answer, **changed: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and notes of a poll that asks only about the day under way."""
    with Chaos(serve(*answers)) as server:
        source = metrics(server.url, options=options(days=1, **changed))
        with IO(source, now=lambda: NOW, sleep=lambda _: None) as io:
            found = [dict(row) for batch in prometheus.poll(source, None, io) for row in batch.rows]
    return found, io.notes


def test_no_number_and_infinity_are_absent_and_never_zero() -> None:
    for word in ("NaN", "+Inf", "-Inf"):
        assert today(told([sample(word), sample("3", ma_don_vi="VPUB")]))[0] == [
            {"ma_don_vi": "VPUB", "day": "2026-11-22", "at": NOW.isoformat(), "up": 3.0}
        ]
    assert today(told([]))[0] == []


def test_warnings_are_noted() -> None:
    found, notes = today(told([sample("1")], warnings=["một máy chưa trả lời"]))
    assert found[0]["up"] == 1 and "một máy chưa trả lời" in notes[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({"status": "error", "error": "hỏng"}), "báo lỗi “hỏng”"),
        (Answer({"status": "error", "error": "sai"}, status=422), "báo lỗi “sai”"),
        (Answer({"data": []}), "không phải của Prometheus"),
        (Answer([1]), "không phải của Prometheus"),
        (Answer({"status": "success"}), "không có danh sách"),
        (told([{"metric": {}, "value": [1]}]), "không phải chuỗi số"),
        (told([{"metric": {}, "value": [NOW.timestamp(), "nhiều"]}]), "không phải chuỗi số"),
        (told(["x"]), "không phải chuỗi số"),
        (told([{"metric": None, "value": [NOW.timestamp(), "1"]}]), "không phải chuỗi số"),
        (told([sample("1", at=NOW.timestamp() - 86_400)]), "thời điểm không hỏi"),
        (told([sample("1"), sample("2", may="2")]), "nhiều chuỗi số cùng nhãn"),
        (told([sample("1")] * 5), "quá lớn"),
        (told([], "matrix"), "kiểu matrix, cần vector"),
        (Answer(body=b"<html>", type="text/html"), "chờ dữ liệu"),
        (Answer({}, status=404), "404"),
    ],
)
def test_an_answer_that_is_none_is_broken_and_says_why(answer: Answer, said: str) -> None:
    with pytest.raises(Broken, match=said):
        today(answer, max_rows=4)


@pytest.mark.parametrize(("status", "error"), [(401, NeedsCredentials), (503, Transient)])
def test_refusal_and_overload_are_told_apart(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        today(Answer({"status": "error", "error": "query timed out"}, status=status))


def test_what_the_server_says_of_our_key_is_masked() -> None:
    def answer(request: Request) -> Answer:
        return Answer({"status": "error", "error": f"key {request.query['khoa']}"}, status=400)

    auth = Lined({"kind": "api_key", "key": "${IOC_S}", "param": "khoa"})
    with Chaos(answer) as server:
        source = metrics(server.url, auth=auth)
        with (
            IO(source, now=lambda: NOW, env={"IOC_S": "chim-hoang-yen"}) as io,
            pytest.raises(Broken, match=r"báo lỗi “key \*\*\*”"),
        ):
            list(prometheus.poll(source, None, io))


def test_a_long_past_is_read_a_month_at_a_time_and_resumed_where_it_broke() -> None:
    def answer(request: Request) -> Answer:
        if not request.path.endswith("query_range"):
            return told([])
        values = [[at, "1"] for at in range(*map(int, (
            request.query["start"], int(request.query["end"]) + 1, request.query["step"]
        )))]  # fmt: skip
        return told([{"metric": {"ma_don_vi": "SNV25"}, "values": values}], "matrix")

    with Chaos(answer) as server:
        source = metrics(server.url, options=options(days=70))
        found = batches(source)
        assert [len(batch.rows) for batch in found] == [31, 31, 7, 0]
        assert len({row["day"] for batch in found for row in batch.rows}) == 69
        assert [batch.cursor for batch in found[-2:]] == ["2026-11-21", "2026-11-22"]
        rest = batches(source, found[1].cursor)
        assert [len(batch.rows) for batch in rest] == [9, 0]  # two days are read again
        assert {request.query["query"] for request in server.requests} == {
            UP.replace("$day", "86400s"),
            UP.replace("$day", "28800s"),
        }


def test_the_day_under_way_is_asked_about_at_its_last_whole_step_and_not_before_the_first() -> None:
    with Chaos(serve(told([]))) as server:
        source = metrics(server.url, options=options(days=1, step="5m"))
        for at, asked in (("08:04", "08:00"), ("08:05", "08:05"), ("00:04", None)):
            server.requests.clear()
            now = datetime.fromisoformat(f"2026-11-22T{at}:59+07:00")
            found = batches(source, now=now)
            assert len(found) == len(server.requests) == bool(asked)
            for request in server.requests:
                said = datetime.fromtimestamp(int(request.query["time"]), LOCAL)
                assert said.isoformat() == f"2026-11-22T{asked}:00+07:00"


@pytest.mark.parametrize("since", ["2999-01-01", "hôm qua", "", '{"v":1}'])
def test_a_watermark_that_cannot_be_is_refused(since: str) -> None:
    with pytest.raises(Broken, match="mốc đã lưu"):
        batches(metrics("http://127.0.0.1:9"), since)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"queries": None}, "queries"),
        ({"queries": {"up": 1}}, "queries"),
        ({"labels": []}, "labels"),
        ({"labels": "ma"}, "labels"),
        ({"queries": {"day": "up"}}, "không được là nhãn"),
        ({"days": 0}, "days"),
        ({"step": "mỗi giờ"}, "step"),
    ],
)
def test_options_that_do_not_fit_are_told(changed: dict[str, Any], said: str) -> None:
    source = metrics("http://127.0.0.1:9", options=options(**changed))
    assert any(said in reason for _, reason in prometheus.faults(source))
    assert not list(prometheus.faults(metrics("http://127.0.0.1:9")))

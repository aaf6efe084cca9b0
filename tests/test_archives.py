"""Quarterly reports on digitised documents: over the sample's WebDAV, into the plan's target."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import archives
from connectors.sandbox.archives import ARCHIVED, DIGITISED, SCOPE
from connectors.sandbox.mark import HEADER, SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.period import LOCAL, Period
from ioc.principal import Principal
from kpi import health, query
from kpi.store import open_store

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
ADMIN = Principal.local_admin()
LOGIN = (archives.USER, archives.PASSWORD)


@pytest.fixture(scope="module")
def depot(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Any, orgunits: Any
) -> Iterator[SimpleNamespace]:
    """The system behind its port, its source polled once into a store of its own."""
    home = tmp_path_factory.mktemp("archives")
    place = Place(Province(orgunits, 450, 0.2), lambda: NOW, home / "folder", 0)
    system, loop = archives.make(place), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def turn(what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what(), loop).result(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IOC_ARCHIVES_PASSWORD", archives.PASSWORD)
        turn(system.open)
        source = next(one for one in load_sources() if one.id == "archives")
        options = source.options | {"settle": 0}
        url = f"http://127.0.0.1:{system.port}/so-hoa"
        source = source.model_copy(update={"url": f"webdav+{url}", "options": options})
        store = open_store(f"sqlite:///{home}/kpi.sqlite", catalogue, orgunits)
        health.publish_sources(store, [source])
        settings = SimpleNamespace(data=home, secret_key_file=None)

        def read(now: datetime = NOW) -> dict[str, Any]:
            return poll(store, source, settings, now=now)

        first, truth = read(), archives.outbox(place)
        yield SimpleNamespace(
            url=url, home=home, store=store, system=system, turn=turn, poll=read, first=first,
            place=place, truth=truth,
        )  # fmt: skip
        store.close()
        turn(system.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def sums(depot: Any, quarter: str) -> list[int]:
    """Documents in scope, digitised and archived of the rows that a reader can take."""
    rows = [
        row
        for row in depot.truth.rows(Period.parse(quarter), NOW)
        if row[0] and isinstance(row[DIGITISED], int) and row[DIGITISED] <= row[SCOPE]
    ]
    return [sum(row[at] for row in rows) for at in (SCOPE, DIGITISED, ARCHIVED)]


def test_the_last_quarter_of_each_year_is_the_sum_of_what_the_departments_sent(depot):
    assert (depot.first["outcome"], depot.first["gone"]) == ("ok", 0), depot.first["note"]
    assert 0 < depot.first["rejected"] < 20
    for quarter in depot.truth.sent_by(NOW):
        scope, digitised, archived = sums(depot, quarter.text)
        frame = query.values(
            depot.store, ADMIN, indicators=["I04a", "I04b"], first=quarter, last=quarter,
            org_units=["area-qb"], grain="quarter", now=NOW,
        ).frame().set_index("indicator")  # fmt: skip
        if quarter.index % 4 == 3:  # whole: no clerk erred, so each org unit is of this quarter
            assert tuple(frame.numerator) == (digitised, archived)
            assert tuple(frame.denominator) == (scope, scope)


def test_the_target_is_missed_by_its_worse_half_and_says_how_many_are_missing(depot):
    frame = query.standings(depot.store, ADMIN, targets=["T04"], now=NOW).frame()
    whole, digitised, archived = (
        frame[frame.indicator == name].iloc[0] for name in ("", "I04a", "I04b")
    )
    scope, above, kept = sums(depot, "2025-Q4")
    assert (digitised.closing_numerator, digitised.closing_denominator) == (above, scope)
    assert (archived.closing_numerator, archived.closing_denominator) == (kept, scope)
    assert 0.75 < above / scope < 0.775 and 0.65 < kept / scope < 0.675
    assert (digitised.status, archived.status, whole.status) == ("met", "missed", "missed")
    assert archived.missing_count == scope * 7 // 10 + 1 - kept > 0
    assert (archived.coverage, archived.freshness) == (1, "fresh")


def test_the_next_poll_asks_once_and_reads_nothing_again(depot):
    again = depot.poll()
    assert (again["outcome"], again["calls"], again["read"]) == ("empty", 1, 0)


def test_a_correction_appears_while_the_server_lives_and_the_store_follows(depot):
    now = NOW + timedelta(minutes=6)
    depot.system.tend(NOW)
    depot.system.tend(now)
    run = depot.poll(now)
    assert (run["outcome"], run["new"], run["rejected"]) == ("ok", 0, 0), run["note"]
    assert run["changed"] >= 1 and run["calls"] == 2


def test_a_closed_server_is_a_retry_and_it_comes_back_whole(depot):
    depot.turn(depot.system.close)
    assert (depot.poll()["outcome"], depot.system.is_open) == ("retry", False)
    depot.turn(depot.system.open)
    port = depot.system.port
    assert f":{port}/" in depot.url  # the same one
    assert depot.poll()["outcome"] in ("ok", "empty")


def test_the_people_who_signed_a_report_are_nowhere_in_the_store(depot):
    people = [cell for row in depot.truth.rows(Period.parse("2026-Q3"), NOW) for cell in row[-3:-1]]
    assert people and all(str(one).startswith((SAMPLE, "0900")) for one in people)
    for path in depot.home.glob("kpi.sqlite*"):
        held = path.read_bytes()
        assert not [one for one in people if one.encode() in held]


def asked(depot: Any, method: str, path: str = "/", **more: Any) -> httpx2.Response:
    return httpx2.request(
        method, depot.url.removesuffix("/so-hoa") + path, trust_env=False,
        **{"auth": LOGIN, **more},
    )  # fmt: skip


def test_the_server_speaks_webdav_marks_every_reply_and_changes_nothing(depot):
    files = sorted(path.name for path in (depot.home / "folder").glob("*.xlsx"))
    replies = [
        asked(depot, "OPTIONS", "/so-hoa/"),
        asked(depot, "PROPFIND", "/so-hoa/", headers={"Depth": "1"}),
        asked(depot, "PROPFIND", "/so-hoa", headers={"Depth": "0"}),
        asked(depot, "PROPFIND", "/so-hoa/", headers={"Depth": "infinity"}),
        asked(depot, "PROPFIND", "/khac/", headers={"Depth": "1"}),
        asked(depot, "GET", f"/so-hoa/{files[0]}"),
        asked(depot, "GET", "/so-hoa/.du-lieu-mau"),
        asked(depot, "GET", "/so-hoa/..%2f..%2fkpi.sqlite"),
        asked(depot, "PUT", "/so-hoa/a.xlsx", content=b"x"),
        asked(depot, "DELETE", f"/so-hoa/{files[0]}"),
        asked(depot, "GET", f"/so-hoa/{files[0]}", auth=("du-lieu-mau", "sai")),
        asked(depot, "PROPFIND", "/so-hoa/", auth=None),
    ]
    codes = [reply.status_code for reply in replies]
    assert codes == [200, 207, 207, 403, 404, 200, 404, 404, 405, 405, 401, 401]
    assert all(reply.headers[HEADER[0].decode()] == HEADER[1].decode() for reply in replies)
    assert "1" in replies[0].headers["dav"]
    assert [replies[1].text.count(name) for name in files] == [2] * len(files)
    assert replies[2].text.count("<D:response>") == 1
    assert replies[5].content == (depot.home / "folder" / files[0]).read_bytes()
    assert sorted(path.name for path in (depot.home / "folder").glob("*.xlsx")) == files


def test_the_same_seed_writes_the_same_bytes_and_merged_departments_keep_their_shelves(
    depot, tmp_path: Path
):
    place = Place(depot.place.province, lambda: NOW, tmp_path / "again", 0)
    archives.outbox(place).write(NOW)
    for path in (tmp_path / "again").glob("SOHOA_20*.xlsx"):
        if "dinhchinh" not in path.name:
            assert path.read_bytes() == (depot.home / "folder" / path.name).read_bytes()
    before, after = sums(depot, "2024-Q4")[0], sums(depot, "2025-Q4")[0]
    assert 0.9 < after / before < 1.1

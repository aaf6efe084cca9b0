"""Views of databases: SQLite, and PostgreSQL and MariaDB as they run in the sectors."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors import drivers, mapping, poller
from connectors.checkup import look
from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import sql
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, ConfigError, NeedsCredentials, Transient
from ioc.model import Batch, Rejection
from ioc.source import Source
from kpi import health
from kpi.doctor import Level
from kpi.store import KpiStore
from tests.sectors import SECOND, START, Sector, keys_of, many, row, view_source
from tests.test_poller import contents, numbers

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SECRET = "mat-khau-doc-rat-dai"
DATABASES = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgresql),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=DATABASES)
def sector(request: pytest.FixtureRequest) -> Sector:
    """The same test on each of the three."""
    return Sector(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def served(request: pytest.FixtureRequest, served_by: str) -> Sector:
    """On one of the two that are servers."""
    return Sector(request.getfixturevalue(f"{served_by}_url"))


@pytest.fixture(params=DATABASES[1:])
def served_by(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return request.param


@pytest.fixture
def file_sector(tmp_path: Path) -> Sector:
    """On SQLite, for what does not depend on the database."""
    return Sector(f"sqlite:///{tmp_path / 'nganh.sqlite'}")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> SimpleNamespace:
    """A data folder of its own, and no waiting between tries."""
    real = poller._sleep_until
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: real(stop)(0.001))
    return SimpleNamespace(data=tmp_path / "data", secret_key_file=None)


@pytest.fixture
def hasty(monkeypatch: Any) -> None:
    """Nobody waits long for a lock."""
    monkeypatch.setattr(drivers, "LOCK_SECONDS", 0.2)


def read(source: Source, since: str | None = None, now: datetime = NOW, **env: str) -> list[Batch]:
    with IO(source, now=lambda: now, sleep=lambda _: None, env=env) as io:
        return list(sql.poll(source, since, io))


def last(batches: list[Batch]) -> str:
    return next(batch.cursor for batch in reversed(batches) if batch.cursor)


def polled(store: KpiStore, source: Source, settings: Any, **how: Any) -> dict[str, Any]:
    health.publish_sources(store, [source])
    return poll(store, source, settings, **{"now": NOW, **how})


# -- pages (9, 15, 17, 19) -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [timedelta(0), SECOND / 4, timedelta(microseconds=1)])
def test_equal_times_at_a_border_lose_nothing_and_double_nothing(
    sector: Sector, step: timedelta
) -> None:
    rows = [row(f"H{i:04d}", START + i // 4 * step) for i in range(95)]
    sector.put(*rows)
    batches = read(view_source(sector.url))
    assert sorted(keys_of(batches)) == [f"H{i:04d}" for i in range(95)]
    assert max(len(batch.rows) for batch in batches) == 10
    again = keys_of(read(view_source(sector.url), last(batches)))
    newest = START + 94 // 4 * step
    assert sorted(again) == [r["ma"] for r in rows if r["cap_nhat"] == newest]


def test_keys_that_a_database_takes_for_equal_are_all_read(served: Sector) -> None:
    names = [f"{stem}{i}" for i in range(9) for stem in ("a", "A", "á", "Ấ", "a ")]
    served.put(*(row(name) for name in names))
    found = keys_of(read(view_source(served.url, {"size": 7})))
    assert sorted(found) == sorted(names)


def test_composite_keys_page_in_the_order_of_all_their_parts(sector: Sector) -> None:
    sector.put(*(row(f"H{i // 9}", ma_xa=f"X{i % 9}") for i in range(81)))
    source = view_source(sector.url, key=["ma", "ma_xa"])
    found = [(r["ma"], r["ma_xa"]) for batch in read(source) for r in batch.rows]
    assert sorted(set(found)) == sorted(found) and len(found) == 81


def test_microseconds_are_kept_in_the_watermark(sector: Sector) -> None:
    sector.put(row("A", START.replace(microsecond=123_456)))
    since = last(read(view_source(sector.url)))
    assert "123456" in since
    sector.put(row("B", START.replace(microsecond=123_455)), row("C", START + SECOND))
    assert keys_of(read(view_source(sector.url), since)) == ["A", "C"]


def test_rows_that_come_and_go_between_pages_lose_no_other_row(sector: Sector) -> None:
    sector.put(*many(60))
    found, source = [], view_source(sector.url)
    with IO(source, now=lambda: NOW, sleep=lambda _: None) as io:
        for number, batch in enumerate(sql.poll(source, None, io)):
            found += keys_of([batch])
            if number == 2:
                sector.remove("H0003", "H0029", "H0030", "H0050")
                sector.put(row("NEW1", START + 5 * SECOND), row("NEW2", START + 40.5 * SECOND))
                sector.change("H0001", cap_nhat=START + 100 * SECOND)
    stable = {f"H{i:04d}" for i in range(60)} - {"H0003", "H0029", "H0030", "H0050"}
    assert stable | {"NEW2"} <= set(found) and found.count("H0001") == 2


def test_a_page_full_of_one_and_the_same_row_ends_the_walk(file_sector: Sector) -> None:
    file_sector.put(*(row("X") for _ in range(25)))
    with pytest.raises(Broken, match="giống hệt nhau"):
        read(view_source(file_sector.url))


# -- watermark (7-14) ------------------------------------------------------------------------------


def test_a_row_of_the_watermarks_own_instant_is_found_later(sector: Sector) -> None:
    sector.put(*many(10))
    since = last(read(view_source(sector.url)))
    sector.put(row("A-muon", START + 9 * SECOND))  # its key sorts before what was seen
    assert keys_of(read(view_source(sector.url), since)) == ["A-muon", "H0009"]


def test_what_was_committed_late_is_found_within_the_lag(sector: Sector) -> None:
    sector.put(*many(30))
    source = view_source(sector.url, lag="10s")
    since = last(read(source))
    sector.put(row("MUON", START + 20 * SECOND), row("QUA-MUON", START + 5 * SECOND))
    found = read(source, since)
    assert "MUON" in keys_of(found) and "QUA-MUON" not in keys_of(found)
    assert last(found) == since  # what was read again moves nothing, and never back


@pytest.mark.parametrize("text", ["2026-03-05T01:00:09.250+07:00", "2026-03-05 01:00:09", "x"])
def test_the_lag_of_a_text_is_written_as_the_text_is(file_sector: Sector, text: str) -> None:
    file_sector.put(row("A", text), row("B", text))  # type: ignore[arg-type]
    source = view_source(file_sector.url, lag="4s")
    if text == "x":
        with pytest.raises(Broken, match="thứ tự thời gian"):
            read(source)
        return
    since = last(read(source))
    within, before = text.replace(":09", ":05"), text.replace(":09", ":04")
    file_sector.put(row("TRONG", within), row("NGOAI", before))  # type: ignore[arg-type]
    assert keys_of(read(source, since)) == ["TRONG", "A", "B"]


def test_the_watermark_of_an_unfinished_walk_says_where_to_go_on(sector: Sector) -> None:
    sector.put(*many(35, step=timedelta(0)))
    source = view_source(sector.url)
    with IO(source, now=lambda: NOW) as io:
        pages = sql.poll(source, None, io)
        first = [next(pages), next(pages)]
    rest = read(source, last(first))
    assert keys_of(rest)[:2] == ["H0018", "H0019"]
    assert set(keys_of(first) + keys_of(rest)) == {f"H{i:04d}" for i in range(35)}


def test_rows_from_the_future_are_told_and_move_no_watermark(sector: Sector) -> None:
    sector.put(row("A"), row("B", datetime(2999, 1, 1, tzinfo=UTC)))
    with IO(view_source(sector.url), now=lambda: NOW, sleep=lambda _: None) as io:
        batches = list(sql.poll(view_source(sector.url), None, io))
        assert any("tương lai" in note for note in io.notes)
    assert keys_of(batches) == ["A", "B"] and "2999" not in last(batches)
    sector.put(row("C", START + SECOND))
    assert "C" in keys_of(read(view_source(sector.url), last(batches)))


@pytest.mark.parametrize(
    "mark",
    [
        '{"v":1,"changed":{"at":"2999-01-01T00:00:00"},"key":null,"swept":null}',
        '{"v":2,"changed":{"at":"2026-01-01T00:00:00"},"key":null,"swept":null}',
        '{"v":1,"changed":"hôm qua","key":null,"swept":null}',
        "2026-01-01T00:00:00",
        "",
    ],
)
def test_a_watermark_that_cannot_be_right_is_refused(file_sector: Sector, mark: str) -> None:
    file_sector.put(row("A"))
    with pytest.raises(Broken, match="mốc đã lưu"):
        read(view_source(file_sector.url), mark)


def test_a_change_column_of_another_type_than_the_watermark_is_refused(
    file_sector: Sector,
) -> None:
    file_sector.put(row("A"))
    since = '{"v":1,"changed":1,"key":null,"swept":null}'
    with pytest.raises(Broken, match="đổi kiểu"):
        read(view_source(file_sector.url), since)


def test_a_growing_number_may_stand_for_the_time_of_change(sector: Sector) -> None:
    number = (
        "CAST(SUBSTR(ma, 2) AS DECIMAL(20))" if sector.dialect != "sqlite" else "SUBSTR(ma, 2) + 0"
    )
    sector.run(f"CREATE VIEW v_so AS SELECT ho_so.*, {number} AS lan_sua FROM ho_so")
    sector.put(*many(25))
    source = view_source(sector.url, {"view": "v_so", "changed": "lan_sua"})
    since = last(read(source))
    sector.put(*many(1, start=25))
    assert keys_of(read(source, since)) == ["H0024", "H0025"]
    with pytest.raises(Broken, match="lag"):
        read(view_source(sector.url, {"view": "v_so", "changed": "lan_sua"}, lag="5s"), since)


def test_rows_without_a_time_or_a_key_are_rejected_and_counted(sector: Sector) -> None:
    sector.put(*many(3), row("KHONG", None), row(None), row(None, None))
    source = view_source(sector.url)
    mapper = mapping.compile(source, bytes(32))
    items = [item for batch in read(source) for item in mapper.map_rows(batch, NOW)]
    refused = [item.reason for item in items if isinstance(item, Rejection)]
    assert sorted(refused) == ["thiếu cap_nhat", "thiếu ma", "thiếu ma"] and len(items) == 6


def test_a_sweep_rejects_the_rows_without_a_time_too(sector: Sector) -> None:
    source = view_source(sector.url, {"sweep": "1d"})
    sector.put(*many(3))
    since = last(read(source))
    sector.put(row("KHONG", None))
    swept = next(b for b in read(source, since, NOW + timedelta(days=1)) if b.whole)
    assert [swept.rows[i]["ma"] for i in swept.unfit] == ["KHONG"]
    assert [*swept.unfit.values()] == ["thiếu cap_nhat"]
    included = view_source(sector.url, {"sweep": "1d", "missing": "include"})
    swept = next(b for b in read(included, since, NOW + timedelta(days=1)) if b.whole)
    assert len(swept.rows) == 4 and not swept.unfit


def test_rows_without_a_time_are_read_at_each_poll_where_that_is_declared(sector: Sector) -> None:
    sector.put(*many(3), row("KHONG", None))
    source = view_source(sector.url, {"missing": "include"})
    first = read(source)
    assert sorted(keys_of(first)) == ["H0000", "H0001", "H0002", "KHONG"]
    assert not any(batch.unfit for batch in first)
    assert "KHONG" in keys_of(read(source, last(first)))


def test_a_view_in_which_no_row_has_a_time_is_broken(file_sector: Sector) -> None:
    file_sector.put(*(row(f"A{i}", None) for i in range(40)))
    with pytest.raises(Broken, match="mọi dòng"):
        read(view_source(file_sector.url))


def test_the_nightly_sweep_finds_what_changed_without_a_new_time(sector: Sector) -> None:
    sector.put(*many(25))
    source = view_source(sector.url, {"sweep": "1d"})
    since = last(read(source))
    sector.change("H0003", trang_thai="hủy")
    sector.remove("H0004")
    assert not any(batch.whole for batch in read(source, since))
    [swept] = [b for b in read(source, since, NOW + timedelta(days=1)) if b.whole]
    assert len(swept.rows) == 24 and swept.cursor
    again = read(source, swept.cursor, NOW + timedelta(days=1, minutes=1))
    assert not any(batch.whole for batch in again)


def test_only_the_columns_of_the_mapping_are_ever_asked_for(sector: Sector) -> None:
    sector.put(*many(3))
    assert set(read(view_source(sector.url))[0].rows[0]) == {"ma", "cap_nhat", "ma_xa", "ngay_nhan"}


# -- whole views (37) ------------------------------------------------------------------------------


def whole_source(url: str, **options: Any) -> Source:
    return view_source(url, {"changed": None, "size": None, **options})


def test_a_view_without_a_change_column_is_read_whole(sector: Sector) -> None:
    sector.put(*many(30))
    [batch] = read(whole_source(sector.url))
    assert batch.whole and batch.cursor is None and len(batch.rows) == 30


def test_what_a_whole_view_lacks_is_gone_and_an_emptied_one_is_held(
    file_sector: Sector, sqlite_store: KpiStore, settings: Any
) -> None:
    file_sector.put(*many(10))
    source = whole_source(file_sector.url)
    assert numbers(polled(sqlite_store, source, settings)) == (10, 10, 0, 0, 0, 0)
    file_sector.remove("H0001")
    assert polled(sqlite_store, source, settings)["gone"] == 1
    file_sector.remove(*(f"H{i:04d}" for i in range(10)))
    run = polled(sqlite_store, source, settings)
    assert run["outcome"] == "held" and len(contents(sqlite_store)["record"]) == 9


# -- with the store (1-3, 6, 7, 29, 32, 38, 40) ----------------------------------------------------


def test_the_same_view_polled_twice_changes_nothing(
    sector: Sector, sqlite_store: KpiStore, settings: Any
) -> None:
    sector.put(*many(25))
    source = view_source(sector.url)
    first = polled(sqlite_store, source, settings)
    assert (first["outcome"], *numbers(first)) == ("ok", 25, 25, 0, 0, 0, 0)
    assert first["calls"] >= 3 and first["bytes"] > 500 and len(first["response_hash"]) == 64
    before = contents(sqlite_store)
    again = polled(sqlite_store, source, settings)
    assert (again["outcome"], *numbers(again)) == ("ok", 1, 0, 0, 1, 0, 0)
    assert contents(sqlite_store) == before


def test_a_key_twice_in_one_page_is_one_record_and_the_last_change_wins(
    sector: Sector, sqlite_store: KpiStore, settings: Any
) -> None:
    sector.put(row("A", ma_xa="19207"), row("A", START + SECOND, ngay_nhan=START + SECOND))
    assert polled(sqlite_store, view_source(sector.url), settings)["read"] == 2
    [record] = contents(sqlite_store)["record"]
    assert int((START + SECOND).timestamp() * 1e6) in record


def test_a_failure_on_a_later_page_keeps_the_pages_before_and_goes_on_there(
    sector: Sector, sqlite_store: KpiStore, settings: Any, monkeypatch: Any
) -> None:
    sector.put(*many(45))
    source, real = view_source(sector.url), sql._View.page
    asked: list[Any] = []

    def page(self: Any, place: Any, size: int) -> Any:
        if len(asked) == 3:
            sector.run("DROP VIEW v_ho_so")
        asked.append(place)
        return real(self, place, size)

    with monkeypatch.context() as patched:
        patched.setattr(sql._View, "page", page)
        run = polled(sqlite_store, source, settings)
    assert run["outcome"] == "broken" and "v_ho_so" in run["note"]
    assert len(contents(sqlite_store)["record"]) == 28
    sector.run("CREATE VIEW v_ho_so AS SELECT * FROM ho_so")
    on = polled(sqlite_store, source, settings)
    assert (on["outcome"], *numbers(on)) == ("ok", 18, 17, 0, 1, 0, 0)


def test_a_poll_that_is_stopped_keeps_what_was_read_and_ends(
    sector: Sector, sqlite_store: KpiStore, settings: Any, monkeypatch: Any
) -> None:
    sector.put(*many(45))
    stop, real, asked = threading.Event(), sql._View.page, []

    def page(self: Any, place: Any, size: int) -> Any:
        asked.append(place)
        if len(asked) == 4:
            stop.set()
        return real(self, place, size)

    with monkeypatch.context() as patched:
        patched.setattr(sql._View, "page", page)
        run = polled(sqlite_store, view_source(sector.url), settings, stop=stop)
    assert run["outcome"] == "partial" and "dừng theo yêu cầu" in run["note"]
    assert 0 < len(contents(sqlite_store)["record"]) < 45
    polled(sqlite_store, view_source(sector.url), settings)
    assert len(contents(sqlite_store)["record"]) == 45


# -- faults (22, 23, 28; row 41 of the matrix) -----------------------------------------------------


def limited(url: str, seconds: float = 1.0, **options: Any) -> Source:
    return view_source(url, {"deadline": seconds, **options})


@contextmanager
def locked(sector: Sector) -> Iterator[None]:
    """Somebody holds the table, as a migration would."""
    with sector.engine.connect() as connection:
        match sector.dialect:
            case "sqlite":
                connection.exec_driver_sql("BEGIN EXCLUSIVE")
            case "postgresql":
                connection.exec_driver_sql("LOCK TABLE ho_so IN ACCESS EXCLUSIVE MODE")
            case _:
                connection.exec_driver_sql("LOCK TABLES ho_so WRITE, v_ho_so WRITE")
        yield
        connection.rollback()
        if sector.dialect == "mysql":
            connection.exec_driver_sql("UNLOCK TABLES")


def test_a_locked_table_is_tried_again_later(sector: Sector, hasty: None) -> None:
    sector.put(*many(5))
    with locked(sector), pytest.raises(Transient, match="khóa"):
        read(limited(sector.url, 20))
    assert len(keys_of(read(limited(sector.url)))) == 5


SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT ho_so.*"
    " FROM ho_so WHERE ma < (SELECT MAX(i) FROM n)",
    "postgresql": "SELECT ho_so.* FROM ho_so, pg_sleep(60)",
    "mysql": "SELECT ho_so.* FROM ho_so WHERE SLEEP(60) = 0",
}
RUNNING = {
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE '%v_cham%'"
    " AND state = 'active' AND pid <> pg_backend_pid()",
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%v_cham%'"
    " AND id <> CONNECTION_ID()",
}


def test_a_slow_view_ends_at_its_deadline_and_its_server_works_on_nothing(
    sector: Sector, sqlite_store: KpiStore, settings: Any
) -> None:
    sector.put(*many(5))
    sector.run(f"CREATE VIEW v_cham AS {SLOW[sector.dialect]}")
    began = time.monotonic()
    run = polled(sqlite_store, limited(sector.url, 1.0, view="v_cham"), settings)
    assert run["outcome"] == "timeout" and "thời hạn" in run["note"]
    assert time.monotonic() - began < 15
    if question := RUNNING.get(sector.dialect):
        assert wait_until(lambda: asks(sector, question) == 0)


def test_a_server_that_falls_silent_is_cut_off_at_the_deadline(
    served: Sector, monkeypatch: Any
) -> None:
    served.put(*many(5))
    served.run(f"CREATE VIEW v_cham AS {SLOW[served.dialect]}")
    for name in ("limit_postgresql", "limit_mysql"):  # the server does not end it for us
        monkeypatch.setattr(drivers, name, lambda connection, seconds: None)
    began = time.monotonic()
    with pytest.raises(Transient, match="thời hạn"):
        read(limited(served.url, 1.0, view="v_cham"))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_takes_the_call_and_says_nothing_holds_nobody(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        with pytest.raises(Transient):
            read(limited(f"{scheme}://doc@127.0.0.1:{deaf.getsockname()[1]}/nganh", 1.0))
    assert time.monotonic() - began < 15


def test_a_poll_that_is_asked_to_end_does_not_wait_for_a_slow_view(sector: Sector) -> None:
    sector.put(*many(5))
    sector.run(f"CREATE VIEW v_cham AS {SLOW[sector.dialect]}")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    source = limited(sector.url, 5.0, view="v_cham")
    with IO(source, now=lambda: NOW, stopped=stop.is_set) as io, pytest.raises(Transient):
        list(sql.poll(source, None, io))
    assert time.monotonic() - began < 15


@pytest.mark.postgresql
def test_a_change_time_that_no_calendar_has_is_broken_and_named(
    request: pytest.FixtureRequest,
) -> None:
    sector = Sector(request.getfixturevalue("postgres_url"))
    sector.put(*many(3))
    sector.change("H0001", cap_nhat="infinity")
    with pytest.raises(Broken, match="cap_nhat"):
        read(view_source(sector.url))


def test_the_doctor_passes_over_rows_without_a_time(sector: Sector, settings: Any) -> None:
    sector.put(*many(1), *(row(f"K{i}", None) for i in range(250)))
    with IO(view_source(sector.url), settings, now=lambda: NOW) as io:
        [seen] = sql.probe(view_source(sector.url), io)
    assert keys_of([seen]) == ["H0000"]


def test_a_view_or_column_that_is_gone_is_named(sector: Sector) -> None:
    sector.put(*many(5))
    source = view_source(sector.url, {"view": "v_mat"})
    with pytest.raises(Broken, match="khung nhìn “v_mat”"):
        read(source)
    fields = Lined({"org_unit": "ma_phong", "opened_at": "ngay_nhan"})
    with pytest.raises(Broken, match="“v_ho_so” không có cột “ma_phong”"):
        read(view_source(sector.url, fields=fields))
    if sector.dialect == "mysql":  # elsewhere a view follows its table
        sector.run("ALTER TABLE ho_so RENAME TO ho_so_cu")
        with pytest.raises(Broken, match="khung nhìn “v_ho_so”"):
            read(view_source(sector.url))


def test_a_database_that_is_away_is_tried_again_later(
    sector: Sector, tmp_path: Path, unused_port: Callable[[], int]
) -> None:
    url = sa.make_url(sector.url)
    away = url.set(database=str(tmp_path / "khong-co.sqlite"))
    away = away if sector.dialect == "sqlite" else url.set(port=unused_port())
    with IO(view_source(away.render_as_string(False)), sleep=lambda _: None) as io:
        with pytest.raises(Transient, match="không"):
            io.sql(sql._View(view_source(sector.url)).newest(5), 5)
        assert io.calls == 4  # bounded tries


def test_a_connection_that_is_reset_is_opened_anew(served: Sector) -> None:
    served.put(*many(25))
    source = view_source(served.url)
    with IO(source, now=lambda: NOW, sleep=lambda _: None) as io:
        pages = sql.poll(source, None, io)
        found = [next(pages)]
        end_others(served)
        found += pages
    assert sorted(set(keys_of(found))) == [f"H{i:04d}" for i in range(25)]


def test_a_file_that_is_no_database_is_broken(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("đây không phải cơ sở dữ liệu\n" * 200)
    with pytest.raises(Broken, match="SQLite"):
        read(view_source(f"sqlite:///{tmp_path / 'x.sqlite'}"))


def test_more_rows_or_bytes_than_allowed_are_refused(sector: Sector) -> None:
    sector.put(*many(600))
    with pytest.raises(Broken, match="hơn 500 dòng"):
        read(whole_source(sector.url, max_rows=500))
    with pytest.raises(Broken, match="quá lớn"):
        read(whole_source(sector.url, max_bytes=10_000))


# -- nothing can be written ------------------------------------------------------------------------


def test_no_statement_through_our_door_can_write(sector: Sector) -> None:
    """Even with an account that may: the database itself refuses it."""
    sector.put(*many(3))
    source = view_source(sector.url)
    with IO(source, now=lambda: NOW) as io:
        io.sql(sql._View(source).newest(5), 5)
        connection = io._database._connection
        assert connection is not None
        for statement in ("DELETE FROM ho_so", "DROP VIEW v_ho_so", "CREATE TABLE x (i INT)"):
            with pytest.raises(sa.exc.DBAPIError):
                connection.exec_driver_sql(statement)
            connection.rollback()
    assert len(keys_of(read(source))) == 3


# -- who may read, and where (23, 38, 39) ----------------------------------------------------------


def test_a_right_that_is_missing_is_asked_for_and_a_granted_one_is_enough(
    served: Sector, served_by: str
) -> None:
    served.put(*many(3))
    with reader(served, served_by) as grant:
        source = view_source(account(served), auth=BASIC)
        with pytest.raises(NeedsCredentials, match="quyền đọc"):
            read(source, IOC_DOC=SECRET)
        grant()
        assert len(keys_of(read(source, IOC_DOC=SECRET))) == 3


def test_a_wrong_password_pauses_the_source_and_stands_nowhere(
    served: Sector,
    served_by: str,
    sqlite_store: KpiStore,
    settings: Any,
    monkeypatch: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = "sai-mat-khau-rat-dai"
    monkeypatch.setenv("IOC_DOC", wrong)
    with reader(served, served_by):
        run = polled(sqlite_store, view_source(account(served), auth=BASIC), settings)
    assert run["outcome"] == "needs_credentials" and "IOC_DOC" in run["note"]
    assert run["calls"] <= 1
    assert wrong not in caplog.text and wrong not in repr(run)


def test_a_password_in_an_address_is_a_reference_and_never_said(
    served: Sector, monkeypatch: Any
) -> None:
    url = f"{account(served).replace('//', '//nguoi:' + SECRET + '@')}"
    monkeypatch.setenv("IOC_DB_URL", url)
    with IO(view_source("${IOC_DB_URL}"), sleep=lambda _: None) as io:
        with pytest.raises(NeedsCredentials) as refused:
            io.sql(sql._View(view_source(url)).newest(5), 5)
        assert SECRET not in f"{refused.value} {io.address} {io.redact(io.url)}"
        assert "nguoi" not in io.address


def test_a_server_that_cannot_prove_who_it_is_gets_nothing_where_tls_is_declared(
    served: Sector,
) -> None:
    with pytest.raises(Broken, match="TLS"):
        read(view_source(served.url, {"tls": True}))


@pytest.mark.postgresql
def test_no_password_goes_over_the_wire_in_clear(postgres_url: str) -> None:
    sector = Sector(postgres_url)
    with (
        reader(sector, "postgres", "password"),
        pytest.raises(Broken, match="không mã hóa"),
    ):
        read(view_source(account(sector), auth=BASIC), IOC_DOC=SECRET)


@pytest.mark.parametrize("way", ["mysql_clear_password", "dialog"])
def test_no_password_goes_to_a_mysql_server_that_asks_for_it_in_clear(way: str) -> None:
    heard = bytearray()

    def serve(listener: socket.socket) -> None:
        wire, _ = listener.accept()
        hello = b"\x0a8.0.0\0" + bytes(4) + b"12345678\0" + b"\x00\x82\x21\x02\x00\x08\x00"
        hello += b"\x15" + bytes(10) + b"123456789012\0mysql_native_password\0"
        wire.sendall(len(hello).to_bytes(3, "little") + b"\0" + hello)
        wire.recv(4096)
        ask = b"\xfe" + way.encode() + b"\0" + b"\x02Password: "
        wire.sendall(len(ask).to_bytes(3, "little") + b"\x02" + ask)
        while piece := wire.recv(4096):
            heard.extend(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        url = f"mysql://127.0.0.1:{listener.getsockname()[1]}/nganh"
        with pytest.raises(Broken, match="không mã hóa"):
            read(view_source(url, auth=BASIC), IOC_DOC=SECRET)
        server.join(10)
    assert SECRET.encode() not in heard


def test_no_account_at_all_is_asked_for(served: Sector) -> None:
    with pytest.raises(NeedsCredentials, match="tài khoản"):
        read(view_source(account(served)))


BASIC = Lined({"kind": "basic", "username": "doc", "password": "${IOC_DOC}"})


def account(sector: Sector) -> str:
    """The sector's address without any account."""
    url = sa.make_url(sector.url)
    return url._replace(username=None).render_as_string(False)


@contextmanager
def reader(
    sector: Sector, served_by: str, method: str = "scram-sha-256"
) -> Iterator[Callable[[], None]]:
    """A user ``doc`` with a password, who may read nothing until granted."""
    if served_by == "mariadb":
        name, who = sa.make_url(sector.url).database, "doc@'127.0.0.1'"
        sector.run(
            f"CREATE USER {who} IDENTIFIED BY '{SECRET}'",
            "CREATE TABLE rieng (i INT)",
            f"GRANT SELECT ON {name}.rieng TO {who}",
        )
        try:
            yield lambda: sector.run(f"GRANT SELECT ON {name}.v_ho_so TO {who}")
        finally:
            sector.run(f"DROP USER {who}")
        return
    with sector.engine.connect() as connection:
        hba = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
    before = hba.read_text()
    hba.write_text(f"host all doc 127.0.0.1/32 {method}\n{before}")
    sector.run(f"CREATE ROLE doc LOGIN PASSWORD '{SECRET}'", "SELECT pg_reload_conf()")
    try:
        assert wait_until(
            lambda: (
                asks(sector, "SELECT COUNT(*) FROM pg_hba_file_rules WHERE 'doc' = ANY(user_name)")
                == 1
            )
        )
        yield lambda: sector.run("GRANT SELECT ON v_ho_so TO doc")
    finally:
        hba.write_text(before)
        sector.run("SELECT pg_reload_conf()", "REVOKE ALL ON v_ho_so FROM doc", "DROP ROLE doc")


@pytest.mark.parametrize("host", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "100.100.100.200"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_an_address_at_which_no_system_lives_is_refused(scheme: str, host: str) -> None:
    with pytest.raises(Broken, match="không được phép"):
        read(view_source(f"{scheme}://doc@{host}/nganh"))


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_name_that_leads_back_to_this_machine_is_refused(scheme: str, monkeypatch: Any) -> None:
    answer = [(2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr("connectors.door.socket.getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(Broken, match="không được phép"):
        read(view_source(f"{scheme}://doc@csdl.quangbinh.gov.vn/nganh"))


@pytest.mark.postgresql
def test_nothing_in_the_environment_changes_where_we_read(
    postgres_url: str, monkeypatch: Any, tmp_path: Path
) -> None:
    sector = Sector(postgres_url)
    sector.put(*many(3))
    (tmp_path / "service").write_text("[xa]\nhostaddr=127.0.0.2\nport=1\n")
    for name, value in {
        "PGHOSTADDR": "127.0.0.2",
        "PGPORT": "1",
        "PGDATABASE": "khac",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c default_transaction_read_only=off",
        "PGSERVICE": "xa",
        "PGSERVICEFILE": str(tmp_path / "service"),
    }.items():
        monkeypatch.setenv(name, value)
    assert len(keys_of(read(view_source(postgres_url)))) == 3


def test_the_doctor_looks_at_the_newest_rows_only(sector: Sector, settings: Any) -> None:
    sector.put(*many(300))
    found = look(view_source(sector.url), settings, NOW)
    assert found.level == Level.fine and "200 dòng mẫu" in found.said


# -- what is declared ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ("options: {changed: cap_nhat}", "view"),
        ("options: {view: 'v; DROP TABLE x', changed: cap_nhat}", "view"),
        ("options: {view: a.b.c, changed: cap_nhat}", "view"),
        ("options: {view: v, changed: 'cap_nhat, 1'}", "changed"),
        ("options: {view: v, changed: cap_nhat, size: 1}", "size"),
        ("options: {view: v, changed: cap_nhat, missing: skip}", "missing"),
        ("options: {view: v, changed: cap_nhat, sweep: daily}", "sweep"),
        ("options: {view: v}\n  lag: 5m", "lag"),
        ("options: {view: v, changed: cap_nhat, query: SELECT 1}", "query"),
        ("options: {view: v, changed: c}\n  paging: {kind: page}", "paging"),
        ("options: {view: v, changed: c}\n  url: oracle://may/x", "oracle"),
        ("options: {view: v, changed: c}\n  url: 'postgresql://may/x?host=khac'", "tham số"),
        ("options: {view: v, changed: c}\n  url: 'postgresql://u:matkhau@may/x'", "mật khẩu"),
        ("options: {view: v, changed: c}\n  url: 'sqlite://'", "thiếu"),
        ("options: {view: v, changed: c}\n  fields: {org_unit: 'a b', opened_at: m}", "tên cột"),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_poll(
    tmp_path: Path, entries: str, word: str
) -> None:
    own = tmp_path / "sources.yaml"
    given = {"url": "sqlite:////srv/x.sqlite", "fields": "{org_unit: a, opened_at: b}"}
    lines = "".join(f"  {k}: {v}\n" for k, v in given.items() if f"  {k}:" not in entries)
    own.write_text(
        "x:\n  name: X\n  kind: sql\n  owner: SNV\n  every: 1h\n  serves: [commune]\n"
        f"  key: ma\n  record: dossier\n{lines}  {entries}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as refused:
        load_sources([own], env={})
    assert word in str(refused.value) and "matkhau" not in str(refused.value)


def test_names_with_accents_and_capitals_are_quoted(sector: Sector) -> None:
    sector.put(*many(3))
    q = "`" if sector.dialect == "mysql" else '"'
    sector.run(f"CREATE VIEW {q}Hồ_sơ{q} AS SELECT ma AS {q}Mã_số{q}, ma_xa, cap_nhat FROM ho_so")
    fields = Lined({"org_unit": "ma_xa", "opened_at": "cap_nhat"})
    found = read(view_source(sector.url, {"view": "Hồ_sơ"}, key="Mã_số", fields=fields))
    assert [r["Mã_số"] for batch in found for r in batch.rows] == ["H0000", "H0001", "H0002"]


def test_values_of_every_type_reach_the_mapping_as_plain_ones(served: Sector) -> None:
    kinds = {
        "postgresql": "CAST(1.50 AS NUMERIC) AS a, CAST(7 AS NUMERIC) AS b, TRUE AS c,"
        " CAST('0d6ec2e2-1111-4222-8333-444455556666' AS UUID) AS d, DATE '2026-01-02' AS e,"
        " CAST('1a' AS BYTEA) AS f, TIME '01:02:03' AS g",
        "mysql": "CAST(1.50 AS DECIMAL(5,2)) AS a, CAST(7 AS DECIMAL(5,0)) AS b, 'true' AS c,"
        " '0d6ec2e2-1111-4222-8333-444455556666' AS d, DATE '2026-01-02' AS e,"
        " CAST('1a' AS BINARY) AS f, TIME '01:02:03' AS g",
    }[served.dialect]
    served.put(*many(1))
    served.run(f"CREATE VIEW v_kieu AS SELECT ho_so.*, {kinds} FROM ho_so")
    fields = Lined({
        "org_unit": "a",
        "opened_at": "b",
        "state": "c",
        "category": "d",
        "closed_at": "e",
        "channel": "f",
        "result": "g",
    })
    [found, *_] = read(view_source(served.url, {"view": "v_kieu"}, fields=fields))
    [values] = found.rows
    told = [values[name] for name in "abcdef"]
    uuid, day = "0d6ec2e2-1111-4222-8333-444455556666", datetime(2026, 1, 2).date()  # noqa: DTZ001
    assert told == [1.5, 7, "true", uuid, day, "1a"] and values["g"].endswith("1:02:03")


def asks(sector: Sector, question: str) -> Any:
    with sector.engine.connect() as connection:
        return connection.exec_driver_sql(question.replace("%", "%%")).scalar_one()


def end_others(sector: Sector) -> None:
    """End every connection to the database but the one that does it."""
    with sector.engine.connect() as connection:
        if sector.dialect == "postgresql":
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        others = connection.exec_driver_sql(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
            " AND id <> CONNECTION_ID()"
        )
        for number in others.scalars():
            connection.exec_driver_sql(f"KILL {number}")


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True

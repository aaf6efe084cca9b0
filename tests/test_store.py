"""The store itself: schema, readers and writers, the only door in, what survives a crash."""

import math
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ioc.errors import IocError
from ioc.model import Reading
from ioc.period import Period
from kpi import health, query, schema
from kpi.intake import accept
from kpi.migrate import upgrade
from kpi.schema import FAR, instant_of, micros
from kpi.store import open_store
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    REGISTRY,
    STAFF,
    STORED,
    at,
    dossier,
    dossiers,
    reading,
    rows,
    share,
    tables,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
EVERY_TABLE = sorted(schema.metadata.tables)
ROWIDS = (
    "poll_run rejection request assessment account_right device api_key audit reading_choice"
    " closing_signature config_version pack_edition"
).split()
KEYS = {
    "record": "source key",
    "record_version": "source key version",
    "observation": "element org_unit day known_at",
    "member": "element period org_unit member_key",
    "rollup": "element period org_unit known_at",
    "standing": "target indicator org_unit window",
    "closure": "ancestor leaf",
    "seal": "at",
    "topic": "name",
    "watermark": "source",
}


@pytest.fixture
def live(world):
    """A world whose sources were all polled before."""
    return world.live()


# --- schema -----------------------------------------------------------------------------------


def test_a_migrated_database_is_what_the_metadata_says(store):
    with store.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_migrating_again_changes_nothing(store):
    before = store.version()
    upgrade(store.writer)
    store.publish()
    assert store.version() == before
    with store.read() as connection:
        versions = connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()
    assert len(versions) == 1


def test_every_table_on_sqlite_is_strict_and_keyed_without_a_hidden_number(sqlite_store):
    with sqlite_store.read() as connection:
        listed = connection.exec_driver_sql("PRAGMA table_list").mappings().all()
    found = {row["name"]: (row["strict"], row["wr"]) for row in listed}
    for name in EVERY_TABLE:
        numbered = name in ROWIDS
        assert found[name] == (1, 0 if numbered else 1), name


@pytest.mark.parametrize("name", sorted(KEYS))
def test_keys_have_the_columns_that_reads_seek_by_in_that_order(store, name):
    with store.read() as connection:
        key = sa.inspect(connection).get_pk_constraint(name)
    assert " ".join(key["constrained_columns"]) == KEYS[name]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("observation", "'e', 'u', 1, {known}, {until}, 1.0, NULL, NULL"),
        ("rollup", "'e', 1, 'u', {known}, {until}, 1.0, 1, 1"),
    ],
)
def test_a_key_has_one_current_version_and_any_number_of_past_ones(world, table, values):
    def insert(known: int, until: int) -> None:
        with world.store.write() as connection:
            row = values.format(known=known, until=until)
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({row})")

    insert(1, 2)
    insert(2, 3)
    insert(3, FAR)
    with pytest.raises(sa.exc.IntegrityError):
        insert(4, FAR)
    assert len(rows(world.store, table)) == 3


def test_a_database_refuses_a_word_where_a_number_belongs(world):
    with pytest.raises(sa.exc.DBAPIError), world.store.write() as connection:
        connection.exec_driver_sql("INSERT INTO seal (at, reason) VALUES ('hôm nay', 'x')")
    assert rows(world.store, "seal") == []


@pytest.mark.parametrize("table", EVERY_TABLE)
def test_a_reader_cannot_write_anywhere(world, table):
    with pytest.raises(sa.exc.DBAPIError), world.store.read() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table}")


def test_sqlite_survives_a_power_cut_and_reads_while_it_is_written(sqlite_store):
    with sqlite_store.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("SELECT sqlite_version() >= '3.51.3'").scalar() == 1


def test_an_instant_without_an_offset_never_gets_in():
    with pytest.raises(ValueError, match="múi giờ"):
        micros(datetime(2025, 1, 1))  # noqa: DTZ001
    assert instant_of(micros(at("2025-07-01 00:00"))) == datetime(2025, 6, 30, 17, tzinfo=UTC)
    assert instant_of(None) is None and micros(None) is None


def test_what_is_published_is_what_is_configured_and_stays_so(world, orgunits):
    before = {name: rows(world.store, name) for name in ("org_unit", "closure", "month", "judged")}
    world.store.publish()
    assert {name: rows(world.store, name) for name in before} == before
    assert len(before["org_unit"]) == len(orgunits)
    assert sorted(before["closure"]) == sorted(orgunits.closure())
    months = {row[0]: row for row in before["month"]}
    june = Period.parse("2025-06")
    assert months[june.key][2:] == (
        Period.of("day", june.start).key,
        Period.of("day", june.end).key,
    )


def test_a_library_that_may_lose_writes_is_refused(monkeypatch, sqlite_url, catalogue, orgunits):
    monkeypatch.setattr("kpi.store.OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(IocError, match="quá cũ"):
        open_store(sqlite_url, catalogue, orgunits)


# --- the only door ----------------------------------------------------------------------------


def test_the_same_batch_twice_is_nothing_new_and_not_a_byte_differs(live):
    batch = [*dossiers("STP", "2025-05-05", 10, 5), dossier("x", "450", "2025-06-30 08:00")]
    figures = share(STAFF_OF, "STP", "2026-10", 9, 10)
    assert live.poll(DOSSIERS, batch).new == 11
    assert live.poll(STAFF, figures).new == 2
    before = tables(live.store)
    for _ in range(2):
        live.forward(minutes=3)
        again, declared = live.poll(DOSSIERS, batch), live.poll(STAFF, figures)
        assert (again.read, again.new, again.changed, again.same) == (11, 0, 0, 11)
        assert (declared.new, declared.changed, declared.same) == (0, 0, 2)
        assert tables(live.store) == before


def test_of_two_rows_for_one_key_the_last_one_counts(live):
    counts = live.poll(
        DOSSIERS,
        [
            dossier("a", "STP", "2025-05-05 08:00", "2025-05-06 08:00"),
            dossier("a", "STP", "2025-05-05 08:00", "2025-05-06 08:00", online=True),
        ],
    )
    assert (counts.read, counts.new, counts.same) == (2, 1, 1)
    assert live.value("I02b", "2025-05").value == 100
    live.poll(STAFF, [reading("staff_professional", "STP", "2026-10", n) for n in (4, 5)])
    assert live.value("I12a", "2026-10").denominator == 5


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (dossier("a", "không có", "2025-05-05 08:00"), "không có trong danh mục"),
        (dossier("a", "QB", "2025-05-05 08:00"), "sở, huyện hoặc xã"),
        (dossier("a", "450", "2025-07-01 00:00"), "hết hiệu lực"),
        (dossier("a", "SKHCN25", "2025-02-28 23:59"), "chỉ có hiệu lực từ"),
        (dossier("a", "STP", "2026-11-22 08:06"), "tương lai"),
        (dossier("a", "STP", "2026-11-22 07:00", "2026-11-22 08:06"), "tương lai"),
        (dossier("a", "STP", "2026-11-20 07:00", changed="2026-11-22 08:06"), "tương lai"),
        (dossier("a", "STP", "2025-05-05 08:00", "2025-05-04 08:00"), "trước ngày tiếp nhận"),
        (dossier("a", "STP", "1989-12-31 23:59"), "trước năm 1990"),
        (dossier("a", "STP", "2025-05-05 08:00", lat=math.nan), "hữu hạn"),
        (dossier("a", "STP", "2025-05-05 08:00", quantity=math.inf), "hữu hạn"),
        (dossier("a", "STP", "2025-05-05 08:00", place="00000"), "không có trong danh mục"),
        (reading("staff_professional", "STP", "2026-10", math.nan), "hữu hạn"),
        (reading("staff_professional", "STP", "2026-10", -math.inf), "hữu hạn"),
        (reading("staff_professional", "STP", "2026-10", -1), "âm"),
        (reading("staff_professional", "STP", "2026-12", 1), "tương lai"),
        (reading("staff_professional", "STP", "1989-12", 1), "1990"),
        (reading("dossiers_resolved", "STP", "2026-10", 1), "không có số liệu khai báo"),
        (reading("no_such_element", "STP", "2026-10", 1), "không có số liệu khai báo"),
        (reading("meetings_district_total", "STP", "2026-10", 1), "không thuộc nhóm"),
        (reading("meetings_department_total", "CAT", "2026-10", 1), "không thuộc nhóm"),
    ],
)
def test_a_bad_row_is_a_rejection_with_its_place_and_a_reason_and_the_rest_is_taken(
    live, row, told
):
    source = STAFF if isinstance(row, Reading) else DOSSIERS
    good = (
        reading("staff_professional", "SYT", "2026-10", 5)
        if isinstance(row, Reading)
        else dossier("good", "SYT", "2025-05-05 08:00")
    )
    counts = live.poll(source, [replace(row, position="trang 2#7"), good], rejected=1)
    assert (counts.read, counts.new, counts.rejected) == (2, 1, 1)
    found = query.rejections(live.store, ADMIN).frame().iloc[0]
    assert found.position == "trang 2#7" and told in found.reason
    assert (found.source, found["at"]) == (source.id, live.now)
    assert math.isfinite(found.run)


def test_an_hour_of_five_minutes_ahead_is_a_clock_that_runs_fast_and_not_a_fault(live):
    ahead = (live.now + timedelta(minutes=5)).isoformat()
    assert live.poll(DOSSIERS, [dossier("a", "STP", ahead)]).new == 1


def test_coordinates_and_quantities_come_back_as_they_were_said(live):
    said = dossier("a", "STP", "2025-05-05 08:00", lat=17.46833, lon=106.62226, quantity=2.5)
    live.poll(DOSSIERS, [said])
    stored = dict(zip(schema.record.columns.keys(), rows(live.store, "record")[0], strict=True))
    assert (stored["lat"], stored["lon"], stored["quantity"]) == (17.46833, 106.62226, 2.5)
    assert (stored["code"], stored["org_unit"]) == ("STP", "department-STP-2021-01-01")


def test_every_version_of_a_record_is_kept_with_its_hash(live):
    for online in (False, True, False):
        live.poll(
            DOSSIERS, [dossier("a", "STP", "2025-05-05 08:00", "2025-05-06 08:00", online=online)]
        )
        live.forward(minutes=1)
    names = schema.record_version.columns.keys()
    kept = [dict(zip(names, row, strict=True)) for row in rows(live.store, "record_version")]
    current = dict(zip(schema.record.columns.keys(), rows(live.store, "record")[0], strict=True))
    assert [row["version"] for row in kept] == [1, 2] and current["version"] == 3
    assert kept[0]["hash"] == current["hash"] != kept[1]["hash"]
    assert kept[0]["superseded_at"] == kept[1]["known_at"]
    assert kept[1]["superseded_at"] == current["known_at"]


# --- whole replies ----------------------------------------------------------------------------


def ten(live, count: int = 10) -> list:
    """So many records of the registry."""
    return [dossier(f"r{i}", "STP", "2025-05-05 08:00", "2025-05-06 08:00") for i in range(count)]


def test_what_a_whole_reply_no_longer_holds_is_gone_but_its_versions_stay(live):
    live.poll(REGISTRY, ten(live), whole=True)
    live.forward(minutes=2)
    counts = live.poll(REGISTRY, ten(live, 8), whole=True)
    assert (counts.gone, counts.same, counts.held) == (2, 8, False)
    assert live.value("I02b", "2025-05").denominator == 8
    assert len(rows(live.store, "record_version")) == 2


@pytest.mark.parametrize("left", [0, 7])
def test_a_whole_reply_that_would_take_more_than_a_fifth_waits_and_writes_nothing(live, left):
    live.poll(REGISTRY, ten(live), whole=True)
    before = {name: rows(live.store, name) for name in (*STORED, "watermark", "topic", "rejection")}
    live.forward(minutes=2)
    run = health.begin_run(live.store, REGISTRY.id, live.now)
    fresh = dossier("new", "STP", "2025-05-05 08:00", "2025-05-06 08:00")
    items = [*ten(live, left), fresh] if left else []
    counts = accept(live.store, REGISTRY, items, run=run, cursor="later", whole=True, now=live.now)
    assert counts.held and (counts.new, counts.gone) == (0, 0)
    assert {name: rows(live.store, name) for name in before} == before


def test_an_empty_batch_that_is_not_the_whole_removes_nothing(live):
    live.poll(DOSSIERS, ten(live))
    assert live.poll(DOSSIERS, []).gone == 0
    assert live.value("I02b", "2025-05").denominator == 10


def test_sources_do_not_touch_each_other_s_keys(live):
    live.poll(DOSSIERS, ten(live))
    live.poll(REGISTRY, ten(live), whole=True)
    assert live.value("I02b", "2025-05").denominator == 20
    live.poll(REGISTRY, ten(live, 9), whole=True)
    assert live.value("I02b", "2025-05").denominator == 19


# --- one transaction --------------------------------------------------------------------------


def fail_on(live, table: str) -> None:
    """From now on the database itself refuses to write a table."""
    with live.store.write() as connection:
        if live.store.sqlite:
            connection.exec_driver_sql(
                f"CREATE TRIGGER fault BEFORE INSERT ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'đĩa hỏng'); END"
            )
        else:
            connection.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION fault() RETURNS trigger AS $$ BEGIN"
                " RAISE EXCEPTION 'đĩa hỏng'; END $$ LANGUAGE plpgsql"
            )
            connection.exec_driver_sql(
                f"CREATE TRIGGER fault BEFORE INSERT ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION fault()"
            )


def heal(live, table: str) -> None:
    """The fault is gone."""
    on = "" if live.store.sqlite else f" ON {table}"
    with live.store.write() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER fault{on}")


@pytest.mark.parametrize(
    "table", ["record", "observation", "member", "rollup", "standing", "watermark", "topic"]
)
def test_a_batch_that_fails_anywhere_leaves_nothing_and_comes_in_whole_the_next_time(live, table):
    batch = [
        dossier("a", "STP", "2025-05-05 08:00", "2025-05-06 08:00", category="p", online=True),
        dossier("b", "nowhere", "2025-05-05 08:00"),
    ]
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    every = (*STORED, "watermark", "topic", "rejection", "boundary")
    before = {name: rows(live.store, name) for name in every}
    fail_on(live, table)
    try:
        with pytest.raises(sa.exc.DBAPIError, match="đĩa hỏng"):
            accept(live.store, DOSSIERS, batch, run=run, cursor="c1", now=live.now)
    finally:
        heal(live, table)
    assert {name: rows(live.store, name) for name in every} == before
    counts = accept(live.store, DOSSIERS, batch, run=run, cursor="c1", now=live.now)
    assert (counts.new, counts.rejected) == (1, 1)
    assert health.watermark(live.store, DOSSIERS.id) == "c1"
    assert live.value("I02b", "2025-05").value == 100


KILLED = """
import sys
from datetime import UTC, datetime
from sqlalchemy import event
import os, signal
from ioc.orgunits import OrgUnits
from kpi import health
from kpi.catalogue import load_catalogue
from kpi.intake import accept
from kpi.store import open_store
from tests.worlds import DOSSIERS, dossiers, with_sources

store = open_store(sys.argv[1], with_sources(load_catalogue()), OrgUnits.load())
now = datetime(2026, 11, 22, 1, tzinfo=UTC)
health.publish_sources(store, [DOSSIERS])
run = health.begin_run(store, DOSSIERS.id, now)
accept(store, DOSSIERS, dossiers("STP", "2025-05-05", 5, 5), run=run, cursor="c1", now=now)
store.writer.dispose()

@event.listens_for(store.writer, "connect")
def _die(raw, _record):
    raw.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
    raw.execute("CREATE TEMP TRIGGER d BEFORE UPDATE ON watermark BEGIN SELECT die(); END")

accept(store, DOSSIERS, dossiers("SYT", "2025-05-05", 7, 7), run=run, cursor="c2", now=now)
"""


def test_a_process_killed_in_the_middle_of_a_batch_loses_that_batch_and_nothing_else(
    sqlite_url, catalogue, orgunits
):
    root = Path(__file__).parent.parent
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, sqlite_url], cwd=root, capture_output=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    store = open_store(sqlite_url, catalogue, orgunits)
    now = datetime(2026, 11, 22, 1, 5, tzinfo=UTC)
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert len(rows(store, "record")) == 5
    assert health.watermark(store, DOSSIERS.id) == "c1"
    run = health.begin_run(store, DOSSIERS.id, now)
    cut = [row for row in rows(store, "poll_run") if row[0] != run]
    assert [row[5] for row in cut] == ["retry"] and "dừng giữa chừng" in cut[0][6]
    batch = dossiers("SYT", "2025-05-05", 7, 7) + dossiers("STP", "2025-05-05", 5, 5)
    counts = accept(store, DOSSIERS, batch, run=run, cursor="c2", now=now)
    assert (counts.new, counts.same) == (7, 5)
    store.close()


def test_writers_wait_for_each_other_and_nothing_is_lost_or_doubled(live):
    def write(code: str) -> None:
        for i in range(4):
            run = health.begin_run(live.store, DOSSIERS.id, live.now)
            batch = dossiers(code, f"2025-05-{i + 10}", 3, 1)
            accept(live.store, DOSSIERS, batch, run=run, now=live.now)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, ("STP", "SYT", "450"), timeout=60))
    found = live.value("I02b", "2025-05")
    assert (found.numerator, found.denominator) == (12, 36)


def test_a_reader_sees_the_state_before_a_batch_until_it_is_committed(live):
    live.poll(DOSSIERS, ten(live, 2))
    with live.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM standing")
        connection.exec_driver_sql("DELETE FROM rollup")
        assert live.value("I02b", "2025-05").denominator == 2
        connection.rollback()
    assert live.value("I02b", "2025-05").denominator == 2


# --- runs and watermarks ----------------------------------------------------------------------


def test_the_cursor_moves_with_the_rows_and_a_batch_without_one_keeps_it(live):
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    accept(live.store, DOSSIERS, ten(live, 1), run=run, cursor="c1", now=live.now)
    accept(live.store, DOSSIERS, ten(live, 2), run=run, now=live.now)
    assert health.watermark(live.store, DOSSIERS.id) == "c1"
    assert health.watermark(live.store, REGISTRY.id) is None


def test_only_a_completed_run_covers_what_it_read_and_never_moves_back(live):
    covered = live.standing("T02b", "I02b").data_as_of
    live.forward(minutes=1)
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    counts = accept(live.store, DOSSIERS, ten(live, 1), run=run, now=live.now)
    live.end(run, counts, outcome="retry")
    assert live.standing("T02b", "I02b").data_as_of == covered
    live.poll(DOSSIERS)
    assert live.standing("T02b", "I02b").data_as_of == live.now
    live.forward(hours=-2)
    live.poll(DOSSIERS)
    assert live.standing("T02b", "I02b").data_as_of == live.now + timedelta(hours=2)


def test_a_failed_run_keeps_the_last_value_and_history_holds_its_error(live):
    live.poll(DOSSIERS, ten(live, 2))
    live.forward(hours=1)
    run = health.begin_run(live.store, DOSSIERS.id, live.now)
    health.end_run(
        live.store,
        run,
        outcome="timeout",
        note="quá thời hạn",
        counts=accept(live.store, DOSSIERS, [], run=run, now=live.now),
        calls=3,
        bytes=12,
        response_hash="h",
        now=live.now,
        completed=False,
    )
    assert live.value("I02b", "2025-05").denominator == 2
    assert live.standing("T02b", "I02b").freshness == "stale"
    last = query.runs(live.store, ADMIN, sources=[DOSSIERS.id], limit=1).frame().iloc[0]
    assert (last.outcome, last.note, last.calls, last.bytes) == ("timeout", "quá thời hạn", 3, 12)


def test_a_source_that_left_the_configuration_keeps_its_past_but_shows_no_figure(live):
    live.poll(MEETINGS, [reading("meetings_department_total", "STP", "2025-05", 10)])
    health.publish_sources(live.store, [DOSSIERS])
    assert live.standing("T07a", "I07a").status == "no_source"
    assert rows(live.store, "observation")
    assert list(query.sources(live.store, ADMIN).frame().source) == [DOSSIERS.id]

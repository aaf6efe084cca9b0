"""One poll from door to store: idempotent, resumable, always recorded, never silent."""

import logging
import os
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from connectors import poller
from connectors.poller import poll
from ioc.config import Lined
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, query, schema
from kpi.answer import take_snapshot
from kpi.store import KpiStore, open_store
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import dossier, rest_source, sheet_source, source_of

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CURSOR = Lined({
    "kind": "cursor",
    "rows_path": "data",
    "cursor_param": "sau",
    "next_path": "tiep",
    "size_param": "co",
    "size": 10,
})
DERIVED = ("record", "observation", "rollup", "member", "standing")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> SimpleNamespace:
    """A data folder of its own, and no waiting between tries."""
    real = poller._sleep_until
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: real(stop)(0.001))
    monkeypatch.setattr(poller, "PATIENCE", 0.1)
    return SimpleNamespace(data=tmp_path, secret_key_file=None)


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Dossiers of many days, some of them finished."""
    first = datetime.fromisoformat("2024-03-05T08:00:00")
    made = []
    for i in range(start, start + count):
        opened = first + timedelta(hours=7 * i)
        closed = (opened + timedelta(hours=30)).isoformat() if i % 3 else None
        changed = (opened + timedelta(hours=31)).isoformat() + "+07:00"
        made.append(dossier(f"A{i}", tiepNhan=opened.isoformat(), tra=closed, capNhat=changed))
    return made


class Portal:
    """A change journal of rows, ten a page; ``spoil`` says what to answer instead, by page."""

    def __init__(self, *entries: dict[str, Any]):
        self.rows = list(entries)
        self.spoil: dict[int, Answer] = {}

    def __call__(self, request: Request) -> Answer:
        start = int(request.query.get("sau", 0))
        if start // 10 in self.spoil:
            return self.spoil[start // 10]
        found = self.rows[start : start + 10]
        return Answer({"data": found, "tiep": str(start + len(found))})


def portal_source(server: Chaos, **entries: Any) -> Source:
    return rest_source(server.url, id="nguon_thu", paging=CURSOR, **entries)


def contents(store: KpiStore) -> dict[str, list[tuple]]:
    """All that the store holds, but for runs and the instants of our clock."""
    found = {}
    with store.read() as connection:
        for name in DERIVED:
            columns = [
                f'"{column["name"]}"'
                for column in sa.inspect(connection).get_columns(name)
                if column["name"] not in ("run", "known_at", "superseded_at")
            ]
            query = f"SELECT {', '.join(columns)} FROM {name}"
            if name in ("observation", "rollup"):
                query += " WHERE superseded_at = 253402300799000000"
            found[name] = sorted(map(tuple, connection.execute(sa.text(query))), key=repr)
    return found


def polled(store: KpiStore, source: Source, settings: Any, now: datetime = NOW) -> dict[str, Any]:
    health.publish_sources(store, [source])
    return poll(store, source, settings, now=now)


def numbers(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run[name] for name in ("read", "new", "changed", "same", "rejected", "gone"))


def run_rows(store: KpiStore) -> list[Any]:
    with store.read() as connection:
        return connection.execute(sa.text("SELECT * FROM poll_run ORDER BY run")).mappings().all()


# -- idempotence and identity (1-6, 40) ----------------------------------------------------------


def test_the_same_reply_polled_twice_changes_nothing(store: KpiStore, settings: Any) -> None:
    with Chaos(Portal(*rows(25))) as server:
        source = portal_source(server)
        first = polled(store, source, settings)
        assert (first["outcome"], *numbers(first)) == ("ok", 25, 25, 0, 0, 0, 0)
        before = contents(store)
        assert before["record"]
        again = polled(store, source, settings)
        assert (again["outcome"], *numbers(again)) == ("empty", 0, 0, 0, 0, 0, 0)
        with store.write() as connection:
            connection.execute(sa.text("UPDATE watermark SET cursor = NULL"))
        whole = polled(store, source, settings)
        assert (whole["outcome"], *numbers(whole)) == ("ok", 25, 0, 0, 25, 0, 0)
        assert contents(store) == before


def test_integer_and_text_ids_are_one_record_and_the_last_of_a_page_wins(
    sqlite_store: KpiStore, settings: Any
) -> None:
    late = dossier("7", capNhat="2024-03-06T08:00:00+07:00", kenh="trực tiếp")
    with Chaos(Portal(dossier(7), late)) as server:
        polled(sqlite_store, portal_source(server), settings)
    [record] = contents(sqlite_store)["record"]
    assert "direct" in record


def test_rows_without_a_key_are_rejected_and_the_rest_is_kept(
    sqlite_store: KpiStore, settings: Any
) -> None:
    entries = [dossier("A"), dossier(None), dossier(""), dossier("B")]
    with Chaos(Portal(*entries)) as server:
        run = polled(sqlite_store, portal_source(server), settings)
    assert (run["outcome"], *numbers(run)) == ("ok", 4, 2, 0, 0, 2, 0)
    assert "2 × thiếu ma" in run["note"]
    with sqlite_store.read() as connection:
        kept = connection.execute(sa.text("SELECT position, reason FROM rejection")).all()
    assert sorted(kept) == [("/#2", "thiếu ma"), ("/#3", "thiếu ma")]


def test_a_dossiers_code_and_its_person_are_nowhere_in_the_database(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    planted = dossier("MAU-9999", hoTen="Nguyễn Thị Cấy", thuTuc="044097001234")
    with Chaos(Portal(dossier("MAU-1234"), planted)) as server:
        run = polled(sqlite_store, portal_source(server), settings)
    assert run["rejected"] == 1
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in ("MAU-1234", "MAU-9999", "Nguyễn", "Cấy", "044097001234"):
        assert text.encode() not in held


# -- partial failure and the watermark (7, 26, 29) -----------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Answer({}, status=500),
        Answer(reset=True),
        Answer(body=b'{"data": [{"ma": 1}', cut=9),
        Answer({"data": [], "tiep": "60"}, status=429, headers={"Retry-After": "600"}),
    ],
)
def test_a_failure_at_page_seven_keeps_six_pages_and_the_next_poll_goes_on_there(
    sqlite_store: KpiStore, settings: Any, fault: Answer
) -> None:
    portal = Portal(*rows(100))
    portal.spoil[6] = fault
    with Chaos(portal) as server:
        source = portal_source(server)
        run = polled(sqlite_store, source, settings)
        assert (run["outcome"], *numbers(run)) == ("partial", 60, 60, 0, 0, 0, 0)
        assert health.watermark(sqlite_store, source.id) == "60"
        portal.spoil.clear()
        server.requests.clear()
        rest = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
        assert (rest["outcome"], rest["new"]) == ("ok", 40)
        assert server.requests[0].query["sau"] == "60"


BROKEN = [
    Answer(body=b"<html>dang nhap</html>", type="text/html"),
    Answer({"loi": "bận"}),
    Answer(body=b'{"data": [{"ma": NaN}]}'),
    Answer({"data": [{"khac": i} for i in range(5)], "tiep": "5"}),
    Answer({"data": [dossier(f"B{i}", tiepNhan="17/06/2024") for i in range(20)], "tiep": "20"}),
    Answer({}, status=404),
]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_source_that_lies_is_broken_and_keeps_watermark_and_values(
    sqlite_store: KpiStore, settings: Any, fault: Answer
) -> None:
    portal = Portal(*rows(10))
    with Chaos(portal) as server:
        source = portal_source(server)
        polled(sqlite_store, source, settings)
        before, mark = contents(sqlite_store), health.watermark(sqlite_store, source.id)
        portal.spoil[1] = fault
        run = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
        assert (run["outcome"], run["new"]) == ("broken", 0)
        assert run["note"]
        assert contents(sqlite_store) == before
        assert health.watermark(sqlite_store, source.id) == mark
    first, last = run_rows(sqlite_store)
    assert (first["outcome"], last["outcome"]) == ("ok", "broken")
    assert last["covered_until"] is None


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer({}, status=401), "needs_credentials"),
        (Answer({}, status=403), "needs_credentials"),
        (Answer({}, status=503), "retry"),
        (Answer({}, delay=9), "timeout"),
        (Answer({"data": []}), "empty"),
    ],
)
def test_every_run_is_recorded_with_its_outcome_and_evidence(
    sqlite_store: KpiStore, settings: Any, answer: Answer, outcome: str
) -> None:
    with Chaos(serve(answer)) as server:
        source = portal_source(server, options=Lined({"deadline": 1}))
        run = polled(sqlite_store, source, settings)
    [row] = run_rows(sqlite_store)
    assert run["outcome"] == row["outcome"] == outcome
    assert row["ended_at"] is not None and row["calls"] == len(server.requests) >= 1
    assert (row["covered_until"] is None) == (outcome != "empty")


def test_a_retry_after_is_handed_to_the_schedule(sqlite_store: KpiStore, settings: Any) -> None:
    answer = Answer({}, status=429, headers={"Retry-After": "300"})
    with Chaos(serve(answer)) as server:
        run = polled(sqlite_store, portal_source(server), settings)
    assert (run["outcome"], run["wait"]) == ("retry", 300)


def test_an_error_of_our_own_is_recorded_and_never_raised(
    sqlite_store: KpiStore, settings: Any, monkeypatch: Any
) -> None:
    def explode(*_: Any) -> None:
        raise ZeroDivisionError("bí mật trong lỗi")

    with Chaos(Portal(*rows(3))) as server:
        monkeypatch.setattr("connectors.mapping.compile", explode)
        run = polled(sqlite_store, portal_source(server), settings)
    assert run["outcome"] == run_rows(sqlite_store)[0]["outcome"] == "broken"
    assert "ZeroDivisionError" in run["note"] and "bí mật" not in run["note"]


def test_a_poll_that_died_leaves_a_run_that_the_next_one_ends(
    sqlite_store: KpiStore, settings: Any
) -> None:
    with Chaos(Portal(*rows(3))) as server:
        source = portal_source(server)
        health.publish_sources(sqlite_store, [source])
        health.begin_run(sqlite_store, source.id, NOW)
        polled(sqlite_store, source, settings)
    cut, good = run_rows(sqlite_store)
    assert cut["ended_at"] is not None and cut["note"]
    assert good["outcome"] == "ok"


# -- said once (27, 33) --------------------------------------------------------------------------


def test_the_schedule_waits_for_a_poll_by_hand_but_not_for_one_that_died(
    store: KpiStore, settings: Any
) -> None:
    def scheduled(at: datetime) -> str:
        return poll(store, source, settings, now=at, slot=at)["outcome"]

    with Chaos(Answer({"value": []})) as server:
        source = rest_source(server.url, options=Lined({"poll_deadline": 60}))
        health.publish_sources(store, [source])
        by_hand = health.begin_run(store, source.id, NOW)
        assert scheduled(NOW + timedelta(seconds=30)) == "skipped"
        with health.writing(store, by_hand).write():
            pass  # a reply that was held can still be confirmed
        assert scheduled(NOW + timedelta(seconds=90)) != "skipped"
        with pytest.raises(health.RunEnded), health.writing(store, by_hand).write():
            pass


def test_a_failing_source_is_announced_once_and_so_is_its_return(
    sqlite_store: KpiStore, settings: Any, caplog: Any
) -> None:
    caplog.set_level(logging.WARNING)
    portal = Portal(*rows(3))
    with Chaos(portal) as server:
        source = portal_source(server)
        said = []
        for turn, fault in enumerate([None, 1, 1, 1, None, None]):
            portal.spoil = {0: Answer({}, status=500)} if fault else {}
            caplog.clear()
            polled(sqlite_store, source, settings, NOW + timedelta(minutes=turn))
            said.append(len([r for r in caplog.records if r.name == "connectors.poller"]))
    assert said == [0, 1, 0, 0, 1, 0]


def test_a_new_field_is_named_once_and_its_values_never(
    sqlite_store: KpiStore, settings: Any
) -> None:
    poller._reported.clear()
    portal = Portal(dossier("A", cccd="044097001234"))
    with Chaos(portal) as server:
        source = portal_source(server)
        first = polled(sqlite_store, source, settings)
        portal.rows.append(dossier("B", cccd="044097001235"))
        second = polled(sqlite_store, source, settings)
    assert "cccd" in first["note"] and "hoTen" in first["note"]
    assert "0440" not in first["note"] and "cccd" not in second["note"]


def test_secrets_are_in_no_note(sqlite_store: KpiStore, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("IOC_THU_KHOA", "chim-hoang-yen")
    auth = Lined({"kind": "api_key", "key": "${IOC_THU_KHOA}", "param": "chim-hoang-yen"})
    with Chaos(serve(Answer({"chim-hoang-yen": 1}))) as server:
        run = polled(sqlite_store, portal_source(server, auth=auth), settings)
    assert run["outcome"] == "broken"
    assert "hoang-yen" not in repr(run_rows(sqlite_store))


# -- whole replies (37) --------------------------------------------------------------------------


def test_a_whole_reply_removes_what_is_gone_but_never_most_of_it(
    sqlite_store: KpiStore, settings: Any
) -> None:
    answers = [rows(20), rows(19), [], rows(5), rows(19)]
    turns = serve(*(Answer({"data": found}) for found in answers))
    with Chaos(turns) as server:
        source = rest_source(server.url, options=Lined({"whole": True}))
        runs = [
            polled(sqlite_store, source, settings, NOW + timedelta(minutes=turn))
            for turn in range(5)
        ]
    assert [run["outcome"] for run in runs] == ["ok", "ok", "held", "held", "ok"]
    assert [run["gone"] for run in runs] == [0, 1, 0, 0, 0]
    assert len(contents(sqlite_store)["record"]) == 19
    assert "chờ xác nhận" in runs[2]["note"]


# -- dry run -------------------------------------------------------------------------------------


def test_a_dry_run_tells_what_the_store_would_do_and_changes_no_byte_of_it(
    store: KpiStore, settings: Any, capsys: Any
) -> None:
    portal = Portal(*rows(12))
    with Chaos(portal) as server:
        source = portal_source(server)
        polled(store, source, settings)
        with store.write() as connection:
            connection.execute(sa.text("UPDATE watermark SET cursor = NULL"))
        changed = portal.rows[0] | {"kenh": "trực tiếp", "capNhat": "2024-06-01T08:00:00+07:00"}
        foreign = dossier("X", coQuan="KHONG-CO")  # only the store knows that it is nobody's code
        portal.rows[0] = changed
        portal.rows += [dossier(None), foreign, dossier("Y")]
        before = everything(store)
        run = poll(store, source, settings, now=NOW, dry_run=True)
    said = capsys.readouterr().out
    assert everything(store) == before
    assert run["run"] is None
    assert "14 bản ghi, 0 số liệu, 1 từ chối" in said
    assert "nếu ghi: mới 1, sửa 1, như cũ 11, gỡ 0, từ chối 2" in said
    assert "từ chối 1: thiếu ma" in said
    assert re.search(r"từ chối 1: .*KHONG-CO", said)
    assert re.search(r"dossier.opened_at: nhỏ nhất 2024-03-05.*, số lượng 14", said)


def everything(store: KpiStore) -> dict[str, list[tuple]]:
    """Every row of every table."""
    with store.read() as connection:
        return {
            name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for name, table in schema.metadata.tables.items()
        }


# -- files (38, 39 of the fault matrix; 12, 36) --------------------------------------------------

MONTH = "Mã đơn vị,Kỳ,Tổng số,Có máy tính\nSNV,06/2024,{},100\nTổng cộng,,9,9\n"


def test_a_folder_is_read_once_a_renamed_copy_is_skipped_and_a_correction_is_taken(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    (folder / "2024-06.csv").write_text(MONTH.format(120))
    source = sheet_source(folder)
    first = polled(sqlite_store, source, settings)
    assert (first["outcome"], *numbers(first)) == ("ok", 2, 2, 0, 0, 0, 0)
    idle = polled(sqlite_store, source, settings)
    assert (idle["outcome"], idle["calls"]) == ("empty", 0)

    (folder / "ban-sao.csv").write_text(MONTH.format(120))
    copied = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
    assert copied["new"] + copied["changed"] == 0
    assert "cùng nội dung với 2024-06.csv" in copied["note"]

    (folder / "2024-06.csv").write_text(MONTH.format(125))
    fixed = polled(sqlite_store, source, settings, NOW + timedelta(minutes=2))
    assert (fixed["outcome"], fixed["changed"], fixed["same"]) == ("ok", 1, 1)


def test_equal_content_under_another_name_is_another_file_where_the_name_says_the_month(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    by_name = Lined({"path": "_file", "match": r"(?P<year>\d{4})-(?P<month>\d\d)"})
    source = sheet_source(folder, fields={"org_unit": "Mã đơn vị", "period": by_name})
    for month in ("2024-05", "2024-06"):
        (folder / f"{month}.csv").write_text(MONTH.format(120))
    assert polled(sqlite_store, source, settings)["new"] == 4
    (folder / "2024-07.csv").write_text(MONTH.format(120))
    run = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
    assert run["new"] == 2 and "cùng nội dung" not in run["note"]


def test_one_bad_file_is_named_and_stops_no_other(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    (folder / "a.xlsx").write_bytes(b"PK\x03\x04 half")
    (folder / "b.csv").write_text("Sai,mẫu\n1,2\n")
    (folder / "c.csv").write_text(MONTH.format(120))
    source = sheet_source(folder)
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["new"], run["rejected"]) == ("partial", 2, 2)
    assert "a.xlsx" in run["note"] and "b.csv" in run["note"] and "c.csv" not in run["note"]
    kept = query.rejections(sqlite_store, Principal.local_admin()).frame()
    assert sorted(kept.position) == ["a.xlsx", "b.csv"]
    assert any("chưa trọn vẹn hoặc hỏng" in reason for reason in kept.reason)
    assert polled_at(sqlite_store, source) == NOW, "the first load is over for what can be read"

    later = NOW + timedelta(minutes=1)
    again = polled(sqlite_store, source, settings, later)
    assert (again["outcome"], again["calls"], again["bytes"]) == ("partial", 0, 0)
    assert "a.xlsx" in again["note"]
    assert polled_at(sqlite_store, source) == later
    assert len(query.rejections(sqlite_store, Principal.local_admin()).frame()) == 2

    (folder / "a.xlsx").unlink()
    (folder / "b.csv").write_text(MONTH.format(120).replace("06/", "07/"))
    fixed = polled(sqlite_store, source, settings, NOW + timedelta(minutes=2))
    assert (fixed["outcome"], fixed["new"], fixed["rejected"]) == ("ok", 2, 0)
    idle = polled(sqlite_store, source, settings, NOW + timedelta(minutes=3))
    assert idle["outcome"] == "empty"


def test_a_folder_that_is_still_being_filled_does_not_count_as_read(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    """Half of its months would be taken for all of them, and an old one for the last."""
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    for name, age in (("a.csv", 60), ("b.csv", 0)):
        (folder / name).write_text(MONTH.format(120).replace("06/", f"0{3 + age // 60}/"))
        at = NOW.timestamp() - age
        os.utime(folder / name, (at, at))
    source = sheet_source(folder, options={"settle": 2})
    half = polled(sqlite_store, source, settings)
    assert half["new"] == 2 and "chờ tệp ghi xong: b.csv" in half["note"]
    assert polled_at(sqlite_store, source) is None
    whole = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
    assert whole["new"] == 2
    assert polled_at(sqlite_store, source) == NOW + timedelta(minutes=1)


def polled_at(store: KpiStore, source: Source) -> datetime | None:
    """The last good poll, where the first load is over."""
    found = query.sources(store, Principal.local_admin(), sources=[source.id]).frame()
    [row] = found.to_dict("records")
    with store.read() as connection:
        state = take_snapshot(store, connection, None, None).sources[source.id]
    good = row["last_good_at"] if pd.notna(row["last_good_at"]) else None
    assert state.polled_at == good
    return good if pd.notna(row["loaded_at"]) else None


def test_a_file_whose_every_row_is_wrong_is_one_rejection_and_stops_no_other(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    headings = MONTH.splitlines()[0]
    (folder / "a.csv").write_text(headings + "\nSNV,06/2024,nhiều,ít" * 20)
    source = sheet_source(folder)
    alone = polled(sqlite_store, source, settings)
    assert (alone["outcome"], alone["read"]) == ("broken", 0)
    assert "a.csv" in alone["note"]
    (folder / "b.csv").write_text(MONTH.format(120))
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["new"], run["rejected"]) == ("partial", 2, 1)
    assert "a.csv" in run["note"]
    assert polled_at(sqlite_store, source) == NOW


def test_a_folder_of_records_covers_nothing_while_a_file_of_it_cannot_be_read(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    """Its days have no dossiers because they could not be read: that is no zero."""
    folder = tmp_path / "ho-so"
    folder.mkdir()
    words = {"org_unit": "Mã đơn vị", "opened_at": "Ngày nhận", "channel": "Kênh"}
    source = source_of(
        name="Hồ sơ thử",
        kind="sheet",
        url=str(folder),
        owner="SNV",
        every="30s",
        serves=["department"],
        record="dossier",
        key="Mã hồ sơ",
        fields=words,
        options={"settle": 0},
    )
    (folder / "a.csv").write_text(
        "Mã hồ sơ,Mã đơn vị,Ngày nhận,Kênh\nA1,SNV,2024-06-03T08:00:00+07:00,direct\n"
    )
    bad = folder / "b.csv"
    bad.write_text("Mã,Đơn vị\nB1,STP\n")
    found = polled(sqlite_store, source, settings)
    assert (found["outcome"], found["new"]) == ("partial", 1)
    with sqlite_store.read() as connection:
        state = take_snapshot(sqlite_store, connection, None, None).sources[source.id]
    assert (state.covered_until, state.loading) == (None, False)
    bad.unlink()
    assert polled(sqlite_store, source, settings)["outcome"] in ("ok", "empty")
    assert polled_at(sqlite_store, source) == NOW


def test_a_refused_file_is_measured_again_when_what_the_source_declares_has_changed(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    (folder / "a.csv").write_text(MONTH.format(120))
    (folder / "b.csv").write_text(MONTH.format(120).replace("Tổng số", "Số người"))
    assert polled(sqlite_store, sheet_source(folder), settings)["outcome"] == "partial"
    put_right = sheet_source(folder, readings={"staff_with_computer": "Có máy tính"})
    assert polled(sqlite_store, put_right, settings)["outcome"] == "ok"


def test_a_row_that_stays_wrong_is_kept_once_and_is_no_news(store: KpiStore, settings: Any) -> None:
    with Chaos(Portal(dossier("A"), dossier(None))) as server:
        source = portal_source(server)
        polled(store, source, settings)
        reread(store, source, settings)
        before = store.version()
        run = reread(store, source, settings)
        publish_and_runs = 2
        assert (run["rejected"], store.version()) == (1, before + publish_and_runs)
    assert len(query.rejections(store, Principal.local_admin()).frame()) == 1


def reread(store: KpiStore, source: Source, settings: Any) -> dict[str, Any]:
    with store.write() as connection:
        connection.execute(sa.text("UPDATE watermark SET cursor = NULL"))
    return polled(store, source, settings)


def test_a_poll_that_gets_no_connection_to_the_store_returns_all_the_same(
    sqlite_url: str, catalogue: Any, orgunits: Any, settings: Any
) -> None:
    store = open_store(sqlite_url, catalogue, orgunits)
    portal = Portal(*rows(3))
    hold = ExitStack()

    def take_all(request: Request) -> Answer:
        pool = store.writer.pool = type(store.writer.pool)(
            store.writer.pool._creator, pool_size=1, max_overflow=0, timeout=0.05
        )
        hold.callback(pool.connect().close)
        return portal(request)

    with hold, Chaos(take_all) as server:
        run = polled(store, portal_source(server), settings)
    assert run["outcome"] == "retry"
    assert "đang bận" in run["note"]
    store.close()


@pytest.mark.parametrize("state", ["rác", "{}", '{"v":0,"files":{}}', '{"v":1,"files":{"a":[1]}}'])
def test_a_corrupt_or_old_state_is_refused_and_never_becomes_a_full_reload(
    sqlite_store: KpiStore, settings: Any, tmp_path: Path, state: str
) -> None:
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    (folder / "c.csv").write_text(MONTH.format(120))
    source = sheet_source(folder)
    health.publish_sources(sqlite_store, [source])
    with sqlite_store.write() as connection:
        connection.execute(
            sa.text("INSERT INTO watermark (source, cursor) VALUES (:id, :state)"),
            {"id": source.id, "state": state},
        )
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["read"]) == ("broken", 0)
    assert "mốc đã lưu" in run["note"]

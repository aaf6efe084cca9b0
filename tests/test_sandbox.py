"""The synthetic province keeps what its wire format promises, on real sockets and real files."""

import collections
import csv
import io
import json
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import openpyxl
import pytest
import python_calamine
import sqlalchemy as sa

import app as program
from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import doors, lived, serve, systems
from connectors.sandbox.dossiers import dossiers_of_day
from connectors.sandbox.field_desk import CAP, FieldReports
from connectors.sandbox.field_reports import SERVICES
from connectors.sandbox.field_reports import SLOT as FIELD_SLOT
from connectors.sandbox.journal import SLOT, Journal, sequence
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import MARKER
from connectors.sandbox.portal import CLIENT_ID, CLIENT_SECRET
from connectors.sandbox.procedures import procedures
from connectors.sandbox.province import MOUNTAIN, Province
from connectors.sandbox.staff import PREFIX, StaffReports
from connectors.sandbox.workdays import busyness, expected_dossiers, is_workday
from ioc.errors import ConfigError, IocError, UnknownOrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period, day_number
from ioc.principal import Principal
from kpi import health, query

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
SEED = 450
ORDER = {"X-Sandbox-Control": "1"}
Row = dict[str, Any]


def province(scale: float = 0.02, seed: int = SEED) -> Province:
    return Province(OrgUnits.load(), seed, scale)


def read_all(journal: Journal, after: int = 0, limit: int = 5000) -> list[bytes]:
    rows: list[bytes] = []
    while True:
        page = journal.changes(after, limit)
        rows += page.rows
        after = page.last
        if not page.more:
            return rows


def instant(text: str) -> datetime:
    """ISO text as the portal writes it; without an offset it is local."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=LOCAL)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The whole journal of a small province, faulty rows too."""
    return [json.loads(row) for row in read_all(Journal(province(), lambda: NOW))]


@pytest.fixture(scope="module")
def sound(rows: list[Row]) -> list[Row]:
    """The journal without the rows that are faulty on purpose."""
    return [row for row in rows if row["maHoSo"] and not row["maHoSo"].endswith("-LOI")]


@pytest.fixture(scope="module")
def dossiers(sound: list[Row]) -> list[Row]:
    """Every dossier as it stands now."""
    return list({row["maHoSo"]: row for row in sound}.values())


# --- the province --------------------------------------------------------------------------------


def test_the_same_seed_tells_the_same_journal_and_another_seed_another():
    first, again = (read_all(Journal(province(0.004), lambda: NOW)) for _ in range(2))
    assert first == again
    assert first != read_all(Journal(province(0.004, seed=1), lambda: NOW))


def test_a_year_has_the_real_volume_and_grows():
    years = {
        year: sum(
            expected_dossiers(day)
            for day in range(day_number(date(year, 1, 1)), day_number(date(year + 1, 1, 1)))
        )
        for year in range(2021, 2027)
    }
    assert all(180e3 <= count <= 260e3 for count in years.values())
    assert list(years.values()) == sorted(years.values())


def test_offices_rest_at_tet_on_holidays_and_on_sundays():
    ordinary = busyness(day_number(date(2024, 6, 19)))
    for closed in (date(2024, 2, 10), date(2024, 2, 13), date(2024, 9, 2), date(2024, 6, 16)):
        assert busyness(day_number(closed)) < 0.05 * ordinary
        assert not is_workday(day_number(closed))
    assert busyness(day_number(date(2024, 2, 19))) < 0.8 * ordinary


def test_about_two_thousand_procedures_have_distinct_codes():
    codes = [procedure.code for procedure in procedures(SEED)]
    assert 1900 <= len(codes) == len(set(codes)) <= 2100


def level_of(code: str) -> str:
    if not code.isdigit():
        return "department"
    return "district" if len(code) == 3 else "commune"


def test_levels_share_the_dossiers_and_districts_end_with_june_2025(dossiers: list[Row]):
    before = collections.Counter(
        level_of(row["maCoQuan"]) for row in dossiers if row["ngayTiepNhan"] < "2025-03"
    )
    total = before.total()
    assert before["department"] / total == pytest.approx(0.15, abs=0.02)
    assert before["district"] / total == pytest.approx(0.34, abs=0.02)
    assert before["commune"] / total == pytest.approx(0.51, abs=0.02)
    after = {level_of(r["maCoQuan"]) for r in dossiers if r["ngayTiepNhan"] >= "2025-07-01"}
    assert after == {"department", "commune"}


def test_every_sound_dossier_names_a_unit_that_answers_on_its_day(dossiers: list[Row]):
    orgunits, old = OrgUnits.load(), 0
    for row in dossiers:
        day = date.fromisoformat(row["ngayTiepNhan"][:10])
        old += orgunits.resolve(row["maCoQuan"], day).old_code
        if row["maXa"]:
            assert orgunits[orgunits.resolve(row["maXa"], day).uid].level == "commune"
    assert 0 < old < len(dossiers) / 50  # some clerks still write the code of before a merger


def test_a_dossier_opened_in_may_2025_and_answered_in_august_keeps_its_old_code(
    dossiers: list[Row],
):
    found = [
        row
        for row in dossiers
        if row["ngayTiepNhan"].startswith("2025-05")
        and (row["ngayTra"] or "").startswith("2025-08")
    ]
    assert {level_of(row["maCoQuan"]) for row in found} >= {"commune", "district"}
    for row in found:
        unit = OrgUnits.load()[OrgUnits.load().resolve(row["maCoQuan"], date(2025, 5, 15)).uid]
        assert unit.open_on(date(2025, 5, 15))


def online(row: Row) -> bool:
    channel = unicodedata.normalize("NFC", row["kenh"])
    return channel == "toàn trình" and row["hinhThucTra"] == "điện tử"


def test_mountain_communes_are_behind_and_every_year_is_better(dossiers: list[Row]):
    def share(chosen: list[Row]) -> float:
        return sum(map(online, chosen)) / len(chosen)

    done = [row for row in dossiers if row["ngayTra"]]
    years = [share([r for r in done if r["ngayTra"][:4] == str(y)]) for y in range(2021, 2027)]
    assert years == sorted(years)
    communes = [r for r in done if level_of(r["maCoQuan"]) == "commune" and r["ngayTra"] > "2023"]
    communes = [r for r in communes if r["ngayTiepNhan"] < "2025-07"]
    mountain = [r for r in communes if r["maCoQuan"] in MOUNTAIN]
    assert share(mountain) < 0.75 * share(communes)


def test_the_plans_two_figures_of_2025_end_near_their_lines():
    sample = province(scale=0.2)
    asked, filed, answered, fully = set(), set(), 0, 0
    for day in range(day_number(date(2025, 1, 1)), day_number(date(2026, 1, 1))):
        for life in dossiers_of_day(sample, day):
            row = json.loads("{" + life[-1][1])
            asked.add(row["maThuTuc"])
            if unicodedata.normalize("NFC", row["kenh"]) != "trực tiếp":
                filed.add(row["maThuTuc"])
            answered += row["ngayTra"] is not None
            fully += online(row)
    assert 0.58 < fully / answered < 0.66
    assert 0.72 < len(filed) / len(asked) < 0.80


# --- the journal ---------------------------------------------------------------------------------


def test_the_journal_rises_strictly_in_sequence_and_change_time(rows: list[Row]):
    for name in ("soThuTu", "thoiDiemCapNhat"):
        told = [row[name] for row in rows]
        assert told == sorted(set(told))
    assert rows[0]["thoiDiemCapNhat"] < "2021-01-10"
    assert "2026-11-21" < rows[-1]["thoiDiemCapNhat"] <= NOW.isoformat()


def test_a_dossier_has_about_two_changes_and_none_before_it_was_received(sound: list[Row]):
    assert 1.8 < len(sound) / len({row["maHoSo"] for row in sound}) < 2.2
    for row in sound:
        assert instant(row["thoiDiemCapNhat"]) >= instant(row["ngayTiepNhan"])
        if row["ngayTra"]:
            assert instant(row["ngayTra"]) > instant(row["ngayTiepNhan"])
        assert (row["trangThai"] == "đã trả kết quả") == (row["ngayTra"] is not None)


def test_one_or_two_percent_are_corrected_months_later_at_their_own_change_time(sound: list[Row]):
    first_answer: dict[str, Row] = {}
    corrected = []
    for row in sound:
        before = first_answer.get(row["maHoSo"])
        if before:
            corrected.append((before, row))
        elif row["ngayTra"]:
            first_answer[row["maHoSo"]] = row
    assert 0.01 < len(corrected) / len(first_answer) < 0.02
    kinds = collections.Counter()
    for before, after in corrected:
        later = instant(after["thoiDiemCapNhat"]) - instant(before["thoiDiemCapNhat"])
        assert timedelta(days=29) < later < timedelta(days=260)
        changed = [k for k in ("kenh", "hinhThucTra", "ngayTra") if before[k] != after[k]]
        kinds[after["trangThai"] if after["trangThai"] == "đã rút" else changed[0]] += 1
    assert set(kinds) == {"kenh", "hinhThucTra", "ngayTra", "đã rút"}


def test_a_few_rows_are_faulty_in_every_way_that_must_be_rejected(rows: list[Row]):
    def unknown(row: Row) -> bool:
        try:
            OrgUnits.load().resolve(row["maCoQuan"], date.fromisoformat(row["ngayTiepNhan"][:10]))
        except UnknownOrgUnit:
            return True
        return False

    faulty = [row for row in rows if not row["maHoSo"] or row["maHoSo"].endswith("-LOI")]
    assert 0.0002 < len(faulty) / len(rows) < 0.0012
    done = [row for row in faulty if row["ngayTra"] and row["ngayTra"] != "31/02/2024"]
    assert any(row["maHoSo"] is None for row in faulty)
    assert any(row["maHoSo"] == "" for row in faulty)
    assert any(row["ngayTra"] == "31/02/2024" for row in faulty)
    assert any(instant(row["ngayTra"]) < instant(row["ngayTiepNhan"]) for row in done)
    assert any(instant(row["ngayTiepNhan"]) > NOW for row in faulty)
    assert any(unknown(row) for row in faulty if instant(row["ngayTiepNhan"]) < NOW)


def test_a_reader_that_begins_late_reads_what_the_others_read():
    whole = read_all(Journal(province(0.01), lambda: NOW))
    since = sequence(NOW - timedelta(days=90))
    late = read_all(Journal(province(0.01), lambda: NOW), since)
    assert late == whole[-len(late) :]
    journal = Journal(province(0.01), lambda: NOW)
    assert read_all(journal, since) == late
    assert read_all(journal) == whole  # from the start after beginning late


def test_in_live_time_something_changes_every_three_seconds():
    start = sequence(NOW)
    moving = [NOW]
    journal = Journal(province(), lambda: moving[0], [(start - 8 * SLOT, lived.FOR_EVER)])
    seen = [json.loads(row) for row in read_all(journal, start - 1)]
    cursor = journal.changes(start - 1, 5000).last
    for _ in range(40):
        moving[0] += timedelta(seconds=3)
        page = journal.changes(cursor, 5000)
        assert page.rows
        cursor = page.last
        seen += map(json.loads, page.rows)
    assert len({row["soThuTu"] for row in seen}) == len(seen)
    assert any(row["ngayTra"] for row in seen)


def test_after_a_restart_the_journal_tells_the_same_and_the_cursor_goes_on():
    start, end = sequence(NOW), sequence(NOW + timedelta(minutes=5))
    at_end, later = NOW + timedelta(minutes=5), NOW + timedelta(hours=3)
    first = read_all(Journal(province(), lambda: at_end, [(start, lived.FOR_EVER)]), start - 1)
    again = Journal(province(), lambda: later, [(start, end), (sequence(later), lived.FOR_EVER)])
    told = read_all(again, start - 1)
    assert told[: len(first)] == first
    opened = {json.loads(row)["maHoSo"] for row in first if b"-S" in row}
    closed = {json.loads(row)["maHoSo"] for row in told if b'"ngayTra":"' in row}
    assert opened <= closed  # what was open when the sandbox stopped was answered


def test_history_is_the_same_with_and_without_live_time():
    start = sequence(NOW - timedelta(hours=1))
    plain = read_all(Journal(province(), lambda: NOW), start - 30 * 86_400_000)
    mixed = read_all(
        Journal(province(), lambda: NOW, [(start, lived.FOR_EVER)]), start - 30 * 86_400_000
    )
    assert [row for row in mixed if b"-S" not in row] == plain
    assert len(mixed) > len(plain)


def test_stretches_of_live_time_survive_in_their_file_and_a_broken_file_has_none(tmp_path: Path):
    path = tmp_path / "lived"
    assert lived.read(path) == []
    lived.write(path, [(1, 5)], 9, 12)
    assert lived.read(path) == [(1, 5), (9, 12)]
    assert lived.begin([(1, 5), (9, 12)], 13, lead=10) == 12
    path.write_text("{")
    assert lived.read(path) == []


def test_however_fast_the_clock_a_kill_takes_back_nothing_that_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / MARKER).touch()
    sandbox = serve.Sandbox(first_port=0, folder=tmp_path, scale=0.01, seed=1, now=lambda: NOW)
    monkeypatch.setattr(serve, "speed", lambda: 12.0)
    sandbox.note()
    until_next_note = 12 * serve.NOTE_EVERY * 1000
    assert lived.read(tmp_path / MARKER)[-1][1] > sequence(NOW) + until_next_note


# --- the portal, on a socket ---------------------------------------------------------------------

Start = Callable[..., "Running"]


class Running:
    """A sandbox in a thread, and a client with a token."""

    def __init__(self, sandbox: serve.Sandbox) -> None:
        self.sandbox = sandbox
        self.portal = f"http://127.0.0.1:{sandbox.portal.port}"
        self.control = f"http://127.0.0.1:{sandbox.control.port}"
        self.field = f"http://127.0.0.1:{sandbox.field.port}"
        self.client = httpx2.Client(base_url=self.portal, timeout=30)
        self.authorise()

    def token(self, **given: str) -> httpx2.Response:
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID}
        return self.client.post(
            "/oauth2/token", data=form | {"client_secret": CLIENT_SECRET} | given
        )

    def authorise(self) -> None:
        token = self.token().json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **params: object) -> httpx2.Response:
        return self.client.get(path, params={k: str(v) for k, v in params.items()})

    def walk(self, size: int, after: str = "") -> Iterator[dict]:
        while True:
            page = self.get("/api/v1/hoSo/thayDoi", soLuong=size, sau=after).json()
            yield page
            if not page["conNua"]:
                return
            after = page["tiepTheo"]

    def order(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.post(self.control + path, headers=headers, timeout=30)

    def reports(self, **asked: str) -> list[Row]:
        reply = httpx2.get(f"{self.field}/requests.json", params=asked, timeout=30).json()
        assert reply["ghiChu"] == SAMPLE
        return reply["service_requests"]

    def await_reports(self) -> None:
        end = time.monotonic() + 60
        while httpx2.get(self.control + "/healthz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start sandboxes on free ports; all are stopped at the end."""
    stops = []

    def begin(**options: Any) -> Running:
        stop, up = threading.Event(), threading.Event()
        found: list[serve.Sandbox] = []

        def ready(sandbox: serve.Sandbox) -> None:
            found.append(sandbox)
            up.set()

        options = {
            "first_port": 0,
            "folder": tmp_path_factory.mktemp("sandbox") / "staff",
            "scale": 0.01,
            "seed": SEED,
            "now": lambda: NOW,
        } | options
        thread = threading.Thread(target=serve.run, kwargs=options | {"stop": stop, "ready": ready})
        thread.start()
        stops.append((stop, thread))
        assert up.wait(30)
        return Running(found[0])

    yield begin
    for stop, _ in stops:
        stop.set()
    for _, thread in stops:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def running(start: Start) -> Running:
    return start()


def test_pages_by_cursor_are_together_the_whole_journal(running: Running):
    pages = list(running.walk(4999))
    told = [row["soThuTu"] for page in pages for row in page["data"]]
    begin = running.sandbox._begin
    direct = Journal(province(0.01), lambda: NOW, [(begin, lived.FOR_EVER)])
    assert told == [json.loads(row)["soThuTu"] for row in read_all(direct, limit=777)]
    assert all(page["soBanGhi"] == str(len(page["data"])) for page in pages)
    end = running.get("/api/v1/hoSo/thayDoi", sau=pages[-1]["tiepTheo"]).json()
    assert (end["data"], end["conNua"], end["tiepTheo"]) == ([], False, pages[-1]["tiepTheo"])


def test_changes_can_be_asked_for_from_an_instant(running: Running):
    since = NOW - timedelta(days=3)
    page = running.get("/api/v1/hoSo/thayDoi", tuThoiDiem=since.isoformat(), soLuong=5000).json()
    assert page["data"]
    assert all(instant(row["thoiDiemCapNhat"]) >= since for row in page["data"])


def test_pages_by_number_are_together_all_open_dossiers(running: Running):
    first = running.get("/api/v1/hoSo", trang=1, kichThuoc=7).json()
    assert isinstance(first["tongSo"], str)
    pages = [
        running.get("/api/v1/hoSo", trang=number, kichThuoc=7).json()["data"]
        for number in range(1, int(first["tongSoTrang"]) + 2)
    ]
    assert pages[-1] == []
    keys = [row["maHoSo"] for page in pages for row in page]
    assert len(keys) == len(set(keys)) == int(first["tongSo"]) > 0
    latest: dict[str, Row] = {}
    for page in running.walk(5000):
        latest |= {row["maHoSo"]: row for row in page["data"] if row["maHoSo"]}
    states = ("đã tiếp nhận", "đang xử lý")
    still = {key for key, row in latest.items() if row["trangThai"] in states}
    assert set(keys) == {key for key in still if not key.endswith("-LOI")} | (
        set(keys) & {key for key in still if key.endswith("-LOI")}
    )


def test_pages_by_number_can_be_asked_for_what_changed_since(running: Running):
    since = NOW - timedelta(days=10)
    page = running.get("/api/v1/hoSo", capNhatTu=since.isoformat(), kichThuoc=5000).json()
    assert page["data"]
    assert all(instant(row["thoiDiemCapNhat"]) >= since for row in page["data"])
    assert any(row["ngayTra"] for row in page["data"])


def test_a_token_is_given_only_to_the_right_client(running: Running):
    assert running.token(client_secret="x").status_code == 401
    assert running.token(grant_type="password").status_code == 400
    basic = running.client.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=httpx2.BasicAuth(CLIENT_ID, CLIENT_SECRET),
    )
    assert basic.json()["token_type"] == "Bearer"


def test_a_token_expires_and_a_new_one_is_accepted(start: Start):
    brief = start(token_life=0.4)
    assert brief.get("/api/v1/hoSo/thayDoi", soLuong=1).status_code == 200
    time.sleep(0.5)
    expired = brief.get("/api/v1/hoSo/thayDoi", soLuong=1)
    assert expired.status_code == 401
    assert expired.headers["www-authenticate"] == "Bearer"
    assert "hết hạn" in expired.json()["thongBao"]
    brief.authorise()
    assert brief.get("/api/v1/hoSo/thayDoi", soLuong=1).status_code == 200


def test_a_hammered_portal_says_when_to_come_back(start: Start):
    slow = start(per_second=2)
    replies = [slow.get("/api/v1/hoSo/thayDoi", soLuong=1) for _ in range(6)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "query",
    ["sau=abc", "sau=-1", "soLuong=0", "soLuong=5001", "soLuong=x", "tuThoiDiem=hôm qua"],
)
def test_a_question_that_makes_no_sense_is_refused(running: Running, query: str):
    reply = running.client.get(f"/api/v1/hoSo/thayDoi?{query}")
    assert reply.status_code == 400
    assert reply.json()["maLoi"] == "400"


def test_every_reply_and_every_row_says_that_it_is_sample_data(running: Running):
    bare = httpx2.Client(base_url=running.portal)
    replies = [
        running.get("/api/v1/hoSo/thayDoi", soLuong=50),
        running.get("/api/v1/hoSo"),
        running.get("/api/v1/hoSo/thayDoi", soLuong=0),
        running.token(),
        bare.get("/"),
        bare.get("/api/v1/hoSo"),
        bare.get("/nowhere"),
        httpx2.get(running.control + "/healthz"),
    ]
    assert {reply.headers["x-du-lieu"] for reply in replies} == {"DU LIEU MAU"}
    for reply in replies[:2]:
        assert reply.json()["ghiChu"] == SAMPLE
        assert all(row["ghiChuMau"] == SAMPLE for row in reply.json()["data"])
        assert all(row["hoTenNguoiNop"].startswith(SAMPLE) for row in reply.json()["data"])


def test_only_this_machine_can_reach_the_sandbox(running: Running):
    assert doors.HOST == "127.0.0.1"
    with pytest.raises(IocError, match="không mở được"):
        doors.listen(running.sandbox.portal.port)


def test_dossiers_asked_for_arrive_behind_every_cursor(start: Start):
    own = start()
    cursor = list(own.walk(5000))[-1]["tiepTheo"]
    assert own.order("/control/bien-dong?so=3").status_code == 403
    asked = own.order("/control/bien-dong?so=3&coQuan=18880", **{"X-Sandbox-Control": "1"}).json()
    own.sandbox.journal._now = lambda: NOW + timedelta(seconds=1)  # the clock stands still here
    page = own.get("/api/v1/hoSo/thayDoi", sau=cursor).json()
    told = [row for row in page["data"] if row["maHoSo"] in asked["maHoSo"]]
    assert [row["maHoSo"] for row in told] == asked["maHoSo"]
    assert {row["maCoQuan"] for row in told} == {"18880"}
    assert all(online(row) for row in told)


def test_the_portal_can_die_and_come_back_on_its_port(start: Start):
    own = start()
    order = {"X-Sandbox-Control": "1"}
    assert own.order("/control/dung", **order).json()["congMotCua"] is False
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(own.portal)
    assert own.order("/control/chay", **order).json()["congMotCua"] is True
    assert httpx2.get(own.portal).status_code == 200


def test_the_staff_folder_can_go_away_and_come_back_as_it_was(start: Start, tmp_path: Path):
    own = start(folder=tmp_path / "staff")
    own.await_reports()
    before = sorted(path.name for path in (tmp_path / "staff").iterdir())
    assert own.order("/control/dung?heThong=staff", **ORDER).json()["heThong"]["staff"] is False
    assert not (tmp_path / "staff").exists()
    assert httpx2.get(own.control + "/healthz").status_code == 503
    assert own.order("/control/chay?heThong=staff", **ORDER).json()["heThong"]["staff"] is True
    assert sorted(path.name for path in (tmp_path / "staff").iterdir()) == before


def test_every_listed_system_opens_closes_and_answers_where_its_source_looks(
    start: Start, tmp_path: Path
):
    own = start(home=tmp_path / "home")
    own.await_reports()
    for listed in systems.SYSTEMS:
        system = own.sandbox.systems[listed.source]
        assert system.is_open, listed.source
        answer = own.order(f"/control/dung?heThong={listed.source}", **ORDER).json()
        assert [one for one, is_open in answer["heThong"].items() if not is_open] == [listed.source]
        own.order(f"/control/chay?heThong={listed.source}", **ORDER)
        assert system.is_open, listed.source


def test_the_sandbox_ends_at_once_when_told_to(tmp_path: Path):
    program = (
        "from pathlib import Path; from connectors.sandbox import serve;"
        f"serve.run(first_port=0, folder=Path({str(tmp_path / 'staff')!r}), scale=0.01, seed=1,"
        "ready=lambda sandbox: print(sandbox.portal.port, flush=True))"
    )
    root = Path(serve.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root
    ) as child:
        assert child.stdout
        port = int(child.stdout.readline())
        assert httpx2.get(f"http://127.0.0.1:{port}").status_code == 200
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0
    assert lived.read(tmp_path / "staff" / ".du-lieu-mau")


# --- the field reports ---------------------------------------------------------------------------


def said(row: Row, name: str) -> Any:
    return row["extended_attributes"][name]


@pytest.fixture(scope="module")
def field_reports() -> list[Row]:
    """Every report as it stands now."""
    return FieldReports(province(), lambda: NOW).rows()


def test_field_reports_have_their_real_volume_whatever_the_scale(field_reports: list[Row]):
    years = collections.Counter(row["requested_datetime"][:4] for row in field_reports)
    assert sorted(years) == ["2021", "2022", "2023", "2024", "2025", "2026"]
    assert all(300 <= count <= 750 for count in years.values())
    assert field_reports == FieldReports(province(scale=1), lambda: NOW).rows()
    assert field_reports != FieldReports(province(seed=1), lambda: NOW).rows()
    assert len({row["service_request_id"] for row in field_reports}) == len(field_reports)
    recent = [row for row in field_reports if row["requested_datetime"] > "2026-05-22"]
    assert len([row for row in recent if row["lat"]]) > 350
    overdue = [
        r
        for r in field_reports
        if r["status"] == "open" and r["expected_datetime"] < NOW.isoformat()
    ]
    assert 10 < len(overdue) < len([r for r in field_reports if r["status"] == "open"]) < 150


def test_every_report_names_units_that_answer_on_its_day_and_lies_near_its_commune(
    field_reports: list[Row],
):
    orgunits, levels = OrgUnits.load(), collections.Counter()
    for row in field_reports:
        day = date.fromisoformat(row["requested_datetime"][:10])
        agency = orgunits.resolve(said(row, "ma_co_quan"), day)
        place = orgunits[orgunits.resolve(said(row, "ma_xa"), day).uid]
        assert not agency.old_code and place.level == "commune"
        levels[orgunits[agency.uid].level, day >= date(2025, 7, 1)] += 1
        if row["lat"]:
            assert abs(float(row["lat"]) - place.lat) < 0.02
            assert abs(float(row["long"]) - place.lon) < 0.02
    assert set(levels) == {
        ("commune", False), ("district", False), ("department", False),
        ("commune", True), ("department", True),
    }  # fmt: skip
    unplaced = sum(not row["lat"] for row in field_reports)
    assert 0.01 < unplaced / len(field_reports) < 0.1


def test_a_report_goes_its_way_and_an_extension_a_refusal_and_a_rating_are_what_they_are():
    desk = FieldReports(province(), lambda: NOW)
    desk.rows()
    ways = collections.Counter()
    for life in desk._lives:
        states = [report.state for _, report in life.changes]
        assert [at for at, _ in life.changes] == sorted({at for at, _ in life.changes})
        ways[tuple(dict.fromkeys(states))] += 1
        dues = [report.due for _, report in life.changes]
        assert (dues[-1] > dues[0]) == life.changes[-1][1].extended
        if states[-1] == "từ chối":
            assert dues[-1] == dues[0] and "đã điều phối" not in states
        for _, report in life.changes:
            assert (report.done is not None) == (report.state in ("đã có kết quả", "từ chối"))
            assert report.rating is None or report.state == "đã có kết quả"
    assert set(ways) == {
        ("tiếp nhận", "từ chối"),
        ("tiếp nhận", "đã điều phối", "đang xử lý", "đã có kết quả"),
    }
    rated = [life.changes[-1][1].rating for life in desk._lives]
    assert set(rated) == {None, "hài lòng", "chấp nhận", "không hài lòng"}
    extended = sum(life.changes[-1][1].extended for life in desk._lives)
    assert 0.05 < extended / len(desk._lives) < 0.12


def test_in_live_time_reports_arrive_and_move_and_a_restart_tells_the_same():
    moving, start = [NOW], sequence(NOW)
    desk = FieldReports(province(), lambda: moving[0], [(start, lived.FOR_EVER)])
    before = {row["service_request_id"]: row for row in desk.rows()}
    moving[0] += timedelta(minutes=30)
    after = {row["service_request_id"]: row for row in desk.rows()}
    new = after.keys() - before.keys()
    assert len(new) >= 30 * 60 // FIELD_SLOT - 1
    assert len({said(after[key], "trang_thai") for key in new}) > 1
    again = FieldReports(province(), lambda: moving[0], [(start, sequence(moving[0]))])
    assert {row["service_request_id"]: row for row in again.rows()} == after  # after a restart


def test_reports_change_and_a_few_vanish_long_after_they_were_opened():
    moving, seen = [NOW - timedelta(days=400)], dict[int, Row]()
    desk = FieldReports(province(), lambda: moving[0])
    for _ in range(13):
        moving[0] += timedelta(days=30)
        now = {row["service_request_id"]: row for row in desk.rows()}
        seen |= now
    gone = seen.keys() - now.keys()
    assert 0 < len(gone) < 0.03 * len(seen)
    late = [
        row
        for row in now.values()
        if instant(row["updated_datetime"]) - instant(row["requested_datetime"]) > timedelta(days=7)
    ]
    assert len(late) > 0.2 * len(now)


def test_a_reply_holds_the_newest_thousand_and_borders_are_inclusive(running: Running):
    rows = running.reports()
    assert len(rows) < CAP
    opened = [row["requested_datetime"] for row in rows]
    assert opened == sorted(opened, reverse=True)
    asked = {"start_date": opened[7], "end_date": opened[3]}
    assert running.reports(**asked) == rows[3:8]
    utc = {
        name: datetime.fromisoformat(text).astimezone(UTC).isoformat()
        for name, text in asked.items()
    }
    assert running.reports(**utc) == rows[3:8]
    open_ones = running.reports(status="open", service_code="MT-RAC,HT-GT")
    assert {row["status"] for row in open_ones} == {"open"}
    assert {row["service_code"] for row in open_ones} <= {"MT-RAC", "HT-GT"}
    one = httpx2.get(f"{running.field}/requests/{rows[0]['service_request_id']}.json").json()
    assert one["service_requests"] == rows[:1]
    services = httpx2.get(f"{running.field}/services.json").json()
    assert [row["service_code"] for row in services] == [service.code for service in SERVICES]


def test_a_crowd_is_cut_to_the_newest_thousand(start: Start):
    own = start()
    for _ in range(2):
        assert own.order("/control/phan-anh?so=600", **ORDER).status_code == 200
    rows = own.reports()
    assert len({row["service_request_id"] for row in rows}) == len(rows) == CAP
    assert {row["requested_datetime"][:10] for row in rows} == {NOW.date().isoformat()}


@pytest.mark.parametrize(
    "query",
    ["start_date=rác", "end_date=2026-99-99", "start_date=2026-01-01", "start_date=2027-01-01"],
)
def test_a_question_that_is_not_understood_gets_a_page_with_status_200(
    running: Running, query: str
):
    reply = httpx2.get(f"{running.field}/requests.json?{query}")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert SAMPLE in reply.text and reply.headers["x-du-lieu"] == "DU LIEU MAU"


def test_reports_on_request_appear_now_and_the_system_can_die_and_come_back(
    start: Start, monkeypatch: Any
):
    own = start()
    assert own.order("/control/phan-anh").status_code == 403
    asked = own.order("/control/phan-anh?so=3&coQuan=18880", **ORDER).json()["maPhanAnh"]
    told = [row for row in own.reports() if row["service_request_id"] in asked]
    assert len(asked) == len(told) == 3
    assert {said(row, "ma_xa") for row in told} == {"18880"}
    monkeypatch.setenv("IOC_SANDBOX_PORT", str(own.sandbox.control.port - 1))
    assert program.main(["sandbox", "stop", "field_reports"]) == 0
    assert not own.sandbox.field.is_open and own.sandbox.portal.is_open
    with pytest.raises(httpx2.ConnectError):
        own.reports()
    assert own.order("/control/chay?heThong=field_reports", **ORDER).json()["phanAnh"] is True
    assert own.reports()
    assert own.order("/control/dung?heThong=khac", **ORDER).status_code == 400


def test_the_store_holds_what_the_system_says_and_its_figures_come_from_it(
    start: Start, sqlite_store: Any, tmp_path: Path
):
    own = start()
    source = next(one for one in load_sources() if one.id == "field_reports")
    source = source.model_copy(update={"url": own.field})
    health.publish_sources(sqlite_store, [source])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    run = poll(sqlite_store, source, settings, now=NOW)
    truth = own.sandbox.field_reports.rows()
    assert (run["outcome"], run["new"], run["rejected"]) == ("ok", len(truth), 0)
    with sqlite_store.read() as connection:
        stored = connection.execute(
            sa.text("SELECT opened_at, due_at, closed_at, lat, lon, category FROM record")
        ).all()
    assert sorted(stored, key=repr) == sorted(map(as_stored, truth), key=repr)
    done = [row for row in truth if (said(row, "thoi_diem_ket_qua") or "")[:4] == "2025"]
    done = [row for row in done if said(row, "trang_thai") == "đã có kết quả"]
    timely = [r for r in done if said(r, "thoi_diem_ket_qua") <= r["expected_datetime"]]
    rated = [row for row in done if said(row, "danh_gia")]
    content = [row for row in rated if said(row, "danh_gia") != "không hài lòng"]
    frame = query.values(
        sqlite_store,
        Principal.local_admin(),
        indicators=["I10.1a", "I10.1b"],
        org_units=["area-qb"],
        grain="year",
        first=Period.parse("2025"),
        last=Period.parse("2025"),
    ).frame()
    found = frame.set_index("indicator")[["numerator", "denominator"]].astype(int)
    assert tuple(found.loc["I10.1a"]) == (len(timely), len(done))
    assert tuple(found.loc["I10.1b"]) == (len(content), len(rated))


def as_stored(row: Row) -> tuple:
    """What the store must hold of a report."""
    times = (row["requested_datetime"], row["expected_datetime"], said(row, "thoi_diem_ket_qua"))
    micro = [round(instant(text).timestamp()) * 1_000_000 if text else None for text in times]
    place = [float(row[name]) if row[name] else None for name in ("lat", "long")]
    return (*micro, *place, row["service_code"])


# --- the staff reports ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all reports that have been sent by now."""
    path = tmp_path_factory.mktemp("reports") / "staff"
    StaffReports(province(), path).write_history(NOW)
    return path


def table(path: Path) -> list[list[Any]]:
    if path.suffix == ".csv":
        text = path.read_bytes().decode("utf-8-sig")
        return [list(row) for row in csv.reader(io.StringIO(text), delimiter=";")]
    book = python_calamine.CalamineWorkbook.from_path(str(path))
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def units(path: Path) -> list[list[Any]]:
    return [row for row in table(path) if str(row[0]).removesuffix(".0").isdigit()]


def test_there_is_a_report_for_every_month_and_two_came_as_csv(folder: Path):
    months = {path.name.removeprefix(PREFIX)[:7] for path in folder.glob(f"{PREFIX}*")}
    assert months == {
        f"{y}-{m:02d}" for y in range(2021, 2027) for m in range(1, 13) if (y, m) <= (2026, 10)
    }
    assert {path.name for path in folder.glob("*.csv")} == {
        "BC_CBCCVC_2023-08.csv",
        "BC_CBCCVC_2023-09.csv",
    }
    assert list(folder.glob("*_dinhchinh.xlsx"))


def test_a_workbook_has_titles_a_heading_of_two_lines_units_a_total_and_a_note(folder: Path):
    sheet = table(folder / "BC_CBCCVC_2024-06.xlsx")
    assert SAMPLE in sheet[0][0]
    assert sheet[2][0] == "Kỳ báo cáo: tháng 06/2024"
    assert sheet[3][0] == ""
    names = [low or high for high, low in zip(sheet[4], sheet[5], strict=True)]
    heading = table(folder / "BC_CBCCVC_2023-08.csv")[0]
    assert names == heading
    assert len(set(names)) == 9
    assert sheet[6][6] == date(2024, 6, 30)
    assert isinstance(sheet[6][7], datetime)
    assert sheet[-2][2] == "Tổng cộng"
    assert SAMPLE in sheet[-1][0]
    merged = openpyxl.load_workbook(folder / "BC_CBCCVC_2024-06.xlsx").active.merged_cells.ranges
    assert {"A1:I1", "E5:F5", "D5:D6"} <= {str(area) for area in merged}


def test_every_workbook_and_csv_says_that_it_is_sample_data(folder: Path):
    for path in folder.glob(f"{PREFIX}*"):
        assert SAMPLE in str(table(path)[-1][0])
        assert all(row[8] == SAMPLE for row in units(path))


def test_reports_name_the_units_that_were_open_in_their_month(folder: Path):
    orgunits = OrgUnits.load()
    for text, districts in (("2024-11", 8), ("2024-12", 8), ("2025-06", 8), ("2025-07", 0)):
        on = date.fromisoformat(f"{text}-28")
        codes = [row[1] for row in units(folder / f"BC_CBCCVC_{text}.xlsx")]
        assert len(codes) == len({orgunits.resolve(code, on).uid for code in codes})
        assert not any(orgunits.resolve(code, on).old_code for code in codes)
        assert sum(code.startswith("UBND-") for code in codes) == districts
        expected = len(orgunits.expected("area-qb", on, ("department", "district", "commune")))
        assert expected - 3 <= len(codes) <= expected


def test_computers_end_2025_above_ninety_percent_with_some_communes_under(folder: Path):
    rows = units(folder / "BC_CBCCVC_2025-12.xlsx")
    assert 0.93 < sum(row[4] for row in rows) / sum(row[3] for row in rows) < 0.97
    under = [row for row in rows if row[4] / row[3] <= 0.9]
    assert 1 <= len(under) < len(rows) / 4


def test_training_adds_up_within_a_year_and_starts_again(folder: Path):
    def trained(text: str) -> float:
        rows = units(folder / f"BC_CBCCVC_{text}.xlsx")
        return sum(row[5] for row in rows) / sum(row[3] for row in rows)

    year = [trained(f"2024-{month:02d}") for month in range(1, 13)]
    assert year == sorted(year)
    assert 0.6 < year[-1] < 0.9
    assert trained("2025-01") < 0.05


def test_some_cells_are_faulty_and_some_units_are_missing(folder: Path):
    texts, impossible, lengths = 0, 0, []
    for path in folder.glob(f"{PREFIX}2022*.xlsx"):
        rows = units(path)
        lengths.append(len(rows))
    for path in folder.glob(f"{PREFIX}*.xlsx"):
        for row in units(path):
            texts += row[4] == "N/A"
            impossible += isinstance(row[4], float) and row[4] > row[3]
    assert texts >= 2
    assert impossible >= 2
    assert len(set(lengths)) > 1


def test_a_folder_written_again_is_untouched_and_the_same_seed_writes_the_same_bytes(
    folder: Path, tmp_path: Path
):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    StaffReports(province(), folder).write_history(NOW)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {k: v for k, v in before.items() if k.startswith(PREFIX)} == {
        k: v for k, v in after.items() if k.startswith(PREFIX)
    }
    early = datetime(2021, 5, 20, tzinfo=UTC)
    for name in ("one", "two"):
        StaffReports(province(), tmp_path / name).write_history(early)
    for path in (tmp_path / "one").glob(f"{PREFIX}*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_corrected_report_differs_in_one_figure_dated_now_and_corrections_stay(tmp_path: Path):
    early = datetime(2021, 5, 20, 3, 0, tzinfo=UTC)
    reports = StaffReports(province(), tmp_path / "staff")
    reports.write_history(early)
    name = reports.correct(early)
    assert name == "BC_CBCCVC_2021-04_dinhchinh.xlsx"
    first = units(tmp_path / "staff" / name)
    original = units(tmp_path / "staff" / "BC_CBCCVC_2021-04.xlsx")
    changed = [new for old, new in zip(original, first, strict=True) if old != new]
    assert [row[7] for row in changed] == [datetime(2021, 5, 20, 10, 0)]  # noqa: DTZ001
    reports.correct(early + timedelta(minutes=10))
    again = StaffReports(province(), tmp_path / "staff")
    again.write_history(early + timedelta(minutes=11))
    second = units(tmp_path / "staff" / name)
    assert 1 <= sum(old != new for old, new in zip(original, second, strict=True)) <= 2
    assert not list((tmp_path / "staff").glob("*.tmp"))


def test_the_running_folder_is_corrected_on_request(start: Start, tmp_path: Path):
    own = start(folder=tmp_path / "staff")
    own.await_reports()
    reply = own.order("/control/dinh-chinh", **{"X-Sandbox-Control": "1"}).json()
    assert (tmp_path / "staff" / reply["tep"]).exists()


def test_a_folder_with_somebody_elses_files_is_refused(tmp_path: Path):
    (tmp_path / "BC_CBCCVC_2024-06.xlsx").write_bytes(b"theirs")
    with pytest.raises(ConfigError, match="không phải của"):
        StaffReports(province(), tmp_path).write_history(NOW)
    with pytest.raises(ConfigError, match="không phải của"):
        serve.Sandbox(first_port=0, folder=tmp_path, scale=0.01, seed=1)
    assert (tmp_path / "BC_CBCCVC_2024-06.xlsx").read_bytes() == b"theirs"

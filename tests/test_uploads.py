"""A template is drawn, filled in, given and taken: once, whole, and without anything personal."""

import io
import os
import signal
import time
import unicodedata
import zipfile
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

import app as program
from connectors import poller
from connectors.config import load_sources
from connectors.folder import File
from connectors.kinds import sheet
from connectors.poller import poll, poll_given
from ioc.errors import Forbidden
from ioc.form import EXAMPLE, GUIDE, MOST_BYTES, file_name, form_of, is_by_hand
from ioc.orgunits import OrgUnits
from ioc.period import Period
from ioc.principal import Principal
from ioc.settings import Settings
from ioc.source import Source
from kpi import acts, health, query, requests
from kpi.catalogue import load_catalogue
from kpi.store import KpiStore, open_store
from tests.fields import sheet_source

ADMIN = Principal.local_admin()
HERE = "http://127.0.0.1:8050"
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CSV = "Mã đơn vị,Kỳ,Tổng số,Có máy tính\nSNV25,10/2026,{},{}\n"
RAW = {"Content-Type": "application/octet-stream"}
IDENTITIES = [f"0440950{n:05d}" for n in range(1_000)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> SimpleNamespace:
    monkeypatch.setattr(poller, "PATIENCE", 0.1)
    return SimpleNamespace(data=tmp_path / "data", secret_key_file=None)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A folder of workbooks, empty for now; the figures are those of the staff reports."""
    (tmp_path / "bao-cao").mkdir()
    return sheet_source(tmp_path / "bao-cao", id="staff")


def ready(store: KpiStore, source: Source, settings: Any) -> KpiStore:
    """The store once the source was polled for the first time."""
    health.publish_sources(store, [source])
    poll(store, source, settings)
    return store


def give(store: KpiStore, settings: Any, body: bytes, name: str = "thang-10.csv") -> int:
    return acts.request_upload(
        store, ADMIN, source="staff", name=name, body=body, data=settings.data
    )


def given(store: KpiStore) -> list[dict[str, Any]]:
    """The files that were given, newest first."""
    return query.uploads(store, ADMIN).records()


def runs(store: KpiStore) -> list[Any]:
    with store.read() as connection:
        return connection.execute(sa.text("SELECT * FROM poll_run ORDER BY run")).mappings().all()


def figures(store: KpiStore) -> list[tuple]:
    columns = "element, org_unit, day, value"
    with store.read() as connection:
        found = connection.exec_driver_sql(
            f"SELECT {columns} FROM observation WHERE superseded_at = 253402300799000000"
        ).all()
    return sorted(map(tuple, found))


def kept(settings: Any) -> list[Path]:
    """The bytes that wait."""
    folder = requests.place(settings.data)
    return list(folder.iterdir()) if folder.is_dir() else []


# -- from the template to the figure ---------------------------------------------------------------


def client_of(store: KpiStore, settings: Any) -> FlaskClient:
    made = program.create_app(Settings(data=settings.data, database_url=store.url), store)
    return made.server.test_client()


def test_a_template_that_is_filled_in_and_given_becomes_a_marked_figure(
    store: KpiStore, source: Source, settings: Any
) -> None:
    ready(store, source, settings)
    client = client_of(store, settings)
    answer = client.get("/upload/template/staff.xlsx?period=2026-10", base_url=HERE)
    assert answer.status_code == 200
    assert 'filename="nhap-tay_staff_2026-10.xlsx"' in answer.headers["Content-Disposition"]
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    assert book.sheetnames == ["Số liệu", GUIDE]
    sheet = book["Số liệu"]
    head = [cell.value for cell in sheet[4]]
    assert head == ["Mã đơn vị", "Tổng số", "Có máy tính", "Kỳ"]
    assert str(sheet["A5"].value).startswith(EXAMPLE)
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    codes = [row[0].value for row in book[GUIDE].iter_rows() if row[0].value == "SNV25"]
    assert codes and rules["A6:A1005"].type == "list"
    assert (rules["B6:B1005"].type, float(rules["B6:B1005"].formula1)) == ("decimal", 0)
    assert rules["D6:D1005"].type == "date"
    for column, value in zip("ABCD", ("SNV25", 120, 100, datetime(2026, 10, 31)), strict=True):  # noqa: DTZ001
        sheet[f"{column}6"] = value
    filled = io.BytesIO()
    book.save(filled)

    answer = client.post(
        "/upload/staff",
        base_url=HERE,
        data=filled.getvalue(),
        headers=RAW | {"X-File-Name": "nhap-tay_staff_2026-10.xlsx"},
    )
    assert answer.status_code == 202
    assert given(store)[0]["state"] == "waiting" and len(kept(settings)) == 1
    (run,) = poll_given(store, [source], settings)
    assert (run["outcome"], run["read"], run["new"], run["rejected"]) == ("ok", 2, 2, 0)
    row = given(store)[0]
    assert (row["state"], row["run"]) == ("done", run["run"])
    assert row["hash"] == run["response_hash"] == runs(store)[-1]["response_hash"]
    for said in ("nhập tay", "máy tại chỗ", "nhap-tay_staff_2026-10.xlsx", row["hash"][:12]):
        assert said in runs(store)[-1]["note"]
    assert kept(settings) == [], "the bytes are gone"
    standing = query.standings(store, ADMIN, targets=["T12a"]).records()[0]
    assert (standing["numerator"], standing["denominator"]) == (100, 120)
    assert standing["mark"].endswith("nhập tay") and standing["hand_run"] == run["run"]
    page = client.get(f"/api/v1/runs.csv?source=staff&run={run['run']:.0f}", base_url=HERE)
    assert "máy tại chỗ" in page.text and row["hash"] in page.text


def test_the_row_that_shows_how_to_fill_in_is_passed_over_also_where_all_else_is_empty(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    client = client_of(sqlite_store, settings)
    blank = client.get("/upload/template/staff.xlsx", base_url=HERE).data
    give(sqlite_store, settings, blank, "mau.xlsx")
    (run,) = poll_given(sqlite_store, [source], settings)
    assert (run["outcome"], run["read"]) == ("empty", 0)
    assert given(sqlite_store)[0]["state"] == "refused", "nothing was filled in"


def test_only_a_source_of_sheets_has_a_form_and_only_where_its_period_can_be_said(
    tmp_path: Path,
) -> None:
    named = {
        "org_unit": "Mã",
        "period": {"path": "_file", "match": r"^BC_(?P<year>\d{4})-(?P<month>\d\d)"},
    }
    assert form_of(sheet_source(tmp_path, fields=named)) is None
    named["period"]["match"] = r"(?P<year>\d{4})-(?P<month>\d\d)"
    form = form_of(sheet_source(tmp_path, fields=named))
    assert form is not None
    assert [column["heading"] for column in form["columns"]] == ["Mã", "Mã đơn vị", "Tổng số",
                                                                 "Có máy tính"]  # fmt: skip


def test_every_packaged_source_of_sheets_reads_its_own_template_and_nothing_in_it(
    sqlite_store: KpiStore, settings: Any
) -> None:
    sources = [source for source in load_sources(env={}) if source.kind == "sheet"]
    assert len(sources) > 1
    health.publish_sources(sqlite_store, sources)
    client = client_of(sqlite_store, settings)
    for source in sources:
        answer = client.get(f"/upload/template/{source.id}.xlsx", base_url=HERE)
        assert answer.status_code == 200, source.id
        name = answer.headers["Content-Disposition"].split('"')[1]
        file = File(name, len(answer.data), NOW, 0)
        (batch,) = sheet.alone(source, file, answer.data)
        assert batch.rows and not any(batch.rows), f"{source.id}: the example row is no data"


@pytest.mark.parametrize(
    ("period", "status"), [("2026-13", 400), ("2999-01", 400), ("1066-10", 400), ("2025-02", 200)]
)
def test_a_template_is_drawn_for_a_period_that_has_begun(
    sqlite_store: KpiStore, source: Source, settings: Any, period: str, status: int
) -> None:
    client = client_of(ready(sqlite_store, source, settings), settings)
    asked = f"/upload/template/staff.xlsx?period={period}"
    assert client.get(asked, base_url=HERE).status_code == status
    assert client.get("/upload/template/khong_co.xlsx", base_url=HERE).status_code == 404


# -- how a file is taken ---------------------------------------------------------------------------


def test_a_file_in_the_folder_under_our_name_is_a_run_of_its_own_and_is_taken_once(
    store: KpiStore, source: Source, settings: Any
) -> None:
    ready(store, source, settings)
    folder = Path(source.url)
    (folder / "nhap-tay_staff_2026-10.csv").write_text(CSV.format(120, 100))
    (folder / "thuong.csv").write_text(CSV.format(90, 80).replace("SNV25", "SYT"))
    ordinary = poll(store, source, settings)
    assert (ordinary["new"], ordinary["rejected"]) == (2, 0)
    assert "nhap-tay_staff_2026-10.csv: tệp nhập tay" in ordinary["note"]
    (hand,) = poll_given(store, [source], settings)
    assert (hand["new"], hand["address"]) == (2, "nhap-tay_staff_2026-10.csv")
    assert [run["given_by"] != "" for run in runs(store)] == [False, False, True]
    assert poll(store, source, settings)["outcome"] == "empty"
    assert poll_given(store, [source], settings) == [] and kept(settings) == []
    (folder / "nhap-tay_staff_2026-10.csv").write_text(CSV.format(120, 110))
    poll(store, source, settings)
    (again,) = poll_given(store, [source], settings)
    assert (again["changed"], again["same"]) == (1, 1)


def test_a_return_to_an_earlier_version_of_a_file_in_the_folder_is_taken(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    for count in (100, 110, 100):
        (Path(source.url) / "nhap-tay_x.csv").write_text(CSV.format(120, count))
        poll(sqlite_store, source, settings)
        poll(sqlite_store, source, settings)  # the same is put once
        assert len(poll_given(sqlite_store, [source], settings)) == 1
    assert {value for element, *_, value in figures(sqlite_store)} == {120, 100}


def test_what_looks_personal_in_the_name_of_a_file_in_the_folder_is_told_nowhere(
    sqlite_store: KpiStore, source: Source, settings: Any, caplog: Any
) -> None:
    ready(sqlite_store, source, settings)
    file = Path(source.url) / "nhap-tay_Nguyễn Văn A 0912345678.csv"
    file.write_text(CSV.format(120, 100))
    ordinary = poll(sqlite_store, source, settings)
    (hand,) = poll_given(sqlite_store, [source], settings)
    assert hand["new"] == 2 and hand["address"] == "(đã che).csv"
    file.write_bytes(b"x" * (MOST_BYTES + 1))
    large = poll(sqlite_store, source, settings)
    assert "vượt" in large["note"]
    told = [(run["note"], run["address"]) for run in runs(sqlite_store)]
    said = repr((ordinary, hand, large, given(sqlite_store), told)) + caplog.text
    assert "0912345678" not in said and "Nguyễn" not in said


def test_a_dry_run_takes_nothing_aside(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    (Path(source.url) / "nhap-tay_x.csv").write_text(CSV.format(120, 100))
    poll(sqlite_store, source, settings, dry_run=True)
    assert given(sqlite_store) == [] and kept(settings) == []


def test_a_bad_file_is_refused_with_its_reasons_and_says_nothing_of_the_source(
    store: KpiStore, source: Source, settings: Any
) -> None:
    ready(store, source, settings)
    (Path(source.url) / "thuong.csv").write_text(CSV.format(120, 100))
    poll(store, source, settings)
    before = query.sources(store, ADMIN).records()[0]
    give(store, settings, b"Sai,mau\n1,2\n")
    give(store, settings, CSV.format(120, 130).encode())
    give(store, settings, CSV.format("nhiều", 1).encode(), "ba.csv")
    broken, over, words = poll_given(store, [source], settings)
    assert broken["outcome"] == "broken" and "Mã đơn vị" in broken["note"]
    assert (over["read"], over["rejected"]) == (2, 2)
    assert [row["state"] for row in given(store)] == ["refused"] * 3
    refused = query.rejections(store, ADMIN, sources=["staff"]).records()
    assert {row["run"] for row in refused} == {over["run"], words["run"]}
    assert all("#" in row["position"] for row in refused)
    after = query.sources(store, ADMIN).records()[0]
    for name in ("last_run", "last_good_at", "freshness", "needs_credentials", "covered_until"):
        assert after[name] == before[name], name
    assert health.last_outcome(store, "staff") == "ok" and figures(store)[0][3] == 120


def test_the_same_bad_file_tells_its_reasons_each_time(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    for _ in range(2):
        give(sqlite_store, settings, CSV.format(120, 130).encode())
        poll_given(sqlite_store, [source], settings)
    told = query.rejections(sqlite_store, ADMIN).records()
    assert len({row["run"] for row in told}) == 2


def test_nothing_is_taken_while_a_first_load_is_under_way_but_a_dead_one_holds_nothing_up(
    store: KpiStore, source: Source, settings: Any
) -> None:
    health.publish_sources(store, [source])
    run = health.begin_run(store, source.id, NOW)
    requests.put(store, settings.data, "upload", source="staff", file="a.csv", who="x", now=NOW,
                 body=b"x")  # fmt: skip
    assert requests.due(store, ["staff"], NOW) == []
    late = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert len(requests.due(store, ["staff"], late)) == 1
    with store.write() as connection:
        connection.execute(sa.text("UPDATE poll_run SET ended_at = 1 WHERE run = :r"), {"r": run})
    assert len(requests.due(store, ["staff"], NOW)) == 1


# -- crashes, fences -------------------------------------------------------------------------------

_children = get_context("forkserver")
_children.set_forkserver_preload([__name__])


def die(url: str, folder: str, data: str, at: int) -> None:
    """Take what is due, and die with the ``at``-th transaction open."""
    store = open_store(url, load_catalogue(), OrgUnits.load(), migrate=False)
    seen = []

    def guard(_: Any) -> None:
        seen.append(1)
        if len(seen) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = SimpleNamespace(data=Path(data), secret_key_file=None)
    poll_given(store.guarded(guard), [sheet_source(folder, id="staff")], settings)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_between_claim_and_end_leaves_the_file_to_be_taken_again_once(
    store: KpiStore, source: Source, settings: Any, at: int
) -> None:
    ready(store, source, settings)
    give(store, settings, CSV.format(120, 100).encode())
    url = store.url
    child = _children.Process(target=die, args=(url, source.url, str(settings.data), at))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert given(store)[0]["state"] == ("waiting" if at == 1 else "claimed")
    assert bool(figures(store)) == (at == 3), "what was committed is there, nothing else"
    assert not poll_given(store, [source], settings) or at == 1, "a claim is not taken from anyone"
    requests.release(store)  # as a new leader does
    poll_given(store, [source], settings)
    assert given(store)[0]["state"] == "done" and kept(settings) == []
    assert len(figures(store)) == 2
    cut = [run for run in runs(store) if run["given_by"] and run["outcome"] == "retry"]
    assert len(cut) == (at > 1) and all(run["ended_at"] for run in runs(store))
    assert poll_given(store, [source], settings) == []


def test_who_lost_the_claim_writes_no_more(store: KpiStore, source: Source, settings: Any) -> None:
    ready(store, source, settings)
    number = give(store, settings, CSV.format(120, 100).encode())
    frozen = requests.claim(store, number, NOW)
    requests.release(store)
    requests.claim(store, number, NOW)
    with pytest.raises(health.RunEnded), health.writing(store, frozen.run).write():
        pass
    with pytest.raises(health.SlotTaken):
        requests.claim(store, number, NOW)


def test_a_file_that_always_ends_the_process_is_given_up(
    store: KpiStore, source: Source, settings: Any
) -> None:
    ready(store, source, settings)
    number = give(store, settings, CSV.format(120, 100).encode())
    for _ in range(3):
        requests.claim(store, number, NOW)
        requests.release(store)
    assert poll_given(store, [source], settings)[0]["run"] is None
    row = given(store)[0]
    assert row["state"] == "refused" and "nhiều lần" in row["note"]
    assert requests.due(store, ["staff"], NOW) == []


def test_bytes_that_were_tampered_with_or_lost_are_refused(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    give(sqlite_store, settings, CSV.format(120, 100).encode())
    kept(settings)[0].write_bytes(CSV.format(1, 1).encode())
    (run,) = poll_given(sqlite_store, [source], settings)
    assert run["outcome"] == "broken" and figures(sqlite_store) == []


# -- what is refused at the door -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a.pdf", b"%PDF", "Chỉ nhận tệp"),
        ("a.xlsx.exe", b"PK\x03\x04", "Chỉ nhận tệp"),
        ("khong-duoi", b"x", "đuôi"),
        ("a.csv", b"", "trống"),
        ("a.csv", b"x" * (MOST_BYTES + 1), "vượt 5 MB"),
        ("a.xlsx", b"khong phai zip", "không phải bảng tính"),
    ],
)
def test_what_is_no_sheet_or_too_large_is_refused_in_a_sentence(
    sqlite_store: KpiStore, source: Source, settings: Any, name: str, body: bytes, words: str
) -> None:
    ready(sqlite_store, source, settings)
    with pytest.raises(acts.Refused, match=words):
        give(sqlite_store, settings, body, name)
    assert given(sqlite_store) == [] and kept(settings) == []


def test_words_and_names_are_cut_before_their_letters_are_put_in_one_form(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    """Marks that a normal form must put in order take time by the square of their number."""
    ready(sqlite_store, source, settings)
    marks = "\u0315\u0300" * 60_000
    began = time.thread_time()
    with pytest.raises(acts.Refused, match="tối đa 500"):
        acts.worded("Lý do", "a" + marks, least=3, most=500)
    give(sqlite_store, settings, b"x", f"a{marks}.csv")
    assert time.thread_time() - began < 1
    assert given(sqlite_store)[0]["file"].endswith(".csv")
    whole = unicodedata.normalize("NFD", "Đã rà soát số liệu tháng mười. " * 16).strip()
    assert acts.worded("Lý do", whole, least=3, most=500) == unicodedata.normalize("NFC", whole)


def test_only_a_source_of_sheets_takes_files_and_only_from_who_may_give_them(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    asked = {"name": "a.csv", "body": b"x", "data": settings.data}
    with pytest.raises(acts.Refused, match="không nhận tệp"):
        acts.request_upload(sqlite_store, ADMIN, source="public_services", **asked)
    with pytest.raises(Forbidden):
        acts.request_upload(sqlite_store, Principal("xem", "viewer"), source="staff", **asked)
    for _ in range(acts.MOST_WAITING):
        give(sqlite_store, settings, b"x")
    with pytest.raises(acts.Refused, match="đang chờ"):
        give(sqlite_store, settings, b"x")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\A\\thang 10.csv", "thang 10.csv"),
        ("..%2f..%2fsecret.csv", "secret.csv"),
        ("a\x00b\n\x1b[31m.csv", "ab[31m.csv"),
        ("Nguyen Van A 044095012345.csv", "(đã che).csv"),
        ("0912 345 678.csv", "(đã che).csv"),
        ("=cmd|calc!A0.csv", "=cmd|calc!A0.csv"),
        ("x" * 400 + ".csv", "x" * 117 + ".csv"),
    ],
)
def test_a_name_is_only_said_again_and_never_a_path(
    sqlite_store: KpiStore, source: Source, settings: Any, said: str, shown: str
) -> None:
    client = client_of(ready(sqlite_store, source, settings), settings)
    answer = client.post(
        "/upload/staff",
        base_url=HERE,
        data=CSV.format(120, 100).encode(),
        headers=RAW | {"X-File-Name": said if "%" in said else quote(said)},
    )
    assert answer.status_code == 202, answer.text
    poll_given(sqlite_store, [source], settings)
    assert given(sqlite_store)[0]["file"] == shown
    found = {path.name for path in settings.data.rglob("*") if path.is_file()}
    assert found <= {"secret.key"}, "nothing was written anywhere under that name"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, 202),
    ],
)
def test_no_other_site_can_give_a_file(
    sqlite_store: KpiStore, source: Source, settings: Any, headers: dict[str, str], status: int
) -> None:
    client = client_of(ready(sqlite_store, source, settings), settings)
    answer = client.post(
        "/upload/staff",
        base_url=HERE,
        data=CSV.format(1, 1).encode(),
        headers=RAW | {"X-File-Name": "a.csv"} | headers,
    )
    assert answer.status_code == status
    assert bool(given(sqlite_store)) == (status == 202)


def test_a_body_over_the_cap_is_refused_unread_and_nothing_changes_on_get(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    client = client_of(ready(sqlite_store, source, settings), settings)
    named = RAW | {"X-File-Name": "a.csv"}
    body = b"x" * (MOST_BYTES + 1)
    answer = client.post("/upload/staff", base_url=HERE, data=body, headers=named)
    assert answer.status_code == 413 and kept(settings) == []
    # a body of unknown length is read no further than the cap
    stream = {"wsgi.input": io.BytesIO(body * 3), "wsgi.input_terminated": True}
    stream["CONTENT_LENGTH"] = ""
    answer = client.post("/upload/staff", base_url=HERE, headers=named, environ_overrides=stream)
    assert answer.status_code == 400 and "vượt 5 MB" in answer.text
    assert stream["wsgi.input"].tell() <= len(body) and given(sqlite_store) == []
    assert client.get("/upload/staff", base_url=HERE).status_code in (200, 404, 405)
    assert given(sqlite_store) == []


@pytest.mark.parametrize(("role", "status"), [("operator", 202), ("analyst", 403), (None, 401)])
def test_where_there_are_accounts_an_operator_gives_a_file_under_the_own_name(
    sqlite_store: KpiStore, source: Source, settings: Any, role: Any, status: int
) -> None:
    ready(sqlite_store, source, settings)
    who = Principal("hoa", role) if role else None
    locked = Settings(
        data=settings.data, database_url=sqlite_store.url, auth="accounts", hosts="ioc.example"
    )
    client = program.create_app(locked, sqlite_store, lambda: who).server.test_client()
    headers = RAW | {"X-File-Name": "a.csv"}
    answer = client.post(
        "/upload/staff", base_url="https://ioc.example", data=b"x", headers=headers
    )
    assert answer.status_code == status
    with sqlite_store.read() as connection:
        asked = connection.execute(sa.text("SELECT who FROM request")).scalars().all()
    assert asked == (["hoa"] if status == 202 else [])


# -- bombs and people ------------------------------------------------------------------------------


def test_a_zip_bomb_is_refused_and_takes_no_room(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/worksheets/sheet1.xml", b"\0" * (400 << 20))
    give(sqlite_store, settings, packed.getvalue(), "bom.xlsx")
    (run,) = poll_given(sqlite_store, [source], settings)
    assert run["outcome"] == "broken" and "giải nén vượt" in run["note"]
    assert given(sqlite_store)[0]["state"] == "refused" and kept(settings) == []


def test_a_thousand_people_in_a_file_leave_no_trace(
    sqlite_store: KpiStore, source: Source, settings: Any, caplog: Any
) -> None:
    ready(sqlite_store, source, settings)
    lines = ["Mã đơn vị,Kỳ,Tổng số,Có máy tính,Họ tên,Ghi chú"]
    for n, who in enumerate(IDENTITIES):
        cells = ["SNV25", "10/2026", "120", "100", f"Người {who}", who]
        cells[n % 4] = who  # also where a code or a number belongs
        lines.append(",".join(cells))
    give(sqlite_store, settings, "\n".join(lines).encode(), f"danh sach {IDENTITIES[0]}.csv")
    give(sqlite_store, settings, ("\n".join(lines[:15]) + "\n").encode(), "it.csv")
    poll_given(sqlite_store, [source], settings)
    client = client_of(sqlite_store, settings)
    seen = caplog.text + "".join(
        client.get(f"/api/v1/{name}.csv", base_url=HERE).text
        for name in ("uploads", "runs", "rejections", "sources")
    )
    folder = Path(sqlite_store.url.removeprefix("sqlite:///")).parent
    for path in [*folder.rglob("*"), *settings.data.rglob("*")]:
        if path.is_file():
            seen += path.read_bytes().decode("latin-1")
    assert given(sqlite_store)[0]["state"] in ("done", "refused")
    assert [who for who in IDENTITIES if who in seen] == []


def test_what_a_crash_left_behind_is_swept_and_what_waits_is_kept(
    sqlite_store: KpiStore, source: Source, settings: Any
) -> None:
    ready(sqlite_store, source, settings)
    give(sqlite_store, settings, CSV.format(1, 1).encode())
    (waiting,) = kept(settings)
    orphan = requests.place(settings.data) / ("0" * 32)
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))
    os.utime(waiting, (1, 1))
    requests.sweep(sqlite_store, settings.data)
    assert kept(settings) == [waiting]
    assert oct(waiting.stat().st_mode & 0o777) == "0o600"


def test_periods_of_a_template_name_their_file() -> None:
    name = file_name("staff", Period.parse("2026-10"))
    assert name == "nhap-tay_staff_2026-10.xlsx" and is_by_hand(name.upper())

"""What happens to sources, files and processes on bad days: nothing lost, nothing doubled."""

import io
import itertools
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from connectors.io import IO
from connectors.kinds import sheet
from connectors.kinds.workbook import csv_rows, read_table
from connectors.kinds.xlsx import UNPACKED, refuse_bomb
from connectors.poller import poll
from connectors.wire import parse_json
from ioc.errors import Broken
from ioc.orgunits import OrgUnits
from kpi import health
from kpi.store import open_store
from tests.chaos import Answer, Chaos, Request
from tests.fields import dossier, rest_source, sheet_source
from tests.test_poller import CURSOR, Portal, contents, numbers, rows

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)

# -- 47, 48: kill -9 in mid-poll -----------------------------------------------------------------

POLL_ONCE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from connectors.poller import poll
from ioc.orgunits import OrgUnits
from kpi import health
from kpi.catalogue import load_catalogue
from kpi.store import open_store
from tests.fields import rest_source
from tests.test_poller import CURSOR
data = Path(sys.argv[2])
store = open_store(f"sqlite:///{data / 'kpi.sqlite'}", load_catalogue(), OrgUnits.load())
source = rest_source(sys.argv[1], id="nguon_thu", paging=CURSOR)
health.publish_sources(store, [source])
settings = SimpleNamespace(data=data, secret_key_file=Path(sys.argv[3]))
print(poll(store, source, settings)["outcome"])
"""


def test_killing_the_poller_in_mid_poll_loses_nothing_and_doubles_nothing(
    tmp_path: Path, catalogue: Any, orgunits: OrgUnits
) -> None:
    portal = Portal(*rows(200))
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)

    def slowly(request: Request) -> Answer:
        answer = portal(request)
        answer.delay = 0.03
        return answer

    def started(folder: Path) -> subprocess.Popen[str]:
        folder.mkdir(exist_ok=True)
        arguments = [sys.executable, "-c", POLL_ONCE, server.url, str(folder), str(key)]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    with Chaos(slowly) as server:
        assert started(tmp_path / "calm").communicate(timeout=60)[0].strip() == "ok"
        for pages in (2, 5, 3, 6):
            server.requests.clear()
            process = started(tmp_path / "killed")
            until = time.monotonic() + 30
            while len(server.requests) < pages and time.monotonic() < until:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
            process.stdout.close()
        assert started(tmp_path / "killed").communicate(timeout=60)[0].strip() == "ok"

    stores = {
        name: open_store(f"sqlite:///{tmp_path / name / 'kpi.sqlite'}", catalogue, orgunits)
        for name in ("calm", "killed")
    }
    calm, killed = (contents(store) for store in stores.values())
    assert len(calm["record"]) == 200
    assert killed == calm
    assert health.watermark(stores["killed"], "nguon_thu") == "200"
    with stores["killed"].read() as connection:
        runs = connection.execute(sa.text("SELECT outcome, ended_at FROM poll_run")).all()
    assert len(runs) == 5 and all(ended is not None for _, ended in runs)
    assert [outcome for outcome, _ in runs] == ["retry"] * 4 + ["ok"]
    for store in stores.values():
        store.close()


# -- 15, 17: duplicate and shuffled pages --------------------------------------------------------


def test_the_final_state_does_not_depend_on_the_order_of_pages(
    tmp_path: Path, catalogue: Any, orgunits: OrgUnits
) -> None:
    first = rows(12)
    later = [row | {"kenh": "trực tiếp", "capNhat": "2024-06-01T08:00:00+07:00"} for row in first]
    pages = [first[:6], first[6:], later[:6], first[3:9]]
    found = []
    for number, order in enumerate(itertools.islice(itertools.permutations(pages), 0, 24, 5)):
        store = open_store(f"sqlite:///{tmp_path / str(number)}.sqlite", catalogue, orgunits)
        portal = Portal(*itertools.chain.from_iterable(order))
        with Chaos(portal) as server:
            source = rest_source(server.url, paging=CURSOR)
            health.publish_sources(store, [source])
            settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
            assert poll(store, source, settings, now=NOW)["outcome"] == "ok"
        found.append({name: contents(store)[name] for name in ("rollup", "standing")})
        store.close()
    assert all(state == found[0] for state in found)
    assert found[0]["rollup"]


# -- 45: the database is locked ------------------------------------------------------------------


def test_a_locked_database_is_a_retry_and_the_next_poll_catches_up(
    sqlite_url: str, catalogue: Any, orgunits: OrgUnits, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("connectors.poller.PATIENCE", 0.2)
    store = open_store(sqlite_url, catalogue, orgunits)
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    portal = Portal(*rows(30))
    with Chaos(portal) as server:
        source = rest_source(server.url, paging=CURSOR)
        health.publish_sources(store, [source])
        with store.writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 100")
        with store.write() as holder:
            holder.execute(sa.text("SELECT 1"))
            shut = poll(_impatient(sqlite_url, catalogue, orgunits), source, settings, now=NOW)
        assert (shut["outcome"], shut["run"]) == ("retry", None)
        assert "đang bận" in shut["note"]
        run = poll(store, source, settings, now=NOW)
    assert (run["outcome"], run["new"]) == ("ok", 30)
    store.close()


def _impatient(url: str, catalogue: Any, orgunits: OrgUnits) -> Any:
    """A second store on the same file that waits for its lock only a moment."""
    store = open_store(url, catalogue, orgunits, migrate=False)

    @sa.event.listens_for(store.writer, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 100")

    return store


# -- 37, 38, 40: files ---------------------------------------------------------------------------


def bomb(megabytes: int, claimed: int | None = None) -> bytes:
    """A workbook whose one sheet unfolds; ``claimed`` is the size that its headers admit to."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(made.compress(bytes(1 << 20)) for _ in range(megabytes)) + made.flush()
    size = claimed if claimed is not None else megabytes << 20
    name = b"xl/worksheets/sheet1.xml"
    common = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0, 0, len(packed), size)
    local = b"PK\x03\x04" + common + struct.pack("<HH", len(name), 0) + name
    extra = struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0)
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + extra + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + b"PK\x05\x06" + end


@pytest.mark.parametrize("claimed", [None, 1000])
def test_a_zip_bomb_meets_the_cap_also_when_its_headers_lie(claimed: int | None) -> None:
    packed = bomb((UNPACKED >> 20) + 8, claimed)
    assert zipfile.is_zipfile(io.BytesIO(packed))
    with pytest.raises(Broken, match="giải nén vượt"):
        refuse_bomb("bom.xlsx", packed)
    refuse_bomb("nhỏ.xlsx", bomb(2))


FAR = '<row r="1"><c r="A1"/></row><row r="200001"><c r="XFD200001"/></row>'
UNSAID = '<row r="200001">' + "<c/>" * 26 + "</row>"  # a cell without a place follows the last
NAMED = '<x:row r="200001"><x:c r="XFD200001"/></x:row>'


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/so-lieu.bin"])
@pytest.mark.parametrize("cells", [FAR, UNSAID, NAMED])
def test_a_sheet_of_two_cells_far_apart_is_refused_before_the_library_makes_room(
    tmp_path: Path, part: str, cells: str
) -> None:
    """The rectangle around them would be gigabytes, and the process would end."""
    written, changed = io.BytesIO(), io.BytesIO()
    with xlsxwriter.Workbook(written) as book:
        book.add_worksheet("Số liệu")
    with zipfile.ZipFile(written) as whole, zipfile.ZipFile(changed, "w") as other:
        for name in whole.namelist():
            body = whole.read(name)
            if name == "xl/worksheets/sheet1.xml":
                name, body = (
                    part,
                    body.replace(b"<sheetData/>", f"<sheetData>{cells}</sheetData>".encode()),
                )
            other.writestr(
                name, body.replace(b"worksheets/sheet1.xml", part.removeprefix("xl/").encode())
            )
    (tmp_path / "rong.xlsx").write_bytes(changed.getvalue())
    with IO(sheet_source(tmp_path)) as door, pytest.raises(Broken, match="trang tính quá rộng"):
        list(sheet.poll(sheet_source(tmp_path), None, door))


def test_a_zip_bomb_in_the_folder_is_named_and_read_no_further(tmp_path: Path) -> None:
    (tmp_path / "bom.xlsx").write_bytes(bomb((UNPACKED >> 20) + 8, 1000))
    with IO(sheet_source(tmp_path)) as door, pytest.raises(Broken, match=r"bom\.xlsx: giải nén"):
        list(sheet.poll(sheet_source(tmp_path), None, door))


def test_a_file_that_grows_while_it_is_copied_gives_no_row_until_it_is_whole(
    tmp_path: Path,
) -> None:
    source = sheet_source(tmp_path, options={"settle": 2})
    whole = "Mã đơn vị,Kỳ,Tổng số,Có máy tính\nSNV,06/2024,120,100\nVPUB,06/2024,80,70\n".encode()
    path = tmp_path / "bao-cao.csv"
    got = []
    for end in (10, 60, 85, len(whole)):
        path.write_bytes(whole[:end])
        with IO(source) as door:
            got.append(len(list(sheet.poll(source, None, door))))
            assert "bao-cao.csv" in door.notes[0]
    old = time.time() - 10
    os.utime(path, (old, old))
    with IO(source) as door:
        [batch] = sheet.poll(source, None, door)
    assert got == [0, 0, 0, 0] and len(batch.rows) == 2


def test_a_workbook_that_counts_days_from_1904_gives_the_same_dates() -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["Kỳ"])
    book.active.append([datetime(2024, 6, 30, tzinfo=None)])  # noqa: DTZ001
    body = io.BytesIO()
    book.save(body)
    table = read_table("a.xlsx", body.getvalue(), ["Kỳ"], {})
    assert [str(row[0])[:10] for row in table.rows] == ["2024-06-30"]


def test_sub_headings_of_the_same_name_are_told_apart_by_what_stands_above_them() -> None:
    book = openpyxl.Workbook()
    for row in (["Mã", "Máy tính", None, "Tập huấn", None], [None, "Nam", "Nữ", "Nam", "Nữ"]):
        book.active.append(row)
    book.active.append(["SNV", 1, 2, 3, 4])
    for merged in ("A1:A2", "B1:C1", "D1:E1"):
        book.active.merge_cells(merged)
    body = io.BytesIO()
    book.save(body)
    wanted = ["Mã", "máy  tính / nữ", "Tập huấn / Nam"]
    table = read_table("a.xlsx", body.getvalue(), wanted, {})
    assert [table.rows[0][c] for c in table.columns.values()] == ["SNV", 2, 3]
    with pytest.raises(Broken, match="E2: tiêu đề “Nữ” có hai lần"):
        read_table("a.xlsx", body.getvalue(), ["Mã", "Nữ"], {})


def book_of(*rows: list[Any]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def test_a_hidden_row_of_the_figures_is_refused_by_its_cell_and_others_are_not() -> None:
    book = book_of(["Mẫu số 1"], ["Mã", "Số"], ["SNV", 1], ["VPUB", 2], [None, None], ["SYT", 3])
    for harmless in (1, 5, 9):  # above the heading, empty, below all
        book.active.row_dimensions[harmless].hidden = True
    assert len(read_table("a.xlsx", saved(book), ["Mã", "Số"], {}).rows) >= 4
    book.active.row_dimensions[4].hidden = True
    with pytest.raises(Broken, match=r"a\.xlsx ô A4: dòng ẩn trong phần số liệu"):
        read_table("a.xlsx", saved(book), ["Mã", "Số"], {})
    other = book.create_sheet("Khác")
    other.append(["Mã", "Số"])
    other.append(["SNV", 1])
    assert read_table("a.xlsx", saved(book), ["Mã", "Số"], {"sheet": "Khác"}).rows == [["SNV", 1.0]]


def repacked(body: bytes, part: str, change: Any) -> bytes:
    """A workbook with one part of it changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.infolist():
            text = old.read(member)
            new.writestr(member.filename, change(text) if member.filename == part else text)
    return made.getvalue()


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_a_part_of_a_workbook_that_brings_entities_is_refused(part: str, tmp_path: Path) -> None:
    secret = tmp_path / "bi-mat"
    secret.write_text("chim-hoang-yen")
    entity = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]>'.encode()

    def plant(text: bytes) -> bytes:
        start = text.index(b"?>") + 2 if text.startswith(b"<?xml") else 0
        return text[:start] + entity + text[start:].replace(b"SNV", b"&a;")

    body = repacked(saved(book_of(["Mã", "Số"], ["SNV", 1])), part, plant)
    with pytest.raises(Broken, match=rf"a\.xlsx: phần {part} khai kiểu tài liệu"):
        read_table("a.xlsx", body, ["Mã", "Số"], {})


WORDS = st.lists(st.sampled_from(["Sở Nội vụ", "Lệ Thủy", "Đồng Hới", "Quảng Ninh"]), min_size=2)


@given(words=WORDS, encoding=st.sampled_from(["utf-16", "cp1258", "utf-8"]))
def test_a_csv_in_another_encoding_is_refused_or_right_never_mojibake(
    words: list[str], encoding: str
) -> None:
    text = ",".join(words)
    try:
        body = text.encode(encoding)
    except UnicodeEncodeError:
        return
    try:
        [cells] = csv_rows("a.csv", body, {})
    except Broken:
        return
    assert cells == words


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400), suffix=st.sampled_from([".csv", ".xlsx"]))
def test_no_file_whatever_it_holds_does_worse_than_broken(
    body: bytes, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(body)
    source = sheet_source(tmp_path)
    try:
        with IO(source) as door, pytest.raises(Broken, match="a\\."):
            list(sheet.poll(source, None, door))
    finally:
        path.unlink()


@hypothesis_settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_workbook_does_no_worse_than_broken(data: st.DataObject) -> None:
    whole = (Path(__file__).parent / "cases/sheet/normal/payload.xlsx").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    body = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        table = read_table("a.xlsx", body, ["Mã đơn vị"], {})
    except Broken:
        return
    assert table.first >= 1


# -- 11: any bytes at all ------------------------------------------------------------------------


@given(
    body=st.binary() | st.text().map(str.encode) | st.from_regex(rb'[\[{"0-9eE.,:NaIinfty-]{0,40}')
)
def test_any_bytes_are_json_or_broken(body: bytes) -> None:
    try:
        parse_json(body)
    except Broken:
        return


# -- 28: a source that stands still --------------------------------------------------------------


def test_a_source_that_repeats_itself_moves_no_data_time(sqlite_store: Any, tmp_path: Path) -> None:
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(lambda _: Answer({"data": [dossier(1), dossier(2)]})) as server:
        source = rest_source(server.url)
        health.publish_sources(sqlite_store, [source])
        runs = [
            poll(sqlite_store, source, settings, now=NOW + timedelta(days=day)) for day in range(3)
        ]
    assert [numbers(run) for run in runs] == [(2, 2, 0, 0, 0, 0), *[(2, 0, 0, 2, 0, 0)] * 2]
    assert len({run["response_hash"] for run in runs}) == 1

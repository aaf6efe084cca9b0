"""One answer in every kind of file: typed, inert, described, and made again byte for byte."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import frictionless
import openpyxl
import pytest
from openpyxl.utils.escape import unescape

import app as program
from ioc.errors import IocError
from ioc.inert import original
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import answer, cases, schema
from kpi.answer import INSTANTS, NUMBERS
from kpi.store import open_store
from layouts.web import described, dialect, downloads, exports, fields, files, workbook
from layouts.web.filters import QUESTIONS
from layouts.web.problems import Problem
from tests import test_downloads
from tests.hostile import HOSTILE
from tests.test_downloads import CSVS, HERE, client_of, dossier, parsed, poll_of

get, loaded = test_downloads.get, test_downloads.loaded
DIALECTS = {
    "plain": "",
    "semicolon": "separator=semicolon",
    "tab": "separator=tab",
    "Excel VN": "decimal=comma",
    "tab and comma": "separator=tab&decimal=comma",
}
NUMBER = re.compile(r"\s*[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?%?\s*", re.IGNORECASE)
"""What a spreadsheet of any language may read as a number."""


def dialect_called(name: str) -> dialect.Dialect:
    return dialect.dialect_of(dict(part.split("=") for part in DIALECTS[name].split("&") if part))


class Told:
    """An answer that holds these texts, beside a number."""

    columns, as_of, version, sample, matching = ("text", "number"), None, 7, True, None
    moments = frozenset()

    def __init__(self, texts: Any):
        self.texts = texts

    def stream(self) -> Any:
        return ((text, number / 4) for number, text in enumerate(self.texts))

    def blocks(self) -> Any:
        return downloads.chunks(self.stream())


def read_csv(data: bytes, separator: str) -> list[list[str]]:
    text = data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def workbook_of(texts: Any, about: Any = ()) -> bytes:
    told = Told(texts)
    return b"".join(
        workbook.xlsx_bytes(
            told.columns,
            told.stream(),
            sheet=described.ROWS,
            tail=lambda: downloads.tail(told, True),
            about=lambda: list(about),
        )
    )


def cells_of(data: bytes, sheet: int = 0) -> list[list[Any]]:
    """The cells of a sheet; a text with what the format escapes (``_xHHHH_``) put back."""
    rows = openpyxl.load_workbook(io.BytesIO(data)).worksheets[sheet].iter_rows()
    return [[unescape(c.value) if c.data_type == "s" else c.value for c in row] for row in rows]


# --- hostile texts -------------------------------------------------------------------------------
def test_there_are_a_thousand_hostile_texts():
    assert len(set(HOSTILE)) >= 1_000
    assert sum(text.startswith(("=", "+", "-", "@")) for text in HOSTILE) > 150


@pytest.mark.parametrize("name", DIALECTS)
def test_a_thousand_hostile_texts_come_back_from_every_csv_and_none_is_a_formula(name):
    chosen = dialect_called(name)
    data = b"".join(downloads.csv_bytes(Told(HOSTILE), Told(HOSTILE).blocks(), dialect=chosen))
    head, *rows = read_csv(data, chosen.separator)
    assert head == ["text", "number", *downloads.TAIL]
    for row in rows:
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert [original(row[0]) for row in rows] == HOSTILE
    numbers = [float(row[1].replace(chosen.decimal, ".")) for row in rows]
    assert numbers == [number / 4 for number in range(len(HOSTILE))]


@pytest.mark.parametrize("name", ["Excel VN", "tab and comma"])
def test_with_a_decimal_comma_no_text_looks_like_a_number_and_every_number_does(name):
    chosen = dialect_called(name)
    codes = [
        "0450",
        "00",
        "80,5",
        "1.234,5",
        "2025-06",
        "1/2",
        "12:30",
        "5e1234",
        " 7",
        "$5",
        "(3)",
    ]
    codes += ["TRUE", "mar1", "Thg 6 2025", "100%", "1 000", "đ5"]
    for text in (*codes, *HOSTILE):
        written = chosen.cell(text)
        assert not NUMBER.fullmatch(written), text
        assert original(written) == text
    assert all(chosen.cell(text) == "'" + text for text in codes)
    for plain in ("Đồng Hới", "Địa bàn", "%", "I02b", "marz", "area-450", "đồng"):
        assert chosen.cell(plain) == plain
    for number, written in ((80.5, "80,5"), (-0.25, "-0,25"), (450.0, "450"), (7, "7")):
        assert chosen.cell(number) == written and NUMBER.fullmatch(written)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_block_of_rows_is_written_as_its_cells_are_one_by_one(name):
    """Numbers that are equal, texts that stand as they are and such that do not, what is absent."""
    chosen, rng = dialect_called(name), Random(8)
    plain = ["I02b", "area-450", "Đồng Hới", "a b", "0450", "3"]
    columns = (
        lambda: rng.choice(plain),
        lambda: rng.choice(["đủ", *plain, rng.choice(HOSTILE)]),
        lambda: rng.choice([None, *plain]),
        lambda: rng.choice([1, 1.0, None, -0.0, 0, 12.5, float("nan"), 1e15, 7]),
        lambda: rng.choice([True, 1, 1.0, None, "1", date(2025, 6, 30)]),
        lambda: rng.choice([True, False, None]),
        lambda: rng.choice([None, datetime(2025, 6, 30, 17, 0, 0, rng.randrange(3), tzinfo=UTC)]),
        lambda: None,
    )
    for size in (1, 2, 9, 400):
        rows = [tuple(column() for column in columns) for _ in range(size)]
        written = chosen.writer()(rows, "7\r\n")
        assert written == "".join(chosen.line((*row, 7)) for row in rows)


def test_microseconds_are_written_as_their_instants_are():
    rng = Random(8)
    long_ago, far = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 16, tzinfo=UTC)
    edges = [datetime(1975, 6, 13, tzinfo=UTC), dialect._SINCE, datetime(1970, 1, 1, tzinfo=UTC)]
    some = [edge + timedelta(microseconds=m) for edge in edges for m in (-1, 0, 1, 10**6)]
    for _ in range(3_000):
        some.append(datetime.fromtimestamp(rng.uniform(-(10**9), 4 * 10**9), UTC))
        some.append(datetime.fromtimestamp(rng.randrange(4 * 10**9), UTC))
    written = {}
    for group in (some, [long_ago, far], [at for at in some if at > dialect._SINCE]):
        written |= dialect.moments({None, *map(schema.micros, group)})
    assert written[None] == ""
    for at in (*some, long_ago, far):
        assert written[schema.micros(at)] == at.astimezone(LOCAL).isoformat(), at


def test_a_text_with_any_separator_stands_in_quotes_whatever_the_dialect():
    for separator in dialect.SEPARATORS.values():
        for text in ("a,=1+1", "a;=1+1", "a\t=1+1"):
            assert dialect.Dialect(separator).quoted(text) == f'"{text}"'


def test_a_thousand_hostile_texts_come_back_from_a_workbook_without_a_formula_or_a_link():
    data = workbook_of(HOSTILE)
    rows = cells_of(data)[1:]
    assert [row[0] or "" for row in rows] == HOSTILE
    assert [row[1] for row in rows] == [number / 4 for number in range(len(HOSTILE))]
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert kinds <= {"s", "n"}  # texts and numbers, and none calculates
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for name in parts.namelist():
            body = parts.read(name)
            assert b"<f>" not in body and b"<f " not in body and b"<hyperlink" not in body
        assert not any("rels" in name and "sheet" in name for name in parts.namelist())


def test_a_workbook_keeps_what_each_cell_is():
    at = datetime(2025, 6, 30, 17, 30, 5, tzinfo=UTC)

    class Kinds(Told):
        columns = ("code", "number", "whole", "day", "moment", "old", "none", "nan", "truth")

        def stream(self) -> Any:
            nan = float("nan")
            yield "00450", 80.5, 12, date(2025, 6, 30), at, date(1899, 1, 2), None, nan, True

    told = Kinds(())
    data = b"".join(
        workbook.xlsx_bytes(
            told.columns, told.stream(), sheet="x", tail=lambda: (at, 3, "m"), about=lambda: []
        )
    )
    row = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0][2]
    assert [cell.value for cell in row[:3]] == ["00450", 80.5, 12]
    assert row[3].value == datetime(2025, 6, 30) and row[3].number_format == "dd/mm/yyyy"  # noqa: DTZ001
    assert row[4].value == datetime(2025, 7, 1, 0, 30, 5)  # noqa: DTZ001  at +07:00
    assert row[5].value == "1899-01-02"  # a text: spreadsheets disagree about such days
    assert [cell.value for cell in row[6:9]] == [None, None, True]
    assert [cell.data_type for cell in row[:5]] == ["s", "n", "n", "d", "d"]


def test_a_workbook_that_would_not_hold_it_all_is_refused_in_words(monkeypatch, get):
    with pytest.raises(Problem, match="một ô có 40000 ký tự"):
        workbook_of(["a" * 40_000])
    with pytest.raises(Problem, match="20000 ký tự"):
        workbook_of(["\U0001f600" * 20_000])  # as spreadsheets count letters
    assert workbook_of(["a" * workbook.LONGEST])
    monkeypatch.setattr(workbook, "MOST_ROWS", 21)
    assert get("/api/v1/targets.xlsx").status_code == 200  # 20 rows and their heading
    monkeypatch.setattr(workbook, "MOST_ROWS", 20)
    refused = get("/api/v1/targets.xlsx")
    assert refused.status_code == 413 and "hơn 19 dòng" in refused.json["detail"]
    monkeypatch.setattr(files, "WHOLE", 10)
    for question in ("targets", "records"):
        refused = get(f"/api/v1/{question}.xlsx")
        assert refused.status_code == 413 and "quá 10 dòng" in refused.json["detail"]


def test_nothing_of_a_workbook_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook.tempfile, "tempdir", str(tmp_path))
    parts = workbook.xlsx_bytes(
        ("a",), iter([("x",)]), sheet="x", tail=lambda: (), about=lambda: []
    )
    next(parts)
    assert list(tmp_path.iterdir())
    parts.close()  # the reader went away
    assert list(tmp_path.iterdir()) == []


# --- the same rows in every kind -----------------------------------------------------------------
def as_text(value: Any) -> str:
    """A cell of a workbook as the CSV has it; a day is read as its midnight."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return "" if value is None else dialect.PLAIN.cell(value)


@pytest.mark.parametrize("question", CSVS)
def test_csv_dialects_json_and_workbook_hold_the_same_rows(get, question):
    asked = f"/api/v1/{question}.{{}}?{CSVS[question]}&download=1&{{}}"
    first = get(asked.format("csv", ""))
    held = re.search(r"as_of=[^&]*", first.headers["Content-Location"])
    held = held[0] if held else ""
    rows = parsed(first.data)
    assert rows
    for name in DIALECTS:
        chosen = dialect_called(name)
        data = get(asked.format("csv", f"{held}&{DIALECTS[name]}")).data
        head, *lines = read_csv(data, chosen.separator)
        assert data.startswith(downloads.BOM) and not data[3:].startswith(b"sep=")
        assert head == list(rows[0])
        numbers = {f["name"] for f in fields.fields(question, head) if f["type"] == "number"}
        for row, line in zip(rows, lines, strict=True):
            for column, written in zip(head, line, strict=True):
                if column in numbers:
                    assert written.replace(chosen.decimal, ".") == row[column], (name, column)
                else:
                    assert original(written) == original(row[column])
    head, *cells = cells_of(get(asked.format("xlsx", held)).data)
    document = get(asked.format("json", held)).json
    assert head == list(rows[0]) and document["count"] == len(rows) == len(cells)
    moments = {f["name"] for f in fields.fields(question, head) if f["type"] == "datetime"}
    for row, line, named in zip(rows, cells, document["rows"], strict=True):
        for column, value in zip(head, line, strict=True):
            if column in moments:  # a spreadsheet knows milliseconds
                assert (row[column] == "") == (value is None)
                if value:
                    there = datetime.fromisoformat(row[column]).replace(tzinfo=None)
                    assert abs(value - there) < timedelta(milliseconds=2), column
            else:
                assert as_text(value) == row[column], column
        assert named == {k: v for k, v in named.items() if dialect.cell(v) == row[k]}


def test_a_page_a_csv_a_workbook_and_json_are_asked_alike_with_limits(get):
    whole = get("/api/v1/targets.json").json["rows"]
    for after in (0, 3):
        rows = cells_of(get(f"/api/v1/targets.xlsx?limit=4&after={after}").data)[1:]
        assert [row[0] for row in rows] == [row["target"] for row in whole[after : after + 4]]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_while_polls_arrive_is_one_snapshot(get, loaded, monkeypatch, kind):
    """What comes after reading has begun is in none of its rows, and in the next file."""

    def rows_of(data: bytes) -> int:
        return len(cells_of(data) if kind == "xlsx" else read_csv(data, ",")) - 1

    before = rows_of(get(f"/api/v1/records.{kind}").data)
    monkeypatch.setattr(cases, "BLOCK", 2)
    name = {"csv": "blocks", "xlsx": "stream"}[kind]
    whole = getattr(answer.Answer, name)

    def read(self: Any) -> Any:
        for number, part in enumerate(whole(self)):
            if number == 1:
                monkeypatch.setattr(answer.Answer, name, whole)
                late = [dossier(900, "19207", datetime(2025, 3, 3, 8, tzinfo=LOCAL), online=True)]
                poll_of(loaded, late, datetime.now(UTC))
            yield part

    monkeypatch.setattr(answer.Answer, name, read)
    assert rows_of(get(f"/api/v1/records.{kind}").data) == before
    assert rows_of(get(f"/api/v1/records.{kind}").data) == before + 1


# --- addresses -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("targets.csv?separator=pipe", "separator"),
        ("targets.csv?decimal=dot", "decimal"),
        ("targets.csv?separator=comma&decimal=comma", "separator"),
        ("targets.json?separator=tab", "separator"),
        ("targets.xlsx?decimal=comma", "decimal"),
    ],
)
def test_a_dialect_that_cannot_be_meant_is_named_and_refused(get, address, parameter):
    answer = get(f"/api/v1/{address}")
    assert answer.status_code == 400 and answer.json["parameter"] == parameter


def test_a_workbook_has_its_type_and_its_name_and_is_no_page(get):
    answer = get("/api/v1/tasks.xlsx?download=1")
    assert answer.mimetype == described.TYPES["xlsx"]
    assert "tasks_DU-LIEU-MAU.xlsx" in answer.headers["Content-Disposition"]
    assert answer.data.startswith(b"PK")


@pytest.mark.parametrize("question", ["standings", "values", "records", "tasks", "org-units"])
def test_the_same_address_gives_the_same_workbook_whatever_comes_later(get, loaded, question):
    first = get(f"/api/v1/{question}.xlsx?{CSVS[question]}&download=1")
    address = first.headers["Content-Location"]
    poll_of(loaded, [dossier(1, "19207", datetime(2025, 4, 1, 9, tzinfo=LOCAL), online=True)],
            datetime.now(UTC))  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(first.data)) as parts:
        assert {one.date_time[:3] for one in parts.infolist()} == {(1980, 1, 31)}
    assert get(address).data == first.data
    told = get(f"{address}&manifest=1").json
    assert told["sha256"] == sha256(first.data).hexdigest() and told["bytes"] == len(first.data)


# --- what files say of themselves ----------------------------------------------------------------
def columns_of(loaded: Any, question: str) -> tuple[str, ...]:
    more = {"lineage": {"indicator": "I02b"}, "search": {"q": "a"}}.get(question, {})
    asked = files.read(question, more, loaded, datetime.now(UTC))
    return files.answer_of(loaded, Principal.local_admin(), asked).columns


def test_every_column_of_every_question_has_a_title_and_its_type_and_none_is_left_over(loaded):
    known, used = fields.said(), {("", name) for name in downloads.TAIL}
    assert set(known["questions"]) == set(QUESTIONS)
    for question in QUESTIONS:
        for field in fields.fields(question, columns_of(loaded, question)):
            name, own = field["name"], known["of"].get(question, {})
            used.add((question, name) if name in own else ("", name))
            assert (field["type"] == "datetime") == (name in INSTANTS or name in (
                "opened_at", "due_at", "closed_at")), (question, name)  # fmt: skip
            if name not in own and name not in ("quantity", "rank"):
                assert (field["type"] in ("number", "integer")) == (name in NUMBERS), name
    listed = {("", name) for name in known["fields"]}
    listed |= {(question, name) for question, own in known["of"].items() for name in own}
    assert used == listed


def checked(file: Path) -> Any:
    """What others' framework finds in a file by its side-car: cells, count, length and hash.

    It takes neither length nor hash of JSON; those are compared with the bytes themselves.
    """
    skipped = ["hash-count", "byte-count"] if file.suffix == ".json" else []
    return frictionless.validate(str(file) + exports.BESIDE, skip_errors=skipped)


def side_car(get: Any, address: str, folder: Path) -> tuple[dict[str, Any], Path]:
    """A file as a browser saves it, and its side-car beside it."""
    answer = get(address)
    assert answer.status_code == 200, answer.text
    told = get(answer.headers["Content-Location"] + "&manifest=1").json
    file = folder / told["file"]
    file.write_bytes(answer.data)
    beside = folder / (file.name + exports.BESIDE)
    beside.write_text(json.dumps(told), encoding="utf-8")
    return told, file


@pytest.mark.parametrize("question", CSVS)
def test_anybody_can_read_and_check_a_file_by_its_side_car_as_a_data_package(
    get, tmp_path, question
):
    """The framework of others reads the dialect, types every cell, and compares the hash."""
    asked = [("csv", name) for name in DIALECTS] + [("xlsx", "plain"), ("json", "plain")]
    for kind, name in asked:
        address = f"/api/v1/{question}.{kind}?{CSVS[question]}&download=1&{DIALECTS[name]}"
        told, file = side_car(get, address, tmp_path)
        report = checked(file)
        assert report.valid, (kind, name, report.flatten(["rowNumber", "fieldName", "note"])[:3])
        [found] = [task.stats["rows"] for task in report.tasks]
        assert found == told["rows"]


def test_a_file_that_was_touched_is_no_longer_what_its_side_car_describes(get, tmp_path):
    address = "/api/v1/values.csv?indicator=I02b&from=2025-03&to=2025-04&download=1"
    _, file = side_car(get, address, tmp_path)
    file.write_bytes(file.read_bytes().replace(b",39,60,65,", b",49,60,65,"))
    report = checked(file)
    assert [error[0] for error in report.flatten(["type"])] == ["hash-count"]


def test_a_side_car_says_all_that_a_reader_needs(get):
    asked = "/api/v1/standings.csv?target=T02a,T02b&frame=today&download=1"
    told = get(get(asked).headers["Content-Location"] + "&manifest=1").json
    assert told["question"] == "standings" and told["frame"].startswith("today")
    assert told["filters"]["target"] == "T02a,T02b" and told["filters"]["as_of"] == told["as_of"]
    assert f"as_of={told['as_of'][:10]}" in told["permalink"].replace("%3A", ":")
    assert told["permalink"].startswith(HERE) and told["permalink"].endswith(told["address"])
    [one, two] = told["targets"]
    assert (one["target"], two["target"]) == ("T02a", "T02b")
    assert one["operator"] and one["threshold"] and "Đề án" in one["citation"]
    assert {row["indicator"] for row in told["indicators"]} >= {"I02a", "I02b"}
    assert told["definitions"] and told["runs"] and told["read_sources"]
    assert told["licence"].startswith("DỮ LIỆU MẪU") and told["sample_data"] == "DỮ LIỆU MẪU"
    assert told["exporter"] and told["described_at"].endswith("+07:00")
    columns = {field["name"]: field for field in told["resources"][0]["schema"]["fields"]}
    words = {word["value"]: word["label"] for word in columns["status"]["categories"]}
    assert words["met"] == "Đạt" and words["no_source"] == "Chưa có nguồn"
    assert columns["value"]["unit"] == "theo cột unit" and columns["numerator"]["title"] == "Tử số"


def test_a_workbook_says_the_same_on_its_second_sheet(get):
    answer = get("/api/v1/standings.xlsx?target=T02b&download=1")
    told = get(answer.headers["Content-Location"] + "&manifest=1").json
    lines = cells_of(answer.data, 1)
    words = {line[0]: line[2] for line in lines[: lines.index([None] * len(lines[0]))]}
    assert words["address"] == told["address"] and words["as_of"] == told["as_of"]
    assert words["sample_data"] == "DỮ LIỆU MẪU" and words["licence"] == told["licence"]
    assert int(words["rows"]) == told["rows"] and words["scope org_units"] == "*"
    told_cells = {cell for line in lines for cell in line}
    assert told["targets"][0]["sentence"] in told_cells
    assert told["targets"][0]["citation"] in told_cells
    assert "Tử số" in told_cells and any("met: Đạt" in str(cell) for cell in told_cells)


# --- made again ----------------------------------------------------------------------------------
def again(store: Any, file: Path, **more: Any) -> exports.Verdict:
    return exports.reproduce(store, file, program._cells, **more)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
@pytest.mark.parametrize("question", CSVS)
def test_the_command_writes_a_file_that_it_can_make_again(loaded, tmp_path, question, kind):
    given = dict(part.split("=") for part in CSVS[question].split("&") if part)
    file = tmp_path / f"tệp.{kind}"
    told = exports.save(loaded, question, given, file)
    assert told["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert checked(file).valid
    if "as_of" in QUESTIONS[question][1]:  # the others tell of the present alone
        late = [dossier(7, "19207", datetime(2025, 3, 4, 9, tzinfo=LOCAL), online=True)]
        poll_of(loaded, late, datetime.now(UTC))
    for one in (file, tmp_path / f"tệp.{kind}{exports.BESIDE}"):
        found = again(loaded, one)
        assert found.same, found.said
    if kind == "xlsx":
        (tmp_path / f"tệp.{kind}{exports.BESIDE}").unlink()
        copy = tmp_path / "chép.xlsx"
        found = again(loaded, file, out=copy)
        assert found.same and copy.read_bytes() == file.read_bytes()


def test_a_file_that_differs_is_told_line_by_line(loaded, tmp_path):
    file = tmp_path / "a.csv"
    exports.save(loaded, "values", {"indicator": "I02b", "from": "2025-03", "to": "2025-04"}, file)
    file.write_bytes(file.read_bytes().replace(b",39,60,65,", b",49,60,65,"))
    found = again(loaded, file)
    said = "\n".join(found.said)
    assert not found.same and "đã bị sửa" in said and "Trùng từng byte" not in said
    assert "đúng với số hỏi lại" in said  # what was recorded
    assert "Dòng 2, cột numerator: trong tệp 49, nay 39" in found.said
    assert found.said[-1] == "1 dòng khác nhau."
    beside = tmp_path / f"a.csv{exports.BESIDE}"
    told = json.loads(beside.read_bytes())
    told |= {"sha256": sha256(file.read_bytes()).hexdigest(), "rows": 3, "definitions": ["x"]}
    beside.write_text(json.dumps(told))
    said = "\n".join(again(loaded, file).said)
    assert "KHÁC" in said and "Dòng 2, cột numerator: trong tệp 49, nay 39" in said
    assert "1 dòng khác" in said
    assert "Khác số dòng: 3 → 2" in said and "Khác định nghĩa" in said


def test_workbooks_that_differ_are_told_part_by_part(loaded, tmp_path):
    file, packed = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    exports.save(loaded, "targets", {}, file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w") as new:
        for one in old.infolist():
            new.writestr(one.filename, old.read(one))
    found = again(loaded, packed)
    assert not found.same and any("chỉ cách nén khác" in line for line in found.said)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w") as new:
        for one in old.infolist():
            body = old.read(one)
            if one.filename.endswith("sheet1.xml"):
                body = body.replace("Trên".encode(), "Dưới".encode())
            new.writestr(one.filename, body)
    found = again(loaded, packed)
    assert "Các phần khác nhau của tệp: xl/worksheets/sheet1.xml." in found.said
    cell = next(line.partition(": trong tệp ")[0] for line in found.said if "Dưới" in line)
    assert re.fullmatch(r"Trang Số liệu: Ô [A-Z]+\d+, cột sentence", cell)
    assert any("SHA-256 ghi lại" in line for line in found.said) is False  # a workbook alone


def test_one_flipped_bit_of_a_workbook_is_told_as_damage(loaded, tmp_path):
    file = tmp_path / "a.xlsx"
    exports.save(loaded, "targets", {}, file)
    with zipfile.ZipFile(file) as book:
        at = book.getinfo("xl/worksheets/sheet1.xml").header_offset
    body = bytearray(file.read_bytes())
    for alone in (False, True):
        if alone:
            (tmp_path / f"a.xlsx{exports.BESIDE}").unlink()
        for bit in range(0, 2_000, 97):
            flipped = body.copy()
            flipped[at + 200 + bit] ^= 1 << bit % 8
            file.write_bytes(flipped)
            found = again(loaded, file)
            assert not found.same and "tệp hỏng" in found.said[-1], (bit, found.said)
            assert not any("chỉ cách nén khác" in line for line in found.said)


def without_columns(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask as a release did that did not know these columns."""
    kept = files.answer_of

    def older(*asked: Any) -> Any:
        told = kept(*asked)
        return told.narrowed(tuple(name for name in told.columns if name not in names))

    monkeypatch.setattr(files, "answer_of", older)
    monkeypatch.setattr(described, "release", lambda: "0.0.1")


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
@pytest.mark.parametrize("question", ["standings", "values", "records", "targets"])
def test_a_file_of_a_release_that_knew_fewer_columns_comes_out_byte_for_byte(
    loaded, tmp_path, question, kind
):
    given = dict(part.split("=") for part in CSVS[question].split("&") if part)
    file = tmp_path / f"a.{kind}"
    with pytest.MonkeyPatch.context() as patch:
        without_columns(("mark", "closing_definition", "quantity", "wordings"), patch)
        told = exports.save(loaded, question, given, file)
    assert told["release"] == "0.0.1" and "mark" not in told["columns"]
    found = again(loaded, file)
    assert found.same, found.said
    assert any("bản 0.0.1" in line for line in found.said)
    if kind == "xlsx":
        (tmp_path / f"a.xlsx{exports.BESIDE}").unlink()
        found = again(loaded, file)
        assert found.same, found.said


def test_a_column_that_is_gone_is_named(loaded, tmp_path, monkeypatch):
    file = tmp_path / "a.csv"
    exports.save(loaded, "values", {"indicator": "I02b", "from": "2025-03", "to": "2025-04"}, file)
    without_columns(("reason",), monkeypatch)
    found = again(loaded, file)
    assert not found.same and "Cột không còn: reason." in found.said
    assert "Dòng tên cột khác: chỉ trong tệp reason, chỉ nay có (không có)" in found.said
    assert found.said[-1] == "mọi ô của các cột chung trùng nhau."


def test_a_row_that_was_added_or_taken_away_is_told(loaded, tmp_path):
    file = tmp_path / "a.csv"
    exports.save(loaded, "values", {"indicator": "I02b", "from": "2025-03", "to": "2025-04"}, file)
    body = file.read_bytes()
    file.write_bytes(body[: body.rindex(b"I02b")])
    found = again(loaded, file)
    assert any(line.startswith("Dòng 3: chỉ nay có: I02b") for line in found.said), found.said
    file.write_bytes(body.replace(b"\r\n", b"\n"))
    assert again(loaded, file).said[-1] == "mọi ô trùng nhau."
    file.write_bytes(body)
    assert again(loaded, file).said[-1] == "Tệp trùng từng byte với số hỏi lại: 2 dòng."


def test_a_side_car_alone_proves_what_it_records(loaded, tmp_path):
    file = tmp_path / "a.csv"
    exports.save(loaded, "values", {"indicator": "I02b", "from": "2025-03", "to": "2025-04"}, file)
    file.unlink()
    found = again(loaded, tmp_path / f"a.csv{exports.BESIDE}")
    assert found.same and found.said[-1] == "Trùng từng byte với số hỏi lại: 2 dòng."


def test_a_json_that_was_changed_names_row_and_column(loaded, tmp_path):
    file = tmp_path / "a.json"
    exports.save(loaded, "values", {"indicator": "I02b", "from": "2025-03", "to": "2025-04"}, file)
    file.write_bytes(file.read_bytes().replace(b'"numerator":39', b'"numerator":49'))
    said = again(loaded, file).said
    assert "Dòng 1, cột numerator: trong tệp 49.0, nay 39.0" in said, said
    file.write_bytes(file.read_bytes()[:-5])
    assert "tệp hỏng" in again(loaded, file).said[-1]


def test_what_a_limited_reader_took_is_made_again_with_the_rights_that_the_file_records(
    loaded, tmp_path
):
    who = Principal("trưởng", "head", frozenset({"area-450"}), frozenset({"public", "internal"}))
    chosen = Settings(data=tmp_path, database_url=loaded.url)
    client = program.create_app(chosen, loaded, lambda: who).server.test_client()
    for kind in ("csv", "xlsx"):
        told, file = side_car(
            lambda address: client.get(address, base_url=HERE),
            f"/api/v1/org-units.{kind}?download=1",
            tmp_path,
        )
        assert told["scope"] == {
            "org_units": ["area-450"],
            "indicator_classes": ["internal", "public"],
        }
        whole = exports.save(loaded, "org-units", {}, tmp_path / f"whole.{kind}")
        assert 0 < told["rows"] < whole["rows"]
        found = again(loaded, file)
        assert found.same, found.said
        assert any("area-450" in line for line in found.said)
    (tmp_path / (file.name + exports.BESIDE)).unlink()
    assert again(loaded, file).same  # a workbook alone knows it too


def test_a_file_of_which_nothing_is_known_is_refused_in_words(loaded, tmp_path):
    lone = tmp_path / "a.csv"
    lone.write_bytes(b"a,b\r\n")
    with pytest.raises(IocError, match="cần tệp mô tả a"):
        again(loaded, lone)
    for name, body in (("b.xlsx", b"not a workbook"), ("c.xlsx", workbook_of(["x"]))):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(IocError, match="trang mô tả không còn nguyên"):
            again(loaded, tmp_path / name)
    with pytest.raises(IocError, match="không có tệp"):
        again(loaded, tmp_path / "none.csv")
    with pytest.raises(IocError, match="Không có loại tệp"):
        exports.save(loaded, "targets", {}, tmp_path / "a.ods")


def test_an_export_that_is_refused_leaves_no_file(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WHOLE", 10)
    for kind in ("csv", "xlsx", "json"):
        with pytest.raises(IocError, match="20 dòng, quá 10 dòng"):
            exports.save(loaded, "targets", {}, tmp_path / f"a.{kind}")
    assert not list(tmp_path.glob("*a.*"))


def test_the_command_line_writes_and_makes_again(loaded, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("IOC_DATABASE_URL", loaded.url)
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    file = tmp_path / "chi-tieu.csv"
    assert program.main(["export", "targets", "decimal=comma", "-o", str(file)]) == 0
    assert "20 dòng" in capfd.readouterr().out
    assert program.main(["export", "--reproduce", str(file)]) == 0
    assert "trùng từng byte với số hỏi lại: 20 dòng" in capfd.readouterr().out
    file.write_bytes(file.read_bytes() + b"x")
    assert program.main(["export", "--reproduce", str(file)]) == 1
    assert "đã bị sửa" in capfd.readouterr().out
    assert program.main(["export", "targets", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["count"] == 20
    assert program.main(["export"]) == program.REFUSED
    assert "cần một câu hỏi" in capfd.readouterr().err


def test_a_unit_whose_name_is_a_formula_leaves_a_workbook_unchanged_and_inert(
    sqlite_url, catalogue, orgunits, tmp_path
):
    name = '=HYPERLINK("http://evil.example";"Đồng Hới")'
    units = list(orgunits.values())
    at = next(i for i, unit in enumerate(units) if unit.level == "commune")
    units[at] = replace(units[at], name=name, code="00450")
    store = open_store(sqlite_url, catalogue, OrgUnits(units))
    client = client_of(store, tmp_path)
    data = client.get(f"/api/v1/org-units.xlsx?org_unit={units[at].uid}", base_url=HERE).data
    store.close()
    head, row = cells_of(data)
    found = dict(zip(head, row, strict=True))
    assert found["name"] == name and found["code"] == "00450"


def test_a_workbook_heads_no_two_columns_of_a_register_alike(get):
    lines = cells_of(get("/api/v1/standings.xlsx?target=T02b").data, 1)
    heads = [a for blank, a in pairwise(lines) if not any(blank)]
    assert len(heads) == 4
    for head in heads:
        named = [cell for cell in head if cell]
        assert len(named) == len(set(named)), named
    assert any("Định nghĩa" in head and "Phiên bản định nghĩa" in head for head in heads)


def test_the_run_of_a_figure_is_called_the_newest_of_its_source_and_that_of_evidence_its_own():
    newest = "Lần thu thập mới nhất của nguồn đến thời điểm ấy"
    titles = {q: fields.fields(q, ["run"])[0]["title"] for q in ("standings", "values", "pivot")}
    assert set(titles.values()) == {newest}
    for question in ("runs", "rejections", "lineage", "revisions", "changes"):
        assert fields.fields(question, ["run"])[0]["title"] != newest

"""A spreadsheet opens our files and shows every cell as what it is: LibreOffice, without a screen.

It is asked as a person is who double-clicks: in the language of the reader, types guessed.
"""

import io
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ioc import inert
from ioc.inert import original
from layouts.web import dialect, downloads, workbook
from tests import test_downloads
from tests.hostile import HOSTILE
from tests.test_downloads import parsed
from tests.test_formats import DIALECTS, Told, dialect_called, workbook_of

get, loaded = test_downloads.get, test_downloads.loaded
VIETNAMESE, ENGLISH = 1066, 1033
UTF_8 = 76
AT = datetime(2025, 6, 30, 10, 30, tzinfo=UTC)
LINK = '=HYPERLINK("http://evil.example";"Đồng Hới")'
ROWS = [
    ("Đồng Hới, Lệ Thủy", "00450", 80.5, date(2025, 6, 30), AT, LINK, 12),
    ("Xã Đồng; Phường \"Nam\"", "0012", -0.25, date(2021, 1, 1), AT, "+1+1", 0),
    ("hai\ndòng", "2025-06", 1234567.125, date(2025, 12, 31), AT, "@SUM(1)", -7),
    ("'nháy", "1/2", 1e-07, None, None, "-2+3", 10**12),
]  # fmt: skip


class Sheet(Told):
    """An answer with a cell of every sort."""

    columns = ("name", "code", "value", "day", "at", "trap", "count")

    def stream(self) -> Any:
        return iter(ROWS)


def opened(folder: Path, files: dict[str, bytes], how: str = "") -> dict[str, list[list[Any]]]:
    """The cells that LibreOffice makes of files: it saves them as workbooks, which we read."""
    assert shutil.which("soffice"), "make test installs libreoffice-calc-nogui"
    for name, data in files.items():
        (folder / name).write_bytes(data)
    out = folder / "opened"
    command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless"]
    command += [f"--infilter={how}"] if how else []
    command += ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(out)]
    given = [str(folder / name) for name in files]
    subprocess.run([*command, *given], check=True, capture_output=True, timeout=100)
    return {
        name: list(
            openpyxl.load_workbook(out / f"{Path(name).stem}.xlsx").worksheets[0].iter_rows()
        )
        for name in files
    }


def guessing(chosen: dialect.Dialect) -> str:
    """The options of a double click: separator, quotes, UTF-8, language, types guessed."""
    language = VIETNAMESE if chosen.decimal == "," else ENGLISH
    mark = ord(chosen.separator)
    return f"Text - txt - csv (StarCalc):{mark},34,{UTF_8},1,,{language},false,true,false"


def csv_of(answer: Told, chosen: dialect.Dialect) -> bytes:
    return b"".join(downloads.csv_bytes(answer, answer.blocks(), dialect=chosen, bom=True))


def formulas(rows: Iterable[Iterable[Any]]) -> list[Any]:
    return [c.value for row in rows for c in row if c.data_type == "f" or c.hyperlink]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_spreadsheet_shows_every_cell_of_a_csv_as_what_it_is(tmp_path, name):
    chosen = dialect_called(name)
    found = opened(tmp_path, {"a.csv": csv_of(Sheet(()), chosen)}, guessing(chosen))["a.csv"]
    assert formulas(found) == []
    assert [cell.value for cell in found[0]] == [*Sheet.columns, *downloads.TAIL]
    for row, cells in zip(ROWS, found[1:], strict=True):
        text, code, number, day, at, trap, count = (cell.value for cell in cells[:7])
        assert original(text) == row[0]
        assert original(trap) == row[5] and cells[5].data_type == "s"
        assert number == row[2] and cells[2].data_type == "n"
        assert count == row[6] and cells[6].data_type == "n"
        if row[3]:
            assert day.date() == row[3]
            assert at == dialect.instant(row[4])
        if chosen.decimal == ",":  # for such a reader codes are guarded
            assert original(code) == row[1] and cells[1].data_type == "s"
    if chosen.decimal == ".":  # this is what a double click does to a code, and why there is XLSX
        assert found[1][1].value == 450


def test_a_spreadsheet_shows_every_cell_of_a_workbook_as_what_it_is(tmp_path):
    told = Sheet(())
    data = b"".join(
        workbook.xlsx_bytes(
            told.columns,
            told.stream(),
            sheet="Số liệu",
            tail=lambda: downloads.tail(told, True),
            about=lambda: [("address", "Địa chỉ", "=1+1")],
        )
    )
    found = opened(tmp_path, {"a.xlsx": data})["a.xlsx"]
    assert formulas(found) == []
    for row, cells in zip(ROWS, found[1:], strict=True):
        text, code, number, day, at, trap, count = (cell.value for cell in cells[:7])
        assert (text, code, trap) == (row[0], row[1], row[5])
        assert {cells[i].data_type for i in (0, 1, 5)} == {"s"}
        assert (number, count) == (pytest.approx(row[2], rel=1e-12), row[6])
        if row[3]:
            assert day.date() == row[3] and cells[3].is_date
            local = (row[4] + timedelta(hours=7)).replace(tzinfo=None)
            assert at == local and cells[4].is_date


def test_of_a_thousand_hostile_texts_a_spreadsheet_calculates_none(tmp_path):
    asked = {}
    for name in ("Excel VN", "semicolon", "plain", "tab"):
        chosen = dialect_called(name)
        file = f"{name.replace(' ', '')}.csv"
        asked |= opened(tmp_path, {file: csv_of(Told(HOSTILE), chosen)}, guessing(chosen))
    asked |= opened(tmp_path, {"book.xlsx": workbook_of(HOSTILE)})
    for name, rows in asked.items():
        assert formulas(rows) == [], name
        numbers = [row[1].value for row in rows[1:]]
        assert numbers == [n / 4 for n in range(len(HOSTILE))], name  # no text broke a row
    guessed = [row[0] for row in asked["ExcelVN.csv"][1:]]
    assert {cell.data_type for cell in guessed if cell.value is not None} == {"s"}


def test_a_csv_that_is_not_guarded_is_calculated_so_that_this_test_can_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(inert, "RISKY", ("\x00",))
    chosen = dialect_called("semicolon")
    found = opened(tmp_path, {"a.csv": csv_of(Sheet(()), chosen)}, guessing(chosen))["a.csv"]
    assert formulas(found)


@pytest.mark.parametrize("question", ["values", "standings", "org-units"])
def test_an_export_opens_in_a_vietnamese_spreadsheet_with_the_figures_of_the_page(
    get, tmp_path, question
):
    asked = f"/api/v1/{question}.{{}}?{test_downloads.CSVS[question]}&download=1"
    first = get(asked.format("csv"))
    rows = parsed(first.data)
    here = get(asked.format("csv") + "&decimal=comma").data
    book = get(asked.format("xlsx")).data
    chosen = dialect_called("Excel VN")
    found = opened(tmp_path, {"a.csv": here}, guessing(chosen))
    found |= opened(tmp_path, {"b.xlsx": book})
    for name, cells in found.items():
        head = [cell.value for cell in cells[0]]
        assert head == list(rows[0])
        for row, line in zip(rows, cells[1:], strict=True):
            for column, cell in zip(head, line, strict=True):
                if column in (
                    "as_of",
                    "known_at",
                    "data_as_of",
                    "polled_at",
                    "late_at",
                    "stale_at",
                ):
                    continue  # of another seal
                if cell.data_type == "n" and cell.value is not None:
                    assert cell.value == pytest.approx(float(row[column]), rel=1e-12), column
                elif cell.data_type == "d":
                    assert cell.value.date().isoformat() == row[column], (name, column)
                else:
                    assert original(cell.value or "") == original(row[column])
    codes = [cell.value for cell in found["b.xlsx"][1] if cell.column_letter == "B"]
    assert codes and all(isinstance(code, str) for code in codes)
    assert io.BytesIO(book).read(2) == b"PK"

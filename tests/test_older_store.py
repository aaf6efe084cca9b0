"""A program beside a store of another schema says so in one line, and reads nothing of it."""

from pathlib import Path

import pytest

import app as program
from ioc.settings import Settings
from kpi import backup, migrate
from tests.test_backup import machine, migrate_to


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine whose store an older release left."""
    chosen = machine(tmp_path / "home")
    monkeypatch.setenv("IOC_DATA", str(chosen.data))
    monkeypatch.setenv("IOC_DATABASE_URL", chosen.database_url)
    path = chosen.sqlite_path
    assert path is not None
    with backup.opened(path) as (_, writer):
        migrate_to(writer, "0007")
    return chosen


@pytest.mark.parametrize(
    "words",
    [
        "export standings",
        "export-all {}/out",
        "export-all {}/out --public",
        "rebuild --check",
        "config list",
        "audit verify",
    ],
)
def test_a_command_says_in_one_line_that_the_store_is_of_another_schema(
    older, tmp_path, capsys, words
):
    assert program.main(words.format(tmp_path).split()) == program.REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kho ở lược đồ 0007, chương trình cần {migrate.head()}: ")
    assert "ioc poll" in line and not (tmp_path / "out").exists()


def test_a_store_that_was_never_filled_is_told_so(older, capsys):
    older.sqlite_path.unlink()
    assert program.main(["export", "standings"]) == program.REFUSED
    assert capsys.readouterr().err.startswith("kho chưa có lược đồ, chương trình cần")


def test_the_doctor_of_a_newer_release_names_the_schema_and_its_backup_is_whole(
    older, tmp_path, capsys
):
    assert program.main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert f"lược đồ: 0007, chương trình cần {migrate.head()}" in told
    assert program.main(["backup", str(tmp_path / "a.tar.gz")]) == 0

"""Every version of the configuration in force is kept, and an older one can be put back."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import app as program
from ioc.errors import ConfigError, IocError
from ioc.principal import Principal
from kpi import audit, configversions
from kpi.configversions import INDICATORS, TARGETS

ADMIN = Principal.local_admin()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A deployment's folder with one file."""
    made = tmp_path / "config"
    made.mkdir()
    (made / "sources.yaml").write_text("staff:\n", encoding="utf-8")
    return made


def no_faults(_folder: Path) -> None: ...


def test_a_file_is_kept_when_it_changes_and_only_then(store, folder, now):
    first = configversions.record(store, folder, now=now)
    assert first == [INDICATORS, TARGETS, "sources.yaml"]
    assert configversions.record(store, folder, now=now) == []
    (folder / "sources.yaml").write_text("telecom:\n", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89")
    assert configversions.record(store, folder, by="mai", now=now) == ["sources.yaml"]
    newest, older = configversions.versions(store, "sources.yaml")
    assert (newest.body, newest.by, newest.at) == ("telecom:\n", "mai", now)
    assert older.body == "staff:\n" and older.hash != newest.hash
    entries = audit.entries(store, ADMIN, kind="config")
    assert [(e.who, e.what, e.detail["hash"]) for e in entries] == [
        ("mai", "sources.yaml", newest.hash), ("chương trình", "sources.yaml", older.hash),
    ]  # fmt: skip


def test_a_file_that_is_gone_is_a_version_too(sqlite_store, folder, now):
    configversions.record(sqlite_store, folder, now=now)
    (folder / "sources.yaml").unlink()
    assert configversions.record(sqlite_store, folder, now=now) == ["sources.yaml"]
    newest = configversions.versions(sqlite_store, "sources.yaml")[0]
    assert (newest.hash, newest.note) == ("", configversions.GONE)
    assert configversions.record(sqlite_store, folder, now=now) == []


def test_a_target_or_definition_that_changes_stands_in_the_audit_by_its_name(store, now):
    configversions.record(store, None, now=now)
    assert [e.detail["act"] for e in audit.entries(store, ADMIN, kind="target")] == ["first"]
    targets = store.catalogue.targets
    changed = replace(targets["T02b"], threshold=55.0)
    kept = store.catalogue
    store.catalogue = replace(kept, targets={**targets, "T02b": changed})
    assert configversions.record(store, None, now=now) == [TARGETS]
    entry = audit.entries(store, ADMIN, kind="target")[0]
    assert (entry.what, entry.detail["act"]) == ("T02b", "changed")
    few = {id: one for id, one in kept.indicators.items() if id != "I02b"}
    store.catalogue = replace(kept, indicators=few)
    configversions.record(store, None, now=now)
    found = audit.entries(store, ADMIN, kind="definition")[0]
    assert (found.what, found.detail["act"]) == ("I02b", "removed")


def test_an_older_body_is_put_back_and_that_is_a_version_of_its_own(store, folder, now):
    configversions.record(store, folder, now=now)
    older = configversions.versions(store, "sources.yaml")[0]
    (folder / "sources.yaml").write_text("telecom:\n", encoding="utf-8")
    configversions.record(store, folder, now=now)
    seen: list[str] = []

    def validate(trial: Path) -> None:
        seen.append((trial / "sources.yaml").read_text())

    configversions.roll_back(store, folder, older.number, by=ADMIN, validate=validate, now=now)
    assert seen == ["staff:\n"] and (folder / "sources.yaml").read_text() == "staff:\n"
    newest = configversions.versions(store, "sources.yaml")[0]
    assert newest.note == f"quay lại phiên bản số {older.number}"
    assert audit.entries(store, ADMIN, kind="config")[0].who == ADMIN.name
    assert [path.name for path in folder.iterdir()] == ["sources.yaml"], "nothing is left behind"


def test_what_would_not_load_is_not_put_back(sqlite_store, folder, now):
    configversions.record(sqlite_store, folder, now=now)
    number = configversions.versions(sqlite_store, "sources.yaml")[0].number
    (folder / "sources.yaml").write_text("telecom:\n", encoding="utf-8")

    def refuse(_folder: Path) -> None:
        raise ConfigError([])

    with pytest.raises(ConfigError):
        configversions.roll_back(sqlite_store, folder, number, by=ADMIN, validate=refuse, now=now)
    assert (folder / "sources.yaml").read_text() == "telecom:\n"


def test_only_a_file_of_the_folder_is_put_back(sqlite_store, folder, now):
    configversions.record(sqlite_store, folder, now=now)
    catalogue = configversions.versions(sqlite_store, TARGETS)[0].number
    given: dict[str, Any] = {"by": ADMIN, "validate": no_faults}
    for where, number in ((folder, catalogue), (folder, 99), (None, 1)):
        with pytest.raises(IocError):
            configversions.roll_back(sqlite_store, where, number, **given)
    with sqlite_store.write() as connection:
        outside = configversions._keep(connection, "../x.yaml", "a: 1\n", "ai", now, "")
    with pytest.raises(IocError, match="nằm ngoài"):
        configversions.roll_back(sqlite_store, folder, outside, **given)
    assert not os.path.lexists(folder.parent / "x.yaml")


def test_the_command_keeps_lists_shows_and_puts_back(
    sqlite_store, folder, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("IOC_DATABASE_URL", sqlite_store.url)
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    monkeypatch.setenv("IOC_CONFIG", str(folder))
    assert program.main(["check"]) == 0
    (folder / "sources.yaml").write_text("telecom:\n", encoding="utf-8")
    assert program.main(["check"]) == 0
    newest, older = configversions.versions(sqlite_store, "sources.yaml")
    capsys.readouterr()
    assert program.main(["config", "list"]) == 0
    assert capsys.readouterr().out.count("sources.yaml") == 2
    assert program.main(["config", "show", str(older.number)]) == 0
    assert capsys.readouterr().out == "staff:\n"
    assert program.main(["config", "rollback", str(older.number)]) == 0
    assert (folder / "sources.yaml").read_text() == "staff:\n"
    (folder / "sources.yaml").write_text("staff: {kind: [}\n", encoding="utf-8")
    assert program.main(["check"]) == 2
    kept = configversions.versions(sqlite_store, "sources.yaml")
    assert len(kept) == 3 and newest in kept, "what does not load is not kept"
    assert program.main(["config", "rollback"]) == 2

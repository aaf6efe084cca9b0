"""Backup and restore: the copy is one instant, proves itself, and answers as the original did."""

import gzip
import json
import random
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ioc.errors import IocError
from ioc.settings import Settings
from kpi import archive, audit, backup, belongings, evidence, migrate, schema
from kpi.store import KpiStore, open_store
from layouts.web.exports import stream
from tests.worlds import DOSSIERS, STAFF, World, dossier, dossiers, rows, share

pytest_plugins = ["tests.worlds"]
KEY = b"k" * 64
QUESTIONS = (
    ("standings", {}),
    ("values", {"indicator": "I02b", "from": "2026-09", "to": "2026-11"}),
    ("org-units", {"on": "2026-01-01"}),
    ("runs", {}),
)


@pytest.fixture
def lived(world: World) -> World:
    """A world with a past: records that changed, readings, a seal between them."""
    world.live().forward(minutes=5)
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-09", 8, 10))
    world.forward(minutes=5)
    world.seal()
    world.forward(minutes=5)
    world.poll(
        DOSSIERS, [dossier("STP-2026-10-05-5", "STP", "2026-10-05 08:00", "2026-10-06 09:00")]
    )
    world.forward(hours=1)
    return world


@pytest.fixture
def here(lived: World, tmp_path: Path) -> Settings:
    """The settings of the machine that is backed up."""
    return machine(tmp_path / "here", lived.store.url)


def machine(folder: Path, url: str = "", key: bytes = KEY) -> Settings:
    """Settings of a machine with a data folder and, as a rule, the key of record keys."""
    folder.mkdir()
    if key:
        (folder / "secret.key").write_bytes(key)
    return Settings(data=folder, database_url=url or f"sqlite:///{folder / 'ioc.sqlite'}")


@pytest.fixture
def another(lived: World, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Another machine, with an empty place for the database."""
    url = "" if lived.store.sqlite else request.getfixturevalue("postgres_url")
    return machine(tmp_path / "another", url)


@contextmanager
def opened(settings: Settings, store: KpiStore) -> Iterator[KpiStore]:
    """The store that settings name, with the catalogue of another."""
    found = open_store(settings.database_url, store.catalogue, store.orgunits)
    try:
        yield found
    finally:
        found.close()


def exports(world: World, store: KpiStore) -> list[bytes]:
    """Several questions at instants before and after the seal, as CSV files."""
    instants = [world.now - timedelta(minutes=minutes) for minutes in (1, 63, 68, 90)]
    return [
        b"".join(stream(store, question, given | (
            {} if question in ("org-units", "runs") else {"as_of": at.isoformat()})))
        for question, given in QUESTIONS for at in instants
    ]  # fmt: skip


def saved(store: KpiStore, settings: Settings, to: Path, **how: Any) -> Path:
    """A backup, by its path."""
    return backup.backup(store, settings, to, **how)[0]


def release(world: World) -> None:
    """Leave a database alone: who is connected works with it."""
    world.store.close()


def test_a_restore_on_another_machine_answers_byte_for_byte_as_before(
    lived, here, another, tmp_path
):
    for what in ("một", "hai"):
        audit.write(lived.store, "export", "lan", what, now=lived.now)
    told = audit.verify(lived.store)
    before = exports(lived, lived.store)
    assert len(set(before)) > 4, "the instants must differ, or the test proves nothing"
    file = saved(lived.store, here, tmp_path / "a.tar.gz")
    said = backup.restore(another, file)
    assert "Đã khôi phục" in said[0]
    with opened(another, lived.store) as restored:
        assert exports(lived, restored) == before
        assert audit.verify(restored) == told and told.broken is None
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), restored.write() as connection:
            connection.exec_driver_sql("DELETE FROM audit")
        for table in schema.metadata.tables:
            assert rows(restored, table) == rows(lived.store, table), table
        lived_there = World(restored, lived.now)  # and life goes on
        lived_there.poll(DOSSIERS, dossiers("STP", "2026-11-02", 2, 1))


def test_a_backup_taken_while_polls_write_is_one_instant(lived, here, another, tmp_path):
    """Every poll adds as many dossiers as it says; a torn copy would hold more or fewer."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            batch = [dossier(f"w{number}-{i}", "STP", "2026-11-02 08:00") for i in range(40)]
            lived.poll(DOSSIERS, batch)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            files = [saved(lived.store, here, tmp_path / f"{n}.tar.gz") for n in range(3)]
        finally:
            stop.set()
        writing.result(60)
    release(lived)
    for number, file in enumerate(files):
        backup.restore(another, file, replace=number > 0)
    with opened(another, lived.store) as restored, restored.read() as connection:
        held = connection.scalar(sa.text("SELECT COUNT(*) FROM record WHERE key LIKE 'w%'"))
        counted = connection.scalar(sa.text(
            "SELECT SUM(value) FROM observation WHERE element = 'dossiers_received'"
            " AND superseded_at > 9000000000000000 AND day = :day"), {"day": 20_759})  # fmt: skip
    assert held and held % 40 == 0, held
    assert counted in (None, held)


def test_the_manifest_says_what_is_in_it_and_sha256sum_agrees(lived, here, tmp_path):
    file = saved(lived.store, here, tmp_path / "a.tar.gz")
    assert file.stat().st_mode & 0o077 == 0
    found = archive.read_checked(file)
    assert (found["product"], found["schema"]) == ("ioc-quang-binh", migrate.head())
    assert found["version"] == lived.store.version()
    assert found["rows"]["record"] == 6 and found["rows"]["record_version"] == 1
    assert found["release"] and found["at"] and not found["with_key"]
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=False,
                             capture_output=True, text=True)  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_secret_is_in_a_backup_only_when_asked_for(lived, here, another, tmp_path):
    plain = saved(lived.store, here, tmp_path / "plain.tar.gz")
    assert archive.KEY not in archive.read_checked(plain)["files"]
    with tarfile.open(plain) as tar:
        said = {member.name: tar.extractfile(member).read() for member in tar}
    assert not any(KEY in content for content in said.values())
    full = saved(lived.store, here, tmp_path / "full.tar.gz", with_key=True)
    (another.data / "secret.key").unlink()
    assert any("khóa" in line for line in backup.restore(another, full))
    assert (another.data / "secret.key").read_bytes() == KEY
    assert (another.data / "secret.key").stat().st_mode & 0o077 == 0


def refused(settings: Settings, file: Path, sentence: str, **how: Any) -> None:
    """A restore is refused with a sentence, and leaves the place as it was."""
    path = settings.sqlite_path
    before = path.read_bytes() if path and path.exists() else b""
    names = sorted(entry.name for entry in settings.data.iterdir())
    with pytest.raises(IocError) as error:
        backup.restore(settings, file, **how)
    assert sentence in str(error.value), error.value
    assert sorted(entry.name for entry in settings.data.iterdir()) == names
    assert (path.read_bytes() if path and path.exists() else b"") == before


def test_another_key_or_none_is_refused_for_it_would_double_every_record(
    lived, here, another, tmp_path
):
    file = saved(lived.store, here, tmp_path / "a.tar.gz")
    (another.data / "secret.key").write_bytes(b"o" * 64)
    refused(another, file, "đếm hai lần")
    (another.data / "secret.key").unlink()
    refused(another, file, "đếm hai lần")


def test_no_byte_of_an_archive_can_change_without_being_noticed(sqlite_world, tmp_path):
    world, there = sqlite_world.live(), machine(tmp_path / "there")
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    home = machine(tmp_path / "home", world.store.url)
    file = saved(world.store, home, tmp_path / "a.tar.gz")
    whole = file.read_bytes()
    chance = random.Random(450)
    for place in (chance.randrange(40, len(whole)) for _ in range(60)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        if not says_the_same(file, whole):
            refused(there, file, "")
    for end in (0, 100, len(whole) // 2, len(whole) - 600):
        file.write_bytes(whole[:end])
        refused(there, file, "")


def says_the_same(file: Path, whole: bytes) -> bool:
    """A bit of a compressed stream may be one that nothing is decoded from."""
    try:
        return gzip.decompress(file.read_bytes()) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


def rewritten(file: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other contents and right sums: what a mistaken or hostile hand can make."""
    with tarfile.open(file) as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar}
    del held[archive.SUMS]
    change(held)
    manifest = json.loads(held.pop(archive.MANIFEST))
    folder = to.with_suffix(".d")
    folder.mkdir()
    files = {}
    for number, (name, content) in enumerate(held.items()):
        (folder / str(number)).write_bytes(content)
        files[name] = folder / str(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "read_checked", lambda _path: {})
        archive.pack(to, manifest, files)
    return to


def test_other_archives_are_refused_whatever_their_sums_say(sqlite_world, tmp_path):
    world, there = sqlite_world.live(), machine(tmp_path / "there")
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    file = saved(world.store, machine(tmp_path / "home", world.store.url), tmp_path / "a.tar.gz")

    def said(**changes: Any) -> Callable[[dict[str, bytes]], None]:
        def change(held: dict[str, bytes]) -> None:
            held[archive.MANIFEST] = json.dumps(
                json.loads(held[archive.MANIFEST]) | changes
            ).encode()

        return change

    def outside(held: dict[str, bytes]) -> None:
        held["../outside"] = b"x"

    def altered(held: dict[str, bytes]) -> None:
        held["database.sqlite"] = held["database.sqlite"].replace(b"electronic", b"electronix")

    def broken(held: dict[str, bytes]) -> None:
        content = bytearray(held["database.sqlite"])
        content[8192:12288] = b"\xa5" * 4096
        held["database.sqlite"] = bytes(content)

    cases: list[tuple[Callable[[dict[str, bytes]], None], str]] = [
        (said(product="another"), "không phải bản sao lưu"),
        (said(schema="9999"), "mới hơn chương trình"),
        (said(kind="postgresql"), "của postgresql"),
        (said(version=7), "không khớp bản kê"),
        (outside, "không phải bản sao lưu"),
        (altered, "mã băm"),
        (broken, "hỏng"),
    ]
    for number, (change, sentence) in enumerate(cases):
        refused(there, rewritten(file, tmp_path / f"{number}.tar.gz", change), sentence)
    (tmp_path / "text").write_text("không phải tar")
    refused(there, tmp_path / "text", "không phải bản sao lưu")
    refused(there, tmp_path / "nowhere", "No such file")
    backup.restore(there, file)


def test_what_is_there_is_replaced_only_when_said_and_kept_even_then(
    lived, here, another, tmp_path
):
    file = saved(lived.store, here, tmp_path / "a.tar.gz")
    backup.restore(another, file)
    with opened(another, lived.store) as restored:
        World(restored, lived.now).poll(DOSSIERS, dossiers("STP", "2026-11-02", 2, 1))
    refused(another, file, "--replace")
    said = backup.restore(another, file, replace=True)
    assert "được giữ" in said[1]
    with opened(another, lived.store) as restored:
        assert rows(restored, "record") == rows(lived.store, "record")
    if another.sqlite_path:
        kept = next(another.data.glob("ioc.sqlite.replaced-*"))
        aside = Settings(data=another.data, database_url=f"sqlite:///{kept}")
        with opened(aside, lived.store) as old:
            assert len(rows(old, "record")) == 8


def test_a_database_that_somebody_works_with_is_not_replaced(lived, here, another, tmp_path):
    file = saved(lived.store, here, tmp_path / "a.tar.gz")
    backup.restore(another, file)
    with opened(another, lived.store) as running:
        assert running.version()
        with pytest.raises(IocError, match="đang được dùng"):
            backup.restore(another, file, replace=True)
        assert rows(running, "record") == rows(lived.store, "record")
    backup.restore(another, file, replace=True)


def test_a_backup_of_an_older_schema_is_brought_to_todays(tmp_path, catalogue, orgunits):
    old = machine(tmp_path / "old")
    assert old.sqlite_path
    with backup.opened(old.sqlite_path) as (_, writer):
        migrate_to(writer, "0001")
    store = KpiStore(old.database_url, catalogue, orgunits)
    file = saved(store, old, tmp_path / "a.tar.gz")
    store.close()
    assert archive.read_checked(file)["schema"] == "0001"
    new = machine(tmp_path / "new")
    backup.restore(new, file)
    with opened(new, store) as restored, restored.read() as connection:
        assert migrate.revision(connection) == migrate.head()


def migrate_to(writer: sa.Engine, revision: str) -> None:
    """A database as an older release left it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_configuration_travels_and_overwrites_nothing(sqlite_world, tmp_path):
    folder = tmp_path / "config"
    (folder / "indicators").mkdir(parents=True)
    (folder / "sources.yaml").write_text("staff: {sample: false}\n")
    (folder / "indicators" / "own.yaml").write_text("name: Riêng\n")
    (folder / "notes.txt").write_text("không thuộc cấu hình")
    home = machine(tmp_path / "home", sqlite_world.store.url)
    home = Settings(data=home.data, database_url=home.database_url, config=folder)
    file = saved(sqlite_world.store, home, tmp_path / "a.tar.gz")
    there = machine(tmp_path / "there")
    said = backup.restore(there, file)
    restored = there.data / "config.restored"
    assert any(str(restored) in line for line in said)
    found = sorted(str(path.relative_to(restored)) for path in restored.rglob("*.*"))
    assert found == ["indicators/own.yaml", "sources.yaml"]
    assert (restored / "sources.yaml").read_text() == "staff: {sample: false}\n"


def test_a_folder_keeps_the_newest_backups_only_and_the_last_is_remembered(
    sqlite_world, tmp_path, monkeypatch
):
    home, folder = machine(tmp_path / "home", sqlite_world.store.url), tmp_path / "kept"
    folder.mkdir()
    (folder / "ours.txt").write_text("không phải bản sao lưu")
    assert belongings.last_backup(home) is None
    made = []
    for hour in range(4):
        at = sqlite_world.now + timedelta(hours=hour)
        monkeypatch.setattr(backup, "right_now", lambda at=at: at)
        made.append(saved(sqlite_world.store, home, folder, keep=2).name)
    assert sorted(path.name for path in folder.iterdir()) == [*made[2:], "ours.txt"]
    last = belongings.last_backup(home)
    assert last and last["at"] == at and last["file"] == str(folder / made[-1])


def test_a_record_that_was_altered_in_the_database_is_not_backed_up_as_if_it_were_right(
    lived, here, tmp_path
):
    with lived.store.write() as connection:
        connection.execute(
            sa.text("UPDATE record SET state = 'tampered' WHERE key = 'STP-2026-10-05-3'")
        )
    with pytest.raises(IocError, match="mã băm"):
        saved(lived.store, here, tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()
    with lived.store.read() as connection:
        assert list(evidence.altered(connection)) == ["public_services/STP-2026-10-05-3 (bản 1)"]


def test_without_postgresqls_programs_the_sentence_names_the_package(
    postgresql_world, tmp_path, monkeypatch
):
    monkeypatch.setattr("kpi.pgtools.DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    home = machine(tmp_path / "home", postgresql_world.store.url)
    with pytest.raises(IocError, match="postgresql-client"):
        saved(postgresql_world.store, home, tmp_path / "a.tar.gz")


# --- upgrade and rollback ------------------------------------------------------------------------

MIGRATE = """
import os, sys
from alembic import op
from kpi import migrate
from kpi.store import engines
kept = op.add_column
def die(*given, **named):
    kept(*given, **named)
    os.kill(os.getpid(), 9)
op.add_column = die
migrate.upgrade(engines(sys.argv[1])[1])
"""


def test_a_migration_killed_half_way_leaves_the_old_schema_and_the_next_start_finishes_it(
    database_url, catalogue, orgunits
):
    store = KpiStore(database_url, catalogue, orgunits)
    migrate_to(store.writer, "0001")
    store.close()
    killed = subprocess.run([sys.executable, "-c", MIGRATE, database_url], check=False, timeout=60)
    assert killed.returncode == -9
    with store.writer.begin() as connection:
        assert migrate.revision(connection) == "0001"
        tables = set(sa.inspect(connection).get_table_names())
    assert not {"lease", "map_layer"} & tables, "half of a migration is left"
    store.close()
    opened_again = open_store(database_url, catalogue, orgunits)
    with opened_again.read() as connection:
        assert migrate.revision(connection) == migrate.head()
    opened_again.close()


def test_a_release_older_than_the_schema_refuses_to_start(store):
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(IocError, match="9999, mới hơn chương trình"):
        open_store(store.url, store.catalogue, store.orgunits)
    with store.write() as connection:
        assert migrate.revision(connection) == "9999"


def test_the_newest_migration_is_the_head_that_alembic_knows():
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert scripts.get_heads() == [migrate.head()]

"""Backup and restore: one consistent copy while polls go on, proved before it is believed.

SQLite is copied by its own backup call, PostgreSQL by ``pg_dump`` from one exported snapshot. A
restore builds the new database beside the old one, proves it, brings it to today's schema, and
switches in one step (a rename, or one transaction).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.settings import Settings
from kpi import archive, belongings, evidence, migrate, pgtools
from kpi.store import KpiStore, engines

NAMED = "ioc-{:%Y%m%dT%H%M%SZ}.tar.gz"


def backup(
    store: KpiStore, settings: Settings, target: Path, *, with_key: bool = False, keep: int = 0
) -> tuple[Path, dict[str, Any]]:
    """Write a backup and prove it; where it is and its manifest.

    ``target`` may be a folder: then the file is named by its time and only the newest ``keep``
    of such files stay (0: all). ``with_key`` puts the key of record keys into the archive.

    Raises:
        IocError: it could not be written or did not prove; nothing is left behind.
    """
    now = right_now()
    file = target / NAMED.format(now) if target.is_dir() else target
    if file.exists():
        raise IocError(f"{file} đã có; hãy chọn tên khác")
    key = belongings.key_file(settings)
    if with_key and not key.is_file():
        raise IocError(f"không có tệp khóa {key} để đưa vào bản sao lưu")
    try:
        with tempfile.TemporaryDirectory(prefix=".ioc-", dir=file.parent) as folder:
            copy = Path(folder) / archive.DATABASES[not store.sqlite]
            manifest = belongings.manifest(settings, now, with_key) | _copy(store, copy)
            files = {copy.name: copy, **belongings.configuration(settings)}
            archive.pack(file, manifest, files | ({archive.KEY: key} if with_key else {}))
    except OSError as error:
        raise IocError(f"không ghi được bản sao lưu: {error.strerror or error}") from error
    belongings.remember(settings, file, now)
    for old in sorted(target.glob("ioc-*T*Z.tar.gz"))[:-keep] if keep and target.is_dir() else ():
        old.unlink()
    return file, manifest


def _copy(store: KpiStore, copy: Path) -> dict[str, Any]:
    """Copy the database as of one instant; what the copy holds, proved."""
    if not store.sqlite:
        with store.read() as connection:
            snapshot = connection.scalar(sa.text("SELECT pg_export_snapshot()"))
            pgtools.dump(store.url, copy, str(snapshot))
            return evidence.proved(connection)
    driver: Any = store.reader.dialect.loaded_dbapi
    source: Any = store.reader.raw_connection()
    made = driver.connect(str(copy))
    try:
        source.driver_connection.backup(made)
        made.execute("PRAGMA journal_mode = DELETE")
    except driver.Error as error:
        raise IocError(f"không sao được kho số liệu: {error}") from error
    finally:
        made.close()
        source.close()
    return _proved_file(copy)


def restore(settings: Settings, file: Path, *, replace: bool = False) -> list[str]:
    """Put a backup in the place that the settings name; what was done, sentence by sentence.

    Raises:
        IocError: the archive is damaged, not ours or of a newer release; there is a database
            already (without ``replace``) or somebody works with it; the key is another one.
            Nothing was changed then.
    """
    found = archive.read_checked(file)
    migrate.refuse_newer(found["schema"], f"bản sao lưu {file}")
    kind = "sqlite" if settings.sqlite_path else "postgresql"
    if found["kind"] != kind:
        raise IocError(f"bản sao lưu là của {found['kind']}, còn IOC_DATABASE_URL là {kind}")
    belongings.check_key(settings, found)
    if settings.sqlite_path:
        said = _restore_sqlite(settings.sqlite_path, file, found, replace)
    else:
        said = pgtools.restore(settings.database_url, file, found, replace=replace)
    return [*said, *belongings.restore(settings, file, found)]


def _restore_sqlite(path: Path, file: Path, found: dict[str, Any], replace: bool) -> list[str]:
    if path.exists() and path.stat().st_size and not replace:
        raise IocError(f"đã có kho số liệu {path}; thêm --replace để thay (bản cũ được giữ lại)")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ioc-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        archive.extract(file, archive.DATABASES[0], new)
        evidence.refuse_difference(_proved_file(new), found)
        with opened(new) as (_, writer):
            migrate.upgrade(writer)
        _settle(new)
        kept = _set_aside(path) if path.exists() else None
        new.replace(path)
        archive.sync_folder(path.parent)
    said = f"Đã khôi phục {path}: {sum(found['rows'].values())} dòng, dữ liệu lúc {found['at']}."
    return [said, *([f"Kho cũ được giữ ở {kept}."] if kept else [])]


def _set_aside(path: Path) -> Path:
    """Keep the database that is replaced; refused while anybody has it open."""
    try:
        _settle(path)  # needs to be alone, and takes the write-ahead log into the file
    except IocError as error:
        if "locked" in str(error):
            raise IocError(
                f"{path} đang được dùng: hãy dừng ioc (systemctl stop ioc) rồi làm lại"
            ) from error
    kept = path.with_name(f"{path.name}.replaced-{right_now():%Y%m%dT%H%M%S%f}")
    for end in ("-wal", "-shm"):  # only a damaged one still has them
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(kept.with_name(kept.name + end))
    kept.hardlink_to(path)
    return kept


def _proved_file(path: Path) -> dict[str, Any]:
    """``proved`` for an SQLite file, its pages included; leaves one plain file."""
    try:
        with opened(path) as (reader, _), reader.connect() as connection, connection.begin():
            wrong = connection.scalar(sa.text("PRAGMA integrity_check(1)"))
            if wrong != "ok":
                raise IocError(f"cơ sở dữ liệu trong bản sao lưu hỏng: {wrong}")
            found = evidence.proved(connection)
    except sa.exc.DBAPIError as error:
        raise IocError(f"cơ sở dữ liệu trong bản sao lưu hỏng: {error.orig}") from error
    _settle(path)
    return found


@contextmanager
def opened(path: Path) -> Iterator[tuple[sa.Engine, sa.Engine]]:
    """Reader and writer of an SQLite file, returned at the end."""
    pair = engines(f"sqlite:///{path}")
    try:
        yield pair
    finally:
        for one in pair:
            one.dispose()


def _settle(path: Path) -> None:
    """Take the write-ahead log into the file; fails while anybody else has it open."""
    with opened(path) as (_, writer):
        driver: Any = writer.dialect.loaded_dbapi
        raw = driver.connect(str(path), timeout=2)
        try:
            raw.execute("PRAGMA journal_mode = DELETE").fetchall()
        except driver.Error as error:
            raise IocError(str(error)) from error
        finally:
            raw.close()

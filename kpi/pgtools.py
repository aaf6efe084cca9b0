"""PostgreSQL's own programs for backup and restore: ``pg_dump``, ``pg_restore``, ``psql``."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from ioc.clock import right_now
from ioc.errors import IocError
from kpi import archive, evidence, migrate
from kpi.store import engines

DEBIAN = Path("/usr/lib/postgresql")
_PLAIN = ("--no-owner", "--no-privileges")


def dump(url: str, target: Path, snapshot: str) -> None:
    """Dump the database as one exported snapshot sees it, in PostgreSQL's custom format."""
    _run(url, "pg_dump", "--format=custom", *_PLAIN, f"--snapshot={snapshot}", f"--file={target}")


def restore(url: str, file: Path, found: dict[str, Any], *, replace: bool) -> list[str]:
    """Load a dump in one transaction, prove it, bring it to today's schema.

    What was there before waits in a schema of its own, and comes back when anything fails.
    """
    reader, writer = engines(url)
    kept = f"replaced_{right_now():%Y%m%dt%H%M%S%f}"
    try:
        with writer.begin() as connection:
            held = sa.inspect(connection).has_table("boundary")
        if held and not replace:
            raise IocError("cơ sở dữ liệu đã có số liệu; thêm --replace để thay (kho cũ được giữ)")
        _refuse_company(writer)
        _load(url, file, f"ALTER SCHEMA public RENAME TO {kept}; CREATE SCHEMA public")
        writer.dispose()  # its temporary tables and plans are of the old tables
        try:
            with reader.connect() as connection, connection.begin():
                evidence.refuse_difference(evidence.proved(connection), found)
            migrate.upgrade(writer)
        except (IocError, sa.exc.SQLAlchemyError):
            _swap(writer, f"DROP SCHEMA public CASCADE; ALTER SCHEMA {kept} RENAME TO public")
            raise
        if not held:
            _swap(writer, f"DROP SCHEMA {kept} CASCADE")
    finally:
        reader.dispose()
        writer.dispose()
    rows = sum(found["rows"].values())
    said = f"Đã khôi phục PostgreSQL: {rows} dòng, dữ liệu lúc {found['at']}."
    return [said, *([f"Kho cũ được giữ trong schema {kept}."] if held else [])]


def _refuse_company(writer: Engine, seconds: float = 3.0) -> None:
    """Raise while others are connected; the server needs a moment to see that one has gone."""
    until = time.monotonic() + seconds
    while True:
        with writer.begin() as connection:
            others = connection.scalar(
                sa.text(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            )
        if not others:
            return
        if time.monotonic() > until:
            raise IocError(
                f"cơ sở dữ liệu đang được dùng ({others} kết nối): hãy dừng ioc"
                " (systemctl stop ioc) rồi làm lại"
            )
        time.sleep(0.1)


def _load(url: str, file: Path, first: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ioc-") as folder:
        dumped, script = Path(folder) / "dump", Path(folder) / "script.sql"
        archive.extract(file, archive.DATABASES[1], dumped)
        _run(url, "pg_restore", *_PLAIN, f"--file={script}", str(dumped), connects=False)
        once = ("--single-transaction", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1")
        _run(url, "psql", *once, f"--command={first}", f"--file={script}")


def _swap(writer: Engine, statements: str) -> None:
    with writer.begin() as connection:
        connection.exec_driver_sql(statements)


def _program(name: str) -> str:
    """A program by its name: on the path, else the newest of Debian's folders."""
    debian = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: path.parts[-3].zfill(4))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        raise IocError(f"chưa có {name}: hãy cài gói postgresql-client cùng phiên bản máy chủ")
    return found


def _run(url: str, name: str, *words: str, connects: bool = True) -> None:
    """Run one of the programs; its password goes by the environment, never on the command line."""
    address = sa.make_url(url).set(drivername="postgresql")
    env = dict(os.environ) | ({"PGPASSWORD": address.password} if address.password else {})
    plain = address.set(password=None).render_as_string()
    where = [f"--dbname={plain}"] if connects else []
    done = subprocess.run(
        [_program(name), *where, *words], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["không rõ lý do"])[0]
        raise IocError(f"{name} không chạy được: {said}")

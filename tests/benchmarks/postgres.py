"""A private PostgreSQL for one run, with the settings that a careful administrator keeps."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from kpi import schema
from kpi.store import KpiStore, open_store
from tests.benchmarks.serving import free_port, process

ROWS = 5_000


@contextmanager
def server() -> Iterator[str | None]:
    """Its base address; None where the server's programs are not installed."""
    programs = _programs()
    if programs is None:
        yield None
        return
    user, port = _user(), free_port()
    home = Path(tempfile.mkdtemp(prefix="ioc-bench-postgres-"))
    if user:
        os.chown(home, user["user"], user["group"])
    data = home / "data"
    create = f"{programs}/initdb -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync -D {data}"
    subprocess.run(create.split(), check=True, capture_output=True, cwd=home, **user)
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=256MB"]
    settings += ["log_min_messages=panic", "max_wal_size=2GB"]
    command = [f"{programs}/postgres", "-D", str(data), "-p", str(port)]
    command += [part for setting in settings for part in ("-c", setting)]
    try:
        with process(command, port, {}, cwd=home, **user):
            base = f"postgresql://postgres@127.0.0.1:{port}"
            with _connected(f"{base}/postgres") as connection:
                for name in ("bench_all", "bench_additive"):
                    connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            yield base
    finally:
        shutil.rmtree(home, ignore_errors=True)


def copied(store: KpiStore, url: str) -> KpiStore:
    """The same store on PostgreSQL, table by table, with the statistics of its planner."""
    made = open_store(url, store.catalogue, store.orgunits)
    with store.read() as source, made.write() as target:
        for table in schema.metadata.sorted_tables:
            if table.name.startswith("audit"):  # nothing is ever taken from it
                continue
            target.execute(sa.delete(table))
            names = [column.name for column in table.columns]
            found = source.execute(sa.select(table), execution_options={"yield_per": ROWS})
            for rows in found.partitions(ROWS):
                made.load(target, table.name, [f'"{name}"' for name in names], rows)
    with made.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    return made


def _connected(address: str) -> psycopg.Connection:
    """It listens before it is ready to answer."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    on_path = shutil.which("initdb")
    folders = [*([Path(on_path).parent] if on_path else []), *reversed(found)]
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    entry = next(e for name in ("postgres", "nobody") if (e := _entry(name)) is not None)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None

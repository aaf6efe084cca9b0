"""What every test may ask for: a fixed clock, a store on either database, a browser."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from ioc.period import LOCAL

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from kpi.store import KpiStore

# Time on a shared machine means nothing, so no example is too slow.
hypothesis.settings.register_profile("ioc", deadline=None, print_blob=True)
hypothesis.settings.load_profile("ioc")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium as root, without a screen and without calling home."""

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")
"""PostgreSQL settings for data that may be lost."""


SERVERS = os.environ.get("PATH", "") + ":/usr/sbin"
"""Debian keeps servers where only root looks for programs."""


@pytest.fixture
def now() -> datetime:
    """The fixed clock: a Sunday morning in Quảng Bình."""
    return datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file of its own for this test."""
    return f"sqlite:///{tmp_path / 'kpi.sqlite'}"


def free_port() -> int:
    """A loopback port that nobody holds now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def postgres_programs() -> Path:
    """The folder of ``initdb`` and ``postgres``, the newest where there are several."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name)
    )
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).parent)
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.fail("PostgreSQL's server programs are missing: install the package postgresql")


def other_user() -> dict[str, Any]:
    """Database servers refuse to run as root: then their programs run as somebody else."""
    if os.geteuid() != 0:
        return {}
    import pwd  # absent on Windows, where nobody is root

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.fail("Databases do not run as root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A private PostgreSQL on a free loopback port, gone with the session; its base address."""
    programs, user, port = postgres_programs(), other_user(), free_port()
    # Not under pytest's own folder: that one is closed to other users.
    home = Path(tempfile.mkdtemp(prefix="ioc-postgres-"))
    if user:
        os.chown(home, user["user"], user["group"])
    data, log = home / "data", home / "log"
    create = f"{programs}/initdb -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync -D"
    subprocess.run([*create.split(), data], check=True, capture_output=True, cwd=home, **user)
    settings = [
        *FAST,
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=60",
        "timezone=UTC",
    ]
    command = [programs / "postgres", "-D", data, "-p", str(port)]
    command += [part for setting in settings for part in ("-c", setting)]
    base = f"postgresql://postgres@127.0.0.1:{port}"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=home, **user)
    try:
        wait_for_postgres(server, f"{base}/postgres", log)
        yield base
    finally:
        server.send_signal(2)  # SIGINT: disconnect everybody and stop
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def wait_for_postgres(server: subprocess.Popen, address: str, log: Path) -> None:
    """Return when the server answers; fail with its own words when it does not."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(address, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database of its own for this test."""
    name = f"ioc_{secrets.token_hex(6)}"
    address = f"{postgres_server}/postgres"
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield postgres_server.replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """A private MariaDB on a free loopback port, gone with the session; its base address."""
    programs = [shutil.which(name, path=SERVERS) for name in ("mariadb-install-db", "mariadbd")]
    if None in programs:
        pytest.fail("MariaDB's server programs are missing: install the package mariadb-server")
    user, port = other_user(), free_port()
    home = Path(tempfile.mkdtemp(prefix="ioc-mariadb-"))
    if user:
        os.chown(home, user["user"], user["group"])
    data, log = home / "data", home / "log"
    common = ["--no-defaults", f"--datadir={data}"]
    create = [programs[0], *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(create, check=True, capture_output=True, cwd=home, **user)
    command = [programs[1], *common, f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={home}/socket", f"--pid-file={home}/pid", "--skip-name-resolve"]
    command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=home, **user)
    try:
        wait_for_mariadb(server, port, log)
        yield f"mysql+pymysql://root@127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def wait_for_mariadb(server: subprocess.Popen, port: int, log: Path) -> None:
    """Return when the server answers; fail with its own words when it does not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=2).close()
            return
        except pymysql.err.OperationalError:
            time.sleep(0.1)
    pytest.fail(f"MariaDB did not start:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """A MariaDB database of its own for this test."""
    name = f"ioc_{secrets.token_hex(6)}"
    engine = sa.create_engine(mariadb_server, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield f"{mariadb_server}/{name}"
        connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test on both databases."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture(scope="session")
def catalogue() -> Any:
    """The product's own catalogue."""
    from kpi.catalogue import load_catalogue

    return load_catalogue()


@pytest.fixture(scope="session")
def orgunits() -> Any:
    """The product's own org units."""
    from ioc.orgunits import OrgUnits

    return OrgUnits.load()


@pytest.fixture
def store(database_url: str, catalogue: Any, orgunits: Any) -> Iterator["KpiStore"]:
    """An empty store with the product's catalogue, on either database."""
    from kpi.store import open_store

    opened = open_store(database_url, catalogue, orgunits)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(sqlite_url: str, catalogue: Any, orgunits: Any) -> Iterator["KpiStore"]:
    """An empty store on SQLite only, for what does not depend on the database."""
    from kpi.store import open_store

    opened = open_store(sqlite_url, catalogue, orgunits)
    yield opened
    opened.close()


def chromium_program() -> str:
    """Where the system's Chromium stands."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("Chromium is missing: install the package chromium")
    return program


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The system's Chromium, driven by Playwright; nothing is ever downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def unused_port() -> Callable[[], int]:
    """Ask for loopback ports that nobody holds now."""
    return free_port

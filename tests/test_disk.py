"""What happens to the machine under the store: a full disk, one that is read-only, a torn page."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import app as program
from ioc.errors import IocError
from ioc.orgunits import OrgUnits
from ioc.settings import Settings
from kpi import backup, health
from kpi.store import open_store
from tests.chaos import Chaos
from tests.test_faults import POLL_ONCE
from tests.test_poller import Portal, contents, rows
from tests.worlds import DOSSIERS, World, dossiers

# --- 46: the disk is full ------------------------------------------------------------------------

ROOM = 400_000
"""Bytes that a file may still grow by: the kernel refuses the next one, as a full disk does."""

POLL_FULL = POLL_ONCE.replace(
    "print(poll(",
    f"""
import resource
from connectors import poller
poller.PATIENCE = 1.0
most = max(path.stat().st_size for path in data.iterdir()) + {ROOM}
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(poll(""",
)


def test_a_full_disk_ends_the_poll_cleanly_loses_nothing_and_the_next_one_goes_on(
    tmp_path: Path, catalogue: Any, orgunits: OrgUnits
) -> None:
    portal = Portal(*rows(3000))
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)

    def polled(script: str, name: str) -> tuple[str, str]:
        (tmp_path / name).mkdir(exist_ok=True)
        words = [sys.executable, "-c", script, server.url, str(tmp_path / name), str(key)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    with Chaos(portal) as server:
        assert polled(POLL_ONCE, "calm")[0] == "ok"
        outcome, said = polled(POLL_FULL, "full")
        assert outcome in ("retry", "partial"), outcome
        assert "NV-" not in said, "no row of a source stands in the log"
        store = open_store(f"sqlite:///{tmp_path / 'full' / 'kpi.sqlite'}", catalogue, orgunits)
        with store.read() as connection:
            held = connection.scalar(sa.text("SELECT COUNT(*) FROM record")) or 0
            assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
        assert 0 < held < 3000, held
        assert int(health.watermark(store, "nguon_thu") or 0) == held, (
            "what is acknowledged is there"
        )
        assert polled(POLL_ONCE, "full")[0] == "ok"
        calm = open_store(f"sqlite:///{tmp_path / 'calm' / 'kpi.sqlite'}", catalogue, orgunits)
        assert contents(store) == contents(calm)
        store.close()
        calm.close()


# --- 49: a data folder that cannot be written ----------------------------------------------------


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the product by somebody to whom modes mean something, which root is not."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("IOC_")}
    plain = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*plain, sys.executable, str(program.ROOT / "app.py"), *words], check=False, timeout=100,
        env=env | {"IOC_DATA": str(folder)}, capture_output=True, text=True,
    )  # fmt: skip


def test_a_start_on_a_folder_that_cannot_be_written_is_refused_with_the_reason(tmp_path):
    shared = tmp_path / "data"
    assert start(shared, "rebuild").returncode == 0
    for mode, name in ((0o555, shared), (0o444, shared / "ioc.sqlite")):
        before = name.stat().st_mode & 0o777
        for path in shared.iterdir():
            path.chmod(0o444 if name != shared else 0o644)
        name.chmod(mode)
        refused = start(shared, "rebuild")
        assert refused.returncode == 2, refused.stderr
        assert "Traceback" not in refused.stderr
        assert "không ghi được" in refused.stderr or "không mở được tệp" in refused.stderr
        name.chmod(before)
    closed = shared / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    refused = start(closed / "new", "rebuild")
    assert refused.returncode == 2 and "không tạo được thư mục" in refused.stderr


# --- 50: a page of the database is torn ----------------------------------------------------------


@pytest.mark.parametrize("place", ["first page", "in the middle"])
def test_a_torn_page_is_noticed_at_the_start_and_the_backup_brings_everything_back(
    tmp_path, catalogue, orgunits, now, place
):
    chosen = Settings(data=tmp_path, database_url=f"sqlite:///{tmp_path / 'ioc.sqlite'}")
    store = open_store(chosen.database_url, catalogue, orgunits)
    World(store, now).poll(DOSSIERS, dossiers("STP", "2026-10-05", 300, 3))
    before = contents(store)
    file, _ = backup.backup(store, chosen, tmp_path / "a.tar.gz")
    with store.write() as connection:
        root = connection.scalar(
            sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'record'")
        )
    store.close()
    assert chosen.sqlite_path
    with chosen.sqlite_path.open("r+b") as damaged:
        damaged.seek(0 if place == "first page" else (root - 1) * 4096)
        damaged.write(os.urandom(4096))
    with pytest.raises(IocError, match="ioc restore") as refused:
        open_store(chosen.database_url, catalogue, orgunits)
    assert "hỏng" in str(refused.value)
    backup.restore(chosen, file, replace=True)
    restored = open_store(chosen.database_url, catalogue, orgunits)
    assert contents(restored) == before
    restored.close()

"""W4: files of many rows, as they leave the server, beside the database's own fastest export."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks import measure, serving
from tests.benchmarks.measure import Line

COLUMNS = (
    "source, key, kind, org_unit, place, opened_at, due_at, closed_at, state, category, channel,"
    " quantity, lat, lon, known_at, hash, result, org_unit_done"
)
ORDER = "ORDER BY opened_at DESC, source, key"
BOOK = 100_000
RATIO, FIRST, GROWTH = 1.5, 0.2, 20 << 20


def lines(store: Any, size: str, *, times: int = 3) -> Iterator[Line]:
    """CSV of all records of the store (a million at most), then a workbook of 100,000."""
    path = re.sub(r"^sqlite:///", "", store.url)
    with store.read() as connection:
        held = connection.exec_driver_sql("SELECT COUNT(*) FROM record").scalar()
    rows = min(held, 1_000_000)
    floor = _floor(path, rows)
    with _served(store.url) as port:
        asked = [_take(port, f"/api/v1/records.csv?limit={rows}") for _ in range(times)]
        whole = sorted(asked)[len(asked) // 2]
        said = f"{rows:,} dòng, {size}"
        yield Line("W4 CSV: trọn tệp / xuất của CSDL", said, whole[0], min(floor), RATIO)
        first = min(one[1] for one in asked)
        yield Line("W4 CSV: byte đầu tiên", said, first, 0.0, beside=FIRST)
        grown = max(one[2] for one in asked[1:] or asked)
        verdict = "đạt" if grown <= GROWTH else measure.MISSED
        measure.fact("W4 CSV: bộ nhớ tăng", said, f"{grown / 2**20:.1f} MB (≤ 20) {verdict}")
        book = _take(port, f"/api/v1/records.xlsx?limit={min(rows, BOOK)}")
        told = f"{book[0]:.1f} s, {book[3] / 1e6:.1f} MB, bộ nhớ tăng {book[2] / 2**20:.1f} MB"
        measure.fact("XLSX", f"{min(rows, BOOK):,} dòng", told)


def _floor(path: str, rows: int) -> list[float]:
    """What the database's own programs take for the same rows: its shell, or its driver."""
    sql = f"SELECT {COLUMNS} FROM record {ORDER} LIMIT {rows}"
    found = [measure.seconds(_driver, path, sql) for _ in range(2)]
    if shell := shutil.which("sqlite3"):
        command = [shell, "-readonly", "-csv", path, sql]
        found += [measure.seconds(_shell, command) for _ in range(2)]
    return found


def _shell(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _driver(path: str, sql: str) -> None:
    import csv

    from pysqlite3 import dbapi2

    with tempfile.TemporaryFile("w", newline="") as target:
        csv.writer(target).writerows(dbapi2.connect(path).execute(sql))


def _served(url: str) -> Any:
    env = {"IOC_DATABASE_URL": url, "IOC_DATA": str(Path(url.partition("///")[2]).parent)}
    return serving.gunicorn("tests.benchmarks.floors:create_product()", env)


def _take(port: int, path: str) -> tuple[float, float, int, int]:
    """Seconds in all, seconds to the first byte, bytes of memory grown, bytes of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", "/api/v1/tasks.json")
    connection.getresponse().read()
    worker = _worker(port)
    before = _memory(worker)
    began = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse()
    if reply.status != 200:
        raise RuntimeError(f"{path}: {reply.status} {reply.read()[:300]!r}")
    size, most = len(reply.read(1)), before
    first = time.perf_counter() - began
    while part := reply.read(1 << 20):
        size += len(part)
        most = max(most, _memory(worker))
    return time.perf_counter() - began, first, most - before, size


def _worker(port: int) -> int:
    """The process of the server that answers: it holds more than its parent."""
    named = f"127.0.0.1:{port}".encode()
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    ours = [pid for pid in pids if named in _told(pid)]
    return max(ours, key=_memory)


def _told(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


def _memory(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

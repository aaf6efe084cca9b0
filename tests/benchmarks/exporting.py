"""W4: files of many rows, as they leave the server, beside the database's own fastest export."""

from __future__ import annotations

import csv
import http.client
import io
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from layouts.web import downloads
from tests.benchmarks import measure, postgres, serving
from tests.benchmarks.measure import Line

RAW = COLUMNS = (
    "source, key, kind, org_unit, place, opened_at, due_at, closed_at, state, category, channel,"
    " quantity, lat, lon, known_at, hash, result, org_unit_done"
)
ORDER = "ORDER BY opened_at DESC, source, key"
MOMENTS = ("opened_at", "due_at", "closed_at", "known_at")
VERSION = "(SELECT version FROM boundary)"
_SQLITE_INSTANT = (
    "CASE WHEN {c} IS NULL THEN '' ELSE"
    " strftime('%Y-%m-%dT%H:%M:%S', {c} / 1000000 + 25200, 'unixepoch')"
    " || CASE WHEN {c} % 1000000 THEN printf('.%06d', {c} % 1000000) ELSE '' END || '+07:00' END"
)
_POSTGRES_INSTANT = (
    "to_char(timestamp '1970-01-01' + {c} * interval '1 microsecond' + interval '7 hours',"
    """ 'YYYY-MM-DD"T"HH24:MI:SS')"""
    " || CASE WHEN {c} % 1000000 <> 0 THEN to_char({c} % 1000000, 'FM\".\"000000') ELSE '' END"
    " || '+07:00'"
)
BOOK, SOME = 100_000, 3_000
RATIO, FIRST, GROWTH = 1.5, 0.2, 20 << 20


def lines(store: Any, size: str, *, times: int = 3) -> Iterator[Line]:
    """CSV of all records of the store (a million at most), then a workbook of 100,000."""
    with store.read() as connection:
        held = connection.exec_driver_sql("SELECT COUNT(*) FROM record").scalar()
    rows = min(held, 1_000_000)
    with serving.gunicorn("tests.benchmarks.floors:create_product()", _env(store)) as port:
        yield from _files(store, port, rows, f"{rows:,} dòng, {size}, SQLite", times)
        book = _take(port, f"/api/v1/records.xlsx?limit={min(rows, BOOK)}")
        told = f"{book[0]:.1f} s, {book[3] / 1e6:.1f} MB, bộ nhớ tăng {book[2] / 2**20:.1f} MB"
        measure.fact("XLSX", f"{min(rows, BOOK):,} dòng", told)
    with postgres.server() as base:
        if base is None:
            return
        other = postgres.copied(store, f"{base}/bench_all")
        with serving.gunicorn("tests.benchmarks.floors:create_product()", _env(other)) as port:
            yield from _files(other, port, rows, f"{rows:,} dòng, {size}, PostgreSQL", times)
        other.close()


def _env(store: Any) -> dict[str, str]:
    home = Path(store.url.partition("///")[2]).parent if store.sqlite else tempfile.gettempdir()
    return {"IOC_DATABASE_URL": store.url, "IOC_DATA": str(home)}


def _files(store: Any, port: int, rows: int, said: str, times: int) -> Iterator[Line]:
    floors = Floors(store)
    client = serving.Client(port)
    some = f"/api/v1/records.csv?limit={SOME}"
    compare(floors, client.ask(some, None, {"Accept-Encoding": "identity"}), SOME)
    client.close()
    same = alike_columns(floors.sqlite)
    raw, alike = floors.seconds(RAW, rows), floors.seconds(same, rows)
    address = f"/api/v1/records.csv?limit={rows}"
    asked = [_take(port, address) for _ in range(times)]
    raw = min(raw, floors.seconds(RAW, rows))
    alike = min(alike, floors.seconds(same, rows))
    total = sorted(asked)[len(asked) // 2][0]
    yield Line("W4 CSV: trọn tệp / CSDL, số nguyên thô", said, total, raw, RATIO)
    yield Line("W4 CSV: trọn tệp / CSDL, cùng nội dung", said, total, alike, RATIO)
    yield Line("W4 CSV: byte đầu tiên", said, min(one[1] for one in asked), 0.0, beside=FIRST)
    exports = [_take(port, f"{address}&download=1") for _ in range(times)]
    first = min(one[1] for one in exports)
    yield Line("W4 CSV tải về: byte đầu tiên", said, first, 0.0, beside=FIRST)
    for name, taken in (("W4 CSV", asked), ("W4 CSV tải về", exports)):
        grown = max(one[2] for one in taken[1:])  # the first fills the database's own cache
        verdict = "đạt" if grown <= GROWTH else measure.MISSED
        measure.fact(f"{name}: bộ nhớ tăng", said, f"{grown / 2**20:.1f} MB (≤ 20) {verdict}")


def alike_columns(sqlite: bool) -> str:
    """What the product writes, made by the database: instants with their offset, and the tail."""
    written = _SQLITE_INSTANT if sqlite else _POSTGRES_INSTANT
    columns = [
        f"{written.format(c=name)} AS {name}_" if name in MOMENTS else name
        for name in COLUMNS.split(", ")
    ]
    return ", ".join([*columns, f"'' AS as_of, {VERSION} AS version, '{downloads.MARK}' AS sample"])


class Floors:
    """The database's own programs for the same rows: SQLite's shell and driver, or COPY."""

    def __init__(self, store: Any):
        self._store, self.sqlite = store, store.sqlite
        self._path = re.sub("^sqlite:///", "", store.url)

    def text(self, columns: str, rows: int) -> str:
        """The lines of a file, without its heading."""
        if self.sqlite:
            written = io.StringIO(newline="")
            self._driver(_sql(columns, rows), written)
            return written.getvalue()
        parts: list[bytes] = []
        self._copy(_sql(columns, rows), parts.append)
        return b"".join(parts).decode()

    def seconds(self, columns: str, rows: int) -> float:
        """The fastest of them all."""
        sql, found = _sql(columns, rows), []
        for _ in range(2):
            if not self.sqlite:
                found.append(measure.seconds(self._copy, sql, len))
                continue
            with tempfile.TemporaryFile("w", newline="") as target:
                found.append(measure.seconds(self._driver, sql, target))
            if shell := shutil.which("sqlite3"):
                command = [shell, "-readonly", "-csv", self._path, sql]
                found.append(measure.seconds(_shell, command))
        return min(found)

    def _driver(self, sql: str, target: Any) -> None:
        from pysqlite3 import dbapi2

        csv.writer(target).writerows(dbapi2.connect(self._path).execute(sql))

    def _copy(self, sql: str, take: Callable[[bytes], object]) -> None:
        import psycopg

        told = f"COPY ({sql}) TO STDOUT (FORMAT csv)"
        with (
            psycopg.connect(self._store.url) as connection,
            connection.cursor().copy(told) as parts,
        ):
            for part in parts:
                take(bytes(part))


def _sql(columns: str, rows: int) -> str:
    return f"SELECT {columns} FROM record {ORDER} LIMIT {rows}"


def _shell(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def compare(floors: Floors, file: bytes, rows: int) -> None:
    """Raise where the floor does not write the very cells of the product's file."""
    ours = list(csv.reader(io.StringIO(file.decode(), newline="")))[1:]
    told = floors.text(alike_columns(floors.sqlite), rows)
    if ours != list(csv.reader(io.StringIO(told, newline=""))):
        raise RuntimeError("the floor writes other rows than the product")


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

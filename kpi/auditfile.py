"""The audit on another machine: a file that grows by what is new, or lines for a log server.

What was taken before is held against the chain: whoever wrote the chain anew is found out by the
last line that left this machine.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from ioc.errors import IocError
from kpi import audit
from kpi.store import KpiStore

SENT = "audit-sent"
"""The file in ``IOC_DATA`` that tells how far the log server has the chain."""
_TAIL = 1 << 20  # bytes, longer than any entry

Send = Callable[[Iterator[str]], int]


def append(store: KpiStore, file: Path) -> int:
    """Add to a file what is newer than its last line, made for its owner only; how many entries.

    Raises:
        IocError: the last line is not what the chain has under its number, or cannot be read.
    """
    number = _held(store, *_last_of(file)) if file.exists() and file.stat().st_size else 0
    return _write(audit.lines(store, after=number), file, "a")


def extract(store: KpiStore, file: Path, first: date | None, last: date | None) -> int:
    """A new file with the entries of a time window; how many. Raises IocError when it is there."""
    if file.exists():
        raise IocError(f"đã có tệp {file}; hãy đặt tên khác")
    return _write(audit.lines(store, first=first, last=last), file, "x")


def send_new(store: KpiStore, data: Path, send: Send) -> int:
    """Send what is newer than what was sent last; how many entries.

    Raises:
        IocError: the chain no longer has what was sent last.
    """
    state = data / SENT
    number = 0
    if state.exists():
        number = _held(store, *_read(state.read_text(encoding="utf-8"), state))
    last = ""

    def told() -> Iterator[str]:
        nonlocal last
        for line in audit.lines(store, after=number):
            yield line
            last = line

    count = send(told())
    if last:
        said = json.loads(last)
        _replace(state, json.dumps({"number": said["number"], "hash": said["hash"]}))
    return count


def _held(store: KpiStore, number: int, known: str) -> int:
    """A number, once the chain proves to have this hash under it."""
    with store.read() as connection:
        found = connection.scalar(
            sa.text("SELECT hash FROM audit WHERE number = :n"), {"n": number}
        )
    if found != known:
        raise IocError(
            f"NHẬT KÝ ĐÃ BỊ SỬA: mục {number} không còn như khi đã xuất; hãy giữ nguyên hiện trường"
        )
    return number


def _last_of(file: Path) -> tuple[int, str]:
    with file.open("rb") as handle:
        handle.seek(max(0, file.stat().st_size - _TAIL))
        line = handle.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
    return _read(line.decode(errors="replace"), file)


def _read(line: str, file: Path) -> tuple[int, str]:
    try:
        said = json.loads(line)
        return int(said["number"]), str(said["hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise IocError(f"{file}: dòng cuối không phải một mục nhật ký") from error


def _write(lines: Iterator[str], file: Path, mode: str) -> int:
    count = 0
    try:
        with open(file, mode, encoding="utf-8", opener=private) as into:
            for line in lines:
                into.write(line)
                count += 1
            into.flush()
            os.fsync(into.fileno())
    except OSError as error:
        raise IocError(f"không ghi được {file}: {error.strerror}") from error
    return count


def _replace(file: Path, text: str) -> None:
    made = file.with_suffix(".new")
    with open(made, "w", encoding="utf-8", opener=private) as into:
        into.write(text)
    made.replace(file)


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read, for ``open(opener=…)``."""
    return os.open(path, flags, 0o600)

"""Files that open right in a spreadsheet and can be checked byte for byte.

A text that a spreadsheet would take for a formula gets one leading apostrophe, and so does a
text that begins with an apostrophe; whoever reads the file back takes one leading apostrophe
away from every text cell (``original``). Numbers are never touched.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson

from ioc.inert import inert
from ioc.period import LOCAL

BOM = b"\xef\xbb\xbf"
MARK = "DỮ LIỆU MẪU"
TAIL = ("as_of", "version", "sample_data")
RULE = (
    "Ô chữ bắt đầu bằng = + - @, dấu nháy đơn, tab hoặc xuống dòng có thêm một dấu nháy đơn"
    " ở đầu; khi đọc lại hãy bỏ đúng một dấu nháy đơn ở đầu ô."
)
CHUNK = 500


@lru_cache(8192)  # many rows of an answer are known since one instant
def instant(value: datetime | None) -> str:
    """An instant in ISO 8601 at +07:00; empty when there is none."""
    return value.astimezone(LOCAL).isoformat() if value is not None else ""


def cell(value: Any) -> str:
    """One value as CSV text; what is unknown is an empty cell, never 0."""
    if isinstance(value, str):
        return inert(value)
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return instant(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def plain(value: Any) -> Any:
    """An instant or a day as JSON has it; orjson itself writes null for what is unknown."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an answer")


def csv_bytes(
    answer: Any, rows: Iterable[tuple], *, bom: bool = False, versioned: bool = True
) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180, UTF-8), each ending with what it takes to ask for it again.

    ``versioned=False`` leaves the data version out: the store's count moves on while an answer
    as of an instant stays the same, byte for byte.
    """
    rows = iter(rows)
    chunk = list(islice(rows, CHUNK))  # reading begins here, and with it the version is fixed
    version = str(answer.version) if versioned else ""
    tail = (instant(answer.as_of), version, MARK if answer.sample else "")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow((*answer.columns, *TAIL))
    yield (BOM if bom else b"") + _taken(buffer)
    while chunk:
        writer.writerows((*map(cell, row), *tail) for row in chunk)
        yield _taken(buffer)
        chunk = list(islice(rows, CHUNK))


def json_bytes(
    answer: Any,
    rows: Iterable[tuple],
    *,
    count: int,
    following: str | None,
    versioned: bool = True,
) -> Iterator[bytes]:
    """The rows as one JSON document, written while they are read."""
    head = {
        "version": answer.version if versioned else None,
        "as_of": instant(answer.as_of) or None,
        "sample_data": MARK if answer.sample else None,
        "count": count,
        "next": following,
    }
    yield orjson.dumps(head)[:-1] + b',"rows":['
    rows, comma = iter(rows), b""
    while chunk := list(islice(rows, CHUNK)):
        named = [dict(zip(answer.columns, row, strict=True)) for row in chunk]
        written = orjson.dumps(named, plain, orjson.OPT_PASSTHROUGH_DATETIME)
        yield comma + written[1:-1]
        comma = b","
    yield b"]}"


def file_name(question: str, answer: Any, kind: str) -> str:
    """A name that says what is in the file and since when; the same for the same address."""
    parts = [question]
    if answer.as_of is not None:
        parts.append(f"{answer.as_of.astimezone(LOCAL):%Y-%m-%dT%H%M%S}")
    if answer.sample:
        parts.append("DU-LIEU-MAU")
    return "_".join(parts) + f".{kind}"


@dataclass(slots=True)
class Seen:
    """What went into a file while it was written."""

    count: int = 0
    definitions: set[str] = field(default_factory=set)

    def rows(self, answer: Any, rows: Iterable[tuple]) -> Iterator[tuple]:
        """The same rows, counted."""
        names = [name for name in ("definition_version", "definition") if name in answer.columns]
        at = answer.columns.index(names[0]) if names else None
        for row in rows:
            self.count += 1
            if at is not None and row[at]:
                self.definitions.add(row[at])
            yield row


def manifest(answer: Any, chunks: Iterator[bytes], seen: Seen) -> dict[str, Any]:
    """What identifies a file: its rows, length and hash, taken from its very bytes."""
    digest, size = sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return {
        "as_of": instant(answer.as_of) or None,
        "sample_data": MARK if answer.sample else None,
        "columns": [*answer.columns, *TAIL],
        "definitions": sorted(seen.definitions),
        "rows": seen.count,
        "bytes": size,
        "sha256": digest.hexdigest(),
        "text_rule": RULE,
    }


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()

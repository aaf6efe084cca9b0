"""Files of rows: CSV and JSON as streams, and what is seen of the rows while they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import orjson

from ioc.period import LOCAL
from layouts.web.dialect import PLAIN, Dialect, instant

BOM = b"\xef\xbb\xbf"
MARK = "DỮ LIỆU MẪU"
TAIL = ("as_of", "version", "sample_data")
CHUNK = 500
_instant = lru_cache(8192)(instant)  # many rows of a page of JSON are known since one instant


def plain(value: Any) -> Any:
    """An instant or a day as JSON has it; orjson itself writes null for what is unknown."""
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an answer")


def chunks(rows: Iterable[tuple]) -> Iterator[list[tuple]]:
    """The rows, so many at a time."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def tail(answer: Any, versioned: bool) -> tuple[datetime | None, int | None, str]:
    """What every row ends with; known once reading has begun.

    ``versioned=False`` leaves the data version out: the store's count moves on while an answer
    as of an instant stays the same, byte for byte.
    """
    return answer.as_of, answer.version if versioned else None, MARK if answer.sample else ""


def csv_bytes(
    answer: Any,
    blocks: Iterator[list[tuple]],
    *,
    dialect: Dialect = PLAIN,
    bom: bool = False,
    versioned: bool = True,
) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180, UTF-8), each ending with what it takes to ask for it again.

    ``blocks`` are those of the answer: in its ``moments`` instants are microseconds.
    """
    block = next(blocks, [])  # reading begins here, and with it the version is fixed
    write = dialect.writer([answer.columns.index(name) for name in answer.moments])
    end = dialect.line(tail(answer, versioned))
    yield (BOM if bom else b"") + dialect.line((*answer.columns, *TAIL)).encode()
    while block:
        yield write(block, end).encode()
        block = next(blocks, [])


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
    comma = b""
    for chunk in chunks(rows):
        named = [dict(zip(answer.columns, row, strict=True)) for row in chunk]
        written = orjson.dumps(named, plain, orjson.OPT_PASSTHROUGH_DATETIME)
        yield comma + written[1:-1]
        comma = b","
    yield b"]}"


def file_name(question: str, answer: Any, kind: str, *, example: bool = False) -> str:
    """A name that says what is in the file and since when; the same for the same address.

    ``example``: its targets are those of a plan that binds nobody.
    """
    parts = [question]
    if answer.as_of is not None:
        parts.append(f"{answer.as_of.astimezone(LOCAL):%Y-%m-%dT%H%M%S}")
    if answer.sample:
        parts.append("DU-LIEU-MAU")
    if example:
        parts.append("VI-DU")
    return "_".join(parts) + f".{kind}"


@dataclass(slots=True)
class Seen:
    """What went into a file while it was written.

    ``told`` holds what its rows name, by column: what a description of the file must explain.
    """

    count: int = 0
    told: dict[str, set[Any]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    """Whose values are kept; none where nobody will describe the file."""

    def rows(self, answer: Any, rows: Iterable[tuple]) -> Iterator[tuple]:
        """The same rows, counted."""
        return chain.from_iterable(self.blocks(answer, chunks(rows)))

    def blocks(self, answer: Any, blocks: Iterable[list[tuple]]) -> Iterator[list[tuple]]:
        """The same blocks of rows, counted."""
        kept = [(i, name) for i, name in enumerate(answer.columns) if name in self.columns]
        for block in blocks:
            self.count += len(block)
            for at, name in kept:
                self.told.setdefault(name, set()).update([row[at] for row in block])
            yield block

    def named(self, *columns: str) -> list[Any]:
        """Every value of these columns, sorted; what is unknown is none."""
        found = set().union(*(self.told.get(name, ()) for name in columns))
        return sorted(found - {None, ""})

"""Where two files of the same question differ: cell by cell, in words; or that one is damaged."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson
from xlsxwriter.utility import xl_rowcol_to_cell

from layouts.web.described import ROWS
from layouts.web.workbook import ABOUT

SHOWN = 3
"""Rows that differ and are printed."""
LONGEST = 80
"""Letters of a cell that are printed."""
Sheet = Callable[[Path, str], list[list[Any]]]
"""Reads the cells of a workbook's sheet; none where it cannot be read."""


def damage(book: Path) -> str:
    """What is broken in a workbook; empty where every part has its checksum."""
    try:
        with zipfile.ZipFile(book) as found:
            part = found.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        return f"tệp hỏng: không đọc được ({error})"
    return f"tệp hỏng: phần {part} sai mã kiểm tra (CRC)" if part else ""


def lines(old: Path, new: Path, separator: str) -> Iterator[str]:
    """What differs between a CSV in hand and the one made now."""
    with old.open("rb") as before, new.open("rb") as after:
        tables = (_table(file, separator) for file in (before, after))
        yield from _apart(*tables, lambda row, _column: f"Dòng {row}")


def documents(old: Path, new: Path) -> Iterator[str]:
    """The same of two JSON documents; the rows are numbered from 1."""
    after = orjson.loads(new.read_bytes())
    try:
        before = orjson.loads(old.read_bytes())
        rows = [[list(one["rows"][0]), *(list(r.values()) for r in one["rows"])]
                if one["rows"] else [] for one in (before, after)]  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        yield "Tệp này không còn là JSON của một câu trả lời: tệp hỏng."
        return
    for name, value in after.items():
        if name != "rows" and before.get(name) != value:
            yield f"{name}: trong tệp {_shown(before.get(name))}, nay {_shown(value)}"
    yield from _apart(*rows, lambda row, _column: f"Dòng {row - 1}")


def workbooks(old: Path, new: Path, sheet: Sheet) -> Iterator[str]:
    """The same of two workbooks, by the names of cells; then the other parts that differ."""
    before, after = _parts(old), _parts(new)
    apart = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not apart:
        yield "Nội dung trùng nhau; chỉ cách nén khác (thư viện nén của hai máy khác nhau)."
        return
    for name in (ROWS, ABOUT):
        for said in _apart(
            sheet(old, name),
            sheet(new, name),
            lambda row, column: f"Ô {xl_rowcol_to_cell(row - 1, column)}",
        ):
            yield f"Trang {name}: {said}"
    yield f"Các phần khác nhau của tệp: {', '.join(apart)}."


def _parts(book: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(book) as found:
        return {one.filename: found.read(one) for one in found.infolist()}


def _table(file: Any, separator: str) -> Iterator[list[str]]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    return csv.reader(text, delimiter=separator)


def _apart(
    before: Iterable[list[Any]], after: Iterable[list[Any]], place: Callable[[int, int], str]
) -> Iterator[str]:
    """The first rows that differ, with their columns, and how many there are."""
    rows = [iter(before), iter(after)]
    heads = [list(next(one, ())) for one in rows]
    count, every = 0, "mọi ô"
    if heads[0] != heads[1]:
        every = "mọi ô của các cột chung"
        kept = [name for name in heads[0] if name in heads[1]]
        apart = [_shown([n for n in one if n not in kept] or None) for one in heads]
        yield f"Dòng tên cột khác: chỉ trong tệp {apart[0]}, chỉ nay có {apart[1]}"
        if kept and all(len(head) == len(set(head)) for head in heads):
            rows = [_chosen(one, head, kept) for one, head in zip(rows, heads, strict=True)]
            heads[0] = kept
    for number, (a, b) in enumerate(zip_longest(*rows), 2):
        if a == b:
            continue
        count += 1
        if count > SHOWN:
            continue
        if a is None or b is None:
            said = _shown(a if b is None else b)
            yield f"{place(number, 0)}: {'chỉ có trong tệp' if b is None else 'chỉ nay có'}: {said}"
            continue
        for at, (was, now) in enumerate(zip_longest(a, b)):
            if was != now:
                called = f", cột {heads[0][at]}" if at < len(heads[0]) else ""
                words = f"trong tệp {_shown(was)}, nay {_shown(now)}"
                yield f"{place(number, at)}{called}: {words}"
    yield f"{count} dòng khác nhau." if count else f"{every} trùng nhau."


def _chosen(rows: Iterable[list[Any]], head: list[Any], kept: list[Any]) -> Iterator[list[Any]]:
    """The cells of the columns that both files have, in one order."""
    at = [head.index(name) for name in kept]
    return ([row[i] if i < len(row) else None for i in at] for row in rows)


def _shown(value: Any) -> str:
    if value is None:
        return "(không có)"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return (
        repr(text) if not text.strip() else text if len(text) <= LONGEST else text[:LONGEST] + "…"
    )

"""Workbooks and CSV files that units send in: each new or changed file is one batch.

They lie in a folder, on an SFTP or WebDAV server, or hang on mail: the address says where.

The cursor remembers files by name, size, time and content, so an unchanged folder costs one
listing, and the same content under another name is skipped and said so, unless the mapping reads
the name (``_file``). A file that cannot be read is remembered too, with the reason, until it
changes. A file whose name says that a person filled it in is handed on whole: it becomes a run of
its own.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from connectors.folder import File
from connectors.io import IO
from connectors.kinds.workbook import Table, read_table
from connectors.shelves import refuse_place
from connectors.values import clean
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.form import EXAMPLE, MOST_BYTES, is_by_hand
from ioc.model import Batch
from ioc.personal import shown_name
from ioc.source import Source

OPTIONS = {"sheet", "skip", "csv", "settle", "files"}
OPTIONS |= {"host_key", "known_hosts"}  # SFTP
OPTIONS |= {"senders", "days"}  # mailbox
_FORMAT = 1
refuse_address = refuse_place
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """One batch a file, oldest first; a file that does not fit is refused and stops no other.

    Rows carry ``_file``, ``_modified`` and their cells by declared heading; a row that the
    declared ``skip`` (heading -> pattern) matches, such as a total, is blank.

    Raises:
        Broken: no file of the folder could be read.
    """
    seen, bad = _remembered(since, _form(source))
    contents = {entry[2]: name for name, entry in seen.items()}
    wanted = re.compile(source.options.get("files", ""))
    refused: dict[str, list[Any]] = {}
    taken = 0
    for file in io.files(".xlsx", ".csv"):
        stamp, told = [file.size, file.mtime_ns], shown_name(file.name)
        by_hand = is_by_hand(file.title)
        if not by_hand and not wanted.search(file.title):
            continue
        if seen.get(file.name, [])[:2] == stamp:
            taken += 1
            continue
        if bad.get(file.name, [])[:2] == stamp:
            refused[file.name] = bad[file.name]
            continue
        try:
            body = io.read(file)
        except Transient as error:
            io.waiting = True
            io.note(str(error).replace(file.name, told))
            continue
        except NeedsCredentials:
            raise
        except Broken as error:
            refused[file.name] = [*stamp, str(error).replace(file.name, told)]
            continue
        content = _content(source, file, body)
        before = contents.get(content)
        known = before is not None
        if before is not None and before != file.name:
            io.note(f"{told}: cùng nội dung với {shown_name(before)}, bỏ qua")
        try:
            rows, first = ([], 1) if known or by_hand else _rows(source, file, body)
            given = _given(file, body) if by_hand and not known else None
        except Broken as error:
            refused[file.name] = [*stamp, str(error).replace(file.name, told)]
            continue
        now = {**seen, file.name: [*stamp, content]}
        bad.pop(file.name, None)
        cursor = _cursor(now, bad, _form(source))
        batch = Batch(rows, cursor, origin=told, first=first, apart=True, given=given)
        yield batch
        if batch.refused:
            refused[file.name] = [*stamp, batch.refused]
            continue
        seen, contents[content] = now, file.name
        taken += 1
    if refused and not taken:
        raise Broken("; ".join(reason for *_, reason in refused.values()))
    for name, (*_, reason) in refused.items():  # at every poll, until it is put right
        yield Batch(
            [], _cursor(seen, refused, _form(source)), origin=shown_name(name), refused=reason
        )


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What a place needs to be told: (entry, Vietnamese reason)."""
    keys = source.options.get("host_key", [])
    for key in [keys] if isinstance(keys, str) else keys:
        if not _FINGERPRINT.fullmatch(str(key)):
            yield "options", "host_key phải có dạng SHA256:… như ssh-keygen -l in ra"
    if "sftp://" in source.url and not {"host_key", "known_hosts"} & set(source.options):
        yield "options", "nguồn SFTP phải khai host_key hoặc known_hosts"
    if re.search(r"\bimaps?://", source.url) and not source.options.get("senders"):
        yield "options", "hộp thư phải khai senders: địa chỉ, hoặc @tên miền, được nhận"


def alone(source: Source, file: File, body: bytes) -> Iterator[Batch]:
    """One file as if nothing else stood in the folder; a file that does not fit is ``Broken``."""
    rows, first = _rows(source, file, body)
    yield Batch(rows, origin=file.name, first=first)


def _content(source: Source, file: File, body: bytes) -> str:
    """What tells a file from others: its name too, where the mapping reads it."""
    name = file.name.encode() + b"\0" if "_file" in _paths(source) else b""
    return hashlib.sha256(name + body).hexdigest()[:24]


def _given(file: File, body: bytes) -> bytes:
    if len(body) > MOST_BYTES:
        raise Broken(f"{file.name}: tệp nhập tay vượt {MOST_BYTES >> 20} MB")
    return body


def _rows(source: Source, file: File, body: bytes) -> tuple[list[dict[str, Any]], int]:
    declared = source.options.get("skip", {})
    skip = [(name, re.compile(pattern)) for name, pattern in declared.items()]
    table = read_table(
        file.name, body, dict.fromkeys([*_headings(source), *declared]), source.options
    )
    if (unit := _path(source.fields["org_unit"])) in table.columns:
        skip.append((unit, re.compile(f"^{EXAMPLE}")))
    known = {"_file": file.name, "_modified": file.modified}
    return [_row(table, cells, skip, known) for cells in table.rows], table.first


def _row(
    table: Table, cells: list[Any], skip: list[tuple[str, re.Pattern[str]]], known: dict[str, Any]
) -> dict[str, Any]:
    if all(value in ("", None) for value in cells):
        return {}
    row = {name: cells[c] if c < len(cells) else "" for name, c in table.columns.items()}
    if any(pattern.search(clean(str(row[name]))) for name, pattern in skip):
        return {}
    return {**known, **row}


def _headings(source: Source) -> list[str]:
    """Every heading that the mapping reads: a workbook without one of them is another form."""
    return [path for path in _paths(source) if not path.startswith("_")]


def _paths(source: Source) -> list[str]:
    """All that the mapping reads, what we know of the file itself included."""
    specs = [*source.fields.values(), *(source.readings or {}).values()]
    return [*map(_path, specs), *source.keys]


def _path(spec: str | dict[str, Any]) -> str:
    return spec if isinstance(spec, str) else spec["path"]


def _form(source: Source) -> str:
    """What a file is measured against: refusals are forgotten when it changes."""
    said = [source.fields, source.readings, source.keys, source.options]
    text = json.dumps(said, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _remembered(since: str | None, form: str) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Files that were read (size, time, content) and that were refused (size, time, reason)."""
    if since is None:
        return {}, {}
    try:
        state = json.loads(since)
        if state["v"] != _FORMAT:
            raise ValueError(state["v"])
        seen, bad = state["files"], state.get("bad", {})
        assert all(len(entry) == 3 for entry in (*seen.values(), *bad.values()))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
        raise Broken("mốc đã lưu của thư mục không đọc được: cần người xem lại") from None
    return seen, bad if state.get("form") == form else {}


def _cursor(seen: dict[str, list[Any]], bad: dict[str, list[Any]], form: str) -> str:
    state = {"v": _FORMAT, "files": seen, "bad": bad, "form": form}
    return json.dumps(state, ensure_ascii=False, separators=(",", ":"))

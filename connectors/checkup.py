"""Looks at each configured source as its poll would, and writes nothing: can it be used?"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors import credentials, mapping
from connectors.ahead import ahead
from connectors.io import IO
from connectors.kinds import KINDS
from connectors.privacy import secret_key
from ioc.errors import IocError, NeedsCredentials, UnknownOrgUnit
from ioc.model import Batch, Record, Rejection
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.source import Source
from kpi.doctor import Finding, Level

ENOUGH = 200  # rows of a source that are looked at, in so many batches at most
BATCHES = 5
SECONDS = 20


@dataclass
class _Seen:
    """What the first rows of a source showed."""

    rows: list[Any] = field(default_factory=list)
    items: list[mapping.Item] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def examine(sources: Sequence[Source], settings: Any, now: datetime) -> Iterator[Finding]:
    """One finding for each source: reachable, authorised, mapping complete, org units known.

    A fault of the program itself in one of them is its finding, and stops no other.
    """
    for source in sources:
        try:
            found = look(source, settings, now)
        except Exception as error:
            said = f"lỗi chương trình {type(error).__name__}"
            todo = "xem khai báo của nguồn; nếu khai đúng, báo đơn vị phát triển"
            found = Finding(f"nguồn {source.id}", Level.broken, said, todo)
        yield found


def look(source: Source, settings: Any, now: datetime) -> Finding:
    """Read the first rows of a source and say what is wrong with them; nothing is stored."""
    name, began = f"nguồn {source.id}", time.monotonic()
    hurried = source.model_copy(update={"options": {**source.options, "poll_deadline": SECONDS}})
    mapper = mapping.compile(hurried, secret_key(settings))
    with IO(hurried, settings, lambda: now) as io:
        seen = _Seen()
        try:
            _read(hurried, io, mapper, seen, now)
        except NeedsCredentials as error:
            todo = credentials.what_to_do(source)
            return Finding(name, Level.broken, f"không đăng nhập được: {io.redact(error)}", todo)
        except IocError as error:
            said = f"không đọc được ở {io.address}: {io.redact(error)}"
            return Finding(name, Level.broken, said, "xem địa chỉ, mạng và khai báo của nguồn")
        took = time.monotonic() - began
        read = f"đọc được: {io.calls} lần gọi, {io.bytes_read / 1024:.0f} kB, {took:.1f} s"
    return _judged(name, read, mapper, seen)


def _read(source: Source, io: IO, mapper: mapping.Mapper, seen: _Seen, now: datetime) -> None:
    kind = KINDS[source.kind]
    batches: Iterator[Batch] = (
        kind.probe(source, io) if hasattr(kind, "probe") else kind.poll(source, None, io)
    )

    def read(batch: Batch) -> list[mapping.Item]:
        return list(mapper.map_rows(batch, now))

    with closing(ahead(source.id, batches, read, io.left)) as found:
        for number, (batch, items) in enumerate(found, 1):
            seen.refused += [batch.refused] if batch.refused else []
            seen.rows += batch.rows
            seen.items += items
            if len(seen.rows) >= ENOUGH or number == BATCHES:
                return


def _judged(name: str, read: str, mapper: mapping.Mapper, seen: _Seen) -> Finding:
    if not seen.rows and not seen.refused:
        return Finding(name, Level.note, f"{read}; chưa có dòng nào để xem", "xem nguồn có số chưa")
    faults = [*seen.refused, *_mapping_faults(mapper, seen), *_unit_faults(seen)]
    taken = sum(not isinstance(item, Rejection) for item in seen.items)
    said = f"{read}; {len(seen.rows)} dòng mẫu, {taken} mục nhận được"
    if not faults:
        return Finding(name, Level.fine, f"{said}, đủ trường, mọi đơn vị đều rõ")
    todo = "sửa khai báo của nguồn, hoặc báo đơn vị quản lý nguồn"
    level = Level.note if taken else Level.broken
    return Finding(name, level, f"{said}; {'; '.join(faults)}", todo)


def _mapping_faults(mapper: mapping.Mapper, seen: _Seen) -> Iterator[str]:
    reasons = Counter(item.reason for item in seen.items if isinstance(item, Rejection))
    for reason, number in reasons.most_common(3):
        yield f"từ chối {number}: {reason}"
    if absent := mapper.absent(seen.rows):
        yield f"trường khai mà không dòng nào có: {', '.join(absent)}"
    if mapper.unknown:
        yield f"trường chưa khai: {', '.join(sorted(mapper.unknown)[:10])}"


def _unit_faults(seen: _Seen) -> Iterator[str]:
    orgunits, strange = OrgUnits.load(), Counter[str]()
    for item in seen.items:
        if isinstance(item, Rejection):
            continue
        day = (
            item.opened_at.astimezone(LOCAL).date() if isinstance(item, Record) else item.period.end
        )
        try:
            orgunits.resolve(item.org_unit, day)
        except UnknownOrgUnit as error:
            strange[str(error)] += 1
    for reason, number in strange.most_common(3):
        yield f"đơn vị không rõ {number}: {reason}"

"""Open311 GeoReport v2: field reports, asked for by the time at which they were opened.

Servers give at most ``cap`` reports, the newest, and no next page, and refuse more than ``span`` of
time: the walk takes window after window, oldest first, and halves one that comes back full. Borders
are inclusive, so what stands on one is dropped where it comes again. The filter is not the time of
change: each poll reads ``lag`` again, and once a night (``sweep``) everything is read as a whole.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors import sweep
from connectors.io import IO
from connectors.paths import getter
from connectors.wire import parse_json
from ioc.errors import Broken
from ioc.model import Batch
from ioc.period import LOCAL
from ioc.source import Source, duration

OPTIONS = {"path", "params", "cap", "span", "from", "sweep"}
_FORMAT = 1
_SECOND = timedelta(seconds=1)
_AHEAD = timedelta(days=1)

Window = tuple[datetime, list[Any], str]  # its end, its rows, where they stood


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Reports opened since the cursor, less the lag; all of them at first and when a sweep is due.

    The first load is one batch: windows of opening do not follow the order of changes, in which
    the store rebuilds what was known when.
    """
    now = io.now().replace(microsecond=0)
    seen, swept = _remembered(since, now)
    first = _first(source)
    start = max(first, seen - source.lag) if seen else first
    end = max(now, start, seen or start)  # where our clock went back, nothing is taken for gone
    if seen:
        for until, rows, origin in _walk(source, io, start, end):
            yield Batch(rows, _cursor(max(until, seen), swept), origin=origin)
    if seen is None or sweep.is_due(source, swept, now):
        windows = list(_walk(source, io, first, end))
        rows = [row for _, found, _ in windows for row in found]
        whole = "sweep" in source.options
        yield Batch(rows, _cursor(end, now), whole=whole, origin=windows[-1][2])


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The reports of the newest span: enough to see what the server says."""
    now = io.now().replace(microsecond=0)
    start = max(_first(source), now - duration(source.options.get("span", "90d")))
    for _, rows, origin in _walk(source, io, start, max(now, start)):
        yield Batch(rows, origin=origin)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    try:
        duration(source.options.get("span", "1d"))
    except ValueError as error:
        yield "options", f"span: {error}"
    yield from sweep.faults(source)
    cap = source.options.get("cap", 1000)
    if type(cap) is not int or cap < 2:
        yield "options", "cap phải là số nguyên từ 2"
    try:
        _first(source)
    except (KeyError, TypeError, ValueError):
        yield "options", "phải có from: ngày bắt đầu, dạng '2021-01-01' trong dấu nháy"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại open311 không phân trang"


def _first(source: Source) -> datetime:
    """Local midnight of the day from which the source has reports."""
    day = date.fromisoformat(source.options["from"])
    return datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)


def _walk(source: Source, io: IO, start: datetime, end: datetime) -> Iterator[Window]:
    """Windows from start to end, each read whole; a report comes once."""
    span = duration(source.options.get("span", "90d"))
    keys, before = [getter(path) for path in source.keys], set()
    while True:
        until = min(end, start + span)
        for last, rows, origin in _narrowed(source, io, start, until):
            named = [tuple(str(key(row)) for key in keys) for row in rows]
            found = [row for row, name in zip(rows, named, strict=True) if name not in before]
            before = {name for name in named if "None" not in name}
            yield last, found, origin
        if until >= end:
            return
        start = until


def _narrowed(source: Source, io: IO, start: datetime, end: datetime) -> Iterator[Window]:
    """A window, or its halves while the reply is full."""
    rows, origin = _reply(source, io, start, end)
    if len(rows) < source.options.get("cap", 1000):
        yield end, rows, origin
    elif end - start <= _SECOND:
        raise Broken(f"{len(rows)} phản ánh trong một giây: vượt giới hạn của một lần trả lời")
    else:
        middle = start + max(_SECOND, (end - start) // 2 // _SECOND * _SECOND)
        yield from _narrowed(source, io, start, middle)
        yield from _narrowed(source, io, middle, end)


def _reply(source: Source, io: IO, start: datetime, end: datetime) -> tuple[list[Any], str]:
    span = {"start_date": _text(start), "end_date": _text(end)}
    url = io.url + source.options.get("path", "/requests.json")
    reply = io.fetch(url, {**source.options.get("params", {}), **span})
    data = parse_json(reply.body)
    rows = data.get("service_requests") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Broken("phản hồi không có danh sách phản ánh")
    if rows and all("description" in row and "code" in row for row in rows):
        raise Broken("máy chủ trả lỗi thay cho danh sách phản ánh")
    return rows, reply.origin


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _remembered(since: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Until when all was seen, and when all was last read as a whole."""
    if since is None:
        return None, None
    try:
        state = json.loads(since)
        if state["v"] != _FORMAT:
            raise ValueError(state["v"])
        seen = datetime.fromisoformat(state["seen"])
        swept = datetime.fromisoformat(state["swept"]) if state["swept"] else None
        ahead = max(seen, swept or seen) - now > _AHEAD
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
    if ahead:
        raise Broken(f"mốc đã lưu ở tương lai: {state['seen']}")
    return seen, swept


def _cursor(seen: datetime, swept: datetime | None) -> str:
    return json.dumps({"v": _FORMAT, "seen": _text(seen), "swept": swept and _text(swept)})

"""OGC SensorThings 1.1: values of stations, folded to a row for each org unit and day.

Values are asked for by the time at which they were told (``resultTime``; servers may fail on a
filter by ``phenomenonTime``) and counted on the day that they are of. Each poll reads the days
within ``lag`` again as a whole, so that a late value corrects its day, and a station that was away
brings the days that it missed.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from connectors.io import IO
from connectors.kinds.datastreams import Known, Stream, first_instant, listed, read_values
from connectors.kinds.hours import fold
from connectors.values import shown
from ioc.errors import Broken, NeedsCredentials
from ioc.model import Batch
from ioc.period import LOCAL, day_of
from ioc.source import Source, duration

OPTIONS = {"path", "params", "from", "unit", "most", "least", "grace", "silent", "size"}
OPTIONS |= {"max_pages"}
_FORMAT = 1
_SPANS = {"grace": "30m", "silent": "6h"}
_AHEAD = timedelta(days=1)

Row = Mapping[str, Any]
Found = tuple[Row, str]
"""A row, and why it is none."""


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """A batch for each org unit; the first load is one, since it follows no order of time.

    Rows are those of ``hours.fold``. An org unit of which something cannot be read is refused as a
    whole, what is stored of it stays, and the others go on.

    Raises:
        Broken: no org unit could be read, or there is no station where there were some.
    """
    now = io.now()
    known = _remembered(since, now)
    units, unplaced = listed(source, io, known)
    if known and not units:
        raise Broken("máy chủ không còn trạm nào có mã đơn vị")
    until = (now - _span(source, "grace")).replace(minute=0, second=0, microsecond=0)
    first: list[Found] = []
    refused: dict[str, str] = {}
    for unit, streams in units.items():
        try:
            rows = _days(source, io, unit, streams, until)
        except NeedsCredentials:
            raise
        except Broken as error:
            refused[unit] = str(error)
            continue
        known = {**known, **_seen(streams)}
        found: list[Found] = [
            *(({}, why) for why in _told_wrong(streams)),
            *((r, "") for r in rows),
        ]
        if since is None:
            first += found
        else:
            yield _batch(found, f"Datastreams/{shown(unit)}", _cursor(known))
    if first:
        yield _batch(first, "Datastreams", _cursor(known))
    if refused and len(refused) == len(units):
        raise Broken("; ".join(sorted(set(refused.values()))))
    if unplaced:
        yield _batch([({}, why) for why in unplaced], "Datastreams")
    for unit, why in refused.items():
        yield Batch([], origin=f"Datastreams/{shown(unit)}", refused=why)
    _tell_silence(source, io, units, now)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    options = source.options
    for name in ("unit", "most", "least"):
        try:
            jmespath.compile(options.get(name, "x"))
        except (JMESPathError, TypeError, AttributeError):
            yield "options", f"{name}: không phải biểu thức JMESPath"
    if "unit" not in options:
        yield "options", "phải có unit: mã đơn vị ở đâu trong Datastream, như Thing.properties.maXa"
    for name, default in _SPANS.items():
        try:
            duration(options.get(name, default))
        except ValueError as error:
            yield "options", f"{name}: {error}"
    size = options.get("size", 1)
    if type(size) is not int or size < 1:
        yield "options", "size phải là số nguyên từ 1"
    try:
        first_instant(source)
    except (KeyError, TypeError, ValueError):
        yield "options", "phải có from: ngày bắt đầu, dạng '2021-01-01' trong dấu nháy"
    if source.readings is None:
        yield "record", "loại sensorthings cho số liệu theo ngày: dùng readings"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại sensorthings tự theo liên kết trang sau"


def _span(source: Source, name: str) -> timedelta:
    return duration(source.options.get(name, _SPANS[name]))


def _days(source: Source, io: IO, unit: str, streams: list[Stream], until: datetime) -> list[Row]:
    """The days of an org unit from the first that may have changed."""
    starts = [stream.start(source) for stream in streams]
    new = [
        read_values(source, io, stream, start)
        for stream, start in zip(streams, starts, strict=True)
    ]
    begin = min([max(starts), *(day for day in new if day is not None)])
    begin = max(begin, day_of(first_instant(source)))
    for stream, start in zip(streams, starts, strict=True):
        if start > begin:  # another brought older days: a day is folded from all of them
            read_values(source, io, stream, begin)
    return list(fold(unit, [stream.channel for stream in streams], begin, until))


def _told_wrong(streams: list[Stream]) -> list[str]:
    return [
        f"luồng {shown(stream.id)}: {count} giá trị bị bỏ: {why}"
        for stream in streams
        for why, count in sorted(stream.wrong.items())
    ]


def _batch(found: list[Found], origin: str, cursor: str | None = None) -> Batch:
    unfit = {i: why for i, (_, why) in enumerate(found) if why}
    return Batch([row for row, _ in found], cursor, origin=origin, unfit=unfit)


def _tell_silence(source: Source, io: IO, units: Mapping[str, list[Stream]], now: datetime) -> None:
    """Name the org units that say nothing new; where all are silent, now is not covered."""
    limit = now - _span(source, "silent")
    newest = {
        unit: max((s.newest for s in streams if s.newest), default=None)
        for unit, streams in units.items()
    }
    silent = [unit for unit, at in newest.items() if at is None or at < limit]
    if silent:
        some = ", ".join(f"{shown(unit)} ({_local(newest[unit])})" for unit in silent[:5])
        io.note(f"{len(silent)} đơn vị không có giá trị mới, lần cuối: {some}")
    io.waiting = io.waiting or (bool(silent) and len(silent) == len(units))


def _local(at: datetime | None) -> str:
    return at.astimezone(LOCAL).strftime("%H:%M %d/%m/%Y") if at else "chưa có"


def _remembered(since: str | None, now: datetime) -> Known:
    """What is known of each Datastream; Broken when it cannot be right."""
    if since is None:
        return {}
    try:
        state = json.loads(since)
        if state["v"] != _FORMAT:
            raise ValueError(state["v"])
        known: Known = state["streams"]
        said = [one[name] for one in known.values() for name in ("seen", "begun")]
        times = [datetime.fromisoformat(text) for text in said if text is not None]
        ahead = max(times, default=now) - now > _AHEAD
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
    if ahead:
        raise Broken(f"mốc đã lưu ở tương lai: {max(times).isoformat()}")
    return known


def _seen(streams: list[Stream]) -> dict[str, dict[str, str | None]]:
    return {
        stream.id: {
            "seen": stream.newest.isoformat() if stream.newest else None,
            "begun": stream.channel.begun.isoformat() if stream.channel.begun else None,
        }
        for stream in streams
    }


def _cursor(known: Known) -> str:
    return json.dumps({"v": _FORMAT, "streams": known}, separators=(",", ":"))

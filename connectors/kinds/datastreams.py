"""Datastreams and Observations as a SensorThings server lists them, page after page.

A next link is an address that the server made: it never leads to another host.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from connectors.io import IO
from connectors.kinds.hours import Channel
from connectors.paths import getter
from connectors.values import FUTURE, Bad, Read, code, instant, number, shown, zone_of
from connectors.wire import parse_json
from ioc.errors import Broken
from ioc.period import LOCAL, day_of, instant_of
from ioc.source import Source

MAX_PAGES = 5_000  # of one list
Known = Mapping[str, Mapping[str, str | None]]
"""Of each Datastream when its newest value was told (``seen``), and its first (``begun``)."""


@dataclass
class Stream:
    """One Datastream: where its values are, what is remembered of it, and what was wrong."""

    id: str
    link: str
    channel: Channel
    seen: datetime | None = None
    newest: datetime | None = None
    wrong: dict[str, int] = field(default_factory=dict)

    def start(self, source: Source) -> int:
        """The first day that must be read again."""
        first = day_of(first_instant(source))
        return first if self.seen is None else max(first, day_of(self.seen - source.lag))


def first_instant(source: Source) -> datetime:
    """Local midnight of the day from which values are read."""
    day = date.fromisoformat(source.options["from"])
    return datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)


def listed(source: Source, io: IO, known: Known) -> tuple[dict[str, list[Stream]], list[str]]:
    """The Datastreams of each org unit code, and what is wrong with those that have none."""
    url = io.url + source.options.get("path", "/v1.1") + "/Datastreams"
    params = {"$expand": "Thing,ObservedProperty", **source.options.get("params", {})}
    find = getter(source.options["unit"])
    units: dict[str, dict[str, Stream]] = defaultdict(dict)
    wrong, ids = [], set()
    for row in _pages(source, io, url, params):
        ids.add(id_ := str(row.get("@iot.id")))
        try:
            unit = code(find(row))
            if unit is None:
                raise Bad(f"thiếu {source.options['unit']}")
            units[unit][id_] = _stream(source, io, url, row, known.get(id_, {}))
        except Bad as error:
            wrong.append(f"luồng {shown(id_)}: {error}")
    if lost := known.keys() - ids:
        io.note(f"máy chủ không còn nêu {len(lost)} luồng số liệu đã biết")
    return {unit: list(streams.values()) for unit, streams in sorted(units.items())}, wrong


def _stream(
    source: Source, io: IO, url: str, row: Mapping[str, Any], known: Mapping[str, str | None]
) -> Stream:
    id_, station = row.get("@iot.id"), row.get("Thing")
    if type(id_) not in (str, int) or not isinstance(station, dict):
        raise Bad("thiếu @iot.id hoặc Thing")
    plain = f"{url}({id_})" if type(id_) is int else f"{url}('{id_}')"
    link = row.get("Observations@iot.navigationLink") or f"{plain}/Observations"
    read = number(source.locale, signed=True)
    sides = {side: source.options[side] for side in ("most", "least") if side in source.options}
    limits = {side: read(getter(path)(row)) for side, path in sides.items()}
    begun, seen = (
        datetime.fromisoformat(text) if (text := known.get(name)) else None
        for name in ("begun", "seen")
    )
    channel = Channel(str(station.get("@iot.id")), begun=begun, **limits)
    return Stream(str(id_), _own(io, url, link), channel, seen, seen)


def read_values(source: Source, io: IO, stream: Stream, start: int) -> int | None:
    """Read what was told since the start of a day; the first day of which something is new."""
    params = {
        "$filter": f"resultTime ge {instant_of(start):%Y-%m-%dT%H:%M:%SZ}",
        "$orderby": "resultTime asc",
        "$select": "phenomenonTime,resultTime,result",
        "$top": source.options.get("size"),
    }
    as_instant = instant(source.formats.get("instant"), zone_of(source.formats.get("zone")))
    latest, new = io.now() + FUTURE, None
    stream.wrong.clear()
    for row in _pages(source, io, stream.link, params):
        try:
            at, told, value = _value(row, as_instant, latest)
        except Bad as error:
            stream.wrong[str(error)] = stream.wrong.get(str(error), 0) + 1
            continue
        stream.newest = max(filter(None, (stream.newest, told)))
        if value is None:
            continue
        stream.channel.add(at, told, value)
        if stream.seen is None or told > stream.seen:
            new = day_of(at) if new is None else min(new, day_of(at))
    return new


def _value(
    row: Mapping[str, Any], as_instant: Read, latest: datetime
) -> tuple[datetime, datetime, float | None]:
    """The instant that a value is of, when it was told, and the value: None where none was taken.

    Of a stretch of time its beginning counts; a value without ``phenomenonTime`` is of the time at
    which it was told.
    """
    told = as_instant(row.get("resultTime"))
    if told is None:
        raise Bad("thiếu resultTime")
    about = row.get("phenomenonTime")
    at = as_instant(about.split("/")[0] if isinstance(about, str) else about) or told
    if max(at, told) > latest:
        raise Bad("thời điểm ở tương lai")
    return at, told, number(None, signed=True)(row.get("result"))


def _pages(source: Source, io: IO, url: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All entities of a list; Broken when it has no end."""
    asked: set[str] = set()
    given: Mapping[str, Any] | None = params
    while len(asked) < int(source.options.get("max_pages", MAX_PAGES)):
        asked.add(url)
        reply = io.fetch(url, given)
        data = parse_json(reply.body)
        rows = data.get("value") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Broken("phản hồi không có danh sách “value”")
        yield from rows
        if not (link := data.get("@iot.nextLink")):
            return
        url, given = _own(io, reply.url, link), None
        if url in asked:
            raise Broken("máy chủ trả lại liên kết trang đã dùng: phân trang không kết thúc")
    raise Broken(f"quá {len(asked)} trang: phân trang không kết thúc")


def _own(io: IO, base: str, link: Any) -> str:
    """A link that the server gave, as an address of the source itself."""
    return io.join(io.url, io.link(base, str(link)))

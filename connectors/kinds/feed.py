"""Feeds: RSS and Atom, with CAP 1.2 alerts in or behind their entries.

A feed is a window on the newest entries: what has left it is not gone. It is asked for only if it
has changed (ETag, Last-Modified), and pages (``rel=next``) are followed back to what was seen. What
was read is one batch, oldest first, so that the past is rebuilt in the order of changes.
"""

import json
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.cap import ALERT, alert_of, is_real, parse_xml
from connectors.entries import CAP_TYPE, Entry, Page, read_feed
from connectors.io import IO, Reply
from connectors.values import Bad, instant, zone_of
from ioc.errors import Broken, NeedsCredentials
from ioc.model import Batch
from ioc.source import Source

OPTIONS = {"path", "params", "max_pages", "max_rows", "alerts"}
ACCEPT = "application/atom+xml, application/rss+xml, application/xml, text/xml"
MAX_PAGES, MAX_ROWS = 2_000, 100_000
ALL_REFUSED = 3  # so many alerts, and not one of them readable, is a change of form
_FORMAT = 1
_AHEAD = timedelta(days=1)
RETRIED = timedelta(days=1)  # how old a refused alert may be and still be tried at each poll

Row = dict[str, Any]
Time = Callable[[Row], datetime | None]


class Told(NamedTuple):
    """An entry, the page that it stands in, and whether it is new to us."""

    entry: Entry
    reply: Reply
    new: bool


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Entries updated since the watermark, less ``lag``; those without a time always.

    Rows: ``id, published, updated``, ``categories`` (scheme -> term) and, of an alert, ``cap`` as
    ``connectors.cap`` says it. Titles, texts and persons are left where they are, and no link is
    followed but that to an alert. An alert that cannot be read is refused, stops no other
    and is tried again while it is less than a day old, or within ``lag``.

    Raises:
        Broken: no feed, a page that repeats, XML with a DTD, a watermark that cannot be.
    """
    state, now, place = _remembered(since, io.now()), io.now(), _Place(source)
    place.remember(state)
    first = _ask(source, io, io.url + source.options.get("path", ""), state)
    if first.status == 304 and (state.get("etag") or state.get("modified")):
        return
    entries = _walk(source, io, first, place)
    rows, refused = _rows(source, io, entries[::-1], place.refused)
    latest = now + timedelta(minutes=5)  # one ahead of our clock moves no watermark
    times = (at for one in entries if (at := place.time(one.entry.row)) and at <= latest)
    newest = max(filter(None, (place.seen, *times)), default=None)
    again = place.again(entries, refused, now)
    told = {} if again else first.headers  # what was refused may be given, and the feed not changed
    said = {"etag": told.get("etag"), "modified": told.get("last-modified"), "refused": again}
    cursor = json.dumps({"v": _FORMAT, "seen": newest and newest.isoformat(), **said})
    yield Batch(rows, cursor, origin=first.origin)
    for origin, reason in refused.items():
        yield Batch([], cursor, origin=origin, refused=reason)


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The first page: enough to see what the feed says."""
    reply = _ask(source, io, io.url + source.options.get("path", ""), {})
    entries = [Told(entry, reply, True) for entry in _read(reply).entries]
    yield Batch(_rows(source, io, entries, {})[0], origin=reply.origin)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit: (entry, Vietnamese reason)."""
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại feed tự theo liên kết trang sau"
    if type(source.options.get("alerts", False)) is not bool:
        yield "options", "alerts là true hoặc false: liên kết của mỗi mục là một cảnh báo CAP"


def _ask(source: Source, io: IO, address: str, state: dict[str, Any]) -> Reply:
    told = {"If-None-Match": state.get("etag"), "If-Modified-Since": state.get("modified")}
    headers = {name: value for name, value in told.items() if value}
    params = source.options.get("params")
    return io.fetch(address, params, accept=ACCEPT, headers=headers, taken=(304,))


def _read(reply: Reply) -> Page:
    return read_feed(reply.body, reply.headers.get("content-type", ""))


class _Place:
    """Where a feed was read to: what is new, and the alerts that were refused and are due again."""

    def __init__(self, source: Source):
        self.time, self._lag = _reader(source), source.lag
        self.seen: datetime | None = None
        self.refused: dict[str, str | None] = {}

    def remember(self, state: dict[str, Any]) -> None:
        self.seen = datetime.fromisoformat(state["seen"]) if state.get("seen") else None
        self.refused = state.get("refused", {})
        self._after = self.seen - self._lag if self.seen else None
        due = (datetime.fromisoformat(at) for at in self.refused.values() if at)
        self._back = min([self._after, *due]) if self._after else None

    def is_new(self, row: Row) -> bool:
        if self._after is None or str(row["id"]) in self.refused:
            return True
        return (self.time(row) or self._after) >= self._after

    def reaches(self, row: Row) -> bool:
        """Whether what stands behind this entry may be new."""
        return self._back is None or (self.time(row) or self._back) >= self._back

    def again(
        self, entries: list[Told], refused: Collection[str], now: datetime
    ) -> dict[str, str | None]:
        """Which refused entries the next poll tries again, and of when they are."""
        oldest = now - max(self._lag, RETRIED)
        times = {str(one.entry.row["id"]): self.time(one.entry.row) for one in entries}
        return {
            id_: at and at.isoformat()
            for id_, at in times.items()
            if id_ in refused and (at is None or at >= oldest)
        }


def _walk(source: Source, io: IO, reply: Reply, place: _Place) -> list[Told]:
    """The entries of all pages, as they stand there, up to the page that ends with an old one."""
    found: list[Told] = []
    asked = {reply.url}
    most = int(source.options.get("max_rows", MAX_ROWS))
    for _ in range(int(source.options.get("max_pages", MAX_PAGES))):
        page = _read(reply)
        told = [Told(entry, reply, place.is_new(entry.row)) for entry in page.entries]
        found += told
        if len(found) > most:
            raise Broken(f"nguồn tin có hơn {most} mục, vượt giới hạn")
        if page.next is None or not told or not place.reaches(told[-1].entry.row):
            return found
        address = io.join(reply.url, io.link(reply.url, page.next))
        if address in asked:
            raise Broken("nguồn tin dẫn lại trang đã đọc: phân trang không kết thúc")
        asked.add(address)
        reply = io.fetch(address, accept=ACCEPT)
    raise Broken("quá nhiều trang: phân trang không kết thúc")


def _rows(
    source: Source, io: IO, entries: list[Told], known: Collection[str]
) -> tuple[list[Row], dict[str, str]]:
    """The rows that are new, and alerts that could not be read: where each stood -> why."""
    told: list[tuple[Row, bool]] = []
    refused: dict[str, str] = {}
    unreal = 0
    for one in entries:
        try:
            row = _with_alert(source, io, one)
        except NeedsCredentials:
            raise
        except Broken as error:
            refused[str(one.entry.row["id"])] = str(error)
            continue
        if "cap" in row and not is_real(row["cap"]):
            unreal += one.new
        else:
            told.append((row, one.new))
    if unreal:
        io.note(f"bỏ qua {unreal} cảnh báo diễn tập, thử nghiệm hoặc chỉ để trả lời")
    alerts = [row["cap"] for row, _ in told if "cap" in row]
    fresh = [reason for id_, reason in refused.items() if id_ not in known]
    if len(fresh) >= ALL_REFUSED and not alerts:
        raise Broken(f"không đọc được cảnh báo nào, như: {fresh[0]}")
    _join(alerts)
    return [row for row, new in told if new], refused


def _with_alert(source: Source, io: IO, told: Told) -> Row:
    """The row with its alert: where that stands behind a link, only of an entry that is new."""
    entry, reply, new = told
    link = entry.alert_link or (entry.link if source.options.get("alerts") else None)
    alert = entry.alert
    if alert is None:
        if link is None or not new:
            return entry.row
        found = io.fetch(io.join(reply.url, link), accept=f"{CAP_TYPE}, application/xml, text/xml")
        alert = parse_xml(found.body, found.headers.get("content-type", ""))
    if alert.tag != ALERT:
        raise Broken("tài liệu cảnh báo không phải CAP 1.2")
    return entry.row | {"cap": alert_of(alert)}


def _join(alerts: list[Row]) -> None:
    """Give every message of an incident the name and time of the first, through those between."""
    by_name = {alert.get("identifier"): alert for alert in alerts}
    for alert in alerts:
        passed = {alert.get("identifier")}
        while (name := alert.get("first")) not in passed and (before := by_name.get(name)):
            passed.add(name)
            alert["first"], alert["first_sent"] = before.get("first"), before.get("first_sent")


def _reader(source: Source) -> Time:
    """When an entry was updated, in the declared form and zone; None where nobody can say."""
    read = instant(source.formats.get("instant"), zone_of(source.formats.get("zone")))

    def time(row: Row) -> datetime | None:
        try:
            return read(row["updated"])
        except Bad:
            return None

    return time


def _remembered(since: str | None, now: datetime) -> dict[str, Any]:
    if since is None:
        return {}
    try:
        state = json.loads(since)
        if state["v"] != _FORMAT:
            raise ValueError(state["v"])
        seen = datetime.fromisoformat(state["seen"]) if state["seen"] else None
        ahead = seen is not None and seen > now + _AHEAD
        for at in filter(None, state.get("refused", {}).values()):
            datetime.fromisoformat(at)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
    if ahead:
        raise Broken(f"mốc đã lưu ở tương lai: {state['seen']}")
    return state

"""Feeds: RSS and Atom, with CAP 1.2 alerts in or behind their entries.

A feed is a window on the newest entries: what has left it is not gone. It is asked for only if it
has changed (ETag, Last-Modified), and pages (``rel=next``) are followed back to what was seen. What
was read is one batch, oldest first, so that the past is rebuilt in the order of changes.
"""

import json
from collections.abc import Callable, Iterator
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
    followed but that to an alert. An alert that cannot be read is refused and stops no other.

    Raises:
        Broken: no feed, a page that repeats, XML with a DTD, a watermark that cannot be.
    """
    state, time = _remembered(since, io.now()), _reader(source)
    seen = datetime.fromisoformat(state["seen"]) if state.get("seen") else None
    first = _ask(source, io, io.url + source.options.get("path", ""), state)
    if first.status == 304 and (state.get("etag") or state.get("modified")):
        return
    after = seen - source.lag if seen else None
    entries = _walk(source, io, first, lambda row: after is None or (time(row) or after) >= after)
    rows, refused = _rows(source, io, entries[::-1])
    latest = io.now() + timedelta(minutes=5)  # one ahead of our clock moves no watermark
    times = (at for one in entries if (at := time(one.entry.row)) and at <= latest)
    newest = max(filter(None, (seen, *times)), default=None)
    said = {"etag": first.headers.get("etag"), "modified": first.headers.get("last-modified")}
    cursor = json.dumps({"v": _FORMAT, "seen": newest and newest.isoformat(), **said})
    yield Batch(rows, cursor, origin=first.origin)
    for origin, reason in refused.items():
        yield Batch([], cursor, origin=origin, refused=reason)


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The first page: enough to see what the feed says."""
    reply = _ask(source, io, io.url + source.options.get("path", ""), {})
    entries = [Told(entry, reply, True) for entry in _read(reply).entries]
    yield Batch(_rows(source, io, entries)[0], origin=reply.origin)


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


def _walk(source: Source, io: IO, reply: Reply, is_new: Callable[[Row], bool]) -> list[Told]:
    """The entries of all pages, as they stand there, up to the page that ends with an old one."""
    found: list[Told] = []
    asked = {reply.url}
    most = int(source.options.get("max_rows", MAX_ROWS))
    for _ in range(int(source.options.get("max_pages", MAX_PAGES))):
        page = _read(reply)
        told = [Told(entry, reply, is_new(entry.row)) for entry in page.entries]
        found += told
        if len(found) > most:
            raise Broken(f"nguồn tin có hơn {most} mục, vượt giới hạn")
        if page.next is None or not told or not told[-1].new:
            return found
        address = io.join(reply.url, io.link(reply.url, page.next))
        if address in asked:
            raise Broken("nguồn tin dẫn lại trang đã đọc: phân trang không kết thúc")
        asked.add(address)
        reply = io.fetch(address, accept=ACCEPT)
    raise Broken("quá nhiều trang: phân trang không kết thúc")


def _rows(source: Source, io: IO, entries: list[Told]) -> tuple[list[Row], dict[str, str]]:
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
    if len(refused) >= ALL_REFUSED and not alerts:
        raise Broken(f"không đọc được cảnh báo nào, như: {next(iter(refused.values()))}")
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
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
    if ahead:
        raise Broken(f"mốc đã lưu ở tương lai: {state['seen']}")
    return state

"""Feeds: RSS and Atom, with CAP 1.2 alerts in or behind their entries.

A feed is a window on the newest entries: what has left it is not gone. It is asked for only if it
has changed (ETag, Last-Modified), and pages (``rel=next``) are followed back to what was seen. What
was read is one batch, oldest first, so that the past is rebuilt in the order of changes.
"""

import calendar
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element

import feedparser

from connectors.cap import ALERT, alert_of, parse_xml
from connectors.io import IO, Reply
from ioc.errors import Broken
from ioc.model import Batch
from ioc.source import Source

OPTIONS = {"path", "params", "max_pages", "max_rows"}
ACCEPT = "application/atom+xml, application/rss+xml, application/xml, text/xml"
MAX_PAGES, MAX_ROWS = 2_000, 100_000
CAP_TYPE = "application/cap+xml"
_ATOM = "{http://www.w3.org/2005/Atom}"
_FORMAT = 1
_AHEAD = timedelta(days=1)

Entry = dict[str, Any]


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Entries updated since the watermark, less ``lag``; those without a time always.

    Rows: ``id, published, updated`` (ISO), ``categories`` (scheme -> term) and, of an alert,
    ``cap`` as ``connectors.cap`` says it. Titles, texts, links and persons are left where they are.

    Raises:
        Broken: no feed, a page that repeats, XML with a DTD, a watermark that cannot be.
    """
    state = _remembered(since, io.now())
    seen = datetime.fromisoformat(state["seen"]) if state.get("seen") else None
    first = _ask(source, io, io.url + source.options.get("path", ""), state)
    if first.status == 304:
        return
    rows = _walk(source, io, first, seen - source.lag if seen else None)
    newest = max(filter(None, (seen, *map(_newest(io.now()), rows))), default=None)
    said = {"etag": first.headers.get("etag"), "modified": first.headers.get("last-modified")}
    cursor = {"v": _FORMAT, "seen": newest and newest.isoformat(), **said}
    yield Batch(rows[::-1], json.dumps(cursor), origin=first.origin)


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The first page: enough to see what the feed says."""
    reply = _ask(source, io, io.url + source.options.get("path", ""), {})
    yield Batch(list(_entries(io, reply, None)[0]), origin=reply.origin)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit: (entry, Vietnamese reason)."""
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại feed tự theo liên kết trang sau"


def _walk(source: Source, io: IO, reply: Reply, after: datetime | None) -> list[Entry]:
    rows: list[Entry] = []
    asked = {reply.url}
    for _ in range(int(source.options.get("max_pages", MAX_PAGES))):
        found, following = _entries(io, reply, after)
        rows += found
        if len(rows) > int(source.options.get("max_rows", MAX_ROWS)):
            raise Broken(f"nguồn tin có hơn {MAX_ROWS} mục, vượt giới hạn")
        if following is None:
            return rows
        address = io.join(reply.url, following)
        if address in asked:
            raise Broken("nguồn tin dẫn lại trang đã đọc: phân trang không kết thúc")
        asked.add(address)
        reply = _ask(source, io, address, {})
    raise Broken("quá nhiều trang: phân trang không kết thúc")


def _ask(source: Source, io: IO, address: str, state: dict[str, Any]) -> Reply:
    told = {"If-None-Match": state.get("etag"), "If-Modified-Since": state.get("modified")}
    headers = {name: value for name, value in told.items() if value}
    return io.fetch(
        address, source.options.get("params"), accept=ACCEPT, headers=headers, taken=(304,)
    )


def _entries(io: IO, reply: Reply, after: datetime | None) -> tuple[list[Entry], str | None]:
    """The rows of a page that are newer, and the link to the next page where there may be more."""
    root = parse_xml(reply.body)
    read = feedparser.parse(
        BytesIO(reply.body),
        response_headers={"content-type": reply.headers.get("content-type", "")},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not read.get("version"):
        raise Broken("phản hồi không phải nguồn tin RSS hay Atom")
    alerts = _alerts(root)
    told = [_row(entry) for entry in read.entries]
    new = [after is None or (at := _instant(row["updated"])) is None or at >= after for row in told]
    rows = []
    for entry, row, is_new in zip(read.entries, told, new, strict=True):
        if is_new:
            rows.append(_with_alert(io, reply, entry, row, alerts))
    links = (link["href"] for link in read.feed.get("links", []) if link.get("rel") == "next")
    return rows, next(links, None) if all(new) and told else None


def _row(entry: Any) -> Entry:
    tags = {tag.get("scheme") or "": tag.get("term") for tag in entry.get("tags", [])}
    published = _time(entry, "published")
    return {
        "id": entry.get("id") or None,
        "published": published,
        "updated": _time(entry, "updated") or published,
        "categories": {scheme.rpartition(":")[2]: term for scheme, term in tags.items() if term},
    }


def _time(entry: Any, name: str) -> str | None:
    """An instant as the entry wrote it where that is ISO, else what the library makes of it."""
    if (text := dict.get(entry, name)) and _instant(text):
        return str(text)
    parsed = dict.get(entry, f"{name}_parsed")
    return datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat() if parsed else None


def _alerts(root: Element) -> dict[str, Element]:
    """Alerts that stand in their entries, by the entry's id."""
    found = {}
    for entry in root.iter(f"{_ATOM}entry"):
        alert = next(entry.iter(ALERT), None)
        if alert is not None:
            found[(entry.findtext(f"{_ATOM}id") or "").strip()] = alert
    return found


def _with_alert(io: IO, reply: Reply, entry: Any, row: Entry, alerts: dict[str, Element]) -> Entry:
    alert = alerts.get(row["id"] or "")
    if alert is None:
        links = (link for link in entry.get("links", []) if link.get("type") == CAP_TYPE)
        if (link := next(links, None)) is None:
            return row
        accept = f"{CAP_TYPE}, application/xml, text/xml"
        alert = parse_xml(io.bytes(io.join(reply.url, link["href"]), accept=accept))
    if alert.tag != ALERT:
        raise Broken("tài liệu cảnh báo không phải CAP 1.2")
    return row | {"cap": alert_of(alert)}


def _newest(now: datetime) -> Any:
    """Reads the time of a row; one ahead of our clock moves no watermark."""

    def read(row: Entry) -> datetime | None:
        at = _instant(row["updated"])
        return at if at and at <= now + timedelta(minutes=5) else None

    return read


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo else None


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

"""The entries of an RSS or Atom document: their codes, times and alerts, and nothing else of them.

What is not wanted (titles, texts, persons) is cut out of the document before it is looked at, and
what is looked at is the very tree that was found to be without DTD and entities.
"""

import re
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, tostring

import feedparser

from connectors.cap import ALERT, parse_xml
from ioc.errors import Broken

CAP_TYPE = "application/cap+xml"
_ENTRY = {"entry", "item"}
_TIMES = {"published", "pubDate", "issued", "created", "updated", "modified", "date"}
_READ = {"id", "guid", "link", "category", "subject", *_TIMES}
_HOURS = re.compile(r"(?:GMT|UTC)([+-])(\d{1,2})(?::?(\d\d))?$")
_CLOCK = re.compile(r"\d\d?:\d\d(?::\d\d)?$")


class Entry(NamedTuple):
    """The row of an entry, its alert where that stands in it, and links to where it may stand."""

    row: dict[str, Any]
    alert: Element | None
    alert_link: str | None
    link: str | None


class Page(NamedTuple):
    """The entries of one document in its own order, and the link to the next one."""

    entries: list[Entry]
    next: str | None


def read_feed(body: bytes, content_type: str) -> Page:
    """Entries as rows: ``id`` (else the link), ``published, updated``, ``categories``.

    Times are as written, those of RSS in ISO form; ``updated`` is ``published`` where an entry has
    no other. Categories are scheme -> term, of a scheme what follows its last colon.

    Raises:
        Broken: no feed, not well formed, with a DTD, or with entries that cannot be told apart.
    """
    root = parse_xml(body, content_type)
    found = [one for parent in _parents(root) for one in parent if _name(one) in _ENTRY]
    alerts = [_alert(one) for one in found]
    told = _parsed(root, found)
    if not told.get("version"):
        raise Broken("phản hồi không phải nguồn tin RSS hay Atom")
    if len(told.entries) != len(found):
        raise Broken(f"nguồn tin có {len(found)} mục, chỉ đọc được {len(told.entries)}")
    entries = [_entry(one, alert) for one, alert in zip(told.entries, alerts, strict=True)]
    links = (one.get("href") for one in told.feed.get("links", []) if one.get("rel") == "next")
    return Page(entries, next(links, None))


def _parents(root: Element) -> list[Element]:
    return [root, *(one for one in root if _name(one) == "channel")]


def _name(one: Element) -> str:
    return one.tag.rpartition("}")[2]


def _alert(entry: Element) -> Element | None:
    """The alert in an entry, or in its content."""
    inside = (each for one in entry for each in (one, *one))
    return next((each for each in inside if each.tag == ALERT), None)


def _parsed(root: Element, entries: list[Element]) -> Any:
    """What the library makes of the document once only what is read is left in it."""
    for parent in _parents(root):
        _keep(parent, {"channel", "link", *_ENTRY})
    for one in entries:
        _keep(one, _READ)
    left = tostring(root, encoding="utf-8")
    headers = {"content-type": "application/xml; charset=utf-8"}
    return feedparser.parse(BytesIO(left), response_headers=headers)


def _keep(parent: Element, names: set[str]) -> None:
    """Leave only children of these names; what is read of an entry has no children itself."""
    parent[:] = [one for one in parent if _name(one) in names]
    for one in parent:
        if _name(one) not in {"channel", *_ENTRY}:
            one[:] = []


def _entry(entry: Any, alert: Element | None) -> Entry:
    tags = {tag.get("scheme") or "": tag.get("term") for tag in entry.get("tags", [])}
    links = (link.get("href") for link in entry.get("links", []) if link.get("type") == CAP_TYPE)
    published, updated = (_time(dict.get(entry, name)) for name in ("published", "updated"))
    row = {
        "id": entry.get("id") or entry.get("link") or None,
        "published": published,
        "updated": updated or published,
        "categories": {scheme.rpartition(":")[2]: term for scheme, term in tags.items() if term},
    }
    return Entry(row, alert, next(links, None), entry.get("link"))


def _time(text: str | None) -> str | None:
    """RSS times in ISO form, naive where they name no zone; every other text as it is."""
    text = (text or "").strip()
    hours = _HOURS.search(text)
    if hours:
        text = f"{text[: hours.start()]}{hours[1]}{int(hours[2]):02d}{hours[3] or '00'}"
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return text or None
    if at.tzinfo is None and text.endswith("-0000"):
        return f"{at.isoformat()}+00:00"
    return at.isoformat() if at.tzinfo or _CLOCK.search(text) else text

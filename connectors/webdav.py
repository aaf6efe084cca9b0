"""A folder on a WebDAV server: listed by one PROPFIND, read by GET, through the door of HTTP."""

import email.utils
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.folder import File, in_order, is_data, still_written
from connectors.shelves import DAV
from ioc.errors import Broken, Transient

if TYPE_CHECKING:
    from connectors.io import IO

MAX_FILES = 10_000
_ASKED = b"""<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop>
<resourcetype/><getcontentlength/><getlastmodified/><getetag/>
</prop></propfind>"""
_HOW = {"method": "PROPFIND", "accept": "application/xml, text/xml", "taken": (207,)}
_HEADERS = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}


class WebDav:
    """``webdav+https://host/folder``: its files, not those of folders within it."""

    settles, counted = True, True  # by the door of HTTP

    def __init__(self, io: "IO"):
        self._io, self._folder = io, io.url.removeprefix(DAV) + "/"

    def listed(self, suffixes: tuple[str, ...]) -> list[File]:
        """Files of the folder with these suffixes, oldest first."""
        reply = self._io.fetch(self._folder, headers=_HEADERS, body=_ASKED, **_HOW)
        if reply.status != 207:
            raise Broken("máy chủ không phải WebDAV: không liệt kê được thư mục")
        try:
            answers = fromstring(reply.body, forbid_dtd=True).findall("{DAV:}response")
        except (ParseError, DefusedXmlException, ValueError):
            raise Broken("danh sách WebDAV không phải XML an toàn") from None
        if len(answers) > MAX_FILES:
            raise Broken(f"thư mục có hơn {MAX_FILES} tệp")
        ahead = _instant(reply.headers.get("date", "")) or self._io.now()
        found = self._files(answers, ahead)
        return in_order(file for file in found if is_data(file.name, suffixes))

    def read(self, file: File) -> bytes:
        """The bytes of a listed file; Transient when it is no longer what was listed."""
        address = self._folder + quote(file.name, safe="")
        reply = self._io.fetch(address, accept="*/*", taken=(404, 410))
        if reply.status != 200:
            raise Transient(f"{file.name}: tệp không còn")
        now = _instant(reply.headers.get("last-modified", ""))
        changed = now is not None and int(now.timestamp()) != file.mtime_ns // 1_000_000_000
        if changed or len(reply.body) != file.size:
            raise still_written(file)
        return reply.body

    def close(self) -> None:
        """The connection belongs to the door."""

    def _files(self, answers: list[Element], ahead: datetime) -> Iterator[File]:
        """The files among the answers; ``ahead`` is the server's own clock."""
        path = unquote(urlsplit(self._folder).path)
        skew = ahead - self._io.now()
        for answer in answers:
            where = unquote(urlsplit(answer.findtext("{DAV:}href", "").strip()).path)
            name = where.removeprefix(path)
            said = next(filter(_is_good, answer.findall("{DAV:}propstat")), None)
            if said is None or not name or "/" in name or not where.startswith(path):
                continue
            if said.find(".//{DAV:}resourcetype/{DAV:}collection") is not None:
                continue
            changed = said.findtext(".//{DAV:}getlastmodified", "")
            size = said.findtext(".//{DAV:}getcontentlength", "").strip()
            at = _instant(changed)
            if at is None or not size.isdecimal():
                raise Broken(f"{name}: máy chủ WebDAV không nói kích thước hoặc giờ sửa của tệp")
            stamp = _stamp(changed, said.findtext(".//{DAV:}getetag", ""))
            yield File(name, int(size), at - skew, stamp)


def _is_good(propstat: Element) -> bool:
    return " 200 " in f"{propstat.findtext('{DAV:}status', '')} "


def _instant(text: str) -> datetime | None:
    """An HTTP date."""
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _stamp(changed: str, etag: str) -> int:
    """A number that moves with the time of change, which is in whole seconds, or with the ETag."""
    at = _instant(changed)
    seconds = int(at.timestamp()) if at else 0
    return seconds * 1_000_000_000 + zlib.crc32(etag.strip().encode()) % 1_000_000_000

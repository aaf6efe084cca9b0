"""Alerts in the Common Alerting Protocol 1.2: their coded words, place and times, never their text.

Headline, description, instruction, contact and the names of sender and area are not even looked at.
"""

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ioc.errors import Broken

SPACE = "urn:oasis:names:tc:emergency:cap:1.2"
ALERT = f"{{{SPACE}}}alert"
_HEAD = ("identifier", "sent", "status", "msgType", "scope")
_INFO = ("category", "responseType", "urgency", "severity", "certainty")
_TIMES = ("effective", "onset", "expires")
_UNREAL = {"Exercise", "System", "Test", "Draft"}
_TALK = {"Ack", "Error"}
_SAYS = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|\s*<\?xml[^>]*\sencoding\s*=")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def parse_xml(body: bytes, content_type: str = "") -> Element:
    """The root of an XML document without DTD, entities or network; Broken where it is none.

    Its own mark or declaration says in which encoding it is; else the content type, else UTF-8.
    """
    charset = None if _SAYS.match(body) else _CHARSET.search(content_type)
    try:
        parser = DefusedXMLParser(encoding=charset and charset[1], forbid_dtd=True)
        parser.feed(body)
        return parser.close()
    except DefusedXmlException:
        raise Broken("XML có khai báo kiểu tài liệu (DTD) hoặc thực thể: không nhận") from None
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        line = getattr(error, "position", (0,))[0]
        raise Broken(f"XML không hợp lệ ở dòng {line}") from None


def alert_of(root: Element) -> dict[str, Any]:
    """The coded words of an alert, flat; what it does not say is absent.

    ``first`` is the identifier of the message with which its incident began and ``first_sent`` its
    time, ``codes`` its event codes, ``parameters`` and ``geocodes`` what it names so; ``lat`` and
    ``lon`` the middle of its first circle or polygon.
    """
    found: dict[str, Any] = {name: _said(root, name) for name in _HEAD}
    info = root.find(f"{{{SPACE}}}info")
    if info is not None:
        found |= {name: _said(info, name) for name in (*_INFO, *_TIMES)}
        found["codes"] = _named(info, "eventCode")
        found["parameters"] = _named(info, "parameter")
        area = info.find(f"{{{SPACE}}}area")
        if area is not None:
            found["geocodes"] = _named(area, "geocode")
            found |= _middle(area)
    first = _first(_said(root, "references")) or (found["identifier"], found["sent"])
    found["first"], found["first_sent"] = first
    return {name: value for name, value in found.items() if value not in (None, {})}


def is_real(alert: dict[str, Any]) -> bool:
    """Whether an alert tells of something that happened: no exercise, test, draft or receipt."""
    return alert.get("status") not in _UNREAL and alert.get("msgType") not in _TALK


def _said(parent: Element, name: str) -> str | None:
    text = parent.findtext(f"{{{SPACE}}}{name}")
    return text.strip() or None if text else None


def _named(parent: Element, name: str) -> dict[str, str]:
    """Pairs of valueName and value."""
    pairs = (
        (_said(one, "valueName"), _said(one, "value")) for one in parent.iter(f"{{{SPACE}}}{name}")
    )
    return {key: value for key, value in pairs if key and value}


def _first(references: str | None) -> tuple[str, str] | None:
    """Name and time of the earliest ``sender,identifier,sent``, in whatever order they stand."""
    told = [one.split(",") for one in (references or "").split()]
    earlier = [(one[1], one[2]) for one in told if len(one) == 3 and one[1]]
    return min(earlier, key=lambda pair: _sent(pair[1])) if earlier else None


def _sent(text: str) -> datetime:
    """When a message was sent; one that does not say so is taken for the latest."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _middle(area: Element) -> dict[str, str]:
    text = _said(area, "circle")
    if text:
        lat, _, lon = text.split()[0].partition(",")
        return {"lat": lat, "lon": lon}
    corners = [pair.partition(",") for pair in (_said(area, "polygon") or "").split()][:-1]
    try:
        lats, lons = ([float(corner[i]) for corner in corners] for i in (0, 2))
    except ValueError:
        return {}
    if not lats:
        return {}
    return {"lat": f"{sum(lats) / len(lats):.6f}", "lon": f"{sum(lons) / len(lons):.6f}"}

"""SOAP reports of older systems: one templated request for each month, rows found by XPath.

Servers say a fault with status 200 as well as with 500; whose fault it is stands in its code, and
only the server's own is worth another try. XML is read without entities, DTD or network. Where no
month that is read again has a row any more, the poll covers nothing: empty is not zero.
"""

import re
from collections.abc import Iterator
from string import Template
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from connectors.io import IO
from ioc.errors import Broken, Transient
from ioc.model import Batch
from ioc.period import LOCAL, Period
from ioc.source import Basic, Source

OPTIONS = {
    "path",
    "action",
    "version",
    "template",
    "namespaces",
    "rows",
    "columns",
    "from",
    "again",
}
AGAIN = 2  # months that are read again: reports are corrected backwards
_LOGIN = {"tai_khoan", "mat_khau"}  # of ``auth: basic``: many older services want them in the body
_WORDS = {"nam", "thang", "ky"} | _LOGIN
_ENVELOPES = {
    "1.1": ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8"),
    "1.2": ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8"),
}
_OURS = {"Client", "Sender", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown"}


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """A batch for each month from ``from``, later from ``again`` months before the watermark.

    Raises:
        Broken: what comes is no SOAP, a fault of ours, or a watermark that cannot be.
        Transient: a fault of the server.
    """
    today = io.now().astimezone(LOCAL).date()
    month, last = _first(source, since, today), Period.of("month", today)
    read, some = _Reader(source), since is None
    while month.key <= last.key:
        rows, origin = read.rows(io, month)
        some = some or bool(rows)
        yield Batch(rows, month.text, origin=f"{origin}?{month.text}")
        month = month.next()
    if not some:
        io.waiting = True
        io.note("dịch vụ không trả dòng nào cho các tháng đã đọc lại; hãy xem mẫu phản hồi")


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The months before this one, newest first: enough to see what the server says."""
    month, read = Period.of("month", io.now().astimezone(LOCAL).date()), _Reader(source)
    for _ in range(3):
        rows, origin = read.rows(io, month)
        yield Batch(rows, origin=f"{origin}?{month.text}")
        month = month.previous()


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    options = source.options
    for name in ("template", "rows", "columns", "from"):
        if not options.get(name):
            yield "options", f"phải có {name}"
    if options.get("version", "1.1") not in _ENVELOPES:
        yield "options", "version phải là '1.1' hoặc '1.2', trong dấu nháy"
    names = Template(str(options.get("template", ""))).get_identifiers()
    if set(names) & _LOGIN and not isinstance(source.auth, Basic):
        yield "auth", "template có $tai_khoan hoặc $mat_khau thì phải khai auth: basic"
    if strange := sorted(set(names) - _WORDS):
        yield "options", f"template có ${strange[0]}; chỉ có {', '.join(sorted(_WORDS))}"
    columns = options.get("columns", {})
    paths = [options.get("rows", "."), *(columns.values() if isinstance(columns, dict) else [None])]
    for path in paths:
        try:
            etree.XPath(path, namespaces=options.get("namespaces") or None)
        except (etree.XPathError, TypeError):
            yield "options", f"XPath không hợp lệ: {path!r}"
    try:
        Period.parse(str(options.get("from", "2021-01")), "month")
    except ValueError:
        yield "options", "from là tháng đầu có báo cáo, dạng '2021-01' trong dấu nháy"
    again = options.get("again", AGAIN)
    if type(again) is not int or again < 0:
        yield "options", "again phải là số tháng"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại soap không phân trang"


class _Reader:
    """The request and the paths of one source, compiled once."""

    def __init__(self, source: Source) -> None:
        options = source.options
        spaces = options.get("namespaces") or None
        self._path = options.get("path", "")
        self._template = Template(options["template"])
        version, action = options.get("version", "1.1"), f'"{options.get("action", "")}"'
        self._space, kind = _ENVELOPES[version]
        self._headers = {"Content-Type": kind, "SOAPAction": action}
        if version == "1.2":
            self._headers = {"Content-Type": f"{kind}; action={action}"}
        self._rows = etree.XPath(options["rows"], namespaces=spaces)
        self._columns = {
            name: etree.XPath(path, namespaces=spaces) for name, path in options["columns"].items()
        }

    def rows(self, io: IO, month: Period) -> tuple[list[dict[str, Any]], str]:
        """What the service reports of a month, as texts, and where that stood."""
        reply = io.fetch(
            io.url + self._path,
            method="POST",
            body=self._request(io, month).encode(),
            accept="text/xml, application/soap+xml",
            headers=self._headers,
            taken=(500,),
        )
        try:
            body = self._body(parse(reply.body))
        except Broken:
            if reply.status == 200:
                raise
            raise Transient(f"máy chủ trả lỗi {reply.status}") from None
        self._refuse_fault(body)
        rows = self._rows(body)
        if not isinstance(rows, list):
            raise Broken("rows phải chỉ ra các phần tử, không phải một số, chữ hay đúng/sai")
        return [self._row(found) for found in rows], reply.origin

    def _request(self, io: IO, month: Period) -> str:
        """The template with its month, and the login where it asks for one, as text of XML."""
        day = month.start
        words = {"nam": f"{day.year}", "thang": f"{day.month:02d}", "ky": month.text}
        if set(self._template.get_identifiers()) & _LOGIN:
            login = io.credentials.login()
            words |= {"tai_khoan": escape(login.user), "mat_khau": escape(login.password)}
        return self._template.substitute(words)

    def _body(self, root: Any) -> Any:
        """The Body of an envelope. Broken where there is none."""
        found = root.find(f"{{{self._space}}}Body")
        if root.tag != f"{{{self._space}}}Envelope" or found is None:
            raise Broken("phản hồi không phải phong bì SOAP")
        return found

    def _row(self, found: Any) -> dict[str, Any]:
        return {name: _text(name, path(found)) for name, path in self._columns.items()}

    def _refuse_fault(self, body: Any) -> None:
        fault = body.find(f"{{{self._space}}}Fault")
        if fault is None:
            return
        codes = fault.xpath(".//*[local-name()='faultcode' or local-name()='Value']/text()")
        code = str(codes[0]).rpartition(":")[2].strip() if codes else ""
        said = re.sub(r"[^\w.\-]", "", code)[:40] or "không rõ mã"
        if code.partition(".")[0] in _OURS:
            raise Broken(f"dịch vụ SOAP từ chối yêu cầu của ta ({said})")
        raise Transient(f"dịch vụ SOAP báo lỗi ({said})")


def parse(body: bytes) -> Any:
    """The root of an XML document; Broken where it is none, or declares a DTD."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        line, _ = error.position
        raise Broken(f"XML không hợp lệ ở dòng {line}") from None
    if root.getroottree().docinfo.doctype:
        raise Broken("XML có khai báo kiểu tài liệu (DTD): không nhận")
    return root


def _text(name: str, found: Any) -> str | float | bool | None:
    """What an XPath found: its one text, a number or a truth as such; nothing is None."""
    if isinstance(found, list):
        if len(found) > 1:
            raise Broken(f"cột {name} chỉ ra {len(found)} giá trị trong một dòng")
        found = found[0] if found else None
    if found is None or isinstance(found, (float, bool)):
        return found
    return str(found if isinstance(found, str) else found.text or "").strip() or None


def _first(source: Source, since: str | None, today: Any) -> Period:
    begin = Period.parse(source.options["from"], "month")
    if since is None:
        return begin
    try:
        seen = Period.parse(since, "month")
    except ValueError:
        raise Broken(f"mốc đã lưu không đọc được: {since[:40]!r}") from None
    if seen.start > today:
        raise Broken(f"mốc đã lưu ở tương lai: {since}")
    return max(begin, seen.previous(source.options.get("again", AGAIN)), key=lambda one: one.key)

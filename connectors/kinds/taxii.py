"""TAXII 2.1: counts that a security operations centre publishes as STIX objects of its own type.

Objects come in the order in which the server got them; the watermark is the server's own word for
the newest (``X-TAXII-Date-Added-Last``), kept to the microsecond. What was added at the border of a
page is asked for again: the same object changes nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.io import IO, Reply
from connectors.wire import parse_json
from ioc.errors import Broken, Transient
from ioc.model import Batch
from ioc.source import Source

OPTIONS = {"api_root", "collection", "type", "limit", "max_pages"}
ACCEPT = "application/taxii+json;version=2.1"
DISCOVERY = "/taxii2/"
LAST = "x-taxii-date-added-last"
FORGOTTEN = (400, 404, 410)  # servers keep a next page for seconds
MAX_PAGES = 10_000
_ONE = timedelta(microseconds=1)
_AHEAD = timedelta(days=1)


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Objects of ``type`` in a collection, added since the watermark less ``lag``, page by page.

    Raises:
        Broken: not a TAXII 2.1 server, a root on another host, no end of pages, a bad watermark.
        Transient: the server has forgotten which page was next.
    """
    seen = _remembered(since, io.now())
    address = f"{_root(source, io)}collections/{source.options['collection']}/objects/"
    asked: dict[str, Any] = {
        "added_after": _text(seen - source.lag - _ONE) if seen else None,
        "limit": source.options.get("limit", 1000),
    }
    follows: Any = None
    before: list[Any] | None = None
    read = 0
    for _ in range(int(source.options.get("max_pages", MAX_PAGES))):
        reply = _ask(io, address, asked | {"next": follows})
        page = parse_json(reply.body)
        found = page.get("objects", []) if isinstance(page, dict) else None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Broken("phản hồi TAXII không có danh sách đối tượng")
        if found:
            seen = max(filter(None, (seen, _added(reply, io.now()))))
            rows = [one for one in found if one.get("type") == source.options["type"]]
            yield Batch(rows, _text(seen), origin=reply.origin, first=read + 1)
            read += len(rows)
        if not page.get("more"):
            return
        follows = page.get("next")  # some servers move on under the same word
        if type(follows) not in (str, int) or not found or found == before:
            raise Broken("máy chủ TAXII báo còn trang nhưng không có trang mới: không kết thúc")
        before = found
    raise Broken("quá nhiều trang: phân trang không kết thúc")


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    for name in ("collection", "type"):
        value = source.options.get(name)
        if not isinstance(value, str) or not value or "/" in value:
            yield "options", f"phải có {name}: mã của TAXII, trong dấu nháy"
    limit = source.options.get("limit", 1000)
    if type(limit) is not int or limit < 1:
        yield "options", "limit phải là số nguyên từ 1"
    if not str(source.options.get("api_root", "/")).startswith("/"):
        yield "options", "api_root là đường dẫn, bắt đầu bằng /"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại taxii tự phân trang"


def _root(source: Source, io: IO) -> str:
    """The address of the api root, with its last slash; never on another host."""
    if root := source.options.get("api_root"):
        return f"{io.url}/{root.strip('/')}/"
    said = parse_json(_ask(io, io.url + DISCOVERY, {}).body)
    roots = said.get("api_roots") if isinstance(said, dict) else None
    root = said.get("default") or (roots[0] if isinstance(roots, list) and roots else None)
    if not isinstance(root, str):
        raise Broken("máy chủ TAXII không nói gốc giao diện nào: hãy khai api_root")
    return f"{io.url}{io.link(io.url + DISCOVERY, root)}".rstrip("/") + "/"


def _ask(io: IO, address: str, params: dict[str, Any]) -> Reply:
    forgotten = FORGOTTEN if params.get("next") else ()
    reply = io.fetch(address, params, accept=ACCEPT, taken=(406, 415, *forgotten))
    if reply.status in forgotten:  # what is stored stays; the next poll goes on behind it
        raise Transient(f"máy chủ TAXII không còn giữ trang tiếp theo ({reply.status})")
    if reply.status != 200:
        raise Broken(f"máy chủ không nói TAXII 2.1 ({reply.status})")
    return reply


def _added(reply: Reply, now: datetime) -> datetime:
    """When the newest object of a page was added, in the server's own words."""
    text = reply.headers.get(LAST)
    if not text:
        raise Broken("máy chủ TAXII không nói đối tượng mới nhất được thêm khi nào")
    added = _instant(text)
    if added is None or added > now + _AHEAD:
        raise Broken(f"máy chủ TAXII nói một thời điểm không dùng được: {text[:40]!r}")
    return added


def _remembered(since: str | None, now: datetime) -> datetime | None:
    if since is None:
        return None
    seen = _instant(since)
    if seen is None:
        raise Broken(f"mốc đã lưu không đọc được: {since[:40]!r}")
    if seen > now + _AHEAD:
        raise Broken(f"mốc đã lưu ở tương lai: {since}")
    return seen


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

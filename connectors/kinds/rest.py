"""JSON over HTTP: portals, e-office, the integration platform.

Two ways to walk a long answer. By what the source says of the next page, a cursor or a link: each
page may be resumed from. By number or offset: rows can move between pages while we walk, so what
was read is counted against the total, and the watermark moves only after the last page.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import jmespath

from connectors.io import IO
from connectors.paths import getter
from connectors.values import Bad, instant
from connectors.wire import parse_json
from ioc.errors import Broken, Transient
from ioc.model import Batch
from ioc.source import Source

OPTIONS = {"path", "params", "since_param", "since_field", "since_format", "more_path"}
OPTIONS |= {"max_pages", "max_rows", "whole", "whole_years"}
MAX_PAGES = 10_000
MAX_ROWS = 50_000  # of one page
_COUNTED = ("none", "page", "offset")
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"[^"]*"|[^",;\s]+))?)*)')
_SAID = re.compile(r';\s*([\w*-]+)\s*(?:=\s*(?:"([^"]*)"|([^",;\s]+)))?')


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Pages of rows since the cursor: what the source gave, or the newest change time seen."""
    walk = _by_number if source.paging.kind in _COUNTED else _by_next
    return walk(source, since, io)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit together: (entry, Vietnamese reason)."""
    specs = (source.readings or {}).values()
    options = source.options
    whole = source.paging.kind == "none" or bool(options.get("whole"))
    cut = "since_param" in options and not options.get("whole_years")
    if any(isinstance(spec, dict) and "cumulative" in spec for spec in specs) and (
        not whole or cut
    ):
        reason = "cumulative cần cả năm trong một lần đọc: phân trang none hoặc options.whole"
        yield "readings", f"{reason}, và since_param chỉ khi có options.whole_years"


def _by_next(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    paging, asked, read = source.paging, {since}, 0
    if since is not None and paging.is_linked != since.startswith("/"):
        raise Broken("mốc đã lưu không hợp với kiểu phân trang: cần người xem lại")
    for _ in _numbers(source):
        params = {paging.size_param: paging.size}
        if not paging.is_linked:
            params[paging.cursor_param] = since
        page = _Page(source, io, params, since if paging.is_linked else None)
        cursor = page.next
        ends = cursor is None or page.is_last
        if cursor in asked and page.rows and not ends:
            raise Broken("máy chủ trả lại con trỏ đã dùng: phân trang không kết thúc")
        if page.rows or cursor not in (None, since):
            yield Batch(page.rows, cursor=cursor, origin=page.origin, first=read + 1)
        if ends or cursor in asked:
            return
        read += len(page.rows)
        asked.add(cursor)
        since = cursor


def _by_number(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    paging, options, whole = source.paging, source.options, bool(source.options.get("whole"))
    changes, seen = _Changes(source, since, io.now()), _Seen(source)
    rows: list[Any] = []
    previous = None
    for number in _numbers(source):
        params: dict[Any, Any] = {options.get("since_param"): changes.ask_from}
        if paging.kind == "offset":
            params |= {paging.offset_param: seen.read, paging.size_param: paging.size}
        elif paging.kind == "page":
            params |= {paging.page_param: paging.first + number, paging.size_param: paging.size}
        page = _Page(source, io, params)
        if page.rows and page.rows == previous:
            raise Broken("máy chủ trả lại cùng một trang: phân trang không kết thúc")
        previous = page.rows
        if whole:
            rows += page.rows
        elif page.rows:
            yield Batch(page.rows, origin=page.origin, first=seen.read + 1)
        seen.add(page.rows)
        changes.add(page.rows)
        total = page.total
        counted = total is not None and seen.read >= total
        if paging.kind == "none" or not page.rows or page.is_last or counted:
            break
    seen.refuse_less_than(total)
    if whole:
        yield Batch(rows, cursor=changes.cursor, whole=True, origin=page.origin)
    elif changes.cursor != since:
        yield Batch([], cursor=changes.cursor, origin=page.origin)


class _Page:
    """One reply and what it says about itself."""

    def __init__(self, source: Source, io: IO, params: Mapping[Any, Any], link: str | None = None):
        self._source, self._io = source, io
        if link:  # kept as path and query
            self._reply = io.fetch(io.join(io.url, link))
        else:
            given = {**source.options.get("params", {}), **params}
            given.pop(None, None)
            self._reply = io.fetch(io.url + source.options.get("path", ""), given)
        self.origin = self._reply.origin
        self._data = parse_json(self._reply.body)
        path = source.paging.rows_path or "@"
        rows = self._find(path)
        if not isinstance(rows, list):
            raise Broken(f"phản hồi không có danh sách dòng ở “{path}”")
        if len(rows) > int(source.options.get("max_rows", MAX_ROWS)):
            raise Broken(f"một trang có {len(rows)} dòng, vượt giới hạn")
        self.rows: list[Any] = rows

    def _find(self, path: str | None) -> Any:
        return jmespath.search(path, self._data) if path else None

    @property
    def next(self) -> str | None:
        """The next cursor; a link as path and query, refused when it leaves its source."""
        paging = self._source.paging
        if paging.kind.startswith("header_"):
            found = self._reply.headers.get(paging.next_header or "Link")
        else:
            found = self._find(paging.next_path)
        if paging.kind == "header_link":
            found = _next_of(found or "")
        if found is not None and type(found) not in (str, int):
            raise Broken(f"con trỏ trang “{paging.next_path}” không phải chữ hay số")
        if found in (None, ""):
            return None
        return self._io.link(self._reply.url, str(found)) if paging.is_linked else str(found)

    @property
    def total(self) -> int | None:
        path = self._source.paging.total_path
        found = self._find(path)
        if found is None or (type(found) is int and found >= 0):
            return found
        if isinstance(found, str) and found.strip().isdecimal():
            return int(found)
        raise Broken(f"tổng số dòng ở “{path}” không phải số")

    @property
    def is_last(self) -> bool:
        path = self._source.options.get("more_path")
        return bool(path) and self._find(path) in (False, None, 0, "", "false")


def _next_of(header: str) -> str | None:
    """The address of relation ``next`` in a Link header, which may name several."""
    for address, said in _LINK.findall(header):
        rels = [
            quoted or bare for name, quoted, bare in _SAID.findall(said) if name.lower() == "rel"
        ]
        if "next" in " ".join(rels).lower().split():
            return address
    return None


class _Seen:
    """Counts the rows of a walk, each key once, to notice what moved between pages."""

    def __init__(self, source: Source):
        self._keys = [getter(path) for path in source.keys] if source.paging.total_path else []
        self._seen: set[tuple[str, ...]] = set()
        self.read = 0

    def add(self, rows: list[Any]) -> None:
        self.read += len(rows)
        if self._keys:
            self._seen.update(
                tuple(str(key(row)) for key in self._keys) for row in rows if _is_row(row)
            )

    def refuse_less_than(self, total: int | None) -> None:
        found = len(self._seen) if self._keys else self.read
        if total is not None and found < total:
            raise Transient(
                f"nguồn báo {total} dòng, chỉ nhận được {found} dòng khác nhau: dòng đã chuyển "
                "trang trong lúc đọc hoặc nguồn trả thiếu, lần đọc chưa trọn vẹn"
            )


class _Changes:
    """The newest change time seen: kept as the source wrote it, never backwards, never ahead of us.

    Rows of exactly that instant are asked for again: they are the same, so nothing doubles.
    """

    def __init__(self, source: Source, since: str | None, now: datetime):
        field = source.options.get("since_field")
        self._find = getter(field) if field else None
        self._read = instant(
            source.options.get("since_format") or source.formats.get("instant"),
        )
        self._ceiling = now + timedelta(minutes=5)
        self.cursor = self.ask_from = since
        self._newest = self._instant(since) if since is not None else None
        if self._newest is not None and self._newest > self._ceiling + timedelta(days=1):
            raise Broken(f"mốc đã lưu ở tương lai: {since}")
        if self._newest is not None and source.lag:
            self.ask_from = (self._newest - source.lag).isoformat()

    def _instant(self, text: str) -> datetime:
        try:
            found = self._read(text)
        except Bad:
            found = None
        if found is None or self._find is None:
            raise Broken(f"mốc đã lưu không đọc được: {text[:40]!r}")
        return found

    def add(self, rows: list[Any]) -> None:
        """Move on; a time that cannot be read is the mapping's to reject."""
        for row in filter(_is_row, rows) if self._find else ():
            value = self._find(row)
            try:
                at = self._read(value)
            except Bad:
                continue
            if at and at <= self._ceiling and (self._newest is None or at > self._newest):
                self._newest, self.cursor = at, str(value)


def _is_row(row: Any) -> bool:
    return isinstance(row, Mapping)


def _numbers(source: Source) -> Iterator[int]:
    """Page numbers from 0; Broken when there is no end."""
    most = int(source.options.get("max_pages", MAX_PAGES))
    yield from range(most)
    raise Broken(f"quá {most} trang: phân trang không kết thúc")

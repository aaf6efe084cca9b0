"""Views of sector databases, read by their changes: SQLite, PostgreSQL, MariaDB and MySQL.

Pages follow (change time, key). Each begins with the last row of the one before, so that neither
equal times nor keys that the database takes for equal lose a row at a border; what comes again is
dropped. Each poll reads ``lag`` again, for what was committed late under an older time, and
``sweep`` reads all, for what changed without a new time or was removed. A view without a change
column is read whole at each poll. Only the columns of the mapping are ever asked for, and no SQL
stands in the configuration: names are identifiers, and quoted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement, quoted_name

from connectors import sweep
from connectors.database import refuse_database
from connectors.io import IO
from connectors.keyset import Mark, earlier, is_ahead, later
from connectors.values import zone_of
from ioc.errors import Broken
from ioc.model import Batch
from ioc.source import Source

OPTIONS = {"view", "changed", "size", "max_rows", "missing", "sweep", "tls"}
SIZE = 2000  # rows of a page
MAX_ROWS = 100_000  # of a view that is read whole
SHOWN = 9  # rows without change time or key that are named; the rest is counted
NEWEST = 200
_LONGEST = 63  # bytes of a name in PostgreSQL

_PASSWORD = re.compile(r"://[^/@]*?:(?!\$\{IOC_[A-Z0-9_]+\}@)[^/@]+@")

Row = dict[str, Any]
refuse_address = refuse_database


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Rows changed since the mark, less the lag; all of them where a sweep is due.

    Raises:
        Broken: the mark is not one; every row lacks its change time; pages do not end.
    """
    view = _View(source)
    if view.changed is None:
        yield Batch(view.whole(io), whole=True, origin=view.name)
        return
    now, zone = io.now(), zone_of(source.formats.get("zone"))
    mark = Mark.read(since, now, zone)
    read, reached = 0, mark
    for batch, place in _walk(view, mark, source, io):
        read, reached = read + len(batch.rows), place
        yield batch
    if lost := _lost(view, source, io):
        if since is None and not read and len(lost.unfit) == len(lost.rows):
            raise Broken(f"mọi dòng của {view.name} đều thiếu {view.changed.name} hoặc khóa")
        yield lost
    first = mark.swept is None
    if first or sweep.is_due(source, mark.swept, now):
        done = Mark(reached.changed, None, now).text()
        rows = [] if first else view.whole(io)
        whole = not first and bool(source.record)
        yield Batch(rows, done, whole=whole, origin=view.name, unfit=_unfit(rows, source))


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """The newest rows."""
    view = _View(source)
    yield Batch(io.sql(view.newest(NEWEST), NEWEST), origin=view.name)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    options = source.options
    if _PASSWORD.search(source.url):
        yield "url", "mật khẩu phải là tham chiếu ${IOC_TÊN}, hoặc khai ở auth: basic"
    changed, parts = options.get("changed"), str(options.get("view", "")).split(".")
    if len(parts) > 2 or not all(map(_is_name, parts)):
        yield "options", "phải có view: tên khung nhìn, có thể kèm lược đồ (luoc_do.khung_nhin)"
    if changed is not None and not _is_name(changed):
        yield "options", "changed phải là tên cột thời điểm thay đổi"
    for name in _columns(source):
        if not _is_name(name):
            yield "fields", f"{name!r} không phải tên cột"
    if changed is not None and not source.keys:
        yield "key", "nguồn có changed phải có key: dòng cùng thời điểm được phân biệt bằng khóa"
    if changed is None and (source.lag or "sweep" in options or "missing" in options):
        yield "options", "lag, sweep và missing chỉ dùng khi có changed"
    size = options.get("size", SIZE)
    if type(size) is not int or not 2 <= size <= 10_000:
        yield "options", "size phải là số nguyên từ 2 đến 10000"
    if options.get("missing", "reject") not in ("reject", "include"):
        yield "options", "missing phải là reject hoặc include"
    if type(options.get("tls", False)) is not bool:
        yield "options", "tls phải là true hoặc false"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại sql tự chia trang theo changed và key"
    yield from sweep.faults(source)


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and text.isidentifier() and len(text.encode()) <= _LONGEST


def _columns(source: Source) -> list[str]:
    """The columns that the mapping reads, and what pages go by."""
    specs = [*source.fields.values(), *(source.readings or {}).values()]
    paths = [spec if isinstance(spec, str) else str(spec.get("path")) for spec in specs]
    changed = source.options.get("changed")
    return list(dict.fromkeys([*source.keys, *([changed] if changed else []), *paths]))


class _View:
    """A view and the questions that are put to it."""

    def __init__(self, source: Source):
        self.name: str = source.options["view"]
        *schema, view = (quoted_name(part, quote=True) for part in self.name.split("."))
        columns = [sa.column(quoted_name(name, quote=True)) for name in _columns(source)]
        self._table = sa.table(view, *columns, schema=schema[0] if schema else None)
        self._keys = [self._table.c[name] for name in source.keys]
        self._most = int(source.options.get("max_rows", MAX_ROWS))
        changed = source.options.get("changed")
        self.changed = self._table.c[changed] if changed else None

    def whole(self, io: IO) -> list[Row]:
        """All rows, in the order of their keys."""
        statement = sa.select(self._table).order_by(*self._keys).limit(self._most + 1)
        return io.sql(statement, self._most)

    def newest(self, most: int) -> sa.Select:
        statement = sa.select(self._table).limit(most)
        if self.changed is None:
            return statement
        return statement.where(self.changed.is_not(None)).order_by(self.changed.desc())

    def page(self, place: Mark, size: int) -> sa.Select:
        """So many rows from a place on, the rows of the place itself among them."""
        assert self.changed is not None
        statement = sa.select(self._table).where(self.changed.is_not(None))
        statement = statement.where(*(key.is_not(None) for key in self._keys))
        if place.changed is not None:
            at, tie = _value(place.changed), sa.true()
            if place.key is not None:
                tie = self._from_key(place.key)
            statement = statement.where((self.changed > at) | ((self.changed == at) & tie))
        return statement.order_by(self.changed, *self._keys).limit(size)

    def _from_key(self, values: tuple[Any, ...]) -> ColumnElement[bool]:
        """The condition that a row's key is this one or comes after it."""
        condition: ColumnElement[bool] | None = None
        for key, value in reversed(list(zip(self._keys, map(_value, values), strict=True))):
            if condition is None:
                condition = key >= value
            else:
                condition = (key > value) | ((key == value) & condition)
        assert condition is not None
        return condition

    def without(self, columns: list[str], most: int) -> sa.Select:
        """Rows in which one of these columns is empty."""
        empty = [self._table.c[name].is_(None) for name in columns]
        return sa.select(self._table).where(sa.or_(*empty)).order_by(*self._keys).limit(most)

    def mark(self, row: Row) -> Mark:
        """The place of a row."""
        assert self.changed is not None
        return Mark(row[self.changed.name], tuple(row[key.name] for key in self._keys))


def _value(value: Any) -> sa.BindParameter:
    """A value as the driver gave it, without a type of ours that the database would cast to."""
    return sa.bindparam(None, value, type_=sa.types.NullType())


def _walk(view: _View, mark: Mark, source: Source, io: IO) -> Iterator[tuple[Batch, Mark]]:
    """Page after page with the mark that is safe once it is stored; the last one even if empty."""
    size, zone, now = (
        source.options.get("size", SIZE),
        zone_of(source.formats.get("zone")),
        io.now(),
    )
    place, seen, read = mark, frozenset[str](), 0
    if source.lag and mark.changed is not None:
        place = Mark(earlier(mark.changed, source.lag))
    ends = False
    while not ends:
        found = io.sql(view.page(place, size), size)
        rows = [row for row in found if repr(row) not in seen]
        ends = len(found) < size
        if not rows and not ends:
            raise Broken(f"hơn {size} dòng giống hệt nhau ở {view.name}: không chia trang được")
        if found:
            place = view.mark(found[-1])
            seen = frozenset(repr(row) for row in found if view.mark(row).changed == place.changed)
        known = [row for row in rows if not is_ahead(view.mark(row).changed, now, zone)]
        if len(known) < len(rows):
            io.note(f"có dòng ghi thời điểm thay đổi ở tương lai: {view.mark(rows[-1]).changed}")
        mark = _moved(mark, view.mark(known[-1]) if known else None, ends)
        yield Batch(rows, mark.text(), origin=view.name, first=read + 1), mark
        read += len(rows)


def _moved(mark: Mark, last: Mark | None, ends: bool) -> Mark:
    """The mark after a page: never backwards, within equal times only while more is to come."""
    if last is None or later(mark.changed, last.changed) != last.changed:
        return Mark(mark.changed, None if ends else mark.key, mark.swept)
    return Mark(last.changed, None if ends else last.key, mark.swept)


def _lost(view: _View, source: Source, io: IO) -> Batch | None:
    """Rows whose changes nobody can follow: without change time (rejected, or included), or key."""
    assert view.changed is not None
    changed, includes = view.changed.name, source.options.get("missing") == "include"
    most = int(source.options.get("max_rows", MAX_ROWS))
    keyless = io.sql(view.without(list(source.keys), SHOWN), SHOWN)
    timeless = io.sql(view.without([changed], most if includes else SHOWN), most)
    timeless = [row for row in timeless if all(row[name] is not None for name in source.keys)]
    rows = [*keyless, *timeless]
    if max(len(keyless), 0 if includes else len(timeless)) == SHOWN:
        io.note(f"từ {SHOWN} dòng trở lên thiếu {changed} hoặc khóa, chỉ nêu {SHOWN} dòng đầu")
    unfit = {i: _why(row, source, changed) for i, row in enumerate(rows)}
    if includes:
        unfit = {i: why for i, why in unfit.items() if i < len(keyless)}
    return Batch(rows, origin=f"{view.name} thiếu cột", unfit=unfit) if rows else None


def _unfit(rows: list[Row], source: Source) -> dict[int, str]:
    """Rows of a sweep without change time, unless these are included."""
    if source.options.get("missing") == "include":
        return {}
    changed = source.options["changed"]
    return {i: _why(row, source, changed) for i, row in enumerate(rows) if row[changed] is None}


def _why(row: Mapping[str, Any], source: Source, changed: str) -> str:
    name = next((name for name in (*source.keys, changed) if row[name] is None), changed)
    return f"thiếu {name}"

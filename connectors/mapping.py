"""Turns a row as a source said it into a Record, Readings or a Rejection: allow-listed fields only.

What ``fields`` does not name is never looked at, so names, phones, addresses and free text end
here. A field is a key of the row or a JMESPath (a heading, in tables), or a mapping:
``{path, values, format, zone, locale, signed, required, grain, match, cumulative}``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from connectors import cumulative
from connectors.paths import PLAIN, Get, getter
from connectors.privacy import Hasher, secret_key
from connectors.values import (
    FUTURE,
    Bad,
    Read,
    code,
    coded,
    instant,
    number,
    period,
    shown,
    zone_of,
)
from ioc.clock import right_now
from ioc.errors import Broken
from ioc.model import Batch, Reading, Record, Rejection
from ioc.source import Source

DRIFT_ROWS = 3  # fewer rows without a required field are rejected one by one
_INSTANTS = ("opened_at", "due_at", "closed_at", "changed_at")
_NUMBERS = ("quantity", "lat", "lon")
_REQUIRED = {"org_unit", "opened_at", "period"}
_OPTIONS = {"path", "values", "format", "zone", "locale", "signed", "required", "grain", "match"}
_OPTIONS |= {"cumulative"}
_FLAT = ("mqtt", "sheet", "sql")  # rows keyed by what is declared, never searched

Item = Record | Reading | Rejection


class Mapper:
    """The mapping of one source, compiled once; ``unknown`` gathers fields nobody declared."""

    def __init__(self, source: Source, key: bytes):
        self._source = source
        self._hasher = Hasher(key)
        self._fields = {name: _field(source, name, spec) for name, spec in source.fields.items()}
        self._readings = {
            element: _field(source, "value", spec)
            for element, spec in (source.readings or {}).items()
        }
        self._flat = flat = source.kind in _FLAT
        self._keys = {path: getter(path, flat=flat) for path in source.keys}
        self._record = source.record
        self._past = [name for name in _INSTANTS if name in self._fields and name != "due_at"]
        self._plan = [
            (name, field.get, field.to_value, field.required, field.path)
            for name, field in self._fields.items()
        ]
        columns = [*self._fields.values(), *self._readings.values()]
        paths = [*(field.path for field in columns), *source.keys]
        self._known = set(paths) if flat else set().union(*map(_named, paths))
        self._known.update(source.options.get("ignore", ()))
        self._shape: Any = None
        self._counters = cumulative.elements(source)
        self._latest = right_now() + FUTURE
        self.unknown: set[str] = set()

    def map_rows(self, batch: Batch, now: datetime) -> Iterator[Item]:
        """All rows of a batch, in order; a row of readings gives one item per element.

        A batch that was refused as a whole is one rejection.

        Raises:
            Broken: no row at all has a required field, so the source's form has changed.
        """
        if batch.refused:
            said = {"origin": batch.origin, "refused": batch.refused}
            yield Rejection(batch.origin, batch.refused, {}, self._hasher.row(said))
            return
        self._refuse_drift([row for i, row in enumerate(batch.rows) if i not in batch.unfit])
        self._latest = now + FUTURE
        items = self._items(batch)
        if self._counters:
            items = cumulative.by_month(items, self._counters, self._hasher)
        yield from items

    def again(self, fields: Mapping[str, str], position: str) -> list[Item]:
        """What a refused row says by today's mapping, from its fields as text.

        Nothing where it says too little. Counters are not read again: one row says no difference.
        """
        if self._counters or (self._record and not fields.get("key")):
            return []
        try:
            values = {}
            for name, field in self._fields.items():
                values[name] = _text_of(field, fields.get(name))
            self._refuse_times(values)
            if self._record:
                said = {"key": fields["key"], "kind": self._record}
                return [Record(position=position, **said, **values)]
            figures = {name: _text_of(f, fields.get(name)) for name, f in self._readings.items()}
        except Bad as error:
            return [Rejection(position, str(error), dict(fields), "")]
        return [
            Reading(element=element, value=value, position=position, **values)
            for element, value in figures.items()
            if value is not None
        ]

    def absent(self, rows: Sequence[Any]) -> list[str]:
        """Declared fields that no row has: mistyped, or gone from the source."""
        said = [row for row in rows if row and isinstance(row, Mapping)]
        columns = [*self._fields.values(), *self._readings.values()]
        wanted = {field.path: field.get for field in columns} | self._keys
        return [path for path, get in wanted.items() if all(get(row) is None for row in said)]

    def _items(self, batch: Batch) -> Iterator[Item]:
        for i, row in enumerate(batch.rows):
            if reason := batch.unfit.get(i):
                yield self._rejection(row, batch.position(i), reason)
                continue
            if row == {} and self._flat:
                continue  # a blank line of a sheet: kept so that positions count, says nothing
            if not isinstance(row, Mapping):
                yield self._rejection({}, batch.position(i), "dòng không phải đối tượng có trường")
                continue
            if row.keys() != self._shape:
                self._notice(row)
            if self._record:
                yield self._record_of(row, batch.position(i))
            else:
                yield from self._readings_of(row, batch.position(i))

    def _record_of(self, row: Mapping[str, Any], position: str) -> Record | Rejection:
        key = ""
        try:
            key = self._key(row)
            values = self._values(row)
            self._refuse_times(values)
        except Bad as error:
            return self._rejection(row, position, str(error), key)
        return Record(key=key, kind=self._record, position=position, **values)

    def _readings_of(self, row: Mapping[str, Any], position: str) -> Iterator[Reading | Rejection]:
        try:
            values = self._values(row)
            self._refuse_times(values)
        except Bad as error:
            yield self._rejection(row, position, str(error))
            return
        figures: dict[str, float] = {}
        refused: list[Rejection] = []
        for element, field in self._readings.items():
            try:
                value = field.read(row)
            except Bad as error:
                refused.append(self._rejection(row, position, str(error)))
                continue
            if value is not None:  # an empty cell is unknown: no reading, and no fault
                figures[element] = value
        if refused:  # a denominator without its numerator would count in the sums above
            yield from refused
            return
        for element, value in figures.items():
            yield Reading(element=element, value=value, position=position, **values)

    def _values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, get, to_value, required, path in self._plan:
            try:
                value = values[name] = to_value(get(row))
            except Bad as error:
                raise Bad(f"{path}: {error}") from None
            if value is None and required:
                raise Bad(f"thiếu {path}")
        return values

    def _key(self, row: Mapping[str, Any]) -> str:
        parts = [self._source.id]
        for path, get in self._keys.items():
            try:
                part = code(get(row))
            except Bad as error:
                raise Bad(f"{path}: {error}") from None
            if part is None:
                raise Bad(f"thiếu {path}")
            parts.append(part)
        return self._hasher.code("\x1f".join(parts))

    def _refuse_times(self, values: Mapping[str, Any]) -> None:
        for name in self._past:
            at = values[name]
            if at is not None and at > self._latest:
                raise Bad(f"{self._fields[name].path}: thời điểm ở tương lai")
        opened, closed = values.get("opened_at"), values.get("closed_at")
        if opened is not None and closed is not None and closed < opened:
            raise Bad(f"{self._fields['closed_at'].path}: trước thời điểm tiếp nhận")

    def _refuse_drift(self, rows: Sequence[Mapping[str, Any]]) -> None:
        rows = [row for row in rows if row and isinstance(row, Mapping)]
        if len(rows) < DRIFT_ROWS:
            return
        fields = {name: field for name, field in self._fields.items() if field.required}
        needed = {field.path: field.get for field in fields.values()}
        needed |= self._keys
        for path, get in needed.items():
            if all(get(row) is None for row in rows):
                raise Broken(f"mọi dòng đều thiếu trường bắt buộc “{path}”: nguồn đã đổi mẫu")

    def _notice(self, row: Mapping[str, Any]) -> None:
        self._shape = row.keys()
        names = (str(name)[:60] for name in row if name not in self._known)
        self.unknown.update(name for name in names if not name.startswith("_"))

    def _rejection(
        self, row: Mapping[str, Any], position: str, reason: str, key: str = ""
    ) -> Rejection:
        kept = {}
        for name, field in {**self._fields, **self._readings}.items():
            value = field.get(row)
            if value is None or isinstance(value, (dict, list)):
                continue
            kept[name] = shown(str(value))
        return Rejection(position, reason, kept, self._hasher.row(row), key=key)


class _Field:
    """One coded field: where it stands in a row, how it is read, whether a row needs it."""

    __slots__ = ("get", "path", "required", "to_value")

    def __init__(self, path: str, get: Get, to_value: Read, required: bool):
        self.path, self.get, self.required = path, get, required
        self.to_value = to_value

    def read(self, row: Mapping[str, Any]) -> Any:
        try:
            value = self.to_value(self.get(row))
        except Bad as error:
            raise Bad(f"{self.path}: {error}") from None
        if value is None and self.required:
            raise Bad(f"thiếu {self.path}")
        return value


def _text_of(field: _Field, text: str | None) -> Any:
    """What a field's kept text means by its reader.

    Raises:
        Bad: it cannot be read, or is missing where a row needs it.
    """
    try:
        value = field.to_value(text)
    except Bad as error:
        raise Bad(f"{field.path}: {error}") from None
    if value is None and field.required:
        raise Bad(f"thiếu {field.path}")
    return value


def compile(source: Source, key: bytes) -> Mapper:
    """The mapper of a source.

    Raises:
        ValueError: a field's specification is wrong; the message (Vietnamese) names it.
    """
    return Mapper(source, key)


def map_rows(source: Source, batch: Batch, now: datetime, settings: Any) -> Iterator[Item]:
    """Map one batch with the deployment's own key."""
    return compile(source, secret_key(settings)).map_rows(batch, now)


def dry_summary(items: Sequence[Item]) -> str:
    """How many items of which kind, and min, max and count of each number and instant, as text."""
    kinds = Counter(type(item).__name__ for item in items)
    found: dict[str, list[Any]] = {}
    for item in items:
        if isinstance(item, Reading):
            found.setdefault(item.element, []).append(item.value)
        elif isinstance(item, Record):
            for name in (*_INSTANTS, *_NUMBERS):
                if (value := getattr(item, name)) is not None:
                    found.setdefault(f"{item.kind}.{name}", []).append(value)
    lines = [f"{kinds['Record']} bản ghi, {kinds['Reading']} số liệu, {kinds['Rejection']} từ chối"]
    for name, values in sorted(found.items()):
        span = f"nhỏ nhất {_told(min(values))}, lớn nhất {_told(max(values))}"
        lines.append(f"  {name}: {span}, số lượng {len(values)}")
    return "\n".join(lines)


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(zone_of(None)).isoformat()
    return f"{value:g}"


def _field(source: Source, name: str, spec: Any) -> _Field:
    options: dict[str, Any] = {"path": spec} if isinstance(spec, str) else dict(spec)
    if unknown := sorted(set(options) - _OPTIONS):
        raise ValueError(f"trường {name}: không có mục {', '.join(unknown)}")
    path = options.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(f"trường {name}: thiếu path")
    required = bool(options.get("required")) or name in _REQUIRED
    try:
        get = getter(path, flat=source.kind in _FLAT)
        return _Field(path, get, _reader(source, name, options), required)
    except (JMESPathError, re.error, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"trường {name}: {error}") from error


def _reader(source: Source, name: str, options: dict[str, Any]) -> Read:
    zone = zone_of(options.get("zone") or source.formats.get("zone"))
    if name in _INSTANTS:
        return instant(options.get("format") or source.formats.get("instant"), zone)
    if name == "period":
        return period(options, zone)
    if name in _NUMBERS or name == "value":
        locale = options.get("locale", source.locale)
        return number(locale, signed=bool(options.get("signed")) or name in ("lat", "lon"))
    return coded(options.get("values"))


def _named(path: str) -> set[str]:
    """The fields that an expression names, wherever in a row they stand."""
    if PLAIN.fullmatch(path):
        return {path}
    found, nodes = set(), [jmespath.compile(path).parsed]
    while nodes:
        node = nodes.pop()
        if node["type"] == "field":
            found.add(node["value"])
        nodes += [child for child in node["children"] if isinstance(child, dict)]
    return found

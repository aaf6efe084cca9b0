"""Prometheus: figures of machines and links, one row for each org unit and day.

Each query is asked at the end of every whole day, and of the day under way at its last whole
``step``: a figure of every minute would be a version of every minute. ``$day`` in it stands for
the length of the day that is asked about, so that a range never reaches into the day before. What
was not scraped has no sample: it is absent, and so is NaN or an infinity.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from connectors.io import IO
from connectors.wire import parse_json
from ioc.errors import Broken
from ioc.model import Batch
from ioc.period import LOCAL
from ioc.source import Source, duration

OPTIONS = {"queries", "labels", "days", "step", "path", "max_rows"}
DAYS = 15  # what a server keeps that was told nothing else
MAX_ROWS = 50_000  # samples of one answer
WINDOW = 31  # days of one batch
_DAY = timedelta(days=1)
STEP = "1h"
_SAID = (400, 422)  # the server says in its answer what is wrong with the query

Rows = dict[tuple[str, ...], dict[str, Any]]


class _Moment(NamedTuple):
    """A day, and the instant at which it is asked about."""

    day: date
    at: datetime


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """Rows of the labels of ``labels``, ``day``, ``at`` and a column for each of ``queries``.

    The day of the watermark and the one before are read again: the first was not over then, and
    samples of the second may have come late.

    Raises:
        Broken: the server refuses a query, or gives several series for one org unit and day.
    """
    now = io.now()
    today = now.astimezone(LOCAL).date()
    first = _first(source, since, today)
    while first < today:
        last = min(first + (WINDOW - 1) * _DAY, today - _DAY)
        yield _batch(source, io, [_Moment(day, _end(day)) for day in _days(first, last)])
        first = last + _DAY
    begun, step = _end(today - _DAY), duration(source.options.get("step", STEP))
    if steps := (now - begun) // step:
        yield _batch(source, io, [_Moment(today, begun + steps * step)])


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """Yesterday and the day under way: enough to see what the server says."""
    yield from poll(source, io.now().astimezone(LOCAL).date().isoformat(), io)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    queries, labels = source.options.get("queries"), source.options.get("labels")
    if not _are_texts(queries) or not isinstance(queries, Mapping):
        yield "options", "phải có queries: tên cột và câu truy vấn PromQL"
    if not _are_texts(labels) or not isinstance(labels, list):
        yield "options", "phải có labels: danh sách nhãn cho biết đơn vị"
    elif isinstance(queries, Mapping) and {*labels, "day", "at"} & set(queries):
        yield "options", "tên cột của queries không được là nhãn, day hoặc at"
    days = source.options.get("days", DAYS)
    if type(days) is not int or days < 1:
        yield "options", "days phải là số nguyên từ 1"
    try:
        duration(source.options.get("step", STEP))
    except ValueError as error:
        yield "options", f"step: {error}"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại prometheus không phân trang"


def _are_texts(found: Any) -> bool:
    values = [*found, *found.values()] if isinstance(found, Mapping) else found
    return bool(found) and isinstance(values, list) and all(type(text) is str for text in values)


def _first(source: Source, since: str | None, today: date) -> date:
    if since is None:
        return today - (source.options.get("days", DAYS) - 1) * _DAY
    try:
        seen = date.fromisoformat(since)
    except ValueError:
        raise Broken(f"mốc đã lưu không đọc được: {since[:40]!r}") from None
    if seen > today + _DAY:
        raise Broken(f"mốc đã lưu ở tương lai: {since}")
    return min(seen, today) - max(_DAY, source.lag)


def _batch(source: Source, io: IO, moments: list[_Moment]) -> Batch:
    """All queries at these moments, joined by their labels: one row a day and org unit."""
    rows: Rows = {}
    asked = {_epoch(moment): moment for moment in moments}
    for column, query in source.options["queries"].items():
        for metric, samples in _answer(source, io, column, query, moments):
            named = {name: metric[name] for name in source.options["labels"] if metric.get(name)}
            for at, value in samples:
                if at not in asked:
                    raise Broken(f"{column}: máy chủ trả số ở thời điểm không hỏi")
                if math.isfinite(value):
                    _put(rows, asked[at], named, column, value)
    cursor = moments[-1].day.isoformat()
    return Batch([rows[key] for key in sorted(rows)], cursor, origin=_path(source, moments))


def _put(rows: Rows, moment: _Moment, named: dict[str, Any], column: str, value: float) -> None:
    """A sample into the row of its day and labels."""
    told = {**named, "day": moment.day.isoformat(), "at": moment.at.isoformat()}
    key = (told["day"], *(f"{name}={text}" for name, text in named.items()))
    row = rows.setdefault(key, told)
    if column in row:
        where = ", ".join(key)
        raise Broken(f"{column}: nhiều chuỗi số cùng nhãn ({where}); truy vấn phải gộp chúng")
    row[column] = value


def _path(source: Source, moments: list[_Moment]) -> str:
    return source.options.get("path", "/api/v1") + ("/query_range" if moments[1:] else "/query")


def _answer(
    source: Source, io: IO, column: str, query: str, moments: list[_Moment]
) -> list[tuple[Mapping[str, Any], list[tuple[int, float]]]]:
    """Each series of an answer: its labels, and its samples (epoch seconds, value)."""
    first, last = moments[0], moments[-1]
    length = int((first.at - _end(first.day - _DAY)).total_seconds())
    asked: dict[str, Any] = {"query": query.replace("$day", f"{length}s")}
    if len(moments) > 1:
        asked |= {"start": _epoch(first), "end": _epoch(last), "step": int(_DAY.total_seconds())}
    else:
        asked["time"] = _epoch(first)
    reply = io.fetch(io.url + _path(source, moments), asked, taken=_SAID)
    series = _series(io, column, parse_json(reply.body), "matrix" if moments[1:] else "vector")
    try:
        told = [(dict(one["metric"]), _samples(one)) for one in series]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Broken(f"{column}: kết quả không phải chuỗi số của Prometheus") from None
    if sum(len(samples) for _, samples in told) > int(source.options.get("max_rows", MAX_ROWS)):
        raise Broken(f"{column}: kết quả truy vấn quá lớn")
    return told


def _samples(series: Mapping[str, Any]) -> list[tuple[int, float]]:
    found = series["values"] if "values" in series else [series["value"]]
    return [(int(at), float(value)) for at, value in found]


def _series(io: IO, column: str, data: Any, kind: str) -> list[Any]:
    """The series of an answer without error; its warnings go into the run's note."""
    if not isinstance(data, dict) or data.get("status") not in ("success", "error"):
        raise Broken("phản hồi không phải của Prometheus")
    if data["status"] == "error":
        raise Broken(f"{column}: Prometheus báo lỗi “{io.redact(data.get('error', ''))[:200]}”")
    for warning in data.get("warnings") or ():
        io.note(f"{column}: Prometheus cảnh báo “{str(warning)[:200]}”")
    found = data.get("data")
    if not isinstance(found, dict) or not isinstance(found.get("result"), list):
        raise Broken(f"{column}: phản hồi không có danh sách chuỗi số")
    if found.get("resultType") != kind:
        raise Broken(f"{column}: truy vấn cho kiểu {str(found.get('resultType'))[:20]}, cần {kind}")
    return found["result"]


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


def _end(day: date) -> datetime:
    """The local midnight after a day."""
    return datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC) + _DAY


def _epoch(moment: _Moment) -> int:
    return int(moment.at.timestamp())

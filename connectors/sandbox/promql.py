"""A small Prometheus over series that are worked out: the query API for expressions of two forms.

    GET or POST /api/v1/query        ?query= &time=
    GET or POST /api/v1/query_range  ?query= &start= &end= &step=
The forms are ``AGGREGATE by (label) (metric)``, and with ``OVER_TIME(metric[9m])`` for the metric;
anything else is refused as bad data with status 400. A sample is taken in each minute, half a
minute after it begins, and found for five minutes; none is older than ``kept`` or lies ahead.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.mark import SAMPLE, marked

DAY = 1_440  # minutes
LOOKBACK = 5  # minutes
MOST = 11_000  # points of a series, as the real one allows
_ZONE = 7 * 60  # minutes: the days of the series are local
_ZERO = date(1970, 1, 1)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(
    r"(sum|max|count)\s+by\s*\(\s*(\w+)\s*\)\s*\(\s*"
    r"(?:(sum|count|max)_over_time\s*\(\s*(\w+)\[(\d{1,7})([smhd])\]\s*\)|(\w+))\s*\)"
)


@dataclass(slots=True)
class Told:
    """What a series says of some minutes: how many samples, their sum and the highest."""

    count: int = 0
    total: float = 0.0
    top: float = float("-inf")

    def add(self, other: "Told") -> None:
        self.count += other.count
        self.total += other.total
        self.top = max(self.top, other.top)


class Series(NamedTuple):
    """A series on one local day; ``told`` takes the minutes from and until."""

    labels: dict[str, str]
    told: Callable[[int, int], Told]


Metrics = Callable[[str, date], Iterable[Series]]


class _Bad(ValueError):
    """A request that the server refuses."""


class Api:
    """The query API over ``metrics``, which gives the series of a metric on a day."""

    def __init__(self, metrics: Metrics, now: Callable[[], datetime], kept: timedelta) -> None:
        self._metrics, self._now, self._kept = metrics, now, kept

    def app(self) -> Any:
        """The ASGI application, its replies marked as sample data."""
        methods = ["GET", "POST"]
        routes = [
            Route("/api/v1/query", self._answering(self._instant), methods=methods),
            Route("/api/v1/query_range", self._answering(self._range), methods=methods),
        ]
        return marked(Starlette(routes=routes))

    def _answering(self, ask: Callable[[dict[str, str]], dict[str, Any]]) -> Any:
        async def answer(request: Request) -> Response:
            body = (await request.body()).decode("utf-8", "replace")
            asked = dict(parse_qsl(body)) | dict(request.query_params)
            try:
                data = await run_in_threadpool(ask, asked)
            except ValueError as error:
                said = str(error) if isinstance(error, _Bad) else "invalid parameter"
                bad = {"status": "error", "errorType": "bad_data", "error": said}
                return JSONResponse(bad, 400)
            return JSONResponse({"status": "success", "data": data, "infos": [SAMPLE]})

        return answer

    def _instant(self, asked: dict[str, str]) -> dict[str, Any]:
        at = float(asked.get("time") or self._now().timestamp())
        found = self._evaluated(asked.get("query", ""), at)
        rows = [{"metric": metric, "value": [at, _text(value)]} for metric, value in found]
        return {"resultType": "vector", "result": rows}

    def _range(self, asked: dict[str, str]) -> dict[str, Any]:
        start, end, step = (float(asked.get(name, "")) for name in ("start", "end", "step"))
        if step <= 0 or not 0 <= (end - start) / step < MOST:
            raise _Bad("exceeded maximum resolution of 11,000 points per timeseries")
        rows: dict[tuple[tuple[str, str], ...], list[Any]] = {}
        for number in range(int((end - start) / step) + 1):
            at = start + number * step
            for metric, value in self._evaluated(asked.get("query", ""), at):
                rows.setdefault(tuple(metric.items()), []).append([at, _text(value)])
        result = [{"metric": dict(metric), "values": values} for metric, values in rows.items()]
        return {"resultType": "matrix", "result": result}

    def _evaluated(self, query: str, at: float) -> list[tuple[dict[str, str], float]]:
        found = _FORM.fullmatch(query.strip())
        if not found:
            raise _Bad('invalid parameter "query": parse error: only two forms are spoken here')
        aggregate, label, over, ranged, number, unit, plain = found.groups()
        last = int((at - 30) // 60)
        if over:
            first = int((at - int(number) * _UNITS[unit] - 30) // 60) + 1
            told = self._told(ranged, first, last)
            each = [(labels, _over(over, one)) for labels, one in told.items()]
        else:
            each = list(self._latest(plain, last))
        groups: dict[str, list[float]] = {}
        for labels, value in each:
            groups.setdefault(dict(labels).get(label, ""), []).append(value)
        gather: Callable[[list[float]], float] = {"sum": sum, "max": max, "count": len}[aggregate]
        return [({label: name} if name else {}, gather(v)) for name, v in sorted(groups.items())]

    def _latest(self, metric: str, last: int) -> Iterator[tuple[Any, float]]:
        """The newest sample of each series within the lookback."""
        seen = set()
        for minute in range(last, last - LOOKBACK, -1):
            for labels, told in self._told(metric, minute, minute).items():
                if labels not in seen:
                    seen.add(labels)
                    yield labels, told.total

    def _told(self, metric: str, first: int, last: int) -> dict[tuple[tuple[str, str], ...], Told]:
        """What each series says of the minutes from first to last, both since 1970."""
        now = self._now().timestamp()
        first = max(first, int((now - self._kept.total_seconds()) // 60))
        last = min(last, int((now - 30) // 60))
        found: dict[tuple[tuple[str, str], ...], Told] = {}
        while first <= last:
            number, minute = divmod(first + _ZONE, DAY)
            until = min(DAY, minute + last - first + 1)
            for series in self._metrics(metric, _ZERO + timedelta(days=number)):
                if (told := series.told(minute, until)).count:
                    found.setdefault(tuple(series.labels.items()), Told()).add(told)
            first += until - minute
        return found


def _over(name: str, told: Told) -> float:
    return {"sum": told.total, "count": float(told.count), "max": told.top}[name]


def _text(value: float) -> str:
    return "NaN" if value != value else repr(float(value)).removesuffix(".0")

"""The field-report system (Phản ánh hiện trường) as it answers: Open311 GeoReport v2, with quirks.

Wire format
    GET /requests.json          ?start_date= &end_date= (W3C, by requested_datetime, both inclusive)
                                &status=open,closed &service_code=MT-RAC,…
        {"ghiChu", "service_requests": [row…]}: the newest 1,000, without pages; no dates: 90 days
    GET /requests/ID.json       the same with one row
    GET /services.json          the list of service codes, not wrapped
A row has integer ids, coordinates as texts, ``status`` open or closed, what Vietnamese systems add
under ``extended_attributes`` (trang_thai ma_co_quan ma_xa kenh gia_han thoi_diem_ket_qua danh_gia),
and the reporter's name, telephone and words. A question it does not understand, a span of more
than 90 days too, gets a page in HTML with status 200. Removed reports are simply no longer there.
"""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Awaitable, Callable
from datetime import datetime
from threading import Lock
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.dossiers import stamp
from connectors.sandbox.field_reports import (
    DAY,
    REFUSED,
    RESOLVED,
    SERVICES,
    SLOT,
    Life,
    Report,
    Reporters,
)
from connectors.sandbox.journal import FIRST_DAY, sequence
from connectors.sandbox.mark import SAMPLE, marked
from connectors.sandbox.province import Province
from ioc.period import LOCAL

CAP = 1_000
SPAN = 90 * DAY

Row = dict[str, Any]


class FieldReports:
    """All reports until now, drawn when they are first asked for; safe for several threads."""

    def __init__(
        self,
        province: Province,
        now: Callable[[], datetime],
        lived: list[tuple[int, int]] | None = None,
    ) -> None:
        """``lived``: stretches [from, to) of live time in milliseconds, as for the journal."""
        self._reporters, self._now, self._lived = Reporters(province), now, lived or []
        self._lives: list[Life] = []  # by opening
        self._drawn, self._slots = FIRST_DAY, set[int]()
        self._served = self._asked = 0
        self._lock = Lock()

    def rows(self, begin: int = 0, end: int | None = None) -> list[Row]:
        """Reports opened in [begin, end] as they stand now, newest first."""
        with self._lock:
            now = self._draw()
            left = bisect_left(self._lives, begin, key=_opened)
            right = bisect_right(self._lives, now if end is None else end, key=_opened)
            found = (life.at(now) for life in reversed(self._lives[left:right]))
            return [_row(*change) for change in found if change]

    def ask(self, count: int, org_unit: str | None = None) -> list[int]:
        """Let reports be filed at this instant; returns their numbers."""
        with self._lock:
            now = self._draw()
            numbers = range(self._asked, self._asked + count)
            asked = [self._reporters.asked(now, i % 10_000, org_unit) for i in numbers]
            self._asked += count
            for life in asked:
                insort(self._lives, life, key=_opened)
            return [life.changes[0][1].number for life in asked]

    def _draw(self) -> int:
        """Draw what was filed until now; returns now."""
        now = self._served = max(self._served, sequence(self._now()) // 1000)
        new = []
        while self._drawn <= now // DAY:
            new += self._reporters.day(self._drawn)
            self._drawn += 1
        for alive, gone in self._lived:
            for slot in range(-(-alive // 1000 // SLOT), min(gone // 1000, now) // SLOT):
                if slot not in self._slots:
                    self._slots.add(slot)
                    new.append(self._reporters.slot(slot))
        if new:
            self._lives = sorted(self._lives + new, key=_opened)
        return now

    def app(self) -> Callable[..., Awaitable[None]]:
        """The ASGI application, its replies marked as sample data."""
        return marked(
            Starlette(
                routes=[
                    Route("/requests.json", self._requests),
                    Route("/requests/{number:int}.json", self._one),
                    Route("/services.json", _services),
                ],
                exception_handlers={ValueError: _confused},
            )
        )

    async def _requests(self, request: Request) -> Response:
        asked = request.query_params
        now = sequence(self._now()) // 1000
        end = _seconds(asked["end_date"]) if "end_date" in asked else now
        begin = _seconds(asked["start_date"]) if "start_date" in asked else end - SPAN
        if not 0 <= end - begin <= SPAN:
            raise ValueError("span")
        rows = await run_in_threadpool(self.rows, begin, end)
        for name in ("status", "service_code"):
            if wanted := asked.get(name):
                rows = [row for row in rows if row[name] in wanted.split(",")]
        return _wrapped(rows[:CAP])

    async def _one(self, request: Request) -> Response:
        number = request.path_params["number"]
        rows = await run_in_threadpool(self.rows)
        return _wrapped([row for row in rows if row["service_request_id"] == number])


def _opened(life: Life) -> int:
    return life.opened


def _row(changed: int, report: Report) -> Row:
    lat, long = report.position
    closed = report.state in (RESOLVED, REFUSED)
    return {
        "service_request_id": report.number,
        "status": "closed" if closed else "open",
        "status_notes": f"{SAMPLE}: {report.state}",
        "service_name": report.service.name,
        "service_code": report.service.code,
        "description": f"{SAMPLE}: đề nghị kiểm tra, {report.service.name.lower()} trước nhà tôi",
        "agency_responsible": report.agency.name,
        "requested_datetime": _time(report.opened),
        "updated_datetime": _time(changed),
        "expected_datetime": _time(report.due),
        "address": f"{SAMPLE}, thôn {report.number % 12 + 1}",
        "lat": lat,
        "long": long,
        "first_name": "Người gửi",
        "last_name": f"{SAMPLE} {report.number % 1000:03d}",
        "phone": f"0000 000 {report.number % 1000:03d}",
        "extended_attributes": {
            "trang_thai": report.state,
            "ma_co_quan": report.agency.code,
            "ma_xa": report.place,
            "kenh": report.channel,
            "gia_han": report.extended,
            "thoi_diem_ket_qua": _time(report.done) if report.done else None,
            "danh_gia": report.rating,
        },
    }


def _time(seconds: int) -> str:
    return f"{stamp(seconds)}+07:00"


def _seconds(text: str) -> int:
    instant = datetime.fromisoformat(text)
    return sequence(instant if instant.tzinfo else instant.replace(tzinfo=LOCAL)) // 1000


def _wrapped(rows: list[Row]) -> Response:
    body = json.dumps({"ghiChu": SAMPLE, "service_requests": rows}, ensure_ascii=False)
    return Response(body, media_type="application/json")


async def _services(_: Request) -> Response:
    return JSONResponse([
        {"service_code": one.code, "service_name": one.name, "metadata": False, "type": "realtime"}
        for one in SERVICES
    ])


async def _confused(_: Request, __: Exception) -> Response:
    """As old servers do: a page for people, and a status that says all is well."""
    return HTMLResponse(f"<html><body><h1>400 Bad Request</h1><p>{SAMPLE}</p></body></html>")

"""A REST listing of the sample, in one of the ways in which vendors page.

    page     ?trang=1.. &kichThuoc=          {"duLieu": […], "tongSo": "12345"}
    offset   ?batDau=0.. &kichThuoc=         {"features": […], "numberMatched": 12345}
    link     {"danhSach": […], "lienKet": {"tiep": "/path?sau=…" or null}}
    cursor   {"features": […]} and, where more follows, the header X-Con-Tro-Tiep to send as ``sau``
    none     {"dataValues": […]}: everything at once
Rows stand in the order of their change, so that behind a link or a cursor there is always exactly
what changed since. The parameter ``since`` leaves out what changed earlier. What there is to tell
is worked out once in ten seconds, so that the pages of one reading fit together. A parameter that
makes no sense is answered with 400, a question without the right key with 401.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox import asked
from connectors.sandbox.asked import Refused
from connectors.sandbox.mark import ASGI, SAMPLE
from ioc.period import LOCAL

Row = dict[str, Any]
Way = Literal["page", "offset", "link", "cursor", "none"]
LARGEST = 5_000
KEPT = 10  # seconds


@dataclass(frozen=True)
class Listing:
    """What is listed where: rows with ``key`` and ``changed`` (a local ISO time), oldest first."""

    path: str
    rows: Callable[[], list[Row]]
    way: Way
    key: str
    now: Callable[[], datetime]
    changed: str = "capNhat"
    since: str = "capNhatTu"
    guard: Callable[[Request], None] = lambda request: None
    _kept: dict[int, list[Row]] = field(default_factory=dict)

    def app(self) -> ASGI:
        """The ASGI application."""
        return asked.service([Route(self.path, self._answer)])

    async def _answer(self, request: Request) -> Response:
        self.guard(request)
        size = asked.whole(request, "kichThuoc", 1_000, LARGEST)
        since = asked.instant(request, self.since)
        start = self._start(request, size)
        told = await run_in_threadpool(self._told)
        if since is not None:
            text = since.astimezone(LOCAL).isoformat(timespec="seconds")
            told = [row for row in told if row[self.changed] >= text]
        if self.way in ("link", "cursor"):
            return self._behind(request, told, size)
        shown = told if self.way == "none" else told[start : start + size]
        match self.way:
            case "page":
                return _reply(duLieu=shown, tongSo=str(len(told)))
            case "offset":
                return _reply(features=shown, numberMatched=len(told))
        return _reply(dataValues=shown)

    def _told(self) -> list[Row]:
        moment = int(self.now().timestamp()) // KEPT
        found = self._kept.get(moment)
        if found is None:
            found = self.rows()
            self._kept.clear()
            self._kept[moment] = found
        return found

    def _start(self, request: Request, size: int) -> int:
        if self.way == "page":
            return (asked.whole(request, "trang", 1, 10**6) - 1) * size
        return asked.whole(request, "batDau", 0, 10**8, least=0)

    def _behind(self, request: Request, told: list[Row], size: int) -> Response:
        """The page behind (change, key) of the last row that was read."""
        after = tuple(request.query_params.get("sau", "").split("~"))
        if after != ("",):
            if len(after) != 2:
                raise Refused(400, "sau: con trỏ không hợp lệ")
            told = [row for row in told if self._place(row) > after]
        shown = told[:size]
        following = "~".join(self._place(shown[-1])) if len(told) > size else None
        if self.way == "cursor":
            reply = _reply(type="FeatureCollection", features=shown)
            if following:
                reply.headers["X-Con-Tro-Tiep"] = following
            return reply
        more = request.url.include_query_params(sau=following)  # with the key of who asks, alas
        link = f"{more.path}?{more.query}" if following else None
        return _reply(danhSach=shown, lienKet={"tiep": link})

    def _place(self, row: Row) -> tuple[str, str]:
        return row[self.changed], str(row[self.key])


def changed_at(at: datetime) -> str:
    """An instant as all listings write it, so that texts are in the order of time."""
    return at.astimezone(LOCAL).isoformat(timespec="seconds")


def _reply(**members: Any) -> Response:
    return JSONResponse({"ghiChu": SAMPLE} | members)

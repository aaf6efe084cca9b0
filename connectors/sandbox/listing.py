"""A REST listing of the sample, in one of the ways in which vendors page.

By number, by offset, by a link in the body, or not at all, each with names of its own as vendors
have. ``capNhatTu`` leaves out what changed earlier; a number that is none is answered with 400.
What there is to tell is worked out once a minute.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.mark import ASGI, SAMPLE, marked
from ioc.period import LOCAL

Row = dict[str, Any]
Way = Literal["page", "offset", "link", "none"]
LARGEST = 5_000


def listing(
    path: str, rows: Callable[[], list[Row]], way: Way, changed: str, now: Callable[[], datetime]
) -> ASGI:
    """The ASGI application of one listing; ``changed`` names the field of the change time."""
    kept: dict[datetime, list[Row]] = {}

    def at_this_minute() -> list[Row]:
        minute = now().replace(second=0, microsecond=0)
        if minute not in kept:
            found = rows()
            kept.clear()
            kept[minute] = found
            return found
        return kept[minute]

    async def answer(request: Request) -> Response:
        try:
            size, start = _asked(request, way)
            since = _since(request)
        except ValueError:
            return JSONResponse({"maLoi": "400", "thongBao": "tham số sai", "ghiChu": SAMPLE}, 400)
        told = await run_in_threadpool(at_this_minute)
        if since is not None:
            told = [row for row in told if datetime.fromisoformat(row[changed]) >= since]
        shown = told if way == "none" else told[start : start + size]
        return JSONResponse(_said(request, way, shown, len(told), start + size))

    return marked(Starlette(routes=[Route(path, answer)]))


def _asked(request: Request, way: Way) -> tuple[int, int]:
    given = request.query_params
    size = min(int(given.get("kichThuoc", "1000")), LARGEST)
    if way == "page":
        start = (int(given.get("trang", "1")) - 1) * size
    else:
        start = int(given.get("batDau", "0"))
    if size < 1 or start < 0:
        raise ValueError(start)
    return size, start


def _since(request: Request) -> datetime | None:
    text = request.query_params.get("capNhatTu", "")
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=LOCAL)


def _said(request: Request, way: Way, rows: list[Row], total: int, end: int) -> Row:
    match way:
        case "page":
            return {"ghiChu": SAMPLE, "duLieu": rows, "tongSo": str(total)}
        case "offset":
            return {"ghiChu": SAMPLE, "features": rows, "numberMatched": total}
        case "link":
            more = request.url.include_query_params(batDau=end)
            link = f"{more.path}?{more.query}" if end < total else None
            return {"ghiChu": SAMPLE, "danhSach": rows, "lienKet": {"tiep": link}}
    return {"ghiChu": SAMPLE, "dataValues": rows}

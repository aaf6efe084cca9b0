"""How the REST systems of the sample read a question, and refuse one."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.mark import SAMPLE, marked
from ioc.period import LOCAL


class Refused(Exception):
    """A request that a system answers with an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status, self.message, self.headers = status, message, headers


def service(routes: Sequence[Route]) -> Callable[..., Awaitable[None]]:
    """An application whose replies, refusals too, are marked as sample data."""
    return marked(Starlette(routes=list(routes), exception_handlers={Refused: refuse}))


async def refuse(_: Request, error: Exception) -> Response:
    """What a refused request gets: {"maLoi", "thongBao", "ghiChu"}."""
    assert isinstance(error, Refused)
    body = {"maLoi": str(error.status), "thongBao": error.message, "ghiChu": SAMPLE}
    return JSONResponse(body, error.status, error.headers)


def admit(request: Request, wanted: Mapping[str, str]) -> None:
    """Refuse a request that lacks a header, or says another value in it."""
    for name, value in wanted.items():
        given = request.headers.get(name, "")
        if not hmac.compare_digest(given.encode(), value.encode()):
            raise Refused(401, f"{name}: thiếu hoặc không đúng")


def whole(request: Request, name: str, default: int, largest: int, least: int = 1) -> int:
    """A parameter that is a whole number."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= largest):
        raise Refused(400, f"{name} phải là số nguyên từ {least} đến {largest}")
    return int(text)


def instant(request: Request, name: str) -> datetime | None:
    """A parameter that is an instant in ISO 8601, local where it names no offset."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"{name} không phải thời điểm ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=LOCAL)

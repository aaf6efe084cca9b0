"""The one-stop portal (Cổng một cửa) as a sector system offers it: REST, tokens, a change journal.

Wire format
    POST /oauth2/token          grant_type=client_credentials, client_id and client_secret in the
                                form or as HTTP Basic: {"access_token", "token_type", "expires_in"}
    GET /api/v1/hoSo/thayDoi    ?sau=cursor &soLuong=1..5000 &tuThoiDiem=ISO: changes in order
        {"ghiChu", "data": [row…], "tiepTheo": cursor, "conNua": bool, "soBanGhi": "5000"}
        ``tiepTheo`` is always safe to resume from; ``conNua`` false: nothing more by now.
    GET /api/v1/hoSo            ?trang=1.. &kichThuoc=1..5000 &capNhatTu=ISO: open dossiers, or
                                those changed since, by page number
        {"ghiChu", "data": [row…], "trang": 1, "tongSo": "12345", "tongSoTrang": "13"}
A row is a whole dossier after a change: maHoSo maThuTuc maCoQuan maXa kenh ngayTiepNhan ngayHenTra
ngayTra hinhThucTra trangThai thoiDiemCapNhat soThuTu, and fields that stand for personal data.
Errors are {"maLoi", "thongBao"} with 400, 401 (token missing or expired) or 429 (Retry-After).
Every reply carries the header ``X-Du-Lieu: DU LIEU MAU``.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.sandbox.asked import Refused, instant, service, whole
from connectors.sandbox.journal import Journal, sequence
from connectors.sandbox.mark import SAMPLE

CLIENT_ID = "du-lieu-mau"
CLIENT_SECRET = "du-lieu-mau-khong-bi-mat"  # a sample value, for a loopback port
LARGEST_PAGE = 5_000

Clock = Callable[[], float]


class Portal:
    """Tokens, rate limit and the two listings over a journal."""

    def __init__(
        self,
        journal: Journal,
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        token_life: float = 300,
        per_second: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._journal, self._token_life, self._clock = journal, token_life, clock
        self._client = (client_id, client_secret)
        self._per_second, self._allowed, self._asked_at = per_second, per_second or 0.0, clock()
        self._tokens: dict[str, float] = {}

    def app(self) -> Callable[..., Awaitable[None]]:
        """The ASGI application, its replies marked as sample data."""
        return service([
            Route("/", _front),
            Route("/oauth2/token", self.token, methods=["POST"]),
            Route("/api/v1/hoSo/thayDoi", self.changes),
            Route("/api/v1/hoSo", self.listing),
        ])

    async def token(self, request: Request) -> Response:
        """A bearer token for the right client, for ``token_life`` seconds."""
        form = parse_qs((await request.body())[:4096].decode("utf-8", "replace"))
        given = {name: values[0] for name, values in form.items()}
        if given.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        client = _basic(request) or (given.get("client_id", ""), given.get("client_secret", ""))
        if not all(
            hmac.compare_digest(a.encode(), b.encode())
            for a, b in zip(client, self._client, strict=True)
        ):
            return JSONResponse({"error": "invalid_client"}, 401)
        now = self._clock()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(24)
        self._tokens[token] = now + self._token_life
        life = max(1, int(self._token_life))
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": life})

    async def changes(self, request: Request) -> Response:
        """A page of the change journal."""
        self._admit(request)
        cursor = request.query_params.get("sau", "")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise Refused(400, f"con trỏ không hợp lệ: {cursor[:40]!r}")
        after = max(int(cursor or 0), _since(request, "tuThoiDiem") - 1)
        limit = whole(request, "soLuong", 1000, LARGEST_PAGE)
        page = await run_in_threadpool(self._journal.changes, after, limit)
        last = str(page.last) if page.rows or page.last else ""
        more = "true" if page.more else "false"
        return _rows(
            page.rows, f'"tiepTheo":"{last}","conNua":{more},"soBanGhi":"{len(page.rows)}"'
        )

    async def listing(self, request: Request) -> Response:
        """A page, by number, of the dossiers that are open or changed since."""
        self._admit(request)
        size = whole(request, "kichThuoc", 1000, LARGEST_PAGE)
        number = whole(request, "trang", 1, 10**6)
        rows = await run_in_threadpool(self._journal.current, _since(request, "capNhatTu"))
        pages = -(-len(rows) // size)
        return _rows(
            rows[(number - 1) * size : number * size],
            f'"trang":{number},"tongSo":"{len(rows)}","tongSoTrang":"{pages}"',
        )

    def _admit(self, request: Request) -> None:
        now = self._clock()
        if self._per_second:
            self._allowed += (now - self._asked_at) * self._per_second
            self._allowed = min(self._allowed, max(1.0, self._per_second))
            self._asked_at = now
            if self._allowed < 1:
                raise Refused(429, "Quá nhiều yêu cầu", **{"Retry-After": "1"})
            self._allowed -= 1
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token, now) <= now:
            message = "Mã truy cập đã hết hạn" if token else "Thiếu mã truy cập"
            raise Refused(401, message, **{"WWW-Authenticate": "Bearer"})


async def _front(_: Request) -> Response:
    return PlainTextResponse(f"{SAMPLE}: cổng một cửa mẫu, không phải hệ thống thật\n")


def _rows(rows: list[bytes], rest: str) -> Response:
    """Rows are encoded when they are drawn: a page is only joined."""
    body = b'{"ghiChu":"%b","data":[%b],%b}' % (SAMPLE.encode(), b",".join(rows), rest.encode())
    return Response(body, media_type="application/json")


def _since(request: Request, name: str) -> int:
    found = instant(request, name)
    return max(0, sequence(found)) if found else 0


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, word = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, word

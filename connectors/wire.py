"""What comes over the wire: status, body, errors of the network and JSON, read without trust."""

import email.utils
import json
import math
import ssl
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2

from ioc.errors import Broken, NeedsCredentials, Transient

RETRY_AFTER_CAP = 15 * 60.0
PIECE = 65_536
_RETRIABLE = {408, 425, 429}


class TimedOut(Transient):
    """The total deadline of a request or of a poll has passed."""


def parse_json(body: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN, no infinity (nor 1e999), no nesting that exhausts the stack."""
    try:
        return json.loads(
            body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise Broken("phản hồi không phải UTF-8") from None
    except RecursionError:
        raise Broken("JSON lồng nhau quá sâu") from None
    except json.JSONDecodeError as error:
        raise Broken(f"JSON không hợp lệ ở ký tự {error.pos + 1}") from None
    except ValueError:  # an integer of more digits than Python reads
        raise Broken("JSON không hợp lệ: số quá dài") from None


def _refuse_constant(name: str) -> float:
    raise Broken(f"JSON không hợp lệ: có {name}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Broken("JSON không hợp lệ: số quá lớn")
    return value


def decoded(response: httpx2.Response) -> Iterator[bytes]:
    """The body in pieces of at most 64 KiB, so that a bomb meets the cap before it unfolds."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        yield from response.iter_raw(PIECE)
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Broken(f"kiểu nén không được hỗ trợ: {coding}")
    unzip = zlib.decompressobj(32 + zlib.MAX_WBITS if "gzip" in coding else zlib.MAX_WBITS)
    try:
        for raw in response.iter_raw(PIECE):
            while raw:
                yield unzip.decompress(raw, PIECE)
                raw = unzip.unconsumed_tail
        while piece := unzip.decompress(b"", PIECE):
            yield piece
    except zlib.error:
        raise Broken("phản hồi nén bị hỏng") from None
    if not unzip.eof:
        raise Transient("phản hồi nén bị cắt ngang")


def refuse_status(response: httpx2.Response, now: datetime) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (401, 403):
        raise NeedsCredentials(f"máy chủ từ chối thông tin xác thực ({status})")
    if status in _RETRIABLE or status >= 500:
        wait = retry_after(response.headers.get("retry-after", ""), now)
        raise Transient(f"máy chủ trả lỗi {status}", retry_after=wait)
    raise Broken(f"máy chủ trả mã {status}")


def refuse_kind(response: httpx2.Response, accept: str) -> None:
    """Refuse another content type than was asked for: a page of sign-in comes with status 200."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    other = any(word in accept and word not in kind for word in ("json", "xml"))
    if other or (accept == "*/*" and "html" in kind):
        raise Broken(f"chờ dữ liệu {accept}, máy chủ trả “{kind or 'không rõ loại'}”")


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds that a server asks us to wait (a number or an HTTP date), at most 15 minutes."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_CAP) if math.isfinite(seconds) else RETRY_AFTER_CAP


def is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def translated(error: httpx2.HTTPError, host: str, *, late: bool) -> Exception:
    """Our own exception for what the network said; its message holds no address and no header."""
    if late:
        return TimedOut(f"{host}: quá thời hạn tổng của một lần đọc")
    match error:
        case httpx2.ConnectTimeout():
            return Transient(f"{host}: không kết nối được trong 3 giây")
        case httpx2.TimeoutException():
            return Transient(f"{host}: trả lời quá chậm")
        case httpx2.ConnectError() if is_certificate(error):
            return Broken(f"{host}: chứng thư TLS không hợp lệ")
        case httpx2.ConnectError():
            return Transient(f"{host}: không kết nối được")
        case httpx2.TransportError():
            return Transient(f"{host}: kết nối đứt giữa chừng, phản hồi không trọn vẹn")
    return Broken(f"{host}: {type(error).__name__}")

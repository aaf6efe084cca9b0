"""A connection to a declared host for a protocol that is not HTTP: deadline and byte cap hold.

It looks like a socket to the libraries that speak those protocols. No step outlasts what time
remains, and no answer is larger than what was allowed for it, whatever a server claims.
"""

import ssl
from collections.abc import Callable
from typing import Any

import httpcore2

from connectors.door import CONNECT_SECONDS, Door
from connectors.wire import TimedOut, is_certificate
from ioc.errors import Broken, IocError, Transient

SLACK = 4 << 20  # what a protocol says around the bytes of a file
_STEP = 0.5


class Stream:
    """One connection; ``allow`` says how many bytes the next answer may have."""

    def __init__(self, wire: httpcore2.NetworkStream, host: str, remaining: Callable[[], float]):
        self._wire, self._host, self._remaining = wire, host, remaining
        self._timeout: float | None = None
        self._closed = False  # where paramiko looks for it
        self._allowed = self._left = SLACK

    def allow(self, size: int) -> None:
        """Begin an answer that may have so many bytes of content."""
        self._allowed = self._left = size + SLACK

    def fault(self) -> IocError:
        """Why the connection ended, as far as it can be told from here."""
        if self._left < 0:
            return Broken(f"{self._host}: trả quá {self._allowed >> 20} MB cho một tệp")
        if self._remaining() <= 0:
            return TimedOut(f"{self._host}: quá thời hạn tổng của một lần đọc")
        return Transient(f"{self._host}: kết nối đứt giữa chừng")

    def recv(self, size: int) -> bytes:
        """Up to so many bytes, none at the end; TimeoutError while nothing comes."""
        try:
            piece = self._wire.read(size, self._timeout)
        except httpcore2.ReadTimeout:
            if self._remaining() > 0 and self._timeout is not None:
                raise TimeoutError from None
            raise ConnectionAbortedError("deadline") from None
        except httpcore2.NetworkError:
            raise ConnectionResetError("read") from None
        self._left -= len(piece)
        if self._left < 0:
            raise ConnectionAbortedError("too much")
        return piece

    def send(self, data: bytes) -> int:
        """All of the bytes; how many that are."""
        try:
            self._wire.write(bytes(data), max(_STEP, min(10.0, self._remaining())))
        except (httpcore2.NetworkError, httpcore2.TimeoutException):
            raise ConnectionResetError("write") from None
        return len(data)

    @property
    def socket(self) -> Any:
        """The socket itself, TLS and all, for a library that waits on it by itself."""
        return self._wire.get_extra_info("socket")

    def settimeout(self, seconds: float | None) -> None:
        """How long ``recv`` waits; None is until the deadline."""
        self._timeout = seconds

    def close(self) -> None:
        """End it; twice is harmless."""
        self._closed = True
        self._wire.close()


def connected(
    door: Door, host: str, port: int, *, tls: ssl.SSLContext | None, remaining: Callable[[], float]
) -> Stream:
    """A stream to a declared host, whose certificate was checked where there is TLS.

    Raises:
        Transient: it does not answer. Broken: refused address, certificate that does not fit.
    """
    try:
        wire = door.connect_tcp(host, port, CONNECT_SECONDS)
        if tls is not None:
            wire = wire.start_tls(tls, host, CONNECT_SECONDS)
    except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
        if is_certificate(error):
            raise Broken(f"{host}: chứng thư TLS không hợp lệ") from None
        if remaining() <= 0:
            raise TimedOut(f"{host}: quá thời hạn tổng của một lần đọc") from None
        raise Transient(f"{host}: không kết nối được") from None
    return Stream(wire, host, remaining)

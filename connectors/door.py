"""The one door to the network: only declared hosts, only checked addresses, never past a deadline.

The addresses of a host are checked here, after DNS, and the connection goes to the very address
that was checked: a name that answers differently a second time gains nothing.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore2
import httpx2

from ioc.errors import Broken, Transient

CONNECT_SECONDS = 3.0
STEP_SECONDS = 0.5  # how long one read may keep us from noticing that the process must end
Origin = tuple[str, str, int]
WEB = ("http", "https")
_PORTS = {"http": 80, "https": 443, "imap": 143, "imaps": 993, "sftp": 22}
_PORTS |= {"mqtt": 1883, "mqtts": 8883}
_METADATA = {ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254")}


def origin_of(url: str | httpx2.URL, schemes: Sequence[str] = WEB) -> Origin:
    """Scheme, host and port of an address.

    Raises:
        Broken: it is of no such scheme (http, https), or carries a user name or password.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise Broken("địa chỉ không hợp lệ") from error
    if not 0 < (parsed.port or 1) < 65_536:
        raise Broken("địa chỉ có số cổng không hợp lệ")
    if parsed.scheme not in schemes or not parsed.host:
        raise Broken(f"địa chỉ phải là {' hoặc '.join(schemes)}, không phải “{parsed.scheme}”")
    if parsed.userinfo:
        raise Broken("địa chỉ không được chứa tên và mật khẩu")
    return parsed.scheme, parsed.host.lower(), parsed.port or _PORTS[parsed.scheme]


def is_loopback(host: str) -> bool:
    """Whether a host, as declared, is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def refuse_address(address: str, *, loopback: bool) -> None:
    """Refuse an address that no sector system lives at: link-local, metadata, multicast …

    Private ranges are where provincial systems live, so they pass; loopback passes only for
    a source whose own declared address is loopback.
    """
    ip = ipaddress.ip_address(address.split("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    forbidden = ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA
    if forbidden or (ip.is_loopback and not loopback) or (ip.is_reserved and not ip.is_loopback):
        raise Broken(f"địa chỉ IP {ip} không được phép")


class Door(httpcore2.NetworkBackend):
    """Connects to declared hosts only and lets no single step outlast what time remains."""

    def __init__(self, allowed: Iterable[Origin], remaining: Callable[[], float]):
        self.allowed = frozenset(allowed)
        self._hosts = {(host, port) for _, host, port in self.allowed}
        self._loopback = any(is_loopback(host) for _, host, _ in self.allowed)
        self._remaining = remaining
        self._sockets = httpcore2.SyncBackend()

    def check(self, url: str | httpx2.URL) -> Origin:
        """The origin of an address on the allow-list; Broken when it is not on it."""
        origin = origin_of(url)
        if origin not in self.allowed:
            raise Broken("địa chỉ ngoài danh sách cho phép: {}://{}:{}".format(*origin))
        return origin

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Where a declared host lives, for whoever connects by itself to exactly these.

        Raises:
            Broken: it is not on the allow-list, or lives where no sector system does.
        """
        if (host, port) not in self._hosts:
            raise Broken(f"địa chỉ ngoài danh sách cho phép: {host}:{port}")
        found = _resolve(host, port, seconds)
        for address in found:
            refuse_address(address, loopback=self._loopback and is_loopback(host))
        return found

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        budget = _Budget(self._remaining, limit=timeout)
        addresses = self.addresses(host, port, budget.left(CONNECT_SECONDS))
        for number, address in enumerate(addresses, 1):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, budget.left(CONNECT_SECONDS), local_address, socket_options
                )
                return _Timed(stream, self._remaining)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses) or budget.left(CONNECT_SECONDS) <= 0.01:
                    raise
        raise Transient(f"không tìm thấy địa chỉ của máy {host}")


class _Budget:
    """What is left of a few seconds that several steps share."""

    def __init__(self, remaining: Callable[[], float], limit: float | None):
        self._remaining = remaining
        self._start = remaining()
        self._limit = CONNECT_SECONDS if limit is None else min(limit, CONNECT_SECONDS)

    def left(self, ceiling: float) -> float:
        now = self._remaining()
        return max(0.001, min(ceiling, now, self._limit - (self._start - now)))


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Addresses of a host; getaddrinfo knows no timeout, so it waits in a thread of its own."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    found: list[str] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    asking = threading.Thread(target=ask, daemon=True, name=f"dns {host}")
    asking.start()
    asking.join(seconds)
    if not found:
        raise Transient(f"không phân giải được tên máy {host} (DNS)")
    return list(found)


class _Timed(httpcore2.NetworkStream):
    """A stream whose every read and write also ends at the deadline: a drip feed cannot hold it."""

    def __init__(self, stream: httpcore2.NetworkStream, remaining: Callable[[], float]):
        self._stream = stream
        self._remaining = remaining

    def _limit(self, timeout: float | None) -> float:
        remaining = self._remaining()
        if remaining <= 0:
            raise httpcore2.ReadTimeout("deadline")
        return remaining if timeout is None else min(timeout, remaining)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._limit(timeout)
        while True:
            try:
                return self._stream.read(max_bytes, min(STEP_SECONDS, left))
            except httpcore2.ReadTimeout:
                left -= STEP_SECONDS
                if left <= 0 or self._remaining() <= 0:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._limit(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        limit = min(CONNECT_SECONDS, self._limit(timeout))
        secured = self._stream.start_tls(ssl_context, server_hostname, limit)
        return _Timed(secured, self._remaining)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Transport(httpx2.HTTPTransport):
    """httpx2's transport over our door: no proxy, no environment, no HTTP/2."""

    def __init__(self, door: Door, ssl_context: Any):
        self._pool = httpcore2.ConnectionPool(
            ssl_context=ssl_context, network_backend=door, max_connections=4, keepalive_expiry=30
        )

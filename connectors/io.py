"""The only door outside: every byte that a connector reads from a sector system comes through IO.

It holds what each kind of connector would otherwise forget: the host allow-list, deadlines, byte
caps, bounded retries, secrets, redaction, and the evidence of what was asked and answered.
"""

import contextlib
import functools
import hashlib
import logging
import os
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

import httpx2
from sqlalchemy import Select

from connectors.credentials import Credentials, Proof
from connectors.door import Door, Origin, Transport, origin_of
from connectors.folder import File, Shelf
from connectors.shelves import origin_at, shelf_at
from connectors.spool import Spool
from connectors.stream import Stream, connected
from connectors.subscription import Keep, Visit, Wish, visit
from connectors.values import zone_of
from connectors.wire import (
    TimedOut,
    decoded,
    parse_json,
    refuse_kind,
    refuse_status,
    translated,
)
from ioc.config import expand
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.source import ApiKey, Basic, OAuth2, Source

if TYPE_CHECKING:
    from connectors.database import Database

Answered = TypeVar("Answered")

RETRIES = 3
REDIRECTS = 5
PATIENCE = 30.0  # a longer wait gives the thread back; the schedule waits instead
MEGABYTE = 1 << 20
_MISSING = re.compile(r"(?i)([?&;\s](?:[\w-]*(?:token|secret|password|key|signature))=)[^&\s\"']+")
_USERINFO = re.compile(r"//[^/\s@]+@")

for _name in ("httpx2", "httpcore2"):  # they would log addresses and headers
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: the address that answered, its headers and its whole decoded body."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 200

    @property
    def origin(self) -> str:
        """The path, without the query that may hold secrets: what a row's position begins with."""
        return httpx2.URL(self.url).path


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request says besides its address; ``taken`` are statuses that are read like 200."""

    accept: str = "application/json"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    taken: tuple[int, ...] = ()


class IO:
    """One poll's door outside; use as a context manager.

    ``calls``, ``bytes_read`` and ``response_hash`` are the evidence of what was read; ``notes`` are
    what the run's note must say. ``options`` of the source set the limits: ``deadline`` (seconds
    for one request with its retries, 30), ``poll_deadline`` (900), ``max_bytes`` (32 MiB) and
    ``hosts`` (further origins that redirects may lead to; they never get our credentials).
    """

    def __init__(
        self,
        source: Source,
        settings: Any = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = time.sleep,
        env: Mapping[str, str] = os.environ,
        stopped: Callable[[], bool] = lambda: False,
    ):
        options = source.options
        self._source, self._env, self._clock, self._sleep = source, env, clock, sleep
        self._settings = settings
        self._seconds = float(options.get("deadline", 30))
        self._ends = clock() + float(options.get("poll_deadline", 900))
        self._until = self._ends
        self._cap = int(options.get("max_bytes", 32 * MEGABYTE))
        self._stopped = stopped
        self._secrets: set[str] = set()
        self._client: httpx2.Client | None = None
        self._digest = hashlib.sha256()
        self.credentials = Credentials(source, env, clock, self._hide)
        self.now = now
        self.calls = self.bytes_read = 0
        self.notes: list[str] = []
        self.waiting = False
        """Whether there is more that could not be read yet: the run covers not all of it."""

    def __enter__(self) -> "IO":
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        if "_database" in vars(self):
            self._database.drop()
        for name in ("_shelf", "spool"):
            if name in vars(self):
                vars(self)[name].close()

    @property
    def url(self) -> str:
        """The source's own address (or folder), references resolved."""
        return expand(self._source.url, self._env).rstrip("/")

    @property
    def address(self) -> str:
        """Where the source is read, as a run may say it: no user, no question, no folder's way."""
        try:
            parts = urlsplit(self.url)
        except (NeedsCredentials, ValueError):
            return ""
        if not parts.netloc:
            return Path(self.url).name
        host = parts.netloc.rpartition("@")[2]
        path = parts.path + str(self._source.options.get("path", ""))
        return self.redact(f"{parts.scheme}://{host}{path}")

    @property
    def response_hash(self) -> str:
        """SHA-256 over all bodies read so far, "" before the first."""
        return self._digest.hexdigest() if self.bytes_read else ""

    def note(self, text: str) -> None:
        """Say something, once, in the note of this run."""
        if (text := self.redact(text)) not in self.notes:
            self.notes.append(text)

    def redact(self, text: object) -> str:
        """A text without any secret that this poll has used, nor what looks like one."""
        found = str(text)
        for secret in sorted(self._secrets, key=len, reverse=True):
            found = found.replace(secret, "***")
        return _USERINFO.sub("//***@", _MISSING.sub(r"\1***", found))

    def _hide(self, secret: str) -> None:
        if len(secret) >= 4:
            self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret)}

    def remaining(self) -> float:
        """Seconds left for the request under way, or for the poll between requests."""
        return min(self._until - self._clock(), self.left())

    def left(self) -> float:
        """Seconds left for the whole poll; none when the process is asked to end."""
        return 0.0 if self._stopped() else self._ends - self._clock()

    # -- network ----------------------------------------------------------------------------

    def json(self, url: str, /, **params: Any) -> Any:
        """The parsed JSON at an address; parameters that are None are left out."""
        return parse_json(self.fetch(url, params).body)

    def bytes(self, url: str, /, *, accept: str = "*/*", **params: Any) -> bytes:
        """The decoded body at an address."""
        return self.fetch(url, params, accept=accept).body

    def fetch(self, url: str, params: Mapping[str, Any] | None = None, **how: Any) -> Reply:
        """Ask (``how`` as ``Ask`` says; GET) with retries, all of them within one deadline.

        Raises:
            Transient: worth another poll; ``TimedOut`` when the deadline has passed.
            NeedsCredentials: 401 or 403.
            Broken: a refused address, another 4xx, another content type, too many bytes.
        """
        given = {name: str(value) for name, value in (params or {}).items() if value is not None}
        address = httpx2.URL(url).copy_merge_params(given) if given else httpx2.URL(url)
        ask = Ask(**how)
        return self._tried(lambda: self._follow(address, ask))

    def _tried(self, ask: Callable[[], Answered]) -> Answered:
        """What is asked, again after a failure that may pass, all within one deadline."""
        with self._one_request():
            for retry in range(RETRIES + 1):
                try:
                    return ask()
                except Transient as error:
                    self._wait_or_raise(error, retry)
            raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _one_request(self) -> Iterator[None]:
        """What is asked within ends at its own deadline."""
        self._until = self._clock() + self._seconds
        try:
            yield
        finally:
            self._until = self._ends

    def join(self, base: str, link: str) -> str:
        """A link resolved against an address; Broken when it leaves the allow-list."""
        address = _joined(httpx2.URL(base), link)
        self._door.check(address)
        return str(address)

    def link(self, base: str, link: str) -> str:
        """A next link as path and query: a cursor that may be stored, without our key in it."""
        address = httpx2.URL(self.join(base, link))
        if self._door.check(address) != self._home:
            raise Broken(f"liên kết trang sau dẫn sang máy khác: {address.host}")
        if isinstance(self._source.auth, ApiKey) and self._source.auth.param:
            address = address.copy_remove_param(self._source.auth.param)
        return address.raw_path.decode("ascii")

    def _wait_or_raise(self, error: Transient, retry: int) -> None:
        wait = error.retry_after
        if wait is None:
            wait = 0.5 * 2**retry * random.uniform(0.5, 1.5)
        remaining = self.remaining()
        if isinstance(error, TimedOut) or retry >= RETRIES or wait > min(PATIENCE, remaining):
            raise error
        self._sleep(wait)

    def _follow(self, address: httpx2.URL, ask: Ask) -> Reply:
        renewed = False
        for _ in range(REDIRECTS + 1):
            home = self._door.check(address) == self._home
            if ask.body is not None and not home:
                raise Broken(f"máy chủ chuyển nội dung ta gửi sang máy khác: {address.host}")
            proof = self.credentials.proof(self._post) if home else Proof({}, {})
            request = self._http.build_request(
                ask.method,
                address.copy_merge_params(proof.params) if proof.params else address,
                headers={"Accept": ask.accept, **ask.headers, **proof.headers},
                content=ask.body,
            )
            with self._sent(request) as response:
                if response.status_code == 401 and proof.renewable and not renewed:
                    self.credentials.forget()
                    renewed = True
                elif response.has_redirect_location:
                    address = _joined(address, response.headers["location"])
                else:
                    body = self._body(response, ask)
                    return Reply(str(address), response.headers, body, response.status_code)
        raise Broken("máy chủ chuyển hướng quá nhiều lần")

    def _post(self, url: str, form: dict[str, str], headers: dict[str, str]) -> bytes:
        self._door.check(url)
        ask = Ask()
        request = self._http.build_request(
            "POST", url, data=form, headers={"Accept": ask.accept, **headers}
        )
        with self._sent(request) as response:
            if response.status_code == 400:
                raise NeedsCredentials("máy chủ không cấp mã truy cập (400)")
            return self._body(response, ask, evidence=False)

    @contextlib.contextmanager
    def _sent(self, request: httpx2.Request) -> Iterator[httpx2.Response]:
        """One response under way, closed at the end whatever happens."""
        self.calls += 1
        try:
            response = self._http.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except httpx2.HTTPError as error:
            raise translated(error, request.url.host, late=self.remaining() <= 0) from None

    def _body(self, response: httpx2.Response, ask: Ask, evidence: bool = True) -> bytes:
        if response.status_code not in ask.taken:
            refuse_status(response, self.now())
        if response.status_code == 304:  # nothing has changed: there is no body to look at
            return b""
        if response.is_success:  # what a taken error says, its kind reads
            refuse_kind(response, ask.accept)
        if int(response.headers.get("content-length") or 0) > self._cap:
            raise Broken(f"phản hồi quá lớn, vượt {self._cap / MEGABYTE:.3g} MB")
        body = bytearray()
        for piece in decoded(response):
            body += piece
            if len(body) > self._cap:
                raise Broken(f"phản hồi quá lớn, vượt {self._cap / MEGABYTE:.3g} MB")
            if self.remaining() <= 0:
                raise TimedOut("quá thời hạn tổng của một lần đọc")
        self.bytes_read += response.num_bytes_downloaded
        if evidence:
            self._digest.update(body)
        return bytes(body)

    @functools.cached_property
    def _door(self) -> Door:
        urls = [*self._source.options.get("hosts", [])]
        if isinstance(self._source.auth, OAuth2):
            urls.append(self._source.auth.token_url)
        others = [origin_of(expand(url, self._env)) for url in urls]
        return Door([self._home, *others], self.remaining)

    @functools.cached_property
    def _home(self) -> Origin:
        """The origin of the source itself, which alone gets our credentials."""
        return origin_at(self.url)

    @property
    def _http(self) -> httpx2.Client:
        if self._client is None:
            secure = any(scheme == "https" for scheme, _, _ in self._door.allowed)
            authority = self._source.options.get("ca_file")
            context = _tls(authority) if secure else _no_tls()
            self._client = httpx2.Client(
                transport=Transport(self._door, context),
                timeout=httpx2.Timeout(10.0, connect=3.0),
                headers={"User-Agent": "ioc", "Accept-Encoding": "gzip"},
                trust_env=False,
            )
        return self._client

    # -- databases --------------------------------------------------------------------------

    def sql(self, statement: Select, most: int) -> list[dict[str, Any]]:
        """The rows of one select in the source's database, each a read-only transaction.

        Raises:
            Transient: not reachable or locked; ``TimedOut`` when the deadline has passed.
            NeedsCredentials: no user, a wrong password, no right to read.
            Broken: a view or column that is not there, more than ``most`` rows, too many bytes.
        """

        def ask() -> list[dict[str, Any]]:
            try:
                rows, told = self._database.rows(statement, most, self._cap)
            except Transient:
                self.calls += 1
                raise
            self.take(told)
            return rows

        return self._tried(ask)

    @functools.cached_property
    def _database(self) -> "Database":
        from connectors.database import Database, login_of

        options = self._source.options
        basic = isinstance(self._source.auth, Basic)
        login = self.credentials.login() if basic else login_of(self.url)
        self._hide(login.password)
        return Database(
            self.url,
            login,
            self.remaining,
            tls=options.get("ca_file") or ("" if options.get("tls") else None),
            zone=zone_of(self._source.formats.get("zone")),
        )

    # -- files ------------------------------------------------------------------------------

    def files(self, *suffixes: str) -> list[File]:
        """Whole files of the source's place with these suffixes, oldest first.

        A file that was touched within the last ``settle`` seconds (2) may be half written: it
        waits for a later poll.
        """
        settle = timedelta(seconds=float(self._source.options.get("settle", 2)))
        with self._one_request():
            files = self._shelf.listed(suffixes)
        fresh = [file for file in files if abs(self.now() - file.modified) < settle]
        waiting = fresh if self._shelf.settles else []
        if waiting:
            self.waiting = True
            self.note("chờ tệp ghi xong: " + ", ".join(sorted(file.name for file in waiting)))
        return [file for file in files if file not in waiting]

    def read(self, file: File) -> bytes:
        """The bytes of a listed file; Transient when it is no longer what was listed."""
        if self.remaining() <= 0:
            raise TimedOut("quá thời hạn của một lần thu thập")
        if file.size > self._cap:
            raise Broken(f"{file.name}: tệp quá lớn, vượt {self._cap / MEGABYTE:.3g} MB")
        with self._one_request():
            body = self._shelf.read(file)
        return body if self._shelf.counted else self.take(body)

    def take(self, body: bytes, calls: int = 1) -> bytes:
        """Bytes that were read, counted as evidence."""
        self.calls += calls
        self.bytes_read += len(body)
        self._digest.update(body)
        return body

    def stream(self) -> Stream:
        """A connection to the source's own host, for a protocol that is not HTTP."""
        self.calls += 1
        scheme, host, port = self._home
        tls = _tls(self._source.options.get("ca_file")) if scheme in ("imaps", "mqtts") else None
        return connected(self._door, host, port, tls=tls, remaining=self.remaining)

    # -- messages ---------------------------------------------------------------------------

    def subscribe(self, wish: Wish, keep: Keep) -> Visit:
        """Take what the broker has for us; ``keep`` makes each group safe before it is told so.

        Raises:
            Transient: no connection after some tries, or it broke; what was kept is safe.
            NeedsCredentials, Broken: as ``connectors.subscription.visit`` says.
        """
        with self._one_request():
            for retry in range(RETRIES + 1):
                try:
                    return visit(self, wish, keep, self._cap)
                except Transient as error:
                    self._wait_or_raise(error, retry)
            raise AssertionError("unreachable")

    @functools.cached_property
    def spool(self) -> Spool:
        """Where the source's messages are safe until they are stored."""
        folder = getattr(self._settings, "data", None)
        if folder is None:
            raise Broken("chưa có thư mục dữ liệu để giữ tin của máy chủ MQTT")
        return Spool(Path(folder) / "spool" / f"{self._source.id}.sqlite")

    @functools.cached_property
    def _shelf(self) -> Shelf:
        return shelf_at(self, self._source.options, self._cap)


def _joined(base: httpx2.URL, link: str) -> httpx2.URL:
    try:
        return base.join(link)
    except (httpx2.InvalidURL, ValueError, UnicodeError):
        raise Broken("máy chủ dẫn tới một địa chỉ không hợp lệ") from None


@functools.cache
def _tls(authority: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


@functools.cache
def _no_tls() -> ssl.SSLContext:
    """For plain http: a context that trusts nobody, cheap to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

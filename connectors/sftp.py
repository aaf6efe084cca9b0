"""A folder on an SFTP server whose host key is known beforehand: never accepted at first sight."""

import logging
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

import paramiko

from connectors.credentials import Login
from connectors.folder import WHY, File, in_order, is_data, still_written, unreadable
from connectors.stream import Stream
from ioc.errors import Broken, IocError, NeedsCredentials

if TYPE_CHECKING:
    from connectors.io import IO

MAX_FILES = 10_000
_PIECE = 32_768
_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_TYPES = {"rsa-sha2-256": "ssh-rsa", "rsa-sha2-512": "ssh-rsa"}  # one key, several ways to sign
Answer = TypeVar("Answer")

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it would log traces of what we translate


class Sftp:
    """``sftp://host:port/folder``; the option ``host_key`` (``SHA256:…``) or ``known_hosts``."""

    settles, counted = True, False

    def __init__(self, io: "IO", options: Mapping[str, Any]):
        parts = urlsplit(io.url)
        self._io, self._options = io, options
        self._host, self._port = parts.hostname or "", parts.port or 22
        self._folder = unquote(parts.path) or "/"
        self._stream: Stream
        self._transport: paramiko.Transport | None = None
        self._session: paramiko.SFTPClient | None = None

    def listed(self, suffixes: tuple[str, ...]) -> list[File]:
        """Regular files of the folder with these suffixes, oldest first."""

        def ask(session: paramiko.SFTPClient) -> list[File]:
            found = []
            for number, at in enumerate(session.listdir_iter(self._folder, read_aheads=4)):
                if number >= MAX_FILES:
                    raise Broken(f"thư mục có hơn {MAX_FILES} tệp")
                plain = stat.S_ISREG(at.st_mode or 0) and "/" not in at.filename
                if plain and is_data(at.filename, suffixes):
                    found.append(_file(at.filename, at))
            return found

        return in_order(self._asked(ask))

    def read(self, file: File) -> bytes:
        """The bytes of a listed file; Transient when it is no longer what was listed."""

        def ask(session: paramiko.SFTPClient) -> bytes:
            with session.open(f"{self._folder.rstrip('/')}/{file.name}", "rb") as remote:
                body = bytearray()
                remote.prefetch(file.size, max_concurrent_requests=16)
                while len(body) < file.size and (piece := remote.read(_PIECE)):
                    body += piece
                now = _file(file.name, remote.stat())
            if len(body) != file.size or (now.size, now.mtime_ns) != (file.size, file.mtime_ns):
                raise still_written(file)
            return bytes(body)

        return self._asked(ask, file)

    def close(self) -> None:
        """End the session."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._session = None

    def _asked(
        self, ask: Callable[[paramiko.SFTPClient], Answer], file: File | None = None
    ) -> Answer:
        """What a question to the server brings; what goes wrong is told in our words."""
        try:
            if self._session is None:
                self._stream = self._io.stream()
                self._session = self._begun(self._stream)
            self._stream.allow(file.size if file else 0)
            return ask(self._session)
        except UnicodeError:
            raise Broken(f"{self._host}: tên tệp không phải UTF-8") from None
        except paramiko.AuthenticationException:
            error = self._refused()
        except (OSError, EOFError, paramiko.SSHException) as raised:
            known = isinstance(raised, OSError) and raised.errno in WHY
            if known:
                raise unreadable(raised, file) from None
            error = self._stream.fault()
        self.close()
        raise error

    def _refused(self) -> IocError:
        """Our login is not taken; a connection that ended meanwhile looks the same."""
        if self._transport is not None and self._transport.is_active():
            return NeedsCredentials(f"{self._host}: máy chủ SFTP từ chối đăng nhập")
        return self._stream.fault()

    def _begun(self, stream: Stream) -> paramiko.SFTPClient:
        login = self._io.credentials.login()
        key = _private_key(login) if login.key else None
        transport = self._transport = paramiko.Transport(stream)
        transport.banner_timeout = transport.auth_timeout = self._io.remaining() + 5
        known = self._known(transport)
        transport.start_client()
        self._refuse_stranger(transport.get_remote_server_key(), known)
        if key is not None:
            transport.auth_publickey(login.user, key)
        else:
            transport.auth_password(login.user, login.password)
        session = paramiko.SFTPClient.from_transport(transport)
        assert session is not None
        return session

    def _known(self, transport: paramiko.Transport) -> set[str]:
        """Fingerprints of the keys that the server may have; it is asked for one of their types."""
        if pinned := self._options.get("host_key"):
            return {pinned} if isinstance(pinned, str) else set(pinned)
        try:
            file = paramiko.HostKeys(self._options["known_hosts"])
        except KeyError:
            raise Broken("nguồn SFTP phải khai host_key hoặc known_hosts") from None
        except OSError:
            raise Broken(f"không đọc được {self._options['known_hosts']}") from None
        name = self._host if self._port == 22 else f"[{self._host}]:{self._port}"
        keys = dict(file.lookup(name) or {})
        offered = transport.get_security_options()
        wanted = [kind for kind in offered.key_types if _TYPES.get(kind, kind) in keys]
        if wanted:
            offered.key_types = wanted
        return {key.fingerprint for key in keys.values()}

    def _refuse_stranger(self, key: paramiko.PKey, known: set[str]) -> None:
        if key.fingerprint not in known:
            said = f"{key.get_name()} {key.fingerprint}"
            raise Broken(f"{self._host}: khóa máy chủ không phải khóa đã khai: {said}")


def _private_key(login: Login) -> paramiko.PKey:
    for kind in _KINDS:
        try:
            return kind.from_private_key(StringIO(login.key), login.passphrase)
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise NeedsCredentials("không đọc được khóa riêng SFTP, hoặc sai mật khẩu của khóa")


def _file(name: str, at: paramiko.SFTPAttributes) -> File:
    seconds = at.st_mtime or 0
    modified = datetime.fromtimestamp(seconds, UTC)
    return File(name, at.st_size or 0, modified, seconds * 1_000_000_000)

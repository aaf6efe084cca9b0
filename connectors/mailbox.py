"""Workbooks that arrive by mail: attachments in one folder of a mailbox, which is only looked at.

The folder is opened by EXAMINE and messages are peeked at: nothing is marked, moved or deleted.
Only mail of declared senders is opened. A file is named by what never changes: UIDVALIDITY, UID
and its place in the message.
"""

import imaplib
from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import imap_tools

from connectors.folder import File, in_order, is_data
from connectors.stream import Stream
from connectors.wire import TimedOut
from ioc.errors import Broken, IocError, NeedsCredentials, Transient

if TYPE_CHECKING:
    from connectors.io import IO

DAYS = 100
MAX_MESSAGES = 5_000
_AT_ONCE = 100  # headers of so many messages in one question
_opened: dict[tuple[str, ...], dict[int, list[File]]] = {}
"""What hangs on messages that were opened, by mailbox: it never changes while the process lives."""


class Mailbox:
    """``imaps://host/INBOX``; options ``senders`` (addresses or ``@domain``) and ``days`` (100)."""

    settles, counted = False, False  # a message is there whole or not at all

    def __init__(self, io: "IO", options: Mapping[str, Any], cap: int):
        parts = urlsplit(io.url)
        self._io, self._cap = io, cap
        self._host, self._folder = parts.hostname or "", unquote(parts.path).strip("/") or "INBOX"
        self._senders = {str(sender).lower() for sender in options.get("senders", ())}
        self._days = timedelta(days=options.get("days", DAYS))
        self._stream: Stream | None = None
        self._box: _Box | None = None
        self._validity = ""
        self._held: dict[str, bytes] = {}

    def listed(self, suffixes: tuple[str, ...]) -> list[File]:
        """Attachments with these suffixes in mail of the declared senders, oldest mail first."""
        return self._asked(lambda: in_order(self._files(suffixes)))

    def read(self, file: File) -> bytes:
        """The bytes of an attachment."""
        if file.name not in self._held:
            uid = int(file.name.split("/")[0].split("-")[1])
            self._asked(lambda: self._open(uid, file.size * 2))
        try:
            return self._held.pop(file.name)
        except KeyError:
            raise Transient(f"{file.name}: thư không còn trong hộp thư") from None

    def close(self) -> None:
        """Say goodbye, if the server still listens."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._box = None

    def _asked(self, ask: Any) -> Any:
        """What a question to the server brings; what goes wrong is told in our words."""
        try:
            if self._box is None:
                self._stream = self._io.stream()
                self._box = _Box(self._stream)
                self._enter(self._box)
            return ask()
        except imap_tools.MailboxFolderSelectError:
            error: IocError = Broken(f"{self._host}: không có thư mục thư “{self._folder}”")
        except (imaplib.IMAP4.abort, OSError, EOFError):
            error = self._stream.fault() if self._stream else Transient(self._host)
        except (imaplib.IMAP4.error, imap_tools.ImapToolsError):
            error = Broken(f"{self._host}: máy chủ thư trả lời không đúng giao thức IMAP")
        self.close()
        raise error

    def _enter(self, box: "_Box") -> None:
        login = self._io.credentials.login()
        if not login.password:
            raise NeedsCredentials("hộp thư cần auth: basic")
        plain = f"{login.user}{login.password}".isascii()
        try:
            (box.login if plain else box.login_utf8)(login.user, login.password, None)
        except (imap_tools.MailboxLoginError, imaplib.IMAP4.error) as error:
            if isinstance(error, imaplib.IMAP4.abort) or "[UNAVAILABLE]" in str(error):
                raise imaplib.IMAP4.abort from None
            raise NeedsCredentials(f"{self._host}: máy chủ thư từ chối đăng nhập") from None
        box.folder.set(self._folder, readonly=True)
        self._validity = str(box.client.response("UIDVALIDITY")[1][0], "ascii", "replace")

    def _files(self, suffixes: tuple[str, ...]) -> Iterator[File]:
        since = (self._io.now() - self._days).strftime("%d-%b-%Y")
        uids = [int(uid) for uid in self._box.uids(f"SINCE {since}")]
        if len(uids) > MAX_MESSAGES:
            raise Broken(f"thư mục thư có hơn {MAX_MESSAGES} thư trong {self._days.days} ngày")
        place = (self._io.url, self._validity, *sorted(self._senders))
        known = _opened.setdefault(place, {})
        fresh = [str(uid) for uid in uids if uid not in known]
        for start in range(0, len(fresh), _AT_ONCE):
            self._look(fresh[start : start + _AT_ONCE], known)
        for uid in uids:
            yield from (file for file in known.get(uid, ()) if is_data(file.title, suffixes))

    def _look(self, uids: list[str], known: dict[int, list[File]]) -> None:
        """Open the messages of declared senders among these; of the others only heads are read."""
        self._stream.allow(self._cap)
        heads = list(
            self._box.fetch(uid_list=uids, headers_only=True, mark_seen=False, bulk=_AT_ONCE)
        )
        strangers = 0
        for head in heads:
            uid, sender = int(head.uid or 0), head.from_.lower()
            if not {sender, sender[sender.rfind("@") :]} & self._senders:
                strangers += 1
                known[uid] = []
            elif head.size_rfc822 > 2 * self._cap:
                self._io.note(f"bỏ qua thư số {uid}: quá lớn")
            else:
                known[uid] = self._open(uid, head.size_rfc822)
        if strangers:
            self._io.note(f"bỏ qua {strangers} thư của người gửi ngoài danh sách senders")

    def _open(self, uid: int, size: int) -> list[File]:
        """The attachments of a message; their bytes are held while there is room."""
        if self._io.remaining() <= 0:
            raise TimedOut("quá thời hạn tổng của một lần đọc")
        self._stream.allow(size)
        try:
            found = list(self._box.fetch(uid_list=[str(uid)], mark_seen=False))
            return [file for message in found for file in self._attachments(uid, message)]
        except (RecursionError, LookupError, ValueError):  # parts within parts without end …
            self._io.note(f"bỏ qua thư số {uid}: thư hỏng")
            return []

    def _attachments(self, uid: int, message: imap_tools.MailMessage) -> Iterator[File]:
        at = message.date if message.date.year > 1990 else self._io.now()
        for number, part in enumerate(message.attachments, 1):
            title = part.filename.replace("\\", "/").rpartition("/")[2].strip()
            name = f"{self._validity}-{uid}-{number}/{title}"
            if sum(map(len, self._held.values())) + part.size <= self._cap:
                self._held[name] = part.payload
            yield File(name, part.size, at if at.tzinfo else at.replace(tzinfo=UTC), uid)


class _Box(imap_tools.BaseMailBox):
    """imap-tools' mailbox over our stream."""

    def __init__(self, stream: Stream):
        self._stream = stream
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return _Client(self._stream)


class _Client(imaplib.IMAP4):
    """imaplib's client over our stream instead of a socket of its own."""

    def __init__(self, stream: Stream):
        self._stream, self._ahead = stream, bytearray()
        super().__init__()

    def open(self, *_: Any, **__: Any) -> None:
        """The stream is open already."""

    def read(self, size: int) -> bytes:
        while len(self._ahead) < size and (piece := self._stream.recv(65_536)):
            self._ahead += piece
        return self._taken(size)

    def readline(self) -> bytes:
        while (end := self._ahead.find(b"\n")) < 0 and (piece := self._stream.recv(65_536)):
            self._ahead += piece
        return self._taken(end + 1 if end >= 0 else len(self._ahead))

    def send(self, data: bytes) -> None:
        self._stream.send(data)

    def shutdown(self) -> None:
        self._stream.close()

    def _taken(self, size: int) -> bytes:
        found = bytes(self._ahead[:size])
        del self._ahead[:size]
        return found

"""Mail that leaves the house: one letter a recipient, over TLS, honest about what became of it.

``smtp://`` begins in clear and must turn to TLS (STARTTLS), ``smtps://`` is TLS from the start,
``smtp+insecure://`` is neither: for a relay on this very machine only. What fails before the letter
was handed over may be tried again; where the server fell silent after it, nobody knows.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ioc.errors import IocError
from ioc.settings import Settings

PORTS = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}
PATIENCE = 30.0  # seconds without an answer
LARGEST = 20_000_000
"""Bytes of a letter; most servers take no more."""
_TYPES = {
    ".html": ("text", "html"),
    ".csv": ("text", "csv"),
    ".pdf": ("application", "pdf"),
}


class Unsent(IocError):
    """The letter was not taken; whether it is worth trying again."""

    def __init__(self, why: str, *, again: bool):
        self.again = again
        super().__init__(why)


class Unsure(IocError):
    """The letter was handed over and no answer came: it may have been taken."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter to one recipient; ``files`` are (name as the reader sees it, bytes)."""

    recipient: str
    subject: str
    body: str
    files: tuple[tuple[str, bytes], ...]
    at: datetime
    id: str
    """The same whenever it is sent again, so that a reader may tell."""


def send(settings: Settings, letter: Letter) -> None:
    """Hand one letter to the mail server of the settings; return once it is taken.

    Its certificate is checked against what this machine trusts (``SSL_CERT_FILE`` adds to it).

    Raises:
        Unsent: it was not taken.
        Unsure: nobody knows.
    """
    body = message(settings, letter).as_bytes(policy=POLICY)
    if len(body) > LARGEST:
        raise Unsent(f"thư nặng {len(body)} byte, quá {LARGEST}", again=False)
    try:
        with _connected(settings, ssl.create_default_context()) as peer:
            _accepted(peer.mail(_sender(settings)))
            _accepted(peer.rcpt(letter.recipient))
            _accepted(peer.docmd("DATA"), (354,))
            peer.send(_stuffed(body))  # not taken before its end is said
            _hand_over(peer)
    except ssl.SSLError as error:
        raise Unsent(f"TLS không được chấp nhận: {error.reason}", again=True) from error
    except smtplib.SMTPAuthenticationError as error:
        raise Unsent(f"máy chủ thư không nhận tài khoản ({error.smtp_code})", again=True) from error
    except smtplib.SMTPResponseException as error:
        said = _said(error.smtp_code, error.smtp_error)
        raise Unsent(said, again=400 <= error.smtp_code < 500) from error
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise Unsent(f"không gửi được qua máy chủ thư: {reason}", again=True) from error


def message(settings: Settings, letter: Letter) -> EmailMessage:
    """The letter as mail programs read it."""
    made = EmailMessage(policy=POLICY)
    made["From"], made["To"] = _sender(settings), letter.recipient
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(letter.at)
    made["Message-ID"] = letter.id
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(letter.body)
    for name, content in letter.files:
        kind, subtype = _TYPES.get(Path(name).suffix, ("application", "octet-stream"))
        made.add_attachment(content, maintype=kind, subtype=subtype, filename=name)
    return made


def letter_id(settings: Settings, *parts: object) -> str:
    """The id of a letter: made of what it is about, not of when it is sent."""
    domain = _sender(settings).rpartition("@")[2] or socket.gethostname()
    _, _, end = make_msgid(domain=domain).rpartition("@")
    return f"<ioc.{'.'.join(re.sub(r'[^A-Za-z0-9]', '-', str(one)) for one in parts)}@{end}"


def _connected(settings: Settings, trust: ssl.SSLContext) -> Any:
    parts = urlsplit(settings.smtp_url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    made: Callable[..., smtplib.SMTP] = smtplib.SMTP
    how: dict[str, Any] = {"timeout": PATIENCE}
    if parts.scheme == "smtps":
        made, how = smtplib.SMTP_SSL, how | {"context": trust}
    peer = made(host, port, **how)
    try:
        if parts.scheme == "smtp":
            peer.starttls(context=trust)
        if parts.username:
            peer.login(unquote(parts.username), settings.smtp_password)
        else:
            peer.ehlo_or_helo_if_needed()
    except BaseException:
        peer.close()
        raise
    return peer


def _sender(settings: Settings) -> str:
    return settings.smtp_from


def _accepted(answer: tuple[int, bytes], codes: tuple[int, ...] = (250, 251)) -> None:
    if answer[0] not in codes:
        raise smtplib.SMTPResponseException(*answer)  # type: ignore[arg-type]


def _hand_over(peer: smtplib.SMTP) -> None:
    """Say that this is all; from here on silence may mean that it was taken."""
    try:
        peer.send(b".\r\n")
        answer = peer.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise Unsure(
            "máy chủ thư im lặng sau khi nhận hết thư: không rõ đã nhận chưa, không tự gửi lại"
        ) from error
    _accepted(answer)


def _stuffed(body: bytes) -> bytes:
    """A line that begins with a dot begins with two, and the last one ends."""
    body = re.sub(rb"(?m)^\.", b"..", re.sub(rb"\r\n|\r|\n", b"\r\n", body))
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def _said(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"máy chủ thư từ chối: {code} {' '.join(text.split())[:200]}"

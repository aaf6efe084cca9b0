"""Lines to a log server: RFC 5424 over UDP or TCP, or to the socket of this machine."""

import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ioc.errors import IocError

NOTICE = 13 * 8 + 5
"""Facility 13 (audit), severity notice."""
PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
PATIENCE = 10.0  # seconds
_FORMS = "udp://MÁY[:CỔNG], tcp://MÁY[:CỔNG], tls://MÁY[:CỔNG] hoặc /dev/log"


def send(address: str, lines: Iterator[str]) -> int:
    """Send each line (JSON of an audit entry) as one message; how many.

    Over TCP and TLS the length stands before each (RFC 6587), and the end waits until the other
    side has them. TLS trusts what this machine trusts.

    Raises:
        IocError: no such address, or the server cannot be reached or does not take them.
    """
    try:
        with _opened(address) as (peer, counted):
            count = 0
            for line in lines:
                message = framed(line)
                if counted:
                    message = b"%d " % len(message) + message
                peer.sendall(message)
                count += 1
            if counted:
                _finish(peer)
            return count
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise IocError(f"không gửi được nhật ký tới {address}: {reason}") from error


def framed(line: str) -> bytes:
    """One message; its instant is that of the entry, its id the entry's kind."""
    said = json.loads(line)
    at = datetime.fromtimestamp(said["at"] / 1e6, UTC)
    head = f"<{NOTICE}>1 {at:%Y-%m-%dT%H:%M:%S.%fZ} {socket.gethostname() or '-'} ioc"
    whole = f"{head} {os.getpid()} {said['kind']} - \ufeff{line.rstrip()}"
    return whole.encode()


class _opened:
    """A connected socket, and whether messages on it are counted."""

    def __init__(self, address: str):
        self.address = address

    def __enter__(self) -> tuple[socket.socket, bool]:
        if self.address.startswith("/"):
            self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.peer.connect(self.address)
            return self.peer, False
        parts = urlsplit(self.address)
        if parts.scheme not in PORTS or not parts.hostname:
            raise IocError(f"địa chỉ nhật ký phải có dạng {_FORMS}")
        where = (parts.hostname, parts.port or PORTS[parts.scheme])
        if parts.scheme == "udp":
            found = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            self.peer = socket.socket(found[0], socket.SOCK_DGRAM)
            self.peer.connect(found[4])
            return self.peer, False
        self.peer = socket.create_connection(where, PATIENCE)
        if parts.scheme == "tls":
            context = ssl.create_default_context()
            self.peer = context.wrap_socket(self.peer, server_hostname=parts.hostname)
        return self.peer, True

    def __exit__(self, *_: Any) -> None:
        if hasattr(self, "peer"):
            self.peer.close()


def _finish(peer: socket.socket) -> None:
    """Say that this is all and wait until the other side has closed: it has read everything.

    Not every server says goodbye, and some keep connections open.
    """
    with suppress(TimeoutError, ssl.SSLError):
        if isinstance(peer, ssl.SSLSocket):
            peer.unwrap()
            return
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass

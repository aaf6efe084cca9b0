"""Servers in processes of their own, and the one keep-alive connection that asks them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BROWSER = {"Accept-Encoding": "gzip, deflate, br", "Connection": "keep-alive"}


class Client:
    """One browser's connection."""

    def __init__(self, port: int):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] = BROWSER
    ) -> bytes:
        """The bytes of one answer as they came over the wire; raises when it is no success."""
        sent = {**headers, **({"Content-Type": "application/json"} if body is not None else {})}
        self._connection.request("GET" if body is None else "POST", path, body, sent)
        reply = self._connection.getresponse()
        found = reply.read()
        if reply.status not in (200, 204):
            raise RuntimeError(f"{path}: {reply.status} {found[:300]!r}")
        return found

    def close(self) -> None:
        self._connection.close()


@contextmanager
def live_screen(port: int) -> Iterator[None]:
    """A screen that holds the event stream open, as every live one does."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stream:
        stream.sendall(
            b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
        )
        stream.recv(1)
        yield


@contextmanager
def process(command: list[str], port: int, env: Mapping[str, str], **how: Any) -> Iterator[int]:
    """A server that lives as long as the block; entered once its port answers."""
    child = subprocess.Popen(command, env={**os.environ, **env}, **{"cwd": ROOT, **how})
    try:
        _wait(child, port)
        yield port
    finally:
        child.send_signal(signal.SIGINT if "postgres" in command[0] else signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def gunicorn(
    app: str, env: Mapping[str, str], *, workers: int = 1, threads: int = 8
) -> Iterator[int]:
    """gthread workers, as the product runs them."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread"]
    command += [
        "--workers",
        str(workers),
        "--threads",
        str(threads),
        "--keep-alive",
        "75",
        "--log-level",
        "error",
    ]
    command += ["--no-control-socket", "--bind", f"127.0.0.1:{port}", app]
    with process(command, port, env) as found:
        yield found


def free_port() -> int:
    """A loopback port that nobody holds now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(child: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"a server ended with {child.returncode} before it answered")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a server did not answer within a minute")

"""A server on loopback that misbehaves on purpose: late, cut, dripping, lying, endless.

``with Chaos(answer) as server:`` where ``answer(request) -> Answer`` says what each request gets.
"""

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What to answer, and how to spoil it."""

    data: Any = None  # JSON, unless body is given
    status: int = 200
    body: bytes | Iterable[bytes] | None = None
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # before the first byte
    drip: float = 0.0  # seconds for each byte of the body
    cut: int | None = None  # close after so many bytes of the body
    reset: bool = False  # reset instead of answering


class Chaos:
    """The server; ``requests`` holds all that came, ``url`` is where it listens."""

    def __init__(self, answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None):
        self._answer, self._tls = answer, tls
        self.requests: list[Request] = []
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Chaos":
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_server(self._serve, sock=self._socket, ssl=self._tls)
        server = self._loop.run_until_complete(listening)
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                if not await _write(writer, self._answer(request)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readline()
    if not head.strip():
        return None
    method, target, _ = head.decode().split(" ", 2)
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Request(method, parts.path, query, headers, body)


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Whether the connection may be used again."""
    await asyncio.sleep(answer.delay)
    if answer.reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False
    body = json.dumps(answer.data).encode() if answer.body is None else answer.body
    whole = isinstance(body, bytes)
    headers = {"Content-Type": answer.type, "Connection": "keep-alive" if whole else "close"}
    if whole:
        headers["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **answer.headers}.items())
    writer.write(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode())
    if not whole:
        for piece in body:
            writer.write(piece)
            await writer.drain()
        return False
    if answer.drip:
        for i in range(len(body)):
            writer.write(body[i : i + 1])
            await writer.drain()
            await asyncio.sleep(answer.drip)
        return True
    writer.write(body if answer.cut is None else body[: answer.cut])
    await writer.drain()
    return answer.cut is None


def serve(*answers: Answer) -> Callable[[Request], Answer]:
    """Give the answers in turn; the last one again and again."""
    left = list(answers)

    def answer(_: Request) -> Answer:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer

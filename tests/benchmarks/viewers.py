"""W5: fifty viewers who ask again as soon as they are answered, beside the bare view."""

import selectors
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app import THREADS, WORKERS
from kpi.store import KpiStore
from tests.benchmarks import reading, serving
from tests.benchmarks.measure import Line, fact
from tests.benchmarks.serving import BROWSER, Client
from tests.benchmarks.writing import commit

VIEWERS, LASTS, WARM = 50, 6.0, 1.0  # seconds
DRAWN, KEPT = 0.3, 0.5
"""The share of the bare view's answers a second to be reached."""


def lines(store: KpiStore, scratch: Path, size: str, base: str = "SQLite") -> Iterator[Line]:
    """One tile and a wall, drawn and from what is kept, by the product's two processes."""
    url = store.url
    env = {
        "IOC_DATABASE_URL": url,
        "IOC_DATA": str(scratch),
        "BENCH_DATABASE": url.removeprefix("sqlite:///"),
        "BENCH_BYTES": str(scratch),
    }
    tile = f"/api/v1/standings.json?target={reading.TILE}"
    here, many = "tests.benchmarks.floors", {"workers": WORKERS, "threads": THREADS}
    with serving.gunicorn(f"{here}:create_product()", env, **many) as port:
        client = Client(port)
        body = reading.refresh(client)
        (scratch / "w5").write_bytes(client.ask(reading.CALLBACK, body))
        client.close()
        ours = [
            asked(port, tile),
            asked(port, reading.CALLBACK, body, each_second=lambda: commit(store)),
            asked(port, reading.CALLBACK, body),
        ]
    with serving.gunicorn(f"{here}:create()", env, **many) as port:
        tile_read, wall_read = f"/w1?target={reading.TILE}", "/w2?months=1"
        bare = [asked(port, tile_read), asked(port, wall_read, body), asked(port, "/same/w5", body)]
    named = (
        ("một ô, JSON / SQL trần", ours[0], bare[0], DRAWN),
        ("tường đổi mỗi giây / SQL trần", ours[1], bare[1], DRAWN),
        ("tường đã giữ / byte có sẵn", ours[2], bare[2], KEPT),
    )
    for name, mine, floor, share in named:
        said = f"{VIEWERS} người xem, {size}, {base}"
        yield Line(f"W5 {name}", said, 1 / mine.rate, 1 / floor.rate, 1 / share)
        told = f"{mine.rate:,.0f} lượt/s, p95 {mine.p95 * 1e3:.0f} ms"
        told += f" (sàn {floor.rate:,.0f}, {floor.p95 * 1e3:.0f} ms)"
        fact(f"W5 {name}", said, f"{told}; {mine.rate / floor.rate:.2f} × ≥ {share} ×")


class Throughput:
    """How long each answer took, in seconds, and how many came in a second."""

    def __init__(self, taken: list[float], lasted: float):
        self.rate, self.p95 = len(taken) / lasted, statistics.quantiles(taken, n=20)[-1]


def asked(
    port: int,
    path: str,
    body: bytes | None = None,
    *,
    each_second: Callable[[], object] = lambda: None,
) -> Throughput:
    """All viewers at once for a while, each on a connection of its own. Raises at any failure."""
    request, taken = _request(path, body), list[float]()
    with selectors.DefaultSelector() as open_ones:
        viewers = [_Viewer(port, request) for _ in range(VIEWERS)]
        for viewer in viewers:
            open_ones.register(viewer.socket, selectors.EVENT_READ, viewer)
            viewer.ask()
        began = time.perf_counter()
        beat, ends = began + 1, began + WARM + LASTS
        while (now := time.perf_counter()) < ends:
            if now >= beat:
                each_second()
                beat += 1
            for key, _ in open_ones.select(0.1):
                if (took := key.data.read()) is not None:
                    if time.perf_counter() >= began + WARM:
                        taken.append(took)
                    key.data.ask()
        for viewer in viewers:
            viewer.socket.close()
    return Throughput(taken, LASTS)


class _Viewer:
    """One connection that is kept: the least that speaks HTTP, for it shares the processors."""

    def __init__(self, port: int, request: bytes):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request, self._got, self._left, self._began = request, b"", -1, 0.0

    def ask(self) -> None:
        self._got, self._left, self._began = b"", -1, time.perf_counter()
        self.socket.sendall(self._request)

    def read(self) -> float | None:
        """The seconds that the answer took, once it is here."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise RuntimeError("a server closed a connection")
        if self._left < 0:
            self._got += part
            head, end, rest = self._got.partition(b"\r\n\r\n")
            if not end:
                return None
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
                raise RuntimeError(self._got[:300].decode("utf-8", "replace"))
            self._left = _length(head) - len(rest)
        else:
            self._left -= len(part)
        return time.perf_counter() - self._began if self._left == 0 else None


def _length(head: bytes) -> int:
    lines = (line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
    return int(next((value for name, value in lines if name == b"content-length"), b"0"))


def _request(path: str, body: bytes | None) -> bytes:
    sent: Mapping[str, Any] = {"Host": "127.0.0.1", **BROWSER}
    if body is not None:
        sent = {**sent, "Content-Type": "application/json", "Content-Length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    verb = "GET" if body is None else "POST"
    return f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")

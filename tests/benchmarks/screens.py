"""Two hundred live screens: all hold their stream open, each asks every ten seconds."""

import itertools
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app import THREADS, WORKERS
from kpi.store import KpiStore
from tests.benchmarks import reading, serving
from tests.benchmarks.measure import Line, fact, seconds
from tests.benchmarks.serving import Client
from tests.benchmarks.writing import commit

SCREENS, EVERY, LASTS = 200, 10.0, 60.0  # seconds
HANDS = 20  # connections that ask, each for ten screens
PATIENCE = 60.0
STREAM = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"


def lines(store: KpiStore, scratch: Path, size: str) -> Iterator[Line]:
    """The product's answers beside those of the bare view, each under two hundred streams."""
    database = store.url.removeprefix("sqlite:///")
    env = {
        "IOC_DATABASE_URL": f"sqlite:///{database}",
        "IOC_DATA": str(scratch),
        "BENCH_DATABASE": database,
        "BENCH_BYTES": str(scratch),
    }
    here, many = "tests.benchmarks.floors", {"workers": WORKERS, "threads": THREADS}
    found = []
    for app, path in (("create_product", reading.CALLBACK), ("create", "/w2?months=1")):
        with serving.gunicorn(f"{here}:{app}()", env, **many) as port, screens(port) as streams:
            first = Client(port)
            body = reading.refresh(first) if app == "create_product" else found[0][2]
            first.ask(path, body)
            taken, failed = asked(store, port, path, body)
            first.close()
            found.append((taken, failed + streams.lost, body))
    (ours, wrong, _), (floor, _, _) = found
    what = f"{SCREENS} màn, {len(ours)} lượt, {size}"
    yield Line(f"{SCREENS} màn trực tiếp: p95 / view trần", what, _p95(ours), _p95(floor), 5)
    fact(f"{SCREENS} màn trực tiếp: lỗi", what, str(wrong))


class Streams:
    """Open streams of a server, read and forgotten; one that ends is lost."""

    def __init__(self, port: int):
        self.lost, self._open, self._over = 0, selectors.DefaultSelector(), False
        end = time.monotonic() + PATIENCE
        for _ in range(SCREENS):
            self._open.register(_stream(port, end), selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        while not self._over:
            for key, _ in self._open.select(0.2):
                sock: socket.socket = key.fileobj  # type: ignore[assignment]
                if not sock.recv(65_536):
                    self.lost += 1
                    self._open.unregister(sock)

    def end(self) -> None:
        """Close every one of them."""
        self._over = True
        self._thread.join()
        for key in list(self._open.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


@contextmanager
def screens(port: int) -> Iterator[Streams]:
    """So many live screens; entered once each of them has its stream."""
    streams = Streams(port)
    try:
        yield streams
    finally:
        streams.end()


def _stream(port: int, end: float) -> socket.socket:
    """One stream. A process that has enough refuses it; a screen then comes again, as here."""
    while time.monotonic() < end:
        stream = socket.create_connection(("127.0.0.1", port), timeout=60)
        stream.sendall(STREAM)
        if b" 200 " in stream.recv(4096).partition(b"\r\n")[0]:
            return stream
        stream.close()
        time.sleep(0.02)
    raise RuntimeError(f"not {SCREENS} streams within {PATIENCE:.0f} s")


def asked(store: KpiStore, port: int, path: str, body: bytes) -> tuple[list[float], int]:
    """How long each answer took, and how many were none; the data change as the screens ask."""
    begun, turns = time.monotonic() + 0.5, int(LASTS * SCREENS / EVERY)
    numbers, taken, failed = itertools.count(), list[float](), list[Exception]()

    def hand() -> None:
        with ExitStack() as stack:
            client = Client(port)
            stack.callback(lambda: client.close())
            while (number := next(numbers)) < turns:
                time.sleep(max(begun + number * EVERY / SCREENS - time.monotonic(), 0))
                if number % SCREENS == 0:
                    commit(store)
                try:
                    taken.append(seconds(client.ask, path, body))
                except (RuntimeError, OSError) as error:
                    failed.append(error)
                    client = Client(port)

    with ThreadPoolExecutor(HANDS) as hands:
        for done in [hands.submit(hand) for _ in range(HANDS)]:
            done.result()
    return taken, len(failed)


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]

"""The event stream: says that something changed and which topics, never a figure.

One lazy thread per process reads one row four times a second and wakes every stream: the cost
does not grow with the number of screens. A screen that hears a new version asks again through
the same door as before, so its rights are checked there.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import orjson
from flask import Flask, Response, g, request

from ioc.clock import right_now
from kpi import query
from layouts.web.problems import Problem

log = logging.getLogger(__name__)
LOOK = 0.25
BEAT = 10.0
RECHECK = 3.0
"""Seconds after which a stream asks again whether its reader may still listen."""
FIRST_READ = 5.0
STREAMS = 100
"""Streams of one process: each holds a thread, and pages need threads too."""
OF_ACCOUNT, OF_DEVICE, RESERVE = 6, 2, 20
"""Streams of one account and of one paired screen; how many are kept for screens."""

State = dict[str, Any]
Still = Callable[[], bool]


class Watch:
    """What the store says of itself, read once for all the streams of this process."""

    def __init__(
        self,
        read: Callable[[], State],
        version: Callable[[], int],
        prepare: Callable[[], None] = lambda: None,
    ):
        self._read, self._version, self._prepare = read, version, prepare
        self._changed = Condition()
        self._thread: Thread | None = None
        self.state: State | None = None
        self.readable = True
        self.streams = 0
        self._seats: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to look, once; a process without screens never does."""
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._look, name="live", daemon=True)
                self._thread.start()

    def count(self, change: int) -> None:
        """A stream has come, or gone."""
        with self._changed:
            self.streams += change

    def seat(self, whose: str, most: int, room: int) -> None:
        """Keep a place for a stream until ``leave``.

        Raises:
            Problem: 503 where the process has no room for one more of its kind, 429 where
                ``whose`` has ``most`` already.
        """
        with self._changed:
            kind = whose.partition(" ")[0]
            alike = sum(many for who, many in self._seats.items() if who.partition(" ")[0] == kind)
            if self._seats.total() >= STREAMS or alike >= room:
                raise Problem(503, "Đã đủ số màn hình trực tiếp của tiến trình này.")
            if self._seats[whose] >= most:
                said = "Tài khoản hoặc màn hình này đã mở đủ số luồng trực tiếp."
                raise Problem(429, said, retry_after=int(BEAT))
            self._seats[whose] += 1

    def leave(self, whose: str) -> None:
        """Give a place back."""
        with self._changed:
            self._seats[whose] -= 1
            self._seats += Counter()  # drops who has none

    def wait(self, after: int | None, seconds: float) -> State | None:
        """The state once its version differs from ``after``; None when nothing came in time."""

        def news() -> bool:
            return self.state is not None and self.state["version"] != after

        with self._changed:
            return self.state if self._changed.wait_for(news, seconds) else None

    def _look(self) -> None:
        while True:
            try:
                if self.state is None or self._version() != self.state["version"]:
                    state = self._read()
                    if self.streams:
                        self._prepare()
                    with self._changed:
                        self.state = state
                        self._changed.notify_all()
                self.readable = True
            except Exception:  # whatever the store's driver raises, the next look may succeed
                if self.readable:
                    log.exception("the store cannot be read")
                self.readable = False
            time.sleep(LOOK)


def build(root: Path) -> str:
    """Changes when the program's assets do: a screen of an older build loads itself anew."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    text = "".join(f"{path.name}{path.stat().st_mtime_ns}{path.stat().st_size}" for path in files)
    return sha256(text.encode()).hexdigest()[:12]


def _told(store: Any) -> Callable[[State], State]:
    """What of the state the reader of this request may be told: all but others' topics."""
    who = g.principal

    def told(state: State) -> State:
        return state | {"topics": query.topics(store, who, state["topics"])}

    return told


def _place() -> tuple[str, int, int]:
    """Whose stream this request opens, how many it may have, and how many all of its kind.

    Open mode is one machine with all its screens: nothing but the whole holds it.
    """
    if (device := g.get("device")) is not None:
        return f"device {device.id}", OF_DEVICE, STREAMS
    if g.get("session") is not None:
        return f"account {g.principal.name}", OF_ACCOUNT, STREAMS - RESERVE
    return "", STREAMS, STREAMS


def install(
    server: Flask,
    store: Any,
    assets: Path,
    prepare: Callable[[], None] = lambda: None,
    listens: Callable[[], Still | None] = lambda: None,
) -> Watch:
    """Serve ``/events`` from this store; ``prepare`` runs before the streams are told of news.

    ``listens`` is asked when a stream opens: how to ask later whether its reader still may.
    """

    def read() -> State:
        version = store.version()  # before the topics: a commit in between is seen at the next look
        return {"version": version, "topics": store.topics()}

    watch = Watch(read, store.version, prepare)
    hello = {"instance": os.environ.get("IOC_INSTANCE", ""), "build": build(assets)}

    @server.get("/events")
    def events() -> Response:
        watch.start()
        if request.accept_mimetypes.best == "application/json":
            state = watch.wait(None, FIRST_READ)
            if state is None or not watch.readable:
                raise Problem(503, "Kho số liệu chưa đọc được.")
            return Response(orjson.dumps(hello | _told(store)(state)), mimetype="application/json")
        whose, most, room = _place()
        watch.seat(whose, most, room)
        told = stream(watch, hello, _told(store), still=listens())
        response = Response(told, mimetype="text/event-stream")
        response.call_on_close(lambda: watch.leave(whose))
        response.headers["X-Accel-Buffering"] = "no"
        response.headers["Cache-Control"] = "no-store"
        return response

    return watch


def stream(
    watch: Watch,
    hello: State,
    told: Callable[[State], State] = lambda state: state,
    beat: float = BEAT,
    *,
    still: Still | None = None,
) -> Iterator[bytes]:
    """Events until the screen goes away or ``still`` says no; silent without a readable store.

    Silence is the honest signal: after two beats a screen says that it has lost touch.
    """
    watch.count(1)
    try:
        version: int | None = None
        state = watch.wait(None, FIRST_READ)
        yield _event("hello", hello)
        pause = beat if still is None else min(beat, RECHECK)
        quiet = beat
        while True:
            if still is not None and not still():
                yield _event("refused", {})
                return
            if state is not None:
                version, quiet = state["version"], 0.0
                yield _event("version", told(state))
            elif quiet < beat:
                pass  # nothing to say yet
            elif watch.readable and watch.state is not None:
                quiet = 0.0
                yield _event("beat", {"at": right_now().isoformat(timespec="seconds")})
            else:
                quiet = 0.0
                yield b":\n\n"  # notices a screen that has gone
            state = watch.wait(version, pause)
            quiet += pause
    finally:
        watch.count(-1)


def _event(name: str, data: State) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))

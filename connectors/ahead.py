"""Reads one batch ahead, in a thread that nobody has to wait for: a kind may hang for ever.

What hangs is left behind at the poll's deadline. It can do no harm: what it reads is dropped, only
the poll's own thread writes, and it does not keep the process from ending.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Generic, TypeVar

from connectors.wire import TimedOut
from ioc.model import Batch

GRACE = 2.0  # seconds in which whatever reads may say for itself that its time is over
_STEP = 0.25
Found = TypeVar("Found")


class _Told(Generic[Found]):
    """Carries what a thread returned or raised to whoever waits for it."""

    def __init__(self) -> None:
        self.future: Future[Found] = Future()

    def __enter__(self) -> "Future[Found]":
        return self.future

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self.future.set_exception(error)
        return True


def ahead(
    source_id: str,
    batches: Iterator[Batch],
    read: Callable[[Batch], list[Found]],
    left: Callable[[], float],
) -> Generator[tuple[Batch, list[Found]], None, None]:
    """Each batch with its items; the next one is fetched and read while this one is stored.

    Raises:
        TimedOut: nothing came until ``left`` said that no second is left.
    """

    def following() -> tuple[Batch, list[Found]] | None:
        batch = next(batches, None)
        return None if batch is None else (batch, read(batch))

    coming = _begun(source_id, following)
    try:
        while (found := _awaited(coming, left)) is not None:
            coming = _begun(source_id, following)
            yield found
    finally:
        wait([coming], GRACE)


def living(source_id: str) -> int:
    """How many threads still read for a source, those left behind among them."""
    return sum(thread.name == _name(source_id) for thread in threading.enumerate())


def _name(source_id: str) -> str:
    return f"ahead {source_id}"


def _begun(source_id: str, work: Callable[[], Found]) -> "Future[Found]":
    told: _Told[Found] = _Told()

    def run() -> None:
        with told as future:
            future.set_result(work())

    threading.Thread(target=run, daemon=True, name=_name(source_id)).start()
    return told.future


def _awaited(coming: "Future[Found]", left: Callable[[], float]) -> Found:
    until = float("inf")
    while not coming.done():
        if left() <= 0:
            until = min(until, time.monotonic() + GRACE)
        if time.monotonic() >= until:
            raise TimedOut("quá thời hạn của một lần thu thập; lần đọc bị treo và được bỏ lại")
        wait([coming], _STEP)
    return coming.result()

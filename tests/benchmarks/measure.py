"""Ours and its floor, measured in turn in one run: absolute times mean nothing, ratios do."""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MISSED = "KHÔNG ĐẠT"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: medians in seconds, and how far they may lie apart."""

    name: str
    size: str
    ours: float
    floor: float
    limit: float | None = None
    beside: float | None = None
    """A limit in seconds over the floor, where a ratio says nothing."""

    @property
    def ratio(self) -> float:
        return self.ours / self.floor if self.floor else float("inf")

    @property
    def verdict(self) -> str:
        """``đạt``, ``KHÔNG ĐẠT``, or nothing where no limit is set."""
        if self.beside is not None:
            return "đạt" if self.ours - self.floor <= self.beside else MISSED
        if self.limit is None:
            return ""
        return "đạt" if self.ratio <= self.limit else MISSED

    @property
    def allowed(self) -> str:
        if self.beside is not None:
            return f"+{_time(self.beside)}"
        return "" if self.limit is None else f"≤ {self.limit:g} ×"


def seconds(action: Callable[..., object], *given: Any, **named: Any) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    action(*given, **named)
    return time.perf_counter() - began


def in_turn(
    *actions: Callable[[], object],
    times: int,
    warm: int = 3,
    before: Callable[[], object] = lambda: None,
) -> list[float]:
    """The median seconds of each action, called one after the other so many times.

    ``before`` runs outside the clock ahead of every single call.
    """
    for _ in range(warm):
        for action in actions:
            before()
            action()
    taken: list[list[float]] = [[] for _ in actions]
    for turn in range(times):
        order = range(len(actions)) if turn % 2 else reversed(range(len(actions)))
        for at in order:
            before()
            taken[at].append(seconds(actions[at]))
    return [statistics.median(each) for each in taken]


def say(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


HEAD = ("phép đo", "cỡ", "của ta", "sàn", "tỷ lệ", "giới hạn", "kết quả")


def show(line: Line) -> None:
    """Print one line as soon as it is known."""
    print(
        _columns(
            line.name,
            line.size,
            _time(line.ours),
            _time(line.floor),
            f"{line.ratio:.2f} ×",
            line.allowed,
            line.verdict,
        ),
        flush=True,
    )


def show_head() -> None:
    """The names of the columns."""
    print(_columns(*HEAD), "-" * 132, sep="\n", flush=True)


def fact(name: str, size: str, text: str) -> None:
    """A figure without a floor."""
    print(f"{name:<42} {size:<40} {text}", flush=True)


def _columns(*cells: str) -> str:
    name, size, ours, floor, ratio, limit, verdict = cells
    return f"{name:<42} {size:<40} {ours:>10} {floor:>10} {ratio:>8} {limit:>9} {verdict}"


def _time(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value < 0.1 else f"{value * 1e3:.0f} ms"

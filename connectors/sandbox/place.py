"""Where one system of the synthetic province lives, and what the house asks of every system."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from connectors.sandbox.province import Province


@dataclass(frozen=True, slots=True)
class Place:
    """What a system may know: the province, the clock, a folder of its own, a port (0: any)."""

    province: Province
    now: Callable[[], datetime]
    folder: Path
    port: int


class System(Protocol):
    """A system that can be stopped and started alone; what a module's ``make(place)`` returns.

    ``port`` is None for a system of files. ``tend`` is called in a thread every few seconds while
    the system is open: what has come due appears. ``open`` returns once its history is there.
    """

    port: int | None

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def tend(self, now: datetime) -> None: ...

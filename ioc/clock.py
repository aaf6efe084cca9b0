"""What time it is: the one wall clock of every process, which a rehearsal may let run faster.

``IOC_CLOCK=12@2026-11-24T14:00:00Z``: since that instant twelve times as fast. It is for the sample
province only (``app.py`` refuses it beside real sources) and reaches child processes through the
environment. Deadlines and leases are measured on the monotonic clock, which always runs true.
"""

import os
import time
from datetime import UTC, datetime
from functools import cache

VARIABLE = "IOC_CLOCK"
FASTEST = 120.0


def right_now() -> datetime:
    """This instant, aware UTC."""
    speed, since = _rate()
    real = time.time()
    return datetime.fromtimestamp(since + (real - since) * speed if real > since else real, UTC)


def speed() -> float:
    """How many seconds of this clock pass in one true second; 1 outside a rehearsal."""
    return _rate()[0]


def rate(text: str) -> tuple[float, float]:
    """The speed and the instant (seconds since 1970) that a setting names; ValueError when bad."""
    given, _, since = text.strip().partition("@")
    try:
        speed, begin = float(given), datetime.fromisoformat(since).timestamp()
    except ValueError:
        speed, begin = 0.0, 0.0
    if not 1 <= speed <= FASTEST or not since.endswith("Z"):
        raise ValueError(f"phải có dạng 12@2026-11-24T14:00:00Z, nhanh nhất {FASTEST:.0f} lần")
    return speed, begin


@cache
def _rate() -> tuple[float, float]:
    given = os.environ.get(VARIABLE, "")
    return rate(given) if given.strip() else (1.0, 0.0)

"""What education, health and tourism count in every commune, month by month; from the seed.

A commune's figures follow from its size and readiness (``Province.traits``), so that the mountains
stay behind and a merged commune is the sum of its parts. A month is told in the first days of the
next; a few months are corrected weeks later.
"""

import calendar
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from connectors.sandbox.place import Place
from connectors.sandbox.province import Province, trend
from ioc.model import OrgUnit
from ioc.period import LOCAL

Curve = tuple[tuple[int, float], ...]
Figures = Callable[[OrgUnit, int, Random], dict[str, int]]


def months(
    place: Place, first: date, what: str, figures: Figures
) -> Iterator[tuple[OrgUnit, date, datetime, dict[str, int]]]:
    """(commune, last day of the month, when it was told, its figures) for all that was told."""
    now = place.now().astimezone(LOCAL)
    year, month = first.year, first.month
    while (year, month) < (now.year, now.month):
        until = date(year, month, calendar.monthrange(year, month)[1])
        for unit in place.province.open_on("commune", until):
            rng = Random(f"{what}:{place.province.seed}:{unit.uid}:{year}-{month}")
            told = datetime(until.year, until.month, until.day, 8, tzinfo=LOCAL)
            told += timedelta(days=rng.randint(1, 4), minutes=rng.randrange(540))
            if told <= now:
                yield unit, until, told, figures(unit, year * 12 + month - 1, rng)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def share(whole: int, curve: Curve, month: int, ready: float, rng: Random) -> int:
    """So many of a whole as a commune of this readiness has reached."""
    reached = trend(curve, month) * (0.75 + 0.25 * min(ready, 1.2)) + rng.uniform(-0.004, 0.004)
    return max(0, min(whole, round(whole * reached)))


@lru_cache(2048)
def size_of(province: Province, unit: OrgUnit) -> tuple[float, float]:
    """Thousands of inhabitants of a commune, some 900 in all, and its readiness."""
    peers = province.open_on("commune", unit.opened or date(2021, 1, 1))
    size, ready = province.traits[unit.uid]
    return 900 * size / sum(province.traits[one.uid][0] for one in peers), ready


def clerk(rng: Random) -> dict[str, Any]:
    """What stands for personal data beside the figures, to be left unread."""
    return {"nguoiLap": f"MAU. Nguyễn Thị Lập {rng.randrange(90)}", "dienThoai": "0900 000 000"}

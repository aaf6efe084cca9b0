"""What education, health and tourism count in every commune, month by month; from the seed.

A commune's figures follow from its size and readiness (``Province.traits``), so that the mountains
stay behind and a merged commune is the sum of its parts.
"""

from datetime import date
from functools import lru_cache
from random import Random
from typing import Any

from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.province import Province, trend
from connectors.sandbox.statements import Figures
from ioc.model import OrgUnit

Curve = tuple[tuple[int, float], ...]


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


def slipped(rng: Random, figures: Figures) -> Figures:
    """Figures with a slip: a part that is a little too small. Parts stand behind their wholes."""
    part = rng.randrange(1, len(figures), 2)
    less = max(0, figures[part] - rng.randint(1, 2 + figures[part] // 50))
    return (*figures[:part], less, *figures[part + 1 :])


def clerk(rng: Random) -> dict[str, Any]:
    """What stands for personal data beside the figures, to be left unread."""
    number = rng.randrange(90)
    return {"nguoiLap": f"{SAMPLE} 0{number:02d}", "dienThoai": f"0900 000 {number:03d}"}

"""The synthetic list of about 2,000 public procedures, and which of them can be filed online when.

A procedure belongs to a sector (a department's code of 2021), to the districts or to the
communes. Well-used procedures went online early, some never do.
"""

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random

NEVER = 10**6

# How many procedures, and the weight of their dossiers, per sector of 2021.
SECTORS: dict[str, tuple[int, float]] = {
    "VPUB": (8, 0.3), "SNV": (95, 3), "STP": (110, 14), "SKHDT": (90, 9), "STC": (30, 1),
    "SCT": (115, 7), "SNNPTNT": (105, 5), "SGTVT": (110, 17), "SXD": (55, 4), "STNMT": (95, 19),
    "STTTT": (38, 1.2), "SLDTBXH": (95, 7), "SVHTT": (85, 1.6), "SDL": (26, 1), "SKHCN": (52, 0.8),
    "SGDDT": (75, 3), "SYT": (120, 6), "SNGV": (6, 0.4), "TTRA": (9, 0.2), "BDT": (4, 0.2),
    "BQLKKT": (40, 0.8),
}  # fmt: skip
DISTRICT, COMMUNE = (330, 1.0), (290, 1.0)


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure: how often it is asked for, its days, and its months of going online."""

    code: str
    sector: str  # a department's code of 2021, "district" or "commune"
    takes_over: str  # who handles a district's procedure after the districts: a sector or "commune"
    weight: float
    days: int  # working days allowed
    partial_from: int  # month index (y*12+m-1) of the first online filing, NEVER
    full_from: int  # month index from which filing, paying and result are all online, NEVER


def procedures(seed: int) -> list[Procedure]:
    """All procedures of the province, the same for the same seed."""
    rng = Random(f"procedures:{seed}")
    serial = iter(rng.sample(range(1, 13_500), 3_000))
    found: list[Procedure] = []
    plan = [*SECTORS.items(), ("district", DISTRICT), ("commune", COMMUNE)]
    for sector, (count, _) in plan:
        for rank in range(count):
            partial, full = _online(rng, rank / count)
            found.append(
                Procedure(
                    code=f"{rng.choices('123', (70, 25, 5))[0]}.{next(serial):06d}",
                    sector=sector,
                    takes_over=_heir(rng) if sector == "district" else sector,
                    weight=rng.uniform(0.6, 1.4) / (rank + 4) ** 0.95,
                    days=_days(rng, sector),
                    partial_from=partial,
                    full_from=full,
                )
            )
    return found


def _online(rng: Random, rarity: float) -> tuple[int, int]:
    """Months of the first online filing and of the full service; rare procedures come late."""
    if rng.random() < 0.52 * rarity - 0.01:
        return NEVER, NEVER
    start = 2020 * 12 + int(6 + rng.random() * 30 + rarity * 26)
    if rng.random() < 0.04 + 0.4 * rarity:
        return start, NEVER
    return start, start + int(rng.random() * 20)


def _heir(rng: Random) -> str:
    if rng.random() < 0.6:
        return "commune"
    return rng.choice(("STNMT", "STNMT", "SXD", "SKHDT", "SLDTBXH", "SNNPTNT", "SGDDT", "STP"))


def _days(rng: Random, sector: str) -> int:
    if sector == "commune":
        return rng.choices((0, 1, 3, 5, 15, 20), (52, 14, 14, 12, 5, 3))[0]
    return rng.choices((1, 3, 5, 7, 10, 15, 20, 30), (12, 16, 20, 14, 14, 14, 7, 3))[0]


class Menu:
    """The procedures that one authority handles in one month, ready to be drawn from."""

    __slots__ = ("_bounds", "chosen", "full", "partial", "weight")

    def __init__(self, chosen: list[tuple[Procedure, float]], month: int) -> None:
        self.chosen = [procedure for procedure, _ in chosen]
        self._bounds = list(accumulate(weight for _, weight in chosen))
        self.weight = total = self._bounds[-1]
        self.full = sum(w for p, w in chosen if p.full_from <= month) / total
        self.partial = sum(w for p, w in chosen if p.partial_from <= month < p.full_from) / total

    def draw(self, number: float) -> Procedure:
        """The procedure at a random number in [0, 1)."""
        return self.chosen[bisect(self._bounds, number * self._bounds[-1])]

"""The projects that the province's investment office keeps, and how each of them really went.

The office has its own list: the reader knows the plan's register and nothing of this one. Delays,
early finishes, one project put on hold and the pace of spending follow from the seed.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from random import Random

from connectors.sandbox.province import Province
from ioc.period import Period

FIRST = Period.parse("2021-Q2")
FUNDS = ("Ngân sách Trung ương", "Ngân sách địa phương", "Nguồn vốn hợp pháp khác")
SHARES = {4: (0.12, 0.4, 0.75, 1.0), 5: (0.12, 0.3, 0.55, 0.8, 1.0)}  # of the time, at each step
HELD = {("DA05", "M4"), ("DA11", "M4"), ("DA20", "M1")}  # wait for a decision

# code, owner, begins, ends, million đồng by fund, steps
LIST = (
    ("DA01", "STTTT", "2021-04-01", "2023-12-31", (30000, 20000, 0), 5),
    ("DA02", "STTTT", "2021-07-01", "2023-06-30", (0, 18000, 0), 5),
    ("DA03", "VPUB", "2021-07-01", "2024-06-30", (5000, 16000, 0), 5),
    ("DA04", "STTTT", "2021-10-01", "2023-09-30", (0, 9500, 1500), 5),
    ("DA05", "SNV", "2022-01-01", "2025-12-31", (12000, 14000, 0), 4),
    ("DA06", "VPUB", "2022-01-01", "2024-03-31", (0, 7200, 0), 5),
    ("DA07", "VPUB", "2022-04-01", "2025-03-31", (6000, 15500, 2500), 5),
    ("DA08", "STTTT", "2022-01-01", "2025-09-30", (40000, 30000, 10000), 5),
    ("DA09", "STTTT", "2021-10-01", "2022-12-31", (0, 3800, 1200), 5),
    ("DA10", "SGTVT", "2022-07-01", "2025-06-30", (15000, 11000, 4000), 5),
    ("DA11", "CAT", "2022-10-01", "2025-12-31", (18000, 9000, 0), 5),
    ("DA12", "STTTT", "2021-10-01", "2024-12-31", (14000, 8000, 0), 5),
    ("DA13", "STTTT", "2022-04-01", "2023-12-31", (0, 4200, 0), 5),
    ("DA14", "SNV", "2022-01-01", "2025-12-31", (0, 22000, 3000), 4),
    ("DA15", "STNMT", "2022-07-01", "2025-12-31", (25000, 13000, 0), 5),
    ("DA16", "SGDDT", "2026-01-01", "2028-12-31", (20000, 24000, 6000), 5),
    ("DA17", "SYT", "2026-01-01", "2029-06-30", (28000, 26000, 8000), 5),
    ("DA18", "SVHTTDL25", "2026-04-01", "2028-12-31", (0, 12000, 9000), 5),
    ("DA19", "SNNMT25", "2026-07-01", "2029-12-31", (24000, 16000, 0), 5),
    ("DA20", "SKHCN25", "2026-01-01", "2030-12-31", (50000, 42000, 12000), 5),
    ("DA21", "SKHCN25", "2027-01-01", "2030-06-30", (16000, 14000, 0), 5),
)


@dataclass(frozen=True)
class Step:
    """One step of a project: when it was due, when it was done (None: not in sight)."""

    code: str
    due: datetime
    done: datetime | None


@dataclass(frozen=True)
class Work:
    """One project of the office's list."""

    code: str
    owner: str
    begins: date
    ends: date
    funds: tuple[int, ...]
    steps: int
    seed: int

    @cached_property
    def plan(self) -> list[Step]:
        """Its steps: most done within days of their due day, some late by months."""
        found: list[Step] = []
        for number, share in enumerate(SHARES[self.steps], 1):
            due = datetime.combine(self._due(share), time(17))
            before = found[-1].done if found else datetime.combine(self.begins, time(8))
            rng = Random(f"projects:{self.seed}:{self.code}:{number}")
            slow = rng.random() < 0.22
            shift = timedelta(days=rng.randint(20, 190) if slow else rng.randint(-25, 0))
            done = (due + shift).replace(hour=rng.randint(8, 16), minute=5 * rng.randrange(12))
            stopped = before is None or (self.code, f"M{number}") in HELD
            at = None if before is None or stopped else max(done, before)
            found.append(Step(f"M{number}", due, at))
        return found

    def _due(self, share: float) -> date:
        """The end of the quarter in which so much of the time is over."""
        day = self.begins + timedelta(days=int((self.ends - self.begins).days * share))
        month = (day.month - 1) // 3 * 3 + 3
        return min(date(day.year, month, monthrange(day.year, month)[1]), self.ends)

    def paid(self, quarter: Period) -> tuple[int, ...]:
        """Million đồng spent in a quarter, by fund: money follows the steps that are done."""
        return tuple(
            self._spent(fund, quarter.end) - self._spent(fund, quarter.previous().end)
            for fund in range(len(self.funds))
        )

    def _spent(self, fund: int, day: date) -> int:
        if day < self.begins or not self.funds[fund]:
            return 0
        over = datetime.combine(day, time(23))
        share = 0.0
        for step, until in zip(self.plan, SHARES[self.steps], strict=True):
            if step.done and step.done <= over:
                share = until
        rng = Random(f"paid:{self.seed}:{self.code}:{fund}")
        return int(self.funds[fund] * share * rng.uniform(0.86, 0.985)) // 10 * 10


def works(province: Province) -> list[Work]:
    """The list of the office, in order."""
    return [
        Work(code, owner, date.fromisoformat(begins), date.fromisoformat(ends), funds, steps,
             province.seed)
        for code, owner, begins, ends, funds, steps in LIST
    ]  # fmt: skip


def begun(province: Province, day: date) -> Iterator[Work]:
    """The projects that have begun by a day."""
    return (work for work in works(province) if work.begins <= day)

"""The quarterly reports on digitised and electronically archived documents, on a WebDAV server.

A workbook ``SOHOA_2025-Q4.xlsx`` with a row for every department: documents in scope, digitised,
and kept in the electronic archive. A merged department has the shelves of its parts. Now and then
a report holds what clerks do: no code, words for a count, more digitised than there is.
"""

from datetime import datetime
from pathlib import Path
from random import Random

from starlette.concurrency import run_in_threadpool

from connectors.sandbox.doors import Door
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place, System
from connectors.sandbox.province import Province, trend
from connectors.sandbox.webdav import Shared
from ioc.model import OrgUnit
from ioc.period import Period

NAME, USER, PASSWORD = "so-hoa", "du-lieu-mau", "du-lieu-mau-khong-bi-mat"
FORM = Form(
    "SO HOA TAI LIEU",
    "BÁO CÁO SỐ HÓA VÀ LƯU TRỮ ĐIỆN TỬ TÀI LIỆU CỦA CÁC CƠ QUAN",
    (
        Column("Mã cơ quan", 12),
        Column("Tên cơ quan", 42),
        Column("Thuộc diện số hóa", 14, adds_up=True),
        Column("Đã số hóa", 14, "Số tài liệu", adds_up=True),
        Column("Trong kho lưu trữ điện tử", 14, "Số tài liệu", adds_up=True),
        Column("Số liệu đến ngày", 16),
        Column("Người lập biểu", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
SCOPE, DIGITISED, ARCHIVED = range(2, 5)
FIRST = Period.parse("2022-Q1")
# (year, share): at the end of 2025 some 76 % is digitised and some 66 % in the archive
SHARES = (
    ((2022, 0.24), (2023, 0.38), (2024, 0.51), (2025, 0.64), (2026, 0.762), (2028, 0.9)),
    ((2022, 0.13), (2023, 0.27), (2024, 0.41), (2025, 0.545), (2026, 0.663), (2028, 0.84)),
)


class Archives:
    """What every department reports for a quarter; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, quarter: Period, sent: datetime) -> list[Row]:
        """The rows of a quarter, a faulty one among them now and then."""
        rng = Random(f"archives:{self._province.seed}:{quarter}")
        rows: list[Row] = []
        for unit in self._province.open_on("department", quarter.end):
            clerk = (f"{SAMPLE} {len(rows):03d}", f"0900 000 {len(rows):03d}")
            figures = self.figures(unit, quarter)
            rows.append([unit.code, unit.name, *figures, quarter.end, *clerk, sent])
        if quarter.index % 4 != 3 and rng.random() < 0.3:
            row, kind = rng.choice(rows), rng.randrange(3)
            if kind == 0:
                row[0] = ""
            elif kind == 1:
                row[DIGITISED] = "đang rà soát"
            else:
                row[DIGITISED] = row[SCOPE] + rng.randint(10, 900)
        return rows

    def figures(self, unit: OrgUnit, quarter: Period) -> list[int]:
        """Documents in scope, digitised and archived of a department at the end of a quarter."""
        found = [0, 0, 0]
        for first in self._firsts(unit):
            rng = Random(f"shelves:{self._province.seed}:{first.code}")
            years = (quarter.index - FIRST.index) / 4
            scope = round(rng.randint(18_000, 160_000) * (1 + 0.015 * years))
            ready = rng.uniform(0.9, 1.1)
            month = quarter.end.year * 12 + quarter.end.month - 1
            shares = [min(0.98, trend(points, month) * ready) for points in SHARES]
            for at, count in enumerate((scope, *(round(scope * share) for share in shares))):
                found[at] += count
        return found

    def _firsts(self, unit: OrgUnit) -> list[OrgUnit]:
        """The departments of the beginning whose shelves a department has."""
        parts = [part for part in self._province.parts.get(unit.uid, []) if part.uid != unit.uid]
        return [first for part in parts for first in self._firsts(part)] or [unit]


def amend(row: Row, rng: Random) -> bool:
    """Some documents more were digitised than was said, or fewer."""
    scope, digitised, archived = row[SCOPE], row[DIGITISED], row[ARCHIVED]
    if not isinstance(digitised, int) or not archived <= digitised <= scope:
        return False
    row[DIGITISED] = min(scope, max(archived, digitised + rng.choice((-1, 1)) * rng.randint(3, 40)))
    return row[DIGITISED] != digitised


def outbox(place: Place) -> Outbox:
    """The folder of the reports."""
    rows, seed = Archives(place.province).rows, place.province.seed
    return Outbox(place.folder, Series("SOHOA_", FORM, FIRST, (10, 18), rows, amend, seed))


class Server(Door):
    """The folder behind its port: written before anybody is let in."""

    def __init__(self, folder: Path, box: Outbox, place: Place) -> None:
        super().__init__(Shared(folder, NAME, USER, PASSWORD).app(), place.port, box.write)
        self._now = place.now

    async def open(self) -> None:
        await run_in_threadpool(self.tend, self._now())
        await super().open()


def make(place: Place) -> System:
    """The system."""
    return Server(place.folder, outbox(place), place)

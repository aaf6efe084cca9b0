"""The inspection reports of the provincial inspectorate: how many inspections, how many digitally.

A monthly workbook ``KIEMTRA_2024-06.xlsx`` with a row for every department, district (until
6/2025) and commune. A few reports hold what clerks do: a row without its code, an org unit that
nobody knows, "N/A" for a count, more digital inspections than inspections. The form began with the
plan, in 2022.
"""

from datetime import datetime
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.province import LEVELS, Province, trend
from ioc.model import OrgUnit
from ioc.period import Period

FORM = Form(
    "BC KIEM TRA",
    "BÁO CÁO HOẠT ĐỘNG KIỂM TRA CỦA CƠ QUAN QUẢN LÝ NHÀ NƯỚC",
    (
        Column("Mã cơ quan", 12),
        Column("Tên cơ quan", 42),
        Column("Tổng số cuộc kiểm tra", 16, adds_up=True),
        Column("Thực hiện qua môi trường số", 16, adds_up=True),
        Column("Số liệu đến ngày", 16),
        Column("Người lập biểu", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
TOTAL, DIGITAL = FORM.at("Tổng số cuộc kiểm tra"), FORM.at("Thực hiện qua môi trường số")
# (year, share): inspected through digital systems; 2025 as a whole comes to some 46 %
SHARE = (
    (2022, 0.19), (2023, 0.28), (2024, 0.37), (2025, 0.44), (2026, 0.5), (2027, 0.56),
    (2028, 0.6),
)  # fmt: skip
USUAL = {"department": (3, 15), "district": (6, 16), "commune": (0, 3)}
UNKNOWN = "99999"
FAULTS = 0.12  # of the reports


class Inspections:
    """What every org unit reports for a month; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province
        self._habits: dict[str, float] = {}  # how digitally an org unit works, by its code

    def rows(self, month: Period, sent: datetime) -> list[Row]:
        """The rows of a month's report, faulty ones among them."""
        seed = self._province.seed
        rng = Random(f"inspections:{seed}:{month}")
        units = [unit for level in LEVELS for unit in self._province.open_on(level, month.end)]
        rows: list[Row] = []
        for number, unit in enumerate(units):
            clerk = (f"{SAMPLE} {number:03d}", f"0900 000 {number:03d}")
            figures = self.figures(unit, month)
            rows.append([unit.code, unit.name, *figures, month.end, *clerk, sent])
        if month.index % 12 != 11 and rng.random() < FAULTS:
            self._spoil(rng.choice(rows), rng)
        return rows

    def figures(self, unit: OrgUnit, month: Period) -> tuple[int, int]:
        """Inspections of an org unit in a month, and those of them that were digital."""
        rng = Random(f"inspections:{self._province.seed}:{unit.uid}:{month}")
        if unit.code not in self._habits:
            seed = f"inspections:{self._province.seed}:{unit.code}"
            self._habits[unit.code] = Random(seed).uniform(0.75, 1.25)
        total = rng.randint(*USUAL[unit.level])
        share = min(0.95, trend(SHARE, month.index) * self._habits[unit.code])
        return total, sum(rng.random() < share for _ in range(total))

    @staticmethod
    def _spoil(row: Row, rng: Random) -> None:
        kind = rng.randrange(4)
        if kind < 2:
            row[0] = ("", UNKNOWN)[kind]
        else:
            row[DIGITAL] = ("N/A", row[TOTAL] + rng.randint(1, 5))[kind - 2]


def amend(row: Row, rng: Random) -> bool:
    """One digital inspection more or less."""
    total, digital = row[TOTAL], row[DIGITAL]
    if not isinstance(digital, int) or not 0 < total >= digital:
        return False
    step = rng.choice((-1, 1))
    row[DIGITAL] = digital + (step if 0 <= digital + step <= total else -step)
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the reports."""
    rows, seed = Inspections(place.province).rows, place.province.seed
    first = Period.parse("2022-01")
    return Outbox(place.folder, Series("KIEMTRA_", FORM, first, (4, 8), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)

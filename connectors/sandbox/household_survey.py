"""The yearly household survey: who has a smartphone, which household has a computer.

A workbook ``DIEUTRA_2024.xlsx`` with a row for every commune: how many households of the sample
were asked, how many have a computer, how many people of 15 and over live in them, and how many of
those have a smartphone. What stands there is counted in the sample, never scaled up.
"""

from datetime import datetime
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province, trend
from ioc.model import OrgUnit
from ioc.period import Period

FORM = Form(
    "DIEU TRA HO",
    "ĐIỀU TRA MẪU HỘ DÂN CƯ VỀ THIẾT BỊ SỐ",
    (
        Column("Mã xã", 10),
        Column("Tên xã, phường, thị trấn", 32),
        Column("Số hộ được hỏi", 12, adds_up=True),
        Column("Số hộ có máy vi tính", 12, adds_up=True),
        Column("Số người từ 15 tuổi được hỏi", 14, adds_up=True),
        Column("Số người có điện thoại thông minh", 14, adds_up=True),
        Column("Số liệu đến ngày", 16),
        Column("Điều tra viên", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
HOUSEHOLDS = FORM.at("Số hộ được hỏi")
COMPUTERS, ASKED, PHONES = HOUSEHOLDS + 1, HOUSEHOLDS + 2, HOUSEHOLDS + 3
SMARTPHONE = ((2022, 0.66), (2023, 0.72), (2024, 0.78), (2025, 0.83), (2028, 0.92))
COMPUTER = ((2022, 0.2), (2023, 0.235), (2024, 0.27), (2025, 0.31), (2028, 0.4))


class HouseholdSurvey:
    """What the survey of a year found; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, year: Period, sent: datetime) -> list[Row]:
        """The rows of a year; the survey of 2023 could not count in one commune."""
        rows: list[Row] = []
        for commune in self._province.open_on("commune", year.end):
            clerk = (f"{SAMPLE} {len(rows):03d}", f"0900 000 {len(rows):03d}")
            rows.append([
                commune.code, commune.name, *self.figures(commune, year), year.end, *clerk, sent,
            ])  # fmt: skip
        if year.index == 2023:
            rows[0][COMPUTERS] = "?"
        return rows

    def figures(self, commune: OrgUnit, year: Period) -> tuple[int, int, int, int]:
        """Households asked, with a computer; people of 15 and over asked, with a smartphone."""
        rng = Random(f"survey:{self._province.seed}:{commune.uid}:{year}")
        ready = min(1.15, 0.45 + 0.55 * self._province.traits[commune.uid][1])
        month = year.index * 12 + 11
        households = rng.randint(28, 36) * min(4, self._parts(commune.uid))
        people = sum(rng.choice((1, 2, 2, 3, 3, 4)) for _ in range(households))
        computers = _of(households, trend(COMPUTER, month) * ready**2, rng)
        return households, computers, people, _of(people, trend(SMARTPHONE, month) * ready, rng)

    def _parts(self, uid: str) -> int:
        """How many communes of 2021 a commune is made of: it is asked that much more."""
        return sum(self._parts(part.uid) for part in self._province.parts.get(uid, [])) or 1


def _of(asked: int, share: float, rng: Random) -> int:
    return sum(rng.random() < min(0.98, share) for _ in range(asked))


def amend(row: Row, rng: Random) -> bool:
    """A questionnaire was read again: one smartphone more, or one less."""
    asked, phones = row[ASKED], row[PHONES]
    row[PHONES] = phones - 1 if phones == asked or rng.random() < 0.5 else phones + 1
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the surveys."""
    rows, seed = HouseholdSurvey(place.province).rows, place.province.seed
    first = Period.parse("2022")
    return Outbox(place.folder, Series("DIEUTRA_", FORM, first, (45, 70), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)

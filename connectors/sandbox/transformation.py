"""The yearly assessment of digital transformation: a score of every org unit, and who succeeded.

A workbook ``CDS_2024.xlsx`` of the year's last day, sent in April of the next year. The decision
("thành công", 1 or 0) stands in columns of its own for departments, districts and communes,
empty where it does not apply. Districts were assessed for 2024 for the last time: 2 of 8 succeeded.
"""

from datetime import datetime
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.province import LEVELS, Province
from ioc.model import OrgUnit
from ioc.period import Period

GROUPS = {"department": "Sở, ban, ngành", "district": "Cấp huyện", "commune": "Cấp xã"}
FORM = Form(
    "KQ CDS",
    "KẾT QUẢ ĐÁNH GIÁ MỨC ĐỘ CHUYỂN ĐỔI SỐ (DTI)",
    (
        Column("Mã cơ quan", 12),
        Column("Tên cơ quan", 42),
        Column("Điểm DTI", 10),
        Column("Được chấm điểm", 10, adds_up=True),
        *(
            Column(name, 12, group, adds_up=True)
            for group in GROUPS.values()
            for name in ("Được đánh giá", "Thành công")
        ),
        Column("Số liệu đến ngày", 16),
        Column("Người lập biểu", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
SCORE = FORM.at("Điểm DTI")
SUCCEEDED = {  # how many of a level, by year; later years go on as in the last one
    "department": {2021: 0, 2022: 1, 2023: 3, 2024: 5, 2025: 5},
    "district": {2021: 0, 2022: 0, 2023: 1, 2024: 2},
    "commune": {2021: 0, 2022: 4, 2023: 12, 2024: 24, 2025: 8},
}
UNKNOWN = "99999"


class Transformation:
    """Scores and decisions of a year; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, year: Period, sent: datetime) -> list[Row]:
        """The rows of a year: departments, districts, communes; a faulty one in two years."""
        rows: list[Row] = []
        for level in LEVELS:
            units = self._province.open_on(level, year.end)
            scores = {unit.uid: self.score(unit, year) for unit in units}
            best = sorted(scores, key=lambda uid: (-scores[uid], uid))[: _succeeded(level, year)]
            for unit in units:
                decision = [
                    said if group == level else None
                    for group in GROUPS
                    for said in (1, int(unit.uid in best))
                ]
                clerk = (f"{SAMPLE} {len(rows):03d}", f"0900 000 {len(rows):03d}")
                figures = (scores[unit.uid], 1, *decision)
                rows.append([unit.code, unit.name, *figures, year.end, *clerk, sent])
        if year.index == 2022:
            rows[-1][0] = UNKNOWN
        if year.index == 2023:
            rows[-1][SCORE] = "chưa chấm"
        return rows

    def score(self, unit: OrgUnit, year: Period) -> float:
        """The score of an org unit, 0 to 100, two decimals."""
        rng = Random(f"dti:{self._province.seed}:{unit.code}")
        ready = self._province.traits[unit.uid][1] if unit.level == "commune" else 1.1
        rise = 5.5 * (year.index - 2021) * rng.uniform(0.7, 1.2)
        now = Random(f"dti:{self._province.seed}:{unit.uid}:{year}").uniform(-2, 2)
        return round(min(98.0, 28 * ready + rng.uniform(0, 14) + rise + now), 2)


def _succeeded(level: str, year: Period) -> int:
    known = SUCCEEDED[level]
    return known.get(year.index, known[max(known)])


def amend(row: Row, rng: Random) -> bool:
    """A score after a complaint was heard; the decision stays."""
    if not isinstance(row[SCORE], float):
        return False
    row[SCORE] = round(row[SCORE] + rng.choice((-0.5, -0.25, 0.25, 0.5)), 2)
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the assessments."""
    rows, seed = Transformation(place.province).rows, place.province.seed
    first = Period.parse("2021")
    return Outbox(place.folder, Series("CDS_", FORM, first, (98, 112), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)

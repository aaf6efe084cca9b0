"""The quarterly statistics of the telecom operators: fibre, 4G and 5G in every commune.

A workbook ``VIENTHONG_2025-Q2.xlsx`` with a row for every commune: villages and inhabitants, how
many of them are covered, villages without any signal, urban areas and whether 5G is on the air
there. A village once covered stays covered; a merged commune has the villages of its parts.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.province import DISTRICTS, Province
from ioc.model import OrgUnit
from ioc.period import Period

FORM = Form(
    "VIEN THONG",
    "THỐNG KÊ HẠ TẦNG VIỄN THÔNG BĂNG RỘNG CỦA CÁC DOANH NGHIỆP THEO ĐỊA BÀN CẤP XÃ",
    (
        Column("Mã xã", 10),
        Column("Tên xã, phường, thị trấn", 32),
        Column("Tổng số thôn, tổ dân phố", 12, adds_up=True),
        *(
            Column(name, 12, "Số thôn, tổ dân phố", adds_up=True)
            for name in ("Có cáp quang", "Có sóng 4G", "Có sóng 5G", "Lõm sóng")
        ),
        Column("Tổng dân số", 12, adds_up=True),
        *(
            Column(name, 12, "Dân số", adds_up=True)
            for name in ("Có cáp quang", "Có sóng 4G", "Có sóng 5G")
        ),
        Column("Khu vực đô thị (1/0)", 10, adds_up=True),
        Column("Đô thị có trạm 5G phát sóng (1/0)", 10, adds_up=True),
        Column("Số liệu đến ngày", 16),
        Column("Đầu mối doanh nghiệp", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
VILLAGES = FORM.at("Tổng số thôn, tổ dân phố")
FIBRE, LTE, NR, DARK = range(VILLAGES + 1, VILLAGES + 5)
PEOPLE = FORM.at("Tổng dân số")
URBAN = FORM.at("Khu vực đô thị (1/0)")
FIRST = Period.parse("2022-Q1")
UNKNOWN = "99999"
TOWNS = ("Phường", "Thị trấn")


@dataclass(frozen=True, slots=True)
class Village:
    """A village: how many live there, and the quarter since which it has each service."""

    people: int
    fibre: float
    lte: float
    nr: float
    deaf: bool  # has no signal at all until it has 4G


class Telecom:
    """What the operators report for a quarter; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, quarter: Period, sent: datetime) -> list[Row]:
        """The rows of a quarter, a faulty one among them now and then."""
        rng = Random(f"telecom:{self._province.seed}:{quarter}")
        rows: list[Row] = []
        for commune in self._province.open_on("commune", quarter.end):
            clerk = (f"{SAMPLE} {len(rows):03d}", f"0900 000 {len(rows):03d}")
            figures = self.figures(commune, quarter)
            rows.append([commune.code, commune.name, *figures, quarter.end, *clerk, sent])
        if quarter.index % 4 != 3 and rng.random() < 0.3:
            row = rng.choice(rows)
            kind = rng.randrange(3)
            if kind == 0:
                row[0] = UNKNOWN
            elif kind == 1:
                row[LTE] = "không có số liệu"
            else:
                row[FIBRE] = row[VILLAGES] + rng.randint(1, 4)
        return rows

    def figures(self, commune: OrgUnit, quarter: Period) -> list[int]:
        """The figures of a commune in the order of the form's columns."""
        at = quarter.index - FIRST.index
        here = self._villages(commune.uid)
        covered = [
            [village for village in here if getattr(village, name) <= at]
            for name in ("fibre", "lte", "nr")
        ]
        dark = sum(village.deaf and village.lte > at for village in here)
        urban = commune.unit_type in TOWNS
        return [
            len(here),
            *(len(villages) for villages in covered),
            dark,
            sum(village.people for village in here),
            *(sum(village.people for village in villages) for villages in covered),
            int(urban),
            int(urban and bool(covered[2])),
        ]

    def _villages(self, uid: str) -> list[Village]:
        parts = self._province.parts.get(uid)
        if not parts:
            return self._first[uid]
        return [village for part in parts for village in self._villages(part.uid)]

    @cached_property
    def _first(self) -> dict[str, list[Village]]:
        """The villages of the communes that no other ones merged into."""
        province = self._province
        first = [
            unit
            for unit in province.orgunits.values()
            if unit.level == "commune" and unit.uid not in province.parts
        ]
        sizes: dict[str, float] = {}
        for unit in first:
            sizes[unit.area] = sizes.get(unit.area, 0) + province.traits[unit.uid][0]
        found = {}
        for unit in first:
            size, ready = province.traits[unit.uid]
            people = DISTRICTS.get(unit.area, (80, 1))[0] * 1000 * size / sizes[unit.area]
            found[unit.uid] = self._settled(unit, people, ready)
        return found

    def _settled(self, unit: OrgUnit, people: float, ready: float) -> list[Village]:
        rng = Random(f"villages:{self._province.seed}:{unit.uid}")
        weights = [rng.uniform(0.5, 1.5) for _ in range(rng.randint(4, 11))]
        town = unit.unit_type in TOWNS
        start = self._on_air(unit, rng) if town else 17 + rng.expovariate(0.1) / ready
        return [
            Village(
                people=round(people * weight / sum(weights)),
                fibre=_since(rng.random(), min(0.985, 0.6 + 0.32 * ready), 0.13 * ready),
                lte=_since(rng.random(), min(0.99, 0.7 + 0.27 * ready), 0.11 * ready),
                nr=start + number * (0.7 if town else 4.0),
                deaf=rng.random() < 0.5,
            )
            for number, weight in enumerate(weights)
        ]

    @staticmethod
    def _on_air(unit: OrgUnit, rng: Random) -> float:
        """The quarter in which 5G begins in a town: in Đồng Hới first, at the end of 2024."""
        begins = {"area-450": 11, "area-458": 13}.get(unit.area, 16)
        return begins + rng.randrange(4)


def _since(number: float, covered: float, pace: float) -> float:
    """The quarter in which a village is reached: covered at first, then ever more of the rest."""
    return 0.0 if number < covered else -math.log((1 - number) / (1 - covered)) / pace


def amend(row: Row, rng: Random) -> bool:
    """A village more with fibre, or one less."""
    total, fibre = row[VILLAGES], row[FIBRE]
    if not 0 < fibre <= total:
        return False
    row[FIBRE] = fibre - 1 if fibre == total or rng.random() < 0.5 else fibre + 1
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the statistics."""
    rows, seed = Telecom(place.province).rows, place.province.seed
    return Outbox(place.folder, Series("VIENTHONG_", FORM, FIRST, (12, 20), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)

"""The roll-out of the five basic smart-city services: where each one stands, checked every quarter.

A workbook ``DVDTTM_2025-Q4.xlsx`` lists every service again for each former district area and
for the whole province: chưa triển khai, thí điểm or vận hành, and the document that decided it.
A service is piloted in Đồng Hới, operates there, then spreads; the province operates it once all
eight areas do. At the end of 2025 four of the five do.
"""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.province import DISTRICTS, Province
from ioc.period import Period

FORM = Form(
    "DV DTTM",
    "TRẠNG THÁI TRIỂN KHAI CÁC DỊCH VỤ CƠ BẢN CỦA ĐÔ THỊ THÔNG MINH THEO ĐỊA BÀN",
    (
        Column("Mã mục", 26),
        Column("Dịch vụ", 40),
        Column("Mã cơ quan chủ trì", 14),
        Column("Mã địa bàn", 12),
        Column("Trạng thái", 16),
        Column("Văn bản", 16),
        Column("Ngày kiểm tra", 16),
        Column("Người kiểm tra", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
STATE, EVIDENCE = FORM.at("Trạng thái"), FORM.at("Văn bản")
NONE, PILOT, OPERATING = "chưa triển khai", "thí điểm", "vận hành"
PROVINCE, FIRST_AREA = "area-qb", "area-450"


@dataclass(frozen=True, slots=True)
class Service:
    """A service: who leads it, and the quarters in which it is piloted and operates."""

    code: str  # in the key of a row
    name: str
    owner: str
    pilot: str  # in Đồng Hới
    first: str  # operates in Đồng Hới
    whole: str  # operates in all areas


SERVICES = (
    Service("PAHT", "Phản ánh hiện trường", "STTTT", "2022-Q1", "2022-Q3", "2023-Q4"),
    Service("ATTT", "Giám sát an toàn thông tin", "STTTT", "2022-Q3", "2023-Q1", "2024-Q2"),
    Service(
        "TTMM", "Giám sát thông tin trên môi trường mạng", "STTTT", "2022-Q4", "2023-Q3", "2024-Q4"
    ),
    Service("GT", "Giám sát điều hành giao thông", "SGTVT", "2023-Q2", "2024-Q1", "2025-Q3"),
    Service("ANTT", "An ninh trật tự đô thị", "CAT", "2024-Q1", "2024-Q4", "2026-Q4"),
)


class SmartServices:
    """Where each service stands in each area at the end of a quarter; from the seed."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, quarter: Period, sent: datetime) -> list[Row]:
        """The rows of a check: five services in eight areas and in the whole province."""
        rows: list[Row] = []
        for service in SERVICES:
            owner = self._province.orgunits.owner(service.owner, quarter.end)
            for area in (*DISTRICTS, PROVINCE):
                key = f"{service.code}-{area}-{quarter.end:%Y%m%d}"
                state = self.state(service, area, quarter)
                clerk = (f"{SAMPLE} {len(rows):03d}", f"0900 000 {len(rows):03d}")
                rows.append([
                    key, service.name, owner.code if owner else "", area, state,
                    self._evidence(service, area, state, quarter), quarter.end, *clerk, sent,
                ])  # fmt: skip
        if quarter.text == "2022-Q2":
            rows[3][STATE] = "đang xem xét"
        if quarter.text == "2023-Q1":
            rows[12][0] = ""
        return rows

    def state(self, service: Service, area: str, quarter: Period) -> str:
        """What a service is in an area, or in the whole province, at the end of a quarter."""
        if area == PROVINCE:
            states = {self.state(service, each, quarter) for each in DISTRICTS}
            return NONE if states == {NONE} else OPERATING if states == {OPERATING} else PILOT
        pilot, operating = self._plan(service, area)
        at = quarter.index
        return OPERATING if at >= operating else PILOT if at >= pilot else NONE

    def _plan(self, service: Service, area: str) -> tuple[int, int]:
        """The quarters since which a service is piloted, and operates, in an area."""
        first, whole = (Period.parse(text).index for text in (service.first, service.whole))
        if area == FIRST_AREA:
            return Period.parse(service.pilot).index, first
        others = [each for each in DISTRICTS if each != FIRST_AREA]
        Random(f"rollout:{self._province.seed}:{service.code}").shuffle(others)
        operating = first + 1 + others.index(area) * (whole - first - 1) // (len(others) - 1)
        return operating - 1, operating

    def _evidence(self, service: Service, area: str, state: str, quarter: Period) -> str | None:
        """The decision behind a state: the same at every check until the state changes."""
        if state == NONE:
            return None
        rng = Random(f"decision:{self._province.seed}:{service.code}:{area}:{state}")
        if area == PROVINCE:
            year = Period.parse(service.whole if state == OPERATING else service.pilot).end.year
        else:
            year = Period("quarter", self._plan(service, area)[state == OPERATING]).end.year
        return f"QD-{rng.randint(1000, 3999)}-{year}"


def amend(row: Row, rng: Random) -> bool:
    """A decision was replaced by a later one; the state stays."""
    if not row[EVIDENCE]:
        return False
    row[EVIDENCE] = f"QD-{rng.randint(4000, 4999)}-{row[-1].year}"
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the checks."""
    rows, seed = SmartServices(place.province).rows, place.province.seed
    first = Period.parse("2022-Q1")
    return Outbox(place.folder, Series("DVDTTM_", FORM, first, (5, 9), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)

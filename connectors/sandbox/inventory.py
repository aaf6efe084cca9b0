"""The inventory of shared systems of the sample: a view with every system at every quarterly check.

Three criteria stand apart; whether a system meets all of them is for the reader to say: built or
upgraded; connected through the province's integration platform; linked with central systems, where
there is a counterpart. Owners are departments, by the code valid at the check.
"""

import calendar
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from connectors.sandbox import sqlview
from connectors.sandbox.doors import Shelf
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from ioc.period import LOCAL

SYSTEMS = 61
VIEW = "v_ra_soat_he_thong"
COLUMNS = ("ma_he_thong", "ten_he_thong", "ma_don_vi", "ngay_ra_soat", "nang_cap", "ket_noi_lgsp",
           "lien_thong_tw", "nguoi_ra_soat", "dien_thoai", "ghi_chu", "cap_nhat")  # fmt: skip
FIRST = (2021, 2)  # year and quarter of the first check
SECTORS = ("VPUB", "SNV", "STP", "STC", "SCT", "SYT", "SGDDT", "STNMT", "SXD", "SGTVT", "STTTT",
           "SKHCN", "SVHTT", "SNNPTNT", "SLDTBXH")  # fmt: skip
RESETTLED = timedelta(days=20)  # until the check of a quarter is settled


class Inventory:
    """Every check of every system until now, from the seed."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        """All checks that were made, oldest first."""
        found: list[dict[str, Any]] = []
        year, quarter = FIRST
        while (day := _end(year, quarter)) <= now.astimezone(LOCAL).date():
            made = datetime(day.year, day.month, day.day, 16, tzinfo=LOCAL)
            for number in range(SYSTEMS - 2 * max(0, 2024 - year)):
                if row := self._check(number, day, made, now):
                    found.append(row)
            year, quarter = (year, quarter + 1) if quarter < 4 else (year + 1, 1)
        return found

    def _check(
        self, number: int, day: date, made: datetime, now: datetime
    ) -> dict[str, Any] | None:
        rng = Random(f"system:{self._province.seed}:{number}")
        owner = self._province.orgunits.owner(SECTORS[number % len(SECTORS)], day)
        if owner is None:
            return None
        months = day.year * 12 + day.month
        upgraded, lgsp, central = (self._since(rng, number, part) for part in range(3))
        needs = number % 7 != 3
        settled = made + RESETTLED
        early = settled > now  # until then one system in twenty still waits for its papers
        waits = early and number % 20 == 9
        return {
            "ma_he_thong": f"HT-{number + 1:03d}",
            "ten_he_thong": f"{SAMPLE}: hệ thống số {number + 1}",
            "ma_don_vi": owner.code,
            "ngay_ra_soat": day.isoformat(),
            "nang_cap": int(upgraded <= months and not waits),
            "ket_noi_lgsp": int(lgsp <= months and not waits),
            "lien_thong_tw": ("có" if central <= months else "không") if needs else "không áp dụng",
            "nguoi_ra_soat": "MAU. Nguyễn Văn Soát",
            "dien_thoai": "0912345678",
            "ghi_chu": SAMPLE,
            "cap_nhat": (made if early else settled).strftime("%Y-%m-%d %H:%M:%S.%f"),
        }

    def _since(self, rng: Random, number: int, part: int) -> int:
        """The month from which a system meets a criterion; a sixth of them never by 2025."""
        if number % 6 == 5 and part == number % 3:
            return 2026 * 12 + 3 + number % 30
        return 2021 * 12 + round(rng.triangular(2, 59, 34 + 5 * part))

    def write(self, now: datetime, folder: Any) -> None:
        """Bring the file up to an instant."""
        rows = ([row[name] for name in COLUMNS] for row in self.rows(now))
        sqlview.write(folder / "danh_muc.sqlite", VIEW, COLUMNS, rows)


def _end(year: int, quarter: int) -> date:
    month = quarter * 3
    return date(year, month, calendar.monthrange(year, month)[1])


def make(place: Place) -> System:
    """The file of the inventory."""
    inventory = Inventory(place)
    return Shelf(place.folder, lambda now: inventory.write(now, place.folder), place.now)

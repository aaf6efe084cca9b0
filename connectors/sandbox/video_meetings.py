"""The video-conference system of the sample: a view of monthly counts by reporting authority.

The office of the provincial committee counts meetings with the districts, each district those with
its communes, until 30/6/2025. From then on the office counts those with the communes: a new series.
"""

import calendar
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from connectors.sandbox import sqlview
from connectors.sandbox.doors import Shelf
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.province import trend
from ioc.period import LOCAL

VIEW = "v_hop_truc_tuyen"
KINDS = ("tinh_huyen", "huyen_xa", "tinh_xa")
COUNTED = tuple(f"{kind}_{what}" for kind in KINDS for what in ("so", "truc_tuyen"))
COLUMNS = ("ma_don_vi", "thang", *COUNTED, "thu_ky", "ghi_chu", "cap_nhat")
LAST_OF_DISTRICTS = (2025, 6)
PROVINCE = ((2021, 0.31), (2022, 0.42), (2023, 0.51), (2024, 0.58), (2025, 0.64), (2026, 0.68))
DISTRICT = ((2021, 0.16), (2022, 0.22), (2023, 0.29), (2024, 0.34), (2025, 0.4), (2026, 0.4))
EXACT = (
    10  # meetings of each district in each month of 2025, four of them online: 40 % to the letter
)


class Meetings:
    """What was counted of every month that has ended; from the seed."""

    def __init__(self, place: Place) -> None:
        self._province = place.province

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        """Rows of all months that were told, oldest first."""
        local, found = now.astimezone(LOCAL), []
        year, month = 2021, 1
        while (year, month) < (local.year, local.month):
            until = date(year, month, calendar.monthrange(year, month)[1])
            told = datetime(until.year, until.month, until.day, 9, tzinfo=LOCAL) + timedelta(days=2)
            if told <= now:
                found += self._month(until, told)
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return found

    def _month(self, until: date, told: datetime) -> list[dict[str, Any]]:
        office = self._province.orgunits.owner("VPUB", until)
        districts = (until.year, until.month) <= LAST_OF_DISTRICTS
        rows = []
        if office:
            kind, curve = ("tinh_huyen", PROVINCE) if districts else ("tinh_xa", PROVINCE)
            rows.append(
                self._row(
                    office.code, kind, until, told, *self._count(office.code, until, curve, 8, 15)
                )
            )
        for unit in self._province.open_on("district", until):
            whole, online = self._count(unit.code, until, DISTRICT, 6, 14)
            if until.year == 2025:
                whole, online = EXACT, EXACT * 4 // 10
            rows.append(self._row(unit.code, "huyen_xa", until, told, whole, online))
        return rows

    def _count(self, code: str, until: date, curve: Any, least: int, most: int) -> tuple[int, int]:
        rng = Random(f"video:{self._province.seed}:{code}:{until}")
        whole = rng.randint(least, most)
        share = trend(curve, until.year * 12 + until.month - 1) + rng.uniform(-0.06, 0.06)
        return whole, min(whole, max(0, round(whole * share)))

    def _row(
        self, code: str, kind: str, until: date, told: datetime, whole: int, online: int
    ) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"ma_don_vi": code, "thang": f"{until:%Y-%m}"}
        row |= {f"{kind}_so": whole, f"{kind}_truc_tuyen": online}
        row |= {"thu_ky": "MAU. Trần Thị Thư", "ghi_chu": SAMPLE}
        return row | {"cap_nhat": told.strftime("%Y-%m-%d %H:%M:%S.%f")}

    def write(self, now: datetime, folder: Any) -> None:
        """Bring the file up to an instant."""
        rows = ([row[name] for name in COLUMNS] for row in self.rows(now))
        sqlview.write(folder / "hop.sqlite", VIEW, COLUMNS, rows)


def make(place: Place) -> System:
    """The file of the video-conference system."""
    meetings = Meetings(place)
    return Shelf(place.folder, lambda now: meetings.write(now, place.folder), place.now)

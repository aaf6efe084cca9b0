"""The video-conference system of the sample: a view of monthly counts by reporting authority.

The office of the provincial committee counts meetings with the districts, each district those with
its communes, until 30/6/2025. From 1/7/2025 the office counts meetings with the communes: a new
series. Minutes of the newest month come in late, so its figures are told again and again. Two old
rows are faulty.
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
COUNTS = tuple(f"{kind}_{what}" for kind in KINDS for what in ("so", "truc_tuyen"))
COLUMNS = ("ma_don_vi", "thang", *COUNTS, "thu_ky", "ghi_chu", "cap_nhat")
LAST_OF_DISTRICTS = (2025, 6)
PROVINCE = ((2021, 0.31), (2022, 0.42), (2023, 0.51), (2024, 0.57), (2025, 0.58), (2026, 0.66))
DISTRICT = ((2021, 0.16), (2022, 0.22), (2023, 0.29), (2024, 0.34), (2025, 0.4), (2026, 0.4))
SLOT = 300  # seconds
STRANGERS = ("HN-99", "PVP-02")  # codes that nobody bears
EXACT = 10  # meetings of each district in each month of 2025, four of them online: 40 % exactly


class Meetings:
    """What was counted of every month that has ended; from the seed."""

    def __init__(self, place: Place) -> None:
        self._province = place.province
        self._months: dict[date, list[dict[str, Any]]] = {}

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        """Rows of all months that were told, oldest first."""
        until, ends = date(2021, 1, 31), []
        while _told(until) <= now:
            ends.append(until)
            until = _end(until + timedelta(days=1))
        found = []
        for until, later in zip(ends, [*ends[1:], None], strict=True):
            if until not in self._months:
                self._months[until] = self._month(until)
            first, *others = self._months[until]
            found += [_corrected(first, _told(later)) if later else _under_way(first, now), *others]
        return found

    def _month(self, until: date) -> list[dict[str, Any]]:
        """The row of the office, then those of the districts."""
        office = self._province.orgunits.owner("VPUB", until)
        assert office is not None
        kind = "tinh_huyen" if (until.year, until.month) <= LAST_OF_DISTRICTS else "tinh_xa"
        counts = self._count(office.code, until, PROVINCE, 8, 15)
        rows = [_row(office.code, until, kind, counts)]
        for unit in self._province.open_on("district", until):
            counts = self._count(unit.code, until, DISTRICT, 6, 14)
            counts = (EXACT, EXACT * 4 // 10) if until.year == 2025 else counts
            rows.append(_row(unit.code, until, "huyen_xa", counts))
        return rows

    def _count(self, code: str, until: date, curve: Any, least: int, most: int) -> tuple[int, int]:
        rng = Random(f"video:{self._province.seed}:{code}:{until}")
        whole = rng.randint(least, most)
        share = trend(curve, until.year * 12 + until.month - 1) + rng.uniform(-0.06, 0.06)
        return whole, min(whole, max(0, round(whole * share)))

    def write(self, now: datetime, folder: Any) -> None:
        """Bring the file up to an instant."""
        faulty = [_row(code, date(2023, 5, 31), "huyen_xa", (9, 3)) for code in STRANGERS]
        rows = ([row[name] for name in COLUMNS] for row in (*faulty, *self.rows(now)))
        sqlview.write(folder / "hop.sqlite", VIEW, COLUMNS, rows)


def _row(code: str, until: date, kind: str, counts: tuple[int, int]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"ma_don_vi": code, "thang": f"{until:%Y-%m}"}
    row |= {f"{kind}_so": counts[0], f"{kind}_truc_tuyen": counts[1]}
    row |= {"thu_ky": "MAU. Trần Thị Thư", "ghi_chu": SAMPLE}
    return row | {"cap_nhat": _text(_told(until))}


def _under_way(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The newest month of the office: every other slot has the minutes of one more meeting."""
    slot = int(now.timestamp()) // SLOT
    begun = _text(datetime.fromtimestamp(slot * SLOT, LOCAL))
    if begun < row["cap_nhat"]:
        return row
    more = {name: value + slot % 2 for name in COUNTS if (value := row[name]) is not None}
    return row | more | {"cap_nhat": begun}


def _corrected(row: dict[str, Any], at: datetime) -> dict[str, Any]:
    """An older month of the office: all is in since the next one was told."""
    return row | {"cap_nhat": _text(at)}


def _told(until: date) -> datetime:
    """When a month is told: in the morning of the second day after it."""
    return datetime(until.year, until.month, until.day, 9, tzinfo=LOCAL) + timedelta(days=2)


def _end(day: date) -> date:
    return date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def make(place: Place) -> System:
    """The file of the video-conference system."""
    meetings = Meetings(place)
    return Shelf(place.folder, lambda now: meetings.write(now, place.folder), place.now)

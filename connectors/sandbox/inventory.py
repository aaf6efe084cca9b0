"""The inventory of shared systems of the sample: a view with every system at every quarterly check.

Three criteria stand apart; whether a system meets all of them is for the reader to say: built or
upgraded; connected through the province's integration platform; linked with central systems, where
there is a counterpart. Owners are departments, by the code valid at the check. A check is settled
after some weeks; in the newest one the connections of a few systems fail and come back, minute by
minute. Two old rows are faulty.
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
RESTLESS = (4, 26, 43)
"""Systems whose connection fails for one slot in five."""
SLOT = 240  # seconds
FAULTY = (  # an owner that nobody knows, and a word that was never agreed
    {"ma_he_thong": "HT-090", "ma_don_vi": "CNTT-01", "ngay_ra_soat": "2023-06-30"},
    {"ma_he_thong": "HT-091", "ma_don_vi": "VPUB", "ngay_ra_soat": "2024-03-31", "nang_cap": 2},
)


class Inventory:
    """Every check of every system until now, from the seed."""

    def __init__(self, place: Place) -> None:
        self._province = place.province
        self._settled: dict[date, list[dict[str, Any]]] = {}

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        """All checks that were made, oldest first; the newest as its connections are now."""
        days, (year, quarter) = [], FIRST
        while (day := _end(year, quarter)) <= now.astimezone(LOCAL).date():
            days.append(day)
            year, quarter = (year, quarter + 1) if quarter < 4 else (year + 1, 1)
        found = []
        for day, later in zip(days, [*days[1:], None], strict=True):
            seen = now if later is None else _made(later)  # until when it was the newest
            found += [_watched(row, seen, later is None) for row in self._checked(day, now)]
        return found

    def _checked(self, day: date, now: datetime) -> list[dict[str, Any]]:
        made = _made(day)
        if day in self._settled and made + RESETTLED <= now:
            return self._settled[day]
        numbers = range(SYSTEMS - 2 * max(0, 2024 - day.year))
        rows = [row for n in numbers if (row := self._check(n, day, made, now)) is not None]
        if made + RESETTLED <= now:
            self._settled[day] = rows
        return rows

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
            "cap_nhat": _text(made if early else settled),
        }

    def _since(self, rng: Random, number: int, part: int) -> int:
        """The month from which a system meets a criterion; a fifth of them lacks one in 2025."""
        lacks = number % 6 == 5 or number % 20 == 13
        if lacks and part == number // 6 % 3:
            return 2026 * 12 + 3 + number % 30
        return 2021 * 12 + round(rng.triangular(2, 59, 34 + 5 * part))

    def write(self, now: datetime, folder: Any) -> None:
        """Bring the file up to an instant."""
        faulty = [_faulty(row) for row in FAULTY]
        rows = ([row[name] for name in COLUMNS] for row in (*faulty, *self.rows(now)))
        sqlview.write(folder / "danh_muc.sqlite", VIEW, COLUMNS, rows)


def _watched(row: dict[str, Any], seen: datetime, newest: bool) -> dict[str, Any]:
    """A row with the state of its connection when it was last seen, and since when it is so."""
    number = int(row["ma_he_thong"][3:]) - 1
    if number not in RESTLESS or not row["ket_noi_lgsp"]:
        return row
    if not newest:  # the next check found it in order
        return row | {"cap_nhat": _text(seen)}
    slot = int(seen.timestamp()) // SLOT
    since = (slot - number) % 5  # slots since it failed; it comes back after one
    begun = _text(datetime.fromtimestamp((slot - max(0, since - 1)) * SLOT, LOCAL))
    if begun < row["cap_nhat"]:
        return row
    return row | {"ket_noi_lgsp": int(since > 0), "cap_nhat": begun}


def _faulty(told: dict[str, Any]) -> dict[str, Any]:
    made = datetime.fromisoformat(told["ngay_ra_soat"]) + RESETTLED
    row = dict.fromkeys(COLUMNS) | {"nang_cap": 1, "ket_noi_lgsp": 1, "lien_thong_tw": "có"}
    return row | {"ghi_chu": SAMPLE, "cap_nhat": _text(made)} | told


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _made(day: date) -> datetime:
    """When the check of a day was written down."""
    return datetime(day.year, day.month, day.day, 16, tzinfo=LOCAL)


def _end(year: int, quarter: int) -> date:
    month = quarter * 3
    return date(year, month, calendar.monthrange(year, month)[1])


def make(place: Place) -> System:
    """The file of the inventory."""
    inventory = Inventory(place)
    return Shelf(place.folder, lambda now: inventory.write(now, place.folder), place.now)

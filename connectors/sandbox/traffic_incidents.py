"""The traffic control centre of the sample: incidents, page by page along links in the body.

An incident is to be cleared within an hour, what needs works (a flooded road, a dead signal) within
24. A few have no position. The question carries its key as ``khoa``, and the links repeat it. While
the centre lives, an incident begins every few minutes.
"""

from datetime import UTC, date, datetime, time, timedelta
from hmac import compare_digest
from random import Random
from threading import Lock

from starlette.requests import Request

from connectors.sandbox.asked import Refused
from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Listing, Row, changed_at
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.slots import Slots
from ioc.period import LOCAL

KEY = "mau-khoa-giao-thong"  # a sample value
BEGAN = date(2023, 3, 1)
YEARLY = 500  # at scale 1
KINDS = (("va-cham", 44), ("un-tac", 27), ("hong-xe", 14), ("ngap", 8), ("den-hong", 7))
GRAVE = (("nhe", 70), ("vua", 24), ("nang", 6))
WORKS = ("ngap", "den-hong")
PACE = 420  # seconds between two incidents of live time


class Centre:
    """Every incident up to now; a day is drawn once. Safe for several threads."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self._slots = Slots(place, PACE)
        self.tend = self._slots.tend
        self._days: dict[date, list[Row]] = {}
        self._live: dict[int, Row] = {}
        self._lock = Lock()

    def rows(self) -> list[Row]:
        """All incidents that have begun, each as it stands, oldest change first."""
        now, day = self._now(), BEGAN
        with self._lock:
            while day <= now.astimezone(LOCAL).date():
                if day not in self._days:
                    self._days[day] = self._drawn(day)
                day += timedelta(days=1)
            for slot in self._slots.until(now):
                if slot not in self._live:
                    self._live[slot] = self._begun(slot)
            drawn = [*self._live.values(), *(row for rows in self._days.values() for row in rows)]
        found = [_standing(row, now) for row in drawn if row["batDau"] <= now]
        return sorted(found, key=lambda row: (row["capNhat"], row["maSuCo"]))

    def _drawn(self, day: date) -> list[Row]:
        rng = Random(f"traffic:{self._province.seed}:{day}")
        expected = YEARLY * self._province.scale / 365
        begin = datetime.combine(day, time(), LOCAL).astimezone(UTC)
        found = []
        for number in range(int(expected) + (rng.random() < expected % 1)):
            start = begin + timedelta(minutes=min(1439, max(0, round(rng.gauss(870, 260)))))
            found.append(self._incident(rng, f"{day:%Y%m%d}-{number:03d}", start))
        return found

    def _begun(self, slot: int) -> Row:
        at = self._slots.starts_at(slot)
        return self._incident(Random(f"traffic:{self._province.seed}:live:{slot}"), f"S{slot}", at)

    def _incident(self, rng: Random, name: str, start: datetime) -> Row:
        day = start.astimezone(LOCAL).date()
        communes = self._province.open_on("commune", day)
        unit = rng.choices(communes, [self._province.traits[one.uid][0] for one in communes])[0]
        kind, grave = (
            rng.choices([n for n, _ in table], [w for _, w in table])[0] for table in (KINDS, GRAVE)
        )
        allowed = 1440 if kind in WORKS else 60
        taken = allowed * rng.lognormvariate(-0.45, 0.6) * 0.95 ** (day.year - BEGAN.year)
        placed = rng.random() >= 0.03
        return {
            "maSuCo": f"GT-{name}", "maXa": unit.code, "loai": kind, "muc": grave,
            "batDau": start, "han": start + timedelta(minutes=allowed),
            "ketThuc": start + timedelta(seconds=round(60 * taken)),
            "viDo": f"{(unit.lat or 17.5) + rng.uniform(-0.02, 0.02):.5f}" if placed else "",
            "kinhDo": f"{(unit.lon or 106.4) + rng.uniform(-0.02, 0.02):.5f}" if placed else "",
        }  # fmt: skip


def _standing(row: Row, now: datetime) -> Row:
    """An incident as the centre tells it at an instant."""
    over = row["ketThuc"] <= now
    number = sum(map(ord, row["maSuCo"])) % 90
    return row | {
        "batDau": changed_at(row["batDau"]),
        "han": changed_at(row["han"]),
        "ketThuc": changed_at(row["ketThuc"]) if over else None,
        "trangThai": "đã xử lý" if over else "đang xử lý",
        "capNhat": changed_at(row["ketThuc"] if over else row["batDau"]),
        "bienSo": "73A-000.00",
        "laiXe": f"{SAMPLE} 0{number:02d}",
        "dienThoai": f"0900 000 0{number:02d}",
        "ghiChu": SAMPLE,
    }


def _guard(request: Request) -> None:
    if not compare_digest(request.query_params.get("khoa", "").encode(), KEY.encode()):
        raise Refused(401, "khoa: thiếu hoặc không đúng")


def make(place: Place) -> System:
    """The centre behind its port."""
    centre = Centre(place)
    listing = Listing("/api/su-co", centre.rows, "link", "maSuCo", place.now, guard=_guard)
    return Door(listing.app(), place.port, centre.tend)

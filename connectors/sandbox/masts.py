"""The register of base stations of the sample: a GeoJSON collection behind a cursor in a header.

Operators announce a station with its technology, its commune and its position when it goes on air.
While the register lives, every few minutes one goes into maintenance, and comes back.
"""

from bisect import bisect_left
from datetime import datetime, timedelta
from random import Random
from threading import Lock

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Listing, Row, changed_at
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.slots import Slots
from ioc.period import LOCAL

STATIONS = 3_560  # at scale 1, by the end of 2026
OPERATORS = (("NM1", 44), ("NM2", 31), ("NM3", 19), ("NM4", 6))
BEGAN = datetime(2021, 1, 4, 9, tzinfo=LOCAL)
DAYS = 2_150
PACE = 300  # seconds between two stations that go into maintenance, each for as long
ON_AIR, RESTING = "phát sóng", "bảo trì"


class Register:
    """Every station that is on air, and what happened to it last; safe for several threads."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self._slots = Slots(place, PACE)
        self.tend = self._slots.tend
        self._count = max(30, round(STATIONS * place.province.scale))
        self._stations: list[tuple[datetime, Row]] = []
        self._rests: dict[int, str] = {}
        self._lock = Lock()

    def rows(self) -> list[Row]:
        """The stations, oldest change first."""
        now = self._now()
        with self._lock:
            while (at := self._on_air(len(self._stations))) <= now:
                self._stations.append((at, self._drawn(len(self._stations), at)))
            states = self._states(now)
        found = [_row(row, *states.get(row["id"], (at, ON_AIR))) for at, row in self._stations]
        return sorted(found, key=lambda row: (row["capNhat"], row["id"]))

    def _on_air(self, number: int) -> datetime:
        day, part = divmod(DAYS * number, self._count)
        return BEGAN + timedelta(days=day, minutes=480 * part // self._count)

    def _states(self, now: datetime) -> dict[str, tuple[datetime, str]]:
        found = {}
        for slot in self._slots.until(now):
            at = self._slots.starts_at(slot)
            if slot not in self._rests:
                known = bisect_left(self._stations, at, key=lambda station: station[0])
                rng = Random(f"mast:{self._province.seed}:rests:{slot}")
                self._rests[slot] = _name(rng.randrange(max(1, known)))
            back = at + timedelta(seconds=PACE)
            found[self._rests[slot]] = (back, ON_AIR) if back <= now else (at, RESTING)
        return found

    def _drawn(self, number: int, at: datetime) -> Row:
        province, rng = self._province, Random(f"mast:{self._province.seed}:{number}")
        communes = province.open_on("commune", at.date())
        unit = rng.choices(communes, [province.traits[one.uid][0] for one in communes])[0]
        ready = province.traits[unit.uid][1]
        five = at.year >= 2023 and ready > 0.95 and rng.random() < 0.16 * (at.year - 2022)
        lon = (unit.lon or 106.4) + rng.uniform(-0.03, 0.03)
        lat = (unit.lat or 17.5) + rng.uniform(-0.03, 0.03)
        operators, weights = zip(*OPERATORS, strict=True)
        return {
            "type": "Feature",
            "id": _name(number),
            "geometry": {"type": "Point", "coordinates": [round(lon, 5), round(lat, 5)]},
            "properties": {
                "maXa": unit.code,
                "congNghe": "5G" if five else "4G",
                "nhaMang": rng.choices(operators, weights)[0],
                "phatSong": changed_at(at),
                "chuNha": f"{SAMPLE} 0{number % 90:02d}",
                "dienThoai": f"0900 000 0{number % 90:02d}",
            },
            "ghiChu": SAMPLE,
        }


def _name(number: int) -> str:
    return f"BTS-{number:05d}"


def _row(row: Row, at: datetime, state: str) -> Row:
    properties = row["properties"] | {"trangThai": state}
    return row | {"capNhat": changed_at(at), "properties": properties}


def make(place: Place) -> System:
    """The register behind its port."""
    register = Register(place)
    listing = Listing("/collections/tram/items", register.rows, "cursor", "id", place.now)
    return Door(listing.app(), place.port, register.tend)

"""The register of base stations of the sample: a GeoJSON collection, by offset.

Operators announce a station with its technology, its commune and its position when it goes on air.
"""

from datetime import datetime, timedelta
from functools import partial
from random import Random

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Row, listing
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from ioc.period import LOCAL

STATIONS = 3_560  # at scale 1, by the end of 2026
OPERATORS = (("NM1", 44), ("NM2", 31), ("NM3", 19), ("NM4", 6))
BEGAN = datetime(2021, 1, 4, 9, tzinfo=LOCAL)
DAYS = 2_150


def rows(place: Place) -> list[Row]:
    """Every station that is on air, oldest first."""
    province, now = place.province, place.now()
    count = max(30, round(STATIONS * province.scale))
    found = []
    for i in range(count + round(count * 0.1)):
        rng = Random(f"mast:{province.seed}:{i}")
        at = BEGAN + timedelta(days=DAYS * i / count, minutes=rng.randrange(480))
        if at > now:
            break
        communes = province.open_on("commune", at.date())
        unit = rng.choices(communes, [province.traits[one.uid][0] for one in communes])[0]
        ready = province.traits[unit.uid][1]
        five = at.year >= 2023 and ready > 0.95 and rng.random() < 0.16 * (at.year - 2022)
        lon, lat = (
            (unit.lon or 106.4) + rng.uniform(-0.03, 0.03),
            (unit.lat or 17.5) + rng.uniform(-0.03, 0.03),
        )
        found.append({
            "type": "Feature",
            "id": f"BTS-{i:05d}",
            "geometry": {"type": "Point", "coordinates": [round(lon, 5), round(lat, 5)]},
            "properties": {
                "maXa": unit.code,
                "congNghe": "5G" if five else "4G",
                "nhaMang": rng.choices([n for n, _ in OPERATORS], [w for _, w in OPERATORS])[0],
                "phatSong": at.isoformat(timespec="seconds"),
                "chuNha": "MAU. Lê Thị Cho Thuê",
            },
            "capNhat": at.isoformat(timespec="seconds"),
            "ghiChu": SAMPLE,
        })
    return found


def make(place: Place) -> System:
    """The register behind its port."""
    return Door(
        listing("/collections/tram/items", partial(rows, place), "offset", "capNhat", place.now),
        place.port,
    )

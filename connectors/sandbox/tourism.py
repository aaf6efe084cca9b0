"""The tourism department's statistics of the sample: visitors and nights, day by day, by offset.

Only communes with something to see report. The system keeps the last 400 days; the month's count of
sites, and of those with a code to scan, stands in the row of its last day.
"""

from datetime import datetime, timedelta
from functools import partial
from random import Random

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Listing, Row, changed_at
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.province import trend
from connectors.sandbox.sector_figures import clerk
from ioc.period import LOCAL

DAYS = 400
MOST = 14  # communes that report
SEASON = (0.5, 0.7, 0.8, 1.1, 1.4, 2.1, 2.4, 1.9, 0.9, 0.5, 0.4, 0.5)
DIGITAL = ((2024, 0.4), (2025, 0.55), (2026, 0.7), (2027, 0.8))


def rows(place: Place) -> list[Row]:
    """Every reporting commune and day, the day under way as it stands."""
    now = place.now().astimezone(LOCAL)
    found: list[Row] = []
    for back in range(DAYS, -1, -1):
        day = (now - timedelta(days=back)).date()
        units = sorted(
            place.province.open_on("commune", day),
            key=lambda one: -_draw(place, one.area, one.code),
        )
        for unit in units[:MOST]:
            rng = Random(f"tourism:{place.province.seed}:{unit.code}:{day}")
            told = datetime(day.year, day.month, day.day, 21, rng.randrange(60), tzinfo=LOCAL)
            whole = _draw(place, unit.area, unit.code) * SEASON[day.month - 1]
            whole *= (1.5 if day.weekday() >= 5 else 1.0) * rng.uniform(0.7, 1.3)
            if told > now:  # this day so far, told every ten minutes
                told = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
                whole *= (told.hour * 60 + told.minute) / 1440
            visitors = round(whole)
            row: Row = {
                "type": "Feature",
                "maXa": unit.code,
                "ngay": day.isoformat(),
                "luotKhach": visitors,
                "luotLuuTru": round(visitors * rng.uniform(0.3, 0.5)),
                "capNhat": changed_at(told),
                "ghiChu": SAMPLE,
                **clerk(rng),
            }
            if (day + timedelta(days=1)).day == 1:
                sites = 3 + round(_draw(place, unit.area, unit.code) / 220)
                share = trend(DIGITAL, day.year * 12 + day.month - 1)
                row |= {"diemDuLich": sites, "diemCoMa": min(sites, round(sites * share))}
            found.append(row)
    return sorted(found, key=lambda row: (row["capNhat"], row["maXa"], row["ngay"]))


def _draw(place: Place, area: str, code: str) -> float:
    """How many visitors a commune has on an ordinary day."""
    rng = Random(f"sights:{place.province.seed}:{code}")
    famous = {"area-450": 3.0, "area-455": 2.6}.get(area, 1.0)
    return 30 + 420 * famous * rng.random() ** 3


def make(place: Place) -> System:
    """The statistics behind their port."""
    listing = Listing("/thongke", partial(rows, place), "offset", "maXa", place.now)
    return Door(listing.app(), place.port)

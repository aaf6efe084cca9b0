"""The health sector of the sample, as DHIS2 answers: one value of one element a row, no pages."""

from datetime import date
from functools import partial
from random import Random

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Row, listing
from connectors.sandbox.place import Place, System
from connectors.sandbox.sector_figures import months, share, size_of
from ioc.model import OrgUnit

BEGAN = date(2022, 1, 1)
RECORDS = ((2022, 0.0), (2023, 0.35), (2024, 0.58), (2025, 0.74), (2026, 0.85), (2027, 0.9))
LINKED = ((2022, 0.4), (2023, 0.6), (2024, 0.78), (2025, 0.9), (2026, 0.96), (2027, 1.0))


def rows(place: Place) -> list[Row]:
    """Every element of every commune and month that was told."""
    figures = partial(_figures, place)
    return [
        {
            "dataElement": element,
            "orgUnit": unit.code,
            "period": f"{until:%Y%m}",
            "value": str(value),
            "lastUpdated": told.isoformat(),
            "storedBy": "MAU.nguyenthilap",
            "comment": "gọi 0912 345 678",
        }
        for unit, until, told, counted in months(place, BEGAN, "health", figures)
        for element, value in counted.items()
    ]


def _figures(place: Place, unit: OrgUnit, month: int, rng: Random) -> dict[str, int]:
    size, ready = size_of(place.province, unit)
    people, posts = round(size * 1000), max(1, round(size * 0.17))
    return {
        "DAN_SO": people,
        "HO_SO_SK": share(people, RECORDS, month, ready, rng),
        "CO_SO": posts,
        "CO_SO_LT": share(posts, LINKED, month, ready, rng),
    }


def make(place: Place) -> System:
    """The service behind its port."""
    app = listing("/api/dataValueSets.json", partial(rows, place), "none", "lastUpdated", place.now)
    return Door(app, place.port)

"""The education sector's database of the sample: schools and pupils, by page number."""

from datetime import date
from functools import partial
from random import Random

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Row, listing
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.sector_figures import clerk, months, share, size_of
from ioc.model import OrgUnit

BEGAN = date(2022, 9, 1)
CONNECTED = ((2022, 0.55), (2023, 0.72), (2024, 0.86), (2025, 0.94), (2026, 0.985), (2027, 1.0))
RECORDS = ((2022, 0.21), (2023, 0.4), (2024, 0.62), (2025, 0.78), (2026, 0.88), (2027, 0.93))


def rows(place: Place) -> list[Row]:
    """Every commune and month that was told."""
    figures = partial(_figures, place)
    return [
        {
            "maXa": unit.code,
            "tenXa": unit.name,
            "thang": f"{until:%Y-%m}",
            "capNhat": told.isoformat(),
            "ghiChu": SAMPLE,
            **counted,
            **clerk(Random(f"{unit.uid}{until}")),
        }
        for unit, until, told, counted in months(place, BEGAN, "education", figures)
    ]


def _figures(place: Place, unit: OrgUnit, month: int, rng: Random) -> dict[str, int]:
    size, ready = size_of(place.province, unit)
    schools, pupils = max(2, round(size * 0.62)), round(size * 205)
    return {
        "soTruong": schools,
        "truongKetNoi": share(schools, CONNECTED, month, ready, rng),
        "soHocSinh": pupils,
        "hocBaSo": share(pupils, RECORDS, month, ready, rng),
    }


def make(place: Place) -> System:
    """The database behind its port."""
    return Door(
        listing("/api/truong", partial(rows, place), "page", "capNhat", place.now), place.port
    )

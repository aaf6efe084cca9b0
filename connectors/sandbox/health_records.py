"""The health sector of the sample, as DHIS2 answers: one value of one element a row, no pages.

GET /api/dataValueSets.json?lastUpdated=ISO, with HTTP Basic. In the first months hardly anybody has
an electronic record: communes say 3, or 11. Three rows are faulty: no org unit, one that
nobody knows, and a value in words.
"""

from base64 import b64encode
from functools import partial
from random import Random

from connectors.sandbox.asked import admit
from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Listing, Row, changed_at
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.sector_figures import share, size_of, slipped
from connectors.sandbox.statements import Figures, Statement, Statements
from ioc.model import OrgUnit
from ioc.period import Period

USER, WORD = "ioc", "mau-mat-khau-y-te"  # sample values
BEGAN = Period.parse("2023-03")
ELEMENTS = ("DAN_SO", "HO_SO_SK", "CO_SO", "CO_SO_LT")
RECORDS = ((2023, 0.0), (2024, 0.52), (2025, 0.7), (2026, 0.82), (2027, 0.9))
SPREAD = 3  # times as many people in each of the first months
LINKED = ((2022, 0.4), (2023, 0.6), (2024, 0.78), (2025, 0.9), (2026, 0.96), (2027, 1.0))


class HealthRecords:
    """What every commune said of its people and its posts."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self.statements = Statements(place, "health", BEGAN, self.figures, slipped, ["commune"])

    def figures(self, unit: OrgUnit, month: Period) -> Figures:
        """People, those with a record; posts and hospitals, those that are linked."""
        rng = Random(f"health:{self._province.seed}:{unit.uid}:{month}")
        size, ready = size_of(self._province, unit)
        people, posts = round(size * 1000), max(1, round(size * 0.17))
        linked = share(posts, LINKED, month.index, ready, rng)
        first = Random(f"health:{self._province.seed}:{unit.uid}").randint(1, 11)
        most = first * SPREAD ** min(20, month.index - BEGAN.index)
        recorded = min(most, share(people, RECORDS, month.index, ready, rng))
        return people, recorded, posts, linked

    def rows(self) -> list[Row]:
        """Every value of the statements that hold, in the order in which they were made."""
        said = self.statements.latest(self._now()).values()
        return [
            _row(one, element, value)
            for one in sorted(said, key=lambda one: (one.at, one.unit.uid))
            for element, value in zip(ELEMENTS, one.figures, strict=True)
        ]


def _row(said: Statement, element: str, value: int) -> Row:
    row = {
        "dataElement": element,
        "orgUnit": said.unit.code,
        "period": f"{said.month.start:%Y%m}",
        "value": str(value),
        "lastUpdated": changed_at(said.at),
        "storedBy": f"{SAMPLE} 0{said.month.index % 90:02d}",
        "comment": f"gọi 0900 000 0{said.month.index % 90:02d}",
    }
    match said.unit.code, said.month.text, element:
        case "18880", "2024-05", "CO_SO":
            return row | {"orgUnit": None}
        case "18901", "2024-05", "CO_SO_LT":
            return row | {"orgUnit": "99901"}
        case "18904", "2024-08", "HO_SO_SK":
            return row | {"value": "chưa có"}
    return row


def make(place: Place) -> System:
    """The service behind its port."""
    records = HealthRecords(place)
    basic = b64encode(f"{USER}:{WORD}".encode()).decode()
    listing = Listing(
        "/api/dataValueSets.json",
        records.rows,
        "none",
        "orgUnit",
        place.now,
        changed="lastUpdated",
        since="lastUpdated",
        guard=partial(admit, wanted={"Authorization": f"Basic {basic}"}),
    )
    return Door(listing.app(), place.port, records.statements.tend)

"""The education sector's database of the sample: schools and pupils of a commune, by page number.

Two rows are faulty: a commune that nobody knows, and more connected schools than schools. The
header ``X-API-Key`` must be right.
"""

from functools import partial
from random import Random

from connectors.sandbox.asked import admit
from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Listing, Row, changed_at
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.sector_figures import clerk, share, size_of, slipped
from connectors.sandbox.statements import Figures, Statement, Statements
from ioc.model import OrgUnit
from ioc.period import Period

KEY = "mau-khoa-giao-duc"  # a sample value
BEGAN = Period.parse("2022-09")
CONNECTED = ((2022, 0.55), (2023, 0.72), (2024, 0.86), (2025, 0.94), (2026, 0.985), (2027, 1.0))
RECORDS = ((2022, 0.21), (2023, 0.4), (2024, 0.62), (2025, 0.78), (2026, 0.88), (2027, 0.93))


class Schools:
    """What every commune said of its schools."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self.statements = Statements(place, "education", BEGAN, self.figures, slipped, ["commune"])

    def figures(self, unit: OrgUnit, month: Period) -> Figures:
        """Schools, those connected; pupils, those with electronic records."""
        rng = Random(f"education:{self._province.seed}:{unit.uid}:{month}")
        size, ready = size_of(self._province, unit)
        schools, pupils = max(2, round(size * 0.62)), round(size * 205)
        connected = share(schools, CONNECTED, month.index, ready, rng)
        return schools, connected, pupils, share(pupils, RECORDS, month.index, ready, rng)

    def rows(self) -> list[Row]:
        """The statements that hold, in the order in which they were made."""
        said = self.statements.latest(self._now()).values()
        return [_row(one) for one in sorted(said, key=lambda one: (one.at, one.unit.uid))]


def _row(said: Statement) -> Row:
    schools, connected, pupils, recorded = said.figures
    row = {
        "maXa": said.unit.code,
        "tenXa": said.unit.name,
        "thang": said.month.text,
        "capNhat": changed_at(said.at),
        "ghiChu": SAMPLE,
        "soTruong": schools,
        "truongKetNoi": connected,
        "soHocSinh": pupils,
        "hocBaSo": recorded,
        **clerk(Random(f"{said.unit.uid}{said.month}")),
    }
    match said.unit.code, said.month.text:
        case "18880", "2023-05":
            return row | {"maXa": "99880"}
        case "18901", "2024-02":
            return row | {"truongKetNoi": schools + 1}
    return row


def make(place: Place) -> System:
    """The database behind its port."""
    schools = Schools(place)
    guard = partial(admit, wanted={"X-API-Key": KEY})
    listing = Listing("/api/truong", schools.rows, "page", "maXa", place.now, guard=guard)
    return Door(listing.app(), place.port, schools.statements.tend)

"""An org unit that began inside the window over which it is judged says from when it counts."""

import pytest

from kpi import query
from layouts import indicator as page
from tests.test_pages import Reader
from tests.worlds import ADMIN, DOSSIERS, STAFF, World, at, dossiers, share

pytest_plugins = ["tests.worlds"]
OFFICE, CULTURE = "department-VPUB-2025-07-01", "department-SVHTTDL25-2025-03-01"
STATISTICS = "department-CAT-2021-01-01"
STAFF_OF = "staff_with_computer staff_professional"


@pytest.fixture
def reformed(sqlite_world: World) -> World:
    """The end of a year in which departments merged in March and again in July."""
    world = sqlite_world
    world.now = at("2025-12-20 09:00")
    world.live().forward(minutes=3)
    world.poll(DOSSIERS, [
        *dossiers("VPUB", "2025-05-05", 10, 9),
        *dossiers("VPUB", "2025-08-05", 10, 4),
        *dossiers("SVHTTDL25", "2025-08-05", 10, 5),
        *dossiers("CAT", "2025-08-05", 10, 6),
    ])  # fmt: skip
    world.poll(STAFF, share(STAFF_OF, "VPUB", "2025-11", 8, 10))
    return world


def marks(world: World, target: str, unit: str, **asked: str) -> list[str]:
    """What is said of the figure of an org unit."""
    found = query.standings(world.store, ADMIN, targets=[target], org_units=[unit],
                            now=world.now, **asked).records()  # fmt: skip
    assert len({row["mark"] for row in found}) == 1
    return found[0]["mark"].split("; ")


def test_a_year_of_a_unit_that_began_in_it_says_from_when(reformed):
    assert "đơn vị có từ 01/07/2025" in marks(reformed, "T02b", OFFICE)
    assert "đơn vị có từ 01/03/2025" in marks(reformed, "T02b", CULTURE)
    assert not any("đơn vị có từ" in one for one in marks(reformed, "T02b", STATISTICS))
    assert not any("đơn vị có từ" in one for one in marks(reformed, "T02b", "area-qb"))


def test_a_stock_is_of_its_day_and_says_nothing_of_the_year(reformed):
    assert not any("đơn vị có từ" in one for one in marks(reformed, "T12a", OFFICE))


def test_a_family_that_covers_the_year_says_nothing(reformed):
    assert "đơn vị có từ 01/07/2025" in marks(reformed, "T02b", OFFICE, frame="then")
    assert not any("đơn vị có từ" in one for one in marks(reformed, "T02b", OFFICE, frame="today"))


def test_a_closing_figure_says_it_when_the_live_one_has_moved_on(reformed):
    reformed.now = at("2026-03-10 09:00")
    reformed.poll(DOSSIERS, dossiers("VPUB", "2026-02-05", 10, 4))
    found = marks(reformed, "T02b", OFFICE)
    assert "số chốt: đơn vị có từ 01/07/2025" in found and "đơn vị có từ 01/07/2025" not in found


def test_the_page_and_its_ranking_say_the_same(reformed, tmp_path):
    reader = Reader(reformed, tmp_path)
    said = reader.read(page.layout, key="I02b", org_unit=OFFICE, level="department")
    said = " ".join(said.split())
    assert "Đơn vị có từ 01/07/2025" in said
    assert "Văn phòng Ủy ban nhân dân tỉnh từ 01/07/2025" in said
    reformed.now = at("2026-01-10 09:00")
    reformed.poll(DOSSIERS)
    said = reader.read(page.layout, key="I02b", org_unit=OFFICE, level="department")
    said = " ".join(said.split())
    assert "từ 01/07/2025 đến ngày chốt" in said
    assert said.count("từ 01/01 đến ngày chốt") == 1, "the definition's own words"
    assert "Sở Văn hóa, Thể thao và Du lịch từ 01/03/2025" in said
    whole = reader.read(page.layout, key="I02b", level="department")
    assert whole.count("từ 01/01 đến ngày chốt") == 2

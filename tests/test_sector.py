"""One page for every sector of the catalogue, and the list of them all."""

from typing import Any

import pytest
from dash import no_update

from ioc.errors import IocError
from kpi import health
from layouts import (
    indicator,
    register,
    sector,
    sectormap,
    sectors,
    sectorsystems,
    sectortrend,
    slots,
)
from tests.test_pages import Reader, having, one, walk, words
from tests.worlds import (
    SOURCES,
    STAFF,
    TRANSFORMATION,
    World,
    dossiers,
    share,
    source,
)

pytest_plugins = ["tests.worlds"]
PORTAL = source("public_services", record="dossier", sector="public_services")


@pytest.fixture
def here(sqlite_world: World, tmp_path: Any) -> Reader:
    """A world in which three sectors are fed, one of them by records."""
    world = sqlite_world
    others = [one for one in SOURCES if one.id not in ("public_services", "registry")]
    health.publish_sources(world.store, [PORTAL, *others])
    world.live(PORTAL, *others)
    world.poll(
        PORTAL, dossiers("VPUB", "2025-12-01", 50, 29) + dossiers("18880", "2026-11-02", 10, 6)
    )
    world.poll(STAFF, share("staff_with_computer staff_professional", "SYT", "2026-10", 25, 28))
    succeeded = "districts_dx_succeeded districts_dx_assessed"
    for code in ("450", "452"):
        world.poll(TRANSFORMATION, share(succeeded, code, "2025-06", int(code == "450"), 1))
    world.forward(seconds=30)
    for each in (PORTAL, *others):
        world.poll(each)
    return Reader(world, tmp_path)


def hrefs(pieces: list[Any]) -> list[str]:
    return [str(href) for piece in pieces if (href := getattr(piece, "href", None))]


def test_every_sector_of_the_catalogue_has_its_page_with_all_its_indicators(here, catalogue):
    for key, name in catalogue.sectors.items():
        pieces = here.see(sector.layout, key=key)
        heads = [p.children for p in pieces if type(p).__name__ == "H1"]
        assert heads == [name], key
        own = [one for one in catalogue.indicators.values() if one.sector == key]
        shown = {
            href.split("/")[2].split("?")[0] for href in hrefs(pieces) if "/indicator/" in href
        }
        assert {one.id for one in own} <= shown, key
        assert any("/api/v1/" in href for href in hrefs(pieces)), key


def test_the_list_has_every_sector_with_its_counts_and_the_age_of_its_sources(here, catalogue):
    pieces = here.see(sectors.layout)
    rows = [p for p in pieces if type(p).__name__ == "Tr" and hasattr(p, "data-sector")]
    assert {getattr(row, "data-sector") for row in rows} == set(catalogue.sectors)
    of = {getattr(row, "data-sector"): words([row]) for row in rows}
    assert "1 không đạt" in of["public_services"] and "2/3" in of["public_services"]
    assert "Nguồn thử public_services số liệu đến 08:00" in of["public_services"]
    assert "2 chưa có số chốt" in of["transformation"] or "đạt" in of["transformation"]
    assert "Chưa có nguồn" in of["archives"] and "0/2" in of["archives"]
    assert "không có mức giao" in of["tourism"]
    first = [getattr(row, "data-sector") for row in rows][:3]
    assert first == ["shared_systems", "public_services", "work_files"]  # the plan's order


def test_a_target_shows_its_outcome_beside_the_live_figure_with_three_clocks(here):
    text = words(having(here.see(sector.layout, key="public_services"), id="sector-targets"))
    assert "58,0 %" in text and "Không đạt" in text and "29/50 hồ sơ" in text
    assert "6/10" in text and "(60 %)" not in text.split("6/10")[0]  # few: counts come first
    for clock in ("Số liệu đến 08:00", "Thu lúc 08:00", "Trang 08:00"):
        assert clock in text


def test_an_indicator_without_figures_says_why_and_never_stands_blank(here):
    text = here.read(sector.layout, key="public_services")
    assert "Dịch vụ cung cấp có hồ sơ trực tuyến I02a.1 Chưa có nguồn" in text
    pieces = here.see(sector.layout, key="archives")
    text = words(pieces[:1])
    assert "Chưa hệ thống nào của lĩnh vực này được nối. Cần nối hệ thống: Lưu trữ" in text
    assert "Cơ quan chủ quản:" in text
    drawn = {type(piece).__name__ for piece in pieces}
    assert not {"Graph", "Map"} & drawn
    chosen = here.read(sector.layout, key="public_services", indicator="I02a.1")
    assert "chưa hệ thống nào gửi số liệu, nên chưa có biểu đồ" in chosen


def test_the_choice_of_an_indicator_stands_in_the_address_and_draws_trend_and_map(here):
    pieces = here.see(sector.layout, key="public_services", indicator="I02b")
    options = having(pieces, **{"aria-label": "Chỉ số của biểu đồ và bản đồ"})
    on = [link.href for link in walk(options[0]) if getattr(link, "className", "") == "on"]
    assert on == ["/sector/public_services?indicator=I02b"]
    chart = one(pieces, id="sector-trend").figure
    assert chart["data"][0]["y"][-1] == 60.0
    assert "Mức giao từ 60" in chart["layout"]["annotations"][0]["text"]
    assert "29/50" not in words(having(pieces, id="sector-map-list"))
    units = one(pieces, id="sector-map-units").hideout["units"]
    assert units["commune-18880-2025-07-01"][0] == "met" and len(units) == 41
    assert {"6/10", "10/10", "—"} >= {"6/10"} & set(units["commune-18880-2025-07-01"][2].split())


def test_an_indicator_of_a_year_is_drawn_by_years_and_so_is_its_file(here):
    """By months it would be a dot in twelve, and no line at all."""
    pieces = here.see(sector.layout, key="transformation", indicator="I11b")
    chart = one(pieces, id="sector-trend").figure["data"][0]
    assert chart["x"][-2:] == ["2025-01-01", "2026-01-01"] and len(chart["x"]) == 6
    assert chart["y"][-2] == 50.0
    assert "năm 2025" in words(having(pieces, id="sector-trend-table"))
    files = [href for href in hrefs(pieces) if "/values.csv" in href and "indicator=I11b" in href]
    assert any("grain=year&from=2021&to=2026" in href for href in files)
    assert "/indicator/I11b?grain=year" in hrefs(pieces)


def test_the_map_shows_who_reports_communes_today_districts_on_their_last_day(here):
    def drawn(key: str, chosen: str) -> Any:
        pieces = here.see(sector.layout, key=key, indicator=chosen)
        return having(pieces, id="sector-map-units")

    assert len(drawn("staff", "I12a")[0].hideout["units"]) == 41
    districts = drawn("transformation", "I11b")[0].hideout["units"]
    assert sorted(districts) == [f"district-45{n}-0000" for n in (0, 2, 3, 4, 5, 6, 7, 8)]
    assert drawn("transformation", "I11a") == []  # departments have no place


def test_the_newest_records_are_those_of_the_sectors_own_systems(here):
    pieces = here.see(sector.layout, key="public_services")
    cases = having(pieces, id="sector-cases")
    listed = [href for href in hrefs(list(walk(cases[0]))) if href.startswith("/record/")]
    assert len(listed) == sectorsystems.SHOWN
    assert all(href.startswith("/record/public_services/18880-") for href in listed)
    assert "Xem cả 60 bản ghi" in words(cases)
    assert "/records?source=public_services&kind=dossier" in hrefs(list(walk(cases[0])))
    assert words(having(here.see(sector.layout, key="staff"), id="sector-cases")) == ""


def test_the_sources_of_a_sector_tell_their_age_and_their_last_runs(here):
    def card() -> str:
        return words(having(here.see(sector.layout, key="transformation"), id="sector-sources"))

    assert "Nguồn thử transformation số liệu đến" in card().replace("Mới ", "")
    here.world.forward(days=3)
    assert "Nguồn thử transformation Số cũ" in card()
    pieces = here.see(sector.layout, key="transformation")
    assert "/sources/transformation" in hrefs(pieces)


def test_pages_of_figures_lead_to_their_sector(here):
    assert "/sector/public_services" in hrefs(here.see(indicator.layout, key="I02b"))
    assert "/sector/archives" in hrefs(here.see(register.layout))
    assert "/sector" in hrefs(here.see(sector.layout, key="staff"))


def test_an_open_page_is_sent_only_what_changed(here):
    given = {"key": "public_services", "indicator": "I02b"}
    with here.request():
        seen = sector.look("public_services")
        marks = slots.marks(sector.pieces(seen))
        assert sector.draw({}, given, marks)[:-1] == (no_update,) * len(sector.PARTS)
        chart = sectortrend.draw({}, given, None)
        assert sectortrend.draw({}, given, chart[-1])[:2] == (no_update, no_update)
        view = sectormap.look(seen)
        where = sectormap.draw({}, view.given, None)
        assert sectormap.draw({}, view.given, where[-1])[:-1] == (no_update,) * 5
        listed = sectors.draw({}, [{"slot": "sectors", "key": "staff:counts"}], None)
        assert words(listed[0]) == "1 đạt" or "chưa có" in words(listed[0])
    here.world.poll(PORTAL, dossiers("18880", "2026-11-03", 10, 10))
    with here.request():
        again = sector.draw({}, given, marks)
        assert "16/20" in words([again[1]]) and again[2] is no_update
        assert sectortrend.draw({}, given, chart[-1])[0]["data"][0]["y"][-1] == 80.0
        assert sectormap.draw({}, view.given, where[-1])[3] is not no_update


def test_a_page_that_names_no_sector_of_ours_is_refused(here):
    with here.request():
        for given in (None, {}, {"key": "nowhere"}, {"key": "staff", "indicator": "I02b"}):
            with pytest.raises(IocError):
                sector.draw({}, given, None)
        with pytest.raises(IocError):
            sectortrend.draw({}, {"indicator": "X"}, None)

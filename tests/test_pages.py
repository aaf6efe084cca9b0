"""The pages as a reader gets them: exact sentences, outcomes before live figures, no false good."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from dash import no_update
from flask import g

import app as program
from ioc.model import Counts, Rejection
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import acts, health, query
from layouts import (
    assessments,
    indicator,
    lines,
    matrix,
    org_unit,
    orientation,
    projects,
    register,
    search,
    sector,
    sectors,
    shell,
    slots,
    sources,
    state,
    upload,
    view,
    wall,
)
from layouts.wall.legibility import plan
from tests.worlds import (
    DOSSIERS,
    MEETINGS,
    SOURCES,
    STAFF,
    SYSTEMS,
    TRANSFORMATION,
    World,
    at,
    dossiers,
    source,
)
from tests.worlds import share as declared

pytest_plugins = ["tests.worlds"]
SAMPLE = DOSSIERS.model_copy(update={"sample": True})


class Reader:
    """Somebody in front of the pages of one world."""

    def __init__(self, world: World, tmp_path: Any):
        self.world = world
        settings = Settings(data=tmp_path, database_url=world.store.url)
        self.app = program.create_app(settings, world.store)

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request at the world's clock."""
        with self.app.server.test_request_context("/", base_url="http://127.0.0.1"):
            g.principal, g.now = Principal.local_admin(), self.world.now
            yield

    def see(self, layout: Any, **filters: Any) -> list[Any]:
        """All pieces of a page."""
        with self.request():
            return list(walk(layout(**filters)))

    def read(self, layout: Any, **filters: Any) -> str:
        """The words of a page."""
        return words(self.see(layout, **filters)[:1])

    def tile(self, target: str, **filters: Any) -> Any:
        """One tile of the wall."""
        return one(self.see(wall.layout, **filters), **{"data-target": target})


def walk(piece: Any) -> Iterator[Any]:
    yield piece
    children = getattr(piece, "children", None)
    for child in children if isinstance(children, (list, tuple)) else [children]:
        if child is not None:
            yield from walk(child)


def words(pieces: Iterable[Any]) -> str:
    """Every text in reading order, a blank between two pieces."""
    found = [p for piece in pieces for p in walk(piece) if isinstance(p, (str, int, float))]
    return " ".join(map(str, found)).replace("\u00a0", " ")


def having(pieces: Iterable[Any], **attributes: Any) -> list[Any]:
    def fits(piece: Any) -> bool:
        known = piece.to_plotly_json()["props"] if hasattr(piece, "to_plotly_json") else {}
        return all(known.get(name) == value for name, value in attributes.items())

    return [piece for piece in pieces if fits(piece)]


def one(pieces: Iterable[Any], **attributes: Any) -> Any:
    (found,) = having(pieces, **attributes)
    return found


def classes(piece: Any) -> set[str]:
    return set((piece.className or "").split())


@pytest.fixture
def reader(sqlite_world: World, tmp_path: Any) -> Reader:
    """A world with some of everything, once the plan is over."""
    world = sqlite_world.live()
    world.poll(
        DOSSIERS, dossiers("VPUB", "2025-12-01", 50, 29) + dossiers("VPUB", "2026-11-02", 40, 26)
    )
    world.poll(
        SYSTEMS, declared("systems_qualified systems_listed", "VPUB", "2025-12", 20_001, 25_000)
    )
    world.poll(
        SYSTEMS, declared("smart_services_operating smart_services_basic", "VPUB", "2025-12", 4, 5)
    )
    meetings = "meetings_{0}_paperless meetings_{0}_total"
    world.poll(MEETINGS, declared(meetings.format("department"), "VPUB", "2025-12", 80, 100))
    world.poll(MEETINGS, declared(meetings.format("district"), "450", "2025-06", 12, 20))
    for code in ("450", "452", "453", "454", "455", "456", "457", "458"):
        succeeded = int(code in ("450", "457"))
        world.poll(
            TRANSFORMATION,
            declared("districts_dx_succeeded districts_dx_assessed", code, "2025-06", succeeded, 1),
        )
    world.poll(STAFF, declared("staff_with_computer staff_professional", "SYT", "2026-10", 95, 100))
    world.forward(seconds=30)
    for system in (DOSSIERS, MEETINGS, SYSTEMS, TRANSFORMATION, STAFF):
        world.poll(system)
    return Reader(world, tmp_path)


PAGES = {
    "register": (register.layout, {}),
    "wall": (wall.layout, {}),
    "indicator": (indicator.layout, {"key": "I02b"}),
    "without source": (indicator.layout, {"key": "I03"}),
    "org unit": (org_unit.layout, {"uid": "area-qb"}),
    "commune": (org_unit.layout, {"uid": "commune-18880-2025-07-01"}),
    "district": (org_unit.layout, {"uid": "district-450-0000"}),
    "province": (org_unit.layout, {"uid": "province-44-2025-07-01"}),
    "search": (search.layout, {"q": "19207"}),
    "sectors": (sectors.layout, {}),
    "sector": (sector.layout, {"key": "public_services"}),
    "sector without source": (sector.layout, {"key": "archives"}),
    "projects": (projects.layout, {}),
    "orientation": (orientation.layout, {}),
    "sources": (sources.layout, {}),
    "one source": (sources.layout, {"source": "public_services"}),
    "nothing": (shell.not_found, {}),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_figures_are_a_sample_while_a_sample_source_is_loaded(reader, name):
    layout, filters = PAGES[name]
    assert one(reader.see(layout, **filters), id="sample-mark").hidden is True
    health.publish_sources(reader.world.store, [SAMPLE, MEETINGS])
    mark = one(reader.see(layout, **filters), id="sample-mark")
    assert (mark.hidden, mark.children) == (False, "DỮ LIỆU MẪU")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_shows_what_only_programs_say(reader, name):
    layout, filters = PAGES[name]
    found = f" {reader.read(layout, **filters)} ".replace("(", " ").replace(",", " ")
    for word in ("nan", "None", "NaT", "null", "True", "False", "inf", "undefined"):
        assert f" {word} " not in found


def test_an_empty_store_has_pages_too(sqlite_world, tmp_path):
    reader = Reader(sqlite_world, tmp_path)
    for layout, filters in PAGES.values():
        assert reader.read(layout, **filters)


def test_the_register_holds_all_targets_with_their_exact_sentences(reader, catalogue):
    pieces = reader.see(register.layout)
    table = having(pieces, className="register")
    for target in catalogue.targets.values():
        row = one(walk(table[0]), **{"data-target": target.id})
        assert target.sentence in words([row])
        assert target.citation.text in words([row])
    assert len(catalogue.targets) == 20


def test_counts_per_status_cover_the_twenty_rows_and_nothing_adds_them_up(reader):
    pieces = reader.see(register.layout)
    counted = {
        piece.to_plotly_json()["props"]["data-status"]: int(
            piece.to_plotly_json()["props"]["data-count"]
        )
        for piece in having(pieces, className="count")
    }
    assert sum(counted.values()) == 20
    assert counted["no_source"] >= 3
    assert "điểm thông minh" not in words(pieces[:1])


def test_the_outcome_is_the_headline_and_the_live_figure_stands_under_it_in_grey(reader):
    row = one(reader.see(register.layout), **{"data-target": "T02b"})
    text = words([row])
    assert row.to_plotly_json()["props"]["data-status"] == "missed"
    assert "58,0 %" in text and "Không đạt" in text and "29/50 hồ sơ" in text
    assert "còn thiếu 1 hồ sơ để đạt 60 %" in text
    assert text.index("58,0 %") < text.index("65,0 %")
    live = one(walk(row), className="live")
    assert "cao hơn mức 60 %" in words([live])
    assert not any("hue-met" in classes(p) for p in walk(live) if hasattr(p, "className"))


def test_three_clocks_stand_at_a_live_figure(reader):
    row = one(reader.see(register.layout), **{"data-target": "T02b"})
    clocks = words(having(walk(row), className="clocks"))
    assert clocks == "Số liệu đến 08:00 Thu lúc 08:00 Trang 08:00"
    reader.world.forward(hours=1)
    clocks = words(
        having(
            walk(one(reader.see(register.layout), **{"data-target": "T02b"})), className="clocks"
        )
    )
    assert clocks == "Số liệu đến 08:00 Thu lúc 08:00 Trang 09:00"


def test_a_live_figure_past_its_limits_is_marked(reader):
    reader.world.forward(days=3)
    assert "Số cũ" in words([one(reader.see(register.layout), **{"data-target": "T02b"})])
    assert "Số cũ" in words([reader.tile("T02b")])
    assert "Số cũ" in reader.read(indicator.layout, key="I02b")


def test_an_open_target_past_its_limits_is_never_drawn_as_good(sqlite_world, tmp_path):
    world = sqlite_world
    world.now = at("2025-11-20 08:00")
    world.live()
    world.poll(DOSSIERS, dossiers("VPUB", "2025-11-03", 50, 40))
    world.forward(seconds=20)
    world.poll(DOSSIERS)
    reader = Reader(world, tmp_path)
    fresh = reader.tile("T02b")
    assert "muted" not in classes(fresh)
    world.forward(days=2)
    old = reader.tile("T02b")
    assert "muted" in classes(old)
    assert "Số cũ" in words([old])


def test_a_share_just_over_the_line_keeps_the_decimals_that_say_so(reader):
    assert "80,004 %" in words([one(reader.see(register.layout), **{"data-target": "T01"})])
    assert "80,004" in words([reader.tile("T01")])
    assert "80,0 %" not in reader.read(indicator.layout, key="I01")


def test_small_denominators_show_counts_first_everywhere(reader):
    assert "4/5" in words([reader.tile("T10")])
    row = words([one(reader.see(register.layout), **{"data-target": "T10"})])
    assert "4/5" in row and "dịch vụ (80 %)" in row


def test_a_target_of_two_populations_closes_in_two_parts(reader):
    tile = reader.tile("T07a")
    text = words([tile])
    assert "Sở, ban, ngành" in text and "80,0 %" in text
    assert "Cấp huyện" in text and "12/20" in text
    assert "khóa 30/6" in text
    row = words([one(reader.see(register.layout), **{"data-target": "T07a"})])
    assert "cấp huyện: đã khóa 30/6/2025" in row


def test_a_target_that_closed_early_keeps_its_word_muted_with_its_date(reader):
    tile = reader.tile("T11b")
    assert {"muted", "s-met"} <= classes(tile)
    assert "đã khóa 30/6/2025" in words([tile])
    page = reader.read(indicator.layout, key="I11b")
    assert "đã khóa 30/6/2025" in page


def test_two_districts_of_eight_are_told_by_both_readings(reader):
    page = reader.read(indicator.layout, key="I11b")
    assert "2/8" in page
    assert "Đạt nếu “từ 25 %”, không đạt nếu “trên 25 %”." in page
    assert "đang dùng" in page
    assert "Người chọn cách đọc đang dùng: Mặc định của sản phẩm, ngày 22/11/2026." in page


@pytest.mark.parametrize("filters", [{}, {"d": "2", "diag": "98"}])
def test_no_tile_of_a_closed_target_counts_down_or_asks_for_pace(reader, filters):
    text = words(having(reader.see(wall.layout, **filters), className="wall-stage")).lower()
    for word in ("còn lại", "ngày nữa", "/tháng", "tiến độ", "nguy cơ"):
        assert word not in text


def test_the_wall_has_a_tile_for_every_target_with_a_number(reader, catalogue):
    pieces = reader.see(wall.layout)
    tiles = [p for p in pieces if getattr(p, "className", None) and "tile" in classes(p)]
    shown = [p.to_plotly_json()["props"]["data-target"] for p in tiles]
    assert shown == [t.id for t in catalogue.targets.values() if t.threshold is not None]
    assert len(shown) == 16
    hrefs = [next(c.href for c in walk(t) if hasattr(c, "href")) for t in tiles]
    assert all(href.startswith("/indicator/I") for href in hrefs)


def test_only_what_is_not_as_planned_stands_out(reader):
    assert "on-missed" in classes(reader.tile("T02b"))
    met = reader.tile("T01")
    assert not {c for c in classes(met) if c.startswith("on-")}
    coloured = [
        p for p in walk(met) if hasattr(p, "className") and "hue-met" in (p.className or "")
    ]
    assert len(coloured) == 1 and "shape" in classes(coloured[0])


def test_a_target_without_a_source_says_so_and_names_its_level(reader):
    text = words([reader.tile("T03")])
    assert "Chưa có nguồn" in text and "mức giao trên 90 %" in text
    page = reader.read(indicator.layout, key="I03")
    assert "Chưa có nguồn" in page and "không có số không có nghĩa là bằng 0" in page


@pytest.mark.parametrize("name", ["X99", "", "../etc"])
def test_an_address_that_names_nothing_is_answered_with_a_page(reader, name):
    assert "Không có trang này" in reader.read(indicator.layout, key=name)
    assert "Không có trang này" in reader.read(indicator.layout, key="I02b", org_unit="area-999")
    assert "Không có trang này" in reader.read(sources.layout, source="nowhere")
    assert "Không có trang này" in reader.read(org_unit.layout, uid=name)
    assert "Không có trang này" in reader.read(sector.layout, key=name)
    assert "Không có trang này" in reader.read(sector.layout, key="staff", indicator="I02b")


def test_an_indicator_without_a_target_shows_its_newest_month_with_its_clocks(reader):
    reports = source("field_reports", record="field_report")
    world = reader.world
    health.publish_sources(world.store, [*SOURCES, reports])
    answered = [
        replace(item, kind="field_report", state="resolved", due_at=item.closed_at, key=f"pa-{i}")
        for i, item in enumerate(dossiers("450", "2025-05-05", 4, 0))
    ]
    world.poll(reports, answered)
    shown = reader.read(indicator.layout, key="I10.1a")
    assert "Chưa có số liệu." in shown  # May 2025 is older than a year
    recent = [
        replace(item, kind="field_report", state="resolved", due_at=item.closed_at, key=f"m-{i}")
        for i, item in enumerate(dossiers("VPUB", "2026-11-03", 5, 0))
    ]
    world.poll(reports, recent)
    shown = reader.read(indicator.layout, key="I10.1a")
    assert "Hiện nay · tháng 11/2026" in shown and "5/5" in shown
    assert "Thu lúc" in shown


def test_a_month_without_a_report_is_a_gap_and_its_row_says_why(reader):
    pieces = reader.see(indicator.layout, key="I12a")
    chart = one(pieces, id="indicator-trend").figure["data"][0]
    assert chart["y"][-2] == 95.0
    assert set(chart["y"][:-2]) == {None}
    assert "chưa báo cáo" in words(having(pieces, id="indicator-trend-table"))


@pytest.mark.parametrize(
    ("filters", "first", "last", "rows"),
    [
        ({}, "2021-01", "2026-11", 71),
        ({"grain": "quarter"}, "2021-Q1", "2026-Q4", 24),
        ({"from": "2025-07", "to": "2025-12"}, "2025-07", "2025-12", 6),
        ({"grain": "year", "from": "2025-07"}, "2025", "2026", 2),
        ({"grain": "x", "from": "y", "to": "0001"}, "2021-01", "2026-11", 71),
    ],
)
def test_the_history_of_an_address_is_the_one_that_is_drawn(reader, filters, first, last, rows):
    pieces = reader.see(indicator.layout, key="I02b", **filters)
    assert len(one(pieces, id="indicator-trend").figure["data"][0]["y"]) == rows
    links = [p.href for p in pieces if "/values.csv" in (getattr(p, "href", None) or "")]
    assert f"from={first}&to={last}" in links[0]
    kept = [p.href for p in pieces if "level=commune" in (getattr(p, "href", None) or "")]
    for name in ("grain", "from", "to"):
        wanted = rows != 71 and name in filters
        assert (f"{name}=" in kept[0].partition("?")[2]) is wanted
    with reader.request():
        given = {"key": "I02b", **filters}
        assert len(indicator.draw({}, given, None)[1]["data"][0]["y"]) == rows


def test_the_ranking_lists_org_units_without_figures_at_the_end(reader):
    pieces = reader.see(indicator.layout, key="I02b", level="department")
    rows = [p for p in pieces if getattr(p, "className", None) and "rank" in classes(p)]
    assert len(rows) == 14
    empty = ["empty" in classes(row) for row in rows]
    assert empty == sorted(empty)
    assert "29/50" not in words(rows[-1:])


def test_the_frame_of_an_address_holds_for_the_whole_page_and_its_files(reader):
    asked = {"key": "I02b", "level": "department", "frame": "today"}
    pieces = reader.see(indicator.layout, **asked)
    links = [p.href for p in pieces if getattr(p, "href", None)]
    chosen = [p.children for p in pieces if getattr(p, "className", "") == "on"]
    assert "Đơn vị hôm nay" in chosen
    files = [href for href in links if href.startswith("/api/v1/")]
    assert files and all("frame=today" in href for href in files)
    client = reader.app.server.test_client()
    assert all(client.get(f, base_url="http://127.0.0.1").status_code == 200 for f in files)
    # the office closed its year as the one that ended in June and the one that went on
    assert "29/50" in words(one(pieces, id="indicator-ranking").children)
    assert "không so sánh được" in reader.read(indicator.layout, **(asked | {"frame": "plan"}))
    for frame, found in (("today", False), ("", True)):
        office = {"org_unit": "department-VPUB-2025-07-01", "frame": frame}
        shown = reader.see(indicator.layout, key="I02b", **office)
        hrefs = [p.href for p in shown if getattr(p, "href", None)]
        # lineage follows org units as they were: it would explain another figure
        assert any("/lineage" in href for href in hrefs) is found, frame
    other = reader.see(indicator.layout, **(asked | {"frame": "x"}))
    assert "Đơn vị như khi đó" in [p.children for p in other if getattr(p, "className", "") == "on"]


def test_the_pivot_of_a_page_has_the_rows_of_its_file(reader):
    for asked in ({"level": "department"}, {"grain": "month", "from": "2025-11", "to": "2026-02"}):
        pieces = reader.see(indicator.layout, key="I02b", **asked)
        (table,) = [p for p in pieces if getattr(p, "className", "") == "pivot"]
        file, here, book = [
            p.href for p in pieces if "/pivot." in (getattr(p, "href", None) or "")
        ][:3]
        assert here.endswith("decimal=comma") and book == file.replace(".csv", ".xlsx")
        told = reader.app.server.test_client().get(file, base_url="http://127.0.0.1").text
        lines = list(csv.DictReader(io.StringIO(told.lstrip("\ufeff"))))
        drawn = [p for p in walk(table) if type(p).__name__ == "Td" and words([p])]
        assert len(drawn) == len(lines) > 0
        whole = [row for row in lines if row["row"] == "whole"]
        assert whole[-1]["org_unit"] == "area-qb"
        foot = words([p for p in walk(table) if type(p).__name__ == "Tfoot"])
        for row in whole:
            if row["denominator"] not in ("", "0"):
                assert f"{row['numerator']}/{row['denominator']}" in foot
        assert "Các đơn vị khác" in foot and "Cộng các đơn vị liệt kê" in foot


def test_the_file_behind_a_page_answers_with_the_same_question(reader):
    pieces = reader.see(indicator.layout, key="I02b", level="department")
    links = [p.href for p in pieces if getattr(p, "href", None) and p.href.startswith("/api/v1/")]
    assert len(links) == 10  # three tables as CSV, XLSX and JSON; of the pivot a CSV for here
    client = reader.app.server.test_client()
    for href in links:
        assert client.get(href, base_url="http://127.0.0.1").status_code == 200, href
    (values,) = [href for href in links if "values.csv" in href]
    assert "grain=month&from=2021-01&to=2026-11" in values


@pytest.mark.parametrize(
    "name",
    [
        "register",
        "indicator",
        "org unit",
        "district",
        "search",
        "sectors",
        "sector",
        "projects",
        "one source",
    ],
)
def test_a_link_to_a_file_says_how_many_rows_it_will_have(reader, name):
    refused = dossiers("NOWHERE", "2026-11-02", 3, 1)
    reader.world.poll(DOSSIERS, refused, rejected=3)
    layout, filters = PAGES[name]
    client = reader.app.server.test_client()
    files = [
        p for p in reader.see(layout, **filters)
        if getattr(p, "href", None) and p.href.startswith("/api/v1/") and ".csv" in p.href
    ]  # fmt: skip
    assert files
    for file in files:
        lines = client.get(file.href, base_url="http://127.0.0.1").data.count(b"\r\n")
        said = "CSV Excel VN" if "decimal=comma" in file.href else f"CSV · {lines - 1} dòng"
        assert file.children == said, file.href


def test_filters_stand_in_the_address_in_one_order():
    assert state.link("/x", level="commune", org_unit="area-450") == (
        "/x?org_unit=area-450&level=commune"
    )
    assert state.link("/x", level="", on=None) == "/x"
    assert state.link("/x", from_="2021-01", download=1) == "/x?from=2021-01&download=1"


def test_a_callback_sends_only_what_changed(reader):
    with reader.request():
        shown = register.pieces(lines.lines(), matrix.grid())
        cells = [{"slot": "register", "key": f"{name}:live"} for name in ("T02b", "T01")]
        rows = [{"slot": "register-row", "key": "T02b"}]
        first = register.draw({}, cells, rows, {})
        assert first[1] == [shown["T02b:live"], shown["T01:live"]] or words(first[1]) == words([
            shown["T02b:live"],
            shown["T01:live"],
        ])
        assert (first[2], first[3]) == (["s-missed"], ["missed"])
        assert register.draw({}, cells, rows, slots.marks(shown))[:4] == (
            no_update, [no_update] * 2, [no_update], [no_update],
        )  # fmt: skip
    reader.world.poll(DOSSIERS, dossiers("VPUB", "2026-11-03", 10, 10))
    with reader.request():
        second = register.draw({}, cells, rows, slots.marks(shown))
    assert "72,0 %" in words(second[1][:1]).replace(chr(160), " ")
    assert second[1][1] is no_update


def test_callbacks_draw_what_the_first_answer_drew(reader):
    with reader.request():
        given = {"key": "I02b", "org_unit": "", "level": "", "figure": ""}
        drawn = indicator.draw({}, given, None)
        shown = indicator.pieces(view.look({"key": "I02b"}))
        assert words(drawn[:1]) == words([shown["head"]])
        assert drawn[1]["data"] == shown["trend"]["data"]
        board = sources.pieces(sources.board(), whole=False)
        ids = [{"slot": "sources", "key": key} for key in board]
        assert words(sources.draw({}, ids, "", {})[0]) == words(board.values())


def test_the_sources_page_tells_runs_errors_and_rejections(reader):
    world = reader.world
    refused = [
        Rejection("/ho-so?trang=3#7", "mã đơn vị không còn hiệu lực", {"unit": "19207"}, "h1")
    ]
    world.poll(DOSSIERS, refused, rejected=None)
    run = health.begin_run(world.store, "public_services", world.now)
    health.end_run(
        world.store, run, outcome="broken", note="Nguồn trả về trang đăng nhập thay cho số liệu.",
        counts=Counts(), calls=1, bytes=10, response_hash="", now=world.now, completed=False,
    )  # fmt: skip
    card = one(reader.see(sources.layout), **{"data-source": "public_services"})
    text = words([card])
    assert "Nguồn trả về trang đăng nhập thay cho số liệu." in text
    assert "mã đơn vị không còn hiệu lực" in text and "/ho-so?trang=3#7" in text
    blocks = [p for p in walk(card) if getattr(p, "className", None) and "run" in classes(p)]
    assert len(blocks) == 30
    assert "is-bad" in classes(blocks[-1])


def test_the_page_of_a_source_lists_its_items_by_rule_and_offers_no_empty_table(reader):
    world = reader.world
    clean = one(reader.see(sources.layout, source="staff"), **{"data-source": "staff"})
    assert "Không dòng nào bị loại hay nghi ngờ." in words([clean])
    assert "Từng dòng" not in words([clean]) and "rejections.csv" not in repr(clean)
    staff = "staff_with_computer staff_professional"
    for code in ("STP", "SNV25"):
        world.poll(STAFF, declared(staff, code, "2026-10", 104, 100), rejected=2)
    world.poll(STAFF, declared(staff, "SYT", "2026-10", 95, 5000))
    card = one(reader.see(sources.layout, source="staff"), **{"data-source": "staff"})
    text = words([card])
    assert "3 dòng bị loại hoặc nghi ngờ" in text
    first, second = text.index("Nghi ngờ: tăng vọt 1"), text.index("Tử số lớn hơn mẫu số 2")
    assert first < second
    assert "I12a: tử số 104 lớn hơn mẫu số 100" in text and "đơn vị: Sở Tư pháp" in text
    assert "rejections.csv" in repr(card)


def test_types_are_never_smaller_than_can_be_read_and_tiles_give_way_first():
    usual = plan()
    assert (usual.across, usual.down) == (4, 4)
    assert usual.note >= 3.19 and usual.label >= 3.99 and usual.figure >= 5.98
    far = plan(6, 65)
    assert far.tiles <= 6 and far.note >= 4.78
    near = plan(2, 65)
    assert near.tiles == 16 and near.extras == ("clocks", "sentence", "trend")
    for distance in (1, 3, 5, 9, 15):
        for diagonal in (32, 55, 75, 98):
            fit = plan(distance, diagonal)
            height = diagonal * 0.0254 * 9 / 337**0.5
            letter = 0.72 * fit.note / 100 * height
            assert letter / distance >= 0.99 * 0.004654  # 16 minutes of arc


def test_where_not_all_tiles_fit_those_that_need_a_look_come_first(reader):
    pieces = reader.see(wall.layout, d="6")
    tiles = [p for p in pieces if getattr(p, "className", None) and "tile" in classes(p)]
    statuses = [p.to_plotly_json()["props"]["data-status"] for p in tiles]
    assert statuses[0] == "missed"
    assert "trang 1/" in words(pieces[:1])


@pytest.mark.parametrize(
    ("outcome", "told"), [("ok", "không có gì mới"), ("retry", "chưa đọc được")]
)
def test_a_run_that_failed_does_not_say_that_nothing_is_new(outcome, told):
    assert sources._counts({"outcome": outcome}) == told


# ── what people give and say ───────────────────────────────────────────────────────────────


def test_a_figure_by_hand_says_so_on_every_screen_and_leads_to_its_run(reader, tmp_path):
    world = reader.world
    world.give(STAFF, declared("staff_with_computer staff_professional", "SYT", "2026-10", 97, 100),
               tmp_path)  # fmt: skip
    run = (
        f"{query.runs(world.store, Principal.local_admin(), sources=['staff']).frame().run[0]:.0f}"
    )
    unit = world.store.orgunits.resolve("SYT", at("2026-10-31 08:00").date())
    for layout, filters in (
        (register.layout, {}),
        (indicator.layout, {"key": "I12a"}),
        (org_unit.layout, {"uid": unit.uid}),
    ):
        pieces = reader.see(layout, **filters)
        (mark, *_) = having(pieces, className="hand-mark")
        assert "nhập tay" in words([mark])
        assert mark.href == f"/sources/staff?run={run}"
    tile = words([reader.tile("T12a")])
    assert "nhập tay" in tile and "hiện nay" not in tile
    assert "nhập tay (1 đơn vị)" in reader.read(indicator.layout, key="I12a")
    shown = reader.read(sources.layout, source="staff", run=run)
    assert f"Lượt đọc {run}: tệp nhập tay" in shown and "máy tại chỗ" in shown
    assert "Lượt đọc 999999" not in reader.read(sources.layout, source="staff", run="999999")


def test_an_assessment_stands_beside_the_headline_of_a_target_without_a_number(reader):
    world = reader.world
    said = {
        "target": "T12b",
        "indicator": "I12b",
        "judged_on": at("2025-12-31 08:00").date(),
        "verdict": "not_satisfied",
        "words": "Cấp xã chưa tổ chức tập huấn.",
        "evidence": "Báo cáo số 12/BC-SNV",
        "author": "Trần Thị B",
    }
    acts.assess(world.store, Principal.local_admin(), now=world.now, **said)
    world.forward(minutes=1)
    for text in (
        reader.read(register.layout),
        reader.read(indicator.layout, key="I12b"),
        words([reader.tile("T12b", page="2")]),
    ):
        for part in ("Định tính", "Chưa đạt", "Cấp xã chưa tổ chức tập huấn.", "Trần Thị B"):
            assert part in text
    tile = reader.tile("T12b", page="2")
    assert not classes(tile) & {"on-missed", "on-at_risk"}, "words never colour a tile"
    assert "Báo cáo số 12/BC-SNV" in reader.read(indicator.layout, key="I12b")
    assert "Đánh giá" not in reader.read(indicator.layout, key="I02b")


def test_where_people_may_not_write_there_is_no_form_and_its_callback_refuses(reader):
    with reader.request():
        g.principal = Principal("lan", "analyst")
        page = list(walk(indicator.layout(key="I12b")))
        said = assessments.save(1, {"key": "I12b"}, "satisfied", "1/1/2026", "x" * 20, "abc", "abc")
        upload_page = words(upload.layout(source="staff").children)
    assert not having(page, id="assess-save") and "Chỉ người vận hành" in said[0]
    assert "được nộp tệp" in upload_page and "Chọn tệp" not in upload_page
    with reader.request():
        assert having(list(walk(indicator.layout(key="I12b"))), id="assess-save")

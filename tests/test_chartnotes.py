"""What a chart draws besides its values is told under it in words, with the same marks."""

from datetime import date

import pytest

from ioc.orgunits import OrgUnits
from layouts import indicator, view
from layouts.events import reforms
from tests.test_pages import Reader, having, one, walk, words
from tests.worlds import DOSSIERS, at, dossiers

pytest_plugins = ["tests.worlds"]


def reader_of(world, tmp_path, now, *polls) -> Reader:
    """A world on a day, with these dossiers of one office: (day, total, online)."""
    world.now = at(now)
    world.live()
    for day, total, online in polls:
        world.poll(DOSSIERS, dossiers("VPUB", day, total, online))
    world.forward(seconds=20)
    world.poll(DOSSIERS)
    return Reader(world, tmp_path)


@pytest.fixture
def closed(sqlite_world, tmp_path) -> Reader:
    """Past the closing date, with a month and the same month a year before."""
    told = (("2024-12-01", 40, 10), ("2025-12-01", 50, 29))
    return reader_of(sqlite_world, tmp_path, "2026-02-02 08:00", *told)


@pytest.fixture
def running(sqlite_world, tmp_path) -> Reader:
    """While the target is open: 40 % at the end of 2023, 44 % this year, on the way to 60 %."""
    told = (("2023-12-01", 50, 20), ("2024-06-03", 50, 22))
    return reader_of(sqlite_world, tmp_path, "2024-06-30 08:00", *told)


def listed(page) -> dict[str, str]:
    """The list under the chart: what it says, by mark."""
    items = [p for p in walk(one(page, className="events")) if type(p).__name__ == "Li"]
    return {words([item.children[0]]): words([item.children[1]]) for item in items}


def test_what_is_marked_on_the_axis_is_told_in_the_list_and_the_other_way_round(closed):
    page = closed.see(indicator.layout, key="I02b")
    layout = one(page, id="indicator-trend").figure["layout"]
    drawn = {note["text"]: note["x"] for note in layout["annotations"]}
    lines = {shape["x0"] for shape in layout["shapes"] if shape.get("yref") == "paper"}
    told = listed(page)
    assert told["3"] == (
        "01/07/2025: sáp nhập tỉnh; kết thúc cấp huyện; sắp xếp 145 xã, phường, thị trấn;"
        " sở, ban, ngành theo tỉnh mới"
    )
    assert "01/03/2025: sáp nhập 14 sở, ban, ngành" in told.values()
    assert told["chốt"] == "31/12/2025: ngày chốt của chỉ tiêu"
    for mark, said in told.items():
        day, month, year = said[:10].split("/")
        written = "chốt 31/12/2025" if mark == "chốt" else mark
        assert drawn[written] == f"{year}-{month}-{day}" and drawn[written] in lines
    assert len(drawn) == len(told) + 1  # and the level of the target


def test_what_is_dated_outside_the_chart_is_neither_drawn_nor_listed(closed):
    page = closed.see(indicator.layout, key="I02b", **{"from": "2025-08", "to": "2025-12"})
    assert list(listed(page)) == ["chốt"]
    notes = one(page, id="indicator-trend").figure["layout"]["annotations"]
    assert not [note for note in notes if note["text"].isdecimal()]


def test_reforms_are_read_from_the_org_units():
    days = [event.day for event in reforms(OrgUnits.load().values())]
    assert days == [date(2024, 12, 1), date(2025, 3, 1), date(2025, 7, 1)]


def test_the_table_of_the_chart_has_the_same_period_of_last_year(closed):
    page = closed.see(indicator.layout, key="I02b")
    table = [p for p in walk(one(page, id="indicator-trend-table")) if type(p).__name__ == "Tr"]
    december = next(words([row]) for row in table if "tháng 12/2025" in words([row]))
    assert "58,0 %" in december and "25,0 %" in december
    before = one(page, id="indicator-trend").figure["data"][1]
    assert before["y"][before["x"].index("2025-12-01")] == 25.0
    assert "cùng kỳ năm trước" in words(having(page, id="indicator-notes"))


def test_an_open_target_shows_its_pace_with_the_formula_and_the_gap(running):
    page = running.see(indicator.layout, key="I02b")
    line = one(page, id="indicator-trend").figure["data"][-1]
    assert (line["x"], line["y"]) == (["2023-12-31", "2025-12-31"], [40.0, 60.0])
    told = words(having(page, id="indicator-notes"))
    assert "thẳng từ 40,0 % ngày 31/12/2023 đến 60 % ngày 31/12/2025" in told
    assert "mốc đầu + (mức giao − mốc đầu) ×" in told
    # 182 of 731 days: 45,0 % are asked; 16 points in 18 months
    assert "Đến 30/06/2024 cần 45,0 %, đang thấp hơn 1,0 điểm" in told
    assert "cần +0,9 điểm/tháng" in told


def test_a_closed_target_has_no_pace(closed):
    with closed.request():
        seen = view.look({"key": "I02b"})
        assert indicator.chartnotes.pace(seen) == []
    assert "tiến độ" not in words(having(closed.see(indicator.layout, key="I02b"),
                                         id="indicator-notes"))  # fmt: skip

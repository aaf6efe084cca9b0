"""What pages and files say of an indicator whose formula changed."""

import csv
import io

import pytest

from kpi.store import open_store
from layouts import definitions, indicator, lineage, record
from tests.test_chartnotes import listed
from tests.test_dated_definitions import MARK, ids, online, renewed
from tests.test_pages import Reader, one, walk, words
from tests.worlds import DOSSIERS, World, at, with_sources


@pytest.fixture
def reader(tmp_path, orgunits):
    """February 2026: the year 2025 is closed, its second half by the new formula of I02b."""
    url = f"sqlite:///{tmp_path}/kpi.sqlite"
    store = open_store(url, with_sources(renewed(tmp_path)), orgunits)
    world = World(store, at("2024-01-10 08:00")).live()
    for month in ("2024-08", "2025-06", "2025-07", "2025-08", "2026-01"):
        world.now = at(f"{month}-20 08:00")
        world.poll(DOSSIERS, online(month, 10, 4))
    world.now = at("2026-02-10 08:00")
    world.poll(DOSSIERS)
    world.forward(minutes=5)
    yield Reader(world, tmp_path)
    store.close()


def plain(said: str) -> str:
    """Words with one blank between them."""
    return " ".join(said.split())


def get(reader, address: str):
    """An answer of a data address at the world's clock."""
    with reader.app.server.test_client() as client:
        answer = client.get(f"/api/v1/{address}", base_url="http://127.0.0.1")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer


def test_files_and_json_name_the_definition_that_computed_each_row(reader):
    old, new = ids(reader.world)
    asked = "indicator=I02b&grain=month&from=2025-06&to=2025-07"
    said = list(csv.DictReader(io.StringIO(get(reader, f"values.csv?{asked}").text)))
    assert [(row["period"], row["value"], row["definition"]) for row in said] == [
        ("2025-06", "20", old),
        ("2025-07", "50", new),
    ]
    told = get(reader, f"values.json?{asked}").json["rows"]
    assert [row["definition"] for row in told] == [old, new]
    manifest = get(reader, f"values.csv?{asked}&manifest=1").json
    assert manifest["definitions"] == sorted([old, new])
    (year,) = get(reader, "values.json?indicator=I02b&grain=year&from=2025&to=2025").json["rows"]
    assert (year["definition"], year["mark"]) == (new, MARK)
    (row,) = get(reader, "indicators.json?indicator=I02b&on=2025-06-30").json["rows"]
    assert (row["definition_version"], row["definitions"]) == (old, f"{old};2025-07-01 {new}")


def test_the_page_marks_the_day_and_draws_no_line_across_it(reader):
    old, new = ids(reader.world)
    page = reader.see(indicator.layout, key="I02b")
    said = [line for line in listed(page).values() if "định nghĩa đổi" in line]
    assert said == [f"01/07/2025: định nghĩa đổi; kỳ kết thúc từ ngày này tính theo bản {new}"]
    chart = one(page, id="indicator-trend").figure
    notes = [note["text"] for note in chart["layout"]["annotations"]]
    assert "3, 4" in notes and not {"3", "4"} & {*notes}  # a reform on the same day
    drawn = chart["data"][0]
    at_ = drawn["x"].index("2025-07-01")
    assert drawn["y"][at_ - 1 : at_ + 2] == [20, None, 50]
    assert drawn["x"][at_ + 1] == "2025-07-01" and len(drawn["x"]) == len(drawn["text"])
    # August 2024 was by the other formula: nothing stands beside August 2025
    table = one(page, id="indicator-trend-table")
    august = next(
        words([row]) for row in walk(table)
        if type(row).__name__ == "Tr" and "tháng 8/2025" in words([row])
    )  # fmt: skip
    assert "50" in august and "20,0" not in august
    assert MARK in words([one(page, id="indicator-head")]).replace("Tính", "tính")
    card = plain(words(page[:1]))
    for word in ("Các phiên bản", f"Từ 01/07/2025 · {new}", f"Từ đầu · {old}", "ngày cuối kỳ"):
        assert word in card, word


def test_the_year_of_the_change_has_its_note(reader):
    page = reader.see(indicator.layout, key="I02b", grain="year")
    table = one(page, id="indicator-trend-table")
    row = next(
        words([row]) for row in walk(table)
        if type(row).__name__ == "Tr" and "năm 2025" in words([row])
    )  # fmt: skip
    assert MARK in row
    assert f"năm 2025 {MARK}" in words([one(page, id="indicator-pivot")])


def test_the_register_of_definitions_lists_all_of_them(reader):
    old, new = ids(reader.world)
    page = reader.see(definitions.layout)
    entry = plain(words([one(page, id="I02b")]))
    assert f"Từ 01/07/2025 · {new}" in entry and f"Từ đầu · {old}" in entry
    assert "Số hồ sơ nộp trực tuyến toàn trình và trả kết quả điện tử" in entry
    assert "Các phiên bản" not in words([one(page, id="I02a")])


def test_lineage_and_records_go_by_the_definition_of_their_period(reader):
    old, new = ids(reader.world)
    june, july = (
        reader.read(lineage.layout, indicator="I02b", org_unit="area-qb", to=month)
        for month in ("2025-06", "2025-07")
    )
    assert old in june and "4 Số hồ sơ nộp trực tuyến toàn trình và trả kết quả" in june
    assert new in july and "10 Số hồ sơ nộp trực tuyến toàn trình" in july
    # handed in online, answered on paper: no numerator in June, one in July
    for month, counts in (("2025-06", False), ("2025-07", True)):
        page = reader.read(record.layout, source=DOSSIERS.id, key=f"STP-{month}-05-7")
        assert ("tử số" in page.split("Được tính vào")[1]) is counts

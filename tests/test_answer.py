"""Why a target stands as it does, since when and who must act: the first card and its sentence."""

import csv
import io
from datetime import date
from fractions import Fraction
from urllib.parse import parse_qs, urlsplit

import pytest

from kpi import pace
from kpi.targets import Rule
from layouts import answercard, indicator, lineage, pulls, ranking, register, view
from layouts.lines import Line, Part
from layouts.sentence import says
from tests.test_pages import Reader, classes, having, one, walk, words
from tests.worlds import DOSSIERS, MEETINGS, at, dossiers, share

pytest_plugins = ["tests.worlds"]
CLOSES = date(2025, 12, 31)
TOLD = "Đến 31/12/2025: "


def told(over, under, *, operator=">", threshold=80.0, judged="stock_at_date", closing=True):
    """The sentence of a target with these counts, as the store would hand them over."""
    missing = pace.missing_count(operator, over, under, 100, threshold)
    row = {
        "operator": operator,
        "missing_count": float("nan") if missing is None else missing,
        "unit": "%",
        "closing_status": "missed" if closing else "",
        "data_as_of": at("2026-01-01 00:00"),
        ("closing_numerator" if closing else "numerator"): over,
        ("closing_denominator" if closing else "denominator"): under,
    }
    target = {"operator": operator, "threshold": threshold, "judged_over": judged}
    part = Part("I01", "", "", "hệ thống", "area", CLOSES, row)
    return says(Line(target, row, (part,), "", False), part).replace("\u00a0", " ")


# ── the sentence ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((392, 500), "78,4 % (392/500 hệ thống), còn thiếu 9 hệ thống để vượt 80 %."),
        ((400, 500), "80,0 % (400/500 hệ thống), còn thiếu 1 hệ thống để vượt 80 %."),
        ((401, 500), "80,2 % (401/500 hệ thống)."),
        ((4, 5), "4/5 hệ thống (80 %), còn thiếu 1 hệ thống để vượt 80 %."),
        ((0, 0), "mẫu số bằng 0, không có tỷ lệ."),
        ((float("nan"), float("nan")), "chưa có số chốt."),
    ],
)
def test_the_sentence_says_until_when_how_many_and_what_is_missing(given, expected):
    assert told(*given) == TOLD + expected


def test_what_is_exactly_at_a_threshold_that_may_be_met_lacks_nothing():
    assert told(400, 500, operator=">=") == TOLD + "80,0 % (400/500 hệ thống)."


def test_an_open_flow_says_what_it_takes_for_granted_and_until_when_its_data_go():
    flow = told(392, 500, judged="calendar_year", closing=False)
    assert flow.endswith("còn thiếu 9 hệ thống để vượt 80 %, nếu mẫu số không đổi.")
    assert flow.startswith(TOLD)  # the midnight of 1 January closes the day before
    assert "nếu mẫu số" not in told(392, 500, closing=False)
    assert "nếu mẫu số" not in told(392, 500, judged="calendar_year")


def test_one_sentence_for_the_register_and_the_page(reader):
    expected = "Đến 31/12/2025: 58,0 % (29/50 hồ sơ), còn thiếu 1 hồ sơ để đạt 60 %."
    row = one(reader.see(register.layout), **{"data-target": "T02b"})
    assert expected in words([row])
    (said,) = having(reader.see(indicator.layout, key="I02b"), className="answer-says")
    assert words([said]) == expected


# ── since when ─────────────────────────────────────────────────────────────────────────────

RULE = Rule(">=", 60.0, None)
PLAN = {"baseline_date": date(2023, 12, 31), "baseline_value": 0, "closing_date": CLOSES}


def since(*shares):
    """The first month behind, of the months of 2024 on with these shares of a hundred."""
    days = [date(2024, month, 28) for month in range(1, 1 + len(shares))]
    values = [(day, at, None if at is None else 100) for day, at in zip(days, shares, strict=True)]
    found = pace.behind_since(values, RULE, **PLAN)
    return found.month if found else None


def test_a_run_below_the_pace_begins_with_its_first_month():
    assert since(9, 9, 1, 2, 3) == 3  # the pace asks for 2,3 … 12,2
    assert since(0, 0, 0) == 1


def test_a_month_that_kept_pace_begins_the_run_anew():
    assert since(0, 0, 50, 0, 0) == 4


def test_whoever_keeps_pace_now_is_not_behind():
    assert since(0, 0, 50) is None
    assert since() is None and since(None, None) is None


def test_an_unknown_month_neither_begins_nor_breaks_a_run():
    assert since(9, 0, None, 0, None) == 2
    assert since(None, 0) == 2


def test_days_of_the_baseline_and_after_the_closing_date_are_not_judged():
    early = [(date(2023, 12, 31), 0, 100), (date(2024, 2, 28), 0, 100), (date(2026, 1, 31), 99, 1)]
    assert pace.behind_since(early, RULE, **PLAN) == date(2024, 2, 28)
    assert pace.behind_since(early, Rule("qualitative", None, None), **PLAN) is None


def test_an_open_target_says_since_which_month_it_is_behind(sqlite_world, tmp_path):
    world = sqlite_world
    world.now = at("2024-06-20 08:00")
    world.live()
    for day, online in (("2021-12-20", 0), ("2024-03-15", 30), ("2024-05-15", 1)):
        world.poll(DOSSIERS, dossiers("VPUB", day, 50, online))
    world.forward(seconds=20)
    world.poll(DOSSIERS)
    reader = Reader(world, tmp_path)
    with reader.request():
        seen = view.look({"key": "I02b"})
        assert seen.status in ("off_track", "at_risk")
        days = answercard.behind(seen)
        shown = words(walk(answercard.card(seen)))
    # of the year so far: 60 % in March and April, 31 of 100 in May: 38 % were asked by then
    assert days == [date(2024, 5, 31)], "June has no figure of its own yet"
    assert "Từ tháng 5/2024" in shown and "1 tháng có số liệu liên tiếp" in shown


def test_a_month_without_a_figure_is_not_named(sqlite_world, tmp_path):
    world = sqlite_world
    world.now = at("2024-06-20 08:00")
    world.live()
    for day, total, online in (("2021-12-20", 50, 0), ("2024-05-15", 200, 73)):
        world.poll(DOSSIERS, dossiers("VPUB", day, total, online))
    world.forward(seconds=20)
    world.poll(DOSSIERS)
    reader = Reader(world, tmp_path)
    with reader.request():
        seen = view.look({"key": "I02b"})
        assert seen.status == "at_risk", "36,5 % were enough on 31 May, 37 % are asked on 20 June"
        assert answercard.behind(seen) == []
        shown = words(walk(answercard.card(seen)))
    assert "tháng 6/2024" not in shown
    assert "Từ sau tháng 5/2024" in shown and "Không dưới đường tiến độ" not in shown


# ── which units, who, where to read on ─────────────────────────────────────────────────────


@pytest.fixture
def reader(sqlite_world, tmp_path) -> Reader:
    """Dossiers of several offices and areas at the close of 2025, and of another share since."""
    world = sqlite_world.live()
    for code, total, online in (("VPUB", 20, 19), ("450", 10, 6), ("452", 4, 0), ("453", 6, 0)):
        world.poll(DOSSIERS, dossiers(code, "2025-05-05", total, online))
    world.poll(DOSSIERS, dossiers("SYT", "2025-08-05", 10, 4))
    world.poll(DOSSIERS, dossiers("VPUB", "2026-10-02", 40, 40))
    meetings = "meetings_district_paperless meetings_district_total"
    for month, over in (("2025-03", 5), ("2025-06", 7)):
        world.poll(MEETINGS, share(meetings, "450", month, over, 10))
    world.forward(seconds=30)
    for system in (DOSSIERS, MEETINGS):
        world.poll(system)
    return Reader(world, tmp_path)


def rows_of(reader, href) -> list[dict[str, str]]:
    """The rows of a data address."""
    body = reader.app.server.test_client().get(href, base_url="http://127.0.0.1").get_data()
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("level", ["area", "department", "district"])
def test_the_units_that_pull_down_most_are_those_of_the_file_by_arithmetic(reader, level):
    page = reader.see(indicator.layout, key="I02b", level=level)
    (href,) = [p.href for p in page if "/standings.csv" in (getattr(p, "href", None) or "")]
    lacking = []
    for row in rows_of(reader, href):
        head = "" if level == "district" else "closing_"  # districts ended before it closed
        over, under = row[f"{head}numerator"], row[f"{head}denominator"]
        if row["indicator"] and row["org_unit"] != "area-qb" and under:
            gap = Fraction(row["threshold"]) * Fraction(under) / 100 - Fraction(over)
            if gap > 0:
                lacking.append((-gap, row["code"], row["org_unit"], under))
    pulls = [p for p in page if getattr(p, "data-gap", None)]
    assert [getattr(p, "data-unit") for p in pulls] == [unit for *_, unit, _ in sorted(lacking)][:3]
    for pull, (_, _, unit, under) in zip(pulls, sorted(lacking), strict=False):
        (linked,) = [p.href for p in walk(pull) if getattr(p, "href", None)]
        assert parse_qs(urlsplit(linked).query)["org_unit"] == [unit]
        assert f"n {under}" in words([pull])
    assert len(pulls) == {"area": 2, "department": 1, "district": 2}[level]


def test_an_area_names_what_is_below_it(reader):
    page = reader.see(indicator.layout, key="I02b", org_unit="area-452")
    found = [getattr(p, "data-unit") for p in page if getattr(p, "data-gap", None)]
    assert found == ["district-452-0000"]


def test_areas_stand_beside_what_the_departments_lack(reader):
    """Areas lack 3 and 4 of their own, the department of health 2 more."""
    (told,) = having(reader.see(indicator.layout, key="I02b"), className="under pulls-elsewhere")
    assert words([told]).startswith(
        "Sở, ban, ngành thiếu 2 trong 9 hồ sơ mà các đơn vị còn thiếu;"
        " nhiều nhất: Sở Y tế (thiếu 2)."
    )
    other = reader.see(indicator.layout, key="I02b", level="department")
    assert not having(other, className="under pulls-elsewhere")


def test_what_is_missing_in_no_unit_of_a_level_lies_outside_them():
    one = ranking.Rank("x", "X", "X", 3, 3, 100.0, 1, "", "2025", Fraction(-1))
    assert pulls._outside((3, 5), [one]) == (0, 2)
    assert pulls._outside((3, 3), [one]) is None
    assert pulls._outside((2, 5), [one]) is None  # they do not add up
    assert pulls._outside((float("nan"), 5), [one]) is None


def test_a_missed_target_also_says_since_when_it_had_been_behind(reader):
    reader.world.poll(DOSSIERS, dossiers("VPUB", "2021-12-20", 50, 10))
    reader.world.forward(seconds=30)
    reader.world.poll(DOSSIERS)
    (told,) = having(reader.see(indicator.layout, key="I02b"), className="under behind-since")
    # 58 % since August; from 20 % to 60 % the pace asks for 56,7 in August, 58,3 in October
    assert words([told]) == "Đến lúc chốt đã dưới đường tiến độ từ sau tháng 8/2025"
    reader.world.poll(DOSSIERS, dossiers("STP", "2025-11-05", 50, 28))
    reader.world.forward(seconds=30)
    reader.world.poll(DOSSIERS)
    (told,) = having(reader.see(indicator.layout, key="I02b"), className="under behind-since")
    assert words([told]) == "Đến lúc chốt đã dưới đường tiến độ từ tháng 11/2025"


def test_a_gap_is_filled_by_whole_cases_and_a_strict_one_by_one_more():
    assert ranking.gap(392, 500, 80) == 8
    assert ranking.cases(Fraction(8), ">") == 9 and ranking.cases(Fraction(8), ">=") == 8
    assert ranking.cases(Fraction(1, 2), ">=") == 1 and ranking.cases(Fraction(-3), ">") == 0
    assert ranking.gap(1, 0, 80) is None and ranking.gap(1, 2, float("nan")) is None


@pytest.mark.parametrize(("key", "shown"), [("I02b", "58,0 %"), ("I07b", "60,0 %")])
def test_the_lineage_of_a_closed_target_is_that_of_its_closing_figure(reader, key, shown):
    """Also of a year that closed early: its months, not the whole year."""
    page = reader.see(indicator.layout, key=key)
    (to,) = [p.href for p in page if "to-lineage" in classes_of(p)]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(to).query).items()}
    wanted = {"I02b": ("", "2025"), "I07b": ("2025-01", "2025-06")}[key]
    assert (asked.get("from", ""), asked["to"]) == wanted
    with reader.request():
        head = having(walk(indicator.head(view.look({"key": key}))), className="figure")
    there = [p for p in reader.see(lineage.layout, **asked) if "lineage-value" in classes_of(p)]
    over, under = {"I02b": (29, 50), "I07b": (12, 20)}[key]
    assert f"{over}/{under}" in words(having(page, className="answer-says"))
    assert words(there) == {"I02b": "58,0 %", "I07b": "60 %"}[key] and head
    body = words(reader.see(lineage.layout, **asked)[:1])
    assert f" {over} " in body and f" {under} " in body


def classes_of(piece):
    return classes(piece) if getattr(piece, "className", None) else set()


def test_the_records_of_a_closed_target_are_those_of_its_closing_figure(reader):
    page = reader.see(indicator.layout, key="I02b")
    (to,) = [p.href for p in page if "to-records" in classes_of(p)]
    assert "from=2025&to=2025" in to
    live = one(page, className="under live-ways")
    assert all("2026" in p.href for p in walk(live) if getattr(p, "href", None))


def test_the_owner_is_the_one_that_answers_on_the_day_and_the_others_are_named(reader):
    page = reader.see(indicator.layout, key="I02b")
    assert words(having(page, className="answer-owner")) == "Văn phòng Ủy ban nhân dân tỉnh"
    assert "Sở Khoa học và Công nghệ" in words(having(page, className="under co-owners"))
    assert not having(page, className="under escalation")
    merged = words(walk(answercard_of(reader, "I01")))
    assert "Sở Khoa học và Công nghệ" in merged
    assert "nhận việc của Sở Thông tin và Truyền thông" in merged


def answercard_of(reader, key):
    with reader.request():
        return answercard.card(view.look({"key": key}))


def test_whom_to_turn_to_is_shown_once_the_plan_names_somebody(reader):
    targets = reader.world.store.catalogue.targets
    object.__setattr__(targets["T02b"], "escalation", "Phó Chánh Văn phòng, 0232 000 000")
    assert "liên hệ: Phó Chánh Văn phòng" in words(walk(answercard_of(reader, "I02b")))


# ── the ranking ────────────────────────────────────────────────────────────────────────────


def ranked(reader, **filters):
    """The org units of a ranking in its order, and their classes."""
    page = reader.see(indicator.layout, key="I02b", **filters)
    rows = [p for p in page if "rank" in classes_of(p)]
    return [(getattr(row, "data-unit"), "empty" in classes_of(row)) for row in rows], rows


def test_a_ranking_is_sorted_as_its_address_says(reader):
    worst, _ = ranked(reader)
    assert [unit for unit, empty in worst if not empty] == [
        "area-452", "area-453", "area-qb", "area-450",
    ]  # fmt: skip
    assert [empty for _, empty in worst] == sorted(empty for _, empty in worst)
    most, _ = ranked(reader, sort="missing", level="department")
    share_first, _ = ranked(reader, level="department")
    names, _ = ranked(reader, sort="name")
    assert most != names and {unit for unit, _ in names} == {unit for unit, _ in worst}
    assert share_first
    with reader.request():
        units = ranking.ranks(view.look({"key": "I02b"}), "area", closing=True).units
    gaps = [one.gap for one in ranking.order(units, "missing") if not one.absent]
    assert gaps == sorted(gaps, reverse=True)
    known = [one.name for one in ranking.order(units, "name") if not one.absent]
    assert known == ["Địa bàn Đồng Hới (cũ)", "Địa bàn Minh Hóa (cũ)",
                     "Địa bàn tỉnh Quảng Bình (cũ)", "Địa bàn Tuyên Hóa (cũ)"]  # fmt: skip


def test_the_order_of_a_ranking_stands_in_the_address(reader):
    page = reader.see(indicator.layout, key="I02b", sort="missing")
    kept = [p.href for p in page if "level=commune" in (getattr(p, "href", None) or "")]
    assert "sort=missing" in kept[0]


def test_a_ranking_tells_n_and_coverage_and_why_a_unit_has_no_figure(reader):
    _, rows = ranked(reader)
    by_unit = {getattr(row, "data-unit"): words([row]) for row in rows}
    assert "0/4" in by_unit["area-452"] and "100 %" in by_unit["area-452"]
    silent = [told for told in by_unit.values() if "—" in told and "mẫu số bằng 0" in told]
    assert silent


def test_an_indicator_without_a_target_has_a_ranking_too(reader):
    from layouts.view import View

    with reader.request():
        seen = view.look({"key": "I02b"})
        bare = View(**{f: getattr(seen, f) for f in seen.__slots__} | {
            "line": None, "part": None, "latest": {"period": "2025-05"}})  # fmt: skip
        found = ranking.ranks(bare, "area", closing=False).units
        drawn = words(walk(ranking.ranking(bare)))
    assert {one.org_unit: (one.over, one.under) for one in found}["area-450"] == (6, 10)
    assert "6/10" in drawn and "60 %" in drawn


def test_the_definition_names_owner_co_owners_validity_version_and_both_readings(reader):
    page = reader.see(indicator.layout, key="I02b")
    facts = {words([p.children[0]]): words([p.children[1]]) for p in page
             if type(p).__name__ == "Div" and isinstance(p.children, list) and len(p.children) == 2
             and type(p.children[0]).__name__ == "Dt"}  # fmt: skip
    assert facts["Chủ trì"] == "Văn phòng Ủy ban nhân dân tỉnh"
    assert facts["Phối hợp"] == "Sở Khoa học và Công nghệ"
    assert facts["Hiệu lực"] == "từ 01/01/2021"
    assert (facts["Cách đọc"], facts["Cách đọc thứ hai"]) == ("từ 60 %", "trên 60 %")
    assert {"Công thức", "Loại trừ", "Nguyên văn", "Căn cứ", "Phiên bản"} <= set(facts)

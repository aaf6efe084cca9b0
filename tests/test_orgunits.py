"""Org units through the reforms of 12/2024, 03/2025 and 07/2025."""

import csv
import shutil
import unicodedata
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ioc.orgunits
from ioc.errors import ConfigError, UnknownOrgUnit
from ioc.orgunits import OrgUnits, fold
from ioc.unitfiles import FOLDER

UNITS = OrgUnits.load()
BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)
DATES = st.dates(date(2021, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize(
    ("day", "communes", "districts", "departments"),
    [
        (date(2021, 1, 1), 151, 8, 21),
        (date(2024, 11, 30), 151, 8, 21),
        (date(2024, 12, 1), 145, 8, 21),
        (date(2025, 2, 28), 145, 8, 21),
        (date(2025, 3, 1), 145, 8, 14),
        (BEFORE, 145, 8, 14),
        (AFTER, 41, 0, 14),
        (date(2026, 11, 22), 41, 0, 14),
    ],
)
def test_each_epoch_has_its_authorities(day, communes, districts, departments):
    assert len(UNITS.population("commune", day)) == communes
    assert len(UNITS.population("district", day)) == districts
    assert len(UNITS.population("department", day)) == departments
    assert len(UNITS.population("area", day)) == 9


def test_only_departments_of_the_province_are_a_population():
    groups = {unit.group for unit in UNITS.open_on(BEFORE, ["department"])}
    assert groups == {"so_ban_nganh", "nganh_doc", "doanh_nghiep"}
    assert {unit.group for unit in UNITS.population("department", BEFORE)} == {"so_ban_nganh"}


def test_foreign_affairs_is_missing_between_its_two_rows():
    codes = {unit.code for unit in UNITS.population("department", BEFORE)}
    assert "SNGV" not in codes
    assert "SNGV" in {unit.code for unit in UNITS.population("department", AFTER)}
    assert UNITS.owner("SNGV", date(2025, 2, 28)).uid == "department-SNGV-2021-01-01"
    assert UNITS.owner("SNGV", date(2025, 3, 1)) is None
    assert UNITS.owner("SNGV", AFTER).uid == "department-SNGV-2025-07-01"
    assert UNITS["department-SNGV-2021-01-01"].successor is None
    assert UNITS.at("department-SNGV-2021-01-01", AFTER) == ("rest-area-qb", True)


def test_every_closed_commune_has_exactly_one_whole_successor_in_its_area():
    closed = [u for u in UNITS.values() if u.level == "commune" and u.closed]
    assert len(closed) == 156
    for unit in closed:
        heir = UNITS[unit.successor]
        assert heir.opened == unit.closed + timedelta(days=1)
        assert (heir.level, heir.area) == ("commune", unit.area)
    merged = Counter(unit.closed for unit in closed)
    assert merged == {date(2024, 11, 30): 11, BEFORE: 145}


def test_codes_are_handed_on_as_the_resolutions_of_2024_and_2025_say():
    chain = {"18910": "18919", "19048": "19063", "19120": "19123", "19195": "19198"}
    for old, new in {**chain, "19201": "19207"}.items():
        heir = UNITS.at(UNITS.resolve(old, date(2024, 11, 30)).uid, date(2024, 12, 1))[0]
        assert UNITS[heir].code == new


@given(DATES)
def test_areas_partition_the_communes_on_every_date(day):
    communes = [unit.uid for unit in UNITS.population("commune", day)]
    areas = UNITS.children("area-qb", day)
    inside = [u for area in areas for u in UNITS.children(area, day) if u.startswith("commune")]
    assert len(areas) == 8
    assert sorted(inside) == sorted(communes)


def test_a_code_that_was_used_again_means_the_unit_of_its_date():
    names = [
        UNITS[UNITS.resolve("19207", day).uid].name
        for day in (date(2024, 11, 30), date(2024, 12, 1), BEFORE, AFTER)
    ]
    assert names == ["Xã Lương Ninh", "Thị trấn Quán Hàu", "Thị trấn Quán Hàu", "Xã Quảng Ninh"]
    assert not UNITS.resolve("19207", AFTER).old_code


def test_quan_hau_kept_its_name_but_not_its_code():
    assert [unit.name for unit in UNITS.coded("19207")] == [
        "Xã Lương Ninh", "Thị trấn Quán Hàu", "Xã Quảng Ninh",
    ]  # fmt: skip
    assert UNITS.at("commune-19201-0000", date(2024, 12, 1)) == ("commune-19207-2024-12-01", False)


def test_a_closed_code_is_taken_for_twelve_months_and_reported_as_old():
    taken = UNITS.resolve("18910", date(2025, 11, 30))
    assert (taken.uid, taken.old_code) == ("commune-18919-2025-07-01", True)
    assert UNITS.resolve("18910", date(2025, 1, 1)).uid == "commune-18919-2024-12-01"
    with pytest.raises(UnknownOrgUnit, match=r"đã quá 12 tháng; dùng mã của Xã Tân Thành"):
        UNITS.resolve("18910", date(2025, 12, 1))


def test_a_department_code_of_before_the_merger_is_taken_as_old():
    taken = UNITS.resolve("STTTT", date(2025, 8, 1))
    assert (taken.uid, taken.old_code) == ("department-SKHCN25-2025-07-01", True)


@pytest.mark.parametrize(
    ("code", "day", "reason"),
    [
        ("99999", BEFORE, "không có trong danh mục"),
        ("450", AFTER, "không có một đơn vị kế thừa"),
        ("UBND-450", AFTER, "không có một đơn vị kế thừa"),
        ("SNGV", date(2025, 4, 1), "không có một đơn vị kế thừa"),
        ("SNV25", date(2025, 2, 28), "chỉ có hiệu lực từ 01/03/2025"),
        ("44", BEFORE, "số liệu phải ghi cho"),
        ("QB", BEFORE, "số liệu phải ghi cho"),
        ("A450", AFTER, "số liệu phải ghi cho"),
        ("rest-area-450", AFTER, "số liệu phải ghi cho"),
        ("", BEFORE, "không có trong danh mục"),
    ],
)
def test_what_means_no_authority_is_refused_with_its_reason(code, day, reason):
    with pytest.raises(UnknownOrgUnit, match=reason):
        UNITS.resolve(code, day)


def test_a_peoples_committee_is_another_name_of_its_district():
    assert UNITS.resolve("UBND-450", BEFORE) == UNITS.resolve("450", BEFORE)
    assert UNITS.resolve("department-UBND-450-2021-01-01", BEFORE).uid == "district-450-0000"
    assert not any("UBND-" in uid for uid in UNITS)
    assert UNITS.owner("UBND-450", BEFORE).uid == "district-450-0000"


def test_a_uid_is_a_code_too_and_spaces_around_a_code_do_not_matter():
    assert UNITS.resolve("commune-19207-0000", date(2024, 1, 1)).uid == "commune-19207-0000"
    assert UNITS.resolve(" 19207 ", date(2024, 1, 1)).uid == "commune-19207-0000"


def test_an_event_counts_in_the_successor_open_on_its_date():
    assert UNITS.at("commune-18910-0000", date(2024, 11, 30)) == ("commune-18910-0000", False)
    assert UNITS.at("commune-18910-0000", BEFORE) == ("commune-18919-2024-12-01", False)
    assert UNITS.at("commune-18910-0000", AFTER) == ("commune-18919-2025-07-01", False)


def test_an_event_before_the_opening_counts_at_the_unit_itself():
    assert UNITS.at("commune-18919-2025-07-01", BEFORE) == ("commune-18919-2025-07-01", False)


def test_an_authority_without_successor_keeps_its_cases_in_a_rest_leaf():
    assert UNITS.at("district-450-0000", BEFORE) == ("district-450-0000", False)
    assert UNITS.at("district-450-0000", AFTER) == ("rest-area-450", True)
    assert UNITS.at("department-BQLKKT-2021-01-01", AFTER) == ("rest-area-qb", True)
    assert UNITS.at("department-STTTT-2021-01-01", AFTER) == (
        "department-SKHCN25-2025-07-01",
        False,
    )


@given(st.sampled_from(sorted(UNITS)), DATES)
def test_where_an_event_counts_is_always_a_leaf_of_the_same_area(uid, day):
    unit = UNITS[uid]
    if unit.level in ("province",) or uid in ("area-qb",):
        return
    where, transitional = UNITS.at(uid, day)
    assert transitional == UNITS.is_rest(where) or where == uid
    assert UNITS[where].area == unit.area
    assert UNITS.at(where, day)[0] == where
    if unit.level != "area":
        assert UNITS.is_leaf(where)


def test_a_leaf_is_never_an_ancestor():
    pairs = UNITS.closure()
    assert {up for up, _ in pairs}.isdisjoint(leaf for _, leaf in pairs)
    assert len(pairs) == len(set(pairs))
    leaves = {leaf for _, leaf in pairs}
    assert leaves == {uid for uid in UNITS if UNITS.is_leaf(uid)} == set(UNITS.leaves("area-qb"))


def test_sums_climb_from_communes_and_districts_over_the_area_to_the_old_province():
    pairs = set(UNITS.closure())
    for leaf in ("commune-19207-0000", "district-456-0000", "rest-area-456"):
        assert UNITS.ancestors(leaf) == ["area-456", "area-qb"]
        assert {("area-456", leaf), ("area-qb", leaf)} <= pairs
    for leaf in ("department-CAT-2021-01-01", "department-STP-2025-07-01", "rest-area-qb"):
        assert UNITS.ancestors(leaf) == ["area-qb"]
    parts = [leaf for area in UNITS.children("area-qb", AFTER) for leaf in UNITS.leaves(area)]
    assert len(parts) == len(set(parts))
    assert UNITS.leaves("commune-19207-0000") == ["commune-19207-0000"]
    assert UNITS.leaves("province-44-2025-07-01") == []


def test_expected_are_the_authorities_that_a_source_serves_on_the_date():
    every = ("department", "district", "commune")
    assert len(UNITS.expected("area-qb", BEFORE, every)) == 14 + 8 + 145
    assert len(UNITS.expected("area-qb", AFTER, every)) == 14 + 41
    assert len(UNITS.expected("area-qb", AFTER, ["district"])) == 0
    assert UNITS.expected("district-450-0000", BEFORE, every) == ["district-450-0000"]
    assert UNITS.expected("district-450-0000", AFTER, every) == []
    assert UNITS.expected("district-450-0000", BEFORE, ["commune"]) == []
    assert UNITS.expected("department-CAT-2021-01-01", BEFORE, every) == []
    inside = UNITS.expected("area-450", BEFORE, every)
    assert "district-450-0000" in inside
    assert all(UNITS[uid].area == "area-450" for uid in inside)


def test_the_tree_has_districts_until_30_june_2025():
    province = UNITS.owner("44", BEFORE).uid
    below = Counter(UNITS[uid].level for uid in UNITS.children(province, BEFORE))
    assert below == {"department": 14, "district": 8}
    communes = [c for d in UNITS.population("district", BEFORE) for c in children(d.uid, BEFORE)]
    assert len(communes) == 145
    assert UNITS.parent("commune-19207-2024-12-01", BEFORE) == "district-456-0000"
    assert UNITS.parent("district-456-0000", BEFORE) == province


def test_the_tree_has_communes_under_the_new_province_from_1_july_2025():
    province = UNITS.owner("44", AFTER).uid
    assert UNITS[province].name == "Tỉnh Quảng Trị"
    below = Counter(UNITS[uid].level for uid in UNITS.children(province, AFTER))
    assert below == {"department": 14, "commune": 41}
    assert UNITS.parent("commune-19207-2025-07-01", AFTER) == province
    assert children("district-456-0000", AFTER) == []


def test_areas_have_the_old_province_above_and_authorities_below():
    assert UNITS.parent("area-450", AFTER) == "area-qb"
    assert UNITS.parent("area-qb", AFTER) is None
    assert "district-450-0000" in children("area-450", BEFORE)
    assert {UNITS[uid].level for uid in children("area-450", AFTER)} == {"commune"}


def children(uid, day):
    return UNITS.children(uid, day)


def test_an_owner_is_the_department_of_the_displayed_date():
    days = [date(2025, 2, 28), date(2025, 3, 1), BEFORE, AFTER, date(2030, 1, 1)]
    owners = [UNITS.owner("STTTT", day).uid for day in days]
    assert owners == [
        "department-STTTT-2021-01-01",
        "department-SKHCN25-2025-03-01",
        "department-SKHCN25-2025-03-01",
        "department-SKHCN25-2025-07-01",
        "department-SKHCN25-2025-07-01",
    ]
    assert UNITS.owner("TTRA", AFTER).uid == "department-TTRA-2025-07-01"
    assert UNITS.owner("SKHDT", BEFORE).code == "STC25"
    assert UNITS.owner("nobody", AFTER) is None
    assert UNITS.owner("STTTT", date(2020, 1, 1)) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_folding_takes_marks_case_and_spare_blanks_away(form):
    assert fold(unicodedata.normalize(form, "  ĐỒNG   Hới ")) == fold("dong hoi") == "dong hoi"


def test_fold_takes_off_every_vietnamese_mark():
    assert fold("Đường  Bùi Thị Xuân, Lệ Thủy – ỹ") == "duong bui thi xuan, le thuy – y"


def test_the_collection_is_a_mapping_read_once():
    assert OrgUnits.load() is UNITS
    assert len(UNITS) == len(list(UNITS))
    assert "area-qb" in UNITS and "area-999" not in UNITS
    assert UNITS["rest-area-450"].name == "Địa bàn Đồng Hới (cũ) — phần chuyển tiếp"


def test_answers_for_open_units_are_made_once_because_backfills_ask_for_every_row():
    assert UNITS.resolve("19207", BEFORE) is UNITS.resolve("19207", date(2025, 1, 1))
    assert UNITS.at("commune-18910-0000", AFTER) is UNITS.at("commune-18919-2025-07-01", AFTER)


# Faulty files ---------------------------------------------------------------------------------


def edited(folder: Path, file: str, change) -> Path:
    """A copy of the files in which ``change`` edited the rows of one."""
    for name in ("orgunits.csv", "departments.csv"):
        shutil.copy(FOLDER / name, folder / name)
    with (folder / file).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    change(rows)
    with (folder / file).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def row_of(rows, uid):
    return next(row for row in rows if row["uid"] == uid)


def setting(uid, **cells):
    return lambda rows: row_of(rows, uid).update(cells)


FAULTS = [
    ("orgunits.csv", lambda rows: rows.append(dict(rows[-1])), "bị lặp"),
    ("orgunits.csv", setting("commune-18853-0000", area=""), "không thuộc địa bàn nào"),
    ("orgunits.csv", setting("commune-18853-0000", area="area-9"), "địa bàn 'area-9' không có"),
    ("orgunits.csv", setting("commune-18853-0000", successor="x"), "kế thừa 'x' không có"),
    (
        "orgunits.csv",
        setting("commune-18853-0000", successor="commune-18901-2025-07-01"),
        "khác cấp hoặc khác địa bàn",
    ),
    (
        "orgunits.csv",
        setting("commune-18853-0000", successor="commune-18856-0000"),
        "không có hiệu lực ngay sau",
    ),
    ("orgunits.csv", setting("commune-18853-0000", closed=""), "còn hiệu lực mà đã có"),
    ("orgunits.csv", setting("commune-19207-0000", closed="2024-12-01"), "trùng thời gian với"),
    ("orgunits.csv", setting("commune-18853-0000", closed="30/6/2025"), "không phải ngày"),
    ("orgunits.csv", setting("commune-18868-2020-02-01", closed="2019-01-01"), "trước khi bắt"),
    ("orgunits.csv", setting("commune-18853-0000", lat="170.5"), "ngoài Việt Nam"),
    ("orgunits.csv", setting("commune-18853-0000", lat="abc"), "không phải số"),
    ("orgunits.csv", setting("commune-18853-0000", level="xa"), "cấp 'xa' không có"),
    ("orgunits.csv", setting("commune-18853-0000", name=""), "cột name trống"),
    (
        "orgunits.csv",
        setting("commune-18853-0000", name=unicodedata.normalize("NFD", "Hải Thành")),
        "NFC",
    ),
    ("orgunits.csv", setting("area-450", closed="2025-06-30"), "không được có ngày kết thúc"),
    (
        "orgunits.csv",
        lambda rows: rows.remove(row_of(rows, "rest-area-450")),
        "thiếu phần chuyển tiếp",
    ),
    ("departments.csv", setting("department-SNV-2021-01-01", successor="ABC"), "'ABC' không có"),
    (
        "departments.csv",
        setting("department-SNV-2021-01-01", successor="SNGV"),
        "chưa có hiệu lực ngày 2025-03-01",
    ),
    ("departments.csv", setting("department-SNV-2021-01-01", group="so"), "nhóm 'so' không có"),
    (
        "departments.csv",
        setting("department-UBND-450-2021-01-01", code="UBND-999"),
        "không ứng với huyện nào",
    ),
]


@pytest.mark.parametrize(("file", "change", "message"), FAULTS)
def test_a_contradiction_in_the_files_is_refused_with_its_line(tmp_path, file, change, message):
    with pytest.raises(ConfigError) as refused:
        OrgUnits.load(edited(tmp_path, file, change))
    found = [fault for fault in refused.value.faults if message in fault.message]
    assert found, refused.value
    assert found[0].file == file
    assert found[0].line > 1


def test_all_faults_are_listed_at_once(tmp_path):
    def change(rows):
        row_of(rows, "commune-18853-0000").update(area="")
        row_of(rows, "commune-18856-0000").update(successor="x")

    with pytest.raises(ConfigError) as refused:
        OrgUnits.load(edited(tmp_path, "orgunits.csv", change))
    lines = {fault.line for fault in refused.value.faults}
    assert len(lines) >= 2
    assert "orgunits.csv:" in str(refused.value)


def test_a_file_without_its_columns_or_absent_is_refused(tmp_path):
    shutil.copy(FOLDER / "orgunits.csv", tmp_path / "orgunits.csv")
    (tmp_path / "departments.csv").write_text("uid,code\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="thiếu cột: name"):
        OrgUnits.load(tmp_path)
    with pytest.raises(ConfigError, match="không đọc được tệp"):
        ioc.orgunits.read_units(tmp_path / "nowhere")

"""Search: without accents, over indicators, targets and org units of all epochs, within rights."""

import unicodedata
from typing import Any

import pytest

from ioc.principal import Principal
from kpi import query

ADMIN = Principal.local_admin()
DONG_HOI = {"area-450", "district-450-0000", "commune-18880-2025-07-01"}


def found(store: Any, text: str, who: Principal = ADMIN, **more: Any) -> list[dict[str, Any]]:
    return query.search(store, who, text=text, **more).records()


@pytest.mark.parametrize("written", ["dong hoi", "Đồng Hới", "đồng  hới ", "ĐỒNG HỚI", "Dong Hoi"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_however_it_is_typed(sqlite_store, written, form):
    plain = found(sqlite_store, "dong hoi")
    assert found(sqlite_store, unicodedata.normalize(form, written)) == plain
    assert {row["id"] for row in plain} >= DONG_HOI
    assert all(unicodedata.is_normalized("NFC", row["name"]) for row in plain)


def test_an_old_code_names_every_unit_that_had_it_with_its_dates(store):
    rows = [row for row in found(store, "19207") if row["rank"] == 0]
    told = [(row["name"], str(row["opened"] or ""), str(row["closed"] or "")) for row in rows]
    assert told == [
        ("Xã Quảng Ninh", "2025-07-01", ""),
        ("Xã Lương Ninh", "", "2024-11-30"),
        ("Thị trấn Quán Hàu", "2024-12-01", "2025-06-30"),
    ]
    assert [row["id"] for row in found(store, "UBND-450")[:1]] == ["district-450-0000"]


@pytest.mark.parametrize("written", ["sở khcn", "So KHCN", "khcn"])
def test_a_department_is_found_as_people_call_it(sqlite_store, written):
    names = [row["name"] for row in found(sqlite_store, written)]
    assert names and set(names) == {"Sở Khoa học và Công nghệ"}


def test_names_that_collide_come_with_level_dates_and_area(sqlite_store):
    rows = [row for row in found(sqlite_store, "quang ninh") if row["rank"] == 0]
    assert [(row["level"], row["name"]) for row in rows] == [
        ("commune", "Xã Quảng Ninh"), ("district", "Huyện Quảng Ninh"),
    ]  # fmt: skip
    assert {row["detail"] for row in rows} == {"Địa bàn Quảng Ninh (cũ)"}
    by_marks = {row["name"] for row in found(sqlite_store, "quang tien", limit=100)}
    assert {"Xã Quảng Tiến", "Xã Quảng Tiên"} <= by_marks


@pytest.mark.parametrize(
    ("text", "kind", "ids"),
    [
        ("I02b", "indicator", ["I02b"]),
        ("i02B", "indicator", ["I02b"]),
        ("T11", "target", ["T11a", "T11b", "T11c"]),
        ("xu ly hoan toan", "indicator", ["I02b"]),
        ("mạng hồ sơ toàn trình", "indicator", ["I02b"]),  # its words, in another order
    ],
)
def test_indicators_and_targets_are_found_by_code_and_by_words(sqlite_store, text, kind, ids):
    assert [row["id"] for row in found(sqlite_store, text) if row["kind"] == kind] == ids


def test_the_whole_name_comes_before_a_part_of_one_and_few_rows_are_the_best(sqlite_store):
    rows = found(sqlite_store, "ba don", limit=100)
    ranks = [row["rank"] for row in rows]
    assert ranks == sorted(ranks) and ranks[0] == 0
    assert found(sqlite_store, "ba don", limit=2) == rows[:2]
    assert not [row for row in found(sqlite_store, "dong hoi") if "Lao động" in row["name"]]
    assert [row["name"] for row in found(sqlite_store, "hoi dong xa so")] == [
        "Sở Lao động - Thương binh và Xã hội"
    ]


@pytest.mark.parametrize("text", ["", "  ", "khong-co-gi-nhu-the", "'; --"])
def test_what_is_not_there_is_not_found(sqlite_store, text):
    assert found(sqlite_store, text) == []


def test_nobody_finds_an_org_unit_outside_his_rights(sqlite_store):
    who = Principal("Đồng Hới", "viewer", frozenset({"area-450"}))
    assert {row["id"] for row in found(sqlite_store, "dong hoi", who)} >= DONG_HOI
    for text in ("le thuy", "457", "district-457-0000", "so y te"):
        rows = found(sqlite_store, text, who)
        assert [row for row in rows if row["kind"] == "org_unit"] == []

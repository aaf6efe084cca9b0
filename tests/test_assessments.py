"""Where the plan gives no number people conclude in words: signed, kept, and never a status."""

from datetime import date
from typing import Any

import pytest

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import acts, query
from kpi.sampled import AUTHOR, sample_assessments
from tests.worlds import ADMIN, STAFF, World, rows, share

pytest_plugins = ["tests.worlds"]
SAID = {
    "target": "T12b",
    "indicator": "I12b",
    "judged_on": date(2025, 12, 31),
    "verdict": "partly",
    "words": "Đa số cơ quan đã tập huấn, cấp xã còn chậm.",
    "evidence": "Báo cáo số 12/BC-SNV ngày 05/01/2026",
    "author": "Trần Thị B, Phó Giám đốc Sở Nội vụ",
}


def assess(world: World, who: Principal = ADMIN, **changes: Any) -> int:
    return acts.assess(world.store, who, now=world.now, **(SAID | changes))


def asked(world: World, **filters: Any) -> list[dict[str, Any]]:
    return query.assessments(world.store, ADMIN, now=world.now, **filters).records()


def test_an_assessment_says_who_concluded_what_from_which_evidence_and_is_no_status(world):
    world.live()
    before = world.standing("T12b", "I12b")["status"]
    number = assess(world)
    (row,) = asked(world)
    assert (row["assessment"], row["current"]) == (number, 1)
    assert {name: row[name] for name in SAID} == SAID
    assert row["signed_at"] >= world.now and row["org_unit"] == "area-qb"
    assert world.standing("T12b", "I12b")["status"] == before == "qualitative"


def test_the_newest_stands_and_a_withdrawn_one_gives_way_to_the_one_before(world):
    first = assess(world)
    world.forward(days=1)
    second = assess(world, verdict="satisfied", words="Tất cả cơ quan đã tập huấn trong năm.")
    assert [row["current"] for row in asked(world)] == [1, 0]
    world.forward(days=1)
    acts.withdraw(
        world.store, ADMIN, assessment=second, words="Số liệu của hai sở chưa đúng.",
        author="Trần Thị B", now=world.now,
    )  # fmt: skip
    gone, stands = asked(world)
    assert (gone["assessment"], gone["current"], gone["withdrawn_by"]) == (second, 0, "Trần Thị B")
    assert gone["withdrawn_why"] == "Số liệu của hai sở chưa đúng." and gone["withdrawn_at"]
    assert (stands["assessment"], stands["current"]) == (first, 1)
    assert len(rows(world.store, "assessment")) == 3, "nothing is overwritten"
    with pytest.raises(acts.Refused, match="đã được rút"):
        acts.withdraw(
            world.store, ADMIN, assessment=second, words="Rút thêm một lần nữa.", author="Ai đó",
            now=world.now,
        )  # fmt: skip


def test_an_answer_as_of_an_instant_knows_what_had_been_signed_by_then(world):
    assess(world)
    one = world.forward(hours=1)
    world.forward(hours=1)
    assess(world, verdict="satisfied")
    world.forward(hours=1)
    assert [row["verdict"] for row in asked(world, as_of=one)] == ["partly"]
    assert [row["current"] for row in asked(world, as_of=one)] == [1]
    assert len(asked(world, as_of=world.now)) == 2


def test_what_a_seal_showed_does_not_learn_of_an_assessment_of_the_same_minute(world):
    sealed = world.seal()
    assess(world)
    world.forward(days=40)
    assert asked(world, as_of=sealed) == []
    assert len(asked(world)) == 1


def test_a_signature_keeps_the_figures_that_its_author_saw(world):
    world.live().poll(STAFF, share("staff_trained_this_year staff_professional", "SYT", "2025-12",
                                   60, 100))  # fmt: skip
    world.forward(minutes=5)
    assess(world)
    signed = asked(world)[0]["signed_at"]
    world.poll(
        STAFF, share("staff_trained_this_year staff_professional", "SYT", "2025-12", 90, 100)
    )
    world.forward(days=60)
    seen = world.standing("T12b", "I12b", as_of=signed)
    assert (seen["closing_numerator"] or seen["numerator"]) == 60


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "T01", "indicator": "I01"}, "có số giao"),
        ({"target": "T99"}, "Không có chỉ tiêu"),
        ({"indicator": "I09a"}, "Không có chỉ tiêu"),
        ({"org_unit": "commune-18880-2025-07-01"}, "địa bàn"),
        ({"judged_on": date(2027, 1, 1)}, "Ngày đánh giá"),
        ({"judged_on": date(1999, 1, 1)}, "Ngày đánh giá"),
        ({"verdict": "met"}, "kết luận"),
        ({"words": "tốt"}, "ít nhất 10"),
        ({"words": "x" * 1_001}, "tối đa"),
        ({"evidence": " "}, "Căn cứ"),
        ({"author": ""}, "Người đánh giá"),
        ({"words": "Xem ông A, điện thoại 0912 345 678 để rõ."}, "điện thoại"),
        ({"evidence": "Thẻ 044095012345"}, "định danh"),
        ({"author": "Trần B tranb@quangbinh.gov.vn"}, "thư điện tử"),
    ],
)
def test_what_no_assessment_may_say_is_refused_with_its_reason(sqlite_world, changes, words):
    with pytest.raises(acts.Refused, match=words):
        assess(sqlite_world, **changes)
    assert rows(sqlite_world.store, "assessment") == []


def test_who_only_reads_neither_signs_nor_withdraws(sqlite_world):
    reader = Principal("xem", "viewer")
    with pytest.raises(Forbidden):
        assess(sqlite_world, reader)
    number = assess(sqlite_world)
    with pytest.raises(Forbidden):
        acts.withdraw(sqlite_world.store, reader, assessment=number, words="x" * 20, author="Ai")


def test_an_assessment_of_an_area_out_of_sight_is_not_shown(sqlite_world):
    assess(sqlite_world, org_unit="area-450")
    head = Principal("Trưởng địa bàn", "head", org_units=frozenset({"area-451"}))
    with pytest.raises(Forbidden):
        query.assessments(sqlite_world.store, head, org_units=["area-450"]).records()
    assert asked(sqlite_world) == [] and len(asked(sqlite_world, org_units=["area-450"])) == 1


def test_the_sample_assesses_each_target_without_a_number_once_and_says_that_it_is_one(world):
    assert sample_assessments(world.store, world.now) == 4
    assert sample_assessments(world.store, world.now) == 0
    found = asked(world)
    assert {row["target"] for row in found} == {"T09a", "T09b", "T09c", "T12b"}
    assert all(row["author"] == AUTHOR and AUTHOR in row["words"] for row in found)
    assert all(row["verdict"] in query.VERDICTS for row in found)

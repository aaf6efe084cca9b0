"""An operator chooses how a target is read: it counts at once, with a name, a day and a reason."""

from typing import Any

import pytest

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import acts, audit, decisions, query
from tests.worlds import ADMIN, DOSSIERS, STAFF, World, dossiers, rows, share

pytest_plugins = ["tests.worlds"]
WHY = "Theo kết luận của phiên họp ngày 05/01/2026"
OPERATOR = Principal("trực ban", "operator")


def choose(world: World, target: str = "T02b", reading: str = "> 60", **more: Any) -> Any:
    given = {"who": OPERATOR, "reason": WHY} | more
    return decisions.choose(
        world.store, given.pop("who"), target=target, reading=reading, now=world.now, **given
    )


@pytest.fixture
def exact(world: World) -> World:
    """A world in which the figure of T02b is 60 % on the dot, in its closing year and now."""
    world.live()
    for day in ("2025-03-02", "2026-03-02"):
        world.poll(DOSSIERS, dossiers("SNV25", day, 10, 6))
    world.forward(minutes=5)
    return world


def target(world: World, id: str = "T02b") -> dict[str, Any]:
    return query.targets(world.store, ADMIN, targets=[id], now=world.now).records()[0]


def test_the_second_reading_judges_from_the_instant_that_it_is_chosen(exact):
    before = exact.standing("T02b", "I02b")
    assert (before["status"], before["reading"], before["closing_value"]) == ("met", ">= 60", 60)
    chosen = choose(exact)
    after = exact.standing("T02b", "I02b")
    assert (after["status"], after["reading"], after["operator"]) == ("missed", "> 60", ">")
    assert exact.standing("T02b")["status"] == "missed"
    assert after["closing_value"] == 60 and chosen >= exact.now
    row = target(exact)
    assert (row["reading_in_force"], row["reading_chosen_by"]) == ("> 60", "trực ban")
    assert row["reading_chosen_at"] == exact.now.date()
    assert (row["operator"], row["threshold"]) == (">=", 60), "the plan's words stay as they are"


def test_an_answer_as_of_an_earlier_instant_keeps_the_reading_of_then(exact):
    sealed = exact.seal()
    chosen = choose(exact)
    exact.forward(days=40)
    assert exact.standing("T02b", "I02b", as_of=sealed)["reading"] == ">= 60"
    assert exact.standing("T02b", "I02b", as_of=sealed)["status"] == "met"
    assert exact.standing("T02b", "I02b", as_of=chosen)["status"] == "missed"
    choose(exact, reading=">= 60")
    assert exact.standing("T02b", "I02b")["status"] == "met"
    assert exact.standing("T02b", "I02b", as_of=chosen)["status"] == "missed"


def test_every_choice_is_kept_and_stands_in_the_audit_with_what_was_before(exact):
    choose(exact)
    exact.forward(hours=1)
    choose(exact, reading=">= 60", reason="Trở lại cách đọc thường dùng")
    found = query.choices(exact.store, "T02b")
    assert [(one.reading, one.by) for one in found] == [(">= 60", "trực ban"), ("> 60", "trực ban")]
    assert found[1].reason == WHY and query.choices(exact.store, "T01") == []
    entry = audit.entries(exact.store, ADMIN, kind="reading")[1]
    assert (entry.who, entry.what) == ("trực ban", "T02b")
    assert entry.detail == {"reading": "> 60", "before": ">= 60", "reason": WHY}


def test_a_choice_moves_the_version_that_screens_wait_for(exact):
    before = exact.store.version()
    choose(exact)
    assert exact.store.version() > before
    assert exact.store.topics()["T02b"] == exact.store.version()


def test_a_target_read_as_a_number_takes_no_assessment_and_the_other_way_round(world):
    world.live().poll(STAFF, share("staff_trained_this_year staff_professional", "SYT", "2025-12",
                                   95, 100))  # fmt: skip
    world.forward(minutes=5)
    said = {
        "target": "T12b", "indicator": "I12b", "judged_on": world.now.date(),
        "verdict": "partly", "words": "Đa số cơ quan đã tập huấn.", "evidence": "Báo cáo số 12",
        "author": "Trần Thị B", "now": world.now,
    }  # fmt: skip
    assert world.standing("T12b", "I12b")["status"] == "qualitative"
    acts.assess(world.store, ADMIN, **said)
    choose(world, "T12b", "> 90")
    assert world.standing("T12b", "I12b")["status"] in ("met", "missed", "awaiting")
    with pytest.raises(acts.Refused, match="có số giao"):
        acts.assess(world.store, ADMIN, **said)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "T99"}, "không có hai cách đọc"),
        ({"target": "T01", "reading": "> 80"}, "không có hai cách đọc"),
        ({"reading": "> 10"}, "Không có cách đọc"),
        ({"reading": ">= 60"}, "đang dùng"),
        ({"reason": "vì"}, "Lý do"),
        ({"reason": "Theo ông A, thẻ 044095012345"}, "định danh"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_its_reason(sqlite_world, changes, words):
    with pytest.raises(acts.Refused, match=words):
        choose(sqlite_world, **changes)
    assert rows(sqlite_world.store, "reading_choice") == rows(sqlite_world.store, "seal") == []


@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst"])
def test_who_only_reads_chooses_no_reading(sqlite_world, role):
    with pytest.raises(Forbidden):
        choose(sqlite_world, who=Principal("xem", role))
    assert rows(sqlite_world.store, "reading_choice") == []

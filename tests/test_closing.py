"""A closing figure is signed: it stays as signed, and says so when the data say another later."""

import math
from datetime import date
from typing import Any

import pytest

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import acts, audit, decisions, query
from kpi.rebuild import rebuild
from tests.worlds import ADMIN, MEETINGS, World, rows, share

pytest_plugins = ["tests.worlds"]
WHY = "Biên bản chốt số ngày 05/01/2026"
OPERATOR = Principal("trực ban", "operator")
LAST_DAY = date(2025, 12, 31)
MEET = "meetings_department_paperless meetings_department_total"


@pytest.fixture
def closed(world: World) -> World:
    """A world in which I07a closed with 45 of 50."""
    world.live().poll(MEETINGS, share(MEET, "SNV25", "2025-12", 45, 50))
    world.forward(minutes=5)
    return world


def sign(world: World, over: float = 45, under: float = 50, **more: Any) -> Any:
    given = {"who": OPERATOR, "reason": WHY, "target": "T07a", "indicator": "I07a"} | more
    figure = {"numerator": over, "denominator": under}
    return decisions.sign(world.store, given.pop("who"), now=world.now, **figure, **given)


def closing(world: World, **filters: Any) -> dict[str, Any]:
    row = world.standing("T07a", "I07a", **filters)
    names = ("closing_numerator", "closing_denominator", "closing_value", "closing_status")
    return {name: row[name] for name in names} | {
        "signed": row["closing_signed_at"], "mark": row["mark"],
    }  # fmt: skip


def listed(world: World) -> dict[str, Any]:
    found = query.closings(world.store, ADMIN, targets=["T07a"], now=world.now).records()
    return next(row for row in found if row["indicator"] == "I07a")


def test_a_signed_figure_says_when_it_was_signed_and_by_whom(closed):
    assert str(closing(closed)["signed"]) == "NaT" and str(listed(closed)["signed_at"]) == "NaT"
    at = sign(closed)
    said = closing(closed)
    assert said["signed"] == at >= closed.now and said["closing_value"] == 90
    assert "số chốt giữ" not in said["mark"]
    row = listed(closed)
    assert (row["signed_at"], row["signed_by"], row["signed_why"]) == (at, "trực ban", WHY)
    assert (row["latest_numerator"], row["latest_denominator"]) == (45, 50)


def test_the_coverage_of_a_closing_figure_is_that_of_its_own_window(closed):
    """One department of many reported then, and nobody has since."""
    row, then = (closed.standing("T07a", "I07a", **more) for more in ({}, {"on": LAST_DAY}))
    assert row["coverage"] == 0 and math.isnan(then["closing_coverage"])
    assert 0 < row["closing_coverage"] == then["coverage"] < 1
    one = closed.standing("T07a", "I07a", org_unit="department-SNV25-2025-07-01")
    assert one["closing_coverage"] > row["closing_coverage"]


def test_records_cover_a_closing_window_that_their_source_has_told_whole(world):
    assert world.standing("T02b", "I02b")["closing_coverage"] == 0
    world.live()
    assert world.standing("T02b", "I02b")["closing_coverage"] == 1


def test_later_data_leave_a_signed_figure_as_it_is_and_are_told_beside_it(closed):
    before = closing(closed)
    sign(closed)
    closed.forward(days=2)
    closed.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 20, 50))
    closed.forward(minutes=5)
    said = closing(closed)
    assert [said[n] for n in before if n.startswith("closing")] == [
        45,
        50,
        90,
        before["closing_status"],
    ]
    assert "số chốt giữ như đã ký, số liệu sau khi ký: 20/50" in said["mark"]
    assert listed(closed)["latest_value"] == 40 and listed(closed)["closing_value"] == 90
    rebuild(closed.store)
    assert closing(closed) == said, "and a rebuild moves it no more"


def test_a_figure_that_moved_may_be_signed_anew_with_another_reason(closed):
    sign(closed)
    closed.forward(days=2)
    closed.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 20, 50))
    closed.forward(minutes=5)
    again = sign(closed, 20, 50, reason="Đính chính theo công văn số 7")
    said = closing(closed)
    assert (said["closing_value"], said["signed"]) == (40, again)
    assert "số chốt giữ" not in said["mark"]
    assert [one.value for one in query.signed(closed.store, "T07a")] == [40, 90]


def test_an_answer_as_of_an_instant_knows_whether_it_had_been_signed(closed):
    sealed = closed.seal()
    at = sign(closed)
    closed.forward(days=2)
    closed.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 20, 50))
    closed.forward(days=60)
    assert str(closing(closed, as_of=sealed)["signed"]) == "NaT"
    assert closing(closed, as_of=sealed)["closing_value"] == 90
    then = closing(closed, as_of=at)
    assert then["signed"] == at and "số chốt giữ" not in then["mark"]


def test_a_signature_is_sealed_and_stands_in_the_audit_with_the_figure(closed):
    at = sign(closed)
    assert rows(closed.store, "seal")[-1][1] == "closing"
    entry = audit.entries(closed.store, ADMIN, kind="closing")[0]
    assert (entry.who, entry.what, entry.at) == ("trực ban", "T07a", at)
    assert entry.detail | {"reason": WHY, "numerator": 45, "value": 90} == entry.detail
    assert audit.verify(closed.store).broken is None


def test_a_figure_that_moved_since_the_page_was_drawn_is_not_signed(closed):
    with pytest.raises(acts.Refused, match="đã đổi từ khi mở trang"):
        sign(closed, 44, 50)
    sign(closed)
    with pytest.raises(acts.Refused, match="đã ký"):
        sign(closed)
    assert len(rows(closed.store, "closing_signature")) == 1


def test_only_a_closed_target_with_a_closing_figure_is_signed(world):
    world.live()
    assert math.isnan(listed(world)["latest_value"])
    with pytest.raises(acts.Refused, match="Chưa có số chốt"):
        sign(world, float("nan"), float("nan"))
    with pytest.raises(acts.Refused, match="chưa đến ngày chốt"):
        sign(world, indicator="I99")


@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst"])
def test_who_only_reads_signs_nothing(sqlite_world, role):
    with pytest.raises(Forbidden):
        sign(sqlite_world, who=Principal("xem", role))


def test_an_operator_of_one_area_signs_none_outside_it(sqlite_world):
    sqlite_world.live()
    of_area = Principal("trực", "operator", org_units=frozenset({"area-451"}))
    with pytest.raises(Forbidden):
        sign(sqlite_world, who=of_area)
    assert rows(sqlite_world.store, "closing_signature") == []

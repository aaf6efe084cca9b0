"""Acts are held to the rights of who acts: role, org units and classes, whatever door they use."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ioc.errors import Forbidden, IocError
from ioc.principal import Principal
from kpi import accounts, acts, decisions, orders, schema
from tests.worlds import ADMIN, World

pytest_plugins = ["tests.worlds"]

WHY = "theo biên bản họp giao ban"
WORDS = {"words": "đã phủ đến mọi xã", "evidence": "báo cáo quý", "author": "Phòng Viễn thông"}
ASSESSED = {
    "target": "T09a",
    "indicator": "I09a",
    "judged_on": date(2025, 12, 31),
    "verdict": "met",
}
ACTS: dict[str, Callable[..., Any]] = {
    "choose": lambda s, who, t: decisions.choose(s, who, target="T02b", reading="> 60", reason=WHY),
    "sign": lambda s, who, t: decisions.sign(
        s, who, target="T02b", indicator="I02b", numerator=1, denominator=2, reason=WHY
    ),
    "order": lambda s, who, t: orders.order(s, who, "pause", source="staff", reason=WHY),
    "upload": lambda s, who, t: acts.request_upload(
        s, who, source="staff", name="a.csv", body=b"x", data=t
    ),
    "assess": lambda s, who, t: acts.assess(s, who, **ASSESSED, **WORDS),
    "steer": lambda s, who, t: acts.steer(s, who, paused=True),
    "hold": lambda s, who, t: acts.hold(s, who),
    "release": lambda s, who, t: acts.release(s, who),
}
WRITTEN = ("reading_choice", "closing_signature", "request", "assessment", "steering", "audit")


def written(world: World) -> list[int]:
    with world.store.read() as connection:
        return [
            connection.exec_driver_sql(f"SELECT COUNT(*) FROM {name}").scalar() or 0
            for name in WRITTEN
            if name in schema.metadata.tables
        ]


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize(
    "who",
    [
        Principal("trực", "operator", frozenset({"area-456"})),
        Principal("trực", "operator", frozenset()),
        Principal("phân tích", "analyst"),
        Principal("màn hình", "screen"),
    ],
    ids=["another area", "no right", "analyst", "screen"],
)
def test_who_may_not_read_the_territory_does_nothing_for_it(world, tmp_path, who, name):
    before = written(world)
    with pytest.raises(Forbidden):
        ACTS[name](world.store, who, tmp_path)
    assert written(world) == before


@pytest.mark.parametrize("name", ["choose", "sign", "assess"])
def test_who_may_not_read_a_target_decides_nothing_of_it(world, tmp_path, name):
    blind = Principal("trực", "operator", None, frozenset({"restricted"}))
    with pytest.raises(Forbidden):
        ACTS[name](world.store, blind, tmp_path)


def test_who_may_not_read_a_source_orders_nothing_of_it(world, tmp_path):
    blind = Principal("trực", "operator", None, frozenset({"restricted"}))
    for name in ("order", "upload"):
        with pytest.raises(Forbidden):
            ACTS[name](world.store, blind, tmp_path)


def test_an_operator_of_the_whole_territory_is_not_refused(world, tmp_path):
    """Each act does its work, or says what is missing: none of them is forbidden."""
    whole = Principal("trực", "operator")
    done = 0
    for act in ACTS.values():
        try:
            act(world.store, whole, tmp_path)
            done += 1
        except Forbidden:
            raise
        except IocError:
            continue
    assert done >= 4


def test_whose_rights_were_all_ended_may_act_no_more(store):
    accounts.create(store, ADMIN, name="truc-ban", display="Trực ban", role="operator",
                    org_units=None, reason=WHY)  # fmt: skip
    (right,) = accounts.rights_of(store, "truc-ban")
    accounts.revoke_right(store, ADMIN, right.id, reason=WHY)
    (account,) = [one for one in accounts.listed(store) if one.name == "truc-ban"]
    found = accounts.principal_of(
        account, accounts.rights_of(store, "truc-ban"), date(2026, 11, 27)
    )
    assert (found.role, found.org_units) == ("viewer", frozenset())

"""Stocks counted from records: an inventory is listed anew at each check; the last one counts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

import pytest

from ioc.model import Record
from ioc.period import Period
from kpi import query, rebuild
from kpi.catalogue import Catalogue
from kpi.store import open_store
from tests.oracle import Oracle
from tests.worlds import ADMIN, World, at, rows, source, tables, with_sources

pytest_plugins = ["tests.worlds"]
INVENTORY = source("systems", record="system_check")


@pytest.fixture(scope="session")
def inventory_catalogue(catalogue: Catalogue) -> Catalogue:
    """The product's catalogue in which I01 is counted from checks of systems."""
    known = with_sources(catalogue)
    counted = {
        "systems_listed": {},
        "systems_qualified": {"state": ("upgraded",), "result": ("linked", "not_applicable")},
    }
    elements = {
        name: replace(
            known.elements[name],
            count="system_check",
            reading=False,
            at="opened_at",
            over_time="last",
            silence="unknown",
            where=where,
        )
        for name, where in counted.items()
    }
    return replace(known, elements=known.elements | elements)


@pytest.fixture
def checked(
    database_url: str, inventory_catalogue: Catalogue, orgunits, now: datetime
) -> Iterator[World]:
    """A world whose systems are inventoried, on either database."""
    store = open_store(database_url, inventory_catalogue, orgunits)
    yield World(store, now).live(INVENTORY)
    store.close()


def check(system: str, owner: str, day: str, *, good: bool = True, changed: str = "") -> Record:
    """One row of an inventory: a system as it stood on a day."""
    return Record(
        key=f"{system} {day}",
        kind="system_check",
        org_unit=owner,
        opened_at=at(f"{day} 17:00"),
        changed_at=at(changed) if changed else None,
        category=system,
        state="upgraded",
        result="linked" if good else "not_linked",
    )


def inventory(owner: str, day: str, total: int, good: int) -> list[Record]:
    return [check(f"HT-{owner}-{i}", owner, day, good=i < good) for i in range(total)]


def figure(world: World, month: str, org_unit: str = "area-qb") -> tuple:
    found = world.value("I01", month, org_unit)
    return found.numerator, found.denominator


def test_each_check_counts_anew_and_is_never_added_to_the_one_before(checked):
    checked.poll(INVENTORY, inventory("VPUB", "2024-03-31", 10, 4))
    checked.poll(INVENTORY, inventory("VPUB", "2024-06-30", 12, 9))
    assert figure(checked, "2024-03") == (4, 10)
    assert figure(checked, "2024-06") == (9, 12)
    assert (checked.value("I01", "2024").numerator, checked.value("I01", "2024").denominator) == (
        9,
        12,
    )


def test_of_two_checks_in_a_month_the_last_one_counts(checked):
    checked.poll(INVENTORY, inventory("VPUB", "2024-03-10", 10, 9))
    checked.poll(INVENTORY, inventory("VPUB", "2024-03-31", 8, 5))
    assert figure(checked, "2024-03") == (5, 8)


def test_none_qualified_at_a_check_is_a_zero_and_no_check_is_unknown(checked):
    checked.poll(
        INVENTORY, inventory("VPUB", "2024-03-10", 10, 9) + inventory("VPUB", "2024-03-31", 8, 0)
    )
    found = checked.value("I01", "2024-03")
    assert (found.numerator, found.denominator, found.value) == (0, 8, 0)
    silent = checked.value("I01", "2024-04")
    assert silent.reason == "not_reported" and silent.value != silent.value


def test_a_month_without_a_check_is_not_covered(checked):
    checked.poll(INVENTORY, inventory("VPUB", "2024-03-31", 10, 4))
    assert checked.value("I01", "2024-03").coverage == 1.0
    assert checked.value("I01", "2024-02").coverage == 0.0, "nobody looked"


def test_one_failed_criterion_takes_a_system_out_when_the_source_corrects_it(checked):
    checked.poll(INVENTORY, inventory("VPUB", "2025-12-31", 5, 5))
    assert checked.standing("T01").closing_status == "met"
    checked.poll(
        INVENTORY,
        [check("HT-VPUB-0", "VPUB", "2025-12-31", good=False, changed="2026-11-22 07:00")],
    )
    found = checked.standing("T01", "I01")
    assert (found.closing_numerator, found.closing_denominator) == (4, 5)
    assert found.closing_status == "missed"  # 80 % is not above 80 %


def test_a_department_that_ended_is_in_no_later_inventory(checked):
    checked.poll(
        INVENTORY, inventory("STTTT", "2025-02-28", 10, 10) + inventory("STP", "2025-02-28", 4, 1)
    )
    checked.poll(INVENTORY, inventory("STP", "2025-03-31", 4, 2))
    assert figure(checked, "2025-02") == (11, 14)
    assert figure(checked, "2025-03") == (2, 4)


def test_the_records_behind_a_stock_are_the_rows_of_the_last_check(checked):
    checked.poll(
        INVENTORY, inventory("STP", "2024-03-31", 5, 3) + inventory("STP", "2024-06-30", 6, 4)
    )
    checked.poll(INVENTORY, inventory("SYT", "2024-03-31", 2, 2))

    def behind(element: str, last: date) -> list[str]:
        answer = query.records(
            checked.store, ADMIN, element=element, opened_to=last, now=checked.now
        )
        return sorted(f"{opened:%m-%d}" for opened in answer.frame().opened_at)

    assert behind("systems_listed", date(2024, 6, 30)) == ["03-31"] * 2 + ["06-30"] * 6
    assert len(behind("systems_qualified", date(2024, 6, 30))) == figure(checked, "2024-06")[0] == 6
    assert len(behind("systems_qualified", date(2024, 3, 31))) == figure(checked, "2024-03")[0] == 5


def test_the_lineage_of_a_stock_ends_in_the_rows_of_its_last_check(checked):
    checked.poll(
        INVENTORY, inventory("STP", "2024-05-31", 5, 3) + inventory("STP", "2024-06-30", 6, 4)
    )
    june = Period.parse("2024-06")
    found = query.lineage(
        checked.store, ADMIN, indicators=["I01"], first=june, last=june, now=checked.now
    )
    steps = found.frame()
    versions = steps[(steps.step == "record_version") & (steps.element == "systems_qualified")]
    assert len(versions) == 4 and set(versions.period) == {"2024-06-30"}
    assert set(versions.parent) <= set(steps.id)


def test_a_rebuild_and_an_independent_recount_hold_the_same_stock(
    checked, inventory_catalogue, orgunits
):
    oracle = Oracle(inventory_catalogue, orgunits)
    batches = [
        inventory("STP", "2024-03-31", 5, 3) + inventory("19207", "2024-03-15", 2, 0),
        inventory("STP", "2024-06-30", 6, 0) + inventory("SYT", "2024-06-30", 3, 3),
        [check("HT-STP-5", "STP", "2024-06-30", changed="2026-11-22 07:30")],
    ]
    for batch in batches:
        checked.poll(INVENTORY, batch)
        oracle.take(INVENTORY, batch, checked.now)
        checked.forward(minutes=2)
    held = {row[:3]: row[5] for row in rows(checked.store, "observation") if row[4] > 10**17}
    assert held == oracle.now().observation
    before = tables(checked.store)
    rebuild.rebuild(checked.store)
    assert tables(checked.store) == before

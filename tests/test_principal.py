"""Principals: what a scope lets one read, and what it is called in a cache key."""

from datetime import date

from ioc.orgunits import OrgUnits
from ioc.principal import Principal

UNITS = OrgUnits.load()


def head(*org_units, classes=None):
    return Principal("trưởng đơn vị", "head", frozenset(org_units), classes)


def test_the_local_admin_reads_every_unit_that_exists():
    admin = Principal.local_admin()
    assert admin.role == "admin"
    assert all(admin.may_read(uid, UNITS) for uid in UNITS)
    assert not admin.may_read("commune-00000", UNITS)
    assert admin.may_read_class("quantitative")


def test_an_area_stands_for_all_authorities_in_it_of_every_epoch():
    who = head("area-456")
    assert who.may_read("area-456", UNITS)
    assert who.may_read("commune-19207-0000", UNITS)
    assert who.may_read("commune-19207-2025-07-01", UNITS)
    assert who.may_read("rest-area-456", UNITS)
    assert not who.may_read("commune-18880-2025-07-01", UNITS)
    assert not who.may_read("area-qb", UNITS)
    assert not who.may_read("department-STP-2025-07-01", UNITS)


def test_a_single_unit_reads_itself_only_and_no_unit_reads_nothing():
    who = head("commune-19207-2025-07-01")
    assert [uid for uid in UNITS if who.may_read(uid, UNITS)] == ["commune-19207-2025-07-01"]
    assert not any(head().may_read(uid, UNITS) for uid in UNITS)


def test_a_scope_is_equal_for_equal_rights_and_different_for_any_other():
    assert Principal.local_admin().scope == Principal("khác", "viewer").scope == "all"
    assert head("area-450", "area-452").scope == head("area-452", "area-450").scope
    scopes = [
        head("area-450"),
        head("area-452"),
        head("area-450", "area-452"),
        head(),
        head("area-450", classes=frozenset({"quantitative"})),
        head("area-450", classes=frozenset()),
        Principal("x", "viewer", None, frozenset({"area-450"})),
    ]
    assert len({who.scope for who in scopes} | {"all"}) == len(scopes) + 1
    assert all(len(who.scope) == 16 for who in scopes)


def test_classes_and_dates_narrow_the_rights():
    who = Principal("x", "viewer", None, frozenset({"health"}), date(2025, 1, 1), date(2025, 6, 30))
    assert who.may_read_class("health") and not who.may_read_class("education")
    assert who.valid_on(date(2025, 6, 30))
    assert not who.valid_on(date(2025, 7, 1))
    assert not who.valid_on(date(2024, 12, 31))


def test_the_head_of_an_abolished_district_keeps_its_history_and_not_its_successors_present():
    district, after = "district-450-0000", date(2025, 8, 1)
    who = head(district)
    assert who.may_read(district, UNITS)
    assert not any(who.may_read(unit.uid, UNITS) for unit in UNITS.open_on(after))
    granted = head(district, "commune-18859-2025-07-01")
    assert [unit.uid for unit in UNITS.open_on(after) if granted.may_read(unit.uid, UNITS)] == [
        "commune-18859-2025-07-01"
    ]

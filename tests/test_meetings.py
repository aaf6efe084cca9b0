"""The paperless meeting rooms: counters of a vendor become months, and bullet 7 of the plan."""

from collections import defaultdict
from datetime import date
from typing import Any

import httpx2
import pytest

from connectors.sandbox.meetings import ACCESS_KEY, APP, SECRET_KEY
from ioc.errors import UnknownOrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import Period
from tests.rest_systems import Reader, ReaderOf, keeps_what_every_system_promises

pytest_plugins = ["tests.rest_systems"]
KEYS = {"AppName": APP, "AccessKey": ACCESS_KEY, "SecretKey": SECRET_KEY}
LEVELS = {"SO_BAN_NGANH": "department", "CAP_HUYEN": "district", "CAP_XA": "commune"}
Cells = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def meetings(reader_of: ReaderOf) -> Reader:
    return reader_of("meetings")


def told(meetings: Reader, **asked: str) -> list[dict[str, Any]]:
    """What the system itself says."""
    address = f"{meetings.source.url}/api/thong-ke/luy-ke"
    return httpx2.get(address, params=asked, headers=KEYS, timeout=30).json()["duLieu"]


def months_of(rows: list[dict[str, Any]]) -> dict[str, Cells]:
    """By element, (uid, last day): each counter less the one of the month before it."""
    counters: dict[tuple[str, int], dict[int, dict]] = defaultdict(dict)
    for row in rows:
        month = Period.parse(f"{row['ky'][3:]}-{row['ky'][:2]}")
        try:
            uid = OrgUnits.load().resolve(row["maDonVi"] or "", month.end).uid
        except UnknownOrgUnit:
            continue
        counters[uid, month.start.year][month.start.month] = row
    found: dict[str, Cells] = defaultdict(dict)
    for (uid, year), months in counters.items():
        before = {"hopKhongGiay": 0, "tongCuocHop": 0}
        for number, row in sorted(months.items()):
            if row["tongCuocHop"] is None:
                continue
            day = Period.parse(f"{year}-{number:02d}").end.isoformat()
            said = {name: row[name] - before[name] for name in before}
            before = {name: row[name] for name in before}
            if 0 <= said["hopKhongGiay"] <= said["tongCuocHop"]:
                level = LEVELS[row["cap"]]
                found[f"meetings_{level}_paperless"][uid, day] = said["hopKhongGiay"]
                found[f"meetings_{level}_total"][uid, day] = said["tongCuocHop"]
    return found


def test_the_store_holds_for_each_month_what_the_counters_of_the_vendor_grew_by(meetings: Reader):
    assert meetings.runs[0]["outcome"] == "ok"
    truth = months_of(told(meetings))
    lost = ("department-STP-2021-01-01", "2022-06-30")  # the month after a counter that fell
    for element, cells in truth.items():
        cells.pop(lost, None)
        assert meetings.observed(element) == cells, element
    assert len(truth) == 6 and min(map(len, truth.values())) > 300


def test_faulty_counters_are_refused_with_their_reason_and_stop_nothing(meetings: Reader):
    reasons = " | ".join(meetings.rejections())
    for said in ("lũy kế giảm", "thiếu lũy kế tháng 5", "lớn hơn mẫu số", "99999", "thiếu maDonVi"):
        assert said in reasons
    assert 5 <= len(meetings.rejections()) < 15


def test_departments_end_above_the_line_districts_below_and_communes_exactly_on_it(
    meetings: Reader,
):
    departments, districts = (meetings.standing("T07a", part) for part in ("I07a", "I07b"))
    assert (departments.closing_status, districts.closing_status) == ("met", "missed")
    assert 73 < departments.closing_value < 75.5
    assert 67 < districts.closing_value < 69
    assert (districts.closing_date, districts.closes_early) == (date(2025, 6, 30), 1)
    communes = meetings.standing("T07b")
    assert communes.closing_value == 50.0
    assert 2 * communes.closing_numerator == communes.closing_denominator
    assert communes.closing_status == "met"  # by >=; by > it would have been missed


def test_a_unit_that_does_not_declare_its_meetings_gives_neither_figure_and_shows_in_coverage(
    meetings: Reader,
):
    silent = {row["maDonVi"] for row in told(meetings) if row["tongCuocHop"] is None}
    some = meetings.values("I07c", "2025-03", level="commune")
    nothing = some[some.reason == "not_reported"]
    assert 0 < len(nothing) < 20 and set(nothing.code) <= silent
    assert nothing[["numerator", "denominator", "value"]].isna().all(axis=None)
    whole = meetings.value("I07c", "2025-03")
    assert whole.coverage == pytest.approx(1 - len(nothing) / len(some))
    assert whole.denominator == some.denominator.sum()


def test_no_district_is_asked_after_june_2025_and_every_commune_of_every_epoch_is(
    meetings: Reader,
):
    rows = told(meetings)
    for month, districts, communes in (("06/2025", 8, 145), ("07/2025", 0, 41)):
        levels = [row["cap"] for row in rows if row["ky"] == month]
        assert (levels.count("CAP_HUYEN"), levels.count("CAP_XA")) == (districts, communes)


def test_what_is_put_right_moves_its_month_alone_however_many_counters_follow(meetings: Reader):
    before = {one: meetings.observed(one) for one in months_of(told(meetings))}
    start = meetings.now
    meetings.forward(minutes=20)
    moved = told(meetings, capNhatTu=start.isoformat())
    assert 0 < len(moved) < 400
    units = {(row["maDonVi"], row["ky"][3:]) for row in moved}
    assert len(moved) > len(units)  # each with its whole year
    run = meetings.poll()
    assert run["outcome"] == "ok" and run["changed"] > 0
    changed = {
        (element, *key)
        for element, cells in before.items()
        for key, value in meetings.observed(element).items()
        if cells.get(key) != value
    }
    assert len(changed) == run["new"] + run["changed"] < 20
    assert {day[:7] for _, _, day in changed} <= {"2026-09", "2026-10"}
    assert meetings.poll()["changed"] == 0


def test_the_triple_of_keys_must_be_right(meetings: Reader):
    address = f"{meetings.source.url}/api/thong-ke/luy-ke"
    for name in KEYS:
        assert httpx2.get(address, headers=KEYS | {name: "sai"}).status_code == 401
    assert httpx2.get(address, headers=KEYS, params={"capNhatTu": "rác"}).status_code == 400


def test_it_keeps_what_every_system_promises(meetings: Reader, monkeypatch: pytest.MonkeyPatch):
    keeps_what_every_system_promises(meetings, monkeypatch, "IOC_MEETINGS_SECRET_KEY")

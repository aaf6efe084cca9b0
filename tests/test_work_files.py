"""Work files as the integration platform passes them on: page after page, put right backwards."""

from typing import Any

import httpx2
import pytest

from connectors.sandbox.work_files import PATH, TOKEN
from ioc.errors import UnknownOrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import Period
from tests.rest_systems import Reader, ReaderOf, keeps_what_every_system_promises

pytest_plugins = ["tests.rest_systems"]


@pytest.fixture(scope="module")
def files(reader_of: ReaderOf) -> Reader:
    return reader_of("work_files")


def told(files: Reader) -> list[dict[str, Any]]:
    """Everything that the system says, along its own links."""
    rows: list[dict[str, Any]] = []
    head = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=files.source.url, headers=head, timeout=30) as client:
        address: str | None = f"{PATH}?tu=0&soLuong=1000"
        while address:
            reply = client.get(address)
            rows += reply.json()["duLieu"]
            links = (part.split(";") for part in reply.headers["link"].split(","))
            found = [link.strip(" <>") for link, said in links if 'rel="next"' in said]
            address = found[0] if found else None
    return rows


def truth(rows: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """What was said last of each org unit and month; faulty rows count nowhere."""
    last: dict[tuple[str, str], float] = {}
    for row in rows:
        end = Period.parse(row["thang"]).end
        total, online = row["tongSo"], row["xuLyTrenMang"]
        try:
            uid = OrgUnits.load().resolve(row["donVi"]["ma"] or "", end).uid
        except UnknownOrgUnit:
            continue
        if isinstance(total, int) and online <= total:
            last[uid, end.isoformat()] = float(total)
    return last


def test_the_store_holds_what_was_said_last_of_every_org_unit_and_month(files):
    assert files.runs[0]["outcome"] == "ok" and files.runs[0]["new"] > 10_000, files.runs[0]
    rows = told(files)
    assert files.observed("work_files_total") == truth(rows)
    assert 4 <= files.runs[0]["rejected"] <= 12


def test_a_later_poll_reads_only_the_end_of_the_list_and_finds_what_was_put_right(files):
    again = files.poll()
    assert (again["new"], again["changed"]) == (0, 0) and again["read"] <= 2_000
    files.forward(days=20)
    later = files.poll()
    assert later["outcome"] == "ok" and later["new"] + later["changed"] > 0
    assert files.observed("work_files_total") == truth(told(files))


def test_the_target_is_missed_by_little_and_nothing_of_secret_files_is_told(files):
    found = files.standing("T03", "I03")
    assert found.closing_status == "missed" and 85 < found.closing_value < 90
    exclusion = files.store.catalogue.indicators["I03"].exclusions
    assert "bí mật nhà nước" in exclusion
    assert not any("mat" in name.lower() for row in told(files) for name in row)


def test_it_keeps_what_every_system_promises(files, monkeypatch):
    keeps_what_every_system_promises(files, monkeypatch, "IOC_WORK_FILES_TOKEN")

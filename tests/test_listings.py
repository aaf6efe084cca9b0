"""Sector systems of the sample that answer REST, each in its own way, polled into a store."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import education, health_records, masts, tourism, traffic_incidents
from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, date_of
from kpi import health
from kpi.schema import FAR
from tests.chaos import Answer, Chaos, Request

UNITS = OrgUnits.load()
PLANTED = ("Nguyễn", "Lê Thị", "0912 345 678", "0900 000 000", "73A-000", "nguyenthilap")
FIGURES = {
    "education": (education, {"pupils_total": "soHocSinh", "schools_connected": "truongKetNoi"}),
    "tourism": (tourism, {"tourism_visitors": "luotKhach"}),
}
RECORDS = {
    "traffic_incidents": lambda place: traffic_incidents.Centre(place).rows(),
    "stations": masts.rows,
}
MODULES = {"traffic_incidents": traffic_incidents, "stations": masts}


@pytest.fixture
def clock() -> list[datetime]:
    return [datetime(2026, 11, 22, 15, 2, tzinfo=LOCAL)]


@pytest.fixture
def place(clock: list[datetime], tmp_path: Path) -> Place:
    return Place(Province(UNITS, 450, 0.1), lambda: clock[0], tmp_path / "x", 0)


def served(door: Any) -> Callable[[Request], Answer]:
    """A system's own answers, on a socket."""
    assert isinstance(door, Door)
    client = TestClient(door._app)

    def answer(request: Request) -> Answer:
        reply = client.get(request.path, params=request.query)
        assert reply.headers["x-du-lieu"] and SAMPLE in reply.text
        return Answer(body=reply.content, status=reply.status_code)

    return answer


def source_at(name: str, url: str) -> Any:
    found = next(one for one in load_sources() if one.id == name)
    return found.model_copy(update={"url": url})


def polls(
    name: str, module: Any, place: Place, clock: list[datetime], store: Any, folder: Path
) -> Any:
    """Three polls, a day apart; each run is given back as it ends."""
    settings = SimpleNamespace(data=folder, secret_key_file=None)
    with Chaos(served(module.make(place))) as server:
        source = source_at(name, server.url)
        health.publish_sources(store, [source])
        for _ in range(3):
            run = poll(store, source, settings, now=clock[0])
            assert (run["outcome"] in ("ok", "empty"), run["rejected"]) == (True, 0), run
            yield run
            clock[0] += timedelta(hours=25)


def nothing_personal(folder: Path) -> None:
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not [word for word in PLANTED if word.encode() in kept]


def stored(store: Any, element: str) -> dict[tuple[str, str], float]:
    with store.read() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT org_unit, day, value FROM observation"
                f" WHERE element = :e AND superseded_at = {FAR}"
            ),
            {"e": element},
        ).all()
    return {(unit, date_of(day).isoformat()): value for unit, day, value in rows}


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_the_store_holds_each_figure_of_the_system_as_it_stands(
    name, place, clock, sqlite_store, tmp_path
):
    module, elements = FIGURES[name]
    reads = []
    for run in polls(name, module, place, clock, sqlite_store, tmp_path):
        reads.append(run["read"])
        for element, field in elements.items():
            truth = {}
            for row in module.rows(place):
                day = row.get("ngay") or month_end(row["thang"])
                unit = UNITS.resolve(row["maXa"], datetime.fromisoformat(day).date()).uid
                truth[unit, day] = float(row[field])
            found = stored(sqlite_store, element)  # what has left the system's window stays
            assert {cell: found[cell] for cell in truth} == truth and len(found) < len(truth) + 60
    assert reads[0] > 10 * reads[1]  # later polls ask for what has changed
    nothing_personal(tmp_path)


def test_each_row_of_health_holds_one_value_of_one_element(place, clock, sqlite_store, tmp_path):
    for _ in polls("health", health_records, place, clock, sqlite_store, tmp_path):
        truth: dict[str, float] = {}
        for row in health_records.rows(place):
            truth[row["dataElement"]] = truth.get(row["dataElement"], 0) + float(row["value"])
        for element, name in {
            "residents": "DAN_SO",
            "health_facilities_linked": "CO_SO_LT",
        }.items():
            assert sum(stored(sqlite_store, element).values()) == truth[name]
    nothing_personal(tmp_path)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_the_store_holds_each_case_of_the_system_as_it_stands(
    name, place, clock, sqlite_store, tmp_path
):
    for _ in polls(name, MODULES[name], place, clock, sqlite_store, tmp_path):
        truth = RECORDS[name](place)
        with sqlite_store.read() as connection:
            found = connection.execute(
                sa.text("SELECT COUNT(*), COUNT(closed_at), COUNT(lat) FROM record")
            ).one()
        over = sum(bool(row.get("ketThuc")) for row in truth)
        assert tuple(found) == (len(truth), over, len(truth))
    assert len(truth) > 300
    nothing_personal(tmp_path)


def test_a_number_that_is_none_is_refused(place):
    client = TestClient(education.make(place)._app)
    for wrong in ("trang=x", "kichThuoc=-1", "capNhatTu=hom-qua"):
        reply = client.get(f"/api/truong?{wrong}")
        assert reply.status_code == 400 and SAMPLE in reply.text


def month_end(month: str) -> str:
    year, number = map(int, month.split("-"))
    following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=LOCAL)
    return (following - timedelta(days=1)).date().isoformat()

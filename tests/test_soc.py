"""The sample's security operations centre: its counts arrive as it tells them, and nothing else."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import soc
from connectors.sandbox.doors import Door
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, date_of
from kpi import health
from kpi.schema import FAR

UNITS = OrgUnits.load()
FIELDS = {
    "security_alerts_total": "x_tong",
    "security_alerts_handled": "x_da_xu_ly",
}


@pytest.fixture
def clock() -> list[datetime]:
    return [datetime(2026, 11, 22, 15, 2, tzinfo=LOCAL)]


@pytest.fixture
def centre(clock: list[datetime], tmp_path: Path) -> Iterator[tuple[soc.Centre, str]]:
    """The centre behind a port, and what it would say now."""
    place = Place(Province(UNITS, 450, 0.01), lambda: clock[0], tmp_path / "soc", 0)
    door, loop = soc.make(place), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert isinstance(door, Door)
    asyncio.run_coroutine_threadsafe(door.open(), loop).result(30)
    yield soc.Centre(place), f"http://127.0.0.1:{door.port}"
    asyncio.run_coroutine_threadsafe(door.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


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


def test_the_store_holds_exactly_the_counts_of_the_centre_also_after_it_revised_them(
    centre, clock, sqlite_store, tmp_path, monkeypatch
):
    told, url = centre
    monkeypatch.setenv("IOC_INFORMATION_SECURITY_PASSWORD", soc.PASSWORD)
    source = next(one for one in load_sources() if one.id == "information_security")
    source = source.model_copy(update={"url": url})
    health.publish_sources(sqlite_store, [source])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)

    def agree() -> dict[str, Any]:
        run = poll(sqlite_store, source, settings, now=clock[0])
        assert (run["outcome"], run["rejected"]) == ("ok", 0), run
        for element, name in FIELDS.items():
            truth = {}
            for _, body in told.told():
                day = datetime.fromisoformat(body["x_ngay"]).date()
                unit = UNITS.resolve(body["x_ma_don_vi"], day).uid
                truth[unit, body["x_ngay"]] = float(body[name])
            assert stored(sqlite_store, element) == truth
        return run

    first = agree()
    assert 4_000 < first["new"] < 60_000
    clock[0] += timedelta(hours=20)  # the day ends, another begins, the one before is settled
    second = agree()
    assert second["changed"] > 0 and second["read"] < 1_000
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "Nguyễn Văn Trực".encode() not in kept and b"0912345678" not in kept


def test_an_object_only_grows_within_its_day_and_is_settled_two_mornings_later(centre, clock):
    told, _ = centre
    before = {one.body["id"]: one for one in told.told()}
    for hours in (1, 6, 24, 48):
        clock[0] += timedelta(hours=hours)
        after = {one.body["id"]: one for one in told.told()}
        assert before.keys() <= after.keys()
        assert all(after[id].added >= one.added for id, one in before.items())
        assert all(after[id].body["x_tong"] >= one.body["x_tong"] for id, one in before.items())
        before = after

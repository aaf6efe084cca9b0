"""The orientation to 2030: items without a number, the tasks of the plan, the roll-out by area."""

import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import g

import app as program
from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import smart_services
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import health, query

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
ADMIN = Principal.local_admin()


@pytest.fixture
def rolled_out(sqlite_store: Any, tmp_path: Path) -> Any:
    """A store that has read the sample's roll-out."""
    place = Place(Province(OrgUnits.load(), 450, 0.01), lambda: NOW, tmp_path / "rollout", 0)
    system: Any = smart_services.make(place)
    system._open = True
    system.tend(NOW)
    source = next(one for one in load_sources() if one.id == "smart_services")
    source = source.model_copy(update={"url": str(place.folder)})
    health.publish_sources(sqlite_store, [source])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    assert poll(sqlite_store, source, settings, now=NOW.astimezone(UTC))["outcome"] == "ok"
    return sqlite_store


def test_every_task_is_a_sentence_of_the_plan_to_the_letter_and_has_an_owner(sqlite_store):
    text = unicodedata.normalize("NFC", (ROOT / "kpi" / "plan" / "text.vi.txt").read_text("utf-8"))
    tasks = query.tasks(sqlite_store, ADMIN, now=NOW).frame()
    assert len(tasks) >= 14
    for row in tasks.to_dict("records"):
        assert row["sentence"] in text, row["task"]
        assert row["owner"] and row["state"]


def test_each_service_and_area_has_its_state_since_when_and_on_what_evidence(rolled_out):
    frame = query.rollout(rolled_out, ADMIN, now=NOW).frame()
    assert len(set(frame.service)) == 5
    assert {f"area-45{i}" for i in (0, 2, 3, 4, 5, 6, 7, 8)} <= set(frame.org_unit)
    assert set(frame.state) <= {"none", "pilot", "operating"}
    running = frame[frame.state == "operating"]
    assert len(running) and running.evidence.str.len().gt(3).all()
    whole = frame[(frame.org_unit == "area-qb") & (frame.state == "operating")]
    assert len(whole) >= 4


def test_the_page_shows_tasks_roll_out_and_no_colour_of_a_verdict(rolled_out, tmp_path):
    from layouts import orientation

    app = program.create_app(Settings(data=tmp_path, database_url=rolled_out.url), rolled_out)
    with app.server.test_request_context("/orientation", base_url="http://127.0.0.1"):
        g.principal = ADMIN
        shown = str(orientation.layout())
    for words in ("2030", "Đồng Hới", "Phản ánh hiện trường", "Phổ cập dịch vụ di động 5G"):
        assert words in shown, words

"""The measures of the long rehearsal: what the store lost, polls that did not come, leaks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.config import load_sources
from connectors.mapping import map_rows
from connectors.poller import poll
from connectors.sandbox.field_desk import FieldReports
from connectors.sandbox.journal import Journal
from connectors.sandbox.province import Province
from connectors.sandbox.staff import StaffReports
from ioc.model import Batch, Counts
from ioc.orgunits import OrgUnits
from kpi import health, intake
from kpi.store import KpiStore
from tests.soak import runlog, truth
from tests.soak.house import Sample, growth

NOW = datetime(2021, 4, 20, 1, 0, tzinfo=UTC)
SECRET = b"k" * 32
UNITS = OrgUnits.load()


def source(name: str, **changes: Any) -> Any:
    """A source of the product, as it is declared."""
    found = next(one for one in load_sources() if one.id == name)
    return found.model_copy(update=changes)


def take(store: KpiStore, folder: Path, name: str, rows: list[dict]) -> None:
    """Let the product read rows, as one batch."""
    (folder / "secret.key").write_bytes(SECRET)
    settings = SimpleNamespace(data=folder, secret_key_file=None)
    asked = source(name)
    health.publish_sources(store, [asked])
    run = health.begin_run(store, name, NOW)
    items = map_rows(asked, Batch(rows, None, origin="thử"), NOW, settings)
    intake.accept(store, asked, items, run=run, now=NOW)


def spoil(store: KpiStore, table: str, what: str) -> None:
    """Change one row, take one away, and put one in its place that nobody said."""
    key = "source, key" if table == "record" else "element, org_unit, day, known_at"
    rows = f"SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET"
    made_up = "key = 'x'" if table == "record" else "day = day + 1"
    with store.write() as connection:
        for change in (f"UPDATE {table} SET {what}", f"UPDATE {table} SET {made_up}"):
            at = 3 if what in change else 5
            connection.exec_driver_sql(f"{change} WHERE ({key}) IN ({rows} {at})")


def counted(found: truth.Difference) -> tuple[int, int, int]:
    return len(found.lost), len(found.invented), len(found.different)


def test_a_dossier_that_is_lost_changed_or_made_up_is_found(
    sqlite_store: KpiStore, tmp_path: Path
) -> None:
    journal = Journal(Province(UNITS, 450, 0.2), lambda: NOW)
    rows = [truth.json.loads(row) for row in journal.changes(0, 10**6).rows]
    take(sqlite_store, tmp_path, "public_services", rows)
    expected, refused = truth.dossiers(journal, UNITS, SECRET, NOW)
    stored = truth.stored(sqlite_store, "public_services")
    assert counted(truth.compare(expected, stored)) == (0, 0, 0) and len(stored) > 1000
    assert truth.stored_refusals(sqlite_store, "public_services", UNITS) == refused != {}
    spoil(sqlite_store, "record", "due_at = due_at + 1")
    stored = truth.stored(sqlite_store, "public_services")
    assert counted(truth.compare(expected, stored)) == (1, 1, 1)


def test_a_field_report_that_is_lost_changed_or_made_up_is_found(
    sqlite_store: KpiStore, tmp_path: Path
) -> None:
    rows = FieldReports(Province(UNITS, 450, 0.01), lambda: NOW).rows()
    take(sqlite_store, tmp_path, "field_reports", rows)
    expected = truth.field_reports(rows, UNITS, SECRET)
    stored = truth.stored(sqlite_store, "field_reports")
    assert counted(truth.compare(expected, stored)) == (0, 0, 0) and len(stored) > 50
    spoil(sqlite_store, "record", "lat = 17.5")
    stored = truth.stored(sqlite_store, "field_reports")
    assert counted(truth.compare(expected, stored)) == (1, 1, 1)


def test_a_staff_figure_that_is_lost_changed_or_made_up_is_found(
    sqlite_store: KpiStore, tmp_path: Path
) -> None:
    folder = tmp_path / "staff"
    StaffReports(Province(UNITS, 450, 0.01), folder).write_history(NOW.replace(year=2022))
    asked = source("staff", url=str(folder))
    health.publish_sources(sqlite_store, [asked])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    poll(sqlite_store, asked, settings, now=NOW.replace(year=2022))
    expected, refused = truth.staff(folder, UNITS)
    stored = truth.stored(sqlite_store, "staff")
    assert counted(truth.compare(expected, stored)) == (0, 0, 0) and len(stored) > 1000
    assert truth.stored_refusals(sqlite_store, "staff", UNITS) == refused != {}
    spoil(sqlite_store, "observation", "value = value + 1")
    assert counted(truth.compare(expected, truth.stored(sqlite_store, "staff"))) == (1, 1, 1)


def polled(store: KpiStore, minute: float, outcome: str = "ok") -> None:
    """A poll of a tenth of a minute, so many minutes after NOW."""
    at = NOW + timedelta(minutes=minute)
    run = health.begin_run(store, "staff", at, at)
    evidence = {"note": "", "calls": 1, "bytes": 0, "response_hash": "", "completed": True}
    end = at + timedelta(minutes=0.1)
    health.end_run(store, run, outcome=outcome, counts=Counts(), now=end, **evidence)


def test_a_gap_that_no_fault_explains_and_an_outage_that_nobody_saw_are_found(
    sqlite_store: KpiStore,
) -> None:
    health.publish_sources(sqlite_store, [source("staff")])
    for minute in (0, 1, 2, 7, 8, 13):
        polled(sqlite_store, minute, "retry" if minute == 8 else "ok")
    after = [NOW + timedelta(minutes=minute) for minute in range(14)]
    every = {"staff": timedelta(minutes=1)}
    assert len(runlog.gaps(sqlite_store, every, [])) == 2
    assert runlog.gaps(sqlite_store, every, [(after[3], after[4])])[0].startswith("staff: 294 s")
    assert not runlog.gaps(sqlite_store, every, [(after[2], after[9])])
    seen, unseen = ("staff", after[7], after[9]), ("staff", after[1], after[3])
    assert len(runlog.unseen(sqlite_store, [seen, unseen])) == 1


def test_a_process_that_grows_by_more_than_its_warming_up_is_found() -> None:
    steady = [Sample(at, "web", 1, 100 + min(at, 300) / 3) for at in range(0, 1200, 10)]
    leaking = [Sample(at, "poll", 2, 100 + at / 20) for at in range(0, 1200, 10)]
    brief = [Sample(at, "poll", 3, 100 + at) for at in range(0, 100, 10)]
    (_, _, calm, _), (role, _, grown, hourly) = growth([*steady, *leaking, *brief], 600)
    assert abs(calm) < 0.01 and role == "poll"
    assert 32 < grown < 34 and 179 < hourly < 181

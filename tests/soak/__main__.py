"""Eight hours of the product in half an hour, with trouble on purpose: ``--hours 8 --minutes 33``.

``ioc run`` and a second ``ioc poll`` on one new store, on a clock that runs fast. At the end the
store is laid beside what the sample province says of itself, row by row. 1 when anything is amiss.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

import app
from connectors.poller import poll
from connectors.privacy import secret_key
from connectors.sandbox import lived, serve
from connectors.sandbox.journal import Journal
from connectors.sandbox.outbox import MARKER
from connectors.sandbox.province import Province
from ioc import clock
from ioc.orgunits import OrgUnits
from ioc.settings import Settings
from kpi import health
from kpi.rebuild import rebuild
from kpi.schema import FAR
from kpi.store import KpiStore
from tests.pollers import doubles
from tests.soak import runlog, truth
from tests.soak.faults import Trouble
from tests.soak.house import House, growth, until

LEASE = 5.0
GROWN, WAL = 10.0, 64.0  # per cent of memory, MB
DERIVED = {
    "observation": "element, org_unit, day, value",
    "member": "element, period, org_unit, member_key, n",
    "rollup": "element, period, org_unit, value, units, upto",
    "standing": "target, indicator, org_unit, window, numerator, denominator, units, upto",
}


class Report:
    """Figures as they are found, and whether one of them misses its bar."""

    def __init__(self) -> None:
        self.missed = 0

    def say(self, name: str, figure: object, bad: object = False, examples: object = ()) -> None:
        """One line; ``bad``: it misses its bar."""
        self.missed += bool(bad)
        print(f"{name:<44} {figure}{'   <-- missed' if bad else ''}", flush=True)
        for example in list(examples)[:5]:
            print(f"    {example}", flush=True)


def soak(trouble: Trouble, seconds: float) -> None:
    """So many true seconds of trouble, once everything stands."""
    began = time.monotonic()
    trouble.house.watch(trouble.leader)

    def share() -> Iterator[float]:
        while (gone := (time.monotonic() - began) / seconds) < 1:
            yield gone

    for kind in trouble.kinds(share()):
        print(f"{clock.right_now():%H:%M:%S} {kind}", flush=True)
        trouble.strike(kind)
        time.sleep(trouble.pause())
        if (said := trouble.house.state()) != "ok":
            trouble.faults.append(f"/healthz in peace after {kind}: {said!r}")


def at_cursor(store: KpiStore, settings: Settings, report: Report) -> None:
    """The dossiers, before anything is caught up: they are the journal's at our own cursor."""
    with store.read() as connection:
        cursor = connection.scalar(
            sa.text("SELECT cursor FROM watermark WHERE source = 'public_services'")
        )
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=-7, milliseconds=int(cursor))
    past = lived.read(settings.data / "sandbox" / "staff" / MARKER)
    units = OrgUnits.load()
    province = Province(units, settings.sandbox_seed, settings.sandbox_scale)
    journal = Journal(province, lambda: now, past)
    wanted, _ = truth.dossiers(journal, units, secret_key(settings), now)
    stored = truth.stored(store, "public_services")
    tell(report, "dossiers at the watermark", truth.compare(wanted, stored))


def caught_up(store: KpiStore, settings: Settings, report: Report) -> None:
    """Everything at one instant: the province stands still, each source is polled once."""
    now, units, key = clock.right_now(), OrgUnits.load(), secret_key(settings)
    folder = settings.data / "sandbox" / "staff"
    with standing_still(settings, folder, now) as sandbox:
        for source in app.load_sources(settings):
            if source.id == "field_reports":
                options = {**source.options, "sweep": "1s"}
                source = source.model_copy(update={"options": options})
            run = poll(store, source, settings, now=now)
            fine = run["outcome"] in ("ok", "empty")
            report.say(f"catch-up of {source.id}", run["outcome"], not fine, [run["note"]])
        wanted, refused = truth.dossiers(sandbox.journal, units, key, now)
        reports = truth.field_reports(sandbox.field_reports.rows(), units, key)
    cells, cells_refused = truth.staff(folder, units)
    for source, rows, faulty in (
        ("public_services", wanted, refused),
        ("field_reports", reports, {}),
        ("staff", cells, cells_refused),
    ):
        tell(report, source, truth.compare(rows, truth.stored(store, source)))
        found = truth.stored_refusals(store, source, units)
        tell(report, f"{source}: rows refused", truth.compare(faulty, found))


@contextmanager
def standing_still(settings: Settings, folder: Path, now: datetime) -> Iterator[serve.Sandbox]:
    """The sample province in this process, at one instant."""
    stop, made = threading.Event(), []
    options = {
        "first_port": settings.sandbox_port,
        "folder": folder,
        "scale": settings.sandbox_scale,
        "seed": settings.sandbox_seed,
        "now": lambda: now,
    }
    server = threading.Thread(
        target=serve.run, kwargs={"stop": stop, "ready": made.append, **options}
    )
    server.start()
    try:
        if not until(lambda: made and made[0].reports):
            raise SystemExit("the sample province did not come back")
        yield made[0]
    finally:
        stop.set()
        server.join()


def tell(report: Report, name: str, found: truth.Difference) -> None:
    """One comparison: how many rows, and how many of them differ."""
    said = f"{found.compared} compared, {len(found.lost)} lost, {len(found.invented)} invented"
    said += f", {len(found.different)} different"
    report.say(name, said, found.number, [*found.lost, *found.invented, *found.different])


def derived(store: KpiStore) -> dict[str, set[tuple]]:
    """What is believed now, of everything that is derived."""
    found = {}
    with store.read() as connection:
        for table, columns in DERIVED.items():
            now = f" WHERE superseded_at = {FAR}" if table in ("observation", "rollup") else ""
            rows = connection.exec_driver_sql(f"SELECT {columns} FROM {table}{now}")
            found[table] = {tuple(row) for row in rows}
    return found


def tell_run(report: Report, house: House, store: KpiStore, trouble: Trouble, asked) -> None:
    """What the run log, the lease and the processes say."""
    every = {source.id: source.every for source in app.load_sources(asked.settings)}
    for (source, outcome), number in sorted(runlog.polls(store).items()):
        report.say(f"polls of {source}: {outcome}", number)
    for kind, number in sorted(trouble.done.items()):
        report.say(f"faults: {kind}", number)
    report.say("faults in all", trouble.done.total())
    report.say("not as it should be", len(trouble.faults), trouble.faults, trouble.faults)
    longest = max(trouble.takeovers, default=0.0)
    said = f"{len(trouble.takeovers)}, longest {longest:.1f} s (lease {LEASE:.0f} s)"
    report.say("takeovers", said, longest > 2 * LEASE)
    report.say("polls under way in frozen leaders", trouble.asleep)
    report.say("writes of woken leaders", trouble.stale, trouble.stale)
    report.say("double slots", doubles(store), doubles(store))
    report.say("slots left out, and said so", runlog.left_out(store))
    gaps = runlog.gaps(store, every, trouble.windows)
    report.say("unexplained gaps", len(gaps), gaps, gaps)
    unseen = runlog.unseen(store, trouble.outages)
    said = f"{len(trouble.outages) - len(unseen)} of {len(trouble.outages)}"
    report.say("outages seen in the run log", said, unseen, unseen)
    for role, middle, grown, hourly in growth(house.samples, asked.minutes * 60 / 5):
        said = f"{middle:.0f} MB, {grown:+.1f} %, {hourly:+.1f} MB per true hour"
        report.say(f"memory of {role}", said, grown >= GROWN)
    report.say("WAL, largest", f"{house.wal / 2**20:.1f} MB", house.wal >= WAL * 2**20)


def run(asked: argparse.Namespace, folder: Path) -> int:
    """The whole rehearsal on one folder; the exit code."""
    speed = asked.hours * 60 / asked.minutes
    begin = datetime.now(UTC)
    house = House(folder)
    os.environ |= {
        "IOC_DATA": str(folder),
        "IOC_PORT": str(house.port),
        "IOC_SANDBOX_PORT": str(house.port + 1),
        "IOC_SANDBOX_SCALE": str(asked.scale),
        "IOC_LEASE": str(LEASE),
        clock.VARIABLE: f"{speed:.3f}@{begin:%Y-%m-%dT%H:%M:%SZ}",
    }
    settings = asked.settings = Settings.from_env()
    report = Report()
    try:
        house.start()
        if not until(lambda: house.state() == "ok", 300):
            raise SystemExit(f"not ready; see {folder}/run.log")
        store = app.open_store(settings, migrate=False)
        trouble = Trouble(house, store, LEASE, asked.seed)
        if not until(lambda: trouble.is_well(begin), 300):
            raise SystemExit(f"first load did not end; see {folder}/run.log")
        house.start_standby()
        soak(trouble, asked.minutes * 60)
    finally:
        codes = house.end()
    hours = (clock.right_now() - begin) / timedelta(hours=1)
    report.say("hours of the fast clock", f"{hours:.2f}, {speed:.2f} times as fast")
    report.say("exit codes of poll and run", codes, any(codes))
    report.say("lease given back", health.leader(store) is None, health.leader(store))
    tell_run(report, house, store, trouble, asked)
    at_cursor(store, settings, report)
    caught_up(store, settings, report)
    before, boundaries = derived(store), rebuild(store)
    for table, rows in derived(store).items():
        differ = rows ^ before[table]
        said = f"{len(rows)} rows, {len(differ)} different"
        report.say(f"rebuilt of {boundaries} boundaries: {table}", said, differ, differ)
    store.close()
    print("MISSED" if report.missed else "PASSED", report.missed, "bars missed")
    return int(report.missed > 0)


def main(given: list[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m tests.soak")
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--minutes", type=float, default=33)
    parser.add_argument("--seed", type=int, default=450)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--data", type=Path, help="a new folder, which is kept")
    asked = parser.parse_args(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if asked.data is not None:
        asked.data.mkdir(parents=True)
        return run(asked, asked.data.absolute())
    with tempfile.TemporaryDirectory() as made:
        return run(asked, Path(made))


if __name__ == "__main__":
    sys.exit(main())

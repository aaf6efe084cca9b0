"""The map with all communes and its pins: one refresh after a change, beside the same bytes."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson

from ioc.model import Record
from kpi import health
from kpi.store import KpiStore
from tests.benchmarks import serving
from tests.benchmarks.measure import Line, in_turn
from tests.benchmarks.reading import CALLBACK, callback_body, told
from tests.benchmarks.reference import SOURCES, new_store, take
from tests.benchmarks.serving import Client

PINS = 700
REPORTS = SOURCES["field_reports"]
VIEW = {"indicator": "I02b", "org_unit": "", "level": "commune", "to": "2025-06", "days": ""}


def lines(scratch: Path, *, times: int) -> Iterator[Line]:
    """Before the reform, when there were most communes: told of a commit, and asked again."""
    store = new_store(f"sqlite:///{scratch}/map.sqlite")
    _report(store, datetime.now(UTC))
    answers = scratch / "bytes"
    answers.mkdir(exist_ok=True)
    env = {
        "IOC_DATABASE_URL": store.url,
        "IOC_DATA": str(scratch),
        "BENCH_DATABASE": store.url.removeprefix("sqlite:///"),
        "BENCH_BYTES": str(answers),
    }
    here = "tests.benchmarks.floors"
    with ExitStack() as stack:
        port = stack.enter_context(serving.gunicorn(f"{here}:create_product()", env))
        stack.enter_context(serving.live_screen(port))
        ours = Client(port)
        floor = Client(stack.enter_context(serving.gunicorn(f"{here}:create()", env)))
        for close in (ours.close, floor.close, store.close):
            stack.callback(close)
        yield from _refresh(store, ours, floor, answers, times)


def _refresh(
    store: KpiStore, ours: Client, floor: Client, answers: Path, times: int
) -> Iterator[Line]:
    """All that a map draws, asked for by a screen that has nothing yet."""
    declared = orjson.loads(ours.ask("/_dash-dependencies", None, {"Accept-Encoding": "identity"}))
    refresh = next(one for one in declared if "map-units.hideout" in one["output"])
    view = VIEW | {"on": "", "kind": "", "state": ""}
    body = callback_body(refresh, {"live": {"version": 1}, "map-view": view, "map-seen": {}})
    (answers / "map").write_bytes(ours.ask(CALLBACK, body))
    plain = ours.ask(CALLBACK, body, {"Accept-Encoding": "identity"})
    shown = orjson.loads(plain)["response"]
    pins, units = shown["map-cases"]["data"]["features"], shown["map-units"]["hideout"]["units"]
    size = f"{len(units)} xã, {len(pins)} ghim, {len(plain) / 1e3:.0f} kB"

    asked = (partial(ours.ask, CALLBACK, body), partial(floor.ask, "/same/map", body))
    changes = (
        ("màn đầu sau thay đổi", partial(told, store, ours)),
        ("các màn tiếp theo", lambda: None),
    )
    for name, before in changes:
        mine, same = in_turn(*asked, times=times, warm=3, before=before)
        yield Line(f"/map, {name} / byte có sẵn", size, mine, same, 4)


def _report(store: KpiStore, now: datetime) -> None:
    """Open reports, spread over the communes of today."""
    communes = [unit for unit in store.orgunits.population("commune", now.date()) if unit.lat]
    records = []
    for n in range(PINS):
        unit = communes[n % len(communes)]
        opened = now - timedelta(hours=n + 1)
        records.append(
            Record(
                f"PA-{n}", "field_report", unit.code, opened, opened + timedelta(days=10),
                changed_at=opened, state="received",
                lat=(unit.lat or 0) + n % 17 / 1000, lon=(unit.lon or 0) + n % 13 / 1000,
            )
        )  # fmt: skip
    run = health.begin_run(store, REPORTS.id, now)
    take(store, REPORTS, records, run, now)

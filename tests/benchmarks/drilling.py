"""W3, the drill-down: five years of one org unit day by day, and the communes of one area.

Two floors stand beside it: the bare SQL of the same rows, four columns wide, and one that gives
the product's twenty columns in its own JSON, neither of them compressed: what that costs more is
the cost of rights, clock and rules.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import orjson

from ioc.period import Period, day_number
from kpi.schema import FAR
from kpi.store import KpiStore
from tests.benchmarks import floors, serving
from tests.benchmarks.measure import Line, in_turn
from tests.benchmarks.serving import Client

INDICATOR, DENOMINATOR = "I02b", "dossiers_resolved"
YEARS = date(2021, 1, 1), date(2025, 12, 31)
PLAIN = {"Accept-Encoding": "identity"}
MONTH = Period.of("month", date(2023, 12, 1))
"""The last one with all 151 communes."""


def lines(
    store: KpiStore, scratch: Path, size: str, *, times: int, month: Period = MONTH
) -> Iterator[Line]:
    """The two questions as a head with rights asks them, beside the bare SQL of the same rows."""
    database = store.url.removeprefix("sqlite:///")
    env = {
        "IOC_DATABASE_URL": f"sqlite:///{database}",
        "IOC_DATA": str(scratch),
        "BENCH_DATABASE": database,
        "BENCH_BYTES": str(scratch),
    }
    here = "tests.benchmarks.floors"
    with ExitStack() as stack:
        ours, floor = (
            Client(stack.enter_context(serving.gunicorn(f"{here}:{app}()", env)))
            for app in ("create_limited", "create")
        )
        stack.callback(ours.close)
        stack.callback(floor.close)
        asked = {
            "5 năm từng ngày": _days(_busiest(store)),
            "xếp hạng": _ranking(month),
        }
        read = {name: _compared(ours, floor, *paths) for name, paths in asked.items()}
        alike = {name: (paths[0], _alike(ours, floor, *paths)) for name, paths in asked.items()}
        for name, paths in asked.items():
            found = in_turn(*_both(ours, floor, [paths]), times=times, warm=5)
            yield Line(f"W3 {name} / SQL trần", f"{read[name]} dòng, {size}", *found)
        found = in_turn(*_both(ours, floor, list(asked.values())), times=times, warm=5)
        yield Line("W3 đi sâu, có quyền / SQL trần", f"2 yêu cầu, {size}", *found, 2)
        same = _both(ours, floor, list(alike.values()), PLAIN)
        found = in_turn(*same, times=times, warm=5)
        yield Line("W3 đi sâu / SQL, cùng cột, cùng JSON", f"2 yêu cầu, {size}", *found, 2)


def _busiest(store: KpiStore) -> str:
    """The org unit with figures on most days."""
    with store.read() as connection:
        row = connection.exec_driver_sql(
            f"SELECT org_unit FROM observation WHERE element = '{DENOMINATOR}'"
            f" AND superseded_at = {FAR} GROUP BY org_unit ORDER BY COUNT(*) DESC LIMIT 1"
        ).one()
    return row[0]


def _days(unit: str) -> tuple[str, str]:
    """The address of ours and that of the floor."""
    first, last = YEARS
    given = {"from": first.isoformat(), "to": last.isoformat(), "grain": "day", "limit": "4000"}
    ours = {"indicator": INDICATOR, "org_unit": unit, **given}
    bare = {"unit": unit, "first": day_number(first), "last": day_number(last)}
    return f"/api/v1/values.json?{urlencode(ours)}", f"/w3/days?{urlencode(bare)}"


def _ranking(month: Period) -> tuple[str, str]:
    ours = {"indicator": INDICATOR, "level": "commune", "org_unit": floors.AREA}
    ours |= {"grain": "month", "from": month.text, "to": month.text, "limit": "1000"}
    bare = {"month": month.index, "day": day_number(month.end)}
    return f"/api/v1/values.json?{urlencode(ours)}", f"/w3/ranking?{urlencode(bare)}"


def _compared(ours: Client, floor: Client, path: str, bare: str) -> int:
    """How many rows ours tells; raises where the floor does not read the very same figures."""
    rows = orjson.loads(ours.ask(path, None, PLAIN))["rows"]
    told = sorted(row["denominator"] for row in rows if row["denominator"])
    read = orjson.loads(floor.ask(bare, None, PLAIN))["rows"]
    if not told or told != sorted(row[2] for row in read if row[0] == DENOMINATOR):
        raise RuntimeError(f"{path}: {len(told)} figures, not those of {bare}: {len(read)} rows")
    return len(rows)


def _alike(ours: Client, floor: Client, path: str, bare: str) -> str:
    """The address of the floor with all columns; raises where it tells a figure otherwise."""
    rows = orjson.loads(ours.ask(path, None, PLAIN))["rows"]
    given = {"text": rows[0]["period"], "definition": rows[0]["definition"], "area": floors.AREA}
    address = f"{bare.replace('/w3/', '/w3/alike/')}&{urlencode(given)}"
    read = orjson.loads(floor.ask(address, None, PLAIN))["rows"]
    told, known = (
        sorted(str(row | {"revised": 0}) for row in found if row["denominator"])
        for found in (rows, read)
    )
    if len(read) != len(rows) or told != known:
        raise RuntimeError(f"{path}: not the rows of {address}")
    return address


def _both(
    ours: Client,
    floor: Client,
    paths: list[tuple[str, str]],
    headers: Mapping[str, str] = serving.BROWSER,
) -> tuple[Callable[[], object], Callable[[], object]]:
    return (
        lambda: [ours.ask(path, None, headers) for path, _ in paths],
        lambda: [floor.ask(bare, None, headers) for _, bare in paths],
    )

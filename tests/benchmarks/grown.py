"""A store of so many observations, written straight by the driver in the order of its keys.

Every element has a value for each of 180 org units on each of up to 1,826 days; two elements are
those of an indicator that is judged, the others lie before and behind them in every index. What
follows from the observations (rollups, standings) is there too, with as many rows as it would have.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from pysqlite3 import dbapi2 as driver

from ioc.orgunits import OrgUnits
from ioc.period import Period, date_of, day_number
from kpi import health, standings
from kpi.catalogue import load_catalogue
from kpi.schema import FAR
from kpi.store import KpiStore, open_store
from tests.benchmarks.measure import say
from tests.benchmarks.reference import DOSSIERS, end, new_store, take

UNITS, MOST_DAYS = 180, 1_826
FIRST, COUNTED = day_number(date(2021, 1, 1)), date(2023, 12, 31)
ABOVE, BELOW = "dossiers_fully_online", "dossiers_resolved"
LOADING = (
    "journal_mode=DELETE",
    "journal_mode=OFF",
    "synchronous=OFF",
    "cache_size=-262144",
    "temp_store=MEMORY",
)
"""Nothing of a passing store outlives its run, so nothing is made durable."""


@dataclass(frozen=True, slots=True)
class Form:
    """How large a store is."""

    elements: int
    days: int

    @classmethod
    def of(cls, rows: int) -> "Form":
        """About so many observations: the days of five years first, then elements."""
        days = min(MOST_DAYS, max(1, rows // (2 * UNITS)))
        return cls(max(2, round(rows / (UNITS * days))), days)

    def times(self, factor: int) -> "Form":
        """The same org units and days for so many times as many elements."""
        return replace(self, elements=self.elements * factor)

    @property
    def rows(self) -> int:
        return self.elements * UNITS * self.days

    @property
    def last(self) -> date:
        return date_of(FIRST + self.days - 1)

    @property
    def month(self) -> Period:
        """A month of which there are observations, with all communes of the plan's time."""
        return Period.of("month", min(self.last, COUNTED))

    def names(self) -> list[str]:
        """The elements in the order of their keys, those that are judged in the middle."""
        others = self.elements - 2
        before = [f"a_{n:04}" for n in range(others // 2)]
        return [*before, ABOVE, BELOW, *(f"z_{n:04}" for n in range(others - len(before)))]


@dataclass(frozen=True, slots=True)
class Cost:
    """What loading took: seconds, and bytes on disk."""

    seconds: float
    bytes: int


def leaves() -> list[str]:
    """The org units that have observations: communes first, so that a ranking has all of them."""
    tree = OrgUnits.load()
    found = dict.fromkeys(unit.uid for unit in tree.population("commune", COUNTED))
    found |= dict.fromkeys(sorted(leaf for _, leaf in tree.closure()))
    return list(found)[:UNITS]


def address(path: Path) -> str:
    return f"sqlite:///{path}"


def opened(path: Path) -> KpiStore:
    """The store as it lies there: its start would first read the whole file for damage."""
    return open_store(address(path), load_catalogue(), OrgUnits.load(), migrate=False)


def grow(path: Path, form: Form) -> Cost:
    """Make the store; the cost is that of its rows, without the empty store."""
    now = datetime.now(UTC)
    store = new_store(address(path))
    run = health.begin_run(store, DOSSIERS.id, now)
    end(store, run, take(store, DOSSIERS, [], run, now), now)
    store.close()
    began, empty = time.perf_counter(), path.stat().st_size
    with closing(driver.connect(str(path), isolation_level=None)) as raw:
        for pragma in LOADING:
            raw.execute(f"PRAGMA {pragma}").fetchall()
        _fill(raw, form)
        raw.execute("PRAGMA journal_mode=WAL").fetchall()
    store = opened(path)
    with store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO t_done (element, period, org_unit) SELECT element, period, org_unit"
            f" FROM rollup WHERE element IN ('{ABOVE}', '{BELOW}')"
        )
        standings.renew(connection)
    store.close()
    return Cost(time.perf_counter() - began, path.stat().st_size - empty)


def _fill(raw: driver.Connection, form: Form) -> None:
    raw.execute("CREATE TEMP TABLE leaf (uid TEXT PRIMARY KEY, n INT) WITHOUT ROWID")
    raw.executemany("INSERT INTO leaf VALUES (?, ?)", [(uid, n) for n, uid in enumerate(leaves())])
    raw.execute("CREATE TEMP TABLE day (day INTEGER PRIMARY KEY, month INT)")
    days = range(FIRST, FIRST + form.days)
    months = ((day, Period.of("month", date_of(day)).index) for day in days)
    raw.executemany("INSERT INTO day VALUES (?, ?)", months)
    for name, seed in _told(form):
        raw.execute("BEGIN")
        share = 0.5 if name == ABOVE else 1.0
        raw.execute(_OBSERVATIONS, {"element": name, "seed": seed, "share": share})
        for statement in (_MONTHS, _AREAS, _YEARS):
            raw.execute(statement, {"element": name})
        if name not in (ABOVE, BELOW):
            raw.execute(_STANDINGS, {"element": name})
        raw.execute("COMMIT")


def _told(form: Form) -> Iterator[tuple[str, int]]:
    """Every element and what its values are drawn from, the same on both sides of a ratio."""
    said = time.monotonic()
    for at, name in enumerate(form.names()):
        yield name, 0 if name in (ABOVE, BELOW) else at
        if time.monotonic() - said > 20:
            said = time.monotonic()
            say(f"  … {(at + 1) * UNITS * form.days:,} / {form.rows:,}")


_OBSERVATIONS = (
    "INSERT INTO observation (element, org_unit, day, known_at, superseded_at, value)"
    f" SELECT :element, l.uid, d.day, (d.day + 1) * 86400000000, {FAR},"
    " ((d.day * 7 + l.n * 13 + :seed) % 40 + 1) * :share"
    " FROM temp.leaf l CROSS JOIN temp.day d"  # in the order of the key: both trees only grow
)
_ROLLUP = (
    "INSERT INTO rollup (element, period, org_unit, known_at, superseded_at, value, units, upto)"
    f" SELECT :element, %s, %s, MAX(x.known_at), {FAR}, SUM(x.value), %s"
)
_MONTHS = _ROLLUP % ("d.month", "x.org_unit", "1, d.month") + (
    " FROM observation x CROSS JOIN temp.day d ON d.day = x.day"
    " WHERE x.element = :element GROUP BY d.month, x.org_unit"
)
_AREAS = _ROLLUP % ("x.period", "c.ancestor", "SUM(x.units), x.period") + (
    " FROM rollup x CROSS JOIN closure c ON c.leaf = x.org_unit"
    " WHERE x.element = :element GROUP BY x.period, c.ancestor"
)
_YEARS = _ROLLUP % ("x.period / 12", "x.org_unit", "SUM(x.units), MAX(x.period)") + (
    " FROM rollup x WHERE x.element = :element GROUP BY x.period / 12, x.org_unit"
)
_STANDINGS = (
    'INSERT INTO standing (target, indicator, org_unit, "window", numerator, denominator, units,'
    " upto, known_at) SELECT :element, :element, x.org_unit, x.period, x.value, x.value, x.units,"
    " x.upto, x.known_at FROM rollup x WHERE x.element = :element AND x.period < 12000"
)

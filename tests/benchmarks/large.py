"""``make bench-large``: one tile and the drill-down at ten times the observations.

ARGS="--rows N"          observations of the large store (82 million); the small one has a tenth
ARGS="--folder FOLDER"   where the passing stores lie: a disk with room for both

What it will need is measured first, on a small load; it begins nothing for which there is no room,
and leaves nothing behind.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from types import FrameType

from ioc.period import Period, date_of, day_number
from kpi import query
from kpi.store import KpiStore
from tests.benchmarks import floors, grown
from tests.benchmarks.drilling import INDICATOR
from tests.benchmarks.grown import Cost, Form
from tests.benchmarks.measure import Line, in_turn, say, show, show_head
from tests.benchmarks.reading import TILE
from tests.benchmarks.reference import HEAD

ROWS, GROWTH, LIMIT = 82_000_000, 10, 1.2
MOST_MINUTES = 40
PROBE = 660_000
"""Observations of the load that tells what the others will need: two elements over five years."""
SPARE = 1.15
"""Room beyond the estimate: a deeper tree and what SQLite sorts on disk."""


class NoRoom(SystemExit):
    """The disk is too small; nothing was written but the measured load, and that is gone."""


def main() -> None:
    """Estimate, load, measure, print."""
    parser = argparse.ArgumentParser("make bench-large")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    began = time.monotonic()
    show_head()
    for line in lines(given.folder, given.rows, times=40):
        show(line)
    say(f"Xong sau {(time.monotonic() - began) / 60:.1f} phút.")


def lines(folder: Path, rows: int, *, times: int) -> Iterator[Line]:
    """The large store beside the small one, both made in ``folder`` and gone afterwards.

    Raises:
        NoRoom: ``folder`` has less room than the two stores will need.
    """
    small = Form.of(rows // GROWTH)
    large = small.times(GROWTH)
    with tempfile.TemporaryDirectory(prefix="ioc-bench-large-", dir=folder) as passing:
        here = Path(passing)
        probe = Form.of(min(PROBE, small.rows))
        need = needed(grown.grow(here / "probe.sqlite", probe), probe, small.rows + large.rows)
        (here / "probe.sqlite").unlink()
        check(need, shutil.disk_usage(here).free)
        stores = []
        for name, form in (("large", large), ("small", small)):
            say(f"Nạp {form.rows:,} quan sát …")
            path = here / f"{name}.sqlite"
            cost = grown.grow(path, form)
            rate = f"{form.rows / cost.seconds:,.0f} dòng/s"
            say(f"  xong sau {cost.seconds:,.0f} s: {cost.bytes / 1e9:.2f} GB, {rate}")
            stores.append(grown.opened(path))
        try:
            yield from _compared(*stores, large, small, times)
        finally:
            for store in stores:
                store.close()


def needed(measured: Cost, form: Form, rows: int) -> Cost:
    """What so many rows will need, from what a load of this form took."""
    share = rows / form.rows
    return Cost(measured.seconds * share, round(measured.bytes * share * SPARE))


def check(need: Cost, free: int) -> None:
    """Say what is needed.

    Raises:
        NoRoom: it is more than there is.
    """
    text = f"cần khoảng {need.bytes / 1e9:.2f} GB đĩa, còn {free / 1e9:.1f} GB"
    long = f", quá {MOST_MINUTES} phút" if need.seconds > 60 * MOST_MINUTES else ""
    say(f"Ước tính: {text}; nạp khoảng {need.seconds / 60:.1f} phút{long}.")
    if need.bytes > free:
        raise NoRoom(f"Không đủ chỗ: {text}. Chọn thư mục khác (--folder) hoặc ít hơn (--rows).")


def _compared(
    large: KpiStore, small: KpiStore, more: Form, less: Form, times: int
) -> Iterator[Line]:
    size = f"{more.rows / 1e6:,.2f} tr / {less.rows / 1e6:,.2f} tr quan sát"
    wanted = {
        "W1 một ô": (LIMIT, 10 * times),  # a millisecond: its median wants more turns
        "W3 đi sâu": (LIMIT, times),
        "W3 đi sâu, SQL trần": (None, 5 * times),
    }
    ours, floor = (_asked(store, less) for store in (large, small))
    for name, (limit, turns) in wanted.items():
        if ours[name]() != floor[name]():
            raise RuntimeError(f"{name}: the two stores answer differently")
        found = in_turn(ours[name], floor[name], times=turns)
        yield Line(f"{name}, lớn / nhỏ", size, *found, limit)


def _asked(store: KpiStore, form: Form) -> dict[str, Callable[[], list]]:
    """Questions of a head with rights; every drill-down is of another org unit.

    The clock is that of the last observation. Each gives the figures alone: what else an answer
    tells is of the load.
    """
    days = Period.of("day", date_of(grown.FIRST)), Period.of("day", form.last)
    now = days[1].ends_at - timedelta(seconds=1)  # at midnight another year has begun
    units, bare = cycle(grown.leaves()), cycle(grown.leaves())

    def figures(answer: query.Answer) -> list:
        above, below = (answer.columns.index(name) for name in ("numerator", "denominator"))
        found = [(row[above], row[below]) for row in answer.stream()]
        if not any(both[1] for both in found):
            raise RuntimeError("nothing was read")
        return found

    def tile() -> list:
        store.kept.clear()  # else the second answer would only be looked up
        return figures(query.standings(store, HEAD, targets=[TILE], now=now))

    def drill() -> list:
        asked = {"indicators": [INDICATOR], "now": now}
        daily = {"grain": "day", "first": days[0], "last": days[1]}
        ranked = {"level": "commune", "first": form.month, "last": form.month}
        return [
            *figures(query.values(store, HEAD, org_units=[next(units)], **asked, **daily)),
            *figures(query.values(store, HEAD, org_units=[floors.AREA], **asked, **ranked)),
        ]

    def rows() -> list:
        month, last = form.month.index, day_number(form.month.end)
        with store.read() as connection:
            found = connection.exec_driver_sql(
                floors.DAYS, (next(bare), grown.FIRST, grown.FIRST + form.days - 1)
            ).all()
            found += connection.exec_driver_sql(
                floors.RANKING, (floors.AREA, last, last, month)
            ).all()
        return [tuple(row) for row in found]

    return {"W1 một ô": tile, "W3 đi sâu": drill, "W3 đi sâu, SQL trần": rows}


def _leave(number: int, _frame: FrameType | None) -> None:
    """A termination leaves by the way that cleans up."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()

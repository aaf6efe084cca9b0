"""``make bench``: our figures, each beside its floor; a miss is said, never an error.

ARGS="--store FOLDER"   keep the reference store there and take it when it is there already
ARGS="--dossiers N"     another size of the reference store
ARGS="--only read,w6"    only these groups: read rights w3 w4 w5 screens asof elements poll20 w6
                        postgres rest map
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kpi.store import KpiStore
from tests.benchmarks import (
    drilling,
    exporting,
    map,
    measure,
    polling,
    postgres,
    reading,
    reference,
    screens,
    viewers,
    writing,
)
from tests.benchmarks.measure import Line, fact, say, show

GROUPS = (
    "read",
    "rights",
    "w3",
    "w4",
    "w5",
    "screens",
    "asof",
    "elements",
    "poll20",
    "w6",
    "postgres",
    "rest",
    "map",
)


def main() -> None:
    """Measure and print."""
    given = _arguments()
    wanted = given.only.split(",") if given.only else GROUPS
    began = time.monotonic()
    with reference.folder(given.store) as folder:
        measure.show_head()
        groups = _groups(folder, given.dossiers)
        for name in GROUPS:
            if name in wanted:
                for line in groups[name]():
                    show(line)
    say(f"Xong sau {(time.monotonic() - began) / 60:.1f} phút.")


def _groups(folder: Path, dossiers: int) -> dict[str, Callable[[], Iterator[Line]]]:
    def with_reference(lines: Callable[..., Iterator[Line]]) -> Callable[[], Iterator[Line]]:
        def run() -> Iterator[Line]:
            say(f"Kho đối chiếu {dossiers:,} hồ sơ …")
            store, rate = reference.reference(folder, dossiers)
            if rate is not None:
                fact("nạp lần đầu, cắt theo tuần", f"{dossiers:,} hồ sơ", f"{rate:,.0f} dòng/s")
            try:
                yield from lines(store)
            finally:
                store.close()

        return run

    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    size = f"{dossiers / 1e6:.1f} tr hồ sơ"
    return {
        "read": with_reference(lambda store: reading.over_http(store, scratch, size, times=200)),
        "rights": with_reference(
            lambda store: reading.with_rights(store, scratch, size, times=120)
        ),
        "w3": with_reference(lambda store: drilling.lines(store, scratch, size, times=60)),
        "w4": with_reference(lambda store: exporting.lines(store, size)),
        "w5": with_reference(lambda store: _viewers(store, scratch, size)),
        "screens": with_reference(lambda store: screens.lines(store, scratch, size)),
        "asof": with_reference(lambda store: reading.as_of(store, size, times=30)),
        "poll20": with_reference(lambda store: writing.poll_of_changes(store, size, times=60)),
        "w6": lambda: _sqlite(scratch),
        "postgres": _postgresql,
        "elements": lambda: writing.elements(_fresh(scratch), times=12),
        "rest": lambda: polling.lines(_fresh(scratch), times=8),
        "map": lambda: map.lines(_fresh(scratch), times=40),
    }


def _fresh(scratch: Path) -> Path:
    for old in scratch.glob("*.sqlite*"):
        old.unlink()
    return scratch


def _sqlite(scratch: Path) -> Iterator[Line]:
    folder = _fresh(scratch)
    stores = {name: f"sqlite:///{folder}/{name}.sqlite" for name in ("all", "additive")}
    yield from writing.intake(stores, rows=100_000, base="SQLite")


def _postgresql() -> Iterator[Line]:
    with postgres.server() as base:
        if base is None:
            say("Không có chương trình PostgreSQL: bỏ qua.")
            return
        stores = {name: f"{base}/bench_{name}" for name in ("all", "additive")}
        yield from writing.intake(stores, rows=100_000, base="PostgreSQL")


def _viewers(store: KpiStore, scratch: Path, size: str) -> Iterator[Line]:
    yield from viewers.lines(store, scratch, size, "SQLite")
    with postgres.server() as base:
        if base is not None:
            other = postgres.copied(store, f"{base}/bench_all")
            yield from viewers.lines(other, scratch, size, "PostgreSQL")
            other.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench")
    parser.add_argument("--store", default=os.environ.get("IOC_BENCH_STORE"))
    parser.add_argument("--dossiers", type=int, default=1_100_000)
    parser.add_argument("--only", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()

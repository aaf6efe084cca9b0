"""Two pollers on one store while they are killed, frozen and ended: ``--minutes 10``.

Prints how long takeovers took, and what must be 0: double slots, half batches, lost rows.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ioc.orgunits import OrgUnits
from kpi import health
from kpi.catalogue import load_catalogue
from kpi.store import KpiStore, open_store
from tests.chaos import Chaos
from tests.pollers import LEASE, Poller, doubles, leading, partial, runs, until
from tests.test_poller import CURSOR, Portal, contents, rows

CALM = 6.0  # seconds between two events
EVENTS = ("kill", "freeze", "terminate")


def rehearse(store: KpiStore, folder: Path, seconds: float) -> dict[str, float]:
    """So many seconds of trouble; the figures by name."""
    dice, taken, done = random.Random(450), [], dict.fromkeys(EVENTS, 0)
    portals = {name: Portal(*rows(30)) for name in ("mot", "hai", "ba")}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Chaos(each)) for name, each in portals.items()}
        sources = [
            {"url": server.url, "id": name, "every": "1s", "paging": CURSOR}
            for name, server in servers.items()
        ]

        def start() -> Poller:
            made = Poller(store.url, sources, folder)
            stack.callback(made.end)
            return made

        pair, end = [start(), start()], time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(CALM * dice.uniform(0.5, 1.5))
            for portal in portals.values():
                portal.rows += rows(dice.randrange(9), len(portal.rows))
            first = until(lambda: leading(store, pair))
            event = EVENTS[dice.randrange(len(EVENTS))]
            done[event] += 1
            taken.append(_seconds(first, pair, store, event))
            if event != "freeze":
                pair[pair.index(first)] = start()
        wanted = {name: len({row["ma"] for row in portal.rows}) for name, portal in portals.items()}
        goal = runs(store) + 9
        until(lambda: runs(store) >= goal)
        for each in pair:
            each.signal(signal.SIGTERM)
        for each in pair:
            each.wait()
    stored = len(contents(store)["record"])
    return {
        "runs": runs(store),
        **done,
        "double slots": doubles(store),
        "half batches": partial(store),
        "records": stored,
        "lost records": sum(wanted.values()) - stored,
        "takeover, longest, s": round(max(taken), 1),
        "lease, s": LEASE,
    }


def _seconds(first: Poller, pair: list[Poller], store: KpiStore, event: str) -> float:
    """How long nobody led after the leader was struck."""
    others = [each for each in pair if each is not first]
    strike: dict[str, Callable[[], None]] = {
        "kill": lambda: first.signal(signal.SIGKILL),
        "freeze": lambda: first.freeze(store),
        "terminate": lambda: first.signal(signal.SIGTERM),
    }
    strike[event]()
    began = time.monotonic()
    until(lambda: leading(store, others))
    gone = time.monotonic() - began
    if event == "freeze":
        time.sleep(LEASE)  # three leases in all
        first.signal(signal.SIGCONT)
    elif event == "terminate":
        first.wait()
    return gone


def main() -> int:
    """Print the figures; 1 when one that must be 0 is not."""
    parser = argparse.ArgumentParser("python -m tests.soak.pollers")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--database", default="", help="PostgreSQL; empty: SQLite")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "secret.key").write_bytes(b"k" * 32)
        url = asked.database or f"sqlite:///{folder / 'kpi.sqlite'}"
        store = open_store(url, load_catalogue(), OrgUnits.load())
        found = rehearse(store, folder, asked.minutes * 60)
        assert health.leader(store) is None, "the last one gives the lease back"
        store.close()
    for name, figure in found.items():
        print(f"{name:<24}{figure}")
    return int(any(found[name] for name in ("double slots", "half batches", "lost records")))


if __name__ == "__main__":
    sys.exit(main())

"""The product as a soak has it: ``ioc run``, a stand-by ``ioc poll``, and what they weigh.

Both hold a pipe of ours: they end when we are gone, however that was.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, mean
from typing import NamedTuple

import app
from connectors.sandbox import systems
from ioc.errors import IocError
from ioc.processes import PARENT, ask, check_free

PORTS = 1 + systems.FIRST + len(systems.SYSTEMS)  # the web, and the sample province's
PATIENCE = 120.0
EVERY = 10.0  # true seconds between two looks at memory and WAL


class Sample(NamedTuple):
    """What a process weighed: MB, at true seconds since the begin."""

    at: float
    role: str
    pid: int
    rss: float


class House:
    """The processes on one data folder; strikes hit them by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_ports()
        self.held, self._kept = os.pipe()
        self.main: subprocess.Popen | None = None
        self.standby: subprocess.Popen | None = None
        self.samples: list[Sample] = []
        self.wal = 0
        self._ended = threading.Event()

    def start(self) -> None:
        """``ioc run``; ready is asked elsewhere."""
        self.main = self._started("run")

    def start_standby(self) -> None:
        """The second poller, which waits for the lease."""
        self.standby = self._started("poll")

    def _started(self, command: str) -> subprocess.Popen:
        with (self.folder / f"{command}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(app.ROOT / "app.py"), command],
                env=os.environ | {PARENT: str(self.held)},
                pass_fds=(self.held,),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tree(self) -> dict[int, str]:
        """Role of every process of ``ioc run`` by its id; gunicorn's workers are web too."""
        parents = {pid: found for pid in _pids() if (found := _stat(pid)) is not None}
        found = {self.main.pid: "run"} if self.main and self.main.pid in parents else {}
        grown = True
        while grown:
            new = {pid for pid, (parent, _) in parents.items() if parent in found} - found.keys()
            found |= {pid: parents[pid][1] for pid in new}
            grown = bool(new)
        return found

    def watch(self, leader: Callable[[], int]) -> None:
        """Look at memory and WAL in the background; a poller's only while it leads."""
        threading.Thread(target=self._watch, args=(leader,), daemon=True).start()

    def _watch(self, leader: Callable[[], int]) -> None:
        begin, wal = time.monotonic(), self.folder / "ioc.sqlite-wal"
        while not self._ended.wait(EVERY):
            with suppress(OSError):
                self.wal = max(self.wal, wal.stat().st_size)
            leads, seen = leader(), self.tree()
            if self.standby is not None:
                seen[self.standby.pid] = "poll"
            for pid, role in seen.items():
                if role != "poll" or pid == leads:
                    with suppress(OSError, ValueError):
                        now = time.monotonic() - begin
                        self.samples.append(Sample(now, role, pid, _rss(pid)))

    def state(self) -> str:
        """What ``/healthz`` says; empty when nobody answers."""
        return (ask("127.0.0.1", self.port, "/healthz") or {}).get("status", "")

    def order(self, path: str) -> dict:
        """Tell the sample province to do something."""
        header = {"X-Sandbox-Control": "1"}
        return ask("127.0.0.1", self.port + 2, f"/control/{path}", "POST", **header) or {}

    def end(self) -> list[int | None]:
        """End both, kindly first; their exit codes."""
        self._ended.set()
        codes = [finished(child) for child in (self.standby, self.main)]
        self.standby = self.main = None
        return codes


def finished(child: subprocess.Popen | None) -> int | None:
    """The exit code of a process that was told to end, and is made to."""
    if child is None:
        return None
    for number, patience in ((signal.SIGCONT, 0), (signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            child.send_signal(number)
            child.wait(patience) if patience else None
    return child.poll()


def growth(samples: list[Sample], least: float) -> list[tuple[str, float, float, float]]:
    """Of every life of at least so many seconds: role, MB, % grown, MB an hour; warm-up left out.

    Grown is what the straight line through the samples after the warm-up (a third of the life)
    rises in their time.
    """
    found = []
    for pid in sorted({sample.pid for sample in samples}):
        life = [sample for sample in samples if sample.pid == pid]
        born, died = life[0].at, life[-1].at
        warm = [sample for sample in life if sample.at >= born + (died - born) / 3]
        if died - born < least or len(warm) < 8:
            continue
        line = linear_regression([s.at for s in warm], [s.rss for s in warm])
        level = line.intercept + line.slope * warm[0].at
        rise = line.slope * (died - warm[0].at)
        middle = mean(sample.rss for sample in warm)
        found.append((life[0].role, middle, 100 * rise / level, 3600 * line.slope))
    return found


def free_ports() -> int:
    """The first of so many free ports in a row, below those that clients are given."""
    while True:
        first = random.randrange(20_000, 32_000)
        with suppress(IocError):
            for port in range(first, first + PORTS):
                check_free("127.0.0.1", port)
            return first


def until(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait for something to be true; whether it came."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def lives(pid: int) -> bool:
    """Whether a process is there and not only remembered."""
    return _stat(pid) is not None


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> tuple[int, str] | None:
    """Its parent and its command's last word; None for one that is gone, or only remembered."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    return None if state == "Z" else (int(parent), words[-1].decode(errors="replace"))


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

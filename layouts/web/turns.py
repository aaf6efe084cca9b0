"""Turns to draw: among all threads and processes of one machine one draws, the others wait for it.

A small fixed set of files, each a lock and what was drawn last under it: whoever comes to its turn
finds there what the one before it left. The system frees the lock of a process that dies. Where a
file cannot be opened, locked or written, threads still take turns, and each process draws.
"""

import fcntl
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import orjson

FILES = 64
ANSWERS = 8
"""Answers that one file holds: its questions are few, and hold for a minute."""
PATIENCE = 5.0
"""Seconds that one waits for its turn before it draws without."""
ELSEWHERE = 3.0
"""Seconds, of these, for another process: then one draws for its own, whose others still wait."""
LOOK = 0.02  # seconds between two looks at a lock that another process holds


class Turn:
    """One's turn among the threads under a name; whoever took it ends it."""

    def __init__(self, name: str, near: Lock, path: Path, end: float):
        self._name, self._near, self._path, self._end = name, near, path, end
        self._file: BinaryIO | None = None

    def left(self) -> dict[str, Any] | None:
        """Wait for other processes too: what one of them left under this name; None for nothing,
        also where it takes them too long or the file is broken.
        """
        self._file = _locked(self._path, self._end)
        return next((one for one in self._answers() if one["name"] == self._name), None)

    def leave(self, answer: dict[str, Any]) -> None:
        """Leave plain JSON data for those who wait; lost where the disk is full."""
        if self._file is None:
            return
        others = [one for one in self._answers() if one["name"] != self._name]
        kept = [{**answer, "name": self._name}, *others][:ANSWERS]
        with suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(orjson.dumps(kept))  # what is cut short is no JSON

    def end(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            self._file.close()
        self._near.release()

    def _answers(self) -> list[dict[str, Any]]:
        if self._file is None:
            return []
        with suppress(OSError, orjson.JSONDecodeError):
            self._file.seek(0)
            return orjson.loads(self._file.read())
        return []


class Turns:
    """The turns of all processes that name the same folder; it is made when it is missing."""

    def __init__(self, folder: Path):
        self._folder, self._near = folder, [Lock() for _ in range(FILES)]

    def take(self, name: str) -> Turn | None:
        """Wait for the turn of a hexadecimal name; None when it has not come in time."""
        number = int(name[:4], 16) % FILES
        near, end = self._near[number], time.monotonic() + ELSEWHERE
        if not near.acquire(timeout=PATIENCE):
            return None
        return Turn(name, near, self._folder / f"{number:02}", end)


def _locked(path: Path, end: float) -> BinaryIO | None:
    """The file, held by nobody else; None where that cannot be, or not until ``end``."""
    file = None
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        file = path.open("r+b", buffering=0)  # held until the turn ends
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                if time.monotonic() >= end:
                    break
                time.sleep(LOOK)
    if file is not None:
        file.close()
    return None

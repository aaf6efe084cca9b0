"""Answers kept in memory while the data stand still: nothing is ever cleared, keys move on.

A key holds the question, its arguments, the data version and the states of the sources, so a
commit makes new keys; what depends on the clock is not kept but derived at every reading.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

MOST = 256
LONGEST = 5_000
"""Rows of an answer that is worth keeping; longer ones are files, read once."""


class Kept:
    """The answers read last, each with the key that it holds for; safe for several threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, list[tuple]] = OrderedDict()
        self._lock = Lock()

    def rows(self, key: Hashable, read: Callable[[], list[tuple]]) -> list[tuple]:
        """The rows kept under a key, or read now; not to be changed."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        rows = read()
        if len(rows) <= LONGEST:
            with self._lock:
                self._answers[key] = rows
                while len(self._answers) > MOST:
                    self._answers.popitem(last=False)
        return rows

    def clear(self) -> None:
        """Forget everything: for measurements, and where versions begin anew."""
        with self._lock:
            self._answers.clear()

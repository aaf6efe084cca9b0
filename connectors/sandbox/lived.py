"""When the sandbox was running: in those stretches of time something changed every few seconds.

They are kept in the hidden marker file of the staff folder, so that after a restart the journal
still tells the same: dossiers of the last run are finished, none is told twice.
"""

import json
from pathlib import Path

Stretch = tuple[int, int]  # [from, to) in milliseconds of local time, as in the journal
FOR_EVER = 2**62
KEPT = 500


def read(path: Path) -> list[Stretch]:
    """The stretches in the file, oldest first; a missing or broken file has none."""
    try:
        return [(int(begin), int(end)) for begin, end in json.loads(path.read_text())["lived"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write(path: Path, past: list[Stretch], begin: int, until: int) -> None:
    """Note that the present stretch has lasted until now."""
    aside = path.with_name(f"{path.name}.tmp")
    aside.write_text(json.dumps({"lived": [*past[-KEPT:], (begin, until)]}))
    aside.replace(path)


def begin(past: list[Stretch], now: int, lead: int) -> int:
    """Where a stretch that starts now begins: a little earlier, never inside the last one."""
    return max(now - lead, past[-1][1] if past else 0)

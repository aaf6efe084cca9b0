"""What has become critical: the browser shows the page of a new one at once, once.

A target that is missed or off track, and a source whose silence has made the live figures of
three targets or more stale. The browser remembers which it knew.
"""

from __future__ import annotations

import json
from collections import Counter

from layouts.lines import indicators
from layouts.wall import overview, sector
from layouts.wall.sheet import Sheet
from layouts.wall.view import Wall

CRITICAL = ("missed", "off_track")
FEEDS = 3


def told(wall: Wall, sheets: list[Sheet]) -> str:
    """Each critical item with the sheet that shows it, the newest word of the operator, and how
    the wall is laid out: a page that is laid out otherwise loads itself anew. As JSON.
    """
    keys = {one.key for one in sheets}
    found = {}
    for line in wall.numeric:
        if line.status in CRITICAL and not line.muted:
            page = f"overview-{overview.number_of(wall, line.id)}"
            found[f"{line.id} {line.status}"] = page if page in keys else ""
    board = next((one.key for one in sheets if one.scene == "sources"), "")
    found |= {f"{source} stale": board for source in _silent(wall)}
    said = wall.said
    steer = {
        "number": said.number,
        "sheet": said.sheet,
        "paused": said.paused,
        "codes": said.codes,
        "held": str(said.held or ""),
    }
    laid = ",".join(one.key for one in sheets)
    if any(one.scene == "sector" for one in sheets):
        laid += f" {sector.key_of(wall)}"
    return json.dumps({"critical": found, "steer": steer, "laid": laid})


def _silent(wall: Wall) -> list[str]:
    """The sources that feed at least three targets whose live figures are all stale."""
    known, fed, stale = indicators(), Counter[str](), Counter[str]()
    for line in wall.numeric:
        for source in {known[part.indicator]["source"] for part in line.parts} - {""}:
            ages = {
                part.row.get("freshness")
                for part in line.parts
                if known[part.indicator]["source"] == source
            }
            fed[source] += 1
            stale[source] += "stale" in ages
    return sorted(name for name in fed if fed[name] >= FEEDS and stale[name] == fed[name])

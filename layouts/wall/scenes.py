"""Reads ``wall.yaml``: which scenes a wall shows, in what order, for how long; or refuses it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ioc.config import Lined, read_yaml
from ioc.errors import ConfigError, Fault

PACKAGED = Path(__file__).with_name("wall.yaml")
KNOWN = {
    "overview": (),
    "gravest": (),
    "worst": (),
    "map": ("indicator",),
    "sector": ("sector",),
    "smart_city": (),
    "sources": (),
}
"""Every scene, with what may be chosen of it."""
WORST = "worst"
SHORTEST, LONGEST = 10, 300  # seconds of one page
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SECONDS = re.compile(r"(\d{1,3})s")


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its name, what it shows, seconds of a page (None: as long as it takes)."""

    name: str
    choice: str = ""
    dwell: int | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """All that a wall does by itself, on local time."""

    scenes: tuple[Scene, ...]
    night: tuple[str, str] | None
    dim: int  # percent
    reload: str


def of(settings: Any, catalogue: Any) -> Programme:
    """The programme of a deployment: its own file where there is one, else ours.

    Raises:
        ConfigError: every fault with file and line.
    """
    own = Path(settings.config) / "wall.yaml" if settings.config else None
    path = own if own and own.exists() else PACKAGED
    return load(path, catalogue.indicators, catalogue.sectors)


def load(path: Path, indicators: Collection[str], sectors: Collection[str]) -> Programme:
    """Read and check a programme.

    Raises:
        ConfigError: every fault with file and line.
    """
    faults: list[Fault] = []
    data = read_yaml(path, faults)
    file = str(path)
    if not isinstance(data, Lined):
        raise ConfigError([*faults, Fault(file, 1, "tệp phải gồm scenes, night, reload")])
    for key in data:
        if key not in ("scenes", "night", "reload"):
            faults.append(Fault(file, data.line_of(key), f"mục lạ {key!r}"))
    known = {"indicator": indicators, "sector": sectors}
    entries = data.get("scenes")
    if not isinstance(entries, list) or not entries:
        faults.append(
            Fault(file, data.line_of("scenes"), "scenes phải là danh sách, ít nhất 1 cảnh")
        )
        entries = []
    found = [_scene(entry, known, faults, file, data.line_of("scenes")) for entry in entries]
    scenes = tuple(scene for scene in found if scene)
    if len({scene.name for scene in scenes}) < len(scenes):
        faults.append(Fault(file, data.line_of("scenes"), "mỗi cảnh chỉ được ghi một lần"))
    night, dim = _night(data, faults, file)
    reload = data.get("reload", "03:00")
    if not (isinstance(reload, str) and _CLOCK.fullmatch(reload)):
        faults.append(Fault(file, data.line_of("reload"), 'reload phải là giờ, viết "03:00"'))
    if faults:
        raise ConfigError(faults)
    return Programme(scenes, night, dim, reload)


def _scene(
    entry: Any, known: dict[str, Collection[str]], faults: list[Fault], file: str, line: int
) -> Scene | None:
    if not isinstance(entry, Lined):
        faults.append(Fault(file, line, "mỗi cảnh viết là - scene: tên"))
        return None
    name = entry.get("scene")
    if name not in KNOWN:
        names = ", ".join(KNOWN)
        faults.append(Fault(file, entry.line_of("scene"), f"không có cảnh {name!r}; có {names}"))
        return None
    for key in entry:
        if key not in ("scene", "dwell", *KNOWN[name]):
            faults.append(Fault(file, entry.line_of(key), f"cảnh {name} không có mục {key!r}"))
    choice = ""
    for key in KNOWN[name]:
        choice = entry.get(key, WORST)
        if choice != WORST and choice not in known[key]:
            faults.append(Fault(file, entry.line_of(key), f"không có {key} {choice!r}"))
    return Scene(name, str(choice), _dwell(entry, faults, file))


def _dwell(entry: Lined, faults: list[Fault], file: str) -> int | None:
    if "dwell" not in entry:
        return None
    said = _SECONDS.fullmatch(str(entry["dwell"]))
    seconds = int(said[1]) if said else 0
    if not SHORTEST <= seconds <= LONGEST:
        words = f"dwell viết là 30s, từ {SHORTEST}s đến {LONGEST}s"
        faults.append(Fault(file, entry.line_of("dwell"), words))
    return seconds


def _night(data: Lined, faults: list[Fault], file: str) -> tuple[tuple[str, str] | None, int]:
    """From when to when it is dimmed, and by how much; without an entry never."""
    night = data.get("night")
    if night is None:
        return None, 0
    line = data.line_of("night")
    if not isinstance(night, Lined) or set(night) != {"from", "to", "dim"}:
        faults.append(Fault(file, line, 'night viết là {from: "20:00", to: "06:00", dim: 40}'))
        return None, 0
    for key in ("from", "to"):
        if not _CLOCK.fullmatch(str(night[key])):
            faults.append(Fault(file, night.line_of(key), f'{key} phải là giờ, viết "20:00"'))
    dim = night["dim"]
    if not (isinstance(dim, int) and 0 <= dim <= 80):
        faults.append(Fault(file, night.line_of("dim"), "dim là phần trăm làm tối, từ 0 đến 80"))
    return (str(night["from"]), str(night["to"])), dim

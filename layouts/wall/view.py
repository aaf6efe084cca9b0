"""What the address of a wall asks for: where its viewers sit, whose figures, which scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ioc.errors import IocError
from layouts.lines import AREA, Line, lines
from layouts.state import desk
from layouts.wall import legibility, scenes
from layouts.wall.legibility import DIAGONAL, DISTANCE, SHAPE, Plan
from layouts.wall.scenes import Programme, Scene

NAMES = "scene page org_unit d diag shape theme".split()
WIDEST, NARROWEST = 8.0, 0.3  # width by height


@dataclass(frozen=True)
class Wall:
    """One wall screen: how much fits, what it shows, and the instant it is held at, if it is."""

    fit: Plan
    org_unit: str
    scenes: tuple[Scene, ...]
    page: int  # the page that the address pins, from 1; 0: none, the wall turns its pages itself
    given: Mapping[str, str] = field(default_factory=dict)
    held: datetime | None = None
    seen_from: tuple[float, float, float] = (DISTANCE, DIAGONAL, SHAPE)  # metres, inches, shape
    kept: dict[str, Any] = field(default_factory=dict)  # what several sheets of a drawing ask for

    def fitting(self, many: int) -> Plan:
        """How much fits on this screen where so many tiles are to be shown."""
        return legibility.plan(*self.seen_from, many)

    @cached_property
    def lines(self) -> list[Line]:
        """All targets with their standings at this wall's org unit."""
        when = {"as_of": self.held} if self.held else {}
        return lines(org_unit=self.org_unit, **when)

    @property
    def numeric(self) -> list[Line]:
        """The targets with a number, in the plan's order."""
        return [line for line in self.lines if line.numeric]

    def scene(self, name: str) -> Scene:
        """The scene of a name, as this wall shows it."""
        return next(one for one in self.scenes if one.name == name)

    def href(self, line: Line) -> str:
        """The page of a target's indicator, of the org unit that this wall shows."""
        return line.href if self.org_unit == AREA else f"{line.href}?org_unit={self.org_unit}"


def programme() -> Programme:
    """What the walls of this app show."""
    found: Programme = desk().wall
    return found


def look(given: Mapping[str, Any], held: datetime | None = None) -> Wall | None:
    """The wall of an address; None when it names something that we do not have."""
    wanted = {name: str(given[name]) for name in NAMES if given.get(name) not in (None, "")}
    uid = wanted.get("org_unit", AREA)
    known = {scene.name: scene for scene in programme().scenes}
    chosen = [name for name in wanted.get("scene", "").split(",") if name]
    asked = [known.get(name) or (Scene(name, "worst") if name in scenes.KNOWN else None)
             for name in chosen]  # fmt: skip
    if uid not in desk().orgunits or not all(asked):
        return None
    page = wanted.get("page", "")
    seen_from = (
        _number(wanted.get("d"), DISTANCE, 1, 15),
        _number(wanted.get("diag"), DIAGONAL, 10, 300),
        _number(wanted.get("shape"), SHAPE, NARROWEST, WIDEST),
    )
    fit = legibility.plan(*seen_from)
    shown = tuple(one for one in asked if one) or programme().scenes
    return Wall(fit, uid, shown, int(page) if page.isdecimal() else 0, wanted, held, seen_from)


def again(given: Any, held: datetime | None = None) -> Wall:
    """The wall that a page remembers; refused when it is none of ours."""
    wall = look(given, held) if isinstance(given, dict) else None
    if wall is None:
        raise IocError("Không có màn hình này: hãy tải lại trang.")
    return wall


def _number(given: str | None, usual: float, low: float, top: float) -> float:
    try:
        value = float((given or "").replace(",", "."))
    except ValueError:
        return usual
    return min(max(value, low), top) if math.isfinite(value) else usual

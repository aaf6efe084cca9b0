"""What the address of a wall asks for: where its viewers sit, whose figures, which scenes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ioc.errors import IocError
from ioc.period import Period
from kpi import query
from kpi.query import Steering
from layouts import sectorview
from layouts import view as indicator
from layouts.lines import Line, Row, indicators, lines
from layouts.state import desk, home, rows, today
from layouts.wall import legibility, scenes
from layouts.wall.legibility import DIAGONAL, DISTANCE, SHAPE, Plan
from layouts.wall.scenes import Programme, Scene

NAMES = "scene page org_unit d diag shape theme".split()
WIDEST, NARROWEST = 8.0, 0.3  # width by height
SPANS = {"month": 25, "quarter": 13, "year": 6}
"""How many periods of each grain a small line shows."""


@dataclass(frozen=True)
class Wall:
    """One wall screen: how much fits, what it shows, and the instant it is held at, if it is."""

    fit: Plan
    org_unit: str
    scenes: tuple[Scene, ...]
    page: int  # the page that the address pins, from 1; 0: none, the wall turns its pages itself
    given: Mapping[str, str] = field(default_factory=dict)
    said: Steering = field(default_factory=Steering)  # the newest word to the walls
    seen_from: tuple[float, float, float] = (DISTANCE, DIAGONAL, SHAPE)  # metres, inches, shape
    kept: dict[str, Any] = field(default_factory=dict)  # what several sheets of a drawing ask for

    def fitting(self, many: int) -> Plan:
        """How much fits on this screen where so many tiles are to be shown."""
        return legibility.plan(*self.seen_from, many)

    @property
    def held(self) -> datetime | None:
        """The instant that all walls are held at; None where the figures move."""
        return self.said.held

    @property
    def when(self) -> dict[str, Any]:
        """What every question of this wall adds: the instant that it is held at."""
        return {"as_of": self.held} if self.held else {}

    @cached_property
    def lines(self) -> list[Line]:
        """All targets with their standings at this wall's org unit."""
        return lines(org_unit=self.org_unit, **self.when)

    @cached_property
    def sources(self) -> dict[str, Row]:
        """Every source with its clocks, by its id."""
        return {row["source"]: row for row in rows(query.sources, **self.when)}

    def periods(self, names: Iterable[str]) -> dict[str, list[Row]]:
        """The last periods of indicators at this wall's org unit, each by its own grain.

        What was asked for once is not asked for again; a name without figures has an empty list.
        """
        kept: dict[str, list[Row]] = self.kept.setdefault("periods", {})
        known, new = indicators(), [name for name in dict.fromkeys(names) if name not in kept]
        kept.update({name: [] for name in new})
        for grain, many in SPANS.items():
            keys = [name for name in new if sectorview.grain(known[name]) == grain]
            last = Period.of(grain, today())
            for row in rows(
                query.values, indicators=keys, org_units=[self.org_unit], grain=grain,
                first=last.previous(many - 1), last=last, **self.when,
            ) if keys else []:  # fmt: skip
                kept[row["indicator"]].append(row)
        return kept

    def newest(self, name: str) -> Row:
        """The last period of an indicator that has a figure, with its clocks; else empty."""
        source = self.sources.get(indicators()[name]["source"])
        return indicator.newest(self.periods([name])[name], source)

    @property
    def numeric(self) -> list[Line]:
        """The targets with a number, in the plan's order."""
        return [line for line in self.lines if line.numeric]

    def scene(self, name: str) -> Scene:
        """The scene of a name, as this wall shows it."""
        return next(one for one in self.scenes if one.name == name)

    def href(self, line: Line) -> str:
        """The page of a target's indicator, of the org unit that this wall shows."""
        return line.address(org_unit="" if self.org_unit == home() else self.org_unit)


def programme() -> Programme:
    """What the walls of this app show."""
    found: Programme = desk().wall
    return found


def look(given: Mapping[str, Any], said: Steering | None = None) -> Wall | None:
    """The wall of an address; None when it names something that we do not have."""
    wanted = {name: str(given[name]) for name in NAMES if given.get(name) not in (None, "")}
    uid = wanted.get("org_unit") or home()
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
    return Wall(fit, uid, shown, int(page) if page.isdecimal() else 0, wanted,
                said or Steering(), seen_from)  # fmt: skip


def again(given: Any, said: Steering | None = None) -> Wall:
    """The wall that a page remembers; refused when it is none of ours."""
    wall = look(given, said) if isinstance(given, dict) else None
    if wall is None:
        raise IocError("Không có màn hình này: hãy tải lại trang.")
    return wall


def _number(given: str | None, usual: float, low: float, top: float) -> float:
    try:
        value = float((given or "").replace(",", "."))
    except ValueError:
        return usual
    return min(max(value, low), top) if math.isfinite(value) else usual

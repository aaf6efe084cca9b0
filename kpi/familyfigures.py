"""The figures by which targets are judged, for the org units of a frame."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import sqlalchemy as sa

from ioc.model import OrgUnit
from ioc.period import Period
from kpi.answer import Snapshot, SourceState
from kpi.elements import Element, Indicator
from kpi.families import Merged, merged
from kpi.formulas import by_window
from kpi.frames import Family, Frame
from kpi.sums import Side
from kpi.targets import Part


class Wanted(NamedTuple):
    """The windows of a part in one role (live, closing, first), by the keys of their periods."""

    part: Part
    indicator: Indicator
    source: SourceState
    role: str
    low: int
    high: int


Key = tuple[str, str, str, str]
"""Target, indicator, org unit, role."""
Counts = tuple[int, float | None, float | None, int, int, int | None]
"""Window, numerator, denominator, org units behind them, last month, known_at."""


@dataclass(slots=True)
class Framed:
    """Figures of families; ``refused`` says of which roles there can be none, and why."""

    families: dict[str, Family]
    figures: dict[Key, Counts] = field(default_factory=dict)
    refused: dict[Key, str] = field(default_factory=dict)

    def members(self, unit: OrgUnit) -> tuple[OrgUnit, ...]:
        """Whose figures stand behind those of an org unit."""
        family = self.families.get(unit.uid)
        return family.members if family and family.members else (unit,)


AS_THEN = Framed({})
"""Of org units as they were."""


def framed(
    snapshot: Snapshot, wanted: Iterable[Wanted], units: list[OrgUnit], frame: Frame
) -> Framed:
    """The newest figure of each role (of ``first`` the oldest) that has a denominator."""
    tree = snapshot.store.orgunits
    answer = Framed({unit.uid: frame.family(tree, unit) for unit in units})
    for part, group in groupby(wanted, key=lambda one: one.part):
        _part(snapshot, answer, part, list(group), units, frame)
    return answer


def _part(
    snapshot: Snapshot,
    answer: Framed,
    part: Part,
    roles: list[Wanted],
    units: list[OrgUnit],
    frame: Frame,
) -> None:
    indicator, source = roles[0].indicator, roles[0].source
    elements = snapshot.store.catalogue.elements
    sides = [
        (low, high, elements[one.numerator], elements[one.denominator])
        for one, low, high in by_window(indicator, part)
        if one.numerator and one.denominator
    ]
    least = min((_earliest(snapshot, below, part) for *_, below in sides), default=0)
    spans = {one.role: range(min(max(one.low, least), one.high), one.high + 1) for one in roles}
    periods = {key: _period(part, key) for span in spans.values() for key in span}
    read: dict[str, Merged] = {}
    for grain in ("month", "year", "ytd"):
        some = sorted(period for period in periods.values() if period.grain == grain)
        if some:
            counted = list({one.id: one for *_, above, below in sides for one in (above, below)})
            wanted = [elements[id] for id in counted]
            read[grain] = merged(snapshot, source, wanted, units, some, frame)
    for unit in units:
        for role, span in spans.items():
            name = (part.target, part.indicator, unit.uid, role)
            order = span if role == "first" else reversed(span)
            for key in order:
                period = periods[key]
                at = read[period.grain]
                refused = at.refused.get((unit.uid, period.key))
                if refused:
                    if key == span[-1]:
                        answer.refused[name] = refused
                    if role == "first":
                        continue
                    break
                said = next((one for one in sides if one[0] <= key <= one[1]), None)
                if said is None:
                    continue
                *_, above, below = said
                under = at.found.get((below.id, unit.uid, period.key))
                if under is not None:
                    over = at.found.get((above.id, unit.uid, period.key))
                    answer.figures[name] = _counts(key, over, under, above)
                    break


def _period(part: Part, key: int) -> Period:
    """The days of a window: a year in which a part closes early ends with its closing month."""
    if part.mode == "year" and key == part.closing.key and part.closing_date.month < 12:
        return Period.of("ytd", part.closing_date)
    return Period("year" if part.mode == "year" else "month", key)


def _counts(window: int, over: Side | None, under: Side, above: Element) -> Counts:
    units = under[1]
    if above.silence == "unknown":  # declared: the org units that gave both sides
        units = min(over[1] if over else 0, under[1])
    known = max(side[3] for side in (over, under) if side)
    return window, over[0] if over else None, under[0], units, under[2], known


def _earliest(snapshot: Snapshot, element: Element, part: Part) -> int:
    """The first window of which anything is stored at all."""
    floor = 0 if part.mode == "year" else 12000
    sql = "SELECT MIN(period) FROM rollup WHERE element = :element AND period >= :floor"
    return snapshot.connection.scalar(sa.text(sql), {"element": element.id, "floor": floor}) or 0

"""The org units of one day in every period: as they were then, those of today, those of the plan.

A frame changes which org units there are, never what was counted: an area is the same in all three.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import local_date
from ioc.principal import Principal
from kpi.scope import UnknownFilter
from kpi.store import KpiStore

FRAMES = ("then", "today", "plan")
"""Org units as they were in each period, those of today, those of the day the plan was issued."""
MERGED = date(2025, 7, 1)
"""Since this day the departments serve all of the new province."""


@dataclass(frozen=True, slots=True)
class Family:
    """An org unit of a frame, with all that wholly became it and all that it alone became.

    ``members`` is empty for what is no unit of the frame's day. ``until`` is the last day on
    which it can be compared: the day after, what goes on is made of others too.
    """

    unit: OrgUnit
    members: tuple[OrgUnit, ...]
    until: date | None

    def alive(self, first: date, last: date) -> tuple[OrgUnit, ...]:
        """The members that there were between two days."""
        return tuple(one for one in self.members if overlaps(one, first, last))

    @property
    def plain(self) -> bool:
        """Whether its figures are its own in every period."""
        return self.members == (self.unit,) and self.until is None


@dataclass(frozen=True, slots=True)
class Frame:
    """The day whose org units are shown, and the reader, who may not read all that became them."""

    name: str
    day: date
    who: Principal

    def family(self, tree: OrgUnits, unit: OrgUnit) -> Family:
        """What an org unit is made of in this frame; an area is itself."""
        if unit.level in ("area", "province"):
            return Family(unit, (unit,), None)
        if not unit.open_on(self.day):
            return Family(unit, (), None)
        last, onward = unit, []
        while (heir := _alone(tree, last)) is not None:
            onward.append(heir)
            last = heir
        return Family(unit, (*_before(tree, unit), unit, *onward), last.closed)

    def refused(self, tree: OrgUnits, family: Family, first: date, last: date) -> str:
        """Why a family has no figure between two days, as a code; empty where it may have one."""
        alive = family.alive(first, last)
        if not alive or (family.until is not None and family.until < last):
            return "not_comparable"
        if not all(self.who.may_read(one.uid, tree) for one in alive):
            return "out_of_scope"
        return ""

    def readable(self, tree: OrgUnits, family: Family) -> tuple[OrgUnit, ...]:
        """The members whose figures the reader may see."""
        return tuple(one for one in family.members if self.who.may_read(one.uid, tree))


def frame_of(store: KpiStore, name: str, who: Principal, now: datetime | None) -> Frame | None:
    """The frame of that name; None for the org units as they were.

    Raises:
        UnknownFilter: there is none.
    """
    if name not in FRAMES:
        raise UnknownFilter(f"không có khung đơn vị {name!r}")
    if name == "then":
        return None
    today = local_date(now or right_now())
    return Frame(name, today if name == "today" else plan_day(store, today), who)


def plan_day(store: KpiStore, today: date) -> date:
    """The day on which the first plan was issued; today where there is no plan."""
    return min((one.citation.published for one in store.catalogue.targets.values()), default=today)


def overlaps(unit: OrgUnit, first: date, last: date) -> bool:
    """Whether an org unit was there on any of these days."""
    return not ((unit.closed and unit.closed < first) or (unit.opened and unit.opened > last))


def everybody(families: Iterable[Family]) -> tuple[OrgUnit, ...]:
    """All members and their units, each once."""
    found = {one.uid: one for family in families for one in (family.unit, *family.members)}
    return tuple(found.values())


def _before(tree: OrgUnits, unit: OrgUnit) -> list[OrgUnit]:
    """All that wholly became an org unit, in any number of steps, the oldest first."""
    found: list[OrgUnit] = []
    for uid in tree.predecessors(unit.uid):
        found += [*_before(tree, tree[uid]), tree[uid]]
    return found


def _alone(tree: OrgUnits, unit: OrgUnit) -> OrgUnit | None:
    """The heir that is this org unit and nothing else; a wider province makes departments wider."""
    if unit.closed is None or unit.successor is None:
        return None
    heir = tree[unit.successor]
    wider = heir.level == "department" and heir.opened == MERGED
    return None if wider or tree.predecessors(heir.uid) != [unit.uid] else heir

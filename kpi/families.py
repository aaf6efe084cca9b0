"""Sums of merged org units, put together again from those that became them.

Additive elements are summed, stocks are those of an area (ADR 0004), distinct counts are counted
again from their members; nothing is ever the average of two figures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ioc.model import OrgUnit
from ioc.period import Period, local_date
from kpi import byhand, sums
from kpi.answer import Snapshot, SourceState
from kpi.elements import Element
from kpi.frames import Family, Frame, everybody
from kpi.sums import Found, Side

COUNTED = ("month", "year")
"""Grains for which the members of distinct counts are kept."""


@dataclass(slots=True)
class Merged:
    """Sums of families in periods of one grain.

    ``refused``: why there is none, by (org unit, period key). ``hidden``: the keys of ``found`` of
    which a part is too small to be told: the whole less the other parts would tell it.
    """

    families: dict[str, Family]  # none: org units are as they were
    found: Found = field(default_factory=dict)
    refused: dict[tuple[str, int], str] = field(default_factory=dict)
    hidden: set[tuple[str, str, int]] = field(default_factory=set)

    def members(self, unit: OrgUnit) -> tuple[OrgUnit, ...]:
        """Whose figures stand behind those of an org unit."""
        family = self.families.get(unit.uid)
        return family.members if family and family.members else (unit,)

    def parts(self, unit: OrgUnit, period: Period) -> str:
        """The members that there were in a period, where that is not the org unit alone."""
        family = self.families.get(unit.uid)
        alive = family.alive(period.start, period.end) if family else (unit,)
        return "" if alive == (unit,) else "; ".join(one.uid for one in alive)

    def hides(self, element: Element, unit: OrgUnit, period: Period, sum_: float | None) -> bool:
        """Whether a sum, or one of its parts, is too small to be told."""
        return element.hides(sum_) or (element.id, unit.uid, period.key) in self.hidden


def merged(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: Iterable[OrgUnit],
    periods: list[Period],
    frame: Frame,
) -> Merged:
    """The sums of elements for the org units of a frame, in periods of one grain."""
    tree = snapshot.store.orgunits
    families = {unit.uid: frame.family(tree, unit) for unit in units}
    answer = Merged(families)
    several = [family for family in families.values() if len(family.members) > 1]
    known = everybody(families.values())
    alone = everybody(family for family in families.values() if family not in several)
    stocks = [one for one in elements if one.over_time == "last"]
    others = [one for one in elements if one.over_time != "last"]
    raw = sums.read(snapshot, source, others, known, periods) if others else {}
    if stocks and alone:  # those of several are made of months, below
        raw |= sums.read(snapshot, source, stocks, alone, periods)
    months = months_of(snapshot, source, elements, everybody(several), periods)
    readable = {uid: frame.readable(tree, family) for uid, family in families.items()}
    pairs = [(one.unit.uid, part.uid) for one in several for part in readable[one.unit.uid]]
    unions = _unions(snapshot, elements, pairs, periods)
    for family in families.values():
        may = readable[family.unit.uid]
        for period in periods:
            if reason := _refused(snapshot, frame, family, period, elements):
                answer.refused[family.unit.uid, period.key] = reason
                continue
            for element in elements:
                key = (element.id, family.unit.uid, period.key)
                stock = element.over_time == "last" and family in several
                told = (
                    _stock(element, may, months, period)
                    if stock and period.grain != "day"
                    else [s for one in may if (s := raw.get((element.id, one.uid, period.key)))]
                )
                if told:
                    side = sums.added(told)
                    answer.found[key] = (unions.get(key, side[0]), *side[1:])
                if any(element.hides(part[0]) for part in told):
                    answer.hidden.add(key)
    return answer


def _refused(
    snapshot: Snapshot, frame: Frame, family: Family, period: Period, elements: list[Element]
) -> str:
    today = local_date(snapshot.clock)
    last = min(period.end, max(period.start, today))
    reason = frame.refused(snapshot.store.orgunits, family, period.start, last)
    counted = any(element.over_time == "distinct" for element in elements)
    if not reason and counted and snapshot.as_of is not None:
        # who stood behind a distinct count is known as it is now, not as it was
        return "not_comparable" if len(family.alive(period.start, last)) > 1 else ""
    return reason


def months_of(
    snapshot: Snapshot,
    source: SourceState,
    elements: list[Element],
    units: tuple[OrgUnit, ...],
    periods: list[Period],
) -> Found:
    """The months from which stocks are carried: those of the calendar years asked for."""
    stocks = [element for element in elements if element.over_time == "last"]
    if not stocks or not units or periods[0].grain == "day":
        return {}
    first = Period.of("month", periods[0].start.replace(month=1, day=1)).key
    last = Period.of("month", periods[-1].end).key
    return sums.stored(snapshot, source, stocks, units, list(range(first, last + 1)))


def _stock(
    element: Element, members: tuple[OrgUnit, ...], months: Found, period: Period
) -> list[Side]:
    """What each member said last, in the last month of a period in which one of them reported."""
    for month in reversed([one.key for one in period.months()]):
        told = carried(element, members, months, month)
        if any(side[1] for side in told):
            return told
    return []


def carried(element: Element, members: Iterable[OrgUnit], months: Found, month: int) -> list[Side]:
    """What each org unit open at the end of a month said last in its calendar year, as in an area.

    It counts as one that reports only where it said so in the month itself.
    """
    end, told = Period("month", month).end, []
    for one in members:
        if one.open_on(end):
            seen = (
                months.get((element.id, one.uid, m)) for m in range(month, month // 12 * 12 - 1, -1)
            )
            said = next((side for side in seen if side), None)
            if said is not None:
                value, units, upto, known, revised = said
                told.append((value, units if upto == month else 0, month, known, revised))
    return told


def _unions(
    snapshot: Snapshot, elements: list[Element], pairs: list[tuple[str, str]], periods: list[Period]
) -> dict[tuple[str, str, int], float]:
    """Distinct counts over the parts of each org unit (pairs of it and a part), as they are now."""
    counted = sorted({one.id for one in elements if one.over_time == "distinct"})
    if not counted or not pairs or snapshot.as_of or periods[0].grain not in COUNTED:
        return {}
    names = {f"a{i}": top for i, (top, _) in enumerate(pairs)}
    names |= {f"b{i}": part for i, (_, part) in enumerate(pairs)}
    listed = ", ".join(f"(:a{i}, :b{i})" for i in range(len(pairs)))
    ids = ", ".join(f"'{name}'" for name in counted)
    keys = ", ".join(str(period.key) for period in periods)
    rows = snapshot.connection.execute(
        sa.text(
            f"WITH f(top, part) AS (VALUES {listed}) SELECT m.element, f.top, m.period,"
            " COUNT(DISTINCT m.member_key) FROM f JOIN member m ON m.org_unit = f.part"
            f" AND m.element IN ({ids}) AND m.period IN ({keys}) GROUP BY 1, 2, 3"
        ),
        names,
    )
    return {(element, top, period): float(n) for element, top, period, n in rows}


def hands(
    snapshot: Snapshot,
    windows: Mapping[Any, byhand.Window],
    units: Iterable[OrgUnit],
    families: Mapping[str, Family],
) -> byhand.Found:
    """What came by hand in windows, for org units or for the families that stand for them.

    Of a stock that of members which were still there at the end of the window.
    """
    alone = {unit.uid: Family(unit, (unit,), None) for unit in units} | dict(families)
    uids = [one.uid for one in everybody(alone.values())]
    raw = byhand.by_hand(snapshot, windows.values(), uids)
    if not families or not raw:
        return raw
    found: byhand.Found = {}
    for key, window in windows.items():
        stock = any(element.over_time == "last" for element in window.elements)
        for uid, family in alone.items():
            members = [one for one in family.members if one.open_on(window.last) or not stock]
            told = [raw[key, one.uid] for one in members if (key, one.uid) in raw]
            if told:
                found[key, uid] = byhand.Hand(
                    sum(one.units for one in told),
                    sum(one.days for one in told),
                    max(one.run for one in told),
                )
    return found

"""Year-to-date counters turned into monthly figures: each month less the one before it.

A source that corrects an earlier month says other counters from then on; the months that follow
from them come as changed readings. A counter that falls, or whose month before is missing, gives
no figure: it is a rejection, never a negative month nor one that holds two.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from connectors.privacy import Hasher
from ioc.errors import UnknownOrgUnit
from ioc.model import Reading, Record, Rejection
from ioc.orgunits import OrgUnits
from ioc.source import Source

Item = Record | Reading | Rejection
Result = Reading | tuple[Reading, str]
"""A month, or a counter that gives none and why (Vietnamese)."""


def elements(source: Source) -> set[str]:
    """The readings that a source declares as counters.

    Raises:
        ValueError: what is declared cannot be one (Vietnamese).
    """
    specs = {name: spec for name, spec in (source.readings or {}).items() if isinstance(spec, dict)}
    found = {name: spec["cumulative"] for name, spec in specs.items() if "cumulative" in spec}
    if set(found.values()) - {"year"}:
        raise ValueError("readings: cumulative chỉ nhận year: lũy kế từ đầu năm")
    period = source.fields.get("period")
    if found and isinstance(period, dict) and period.get("grain", "month") != "month":
        raise ValueError("readings: cumulative cần kỳ báo cáo là tháng")
    return set(found)


def by_month(items: Iterable[Item], counters: set[str], hasher: Hasher) -> Iterator[Item]:
    """The items of a batch, counters as months; a row of which one is refused gives no figure."""
    read = list(items)
    said = [item for item in read if isinstance(item, Reading) and item.element in counters]
    found = [item for item in read if not (isinstance(item, Reading) and item.element in counters)]
    refused = set()
    for result in _months(said):
        if isinstance(result, Reading):
            found.append(result)
        else:
            refused.add(result[0].position)
            found.append(_refusal(*result, hasher))
    for item in found:
        if isinstance(item, Rejection) or item.position not in refused:
            yield item


def _months(counters: Iterable[Reading]) -> Iterator[Result]:
    """Each org unit, element and calendar year by itself; of two for a month the later wins.

    A code that passes to another unit within a year passes to another counter.
    """
    years: dict[tuple[str, str, int], dict[int, Reading]] = defaultdict(dict)
    for said in counters:
        first = said.period.start
        months = years[said.element, _unit(said), first.year]
        if first.month not in months or not _is_older(said, months[first.month]):
            months[first.month] = said
    for (_, org_unit, year), months in years.items():
        yield from _differences(months, _first_month(org_unit, year, months))


def _differences(months: dict[int, Reading], first: int) -> Iterator[Result]:
    """``first``: the month in which the counter began at zero."""
    reached, last, changed = 0.0, first - 1, None
    for month, said in sorted(months.items()):
        if said.value < reached:
            yield said, f"lũy kế giảm từ {reached:g} (tháng {last}) xuống {said.value:g}"
            continue
        if month - last > 1:
            yield said, f"thiếu lũy kế tháng {month - 1}: không tách được số của tháng {month}"
        else:
            at = _later(changed, said.changed_at)
            value = said.value - reached
            yield Reading(said.element, said.org_unit, said.period, value, at, said.position)
        reached, last, changed = said.value, month, said.changed_at


def _unit(said: Reading) -> str:
    """The uid behind a code at that time; the code itself where there is none."""
    try:
        return OrgUnits.load().resolve(said.org_unit, said.period.end).uid
    except UnknownOrgUnit:
        return said.org_unit  # the store refuses it, and says why


def _first_month(org_unit: str, year: int, months: dict[int, Reading]) -> int:
    """January, or the month in which the unit opened."""
    units = OrgUnits.load()
    if org_unit not in units:
        return min(months)
    opened = units[org_unit].opened
    return opened.month if opened is not None and opened.year == year else 1


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _is_older(said: Reading, held: Reading) -> bool:
    return bool(said.changed_at and held.changed_at and said.changed_at < held.changed_at)


def _refusal(said: Reading, reason: str, hasher: Hasher) -> Rejection:
    kept = {"org_unit": said.org_unit, "period": said.period.text, said.element: f"{said.value:g}"}
    return Rejection(said.position, f"{said.element}: {reason}", kept, hasher.row(kept))

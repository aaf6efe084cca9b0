"""Find an indicator, a target or an org unit of any epoch by code or name, accents aside."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.orgunits import fold
from ioc.period import local_date
from ioc.principal import Principal
from kpi.answer import Answer
from kpi.scope import all_targets, entitled, fixed, indicators_of
from kpi.store import KpiStore

COLUMNS = "kind id code name level opened closed detail rank".split()
EXACT, BEGINS, WORD, INSIDE, SCATTERED = range(5)
"""How well a text fits, best first: the whole, its beginning, a word's, any part, all its words."""


def search(
    store: KpiStore,
    who: Principal,
    *,
    text: str = "",
    limit: int = 20,
    now: datetime | None = None,
) -> Answer:
    """What has this code or name: indicators, targets, org units of all epochs.

    Returns:
        Best first (``rank`` 0: the whole code or name), open org units before those that ended;
        ``kind`` is indicator, target or org_unit. A code that was re-used gives a row for each
        unit that had it, with its dates. ``detail`` tells namesakes apart: the area of an org
        unit and what it became, the sentence of a target. Words that stand scattered in a name
        count only where nothing has them together. An empty text finds nothing.
    """
    wanted, who = fold(text), entitled(who, now)
    day = local_date(now or right_now())
    coded = {unit.uid for unit in store.orgunits.coded(text.strip().upper())}
    found = []
    for place, (row, names, closed) in enumerate(_entries(store, who, day) if wanted else ()):
        rank = EXACT if row[1] in coded else _rank(wanted, names)
        if rank is not None:
            found.append((rank, closed, place, (*row, rank)))
    found.sort(key=lambda one: one[:3])
    if found and found[0][0] < SCATTERED:
        found = [one for one in found if one[0] < SCATTERED]
    return fixed(store, COLUMNS, [row for *_, row in found[:limit]])


Entry = tuple[tuple, Sequence[str], bool]
"""The row without its rank, what it is called, whether it is over."""


def _entries(store: KpiStore, who: Principal, day: date) -> Iterator[Entry]:
    catalogue, tree = store.catalogue, store.orgunits
    for i in indicators_of(store, who, None):
        row: tuple = ("indicator", i.id, i.id, i.name, "", None, None, i.at(day).definition)
        yield row, (i.id, i.name, i.short), False
    for t in all_targets(store, who):
        shorts = "; ".join(catalogue.indicators[name].short for name in t.indicators)
        row = ("target", t.id, t.id, shorts, "", t.valid_from, t.valid_to, t.sentence)
        yield row, (t.id, shorts, t.sentence), False
    for u in tree.values():
        if who.may_read(u.uid, tree):
            known = (u.uid, u.code, u.name, u.level, u.opened, u.closed)
            names = (u.code, u.uid, u.name, u.name.removeprefix(u.unit_type), u.abbr, _spoken(u))
            yield ("org_unit", *known, _detail(store, u)), names, u.closed is not None


def _spoken(unit: OrgUnit) -> str:
    """Sở KHCN: the first word of the name and the initials of the others, as people say it."""
    kind, _, rest = unit.name.partition(" ")
    said = unit.abbr.removeprefix(kind[0]) if unit.level == "department" else ""
    return f"{kind} {said}" if said and rest else ""


def _detail(store: KpiStore, unit: OrgUnit) -> str:
    area = store.orgunits[unit.area].name if unit.area else ""
    heir = store.orgunits[unit.successor].name if unit.successor else ""
    return "; ".join(filter(None, (area, f"sau là {heir}" if heir else "")))


def _rank(wanted: str, names: Sequence[str]) -> int | None:
    called = [name for name in map(fold, names) if name]
    if wanted in called:
        return EXACT
    if any(name.startswith(wanted) for name in called):
        return BEGINS
    if any(f" {wanted}" in name for name in called):
        return WORD
    if any(wanted in name for name in called):
        return INSIDE
    words = wanted.split()
    scattered = any(all(f" {word}" in f" {name}" for word in words) for name in called)
    return SCATTERED if scattered else None

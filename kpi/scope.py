"""What a question may name: org units in a principal's scope, periods, entries of the catalogue."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.model import OrgUnit
from ioc.period import LOCAL, Period, periods
from ioc.principal import Principal
from ioc.unitfiles import ROOT
from kpi.answer import Answer
from kpi.elements import Indicator
from kpi.store import KpiStore
from kpi.targets import Target

MOST_PERIODS = 4000


class UnknownFilter(IocError):
    """A filter names something that does not exist."""


def entitled(who: Principal, now: datetime | None) -> Principal:
    """The reader with the rights of today: whatever instant is asked for, today decides."""
    return who.on((now or right_now()).astimezone(LOCAL).date())


def pick(
    known: dict[str, Any],
    wanted: Sequence[str] | None,
    what: str,
    may: Callable[[Any], bool] = lambda _: True,
) -> list[Any]:
    """Those that are wanted, or all that may be read.

    Raises:
        UnknownFilter: there is none of that name.
        Forbidden: it is there, and may not be read.
    """
    if wanted is None:
        return [one for one in known.values() if may(one)]
    for name in wanted:
        if name not in known:
            raise UnknownFilter(f"không có {what} {name!r}")
        if not may(known[name]):
            raise Forbidden(f"không có quyền xem {what} {name}")
    return [known[name] for name in wanted]


def indicators_of(store: KpiStore, who: Principal, wanted: Sequence[str] | None) -> list[Indicator]:
    """The indicators that are wanted, or all whose class may be read."""
    known = store.catalogue.indicators
    return pick(known, wanted, "chỉ số", lambda one: who.may_read_class(one.access))


def targets_of(
    store: KpiStore,
    who: Principal,
    wanted: Sequence[str] | None,
    day: date,
    plan: str | None = None,
) -> list[Target]:
    """The targets that are wanted, or all of one plan of which every indicator may be read.

    The plan is the one in force on ``day`` where none is named.

    Raises:
        UnknownFilter: there is no target, or no plan, of that name.
        Forbidden: a target that is wanted may not be read.
    """
    known = store.catalogue
    if plan is not None and plan not in known.plans:
        raise UnknownFilter(f"không có kế hoạch {plan!r}")
    asked = plan or known.plan_on(day)
    if wanted is None:
        return [t for t in known.targets.values() if t.plan == asked and _may(store, who, t)]
    found = pick(known.targets, wanted, "mục tiêu", lambda one: _may(store, who, one))
    return [one for one in found if plan is None or one.plan == plan]


def all_targets(store: KpiStore, who: Principal) -> list[Target]:
    """The targets of all plans of which every indicator may be read."""
    return [one for one in store.catalogue.targets.values() if _may(store, who, one)]


def _may(store: KpiStore, who: Principal, target: Target) -> bool:
    known = store.catalogue.indicators
    return all(who.may_read_class(known[name].access) for name in target.indicators)


def may_serve(store: KpiStore, who: Principal, source: str) -> bool:
    """Whether anything that a source is used for may be read."""
    return any(who.may_read_class(one) for one in store.catalogue.classes_of(source))


def may_read_source(store: KpiStore, who: Principal, source: str) -> bool:
    """Whether the records of a source may be read: all that they are counted for may be."""
    return all(who.may_read_class(one) for one in store.catalogue.classes_of(source))


def reads_all(store: KpiStore, who: Principal) -> bool:
    """Whether the whole territory may be read, and with it what belongs to no org unit."""
    return who.may_read(ROOT, store.orgunits)


def topics(store: KpiStore, who: Principal, known: dict[str, int] | None = None) -> dict[str, int]:
    """The topics of the data with their versions, without those that ``who`` may not read.

    ``known``: the topics as they were read before.
    """
    read = store.topics() if known is None else known
    catalogue, targets = store.catalogue, {one.id for one in all_targets(store, who)}

    def may(topic: str) -> bool:
        if topic in catalogue.targets:
            return topic in targets
        kind, _, source = topic.partition(":")
        return kind != "source" or may_serve(store, who, source)

    return {name: version for name, version in read.items() if may(name)}


def home(store: KpiStore, who: Principal) -> str:
    """The org unit that a question is about where none is named; empty where none may be read.

    The whole territory, else the first of the scope: areas before authorities, open ones before
    those that ended.
    """
    if reads_all(store, who):
        return ROOT
    tree = store.orgunits
    tops = [tree[uid] for uid in who.org_units or () if uid in tree]
    tops.sort(key=lambda unit: (unit.closed is not None, unit.level != "area", unit.uid))
    return tops[0].uid if tops else ""


def units_of(
    store: KpiStore,
    who: Principal,
    wanted: Sequence[str] | None,
    level: str | None,
    day: date,
) -> list[OrgUnit]:
    tree = store.orgunits
    if wanted is None and level is None:
        wanted = list(filter(None, [home(store, who)]))
    if level is not None:
        inside = [u for u in tree.population(level, day) if who.may_read(u.uid, tree)]  # type: ignore[arg-type]
        tops = set(wanted or ())
        return [u for u in inside if not tops or u.uid in tops or tops & set(tree.ancestors(u.uid))]
    found = []
    for uid in wanted or ():
        if uid not in tree:
            raise UnknownFilter(f"không có đơn vị {uid!r}")
        if not who.may_read(uid, tree):
            raise Forbidden(f"không có quyền xem đơn vị {tree[uid].name}")
        found.append(tree[uid])
    return found


def periods_of(grain: str, first: Period, last: Period) -> list[Period]:
    """Every period of the grain from the start of ``first`` to the end of ``last``."""
    # a year so far begins in January like all the others of its year: asked for, it is itself
    start = first if first.grain == grain else Period.of(grain, first.start)  # type: ignore[arg-type]
    end = Period.of(grain, last.end)  # type: ignore[arg-type]
    if end < start:
        raise UnknownFilter("kỳ cuối đứng trước kỳ đầu")
    if end.index - start.index >= MOST_PERIODS:
        raise UnknownFilter(f"quá {MOST_PERIODS} kỳ trong một câu hỏi")
    return periods(start, end)


def fixed(
    store: KpiStore, columns: list[str], rows: list[tuple], as_of: datetime | None = None
) -> Answer:
    """An answer whose rows are known already, of today or of an instant."""
    return Answer(tuple(columns), store, lambda _: iter(rows), as_of=as_of, matching=len(rows))

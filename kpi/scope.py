"""What a question may name: org units in a principal's scope, periods, entries of the catalogue."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ioc.errors import Forbidden, IocError
from ioc.model import OrgUnit
from ioc.period import Period
from ioc.principal import Principal
from kpi.answer import Answer
from kpi.store import KpiStore

ROOT = "area-qb"
"""The plan's territory, the default scope of every screen."""
MOST_PERIODS = 4000


class UnknownFilter(IocError):
    """A filter names something that does not exist."""


def pick(known: dict[str, Any], wanted: Sequence[str] | None, what: str) -> list[Any]:
    if wanted is None:
        return list(known.values())
    for name in wanted:
        if name not in known:
            raise UnknownFilter(f"không có {what} {name!r}")
    return [known[name] for name in wanted]


def units_of(
    store: KpiStore,
    who: Principal,
    wanted: Sequence[str] | None,
    level: str | None,
    day: date,
) -> list[OrgUnit]:
    tree = store.orgunits
    if wanted is None and level is None:
        wanted = [ROOT]
    if level is not None:
        inside = [u for u in tree.population(level, day) if who.may_read(u.uid, tree)]  # type: ignore[arg-type]
        tops = set(wanted or ())
        return [u for u in inside if not tops or u.uid in tops or tops & set(tree.ancestors(u.uid))]
    found = []
    for uid in wanted or ():
        if uid not in tree:
            raise UnknownFilter(f"không có đơn vị {uid!r}")
        if not who.may_read(uid, tree):
            raise Forbidden(f"không có quyền xem đơn vị {uid!r}")
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
    return [start.next(n) for n in range(end.index - start.index + 1)]


def fixed(store: KpiStore, columns: list[str], rows: list[tuple]) -> Answer:
    return Answer(tuple(columns), store, lambda _: iter(rows), matching=len(rows))

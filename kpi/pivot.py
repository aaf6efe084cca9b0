"""Indicators by org unit and period with their totals: all that are listed, the rest, the whole.

Totals are made of numerators and denominators. The whole is the stored one and never a sum of
what is listed: communes, departments and rest leaves stand beside one another under it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.period import Period, local_date
from ioc.principal import Principal
from kpi import families, formulas, pace, series, sums
from kpi.answer import Answer, Snapshot
from kpi.elements import Element, Indicator
from kpi.frames import Frame, frame_of
from kpi.scope import ROOT, entitled, indicators_of, periods_of, units_of
from kpi.store import KpiStore
from kpi.sums import Found

COLUMNS = (*series.COLUMNS[:-1], "row", series.COLUMNS[-1])
ROWS = ("unit", "listed", "rest", "whole")
"""What a row is of: an org unit, all that are listed, what else there is, the stored whole."""
NAMES = {"listed": "Cộng các đơn vị liệt kê", "rest": "Các đơn vị khác"}
WITHOUT = ("suppressed", "not_comparable", "out_of_scope")
"""Where a part has no figure for such a reason, its sum over time has none either."""
_AT = {name: place for place, name in enumerate(series.COLUMNS)}


@dataclass(frozen=True, slots=True)
class Cell:
    """Numerator and denominator of one place, or the code of why there are none."""

    over: float | None = None
    under: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Table:
    """One indicator, what is listed and what it all belongs to."""

    snapshot: Snapshot
    indicator: Indicator
    units: list[OrgUnit]
    whole: OrgUnit | None
    periods: list[Period]
    frame: Frame | None

    @property
    def sides(self) -> tuple[Element | None, Element | None]:
        elements = self.snapshot.store.catalogue.elements
        return (
            elements.get(self.indicator.numerator or ""),
            elements.get(self.indicator.denominator or ""),
        )

    @property
    def over_time(self) -> set[str]:
        """How its elements are summed over time."""
        return {side.over_time for side in self.sides if side}

    @property
    def by_definition(self) -> list["_Table"]:
        """The same for each run of periods that one definition computes."""
        return [
            replace(self, indicator=one, periods=self.periods[run])
            for one, run in formulas.by_period(self.indicator, self.periods)
        ]

    @property
    def tops(self) -> list[OrgUnit]:
        """What is listed without what lies inside another one of it: nothing counts twice."""
        tree, listed = self.snapshot.store.orgunits, {unit.uid for unit in self.units}
        return [one for one in self.units if listed.isdisjoint(tree.ancestors(one.uid))]


def pivot(
    store: KpiStore,
    who: Principal,
    *,
    indicators: Sequence[str] | None = None,
    first: Period,
    last: Period,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    grain: str = "year",
    frame: str = "then",
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """Indicators by org unit and period with totals made of numerators and denominators.

    Returns:
        The columns of ``values``, and ``row``: ``unit`` for each org unit of the level (default:
        areas) open in any of the periods, or on ``on``; then ``listed``, their sum; ``rest``, what
        else the whole has; ``whole``, the stored figures of the smallest area that is asked for, or
        of the widest in scope. Additive figures end with their sum over all periods, whose
        ``period`` is ``2021..2025``; stocks and distinct counts have none, and where another
        definition computes some of the periods it is ``not_comparable``. Distinct counts have
        no ``listed`` and no ``rest`` (``not_summable``); of a stock these are made as the whole
        is, of org units open in its last month. Where an org unit is told too small, no total is.

    Raises:
        UnknownFilter: an indicator, frame or org unit that does not exist, or too many periods.
        Forbidden: an org unit or an indicator is outside ``who``'s scope.

    Source: table ``rollup``, written by kpi.rollup.
    """
    periods, who = periods_of(grain, first, last), entitled(who, now)
    framed, today = frame_of(store, frame, who, now), local_date(as_of or now or right_now())
    if level is None and org_units is None:
        level = "area"
    days = {framed.day if framed else on or min(period.end, today) for period in periods}
    known = {unit.uid: unit for day in days for unit in units_of(store, who, org_units, level, day)}
    listed = [known[uid] for uid in store.orgunits if uid in known]
    whole = _whole(store, who, listed, org_units if level else None)
    units = [unit for unit in listed if unit != whole]
    chosen = indicators_of(store, who, indicators)

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        for indicator in chosen if listed else ():
            yield from _rows(_Table(snapshot, indicator, units, whole, periods, framed))

    return Answer(COLUMNS, store, rows, now, as_of)


def _whole(
    store: KpiStore, who: Principal, listed: list[OrgUnit], asked: Sequence[str] | None
) -> OrgUnit | None:
    """The area that holds all that is listed: the one that was asked for, else the widest."""
    tree = store.orgunits
    above = [{one.uid, *tree.ancestors(one.uid)} for one in listed if one.uid != ROOT]
    common = set.intersection(*above) if above else {ROOT}
    areas = [
        tree[uid]
        for uid in [*(asked or ()), ROOT, *sorted(common)]
        if uid in common and tree[uid].level == "area" and who.may_read(uid, tree)
    ]
    return areas[0] if areas else None


def _rows(table: _Table) -> Iterator[tuple]:
    every = [*table.units, *([table.whole] if table.whole else [])]
    told = {
        (row[_AT["org_unit"]], row[_AT["period"]]): row
        for row in series.rows(table.snapshot, [table.indicator], every, table.periods, table.frame)
    }
    cells = {
        key: Cell(*(row[_AT[name]] for name in ("numerator", "denominator", "reason")))
        for key, row in told.items()
    }
    texts = [period.text for period in table.periods]
    for unit in table.units:
        yield from (_of(told[unit.uid, text], "unit") for text in texts)
        yield from _over_time(table, "unit", [cells[unit.uid, text] for text in texts], unit)
    totals: dict[str, list[Cell]] = {}
    defined = table.by_definition
    by = [run for run in defined for _ in run.periods]
    for run in defined if table.units else ():
        for kind, more in _totals(run, cells).items():
            totals.setdefault(kind, []).extend(more)
    for kind in ("listed", "rest"):
        for run, period, cell in zip(by, table.periods, totals.get(kind, ()), strict=False):
            yield _row(run, kind, period, cell)
        yield from _over_time(table, kind, totals.get(kind, []))
    if table.whole is not None:
        wholes = totals.get("whole") or [cells[table.whole.uid, text] for text in texts]
        for run, period, cell in zip(by, table.periods, wholes, strict=True):
            row = told[table.whole.uid, period.text]
            same = cell == cells[table.whole.uid, period.text]
            yield _of(row, "whole") if same else _row(run, "whole", period, cell, table.whole)
        yield from _over_time(table, "whole", wholes, table.whole)


# ── totals of a period ─────────────────────────────────────────────────────────────────────


def _totals(table: _Table, cells: dict[tuple[str, str], Cell]) -> dict[str, list[Cell]]:
    """Listed, rest and whole of every period; where a part is hidden, so are all three."""
    found: dict[str, list[Cell]] = {"listed": [], "rest": [], "whole": []}
    stocks = _stocks(table, cells) if "last" in table.over_time else {}
    for period in table.periods:
        parts = [cells[unit.uid, period.text] for unit in table.tops]
        if "distinct" in table.over_time:
            listed = Cell(reason=_same(parts, ("no_source", "not_offered")) or "not_summable")
        elif stocks:
            listed = stocks[period]
        else:
            listed = _sum(parts)
        whole = cells[table.whole.uid, period.text] if table.whole else None
        rest = _rest(whole, listed) if whole else None
        secret = any(part.reason == "suppressed" for part in cells_of(table, cells, period))
        secret |= any(_small(table, cell) for cell in (listed, rest) if cell)
        for kind, cell in (("listed", listed), ("rest", rest), ("whole", whole)):
            if cell is not None:
                found[kind].append(Cell(reason="suppressed") if secret else cell)
    return {kind: told for kind, told in found.items() if told}


def cells_of(table: _Table, cells: dict[tuple[str, str], Cell], period: Period) -> Iterator[Cell]:
    """The cells of all that is listed in a period."""
    return (cells[unit.uid, period.text] for unit in table.units)


def _sum(parts: Iterable[Cell]) -> Cell:
    """Numerators and denominators added up, each where it is known."""
    told = list(parts)
    over = [one.over for one in told if one.over is not None]
    under = [one.under for one in told if one.under is not None]
    reason = "" if over or under else _same(told) or "not_reported"
    return Cell(sum(over) if over else None, sum(under) if under else None, reason)


def _same(parts: Iterable[Cell], of: Sequence[str] = ()) -> str:
    """The one reason that all share (of these, where any are named), or none."""
    reasons = {part.reason for part in parts}
    shared = reasons.pop() if len(reasons) == 1 else ""
    return shared if not of or shared in of else ""


def _rest(whole: Cell, listed: Cell) -> Cell:
    if listed.reason in ("not_summable", "suppressed") or (
        whole.over is None and whole.under is None
    ):
        return Cell(reason=listed.reason if listed.reason == "not_summable" else whole.reason)
    return Cell(
        None if whole.over is None else whole.over - (listed.over or 0),
        None if whole.under is None else whole.under - (listed.under or 0),
    )


def _small(table: _Table, cell: Cell) -> bool:
    """Whether a total would tell of too few people; that nobody is left over may be told."""
    if not cell.over and not cell.under:
        return False
    sides = zip(table.sides, (cell.over, cell.under), strict=True)
    return any(side is not None and side.hides(figure) for side, figure in sides)


def _stocks(table: _Table, cells: dict[tuple[str, str], Cell]) -> dict[Period, Cell]:
    """What is listed of a stock, summed as the whole is: in the last month of the whole's own."""
    snapshot = table.snapshot
    source = snapshot.source_of(table.indicator.source)
    sides = [side for side in table.sides if side]
    if source is None or not sides or table.periods[0].grain == "day":
        return {period: _sum(cells_of(table, cells, period)) for period in table.periods}
    every = tuple({one.uid: one for unit in table.tops for one in _leaves(table, unit)}.values())
    months = families.months_of(snapshot, source, sides, every, table.periods)
    upto = sums.read(snapshot, source, sides, (table.whole,), table.periods) if table.whole else {}
    found = {}
    for period in table.periods:
        told = [unit for unit in table.tops if cells[unit.uid, period.text].reason not in WITHOUT]
        leaves = [one for unit in told for one in _leaves(table, unit)]
        over, under = (
            _stock(table, side, leaves, months, period, upto) if side else None
            for side in table.sides
        )
        known = over is not None or under is not None
        parts = [cells[unit.uid, period.text] for unit in table.tops]
        found[period] = Cell(over, under, "" if known else _same(parts) or "not_reported")
    return found


def _stock(
    table: _Table,
    side: Element,
    leaves: list[OrgUnit],
    months: Found,
    period: Period,
    upto: Found,
) -> float | None:
    whole = upto.get((side.id, table.whole.uid, period.key)) if table.whole else None
    if whole is not None:
        last = whole[2]
    else:
        keys = {month.key for month in period.months()}
        here = {key for _, _, key in months if key in keys}
        last = max(here, default=0)
    told = families.carried(side, leaves, months, last) if last else []
    return sum(one[0] for one in told) if told else None


def _leaves(table: _Table, unit: OrgUnit) -> list[OrgUnit]:
    """The org units that report under one that is listed."""
    tree = table.snapshot.store.orgunits
    if table.frame is None or unit.level == "area":
        return [tree[uid] for uid in tree.leaves(unit.uid)]
    return list(table.frame.readable(tree, table.frame.family(tree, unit)))


# ── rows that the store does not have ──────────────────────────────────────────────────────


def _over_time(
    table: _Table, kind: str, cells: list[Cell], unit: OrgUnit | None = None
) -> Iterator[tuple]:
    """The sum over all periods, of what may be added up over time."""
    periods, defined = table.periods, table.by_definition
    summed = all(run.over_time == {"sum"} for run in defined)
    if len(cells) < 2 or periods[0].grain == "ytd" or not summed:
        return
    if len(defined) > 1:
        cells = [Cell(reason="not_comparable")]
    kept_out = next((one.reason for one in cells if one.reason in WITHOUT), "")
    total = Cell(reason=kept_out) if kept_out else _sum(cells)
    if _small(table, total):
        total = Cell(reason="suppressed")
    yield _row(defined[-1], kind, (periods[0], periods[-1]), total, unit)


def _row(
    table: _Table,
    kind: str,
    period: Period | tuple[Period, Period],
    cell: Cell,
    unit: OrgUnit | None = None,
) -> tuple:
    """A row of one period, or of all from one to another."""
    indicator = table.indicator
    first, last = period if isinstance(period, tuple) else (period, period)
    counts_only = indicator.numerator is not None and indicator.denominator is None
    value = pace.ratio(cell.over, 1.0 if counts_only else cell.under, indicator.factor)
    reason = cell.reason
    if not reason and value is None:
        reason = "zero_denominator" if cell.under == 0 else "not_reported"
    source = table.snapshot.source_of(indicator.source)
    said = {
        "indicator": indicator.id,
        "org_unit": unit.uid if unit else "",
        "code": unit.code if unit else "",
        "name": unit.name if unit else NAMES[kind],
        "level": unit.level if unit else "",
        "grain": table.periods[0].grain,
        "period": first.text if first is last else f"{first.text}..{last.text}",
        "numerator": cell.over,
        "denominator": cell.under,
        "value": None if value is None else float(value),
        "unit": indicator.unit,
        "reason": reason,
        "run": source.run if source else None,
        "definition": indicator.definition_id,
        "parts": "",
        "mark": "" if value is None else formulas.mark(indicator, first.start),
    }
    return _of(tuple(said.get(name) for name in series.COLUMNS), kind)


def _of(row: tuple, kind: str) -> tuple:
    """A row of ``values`` with what it is of, before its mark."""
    return (*row[:-1], kind, row[-1])

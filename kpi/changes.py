"""What changed between two instants, and by which cause: data, corrections, rules, units, time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from ioc.clock import right_now
from ioc.model import OrgUnit
from ioc.period import Period, local_date
from ioc.principal import Principal
from kpi import decided, effective, formulas, judging, origins, series, sums
from kpi.answer import Answer, Snapshot, SourceState, take_snapshot
from kpi.catalogue import Indicator
from kpi.effective import INDICATORS, TARGETS
from kpi.schema import instant_of, micros
from kpi.scope import (
    UnknownFilter,
    entitled,
    may_read_source,
    reads_all,
    targets_of,
    units_of,
)
from kpi.store import KpiStore
from kpi.targets import Part, Target

COLUMNS = (
    "target indicator org_unit code name level figure causes period_before numerator_before"
    " denominator_before value_before status_before reading_before period numerator denominator"
    " value unit status reading known_at source run given_by decided_at config definition"
).split()
CAUSES = ("new_data", "corrected", "definition", "target", "signature", "org_unit", "clock")
WEEK = timedelta(days=7)


class _Figure(NamedTuple):
    period: str
    numerator: float | None
    denominator: float | None
    value: float | None
    definition: str


class _Why(NamedTuple):
    causes: tuple[str, ...]
    known_at: int | None = None
    decided_at: datetime | None = None
    config: int | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two instants: what was known, the date, the targets as they were judged."""

    snapshot: Snapshot
    day: date
    targets: dict[str, Target]
    rows: dict[tuple[str, str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Pair:
    """One part of a target at one org unit, at both instants."""

    part: Part
    indicator: Indicator
    unit: OrgUnit
    before: dict[str, Any]
    after: dict[str, Any]
    was_closed: bool
    is_closed: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """Both sides, and what people and files decided between them."""

    before: _Side
    after: _Side
    targets: effective.History
    formulas: effective.History
    chosen: dict[str, datetime]


def changes(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    since: datetime | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The targets whose figure or status changed between two instants, and by which causes.

    Returns:
        In the plan's order a row for each part of a target that changed, none for what did not,
        nor for what comes from a source whose first load is under way.
        ``figure`` is ``closing`` where the part had closed, else ``live``; a row of its own,
        ``after_closing``, has the live figure of a closed part where that moved too. ``*_before``
        is what stood at ``since`` (default: a week earlier), judged by the targets and readings of
        then. ``causes``, separated by blanks: ``new_data``, ``corrected`` (of a period settled by
        ``since``), ``definition`` (its formula was written anew: both sides are by that of now; or
        another came into force: each side is by its own), ``target`` (its level or reading),
        ``signature``, ``org_unit`` (other org units make it up), ``clock`` (it closed, or nothing
        but time moved it). ``known_at`` and ``run`` are of the newest data that moved it,
        ``decided_at`` and ``config`` of the decision or the version of the configuration; unknown
        where the cause is another. ``given_by`` is empty for whoever may not read the whole
        territory. Org units as of ``standings``.

    Raises:
        UnknownFilter: a target or org unit that does not exist, or ``since`` after ``as_of``.
        Forbidden: an org unit or a target is outside ``who``'s scope.

    Source: ``standings`` at both instants; ``config_version``, ``reading_choice``,
    ``closing_signature``, ``poll_run``.
    """
    clock, who = as_of or now or right_now(), entitled(who, now)
    begin = since or clock - WEEK
    if begin > clock:
        raise UnknownFilter("since: phải trước as_of")
    units = units_of(store, who, org_units, level, local_date(clock))
    day = local_date(clock)
    chosen = [
        one for one in targets_of(store, who, targets, day) if one.valid_from <= day or targets
    ]
    told = {one.source: reads_all(store, who) and may_read_source(store, who, one.source or "")
            for one in store.catalogue.indicators.values()}  # fmt: skip

    def rows(snapshot: Snapshot) -> Iterator[tuple]:
        asked = _asked(snapshot, chosen, units, begin, now)
        for part, unit in _parts(chosen, units):
            pair = _pair(asked, part, unit)
            if pair is not None:
                yield from _rows(asked, pair, told=told.get(pair.indicator.source, False))

    return Answer(tuple(COLUMNS), store, rows, now, as_of)


def _parts(targets: list[Target], units: list[OrgUnit]) -> Iterator[tuple[Part, OrgUnit]]:
    for target in targets:
        for unit in units:
            for part in target.parts:
                yield part, unit


def _asked(
    snapshot: Snapshot,
    chosen: list[Target],
    units: list[OrgUnit],
    since: datetime,
    now: datetime | None,
) -> _Asked:
    store, connection = snapshot.store, snapshot.connection
    earlier = take_snapshot(store, connection, now, since)
    kept = effective.history(connection, TARGETS, since, snapshot.as_of)
    formulas = effective.history(connection, INDICATORS, since, snapshot.as_of)
    until = snapshot.clock
    then = [effective.restored(one, kept.then.get(one.id)) for one in chosen]
    later = chosen
    if snapshot.as_of is not None:
        later = [effective.restored(one, kept.later.get(one.id)) for one in chosen]
    decisions = {
        one.target: one.at
        for one in reversed(decided.chosen(connection))
        if since < one.at <= until
    }
    return _Asked(
        _side(earlier, then, units),
        _side(snapshot, later, units),
        kept,
        formulas,
        decisions,
    )


def _side(snapshot: Snapshot, targets: list[Target], units: list[OrgUnit]) -> _Side:
    day = local_date(snapshot.clock)
    targets = [target.on(day) for target in targets]
    parts = [part for target in targets for part in target.parts]
    found = {}
    for row in judging.rows(snapshot, targets, parts, units, day):
        said = dict(zip(judging.COLUMNS, row, strict=True))
        found[said["target"], said["indicator"], said["org_unit"]] = said
    judged = decided.in_force(snapshot.connection, targets, snapshot.as_of)
    return _Side(snapshot, day, {one.id: one for one in judged}, found)


def _pair(asked: _Asked, part: Part, unit: OrgUnit) -> _Pair | None:
    key = (part.target, part.indicator, unit.uid)
    before, after = asked.before.rows.get(key), asked.after.rows.get(key)
    indicator = asked.after.snapshot.store.catalogue.indicators[part.indicator]
    source = asked.after.snapshot.source_of(indicator.source)
    if before is None or after is None or (source and source.loading):
        return None
    return _Pair(
        part,
        indicator,
        unit,
        before,
        after,
        _part(asked.before, part).closed(asked.before.day),
        _part(asked.after, part).closed(asked.after.day),
    )


def _part(side: _Side, part: Part) -> Part:
    """The same part as it was judged on a side: its closing date may have moved."""
    return next(one for one in side.targets[part.target].parts if one.indicator == part.indicator)


def _figure(row: dict[str, Any], *, closing: bool) -> _Figure:
    lead = "closing_" if closing else ""
    return _Figure(*(row[lead + name] for name in _Figure._fields))


def _rows(asked: _Asked, pair: _Pair, *, told: bool) -> Iterator[tuple]:
    """The row of the figure that is judged, and that of the live figure of a closed part."""
    before = _figure(pair.before, closing=pair.was_closed)
    after = _figure(pair.after, closing=pair.is_closed)
    formula = _formula(asked, pair, after)
    moved = before.value != after.value or pair.before["status"] != pair.after["status"]
    if moved or formula is not None or _replaced(asked, before, after):
        why = _why(asked, pair, before, after, formula)
        yield _row(asked, pair, before, after, why, told=told)
    if pair.was_closed and pair.is_closed:
        before, after = (_figure(row, closing=False) for row in (pair.before, pair.after))
        if before.value != after.value:
            causes, known = _data(asked, pair, before, after)
            causes += ["definition"] if _replaced(asked, before, after) else []
            why = _Why((*causes, *_reform(asked, pair, before, after)) or ("clock",), known)
            yield _row(asked, pair, before, after, why, told=told, live=True)


def _why(
    asked: _Asked,
    pair: _Pair,
    before: _Figure,
    after: _Figure,
    formula: effective.Change | None,
) -> _Why:
    causes, known = _data(asked, pair, before, after)
    decided_at, config = None, None
    if formula is not None:
        causes, decided_at, config = [*causes, "definition"], formula.at, formula.number
    elif _replaced(asked, before, after):
        causes.append("definition")
    target = pair.part.target
    sides = (asked.before.targets[target], asked.after.targets[target])
    if effective.judged(sides[0]) != effective.judged(sides[1]):
        causes.append("target")
        if (change := asked.targets.changed.get(target)) is not None:
            decided_at, config = change.at, change.number
        decided_at = asked.chosen.get(target, decided_at)
    signed = pair.after["closing_signed_at"]
    if signed is not None and signed != pair.before["closing_signed_at"]:
        causes.append("signature")
        decided_at = signed
    if before[1:3] != after[1:3]:
        causes += _reform(asked, pair, before, after)
    if pair.was_closed != pair.is_closed or not causes:
        causes.append("clock")
    return _Why(tuple(causes), known, decided_at, config)


def _formula(asked: _Asked, pair: _Pair, after: _Figure) -> effective.Change | None:
    """The version that changed how the figure is counted or divided; None where only words."""
    change = asked.formulas.changed.get(pair.indicator.id)
    if change is None:
        return None
    day = _ends(asked, pair, after)
    then, later = (
        formulas.of_day(side.get(pair.indicator.id, ""), day)
        for side in (asked.formulas.then, asked.formulas.later)
    )
    connection = asked.after.snapshot.connection
    return change if then != later and effective.reformed(connection, then, later) else None


def _ends(asked: _Asked, pair: _Pair, figure: _Figure) -> date:
    """The day whose definition computes a figure; where there is none, that of the live one."""
    part = _part(asked.after, pair.part)
    window = Period.parse(figure.period) if figure.period else part.window(asked.after.day)
    return part.ends(window)


def _replaced(asked: _Asked, before: _Figure, after: _Figure) -> bool:
    """Whether a definition came into force between the windows of two figures."""
    ids = (before.definition, after.definition)
    return (
        ids[0] != ids[1]
        and "" not in ids
        and effective.reformed(asked.after.snapshot.connection, *ids)
    )


def _data(
    asked: _Asked, pair: _Pair, before: _Figure, after: _Figure
) -> tuple[list[str], int | None]:
    """Whether new or corrected data moved a figure, and when the newest of them became known."""
    source = asked.after.snapshot.source_of(pair.indicator.source)
    if source is None or not after.period or before[:3] == after[:3]:
        return [], None
    months = _months(asked, pair, after)
    # all months by the definition of the figure that they are looked at for
    one = replace(pair.indicator.at(_ends(asked, pair, after)), versions=())
    said = replace(pair, indicator=one)
    told = [
        {row["period"]: row for row in _series(side.snapshot, said, months)}
        for side in (asked.before, asked.after)
    ]
    causes, known = set(), [0]
    for month in months:
        was, then = (side[month.text] for side in told)
        if all((was[side] or 0) == (then[side] or 0) for side in ("numerator", "denominator")):
            continue  # a month that was covered meanwhile, and in which nothing happened, too
        settled = asked.before.snapshot.clock > month.ends_at + sums.grace(source)
        known_before = before.period == after.period and was["denominator"] is not None
        causes.add("corrected" if settled and known_before else "new_data")
        known.append(micros(then["known_at"]) or 0)
    return [name for name in CAUSES if name in causes], max(known) or None


def _months(asked: _Asked, pair: _Pair, figure: _Figure) -> list[Period]:
    """The months that a figure is made of, so far."""
    window = Period.parse(figure.period)
    last = min(asked.after.day, _part(asked.after, pair.part).closing_date)
    if not pair.is_closed or figure.period != pair.after["closing_period"]:
        last = asked.after.day
    months = window.months() if window.grain == "year" else [window]
    return [month for month in months if month.start <= last]


def _series(snapshot: Snapshot, pair: _Pair, months: list[Period]) -> Iterator[dict[str, Any]]:
    for row in series.rows(snapshot, [pair.indicator], [pair.unit], months) if months else ():
        yield dict(zip(series.COLUMNS, row, strict=True))


def _reform(asked: _Asked, pair: _Pair, before: _Figure, after: _Figure) -> list[str]:
    """Whether other org units make up the figure, or the org unit itself opened or ended.

    Each side is taken on the last day of its own figure: a figure of last year that stood until
    now is made of last year's org units.
    """
    snapshot = asked.after.snapshot
    source = snapshot.source_of(pair.indicator.source)
    indicator = formulas.of_window(pair.indicator, pair.part, None, asked.after.day)
    denominator = snapshot.store.catalogue.elements.get(indicator.denominator or "")
    serves = (denominator.serves if denominator else ()) or (source.serves if source else ())
    first = _last_day(asked.before, pair.part, before)
    last = _last_day(asked.after, pair.part, after)
    tree = snapshot.store.orgunits
    sides = [tree.expected(pair.unit.uid, day, serves) for day in (first, last)]
    unit = pair.unit
    ended = unit.closed is not None and first <= unit.closed < last
    opened = unit.opened is not None and first < unit.opened <= last
    return ["org_unit"] if sides[0] != sides[1] or ended or opened else []


def _last_day(side: _Side, part: Part, figure: _Figure) -> date:
    """The last day that a figure reaches at an instant; where there is none, that day."""
    if not figure.period:
        return side.day
    return min(side.day, _part(side, part).ends(Period.parse(figure.period)))


def _row(
    asked: _Asked,
    pair: _Pair,
    before: _Figure,
    after: _Figure,
    why: _Why,
    *,
    told: bool,
    live: bool = False,
) -> tuple:
    source: SourceState | None = asked.after.snapshot.source_of(pair.indicator.source)
    poll = None
    if source is not None and why.known_at is not None:
        found = origins.polls_at(asked.after.snapshot.connection, source.id, [why.known_at])
        poll = found.get(why.known_at)
    return (
        pair.part.target,
        pair.indicator.id,
        *(pair.after[name] for name in ("org_unit", "code", "name", "level")),
        "after_closing" if live else "closing" if pair.is_closed else "live",
        " ".join(why.causes),
        *before[:-1],
        pair.before["status"],
        pair.before["reading"],
        *after[:-1],
        pair.indicator.unit,
        pair.after["status"],
        pair.after["reading"],
        instant_of(why.known_at),
        source.id if source else "",
        poll.run if poll else None,
        poll.given_by if poll and told else "",
        why.decided_at,
        why.config,
        after.definition or pair.indicator.at(_ends(asked, pair, after)).definition_id,
    )

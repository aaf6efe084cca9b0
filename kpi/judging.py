"""Standings as screens read them: live and closing figures, status, pace, freshness, coverage.

The rows come from table ``standing`` (or, as of an instant, from the versions of ``rollup``); all
that depends on the clock is computed here, at reading, so that no job runs at midnight.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ioc.model import OrgUnit, Status
from ioc.period import LOCAL, Period
from kpi import byhand, decided, families, familyfigures, formulas, pace
from kpi.answer import Snapshot, SourceState
from kpi.catalogue import Element, Indicator
from kpi.familyfigures import AS_THEN, Framed, Wanted
from kpi.frames import MERGED, Frame
from kpi.schema import instant_of
from kpi.targets import Part, Target
from kpi.validation import figure

COLUMNS = (
    "target indicator org_unit code name level period numerator denominator value unit coverage"
    " operator threshold reading status freshness pace required_per_month missing_count"
    " closing_value closing_status closing_date closing_signed_at data_as_of polled_at late_at"
    " stale_at declared source run definition closing_numerator closing_denominator"
    " closing_period closing_known_at closes_early units expected baseline_date baseline_value"
    " mark by_hand closing_by_hand hand_run closing_coverage closing_definition"
).split()
_FRESHNESS, _LATE_AT, _STALE_AT = map(COLUMNS.index, ("freshness", "late_at", "stale_at"))
UNMEASURED = "chưa có số trong kỳ kế hoạch"
BEGUN = "đơn vị có từ "
REVISED_AFTER = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Figure:
    """Numerator and denominator over one window, and how many org units stand behind them."""

    window: int
    numerator: float | None
    denominator: float | None
    units: int
    upto: int
    known_at: int | None


def rows(
    snapshot: Snapshot,
    targets: list[Target],
    parts: list[Part],
    units: list[OrgUnit],
    on: date,
    frame: Frame | None = None,
) -> Iterator[tuple]:
    """One row for every part and one for its target, for each org unit that it applies to."""
    if snapshot.as_of is not None:
        return _rows(snapshot, targets, parts, units, on, frame=frame)
    key = (
        "standings",
        tuple(target.id for target in targets),
        tuple((part.target, part.indicator) for part in parts),
        tuple(unit.uid for unit in units),
        on,
        frame,
        snapshot.version,
        tuple(snapshot.sources.values()),
    )
    kept = snapshot.store.kept.rows(
        key, lambda: list(_rows(snapshot, targets, parts, units, on, frame=frame))
    )
    return _aged(kept, snapshot.clock)


def _aged(kept: list[tuple], clock: datetime) -> Iterator[tuple]:
    """The rows with the one thing in them that the clock moves."""
    for row in kept:
        known = row[_FRESHNESS]
        now = pace.freshness(clock, row[_LATE_AT], row[_STALE_AT]) if known else known
        yield row if now == known else (*row[:_FRESHNESS], now, *row[_FRESHNESS + 1 :])


def unsigned(
    snapshot: Snapshot, targets: list[Target], parts: list[Part], units: list[OrgUnit], on: date
) -> Iterator[tuple]:
    """The same rows with the closing figures as the data say them, whatever was signed."""
    return _rows(snapshot, targets, parts, units, on, signed={})


def _rows(
    snapshot: Snapshot,
    targets: list[Target],
    parts: list[Part],
    units: list[OrgUnit],
    on: date,
    signed: decided.Signed | None = None,
    frame: Frame | None = None,
) -> Iterator[tuple]:
    if signed is None:
        signed = decided.signatures(snapshot.connection, snapshot.as_of)
    targets, parts, wordings = _worded(snapshot, targets, parts, on)
    framed, figures = _figures(snapshot, parts, units, on, frame)
    hands = _hands(snapshot, parts, units, figures, framed)
    of_target: dict[str, list[Part]] = {}
    for part in parts:
        of_target.setdefault(part.target, []).append(part)
    for target in targets:
        for unit in units:
            judged = [
                _by_hand(
                    snapshot,
                    part,
                    unit,
                    figures,
                    hands,
                    row=_row(snapshot, wordings[part], part, unit, figures, on, signed, framed),
                )
                for part in of_target.get(target.id, [])
                if _applies(snapshot, part, unit, on)
            ]
            if not judged:
                continue
            yield from judged
            if len(judged) == len(target.parts):
                status = COLUMNS.index("status")
                worst = judged[pace.worst([row[status] for row in judged])]
                yield (worst[0], "", *worst[2:])


def _worded(
    snapshot: Snapshot, targets: list[Target], parts: list[Part], on: date
) -> tuple[list[Target], list[Part], dict[Part, Target]]:
    """Targets and parts as worded on a day, and the wording that judges each part.

    What closed is judged by the wording of its closing date, with the reading that is in force.
    """
    dated = {target.id: target.on(on) for target in targets}
    by_name = {(p.target, p.indicator): p for target in dated.values() for p in target.parts}
    parts = [by_name[part.target, part.indicator] for part in parts]
    judging = [dated[part.target].judging(part, on) for part in parts]
    chosen = decided.in_force(snapshot.connection, judging, snapshot.as_of)
    return list(dated.values()), parts, dict(zip(parts, chosen, strict=True))


def _elements(snapshot: Snapshot, indicator: Indicator) -> tuple[Element | None, Element | None]:
    elements = snapshot.store.catalogue.elements
    return elements.get(indicator.numerator or ""), elements.get(indicator.denominator or "")


def _applies(snapshot: Snapshot, part: Part, unit: OrgUnit, on: date) -> bool:
    """Areas hold every target; an authority only those whose population or sources reach it."""
    if unit.level in ("area", "province"):
        return unit.level == "area"
    if part.population != "area":
        return unit.level == part.population
    indicator = formulas.of_window(
        snapshot.store.catalogue.indicators[part.indicator], part, None, on
    )
    _, denominator = _elements(snapshot, indicator)
    source = snapshot.source_of(indicator.source)
    serves = (denominator.serves if denominator else ()) or (source.serves if source else ())
    return not serves or unit.level in serves


def _windows(part: Part, on: date) -> list[tuple[str, int, int]]:
    """The windows wanted of a part: (role, lowest, highest period key)."""
    live = part.window(on)
    lowest = live.key if part.mode == "year" else 1990 * 12
    if part.judged_over == "last_month":
        live = live if live.end <= on else live.previous()
        lowest = live.key
    wanted = [("live", lowest, live.key)]
    if part.closed(on):
        closing = part.closing
        wanted.append((
            "closing",
            closing.key if part.mode == "year" or part.judged_over == "last_month" else 1990 * 12,
            closing.key,
        ))
    else:
        wanted.append(("first", part.earliest.key, live.key))
    return wanted


def _divides(indicator: Indicator) -> bool:
    """Whether any of its definitions has both sides."""
    return any(one.numerator and one.denominator for one in indicator.every)


def _figures(
    snapshot: Snapshot, parts: list[Part], units: list[OrgUnit], on: date, frame: Frame | None
) -> tuple[Framed, dict[tuple[str, str, str, str], Figure]]:
    """All wanted figures by (target, indicator, org unit, role); in one statement as they were."""
    catalogue = snapshot.store.catalogue
    wanted = []
    for part in parts:
        indicator = catalogue.indicators[part.indicator]
        source = snapshot.source_of(indicator.source)
        if _divides(indicator) and source:
            for role, low, high in _windows(part, on):
                wanted.append(Wanted(part, indicator, source, role, low, high))
    framed, plain = AS_THEN, units
    if frame is not None:
        plain = [u for u in units if frame.family(snapshot.store.orgunits, u).plain]
        others = [unit for unit in units if unit not in plain]
        framed = familyfigures.framed(snapshot, wanted, others, frame)
    found = {key: Figure(*counts) for key, counts in framed.figures.items()}
    return framed, found | _read(snapshot, wanted, plain)


def figure_over(snapshot: Snapshot, part: Part, unit: OrgUnit, window: Period) -> Figure | None:
    """The figure of a part over one window of its own grain; None where none is known."""
    indicator = snapshot.store.catalogue.indicators[part.indicator]
    source = snapshot.source_of(indicator.source)
    if not _divides(indicator) or source is None:
        return None
    wanted = [Wanted(part, indicator, source, "live", window.key, window.key)]
    return _read(snapshot, wanted, [unit]).get((part.target, part.indicator, unit.uid, "live"))


def _read(
    snapshot: Snapshot, wanted: list[Wanted], units: list[OrgUnit]
) -> dict[tuple[str, str, str, str], Figure]:
    if not wanted or not units:
        return {}
    if snapshot.as_of is None:
        sql, values = _current_sql(wanted, units)
    else:
        sql, values = _past_sql(wanted, units, snapshot.store.catalogue.elements)
    found: dict[tuple[str, str, str, str], Figure] = {}
    for row in snapshot.connection.execute(sa.text(sql), values):
        key = (row[0], row[1], row[2], row[3])
        known = found.get(key)  # by another definition, which computes other windows
        if known is None or (row[4] < known.window) == (key[3] == "first"):
            found[key] = Figure(row[4], row[5], row[6], row[7], row[8], _latest(row[9:]))
    return found


def _latest(instants: Sequence[int | None]) -> int | None:
    return max((at for at in instants if at is not None), default=None)


def _units_sql(units: list[OrgUnit]) -> tuple[str, dict[str, Any]]:
    values = {f"u{i}": unit.uid for i, unit in enumerate(units)}
    return "org(uid) AS (VALUES " + ", ".join(f"(:{name})" for name in values) + ")", values


def _current_sql(wanted: list[Wanted], units: list[OrgUnit]) -> tuple[str, dict[str, Any]]:
    org, values = _units_sql(units)
    listed = ", ".join(
        f"('{part.target}', '{part.indicator}', '{role}', {low}, {high})"
        for part, _, _, role, low, high in wanted
    )
    key = (
        "x.target = w.target AND x.indicator = w.indicator AND x.org_unit = o.uid"
        ' AND x.denominator IS NOT NULL AND x."window"'
    )
    return (
        f"WITH wanted(target, indicator, role, low, high) AS (VALUES {listed}), {org}"
        ' SELECT w.target, w.indicator, o.uid, w.role, s."window", s.numerator, s.denominator,'
        " s.units, s.upto, s.known_at FROM wanted w CROSS JOIN org o"
        " JOIN standing s ON s.target = w.target AND s.indicator = w.indicator"
        ' AND s.org_unit = o.uid AND s."window" = CASE w.role'
        f" WHEN 'first' THEN (SELECT MIN(x.\"window\") FROM standing x WHERE {key}"
        " BETWEEN w.low AND w.high)"
        f' ELSE (SELECT MAX(x."window") FROM standing x WHERE {key} BETWEEN w.low AND w.high) END',
        values,
    )


def _past_sql(
    wanted: list[Wanted], units: list[OrgUnit], elements: dict[str, Element]
) -> tuple[str, dict[str, Any]]:
    """The same figures from the versions that were believed at the boundary of each source."""
    org, values = _units_sql(units)
    listed = []
    for part, indicator, source, role, low, high in wanted:
        cut = 0
        if part.mode == "year" and part.closing_date.month < 12:
            cut = Period.of("month", part.closing_date).key
        listed += [
            f"('{part.target}', '{part.indicator}', '{one.numerator}',"
            f" '{one.denominator}', '{role}', {first}, {last}, {source.boundary}, {cut},"
            f" {int(elements[one.numerator].silence == 'unknown')})"
            for one, first, last in formulas.by_window(indicator, part, low, high)
            if one.numerator and one.denominator
        ]

    def believed(element: str, period: str) -> str:
        return (
            f"x.element = {element} AND x.period = {period} AND x.org_unit = o.uid"
            f" AND x.known_at = (SELECT MAX(y.known_at) FROM rollup y WHERE y.element = {element}"
            f" AND y.period = {period} AND y.org_unit = o.uid AND y.known_at < w.boundary)"
            " AND x.superseded_at >= w.boundary"
        )

    def window(order: str) -> str:
        """The first window in that order in which the denominator was known: ends at a hit."""
        earliest = (
            "(SELECT MIN(z.period) FROM rollup z WHERE z.element = w.denominator"
            " AND z.period >= w.low)"
        )
        years, months = (
            f"(SELECT p.{name} FROM month p WHERE {within}"
            f" AND EXISTS (SELECT 1 FROM rollup x WHERE {believed('w.denominator', f'p.{name}')})"
            f" ORDER BY p.month {order} LIMIT 1)"
            for name, within in (
                (
                    "year",
                    f"p.month BETWEEN {earliest} * 12 AND w.high * 12 AND p.month = p.year * 12",
                ),
                ("month", f"p.month BETWEEN {earliest} AND w.high"),
            )
        )
        return f"CASE WHEN w.high < 12000 THEN {years} ELSE {months} END"

    def column(name: str, element: str, fold: str) -> str:
        return (
            (
                f"CASE WHEN f.period = f.cut / 12 THEN (SELECT {fold}(x.{name})"
                f" FROM month p JOIN rollup x ON {believed(element, 'p.month')}"
                " WHERE p.month BETWEEN f.period * 12 AND f.cut)"
                f" ELSE (SELECT x.{name} FROM rollup x"
                f" WHERE {believed(element, 'f.period')}) END"
            )
            .replace("w.", "f.")
            .replace("o.uid", "f.uid")
        )

    above, below = (
        f"COALESCE({column('units', side, 'SUM')}, 0)" for side in ("f.numerator", "f.denominator")
    )
    return (
        "WITH wanted(target, indicator, numerator, denominator, role, low, high, boundary, cut,"
        " paired)"
        f" AS (VALUES {', '.join(listed)}), {org},"
        " found AS MATERIALIZED (SELECT w.*, o.uid, CASE w.role"
        f" WHEN 'first' THEN {window('ASC')} ELSE {window('DESC')} END AS period"
        " FROM wanted w CROSS JOIN org o)"
        " SELECT f.target, f.indicator, f.uid, f.role, f.period,"
        f" {column('value', 'f.numerator', 'SUM')}, {column('value', 'f.denominator', 'SUM')},"
        # PostgreSQL sums integers into a decimal, which no file or screen expects
        f" CAST(CASE WHEN f.paired = 1 AND {above} < {below} THEN {above} ELSE {below} END"
        " AS BIGINT),"
        f" COALESCE({column('upto', 'f.denominator', 'MAX')}, 0),"
        f" {column('known_at', 'f.numerator', 'MAX')},"
        f" {column('known_at', 'f.denominator', 'MAX')}"
        " FROM found f WHERE f.period IS NOT NULL",
        values,
    )


def _row(
    snapshot: Snapshot,
    target: Target,
    part: Part,
    unit: OrgUnit,
    figures: dict[tuple[str, str, str, str], Figure],
    on: date,
    signed: decided.Signed,
    framed: Framed,
) -> tuple:
    known = snapshot.store.catalogue.indicators[part.indicator]
    source = snapshot.source_of(known.source)

    def found_of(role: str) -> Figure | None:
        found = figures.get((part.target, part.indicator, unit.uid, role))
        if found is None or found.denominator is None:
            return None
        numerator, _ = _elements(snapshot, formulas.of_window(known, part, found.window, on))
        if found.numerator is None and numerator is not None and numerator.silence == "zero":
            return Figure(found.window, 0.0, *_after(found))
        return found

    live, closing, first = found_of("live"), found_of("closing"), found_of("first")
    if source is not None and source.loading and not _reached(source, part):
        closing = None  # a first load that has not come so far cannot have closed anything
    closed = part.closed(on)
    indicator = formulas.of_window(known, part, live.window if live else None, on)
    ending = formulas.of_window(known, part, closing.window if closing else part.closing.key, on)
    base_date, base_value = _baseline(target, part, live, first, known)
    rule, factor = target.rule, (ending if closed else indicator).factor
    sides = (live.numerator, live.denominator) if live else (None, None)
    ends = (closing.numerator, closing.denominator) if closing else (None, None)
    members = framed.members(unit)
    refused = framed.refused.get(
        (part.target, part.indicator, unit.uid, "closing" if closed else "live"), ""
    )
    # who signed saw the figure of the org unit itself, not of those that became it
    own = members == (unit,) and not refused
    signature = signed.get((part.target, part.indicator, unit.uid)) if closed and own else None
    latest = ends
    if signature is not None:
        ends = (signature.numerator, signature.denominator)
    measured = Period(part.mode, live.window).end if live else None
    status = pace.status(
        rule,
        has_source=source is not None,
        on=on,
        closing_date=part.closing_date,
        numerator=sides[0],
        denominator=sides[1],
        closing_numerator=ends[0],
        closing_denominator=ends[1],
        factor=factor,
        baseline_date=base_date,
        baseline_value=base_value,
        measured=measured,
    )
    if refused and status is Status.awaiting:
        status = Status.no_data  # nothing is awaited: there can be no figure
    open_pace = None
    required = None
    if not closed and base_date is not None and rule.threshold is not None:
        open_pace = pace.pace_line(rule, base_date, base_value, part.closing_date, on)
        required = pace.required_per_month(
            rule, *sides, on=on, closing_date=part.closing_date, factor=factor
        )
    judged = ends if closed else sides
    expected = _expected(snapshot, indicator, source, members, live, on)
    data_as_of, late_at, stale_at, freshness = _ages(snapshot, indicator, source, live)
    closing_known = instant_of(closing.known_at) if closing else None
    revised = closing_known and closing_known > part.closing.ends_at + REVISED_AFTER
    return (
        target.id,
        indicator.id,
        unit.uid,
        unit.code,
        unit.name,
        unit.level,
        _window_text(part, live),
        *sides,
        _float(pace.ratio(*sides, indicator.factor)),
        indicator.unit,
        _coverage(source, live, expected, listed=_listed(snapshot, indicator)),
        rule.operator,
        rule.threshold,
        target.reading_in_force,
        status,
        freshness,
        _float(open_pace),
        _float(required),
        pace.missing_count(rule.operator, *judged, factor, rule.threshold, rule.threshold_high),
        _float(pace.ratio(*ends, ending.factor)),
        status if closed and status in (Status.met, Status.missed, Status.awaiting) else "",
        part.closing_date,
        signature.at if signature else None,
        data_as_of,
        source.polled_at if source else None,
        late_at,
        stale_at,
        int(bool(source) and not source.is_record) if source else None,
        indicator.source or "",
        source.run if source else None,
        indicator.definition_id,
        *ends,
        _window_text(part, closing) if closing or not signature else part.closing.text,
        closing_known if revised and signature is None else None,
        int(part.closes_early),
        live.units if live else None,
        expected,
        base_date,
        _float(base_value),
        "; ".join(
            filter(
                None,
                [
                    snapshot.store.catalogue.mark_of(target),
                    _mark(unit, part, source, on),
                    *_unmeasured(status, measured, base_date),
                    *_begun(part, members, live, closing),
                    *_redefined(part, (indicator, live), (ending, closing)),
                    _moved(signature, latest),
                    _unlike(refused),
                ],
            )
        ),
        _closing_coverage(snapshot, ending, part, source, members, closing) if closed else None,
        ending.definition_id if None not in ends else "",
    )


def _unmeasured(status: Status, measured: date | None, begins: date | None) -> Iterator[str]:
    """What is said of an open target whose newest figure is that of its baseline, or older."""
    if status is Status.no_data and measured and begins and measured <= begins:
        yield UNMEASURED


def _begun(
    part: Part, members: tuple[OrgUnit, ...], live: Figure | None, closing: Figure | None
) -> Iterator[str]:
    """What is said of figures over days before their org unit began; a stock is of one day."""
    if part.judged_over == "stock_at_date":
        return
    first = min(one.opened or date.min for one in members)
    for lead, told in (("", live), ("số chốt: ", closing)):
        if told is None or (lead and live and live.window == told.window):
            continue
        if Period(part.mode, told.window).start < first:
            yield f"{lead}{BEGUN}{first:%d/%m/%Y}"


def _redefined(
    part: Part, live: tuple[Indicator, Figure | None], closing: tuple[Indicator, Figure | None]
) -> Iterator[str]:
    """What is said of figures over days before their definition began."""
    for lead, (indicator, told) in (("", live), ("số chốt ", closing)):
        if told is None or (lead and live[1] and live[1].window == told.window):
            continue
        said = formulas.mark(indicator, Period(part.mode, told.window).start)
        if said:
            yield lead + said


def _moved(signature: decided.Signature | None, latest: tuple[float | None, float | None]) -> str:
    """What a signed figure says once the data say another: it stays, and tells the other."""
    if signature is None or latest == (signature.numerator, signature.denominator):
        return ""
    over, under = (figure(side) if side is not None else "chưa có" for side in latest)
    return f"số chốt giữ như đã ký, số liệu sau khi ký: {over}/{under}"


def _unlike(refused: str) -> str:
    """What is said of an org unit that has no figure in a frame."""
    words = {"not_comparable": "không so sánh được", "": ""}
    return words.get(refused, "có đơn vị cũ ngoài phạm vi được xem")


def _after(figure: Figure) -> tuple:
    return figure.denominator, figure.units, figure.upto, figure.known_at


def _float(number: Any) -> float | None:
    return None if number is None else float(number)


def _window_text(part: Part, figure: Figure | None) -> str:
    if figure is None:
        return ""
    return Period("year" if part.mode == "year" else "month", figure.window).text


def _baseline(
    target: Target, part: Part, live: Figure | None, first: Figure | None, indicator: Indicator
) -> tuple[date | None, Any]:
    """The plan's baseline, by default the first window with a figure, from the last one before
    the target began, but never the live one."""
    if target.baseline_date is not None:
        return target.baseline_date, target.baseline_value
    if first is None or live is None or first.window >= live.window:
        return None, None
    window = Period("year" if part.mode == "year" else "month", first.window)
    said = formulas.of_window(indicator, part, first.window, window.end)
    value = pace.ratio(first.numerator, first.denominator, said.factor)
    return (window.end, value) if value is not None else (None, None)


def _ages(
    snapshot: Snapshot, indicator: Indicator, source: SourceState | None, live: Figure | None
) -> tuple[datetime | None, datetime | None, datetime | None, str]:
    if source is None:
        return None, None, None, ""
    late, stale = indicator.late_after, indicator.stale_after
    heard = pace.record_limits(source.covered_until, source.late_after, source.stale_after)
    if source.is_record and not _listed(snapshot, indicator):
        data_as_of = source.covered_until
        late_at, stale_at = pace.record_limits(
            data_as_of, late or source.late_after, stale or source.stale_after
        )
    else:
        month = Period("month", live.upto) if live and live.upto else None
        data_as_of = month.ends_at if month else None
        if data_as_of and data_as_of > snapshot.clock:  # a month that is still under way
            data_as_of = source.covered_until
        days = indicator.reporting_days
        due = pace.reading_limits(
            _spoken_for(indicator, month),
            source.reporting_days if days is None else days,
            late,
            stale,
        )
        # overdue, or said by a source that nobody has heard since: whichever comes first
        late_at, stale_at = (
            min(filter(None, limits)) if month else None for limits in zip(due, heard, strict=True)
        )
    return data_as_of, late_at, stale_at, pace.freshness(snapshot.clock, late_at, stale_at)


def _listed(snapshot: Snapshot, indicator: Indicator) -> bool:
    """Whether its records are an inventory, listed anew at each check."""
    _, denominator = _elements(snapshot, indicator)
    return bool(denominator and denominator.count and denominator.over_time == "last")


def _spoken_for(indicator: Indicator, month: Period | None) -> Period | None:
    """The period that a figure declared up to a month is of: a quarter's holds for a quarter."""
    if month is None or indicator.grain not in ("quarter", "year"):
        return month
    return Period.of("quarter" if indicator.grain == "quarter" else "year", month.start)


def _expected(
    snapshot: Snapshot,
    indicator: Indicator,
    source: SourceState | None,
    members: tuple[OrgUnit, ...],
    live: Figure | None,
    on: date,
) -> int | None:
    """How many org units (of an additive year of readings: org-unit months) should stand behind."""
    if source is None:
        return None
    _, denominator = _elements(snapshot, indicator)
    serves = (denominator.serves if denominator else ()) or source.serves
    days = [on]
    if not source.is_record and live is not None and live.upto:
        days = [Period("month", live.upto).end]
        if live.window < 12000 and denominator and denominator.over_time == "sum":
            days = [month.end for month in Period("ytd", live.upto).months()]
    tree = snapshot.store.orgunits
    return sum(len(tree.expected(one.uid, day, serves)) for one in members for day in days)


def _coverage(
    source: SourceState | None, live: Figure | None, expected: int | None, *, listed: bool
) -> float | None:
    """``listed``: an inventory, which covers nothing before its first check, then what it lists."""
    if source is None or not expected:
        return None
    if listed:
        return 1.0 if live else 0.0
    if source.is_record:
        return 1.0 if source.covered_until else 0.0
    return min(1.0, live.units / expected) if live else 0.0


def _closing_coverage(
    snapshot: Snapshot,
    indicator: Indicator,
    part: Part,
    source: SourceState | None,
    members: tuple[OrgUnit, ...],
    closing: Figure | None,
) -> float | None:
    """How much of what should stand behind a closing figure does, over its own window."""
    if source is None:
        return None
    listed = _listed(snapshot, indicator)
    if source.is_record and not listed:
        last = Period.of("day", min(part.closing.end, part.closing_date))
        asked = min(last.ends_at, snapshot.clock - source.stale_after)
        return 1.0 if source.covered_until and source.covered_until >= asked else 0.0
    expected = _expected(snapshot, indicator, source, members, closing, part.closing_date)
    return _coverage(source, closing, expected, listed=listed)


def _reached(source: SourceState, part: Part) -> bool:
    """Whether a first load has come past the window that closes a part."""
    return source.covered_until is not None and source.covered_until >= part.closing.ends_at


def _mark(unit: OrgUnit, part: Part, source: SourceState | None, on: date) -> str:
    marks = []
    if unit.uid.startswith("rest-"):
        marks.append("chuyển tiếp")
    if (
        source is not None
        and unit.uid == "area-qb"
        and on >= MERGED
        and "department" in source.serves
        and part.population in ("area", "department")
    ):
        marks.append("sở, ngành tính cả phần phục vụ tỉnh Quảng Trị mới")
    if source is not None and source.loading:
        reached = source.covered_until
        until = f", đã đến {reached.astimezone(LOCAL):%d/%m/%Y}" if reached else ""
        marks.append(f"đang nạp lần đầu{until}")
    if source is not None and source.reconstructed:
        marks.append("dựng lại theo thời điểm cập nhật của nguồn")
    return "; ".join(marks)


def _hands(
    snapshot: Snapshot,
    parts: list[Part],
    units: list[OrgUnit],
    figures: dict[tuple[str, str, str, str], Figure],
    framed: Framed,
) -> byhand.Found:
    """What came by hand in every live and closing figure; nothing is asked where nobody gave."""
    windows: dict[Hashable, byhand.Window] = {}
    for part in parts:
        indicator = snapshot.store.catalogue.indicators[part.indicator]
        source = snapshot.source_of(indicator.source)
        if source is None or not source.given:
            continue
        for unit in units:
            for role in ("live", "closing"):
                figure = figures.get((part.target, part.indicator, unit.uid, role))
                if figure is not None:
                    key = (part.target, part.indicator, figure.window)
                    days = _days_of(part, figure)
                    said = formulas.of_window(indicator, part, figure.window, days[1])
                    elements = tuple(filter(None, _elements(snapshot, said)))
                    windows[key] = byhand.Window(key, source, elements, *days)
    return families.hands(snapshot, windows, units, framed.families)


def _days_of(part: Part, figure: Figure) -> tuple[date, date]:
    window = Period(part.mode, figure.window)
    return window.start, part.ends(window)


def _by_hand(
    snapshot: Snapshot,
    part: Part,
    unit: OrgUnit,
    figures: dict[tuple[str, str, str, str], Figure],
    hands: byhand.Found,
    *,
    row: tuple,
) -> tuple:
    """A row with what came by hand: in words in its mark, org units and the newest run behind."""
    *known, mark, covered, ending = row
    if not hands:
        return (*known, mark, None, None, None, covered, ending)
    said, counts, runs = [mark], [], []
    for role, lead in (("live", ""), ("closing", "số chốt ")):
        figure = figures.get((part.target, part.indicator, unit.uid, role))
        key = (part.target, part.indicator, figure.window if figure else 0)
        hand = hands.get((key, unit.uid)) if figure else None
        counts.append(hand.units if hand else None)
        if figure and hand:
            said.append(lead + byhand.words(hand, *_behind(snapshot, part, unit, figure)))
            runs.append(hand.run)
    mark = "; ".join(filter(None, said))
    return (*known, mark, *counts, max(runs, default=None), covered, ending)


def _behind(snapshot: Snapshot, part: Part, unit: OrgUnit, figure: Figure) -> tuple[int, str]:
    """How many stand behind a figure, and what they are: org units, or the months of one."""
    if snapshot.store.orgunits.is_leaf(unit.uid):
        return (figure.units if part.mode == "year" else 1), "tháng"
    if part.mode != "year":
        return figure.units, "đơn vị"
    known = snapshot.store.catalogue.indicators[part.indicator]
    indicator = formulas.of_window(known, part, figure.window, part.closing_date)
    source = snapshot.source_of(indicator.source)
    _, denominator = _elements(snapshot, indicator)
    serves = (denominator.serves if denominator else ()) or (source.serves if source else ())
    day = Period("month", figure.upto).end if figure.upto else _days_of(part, figure)[1]
    return len(snapshot.store.orgunits.expected(unit.uid, day, serves)), "đơn vị"

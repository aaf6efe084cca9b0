"""The registers: targets with their sentences, indicators with their definitions, org units."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from ioc.clock import right_now
from ioc.period import local_date
from ioc.principal import Principal
from kpi import configversions, formulas
from kpi.answer import Answer
from kpi.decided import in_force
from kpi.scope import UnknownFilter, entitled, fixed, indicators_of, pick, reads_all, targets_of
from kpi.store import KpiStore
from kpi.tasks import STATES

TARGET_COLUMNS = (
    "target bullet indicators combine sentence citation operator operator_certainty threshold"
    " threshold_high second_reading reading_in_force population judged_over baseline_date"
    " baseline_value closing_date owner valid_from valid_to reading_chosen_by reading_chosen_at"
    " co_owners owner_name short owner_unit co_owner_names escalation wordings plan mark"
).split()
INDICATOR_COLUMNS = (
    "indicator name short definition numerator denominator factor unit better grain source owner"
    " definition_version numerator_text denominator_text exclusions sector kind owner_name"
    " targets numerator_unit class definition_then definitions"
).split()
TASK_COLUMNS = (
    "task bullet short sentence owner owner_name org_unit co_owners co_owner_names state stated_on"
    " evidence citation mark"
).split()
ORG_UNIT_COLUMNS = (
    "org_unit code name level parent area opened closed successor lat lon assumed"
).split()


def targets(
    store: KpiStore,
    who: Principal,
    *,
    targets: Sequence[str] | None = None,
    plan: str | None = None,
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The plan's targets with their exact sentences, and the owner valid on the date.

    Those of the plan in force on the date, or of another ``plan`` by its name; ``mark`` says so
    where a plan is but an example, asking nothing of anybody.

    ``owner_unit`` is the org unit that answers on that date, through successors, ``owner_name``
    its name; ``co_owner_names`` the names of the others, "; " between them; both are empty where
    the chain of successors broke. ``escalation`` is whom the plan file names to turn to, or empty.

    ``wordings``: where the plan was changed, each day from which it asks something and what (
    ``2025-01-01 > 70;2025-07-01 > 75``); all else is as worded on the date.

    ``operator`` and thresholds are the plan's words as first read; ``reading_in_force`` is what
    judges now, or what judged at ``as_of``, with who chose it and on which day. Sentences and
    thresholds are what today's file of the plan says of the date.
    Only those of which ``who`` may read every indicator.
    """
    day = on or local_date(as_of or now or right_now())
    catalogue, reader = store.catalogue, entitled(who, now)
    with store.read() as connection:
        worded = [one.on(day) for one in targets_of(store, reader, targets, day, plan)]
        chosen = in_force(connection, worded, as_of)

    def joined(items: Iterable[object]) -> str:
        return ";".join(str(item) for item in items)

    rows = [
        (
            t.id,
            t.bullet,
            joined(t.indicators),
            t.combine,
            t.sentence,
            t.citation.text,
            t.operator,
            t.operator_certainty,
            t.threshold,
            t.threshold_high,
            t.second_reading,
            t.reading_in_force,
            joined(dict.fromkeys(t.populations)),
            t.judged_over,
            t.baseline_date,
            t.baseline_value,
            joined(dict.fromkeys(t.closing_dates)),
            t.owner,
            t.valid_from,
            t.valid_to,
            t.reading_chosen_by,
            t.reading_chosen_at,
            joined(t.co_owners),
            _owner_name(store, t.owner, day),
            joined(catalogue.indicators[i].short for i in t.indicators),
            _owner_unit(store, t.owner, day),
            "; ".join(filter(None, (_owner_name(store, code, day) for code in t.co_owners))),
            t.escalation,
            joined(f"{one.begins} {one.rule.text}" for one in t.wordings),
            t.plan,
            catalogue.mark_of(t),
        )
        for t in chosen
    ]
    return fixed(store, TARGET_COLUMNS, rows, as_of)


def indicators(
    store: KpiStore,
    who: Principal,
    *,
    indicators: Sequence[str] | None = None,
    on: date | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """The indicators with their definitions; ``source`` is empty where none is configured.

    The definition is the one in force on the date, as today's files say it: they derive the
    figures of the past too. ``definitions`` are all of an indicator that was changed, oldest first,
    each later one with the day from which it holds (``5ac1…;2025-07-01 09fe…``), else empty.
    ``definition_then`` names the version that stood at ``as_of`` (now: the same), empty where
    none had been kept by then.
    ``targets`` are those of the plan in force on the date.
    Only those whose ``class`` (public, internal or restricted) ``who`` may read.
    """
    day = on or local_date(as_of or now or right_now())
    catalogue = store.catalogue
    stood = configversions.definitions_at(store, as_of) if as_of else {}
    plan = catalogue.plan_on(day)
    rows = []
    for known in indicators_of(store, entitled(who, now), indicators):
        i = known.at(day)
        numerator = catalogue.elements.get(i.numerator or "")
        rows.append((
            i.id,
            i.name,
            i.short,
            i.definition,
            i.numerator or "",
            i.denominator or "",
            i.factor,
            i.unit,
            i.better,
            i.grain,
            i.source or "",
            i.owner,
            i.definition_id,
            i.numerator_text,
            i.denominator_text,
            i.exclusions,
            i.sector,
            i.kind,
            _owner_name(store, i.owner, day),
            ";".join(t for t in catalogue.targets_of(i.id) if catalogue.targets[t].plan == plan),
            numerator.unit if numerator else "",
            i.access,
            formulas.of_day(stood.get(i.id, ""), day) if as_of else i.definition_id,
            formulas.dated(i) if i.versions else "",
        ))
    return fixed(store, INDICATOR_COLUMNS, rows, as_of)


def tasks(
    store: KpiStore,
    who: Principal,
    *,
    tasks: Sequence[str] | None = None,
    org_units: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    on: date | None = None,
    now: datetime | None = None,
) -> Answer:
    """The plan's tasks and solutions with their exact sentences, owner, state and evidence.

    ``org_unit`` is the owner valid on the date, through successors; ``stated_on`` the day that
    state and evidence hold for; ``mark`` says that they are a sample. Whoever may not read the
    whole territory reads the tasks of the owners in scope.
    """
    who = entitled(who, now)
    every = reads_all(store, who)
    day = on or local_date(now or right_now())
    register, tree = store.catalogue.tasks, store.orgunits
    if strange := set(states or ()) - set(STATES):
        raise UnknownFilter(f"không có trạng thái {', '.join(sorted(strange))} của nhiệm vụ")
    cited = next((target.citation for target in store.catalogue.targets.values()), None)
    rows = []
    for task in pick(register.tasks, tasks, "nhiệm vụ"):
        owner = tree.owner(task.owner, day)
        if not every and (owner is None or not who.may_read(owner.uid, tree)):
            continue
        if states is not None and task.state not in states:
            continue
        if org_units is not None and (owner is None or owner.uid not in org_units):
            continue
        place = {"section": register.section, "bullet": task.bullet, "noun": "nhiệm vụ"}
        rows.append((
            task.id,
            task.bullet,
            task.short,
            task.sentence,
            task.owner,
            owner.name if owner else "",
            owner.uid if owner else "",
            ";".join(task.co_owners),
            "; ".join(filter(None, (_owner_name(store, code, day) for code in task.co_owners))),
            task.state,
            task.stated_on,
            task.evidence,
            replace(cited, **place).text if cited else "",
            register.mark,
        ))
    return fixed(store, TASK_COLUMNS, rows)


def org_units(
    store: KpiStore,
    who: Principal,
    *,
    org_units: Sequence[str] | None = None,
    level: str | None = None,
    on: date | None = None,
    now: datetime | None = None,
) -> Answer:
    """The org units in scope; with ``on`` those open on that date, else of all epochs."""
    day, who = on or local_date(now or right_now()), entitled(who, now)
    tree = store.orgunits
    chosen = [
        unit
        for unit in tree.values()
        if (on is None or unit.open_on(on))
        and (level is None or unit.level == level)
        and (org_units is None or unit.uid in org_units)
        and who.may_read(unit.uid, tree)
    ]
    rows = [
        (
            u.uid,
            u.code,
            u.name,
            u.level,
            tree.parent(u.uid, min(day, u.closed) if u.closed else day) or "",
            u.area,
            u.opened,
            u.closed,
            u.successor or "",
            u.lat,
            u.lon,
            u.assumed,
        )
        for u in chosen
    ]
    return fixed(store, ORG_UNIT_COLUMNS, rows)


def _owner_unit(store: KpiStore, code: str, on: date) -> str:
    owner = store.orgunits.owner(code, on)
    return owner.uid if owner else ""


def _owner_name(store: KpiStore, code: str, on: date) -> str:
    owner = store.orgunits.owner(code, on)
    return owner.name if owner else ""

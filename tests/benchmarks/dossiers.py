"""Dossiers for the measurements: the sample province's offices and procedures, as records.

They skip the wire and the mapping, which have lines of their own; instants, codes, procedures
and the share of late corrections are those of the province, and the same for the same seed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from connectors.sandbox.dossiers import DIRECT, FULLY, PARTLY, draw
from connectors.sandbox.province import Province
from connectors.sandbox.workdays import after, expected_dossiers
from ioc.model import Reading, Record
from ioc.orgunits import OrgUnits
from ioc.period import Period, date_of, day_number, instant_of

SEED = 20211
FIRST = date(2021, 1, 1)
CHANNELS = {FULLY: "full", PARTLY: "partial", DIRECT: "direct"}
CORRECTED = 0.015
STAFF = ("staff_professional", "staff_with_computer", "staff_trained_this_year")


def scale_of(dossiers: int, until: date) -> float:
    """The province's scale at which about so many dossiers arrive until a day."""
    days = range(day_number(FIRST), day_number(until))
    return dossiers / sum(map(expected_dossiers, days))


def weeks(dossiers: int, until: datetime) -> Iterator[list[Record]]:
    """Every change of about so many dossiers, week by week, in the order of their change times."""
    last = day_number(until.date())
    province = Province(OrgUnits.load(), SEED, scale_of(dossiers, until.date()))
    waiting: dict[int, list[Record]] = defaultdict(list)
    for day in range(day_number(FIRST), last):
        for record in _changes_of_day(province, day):
            if record.changed_at < until:
                waiting[_week(record.changed_at)].append(record)
        if (day + 3) % 7 == 6:  # a local Sunday: nothing earlier can come any more
            yield _ordered(waiting.pop((day + 3) // 7, []))
    for week in sorted(waiting):
        yield _ordered(waiting[week])


def batches(changes: Iterator[list[Record]], size: int) -> Iterator[list[Record]]:
    """The same changes in batches of one size, the last one shorter."""
    held: list[Record] = []
    for week in changes:
        held += week
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held


def readings(until: datetime) -> Iterator[list[Reading]]:
    """What every authority declares about its staff, month by month."""
    orgunits = OrgUnits.load()
    month, end = Period.of("month", FIRST), Period.of("month", until.date())
    while month < end:
        yield [
            Reading(element, unit.uid, month, value, month.ends_at + timedelta(days=3))
            for level in ("department", "district", "commune")
            for unit in orgunits.population(level, month.end)
            for element, value in zip(STAFF, _staff(unit.uid, month), strict=True)
        ]
        month = month.next()


def changed(records: list[Record], count: int, at: datetime, seed: int) -> list[Record]:
    """A poll: so many of the dossiers, each with another channel since the instant ``at``."""
    rng = Random(seed)
    return [
        replace(
            record,
            channel=rng.choice([c for c in CHANNELS.values() if c != record.channel]),
            changed_at=at,
        )
        for record in rng.sample(records, count)
    ]


def _changes_of_day(province: Province, day: int) -> Iterator[Record]:
    rng = Random(f"benchmark:{day}")
    mean = expected_dossiers(day) * province.scale
    for number in range(int(mean + rng.random())):
        dossier, _, procedure = draw(province, rng, day)
        opened = instant_of(day) + timedelta(seconds=27_000 + rng.randrange(32_000))
        record = Record(
            key=f"{day}-{number}",
            kind="dossier",
            org_unit=dossier.org_unit,
            place=dossier.place,
            category=procedure.code,
            channel=CHANNELS[dossier.channel],
            opened_at=opened,
            due_at=opened + timedelta(days=procedure.days),
            state="received",
            changed_at=opened,
        )
        yield record
        done = _done(rng, opened, day, procedure.days)
        electronic = rng.random() < (0.9 if dossier.channel == FULLY else 0.3)
        record = replace(
            record,
            state="resolved",
            closed_at=done,
            result="electronic" if electronic else "paper",
            changed_at=done,
        )
        yield record
        if rng.random() < CORRECTED:
            later = done + timedelta(days=rng.randrange(30, 200))
            yield replace(record, channel="partial", changed_at=later)


def _done(rng: Random, opened: datetime, day: int, days: int) -> datetime:
    if not days:
        return opened + timedelta(seconds=240 + rng.randrange(5_000))
    used = after(day, 1 + rng.randrange(days + 2)) - day
    return opened + timedelta(days=used, seconds=rng.randrange(3_000))


def _staff(uid: str, month: Period) -> tuple[float, float, float]:
    rng = Random(uid)
    staff = rng.randrange(18, 90)
    computers = int(staff * min(1.0, 0.8 + 0.003 * (month.index - 24_252)))
    trained = int(staff * rng.uniform(0.5, 1.0) * (month.index % 12 + 1) / 12)
    return float(staff), float(computers), float(trained)


def _week(at: datetime) -> int:
    return (_day(at) + 3) // 7


def _day(at: datetime) -> int:
    return (at.astimezone(UTC) + timedelta(hours=7)).toordinal() - date_of(0).toordinal()


def _ordered(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.changed_at)

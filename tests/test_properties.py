"""Whatever is said in whatever order: the refresh, a rebuild and an independent recount agree.

Hypothesis makes up histories: first loads by weeks, then live polls with inserts, changes, moves
between org units, deletions, readings, late and out-of-order changes, seals and waiting, with
dates around the reforms. The past is asked again and again, and must answer the same.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ioc.model import Reading, Record
from ioc.period import Period, day_start, minute_start
from ioc.source import Source
from kpi import query, schema
from kpi.answer import MINUTES_KEPT, SETTLING
from kpi.rebuild import rebuild
from kpi.schema import FAR, micros
from kpi.store import KpiStore
from kpi.thinning import thin
from tests.oracle import Oracle, Tables
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    REGISTRY,
    STAFF,
    STORED,
    TRANSFORMATION,
    World,
    at,
    dossier,
    empty,
    plain,
    reading,
    rows,
    tables,
)

pytest_plugins = ["tests.worlds"]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CODES = (
    "19207", "19207", "STP", "SYT", "450", "455", "UBND-456", "19195", "18916", "19048", "SNV",
    "STTTT", "SNGV", "BQLKKT", "CAT", "SVHTTDL25",
)  # fmt: skip
DAYS = (
    "2024-11-29", "2024-11-30", "2024-12-01", "2024-12-31", "2025-01-01", "2025-02-28",
    "2025-03-01", "2025-06-29", "2025-06-30", "2025-07-01", "2025-12-31", "2026-01-01",
    "2026-10-05",
)  # fmt: skip
HOURS = ("00:00", "00:30", "08:00", "23:59:59.999999")
WAITS = (
    timedelta(0), timedelta(seconds=1), timedelta(seconds=25), timedelta(seconds=59),
    timedelta(minutes=1), timedelta(minutes=7), timedelta(hours=3), timedelta(days=1),
    timedelta(days=9),
)  # fmt: skip
MERGED = {
    "org_units": [
        "department-SKHCN25-2025-07-01",
        "department-SNV25-2025-07-01",
        "commune-19207-2025-07-01",
    ],
    "frame": "today",
}
ASKED = {"org_units": ["area-qb", "area-456", "rest-area-455", "department-STP-2025-07-01"]}
PLAIN_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.explicit, Phase.generate],  # shrinking a history takes longer than reading it
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@dataclass(frozen=True)
class Step:
    """One thing that happens after a while."""

    wait: timedelta
    source: Source | None = None
    items: tuple = ()
    whole: bool = False
    seal: bool = False
    repeat: int = 0
    """Say again, and as the newest, what was said so many polls ago; the last one: twice, first
    with other words."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Short enough to read in a failing example: Hypothesis asks for this one."""
        told = "".join(f"\n    {_told(item)}" for item in self.items)
        name = self.source.id if self.source else "seal" if self.seal else "again"
        what = f"{name} whole={self.whole} repeat={self.repeat}{told}"
        printer.text(f"\n+{self.wait} {what}")


def _told(item: Record | Reading) -> str:
    stated = {name: getattr(item, name) for name in item.__slots__}
    return ", ".join(f"{name}={value}" for name, value in stated.items() if value not in (None, ""))


def _otherwise(item: Record | Reading) -> Record | Reading:
    """The same thing said with other words, a second earlier."""
    changed = item.changed_at - timedelta(seconds=1) if item.changed_at else None
    if isinstance(item, Reading):
        return replace(item, value=item.value + 1, changed_at=changed)
    other = {"full": "direct"}.get(item.channel or "", "full")
    return replace(item, channel=other, result="electronic", changed_at=changed)


def instants(days: tuple[str, ...] = DAYS) -> st.SearchStrategy[datetime]:
    """Instants about the edges of days, months and reforms."""
    return st.builds(
        lambda day, hour: at(f"{day} {hour}"), st.sampled_from(days), st.sampled_from(HOURS)
    )


LASTING = st.sampled_from([None, *(timedelta(days=n) for n in (0, 1, 3, 60, 200, 400))])
CHANGES = instants(("2025-07-03", "2026-02-11", "2026-10-06", "2026-11-20"))


@st.composite
def records(draw: st.DrawFn, dated: bool = True) -> Record:
    """A case of one of a few keys, mostly a dossier; ``dated`` ones say when they changed."""
    opened, lasted, due = draw(instants()), draw(LASTING), draw(LASTING)
    closed = opened + lasted if lasted is not None else None
    return Record(
        key=draw(st.sampled_from("abcdefg")),
        kind=draw(st.sampled_from(["dossier", "dossier", "dossier", "field_report", "other"]))
        if dated
        else "dossier",
        org_unit=draw(st.sampled_from(CODES)),
        opened_at=opened,
        due_at=opened + due if due is not None else None,
        closed_at=closed if closed and closed < NOW else None,
        changed_at=draw(CHANGES) + timedelta(seconds=draw(st.integers(0, 3000))) if dated else None,
        category=draw(st.sampled_from(["p1", "p2", None])),
        channel=draw(st.sampled_from(["full", "partial", "direct"])),
        result=draw(st.sampled_from(["electronic", "paper", "satisfied", "dissatisfied"])),
        state=draw(st.sampled_from(["resolved", "resolved", "rejected"])),
    )


READ = {
    STAFF.id: (("19207", "STP", "450"), STAFF.readings),
    MEETINGS.id: (
        ("STP", "SNV"),
        (
            "meetings_department_total",
            "meetings_province_district_online",
            "meetings_province_district_total",
        ),
    ),
    TRANSFORMATION.id: (("450", "455"), ("districts_dx_succeeded", "districts_dx_assessed")),
}
MONTHS = ("2025-02", "2025-05", "2025-06", "2025-07", "2026-09")
"""Few, so that figures are often said again."""


@st.composite
def readings(draw: st.DrawFn, source: Source) -> Reading:
    """A declared figure."""
    codes, elements = READ[source.id]
    return Reading(
        element=draw(st.sampled_from(sorted(elements))),
        org_unit=draw(st.sampled_from(codes)),
        period=Period.parse(draw(st.sampled_from(MONTHS))),
        value=float(draw(st.integers(0, 4))),
        changed_at=draw(CHANGES) + timedelta(seconds=draw(st.integers(0, 3000))),
    )


@st.composite
def rows_of_readings(draw: st.DrawFn, source: Source) -> tuple[Reading, ...]:
    """A row as a workbook has it: every figure of an org unit and month, no part above its whole.

    Figures that break a pair are refused for what is stored at that time, so which of them
    stays is a fact of order.
    """
    codes, elements = READ[source.id]
    whole = draw(st.integers(0, 4))
    common: dict[str, Any] = {
        "org_unit": draw(st.sampled_from(codes)),
        "period": Period.parse(draw(st.sampled_from(MONTHS))),
        "changed_at": draw(CHANGES) + timedelta(seconds=draw(st.integers(0, 3000))),
    }
    return tuple(
        Reading(
            element=element,
            value=float(whole if element.endswith(WHOLES) else draw(st.integers(0, whole))),
            **common,
        )
        for element in sorted(elements)
    )


WHOLES = ("_total", "_assessed", "_professional")
waits = st.sampled_from(WAITS)
row_batches = st.sampled_from([STAFF, MEETINGS, TRANSFORMATION]).flatmap(
    lambda source: st.builds(
        Step,
        wait=waits,
        source=st.just(source),
        items=st.lists(rows_of_readings(source), min_size=1, max_size=3).map(
            lambda found: tuple(chain.from_iterable(found))
        ),
    )
)
reading_batches = st.sampled_from([STAFF, MEETINGS, TRANSFORMATION]).flatmap(
    lambda source: st.builds(
        Step,
        wait=waits,
        source=st.just(source),
        items=st.lists(readings(source), min_size=1, max_size=8).map(tuple),
    )
)
record_batches = st.builds(
    Step,
    wait=waits,
    source=st.just(DOSSIERS),
    items=st.lists(records(), min_size=1, max_size=6).map(tuple),
)
whole_replies = st.builds(
    Step,
    wait=waits,
    source=st.just(REGISTRY),
    items=st.lists(
        records(dated=False), min_size=4, max_size=7, unique_by=lambda record: record.key
    ).map(tuple),
    whole=st.just(True),
)
repeats = st.builds(Step, wait=waits, repeat=st.integers(1, 3))
seals = st.builds(Step, wait=waits, seal=st.just(True))
loads = st.lists(
    record_batches
    | seals
    | st.builds(
        Step,
        wait=waits,
        source=st.just(STAFF),
        items=st.lists(readings(STAFF), min_size=1, max_size=8).map(tuple),
    ),
    max_size=3,
)
lives = st.lists(
    st.one_of(
        record_batches, record_batches, whole_replies, reading_batches, seals, repeats, repeats
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class Past:
    """One instant that lies behind: what it answered when it was first asked."""

    as_of: datetime
    sealed: bool
    answers: list[tuple]
    wanted: Tables

    def lasts(self, now: datetime) -> bool:
        """Whether it is still answered as it was: seals and day ends for ever, minutes a week."""
        whole = self.sealed or self.as_of == day_start(self.as_of)
        return whole or now - self.as_of <= MINUTES_KEPT


@dataclass
class History:
    """A world and its recount, side by side."""

    world: World
    oracle: Oracle
    pasts: list[Past] = field(default_factory=list)
    told: list[Step] = field(default_factory=list)

    def load(self, steps: list[Step]) -> None:
        """The first loads of dossiers and staff, known by the weeks of their changes."""
        self.world.live(REGISTRY, MEETINGS, TRANSFORMATION)
        for source in (DOSSIERS, STAFF):
            self.world.poll(source, ends=False)
        for step in steps:
            self._happen(step, loading=True)
        self.check_present()
        for week in ("2025-07-07", "2026-02-16", "2026-10-12"):
            stored = {name: rows(self.world.store, name) for name in VERSIONED}
            wanted = self.oracle.at_minute(at(f"{week} 00:00"))
            assert_same(believed(stored, at(f"{week} 00:00")), wanted, VERSIONED)
        self.world.live(DOSSIERS, STAFF)

    def live(self, steps: list[Step]) -> None:
        """Whatever comes then; after every step present and past are counted again."""
        for step in steps:
            self._happen(step, loading=False)
            self.check_present()
            self._remember()
            self.check_past()

    def _happen(self, step: Step, loading: bool) -> None:
        self.world.forward(seconds=step.wait.total_seconds())
        if step.seal:
            sealed = self.world.seal()
            turn = self.oracle.seal(sealed)
            if not loading:
                wanted = self.oracle.at_seal(turn, sealed)
                self.pasts.append(Past(sealed, True, answers(self.world, sealed), wanted))
            return
        if step.repeat:
            step = self._again(step)
        if step.source is None:
            return
        self.told.append(replace(step, repeat=0))
        if step.repeat == 1:
            self._say(
                step.source, tuple(_otherwise(item) for item in step.items), step.whole, loading
            )
        self._say(step.source, step.items, step.whole, loading)

    def _say(self, source: Source, items: tuple, whole: bool, loading: bool) -> None:
        self.world.poll(source, items, whole=whole, ends=not loading, rejected=None)
        self.oracle.take(source, items, self.world.now, whole=whole, loading=loading)

    def _again(self, step: Step) -> Step:
        """An earlier poll once more, its rows now the newest."""
        if len(self.told) < step.repeat:
            return step
        earlier = self.told[-step.repeat]
        changed = self.world.now - timedelta(seconds=1)
        items = tuple(
            replace(
                item, changed_at=changed + timedelta(microseconds=n) if item.changed_at else None
            )
            for n, item in enumerate(earlier.items)
        )
        return replace(earlier, items=items, repeat=step.repeat)

    def _remember(self) -> None:
        """Ask for the minute and the day that closed last."""
        settled = self.world.now - SETTLING
        for as_of in {minute_start(settled), day_start(settled)}:
            if as_of > NOW and all(past.as_of != as_of for past in self.pasts):
                wanted = self.oracle.at_minute(as_of)
                self.pasts.append(Past(as_of, False, answers(self.world, as_of), wanted))

    def check_present(self) -> None:
        """Every derived table holds what the recount holds; no version repeats the one before."""
        assert_same(present(self.world.store), self.oracle.now())
        store = self.world.store
        kept = [spans(store, "observation", 5, 6), spans(store, "rollup", 5, 8)]
        for versions in chain(*kept, record_spans(store)):
            for (_, ended, was), (began, _, became) in pairwise(versions):
                assert ended < began or (ended == began and was != became), versions

    def check_past(self) -> None:
        """The versions that are visible at a boundary are what the recount knew then."""
        stored = {name: rows(self.world.store, name) for name in VERSIONED}
        for past in self.pasts:
            assert_same(believed(stored, past.as_of), past.wanted, VERSIONED)

    def check_answers(self) -> None:
        """Every instant that may still be asked answers as it did the first time."""
        for past in self.pasts:
            if past.lasts(self.world.now):
                assert answers(self.world, past.as_of) == past.answers, past.as_of


VERSIONED = ("observation", "rollup")


def assert_same(
    found: Tables,
    wanted: Tables,
    names: tuple[str, ...] = (
        "observation",
        "member",
        "rollup",
        "standing",
    ),
) -> None:
    """Say which rows differ, and how."""
    for name in names:
        here, there = getattr(found, name), getattr(wanted, name)
        missing = {key: row for key, row in there.items() if here.get(key) != row}
        surplus = {key: row for key, row in here.items() if there.get(key) != row}
        assert (missing, surplus) == ({}, {}), name


def present(store: KpiStore) -> Tables:
    """The current rows of the store, as the recount writes them."""
    return Tables(
        observation={r[:3]: r[5] for r in rows(store, "observation") if r[4] == FAR},
        member={r[:4]: r[4] for r in rows(store, "member")},
        rollup={r[:3]: r[5:8] for r in rows(store, "rollup") if r[4] == FAR},
        standing={r[:4]: r[4:8] for r in rows(store, "standing")},
    )


Span = tuple[int, int, Any]
"""From when until when something was believed, and what."""


def spans(store: KpiStore, table: str, first: int, after: int) -> list[list[Span]]:
    """The versions of each key of a table, in the order of time; columns name the value."""
    of: dict[tuple, list[Span]] = {}
    for row in rows(store, table):
        of.setdefault(row[:3], []).append((row[3], row[4], row[first:after]))
    return [sorted(versions) for versions in of.values()]


def record_spans(store: KpiStore) -> list[list[Span]]:
    """The same for records, whose current version has a table of its own."""
    of: dict[tuple, list[Span]] = {}
    for table in ("record_version", "record"):
        names = schema.metadata.tables[table].columns.keys()
        for row in rows(store, table):
            said = dict(zip(names, row, strict=True))
            until = said.get("superseded_at", FAR)
            of.setdefault(row[:2], []).append((said["known_at"], until, said["hash"]))
    return [sorted(versions) for versions in of.values()]


def believed(stored: dict[str, list[tuple]], boundary: datetime) -> Tables:
    """The versions that a boundary sees; never two of one key."""
    b = micros(boundary)
    seen = {}
    for name, versions in stored.items():
        visible = [r for r in versions if r[3] < b <= r[4]]
        seen[name] = {r[:3]: r[5] if name == "observation" else r[5:8] for r in visible}
        assert len(seen[name]) == len(visible)
    return Tables(**seen)


def questions(world: World, as_of: datetime | None) -> list[query.Answer]:
    """What is asked of every instant."""
    asked: dict[str, Any] = {**ASKED, "as_of": as_of, "now": world.now}
    months = {"first": Period.parse("2025-05"), "last": Period.parse("2025-07")}
    days = {"first": Period.parse("2025-06-29"), "last": Period.parse("2025-07-01"), "grain": "day"}
    years = {"first": Period.parse("2024"), "last": Period.parse("2026"), "grain": "year"}
    merged = asked | MERGED
    return [
        query.values(world.store, ADMIN, indicators=["I02b", "I12a", "I07a"], **years, **merged),
        query.standings(world.store, ADMIN, targets=["T02b", "T07a", "T12a"], **merged),
        query.values(world.store, ADMIN, indicators=["I02a", "I02b", "I12a"], **months, **asked),
        query.values(world.store, ADMIN, indicators=["I02b", "I07a"], **years, **asked),
        query.values(world.store, ADMIN, indicators=["I02b"], **days, **asked),
        query.standings(
            world.store, ADMIN, targets=["T02a", "T02b", "T07a", "T08a", "T12a"], **asked
        ),
    ]


def answers(world: World, as_of: datetime | None) -> list[tuple]:
    """The rows of all answers."""
    return [plain(row) for answer in questions(world, as_of) for row in answer.stream()]


def run_history(world: World, load: list[Step], live: list[Step]) -> None:
    """Live through a history, then seal, rebuild and thin it."""
    empty(world.store)
    world = World(world.store, NOW)
    history = History(world, Oracle(world.store.catalogue, world.store.orgunits))
    history.load(load)
    history.live(live)
    history._happen(Step(timedelta(0), seal=True), loading=False)
    sealed = history.pasts[-1].as_of
    now = answers(world, None)
    assert answers(world, sealed) == now
    for answer in questions(world, None):
        assert [plain(row) for row in answer.frame().itertuples(index=False)] == [
            plain(row) for row in answer.stream()
        ]
    world.forward(minutes=1)
    history.check_answers()
    before = tables(world.store)
    rebuild(world.store)
    assert_tables(tables(world.store), before)
    for days in (0, 8):
        world.forward(days=days)
        thin(world.store, world.now)
        history.check_present()
        history.check_answers()
    kept = tables(world.store)
    rebuild(world.store)
    thin(world.store, world.now)
    assert_tables(tables(world.store), kept)


def assert_tables(found: dict[str, list[tuple]], wanted: dict[str, list[tuple]]) -> None:
    """Say which rows of which table differ."""
    for name in STORED:
        here, there = set(found[name]), set(wanted[name])
        assert (there - here, here - there) == (set(), set()), name


TAKEN_BACK = [
    Step(timedelta(0), STAFF, (reading("staff_professional", "STP", "2026-09", 4, "2026-10-06"),)),
    Step(timedelta(minutes=1), repeat=1),
    Step(
        timedelta(minutes=1),
        DOSSIERS,
        (dossier("a", "STP", "2026-09-07 08:00", "2026-09-08 08:00", changed="2026-09-08 09:00"),),
    ),
    Step(timedelta(minutes=1), repeat=1),
]
"""Said, and a minute later said otherwise and taken back at once."""
HALVED = [
    Step(
        timedelta(0),
        STAFF,
        (
            reading("staff_with_computer", "STP", "2026-09", 2, "2026-10-06"),
            reading("staff_professional", "STP", "2026-09", 3, "2026-10-06"),
        ),
    ),
    Step(timedelta(minutes=1), STAFF, (reading("staff_professional", "STP", "2026-09", 4),)),
    Step(timedelta(seconds=25), STAFF, (reading("staff_with_computer", "STP", "2026-09", 4),)),
]
"""A new denominator without its numerator, then a numerator above the denominator."""


@pytest.mark.timeout(600)  # a busy machine takes its time
@example(load=[], live=TAKEN_BACK)
@example(load=[], live=HALVED)
@given(load=loads, live=lives)
@settings(max_examples=40, **PLAIN_SETTINGS)
def test_refresh_rebuild_and_recount_agree_and_the_past_stays(sqlite_world, load, live):
    run_history(sqlite_world, load, live)


@pytest.mark.timeout(600)
@pytest.mark.postgresql
@example(load=[], live=TAKEN_BACK)
@example(load=[], live=HALVED)
@given(load=loads, live=lives)
@settings(max_examples=6, **PLAIN_SETTINGS)
def test_they_agree_on_postgresql_too(postgresql_world, load, live):
    run_history(postgresql_world, load, live)


def said(store: KpiStore) -> dict[str, list]:
    """What the store believes now, without when and by which run it came to know."""
    found = present(store)
    records = [(r[:20], r[20]) for r in rows(store, "record")]
    return {
        "record": records,
        "observation": sorted(found.observation.items()),
        "member": sorted(found.member.items()),
        "rollup": sorted(found.rollup.items()),
        "standing": sorted(found.standing.items()),
    }


@pytest.mark.timeout(600)
@given(data=st.data(), batches=st.lists(record_batches | row_batches, min_size=2, max_size=5))
@settings(max_examples=25, **PLAIN_SETTINGS)
def test_the_end_does_not_depend_on_the_order_of_batches_nor_on_the_way_they_came(
    sqlite_world, data, batches
):
    # no two changes of one thing at one instant: which of them came last is then a fact of order
    later = (timedelta(microseconds=n) for n in range(1000))
    batches = [
        replace(
            step,
            items=tuple(
                replace(item, changed_at=item.changed_at + next(later)) for item in step.items
            ),
        )
        for step in batches
    ]
    orders = [batches, data.draw(st.permutations(batches)), batches[::-1]]
    ends = []
    for order, loading in (
        (orders[0], False),
        (orders[1], False),
        (orders[2], False),
        (orders[1], True),
    ):
        empty(sqlite_world.store)
        world = World(sqlite_world.store, NOW)
        if not loading:
            world.live()
        for step in order:
            world.forward(seconds=step.wait.total_seconds())
            world.poll(step.source, step.items, ends=not loading, rejected=None)
        ends.append(said(world.store))
    assert all(end == ends[0] for end in ends)

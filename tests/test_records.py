"""Records: who may read them, where they count, which page follows which, what was known when."""

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from ioc.errors import Forbidden
from ioc.period import Period
from ioc.principal import Principal
from kpi import query
from tests.worlds import ADMIN, DOSSIERS, REGISTRY, at, dossier, plain

pytest_plugins = ["tests.worlds"]
STP = "department-STP-2021-01-01"
DONG_HOI, LE_THUY = "district-450-0000", "district-457-0000"


def some(world, **filters):
    """The records that match."""
    filters = {"now": world.now} | filters
    return query.records(world.store, filters.pop("who", ADMIN), **filters)


def keys(world, **filters) -> list[str]:
    """Their keys in the order of the answer."""
    answer = some(world, **filters)
    found = [row[1] for row in answer.stream()]
    if "limit" not in filters and "after" not in filters:
        assert answer.count() == len(found)
    return found


@pytest.fixture
def live(world):
    """Five dossiers in two places and two systems, after the first load."""
    world.live()
    world.poll(
        DOSSIERS,
        [
            dossier("a", "450", "2025-05-05 08:00", "2025-05-06 08:00", state="resolved"),
            dossier("b", "450", "2025-05-07 08:00", due_at=at("2026-11-20 08:00")),
            replace(
                dossier("c", "STP", "2025-05-07 08:00", due_at=at("2027-01-01 08:00")),
                lat=17.4,
                lon=106.6,
            ),
            replace(
                dossier("d", "STP", "2025-06-01 08:00", state="withdrawn"),
                due_at=at("2025-07-01 08:00"),
            ),
        ],
    )
    world.poll(REGISTRY, [dossier("b", "457", "2025-05-07 08:00", "2025-05-09 08:00")])
    world.forward(minutes=2)
    return world


def test_records_come_newest_first_and_ties_by_source_and_key(live):
    found = [(row[0], row[1]) for row in some(live).stream()]
    assert found == [
        ("public_services", "d"),
        ("public_services", "b"),
        ("public_services", "c"),
        ("registry", "b"),
        ("public_services", "a"),
    ]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"sources": ["registry"]}, "b"),
        ({"kinds": ["dossier"]}, "dbcba"),
        ({"states": ["resolved"]}, "a"),
        ({"states": ["resolved", "withdrawn"]}, "da"),
        ({"opened_from": date(2025, 5, 7), "opened_to": date(2025, 5, 7)}, "bcb"),
        ({"open_only": True}, "bc"),
        ({"overdue": True}, "b"),
        ({"located": True}, "c"),
        ({"org_units": ["area-450"]}, "ba"),
        ({"org_units": ["area-450", STP]}, "dbca"),
        ({"org_units": [DONG_HOI], "open_only": True}, "b"),
        ({"org_units": ["area-qb"]}, "dbcba"),
        ({"sources": []}, ""),
    ],
)
def test_a_filter_keeps_what_it_says(live, filters, wanted):
    assert "".join(keys(live, **filters)) == wanted


def test_a_day_is_a_local_day_to_its_last_minute(live):
    live.poll(
        DOSSIERS, [dossier("e", "STP", "2025-05-10 00:00"), dossier("f", "STP", "2025-05-10 23:59")]
    )
    assert keys(live, opened_from=date(2025, 5, 10), opened_to=date(2025, 5, 10)) == ["f", "e"]
    assert keys(live, opened_from=date(2025, 5, 11), opened_to=date(2025, 5, 31)) == []


@pytest.mark.parametrize("filters", [{}, {"open_only": True}, {"org_units": ["area-qb"]}])
def test_pages_follow_one_another_without_a_gap_or_a_repeat(live, filters):
    whole = [plain(row) for row in some(live, **filters).stream()]
    for size in (1, 2, 3):
        found, after = [], None
        while True:
            answer = some(live, limit=size, after=after, **filters)
            page = list(answer.stream())
            assert answer.count() == len(whole)
            if not page:
                break
            found += [plain(row) for row in page]
            after = answer.place(page[-1])
        assert found == whole


def test_what_arrives_on_top_moves_no_page(live):
    answer = some(live, limit=2)
    after = answer.place(list(answer.stream())[-1])
    before = keys(live, after=after)
    live.poll(DOSSIERS, [dossier("new", "STP", "2026-11-01 08:00")])
    assert keys(live, after=after) == before


def test_an_open_record_counts_where_it_was_opened_and_a_closed_one_where_it_was_closed(live):
    """District 450 ended on 30/6/2025: what is done later is done at its area's rest leaf."""
    late = dossier("moved", "450", "2025-06-20 08:00", "2025-07-10 08:00")
    live.poll(DOSSIERS, [replace(late, closed_at=None)])
    assert "moved" in keys(live, org_units=[DONG_HOI])
    live.forward(minutes=2)
    live.poll(DOSSIERS, [late])
    assert "moved" not in keys(live, org_units=[DONG_HOI])
    assert "moved" in keys(live, org_units=["area-450"])
    done = some(live, org_units=["area-450"]).frame().set_index("key").org_unit_done["moved"]
    assert done != DONG_HOI


@pytest.mark.parametrize("unit", ["area-qb", "area-450", DONG_HOI, STP, LE_THUY])
@pytest.mark.parametrize("month", ["2025-05", "2025-06"])
def test_the_records_that_an_element_counts_add_up_to_its_figure(live, unit, month):
    period = Period.parse(month)
    figure = live.value("I02b", month, unit).denominator
    found = keys(
        live,
        element="dossiers_resolved",
        org_units=[unit],
        opened_from=period.start,
        opened_to=period.end,
    )
    assert len(found) == (0 if math.isnan(figure) else figure)


def test_an_element_that_counts_no_records_is_refused(live):
    for name in ("staff_professional", "không-có"):
        with pytest.raises(query.UnknownFilter, match="được đếm từ bản ghi"):
            some(live, element=name)


def test_a_principal_reads_what_its_units_opened_or_completed_and_no_other(live):
    dong_hoi = Principal("Đồng Hới", "head", frozenset({"area-450"}))
    assert set(keys(live, who=dong_hoi)) == {"a", "b"}
    assert {row[0] for row in some(live, who=dong_hoi).stream()} == {"public_services"}
    late = dossier("moved", "450", "2025-06-20 08:00", "2025-07-10 08:00")
    live.poll(DOSSIERS, [late])
    done = some(live).frame().set_index("key").org_unit_done["moved"]
    for uid in (DONG_HOI, done):
        assert "moved" in keys(live, who=Principal("đơn vị", "head", frozenset({uid}))), uid
    with pytest.raises(Forbidden):
        some(live, who=dong_hoi, org_units=["area-457"])
    nobody = Principal("không ai", "head", frozenset())
    assert keys(live, who=nobody) == []


def test_a_record_tells_of_its_poll_only_what_the_list_of_polls_tells(live):
    told = {}
    for who in (ADMIN, Principal("Đồng Hới", "head", frozenset({"area-450"}))):
        (version,) = query.case_file(live.store, who, "public_services", "a").versions
        asked = {"sources": ["public_services"], "numbers": [version.run["run"]]}
        answer = query.runs(live.store, who, **asked)
        (run,) = (dict(zip(answer.columns, row, strict=True)) for row in answer.stream())
        assert version.run == {name: run[name] for name in version.run}, who.name
        told[who.name] = version.run
    assert told[ADMIN.name]["read"] == 4
    assert told["Đồng Hới"]["read"] is told["Đồng Hới"]["calls"] is None
    assert told["Đồng Hới"]["outcome"] == "ok"


@pytest.mark.parametrize(
    "filters",
    [
        {"kinds": ["dosier"]},
        {"org_units": ["area-999"]},
        {"after": "x"},
        {"after": "WzEsMl0"},
        {"after": "ệ"},
    ],
)
def test_a_filter_that_names_nothing_is_refused(live, filters):
    with pytest.raises(query.UnknownFilter):
        some(live, **filters)


def test_overdue_is_measured_at_the_clock_of_the_answer(live):
    assert keys(live, overdue=True, now=at("2026-11-19 08:00")) == []
    assert set(keys(live, overdue=True, now=at("2027-02-01 08:00"))) == {"b", "c"}


def test_an_instant_shows_the_versions_that_were_believed_then(live):
    first = live.seal()
    live.forward(minutes=2)
    live.poll(
        DOSSIERS, [dossier("b", "450", "2025-05-07 08:00", "2026-11-21 09:00", state="resolved")]
    )
    second = live.seal()
    live.forward(minutes=2)
    live.poll(REGISTRY, [dossier("z", "457", "2025-05-07 08:00")], whole=True)
    live.poll(REGISTRY, [dossier("z", "457", "2025-05-07 08:00")], whole=True)
    live.forward(minutes=2)

    def known(instant):
        frame = some(live, as_of=instant).frame()
        return {(row.source, row.key): row.state for row in frame.itertuples()}

    before, then = known(first), known(second)
    assert before["public_services", "b"] == "" and then["public_services", "b"] == "resolved"
    assert len(before) == len(then) == 5
    assert keys(live, as_of=first, open_only=True) == ["b", "c"]
    assert keys(live, as_of=second, open_only=True) == ["c"]
    live.forward(days=30)
    assert known(first) == before and known(second) == then
    assert known(live.now - timedelta(days=5000)) == {}
    assert known(live.now) == known(None)


def test_a_record_that_left_its_source_was_there_before(live):
    extra = [dossier(f"r{n}", "457", "2025-05-07 08:00") for n in range(9)]
    live.poll(REGISTRY, [dossier("b", "457", "2025-05-07 08:00", "2025-05-09 08:00"), *extra])
    live.forward(minutes=2)
    was = live.seal()
    live.forward(minutes=2)
    live.poll(REGISTRY, extra, whole=True)
    live.forward(minutes=2)
    assert keys(live, sources=["registry"], as_of=was) == ["b", *sorted(r.key for r in extra)]
    assert "b" not in keys(live, sources=["registry"])

"""What a source says is refused, taken under suspicion or held, and never in silence."""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import ConfigError
from ioc.model import Counts, Record, Rejection
from kpi import health, query
from kpi.catalogue import load_catalogue
from kpi.intake import accept
from kpi.store import KpiStore
from kpi.validation import RULES, SUSPECTED
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import rest_source, sheet_source
from tests.test_poller import CURSOR, NOW, Portal, contents, polled, run_rows
from tests.test_poller import rows as portal_rows
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    REGISTRY,
    STAFF,
    World,
    dossier,
    dossiers,
    empty,
    reading,
    rows,
    share,
    tables,
)

pytest_plugins = ["tests.worlds"]
ABOVE, BELOW, TRAINED = "staff_with_computer", "staff_professional", "staff_trained_this_year"
PAIR = f"{ABOVE} {BELOW}"
STP = "department-STP-2025-07-01"


@pytest.fixture
def live(world: World) -> World:
    """A world whose sources were all polled before."""
    world.live().forward(minutes=5)
    return world


def items(live: World) -> list[Any]:
    """The items of data quality, newest first."""
    return list(query.rejections(live.store, ADMIN).frame().itertuples())


def share_of(live: World, indicator: str = "I12a", month: str = "2026-10") -> tuple[Any, ...]:
    """Numerator, denominator and value of one org unit."""
    row = live.value(indicator, month, STP)
    return tuple(None if x != x else x for x in (row.numerator, row.denominator, row.value))


# --- numerator and denominator ------------------------------------------------------------------


def test_a_share_above_100_percent_is_refused_whole_and_one_item_names_the_rule(live):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 100))
    live.forward(minutes=2)
    counts = live.poll(STAFF, share(PAIR, "STP", "2026-10", 104, 100), rejected=2)
    assert (counts.read, counts.new, counts.changed, counts.same) == (2, 0, 0, 0)
    assert share_of(live) == (90, 100, 90)
    (item,) = items(live)
    assert item.rule == "numerator_over_denominator"
    assert all(word in item.reason for word in ("I12a", "104", "100"))
    assert ABOVE in item.fields and BELOW in item.fields


@pytest.mark.parametrize(("above", "left"), [(101, 90), (100, 100), (95, 95)])
def test_a_numerator_that_comes_alone_meets_the_stored_denominator(live, above, left):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 100))
    live.poll(STAFF, [reading(ABOVE, "STP", "2026-10", above)], rejected=int(above > 100))
    assert share_of(live) == (left, 100, left)


def test_a_pair_is_judged_as_it_stands_after_the_batch(live):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 100))
    grown = [reading(ABOVE, "STP", "2026-10", 130, "2026-11-20 08:00")]
    grown.append(reading(BELOW, "STP", "2026-10", 150, "2026-11-20 09:00"))
    live.poll(STAFF, grown)
    assert share_of(live)[:2] == (130, 150)
    late = reading(BELOW, "STP", "2026-10", 120, "2026-11-20 07:00")
    assert live.poll(STAFF, [late]).same == 1  # older than what is stored: nothing to judge
    assert items(live) == []


def test_the_figures_said_with_a_broken_pair_are_not_taken_either(live):
    live.poll(
        STAFF,
        [*share(PAIR, "STP", "2026-10", 90, 100), reading(TRAINED, "STP", "2026-10", 40)],
    )
    row = [*share(PAIR, "STP", "2026-10", 300, 200), reading(TRAINED, "STP", "2026-10", 150)]
    live.poll(STAFF, row, rejected=3)
    assert share_of(live) == (90, 100, 90)
    assert share_of(live, "I12b") == (40, 100, 40)
    assert [item.rule for item in items(live)] == ["numerator_over_denominator"]


def test_one_faulty_org_unit_takes_no_other_with_it(live):
    batch = share(PAIR, "STP", "2026-10", 104, 100) + share(PAIR, "SYT", "2026-10", 50, 80)
    counts = live.poll(STAFF, batch + share(PAIR, "STP", "2026-09", 60, 100), rejected=2)
    assert counts.new == 4
    assert share_of(live) == (None, None, None)
    assert live.value("I12a", "2026-10", STP.replace("STP", "SYT")).value == 62.5
    assert share_of(live, month="2026-09")[:2] == (60, 100)


def test_an_old_numerator_never_stands_over_a_new_denominator(live):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 100))
    counts = live.poll(STAFF, [reading(BELOW, "STP", "2026-10", 150)], rejected=1)
    assert counts.changed == 0 and share_of(live) == (90, 100, 90)
    (item,) = items(live)
    assert item.rule == "incomplete_pair" and "150" in item.reason and "90" in item.reason
    assert live.poll(STAFF, [reading(BELOW, "STP", "2026-10", 100)]).same == 1


def test_what_was_said_with_a_figure_out_of_range_does_not_meet_an_older_one(live):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 60, 100))
    counts = live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 300_000), rejected=2)
    assert (counts.changed, counts.rules) == (0, {"range": 1, "incomplete_pair": 1})
    assert share_of(live) == (60, 100, 60)
    other = [reading(ABOVE, "STP", "2026-09", 7), reading(BELOW, "SYT", "2026-10", -1)]
    assert live.poll(STAFF, other, rejected=1).new == 1


def test_half_a_pair_that_was_never_whole_has_no_value(live):
    live.poll(STAFF, [reading(BELOW, "STP", "2026-10", 150)])
    assert share_of(live) == (None, 150, None)
    live.poll(STAFF, [reading(ABOVE, "STP", "2026-10", 90)])
    assert share_of(live) == (90, 150, 60)
    live.poll(STAFF, [reading(ABOVE, "STP", "2026-09", 90)])
    assert share_of(live, month="2026-09") == (90, None, None)
    live.poll(STAFF, [reading(BELOW, "STP", "2026-09", 100)])
    assert share_of(live, month="2026-09") == (90, 100, 90)
    assert items(live) == []


def test_where_the_numerator_need_not_be_part_of_the_denominator_more_is_fine(live, monkeypatch):
    free = {
        name: replace(indicator, within=False)
        for name, indicator in live.store.catalogue.indicators.items()
    }
    loose = type(live.store.plausibility)(replace(live.store.catalogue, indicators=free))
    monkeypatch.setattr(live.store, "plausibility", loose)
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 104, 100))
    assert share_of(live) == (104, 100, 104)


def test_shares_are_within_by_their_unit_and_everything_else_is_not(catalogue):
    for indicator in catalogue.indicators.values():
        assert indicator.within == (indicator.unit == "%" and indicator.factor == 100)


# --- range, jump, org unit, duplicates ----------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 100_000.5, 100_001, 1e9])
def test_a_figure_outside_its_range_is_refused_and_the_last_good_one_stays(live, value):
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 4, 5))
    counts = live.poll(STAFF, [reading(BELOW, "STP", "2026-10", value)], rejected=1)
    assert (counts.read, counts.changed) == (1, 0)
    assert share_of(live)[:2] == (4, 5)
    (item,) = items(live)
    assert item.rule == "range" and counts.rules == {"range": 1}


def test_a_figure_ten_times_the_last_one_is_taken_and_told(live):
    live.poll(STAFF, [reading(BELOW, "STP", "2026-09", 120)])
    counts = live.poll(STAFF, [reading(BELOW, "STP", "2026-10", 1250)])
    assert (counts.new, counts.rejected, counts.rules) == (1, 0, {"jump": 1})
    assert share_of(live)[1] == 1250
    (item,) = items(live)
    assert item.rule == "jump" and item.reason.startswith("Nghi ngờ:")
    assert "120" in item.reason and "1.250" in item.reason
    again = live.poll(STAFF, [reading(BELOW, "STP", "2026-10", 1250)])
    assert (again.same, again.rules) == (1, {})


@pytest.mark.parametrize(
    ("before", "after"), [(2, 90), (120, 1200), (0, 5000), (5000, 120), (None, 5000)]
)
def test_small_figures_and_first_ones_may_jump(live, before, after):
    if before is not None:
        live.poll(STAFF, [reading(BELOW, "STP", "2026-09", before)])
    assert live.poll(STAFF, [reading(BELOW, "STP", "2026-10", after)]).rules == {}
    live.poll(STAFF, [reading(BELOW, "STP", "2026-08", 2), reading(BELOW, "SYT", "2026-08", 2)])
    assert live.poll(STAFF, [reading(BELOW, "STP", "2026-08", 90)]).rules == {}
    assert items(live) == []


def test_a_jump_within_one_batch_and_over_a_correction_is_seen_too(live):
    months = [reading(BELOW, "STP", "2026-08", 100), reading(BELOW, "STP", "2026-09", 1100)]
    assert live.poll(STAFF, months[::-1]).rules == {"jump": 1}
    assert live.poll(STAFF, [reading(BELOW, "STP", "2026-08", 90_000)]).rules == {"jump": 1}


def test_an_unknown_org_unit_is_refused_by_its_rule(live):
    live.poll(STAFF, [reading(BELOW, "KHONGCO", "2026-10", 5)], rejected=1)
    live.poll(DOSSIERS, [dossier("a", "99999", "2026-10-05 08:00")], rejected=1)
    assert [item.rule for item in items(live)] == ["unknown_org_unit"] * 2


def test_of_one_key_twice_in_a_batch_the_last_change_counts_and_the_run_says_how_many(live):
    first = dossier("a", "STP", "2026-10-05 08:00", changed="2026-10-05 09:00", channel="full")
    second = replace(first, channel="direct", changed_at=first.changed_at + timedelta(hours=1))
    counts = live.poll(DOSSIERS, [second, first, second])
    assert (counts.read, counts.new, counts.same, counts.duplicates) == (3, 1, 2, 2)
    assert "direct" in rows(live.store, "record")[0]
    figures = [reading(BELOW, "STP", "2026-10", n, f"2026-11-0{n} 08:00") for n in (3, 2)]
    counts = live.poll(STAFF, figures)
    assert counts.duplicates == 1 and share_of(live)[1] == 3
    assert items(live) == []


def test_two_contents_of_one_key_at_one_instant_are_told(live):
    first = dossier("a", "STP", "2026-10-05 08:00", changed="2026-10-05 09:00", position="x#1")
    counts = live.poll(DOSSIERS, [first, replace(first, channel="direct", position="x#2")])
    assert (counts.new, counts.rules) == (1, {"duplicate": 1})
    counts = live.poll(
        STAFF, [reading(BELOW, "STP", "2026-10", n, "2026-11-02 08:00") for n in (2, 3)]
    )
    assert counts.rules == {"duplicate": 1} and share_of(live)[1] == 3
    assert {(i.rule, i.position) for i in items(live)} == {("duplicate", "x#2"), ("duplicate", "")}


# --- records ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\ud800b", "a\nb"])
@pytest.mark.parametrize("name", ["state", "category", "channel", "result", "kind", "key"])
def test_a_record_with_characters_that_cannot_be_shown_is_refused_and_the_rest_is_kept(
    live, name, text
):
    bad = replace(dossier("bad", "STP", "2026-10-05 08:00", position="x\x00#1"), **{name: text})
    counts = live.poll(DOSSIERS, [bad, dossier("good", "STP", "2026-10-05 08:00")], rejected=1)
    assert counts.new == 1
    (item,) = items(live)
    assert item.rule == "control_character" and item.position == "x\ufffd#1"


@pytest.mark.parametrize(
    ("lat", "lon", "told"),
    [(21.03, 105.85, "ở xa"), (106.62, 17.47, "đổi chỗ"), (17.47, None, "ở xa"), (0, 0, "ở xa")],
)
def test_a_position_that_cannot_be_is_dropped_and_told_and_the_record_counts(live, lat, lon, told):
    said = dossier("a", "STP", "2026-10-05 08:00", "2026-10-06 08:00", lat=lat, lon=lon)
    counts = live.poll(DOSSIERS, [said])
    assert (counts.new, counts.rejected, counts.rules) == (1, 0, {"position": 1})
    assert live.value("I02b", "2026-10", STP).denominator == 1
    (item,) = items(live)
    assert item.rule == "position" and told in item.reason
    assert item.reason.startswith("Nghi ngờ:")
    assert rows(live.store, "record")[0][17:19] == (None, None)


def test_positions_in_the_province_and_beside_it_stay(live):
    for key, lat, lon in (("a", 17.47, 106.62), ("b", 16.75, 107.19), ("c", 18.3, 105.9)):
        live.poll(DOSSIERS, [dossier(key, "STP", "2026-10-05 08:00", lat=lat, lon=lon)])
    assert [row[17:19] for row in rows(live.store, "record")] == [
        (17.47, 106.62),
        (16.75, 107.19),
        (18.3, 105.9),
    ]
    assert items(live) == []


def test_a_position_that_is_no_number_is_refused(live):
    live.poll(DOSSIERS, [dossier("a", "STP", "2026-10-05 08:00", lat=math.nan, lon=1)], rejected=1)


# --- held, and taken once somebody looked ---------------------------------------------------------


def whole(live: World, records: Iterable[Any], *, confirmed: bool = False) -> Counts:
    """One run of the registry, whose replies are whole."""
    run = health.begin_run(live.store, REGISTRY.id, live.now)
    counts = accept(
        live.store, REGISTRY, records, run=run, whole=True, confirmed=confirmed, now=live.now
    )
    live.end(run, counts, "held" if counts.held else "ok")
    return counts


@pytest.mark.parametrize("left", [0, 3])
def test_a_shrunken_source_is_held_until_somebody_says_so_and_then_its_past_stays(live, left):
    cases = dossiers("STP", "2026-10-05", 10, 4)
    whole(live, cases)
    live.forward(minutes=2)
    before = live.now
    live.forward(minutes=2)
    held = whole(live, cases[:left])
    assert (held.held, held.gone, held.withheld) == (True, 0, 10 - left)
    assert live.value("I02b", "2026-10", STP).denominator == 10
    taken = whole(live, cases[:left], confirmed=True)
    assert (taken.held, taken.gone) == (False, 10 - left)
    now = live.value("I02b", "2026-10", STP).denominator
    assert now == left or (left == 0 and (now == 0 or now != now))
    assert live.value("I02b", "2026-10", STP, as_of=before).denominator == 10
    assert len(rows(live.store, "record_version")) == 10 - left


def test_a_row_without_key_keeps_what_is_absent_and_the_run_says_how_many(live):
    cases = dossiers("STP", "2026-10-05", 10, 4)
    whole(live, cases)
    bad = Rejection("x#1", "thiếu mã", {}, "0" * 64)
    counts = whole(live, [*cases[:9], bad])
    assert (counts.gone, counts.withheld) == (0, 1)
    known = replace(bad, key=cases[9].key)  # this very row is the one that cannot be read
    counts = whole(live, [*cases[:9], known])
    assert (counts.gone, counts.withheld) == (0, 0)
    counts = whole(live, [*cases[:8], known])
    assert (counts.gone, counts.withheld) == (1, 0)


# --- the same on real sockets -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> SimpleNamespace:
    """The settings of a poller with a data folder of its own."""
    return SimpleNamespace(data=tmp_path, secret_key_file=None)


def test_a_held_reply_says_what_to_do_and_is_taken_once(store: KpiStore, folder: Any) -> None:
    answers = [portal_rows(20), portal_rows(5), portal_rows(5), portal_rows(5), []]
    with Chaos(serve(*(Answer({"data": found}) for found in answers))) as server:
        source = rest_source(server.url, options=Lined({"whole": True}))
        health.publish_sources(store, [source])
        runs = [
            poll(store, source, folder, now=NOW + timedelta(minutes=n), confirm=n == 2)
            for n in range(5)
        ]
    assert [run["outcome"] for run in runs] == ["ok", "held", "ok", "ok", "held"]
    assert [run["gone"] for run in runs] == [0, 0, 15, 0, 0]
    assert f"ioc poll {source.id} --once --confirm" in runs[1]["note"] and "15" in runs[1]["note"]
    assert [row["covered_until"] is None for row in run_rows(store)] == [
        outcome == "held" for outcome in ("ok", "held", "ok", "ok", "held")
    ]
    assert len(contents(store)["record"]) == 5


def test_nothing_from_a_source_that_repeats_everything_is_held_not_zero(
    sqlite_store: KpiStore, folder: Any
) -> None:
    answers = [[], portal_rows(3), [], [], [], portal_rows(3)]
    with Chaos(serve(*(Answer({"data": found}) for found in answers))) as server:
        source = rest_source(server.url)
        health.publish_sources(sqlite_store, [source])
        runs = [
            poll(sqlite_store, source, folder, now=NOW + timedelta(minutes=n), confirm=n == 3)
            for n in range(6)
        ]
    assert [run["outcome"] for run in runs] == ["empty", "ok", "held", "empty", "empty", "ok"]
    assert "--confirm" in runs[2]["note"]
    assert len(contents(sqlite_store)["record"]) == 3


def test_the_note_of_a_run_names_the_rules(sqlite_store: KpiStore, tmp_path: Path) -> None:
    reports = tmp_path / "bao-cao"
    reports.mkdir()
    months = {"05": (100, 90), "06": (100, 104), "07": (1500, 900)}
    for month, (below, above) in months.items():
        text = f"Mã đơn vị,Kỳ,Tổng số,Có máy tính\nSNV,{month}/2024,{below},{above}\n"
        (reports / f"2024-{month}.csv").write_text(text)
    folder = SimpleNamespace(data=tmp_path, secret_key_file=None)
    run = polled(sqlite_store, sheet_source(reports), folder)
    assert (run["outcome"], run["new"], run["rejected"]) == ("ok", 4, 2)
    assert f"1 × {RULES['numerator_over_denominator']}" in run["note"]
    assert RULES["jump"] in run["note"]
    kept = query.rejections(sqlite_store, ADMIN).frame()
    assert sorted(kept.rule) == ["jump", "numerator_over_denominator"]
    assert set(kept.position) == {"2024-06.csv#2", "2024-07.csv#2"}


# 15: a page that comes twice
def test_a_page_that_comes_twice_doubles_nothing(store: KpiStore, folder: Any) -> None:
    found = portal_rows(20)
    with Chaos(Portal(*found[:10], *found[:10], *found[10:])) as server:
        run = polled(store, rest_source(server.url, paging=CURSOR), folder)
    assert (run["read"], run["new"], run["same"]) == (30, 20, 10)
    with Chaos(serve(Answer({"data": [*found, *found[:5]]}))) as server:
        source = rest_source(server.url, id="nguon_khac", options=Lined({"whole": True}))
        run = polled(store, source, folder, NOW + timedelta(minutes=1))
    assert (run["outcome"], run["new"], run["same"]) == ("ok", 20, 5)
    assert "trùng khóa trong một lô: 5 dòng" in run["note"]
    assert len(contents(store)["record"]) == 40


# 16: rows that move to another page while it is read
def test_rows_that_move_between_pages_make_the_poll_incomplete(
    store: KpiStore, folder: Any
) -> None:
    found = portal_rows(20)
    moved = True

    def answer(request: Request) -> Answer:
        page = int(request.query["page"])
        rows = found[:10] if page == 1 else found[5:15] if moved else found[10:]
        return Answer({"data": rows if page < 3 else [], "tong": 20})

    paging = Lined({
        "kind": "page",
        "rows_path": "data",
        "total_path": "tong",
        "size": 10,
        "size_param": "co",
    })
    options = Lined({"since_field": "capNhat", "since_param": "tu"})
    with Chaos(answer) as server:
        source = rest_source(server.url, paging=paging, options=options)
        first = polled(store, source, folder)
        assert first["outcome"] == "partial" and "chưa trọn vẹn" in first["note"]
        assert health.watermark(store, source.id) is None
        assert run_rows(store)[0]["covered_until"] is None
        moved = False
        second = polled(store, source, folder, NOW + timedelta(minutes=1))
    assert (second["outcome"], second["new"]) == ("ok", 5)
    assert health.watermark(store, source.id)
    assert len(contents(store)["record"]) == 20


# 17: batches that come in another order
BATCHES: list[tuple[Any, list[Any]]] = [
    (DOSSIERS, [dossier(k, "STP", "2026-10-05 08:00", changed="2026-10-05 09:00") for k in "abc"]),
    (
        DOSSIERS,
        [
            dossier(k, "SYT", "2026-10-05 08:00", "2026-10-07 08:00", changed="2026-10-07 09:00")
            for k in "bcd"
        ],
    ),
    (DOSSIERS, [dossier("a", "19207", "2026-10-05 08:00", changed="2026-10-06 09:00")]),
    (STAFF, [reading(ABOVE, "STP", "2026-10", 90, "2026-11-01 08:00")]),
    (STAFF, [reading(ABOVE, "STP", "2026-10", 95, "2026-11-02 08:00")]),
    (STAFF, [reading(BELOW, "STP", "2026-10", 100, "2026-11-01 08:00")]),
]


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(order=st.permutations(BATCHES))
def test_the_end_is_the_same_in_whatever_order_batches_come(world: World, order: Any) -> None:
    ends = []
    for batches in (BATCHES, order):
        empty(world.store)
        fresh = World(world.store, world.now).live()
        for source, batch in batches:
            fresh.forward(minutes=2)
            fresh.poll(source, batch)
        kept = tables(fresh.store, ["record", "observation"])
        ends.append((
            [row[:3] for row in kept["record"]],
            [fresh.value(i, "2026-10").to_list()[7:10] for i in ("I02b", "I12a")],
            [fresh.value("I12a", "2026-10", unit).value for unit in (STP, "area-qb")],
        ))
    assert repr(ends[0]) == repr(ends[1])


# 18: late data of an old period
def test_late_data_of_an_old_period_is_a_revision_and_the_past_stays_readable(live):
    live.poll(DOSSIERS, dossiers("STP", "2026-03-02", 10, 5))
    live.poll(STAFF, share(PAIR, "STP", "2026-03", 90, 100))
    live.forward(days=2)
    before = live.now
    live.forward(days=2)
    live.poll(DOSSIERS, [dossier("late", "STP", "2026-03-03 08:00", "2026-03-04 08:00")])
    live.poll(STAFF, share(PAIR, "STP", "2026-03", 80, 100))
    for indicator, denominator, value in (("I02b", 11, 500 / 11), ("I12a", 100, 80)):
        row = live.value(indicator, "2026-03", STP)
        assert row.denominator == denominator and row.value == pytest.approx(value)
        assert row.revised
        was = live.value(indicator, "2026-03", STP, as_of=before)
        assert (was.denominator, was.value) == ((10, 50) if indicator == "I02b" else (100, 90))


# --- declared -------------------------------------------------------------------------------------

FAULTY = """\
name: Thử
elements:
  a_done:
    name: Số đã xong
    reading: true
    unit: việc
    over_time: sum
    over_units: sum
    range: [5, 1]
    jump: 1
  a_all: {name: Tổng số, reading: true, unit: việc, over_time: sum, over_units: sum, range: 7}
  a_got: {name: A, count: dossier, at: opened_at, unit: a, over_time: sum, over_units: sum, jump: 9}
indicators:
  X1:
    name: Việc
    short: Việc
    definition: Số việc.
    numerator: none
    numerator_text: Số việc
    denominator: a_all
    within: true
    kind: component
    unit: việc
    grain: month
    better: higher
    source: none
    owner: STTTT
    target: none
"""


def test_faulty_rules_stop_the_start_and_are_all_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "indicators").mkdir()
    file = tmp_path / "indicators" / "thu.yaml"
    file.write_text(FAULTY, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_catalogue(tmp_path)
    told = {(fault.line, fault.message) for fault in refused.value.faults}
    assert {fault.file for fault in refused.value.faults} == {str(file)}
    for line, word in (
        (9, "range|khoảng"),
        (10, "jump"),
        (11, "range"),
        (12, "jump"),
        (21, "within"),
    ):
        assert any(
            at == line and any(part in message for part in word.split("|")) for at, message in told
        ), (line, told)
    assert len(told) == 5


def test_every_rule_has_words_and_what_is_taken_says_so() -> None:
    assert set(SUSPECTED) <= set(RULES)
    for rule, said in RULES.items():
        assert said.startswith("Nghi ngờ:") == (rule in SUSPECTED)


def test_records_are_left_as_they_were_given(live):
    said: Record = dossier("a", "STP", "2026-10-05 08:00", lat=1.0, lon=2.0)
    live.poll(DOSSIERS, [said])
    assert (said.lat, said.lon) == (1.0, 2.0)


def test_figures_of_other_sources_meet_the_pair_that_is_stored(live):
    other = STAFF.model_copy(update={"id": "staff", "readings": {BELOW: "x"}})
    live.poll(STAFF, share(PAIR, "STP", "2026-10", 90, 100))
    live.poll(other, [reading(BELOW, "STP", "2026-10", 120)])
    assert share_of(live) == (90, 120, 75)
    live.poll(other, [reading(BELOW, "STP", "2026-10", 80)], rejected=1)
    assert share_of(live) == (90, 120, 75)
    paperless = "meetings_department_paperless meetings_department_total"
    live.poll(MEETINGS, share(paperless, "STP", "2026-10", 9, 8), rejected=2)

"""The questions: their columns, filters, scope and types; both readers give the same rows."""

from datetime import UTC, date, datetime

import pytest

from ioc.errors import Forbidden
from ioc.model import Rejection
from ioc.period import Period
from ioc.principal import Principal
from kpi import answer, cases, foresight, query
from kpi.answer import INSTANTS, NUMBERS
from kpi.schema import instant_of
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    STAFF,
    dossier,
    dossiers,
    plain,
    reading,
    share,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
COLUMNS = {
    "standings": "target indicator org_unit code name level period numerator denominator value unit"
    " coverage operator threshold reading status freshness pace required_per_month missing_count"
    " closing_value closing_status closing_date closing_signed_at data_as_of polled_at late_at"
    " stale_at declared source run definition closing_numerator closing_denominator"
    " closing_period closing_known_at closes_early units expected baseline_date baseline_value"
    " mark by_hand closing_by_hand hand_run closing_coverage closing_definition",
    "values": "indicator org_unit code name level grain period numerator denominator value unit"
    " coverage reason known_at revised run definition by_hand hand_run parts mark",
    "targets": "target bullet indicators combine sentence citation operator operator_certainty"
    " threshold threshold_high second_reading reading_in_force population judged_over"
    " baseline_date baseline_value closing_date owner valid_from valid_to",
    "indicators": "indicator name short definition numerator denominator factor unit better grain"
    " source owner definition_version",
    "org_units": "org_unit code name level parent area opened closed successor lat lon assumed",
    "sources": "source name sector kind owner every late_after stale_after serves sample paused"
    " needs_credentials last_run last_good_at next_run_at freshness",
    "runs": "run source started_at ended_at outcome note read new changed same rejected gone calls"
    " bytes response_hash",
    "rejections": "source run position reason fields at rule",
    "records": "source key kind org_unit place opened_at due_at closed_at state category channel"
    " quantity lat lon known_at hash result",
    "projects": "project name sector owner owner_name org_unit period starts due state"
    " milestones_total milestones_reported milestones_done milestones_overdue next_milestone"
    " next_due"
    " planned_central planned_local planned_other planned disbursed_central disbursed_local"
    " disbursed_other disbursed disbursed_share reported_at data_as_of polled_at late_at stale_at"
    " freshness mark",
    "tasks": "task bullet short sentence owner owner_name org_unit co_owners co_owner_names state"
    " stated_on evidence citation mark",
    "rollout": "service name org_unit code area state since checked_on evidence source key"
    " data_as_of polled_at late_at stale_at freshness",
    "forecasts": "target indicator org_unit code name forecast_at chance low high unit points"
    " last_period reason reading closing_date closing_status closing_value inside model"
    " reconstructed computed_at definition",
    "lineage": "step id parent element org_unit period value known_at source run hash"
    " verified definition",
    "changes": "target indicator org_unit code name level figure causes period_before"
    " numerator_before denominator_before value_before status_before reading_before period"
    " numerator denominator value unit status reading known_at source run given_by decided_at"
    " config definition",
    "pivot": "indicator org_unit code name level grain period numerator denominator value unit"
    " coverage reason known_at revised run definition by_hand hand_run parts row"
    " mark",
    "revisions": "indicator org_unit code name level grain period known_at numerator_before"
    " denominator_before value_before numerator denominator value unit source run given_by"
    " definition",
}
"""What everyone may rely on; a question may add columns after these."""

PAST = (
    "standings",
    "values",
    "targets",
    "indicators",
    "sources",
    "runs",
    "rejections",
    "records",
    "projects",
    "rollout",
    "lineage",
    "revisions",
    "changes",
    "pivot",
    "forecasts",
)
"""Questions that may be asked as of an instant."""


@pytest.fixture
def live(world):
    """A world with something of everything in it."""
    world.live()
    world.poll(DOSSIERS, dossiers("STP", "2024-02-05", 2, 1))
    world.forward(days=1)
    world.poll(DOSSIERS, dossiers("STP", "2024-02-05", 2, 2))
    world.poll(DOSSIERS, dossiers("STP", "2025-05-05", 10, 6) + dossiers("450", "2025-05-05", 4, 4))
    world.poll(STAFF, share(STAFF_OF, "STP", "2026-10", 9, 10))
    world.poll(
        STAFF,
        [
            reading("staff_professional", "450", "2026-10", 5),
            Rejection("tệp.xlsx#4", "không phải số", {"cột": "Đồng Hới"}, "f" * 64),
        ],
        rejected=2,
    )
    foresight.foresee(world.store, world.now, seconds=0)
    world.forward(minutes=2)
    return world


def ask(world, name: str, **filters) -> query.Answer:
    """One question with what it needs."""
    if name == "values":
        filters = {
            "indicators": ["I02a", "I02b", "I12a", "I03"],
            "first": Period.parse("2025-04"),
            "last": Period.parse("2025-06"),
            "org_units": ["area-qb", "area-450", "department-STP-2021-01-01"],
        } | filters
    if name == "pivot":
        filters = {
            "indicators": ["I02a", "I02b", "I12a", "I03"],
            "first": Period.parse("2024"),
            "last": Period.parse("2026"),
            "level": "department",
        } | filters
    if name == "revisions":
        filters = {"first": Period.parse("2024-01"), "last": Period.parse("2024-03")} | filters
    if name == "lineage":
        filters = {"indicators": ["I02b"], "last": Period.parse("2025-05")} | filters
    return getattr(query, name)(world.store, ADMIN, now=world.now, **filters)


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_question_has_the_columns_that_everyone_relies_on(live, name):
    promised = COLUMNS[name].split()
    assert list(ask(live, name).columns)[: len(promised)] == promised


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_both_readers_give_the_same_rows_in_the_same_order(live, name, past):
    filters = {"as_of": live.now} if past and name in PAST else {}
    answer = ask(live, name, **filters)
    streamed = [plain(row) for row in answer.stream()]
    assert [plain(row) for row in answer.frame().itertuples(index=False)] == streamed
    assert len(streamed) == answer.count() > 0


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_stream_carries_plain_values_that_files_can_write(live, name, past):
    filters = {"as_of": live.now} if past and name in PAST else {}
    for row in ask(live, name, **filters).stream():
        for column, value in zip(ask(live, name).columns, row, strict=True):
            assert value is None or isinstance(value, str | int | float | date), (column, value)
            assert not isinstance(value, datetime) or value.tzinfo is not None, column


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_the_blocks_that_files_are_written_from_are_the_rows_of_the_stream(
    live, name, past, monkeypatch
):
    for module in (answer, cases):
        monkeypatch.setattr(module, "BLOCK", 2)
    asked = ask(live, name, **({"as_of": live.now} if past and name in PAST else {}))
    assert asked.moments <= set(asked.columns)
    at = {asked.columns.index(column) for column in asked.moments}
    blocks = [list(block) for block in asked.blocks()]
    assert all(0 < len(block) <= 2 for block in blocks)
    rows = [
        tuple(instant_of(v) if i in at else v for i, v in enumerate(row))
        for block in blocks
        for row in block
    ]
    assert rows == list(asked.stream())


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_frame_knows_what_is_unknown_and_never_says_none(live, name):
    frame = ask(live, name).frame()
    for column in frame.columns:
        if column in NUMBERS and name != "indicators":
            assert frame[column].dtype == "float64", column
        elif column in INSTANTS:
            assert all(value is not None for value in frame[column]), column
        else:
            assert all(value is not None and value == value for value in frame[column]), column


def test_an_instant_comes_back_aware_and_in_utc(live):
    row = ask(live, "standings", targets=["T02b"]).frame().iloc[0]
    assert row.data_as_of.tzinfo is UTC
    assert ask(live, "runs").frame().started_at.iloc[0].utcoffset().total_seconds() == 0


def test_standings_are_asked_of_the_plan_territory_unless_something_else_is_said(live):
    assert set(ask(live, "standings").frame().org_unit) == {"area-qb"}


def test_a_level_means_the_authorities_open_on_the_date(live):
    day = date(2025, 6, 30)
    assert set(ask(live, "standings", level="district", on=day).frame().level) == {"district"}
    assert len(ask(live, "standings", level="district", on=date(2025, 7, 1)).frame()) == 0
    departments = ask(live, "standings", level="department", on=day, targets=["T02b"]).frame()
    named = set(departments.org_unit)
    assert "department-STP-2021-01-01" in named and "department-CAT-2021-01-01" not in named


def test_a_level_below_an_area_is_what_lies_in_it(live):
    day = date(2025, 6, 30)
    frame = ask(
        live, "standings", level="commune", org_units=["area-456"], on=day, targets=["T02b"]
    ).frame()
    areas = {live.store.orgunits[uid].area for uid in frame.org_unit}
    assert areas == {"area-456"}


def test_a_principal_reads_its_own_subtree_and_is_refused_elsewhere(live):
    who = Principal("huyện", "head", frozenset({"area-456"}))
    day = date(2025, 6, 30)
    ok = query.standings(live.store, who, org_units=["district-456-0000"], on=day, now=live.now)
    assert set(ok.frame().org_unit) == {"district-456-0000"}
    for uid in ("area-qb", "area-450", "department-STP-2021-01-01"):
        with pytest.raises(Forbidden):
            query.standings(live.store, who, org_units=[uid], now=live.now)
        with pytest.raises(Forbidden):
            query.values(
                live.store,
                who,
                indicators=["I02b"],
                org_units=[uid],
                first=Period.parse("2025"),
                last=Period.parse("2025"),
            )
    own = query.standings(live.store, who, now=live.now).frame()
    assert set(own.org_unit) == {"area-456"}  # none named: the top of one's own scope
    seen = query.standings(live.store, who, level="commune", on=day, now=live.now).frame()
    assert {live.store.orgunits[uid].area for uid in seen.org_unit} == {"area-456"}
    assert {row[5] for row in query.org_units(live.store, who).stream()} <= {"area-456", "area-qb"}


@pytest.mark.parametrize(
    "filters",
    [
        {"targets": ["T99"]},
        {"indicators": ["I99"]},
        {"org_units": ["commune-0"]},
    ],
)
def test_a_filter_that_names_nothing_is_refused_with_its_name(live, filters):
    with pytest.raises(query.UnknownFilter) as error:
        ask(live, "standings", **filters)
    assert next(iter(filters.values()))[0] in str(error.value)


@pytest.mark.parametrize(
    ("first", "last", "grain", "told"),
    [
        ("2025-06", "2025-05", "month", "trước"),
        ("1900", "2100", "day", "quá"),
    ],
)
def test_periods_that_make_no_sense_are_refused(live, first, last, grain, told):
    with pytest.raises(query.UnknownFilter, match=told):
        ask(live, "values", first=Period.parse(first), last=Period.parse(last), grain=grain)


@pytest.mark.parametrize(
    ("first", "last", "grain", "texts"),
    [
        ("2025", "2025", "quarter", ["2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4"]),
        ("2025-Q2", "2025-Q2", "month", ["2025-04", "2025-05", "2025-06"]),
        ("2025-06-29", "2025-07-01", "day", ["2025-06-29", "2025-06-30", "2025-07-01"]),
        ("2025-01..2025-05", "2025-01..2025-06", "ytd", ["2025-01..2025-05", "2025-01..2025-06"]),
        ("2024-12-31", "2025-01-01", "year", ["2024", "2025"]),
    ],
)
def test_values_come_by_every_period_between_the_two_that_are_named(
    live, first, last, grain, texts
):
    answer = ask(
        live,
        "values",
        indicators=["I02b"],
        org_units=["area-qb"],
        first=Period.parse(first),
        last=Period.parse(last),
        grain=grain,
    )
    assert list(answer.frame().period) == texts
    assert answer.count() == len(texts)


def test_a_day_is_the_sum_of_the_days_of_its_leaves(live):
    day = {"first": Period.parse("2025-05-05"), "last": Period.parse("2025-05-05"), "grain": "day"}
    frame = ask(live, "values", indicators=["I02b"], **day).frame().set_index("org_unit")
    assert list(frame.loc["area-qb", ["numerator", "denominator"]]) == [10, 14]
    assert list(frame.loc["area-450", ["numerator", "denominator"]]) == [4, 4]
    assert list(frame.loc["department-STP-2021-01-01", ["numerator", "denominator"]]) == [6, 10]


def test_one_answer_is_one_snapshot_though_others_write_meanwhile(live):
    answer = ask(live, "values", org_units=None, level="commune", on=date(2025, 6, 30))
    rows = answer.stream()
    first = next(rows)
    version = answer.version
    live.poll(DOSSIERS, dossiers("19207", "2025-05-05", 3, 3))
    rest = [first, *rows]
    assert sum(row[8] or 0 for row in rest if row[0] == "I02b") == 0
    assert live.store.version() > version
    assert sum(row[8] or 0 for row in answer.stream() if row[0] == "I02b") == 3


def test_an_answer_says_which_version_it_shows_and_that_its_data_are_samples(live):
    answer = ask(live, "standings")
    list(answer.stream())
    assert answer.version == live.store.version()
    assert answer.sample is False
    with live.store.write() as connection:
        connection.exec_driver_sql("UPDATE source SET sample = 1 WHERE id = 'staff'")
    assert answer.sample is False  # like its version, that of the rows that were read
    assert ask(live, "standings").sample is True


def test_topics_name_what_a_batch_touched_and_nothing_else(live):
    before = live.store.topics()
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 9, 10))
    after = live.store.topics()
    moved = {name for name in after if after[name] != before.get(name)}
    assert moved == {"T12a", "T12b", "source:staff", "wall"}
    assert max(after.values()) == live.store.version()


def test_a_run_that_said_nothing_new_moves_no_target(live):
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 9, 10))
    before = live.store.topics()
    live.forward(minutes=1)
    live.poll(STAFF, share(STAFF_OF, "SYT", "2026-10", 9, 10))
    after = live.store.topics()
    assert {name for name in after if after[name] != before[name]} == {"source:staff", "wall"}


def test_rejections_and_runs_stand_newest_first_with_position_and_reason(live):
    found = ask(live, "rejections", sources=["staff"]).frame()
    assert list(found.position) == ["tệp.xlsx#4", ""]
    assert found.reason.iloc[0] == "không phải số"
    assert found.fields.iloc[0] == '{"cột": "Đồng Hới"}'
    runs = ask(live, "runs", sources=["staff"], limit=2).frame()
    assert list(runs.rejected) == [2, 0] and (runs.run.diff().dropna() < 0).all()


def test_sources_say_what_is_stored_and_how_old_it_is(live):
    found = ask(live, "sources").frame().set_index("source")
    assert found.loc["staff", "rejected"] == 2
    assert found.loc["public_services", "records"] == 16
    assert found.loc["public_services", "freshness"] == "fresh"
    live.forward(hours=1)
    assert ask(live, "sources").frame().set_index("source").freshness.unique() == ["stale"]


def test_a_target_without_source_says_so_and_shows_no_figure(live):
    row = ask(live, "standings", targets=["T03"]).frame().iloc[0]
    assert (row.status, row.freshness, row.source) == ("no_source", "", "work_files")
    assert row.value != row.value and row.closing_status == ""
    value = ask(live, "values", indicators=["I03"]).frame()
    assert set(value.reason) == {"no_source"} and value.value.isna().all()


def test_the_owner_is_the_department_of_the_displayed_date(live):
    before = ask(live, "targets", targets=["T01"], on=date(2025, 2, 28)).frame().iloc[0]
    after = ask(live, "targets", targets=["T01"], on=date(2025, 3, 1)).frame().iloc[0]
    assert before.owner == after.owner == "STTTT"
    assert before.owner_name == "Sở Thông tin và Truyền thông"
    assert after.owner_name == "Sở Khoa học và Công nghệ"


def test_a_later_change_moves_the_version_that_a_cache_is_keyed_by(live):
    before = live.store.topics()["T02b"]
    live.poll(DOSSIERS, [dossier("new", "STP", "2025-05-05 08:00", "2025-05-06 08:00")])
    assert live.store.topics()["T02b"] > before

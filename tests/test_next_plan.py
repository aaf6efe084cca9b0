"""A plan that is still open, beside the one that is over: the product's example, and a real one."""

import csv
import io
import os
import shutil
from dataclasses import replace
from datetime import date

import pytest

import app as program
from ioc.errors import ConfigError, Forbidden
from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import foresight, query, rebuild, sampled, scope
from kpi.catalogue import PACKAGED, load_catalogue
from kpi.plans import EXAMPLE
from kpi.store import open_store
from layouts import indicator, lines, register, search, wall
from tests.test_pages import Reader, words
from tests.worlds import (
    ADMIN,
    DERIVED,
    DOSSIERS,
    MEETINGS,
    SYSTEMS,
    TRANSFORMATION,
    World,
    at,
    dossiers,
    plain,
    share,
    tables,
    with_sources,
)

NAME = "vi-du-2026-2030"
FILES = PACKAGED / "plan" / "examples"
IDS = [f"VD0{number}" for number in range(1, 8)]
MEETING = "meetings_commune_paperless meetings_commune_total"
DAYS = (date(2030, 12, 31) - date(2025, 12, 31)).days
NOW = at("2026-11-22 08:00")
BEGUN = (date(2026, 11, 22) - date(2025, 12, 31)).days
"""Days from the baseline to the clock of the tests."""


def opened(path, catalogue, orgunits):
    return open_store(f"sqlite:///{path}/kpi.sqlite", with_sources(catalogue), orgunits)


def fill(world: World) -> World:
    """A little of five years for what the example judges."""
    world.live()
    world.poll(DOSSIERS, dossiers("19207", "2025-10-05", 40, 24))
    world.poll(DOSSIERS, dossiers("19207", "2026-10-05", 40, 27))  # 67,5 %
    months = [f"{year}-{month:02}" for year in (2024, 2025, 2026) for month in range(1, 13)][:-2]
    for place, month in enumerate(months):
        many = 540 if month.startswith("2026") else 400 + 5 * place
        code = "18859"
        world.poll(MEETINGS, share(MEETING, code, month, many, 1000))  # 54 % of 2026
    world.poll(TRANSFORMATION, share("departments_dx_succeeded departments_dx_assessed",
                                     "VPUB", "2025-12", 5, 14))  # fmt: skip
    world.poll(SYSTEMS, share("smart_services_operating smart_services_basic",
                              "VPUB", "2026-09", 5, 5))  # fmt: skip
    return world


@pytest.fixture(scope="module")
def worlds(tmp_path_factory, orgunits):
    """The same figures twice: without the example, and with it."""
    found = []
    for examples in (False, True):
        store = opened(tmp_path_factory.mktemp("plan"), load_catalogue(examples=examples), orgunits)
        found.append(fill(World(store, NOW)))
    yield found
    for world in found:
        world.store.close()


@pytest.fixture
def world(worlds):
    """The world with both plans."""
    return worlds[1]


@pytest.fixture
def reader(world, tmp_path):
    """Somebody in front of its pages."""
    return Reader(world, tmp_path)


# ── what the plan in force answers stays ───────────────────────────────────────────────────


@pytest.mark.parametrize("day", [date(2024, 6, 30), date(2025, 12, 31), date(2026, 11, 22)])
def test_no_figure_of_the_plan_moves_because_an_example_stands_beside_it(worlds, day):
    alone, both = worlds
    for units in (["area-qb"], ["area-450", "area-456"]):
        asked = {"org_units": units, "on": day}
        before, after = (
            [plain(row) for row in query.standings(w.store, ADMIN, now=w.now, **asked).stream()]
            for w in (alone, both)
        )
        assert before == after
        assert len({row[0] for row in before}) == 20


@pytest.mark.parametrize(
    "question", ["targets", "indicators", "closings", "changes", "forecasts", "assessments"]
)
def test_no_question_tells_of_the_example_unless_it_is_asked(worlds, question):
    answers = [
        [plain(row) for row in getattr(query, question)(w.store, ADMIN, now=w.now).stream()]
        for w in worlds
    ]
    assert answers[0] == answers[1]


def test_the_sample_assesses_no_example(world):
    try:
        assert sampled.sample_assessments(world.store, world.now) == 4
        found = query.assessments(world.store, ADMIN, targets=["VD07"], now=world.now)
        assert not found.records()
    finally:
        with world.store.write() as connection:
            connection.exec_driver_sql("DELETE FROM assessment")


def test_the_plan_in_force_is_the_newest_that_has_begun_and_no_example(world):
    known = world.store.catalogue
    assert set(known.plans) == {"2021-2025", NAME}
    for day in (date(2019, 1, 1), date(2025, 1, 1), date(2026, 11, 22), date(2031, 1, 1)):
        assert known.plan_on(day) == "2021-2025"


# ── how an open target stands ──────────────────────────────────────────────────────────────


def standings(world, **filters):
    asked = {"plan": NAME, "org_units": ["area-qb"], **filters}
    return query.standings(world.store, ADMIN, now=world.now, **asked).records()


def test_the_statuses_of_open_targets_are_those_of_the_formula(world):
    found = {row["target"]: row for row in standings(world) if not row["indicator"]}
    assert list(found) == IDS
    assert {name: row["status"] for name, row in found.items()} == {
        "VD01": "on_track",  # 67,5 against 58,3 + 31,7 × 326/1826 = 63,96
        "VD02": "no_source",
        "VD03": "at_risk",  # 54,0 against 50 + 30 × 326/1826 = 55,36: less than 3 points short
        "VD04": "no_source",
        "VD05": "met",  # 5/5
        "VD06": "no_data",  # 5/14 of December 2025 is the baseline itself: nothing since
        "VD07": "no_source",
    }
    assert {row["closing_status"] for row in found.values()} == {""}
    assert all(row["mark"].startswith(EXAMPLE) for row in found.values())


@pytest.mark.parametrize(
    ("target", "start", "goal"), [("VD01", 58.3, 90), ("VD03", 50, 80), ("VD06", 35.7, 80)]
)
def test_the_pace_is_a_straight_line_from_the_baseline_to_the_threshold(world, target, start, goal):
    for day in (date(2026, 1, 1), date(2026, 6, 30), date(2026, 11, 22)):
        row = next(r for r in standings(world, targets=[target], on=day) if r["indicator"])
        passed = (day - date(2025, 12, 31)).days
        assert row["pace"] == pytest.approx(start + (goal - start) * passed / DAYS, abs=1e-9)
        assert (row["baseline_date"], row["baseline_value"]) == (date(2025, 12, 31), start)


def test_what_was_measured_before_the_plan_began_is_no_figure_of_its_time(world, reader):
    row = next(row for row in standings(world, targets=["VD06"]) if row["indicator"])
    assert (row["status"], row["numerator"], row["denominator"]) == ("no_data", 5, 14)
    assert "chưa có số trong kỳ kế hoạch" in row["mark"].split("; ")
    others = [row for row in standings(world) if row["target"] != "VD06"]
    assert not any("chưa có số" in row["mark"] for row in others)
    page = reader.read(indicator.layout, key="I11a", plan=NAME)
    assert "Chưa có số trong kỳ kế hoạch nên chưa so được với đường tiến độ" in page
    assert "Không dưới đường tiến độ" not in page and "Chậm" not in page
    assert "đang thấp hơn" not in page


@pytest.mark.parametrize(("id", "key"), [("VD01", "I02b"), ("VD03", "I07c"), ("VD05", "I10")])
def test_since_when_says_what_the_status_says(world, reader, id, key):
    row = next(row for row in standings(world, targets=[id]) if row["indicator"])
    page = reader.read(indicator.layout, key=key, plan=NAME)
    below = row["status"] in ("at_risk", "off_track")
    assert ("Không dưới đường tiến độ" in page) is not below
    assert ("dưới đường tiến độ 2 tháng có số liệu liên tiếp" in page) is below


def test_points_per_month_and_missing_cases_are_those_of_the_arithmetic(world):
    row = next(row for row in standings(world, targets=["VD03"]) if row["indicator"])
    months = 49 + 8 / 30  # December 2026 to December 2030, and eight days of November
    assert row["value"] == pytest.approx(54)
    assert row["required_per_month"] == pytest.approx((80 - 54) / months, abs=1e-9)
    assert row["missing_count"] == 0.8 * 10_000 - 5_400
    over = next(row for row in standings(world, targets=["VD01"]) if row["indicator"])
    assert over["missing_count"] == 10  # 27/40, and more than 90 % is 37 of 40
    assert over["required_per_month"] == pytest.approx((90 - 67.5) / months, abs=1e-9)


def test_as_of_an_instant_the_example_is_judged_by_what_was_known_then(tmp_path, orgunits, now):
    store = opened(tmp_path, load_catalogue(examples=True), orgunits)
    world = World(store, now).live()
    world.poll(MEETINGS, share(MEETING, "18859", "2026-05", 600, 1000))
    sealed = world.seal()
    world.forward(days=3)
    world.poll(MEETINGS, share(MEETING, "18859", "2026-05", 300, 1000))
    asked = {"plan": NAME, "org_units": ["area-qb"], "targets": ["VD03"], "now": world.now}
    then = query.standings(store, ADMIN, as_of=sealed, **asked).records()[0]
    today = query.standings(store, ADMIN, **asked).records()[0]
    assert (then["value"], then["status"]) == (60, "on_track")
    assert (today["value"], today["status"]) == (30, "off_track")
    assert today["pace"] - then["pace"] == pytest.approx(30 * 3 / DAYS)
    store.close()


def test_the_chance_is_foretold_from_eight_points_on(tmp_path, orgunits):
    store = opened(tmp_path, load_catalogue(examples=True), orgunits)
    world = World(store, at("2025-01-01 08:00")).live()
    for month in [f"{year}-{month:02}" for year in (2025, 2026) for month in range(1, 13)][:-2]:
        world.now = at(f"{month}-28 20:00")
        world.poll(DOSSIERS, dossiers("19207", f"{month}-15", 10, 4 + int(month[-2:]) % 3))
    world.now = NOW
    world.live()
    due = [one for one in foresight.missing(store, NOW) if one.target.id in IDS]
    assert foresight.make(store, due, NOW, seconds=600) == len(due)
    instants = {str(one.at.astimezone(LOCAL).date()) for one in due if one.target.id == "VD01"}
    assert instants == {"2026-04-01", "2026-07-01", "2026-10-01", "2026-11-01"}
    found = query.forecasts(store, ADMIN, targets=IDS, now=NOW).records()
    newest = {row["target"]: row for row in found if row["org_unit"] == "area-qb"}
    told = newest["VD01"]
    assert 0 <= told["chance"] <= 1
    assert 0 <= told["low"] < told["high"] <= 100
    assert told["points"] == 21  # the month of the last poll was not over when it ended
    assert newest["VD06"]["reason"] == "yearly"
    assert newest["VD03"]["reason"] == "few_points"
    reader = Reader(world, tmp_path)
    page = reader.read(indicator.layout, key="I02b", plan=NAME)
    assert "Khả năng đạt" in page
    assert "trên 90 % vào 31/12/2030" in page
    assert "với xác suất 80 %" in page
    assert "mới có 0 kỳ trọn vẹn, cần ít nhất 8" in reader.read(
        indicator.layout, key="I07c", plan=NAME
    )
    assert {row["target"] for row in query.forecasts(store, ADMIN, now=NOW).records()} <= {
        f"T{number:02}{part}" for number in range(1, 13) for part in ("", "a", "b", "c")
    }
    store.close()


# ── rights, addresses, files ───────────────────────────────────────────────────────────────


def test_a_target_of_the_example_is_read_by_whom_its_indicator_is(world):
    catalogue = world.store.catalogue
    hidden = replace(catalogue.indicators["I07c"], access="restricted")
    world.store.catalogue = replace(catalogue, indicators={**catalogue.indicators, "I07c": hidden})
    public = Principal("công khai", "head", None, frozenset({"public"}))
    try:
        asked = {"plan": NAME, "now": world.now}
        rows = query.standings(world.store, public, **asked).records()
        assert {row["target"] for row in rows} == {*IDS} - {"VD03"}
        assert [r["target"] for r in query.targets(world.store, public, **asked).records()] == [
            name for name in IDS if name != "VD03"
        ]
        with pytest.raises(Forbidden):
            query.standings(world.store, public, targets=["VD03"], now=world.now)
        known = dict.fromkeys(["VD03", "VD01"], 1)
        assert set(scope.topics(world.store, public, known)) == {"VD01"}
    finally:
        world.store.catalogue = catalogue


def test_a_scope_holds_for_the_example_too(world):
    head = Principal("trưởng", "head", frozenset({"area-456"}))
    rows = query.standings(world.store, head, plan=NAME, now=world.now).records()
    assert {row["org_unit"] for row in rows} == {"area-456"}
    with pytest.raises(Forbidden):
        query.standings(world.store, head, plan=NAME, org_units=["area-qb"], now=world.now)


def test_a_plan_that_is_not_there_is_refused(world, reader):
    for question in (query.standings, query.targets):
        with pytest.raises(query.UnknownFilter):
            question(world.store, ADMIN, plan="2030-2040", now=world.now)
    client = reader.app.server.test_client()
    assert client.get("/api/v1/standings.json?plan=x").status_code == 400
    assert client.get("/api/v1/values.json?plan=2021-2025").status_code == 400
    assert "Không có kế hoạch nào mang tên này" in reader.read(register.layout, plan="x")


def file(reader, address):
    reply = reader.app.server.test_client().get(address)
    assert reply.status_code == 200, reply.text
    return list(csv.DictReader(io.StringIO(reply.text)))


def test_every_row_of_a_file_says_that_it_is_an_example(reader):
    rows = file(reader, f"/api/v1/standings.csv?plan={NAME}")
    assert {row["target"] for row in rows} == {*IDS}
    assert all(row["mark"].startswith(EXAMPLE) for row in rows)
    rows = file(reader, f"/api/v1/targets.csv?plan={NAME}")
    assert [row["target"] for row in rows] == IDS
    for row in rows:
        assert row["mark"] == EXAMPLE
        assert row["sentence"].startswith(EXAMPLE)
        assert row["citation"].startswith(EXAMPLE)
    plan = file(reader, "/api/v1/targets.csv")
    assert {(row["plan"], row["mark"]) for row in plan} == {("2021-2025", "")}
    assert len(plan) == 20


# ── pages ──────────────────────────────────────────────────────────────────────────────────


def test_the_register_shows_the_plan_and_the_example_only_when_asked(reader):
    page = reader.read(register.layout)
    assert "Chỉ tiêu của đề án, giai đoạn 2021–2025" in page
    assert "20 chỉ tiêu" in page
    assert "VD0" not in page
    assert EXAMPLE not in page
    example = reader.read(register.layout, plan=NAME)
    assert "VÍ DỤ: chỉ tiêu giả định, giai đoạn 2026–2030" in example
    assert "7 chỉ tiêu, 6 có số giao" in example
    assert EXAMPLE in example
    assert "cần +0,5 điểm/tháng" in example
    assert "So với tiến độ" in example
    assert "T02b" not in example
    with reader.request():
        assert [line.id for line in lines.lines(plan=NAME)] == IDS


def test_the_links_of_the_example_stay_with_it(reader):
    found = [p for p in reader.see(register.layout, plan=NAME) if getattr(p, "href", None)]
    inside = [p.href for p in found if p.href.startswith("/indicator/")]
    assert len(inside) > 20
    assert all(f"plan={NAME}" in href for href in inside)
    files = [p.href for p in found if p.href.startswith("/api/v1/standings.csv")]
    assert len(files) == 2
    assert all(f"plan={NAME}" in href for href in files)
    old = [p for p in reader.see(register.layout) if getattr(p, "href", None)]
    assert [p.href for p in old if "plan=" in p.href] == [f"/?plan={NAME}"]


def test_an_indicator_shows_the_open_target_with_its_pace_when_asked(reader):
    page = reader.read(indicator.layout, key="I07c", plan=NAME)
    assert "Mục tiêu ví dụ số 3 · VD03 · I07c" in page
    assert EXAMPLE in page
    assert "cần +0,5 điểm/tháng" in page
    assert "thẳng từ 50,0 % ngày 31/12/2025 đến 80 % ngày 31/12/2030" in page
    assert "Đến 22/11/2026 cần 55,4 %, đang thấp hơn 1,4 điểm" in page
    usual = reader.read(indicator.layout, key="I07c")
    assert "T07b · I07c" in usual
    assert "VD03" not in usual
    assert EXAMPLE not in usual


def test_a_past_before_the_plan_began_says_so(reader, world):
    with reader.request():
        from layouts import state

        state.hold(world.now.replace(year=2025))
        page = words([register.layout(plan=NAME)])
    assert "bắt đầu ngày 01/01/2026, sau ngày đang xem" in page


def test_search_marks_a_target_of_the_example_and_leads_to_it(reader):
    found = reader.see(search.layout, q="VD03")
    assert "VÍ DỤ 2026–2030" in words(found[:1])
    assert any(getattr(p, "href", "") == f"/indicator/I07c?plan={NAME}" for p in found)


def test_the_wall_never_shows_the_example(reader):
    shown = reader.read(wall.layout)
    assert "VD0" not in shown
    assert "VÍ DỤ" not in shown


# ── where it comes from ────────────────────────────────────────────────────────────────────


def test_adding_a_plan_judges_anew_from_the_sums_and_replays_nothing(
    tmp_path, orgunits, now, monkeypatch
):
    before = opened(tmp_path, load_catalogue(), orgunits)
    fill(World(before, now))
    sums = tables(before, [name for name in DERIVED if name != "standing"])
    before.close()
    with monkeypatch.context() as patched:
        patched.setattr("kpi.rebuild.replay_all", None)  # called, it would fail
        after = opened(tmp_path, load_catalogue(examples=True), orgunits)
    assert tables(after, list(sums)) == sums
    found = World(after, now).standing("VD03", plan=NAME)
    assert (found["value"], found["status"]) == (54, "at_risk")
    assert after.topics()["VD03"]
    assert rebuild.check(after, now).differences == 0
    after.close()


NEXT = """\
plan: {title: Kế hoạch sau, short: Kế hoạch 2026–2030, number: "1/KH", published: "2026-01-02",
  begins: "2026-01-01", ends: "2030-12-31", text: next.txt}
targets:
  K01:
    {indicators: I07c, operator: ">=", operator_certainty: explicit, threshold: 80,
    population: commune, judged_over: calendar_year, closing_date: "2030-12-31", owner: VPUB,
    citation: {section: "1", bullet: 1}, sentence: Từ 80% cuộc họp cấp xã.}
"""


@pytest.fixture
def next_plan(tmp_path, orgunits, now):
    """A province that put its own next plan beside ours, without baselines."""
    folder = tmp_path / "config" / "plan"
    folder.mkdir(parents=True)
    (folder / "2026-2030.yaml").write_text(NEXT, encoding="utf-8")
    (folder / "next.txt").write_text("1. Chỉ tiêu\n- Từ 80% cuộc họp cấp xã.\n", encoding="utf-8")
    store = opened(tmp_path, load_catalogue(tmp_path / "config"), orgunits)
    yield fill(World(store, now))
    store.close()


def test_a_plan_of_ones_own_is_in_force_from_its_first_day(next_plan, tmp_path):
    world = next_plan
    assert list(world.standings().target.unique()) == ["K01"]
    assert len(world.standings(on=date(2025, 12, 31)).target.unique()) == 20
    old = world.standings(plan="2021-2025")
    assert len(old.target.unique()) == 20
    page = Reader(world, tmp_path).read(register.layout)
    assert "Chỉ tiêu của kế hoạch, giai đoạn 2026–2030" in page
    assert "1 chỉ tiêu, 1 có số giao · chốt 31/12/2030" in page
    with Reader(world, tmp_path).request():
        locked = [line.id for line in lines.lines(plan="2021-2025") if line.locked]
    assert locked == ["T08a", "T08b", "T11b"]  # the end of another plan closes nothing early


def test_without_a_baseline_the_pace_begins_with_the_last_year_before_the_plan(next_plan):
    year = sum(400 + 5 * place for place in range(12, 24)) / 12 / 10  # of 2025, in per cent
    row = next_plan.standing("K01", "I07c")
    assert (row["baseline_date"], row["baseline_value"]) == (date(2025, 12, 31), year)
    assert row["pace"] == pytest.approx(year + (80 - year) * BEGUN / DAYS)
    assert not row["mark"].startswith(EXAMPLE)


def test_an_example_must_say_that_it_is_one(tmp_path):
    shutil.copytree(FILES, tmp_path / "plan")
    told = (tmp_path / "plan" / f"{NAME}.yaml").read_text(encoding="utf-8")
    bare = told.replace(f'title: "{EXAMPLE}: ', 'title: "').replace(
        "example: true", "example: true"
    )
    (tmp_path / "plan" / f"{NAME}.yaml").write_text(bare, encoding="utf-8")
    with pytest.raises(ConfigError, match="tên của một ví dụ phải bắt đầu bằng"):
        load_catalogue(tmp_path)
    for name in (f"{NAME}.yaml", f"{NAME}.txt"):
        said = (FILES / name).read_text(encoding="utf-8")
        (tmp_path / "plan" / name).write_text(
            said.replace(f"{EXAMPLE}: internet", "Internet"), encoding="utf-8"
        )
    with pytest.raises(ConfigError, match="câu của một ví dụ phải bắt đầu bằng"):
        load_catalogue(tmp_path)


def test_whoever_wants_the_example_puts_it_into_the_configuration(tmp_path):
    shutil.copytree(FILES, tmp_path / "plan")
    assert NAME in load_catalogue(tmp_path).plans
    assert NAME not in load_catalogue().plans


def test_the_example_comes_with_the_sample_province_and_with_nothing_else(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("IOC_")]:
        monkeypatch.delenv(name)
    settings = Settings(data=tmp_path)
    assert program._is_sample(settings)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    program.load_sources(settings)
    assert program._is_sample(settings)  # as every process of the instance sees it
    assert not program._is_sample(replace(settings, config=str(tmp_path)))
    os.environ["IOC_WORK_FILES_URL"] = "https://qlvb.example"
    assert not program._is_sample(settings)


def test_what_an_example_asks_is_called_an_example_on_pages_and_files(reader):
    page = reader.read(indicator.layout, key="I02b", plan=NAME)
    assert "Mục tiêu ví dụ số" in page
    assert "Mục tiêu số" in reader.read(indicator.layout, key="I02b")
    client = reader.app.server.test_client()
    names = [
        client.get(f"/api/v1/standings.csv?download=1{plan}", base_url="http://127.0.0.1").headers[
            "Content-Disposition"
        ]
        for plan in (f"&plan={NAME}", "")
    ]
    assert names[0].endswith('VI-DU.csv"') and "VI-DU" not in names[1]

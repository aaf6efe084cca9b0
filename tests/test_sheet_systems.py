"""The systems that send workbooks: what the store holds of a real folder is what they say."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
import python_calamine

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import (
    disbursements,
    forms,
    household_survey,
    inspections,
    outbox,
    portfolio,
    smart_services,
    telecom,
    transformation,
)  # fmt: skip
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from connectors.sandbox.systems import SYSTEMS
from ioc.errors import ConfigError
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period, periods
from ioc.principal import Principal
from ioc.source import Source
from kpi import health, query
from kpi.projects import FUNDS
from kpi.store import KpiStore, open_store
from layouts.lines import verdict

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
ADMIN = Principal.local_admin()


def apart(turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Open or close a system in a thread: the browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(turn())).result(60)


@dataclass
class Clerk:
    """One system with its folder, its source, and a store that polls it."""

    name: str
    store: KpiStore
    source: Source
    settings: Any
    shelf: Any
    truth: outbox.Outbox
    now: datetime = NOW
    runs: list[dict[str, Any]] = field(default_factory=list)

    def poll(self) -> dict[str, Any]:
        self.runs.append(poll(self.store, self.source, self.settings, now=self.now))
        return self.runs[-1]

    def forward(self, **time: float) -> None:
        """Let time pass for the system and its reader."""
        self.now += timedelta(**time)
        self.shelf.tend(self.now)

    def rows(self, text: str) -> list[forms.Row]:
        return self.truth.rows(Period.parse(text), self.now)

    def value(self, indicator: str, text: str, org_unit: str = "area-qb") -> Any:
        period = Period.parse(text)
        frame = query.values(
            self.store,
            ADMIN,
            indicators=[indicator],
            first=period,
            last=period,
            org_units=[org_unit],
            grain=period.grain,
            now=self.now,
        ).frame()
        return frame.iloc[0]

    def share(self, indicator: str, text: str, org_unit: str = "area-qb") -> tuple[int, int]:
        found = self.value(indicator, text, org_unit)
        return int(found.numerator), int(found.denominator)

    def standing(self, target: str, indicator: str = "") -> Any:
        frame = query.standings(self.store, ADMIN, targets=[target], now=self.now).frame()
        return frame[frame.indicator == indicator].iloc[0]


@pytest.fixture(scope="module")
def clerk(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Any, orgunits: OrgUnits
) -> Iterator[Callable[[str], Clerk]]:
    """Each system once: its folder written, and polled into a store of its own."""
    known: dict[str, Clerk] = {}

    def of(name: str) -> Clerk:
        if name not in known:
            home = tmp_path_factory.mktemp(name)
            listed = next(one for one in SYSTEMS if one.source == name)
            place = Place(Province(orgunits, 450, 0.2), lambda: NOW, home / "folder", 0)
            shelf = listed.make(place)
            apart(shelf.open)
            source = next(one for one in load_sources() if one.id == name)
            options = source.options | {"settle": 0}
            source = source.model_copy(update={"url": str(place.folder), "options": options})
            store = open_store(f"sqlite:///{home}/kpi.sqlite", catalogue, orgunits)
            health.publish_sources(store, [source])
            settings = SimpleNamespace(data=home, secret_key_file=None)
            truth = import_module(f"connectors.sandbox.{listed.module}").outbox(place)
            known[name] = Clerk(name, store, source, settings, shelf, truth)
            known[name].poll()
        return known[name]

    yield of
    for each in known.values():
        each.store.close()


NAMES = (
    "inspections", "transformation", "telecom", "household_survey", "smart_services", "projects",
    "disbursements",
)  # fmt: skip
Of = Callable[[str], Clerk]


# --- the folders -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_workbook_says_first_and_last_that_it_is_a_sample(clerk: Of, name: str):
    for path in clerk(name).truth.folder.glob("*.xlsx"):
        with python_calamine.load_workbook(path) as book:
            cells = book.get_sheet_by_index(0).to_python()
        assert SAMPLE in cells[0][0] and cells[-1][0].startswith(SAMPLE), path.name


@pytest.mark.parametrize("name", NAMES)
def test_another_program_reads_the_same_cells(clerk: Of, name: str):
    path = sorted(clerk(name).truth.folder.glob("*.xlsx"))[-1]
    with python_calamine.load_workbook(path) as book:
        ours = book.get_sheet_by_index(0).to_python()
    sheet = openpyxl.load_workbook(path).active
    theirs = [["" if value is None else value for value in row] for row in sheet.values]
    for mine, other in zip(ours, theirs, strict=True):
        assert [day(cell) for cell in mine] == [day(cell) for cell in other]


def day(value: Any) -> Any:
    """A day is a day, whether a program gives it a midnight or not."""
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return datetime(value.year, value.month, value.day) if is_day else value  # noqa: DTZ001


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_written_again_is_untouched_and_the_same_seed_writes_the_same_bytes(
    clerk: Of, name: str, tmp_path: Path
):
    own = clerk(name)
    module = import_module(f"connectors.sandbox.{name}")
    before = {path.name: path.stat().st_mtime_ns for path in own.truth.folder.glob("*.xlsx")}
    assert before
    own.truth.write(own.now)
    place = Place(Province(OrgUnits.load(), 450, 0.2), lambda: NOW, tmp_path / "again", 0)
    module.outbox(place).write(NOW)
    files = {path.name: path for path in own.truth.folder.glob("*.xlsx")}
    assert {name: path.stat().st_mtime_ns for name, path in files.items()} == before
    for path in place.folder.glob("*.xlsx"):
        if path.name in files and outbox.CORRECTED not in path.name:
            assert path.read_bytes() == files[path.name].read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_corrected_while_the_folder_lives_and_the_store_follows(clerk: Of, name: str):
    own = clerk(name)
    before = set(own.truth.folder.glob("*.xlsx"))
    own.forward(minutes=6)
    run = own.poll()
    assert (run["outcome"], run["rejected"]) == ("ok", 0)
    assert run["new"] == 0 and run["changed"] >= 1
    (again,) = set(own.truth.folder.glob("*.xlsx")) - before
    assert outbox.CORRECTED in again.name


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_folder_is_out_of_reach_and_comes_back_whole(clerk: Of, name: str):
    own = clerk(name)
    before = sorted(path.name for path in own.truth.folder.iterdir())
    apart(own.shelf.close)
    run = own.poll()
    assert (run["outcome"], own.shelf.is_open) == ("retry", False)
    own.shelf.tend(own.now + timedelta(minutes=20))
    assert not own.truth.folder.exists()
    apart(own.shelf.open)
    assert sorted(path.name for path in own.truth.folder.iterdir()) == before
    assert own.poll()["outcome"] in ("ok", "empty")


@pytest.mark.parametrize("name", NAMES)
def test_the_people_who_signed_a_report_are_nowhere_in_the_store(clerk: Of, name: str):
    own = clerk(name)
    signed = [cell for text in latest(own) for cell in text if isinstance(cell, str)]
    people = [cell for cell in signed if cell.startswith((SAMPLE, "0900"))]
    assert people
    for path in own.settings.data.glob("kpi.sqlite*"):
        held = path.read_bytes()
        assert not [cell for cell in people if cell.encode() in held]


def latest(own: Clerk) -> list[forms.Row]:
    return own.truth.rows(own.truth.sent_by(own.now)[-1], own.now)


def test_the_next_report_appears_when_it_is_due(clerk: Of, tmp_path: Path):
    place = Place(Province(OrgUnits.load(), 450, 0.2), lambda: NOW, tmp_path / "folder", 0)
    box = inspections.outbox(place)
    start = datetime(2022, 4, 1, 12, 0, tzinfo=LOCAL)
    box.write(start)
    assert [path.stem for path in sorted(place.folder.glob("*.xlsx"))] == [
        "KIEMTRA_2022-01",
        "KIEMTRA_2022-02",
    ]
    box.write(start + timedelta(days=9))
    assert (place.folder / "KIEMTRA_2022-03.xlsx").exists()


def test_a_reissue_is_dated_after_what_it_corrects_and_corrections_stay(tmp_path: Path):
    place = Place(Province(OrgUnits.load(), 450, 0.2), lambda: NOW, tmp_path / "folder", 0)
    box = inspections.outbox(place)
    start = datetime(2022, 4, 12, 12, 0, tzinfo=LOCAL)
    box.write(start)
    march = Period.parse("2022-03")
    first = box.rows(march, start)
    for minutes in (6, 12, 18):
        box.write(start + timedelta(minutes=minutes))
    now = start + timedelta(minutes=18)
    changed = [new for old, new in zip(first, box.rows(march, now), strict=True) if old != new]
    assert 1 <= len(changed) <= 3
    assert all(row[-1] > first[0][-1] for row in changed)
    again = inspections.outbox(place)
    again.write(now)
    assert again.rows(march, now) == box.rows(march, now)


def test_a_folder_with_somebody_elses_files_is_refused(tmp_path: Path):
    (tmp_path / "KIEMTRA_2024-06.xlsx").write_bytes(b"theirs")
    place = Place(Province(OrgUnits.load(), 450, 0.2), lambda: NOW, tmp_path, 0)
    with pytest.raises(ConfigError, match="không phải của"):
        inspections.outbox(place).write(NOW)
    assert (tmp_path / "KIEMTRA_2024-06.xlsx").read_bytes() == b"theirs"


# --- inspections -------------------------------------------------------------------------------


def counted(own: Clerk, text: str) -> tuple[int, int]:
    """Digital and all inspections of a month, of the rows that a reader can take."""
    found = [row for row in own.rows(text) if row[0] not in ("", inspections.UNKNOWN)]
    pairs = [(row[inspections.DIGITAL], row[inspections.TOTAL]) for row in found]
    pairs = [(above, below) for above, below in pairs if isinstance(above, int) and above <= below]
    return sum(above for above, _ in pairs), sum(below for _, below in pairs)


def test_the_inspections_of_a_month_are_what_the_reports_say(clerk: Of):
    own = clerk("inspections")
    for period in own.truth.sent_by(own.now):
        assert own.share("I06", period.text) == counted(own, period.text)


def test_a_year_of_inspections_is_their_sum_and_the_target_is_missed(clerk: Of):
    own = clerk("inspections")
    months = [counted(own, f"2025-{month:02d}") for month in range(1, 13)]
    year = (sum(above for above, _ in months), sum(below for _, below in months))
    assert own.share("I06", "2025") == year
    assert 0.45 < year[0] / year[1] < 0.475
    found = own.standing("T06")
    assert (found.closing_numerator, found.closing_denominator) == year
    assert (found.status, found.coverage, found.freshness) == ("missed", 1, "fresh")


def test_faulty_rows_of_inspections_are_refused_and_said(clerk: Of):
    first = clerk("inspections").runs[0]
    assert first["outcome"] == "ok" and 3 <= first["rejected"] <= 20
    for words in ("không phải số: N/A", "thiếu Mã cơ quan", "Không rõ đơn vị"):
        assert words in first["note"]


# --- the assessment of digital transformation --------------------------------------------------


def test_two_of_eight_districts_succeeded_and_the_two_readings_differ(clerk: Of):
    own = clerk("transformation")
    found = own.standing("T11b", "I11b")
    assert (found.closing_numerator, found.closing_denominator) == (2, 8)
    assert (found.closing_period, found.closing_status, found.missing_count) == (
        "2024-12",
        "met",
        0,
    )
    told = [verdict(rule.text, 2, 8) for rule in own.store.catalogue.targets["T11b"].readings]
    assert told == [True, False]


def test_departments_meet_their_target_and_communes_lack_one(clerk: Of):
    own = clerk("transformation")
    departments, communes = own.standing("T11a"), own.standing("T11c")
    assert (departments.closing_numerator, departments.closing_denominator) == (5, 14)
    assert departments.status == "met"
    assert (communes.closing_numerator, communes.closing_denominator) == (8, 41)
    assert (communes.status, communes.missing_count) == ("missed", 1)


def test_before_this_years_assessment_the_last_one_stands_and_this_year_is_unknown(clerk: Of):
    own = clerk("transformation")
    found = own.standing("T11c", "I11c")
    assert (found.numerator, found.denominator, found.period) == (8, 41, "2025-12")
    assert (found.coverage, found.freshness) == (1, "fresh")
    for text in ("2026", "2026-10"):
        unknown = own.value("I11c", text)
        assert unknown.reason == "not_reported" and unknown.value != unknown.value


def test_the_mean_score_is_the_sum_of_scores_over_the_units_that_were_scored(clerk: Of):
    own = clerk("transformation")
    for year in ("2021", "2022", "2023", "2024", "2025"):
        scores = [
            row[transformation.SCORE]
            for row in own.rows(year)
            if row[0] != transformation.UNKNOWN and isinstance(row[transformation.SCORE], float)
        ]
        found = own.value("I11.1", year)
        assert (found.numerator, found.denominator) == (pytest.approx(sum(scores)), len(scores))
        assert found.value == pytest.approx(sum(scores) / len(scores))


def test_every_level_is_counted_apart_and_a_row_without_its_score_counts_nowhere(clerk: Of):
    own = clerk("transformation")
    assert own.share("I11a", "2024") == (5, 21)
    assert own.share("I11c", "2024") == (24, 145)
    whole = len(own.rows("2023")) - 21 - 8
    assert own.share("I11c", "2023")[1] == whole - 1
    assert own.runs[0]["rejected"] >= 2


# --- telecom -----------------------------------------------------------------------------------


def told(own: Clerk, text: str, above: int, below: int) -> tuple[int, int]:
    """Two columns added up by a quarter: what each commune said last in that calendar year."""
    quarter = Period.parse(text)
    said: dict[str, forms.Row] = {}
    for each in periods(Period("quarter", quarter.index // 4 * 4), quarter):
        here = {unit.code: unit.uid for unit in OrgUnits.load().population("commune", each.end)}
        for row in own.rows(each.text):
            sound = (
                isinstance(row[telecom.LTE], int) and row[telecom.FIBRE] <= row[telecom.VILLAGES]
            )
            if row[0] in here and sound:
                said[here[row[0]]] = row
    rows = [row for uid, row in said.items() if uid in here.values()]
    return sum(row[above] for row in rows), sum(row[below] for row in rows)


PROXIES = {
    "I09a": (telecom.FIBRE, telecom.VILLAGES),
    "I09b": (telecom.LTE, telecom.VILLAGES),
    "O1": (telecom.NR, telecom.VILLAGES),
    "I09a.1": (telecom.PEOPLE + 1, telecom.PEOPLE),
    "I09b.1": (telecom.PEOPLE + 2, telecom.PEOPLE),
    "O1.1": (telecom.PEOPLE + 3, telecom.PEOPLE),
    "I09c": (telecom.URBAN + 1, telecom.URBAN),
}


@pytest.mark.parametrize("indicator", PROXIES)
def test_a_quarter_of_telecom_is_what_the_operators_say(clerk: Of, indicator: str):
    own = clerk("telecom")
    for quarter in own.truth.sent_by(own.now):
        found = own.share(indicator, quarter.text)
        assert found == told(own, quarter.text, *PROXIES[indicator]), quarter
        assert found == own.share(indicator, Period.of("month", quarter.end).text)


def test_a_white_spot_has_no_4g_and_villages_stay_when_communes_merge(clerk: Of):
    own = clerk("telecom")
    for quarter in own.truth.sent_by(own.now):
        for row in own.rows(quarter.text):
            if isinstance(row[telecom.LTE], int):
                assert row[telecom.DARK] <= row[telecom.VILLAGES] - row[telecom.LTE]
    before, after = own.rows("2025-Q2"), own.rows("2025-Q3")
    for column in (telecom.VILLAGES, telecom.PEOPLE):
        assert sum(row[column] for row in before) == sum(row[column] for row in after)
    assert (len(before), len(after)) == (145, 41)


def test_a_qualitative_target_has_its_proxy_and_no_verdict(clerk: Of):
    own = clerk("telecom")
    for target, indicator in (("T09a", "I09a"), ("T09b", "I09b"), ("T09c", "I09c")):
        found = own.standing(target, indicator)
        closing = told(own, "2025-Q4", *PROXIES[indicator])
        assert (found.closing_numerator, found.closing_denominator) == closing
        assert (found.status, found.closing_status) == ("qualitative", "")
        assert (found.coverage, found.freshness) == (1, "fresh")
        assert found.threshold != found.threshold and found.missing_count != found.missing_count


def test_white_spots_are_a_count_and_the_mountains_have_them(clerk: Of):
    own = clerk("telecom")
    for quarter in own.truth.sent_by(own.now):
        found = own.value("I09b.2", quarter.text)
        assert found.value == told(own, quarter.text, telecom.DARK, telecom.VILLAGES)[0]
        assert found.unit == "thôn"
    coast, mountains = (own.value("I09b.2", "2025", area) for area in ("area-450", "area-452"))
    assert coast.value < mountains.value


# --- the household survey ----------------------------------------------------------------------


def test_a_survey_is_what_was_counted_in_the_sample(clerk: Of):
    own = clerk("household_survey")
    survey = household_survey
    for year in ("2022", "2023", "2024", "2025"):
        rows = [row for row in own.rows(year) if isinstance(row[survey.COMPUTERS], int)]
        phones, asked, computers, households = (
            sum(row[column] for row in rows)
            for column in (survey.PHONES, survey.ASKED, survey.COMPUTERS, survey.HOUSEHOLDS)
        )
        assert own.share("O2", year) == (phones, asked)
        assert own.share("O3", year) == (computers, households)
    assert own.runs[0]["rejected"] == 1
    assert own.value("O2", "2026").reason == "not_reported"


# --- the roll-out of smart services ------------------------------------------------------------


SECTORS = {"PAHT": "I10.1", "GT": "I10.2", "ANTT": "I10.3", "TTMM": "I10.4", "ATTT": "I10.5"}
FAULTY = ("2022-Q2", "2023-Q1")


def states(own: Clerk, text: str, service: str = "") -> dict[str, str]:
    """What each row of a check says, by its key; one service's, or the whole province's."""
    rows = [row for row in own.rows(text) if row[0] and row[0].startswith(service)]
    return {
        row[0]: row[smart_services.STATE]
        for row in rows
        if ("area-qb" in row[0]) is not bool(service)
    }


def test_a_service_is_deployed_when_it_operates_in_the_whole_area_and_a_pilot_is_not(clerk: Of):
    own = clerk("smart_services")
    for quarter in own.truth.sent_by(own.now):
        said = list(states(own, quarter.text).values())
        assert len(said) == 5
        assert own.share("I10", quarter.text) == (said.count(smart_services.OPERATING), 5)
        assert own.share("I10.6", quarter.text) == (said.count(smart_services.PILOT), 5)


def test_four_of_five_services_meet_the_floor_of_the_range(clerk: Of):
    own = clerk("smart_services")
    found = own.standing("T10", "I10")
    assert (found.closing_numerator, found.closing_denominator) == (4, 5)
    assert (found.status, found.closing_period, found.closing_value) == ("met", "2025-12", 80)
    assert (found.freshness, found.period) == ("fresh", "2026-09")
    public_order = [state for key, state in states(own, "2025-Q4").items() if "ANTT" in key]
    assert public_order == [smart_services.PILOT]


@pytest.mark.parametrize("service", SECTORS)
def test_each_service_spreads_from_dong_hoi_over_the_eight_areas(clerk: Of, service: str):
    own = clerk("smart_services")
    before, first = 0, ""
    for quarter in own.truth.sent_by(own.now):
        said = states(own, quarter.text, service)
        operating = [key for key, state in said.items() if state == smart_services.OPERATING]
        if quarter.text not in FAULTY:
            assert own.share(SECTORS[service], quarter.text) == (len(operating), 8)
        assert len(operating) >= before
        if operating and not before:
            (first,) = operating
        before = len(operating)
    assert "area-450" in first


def test_the_evidence_of_a_state_stands_in_its_record_and_its_owner_changes_with_the_reforms(
    clerk: Of,
):
    own = clerk("smart_services")
    answer = query.records(own.store, ADMIN, kinds=["rollout"], limit=2000, now=own.now).frame()
    known = len(own.truth.sent_by(own.now)) * 45 - 2  # two faulty rows
    assert len(answer) == known and own.runs[0]["rejected"] == 2
    operating = answer[answer.state == "operating"]
    assert operating.result.str.fullmatch(r"QD-\d{4}-20\d\d").all()
    assert set(answer[answer.state == "none"].result) == {""}
    owners = answer[answer.category == "traffic"]
    assert set(owners.org_unit.str.extract(r"department-([A-Z0-9]+)-")[0]) == {"SGTVT", "SXD25"}


def test_the_records_behind_the_closing_figure_are_its_four_services(clerk: Of):
    own = clerk("smart_services")
    behind = query.records(
        own.store,
        ADMIN,
        element="smart_services_operating",
        opened_to=date(2025, 12, 31),
        now=own.now,
    ).frame()
    assert sorted(behind.category) == [
        "field_feedback",
        "information_security",
        "online_information",
        "traffic",
    ]
    assert set(behind.channel) == {"area-qb"}


# --- projects ----------------------------------------------------------------------------------


def projects(own: Clerk) -> dict[str, Any]:
    """What the store of a system says of every project."""
    frame = query.projects(own.store, ADMIN, now=own.now).frame()
    return {row["project"]: row for row in frame.to_dict("records")}


def test_the_milestones_in_the_store_are_those_that_the_office_has_seen_done(clerk: Of):
    own = clerk("projects")
    last = own.truth.sent_by(own.now)[-1].ends_at.astimezone(LOCAL).replace(tzinfo=None)
    told = projects(own)
    for work in portfolio.works(Province(OrgUnits.load(), 450, 0.2)):
        done = sum(step.done is not None and step.done < last for step in work.plan)
        assert told[work.code]["milestones_done"] == done, work.code
        assert told[work.code]["milestones_reported"] in (0, work.steps)
    assert {row["state"] for row in told.values()} >= {"done", "underway", "overdue", "planned"}


def test_a_milestone_that_waits_for_a_decision_is_overdue_and_what_follows_is_not_done(clerk: Of):
    told = projects(clerk("projects"))
    for project, code in portfolio.HELD:
        assert told[project]["state"] == "overdue", code


def test_the_money_in_the_store_is_what_the_treasury_paid_by_fund(clerk: Of):
    own = clerk("disbursements")
    paid: dict[tuple[str, str], int] = {}
    for quarter in own.truth.sent_by(own.now):
        for row in own.truth.rows(quarter, own.now):
            if row[0] and isinstance(row[disbursements.AMOUNT], int):
                key = (row[0], row[3])
                paid[key] = paid.get(key, 0) + row[disbursements.AMOUNT]
    told, names = projects(own), dict(zip(portfolio.FUNDS, FUNDS, strict=True))
    assert len(paid) > 30
    for (project, fund), amount in paid.items():
        assert told[project][f"disbursed_{names[fund]}"] == amount, (project, fund)
    for row in told.values():
        assert row["disbursed"] <= row["planned"]

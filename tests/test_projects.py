"""The plan's projects: the register, what was reported of them, the question and the page."""

import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox import portfolio as office
from connectors.sandbox.province import Province
from ioc.errors import ConfigError, Forbidden, IocError
from ioc.model import Record
from ioc.principal import Principal
from kpi import health, query
from kpi.catalogue import PACKAGED, load_catalogue
from kpi.projects import FUNDS
from layouts import projects, projectview, slots, text
from tests.test_pages import Reader, having, one, walk, words
from tests.worlds import ADMIN, SOURCES, World, at, plain, source

pytest_plugins = ["tests.worlds"]
REGISTER = PACKAGED / "plan" / "projects.yaml"
TEXT = (PACKAGED / "plan" / "text.vi.txt").read_text(encoding="utf-8")
PROGRESS = source("projects", record="milestone", sector="projects")
TREASURY = source("disbursements", record="disbursement", sector="projects")


# --- the register --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def register() -> Any:
    return load_catalogue().portfolio


def test_the_register_says_that_it_is_a_sample_because_the_appendix_was_not_published(register):
    assert register.mark.startswith("DỮ LIỆU MẪU: phụ lục danh mục dự án không kèm theo")
    assert "5.2 Danh mục dự án: Có Phụ lục danh mục các dự án kèm theo." in TEXT
    assert len(register.projects) >= 20


def test_funds_and_stages_quote_the_plan_letter_by_letter(register):
    lines = TEXT.splitlines()
    said = [register.funding, *(stage.sentence for stage in register.roadmap.values())]
    assert len(said) == 3
    for sentence in said:
        assert unicodedata.is_normalized("NFC", sentence)
        assert any(line.endswith(sentence) for line in lines), sentence
    assert list(register.roadmap) == ["2021-2025", "2026-2030"]
    assert {project.period for project in register.projects.values()} == set(register.roadmap)


def test_every_project_has_an_owner_a_sector_money_and_milestones_within_its_time(
    register, catalogue, orgunits
):
    for project in register.projects.values():
        assert project.sector in catalogue.sectors
        assert orgunits.owner(project.owner, project.starts), project.id
        assert set(project.funds) == set(FUNDS) and sum(project.funds.values()) > 0
        dues = [step.due for step in project.milestones]
        assert dues == sorted(dues) and project.starts <= dues[0] and dues[-1] <= project.due


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sector: shared_systems", "sector: nowhere", "DA01: không có lĩnh vực 'nowhere'"),
        ("owner: STTTT", "owner: XYZ", "DA01: không có cơ quan nào mang mã 'XYZ'"),
        ("period: 2021-2025", "period: 2026-2030", "DA01: bắt đầu 2021-04-01 nằm ngoài giai đoạn"),
        ("period: 2021-2025", "period: '2031'", "DA01: mục “period” là '2031'; chỉ nhận"),
        ('due: "2023-12-31"', 'due: "2020-12-31"', "DA01: mục “due” đứng trước “starts”"),
        ('starts: "2021-04-01"', "starts: 2021", "DA01: mục “starts” phải là ngày"),
        ("central: 30000", "central: nhiều", "DA01.funds: mục “central” phải là số"),
        ("{central: 30000, local: 20000, other: 0}", "{central: 0, local: 0, other: 0}", "chưa có"),
        ('due: "2021-09-30"', 'due: "2031-09-30"', "mốc M1 nằm ngoài thời gian của dự án"),
        ('name: "Lựa chọn nhà thầu", due', 'name: "Lựa chọn nhà thầu", d', "M2: thiếu mục “due”"),
        ("Ngân sách Trung ương, Ngân", "Ngân sách trung ương, Ngân", "câu không khớp từng chữ"),
        ("Triển khai các dịch vụ", "Triển  khai các dịch vụ", "câu không khớp từng chữ"),
        ("  DA02:", "  T01:", "T01: mã đã được khai báo"),
        ("text: text.vi.txt", "text: none.txt", "không thấy tệp văn bản 'none.txt'"),
    ],
)
def test_a_wrong_register_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str):
    assert_refused(REGISTER, tmp_path, old, new, said)


def assert_refused(register: Path, folder: Path, old: str, new: str, said: str) -> None:
    """A register of the plan with one thing written otherwise is refused, with its line."""
    written = register.read_text(encoding="utf-8")
    assert old in written
    (folder / "plan").mkdir()
    (folder / "plan" / register.name).write_text(written.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_catalogue(folder)
    faults = [fault for fault in refused.value.faults if said in fault.message]
    assert faults, refused.value.faults
    assert all(fault.file.endswith(register.name) and fault.line > 0 for fault in faults)


def test_the_office_of_the_sample_reports_on_projects_of_the_register(register, orgunits):
    listed = {work.code: work for work in office.works(Province(orgunits, 1, 0.2))}
    assert set(listed) == set(register.projects)
    for code, work in listed.items():
        steps = {step.code for step in work.plan}
        assert steps == {step.id for step in register.projects[code].milestones}, code


# --- the question --------------------------------------------------------------------------------


def milestone(project: str, code: str, owner: str, due: str, done: str = "", **more: Any) -> Record:
    """One milestone as the office reports it."""
    return Record(
        key=f"{project}-{code}", kind="milestone", org_unit=owner, opened_at=at("2022-01-04 08:00"),
        due_at=at(f"{due} 17:00"), closed_at=at(f"{done} 10:00") if done else None,
        category=project, channel=code, state="done" if done else "underway", **more,
    )  # fmt: skip


def payment(project: str, quarter: str, fund: str, amount: float, owner: str = "SNV25") -> Record:
    """One amount as the treasury reports it."""
    return Record(
        key=f"{project}-{quarter}-{fund}", kind="disbursement", org_unit=owner,
        opened_at=at(f"{quarter} 17:00"), category=project, channel=fund, quantity=amount,
    )  # fmt: skip


@pytest.fixture
def told(sqlite_world: World) -> World:
    """A world in which two projects have been reported on."""
    world = sqlite_world
    health.publish_sources(world.store, [*SOURCES, PROGRESS, TREASURY])
    world.live(PROGRESS, TREASURY)
    world.poll(
        PROGRESS,
        [
            milestone("DA05", "M1", "SNV", "2022-06-30", "2022-06-30"),
            milestone("DA05", "M2", "SNV", "2023-09-30", "2023-11-01"),
            milestone("DA05", "M3", "SNV", "2024-12-31"),
            milestone("DA05", "M4", "SNV", "2027-12-31"),
            milestone("DA14", "M1", "SNV", "2022-06-30", "2022-06-01"),
            milestone("DA14", "M2", "SNV", "2023-09-30", "2023-06-01"),
            milestone("DA14", "M3", "SNV", "2024-12-31", "2024-06-01"),
            milestone("DA14", "M4", "SNV", "2025-12-31", "2025-06-01"),
        ],
    )
    world.poll(
        TREASURY,
        [
            payment("DA05", "2026-03-31", "central", 6_000),
            payment("DA05", "2026-06-30", "central", 1_500),
            payment("DA05", "2026-06-30", "local", 700),
        ],
    )
    world.forward(minutes=1)
    world.poll(PROGRESS)
    world.poll(TREASURY)
    return world


def row(world: World, project: str, **filters: Any) -> Any:
    """One project."""
    frame = query.projects(world.store, ADMIN, projects=[project], now=world.now, **filters).frame()
    (found,) = frame.to_dict("records")
    return found


def test_milestones_are_counted_and_overdue_is_what_is_open_past_its_day(told):
    found = row(told, "DA05")
    assert (found["milestones_total"], found["milestones_reported"]) == (4, 4)
    assert (found["milestones_done"], found["milestones_overdue"]) == (2, 1)
    assert found["state"] == "overdue"
    assert (found["next_milestone"], found["next_due"]) == (
        "Hoàn thành đợt hai",
        date(2024, 12, 31),
    )
    assert row(told, "DA14")["state"] == "done" and row(told, "DA14")["next_milestone"] == ""
    assert row(told, "DA08")["state"] == "no_data" and row(told, "DA21")["state"] == "planned"


def test_money_is_summed_by_fund_and_what_a_read_source_did_not_tell_is_zero(told):
    found = row(told, "DA05")
    assert [found[f"disbursed_{fund}"] for fund in FUNDS] == [7_500, 700, 0]
    assert (found["planned"], found["disbursed"]) == (26_000, 8_200)
    assert found["disbursed_share"] == pytest.approx(100 * 8_200 / 26_000)
    assert row(told, "DA08")["disbursed"] == 0


def test_before_a_source_was_ever_read_nothing_is_known_rather_than_zero(sqlite_world):
    world = sqlite_world
    health.publish_sources(world.store, [*SOURCES, PROGRESS, TREASURY])
    found = row(world, "DA05")
    for name in ("milestones_done", "milestones_overdue", "disbursed", "disbursed_share"):
        assert found[name] != found[name], name
    assert (found["planned"], found["state"], found["freshness"]) == (26_000, "no_data", "")
    world.live(PROGRESS)
    found = row(world, "DA05")
    assert found["milestones_done"] == 0 and found["disbursed"] != found["disbursed"]


def test_what_is_being_loaded_is_not_late_yet(told):
    """A source that has told up to 2023 does not make a milestone of 2024 overdue."""
    with told.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE watermark SET covered_until = "
            f"{int(at('2024-06-01 08:00').timestamp() * 1_000_000)} WHERE source = 'projects'"
        )
    assert row(told, "DA05")["milestones_overdue"] == 0
    assert row(told, "DA05")["state"] == "underway"


def test_the_owner_is_who_answers_on_the_date_through_successors(told):
    before, after = row(told, "DA10", on=date(2025, 2, 28)), row(told, "DA10", on=date(2025, 3, 1))
    assert (before["owner"], before["owner_name"]) == ("SGTVT", "Sở Giao thông vận tải")
    assert (after["owner"], after["owner_name"]) == ("SGTVT", "Sở Xây dựng")
    assert row(told, "DA10")["org_unit"] == "department-SXD25-2025-07-01"


def test_the_clocks_are_those_of_the_older_source(told):
    assert row(told, "DA05")["freshness"] == "fresh"
    told.forward(minutes=30)
    told.poll(PROGRESS)
    assert row(told, "DA05")["freshness"] == "stale"
    told.poll(TREASURY)
    assert row(told, "DA05")["freshness"] == "fresh"


def test_a_project_is_answered_as_it_was_known_at_an_instant(told):
    sealed = told.seal()
    told.forward(minutes=5)
    told.poll(PROGRESS, [milestone("DA05", "M3", "SNV", "2024-12-31", "2026-11-20")])
    told.poll(TREASURY, [payment("DA05", "2026-09-30", "local", 300)])
    assert row(told, "DA05")["milestones_done"] == 3 and row(told, "DA05")["disbursed"] == 8_500
    past = row(told, "DA05", as_of=sealed)
    assert past["milestones_done"] == 2 and past["disbursed"] == 8_200


def ids(world: World, who: Principal = ADMIN, **filters: Any) -> list[str]:
    return [row[0] for row in query.projects(world.store, who, now=world.now, **filters).stream()]


def test_projects_are_filtered_by_sector_owner_and_state(told):
    assert ids(told, sectors=["archives"]) == ["DA05"]
    assert ids(told, org_units=["department-SNV25-2025-07-01"]) == ["DA05", "DA14"]
    assert ids(told, states=["overdue", "done"]) == ["DA05", "DA14"]
    assert len(ids(told, org_units=["area-qb"])) == len(ids(told))
    for wrong in ({"projects": ["DA99"]}, {"sectors": ["x"]}, {"states": ["x"]}):
        with pytest.raises(query.UnknownFilter):
            ids(told, **wrong)


def test_a_principal_sees_the_projects_of_its_own_org_units(told):
    who = Principal("sở", "head", frozenset({"department-SNV25-2025-07-01"}))
    assert ids(told, who) == ["DA05", "DA14"]
    with pytest.raises(Forbidden):
        ids(told, who, org_units=["department-SYT-2025-07-01"])


def test_both_readers_agree_on_projects(told):
    answer = query.projects(told.store, ADMIN, now=told.now)
    streamed = [plain(row) for row in answer.stream()]
    assert [plain(row) for row in answer.frame().itertuples(index=False)] == streamed


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def page(told: World, tmp_path: Path) -> Reader:
    return Reader(told, tmp_path)


def test_the_page_says_that_the_register_is_a_sample_and_tells_overdue_milestones_first(page):
    shown = page.read(projects.layout)
    assert "DỮ LIỆU MẪU: phụ lục danh mục dự án không kèm theo văn bản công bố" in shown
    assert "1 mốc quá hạn" in shown and "1 có mốc quá hạn" in shown and "1 hoàn thành" in shown
    late = words(having(page.see(projects.layout), id="projects-overdue"))
    assert "Hoàn thành đợt hai DA05  Số hóa và lưu trữ điện tử tài liệu" in late
    assert "Sở Nội vụ" in late and "31/12/2024" in late
    listed = [
        piece.to_plotly_json()["props"]["data-project"]
        for piece in page.see(projects.layout)
        if type(piece).__name__ == "Tr" and hasattr(piece, "data-project")
    ]
    assert listed[0] == "DA05" and set(listed) == set(ids(page.world))


def test_money_is_drawn_plainly_by_source_of_funds(page):
    pieces = having(page.see(projects.layout), id="projects-funding")
    told = words(pieces)
    for name in text.FUNDS.values():
        assert name in told
    assert "7.500/303.000" in told and "8.200/695.400" in told
    assert "hue-" not in repr(pieces)  # neither good nor bad


def test_each_stage_of_the_roadmap_quotes_its_sentence_and_marks_its_milestones(page):
    pieces = page.see(projects.layout)
    road = words(having(pieces, id="projects-roadmap"))
    assert "Lộ trình 2021–2025" in road and "Lộ trình 2026–2030" in road
    assert "Hoàn thiện việc xây dựng Chính quyền điện tử Quảng Bình" in road
    row_ = one(pieces, className="road", **{"data-project": "DA05"})
    looks = [
        p.to_plotly_json()["props"]["data-look"] for p in walk(row_) if hasattr(p, "data-look")
    ]
    assert looks == ["done", "done", "late", "open"]


def test_a_filter_stands_in_the_address_and_narrows_page_and_file(page):
    shown = page.see(projects.layout, sector="archives")
    assert "1 dự án trong 21" in words(shown[:1])
    files = [p for p in shown if "projects.csv" in str(getattr(p, "href", ""))]
    assert {p.href for p in files} == {"/api/v1/projects.csv?sector=archives&download=1"}
    client = page.app.server.test_client()
    for file in files:
        lines = client.get(file.href, base_url="http://127.0.0.1").data.count(b"\r\n")
        assert file.children == f"CSV · {lines - 1} dòng"
    nothing = page.read(projects.layout, sector="archives", state="done")
    assert "Không có dự án nào như vậy." in nothing
    for wrong in ({"sector": "x"}, {"state": "x"}, {"org_unit": "x"}, {"kind": "dossier"}):
        assert "Không có trang này" in page.read(projects.layout, **wrong)


def test_an_open_page_of_projects_is_sent_only_what_changed(page):
    with page.request():
        marks = slots.marks(projects.pieces(projectview.find(projectview.Asked())))
        same = projects.draw({}, {}, marks)
        assert all(type(part).__name__ == "NoUpdate" for part in same[:-1])
        with pytest.raises(IocError):
            projects.draw({}, {"state": "x"}, marks)
    page.world.poll(TREASURY, [payment("DA05", "2026-09-30", "other", 1)])
    with page.request():
        again = projects.draw({}, {}, marks)
    changed = [name for name, part in zip(projects.PARTS, again[:-1], strict=True)
               if type(part).__name__ != "NoUpdate"]  # fmt: skip
    assert changed == ["funding", "list"]

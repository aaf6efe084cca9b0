"""Towards 2030: the plan's tasks word for word, the roll-out of services, no colour anywhere."""

import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import smart_services
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.errors import Forbidden
from ioc.model import Record
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import health, query
from kpi.catalogue import PACKAGED, load_catalogue
from layouts import orientation, slots, theme
from tests.test_pages import Reader, having, walk, words
from tests.test_projects import assert_refused
from tests.worlds import ADMIN, SOURCES, World, at, plain, source

pytest_plugins = ["tests.worlds"]
REGISTER = PACKAGED / "plan" / "tasks.yaml"
TEXT = PACKAGED / "plan" / "text.vi.txt"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=LOCAL)
CHECKS = source("smart_services", record="rollout", sector="smart_city")


# --- the plan's tasks ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def register() -> Any:
    return load_catalogue().tasks


def test_every_dash_of_section_four_is_a_task_byte_for_byte_in_the_plans_order(register):
    text = TEXT.read_bytes()
    part = text[text.index("4. Nhiệm vụ".encode()) : text.index("5. Kinh phí".encode())]
    lines = [line[2:] for line in part.splitlines() if line.startswith(b"- ")]
    assert len(lines) == 14
    assert [task.sentence.encode() for task in register.tasks.values()] == lines
    assert [task.bullet for task in register.tasks.values()] == list(range(1, 15))
    assert all(unicodedata.is_normalized("NFC", t.sentence) for t in register.tasks.values())


def test_the_orientation_is_quoted_from_section_three(register):
    lines = TEXT.read_text(encoding="utf-8").splitlines()
    assert len(register.orientation) == 2
    assert all(f"- {sentence}" in lines for sentence in register.orientation)


def test_states_and_evidence_say_that_they_are_a_sample(register):
    assert register.mark.startswith("DỮ LIỆU MẪU")
    for task in register.tasks.values():
        assert task.state in theme.TASK and task.evidence and task.stated_on.year >= 2024


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Tập trung phổ biến", "Tập trung  phổ biến", "N01: câu không khớp từng chữ"),
        ("cuộc cách mạng công nghiệp lần thứ 4 mang", "cách mạng lần thứ 4 mang", "N14: câu không"),
        ("    bullet: 2\n", "    bullet: 1\n", "thiếu nhiệm vụ của gạch đầu dòng thứ 2"),
        ("owner: STTTT", "owner: XYZ", "N01: không có cơ quan nào mang mã 'XYZ'"),
        ("co_owners: [SVHTT]", "co_owners: [XYZ]", "N01: không có cơ quan nào mang mã 'XYZ'"),
        ("state: ongoing", "state: met", "N01: mục “state” là 'met'; chỉ nhận not_started"),
        ('stated_on: "2026-09-30"', "stated_on: hôm qua", "N01: mục “stated_on” phải là ngày"),
        ("    evidence: ", "    proof: ", "N01: thiếu mục “evidence”"),
        ('section: "3", sentence: "Tiếp tục', 'section: "3", sentence: "Tiếp  tục', "câu không"),
        ("text: text.vi.txt", "text: none.txt", "không thấy tệp văn bản 'none.txt'"),
    ],
)
def test_a_wrong_register_of_tasks_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
):
    assert_refused(REGISTER, tmp_path, old, new, said)


def tasks(world: World, **filters: Any) -> list[dict[str, Any]]:
    return query.tasks(world.store, ADMIN, now=world.now, **filters).records()


def test_a_task_names_who_answers_for_it_on_the_date_and_where_it_stands_in_the_plan(sqlite_world):
    before = tasks(sqlite_world, tasks=["N10"], on=date(2025, 2, 28))[0]
    after = tasks(sqlite_world, tasks=["N12"], on=date(2025, 3, 1))[0]
    assert (before["owner"], before["org_unit"]) == ("SNV", "department-SNV-2021-01-01")
    assert after["owner_name"] == "Sở Tài chính" and after["co_owner_names"] == "Sở Tài chính"
    assert "mục 4, nhiệm vụ thứ 10" in before["citation"] and "25/02/2022" in before["citation"]
    assert before["mark"].startswith("DỮ LIỆU MẪU")


def test_tasks_are_filtered_by_state_and_owner(sqlite_world):
    world = sqlite_world
    done = tasks(world, states=["done"])
    assert [row["task"] for row in done] == ["N03", "N11"]
    home = tasks(world, org_units=["department-SNV25-2025-07-01"])
    assert [row["task"] for row in home] == ["N07", "N10", "N11"]
    for wrong in ({"tasks": ["N99"]}, {"states": ["met"]}):
        with pytest.raises(query.UnknownFilter):
            tasks(world, **wrong)


# --- the roll-out --------------------------------------------------------------------------------


def check(day: str, service: str, area: str, state: str, paper: str = "") -> Record:
    """One row of a check: the source lists every service again."""
    return Record(
        key=f"{day}-{service}-{area}", kind="rollout", org_unit="STTTT" if day < "2025-03" else
        "SKHCN25", opened_at=at(f"{day} 00:00"), category=service, channel=area, state=state,
        result=paper or None,
    )  # fmt: skip


@pytest.fixture
def told(sqlite_world: World) -> World:
    """Three checks: a pilot in Đồng Hới that begins to operate, another area that stops."""
    world = sqlite_world
    health.publish_sources(world.store, [*SOURCES, CHECKS])
    world.live(CHECKS)
    world.poll(
        CHECKS,
        [
            check("2024-03-31", "traffic", "area-450", "pilot", "QD-1-2024"),
            check("2024-06-30", "traffic", "area-450", "operating", "QD-2-2024"),
            check("2024-09-30", "traffic", "area-450", "operating", "QD-2-2024"),
            check("2024-03-31", "traffic", "area-457", "operating", "QD-3-2024"),
            check("2024-06-30", "traffic", "area-457", "pilot", "QD-4-2024"),
            check("2024-09-30", "traffic", "area-457", "operating", "QD-5-2024"),
            check("2024-09-30", "traffic", "area-452", "none"),
            check("2024-09-30", "traffic", "area-qb", "pilot", "QD-6-2024"),
        ],
    )
    world.forward(minutes=1)
    world.poll(CHECKS)
    return world


def stands(world: World, **filters: Any) -> dict[tuple[str, str], dict[str, Any]]:
    rows = query.rollout(world.store, ADMIN, now=world.now, **filters).records()
    return {(row["service"], row["org_unit"]): row for row in rows}


def test_the_newest_check_tells_the_state_and_the_first_one_since_which_it_holds_its_date(told):
    found = stands(told)
    here = found["traffic", "area-450"]
    assert (here["state"], here["since"]) == ("operating", date(2024, 6, 30))
    assert (here["checked_on"], here["evidence"]) == (date(2024, 9, 30), "QD-2-2024")
    again = found["traffic", "area-457"]
    assert (again["state"], again["since"]) == (
        "operating",
        date(2024, 9, 30),
    )  # it was interrupted
    assert found["traffic", "area-452"]["state"] == "none"
    assert found["traffic", "area-qb"]["state"] == "pilot"


def test_every_service_has_every_area_and_what_nobody_told_is_unknown(told):
    found = stands(told)
    assert len(found) == 5 * 9
    assert list(dict.fromkeys(area for _, area in found))[-1] == "area-qb"
    absent = found["public_order", "area-450"]
    assert (absent["state"], absent["since"], absent["evidence"]) == ("", "", "")
    assert absent["freshness"] == "fresh"
    health.publish_sources(told.store, SOURCES)
    assert stands(told)["traffic", "area-450"]["freshness"] == ""


def test_the_roll_out_is_answered_as_it_was_known_and_within_a_scope(told):
    sealed = told.seal()
    told.forward(minutes=5)
    told.poll(CHECKS, [check("2024-12-31", "traffic", "area-452", "pilot", "QD-7-2024")])
    assert stands(told)["traffic", "area-452"]["state"] == "pilot"
    assert stands(told, as_of=sealed)["traffic", "area-452"]["state"] == "none"
    assert set(stands(told, sectors=["traffic"], states=["pilot"])) == {
        ("traffic", "area-452"), ("traffic", "area-qb"),
    }  # fmt: skip
    who = Principal("huyện", "head", frozenset({"area-457"}))
    seen = query.rollout(told.store, who, now=told.now)
    assert {row[2] for row in seen.stream()} == {"area-457"}
    with pytest.raises(Forbidden):
        query.rollout(told.store, who, org_units=["area-450"], now=told.now)
    for wrong in ({"sectors": ["x"]}, {"states": ["met"]}):
        with pytest.raises(query.UnknownFilter):
            stands(told, **wrong)


def test_both_readers_agree_on_the_roll_out(told):
    answer = query.rollout(told.store, ADMIN, now=told.now)
    streamed = [plain(row) for row in answer.stream()]
    assert [plain(row) for row in answer.frame().itertuples(index=False)] == streamed


@pytest.fixture
def rolled_out(sqlite_store: Any, tmp_path: Path) -> Any:
    """A store that has read the sample's roll-out."""
    place = Place(Province(OrgUnits.load(), 450, 0.01), lambda: NOW, tmp_path / "rollout", 0)
    system: Any = smart_services.make(place)
    system._open = True
    system.tend(NOW)
    source = next(one for one in load_sources() if one.id == "smart_services")
    source = source.model_copy(update={"url": str(place.folder)})
    health.publish_sources(sqlite_store, [source])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    assert poll(sqlite_store, source, settings, now=NOW.astimezone(UTC))["outcome"] == "ok"
    return sqlite_store


def test_each_service_and_area_has_its_state_since_when_and_on_what_evidence(rolled_out):
    frame = query.rollout(rolled_out, ADMIN, now=NOW).frame()
    assert len(set(frame.service)) == 5
    assert {f"area-45{i}" for i in (0, 2, 3, 4, 5, 6, 7, 8)} <= set(frame.org_unit)
    assert set(frame.state) <= {"none", "pilot", "operating"}
    running = frame[frame.state == "operating"]
    assert len(running) and running.evidence.str.len().gt(3).all()
    whole = frame[(frame.org_unit == "area-qb") & (frame.state == "operating")]
    assert len(whole) >= 4


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def page(told: World, tmp_path: Path) -> Reader:
    return Reader(told, tmp_path)


def test_the_items_of_2030_have_no_status_colour_or_bar(page, catalogue):
    pieces = having(page.see(orientation.layout), id="orientation-items")
    told = words(pieces)
    for one in catalogue.indicators.values():
        if one.sector == "orientation":
            assert one.short in told, one.id
    classes = {
        name
        for piece in walk(pieces[0])
        for name in (getattr(piece, "className", None) or "").split()
    }
    coloured = {"hue-met", "hue-missed", "hue-off_track", "hue-at_risk", "bullet"}
    assert not classes & coloured
    assert "Chưa có nguồn" in told  # what nobody measures yet says so


def test_the_services_stand_by_area_with_date_and_evidence_and_without_a_colour(page):
    (grid,) = having(page.see(orientation.layout), id="orientation-rollout")
    cells = [piece for piece in walk(grid) if hasattr(piece, "data-service")]
    assert len(cells) == 45
    of = {
        (getattr(cell, "data-service"), getattr(cell, "data-area")): words([cell]) for cell in cells
    }
    assert of["traffic", "area-450"] == "Vận hành từ 30/06/2024 QD-2-2024"
    assert of["traffic", "area-452"] == "Chưa kiểm tra 30/09/2024"
    assert of["public_order", "area-450"] == "Chưa có số liệu"
    assert "0/1 dịch vụ vận hành trên toàn địa bàn, 1 dịch vụ đang thí điểm" in words([grid])
    hues = [p for p in walk(grid) if "hue-" in (getattr(p, "className", None) or "")]
    assert hues == []
    assert "Đồng Hới" in words([grid]) and "Toàn địa bàn" in words([grid])


def test_every_task_shows_its_sentence_owner_state_and_evidence(page, catalogue):
    shown = page.read(orientation.layout)
    for task in catalogue.tasks.tasks.values():
        assert task.sentence in shown and task.evidence in shown
    assert "chủ trì, trạng thái và bằng chứng là ví dụ" in shown
    done = page.see(orientation.layout, state="done")
    listed = [getattr(p, "data-task") for p in done if hasattr(p, "data-task")]
    assert listed == ["N03", "N11"]
    for wrong in ({"state": "met"}, {"sector": "traffic"}):
        assert "Không có trang này" in page.read(orientation.layout, **wrong)


@pytest.mark.parametrize("state", ["", "underway"])
def test_the_files_of_the_page_hold_what_it_says(page, state):
    client = page.app.server.test_client()
    files = [
        piece for piece in page.see(orientation.layout, state=state)
        if ".csv" in str(getattr(piece, "href", ""))
    ]  # fmt: skip
    asked = {file.href.split("?")[0].rsplit("/", 1)[1] for file in files}
    assert asked >= {"rollout.csv", "tasks.csv"}
    for file in files:
        lines = client.get(file.href, base_url="http://127.0.0.1").data.count(b"\r\n")
        assert file.children == f"CSV · {lines - 1} dòng", file.href


def test_an_open_page_follows_a_new_check_and_nothing_else_is_sent(page):
    with page.request():
        marks = slots.marks(orientation.pieces())
        same = orientation.draw({}, marks)
        assert all(type(part).__name__ == "NoUpdate" for part in same[:-1])
    page.world.poll(CHECKS, [check("2024-12-31", "traffic", "area-452", "pilot", "QD-7-2024")])
    with page.request():
        again = orientation.draw({}, marks)
    changed = [
        name for name, part in zip(orientation.PARTS, again[:-1], strict=True)
        if type(part).__name__ != "NoUpdate"
    ]  # fmt: skip
    assert changed == ["rollout"]

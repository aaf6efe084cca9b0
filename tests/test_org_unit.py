"""The page of one org unit: every figure against its target, honest about months and endings."""

from typing import Any

import pytest
import sqlalchemy as sa
from dash import no_update
from flask import g

from ioc.errors import Forbidden, IocError
from ioc.principal import Principal
from layouts import indicator, org_unit, places, slots
from tests.test_pages import Reader, classes, having, one, walk, words
from tests.worlds import (
    DOSSIERS,
    MEETINGS,
    STAFF,
    TRANSFORMATION,
    World,
    at,
    dossier,
    dossiers,
    share,
)

pytest_plugins = ["tests.worlds"]
WARD = "commune-18880-2025-07-01"
CITY = "district-450-0000"
HEALTH = "department-SYT-2025-07-01"


@pytest.fixture
def here(sqlite_world: World, tmp_path: Any) -> Reader:
    """A ward, its former city and a department, each with something."""
    world = sqlite_world.live()
    for day, total, online in (
        ("2025-12-01", 40, 20), ("2026-09-10", 50, 20), ("2026-10-10", 50, 30),
        ("2026-11-10", 10, 10),
    ):  # fmt: skip
        world.poll(DOSSIERS, dossiers("18880", day, total, online))
    world.poll(DOSSIERS, dossiers("450", "2025-06-10", 4, 3))
    meetings = "meetings_district_paperless meetings_district_total"
    world.poll(MEETINGS, share(meetings, "450", "2025-06", 12, 20))
    succeeded = "districts_dx_succeeded districts_dx_assessed"
    world.poll(TRANSFORMATION, share(succeeded, "450", "2025-06", 1, 1))
    staff = "staff_with_computer staff_professional"
    world.poll(STAFF, share(staff, "SYT", "2026-08", 95, 100))
    world.forward(seconds=30)
    for source in (DOSSIERS, MEETINGS, STAFF, TRANSFORMATION):
        world.poll(source)
    return Reader(world, tmp_path)


def line(reader: Reader, uid: str, key: str) -> Any:
    """The row of one indicator."""
    pieces = reader.see(org_unit.layout, uid=uid)
    return one(pieces, **{"data-indicator": key, "data-status": status_of(pieces, key)})


def status_of(pieces: list[Any], key: str) -> str:
    (row,) = having(pieces, **{"data-indicator": key})
    return row.to_plotly_json()["props"]["data-status"]


def test_every_indicator_of_the_plan_has_its_row_in_the_plans_order(here, catalogue):
    pieces = here.see(org_unit.layout, uid=WARD)
    rows = [p for p in pieces if hasattr(p, "to_plotly_json")]
    shown = [
        props["data-indicator"]
        for row in rows
        if "data-indicator" in (props := row.to_plotly_json()["props"])
    ]
    assert shown == [part.indicator for t in catalogue.targets.values() for part in t.parts]


def test_a_figure_stands_against_its_target_with_counts_gap_and_age(here):
    text = words([line(here, WARD, "I02b")])
    assert "50,0 %" in text and "20/40 hồ sơ" in text and "Không đạt" in text
    assert "còn thiếu 4 hồ sơ để đạt 60 %" in text
    assert "60/110" in text and "Số liệu đến 08:00" in text


def test_a_target_that_does_not_reach_an_authority_says_whom_it_is_for(here):
    assert "chỉ tính cho sở, ban, ngành" in words([line(here, WARD, "I07a")])
    assert "chỉ tính cho cấp xã" in words([line(here, HEALTH, "I11c")])
    assert "Chưa có nguồn" in words([line(here, WARD, "I03")])


def test_a_month_that_runs_is_never_compared_with_a_whole_one(here):
    card = having(here.see(org_unit.layout, uid=WARD), id="org-unit-news")
    text = words(card)
    assert "Thay đổi: tháng 10/2026" in text and "So với tháng 9/2026: 1 tăng" in text
    assert "tháng 11/2026, chưa hết (22/11)" in text
    assert "+20,0 điểm" in text and "10 / 10" in text  # a narrow cell may break there
    assert "+40,0 điểm" not in text


def test_late_sources_are_told_with_the_instant_since_when(here):
    text = words(having(here.see(org_unit.layout, uid=HEALTH), id="org-unit-late"))
    assert "Nguồn thử staff" in text and "số liệu đến hết 31/8 · trễ từ 00:00 11/10" in text
    assert text.index("Nguồn thử staff") < text.index("Nguồn thử public_services")
    here.world.forward(days=3)
    text = words(having(here.see(org_unit.layout, uid=WARD), id="org-unit-late"))
    assert "Nguồn thử public_services Số cũ số liệu đến 22/11 · trễ từ 08:02 22/11" in text


def test_a_unit_that_ended_shows_what_it_closed_with(here):
    page = here.read(org_unit.layout, uid=CITY)
    assert "Đã kết thúc ngày 30/06/2025." in page and "phần chuyển tiếp" in page
    assert "Thay đổi: tháng 6/2025" in page and "tháng 7/2025" not in page
    closed = words([line(here, CITY, "I07b")])
    assert "12/20" in closed and "Không đạt" in closed
    cut = line(here, CITY, "I02b")
    assert "3/4 hồ sơ" in words([cut]) and "chưa đến ngày chốt khi kết thúc" in words([cut])
    assert {c for p in walk(cut) for c in classes_of(p)}.isdisjoint({"is-on_track", "is-at_risk"})
    assert "trễ" not in words(having(here.see(org_unit.layout, uid=CITY), id="org-unit-late"))


def classes_of(piece: Any) -> set[str]:
    return classes(piece) if getattr(piece, "className", None) else set()


def test_open_cases_past_their_deadline_are_counted_listed_and_lead_to_all(here):
    late = [
        dossier(f"trễ/{i}", "18880", "2026-11-01 08:00", due_at=at(f"2026-11-{i + 5:02} 08:00"))
        for i in range(12)
    ]
    in_time = dossier("kịp", "18880", "2026-11-20 08:00", due_at=at("2026-11-30 08:00"))
    done = dossier("xong", "18880", "2026-11-01 08:00", "2026-11-20 08:00", due_at=at("2026-11-10"))
    assert "quá hạn." in here.read(org_unit.layout, uid=WARD)
    here.world.poll(DOSSIERS, [*late, in_time, done])
    for uid in (WARD, "area-450"):
        pieces = here.see(org_unit.layout, uid=uid)
        text = words(having(pieces, id="org-unit-late"))
        assert "12 hồ sơ, phản ánh đang mở đã quá hạn" in text
        assert "8 mục tiếp nhận gần đây nhất" in text and "kịp" not in text and "xong" not in text
        links = {getattr(piece, "href", None) for piece in pieces}
        assert f"/records?org_unit={uid}&open=1&overdue=1" in links
        assert "/record/public_services/tr%E1%BB%85%2F11" in links
        files = [p for p in pieces if "/records.csv" in (getattr(p, "href", None) or "")]
        client = here.app.server.test_client()
        reply = client.get(files[0].href, base_url="http://127.0.0.1")
        assert (reply.status_code, reply.data.count(b"\r\n")) == (200, 13)
        assert files[0].children == "CSV · 12 dòng"
    assert "phản ánh đang mở" not in here.read(org_unit.layout, uid="area-457")


def test_figures_counted_from_records_lead_to_those_of_their_source_and_window(here):
    def ways(key: str) -> list[str]:
        hrefs = [getattr(piece, "href", None) or "" for piece in walk(line(here, WARD, key))]
        return [href for href in hrefs if href.startswith("/records")]

    (way,) = ways("I02b")
    of = f"source=public_services&org_unit={WARD}&element=dossiers_resolved"
    assert way == f"/records?{of}&from=2026&to=2026"
    client = here.app.server.test_client()
    address = way.replace("/records", "/api/v1/records.json")
    reply = client.get(address, base_url="http://127.0.0.1")
    assert reply.status_code == 200 and reply.json["count"] == 110
    assert ways("I12a") == []  # declared: no record stands behind it


@pytest.mark.parametrize(
    ("uid", "named"),
    [
        ("commune-19207-2024-12-01", {"commune-19207-2025-07-01", "commune-19201-0000"}),
        (CITY, {"area-450", "area-qb", "commune-18859-0000"}),
        ("area-450", {CITY, WARD, "area-qb"}),
        ("area-qb", {"area-450", HEALTH}),
    ],
)
def test_successors_predecessors_and_the_tree_are_links(here, uid, named):
    links = {getattr(piece, "href", None) for piece in here.see(org_unit.layout, uid=uid)}
    assert {places.address(one) for one in named} <= links


def test_every_page_about_an_org_unit_has_the_same_path(here):
    def crumbs(pieces: list[Any]) -> list[str]:
        (nav,) = having(pieces, className="crumbs")
        return words([nav]).split(" › ")

    path = ["Chỉ tiêu", "Địa bàn tỉnh Quảng Bình (cũ)", "Địa bàn Đồng Hới (cũ)", "Phường Đồng Hới"]
    assert crumbs(here.see(org_unit.layout, uid=WARD)) == path
    scoped = crumbs(here.see(indicator.layout, key="I02b", org_unit=WARD))
    assert scoped == [*path, "Hồ sơ xử lý toàn trình trên mạng"]


def test_nobody_sees_an_org_unit_outside_his_rights(here):
    with here.request():
        g.principal = Principal("Lệ Thủy", "viewer", frozenset({"area-457"}))
        assert org_unit.layout(uid="area-457")
        with pytest.raises(Forbidden):
            org_unit.layout(uid=WARD)


def test_one_question_reads_the_standings_of_the_page(here):
    asked: list[str] = []

    def count(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    engine = here.world.store.reader
    here.world.store.kept.clear()
    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        here.see(org_unit.layout, uid="area-450")
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)
    assert sum("JOIN standing" in statement for statement in asked) == 1
    assert len(asked) < 80


def test_only_what_changed_is_sent_again(here):
    with here.request():
        shown = org_unit.pieces(org_unit.look(WARD))
        assert org_unit.draw({}, WARD, slots.marks(shown))[:4] == (no_update,) * 4
        assert words(org_unit.draw({}, WARD, None)[:1]) == words([shown["news"]])
    here.world.poll(DOSSIERS, dossiers("18880", "2026-10-12", 50, 0))
    with here.request():
        again = org_unit.draw({}, WARD, slots.marks(shown))
        assert "30,0 %" in words(again[0]) and again[3] is no_update
        with pytest.raises(IocError):
            org_unit.draw({}, "nobody", None)


def test_names_are_sorted_as_in_a_vietnamese_dictionary():
    names = ["Đồng Hới", "Dương Thủy", "Ân Thủy", "An Thủy", "Ba Đồn", "Quảng Tiến", "Quảng Tiên"]
    assert sorted(names, key=places.alphabetical) == [
        "An Thủy", "Ân Thủy", "Ba Đồn", "Dương Thủy", "Đồng Hới", "Quảng Tiên", "Quảng Tiến",
    ]  # fmt: skip


def test_namesakes_of_one_list_are_told_apart_by_their_dates(here):
    with here.request():
        known = here.world.store.orgunits
        pair = [one.uid for one in known.values() if one.name == known[HEALTH].name]
        assert len(pair) > 1 and WARD not in pair
        told = places.names([*pair, WARD])
        assert told[HEALTH] == "Sở Y tế (từ 01/07/2025)"
        assert len(set(told.values())) == len(told)
        assert places.names([HEALTH, WARD])[HEALTH] == "Sở Y tế"


def test_sources_that_are_heard_are_told_apart_from_figures_that_a_unit_has_not(here):
    """A source on time that says nothing of a unit is neither late nor are its figures old."""
    text = words(having(here.see(org_unit.layout, uid=HEALTH), id="org-unit-late"))
    assert (
        "Mọi nguồn đều được đọc đúng hạn. Số của riêng đơn vị này đã cũ ở 1 nguồn, chưa có số"
        in text
    )
    assert "chưa có số của đơn vị này" in text and "Số cũ chưa có" not in text
    here.world.forward(days=3)
    text = words(having(here.see(org_unit.layout, uid=HEALTH), id="org-unit-late"))
    assert "nguồn đang trễ." in text and "đúng hạn" not in text

"""The pages of administration: who may see them, and that their buttons do what they say."""

import ast
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate
from flask import g

import app as program
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, acts, audit, health, orders, query, requests
from kpi import devices as screens
from layouts import PAGES, access, admin, operator, state, text
from layouts.admin import (
    details,
    devices,
    frame,
    people,
    places,
    readings,
    rights,
    sources,
    usage,
    viewer,
)  # fmt: skip
from layouts.components import Piece
from tests.test_closing import MEET
from tests.worlds import ADMIN, MEETINGS, STAFF, World, share

pytest_plugins = ["tests.worlds"]
HERE = "http://127.0.0.1:8050"
WHY = "Theo kết luận giao ban tuần"
LAYOUTS = (admin, people, devices, sources, readings, viewer, usage)


@pytest.fixture
def desk(sqlite_world: World, tmp_path: Any, monkeypatch: Any) -> Iterator[Any]:
    """The product on a world with something to decide, asked as whoever a test says."""
    world = sqlite_world
    world.live().poll(MEETINGS, share(MEET, "SNV25", "2025-12", 45, 50))
    world.forward(minutes=5)
    settings = Settings.from_env({"IOC_DATA": str(tmp_path), "IOC_DATABASE_URL": world.store.url})
    made = program.create_app(settings, world.store)
    monkeypatch.setattr(state, "right_now", lambda: world.now)

    def see(ask: Callable[..., Any], *given: Any, who: Principal = ADMIN, **more: Any) -> Any:
        with made.server.test_request_context("/admin", base_url=HERE):
            g.principal = who
            return ask(*given, **more)

    yield SimpleNamespace(world=world, app=made, see=see, client=made.server.test_client())


def pieces(piece: Piece) -> Iterator[Piece]:
    """A page and everything in it."""
    if isinstance(piece, (list, tuple)):
        for one in piece:
            yield from pieces(one)
    elif hasattr(piece, "to_plotly_json"):
        yield piece
        yield from pieces(getattr(piece, "children", None))
    elif piece is not None:
        yield str(piece)


def read(page: Piece) -> str:
    return " ".join(one for one in pieces(page) if isinstance(one, str))


def buttons(page: Piece, name: str) -> list[str]:
    """What the buttons of a list say of themselves."""
    ids = [getattr(one, "id", None) for one in pieces(page)]
    return [key[name] for key in ids if isinstance(key, dict) and name in key]


def press(desk: Any, module: Any, act: Callable[..., Any], name: str, key: str, why: str = WHY,
          who: Principal = ADMIN, monkeypatch: Any = None) -> str:  # fmt: skip
    """What a page says once a button was pressed."""
    click(monkeypatch, {name: key})
    return desk.see(act, [1], why, who=who)[0]


def click(monkeypatch: Any, key: dict[str, str], value: Any = 1) -> None:
    """What Dash says of the button that a request is about; None: it was drawn, not pressed."""
    told = SimpleNamespace(
        triggered=[{"prop_id": "one.n_clicks", "value": value}],
        triggered_prop_ids={"one.n_clicks": key},
    )
    monkeypatch.setattr(frame, "ctx", told)


@pytest.mark.parametrize("module", LAYOUTS, ids=lambda module: module.__name__)
@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst"])
def test_who_administers_nothing_sees_nothing_of_it(desk, module, role):
    shown = read(desk.see(module.layout, who=Principal("xem", role)))
    assert "Không có quyền" in shown and "Lý do" not in shown and "45/50" not in shown


def test_an_operator_sees_sources_and_readings_and_nothing_of_people(desk):
    operator = Principal("trực", "operator")
    for module in (viewer, usage):
        assert "Không có quyền" in read(desk.see(module.layout, who=operator))
    shown = read(desk.see(admin.layout, who=operator))
    assert "Nguồn dữ liệu" in shown and "Nhật ký" not in shown
    assert "Tạm dừng" in read(desk.see(sources.layout, who=operator))
    assert "Số chốt" in read(desk.see(readings.layout, who=operator))


def test_the_overview_says_what_waits_and_that_the_audit_holds(desk):
    orders.order(desk.world.store, ADMIN, "pause", source=STAFF.id, reason=WHY)
    shown = read(desk.see(admin.layout))
    assert "1 yêu cầu đang chờ" in shown and "số chốt chưa ký" in shown
    assert "Chuỗi nguyên vẹn" in shown and "Chế độ tài khoản đang tắt" in shown


def test_a_button_of_a_source_orders_what_it_says_with_the_reason(desk, monkeypatch):
    page = desk.see(sources.layout)
    assert f"pause {STAFF.id}" in buttons(page, "order")
    said = press(desk, sources, sources.give, "order", f"pause {STAFF.id}", monkeypatch=monkeypatch)
    assert "Đã gửi: tạm dừng" in said
    (row,) = query.asked(desk.world.store, ADMIN).records()
    assert (row["kind"], row["source"], row["note"]) == ("pause", STAFF.id, WHY)
    again = press(
        desk, sources, sources.give, "order", f"pause {STAFF.id}", monkeypatch=monkeypatch
    )
    assert "đang chờ" in again
    assert WHY in read(desk.see(sources.layout))


def test_a_button_without_a_reason_or_a_right_does_nothing_and_says_why(desk, monkeypatch):
    asked = ("order", f"pause {STAFF.id}")
    assert "Lý do" in press(desk, sources, sources.give, *asked, why="", monkeypatch=monkeypatch)
    viewer_ = Principal("xem", "viewer")
    said = press(desk, sources, sources.give, *asked, who=viewer_, monkeypatch=monkeypatch)
    assert "không được" in said
    with pytest.raises(acts.Refused):
        desk.see(sources.draw, None, [], {}, who=viewer_)
    assert query.asked(desk.world.store, ADMIN).records() == []


def test_a_paused_source_may_be_resumed_and_says_so(desk):
    world = desk.world
    number = orders.order(world.store, ADMIN, "pause", source=STAFF.id, reason=WHY)
    requests.heed(world.store, number, world.now)
    assert health.is_paused(world.store, STAFF.id)
    page = desk.see(sources.layout)
    assert f"resume {STAFF.id}" in buttons(page, "order") and "Đang tạm dừng" in read(page)
    assert f"repoll {STAFF.id}" not in buttons(page, "order")


def test_a_reading_is_chosen_and_a_closing_figure_signed_by_their_buttons(desk, monkeypatch):
    page = desk.see(readings.layout)
    found = buttons(page, "decide")
    assert "read|T02b|> 60" in found
    (sign,) = [key for key in found if key.startswith("sign|T07a|I07a|")]
    said = press(desk, readings, readings.decide, "decide", sign, monkeypatch=monkeypatch)
    assert "Đã ký chốt T07a I07a" in said
    said = press(
        desk, readings, readings.decide, "decide", "read|T02b|> 60", monkeypatch=monkeypatch
    )
    assert "đang dùng" in said
    page = desk.see(readings.layout)
    shown = read(page)
    assert WHY in shown and sign not in buttons(page, "decide")
    assert "read|T02b|>= 60" in buttons(page, "decide")
    assert {"reading", "closing"} <= {e.kind for e in audit.entries(desk.world.store, ADMIN)}


def test_a_button_that_no_page_has_does_nothing(desk, monkeypatch):
    for key in ("", "sign|T07a", "read|T02b", "sign|T07a|I07a|area-qb|x|y", "erase|all"):
        said = press(desk, readings, readings.decide, "decide", key, monkeypatch=monkeypatch)
        assert "Đã ký" not in said
    assert query.signed(desk.world.store) == []


LISTS = [
    (readings.decide, "decide", "read|T02b|> 60"),
    (sources.give, "order", f"pause {STAFF.id}"),
    (people.act, "account", "disable mai"),
    (operator.steer, "steer", "pause"),
    (devices.revoke, "device", "1"),
]


@pytest.mark.parametrize(("act", "name", "key"), LISTS, ids=[one[1] for one in LISTS])
@pytest.mark.parametrize("value", [None, 0])
def test_a_button_that_was_drawn_and_not_pressed_does_and_says_nothing(
    desk, monkeypatch, act, name, key, value
):
    more = () if act is operator.steer else (WHY,)
    before = audit.verify(desk.world.store)
    click(monkeypatch, {name: key}, value)
    with pytest.raises(PreventUpdate):
        desk.see(act, [None, 3], *more)
    click(monkeypatch, {"other": key})
    with pytest.raises(PreventUpdate):
        desk.see(act, [1], *more)
    assert audit.verify(desk.world.store) == before


@pytest.mark.parametrize("module", [sources, readings], ids=lambda module: module.__name__)
def test_what_did_not_change_is_not_drawn_anew(desk, module):
    drawn = desk.see(lambda: frame.prints(module._parts()))
    ids = [{module.PART: key} for key in drawn]
    assert len(ids) > 3
    whole, parts, prints = desk.see(module.draw, None, ids, drawn)
    assert {whole, prints, *parts} == {no_update}
    changed = ids[1][module.PART]
    _, parts, prints = desk.see(module.draw, None, ids, drawn | {changed: "as it was"})
    assert [one is no_update for one in parts].count(False) == 1 and parts[1] is not no_update
    assert prints == drawn
    whole, parts, _ = desk.see(module.draw, None, ids[1:], drawn)
    assert whole is not no_update and set(parts) == {no_update}


def test_a_source_that_was_paused_is_drawn_anew_with_its_buttons_alone(desk):
    drawn = desk.see(lambda: frame.prints(sources._parts()))
    ids = [{sources.PART: key} for key in drawn]
    number = orders.order(desk.world.store, ADMIN, "pause", source=STAFF.id, reason=WHY)
    requests.heed(desk.world.store, number, desk.world.now)
    _, parts, _ = desk.see(sources.draw, None, ids, drawn)
    sent = {key[sources.PART] for key, one in zip(ids, parts, strict=True) if one is not no_update}
    assert sent == {f"{STAFF.id} state", f"{STAFF.id} orders", "orders"}


def test_a_refused_button_leaves_the_reason_as_it_was_written(desk, monkeypatch):
    click(monkeypatch, {"order": f"pause {STAFF.id}"})
    said, kept = desk.see(sources.give, [1], "ừ")
    assert said == "Lý do: hãy ghi ít nhất 5 ký tự." and kept is no_update
    assert desk.see(sources.give, [1], WHY)[1] == ""


def test_the_viewer_shows_what_was_done_and_filters_it_by_kind_account_and_day(desk):
    world = desk.world
    orders.order(world.store, Principal("mai", "operator"), "pause", source=STAFF.id, reason=WHY)
    shown = read(desk.see(viewer.layout, kind="request", account="mai"))
    assert "mai" in shown and WHY in shown and "Chuỗi nguyên vẹn" in shown
    assert WHY not in read(desk.see(viewer.layout, kind="sign_in"))
    assert WHY not in read(desk.see(viewer.layout, account="khác"))
    assert WHY not in read(desk.see(viewer.layout, kind="request", last="1999-01-01"))
    assert "mai" in read(desk.see(viewer.layout, kind="khong-co", after="x", first="hôm qua"))


def test_an_incident_is_a_file_of_lines_that_hold_and_is_itself_in_the_audit(desk):
    store = desk.world.store
    orders.order(store, ADMIN, "pause", source=STAFF.id, reason=WHY)
    address = f"{HERE}/admin/audit.jsonl?first=2020-01-01&last=2099-01-01"
    answer = desk.client.get(address)
    lines = answer.get_data(as_text=True).splitlines()
    assert answer.status_code == 200 and all(map(audit.line_fits, lines))
    assert any(STAFF.id in line and "pause" in line for line in lines)
    assert "nhat-ky-2020-01-01" in answer.headers["Content-Disposition"]
    assert audit.entries(store, ADMIN)[0].kind == "incident"
    assert desk.client.get(f"{HERE}/admin/audit.jsonl?first=hom-qua&last=x").status_code == 400
    assert desk.client.get(f"{HERE}/admin/audit.jsonl").status_code == 400
    for mode in ("no-cors", "navigate"):
        far = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert desk.client.get(address, headers=far).status_code == 403, mode


def test_usage_says_that_there_are_no_accounts_where_there_are_none(desk):
    assert "Chế độ tài khoản đang tắt" in read(desk.see(usage.layout, days="7"))
    assert "30 ngày gần nhất" in read(desk.see(usage.layout, days="x"))


def test_every_page_of_administration_answers_in_open_mode(desk):
    for page in PAGES:
        if page.path.startswith("/admin"):
            assert desk.client.get(f"{HERE}{page.path}").status_code == 200


def test_every_detail_that_the_audit_is_given_has_a_vietnamese_name():
    """By the calls in the code: a new detail without its word would stand there in English."""
    named = set()
    for room in ("kpi", "layouts", "connectors"):
        for path in (program.ROOT / room).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                said = isinstance(call, ast.Call) and ast.unparse(call.func)
                if said in ("audit.append", "audit.write"):
                    named |= {one.arg for one in call.keywords if one.arg}
    assert len(named) > 20 and named - {"now"} <= set(details.NAMES)


def test_details_are_told_in_words():
    said = {"act": "create", "role": "head", "classes": ["public"], "org_units": [None], "keys": 2}
    told = details.told(said | {"reason": "", "made": False, "khác": "x"})
    assert told == (
        "việc: tạo; vai trò: Lãnh đạo đơn vị; nhóm chỉ số: công khai; đơn vị: tất cả;"
        " khóa đã thu: 2; tài khoản mới: không; khác: x"
    )


def test_filters_readings_and_instants_of_the_audit_are_told_as_people_say_them():
    filters = {"as_of": "2026-11-20T01:30:00+00:00", "from": "2026-11-01"}
    told = details.told({"reading": ">= 50", "filters": filters, "valid_to": "2026-12-31"})
    assert not set(told) & set('{}_"') and ">=" not in told
    assert told.startswith("cách đọc: từ 50") and "số liệu lúc 08:30 20/11/2026" in told
    assert "từ 01/11/2026" in told and told.endswith("31/12/2026")
    assert "lớp thứ hai" not in told + " ".join([*details.NAMES.values(), *details.VALUES.values()])


def test_a_refusal_is_one_sentence_without_marks_of_a_program():
    assert frame.refusal(acts.Refused("Không có tài khoản 'mai'.")) == "Không có tài khoản “mai”."
    assert text.sentence("không dùng được mục này.") == "Không dùng được mục này."


# --- people and screens --------------------------------------------------------------------------


@pytest.fixture
def fresh(desk) -> Any:
    """The same, without any account or screen of an earlier test."""
    with desk.world.store.write() as connection:
        for name in ("account", "account_right", "session", "link", "device"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    return desk


def make(desk, name="mai", role="head", units="area-450", **more):
    """What the page says once the form was sent."""
    given = (name, "Trưởng phòng", role, units, more.pop("why", WHY))
    made, _ = desk.see(people.create, 1, *given, **more)
    return made


def test_an_account_is_made_with_a_link_that_is_shown_once_and_kept_nowhere(fresh):
    shown = read(make(fresh))
    token = shown.rpartition("/setup/")[2].split()[0]
    assert "chỉ hiện ở đây" in shown and len(token) >= 32
    store = fresh.world.store
    (account,) = accounts.listed(store)
    assert (account.name, account.role, account.ready) == ("mai", "head", False)
    assert [r.org_unit for r in accounts.rights_of(store, "mai")] == ["area-450"]
    page = read(fresh.see(people.layout))
    assert "mai" in page and token not in page and "chưa đặt mật khẩu" in page
    assert token not in "".join(audit.lines(store))


def alter(desk, act, monkeypatch, **given):
    """What the form of roles and rights says once its button was pressed."""
    monkeypatch.setattr(rights, "ctx", SimpleNamespace(triggered_id=f"admin-rights-{act}"))
    asked = dict.fromkeys(rights.FIELDS, "") | {"name": "mai", "why": WHY} | given
    said, _ = desk.see(rights.change, 1, 1, *asked.values())
    return said


def test_an_account_gets_another_role_and_rights_with_days_and_loses_them(fresh, monkeypatch):
    make(fresh)
    store = fresh.world.store
    assert "Người vận hành" in alter(fresh, "role", monkeypatch, role="operator")
    assert accounts.listed(store)[0].role == "operator"
    days = {"from": "01/12/2026", "to": "31/1/2027", "classes": ["public"]}
    refused = alter(fresh, "grant", monkeypatch, units="area-452", **days)
    assert "nhóm" in refused, "one account has the same classes wherever it reads"
    assert "Đã cấp" in alter(
        fresh, "grant", monkeypatch, units="area-452", **days | {"classes": []}
    )
    _, given = accounts.rights_of(store, "mai")
    assert (given.org_unit, str(given.valid_to)) == ("area-452", "2027-01-31")
    said = press(
        fresh, people, people.act, "account", f"revoke {given.id}", monkeypatch=monkeypatch
    )
    assert "thu quyền" in read(said).lower()
    assert [right.ended_at is None for right in accounts.rights_of(store, "mai")] == [True, False]
    for wrong in ({"why": ""}, {"units": ""}, {"units": "area-452", "from": "32/12/2026"}):
        assert "Đã cấp" not in alter(fresh, "grant", monkeypatch, **wrong)


def test_the_page_of_accounts_tells_what_each_role_may_as_it_is_enforced(fresh):
    shown = read(fresh.see(people.layout))
    for page in PAGES:
        assert page.title in shown
    ticks = sum(access.may(role, "pages", page.path) for page in PAGES for role in accounts.ROLES)
    ticks += sum(
        access.may(role, "exports", one)
        for one in ("csv", "xlsx", "manifest")
        for role in accounts.ROLES
    )
    assert shown.count("✓") == ticks


def test_who_is_no_admin_makes_no_account_and_sees_none(fresh):
    operator = Principal("trực", "operator")
    made, board = fresh.see(people.create, 1, "x1", "X", "admin", "*", WHY, who=operator)
    assert "không được" in made and board is no_update
    assert accounts.listed(fresh.world.store) == []


def test_what_does_not_fit_is_refused_with_its_reason(fresh):
    assert "Tên đăng nhập" in make(fresh, name="Mai Hoa")
    assert "vai trò" in make(fresh, role="king")
    assert isinstance(make(fresh, units="khong-co"), str)
    assert accounts.listed(fresh.world.store) == []


def test_an_account_is_disabled_and_opened_again_only_with_a_reason(fresh, monkeypatch):
    make(fresh)
    asked = ("account", "disable mai")
    said = press(fresh, people, people.act, *asked, why="", monkeypatch=monkeypatch)
    assert "Lý do" in said
    assert "Đã khóa" in press(fresh, people, people.act, *asked, monkeypatch=monkeypatch)
    assert accounts.listed(fresh.world.store)[0].state == "disabled"
    asked = ("account", "enable mai")
    assert "Đã mở" in press(fresh, people, people.act, *asked, monkeypatch=monkeypatch)
    for kind, word in (("end", "Đã kết thúc"), ("link", "Liên kết một lần")):
        said = press(fresh, people, people.act, "account", f"{kind} mai", monkeypatch=monkeypatch)
        assert word in read(said)


def test_a_screen_is_paired_by_its_code_and_shut_out_by_its_button(fresh, monkeypatch):
    store, clock = fresh.world.store, fresh.world.now
    asked = screens.ask(store, now=clock)
    given = (asked.code, "Sảnh tầng 1", "scene=overview", "365")
    said, board, code = fresh.see(devices.pair, 1, *given)
    assert said == "Đã ghép Sảnh tầng 1." and code == "" and "scene=overview" in read(board)
    assert screens.device_of(store, asked.token, now=clock)
    (number,) = buttons(board, "device")
    click(monkeypatch, {"device": number})
    viewer_ = Principal("xem", "viewer")
    assert "không được" in fresh.see(devices.revoke, [1], WHY, who=viewer_)[0]
    assert "Lý do" in fresh.see(devices.revoke, [1], "")[0]
    assert screens.device_of(store, asked.token, now=clock)
    assert "Đã thu hồi" in fresh.see(devices.revoke, [1], WHY)[0]
    assert screens.device_of(store, asked.token, now=clock) is None
    assert audit.entries(store, ADMIN, kind="revoked")[0].detail["reason"] == WHY


def test_a_running_screen_says_when_it_was_seen_though_nobody_loads_the_page_anew(fresh):
    store, clock = fresh.world.store, fresh.world.now
    asked = screens.ask(store, now=clock)
    fresh.see(devices.pair, 1, asked.code, "Sảnh", "", "365")
    drawn = fresh.see(lambda: frame.prints(devices._parts()))
    ids = [{devices.PART: key} for key in drawn]
    screens.device_of(store, asked.token, now=clock)
    _, parts, _ = fresh.see(devices.draw, None, ids, drawn)
    assert [one for one in parts if one is not no_update] == ["vừa xong"]


def test_a_code_that_no_screen_shows_pairs_nothing(fresh):
    said, board, code = fresh.see(devices.pair, 1, "ABCDEFGH", "Sảnh", "", "365")
    assert "Không có màn hình" in said and board is no_update and code is no_update
    assert "ngày" in fresh.see(devices.pair, 1, "ABCDEFGH", "Sảnh", "", "x")[0]


def test_nothing_that_closes_a_door_is_done_at_the_first_press(fresh):
    """The button that acts stands inside one that says what will happen."""
    make(fresh)
    asked = screens.ask(fresh.world.store, now=fresh.world.now)
    fresh.see(devices.pair, 1, asked.code, "Sảnh", "", "365")
    found = []
    for module in (people, devices):
        page = fresh.see(module.layout)
        inside = [id(b) for d in pieces(page) if type(d).__name__ == "Details" for b in pieces(d)]
        for one in pieces(page):
            key = getattr(one, "id", None)
            if not isinstance(key, dict):
                continue
            word = key.get("account") or f"device {key.get('device')}"
            if type(one).__name__ == "Button" and word.split()[:1] != ["link"] and word:
                assert id(one) in inside, word
                found.append(word.split()[0])
    assert sorted(found) == ["device", "disable", "end", "revoke"]


def test_the_only_administrator_cannot_be_locked_out_from_the_list(fresh):
    token = fresh.see(lambda: accounts.create(
        fresh.world.store, ADMIN, name="chu", display="Chủ", role="admin", org_units=None,
        now=fresh.world.now))  # fmt: skip
    accounts.set_password(fresh.world.store, token, "mưa rào tháng bảy ở Lệ Thủy",
                          now=fresh.world.now)  # fmt: skip
    page = fresh.see(people.layout)
    assert sorted(buttons(page, "account")) == ["end chu", "link chu"]
    assert "quản trị duy nhất" in read(page)


def test_every_act_on_accounts_wants_a_reason_in_the_same_words(fresh, monkeypatch):
    said = {read(make(fresh, why="ừ"))}
    assert accounts.listed(fresh.world.store) == []
    make(fresh)
    said |= {alter(fresh, act, monkeypatch, role="head", units="area-452", why=" ừ ")
             for act in ("role", "grant")}  # fmt: skip
    (right,) = accounts.rights_of(fresh.world.store, "mai")
    for key in ("disable mai", "enable mai", f"revoke {right.id}"):
        said.add(press(fresh, people, people.act, "account", key, why="", monkeypatch=monkeypatch))
    assert said == {"Lý do: hãy ghi ít nhất 5 ký tự."}
    assert accounts.listed(fresh.world.store)[0].state == "active"


def test_an_org_unit_is_found_by_name_or_code_and_told_with_its_days(fresh, monkeypatch):
    make(fresh)
    page = fresh.see(people.layout)
    (listed,) = [one for one in pieces(page) if getattr(one, "id", "") == places.LIST]
    entries = [one.value for one in listed.children]
    assert len(entries) > 100 and len(set(entries)) == len(entries), "nobody tells two apart"
    fields = [getattr(one, "list", None) for one in pieces(page)]
    assert fields.count(places.LIST) == 2
    (interior,) = [one for one in entries if "SNV25" in one and "30/06/2025" in one]
    said = alter(fresh, "grant", monkeypatch, units=interior)
    assert said == f"Đã cấp quyền cho mai: {interior}."
    coded = alter(fresh, "grant", monkeypatch, units="SNV25; area-452")
    assert "từ 01/07/2025" in coded and "area-452" not in coded.split(" · ")[0], "which, and when"
    said = alter(fresh, "grant", monkeypatch, units="SNV25, không có")
    assert said == ("Không có đơn vị “không có”; hãy gõ tên hoặc mã rồi chọn trong danh sách.")
    assert fresh.see(lambda: places.chosen("Tất cả đơn vị")) is None


def test_a_day_that_is_none_is_said_and_not_passed_over(desk):
    shown = read(desk.see(viewer.layout, first="31/31/2026"))
    assert "“31/31/2026” không phải một ngày" in shown
    assert "không phải" not in read(desk.see(viewer.layout, first="31/12/2026"))
    assert "đứng sau" in read(desk.see(viewer.layout, first="2/1/2026", last="1/1/2026"))

"""One's own password is changed by whoever knows it: the browser stays, everybody else is out."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ioc.clock import right_now
from kpi import accounts, ownpassword
from kpi.schema import micros
from tests.doors import ADMIN, HERE, PASSWORD, doors

NEW = "nắng hạ trên phá Hạc Hải"
CHANGED = "/account?changed=1"


@pytest.fixture
def door(tmp_path, store):
    return doors(tmp_path, store)


def change(browser, current=PASSWORD, new=NEW, again=None):
    form = {"current": current, "password": new, "again": new if again is None else again}
    return browser.does("/account/password", **form)


def fault(answer):
    return re.search(r'role="alert">([^<]+)<', answer.text)[1]


def test_the_new_password_opens_and_the_old_one_no_longer(door):
    browser = door.inside()
    answer = change(browser)
    assert answer.status_code == 303 and answer.location == CHANGED
    assert "Mọi phiên khác đã kết thúc" in browser.get(CHANGED).text
    assert door.browser().sign_in("lan").status_code == 401
    assert door.browser().sign_in("lan", NEW).status_code == 303


def test_this_browser_goes_on_under_a_new_token_and_all_others_are_out(door):
    browser, other = door.inside(), door.browser()
    other.sign_in("lan")
    made = browser.does("/account/keys", label="bảng tính", days="30")
    key = re.search(r'class="door-secret">([^<]+)<', made.text)[1]
    before, proof = browser.cookie("__Host-ioc").value, browser.cookie("ioc-csrf").value
    assert change(browser).status_code == 303
    assert browser.cookie("__Host-ioc").value != before
    assert browser.cookie("ioc-csrf").value != proof
    assert browser.get("/sources").status_code == 200
    assert other.get("/sources").status_code == 401
    thief = door.browser()
    thief.client.set_cookie("__Host-ioc", before, domain="ioc.example", secure=True)
    assert thief.get("/sources").status_code == 401
    carries = {"Authorization": f"Bearer {key}"}
    program = door.server.test_client()
    asked = program.get("/api/v1/targets.json", base_url=HERE, headers=carries)
    assert asked.status_code == 401
    [entry, *_] = door.told("account")
    assert (entry.who, entry.what) == ("lan", "lan")
    assert entry.detail == {
        "act": "password", "purpose": "own", "ended": 1, "keys": 1, "address": "127.0.0.1",
    }  # fmt: skip


def test_the_session_gains_no_time_by_it(door):
    browser = door.inside()
    born = micros(right_now() - timedelta(hours=11))
    with door.store.write() as connection:
        connection.execute(sa.text("UPDATE session SET created_at = :born"), {"born": born})
    change(browser)
    with door.store.read() as connection:
        kept = connection.scalar(sa.text("SELECT created_at FROM session WHERE ended_at IS NULL"))
    assert kept == born


def test_a_link_that_was_still_open_is_void(door):
    browser = door.inside()
    link = accounts.new_link(door.store, ADMIN, "lan")
    change(browser)
    with pytest.raises(accounts.NotDone):
        accounts.set_password(door.store, link, PASSWORD)


def test_wrong_guesses_count_to_the_lock_as_at_the_door(door):
    browser = door.inside()
    for _ in range(2):
        door.browser().sign_in("lan", "sai")
    for _ in range(3):
        answer = change(browser, current="sai")
        assert answer.status_code == 400 and "hiện tại không đúng" in fault(answer)
    assert door.told("locked")
    answer = change(browser)  # now the right one does not help
    assert answer.status_code == 400 and "tạm khóa" in fault(answer)
    assert door.browser().sign_in("lan").status_code == 401
    refused = [one for one in door.told("refused") if one.what == ownpassword.ACT]
    assert [one.detail["why"] for one in refused] == ["locked", *["password"] * 3]
    assert {(one.who, one.detail["address"]) for one in refused} == {("lan", "127.0.0.1")}


def test_a_right_one_forgives_no_wrong_guess(door):
    browser = door.inside()
    for _ in range(4):
        door.browser().sign_in("lan", "sai")
    assert change(browser).status_code == 303
    door.browser().sign_in("lan", "sai")
    assert door.told("locked")


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [
        ("ngắn", None, "ít nhất 14"),
        ("quangbinh2026!!", None, "quen thuộc"),
        (PASSWORD, None, "phải khác"),
        (NEW, NEW + "x", "không giống nhau"),
    ],
)
def test_a_password_that_will_not_do_changes_nothing(door, new, again, said):
    browser = door.inside()
    answer = change(browser, new=new, again=again)
    assert answer.status_code == 400 and said in fault(answer)
    assert NEW not in answer.text and PASSWORD not in answer.text
    assert door.browser().sign_in("lan").status_code == 303


def test_without_the_proof_of_our_page_nothing_changes(door):
    browser = door.inside()
    form = {"current": PASSWORD, "password": NEW, "again": NEW}
    assert browser.post("/account/password", form).status_code == 403
    form["csrf"] = browser.token("/account")
    there = "https://evil.example"
    assert browser.post("/account/password", form, Origin=there).status_code == 403
    form["password"] = form["again"] = "a" * 9_000
    assert browser.post("/account/password", form).status_code == 413
    assert door.browser().sign_in("lan").status_code == 303


def test_it_is_tried_as_often_as_signing_in_and_counted_with_it(door):
    browser = door.inside()  # the first of ten
    answers = [change(browser, again="khác") for _ in range(10)]
    assert [answer.status_code for answer in answers] == [400] * 9 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
    assert "Quá nhiều lần thử" in fault(answers[-1])
    assert door.browser().sign_in("lan").status_code == 429


def test_who_comes_in_by_an_outside_identity_has_no_password_to_change(door):
    accounts.create(door.store, ADMIN, name="mai", display="Mai", role="viewer", org_units=None)
    accounts.tie(door.store, ADMIN, "mai", "https://id.example", "7")
    token = accounts.sign_in_subject(door.store, "https://id.example", "7")
    browser = door.browser()
    browser.client.set_cookie("__Host-ioc", token, domain="ioc.example", secure=True)
    assert "/account/password" not in browser.get("/account").text
    answer = change(browser, current="")
    assert answer.status_code == 400 and "danh tính của cơ quan" in fault(answer)


def test_an_administrator_without_the_second_factor_changes_none(door):
    browser = door.inside("quan-tri", role="admin")
    assert "/account/password" not in browser.get("/account").text
    assert change(browser).status_code == 403


def test_two_who_change_it_at_once_do_not_both(door):
    """The second was checked against a password that is no longer there."""
    browser = door.inside()
    token, fits = browser.cookie("__Host-ioc").value, ownpassword.passwords.fits
    other = door.browser()
    other.sign_in("lan")
    link = accounts.new_link(door.store, ADMIN, "lan")
    asked: list[bool] = []

    def overtaken(stored: str, given: str) -> bool:
        if not asked:
            asked.append(True)
            accounts.set_password(door.store, link, "một mật khẩu khác hẳn")
        return fits(stored, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownpassword.passwords, "fits", overtaken)
        with pytest.raises(accounts.NotDone):
            accounts.change_password(door.store, token, PASSWORD, NEW)
    assert door.browser().sign_in("lan", "một mật khẩu khác hẳn").status_code == 303

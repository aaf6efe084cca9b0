"""What another site's page makes a browser send changes nothing here."""

import pytest

from layouts.web import csrf
from layouts.web.guard import CALLBACK
from tests.doors import HERE, doors

BODY = {
    "output": "footer-version.children",
    "outputs": {"id": "footer-version", "property": "children"},
    "inputs": [{"id": "live", "property": "data", "value": {"version": 1}}],
    "state": [{"id": "_pages_location", "property": "search", "value": ""}],
    "changedPropIds": ["live.data"],
}


@pytest.fixture
def door(tmp_path, sqlite_store):
    return doors(tmp_path, sqlite_store)


def ask(browser, **headers):
    return browser.client.post(
        CALLBACK, json=BODY, base_url=HERE, headers={"Origin": HERE} | headers
    )


def test_a_callback_carries_the_token_of_its_session_or_is_refused(door):
    browser = door.inside()
    browser.get("/")
    token = browser.cookie(csrf.COOKIE).value
    assert ask(browser, **{csrf.HEADER: token}).status_code == 200
    assert ask(browser).status_code == 403
    assert ask(browser, **{csrf.HEADER: "x"}).status_code == 403
    assert ask(browser, **{csrf.HEADER: token, "Origin": "https://evil.example"}).status_code == 403


def test_the_token_of_another_session_is_worth_nothing(door):
    one, other = door.inside("lan"), door.inside("hoa")
    other.get("/")
    assert ask(one, **{csrf.HEADER: other.cookie(csrf.COOKIE).value}).status_code == 403


def test_the_pages_know_under_which_name_to_find_the_token(door):
    page = door.inside().get("/").text
    assert f'"csrf_token_name":"{csrf.COOKIE}"' in page.replace(" ", "")
    assert f'"csrf_header_name":"{csrf.HEADER}"' in page.replace(" ", "")


def test_scripts_read_the_token_but_it_stays_on_this_site(door):
    browser = door.inside()
    given = [
        cookie
        for cookie in browser.get("/").headers.getlist("Set-Cookie")
        if cookie.startswith(csrf.COOKIE)
    ]
    parts = {part.strip() for part in given[0].split(";")[1:]}
    assert parts == {"Secure", "Path=/", "SameSite=Strict"}


@pytest.mark.parametrize(
    "path",
    ["/logout", "/account/totp", "/account/totp/confirm", "/account/sessions/end", "/account/keys"],
)
def test_every_form_of_ones_account_wants_the_token(door, path):
    browser = door.inside()
    assert browser.post(path).status_code == 403
    assert browser.post(path, {"csrf": "x"}).status_code == 403
    assert browser.get(path).status_code in (404, 405, 200)  # and a link does nothing
    assert browser.get("/account").status_code == 200


def test_an_upload_wants_the_token(door):
    browser = door.inside("lan", role="operator")
    headers = {"Content-Type": "application/octet-stream", "Origin": HERE}
    answer = browser.client.post("/upload/staff", data=b"x", base_url=HERE, headers=headers)
    assert answer.status_code == 403 and "tải lại trang" in answer.text

"""A wall screen is a device: paired by its code, held to one layout, gone once it is revoked."""

from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa

from ioc.clock import right_now
from kpi import devices
from kpi.schema import micros
from layouts.web import live, pairing, sessions
from layouts.web.guard import CALLBACK
from tests.doors import ADMIN, HERE, doors

LAYOUT = "org_unit=area-450&d=5"


@pytest.fixture
def door(tmp_path, sqlite_store):
    return doors(tmp_path, sqlite_store)


@pytest.fixture
def screen(door):
    """A paired screen."""
    browser = door.browser()
    browser.get("/screen")
    code = browser.post("/screen/code").json["code"]
    browser.number = devices.pair(door.store, ADMIN, code, name="Phòng họp", layout=LAYOUT)
    return browser


def state(browser):
    return browser.get("/screen/state").json


def test_a_new_screen_shows_a_code_and_goes_to_its_wall_once_somebody_has_paired_it(door):
    browser = door.browser()
    page = browser.get("/screen")
    assert page.status_code == 200 and "Ghép màn hình tường" in page.text
    assert browser.get("/wall").status_code == 401
    asked = browser.post("/screen/code")
    assert len(asked.json["code"]) == 8 and asked.json["seconds"] == 600
    assert state(browser) == {"wall": None}
    devices.pair(door.store, ADMIN, asked.json["code"], name="Phòng họp", layout=LAYOUT)
    assert state(browser) == {"wall": f"/wall?{LAYOUT}"}
    assert browser.get("/screen").location == f"/wall?{LAYOUT}"
    assert browser.get(f"/wall?{LAYOUT}").status_code == 200
    assert door.told("pairing")[0].what == "Phòng họp"


def test_the_token_of_a_screen_is_kept_for_long_and_read_by_no_script(door):
    given = door.browser().post("/screen/code").headers.getlist("Set-Cookie")
    [cookie] = [one for one in given if one.startswith("__Host-ioc-screen=")]
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= parts
    assert f"Max-Age={400 * 86400}" in parts


def test_a_screen_is_still_there_after_a_month_and_seen_when(door, screen):
    with door.store.write() as connection:
        month = micros(right_now() - timedelta(days=31))
        connection.execute(
            sa.text("UPDATE device SET paired_at = :at, seen_at = :at"), {"at": month}
        )
    assert screen.get(f"/wall?{LAYOUT}").status_code == 200
    [one] = devices.listed(door.store)
    assert one.seen_at > right_now() - timedelta(minutes=1)


def test_a_screen_is_sent_to_its_own_layout_whatever_address_it_opens(screen):
    for other in ("/wall", "/wall?org_unit=area-qb", f"/wall?{LAYOUT}&page=2"):
        assert screen.get(other).location == f"/wall?{LAYOUT}"
    assert screen.get(f"/wall?{LAYOUT}&shape=1.778").status_code == 200  # the glass's own matter


def asks_for(browser, pathname, search):
    """What Dash's own router sends for an address."""
    declared = next(
        one
        for one in browser.get("/_dash-dependencies").json
        if "_pages_content" in one["output"] and one.get("clientside_function") is None
    )
    values = {"pathname": pathname, "search": search}
    body = {
        "output": declared["output"],
        "outputs": [
            dict(zip(("id", "property"), part.rsplit(".", 1), strict=True))
            for part in declared["output"].strip(".").split("...")
        ],
        "inputs": [one | {"value": values[one["property"]]} for one in declared["inputs"]],
        "state": [one | {"value": None} for one in declared["state"]],
        "changedPropIds": ["_pages_location.pathname"],
    }
    return browser.client.post(CALLBACK, json=body, base_url=HERE, headers={"Origin": HERE})


def test_a_screen_that_opens_the_bare_address_is_sent_to_its_wall(screen):
    answer = screen.get("/")
    assert answer.status_code == 303 and answer.location == f"/wall?{LAYOUT}"


def test_no_callback_draws_a_screen_another_page_or_layout(screen):
    assert asks_for(screen, "/wall", f"?{LAYOUT}").status_code == 200
    assert asks_for(screen, "/wall", "?org_unit=area-qb").status_code == 403
    assert asks_for(screen, "/", f"?{LAYOUT}").status_code == 403
    assert asks_for(screen, "/sources", "").status_code == 403


def draws(browser, given):
    """What the wall sends when the data have moved: its sheet, and what it was opened with."""
    declared = next(
        one for one in browser.get("/_dash-dependencies").json if "wall-news" in one["output"]
    )
    values = {"wall-given": given, "wall-at": "overview-1", "live": {"version": 1}}
    body = {
        "output": declared["output"],
        "outputs": [
            dict(zip(("id", "property"), part.rsplit(".", 1), strict=True))
            for part in declared["output"].strip(".").split("...")
        ],
        "inputs": [one | {"value": values.get(one["id"])} for one in declared["inputs"]],
        "state": [one | {"value": values.get(one["id"])} for one in declared["state"]],
        "changedPropIds": ["live.data"],
    }
    sent = browser.client.post(CALLBACK, json=body, base_url=HERE, headers={"Origin": HERE})
    return sent.status_code


def test_a_wall_is_filled_by_the_layout_of_its_screen_whatever_it_says_that_it_shows(screen):
    own = {"org_unit": "area-450", "d": "5"}
    assert draws(screen, own) == 200
    assert draws(screen, own | {"shape": "1.778", "theme": "light"}) == 200
    for other in ({}, None, {"org_unit": "area-450"}, own | {"org_unit": "area-qb"},
                  own | {"scene": "sources"}):  # fmt: skip
        assert draws(screen, other) == 403, other


def test_half_an_address_in_brackets_is_no_address():
    assert sessions.own_path("//[") == "/" and sessions.own_path("http://[x/") == "/"
    assert not pairing._within("href", "http://[/wall", [])


def opened(browser, most):
    """As many streams as the door gives out of ``most``, and how it refuses the next."""
    streams = []
    for _ in range(most):
        answer = browser.client.get("/events", base_url=HERE, buffered=False)
        if answer.status_code != 200:
            return streams, answer.status_code
        streams.append(answer)
    return streams, 200


def test_an_account_has_six_streams_and_a_screen_two_and_gets_a_place_back(door, screen):
    browser = door.inside("lan")
    streams, refused = opened(browser, 8)
    assert (len(streams), refused) == (6, 429)
    own, refused = opened(screen, 4)
    assert (len(own), refused) == (2, 429)
    streams[0].close()  # its first byte was never read
    again, _ = opened(browser, 2)
    assert len(again) == 1
    for one in streams[1:] + own + again:
        one.close()
    assert len(opened(browser, 8)[0]) == 6


def test_people_leave_places_for_screens(door, screen, monkeypatch):
    monkeypatch.setattr(live, "STREAMS", 5)
    monkeypatch.setattr(live, "RESERVE", 2)
    streams, refused = opened(door.inside("lan"), 5)
    assert (len(streams), refused) == (3, 503)
    assert len(opened(screen, 2)[0]) == 2


@pytest.mark.parametrize("ending", ["revoked", "expired"])
def test_a_screen_that_was_revoked_or_has_run_out_sees_nothing(door, screen, ending):
    if ending == "revoked":
        devices.revoke(door.store, ADMIN, screen.number)
    else:
        with door.store.write() as connection:
            past = {"at": micros(right_now() - timedelta(seconds=1))}
            connection.execute(sa.text("UPDATE device SET expires_at = :at"), past)
    assert screen.get(f"/wall?{LAYOUT}").location == "/screen"
    card = screen.get("/screen")
    assert card.status_code == 200 and "ghép nối lại" in card.text
    assert state(screen) == {"wall": None}
    assert asks_for_unknown(screen) == 401
    assert screen.client.get("/events", base_url=HERE).status_code == 401


def asks_for_unknown(browser):
    return browser.client.post(
        CALLBACK, json={}, base_url=HERE, headers={"Origin": HERE}
    ).status_code


def test_an_open_stream_ends_within_seconds_when_its_reader_may_not_listen_any_more():
    watch = live.Watch(lambda: {"version": 1, "topics": {}}, lambda: 1)
    watch.start()
    may = {"listen": True}
    told = live.stream(watch, {"build": "a"}, beat=0.2, still=lambda: may["listen"])
    assert b"event: hello" in next(told)
    assert b"event: version" in next(told)
    assert b"event: beat" in next(told)
    may["listen"] = False
    assert next(told) == b"event: refused\ndata: {}\n\n"
    assert list(told) == []
    assert live.RECHECK <= 3
    assert watch.streams == 0


def test_a_stream_beats_as_seldom_as_before_though_it_asks_more_often(monkeypatch):
    monkeypatch.setattr(live, "RECHECK", 0.05)
    watch = live.Watch(lambda: {"version": 1, "topics": {}}, lambda: 1)
    watch.start()
    asked = []
    told = live.stream(watch, {}, beat=0.5, still=lambda: asked.append(1) or True)
    kinds = [orjson.dumps(next(told).decode().split("\n")[0]) for _ in range(3)]
    assert kinds == [b'"event: hello"', b'"event: version"', b'"event: beat"']
    assert len(asked) >= 6
    told.close()


def test_codes_are_given_out_so_often_and_no_more(door):
    browser = door.browser()
    answers = [browser.post("/screen/code").status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]
    answer = browser.post("/screen/code")
    assert int(answer.headers["Retry-After"]) > 0
    assert browser.post("/screen/code", Origin="https://evil.example").status_code == 403

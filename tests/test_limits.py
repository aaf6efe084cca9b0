"""Doors that are hammered close for a while, for the one who hammers."""

import pytest

from app import create_app
from ioc.settings import Settings
from layouts.web import limits
from layouts.web.problems import Problem
from tests.doors import HERE, doors


@pytest.fixture
def door(tmp_path, sqlite_store):
    return doors(tmp_path, sqlite_store)


class Clock:
    at = 0.0

    def __call__(self):
        return self.at


def test_a_window_lets_so_many_in_and_says_when_the_next_may_come():
    clock = Clock()
    window = limits.Window(3, 60, clock)
    assert [window.take("lan") for _ in range(3)] == [0, 0, 0]
    clock.at = 20
    assert window.take("lan") == 40
    assert window.take("hoa") == 0
    clock.at = 60
    assert window.take("lan") == 0


def test_what_is_refused_is_not_counted_and_costs_are():
    clock = Clock()
    window = limits.Window(100, 60, clock)
    assert window.take("lan", 99) == 0
    assert window.take("lan", 500) == 0  # it began within the limit
    assert window.take("lan", 0) == 60


def test_a_window_remembers_a_bounded_number_of_keys():
    window = limits.Window(1, 60, Clock())
    for number in range(limits.KEYS + 500):
        window.take(str(number))
    assert len(window.held) == limits.KEYS


def test_a_refusal_says_when_to_come_back():
    window = limits.Window(0, 90, Clock())
    with pytest.raises(Problem) as refused:
        limits.check(window, "lan", "Quá nhiều")
    assert refused.value.status == 429 and refused.value.retry_after == 90
    assert "2 phút" in refused.value.detail


def test_a_name_is_tried_ten_times_from_wherever_the_tries_come(door):
    answers = [door.browser().sign_in("ai-do", "sai").status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    last = door.browser().sign_in("AI-DO ", "sai")
    assert last.status_code == 429 and 0 < int(last.headers["Retry-After"]) <= 300


def test_one_address_tries_sixty_names(door):
    browser = door.browser()
    token = browser.token()
    answers = [
        browser.post("/login", {"csrf": token, "name": f"n{number}"}).status_code
        for number in range(61)
    ]
    assert answers == [401] * 60 + [429]


def test_an_account_asks_for_data_and_takes_files_away_within_its_quota(door):
    browser = door.inside("lan", role="analyst")
    address = "/api/v1/indicators.csv?download=1"
    windows = door.server.extensions["ioc.limits"]
    windows.export.most = 3
    for _ in range(3):
        answer = browser.client.get(address, base_url=HERE)
        assert answer.status_code == 200 and answer.data
    over = browser.client.get(address, base_url=HERE)
    assert over.status_code == 429 and int(over.headers["Retry-After"]) > 3000
    assert browser.client.get("/api/v1/indicators.json", base_url=HERE).status_code == 200
    windows.api.most = 5
    assert browser.client.get("/api/v1/indicators.json", base_url=HERE).status_code == 429
    told = [one for one in door.told("export") if one.detail["filters"]]
    assert len(told) == 3
    assert told[0].who == "lan" and told[0].what == "indicators"
    assert told[0].detail["rows"] > 5 and told[0].detail["filters"]["download"] == "1"


def test_who_has_taken_the_rows_of_a_day_takes_no_more(door):
    browser = door.inside("lan", role="analyst")
    windows = door.server.extensions["ioc.limits"]
    windows.rows.most = 5
    address = "/api/v1/indicators.csv?download=1"
    assert browser.client.get(address, base_url=HERE).data
    assert browser.client.get(address, base_url=HERE).status_code == 429


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_of_rows_is_an_export_whether_it_says_so_or_not(door, kind):
    browser = door.inside("lan", role="analyst")
    door.server.extensions["ioc.limits"].export.most = 1
    for status in (200, 429):
        answer = browser.client.get(f"/api/v1/indicators.{kind}", base_url=HERE)
        assert answer.status_code == status and answer.data
    [entry] = door.told("export")
    assert entry.detail["file"] == kind and entry.detail["rows"] > 5
    windows = door.server.extensions["ioc.limits"]
    assert windows.rows.held["lan"][1] == entry.detail["rows"]


@pytest.mark.parametrize("address", ["/api/v1/indicators.json", "/api/v1/standings.json"])
def test_rows_of_json_count_as_those_of_files(door, address):
    browser = door.inside("lan", role="analyst")
    windows = door.server.extensions["ioc.limits"]
    rows = len(browser.client.get(address, base_url=HERE).json["rows"])
    assert rows > 5
    assert windows.rows.held["lan"][1] == rows
    browser.client.get(address, base_url=HERE)  # kept, or asked anew
    assert windows.rows.held["lan"][1] == 2 * rows
    [entry] = door.told("export")  # once a day, however often a program asks
    assert (entry.who, entry.detail["file"], entry.detail["rows"]) == ("lan", "json", rows)
    windows.rows.most = 2 * rows
    assert browser.client.get(address, base_url=HERE).status_code == 429


def test_a_file_that_comes_from_the_cache_is_taken_down_like_the_first(door):
    browser = door.inside("lan", role="analyst")
    for _ in range(2):
        browser.client.get("/api/v1/org-units.json?download=1", base_url=HERE)
    first, second = door.told("export")
    assert first.detail == second.detail and first.detail["rows"] > 5


def test_refusals_of_people_that_we_know_are_taken_down(door):
    browser = door.inside("lan")
    assert browser.post("/account/keys").status_code == 403  # without the token of the session
    [entry] = [one for one in door.told("refused") if one.who == "lan"]
    assert entry.what == "POST /account/keys"


def test_who_looks_at_restricted_figures_is_taken_down_once_a_day(door):
    known = door.store.catalogue.indicators
    restricted = next(name for name, one in known.items() if one.access == "restricted")
    public = next(name for name, one in known.items() if one.access == "public")
    browser = door.inside("lan", role="analyst")
    for name in (restricted, public, restricted):
        address = f"/api/v1/values.json?indicator={name}&from=2026&to=2026&grain=year"
        assert browser.client.get(address, base_url=HERE).status_code == 200
    assert [(one.who, one.what) for one in door.told("read")] == [("lan", restricted)]


def test_open_mode_counts_nothing_and_takes_down_what_leaves(tmp_path, sqlite_store):
    from kpi import audit
    from tests.doors import ADMIN

    client = create_app(Settings(data=tmp_path), sqlite_store).server.test_client()
    base = "http://127.0.0.1:8050"
    for _ in range(70):
        assert client.get("/api/v1/targets.csv?download=1", base_url=base).status_code == 200
    client.get("/api/v1/targets.csv", base_url=base)
    assert len(audit.entries(sqlite_store, ADMIN, kind="export")) == 70

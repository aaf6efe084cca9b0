"""The past of every page: what a held wall showed is what pages and files show of that instant."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import plotly.utils
import pytest
from flask import g

from ioc.clock import right_now
from ioc.model import Rejection
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import acts, decisions, orders, query, requests
from kpi.thinning import thin
from layouts import PAGES, past, shell, state
from layouts.web.filters import QUESTIONS
from tests.test_pages import Reader, having, walk, words
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    REGISTRY,
    STAFF,
    World,
    at,
    dossier,
    dossiers,
    plain,
    share,
)

pytest_plugins = ["tests.worlds"]
STAFF_OF = "staff_with_computer staff_professional"
VARIABLES = {
    "key": "I02b",
    "uid": "area-qb",
    "source": "public_services",
}
MORE = {
    "/sector/<key>": {"key": "public_services"},
    "/record/<source>/<key>": {"source": "registry", "key": "r0"},
    "/lineage": {"indicator": "I02b", "to": "2025-12"},
    "/search": {"q": "19207"},
    "/explore": {"indicator": "I02b", "level": "area", "from": "2025", "to": "2025"},
}
HERE = "http://127.0.0.1:8050"


@pytest.fixture
def past_world(sqlite_world: World) -> World:
    """A world of some minutes ago: today's clock may ask of it."""
    world = sqlite_world
    world.now = right_now().replace(microsecond=0) - timedelta(minutes=60)
    world.live().forward(minutes=5)
    world.poll(
        DOSSIERS, dossiers("VPUB", "2025-12-01", 50, 29) + dossiers("STP", "2025-10-01", 9, 3)
    )
    world.poll(REGISTRY, [dossier(f"r{n}", "STP", "2025-11-03 08:00", "2025-11-04 08:00")
                          for n in range(6)], whole=True)  # fmt: skip
    world.poll(STAFF, share(STAFF_OF, "SYT", "2025-11", 95, 100))
    world.forward(minutes=3)
    return world


@pytest.fixture
def reader(past_world: World, tmp_path: Any) -> Reader:
    """Somebody in front of its pages."""
    return Reader(past_world, tmp_path)


def correct(world: World) -> None:
    """All that may happen after an instant: corrections, refusals, orders, decisions, thinning."""
    world.forward(minutes=3)
    world.poll(DOSSIERS, dossiers("VPUB", "2025-12-01", 50, 45))
    world.poll(REGISTRY, [dossier(f"r{n}", "STP", "2025-11-03 08:00", "2025-11-05 08:00",
                                  online=True) for n in range(5)], whole=True)  # fmt: skip
    world.poll(STAFF, [*share(STAFF_OF, "SYT", "2025-11", 50, 100),
                       Rejection("tệp.xlsx#4", "không phải số", {"cột": "x"}, "f" * 64)],
               rejected=None)  # fmt: skip
    target = query.targets(world.store, ADMIN, targets=["T02b"]).records()[0]
    decisions.choose(
        world.store, ADMIN, target="T02b", reading=target["second_reading"],
        reason="Đọc lại cho đúng câu chữ của kế hoạch.", now=world.now,
    )  # fmt: skip
    world.forward(minutes=3)
    for more in (51, 53, 55, 57, 60):
        world.poll(DOSSIERS, dossiers("VPUB", "2025-12-01", more, more - 10))
        world.forward(minutes=2)
    assert thin(world.store, world.now + timedelta(days=9)) > 0


def written(piece: Any) -> str:
    """A drawing as it is sent."""
    return json.dumps(piece, cls=plotly.utils.PlotlyJSONEncoder, sort_keys=True)


def page(reader: Reader, path: str, **given: Any) -> Any:
    """A page as the address gives it, through the door that every page has."""
    found = next(one for one in PAGES if one.path == path)
    names = re.findall("<([^>]+)>", path)
    filled = {name: VARIABLES[name] for name in names} | MORE.get(path, {}) | given
    reader.world.now = right_now()
    with reader.request():
        drawn = shell.admitted(found, import_module(found.module).layout)(**filled)
        return json.loads(written(drawn)), drawn


def shown(reader: Reader, path: str, **given: Any) -> str:
    """What stands on a page, without the clock of its header."""
    _, drawn = page(reader, path, **given)
    main = [one for one in walk(drawn) if getattr(one, "id", None) == "main"]
    foot = having(walk(drawn), id="footer-version")
    wall = [one for name in ("wall-counts", "wall-held", "wall-news")
            for one in having(walk(drawn), id=name)]  # fmt: skip
    stage = having(walk(drawn), className="wall-stage")
    return written([main, foot] if main else [wall, stage])


# --- as the wall showed it ---------------------------------------------------------------------


def test_a_seal_answers_the_same_bytes_on_wall_page_json_and_csv_whatever_comes_later(
    reader, past_world
):
    sealed = acts.hold(past_world.store, ADMIN, now=past_world.now).astimezone(LOCAL)
    client = reader.app.server.test_client()

    def seen() -> dict[str, Any]:
        instant = quote(sealed.isoformat())
        found: dict[str, Any] = {
            "held wall": shown(reader, "/wall"),
            "wall": shown(reader, "/wall", as_of=sealed.isoformat()),
        }
        for path in ("/", "/indicator/<key>", "/org-unit/<uid>", "/map", "/sources", "/records"):
            found[path] = shown(reader, path, as_of=sealed.isoformat())
        for question in ("standings", "targets", "indicators", "sources", "runs", "rejections",
                         "closings"):  # fmt: skip
            for kind in ("json", "csv"):
                reply = client.get(f"/api/v1/{question}.{kind}?as_of={instant}", base_url=HERE)
                assert reply.status_code == 200, reply.text
                found[f"{question}.{kind}"] = reply.data
        return found

    before = seen()
    assert before["held wall"] == before["wall"]
    now = shown(reader, "/")
    correct(past_world)
    after = seen()
    assert [name for name in before if before[name] != after[name]] == []
    assert shown(reader, "/") != now  # the present did move

    rows = csv.DictReader(io.StringIO(after["standings.csv"].decode()))
    row = next(row for row in rows if row["target"] == "T02b" and row["indicator"])
    assert (row["closing_numerator"], row["closing_denominator"]) == ("32", "65")
    for path in ("/wall", "/"):
        assert "49,2" in shown(reader, path, as_of=sealed.isoformat())
        assert "49,2" not in shown(reader, path) or path == "/wall"  # the wall is still held


def test_a_reading_that_is_chosen_after_a_seal_changes_nothing_before_it(past_world):
    world = past_world
    sealed = world.seal()
    ask = {"targets": ["T02b"]}
    before = query.targets(world.store, ADMIN, as_of=sealed, **ask).records()
    chosen = decisions.choose(
        world.store, ADMIN, target="T02b", reading=before[0]["second_reading"],
        reason="Đọc lại cho đúng câu chữ của kế hoạch.", now=world.now,
    )  # fmt: skip
    assert query.targets(world.store, ADMIN, as_of=sealed, **ask).records() == before
    then = query.targets(world.store, ADMIN, as_of=chosen, **ask).records()
    assert then[0]["reading_in_force"] == before[0]["second_reading"]
    assert query.choices(world.store, "T02b", as_of=sealed) == []
    assert len(query.choices(world.store, "T02b", as_of=chosen)) == 1


def test_sources_and_runs_of_an_instant_know_nothing_of_later_polls_and_orders(world):
    world.live().forward(minutes=2)
    world.poll(STAFF, share(STAFF_OF, "SYT", "2025-11", 95, 100))
    sealed = world.seal()

    def told(**asked: Any) -> list[list[tuple]]:
        questions = (query.sources, query.runs, query.rejections)
        return [
            [plain(row) for row in question(world.store, ADMIN, now=world.now, **asked).stream()]
            for question in questions
        ]

    before = told(as_of=sealed)
    sources = {row[0]: row for row in before[0]}
    assert sources["staff"][12] == max(row[0] for row in before[1] if row[1] == "staff")
    world.forward(minutes=1)
    number = orders.order(
        world.store, ADMIN, "pause", source="staff", reason="Bảo trì nguồn.", now=world.now
    )
    assert requests.heed(world.store, number, world.now) == "pause"
    world.poll(STAFF, [Rejection("tệp.xlsx#4", "không phải số", {"cột": "x"}, "f" * 64)],
               rejected=1)  # fmt: skip
    world.forward(days=2)
    assert told(as_of=sealed) == before
    assert told() != before


# --- every page --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [one.path for one in PAGES])
def test_every_page_is_of_the_instant_of_its_address_or_says_why_it_cannot(
    reader, past_world, path
):
    sealed = past_world.seal().isoformat()
    page_ = next(one for one in PAGES if one.path == path)
    told = words([page(reader, path, as_of=sealed)[1]])
    if page_.present:
        assert "Không có số của thời điểm này" in told and page_.present in told
        return
    before, again = shown(reader, path, as_of=sealed), shown(reader, path, as_of=sealed)
    assert before == again  # the same address, the same bytes
    assert "Như đã biết lúc" in told or "Giữ số lúc" in told
    assert "Không có số của thời điểm này" not in told
    correct(past_world)
    assert shown(reader, path, as_of=sealed) == before


@pytest.mark.parametrize(
    "path",
    "/ /indicator/<key> /org-unit/<uid> /map /records /sector /explore /wall".split(),
)
def test_no_link_of_a_page_in_the_past_loses_its_instant(reader, past_world, path):
    sealed = past_world.seal().isoformat()
    _, drawn = page(reader, path, as_of=sealed)
    hrefs = [p for p in walk(drawn) if isinstance(getattr(p, "href", None), str)]
    hrefs = {(p.href, getattr(p, "id", None)) for p in hrefs if p.href.startswith("/")}
    assert len(hrefs) > 10
    for href, name in hrefs:
        parts = urlsplit(href)
        if name == past.PRESENT:
            assert "as_of" not in href
        elif found := re.fullmatch(r"/api/v1/([a-z-]+)\.\w+", parts.path):
            assert parse_qs(parts.query).get("as_of") == [sealed] or (
                "as_of" not in QUESTIONS[found[1]][1]
            ), href
        elif parts.path != "/api" and not parts.path.startswith((
            "/admin",
            "/upload",
            "/operator",
            "/account",
        )):
            assert parse_qs(parts.query).get("as_of") == [sealed], href


def test_a_file_of_a_page_in_the_past_is_what_the_page_shows(reader, past_world):
    sealed = past_world.seal()
    correct(past_world)
    _, drawn = page(reader, "/", as_of=sealed.isoformat())
    hrefs = [p.href for p in walk(drawn) if isinstance(getattr(p, "href", None), str)]
    address = next(href for href in hrefs if "/api/v1/standings.csv" in href)
    client = reader.app.server.test_client()
    first = client.get(address, base_url=HERE)
    row = next(
        row for row in csv.DictReader(io.StringIO(first.data.decode("utf-8-sig")))
        if row["target"] == "T02b" and row["indicator"]
    )  # fmt: skip
    assert (row["closing_numerator"], row["closing_denominator"]) == ("32", "65")
    assert client.get(address, base_url=HERE).data == first.data


def test_an_instant_that_cannot_be_meant_is_refused_in_a_sentence(reader):
    for said in ("yesterday", "2999-01-01", "2025-06-30T17:00:00", "30/13/2024"):
        told = words([page(reader, "/", as_of=said)[1]])
        assert "Không có số của thời điểm này" in told and "Không đọc được" in told, said
        assert "Kết quả chốt" not in told


def test_a_day_is_taken_as_people_write_it_and_today_is_no_past(reader):
    told = words([page(reader, "/", as_of="30/06/2024")[1]])
    assert "Như đã biết đến hết ngày 30/06/2024" in told
    today = state.today().isoformat()
    assert "Như đã biết" not in words([page(reader, "/", as_of=today)[1]])


def test_the_end_of_a_day_is_that_day_and_not_the_next(reader):
    told = words([page(reader, "/map", as_of="2025-06-30", level="district")[1]])
    assert "Cấp huyện" in told and "Không có trang này" not in told
    with reader.request():
        past.hold("2025-06-30")
        assert state.today() == date(2025, 6, 30)


def test_rights_are_those_of_today_whatever_instant_is_asked_for(reader, past_world):
    """Rights that began by now read the past; rights that ended read nothing."""
    today = state.today()
    new = replace(Principal("mới", "head"), valid_from=today - timedelta(days=2))
    former = replace(Principal("cũ", "head"), valid_to=today - timedelta(days=2))
    instant = at("2025-12-31 08:00")

    def asked(who: Principal) -> int:
        answer = query.standings(past_world.store, who, as_of=instant, org_units=["area-qb"])
        return len(answer.frame())

    assert asked(new) > 0
    with pytest.raises(Exception, match="không có quyền"):
        asked(former)
    with reader.request():
        past.hold("2025-12-31")
        g.principal = new
        assert state.rows(query.standings, org_units=["area-qb"])
        assert state.now() < state.present()
        g.principal = former
        with pytest.raises(Exception, match="không có quyền"):
            state.rows(query.standings, org_units=["area-qb"])


# --- what follows the data ---------------------------------------------------------------------


def ask_again(reader: Reader, search: str) -> Any:
    """What a browser asks when it hears of new data on the register's page."""
    outputs = "footer-version.children"
    body = {
        "output": outputs,
        "outputs": {"id": "footer-version", "property": "children"},
        "inputs": [{"id": "live", "property": "data", "value": {"version": 1}}],
        "state": [{"id": "_pages_location", "property": "search", "value": search}],
        "changedPropIds": ["live.data"],
        "parsedChangedPropsIds": ["live.data"],
    }
    client = reader.app.server.test_client()
    headers = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    return client.post("/_dash-update-component", json=body, base_url=HERE, headers=headers)


def test_a_page_in_the_past_is_not_drawn_again_when_the_data_move(reader):
    assert ask_again(reader, "").status_code == 200
    assert ask_again(reader, "?as_of=2024-06-30").status_code == 204


def test_nobody_writes_into_the_past(reader):
    with reader.request():
        assert state.writable()
        past.hold("2024-06-30")
        assert not state.writable()


def test_a_question_that_knows_of_today_only_is_not_asked_on_a_page_of_the_past(reader):
    with reader.request():
        past.hold("2024-06-30")
        with pytest.raises(state.NoPast):
            state.rows(query.uploads)
        assert state.rows(query.org_units)


def test_the_wall_of_an_instant_says_its_day(reader):
    told = words([page(reader, "/wall", as_of="2024-06-30")[1]])
    assert "Giữ số hết ngày 30/06/2024" in told

"""Who may read and do what: every role at every door, every scope at every question.

The figures of the org units outside a scope are numbers that stand nowhere else, so that any
answer that holds one of them is caught, whatever it calls it.
"""

import csv
import inspect
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import app as program
from ioc.errors import Forbidden
from ioc.period import Period
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, query
from layouts import PAGES, access
from layouts.web import api, guard
from tests.doors import doors
from tests.test_promises import hold
from tests.worlds import DOSSIERS, MEETINGS, SOURCES, TRANSFORMATION, World, dossier
from tests.worlds import share as declared

pytest_plugins = ["tests.worlds"]

THERE = "https://ioc.example"
ROOT = Path(__file__).parent.parent
INSIDE, OUTSIDE = "commune-19207-2025-07-01", "commune-18880-2025-07-01"
ENDED, HEIR = "commune-19207-2024-12-01", "commune-19207-2025-07-01"
SECRET = (771_113, 881_117, 770_011, 880_013)
"""Figures of org units outside, and those of the whole that would tell them by subtraction."""
FULL = {role: Principal(f"tất cả {role}", role) for role in access.ROLES[1:]}
SCOPES = {
    "area": Principal("trưởng", "head", frozenset({"area-456"})),
    "commune": Principal("chủ tịch xã", "head", frozenset({INSIDE})),
    "ended": Principal("nguyên chủ tịch", "head", frozenset({"district-456-0000"})),
    "analyst": Principal("phân tích", "analyst", frozenset({"area-456"})),
    "operator": Principal("vận hành", "operator", frozenset({"area-456"})),
    "screen": Principal("màn hình", "screen", frozenset({"area-456"})),
    "public": Principal("công khai", "head", frozenset({"area-456"}), frozenset({"public"})),
    "nothing": Principal("chưa giao", "head", frozenset()),
    "no class": Principal("chưa giao loại", "head", None, frozenset()),
    "expired": Principal("hết hạn", "head", frozenset({"area-456"}), None, None, date(2024, 1, 1)),
}
BLIND = ("nothing", "no class", "expired")


@dataclass
class Door:
    """The product with somebody in front of it: ``who`` is whoever asks next."""

    world: World
    app: Any
    who: Principal | None = None

    def ask(self, path: str, who: Principal | None, method: str = "GET", **given: Any) -> Any:
        """One request of a reader."""
        self.who = who
        client = self.app.server.test_client(use_cookies=False)
        far = {"REMOTE_ADDR": "10.0.0.7"}  # this machine itself may ask more
        return client.open(path, method=method, base_url=THERE, environ_overrides=far, **given)

    def call(self, body: Any, who: Principal | None) -> Any:
        """One callback."""
        return self.ask(guard.CALLBACK, who, "POST", json=body)

    def page(self, path: str, who: Principal | None, search: str = "") -> Any:
        """What a page draws, by the callback that the browser asks for it."""
        (key,) = (name for name in self.app.callback_map if "_pages_content" in name)
        body = {"output": key, **blank(self.app.callback_map[key])}
        body["inputs"][0]["value"], body["inputs"][1]["value"] = path, search
        return self.call(body, who)


def blank(declared: Any, value: Callable[[str, str], Any] = lambda *_: None) -> dict[str, Any]:
    """A body as a page sends it, without anything in it."""

    def item(wanted: Any) -> Any:
        if not wanted["id"].startswith("{"):
            given = value(wanted["id"], wanted["property"])
            return {"id": wanted["id"], "property": wanted["property"], "value": given}
        pattern = json.loads(wanted["id"])
        if any(part == ["ALL"] for part in pattern.values()):
            return []
        key = {name: 0 if isinstance(part, list) else part for name, part in pattern.items()}
        return {"id": key, "property": wanted["property"], "value": None}

    outputs = declared["output"]
    many = isinstance(outputs, (list, tuple))
    given = [item(one.to_dict()) for one in (outputs if many else [outputs])]
    return {
        "outputs": given if many else given[0],
        "inputs": [item(one) for one in declared["inputs"]],
        "state": [item(one) for one in declared["state"]],
        "changedPropIds": [],
    }


def lift(server: Any) -> None:
    """Let one process ask as often as a test must."""
    limits = server.extensions["ioc.limits"]
    for spec in fields(limits):
        getattr(limits, spec.name).most = 10**9


@pytest.fixture
def door(sqlite_world: World, tmp_path: Path) -> Door:
    """A province in which one area has small figures and all others have those of ``SECRET``."""
    world = sqlite_world.live()
    pair = "meetings_commune_paperless meetings_commune_total"
    world.poll(MEETINGS, declared(pair, "19207", "2025-12", 11, 17))
    world.poll(MEETINGS, declared(pair, "18880", "2025-12", SECRET[0], SECRET[1]))
    pair = "districts_dx_succeeded districts_dx_assessed"
    world.poll(TRANSFORMATION, declared(pair, "456", "2025-06", 1, 1))
    world.poll(TRANSFORMATION, declared(pair, "450", "2025-06", SECRET[2], SECRET[3]))
    inside = [dossier(f"TRONG-{n}", "19207", "2025-12-01", "2025-12-03") for n in range(3)]
    outside = [dossier(f"NGOAI-{n}", "18880", "2025-12-01", "2025-12-03") for n in range(4)]
    old = [dossier(f"CU-{n}", "19207", "2025-03-03", "2025-03-05") for n in range(2)]
    district = [dossier(f"HUYEN-{n}", "456", "2025-03-03", "2025-03-05") for n in range(2)]
    stranger = [replace(outside[0], key="NGOAI-BI-TU-CHOI", org_unit="99999")]
    world.poll(DOSSIERS, inside + outside + old + district + stranger, rejected=None)
    world.forward(seconds=30)
    for source in SOURCES:
        world.poll(source)
    locked = Settings(
        auth="accounts", hosts="ioc.example", data=tmp_path, database_url=world.store.url
    )
    found = Door(world, None)
    found.app = program.create_app(locked, world.store, lambda: found.who)
    lift(found.app.server)
    return found


def leaks(text: str) -> list[str]:
    """What of the outside stands in an answer, as a number or as its words."""
    plain = re.sub(r"[\u00a0\u202f\s]", "", text.encode().decode("unicode_escape", "replace"))
    sums = (SECRET[0] + 11, SECRET[1] + 17, SECRET[2] + 1, SECRET[3] + 1)
    written = [f"{n}" for n in (*SECRET, *sums)]
    written += [f"{n:,}".replace(",", ".") for n in (*SECRET, *sums)]
    return [one for one in (*written, "NGOAI-") if one in text or one in plain]


# --- the matrix ----------------------------------------------------------------------------------


def test_every_route_page_callback_question_and_export_stands_in_the_matrix(door):
    matrix = access.matrix()
    assert {rule.rule for rule in door.app.server.url_map.iter_rules()} == set(matrix["routes"])
    assert {page.path for page in PAGES} == set(matrix["pages"])
    served = [one for one in door.app.callback_map.values() if "callback" in one]
    assert {access.callback_name(one) for one in served} == set(matrix["callbacks"])
    asking = {
        name
        for name, one in inspect.getmembers(query, inspect.isfunction)
        if name in query.__all__ and next(iter(inspect.signature(one).parameters), "") == "store"
    }
    inner = {"at_head", "gauges", "home", "topics"}  # of the machine itself, and of the guard
    assert asking - inner == set(matrix["questions"])
    assert {"csv", "xlsx", "download", "manifest"} == set(matrix["exports"])


def test_the_table_of_the_documents_is_the_matrix():
    hold(ROOT / "docs" / "access.md", "matrix", access.table())


def test_a_route_and_a_callback_without_a_row_are_the_admins_alone(door, monkeypatch):
    short = {kind: dict(rows) for kind, rows in access.matrix().items()}
    del short["routes"]["/code.svg"], short["callbacks"]["wall.draw"]
    monkeypatch.setattr(access, "matrix", lambda: short)
    key = next(k for k in door.app.callback_map if k.startswith("..wall-counts"))
    body = {"output": key, **blank(door.app.callback_map[key])}
    for role, who in FULL.items():
        assert (door.ask("/code.svg?to=/", who).status_code == 200) == (role == "admin")
        assert (door.call(body, who).status_code != 403) == (role == "admin")


POSTED = frozenset(
    f"{guard.CALLBACK} /upload/<source> /logout /screen/code /account/totp /account/totp/confirm"
    " /account/password /account/sessions/end /account/keys"
    " /account/keys/<int:number>/revoke".split()
)


def addresses() -> Iterator[tuple[str, str, str]]:
    """Every rule with a method and an address that fits it."""
    for rule in access.matrix()["routes"]:
        address = re.sub(r"<any\(.*?>", "json", rule)
        address = address.replace("<question>", "targets").replace("<layer>", "areas")
        address = re.sub(r"<[^>]*>", "x", address.replace("<int:number>", "1"))
        post = rule in POSTED
        yield rule, "POST" if post else "GET", address


@pytest.mark.parametrize("role", access.ROLES)
def test_every_route_is_open_to_the_roles_of_its_row_and_to_no_other(door, role):
    who = FULL.get(role)
    for rule, method, address in addresses():
        headers = {"Accept": "application/json"} if rule == "/events" else {}
        answer = door.ask(address, who, method, headers=headers)
        refused = (
            answer.status_code == 401 if who is None else access.REFUSED.encode() in answer.data
        )
        assert answer.status_code < 500 or rule in ("/readyz", "/healthz"), (rule, answer.text)
        assert refused != access.may(role, "routes", rule), (rule, answer.status_code)


@pytest.mark.parametrize("role", access.ROLES)
def test_every_callback_is_open_to_the_roles_of_its_row_and_to_no_other(door, role):
    who = FULL.get(role)
    for key, spec in door.app.callback_map.items():
        if "callback" not in spec:
            continue
        name = access.callback_name(spec)
        body = {"output": key, **blank(spec, lambda _, name: "/" if name == "pathname" else None)}
        answer = door.call(body, who)
        assert answer.status_code < 500, (name, answer.text)
        refused = answer.status_code == (401 if who is None else 403)
        assert refused != access.may(role, "callbacks", name), (name, answer.status_code)


@pytest.mark.parametrize("role", access.ROLES[1:])
def test_every_page_is_open_to_the_roles_of_its_row_and_to_no_other(door, role):
    for page in PAGES:
        answer = door.page(filled(page.path), FULL[role])
        refused = "Ngoài phạm vi" in answer.json["response"]["_pages_content"]["children"].__str__()
        assert refused != access.may(role, "pages", page.path), page.path


@pytest.mark.parametrize("role", access.ROLES)
def test_every_question_and_every_export_is_open_to_the_roles_of_its_row(door, role):
    who = FULL.get(role)
    for name, (question, _) in api.QUESTIONS.items():
        more = {"lineage": "indicator=I02b", "search": "q=a"}.get(name, "")
        asked = access.may(role, "questions", question.__name__)
        asked &= access.may(role, "routes", "/api/v1/<question>.<any(json, csv, xlsx):kind>")
        for kind, extra, export in (
            ("json", "", ""),
            ("csv", "", "csv"),
            ("xlsx", "", "xlsx"),
            ("json", "download=1", "download"),
            ("json", "manifest=1", "manifest"),
        ):
            may = asked and (not export or access.may(role, "exports", export))
            answer = door.ask(f"/api/v1/{name}.{kind}?{more}&{extra}".replace("?&", "?"), who)
            assert (answer.status_code == 200) == may, (name, kind, extra, answer.data[:300])


def sheet_of(data: bytes) -> list[list[Any]]:
    """The cells of the first sheet of a workbook."""
    rows = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows()
    return [[cell.value for cell in row] for row in rows]


def words_of(answer: Any) -> str:
    """All that an answer says; of a workbook its sheets, that on itself too."""
    if not answer.data.startswith(b"PK"):
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as parts:
        return "".join(parts.read(name).decode() for name in parts.namelist())


def filled(path: str) -> str:
    given = {"key": "I02b", "source": "public_services", "uid": INSIDE}
    if path.startswith("/sector/"):
        given["key"] = "public_services"
    if path.startswith("/record/"):
        given["key"] = "TRONG-0"
    return re.sub(r"<(\w+)>", lambda match: given[match[1]], path)


# --- nothing of others ---------------------------------------------------------------------------

ASKED: dict[str, tuple[str, ...]] = {
    "standings": ("", "level=commune", "level=department", "level=area"),
    "values": (
        "from=2025-01&to=2025-12",
        "from=2025-12&to=2025-12&level=commune",
        "from=2024-12&to=2024-12&level=commune&frame=today",
    ),
    "pivot": ("from=2024&to=2025", "from=2024&to=2025&level=commune&frame=today"),
    "records": ("", "element=dossiers_resolved&from=2025-12&to=2025-12", "open=1"),
    "lineage": ("indicator=I02b&from=2025-12&to=2025-12", "indicator=I07c&from=2025&to=2025"),
    "search": ("q=xa", "q=18880", "q=I02"),
}


def questions(more: str = "") -> Iterator[tuple[str, str]]:
    for name in api.QUESTIONS:
        for text in ASKED.get(name, ("",)):
            yield name, "&".join(filter(None, (text, more)))


@pytest.mark.parametrize("scope", SCOPES)
def test_no_question_tells_of_an_org_unit_outside_the_scope(door, scope):
    who, tree = SCOPES[scope].on(door.world.now.date()), door.world.store.orgunits
    reader = replace(SCOPES[scope], role="analyst")
    for name, text in questions():
        answer = door.ask(f"/api/v1/{name}.json?{text}", reader)
        if answer.status_code == 403 and scope in (*BLIND, "public"):
            continue  # an indicator was named that is not theirs
        assert answer.status_code == 200, (name, text, answer.text)
        assert leaks(answer.text) == [], (name, text)
        rows = answer.json["rows"]
        if scope in BLIND:
            assert rows == [], (name, text)
        for row in rows:
            mine = [row[key] for key in ("org_unit", "org_unit_done") if row.get(key)]
            assert not mine or any(who.may_read(uid, tree) for uid in mine), (name, row)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("unit", [OUTSIDE, "area-450", "area-qb", "province-44-2025-07-01"])
def test_an_org_unit_outside_the_scope_is_refused_or_has_no_rows_on_any_channel(door, scope, unit):
    """Also the parent of one's own: a total less one's own figure is the others'."""
    reader = replace(SCOPES[scope], role="analyst")
    if scope == "no class":
        reader = replace(reader, org_units=frozenset())
    for name, (_, filters) in api.QUESTIONS.items():
        if "org_unit" not in filters:
            continue
        text = (*ASKED.get(name, ("",)),)[0]
        for kind in ("json", "csv", "xlsx", "json?manifest=1&", "csv?download=1&decimal=comma&"):
            path = f"/api/v1/{name}.{kind}{'' if '?' in kind else '?'}{text}&org_unit={unit}"
            answer = door.ask(path, reader)
            assert leaks(words_of(answer)) == [], path
            if answer.status_code != 403:
                empty = answer.json["rows"] == [] if kind == "json" else True
                assert answer.status_code == 200 and empty, (path, words_of(answer))


@pytest.mark.parametrize("scope", SCOPES)
def test_every_channel_gives_a_reader_the_same_rows(door, scope):
    """The question itself, JSON, CSV in each dialect, XLSX and the file with its side-car."""
    reader = replace(SCOPES[scope], role="analyst")
    store, catalogue = door.world.store, door.world.store.catalogue
    asked = {"first": Period.parse("2025-12"), "last": Period.parse("2025-12")}
    direct = {
        "standings": query.standings(store, reader),
        "values": None,
        "records": query.records(store, reader),
        "targets": query.targets(store, reader),
        "indicators": query.indicators(store, reader),
        "org-units": query.org_units(store, reader),
        "sources": query.sources(store, reader),
        "projects": query.projects(store, reader),
        "tasks": query.tasks(store, reader),
        "rollout": query.rollout(store, reader),
        "assessments": query.assessments(store, reader),
    }
    if scope not in (*BLIND, "public"):
        direct["values"] = query.values(
            store, reader, indicators=list(catalogue.indicators), **asked
        )
    for name, answer in direct.items():
        if answer is None:
            continue
        text = "from=2025-12&to=2025-12" if name == "values" else ""
        found = door.ask(f"/api/v1/{name}.json?{text}", reader).json["rows"]
        sheet = door.ask(f"/api/v1/{name}.csv?{text}", reader).text
        written = list(csv.DictReader(io.StringIO(sheet)))
        side = door.ask(f"/api/v1/{name}.csv?manifest=1&{text}", reader).json
        keys = [key for key in ("target", "indicator", "org_unit", "period", "key", "source",
                                "project", "task", "service") if key in answer.columns]  # fmt: skip
        rows = {tuple(str(row[key] or "") for key in keys) for row in answer.records()}
        assert rows == {tuple(str(row[key] or "") for key in keys) for row in found}, name
        assert rows == {tuple(row[key].removeprefix("'") for key in keys) for row in written}, name
        here = door.ask(f"/api/v1/{name}.csv?decimal=comma&{text}", reader).text
        guarded = list(csv.DictReader(io.StringIO(here), delimiter=";"))
        assert rows == {tuple(row[key].removeprefix("'") for key in keys) for row in guarded}, name
        head, *cells = sheet_of(door.ask(f"/api/v1/{name}.xlsx?{text}", reader).data)
        table = [dict(zip(head, line, strict=True)) for line in cells]
        assert rows == {tuple(str(row[key] or "") for key in keys) for row in table}, name
        assert side["rows"] == len(written) == len(found), name


def test_whoever_reads_everything_does_see_what_is_hidden_from_others(door):
    """The probe of these tests works: the numbers are there."""
    admin = FULL["admin"]
    text = door.ask(f"/api/v1/values.json?indicator=I07c&org_unit={OUTSIDE}&from=2025-12", admin)
    assert leaks(text.text) and leaks(door.ask("/api/v1/records.json", admin).text)
    assert leaks(door.page(f"/org-unit/{OUTSIDE}", admin).text)
    assert leaks(door.page("/records", admin).text)


PATHS = (
    "/", "/sector", "/sector/meetings", "/wall", "/indicator/I02b", "/indicator/I07c",
    "/indicator/I11b", "/org-unit/" + OUTSIDE, "/org-unit/" + INSIDE, "/org-unit/area-qb",
    "/search", "/map", "/projects", "/orientation", "/records", "/lineage", "/definitions",
    "/upload", "/operator", "/sources", "/sources/public_services", "/sources/meetings",
    "/record/public_services/NGOAI-0", "/record/public_services/TRONG-0",
)  # fmt: skip
SEARCHES = (
    "", f"?org_unit={OUTSIDE}", "?org_unit=area-450", "?org_unit=area-qb", "?level=commune",
    "?level=area", "?q=18880", f"?indicator=I07c&org_unit={OUTSIDE}&to=2025-12",
    "?indicator=I07c&level=commune&to=2025-12", "?run=2", "?scene=map",
)  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
def test_no_page_shows_or_crashes_on_what_lies_outside(door, scope):
    """Each opens on the reader's own org unit, or says that it is outside."""
    seen = set()
    for path in PATHS:
        for search in SEARCHES:
            answer = door.page(path, SCOPES[scope], search)
            assert answer.status_code == 200, (path, search, answer.text)
            said = answer.text.replace(path, "").replace("NGOAI-0", "")  # what was asked for
            assert leaks(said) == [], (path, search)
            seen.add("Ngoài phạm vi" in json.dumps(answer.json, ensure_ascii=False))
            if scope in BLIND:
                assert "Ngoài phạm vi" in json.dumps(answer.json, ensure_ascii=False), path
    assert True in seen and (False in seen or scope in BLIND)


@pytest.mark.parametrize("scope", SCOPES)
def test_no_callback_tells_of_the_outside_whatever_a_page_says_it_remembers(door, scope):
    forged = {
        "key": "I07c", "org_unit": OUTSIDE, "indicator": "I07c", "to": "2025-12", "q": "18880",
        "level": "commune", "source": "public_services",
    }  # fmt: skip
    variants: list[Any] = [
        forged, {"key": "I07c"}, {"org_unit": "area-qb"}, {"org_unit": OUTSIDE}, OUTSIDE, "area-qb",
        {"source": "public_services", "key": "NGOAI-0"}, {"indicator": "I07c", "org_unit": OUTSIDE},
        {},
    ]  # fmt: skip
    for key, spec in door.app.callback_map.items():
        if "callback" not in spec:
            continue
        for given in variants:

            def value(id: str, name: str, given: Any = given) -> Any:
                typed = {"pathname": f"/org-unit/{OUTSIDE}", "search": f"?org_unit={OUTSIDE}"}
                typed |= {"value": "18880", "data": given, "n_clicks": 1}
                return typed.get(name)

            answer = door.call({"output": key, **blank(spec, value)}, SCOPES[scope])
            assert answer.status_code < 500, (key, given, answer.text)
            assert leaks(answer.text.replace("NGOAI-0", "")) == [], (key, given)


def test_a_record_outside_is_no_record_at_all(door):
    for scope in SCOPES.values():
        if access.may(scope.role, "pages", "/record/<source>/<key>"):
            said = door.page("/record/public_services/NGOAI-0", scope).json
            said = json.dumps(said, ensure_ascii=False)
            assert "Không có bản ghi này" in said or "Ngoài phạm vi" in said


def test_layers_and_suggestions_hold_only_what_lies_inside(door):
    who = SCOPES["area"]
    drawn = door.ask("/geo/areas.json", who).json["features"]
    assert [one["id"] for one in drawn] == ["area-456"]
    assert len(door.ask("/geo/areas.json", FULL["viewer"]).json["features"]) == 8
    assert door.ask("/geo/areas.json", SCOPES["nothing"]).json["features"] == []
    found = door.ask("/api/v1/search.json?q=xa", who).json["rows"]
    tree = door.world.store.orgunits
    assert {row["id"] for row in found if row["kind"] == "org_unit"}
    assert all(who.may_read(row["id"], tree) for row in found if row["kind"] == "org_unit")


def test_polls_are_told_without_what_they_brought_and_rejections_only_to_whoever_reads_all(door):
    who = replace(SCOPES["area"], role="operator")
    runs = door.ask("/api/v1/runs.json", who).json["rows"]
    assert runs and all(row["read"] is None and row["note"] == "" for row in runs)
    assert door.ask("/api/v1/rejections.json", who).json["count"] == 0
    sources = door.ask("/api/v1/sources.json", who).json["rows"]
    assert sources and all(row["records"] is row["rejected"] is None for row in sources)
    assert door.ask("/api/v1/rejections.json", FULL["analyst"]).json["rows"]


def test_the_head_of_what_ended_keeps_its_history_and_not_its_successor(door):
    store = door.world.store
    who = Principal("nguyên chủ tịch", "head", frozenset({"district-456-0000"}))
    frame = query.records(store, who).frame()
    assert sorted(frame.key) == ["HUYEN-0", "HUYEN-1"]
    old = Principal("nguyên chủ tịch xã", "head", frozenset({ENDED}))
    assert sorted(query.records(store, old).frame().key) == ["CU-0", "CU-1"]
    with pytest.raises(Forbidden):
        query.standings(store, old, org_units=[HEIR])
    assert door.page(f"/org-unit/{ENDED}", old).status_code == 200
    assert "Ngoài phạm vi" in json.dumps(
        door.page(f"/org-unit/{HEIR}", old).json, ensure_ascii=False
    )


def test_a_class_that_is_not_given_is_nowhere(door):
    who = replace(SCOPES["public"], role="analyst", org_units=None)
    known = {one["indicator"] for one in door.ask("/api/v1/indicators.json", who).json["rows"]}
    catalogue = door.world.store.catalogue
    assert known == {one.id for one in catalogue.indicators.values() if one.access == "public"}
    hidden = next(one.id for one in catalogue.indicators.values() if one.access == "restricted")
    for address in (f"values.json?indicator={hidden}", f"lineage.json?indicator={hidden}"):
        assert door.ask(f"/api/v1/{address}", who).status_code == 403
    found = door.ask(f"/api/v1/search.json?q={hidden}", who).json["rows"]
    assert not [row for row in found if row["id"] == hidden]
    assert hidden not in door.page("/definitions", who).text


def test_rights_end_on_their_last_day_whoever_still_has_a_page_open(door):
    today = door.world.now.date()
    ends = replace(SCOPES["area"], valid_to=today - timedelta(days=1))
    from ioc.clock import right_now

    assert right_now().date() > date(2024, 1, 1)
    assert len(query.records(door.world.store, ends, now=door.world.now).frame()) == 0
    last = replace(SCOPES["area"], valid_to=today)
    assert len(query.records(door.world.store, last, now=door.world.now).frame()) > 0


# --- what is kept for later ----------------------------------------------------------------------


def test_two_readers_who_take_turns_never_get_each_others_kept_answers(door):
    near, far = SCOPES["area"], Principal("khác", "head", frozenset({"area-450"}))
    admin = FULL["admin"]
    own: dict[str, dict[str, str]] = {}
    paths = ["/api/v1/org-units.json", "/api/v1/search.json?q=xa", "/api/v1/tasks.json",
             "/api/v1/targets.json", "/geo/areas.json"]  # fmt: skip
    for turn in range(3):
        for who in (admin, near, far, SCOPES["nothing"], admin):
            for path in paths:
                text = door.ask(path, who).text
                assert own.setdefault(who.name, {}).setdefault(path, text) == text, (path, turn)
            for page in ("/wall", "/search", "/map"):
                assert who is admin or who is far or leaks(door.page(page, who).text) == []
    for path in ("/api/v1/org-units.json", "/geo/areas.json"):
        assert len({own[who.name][path] for who in (admin, near, far)}) == 3


def test_a_role_never_gets_what_was_drawn_for_another_of_the_same_scope(door):
    key = next(k for k in door.app.callback_map if "operator-board." in k)
    body = {"output": key, **blank(door.app.callback_map[key])}
    assert door.call(body, FULL["operator"]).status_code == 200
    assert door.call(body, FULL["viewer"]).status_code == 403


def test_what_monitoring_reads_of_all_targets_is_for_whoever_reads_them_all(door):
    far = {"X-Forwarded-For": "10.0.0.7"}
    assert door.ask("/metrics", FULL["head"], headers=far).status_code == 200
    for name in ("area", "nothing"):
        answer = door.ask("/metrics", SCOPES[name], headers=far)
        assert answer.status_code == 403 and "ioc_targets" not in answer.text


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_monitoring_reads_is_for_this_machine_and_for_a_key(tmp_path, sqlite_store, path):
    held = doors(tmp_path, sqlite_store)
    browser = held.inside("lan")
    key = accounts.create_key(sqlite_store, Principal("lan", "viewer"), "lan", label="đo", days=9)
    client, far = held.server.test_client(), {"REMOTE_ADDR": "10.0.0.7"}

    def status(where: dict[str, str] | None = None, **headers: str) -> int:
        given = {"environ_overrides": where or {}, "headers": headers}
        return client.get(path, base_url=THERE, **given).status_code

    assert status() in (200, 503)
    assert status(far) == 401
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"):
        assert status(**{name: "10.0.0.7"}) == 401
    assert status(far, Authorization=f"Bearer {key}") in (200, 503)
    assert status(far, Authorization="Bearer sai") == 401
    there = browser.client.get(path, base_url=THERE, environ_overrides=far)
    assert there.status_code == 401  # a browser has no business there
    healthy = client.get("/healthz", base_url=THERE, environ_overrides=far)
    assert healthy.status_code in (200, 503)

"""The data addresses say of themselves what they do, to programs and to people."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import g
from schemathesis.checks import CHECKS

from app import create_app
from ioc.principal import Principal
from ioc.settings import Settings
from kpi.answer import INSTANTS, NUMBERS
from layouts import dataguide
from layouts.web import fields, filters, kinds, limits, openapi, parameters
from tests import fuzzapi, test_downloads
from tests.doors import HERE, doors
from tests.test_downloads import client_of

loaded = test_downloads.loaded
HOME = "http://127.0.0.1:8050"


@pytest.fixture
def get(loaded: Any, tmp_path: Any) -> Any:
    client = client_of(loaded, tmp_path)
    return lambda address, **more: client.get(address, base_url=HOME, **more)


@pytest.fixture
def said(get: Any) -> Any:
    return get(openapi.ADDRESS).json


def test_the_document_has_every_question_in_every_kind_of_file(said, get, loaded, tmp_path):
    server = create_app(Settings(data=tmp_path, database_url=loaded.url), loaded).server
    every = openapi.file_kinds(server)
    assert {"json", "csv"} <= set(every)
    wanted = {f"/api/v1/{name}.{kind}" for name in filters.QUESTIONS for kind in every}
    assert said["paths"].keys() == wanted | {openapi.ADDRESS}
    assert said["openapi"] == "3.1.0"
    for question, (ask, _) in filters.QUESTIONS.items():
        told = said["paths"][f"/api/v1/{question}.json"]["get"]
        assert told["description"] == inspect.getdoc(ask)
        assert {one["name"] for one in told["parameters"]} <= set(parameters.names(question))


def test_the_document_is_valid_openapi(said):
    schema = schemathesis.openapi.from_dict(said)
    schema.validate()
    assert len(list(schema.get_all_operations())) == len(said["paths"])


@pytest.mark.parametrize("question", filters.QUESTIONS)
def test_every_filter_that_is_documented_is_taken_and_every_other_is_refused(said, question):
    told = said["paths"][f"/api/v1/{question}.csv"]["get"]["parameters"]
    assert {one["name"] for one in told} == set(parameters.names(question))
    assert all(one["schema"] != {"type": "string"} for one in told if one["name"] != "after")


def test_every_filter_has_words_and_an_example_and_no_words_are_left_over():
    names = {name for question in filters.QUESTIONS for name in parameters.names(question)}
    known = set(getattr(filters, "DIALECT", {}))
    assert names - known == parameters.WORDS.keys() - {"separator", "decimal"}
    assert all(one.says and one.example for one in parameters.WORDS.values())


@pytest.mark.parametrize("question", filters.QUESTIONS)
def test_columns_are_typed_as_questions_type_them(said, loaded, question):
    names = openapi.columns(loaded, question)
    schema = said["components"]["schemas"][openapi._row(question)]
    assert list(schema["properties"]) == list(names) == schema["required"]
    for column in fields.fields(question, names):
        name, numeric = column["name"], column["type"] in ("number", "integer")
        words = question == "indicators" and name in ("numerator", "denominator")
        assert numeric or words or name not in NUMBERS, name
        assert not (numeric and name in INSTANTS), name
        if name in INSTANTS:
            assert column["type"] == "datetime", name


def test_questions_are_asked_without_filters_but_for_those_that_are_required(get, said):
    for question in filters.QUESTIONS:
        needed = question in parameters.REQUIRED
        status = get(f"/api/v1/{question}.json?limit=1").status_code
        assert status == (400 if needed else 200), question
        told = said["paths"][f"/api/v1/{question}.json"]["get"]["parameters"]
        required = {one["name"] for one in told if one.get("required")}
        assert required == set(parameters.REQUIRED.get(question, ()))


def test_security_is_named_and_asked_for_where_accounts_are(said, loaded, tmp_path):
    assert said["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert said["security"] == [{}]
    door = doors(tmp_path, loaded)
    told = door.inside("lan").client.get(openapi.ADDRESS, base_url=HERE).json
    assert told["security"] == [{"key": []}, {"session": []}]
    assert told["components"]["securitySchemes"]["session"]["name"] == "__Host-ioc"
    assert door.server.test_client().get(openapi.ADDRESS, base_url=HERE).status_code == 401


def test_a_reader_is_told_of_no_indicator_that_is_not_for_them(loaded, tmp_path):
    door = doors(tmp_path, loaded)
    client = door.inside("lan", classes=["public"]).client
    told = client.get(openapi.ADDRESS, base_url=HERE).json["components"]["schemas"]
    known = loaded.catalogue.indicators
    hidden = {name for name, one in known.items() if one.access != "public"}
    assert hidden and not hidden & set(told["one_indicator"]["enum"])


def test_the_document_has_a_tag(get):
    first = get(openapi.ADDRESS)
    held = get(openapi.ADDRESS, headers={"If-None-Match": first.headers["ETag"]})
    assert held.status_code == 304 and held.data == b""


REFUSED = {
    "values.json?x=1": ("unknown-filter", 400),
    "values.json?grain=week": ("bad-filter", 400),
    "lineage.json": ("bad-request", 400),
    "nothing.json": ("not-found", 404),
    "runs.json?limit=1&after=1&snapshot=1.1": ("moved-on", 409),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_a_refusal_names_its_kind_in_two_languages(get, said, asked):
    slug, status = REFUSED[asked]
    answer = get(f"/api/v1/{asked}")
    told = answer.json
    assert (answer.status_code, told["status"], told["type"]) == (status, status, f"/api#{slug}")
    kind = kinds.of(status, slug)
    assert (told["title"], told["title_en"]) == (kind.title, kind.title_en)
    exact = kinds.FAULTS["choice"].format(name="grain") if slug == "bad-filter" else kind.detail_en
    assert told["detail"] and told["detail_en"] == exact
    schema = said["components"]["schemas"]["Problem"]
    assert told["type"] in schema["properties"]["type"]["enum"]
    assert set(schema["required"]) <= told.keys() <= schema["properties"].keys()


FAULTS = {
    "from=bao-gio": ("form", "from"),
    "limit=x": ("form", "limit"),
    "grain=week": ("choice", "grain"),
    "manifest=2": ("choice", "manifest"),
    "org_unit=nowhere": ("unknown", "org_unit"),
    "indicator=I99": ("unknown", "indicator"),
    "from=2025-05&to=2025-01": ("order", "from"),
    "as_of=2199-01-01": ("range", "as_of"),
    "on=1700-01-01": ("range", "on"),
    "limit=1000001": ("range", "limit"),
    "as_of=2025-01-01T00:00:00": ("zone", "as_of"),
    "grain=month&grain=year": ("once", "grain"),
    "decimal=comma": ("csv", "decimal"),
    "separator=comma&decimal=comma": ("comma", "separator"),
}
"""An address, what is wrong with it, and with which filter."""


@pytest.mark.parametrize("asked", FAULTS)
def test_what_is_wrong_with_a_filter_is_said_exactly_in_both_languages(get, asked):
    fault, name = FAULTS[asked]
    told = get(f"/api/v1/values.{'csv' if fault == 'comma' else 'json'}?{asked}").json
    assert (told["type"], told["parameter"]) == ("/api#bad-filter", name)
    assert told["detail"].startswith(f"{name}: ")
    assert told["detail_en"] == kinds.FAULTS[fault].format(name=name)
    assert f"'{name}'" in told["detail_en"] and told["detail_en"].isascii()


def test_every_fault_has_a_case():
    assert {fault for fault, _ in FAULTS.values()} == kinds.FAULTS.keys()


def test_every_kind_is_whole_and_of_a_status_of_its_own_name():
    slugs = [kind.slug for kind in kinds.KINDS]
    assert len(slugs) == len(set(slugs))
    for kind in kinds.KINDS:
        assert all(kind) and re.fullmatch(r"[a-z-]+", kind.slug)
        assert kinds.of(kind.status).status == kind.status
        assert (kind.title_en + kind.detail_en).isascii()


def drawn(loaded: Any, tmp_path: Any, base: str = HOME) -> Any:
    server = create_app(Settings(data=tmp_path, database_url=loaded.url), loaded).server
    with server.test_request_context("/api", base_url=base):
        g.principal = Principal.local_admin()
        return dataguide.layout()


def found(piece: Any, name: str) -> list[Any]:
    """All parts of a page of one kind."""
    return [one for one in piece._traverse() if type(one).__name__ == name]


def test_the_page_leads_from_nothing_to_a_first_answer(loaded, tmp_path, get):
    page = drawn(loaded, tmp_path)
    code = [str(one.children) for one in found(page, "Code")]
    [curl] = [one for one in code if one.startswith("curl")]
    address = re.search(r"'http://127\.0\.0\.1:8050(\S+)'", curl)[1]
    assert get(address).json["rows"]
    [pandas] = [one for one in code if "read_csv" in one]
    compile(pandas, "example", "exec")
    assert 'dtype={"code": str}' in pandas
    url = re.search(r'url = "http://127\.0\.0\.1:8050(\S+)"', pandas)[1]
    assert len(test_downloads.parsed(get(url).data)) == 12
    hrefs = {one.href for one in found(page, "A")}
    assert openapi.ADDRESS in hrefs
    for href in sorted(h for h in hrefs if h.startswith("/api/v1/")):
        assert get(href.partition("?")[0] + "?limit=1" * ("openapi" not in href)).status_code == 200


def test_the_page_names_every_question_filter_column_and_kind_of_refusal(loaded, tmp_path):
    page = drawn(loaded, tmp_path)
    code = {str(one.children) for one in found(page, "Code")}
    for question in filters.QUESTIONS:
        assert {question, *filters.QUESTIONS[question][1]} <= code
        assert set(openapi.columns(loaded, question)) <= code
    ids = {one.id for one in page._traverse() if getattr(one, "id", None)}
    assert {kind.slug for kind in kinds.KINDS} <= ids
    assert {f"columns-{question}" for question in filters.QUESTIONS} <= ids
    whole = " ".join(str(one.children) for one in found(page, "Li"))
    quota = limits.Limits()
    assert str(quota.api.most) in whole and "2.000.000" in whole and str(quota.export.most) in whole


def test_the_page_needs_nothing_from_outside(loaded, tmp_path):
    page = drawn(loaded, tmp_path)
    hrefs = [one.href for one in page._traverse() if getattr(one, "href", None)]
    assert hrefs and all(href.startswith(("/", "#")) for href in hrefs)


def test_the_foot_of_every_page_leads_to_it(loaded, tmp_path):
    page = drawn(loaded, tmp_path)
    [foot] = found(page, "Footer")
    assert "/api" in {one.href for one in found(foot, "Link")}


def test_the_buttons_of_pages_call_these_addresses(said):
    """F8: what a page offers as a file is a documented question with documented filters."""
    calls = [
        (path, address)
        for path in Path(filters.__file__).parents[1].rglob("*.py")
        for address in re.findall(r"downloads\(\s*f?\"(/api/v1/[^\"]*)\"", path.read_text())
    ]
    assert len(calls) > 15
    for path, address in calls:
        assert "{" in address or f"{address}.csv" in said["paths"], (path, address)


@pytest.mark.timeout(300)
def test_a_minute_of_what_the_document_allows_and_forbids_is_answered_as_documented(loaded):
    """On a real server; ``make fuzz`` asks ten thousand times."""
    with fuzzapi.served() as home:
        told = fuzzapi.fuzz(home, 1_000, seconds=60)
    assert told.wrong == []
    assert told.sent > 150 and not [name for name in told.seen if name.split()[1] >= "500"]
    assert {name.split()[1] for name in told.seen} >= {"200", "400"}


def test_the_fuzzer_sees_an_answer_that_is_not_documented(loaded, tmp_path, monkeypatch):
    """A column that the document does not know."""
    row = openapi.row("targets", openapi.columns(loaded, "targets")[:-1])
    monkeypatch.setattr(openapi, "row", lambda *_: row)
    client = client_of(loaded, tmp_path)
    schema = schemathesis.openapi.from_wsgi(openapi.ADDRESS, client.application, base_url=HOME)
    [one] = [o.ok() for o in schema.get_all_operations() if o.ok().path == "/api/v1/targets.json"]
    told = fuzzapi.Told()
    fuzzapi.ask(one.Case(query={"limit": 1}), CHECKS.get_by_names(list(fuzzapi.NAMES)), None, told)
    assert told.wrong
